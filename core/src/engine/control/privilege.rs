//! Rights raised, most of all one's own.

use super::{Asked, Control, Kind, RULE, SeverityRule, words};
use crate::{
    engine::{
        Severity, Text,
        explain::{Facts, Hit, phrase},
        rule::{Hits, Rule},
    },
    event::{Action, Change},
};

pub(super) const CONTROL: Control = Control {
    id: "privilege",
    title: words("Rights raised", "Расширение прав"),
    kind: Kind::Rule,
    about: words(
        "A role, profile, hierarchy or permission was given; critical where it is one's own",
        "Выданы роль, профиль, место в иерархии или право; критично, если самому себе",
    ),
    mitre: &["T1098"],
    severity: SeverityRule::Raised {
        usually: Severity::High,
        at_worst: Severity::Critical,
        when: words("given to oneself", "выдано самому себе"),
    },
    said: Some(said),
    benign: &[
        words("Is there a request or an order behind it? Look for the ticket", "Есть ли за этим заявка или приказ? Найдите её"),
        words("Was a new hire or a mover set up?", "Не заводили ли новичка, не переводили ли человека?"),
        words("Does an identity service write under this account?", "Не пишет ли под этой учётной записью служба учётных данных?"),
    ],
    ..RULE
};

pub(super) fn check(asked: &Asked<'_>, hits: &mut Hits) {
    let event = asked.now.event;
    let change = event.change.as_ref();
    if !event.ok() || event.action != Action::PermissionChange || change.is_some_and(is_withdrawn) {
        return;
    }
    let what = change.and_then(|c| c.to.as_deref().or(c.what.as_deref())).unwrap_or_default();
    let own = asked.now.enriched.enrich.target.as_deref() == Some(asked.now.enriched.enrich.manager.as_str());
    hits.count(if own { Rule::OwnPrivilege } else { Rule::Privilege }, event.time, 1.0, &[what]);
}

/// Rights are taken, not given.
pub(super) fn is_withdrawn(change: &Change) -> bool {
    const TAKES: [&str; 9] = ["unassign", "remove", "revoke", "disable", "delete", "disassociate", "withdraw", "отозва", "удал"];
    let takes = |text: &str| {
        let text = text.to_lowercase();
        TAKES.iter().any(|word| text.contains(word))
    };
    let said = |text: &Option<String>| text.as_deref().is_some_and(|t| !t.is_empty());
    change.what.as_deref().is_some_and(takes) || said(&change.from) && !said(&change.to)
}

fn said(hit: &Hit, facts: &Facts) -> Text {
    let clock = phrase::clock(facts, hit.at);
    let own = hit.rule == Rule::OwnPrivilege;
    let (en, ru) = if own {
        ("Own rights raised", "Повышены собственные права")
    } else {
        ("Somebody's rights raised", "Кому-то повышены права")
    };
    let what = hit.text(0).map(|w| format!(" ({w})")).unwrap_or_default();
    Text {
        en: format!("{en}{what} at {clock}: {} today, expected none", phrase::en(hit.observed, "change", "changes")),
        ru: format!("{ru}{what} в {clock}: сегодня {}, ожидалось ни одной", phrase::ru(hit.observed, ["перемена", "перемены", "перемен"])),
    }
}

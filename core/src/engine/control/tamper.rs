//! Changed and changed back, granted and taken back, a client's number made one's own.

use super::{Asked, Control, Kind, RULE, SeverityRule, floor, privilege, words};
use crate::{
    engine::{
        Severity, Text,
        explain::{Facts, Hit, phrase},
        math::number,
        memory::{Change, Memory, short},
        rule::{Hits, Rule},
        watch::Grants,
    },
    event::{Action, ObjectType},
};

pub(super) const CONTROL: Control = Control {
    id: "tamper",
    title: words("Change and revert", "Изменение с возвратом"),
    kind: Kind::Rule,
    about: words(
        "A value was changed and set back within a day, a right was given, used and taken back, or a client's telephone or e-mail became that of a colleague",
        "Значение изменено и за сутки возвращено, право выдано, использовано и отозвано, либо телефон или почта клиента стали телефоном или почтой сотрудника",
    ),
    mitre: &["T1098", "T1565"],
    severity: SeverityRule::Fixed(Severity::High),
    settings: &[floor(
        "slip_seconds",
        60.0,
        "seconds within which a value set back is a slip put right, not a revert",
        "секунд, за которые возврат значения считается исправленной опечаткой",
    )],
    said: Some(said),
    benign: &[
        words(
            "Was it a slip that was put right? See how long the other value stood and what was done meanwhile",
            "Не исправленная ли это опечатка? Посмотрите, сколько продержалось другое значение и что было тем временем",
        ),
        words("Was a right lent for one task on order?", "Не выдавали ли право по распоряжению ради одного дела?"),
        words("Is the colleague a client too?", "Не является ли сотрудник сам клиентом?"),
    ],
    ..RULE
};

pub(super) fn check(asked: &Asked<'_>, memory: &mut Memory, hits: &mut Hits) {
    let event = asked.now.event;
    let Some(change) = event.change.as_ref().filter(|_| event.ok()) else { return };
    let what = change.what.as_deref().unwrap_or_default();
    if event.action == Action::Update || event.action == Action::SettingChange {
        let (from, to) = (change.from.as_deref().unwrap_or_default(), change.to.as_deref().unwrap_or_default());
        if from != to {
            let object = event.object.as_ref().and_then(|o| o.id.as_deref()).unwrap_or_default();
            let key = short(&[object.as_bytes(), &[0], what.as_bytes()].concat());
            let now = Change { what: key, from: short(from.as_bytes()), to: short(to.as_bytes()), at: event.time.millis() };
            let stood = memory.change(now).map(|at| event.time.millis() - at).filter(|ms| *ms >= asked.terms.limits.slip_ms);
            if let Some(ms) = stood {
                hits.mark(Rule::Tamper, event.time, [number(ms.unsigned_abs() / 60_000), 0.0], &["reverted", what]);
            }
        }
    }
    let of_client = matches!(event.object.as_ref().and_then(|o| o.kind), Some(ObjectType::Client | ObjectType::Contact | ObjectType::Lead));
    if event.action == Action::Update && of_client && change.to.as_deref().is_some_and(|to| asked.people.has_contact(to)) {
        hits.mark(Rule::Tamper, event.time, [1.0, 0.0], &["redirected", what]);
    }
}

/// A right was given, used and taken back within a day; `grants` are the tenant's.
pub(super) fn check_grants(asked: &Asked<'_>, grants: &mut Grants, hits: &mut Hits) {
    let (event, enrich) = (asked.now.event, &asked.now.enriched.enrich);
    let t = event.time.millis();
    if !event.ok() {
        return;
    }
    let Some(change) = event.change.as_ref().filter(|_| event.action == Action::PermissionChange) else {
        grants.used(&enrich.manager, t);
        return;
    };
    let target = enrich.target.as_deref().unwrap_or(&enrich.manager);
    if !privilege::is_withdrawn(change) {
        grants.given(target, t);
    } else if let Some(stood) = grants.taken(target, t) {
        hits.mark(
            Rule::Tamper,
            event.time,
            [number(stood.unsigned_abs() / 60_000), 0.0],
            &["lent", change.what.as_deref().unwrap_or_default()],
        );
    }
}

fn said(hit: &Hit, facts: &Facts) -> Text {
    let clock = phrase::clock(facts, hit.at);
    let what = hit.text(1).map(|w| format!(" ({w})")).unwrap_or_default();
    let (en, ru) = (phrase::en(hit.observed, "minute", "minutes"), phrase::ru(hit.observed, ["минуту", "минуты", "минут"]));
    match hit.text(0) {
        Some("redirected") => Text {
            en: format!("A client's telephone or e-mail{what} became a colleague's own at {clock}; expected never"),
            ru: format!("Телефон или почта клиента{what} в {clock} заменены на телефон или почту сотрудника; такого не ожидается никогда"),
        },
        Some("lent") => Text {
            en: format!("A right{what} was given, used and taken back after {en}, at {clock}; expected never"),
            ru: format!("Право{what} выдано, использовано и отозвано через {ru}, в {clock}; такого не ожидается никогда"),
        },
        _ => Text {
            en: format!("A value{what} was changed and set back after {en}, at {clock}; expected never"),
            ru: format!("Значение{what} изменено и возвращено через {ru}, в {clock}; такого не ожидается никогда"),
        },
    }
}

//! A junior deletes, merges or overwrites.

use super::{Asked, Control, Kind, RULE, SeverityRule, words};
use crate::{
    engine::{
        Severity, Text,
        explain::{Facts, Hit, phrase},
        math::number,
        rule::{Hits, Rule},
    },
    event::Action,
};

pub(super) const CONTROL: Control = Control {
    id: "junior_delete",
    title: words("Junior deletes or overwrites", "Младший сотрудник удаляет или перезаписывает"),
    kind: Kind::Rule,
    about: words(
        "A junior deleted or merged records, or overwrote a field that had a value; adding is allowed",
        "Младший сотрудник удалил или объединил записи либо перезаписал заполненное поле; добавлять можно",
    ),
    mitre: &["T1485"],
    severity: SeverityRule::Fixed(Severity::Medium),
    said: Some(said),
    benign: &[
        words("Did a senior colleague ask for it? Ask the supervisor", "Не поручил ли это старший коллега? Спросите руководителя"),
        words("Was it a duplicate or a slip that the person put right?", "Не дубль ли это, не исправление ли собственной опечатки?"),
    ],
    ..RULE
};

pub(super) fn check(asked: &Asked<'_>, hits: &mut Hits) {
    let event = asked.now.event;
    if !event.ok() || asked.now.enriched.enrich.grade.as_deref() != Some("junior") {
        return;
    }
    let said = |text: &Option<String>| text.as_deref().is_some_and(|t| !t.is_empty());
    let overwrites = event.action == Action::Update && event.change.as_ref().is_some_and(|c| said(&c.from) && c.from != c.to);
    if overwrites || matches!(event.action, Action::Delete | Action::Merge) {
        hits.count(Rule::JuniorDelete, event.time, number(event.records.unwrap_or(1).max(1)), &[event.action.as_str()]);
    }
}

fn said(hit: &Hit, facts: &Facts) -> Text {
    let clock = phrase::clock(facts, hit.at);
    Text {
        en: format!(
            "A junior deleted, merged or overwrote {}, first at {clock}; expected none",
            phrase::en(hit.observed, "record", "records")
        ),
        ru: format!(
            "Младший сотрудник удалил, объединил или перезаписал {}, первый раз в {clock}; ожидалось ни одной",
            phrase::ru(hit.observed, ["запись", "записи", "записей"])
        ),
    }
}

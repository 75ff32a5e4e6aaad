//! The audit trail itself: switched off, deleted, or silent.

use super::{Asked, Control, Kind, RULE, SeverityRule, floor, words};
use crate::{
    engine::{
        Severity, Text,
        explain::{Facts, Hit, phrase},
        rule::{Hits, Rule},
    },
    event::Action,
};

pub(super) const CONTROL: Control = Control {
    id: "audit_gap",
    title: words("Audit trail broken", "Журнал аудита прерван"),
    kind: Kind::Absence,
    about: words(
        "The audit trail was switched off or deleted, or a source was silent through hours in which it has always spoken",
        "Журнал аудита выключен или удалён, либо источник молчит в часы, в которые всегда что-то сообщал",
    ),
    mitre: &["T1562.008"],
    severity: SeverityRule::Raised {
        usually: Severity::Medium,
        at_worst: Severity::Critical,
        when: words("switched off or deleted", "если выключен или удалён"),
    },
    settings: &[
        floor(
            "hours",
            4.0,
            "silent hours in which the source has always spoken",
            "часов молчания, в которые источник всегда что-то сообщал",
        ),
        floor("weeks", 3.0, "weeks of a source before its silence is judged", "недель работы источника, прежде чем судить о его молчании"),
    ],
    said: Some(said),
    benign: &[
        words("Is it a public holiday, or is the CRM being maintained?", "Не праздник ли это, не идёт ли обслуживание CRM?"),
        words(
            "Did an administrator change how long the trail is kept, on order?",
            "Не менял ли администратор по распоряжению срок хранения журнала?",
        ),
        words("Does the connector that delivers the events still run?", "Работает ли соединитель, который доставляет события?"),
    ],
    ..RULE
};

pub(super) fn check(asked: &Asked<'_>, hits: &mut Hits) {
    let event = asked.now.event;
    if !event.ok() || !matches!(event.action, Action::SettingChange | Action::Delete | Action::Other) {
        return;
    }
    let change = event.change.as_ref();
    let what = change.and_then(|c| c.what.as_deref()).unwrap_or_default();
    let object = event.object.as_ref().and_then(|o| o.id.as_deref()).unwrap_or_default();
    let Some(trail) = [what, object].into_iter().find(|t| is_trail(t)) else { return };
    let off = change.and_then(|c| c.to.as_deref()).is_some_and(is_off);
    if off || event.action == Action::Delete || is_reduced(what) {
        hits.count(Rule::AuditOff, event.time, 1.0, &[trail]);
    }
}

/// A setting or object that is about the trail.
fn is_trail(text: &str) -> bool {
    const TRAILS: [&str; 8] = ["audit", "event log", "eventlog", "event_log", "field history", "журнал", "аудит", "логирован"];
    let text = text.to_lowercase();
    TRAILS.iter().any(|t| text.contains(t))
}

/// It is deleted or cut by its name.
fn is_reduced(what: &str) -> bool {
    let what = what.to_lowercase();
    ["eventlogreduce", "delete", "purge", "clear", "disable", "удал", "сокращ", "очист"].iter().any(|w| what.contains(w))
}

fn is_off(value: &str) -> bool {
    const OFF: [&str; 11] = ["off", "false", "0", "no", "none", "disabled", "deleted", "inactive", "выкл", "нет", "отключено"];
    OFF.iter().any(|off| value.trim().eq_ignore_ascii_case(off))
}

fn said(hit: &Hit, facts: &Facts) -> Text {
    let clock = phrase::clock(facts, hit.at);
    let what = hit.text(0).map(|w| format!(" ({w})")).unwrap_or_default();
    Text {
        en: format!("The audit trail{what} was switched off, cut or deleted at {clock}; expected never"),
        ru: format!("Журнал аудита{what} выключен, урезан или удалён в {clock}; такого не ожидается никогда"),
    }
}

/// What is told of a silent source: `hours` in which it has always spoken, since it was heard last.
pub(in crate::engine) fn sentence(source: &str, hours: f64, least: f64, last: &Text) -> Text {
    let source = phrase::quoted(source);
    Text {
        en: format!(
            "{source} has been silent for {} in which it has always spoken (told from {} on); last heard {}",
            phrase::en(hours, "hour", "hours"),
            phrase::n_en(least),
            last.en
        ),
        ru: format!(
            "{source} молчит {} из тех, в которые всегда что-то сообщал (сообщается, начиная с {}); последнее событие — {}",
            phrase::ru(hours, ["час", "часа", "часов"]),
            phrase::n_ru(least),
            last.ru
        ),
    }
}

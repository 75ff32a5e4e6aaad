//! Mass delete, update, transfer or share.

use super::{Asked, Control, Kind, SeverityRule, floor, switch, words};
use crate::{
    engine::{
        Severity, Text,
        explain::{Detector, Facts, Hit, phrase},
        math::number,
        rule::{Hits, Rule},
        terms::Floors,
    },
    event::{Action, ActorKind, Address, Enriched, ObjectType, Work},
};

pub(super) const CONTROL: Control = Control {
    id: "mass_change",
    title: words("Mass change", "Массовое изменение"),
    kind: Kind::Behavioural,
    about: words(
        "Far more records deleted, merged, transferred, changed or shared than usual",
        "Удалено, объединено, передано, изменено или открыто для других намного больше записей, чем обычно",
    ),
    detectors: &[Detector::Destr, Detector::NUpd, Detector::Ext],
    mitre: &["T1485", "T1565"],
    severity: SeverityRule::Budget,
    parameters: &[
        floor(
            "floor_deleted",
            10.0,
            "records deleted, merged or transferred below which they are no evidence",
            "удалённых, объединённых или переданных записей, меньше которых они не считаются признаком",
        ),
        floor(
            "floor_updated",
            10.0,
            "records changed below which they are no evidence",
            "изменённых записей, меньше которых они не считаются признаком",
        ),
        floor(
            "floor_shared",
            1.0,
            "weight of records shared below which it is no evidence; to an outside account a record weighs 1, within 0.1",
            "вес открытых для других записей, меньше которого он не считается признаком; вовне запись весит 1, внутри 0,1",
        ),
    ],
    settings: &[
        floor(
            "tidied",
            50.0,
            "records that an administrator tidied up and that weigh as one destroyed",
            "записей при чистке базы администратором, которые весят как одна уничтоженная",
        ),
        floor(
            "medium_changes",
            100.0,
            "records changed in an hour from which on an open alert is medium at least",
            "записей, изменённых за час, начиная с которых уже открытое оповещение не ниже среднего",
        ),
        floor(
            "high_changes",
            1_000.0,
            "records changed in an hour from which on an open alert is high at least",
            "записей, изменённых за час, начиная с которых уже открытое оповещение не ниже высокого",
        ),
        floor(
            "top_changes",
            10_000.0,
            "records deleted, merged, transferred, changed or shared in an hour from which on it is a critical alert by itself",
            "записей, удалённых, объединённых, переданных, изменённых или открытых за час, начиная с которых это критическое оповещение само по себе",
        ),
    ],
    switches: &[switch(
        "housekeeping",
        true,
        "what an administrator merges, and leads that they delete, in working time and outside a notice period, weigh less",
        "что администратор объединяет, и лиды, которые он удаляет, в рабочее время и не перед уходом, весят меньше",
    )],
    said: Some(said),
    named: None,
    benign: &[
        words("Is an administrator or a data steward cleaning up?", "Не чистит ли базу администратор или ответственный за данные?"),
        words("Are territories or owners being changed on order?", "Не меняются ли по распоряжению территории или владельцы?"),
        words(
            "Is an import or an integration correcting records under this account?",
            "Не правит ли записи под этой учётной записью импорт или интеграция?",
        ),
    ],
};

/// Whether a merge or a deletion is an administrator's work: duplicates merged, leads that led nowhere deleted. Clients, contacts and
/// deals that are deleted count in full, and so does all that is done at night, from a place that is not allowed or before leaving.
pub(in crate::engine) fn is_housekeeping(e: &Enriched) -> bool {
    let of_leads = e.event.object.as_ref().and_then(|o| o.kind.as_ref()) == Some(&ObjectType::Lead);
    let work = e.enrich.work;
    e.enrich.grade.as_deref() == Some("admin")
        && e.event.actor.kind == ActorKind::User
        && (e.event.action == Action::Merge || e.event.action == Action::Delete && of_leads)
        && !matches!(work, Some(Work::Out | Work::Absent | Work::Holiday))
        && e.enrich.address != Address::Denied
        && !e.enrich.notice
}

/// Whether an action changes records of others than itself.
pub(in crate::engine) fn changes(action: Action) -> bool {
    matches!(action, Action::Delete | Action::Merge | Action::Transfer | Action::Update | Action::Share)
}

/// `in_hour`: records changed so far within the hour.
pub(super) fn check(asked: &Asked<'_>, in_hour: u64, hits: &mut Hits) {
    if asked.terms.floors.change.severity(in_hour) == Some(Severity::Critical) {
        hits.mark(Rule::TopChange, asked.now.event.time, [number(in_hour), asked.terms.floors.change.top], &[]);
    }
}

/// The floors of an hour.
pub(in crate::engine) fn floors(setting: impl Fn(&str) -> f64) -> Floors {
    Floors { medium: setting("medium_changes"), high: setting("high_changes"), top: setting("top_changes") }
}

fn said(hit: &Hit, facts: &Facts) -> Text {
    let clock = phrase::clock(facts, hit.at);
    Text {
        en: format!(
            "{} changed within an hour, at {clock}; from {} on that is an alert by itself",
            phrase::en(hit.observed, "record", "records"),
            phrase::n_en(hit.expected)
        ),
        ru: format!(
            "За час изменено: {}, в {clock}; начиная с {} это оповещение само по себе",
            phrase::ru(hit.observed, ["запись", "записи", "записей"]),
            phrase::n_ru(hit.expected)
        ),
    }
}

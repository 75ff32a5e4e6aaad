//! One export, report or API answer of unusual size.

use super::{Asked, Control, Kind, SeverityRule, floor, words};
use crate::{
    engine::{
        Severity, Text,
        accumulate::goes_out,
        explain::{Detector, Facts, Hit, phrase},
        math::number,
        rule::{Hits, Rule},
        terms::Floors,
    },
    event::{Action, Event},
};

pub(super) const CONTROL: Control = Control {
    id: "bulk_export",
    title: words("Bulk export", "Массовая выгрузка"),
    kind: Kind::Behavioural,
    about: words(
        "One export, report or API answer of unusual size, against own and peers' record counts",
        "Одна выгрузка, отчёт или ответ API необычного размера в сравнении со своими днями и с коллегами по роли",
    ),
    detectors: &[Detector::RecOut, Detector::RecUnf],
    mitre: &["T1213.004"],
    severity: SeverityRule::Budget,
    parameters: &[floor(
        "floor_records",
        50.0,
        "records of the day below which size is no evidence",
        "записей за день, меньше которых размер не считается признаком",
    )],
    settings: &[
        floor(
            "medium_records",
            10_000.0,
            "records in one answer from which on an open alert is medium at least",
            "записей в одном ответе, начиная с которых уже открытое оповещение не ниже среднего",
        ),
        floor(
            "high_records",
            50_000.0,
            "records in one answer from which on an open alert is high at least",
            "записей в одном ответе, начиная с которых уже открытое оповещение не ниже высокого",
        ),
        floor(
            "top_records",
            100_000.0,
            "records in one export, report or API answer from which on it is a critical alert by itself, whatever is usual",
            "записей в одной выгрузке, отчёте или ответе API, начиная с которых это критическое оповещение само по себе, что бы ни было обычно",
        ),
    ],
    switches: &[],
    said: Some(said),
    named: None,
    benign: &[
        words(
            "Was a quarter-end or management report due? Ask the supervisor",
            "Не сдавался ли квартальный или управленческий отчёт? Спросите руководителя",
        ),
        words(
            "Did marketing or accounting ask for this list? Look for the request",
            "Не просили ли этот список маркетинг или бухгалтерия? Найдите запрос",
        ),
        words(
            "Is the person moving to another territory or handing clients over?",
            "Не меняет ли человек территорию, не передаёт ли клиентов?",
        ),
    ],
};

/// Whether an event gives records away at once.
pub(in crate::engine) fn is_answer(event: &Event) -> bool {
    event.ok() && (goes_out(event.action) || event.action == Action::Report)
}

/// `records`: of the event.
pub(super) fn check(asked: &Asked<'_>, records: u64, hits: &mut Hits) {
    let event = asked.now.event;
    if is_answer(event) && asked.terms.floors.export.severity(records) == Some(Severity::Critical) {
        hits.mark(Rule::TopExport, event.time, [number(records), asked.terms.floors.export.top], &[]);
    }
}

/// The floors of one answer.
pub(in crate::engine) fn floors(setting: impl Fn(&str) -> f64) -> Floors {
    Floors { medium: setting("medium_records"), high: setting("high_records"), top: setting("top_records") }
}

fn said(hit: &Hit, facts: &Facts) -> Text {
    let clock = phrase::clock(facts, hit.at);
    Text {
        en: format!(
            "One answer of {} at {clock}; from {} on that is an alert by itself",
            phrase::en(hit.observed, "record", "records"),
            phrase::n_en(hit.expected)
        ),
        ru: format!(
            "Сразу {} в одном ответе в {clock}; начиная с {} это оповещение само по себе",
            phrase::ru(hit.observed, ["запись", "записи", "записей"]),
            phrase::n_ru(hit.expected)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_gave_nothing_away() {
        let is = |action: &str, outcome: &str| {
            let text = format!(
                r#"{{"id":"e","time":"2026-03-01","source":"s","actor":{{"id":"a"}},"action":"{action}","outcome":"{outcome}","records":60000}}"#
            );
            is_answer(&serde_json::from_str(&text).expect("an event"))
        };
        assert!(["export", "print", "api_query", "report"].into_iter().all(|action| is(action, "success") && !is(action, "failure")));
        assert!(!is("list", "success"));
    }
}

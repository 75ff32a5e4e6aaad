//! One export, report or API answer of unusual size.

use super::{Control, Kind, SeverityRule, floor, words};
use crate::engine::explain::Detector;

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
    settings: &[floor(
        "top_records",
        100_000.0,
        "records in one export, report or API answer from which on it is a critical alert by itself, whatever is usual",
        "записей в одной выгрузке, отчёте или ответе API, начиная с которых это критическое оповещение само по себе, что бы ни было обычно",
    )],
    switches: &[],
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

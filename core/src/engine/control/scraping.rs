//! Walking the base by searches, lists and reports.

use super::{Control, Kind, SeverityRule, floor, words};
use crate::engine::explain::Detector;

pub(super) const CONTROL: Control = Control {
    id: "scraping",
    title: words("Walking the base", "Сплошной просмотр базы"),
    kind: Kind::Behavioural,
    about: words("Far more searches, lists and reports than usual", "Поисков, списков и отчётов намного больше обычного"),
    detectors: &[Detector::NQuery],
    mitre: &["T1119"],
    severity: SeverityRule::Budget,
    parameters: &[floor(
        "floor_queries",
        10.0,
        "queries of the day below which their number is no evidence",
        "запросов за день, меньше которых их число не считается признаком",
    )],
    settings: &[],
    switches: &[],
    said: None,
    named: None,
    benign: &[
        words(
            "Does a browser extension or dashboard refresh lists by itself?",
            "Не обновляет ли списки само расширение браузера или панель?",
        ),
        words("Is the person new and learning the base?", "Не новичок ли это, который знакомится с базой?"),
        words("Is a list being prepared for a campaign?", "Не готовится ли список для кампании?"),
    ],
};

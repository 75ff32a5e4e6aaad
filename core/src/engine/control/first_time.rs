//! A kind of action or query that is new for this person.

use super::{Control, Kind, SeverityRule, floor, words};
use crate::engine::explain::Detector;

pub(super) const CONTROL: Control = Control {
    id: "first_time",
    title: words("First-time action", "Действие впервые"),
    kind: Kind::Behavioural,
    about: words(
        "A kind of action, channel or query that this person has not used before",
        "Вид действия, канал или запрос, которыми этот человек раньше не пользовался",
    ),
    detectors: &[Detector::NovQ],
    mitre: &["T1078", "T1213"],
    severity: SeverityRule::Budget,
    parameters: &[floor(
        "floor_revealed",
        10.0,
        "records and clients of the day below which novelty is no evidence",
        "записей и клиентов за день, меньше которых новизна не считается признаком",
    )],
    settings: &[],
    switches: &[],
    said: None,
    named: None,
    benign: &[
        words("Is it a new report or function of the CRM used for the first time?", "Не новый ли это отчёт или функция CRM?"),
        words("Did the person's duties change?", "Не изменились ли обязанности человека?"),
        words("Is it a new hire's first weeks?", "Не первые ли это недели новичка?"),
    ],
};

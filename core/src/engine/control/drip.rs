//! Low and slow: a little more every day.

use super::{Control, Kind, SeverityRule, floor, switch, words};
use crate::engine::explain::Detector;

pub(super) const CONTROL: Control = Control {
    id: "drip",
    title: words("Low and slow collection", "Медленный сбор"),
    kind: Kind::Behavioural,
    about: words(
        "Records, clients or strangers' clients a little above the usual, day after day",
        "Записей, клиентов или чужих клиентов чуть больше обычного, день за днём",
    ),
    detectors: &[Detector::CRec, Detector::CUnrel, Detector::CDistinct, Detector::COut],
    mitre: &["T1020"],
    severity: SeverityRule::Budget,
    parameters: &[
        floor("baseline_days", 10.0, "learned days before which there is no drift", "изученных дней, до которых сдвиг не считается"),
        floor(
            "floor_revealed",
            10.0,
            "records and clients of the day below which drift is no evidence",
            "записей и клиентов за день, меньше которых сдвиг не считается признаком",
        ),
    ],
    settings: &[],
    switches: &[
        switch(
            "restart",
            true,
            "a drift that an alert named begins again from nothing at the close of the day, so that one change of level is told once",
            "сдвиг, названный в оповещении, после закрытия дня начинается с нуля: об одной перемене уровня сообщается один раз",
        ),
        switch(
            "exports",
            true,
            "records that leave are a series of their own besides those on screen, which are many more",
            "выгруженные записи — отдельный ряд, кроме записей на экране, которых намного больше",
        ),
    ],
    said: None,
    named: None,
    benign: &[
        words("Did the person's duties or portfolio grow?", "Не вырос ли круг обязанностей или число клиентов?"),
        words("Has a season begun that the whole team feels?", "Не начался ли сезон, который заметен у всей команды?"),
        words("Does a new tool open more records for the same work?", "Не открывает ли новый инструмент больше записей при той же работе?"),
    ],
};

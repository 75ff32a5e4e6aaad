//! Work at hours that are not theirs.

use super::{Control, Kind, SeverityRule, floor, switch, words};
use crate::engine::explain::Detector;

pub(super) const CONTROL: Control = Control {
    id: "off_hours",
    title: words("Work at unusual hours", "Работа в непривычное время"),
    kind: Kind::Behavioural,
    about: words(
        "Work at hours of the week that hold little of this person's time, more so when records leave",
        "Работа в часы недели, на которые приходится мало времени этого человека, тем более с выгрузкой записей",
    ),
    detectors: &[Detector::Offh, Detector::OffOut],
    mitre: &["T1078"],
    severity: SeverityRule::Budget,
    parameters: &[floor(
        "floor_revealed",
        10.0,
        "records and clients of the day below which the hour is no evidence",
        "записей и клиентов за день, меньше которых время не считается признаком",
    )],
    settings: &[],
    switches: &[switch(
        "calendar",
        false,
        "work during an absence or on a public holiday counts as work at the rarest of this person's hours",
        "работа во время отсутствия или в праздник считается работой в самый редкий для этого человека час",
    )],
    said: None,
    named: None,
    benign: &[
        words(
            "Is it a shift, a duty or overtime that the schedule does not show?",
            "Не смена ли это, дежурство или переработка, которых нет в графике?",
        ),
        words("Is the person travelling in another time zone?", "Не в поездке ли человек, в другом часовом поясе?"),
        words("Does a program work under this account at night?", "Не работает ли ночью под этой учётной записью программа?"),
    ],
};

//! Calls to clients without an order, ownership or contact.

use super::{Control, Kind, SeverityRule, floor, words};
use crate::engine::explain::Detector;

pub(super) const CONTROL: Control = Control {
    id: "unrelated_call",
    title: words("Calls without a reason", "Звонки чужим клиентам"),
    kind: Kind::Behavioural,
    about: words(
        "Calls to clients who are not the manager's own, without an order or a recent call from them",
        "Звонки чужим клиентам без заказа и без их недавнего звонка",
    ),
    detectors: &[Detector::Ucall],
    mitre: &["T1213.004"],
    severity: SeverityRule::Budget,
    parameters: &[floor(
        "floor_weight",
        3.0,
        "weight of the day's calls below which it is no evidence",
        "вес звонков за день, меньше которого он не считается признаком",
    )],
    settings: &[],
    switches: &[],
    said: None,
    named: None,
    benign: &[
        words(
            "Is a calling campaign under way? See whether the team rose too",
            "Не идёт ли кампания обзвона? Посмотрите, выросла ли активность всей команды",
        ),
        words("Did the clients call a common number and get called back?", "Не перезванивал ли человек тем, кто звонил на общий номер?"),
        words("Does the person stand in for an absent colleague?", "Не замещает ли человек отсутствующего коллегу?"),
    ],
};

//! One account, two people.

use super::{Control, Kind, SeverityRule, floor, switch, words};
use crate::engine::explain::Detector;

pub(super) const CONTROL: Control = Control {
    id: "shared_account",
    title: words("One account in two places", "Одна учётная запись в двух местах"),
    kind: Kind::Behavioural,
    about: words(
        "Work goes back and forth, within half an hour each time, between places of which both network and program or device differ",
        "Работа по одной учётной записи в пределах получаса попеременно идёт из мест, где различаются и сеть, и программа или устройство",
    ),
    detectors: &[Detector::TwoPlaces],
    mitre: &["T1078"],
    severity: SeverityRule::Budget,
    parameters: &[floor(
        "floor_returns",
        3.0,
        "returns of a day below which they are no evidence",
        "возвратов за день, меньше которых они не считаются признаком",
    )],
    settings: &[],
    switches: &[switch("two_places", true, "returns between two places are evidence", "возвраты между двумя местами — признак")],
    benign: &[
        words("Does the person work with a computer and a telephone at once?", "Не работает ли человек сразу с компьютера и с телефона?"),
        words("Does a VPN or a remote desktop show another address?", "Не меняют ли адрес VPN или удалённый рабочий стол?"),
        words(
            "Does an assistant work with the same account by agreement?",
            "Не работает ли под этой же учётной записью помощник по договорённости?",
        ),
    ],
};

//! Country, network, program or device not seen before.

use super::{Control, Kind, SeverityRule, words};
use crate::engine::explain::Detector;

pub(super) const CONTROL: Control = Control {
    id: "new_place",
    title: words("New place or device", "Новое место или устройство"),
    kind: Kind::Behavioural,
    about: words(
        "A country, network, program or device that this person has not used before",
        "Страна, сеть, программа или устройство, которыми этот человек раньше не пользовался",
    ),
    detectors: &[Detector::NovCtx],
    mitre: &["T1078"],
    severity: SeverityRule::Budget,
    parameters: &[],
    settings: &[],
    switches: &[],
    said: None,
    named: None,
    benign: &[
        words("Is the person on a business trip or working from home?", "Не в командировке ли человек, не работает ли из дома?"),
        words(
            "Did they get a new computer or telephone, or a browser update?",
            "Не получил ли он новый компьютер или телефон, не обновился ли браузер?",
        ),
        words("Did the office change its provider or VPN?", "Не сменил ли офис провайдера или VPN?"),
    ],
};

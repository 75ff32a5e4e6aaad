//! Many failed log-ins on one account.

use super::{Control, Kind, SeverityRule, floor, words};
use crate::engine::explain::Detector;

pub(super) const CONTROL: Control = Control {
    id: "brute_force",
    title: words("Failed log-ins", "Подбор пароля"),
    kind: Kind::Behavioural,
    about: words("Far more failed log-ins on this account than usual", "Неудачных входов под этой учётной записью намного больше обычного"),
    detectors: &[Detector::Authfail],
    mitre: &["T1110.001"],
    severity: SeverityRule::Budget,
    parameters: &[floor(
        "floor_failures",
        5.0,
        "failed log-ins of the day below which they are no evidence",
        "неудачных входов за день, меньше которых они не считаются признаком",
    )],
    settings: &[],
    switches: &[],
    benign: &[
        words(
            "Was the password changed, so that a telephone or mail program keeps trying the old one?",
            "Не сменён ли пароль, а телефон или почтовая программа всё ещё входит со старым?",
        ),
        words("Did the person come back from leave and forget the password?", "Не забыл ли человек пароль после отпуска?"),
        words("Was there a failure of the sign-in service?", "Не было ли сбоя службы входа?"),
    ],
};

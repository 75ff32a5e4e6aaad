//! One address, many accounts.

use super::{Control, Kind, RULE, SeverityRule, floor, words};
use crate::engine::{Severity, Text, explain::phrase};

pub(super) const CONTROL: Control = Control {
    id: "spraying",
    title: words("One address against many accounts", "Один адрес против многих учётных записей"),
    kind: Kind::Address,
    about: words(
        "Failed log-ins of many accounts from one address or one network within minutes; the alert is about the address",
        "Неудачные входы многих учётных записей с одного адреса или из одной сети за несколько минут; оповещение — об адресе",
    ),
    mitre: &["T1110.003"],
    severity: SeverityRule::Fixed(Severity::High),
    settings: &[
        floor("accounts", 5.0, "accounts that fail to log in", "учётных записей с неудачным входом"),
        floor("minutes", 10.0, "minutes within which they count together", "минут, за которые они считаются вместе"),
    ],
    benign: &[
        words("Did the sign-in service or a shared proxy fail for everybody?", "Не отказала ли для всех служба входа или общий прокси?"),
        words(
            "Does an office behind one address come back after a password change?",
            "Не возвращается ли после смены паролей офис за одним адресом?",
        ),
    ],
    ..RULE
};

/// What is told of a wave: `accounts` failed from the address, the last of them at `clock`.
pub(in crate::engine) fn sentence(address: &str, accounts: f64, least: f64, clock: &str) -> Text {
    Text {
        en: format!(
            "{} failed to log in from {address} within minutes, at {clock}; from {} on that is an alert",
            phrase::en(accounts, "account", "accounts"),
            phrase::n_en(least)
        ),
        ru: format!(
            "С адреса {address} за несколько минут не удались входы: {}, в {clock}; сообщается, начиная с {}",
            phrase::ru(accounts, ["учётная запись", "учётные записи", "учётных записей"]),
            phrase::n_ru(least)
        ),
    }
}

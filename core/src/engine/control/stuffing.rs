//! The account that gave way within a spraying wave.

use super::{Asked, Control, Kind, RULE, SeverityRule, words};
use crate::engine::{
    Severity, Text,
    explain::{Facts, Hit, phrase},
    rule::{Hits, Rule},
};

pub(super) const CONTROL: Control = Control {
    id: "stuffing",
    title: words("Account gave way", "Подобранная учётная запись"),
    kind: Kind::Address,
    about: words(
        "A log-in succeeded from an address from which many accounts failed within minutes",
        "Удался вход с адреса, с которого за несколько минут не удались входы многих учётных записей",
    ),
    mitre: &["T1110.004"],
    severity: SeverityRule::Fixed(Severity::Critical),
    said: Some(said),
    benign: &[
        words(
            "Is the address the office's own, where everybody failed for a while and then came in?",
            "Не адрес ли это самого офиса, где вход какое-то время не удавался никому, а потом наладился?",
        ),
        words(
            "Did the person log in by a second factor that nobody else has?",
            "Не вошёл ли человек со вторым фактором, которого нет ни у кого другого?",
        ),
    ],
    ..RULE
};

/// `accounts`: of the wave in which this log-in succeeded.
pub(super) fn check(asked: &Asked<'_>, accounts: f64, hits: &mut Hits) {
    hits.mark(Rule::Stuffing, asked.now.event.time, [accounts, asked.terms.limits.accounts], &[asked.ip()]);
}

fn said(hit: &Hit, facts: &Facts) -> Text {
    let clock = phrase::clock(facts, hit.at);
    let from = hit.text(0).unwrap_or_default();
    Text {
        en: format!(
            "A log-in succeeded at {clock} from {from}, where {} had just failed; from {} on that is a wave",
            phrase::en(hit.observed, "account", "accounts"),
            phrase::n_en(hit.expected)
        ),
        ru: format!(
            "В {clock} вход удался с адреса {from}, с которого только что не удались входы: {}; волной считается, начиная с {}",
            phrase::ru(hit.observed, ["учётная запись", "учётные записи", "учётных записей"]),
            phrase::n_ru(hit.expected)
        ),
    }
}

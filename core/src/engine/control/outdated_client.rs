//! A program older than the tenant's minimum.

use super::{Asked, Control, Kind, RULE, SeverityRule, words};
use std::cmp::Ordering;

use crate::engine::{
    Severity, Text,
    explain::{Facts, Hit, phrase},
    memory::Memory,
    rule::{Hits, Rule},
};

pub(super) const CONTROL: Control = Control {
    id: "outdated_client",
    title: words("Outdated program", "Устаревшая программа"),
    kind: Kind::Rule,
    about: words(
        "A CRM client or browser older than [tenants.T] min_versions allows; told again after a week",
        "Программа CRM или браузер старше, чем допускает [tenants.T] min_versions; повторно — через неделю",
    ),
    mitre: &["T1203"],
    severity: SeverityRule::Fixed(Severity::Low),
    said: Some(said),
    benign: &[
        words("Is an update under way?", "Не идёт ли обновление?"),
        words("Is it a private device that should not be used?", "Не личное ли это устройство, которым пользоваться не следует?"),
    ],
    ..RULE
};

pub(super) fn check(asked: &Asked<'_>, memory: &mut Memory, hits: &mut Hits) {
    let Some(place) = asked.now.event.client.as_ref() else { return };
    let (Some(app), Some(version)) = (place.app.as_deref(), place.version.as_deref()) else { return };
    let least = asked.terms.min_versions.iter().find(|(name, _)| name.eq_ignore_ascii_case(app)).map(|(_, least)| least.as_str());
    let Some(least) = least.filter(|least| is_older(version, least)) else { return };
    if memory.tell(&[b"version", app.as_bytes(), &[0], version.as_bytes()].concat(), asked.date) {
        hits.mark(Rule::OutdatedClient, asked.now.event.time, [1.0, 0.0], &[app, version, least]);
    }
}

/// By the numbers in both, from the left; a version without numbers is not judged.
fn is_older(version: &str, least: &str) -> bool {
    let numbers = |text: &str| -> Vec<u64> { text.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect() };
    let (version, least) = (numbers(version), numbers(least));
    let at = |v: &[u64], i: usize| v.get(i).copied().unwrap_or(0);
    !version.is_empty()
        && (0..version.len().max(least.len())).map(|i| at(&version, i).cmp(&at(&least, i))).find(|o| o.is_ne()) == Some(Ordering::Less)
}

fn said(hit: &Hit, facts: &Facts) -> Text {
    let clock = phrase::clock(facts, hit.at);
    let [app, version, least] = [0, 1, 2].map(|i| hit.text(i).unwrap_or_default());
    Text {
        en: format!("{app} {version} in use at {clock}; the oldest allowed is {least}"),
        ru: format!("В {clock} работает {app} {version}; самая старая допустимая версия — {least}"),
    }
}

#[cfg(test)]
mod tests {
    use super::is_older;

    #[test]
    fn versions_by_their_numbers() {
        for (version, least) in [("9.1", "10"), ("1.2.3", "1.2.10"), ("v5", "5.1"), ("130.0.1", "131")] {
            assert!(is_older(version, least) && !is_older(least, version), "{version} {least}");
        }
        assert!(!is_older("1.2", "1.2.0") && !is_older("beta", "1"));
    }
}

//! A session that others can read.

use super::{Asked, Control, Kind, RULE, SeverityRule, words};
use crate::engine::{
    Severity, Text,
    explain::{Facts, Hit, phrase},
    memory::Memory,
    rule::{Hits, Rule},
};

pub(super) const CONTROL: Control = Control {
    id: "insecure_transport",
    title: words("Insecure connection", "Незащищённое соединение"),
    kind: Kind::Rule,
    about: words(
        "A session over plain HTTP or a TLS older than 1.2; told again after a week",
        "Сеанс по открытому HTTP или по TLS старше 1.2; повторно — через неделю",
    ),
    mitre: &["T1557"],
    severity: SeverityRule::Fixed(Severity::Medium),
    said: Some(said),
    benign: &[
        words("Does a proxy within the firm end TLS before the CRM sees it?", "Не завершает ли TLS внутренний прокси до CRM?"),
        words("Is it an old telephone or program that can be updated?", "Не старый ли это телефон или программа, которые можно обновить?"),
    ],
    ..RULE
};

pub(super) fn check(asked: &Asked<'_>, memory: &mut Memory, hits: &mut Hits) {
    let event = asked.now.event;
    let tls = event.client.as_ref().and_then(|c| c.tls.as_deref()).map(str::trim).filter(|t| !t.is_empty());
    let Some(tls) = tls.filter(|t| is_insecure(t)) else { return };
    if memory.tell(&[b"tls", tls.as_bytes()].concat(), asked.date) {
        hits.mark(Rule::InsecureTransport, event.time, [1.0, 0.0], &[tls]);
    }
}

/// `none`, `1.0`, `TLSv1.1`, `SSLv3`; what is not known is not judged.
fn is_insecure(tls: &str) -> bool {
    let tls = tls.to_lowercase();
    let version = tls.trim_start_matches("tls").trim_start_matches(['v', ' ', '_']);
    tls == "none" || tls.starts_with("ssl") || matches!(version, "1" | "1.0" | "1.1" | "1_0" | "1_1")
}

fn said(hit: &Hit, facts: &Facts) -> Text {
    let clock = phrase::clock(facts, hit.at);
    let tls = hit.text(0).unwrap_or_default();
    let (en, ru) = if tls == "none" {
        ("plain HTTP".to_owned(), "открытому HTTP".to_owned())
    } else {
        (format!("TLS {tls}"), format!("TLS {tls}"))
    };
    Text {
        en: format!("Session over {en} at {clock}; expected TLS 1.2 or newer"),
        ru: format!("Сеанс по {ru} в {clock}; ожидается TLS 1.2 или новее"),
    }
}

#[cfg(test)]
mod tests {
    use super::is_insecure;

    #[test]
    fn versions() {
        assert!(["none", "1.0", "1.1", "TLSv1", "TLS 1.1", "SSLv3"].into_iter().all(is_insecure));
        assert!(!["1.2", "1.3", "TLSv1.2", "tls 1.3", "?"].into_iter().any(is_insecure));
    }
}

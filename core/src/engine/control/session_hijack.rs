//! Another program or country within one session.

use super::{Asked, Control, Kind, RULE, SeverityRule, words};
use crate::engine::{
    Severity, Text,
    explain::{Facts, Hit, phrase},
    memory::Session,
    rule::{Hits, Rule},
};

pub(super) const CONTROL: Control = Control {
    id: "session_hijack",
    title: words("Session taken over", "Перехват сеанса"),
    kind: Kind::Rule,
    about: words("The program or the country changed within one session", "Внутри одного сеанса сменилась программа или страна"),
    mitre: &["T1539"],
    severity: SeverityRule::Fixed(Severity::High),
    said: Some(said),
    benign: &[
        words("Does a VPN or a roaming telephone show another country?", "Не показывает ли другую страну VPN или роуминг?"),
        words(
            "Does the source give one session id to several programs of one person?",
            "Не даёт ли источник один номер сеанса нескольким программам человека?",
        ),
    ],
    ..RULE
};

/// `known`: the session as it was before this event.
pub(super) fn check(asked: &Asked<'_>, known: Option<Session>, now: Session, hits: &mut Hits) {
    let Some(known) = known.filter(|_| asked.now.event.ok()) else { return };
    let other = |a: u32, b: u32| a != 0 && b != 0 && a != b;
    let place = asked.now.event.client.as_ref();
    if other(known.agent, now.agent) {
        let agent = place.and_then(|p| p.user_agent.as_deref()).unwrap_or_default();
        hits.mark(Rule::SessionHijack, asked.now.event.time, [2.0, 1.0], &["program", agent]);
    } else if other(known.country, now.country) {
        let country = place.and_then(|p| p.country.as_deref()).unwrap_or_default();
        hits.mark(Rule::SessionHijack, asked.now.event.time, [2.0, 1.0], &["country", country]);
    }
}

fn said(hit: &Hit, facts: &Facts) -> Text {
    let clock = phrase::clock(facts, hit.at);
    let (en, ru) = if hit.text(0) == Some("country") { ("country", "страна") } else { ("program", "программа") };
    let now = hit.text(1).map(|v| format!(" ({v})")).unwrap_or_default();
    Text {
        en: format!("Another {en}{now} within one session at {clock}; a session has one"),
        ru: format!("Внутри одного сеанса в {clock} другая {ru}{now}; у сеанса она одна"),
    }
}

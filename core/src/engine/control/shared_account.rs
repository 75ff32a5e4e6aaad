//! One account, two people.

use super::{Asked, Control, Kind, SeverityRule, floor, switch, words};
use crate::{
    engine::{
        Text,
        explain::{Detector, Facts, Hit, phrase},
        memory::{Memory, Session},
        rule::{Hits, Rule},
    },
    event::{Channel, Net},
};

pub(super) const CONTROL: Control = Control {
    id: "shared_account",
    title: words("One account in two places", "Одна учётная запись в двух местах"),
    kind: Kind::Behavioural,
    about: words(
        "Work goes back and forth, within half an hour each time, between places of which both network and program or device differ; by itself where two sessions do so",
        "Работа по одной учётной записи в пределах получаса попеременно идёт из мест, где различаются и сеть, и программа или устройство; само по себе — если так чередуются два сеанса",
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
    settings: &[floor(
        "minutes",
        30.0,
        "minutes within which two sessions in two places that take turns are an alert by themselves; telephones and VPN do not count",
        "минут, за которые два сеанса из двух мест, сменяющие друг друга, сами по себе оповещение; телефоны и VPN не считаются",
    )],
    switches: &[
        switch("two_places", true, "returns between two places are evidence", "возвраты между двумя местами — признак"),
        switch(
            "sessions",
            true,
            "two sessions that take turns in two places are an alert by themselves",
            "два сеанса, сменяющие друг друга в двух местах, сами по себе оповещение",
        ),
    ],
    said: Some(said),
    named: None,
    benign: &[
        words("Does the person work with a computer and a telephone at once?", "Не работает ли человек сразу с компьютера и с телефона?"),
        words("Does a VPN or a remote desktop show another address?", "Не меняют ли адрес VPN или удалённый рабочий стол?"),
        words(
            "Does an assistant work with the same account by agreement?",
            "Не работает ли под этой же учётной записью помощник по договорённости?",
        ),
    ],
};

/// Whether a place is one where somebody sits: a telephone or a VPN besides the desk is no second person.
pub(super) fn is_fixed(asked: &Asked<'_>) -> bool {
    let (event, place) = (asked.now.event, asked.now.event.client.as_ref());
    let agent = place.and_then(|p| p.user_agent.as_deref()).unwrap_or_default();
    event.channel != Some(Channel::Mobile)
        && !matches!(place.and_then(|p| p.net), Some(Net::Mobile | Net::Vpn | Net::Relay))
        && !["Mobile", "Android", "iPhone", "iPad"].iter().any(|word| agent.contains(word))
}

/// `known`: the session as it was before this event, which goes on after another one has been at work.
pub(super) fn check(asked: &Asked<'_>, known: Option<Session>, now: Session, memory: &Memory, hits: &mut Hits) {
    let Some(known) = known.filter(|k| asked.now.event.ok() && now.fixed && now.last - k.last <= asked.terms.limits.overlap_ms) else {
        return;
    };
    let apart = |a: u32, b: u32| a != 0 && b != 0 && a != b;
    let other = |s: &&Session| {
        s.id != now.id
            && s.fixed
            && s.last > known.last
            && s.last <= now.last
            && apart(s.network, now.network)
            && apart(s.software, now.software)
    };
    if memory.sessions.iter().any(|s| other(&s)) {
        hits.mark(Rule::SharedAccount, asked.now.event.time, [2.0, 1.0], &[]);
    }
}

fn said(hit: &Hit, facts: &Facts) -> Text {
    let clock = phrase::clock(facts, hit.at);
    Text {
        en: format!(
            "{} of one account at work by turns in different networks with different programs, at {clock}; expected one",
            phrase::en(hit.observed, "session", "sessions")
        ),
        ru: format!(
            "{} одной учётной записи попеременно работают из разных сетей в разных программах, в {clock}; ожидался один",
            phrase::ru(hit.observed, ["сеанс", "сеанса", "сеансов"])
        ),
    }
}

//! Episodes and alert versions (DETECTION.md §10, §11), signals.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::{
    AlertVersion, Contribution, Severity, Signal, Subject, SubjectKind, control,
    day::{Day, Rule},
    explain::{self, Detector, Facts, Finding, Usual},
    manager::{Episode, Manager},
    math::{count, exp_m1, number},
    score::{self, FAMILIES, RULE},
};
use crate::event::{Enriched, HOUR_MS};

/// Names of alerts and signals are UUIDv5 in this space.
const SPACE: Uuid = Uuid::from_u128(0x7b0c_3a52_9d4e_5c1b_8f60_2ee1_c0de_f111);
/// An alert grows for so long, at least.
const EPISODE_MS: i64 = 20 * HOUR_MS;
/// A family below this share of the bits is not spoken of.
const SPOKEN: f64 = 0.05;
/// Half the width of the usual range, in standard deviations.
const RANGE: f64 = 1.44;

/// What an alert version is made from.
pub(super) struct Inputs<'a> {
    pub(super) tenant: &'a str,
    pub(super) manager: &'a str,
    pub(super) event: &'a Enriched,
    pub(super) date: i32,
    /// End of the date.
    pub(super) end: i64,
    /// Nats.
    pub(super) score: f64,
    /// 1 low ... 4 critical.
    pub(super) level: u8,
    /// An alert of its own: a rule was hit by an event of long ago.
    pub(super) too_late: bool,
    pub(super) facts: Facts,
}

/// Opens an episode or adds a version to it; none when nothing has grown enough.
pub(super) fn version(m: &mut Manager, day: &Day, i: Inputs<'_>) -> Option<AlertVersion> {
    let bits = score::millibits(i.score);
    let parts = score::split(&day.v, bits);
    let mut order: Vec<usize> = (0..FAMILIES).filter(|f| parts[*f] > 0).collect();
    order.sort_by(|a, b| parts[*b].cmp(&parts[*a]).then(a.cmp(b)));
    let findings: Vec<Finding> = order.iter().map(|&f| finding(m, day, f, parts[f])).collect();
    let spoken = |b: u64| number(b) >= SPOKEN * number(bits);
    let controls: BTreeSet<String> = findings.iter().filter(|f| spoken(f.bits)).map(|f| f.control.clone()).collect();
    let (records, clients) = (count(day.x[0] + day.x[1]), count(day.x[5]));
    let severity = Severity::ALL[usize::from(i.level - 1)];
    let t = i.event.event.time.millis();

    let fresh = || Episode {
        date: i.date,
        from: t,
        until: (t + EPISODE_MS).max(i.end),
        alert_id: alert_id(i.tenant, i.manager, i.event, i.too_late),
        version: 0,
        severity: None,
        controls: BTreeSet::new(),
        bits: 0,
        records: 0,
        clients: 0,
    };
    let mut own;
    let episode = if i.too_late {
        own = fresh();
        &mut own
    } else {
        let found = m.episodes.iter().rposition(|q| q.date == i.date || (q.from..q.until).contains(&t));
        let at = found.unwrap_or_else(|| {
            m.episodes.push(fresh());
            m.episodes.len() - 1
        });
        &mut m.episodes[at]
    };
    let rose = episode.severity.is_none_or(|s| severity > s);
    let grew = [(episode.bits, bits), (episode.records, records), (episode.clients, clients)]
        .into_iter()
        .any(|(old, new)| new > old && number(new) >= 1.25 * number(old));
    if episode.version > 0 && !(rose || grew || controls.iter().any(|c| !episode.controls.contains(c))) {
        return None;
    }
    episode.version += 1;
    episode.severity = episode.severity.max(Some(severity));
    episode.controls.extend(controls);
    (episode.bits, episode.records, episode.clients) = (bits, records, clients);

    let families = order.iter().filter(|f| spoken(parts[**f])).fold(0_u16, |set, f| set | 1 << f);
    let mitre: BTreeSet<&str> = episode.controls.iter().flat_map(|c| control::mitre(c)).copied().collect();
    Some(AlertVersion {
        alert_id: episode.alert_id.clone(),
        version: episode.version,
        tenant: i.tenant.to_owned(),
        manager: Some(i.manager.to_owned()),
        subject: Subject { kind: SubjectKind::Manager, id: i.manager.to_owned() },
        team: day.team.clone(),
        role: Some(day.role.clone()).filter(|r| !r.is_empty()),
        notify: rose,
        linked: Vec::new(),
        late: day.closed,
        lookback: false,
        time: i.event.event.time,
        opened_at: crate::event::Timestamp::from_millis(episode.from),
        kind: findings.first().map(|f| f.control.clone()).unwrap_or_default(),
        controls: episode.controls.iter().cloned().collect(),
        severity: episode.severity.unwrap_or(severity),
        bits,
        ln_p: -i.score,
        score: shown(bits),
        summary: explain::summary(&findings, &i.facts),
        contributions: findings.iter().map(|f| contribution(f, &i.facts, spoken(f.bits))).collect(),
        event_ids: day.event_ids(families),
        events_total: day.events,
        records,
        clients,
        mitre: mitre.into_iter().map(str::to_owned).collect(),
        prior: "none".to_owned(),
        engine: super::VERSION.to_owned(),
    })
}

/// min(100, bits / 600), one decimal, rounded down.
fn shown(bits: u64) -> f64 {
    number((bits / 60).min(1000)) / 10.0
}

fn alert_id(tenant: &str, manager: &str, e: &Enriched, late: bool) -> String {
    let reference = e.event.reference();
    let name = format!("{tenant}\0manager\0{manager}\0{reference}{}", if late { "\0late" } else { "" });
    Uuid::new_v5(&SPACE, name.as_bytes()).to_string()
}

fn usual(m: &Manager, k: usize) -> Option<Usual> {
    let e = &m.expected.as_ref()?.2;
    let role = exp_m1(*e.peer.get(k)?).max(0.0);
    Some(Usual { mid: e.at(k, 0.0), low: e.at(k, -RANGE), high: e.at(k, RANGE), role, share: e.share[k] })
}

fn finding(m: &Manager, day: &Day, family: usize, bits: u64) -> Finding {
    let k = score::leading(family, &day.s);
    let control = match day.strongest() {
        Some(rule) if k == RULE => rule.what().0,
        _ => score::control(k),
    };
    Finding {
        detector: Detector::ALL[k],
        family: score::family(family),
        control: control.to_owned(),
        s: day.s[k],
        bits,
        observed: day.x[k],
        usual: usual(m, k),
        discount: day.raw[k] - day.r[k],
    }
}

fn contribution(f: &Finding, facts: &Facts, spoken: bool) -> Contribution {
    Contribution {
        detector: f.detector.as_str().to_owned(),
        family: f.family.as_str().to_owned(),
        bits: f.bits,
        observed: f.observed,
        expected: f.usual.map_or(0.0, |u| u.mid),
        unit: explain::unit(f.detector).to_owned(),
        sentence: spoken.then(|| explain::sentence(f, facts)),
    }
}

/// One detector's or rule's finding.
pub(super) fn signal(tenant: &str, manager: &str, m: &Manager, day: &Day, e: &Enriched, k: usize, rule: Option<Rule>) -> Signal {
    let (control, nats) = rule.map_or_else(|| (score::control(k), day.s[k]), |r| (r.what().0, r.what().2));
    let detector = Detector::ALL[k].as_str();
    let event_id = e.event.reference();
    let name = format!("{tenant}\0manager\0{manager}\0{event_id}\0{control}\0{detector}");
    Signal {
        signal_id: Uuid::new_v5(&SPACE, name.as_bytes()).to_string(),
        tenant: tenant.to_owned(),
        manager: manager.to_owned(),
        time: e.event.time,
        control: control.to_owned(),
        detector: detector.to_owned(),
        bits: score::millibits(nats),
        observed: day.x[k],
        expected: usual(m, k).map_or(0.0, |u| u.mid),
        unit: explain::unit(Detector::ALL[k]).to_owned(),
        event_id,
        muted: false,
    }
}

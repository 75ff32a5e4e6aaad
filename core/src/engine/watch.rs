//! What rules remember of a whole tenant: failed log-ins by network, rights given, closed accounts, backups, when sources speak.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    VerdictKind,
    control::Asked,
    episode,
    manager::Episode,
    math::number,
    memory::short,
    packed::sparse,
    places::{Network, Spot},
};
use crate::event::{Action, DAY_MS, Enriched, HOUR_MS};

/// Networks, accounts of each, references of each, rights and names that are remembered.
const NETWORKS: usize = 1024;
const ACCOUNTS: usize = 256;
const REFERENCES: usize = 100;
const GRANTS: usize = 64;
const NAMES: usize = 4096;
const SOURCES: usize = 256;
/// What was told is remembered for so long, and nothing older is asked about.
pub(super) const TOLD_MS: i64 = 60 * DAY_MS;
/// A closed account counts for a dismissal that comes so long afterwards.
const CLOSED_MS: i64 = 30 * DAY_MS;
const WEEK_HOURS: i64 = 168;
/// The same as a length.
const WEEK: usize = 168;
/// Weeks of a source that are remembered.
const WEEKS: i64 = 4;

/// A tenant's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Watch {
    /// Time of the first event.
    pub(super) since: Option<i64>,
    pub(super) waves: Waves,
    pub(super) grants: Grants,
    /// Accounts that were closed, and when last.
    closed: BTreeMap<String, i64>,
    /// Last success per target, in small letters.
    backups: BTreeMap<String, i64>,
    pub(super) sources: BTreeMap<String, Pulse>,
    /// Absences that were told: what, and the deadline.
    told: BTreeSet<(i64, String)>,
    /// Hour of the last tick.
    hour: Option<i64>,
}

/// Failed log-ins by network.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Waves(BTreeMap<[u8; 8], Wave>);

/// Those of one network.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Wave {
    /// Account, address, time of the account's last failure; oldest first.
    failures: Vec<(u32, u32, i64)>,
    pub(super) references: Vec<Box<str>>,
    pub(super) failed: u64,
    pub(super) episodes: Vec<Episode>,
    /// What its alert is about: an address, or the network where it came from several.
    pub(super) subject: String,
}

/// Rights given in the last day.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Grants(Vec<Grant>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Grant {
    to: u32,
    at: i64,
    used: bool,
}

/// In which hours of the week a source speaks: a bit per week, this week's the lowest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Pulse {
    #[serde(with = "sparse")]
    spoken: [u8; WEEK],
    /// First and last hour with an event.
    first: i64,
    last: i64,
}

impl Watch {
    /// What an event says to a whole tenant. `target`: the account that it is about.
    pub(super) fn note(&mut self, e: &Enriched) {
        let (event, t) = (&e.event, e.event.time.millis());
        self.since = Some(self.since.map_or(t, |s| s.min(t)));
        let hour = t.div_euclid(HOUR_MS);
        if let Some(pulse) = self.sources.get_mut(&event.source) {
            pulse.speak(hour);
        } else if self.sources.len() < SOURCES {
            self.sources.insert(event.source.clone(), Pulse::new(hour));
        }
        if !event.ok() {
            return;
        }
        let (map, key) = match event.action {
            Action::UserDeactivate => (&mut self.closed, e.enrich.target.clone()),
            Action::Backup => (&mut self.backups, target_of(e)),
            _ => return,
        };
        let Some(key) = key else { return };
        if map.len() < NAMES || map.contains_key(&key) {
            let last = map.entry(key).or_insert(t);
            *last = t.max(*last);
        }
    }

    /// Whether an account was closed for a dismissal at `ended`.
    pub(super) fn is_closed(&self, id: &str, ended: i64) -> bool {
        self.closed.get(id).is_some_and(|at| *at >= ended - CLOSED_MS)
    }

    /// Takes out what it remembers of an account by name.
    pub(super) fn erase(&mut self, id: &str) {
        self.closed.remove(id);
        self.told.retain(|(_, what)| what.split_once('/').is_none_or(|(_, whose)| whose != id));
    }

    /// The last success of a target.
    pub(super) fn backup(&self, target: &str) -> Option<i64> {
        self.backups.get(&target.to_lowercase()).copied()
    }

    /// Whether an absence is to be told: once, and not when its deadline is long past.
    pub(super) fn tell(&mut self, what: String, deadline: i64) -> bool {
        deadline > self.oldest() && self.told.insert((deadline, what))
    }

    /// Deadlines up to here are long past.
    fn oldest(&self) -> i64 {
        self.hour.map_or(i64::MIN, |hour| hour * HOUR_MS - TOLD_MS)
    }

    /// A tick: whether its hour is new. None when the clock went back by hours: what was forgotten since would be told again.
    pub(super) fn tick(&mut self, now: i64) -> Option<bool> {
        let hour = now.div_euclid(HOUR_MS);
        let new = self.hour.is_none_or(|h| h < hour);
        if new {
            self.hour = Some(hour);
            let oldest = self.oldest();
            self.told.retain(|(deadline, _)| *deadline > oldest);
        }
        (self.hour == Some(hour)).then_some(new)
    }
}

/// Where a backup went.
fn target_of(e: &Enriched) -> Option<String> {
    let (event, said) = (&e.event, |t: &Option<String>| t.clone().filter(|t| !t.is_empty()));
    let change = event.change.as_ref();
    let attr = || event.attrs.get("target").and_then(|v| v.as_str()).map(str::to_owned);
    let target = change.and_then(|c| said(&c.target)).or_else(attr).or_else(|| change.and_then(|c| said(&c.to)));
    target.or_else(|| event.object.as_ref().and_then(|o| said(&o.id))).map(|t| t.to_lowercase())
}

impl Waves {
    /// Notes a failed log-in; returns its wave and how many accounts failed from the network within `span`.
    pub(super) fn fail(&mut self, network: &Network, ip: &str, account: &str, reference: String, t: i64, span: i64) -> (&mut Wave, u64) {
        let key = network.bytes();
        if !self.0.contains_key(&key) && self.0.len() >= NETWORKS {
            let idle = self.0.iter().min_by_key(|(_, w)| w.last()).map(|(k, _)| *k);
            idle.map(|k| self.0.remove(&k));
        }
        let wave = self.0.entry(key).or_default();
        wave.fail(short(ip.as_bytes()), short(account.as_bytes()), reference, t, span);
        let accounts = wave.accounts(t, span);
        (wave, accounts)
    }

    /// A log-in that succeeds within a wave: how many accounts failed in it.
    pub(super) fn gave_way(&self, asked: &Asked<'_>, spot: Option<&Spot<'_>>) -> Option<f64> {
        let event = asked.now.event;
        if event.action != Action::Login || !event.ok() || self.0.is_empty() {
            return None;
        }
        let network = spot?.network.as_ref()?;
        let accounts = number(self.0.get(&network.bytes())?.accounts(event.time.millis(), asked.terms.limits.spray_ms));
        (accounts >= asked.terms.limits.accounts).then_some(accounts)
    }

    /// A person answered an alert about an address.
    pub(super) fn answer(&mut self, alert_id: &str, verdict: VerdictKind) {
        for wave in self.0.values_mut() {
            episode::answer(&mut wave.episodes, alert_id, verdict);
        }
    }

    /// Forgets waves that can have no effect any more.
    pub(super) fn forget(&mut self, since: i64) {
        self.0.retain(|_, w| w.last() >= since || w.episodes.iter().any(|e| e.until >= since));
        self.0.values_mut().for_each(|w| w.episodes.retain(|e| e.until >= since));
    }
}

impl Wave {
    fn last(&self) -> i64 {
        self.failures.last().map_or(i64::MIN, |f| f.2)
    }

    fn fail(&mut self, ip: u32, account: u32, reference: String, t: i64, span: i64) {
        if t.saturating_sub(self.last()) > span {
            // A wave is over when nothing failed for so long.
            (self.failures, self.references, self.failed) = (Vec::new(), Vec::new(), 0);
        }
        self.failures.retain(|f| f.0 != account);
        if self.failures.len() >= ACCOUNTS {
            self.failures.remove(0);
        }
        let at = self.failures.partition_point(|f| f.2 <= t);
        self.failures.insert(at, (account, ip, t));
        self.failed += 1;
        if self.references.len() < REFERENCES {
            self.references.push(reference.into());
        }
    }

    fn accounts(&self, t: i64, span: i64) -> u64 {
        self.failures.iter().filter(|f| (0..=span).contains(&(t - f.2))).count() as u64
    }

    /// Whether all of it comes from one address.
    pub(super) fn is_one_address(&self) -> bool {
        self.failures.windows(2).all(|pair| pair[0].1 == pair[1].1)
    }
}

impl Grants {
    pub(super) fn given(&mut self, to: &str, at: i64) {
        self.0.retain(|g| (0..=DAY_MS).contains(&(at - g.at)));
        if self.0.len() >= GRANTS {
            self.0.remove(0);
        }
        self.0.push(Grant { to: short(to.as_bytes()), at, used: false });
    }

    /// Somebody did something.
    pub(super) fn used(&mut self, by: &str, t: i64) {
        if self.0.is_empty() {
            return;
        }
        let by = short(by.as_bytes());
        self.0.iter_mut().filter(|g| g.to == by && t > g.at).for_each(|g| g.used = true);
    }

    /// A right is taken back: how long one that was used stood, milliseconds.
    pub(super) fn taken(&mut self, from: &str, t: i64) -> Option<i64> {
        let from = short(from.as_bytes());
        let at = self.0.iter().rposition(|g| g.to == from && g.used && (0..=DAY_MS).contains(&(t - g.at)))?;
        Some(t - self.0.remove(at).at)
    }
}

impl Pulse {
    fn new(hour: i64) -> Self {
        let mut pulse = Self { spoken: [0; WEEK], first: hour, last: hour };
        pulse.speak(hour);
        pulse
    }

    fn speak(&mut self, hour: i64) {
        let weeks = hour.div_euclid(WEEK_HOURS) - self.last.div_euclid(WEEK_HOURS);
        if weeks > 0 {
            self.spoken.iter_mut().for_each(|s| *s = s.checked_shl(u32::try_from(weeks).unwrap_or(u32::MAX)).unwrap_or(0));
        }
        if weeks >= 0 {
            self.last = self.last.max(hour);
            self.spoken[of_week(hour)] |= 1;
        } else if weeks > -8 {
            self.spoken[of_week(hour)] |= 1 << -weeks;
        }
        self.first = self.first.min(hour);
    }

    /// Whether the source spoke in this hour of each of the weeks before, as far as they are remembered; `weeks`: at least so many.
    fn always(&self, hour: i64, weeks: i64) -> bool {
        // Seen from the week of the last event.
        let ahead = hour.div_euclid(WEEK_HOURS) - self.last.div_euclid(WEEK_HOURS);
        let known = ((hour - self.first).div_euclid(WEEK_HOURS)).min(WEEKS);
        let spoke = |back: i64| back >= ahead && back - ahead < 8 && self.spoken[of_week(hour)] >> (back - ahead) & 1 == 1;
        known >= weeks.max(1) && (1..=known).all(spoke)
    }

    /// Hours up to `now` in which the source was silent although it has always spoken, and the end of the one with which they
    /// reached `least`; none while they are fewer.
    pub(super) fn silent(&self, now: i64, least: f64, weeks: i64) -> Option<(f64, i64)> {
        let this = now.div_euclid(HOUR_MS);
        let mut silent = 0.0;
        let mut reached = None;
        for hour in (self.last + 1..this).take(WEEK) {
            if self.always(hour, weeks) {
                silent += 1.0;
                if silent >= least && reached.is_none() {
                    reached = Some((hour + 1) * HOUR_MS);
                }
            }
        }
        reached.map(|at| (silent, at))
    }

    /// When it was heard last, to the hour.
    pub(super) fn last_ms(&self) -> i64 {
        self.last * HOUR_MS
    }
}

fn of_week(hour: i64) -> usize {
    usize::try_from(hour.rem_euclid(WEEK_HOURS)).expect("not negative")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_goes_back_tells_nothing_again() {
        let mut watch = Watch::default();
        let (deadline, day) = (5 * DAY_MS, |d: i64| d * DAY_MS);
        assert_eq!(watch.tick(day(6)), Some(true));
        assert!(watch.tell("backup".to_owned(), deadline) && !watch.tell("backup".to_owned(), deadline));
        assert_eq!([watch.tick(day(70)), watch.tick(day(6)), watch.tick(day(70) + 1)], [Some(true), None, Some(false)]);
        assert!(!watch.tell("backup".to_owned(), deadline), "forgotten, and too old to be asked about");
    }

    #[test]
    fn a_source_is_silent_when_it_misses_hours_in_which_it_always_spoke() {
        // Office hours on five days of the week, for three weeks.
        let mut pulse = Pulse::new(9);
        let office = |h: i64| h.rem_euclid(168) / 24 < 5 && (9..18).contains(&(h % 24));
        (0..3 * 168).filter(|h| office(*h)).for_each(|h| pulse.speak(h));
        let at = |h: i64| pulse.silent(h * HOUR_MS, 4.0, 2);
        let monday = 3 * 168;
        assert_eq!(at(monday + 9), None, "a weekend is no silence");
        assert_eq!(at(monday + 12), None, "three hours");
        assert_eq!(at(monday + 13), Some((4.0, (monday + 13) * HOUR_MS)));
        assert_eq!(at(monday + 15), Some((6.0, (monday + 13) * HOUR_MS)), "the deadline stays");
        let mut young = Pulse::new(9);
        (0..168).filter(|h| office(*h)).for_each(|h| young.speak(h));
        assert_eq!(young.silent((168 + 20) * HOUR_MS, 4.0, 2), None, "one week is no habit");
    }

    #[test]
    fn a_wave_counts_accounts_not_attempts() {
        let mut waves = Waves::default();
        let network = Network::of("203.0.113.7".parse().expect("an address"));
        let mut fail = |account: &str, t: i64| waves.fail(&network, "203.0.113.7", account, "s/1".to_owned(), t, 600).1;
        assert_eq!(fail("a", 0), 1);
        assert_eq!(fail("a", 10), 1);
        assert_eq!(fail("b", 20), 2);
        assert_eq!(fail("c", 615), 2, "the first is out of the span");
        assert_eq!(fail("d", 5000), 1, "a wave is over when nothing failed for so long");
        for i in 0..5000 {
            let ip = std::net::Ipv4Addr::from(i * 256_u32);
            waves.fail(&Network::of(ip.into()), "x", "a", String::new(), i64::from(i), 10);
        }
        assert!(waves.0.len() <= NETWORKS);
    }

    #[test]
    fn a_right_that_was_used_and_taken_back() {
        let mut grants = Grants::default();
        grants.given("anna", 0);
        assert_eq!(grants.taken("anna", 5), None, "not used");
        grants.used("anna", 6);
        assert_eq!(grants.taken("boris", 7), None);
        assert_eq!(grants.taken("anna", 7), Some(7));
        assert_eq!(grants.taken("anna", 8), None, "told once");
    }
}

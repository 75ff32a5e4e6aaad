//! Episodes: one alert per manager for a while, growing by versions (DETECTION.md §10), until somebody answers it.

use super::{Severity, VerdictKind, manager::Episode};
use crate::event::{Date, HOUR_MS};

/// An alert grows for so long from its opening, milliseconds, and at least to the end of its date.
pub const SPAN_MS: i64 = 20 * HOUR_MS;
/// What grew by so much over the last version makes a new one.
const GROWTH: f64 = 1.25;

/// What an event would say in an alert.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) date: Date,
    /// Of the event, milliseconds.
    pub(super) time: i64,
    pub(super) severity: Severity,
    pub(super) bits: u64,
    pub(super) records: u64,
    pub(super) clients: u64,
    pub(super) controls: Vec<&'static str>,
}

impl Claim {
    /// Opens an episode, or adds a version to the newest one that was opened on its date or in whose span it lies. Returns the
    /// episode when there is something to tell, and whether somebody is to be told at once. `end`: of the date.
    ///
    /// One that was answered takes nothing more: what would have been told in it opens another, linked to it, and what would not
    /// have been stays quiet, so that an answer is not asked for again by the next click of the same day.
    pub(super) fn file(
        &self,
        episodes: &mut Vec<Episode>,
        end: impl FnOnce() -> i64,
        alert_id: impl FnOnce() -> String,
    ) -> Option<(Episode, bool)> {
        if self.bits == 0 {
            return None;
        }
        let known = episodes.iter().rposition(|e| e.takes(self.date, self.time));
        if known.map(|i| &episodes[i]).is_some_and(|e| e.verdict.is_some() && self.severity <= e.severity && !self.adds_to(e)) {
            return None;
        }
        let at = known.filter(|i| episodes[*i].verdict.is_none()).unwrap_or_else(|| {
            let linked = answered(episodes);
            episodes.push(Episode {
                date: self.date,
                from: self.time,
                until: (self.time + SPAN_MS).max(end()),
                alert_id: alert_id(),
                version: 0,
                severity: self.severity,
                controls: Vec::new(),
                bits: 0,
                records: 0,
                clients: 0,
                linked,
                verdict: None,
            });
            episodes.len() - 1
        });
        let episode = &mut episodes[at];
        let notify = episode.version == 0 || self.severity > episode.severity;
        if !notify && !self.adds_to(episode) {
            return None;
        }
        episode.version += 1;
        episode.severity = episode.severity.max(self.severity);
        for control in &self.controls {
            if let Err(place) = episode.controls.binary_search_by(|c| c.as_str().cmp(control)) {
                episode.controls.insert(place, (*control).to_owned());
            }
        }
        (episode.bits, episode.records, episode.clients) = (self.bits, self.records, self.clients);
        Some((episode.clone(), notify))
    }

    /// Whether an alert may still grow by an event of a date and time.
    pub(super) fn is_open(episodes: &[Episode], date: Date, time: i64) -> bool {
        episodes.iter().any(|e| e.verdict.is_none() && e.takes(date, time))
    }

    /// Whether an event of a date and time belongs to an alert, answered or not.
    pub(super) fn is_known(episodes: &[Episode], date: Date, time: i64) -> bool {
        episodes.iter().any(|e| e.takes(date, time))
    }

    /// A control joins, or something grew by a quarter.
    #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
    fn adds_to(&self, episode: &Episode) -> bool {
        let grew = |old: u64, new: u64| new > old && new as f64 >= GROWTH * old as f64;
        grew(episode.bits, self.bits)
            || grew(episode.records, self.records)
            || grew(episode.clients, self.clients)
            || self.controls.iter().any(|c| !episode.controls.iter().any(|known| known == c))
    }
}

/// The newest answered alert after which none was opened yet.
fn answered(episodes: &[Episode]) -> Option<String> {
    let newest = episodes.iter().rev().find(|e| e.verdict.is_some())?;
    let is_followed = episodes.iter().any(|e| e.linked.as_ref() == Some(&newest.alert_id));
    (!is_followed).then(|| newest.alert_id.clone())
}

/// Writes down what a person said of an alert. False: the same was said before.
pub(super) fn answer(episodes: &mut [Episode], alert_id: &str, verdict: VerdictKind) -> bool {
    match episodes.iter_mut().find(|e| e.alert_id == alert_id) {
        Some(episode) => episode.verdict.replace(verdict) != Some(verdict),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(date: i32, hour: i64, severity: Severity, bits: u64, controls: &[&'static str]) -> Claim {
        Claim { date: Date(date), time: hour * HOUR_MS, severity, bits, records: 0, clients: 0, controls: controls.to_vec() }
    }

    #[test]
    fn an_episode_grows_by_severity_control_and_quantity() {
        use Severity::{High, Medium};
        let mut episodes = Vec::new();
        let mut file =
            |c: Claim| c.file(&mut episodes, || 29 * HOUR_MS, || "a".to_owned()).map(|(e, notify)| (e.version, e.severity, notify));
        assert_eq!(file(claim(0, 10, Medium, 1000, &["x"])), Some((1, Medium, true)));
        assert_eq!(file(claim(0, 11, Medium, 1249, &["x"])), None);
        assert_eq!(file(claim(0, 11, Medium, 1250, &["x"])), Some((2, Medium, false)));
        assert_eq!(file(claim(0, 12, High, 1250, &["x"])), Some((3, High, true)));
        assert_eq!(file(claim(0, 13, Medium, 1250, &["a", "x"])), Some((4, High, false)), "it never falls");
        assert_eq!(file(claim(1, 29, High, 1250, &["x"])), None, "the next date, but within 20 h");
        assert_eq!(file(claim(1, 30, High, 1250, &["x"])), Some((1, High, true)));
        assert_eq!(
            file(claim(0, 31, High, 1250, &["x"])),
            None,
            "of several the newest of its date or span: here, by its date, the second"
        );
        assert_eq!(episodes[0].controls, ["a", "x"]);
    }

    #[test]
    fn an_answered_episode_is_followed_by_another() {
        use Severity::{High, Medium};
        let mut episodes = Vec::new();
        let file = |episodes: &mut Vec<Episode>, c: Claim, id: &str| {
            let (e, notify) = c.file(episodes, || 29 * HOUR_MS, || id.to_owned())?;
            Some((e.alert_id, e.version, e.linked, notify))
        };
        let told = |id: &str, version, linked: Option<&str>, notify| Some((id.to_owned(), version, linked.map(str::to_owned), notify));
        assert_eq!(file(&mut episodes, claim(0, 10, Medium, 1000, &["x"]), "a"), told("a", 1, None, true));
        assert!(answer(&mut episodes, "a", VerdictKind::BenignExpected));
        assert!(!answer(&mut episodes, "a", VerdictKind::BenignExpected), "said twice");
        assert!(answer(&mut episodes, "gone", VerdictKind::Unknown), "who knows");
        assert!(!Claim::is_open(&episodes, Date(0), 11 * HOUR_MS) && Claim::is_known(&episodes, Date(0), 11 * HOUR_MS));
        assert_eq!(file(&mut episodes, claim(0, 11, Medium, 1249, &["x"]), "b"), None, "answered already");
        assert_eq!(file(&mut episodes, claim(0, 11, Medium, 1250, &["x"]), "b"), told("b", 1, Some("a"), true));
        assert_eq!(file(&mut episodes, claim(0, 12, High, 1250, &["x"]), "c"), told("b", 2, Some("a"), true));
        assert!(answer(&mut episodes, "b", VerdictKind::TruePositive));
        assert_eq!(file(&mut episodes, claim(3, 90, Medium, 900, &["x"]), "d"), told("d", 1, Some("b"), true), "the next, whenever");
        assert_eq!(file(&mut episodes, claim(6, 160, Medium, 900, &["x"]), "e"), told("e", 1, None, true), "only the next");
    }

    #[test]
    fn a_late_opening_lasts_twenty_hours() {
        let mut episodes = Vec::new();
        claim(0, 25, Severity::Low, 1, &[]).file(&mut episodes, || 29 * HOUR_MS, String::new);
        assert_eq!(episodes[0].until, 45 * HOUR_MS);
    }
}

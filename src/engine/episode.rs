//! Episodes: one alert per manager for a while, growing by versions (DETECTION.md §10).

use super::{Severity, manager::Episode};
use crate::event::{Date, HOUR_MS};

/// An alert grows for so long from its opening, and at least to the end of its date.
const SPAN_MS: i64 = 20 * HOUR_MS;
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
    pub(super) fn file(
        &self,
        episodes: &mut Vec<Episode>,
        end: impl FnOnce() -> i64,
        alert_id: impl FnOnce() -> String,
    ) -> Option<(Episode, bool)> {
        if self.bits == 0 {
            return None;
        }
        let at = episodes.iter().rposition(|e| e.takes(self.date, self.time)).unwrap_or_else(|| {
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
    fn a_late_opening_lasts_twenty_hours() {
        let mut episodes = Vec::new();
        claim(0, 25, Severity::Low, 1, &[]).file(&mut episodes, || 29 * HOUR_MS, String::new);
        assert_eq!(episodes[0].until, 45 * HOUR_MS);
    }
}

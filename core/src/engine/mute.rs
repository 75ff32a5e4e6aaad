//! Mutes: quiet about something for a while. They act after scoring and touch nothing but what is told.

use serde::{Deserialize, Serialize};

use super::{Mute, accumulate::Moment};
use crate::event::{Timestamp, client_hash};

/// Mutes in force at most; of more the one that ends first goes.
const HELD: usize = 1000;

/// A tenant's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Mutes(Vec<Held>);

/// A mute as it is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Held {
    id: String,
    manager: Option<String>,
    team: Option<String>,
    client: Option<u64>,
    control: Option<String>,
    address: Option<String>,
    from: Timestamp,
    until: Timestamp,
}

/// What is told, and about whom.
#[derive(Clone, Copy)]
pub(super) struct About<'a> {
    /// None: it is about nobody.
    pub(super) manager: Option<&'a str>,
    pub(super) team: &'a str,
    /// The event; none: something did not happen.
    pub(super) now: Option<&'a Moment<'a>>,
    /// The address that it is about, where it is about one.
    pub(super) address: Option<&'a str>,
    pub(super) time: Timestamp,
}

impl Mutes {
    /// Takes out what is about somebody.
    pub(super) fn erase(&mut self, manager: &str) {
        self.0.retain(|m| m.manager.as_deref() != Some(manager));
    }

    /// Takes a mute; one that ends before it begins lifts what had its name.
    pub(super) fn hear(&mut self, mute: &Mute) {
        self.0.retain(|m| m.id != mute.id);
        let says = [&mute.manager, &mute.team, &mute.client, &mute.control, &mute.address].into_iter().any(Option::is_some);
        if mute.until <= mute.from || !says {
            return;
        }
        if self.0.len() >= HELD
            && let Some(first) = (0..self.0.len()).min_by_key(|i| self.0[*i].until)
        {
            self.0.remove(first);
        }
        self.0.push(Held {
            id: mute.id.clone(),
            manager: mute.manager.clone(),
            team: mute.team.clone(),
            client: mute.client.as_deref().map(client_hash),
            control: mute.control.clone(),
            address: mute.address.clone(),
            from: mute.from,
            until: mute.until,
        });
    }

    /// Whether a control is to be quiet about this.
    pub(super) fn silence(&self, control: &str, about: &About<'_>) -> bool {
        self.0.iter().any(|m| m.holds(control, about))
    }

    /// Forgets what ended before `since`.
    pub(super) fn forget(&mut self, since: i64) {
        self.0.retain(|m| m.until.millis() > since);
    }
}

impl Held {
    fn holds(&self, control: &str, about: &About<'_>) -> bool {
        let is = |wanted: &Option<String>, found: Option<&str>| wanted.as_deref().is_none_or(|w| Some(w) == found);
        let ip = || about.now.and_then(|n| n.event.client.as_ref()).and_then(|c| c.ip.as_deref());
        let only = |h: u64| {
            let clients = about.now.map(|n| n.enriched.enrich.clients.as_slice()).unwrap_or_default();
            !clients.is_empty() && clients.iter().all(|c| c.h == h)
        };
        (self.from..self.until).contains(&about.time)
            && is(&self.control, Some(control))
            && is(&self.manager, about.manager)
            && is(&self.team, Some(about.team).filter(|t| !t.is_empty()))
            && self.client.is_none_or(only)
            && is(&self.address, about.address.or_else(ip))
    }
}

//! Where and with what a manager works today: two people on one account come back to their own places again and again.

use std::{borrow::Cow, net::IpAddr};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::event::Place;

/// Somebody who came back within so long did not travel.
const RETURN_MS: i64 = 30 * 60_000;
/// Places of a day that are remembered; of more the one unused for longest goes.
const REMEMBERED: usize = 8;

/// The places of a manager-day, the latest one last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Places(Vec<Known>);

/// A network and a program or device, and when something was last done there.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Known {
    network: u32,
    software: u32,
    last: i64,
}

/// What an event says of its place; empty texts say nothing.
pub(super) struct Spot<'a> {
    pub(super) network: Option<Network>,
    /// The program, without its versions.
    pub(super) agent: Option<Cow<'a, str>>,
    pub(super) device: Option<&'a str>,
}

impl<'a> Spot<'a> {
    pub(super) fn of(place: &'a Place) -> Self {
        let said = |text: &'a Option<String>| text.as_deref().filter(|t| !t.is_empty());
        Self {
            network: place.ip.as_deref().and_then(|ip| ip.parse().ok()).map(Network::of),
            agent: said(&place.user_agent).map(without_versions),
            device: said(&place.device),
        }
    }
}

impl Places {
    /// Notes where an event came from; true when that is a return, within half an hour, from a place of which both network and
    /// software differ. A telephone besides a computer does that too; how often is for the baseline to say.
    pub(super) fn meet(&mut self, spot: &Spot<'_>, t: i64) -> bool {
        let Some(network) = &spot.network else { return false };
        let Some(software) = spot.device.or(spot.agent.as_deref()) else { return false };
        let (network, software) = (short(&network.bytes()), short(software.as_bytes()));
        let before = self.0.last().copied();
        let known = self.0.iter().position(|k| (k.network, k.software) == (network, software)).map(|i| self.0.remove(i));
        if self.0.len() >= REMEMBERED {
            self.0.remove(0);
        }
        self.0.push(Known { network, software, last: t.max(known.map_or(t, |k| k.last)) });
        let apart = before.is_some_and(|b| b.network != network && b.software != software);
        apart && known.is_some_and(|k| t - k.last <= RETURN_MS)
    }
}

fn short(bytes: &[u8]) -> u32 {
    u32::try_from(xxh3_64(bytes) >> 32).expect("half of it")
}

/// A program without digits and dots: an update is no other program.
fn without_versions(agent: &str) -> Cow<'_, str> {
    let versions = |c: char| c.is_ascii_digit() || c == '.';
    if agent.contains(versions) { agent.chars().filter(|c| !versions(*c)).collect::<String>().into() } else { agent.into() }
}

/// The /24 or /56 of an address.
pub(super) enum Network {
    V4([u8; 3]),
    V6([u8; 7]),
}

impl Network {
    pub(super) fn of(ip: IpAddr) -> Self {
        // A v4 address may come in v6 clothes from a dual-stack listener.
        match ip.to_canonical() {
            IpAddr::V4(ip) => {
                let [a, b, c, _] = ip.octets();
                Self::V4([a, b, c])
            }
            IpAddr::V6(ip) => {
                let [a, b, c, d, e, f, g, ..] = ip.octets();
                Self::V6([a, b, c, d, e, f, g])
            }
        }
    }

    pub(super) fn bytes(&self) -> [u8; 8] {
        match *self {
            Self::V4([a, b, c]) => [4, a, b, c, 0, 0, 0, 0],
            Self::V6([a, b, c, d, e, f, g]) => [6, a, b, c, d, e, f, g],
        }
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Self::V4([a, b, c]) => write!(f, "{a}.{b}.{c}.0/24"),
            Self::V6([a, b, c, d, e, g, h]) => {
                write!(f, "{}/56", std::net::Ipv6Addr::from([a, b, c, d, e, g, h, 0, 0, 0, 0, 0, 0, 0, 0, 0]))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ip: &str, agent: &str) -> Place {
        Place { ip: Some(ip.to_owned()), user_agent: Some(agent.to_owned()), ..Place::default() }
    }

    #[test]
    fn two_people_come_back_and_one_does_not() {
        const MINUTE: i64 = 60_000;
        let (office, home) = (at("198.51.100.7", "Chrome/130"), at("203.0.113.9", "Firefox/128"));
        let returns = |steps: &[(&Place, i64)]| {
            let mut places = Places::default();
            steps.iter().filter(|(place, t)| places.meet(&Spot::of(place), t * MINUTE)).count()
        };
        assert_eq!(returns(&[(&office, 0), (&home, 5), (&office, 10), (&home, 15), (&office, 20)]), 3);
        assert_eq!(returns(&[(&office, 0), (&office, 5), (&home, 60), (&home, 70)]), 0, "went home");
        assert_eq!(returns(&[(&office, 0), (&home, 60), (&office, 120)]), 0, "and came back in the evening");
        let vpn = at("203.0.113.9", "Chrome/131");
        assert_eq!(returns(&[(&office, 0), (&vpn, 5), (&office, 10), (&vpn, 15)]), 0, "the same program behind another address");
        assert_eq!(returns(&[(&office, 0), (&Place::default(), 5), (&office, 10)]), 0, "an event that says nothing is nowhere");
    }

    #[test]
    fn few_places_are_remembered() {
        let mut places = Places::default();
        for i in 0..100 {
            places.meet(&Spot::of(&at(&format!("10.0.{i}.1"), &format!("program {}", char::from(b'a' + i % 26)))), 0);
        }
        assert_eq!(places.0.len(), REMEMBERED);
    }

    #[test]
    fn networks() {
        let show = |ip: &str| Network::of(ip.parse().expect(ip)).to_string();
        assert_eq!(show("198.51.100.77"), "198.51.100.0/24");
        assert_eq!(show("::ffff:198.51.100.77"), "198.51.100.0/24");
        assert_eq!(show("2001:db8:1:22ff::5"), "2001:db8:1:2200::/56");
    }

    #[test]
    fn an_update_is_no_other_program() {
        assert_eq!(without_versions("Firefox/128.0.1 (X11)"), without_versions("Firefox/131.0 (X11)"));
        assert!(matches!(without_versions("curl"), Cow::Borrowed(_)));
    }
}

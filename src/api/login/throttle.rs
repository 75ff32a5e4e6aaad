//! How often somebody may try: each failure more makes the next try wait twice as long, by account and by address.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use crate::{event::Timestamp, ops::clock};

/// Tries of an account before any of them waits.
const FREE_ACCOUNT: u32 = 5;
/// The same of an address: an office has one.
const FREE_ADDRESS: u32 = 20;
/// The longest wait: whoever is kept out by somebody else's tries is kept out no longer.
const LONGEST: Duration = Duration::from_secs(300);
/// After so long without a try all is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(3600);
/// Names and addresses that are remembered; whoever makes up more shares one place.
const REMEMBERED: usize = 50_000;
/// How often it is looked whom to forget, where there are so many.
const SWEEP: Duration = Duration::from_secs(60);

/// Whose tries are counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Account(u64),
    Address(IpAddr),
    /// All for whom there is no place.
    Others,
}

#[derive(Clone, Copy, Debug)]
struct Tries {
    n: u32,
    last: Timestamp,
}

impl Tries {
    /// When the next one is heard; none: at once.
    fn next(self, free: u32) -> Option<Timestamp> {
        let more = self.n.checked_sub(free)?;
        let wait = Duration::from_secs(1).saturating_mul(1 << more.min(16)).min(LONGEST);
        Some(self.last.plus(clock::millis(wait)))
    }

    fn is_forgotten(self, now: Timestamp) -> bool {
        now >= self.last.plus(clock::millis(FORGOTTEN))
    }
}

/// Tries of the last hour, of this instance.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    tries: HashMap<Key, Tries>,
    /// When what is forgotten was last thrown out.
    swept: Timestamp,
}

fn keys(name: &str, from: Option<IpAddr>) -> [(Key, u32); 2] {
    // Whoever has an IPv6 network has all of its addresses.
    let from = from.map_or(Key::Others, |ip| {
        Key::Address(match ip {
            IpAddr::V4(_) => ip,
            IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64)),
        })
    });
    [(Key::Account(xxhash_rust::xxh3::xxh3_64(name.as_bytes())), FREE_ACCOUNT), (from, FREE_ADDRESS)]
}

impl Throttle {
    /// Counts a try before it is looked at, so that many at the same moment are no way around it. Names that there are not are
    /// counted like others.
    ///
    /// # Errors
    /// How long to wait; such a try is not counted.
    pub(super) fn attempt(&mut self, name: &str, from: Option<IpAddr>, now: Timestamp) -> Result<(), Duration> {
        if self.tries.len() >= REMEMBERED && now >= self.swept.plus(clock::millis(SWEEP)) {
            self.tries.retain(|_, tries| !tries.is_forgotten(now));
            self.swept = now;
        }
        let full = self.tries.len() >= REMEMBERED;
        let keys = keys(name, from).map(|(key, free)| (if full && !self.tries.contains_key(&key) { Key::Others } else { key }, free));
        let next =
            keys.iter().filter_map(|(key, free)| self.tries.get(key).filter(|t| !t.is_forgotten(now)).and_then(|t| t.next(*free))).max();
        if let Some(next) = next.filter(|next| *next > now) {
            return Err(Duration::from_millis(u64::try_from(next.millis() - now.millis()).unwrap_or_default()));
        }
        for (key, _) in keys {
            let tries = self.tries.entry(key).or_insert(Tries { n: 0, last: now });
            let n = if tries.is_forgotten(now) { 0 } else { tries.n };
            *tries = Tries { n: n.saturating_add(1), last: now };
        }
        Ok(())
    }

    /// A try was right: the account begins anew. The address does not, or a thief with an account of their own could go on for ever.
    pub(super) fn right(&mut self, name: &str, from: Option<IpAddr>) {
        let [(account, _), (address, _)] = keys(name, from);
        self.tries.remove(&account);
        if let Some(tries) = self.tries.get_mut(&address) {
            tries.n = tries.n.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: i64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + s * 1000)
    }

    /// Seconds that a patient thief needs for so many tries.
    fn spent(tries: u32, mut who: impl FnMut(u32) -> (String, Option<IpAddr>)) -> i64 {
        let (mut throttle, mut now) = (Throttle::default(), 0);
        for i in 0..tries {
            let (name, from) = who(i);
            while let Err(wait) = throttle.attempt(&name, from, at(now)) {
                now += i64::try_from(wait.as_secs().max(1)).expect("few");
            }
        }
        now
    }

    #[test]
    fn each_failure_makes_the_next_wait_longer() {
        let here: Option<IpAddr> = "10.0.0.1".parse().ok();
        let mut throttle = Throttle::default();
        let heard = (0..12).filter(|_| throttle.attempt("vera", here, at(0)).is_ok()).count();
        assert_eq!(heard, 5, "many at one moment are counted one by one");
        let by_account = spent(20, |i| ("vera".to_owned(), format!("10.0.{i}.1").parse().ok()));
        assert!(by_account > 1800, "twenty tries on one account from everywhere take {by_account} s");
        let by_address = spent(40, |i| (format!("user-{i}"), "10.0.0.1".parse().ok()));
        assert!(by_address > 1800, "forty accounts from one address take {by_address} s");
        let by_network = spent(40, |i| (format!("user-{i}"), format!("2001:db8::{i:x}").parse().ok()));
        assert_eq!(by_network, by_address, "an IPv6 network is one address");
        assert_eq!(spent(200, |i| (format!("user-{i}"), format!("10.1.{i}.1").parse().ok())), 0, "others do not wait");
    }

    #[test]
    fn who_was_right_and_who_waited_begins_anew() {
        let mut throttle = Throttle::default();
        for _ in 0..5 {
            throttle.attempt("vera", None, at(0)).expect("free");
        }
        throttle.right("vera", None);
        throttle.attempt("vera", None, at(0)).expect("begins anew");
        for _ in 0..4 {
            throttle.attempt("vera", None, at(0)).expect("free");
        }
        assert!(throttle.attempt("vera", None, at(0)).is_err());
        throttle.attempt("vera", None, at(3601)).expect("forgotten");
        assert!(throttle.attempt("vera", None, at(3601)).is_ok());
    }

    #[test]
    fn made_up_names_take_no_memory() {
        let mut throttle = Throttle::default();
        for i in 0..60_000_u32 {
            let from = Some(IpAddr::from(i.to_be_bytes()));
            throttle.attempt(&format!("n-{i}"), from, at(0)).ok();
        }
        assert!(throttle.tries.len() <= REMEMBERED + 3);
        throttle.attempt("vera", "200.1.1.1".parse().ok(), at(7200)).expect("an hour later there is room");
        assert!(throttle.tries.len() < 10);
    }
}

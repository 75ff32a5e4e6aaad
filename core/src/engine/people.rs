//! Who is who, as of a time: what scoring needs of the users' rows, and nothing of their names or numbers.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::calendar::Calendar;
use crate::{
    directory::{Row as _, User, When},
    event::{ActorKind, Timestamp},
};

/// What a directory may say of a password.
pub(super) const FLAGS: [&str; 4] = ["weak", "old", "shared", "default"];
/// The role of those without a row.
const UNKNOWN: &str = "unknown";

/// A tenant's people.
#[derive(Debug)]
pub(super) struct People {
    rows: BTreeMap<String, Vec<Row>>,
    /// Hashes of everybody's telephones and e-mail addresses.
    contacts: BTreeSet<u64>,
    nobody: Arc<Person>,
}

/// A person as of some time.
#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) post: Post,
    /// Number of the zone in the [`Calendar`].
    pub(super) zone: usize,
    pub(super) kind: Option<ActorKind>,
    pub(super) notice_at: Option<Timestamp>,
    pub(super) terminated_at: Option<Timestamp>,
    /// The account is enabled, as far as the directory says.
    pub(super) active: Option<bool>,
    /// A bit per [`FLAGS`].
    flags: u8,
}

/// What a manager-day takes from the row in force at its first event; empty: not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Post {
    pub(super) role: Arc<str>,
    /// Whom the day is compared with: the role, or a fitted group where the role does not say it.
    pub(super) peers: Arc<str>,
    pub(super) team: Arc<str>,
    pub(super) schedule: Arc<str>,
}

/// What is kept of a row.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Row {
    /// Of the whole row, to tell a repeat from a change of what is not kept.
    hash: u64,
    since: Timestamp,
    team: Option<Arc<str>>,
    role: Option<Arc<str>>,
    schedule: Option<Arc<str>>,
    time_zone: Option<String>,
    notice_at: Option<When>,
    terminated_at: Option<When>,
    kind: Option<ActorKind>,
    active: Option<bool>,
    flags: u8,
    contacts: Vec<u64>,
    #[serde(skip)]
    person: Option<Arc<Person>>,
}

impl Default for People {
    fn default() -> Self {
        let post = Post { role: UNKNOWN.into(), peers: UNKNOWN.into(), team: "".into(), schedule: "".into() };
        let nobody = Person { post, zone: 0, kind: None, notice_at: None, terminated_at: None, active: None, flags: 0 };
        Self { rows: BTreeMap::new(), contacts: BTreeSet::new(), nobody: Arc::new(nobody) }
    }
}

impl People {
    /// Adds a row; of two with one id and instant the later one wins. False when exactly this row is the one that holds already:
    /// a row that comes back after a correction is news.
    pub(super) fn insert(&mut self, user: &User, calendar: &mut Calendar) -> bool {
        let mut row = Row::of(user);
        let rows = self.rows.entry(user.id.clone()).or_default();
        let after = rows.partition_point(|r| r.since <= row.since);
        let repeated = rows[..after].last().is_some_and(|r| r.since == row.since && r.hash == row.hash);
        if !repeated {
            row.settle(calendar);
            self.contacts.extend(&row.contacts);
            rows.insert(after, row);
        }
        !repeated
    }

    /// The person in force at an instant; the first row also holds for all earlier time.
    pub(super) fn at(&self, id: &str, t: Timestamp) -> &Arc<Person> {
        let Some(rows) = self.rows.get(id) else { return &self.nobody };
        let row = &rows[rows.partition_point(|r| r.since <= t).saturating_sub(1)];
        row.person.as_ref().unwrap_or(&self.nobody)
    }

    /// Whether the id is a user's.
    pub(super) fn contains(&self, id: &str) -> bool {
        self.rows.contains_key(id)
    }

    /// Whether a telephone number or e-mail address is a user's.
    pub(super) fn has_contact(&self, text: &str) -> bool {
        !self.contacts.is_empty() && contact(text).is_some_and(|c| self.contacts.contains(&c))
    }

    /// Everybody with a row, as of an instant.
    pub(super) fn all(&self, t: Timestamp) -> impl Iterator<Item = (&str, &Arc<Person>)> {
        self.rows.keys().map(move |id| (id.as_str(), self.at(id, t)))
    }

    /// How many have a row.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Takes somebody's rows out.
    pub(super) fn erase(&mut self, id: &str) {
        self.rows.remove(id);
        self.contacts = self.rows.values().flatten().flat_map(|r| r.contacts.iter().copied()).collect();
    }

    /// Names all zones to a calendar and reads local dates anew.
    pub(super) fn settle(&mut self, calendar: &mut Calendar) {
        for row in self.rows.values_mut().flatten() {
            row.settle(calendar);
        }
    }
}

impl Serialize for People {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        self.rows.serialize(s)
    }
}

/// Not [settled](People::settle) yet.
impl<'de> Deserialize<'de> for People {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let rows = BTreeMap::<String, Vec<Row>>::deserialize(d)?;
        if rows.values().any(Vec::is_empty) {
            return Err(serde::de::Error::custom("a user without rows"));
        }
        let contacts = rows.values().flatten().flat_map(|r| r.contacts.iter().copied()).collect();
        Ok(Self { rows, contacts, ..Self::default() })
    }
}

impl Row {
    fn of(user: &User) -> Self {
        let text = |t: &Option<String>| t.as_deref().map(Arc::from);
        Self {
            hash: xxhash_rust::xxh3::xxh3_64(&serde_json::to_vec(user).unwrap_or_default()),
            since: user.since(),
            team: text(&user.team),
            role: text(&user.role),
            schedule: text(&user.schedule),
            time_zone: user.time_zone.clone(),
            notice_at: user.notice_at,
            terminated_at: user.terminated_at,
            kind: user.kind,
            active: user.active,
            flags: FLAGS
                .iter()
                .enumerate()
                .filter(|(_, f)| user.password_flags.iter().any(|p| p == *f))
                .fold(0, |set, (i, _)| set | 1 << i),
            contacts: user.phones.iter().chain(&user.emails).filter_map(|c| contact(c)).collect(),
            person: None,
        }
    }

    fn settle(&mut self, calendar: &mut Calendar) {
        let zone = calendar.zone(self.time_zone.as_deref());
        let text = |t: &Option<Arc<str>>| t.clone().unwrap_or_default();
        let instant = |w: Option<When>| w.map(|w| calendar.zone_of(zone).start(w));
        self.person = Some(Arc::new(Person {
            post: Post { role: text(&self.role), peers: text(&self.role), team: text(&self.team), schedule: text(&self.schedule) },
            zone,
            kind: self.kind,
            notice_at: instant(self.notice_at),
            terminated_at: instant(self.terminated_at),
            active: self.active,
            flags: self.flags,
        }));
    }
}

impl Person {
    /// Notice was given, or the dismissal has passed.
    pub(super) fn leaving(&self, t: Timestamp) -> bool {
        [self.notice_at, self.terminated_at].into_iter().flatten().any(|at| at <= t)
    }

    /// What the directory says of the password.
    pub(super) fn password_flags(&self) -> impl Iterator<Item = &'static str> {
        let flags = self.flags;
        FLAGS.into_iter().enumerate().filter(move |(i, _)| flags >> i & 1 == 1).map(|(_, f)| f)
    }

    /// The dismissal has passed.
    pub(super) fn gone(&self, t: Timestamp) -> bool {
        self.terminated_at.is_some_and(|at| at <= t)
    }
}

/// A telephone number by its digits, an e-mail address in small letters; none for what is neither.
fn contact(text: &str) -> Option<u64> {
    if text.contains('@') {
        return Some(xxh3_64(text.trim().to_lowercase().as_bytes()));
    }
    let mut digits: Vec<u8> = text.bytes().filter(u8::is_ascii_digit).collect();
    // 8 before a Russian number is what +7 is abroad.
    if digits.len() == 11 && digits[0] == b'8' {
        digits[0] = b'7';
    }
    (digits.len() >= 7).then(|| xxh3_64(&digits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Date;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).expect(text)
    }

    #[test]
    fn rows_hold_from_their_instant_and_repeats_change_nothing() {
        let (mut people, mut calendar) = (People::default(), Calendar::new("UTC", 0));
        let row = |since: &str, team: &str, name: &str| User {
            id: "anna".to_owned(),
            valid_from: Some(at(since)),
            team: Some(team.to_owned()),
            name: Some(name.to_owned()),
            ..User::default()
        };
        assert_eq!(&*people.at("anna", at("2026-01-01")).post.role, "unknown");
        assert!(people.insert(&row("2026-01-01", "a", "A."), &mut calendar));
        assert!(people.insert(&row("2026-01-01", "b", "A."), &mut calendar));
        assert!(!people.insert(&row("2026-01-01", "b", "A."), &mut calendar), "the same again");
        assert_eq!(&*people.at("anna", at("2026-01-01")).post.team, "b", "the later row wins");
        assert_eq!(&*people.at("anna", at("2025-01-01")).post.team, "a", "the first row holds for all earlier time");
        assert!(people.insert(&row("2026-01-01", "a", "Anna"), &mut calendar), "as the directory sees it");
        assert_eq!(&*people.at("anna", at("2026-01-02")).post.team, "a");
        assert!(people.insert(&row("2026-02-01", "c", "Anna"), &mut calendar));
        assert_eq!(&*people.at("anna", at("2026-01-31T23:59:59.999Z")).post.team, "a");
        assert_eq!(&*people.at("anna", at("2026-02-01")).post.team, "c");
    }

    #[test]
    fn plain_dates_are_local() {
        let (mut people, mut calendar) = (People::default(), Calendar::new("Asia/Tokyo", 0));
        let day = Date::parse("2026-03-10").map(When::Day);
        people.insert(&User { id: "a".to_owned(), notice_at: day, ..User::default() }, &mut calendar);
        assert!(!people.at("a", at("2026-03-09T14:59:59Z")).leaving(at("2026-03-09T14:59:59Z")));
        assert!(people.at("a", at("2026-03-09T15:00:00Z")).leaving(at("2026-03-09T15:00:00Z")));
        calendar.reset("UTC", 0);
        people.settle(&mut calendar);
        assert!(!people.at("a", at("2026-03-09T15:00:00Z")).leaving(at("2026-03-09T15:00:00Z")));
    }
}

//! Rows by id, each in force from its `valid_from` until the next row of its id.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::rows::{Client, Order, User};
use crate::event::Timestamp;

/// Rows of one kind and tenant. The first row of an id also holds for all earlier time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table<T> {
    rows: BTreeMap<String, Vec<T>>,
}

/// A row of the reference data.
pub trait Row: Clone + Default + PartialEq {
    /// The organisation; empty: the default one.
    fn tenant(&self) -> &str;
    /// Whose row it is.
    fn id(&self) -> &str;
    /// From when on it holds; none: always.
    fn valid_from(&self) -> Option<Timestamp>;

    /// The first instant at which it holds.
    fn since(&self) -> Timestamp {
        self.valid_from().unwrap_or(Timestamp::MIN)
    }
}

macro_rules! row {
    ($($name:ident),+) => {$(
        impl Row for $name {
            fn tenant(&self) -> &str {
                &self.tenant
            }

            fn id(&self) -> &str {
                &self.id
            }

            fn valid_from(&self) -> Option<Timestamp> {
                self.valid_from
            }
        }
    )+};
}
row!(User, Client, Order);

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { rows: BTreeMap::new() }
    }
}

impl<T: Row> Table<T> {
    /// Whether exactly this row holds from its instant on.
    pub fn holds(&self, row: &T) -> bool {
        let rows = self.of(row.id());
        let after = rows.partition_point(|r| r.since() <= row.since());
        rows[..after].last() == Some(row)
    }

    /// Adds a row; of two with one id and instant the later one wins. False when exactly this row holds already.
    pub fn insert(&mut self, row: T) -> bool {
        if self.holds(&row) {
            return false;
        }
        let rows = self.rows.entry(row.id().to_owned()).or_default();
        let after = rows.partition_point(|r| r.since() <= row.since());
        rows.insert(after, row);
        true
    }

    /// The row of an id in force at an instant; none only when the id has no row at all.
    pub fn at(&self, id: &str, t: Timestamp) -> Option<&T> {
        let rows = self.rows.get(id)?;
        rows.get(in_force(rows, t))
    }

    /// The rows of an id in force at some moment of [since, until], in order; at least one if the id has any.
    pub fn within(&self, id: &str, since: Timestamp, until: Timestamp) -> &[T] {
        let Some(rows) = self.rows.get(id) else { return &[] };
        let first = in_force(rows, since);
        let end = rows.partition_point(|r| r.since() <= until).max(first + 1);
        &rows[first..end]
    }

    /// All rows of an id, by `valid_from`.
    pub fn of(&self, id: &str) -> &[T] {
        self.rows.get(id).map_or(&[], Vec::as_slice)
    }

    /// Whether the id has a row.
    pub fn contains(&self, id: &str) -> bool {
        self.rows.contains_key(id)
    }

    /// The ids, sorted.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.rows.keys().map(String::as_str)
    }

    /// Number of ids.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// All rows, sorted by id and `valid_from`.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.rows.values().flatten()
    }
}

fn in_force<T: Row>(rows: &[T], t: Timestamp) -> usize {
    rows.partition_point(|r| r.since() <= t).saturating_sub(1)
}

impl<T: Row> FromIterator<T> for Table<T> {
    fn from_iter<I: IntoIterator<Item = T>>(rows: I) -> Self {
        let mut table = Self::default();
        for row in rows {
            table.insert(row);
        }
        table
    }
}

/// As the list of its rows.
impl<T: Row + Serialize> Serialize for Table<T> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        // The length is told, as formats without self-description need it.
        s.collect_seq(self.iter().collect::<Vec<_>>())
    }
}

impl<'de, T: Row + Deserialize<'de>> Deserialize<'de> for Table<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Vec::deserialize(d).map(Self::from_iter)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn client(id: &str, since: Option<i64>, owner: &str) -> Client {
        Client { id: id.to_owned(), valid_from: since.map(at), owner: Some(owner.to_owned()), ..Client::default() }
    }

    fn owner(table: &Table<Client>, id: &str, ms: i64) -> Option<String> {
        table.at(id, at(ms)).and_then(|c| c.owner.clone())
    }

    #[test]
    fn first_row_holds_for_all_earlier_time() {
        let table: Table<Client> = [client("c", Some(20), "b"), client("c", Some(10), "a")].into_iter().collect();
        for (t, expected) in [(0, "a"), (10, "a"), (19, "a"), (20, "b"), (99, "b")] {
            assert_eq!(owner(&table, "c", t).as_deref(), Some(expected), "at {t}");
        }
        assert_eq!(owner(&table, "d", 5), None);
    }

    #[test]
    fn of_equal_instants_the_later_row_wins_and_repeats_change_nothing() {
        let mut table = Table::default();
        assert!(table.insert(client("c", Some(10), "a")));
        assert!(table.insert(client("c", Some(10), "b")));
        assert!(!table.insert(client("c", Some(10), "b")), "a second delivery");
        assert_eq!((owner(&table, "c", 10).as_deref(), table.iter().count()), (Some("b"), 2));
        assert!(table.insert(client("c", Some(10), "a")), "the correction was a mistake");
        assert_eq!(owner(&table, "c", 10).as_deref(), Some("a"));
    }

    #[test]
    fn within_gives_what_was_in_force() {
        let table: Table<Client> = [client("c", None, "a"), client("c", Some(10), "b"), client("c", Some(20), "c")].into_iter().collect();
        let owners = |since, until| -> String {
            table.within("c", at(since), at(until)).iter().map(|c| c.owner.clone().unwrap_or_default()).collect()
        };
        assert_eq!(owners(0, 9), "a");
        assert_eq!(owners(0, 10), "ab");
        assert_eq!(owners(10, 20), "bc");
        assert_eq!(owners(11, 12), "b");
        assert_eq!(owners(30, 40), "c");
    }

    #[test]
    fn survives_both_encodings() {
        let table: Table<Client> = [client("d", None, "x"), client("c", Some(10), "a"), client("c", Some(5), "b")].into_iter().collect();
        let json = serde_json::to_string(&table).expect("json");
        assert_eq!(serde_json::from_str::<Table<Client>>(&json).expect("json"), table);
    }

    proptest! {
        #[test]
        fn at_agrees_with_a_naive_scan(rows in prop::collection::vec((0..4_u8, prop::option::of(-20..20_i64), 0..4_u8), 1..40), t in -25..25_i64) {
            let rows: Vec<Client> = rows.iter().map(|(id, since, o)| client(&format!("c{id}"), *since, &format!("o{o}"))).collect();
            let mut kept: Vec<&Client> = Vec::new();
            for row in &rows {
                if kept.iter().rfind(|k| k.id == row.id && k.since() == row.since()) != Some(&row) {
                    kept.push(row);
                }
            }
            let table: Table<Client> = rows.iter().cloned().collect();
            for id in ["c0", "c1", "c2", "c3"] {
                let mine = || kept.iter().filter(|r| r.id == id);
                let latest = mine().filter(|r| r.since() <= at(t)).map(|r| r.since()).max();
                let first = mine().map(|r| r.since()).min();
                let expected = match latest {
                    Some(since) => mine().rfind(|r| r.since() == since),
                    None => mine().find(|r| Some(r.since()) == first),
                };
                prop_assert_eq!(table.at(id, at(t)), expected.copied());
            }
        }
    }
}

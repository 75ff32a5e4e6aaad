//! Tables that replace rows of one key, and what may never happen to them.

use std::{collections::BTreeMap, fmt::Debug};

use crate::store::{
    integrity::LinkRow,
    notifications::Note,
    rows::{AlertRow, DayRow, Event, EventRaw, HourRow, MuteRow, SignalRow},
};

/// Tenant, manager, a number, the rest: what a table is ordered by.
pub(super) type Key = (String, String, i64, String);

/// A row of a `ReplacingMergeTree`.
pub(super) trait Line: Clone + PartialEq + Debug {
    /// Of two rows with one key the earlier one stays, not the later one.
    const FIRST: bool = false;
    fn key(&self) -> Key;
    /// Where it was made.
    fn version(&self) -> u64;
    /// Whether both say the same.
    fn agrees(&self, other: &Self) -> bool {
        self == other
    }
}

/// A table as if it were always merged.
#[derive(Clone, Debug)]
pub(super) struct Table<R> {
    rows: BTreeMap<Key, R>,
    /// Keys not yet looked for in another table; of what the engine alone makes.
    fresh: Vec<Key>,
}

impl<R> Default for Table<R> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), fresh: Vec::new() }
    }
}

impl<R: Line> Table<R> {
    /// Takes a row. Two different ones at one place of the log are a mistake, whoever wrote them.
    pub(super) fn put(&mut self, row: &R) -> Result<(), String> {
        let key = row.key();
        match self.rows.get_mut(&key) {
            Some(old) if old.version() != row.version() && (old.version() < row.version()) == R::FIRST => {}
            Some(old) if old.version() == row.version() && !old.agrees(row) => {
                return Err(format!("{key:?} is stored differently the second time:\n{old:?}\n{row:?}"));
            }
            Some(old) => *old = row.clone(),
            None => {
                self.rows.insert(key, row.clone());
            }
        }
        Ok(())
    }

    /// As [`Table::put`], of what is to be looked for.
    pub(super) fn make(&mut self, row: &R) -> Result<(), String> {
        self.fresh.push(row.key());
        self.put(row)
    }

    /// What was made since the last call and is not here. What was replaced from beyond an offset is not here any more.
    pub(super) fn lacks(&self, made: &mut Self, offset: u64) -> Option<String> {
        for key in made.fresh.drain(..) {
            let row = &made.rows[&key];
            match self.rows.get(&key) {
                None => return Some(format!("{key:?} is not stored")),
                Some(stored) if stored.version() <= offset && !stored.agrees(row) => {
                    return Some(format!("{key:?} is stored otherwise:\n{stored:?}\n{row:?}"));
                }
                Some(_) => {}
            }
        }
        None
    }

    /// The first difference.
    pub(super) fn differs(&self, made: &Self) -> Option<String> {
        let missing = made.rows.keys().find(|k| !self.rows.contains_key(*k)).map(|k| format!("{k:?} is not stored"));
        let other = || self.rows.iter().find(|(k, r)| made.rows.get(*k).is_none_or(|m| !m.agrees(r)));
        missing.or_else(|| other().map(|(k, r)| format!("{k:?} is not of the log:\n{r:?}\n{:?}", made.rows.get(k))))
    }

    pub(super) fn extend(&mut self, other: Self) {
        self.rows.extend(other.rows);
    }

    pub(super) fn has(&self, key: &Key) -> bool {
        self.rows.contains_key(key)
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &R> {
        self.rows.values()
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }
}

/// All that scoring makes but states.
#[derive(Clone, Debug, Default)]
pub(super) struct Tables {
    pub(super) events: Table<Event>,
    pub(super) raw: Table<EventRaw>,
    pub(super) signals: Table<SignalRow>,
    pub(super) alerts: Table<AlertRow>,
    pub(super) days: Table<DayRow>,
    pub(super) hours: Table<HourRow>,
    pub(super) mutes: Table<MuteRow>,
    pub(super) links: Table<LinkRow>,
}

impl Tables {
    pub(super) fn lacks(&self, made: &mut Self, offset: u64) -> Option<String> {
        let of = |table: &str, what: Option<String>| what.map(|what| format!("{table}: {what}"));
        of("events", self.events.lacks(&mut made.events, offset))
            .or_else(|| of("events_raw", self.raw.lacks(&mut made.raw, offset)))
            .or_else(|| of("signals", self.signals.lacks(&mut made.signals, offset)))
            .or_else(|| of("alerts", self.alerts.lacks(&mut made.alerts, offset)))
            .or_else(|| of("manager_day", self.days.lacks(&mut made.days, offset)))
            .or_else(|| of("manager_hour", self.hours.lacks(&mut made.hours, offset)))
            .or_else(|| of("mutes", self.mutes.lacks(&mut made.mutes, offset)))
            .or_else(|| of("integrity", self.links.lacks(&mut made.links, offset)))
    }

    pub(super) fn differ(&self, made: &Self) -> Option<String> {
        let of = |table: &str, what: Option<String>| what.map(|what| format!("{table}: {what}"));
        of("events", self.events.differs(&made.events))
            .or_else(|| of("events_raw", self.raw.differs(&made.raw)))
            .or_else(|| of("signals", self.signals.differs(&made.signals)))
            .or_else(|| of("alerts", self.alerts.differs(&made.alerts)))
            .or_else(|| of("manager_day", self.days.differs(&made.days)))
            .or_else(|| of("manager_hour", self.hours.differs(&made.hours)))
            .or_else(|| of("mutes", self.mutes.differs(&made.mutes)))
            .or_else(|| of("integrity", self.links.differs(&made.links)))
    }

    pub(super) fn extend(&mut self, other: Self) {
        self.events.extend(other.events);
        self.raw.extend(other.raw);
        self.signals.extend(other.signals);
        self.alerts.extend(other.alerts);
        self.days.extend(other.days);
        self.hours.extend(other.hours);
        self.mutes.extend(other.mutes);
        self.links.extend(other.links);
    }
}

fn key(tenant: &str, manager: &str, n: i64, rest: &[&str]) -> Key {
    (tenant.to_owned(), manager.to_owned(), n, rest.join(" "))
}

impl Line for Event {
    const FIRST: bool = true;
    fn key(&self) -> Key {
        key(&self.tenant, &self.manager, self.time, &[&self.source, &self.id])
    }
    fn version(&self) -> u64 {
        self.log_offset
    }
}

impl Line for EventRaw {
    const FIRST: bool = true;
    fn key(&self) -> Key {
        key(&self.tenant, &self.manager, self.time, &[&self.source, &self.id])
    }
    fn version(&self) -> u64 {
        self.log_offset
    }
}

impl Line for SignalRow {
    fn key(&self) -> Key {
        key(&self.tenant, &self.manager, self.time, &[&self.source, &self.id, &self.control, &self.detector])
    }
    fn version(&self) -> u64 {
        self.log_offset
    }
}

impl Line for AlertRow {
    fn key(&self) -> Key {
        key(&self.tenant, &self.manager, self.version.into(), &[&self.alert_id])
    }
    fn version(&self) -> u64 {
        self.log_offset
    }
}

impl Line for MuteRow {
    fn key(&self) -> Key {
        key(&self.tenant, "", 0, &[&self.id])
    }
    fn version(&self) -> u64 {
        self.log_offset
    }
}

impl Line for Note {
    fn key(&self) -> Key {
        key(&self.tenant, "", self.version.into(), &[&self.alert_id, &self.receiver, &self.state])
    }
    fn version(&self) -> u64 {
        self.at.cast_unsigned()
    }
}

/// A line has one link: another one at its place would be another chain.
impl Line for LinkRow {
    fn key(&self) -> Key {
        key(&self.chain, "", self.log_offset.cast_signed(), &[&self.partition.to_string()])
    }
    fn version(&self) -> u64 {
        self.log_offset
    }
}

/// Their counts are absolute: where they were taken says nothing.
impl Line for DayRow {
    fn key(&self) -> Key {
        key(&self.tenant, &self.manager, self.time, &[])
    }
    fn version(&self) -> u64 {
        self.log_offset
    }
    fn agrees(&self, other: &Self) -> bool {
        *self == Self { log_offset: self.log_offset, ..other.clone() }
    }
}

impl Line for HourRow {
    fn key(&self) -> Key {
        key(&self.tenant, &self.manager, self.time, &[])
    }
    fn version(&self) -> u64 {
        self.log_offset
    }
    fn agrees(&self, other: &Self) -> bool {
        *self == Self { log_offset: self.log_offset, ..other.clone() }
    }
}

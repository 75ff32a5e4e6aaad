//! The engine alone over a partition of the log: no store, no checkpoints, nothing that can go wrong.

use std::collections::{BTreeMap, BTreeSet};

use super::{LOG, memory::salts, table::Tables};
use crate::{
    engine::{Effect, LogLine, Record, Tenant},
    event::{Timestamp, dedup_hash},
    log::Read,
    pipeline::score::{KEEP_MS, dispatch},
    store::{
        Alias,
        integrity::{Chained, Seal},
        rows::{self, Position},
        state::Restored,
    },
};

pub(super) fn alias() -> Alias {
    Alias::new([7; 32])
}

/// Hash and time of events.
type Ids = BTreeSet<(u64, Timestamp)>;

/// What it made so far.
#[derive(Default)]
pub(super) struct Alone {
    tenants: BTreeMap<String, Tenant>,
    /// Lines applied.
    pub(super) n: usize,
    pub(super) made: Tables,
    /// The links of its alerts.
    pub(super) chained: Chained,
}

impl Alone {
    /// Applies the lines behind those that were applied.
    pub(super) fn advance(&mut self, partition: u32, lines: &[Read]) -> Result<(), String> {
        let (mut effects, made, seal) = (Vec::new(), &mut self.made, Seal::of(&alias()));
        for read in lines.iter().skip(self.n) {
            let line: LogLine = serde_json::from_slice(&read.line).expect("the simulation wrote it");
            let at = Position { partition, offset: read.offset };
            dispatch(&mut self.tenants, &line, &mut effects);
            let event = if let Record::Event(event) = &line.record { Some(&**event) } else { None };
            if let Record::Mute(mute) = &line.record {
                made.mutes.make(&rows::mute(&line.tenant, mute, at))?;
            }
            for effect in effects.drain(..) {
                match effect {
                    Effect::Stored { late } => {
                        let (row, raw) = rows::event(event.expect("only events are stored"), late, &alias(), at);
                        made.events.make(&row)?;
                        raw.map_or(Ok(()), |raw| made.raw.make(&raw))?;
                    }
                    Effect::Repeated => {}
                    Effect::Signal(s) => made.signals.make(&rows::signal(*s, event, &alias(), at))?,
                    Effect::Alert(a) => {
                        let row = rows::alert(*a, &alias(), at);
                        self.chained.take(&row, at.offset);
                        made.alerts.make(&row)?;
                    }
                }
            }
            let salts = salts(&self.chained.people(&[]));
            for link in self.chained.close(&seal, &salts, (LOG, partition, read.offset), &[], false).0 {
                made.links.make(&link)?;
            }
            let (days, hours) = self.tenants.get_mut(&line.tenant).expect("it had a line").take_rollups();
            for d in days {
                made.days.make(&rows::day(&line.tenant, d, &alias(), read.offset))?;
            }
            for h in hours {
                made.hours.make(&rows::hour(&line.tenant, h, &alias(), read.offset))?;
            }
            self.n += 1;
        }
        Ok(())
    }

    /// Its states, as a restore has to give them.
    pub(super) fn states(&self) -> BTreeMap<String, Restored> {
        let of = |t: &Tenant| Restored {
            shared: t.snapshot(),
            managers: t.managers().into_iter().map(|m| (m.clone(), t.manager_snapshot(&m))).collect(),
        };
        self.tenants.iter().map(|(name, t)| (name.clone(), of(t))).collect()
    }

    /// Per tenant since when, and what is to be recognised as a repeat.
    pub(super) fn seen(&self) -> BTreeMap<&str, (Timestamp, Ids)> {
        let since = |t: &Tenant| t.watermark().map(|w| w.plus(-KEEP_MS));
        let mut seen: BTreeMap<&str, (Timestamp, Ids)> =
            self.tenants.iter().filter_map(|(name, t)| Some((&**name, (since(t)?, BTreeSet::new())))).collect();
        for e in self.made.events.rows() {
            let (since, ids) = seen.get_mut(&*e.tenant).expect("it has a watermark");
            if e.time >= since.millis() {
                ids.insert((dedup_hash(&e.source, &e.id), Timestamp::from_millis(e.time)));
            }
        }
        seen
    }
}

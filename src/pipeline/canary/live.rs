//! Canaries by way of the log: sent once a day by whoever scores their partition, judged where they come out of it.
//!
//! Their records are the log's like any other; their effects are nobody's. They are heard here and dropped, with the states behind
//! them, as soon as the next case begins: what is stored is what was expected and what came.

use std::{collections::BTreeSet, time::Duration};

use tokio::sync::watch::Receiver;
use tokio_util::sync::CancellationToken;

use super::{Canary, Expected, Key, SPAN_MS, TENANT, all, get};
use crate::{
    engine::{Effect, Policy, Record, Tenant},
    event::Timestamp,
    log,
    ops::{clock, config},
    pipeline::{
        ingest::{Error, Ingestor},
        score::Progress,
    },
    store::{canaries::CanaryRow, rows::Position},
};

/// Sends all canaries, again and again, while this instance scores their partition.
///
/// # Errors
/// When the log refuses.
pub async fn daily(ingestor: Ingestor, plan: config::Canary, progress: Receiver<Progress>, stop: CancellationToken) -> Result<(), Error> {
    let mut wait = plan.first;
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(wait) => {}
        }
        wait = plan.every;
        let mine = progress.borrow().partitions.contains(&log::partition_of(TENANT, ingestor.partitions()));
        if !mine {
            // Whoever scores it sends it; that may be this one before a day is over.
            wait = wait.min(Duration::from_secs(3600));
            continue;
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            sent = send(&ingestor, clock::now()) => sent?,
        }
    }
}

/// Appends the records of all cases to the log, and what tells that the last one is over.
async fn send(ingestor: &Ingestor, now: Timestamp) -> Result<(), Error> {
    let (run, start) = (now.to_string(), now.plus(-SPAN_MS));
    for canary in all() {
        for expected in Expected::BOTH {
            ingestor.notes(TENANT, canary.case(expected, &run, start).records()).await?;
        }
    }
    ingestor.note(TENANT, Record::Policy(Policy::default())).await
}

/// Hears canaries as they come out of the log.
#[derive(Default)]
pub(in crate::pipeline) struct Watching {
    /// A policy begins a case; whose it is, its first user tells.
    policy: Option<Policy>,
    open: Option<Open>,
    /// Controls of the run that did not do as expected.
    failed: BTreeSet<&'static str>,
    effects: Vec<Effect>,
}

/// A case that is being heard.
struct Open {
    run: Timestamp,
    canary: &'static Canary,
    expected: Expected,
    tenant: Tenant,
    /// Records so far, and those after which the control fired.
    records: u32,
    fired: Option<u32>,
    /// Time of the event or tick that fired, else of the last one.
    time: Timestamp,
}

/// What came of a case by way of the log.
pub(in crate::pipeline) struct Verdict {
    /// To be stored.
    pub(in crate::pipeline) row: CanaryRow,
    /// Which control, and when its run began.
    pub(in crate::pipeline) control: &'static str,
    pub(in crate::pipeline) run: Timestamp,
    /// All cases of the control have been heard: whether each did as expected.
    pub(in crate::pipeline) whole: Option<bool>,
}

impl Watching {
    /// Hears a record; returns what came of the case before, where this record ends it. A case whose beginning was not heard
    /// (a start in the middle of a run) is not judged.
    pub(in crate::pipeline) fn hear(&mut self, record: &Record, at: Position) -> Option<Verdict> {
        if let Record::Policy(policy) = record {
            self.policy = Some(policy.clone());
            return self.open.take().map(|open| self.judge(&open, at));
        }
        if let (Record::User(user), Some(policy)) = (record, self.policy.take_if(|_| self.open.is_none())) {
            self.open = Open::begin(&user.id, policy);
        }
        let open = self.open.as_mut()?;
        open.hear(record, &mut self.effects);
        None
    }

    fn judge(&mut self, open: &Open, at: Position) -> Verdict {
        let (canary, outcome) = (open.canary, Expected::of(open.fired.is_some()));
        let control = canary.control;
        if canary.is_first(open.expected) {
            self.failed.remove(control);
        }
        if outcome != open.expected {
            self.failed.insert(control);
        }
        let row = CanaryRow {
            run: open.run.millis(),
            control: control.to_owned(),
            part: canary.part.to_owned(),
            expected: open.expected.as_str().to_owned(),
            outcome: outcome.as_str().to_owned(),
            records: open.records,
            fired_after: open.fired.unwrap_or_default(),
            time: open.time.millis(),
            log_partition: at.partition,
            log_offset: at.offset,
        };
        let whole = canary.is_last(open.expected).then(|| !self.failed.contains(control));
        Verdict { row, control, run: open.run, whole }
    }
}

impl Canary {
    /// The first case of its control.
    fn is_first(&self, expected: Expected) -> bool {
        expected == Expected::Fire && all().find(|c| c.control == self.control).is_some_and(|c| c.part == self.part)
    }

    /// The last one.
    fn is_last(&self, expected: Expected) -> bool {
        expected == Expected::Still && all().filter(|c| c.control == self.control).last().is_some_and(|c| c.part == self.part)
    }
}

impl Open {
    /// The case of a person's id; none when this version knows no such canary.
    fn begin(id: &str, policy: Policy) -> Option<Self> {
        let key = Key::read(id)?;
        let canary = get(key.control, key.part)?;
        let run = Timestamp::parse(key.run).ok()?;
        let mut open = Self { run, canary, expected: key.expected, tenant: canary.tenant(), records: 0, fired: None, time: run };
        open.hear(&Record::Policy(policy), &mut Vec::new());
        Some(open)
    }

    fn hear(&mut self, record: &Record, effects: &mut Vec<Effect>) {
        self.records += 1;
        self.tenant.apply(record, effects);
        let time = match record {
            Record::Event(e) => Some(e.event.time),
            Record::Tick(tick) => Some(tick.at),
            _ => None,
        };
        let fired = effects.drain(..).any(|e| self.canary.is_shown_by(&e));
        if self.fired.is_none() {
            self.time = time.unwrap_or(self.time);
            self.fired = fired.then_some(self.records);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(records: &[Record]) -> Vec<Verdict> {
        let mut watching = Watching::default();
        (0..).zip(records).filter_map(|(offset, r)| watching.hear(r, Position { partition: 3, offset })).collect()
    }

    #[test]
    fn a_run_through_one_log_says_the_same_as_each_case_alone() {
        let run = Timestamp::parse("2026-03-04T12:34:56Z").expect("a time");
        let of = |c: &Canary| Expected::BOTH.map(|e| c.case(e, &run.to_string(), run.plus(-SPAN_MS)).records()).concat();
        let mut records: Vec<Record> = all().flat_map(of).collect();
        records.push(Record::Policy(Policy::default()));
        let verdicts = heard(&records);
        assert_eq!(verdicts.len(), 2 * all().count());
        for v in &verdicts {
            assert!(v.row.expected == v.row.outcome && v.run == run && v.whole != Some(false), "{:?}", v.row);
        }
        let whole: Vec<&str> = verdicts.iter().filter(|v| v.whole == Some(true)).map(|v| v.control).collect();
        let mut controls: Vec<&str> = all().map(|c| c.control).collect();
        controls.dedup();
        assert_eq!(whole, controls, "each control once");

        // Half of a case is none.
        assert_eq!(heard(&records[1..]).len(), verdicts.len() - 1);
        let other = Record::Policy(Policy::default());
        assert!(heard(&[other.clone(), other]).is_empty());
    }

    #[test]
    fn a_control_that_keeps_still_is_told() {
        let run = Timestamp::parse("2026-03-04T12:34:56Z").expect("a time");
        let canary = get("decoy", "").expect("a canary");
        let [mut fire, still] = Expected::BOTH.map(|e| canary.case(e, &run.to_string(), run.plus(-SPAN_MS)).records());
        fire.retain(|r| !matches!(r, Record::Event(_)));
        let end = [Record::Policy(Policy::default())];
        let verdicts = heard(&[fire, still, end.to_vec()].concat());
        assert_eq!((verdicts[0].row.outcome.as_str(), verdicts[0].whole, verdicts[1].whole), ("still", None, Some(false)));
    }
}

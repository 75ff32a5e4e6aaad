//! Scoring without a store: the same enrichment and the same engine over a file of events.

use std::collections::BTreeMap;

use super::{
    fit::Due,
    ingest::{Policies, Rows},
};
use crate::{
    directory::{self, Directory, Row as _},
    engine::{Effect, Policy, Record, Tenant, Tick},
    event::{Budget, Enriched, Event, HOUR_MS, Timestamp},
};

/// How to score.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// What applies to each tenant.
    pub policies: &'a Policies,
    /// What stands before the ids of actors in reference data.
    pub actor_prefix: &'a str,
    /// Keep the features of all manager-days.
    pub features: bool,
    /// Budgets to be tried besides.
    pub budgets: &'a [Budget],
}

/// Who hears what comes out.
pub trait Sink {
    /// An effect of a record.
    fn effect(&mut self, tenant: &Tenant, effect: Effect);

    /// An effect that the event would have had with another budget, by its place in [`Ask::budgets`].
    fn other(&mut self, _budget: usize, _effect: Effect) {}

    /// So many events are done; called every few thousand.
    fn progress(&mut self, _done: usize) {}
}

/// A tenant as it is scored.
struct Scored {
    directory: Directory,
    tenant: Tenant,
    /// The same with other budgets.
    others: Vec<Tenant>,
    hour: Option<Timestamp>,
}

impl Scored {
    fn new(name: &str, ask: &Ask<'_>) -> Self {
        let mut directory = Directory::default();
        directory.set_ip_allow(ask.policies.ip_allow.get(name).cloned().unwrap_or_default());
        directory.set_calendar(ask.policies.calendars.get(name).cloned().unwrap_or_default());
        let policy = ask.policies.of(name);
        let with = |policy: Policy| {
            let mut tenant = Tenant::new(name);
            tenant.apply(&Record::Policy(policy), &mut Vec::new());
            if let Some(prior) = &ask.policies.prior {
                tenant.apply(&Record::Prior(Box::new(prior.clone())), &mut Vec::new());
            }
            tenant
        };
        let others = ask.budgets.iter().map(|b| with(Policy { budget: *b, ..policy.clone() })).collect();
        let mut tenant = with(policy.clone());
        if ask.features {
            tenant.keep_features();
        }
        Self { directory, tenant, others, hour: None }
    }

    /// Applies a record to all of them.
    fn apply(&mut self, record: &Record, effects: &mut Vec<Effect>, sink: &mut impl Sink) {
        for (i, other) in self.others.iter_mut().enumerate() {
            other.apply(record, effects);
            effects.drain(..).for_each(|e| sink.other(i, e));
        }
        self.tenant.apply(record, effects);
        effects.drain(..).for_each(|e| sink.effect(&self.tenant, e));
        if let Some(due) = Due::of(&self.tenant) {
            self.apply(&due.record(), effects, sink);
        }
    }
}

/// Scores events in the given order. Returns the tenants as they are at the end, with the features of all manager-days if asked for.
pub fn score(events: Vec<Event>, mut rows: Rows, ask: &Ask<'_>, sink: &mut impl Sink) -> BTreeMap<String, Tenant> {
    rows.users.sort_by(|a, b| (&a.tenant, &a.id, a.since()).cmp(&(&b.tenant, &b.id, b.since())));
    let mut known: BTreeMap<String, Scored> = BTreeMap::new();
    let mut effects = Vec::new();
    let fresh = |name: &String| Scored::new(name, ask);
    for user in rows.users {
        let of = known.entry(user.tenant.clone()).or_insert_with_key(fresh);
        // A zone that is not known was complained about when the file was read.
        if of.directory.insert_user(user.clone()).is_ok() {
            of.apply(&Record::User(Box::new(user)), &mut effects, sink);
        }
    }
    for client in rows.clients {
        known.entry(client.tenant.clone()).or_insert_with_key(fresh).directory.insert_client(client);
    }
    for order in rows.orders {
        known.entry(order.tenant.clone()).or_insert_with_key(fresh).directory.insert_order(order);
    }
    for (done, event) in events.into_iter().enumerate() {
        if done % 4096 == 0 {
            sink.progress(done);
        }
        let of = known.entry(event.tenant.clone()).or_insert_with_key(fresh);
        // One tick per hour of event time stands for the minutes that a live owner would write.
        let this_hour = Timestamp::from_millis(event.time.millis().div_euclid(HOUR_MS) * HOUR_MS);
        if of.hour.is_some_and(|h| h < this_hour) {
            of.apply(&Record::Tick(Tick { at: this_hour }), &mut effects, sink);
        }
        of.hour = of.hour.max(Some(this_hour));
        let zone = &ask.policies.of(&event.tenant).zone;
        let enrich = directory::enrich(&of.directory, &event, zone, ask.actor_prefix);
        of.apply(&Record::Event(Box::new(Enriched { event, enrich, origin: None })), &mut effects, sink);
    }
    known.into_iter().map(|(name, scored)| (name, scored.tenant)).collect()
}

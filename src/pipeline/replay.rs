//! Scoring without a store: the same enrichment and the same engine over a file of events.

use std::collections::BTreeMap;

use super::ingest::{Policies, Rows};
use crate::{
    directory::{self, Directory, Row as _},
    engine::{Effect, Record, Tenant, Tick},
    event::{Enriched, Event, HOUR_MS, Timestamp},
};

/// Scores events in the given order; `sink` gets every effect with the event that caused it. `progress` hears how many events
/// are done, every few thousand. Returns the tenants as they are at the end, with the features of all manager-days if asked for.
pub fn score(
    events: Vec<Event>,
    mut rows: Rows,
    policies: &Policies,
    actor_prefix: &str,
    features: bool,
    mut sink: impl FnMut(&Enriched, &Tenant, Effect),
    mut progress: impl FnMut(usize),
) -> BTreeMap<String, Tenant> {
    rows.users.sort_by(|a, b| (&a.tenant, &a.id, a.since()).cmp(&(&b.tenant, &b.id, b.since())));
    let mut known: BTreeMap<String, (Directory, Tenant, Option<Timestamp>)> = BTreeMap::new();
    let mut effects = Vec::new();
    let fresh = |name: &str, effects: &mut Vec<Effect>| {
        let mut directory = Directory::default();
        directory.set_ip_allow(policies.ip_allow.get(name).cloned().unwrap_or_default());
        let mut tenant = Tenant::new(name);
        if features {
            tenant.keep_features();
        }
        tenant.apply(&Record::Policy(policies.of(name).clone()), effects);
        (directory, tenant, None)
    };
    for user in rows.users {
        let (directory, tenant, _) = known.entry(user.tenant.clone()).or_insert_with_key(|name| fresh(name, &mut effects));
        // A zone that is not known was complained about when the file was read.
        if directory.insert_user(user.clone()).is_ok() {
            tenant.apply(&Record::User(Box::new(user)), &mut effects);
        }
    }
    for client in rows.clients {
        known.entry(client.tenant.clone()).or_insert_with_key(|name| fresh(name, &mut effects)).0.insert_client(client);
    }
    for order in rows.orders {
        known.entry(order.tenant.clone()).or_insert_with_key(|name| fresh(name, &mut effects)).0.insert_order(order);
    }
    effects.clear();
    for (done, event) in events.into_iter().enumerate() {
        if done % 4096 == 0 {
            progress(done);
        }
        let (directory, tenant, hour) = known.entry(event.tenant.clone()).or_insert_with_key(|name| fresh(name, &mut effects));
        // One tick per hour of event time stands for the minutes that a live owner would write.
        let this_hour = Timestamp::from_millis(event.time.millis().div_euclid(HOUR_MS) * HOUR_MS);
        if hour.is_some_and(|h| h < this_hour) {
            tenant.apply(&Record::Tick(Tick { at: this_hour }), &mut effects);
        }
        *hour = (*hour).max(Some(this_hour));
        let zone = &policies.of(&event.tenant).zone;
        let enrich = directory::enrich(directory, &event, zone, actor_prefix);
        let record = Record::Event(Box::new(Enriched { event, enrich, origin: None }));
        effects.clear();
        tenant.apply(&record, &mut effects);
        if let Record::Event(enriched) = &record {
            for effect in effects.drain(..) {
                sink(enriched, tenant, effect);
            }
        }
    }
    known.into_iter().map(|(name, (_, tenant, _))| (name, tenant)).collect()
}

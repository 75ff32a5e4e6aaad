//! Normalising: events are enriched as of their own time and appended to the log; what cannot be taken becomes a dead letter.
//!
//! The only place where wall clock, arrival order and configuration of sources matter.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, RwLock},
    time::Duration,
};

use crate::{
    directory::{self, Calendar, Client, Directory, Order, Row as _, User, Zone},
    engine::{Policy, Record, manager_day, prior::Prior},
    event::{Date, Enriched, Event, Origin, Timestamp},
    log::{self, Appender, Entry},
    ops::{
        clock, fail,
        metrics::{Metrics, Reference},
    },
    store::{self, Alias, dead::DeadLetter, persist, reference, state},
};

/// At most so many lines go to the log at once.
const BATCH: usize = 20_000;

/// Why nothing was taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log.
    #[error(transparent)]
    Log(#[from] log::Error),
    /// The store.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Puts events and reference data into the log. Clones share everything.
#[derive(Clone)]
pub struct Ingestor(Arc<Inner>);

struct Inner {
    appender: Appender,
    partitions: u32,
    client: clickhouse::Client,
    alias: Alias,
    metrics: Metrics,
    policies: RwLock<Policies>,
    tenants: RwLock<BTreeMap<String, Known>>,
    /// Held while a tenant's policy or users go into the log, so that they stand before its events.
    introducing: tokio::sync::Mutex<()>,
}

/// What the configuration says about each tenant.
#[derive(Clone, Debug, Default)]
pub struct Policies {
    /// Of tenants that the configuration names.
    pub named: BTreeMap<String, Policy>,
    /// Of all others.
    pub other: Policy,
    /// Where tenants without a history start from.
    pub prior: Option<Prior>,
    /// Allowed addresses of tenants.
    pub ip_allow: BTreeMap<String, Vec<ipnet::IpNet>>,
    /// Production calendars of tenants.
    pub calendars: BTreeMap<String, Calendar>,
}

/// A tenant as the normaliser knows it.
struct Known {
    directory: Directory,
    policy: Policy,
    /// Its policy is in the log.
    introduced: bool,
}

/// Rows of reference data, as they were read.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// Users.
    pub users: Vec<User>,
    /// Clients.
    pub clients: Vec<Client>,
    /// Orders.
    pub orders: Vec<Order>,
}

impl Policies {
    /// The policy of a tenant.
    pub fn of(&self, tenant: &str) -> &Policy {
        self.named.get(tenant).unwrap_or(&self.other)
    }
}

impl Ingestor {
    /// An ingestor that knows the reference data kept in the store.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn open(
        appender: Appender,
        partitions: u32,
        client: clickhouse::Client,
        alias: Alias,
        metrics: Metrics,
        policies: Policies,
    ) -> Result<Self, Error> {
        let (policies, tenants) = (RwLock::new(policies), RwLock::default());
        let inner = Inner { appender, partitions, client, alias, metrics, policies, tenants, introducing: tokio::sync::Mutex::default() };
        let client = &inner.client;
        let rows = Rows {
            users: persist("users", || reference::load(client, "users")).await?,
            clients: persist("clients", || reference::load(client, "clients")).await?,
            orders: persist("orders", || reference::load(client, "orders")).await?,
        };
        inner.know(rows);
        Ok(Self(Arc::new(inner)))
    }

    /// One that appends and knows nothing, for a simulation.
    #[cfg(test)]
    pub(super) fn simulated(appender: Appender, partitions: u32, metrics: Metrics) -> Self {
        let (client, alias, introducing) = (clickhouse::Client::default(), Alias::new([0; 32]), tokio::sync::Mutex::default());
        let (policies, tenants) = (RwLock::default(), RwLock::default());
        Self(Arc::new(Inner { appender, partitions, client, alias, metrics, policies, tenants, introducing }))
    }

    /// Takes rows of reference data: users go into the log, all are kept, look-ups see them from then on.
    /// Rows that are known already cost nothing.
    ///
    /// # Errors
    /// When log or store refuse; the same rows can be given again.
    pub async fn learn(&self, mut rows: Rows) -> Result<(), Error> {
        let inner = &self.0;
        {
            let tenants = inner.tenants.read().expect("no holder panics");
            let new = |tenant: &str| tenants.get(tenant).map(|k| &k.directory);
            last_of_each(&mut rows.users, |u| (u.tenant.clone(), u.id.clone(), u.since()));
            last_of_each(&mut rows.clients, |c| (c.tenant.clone(), c.id.clone(), c.since()));
            last_of_each(&mut rows.orders, |o| (o.tenant.clone(), o.id.clone(), o.since()));
            rows.users.retain(|u| new(&u.tenant).is_none_or(|d| !d.users().holds(u)));
            rows.clients.retain(|c| new(&c.tenant).is_none_or(|d| !d.clients().holds(c)));
            rows.orders.retain(|o| new(&o.tenant).is_none_or(|d| !d.orders().holds(o)));
        }
        rows.users.sort_by(|a, b| (&a.tenant, &a.id, a.since()).cmp(&(&b.tenant, &b.id, b.since())));
        let named: BTreeSet<String> = rows.users.iter().map(|u| u.tenant.clone()).collect();
        for tenant in &named {
            self.introduce(tenant).await?;
        }
        {
            let _first = inner.introducing.lock().await;
            for chunk in rows.users.chunks(BATCH) {
                let entries = chunk.iter().map(|u| log::entry(&u.tenant, Record::User(Box::new(u.clone())), inner.partitions)).collect();
                inner.append(entries).await?;
            }
        }
        if !rows.users.is_empty() {
            fail::point("users");
        }
        let (client, now) = (&inner.client, clock::now());
        for chunk in rows.users.chunks(BATCH) {
            persist("users", || reference::save_users(client, chunk, &inner.alias, now)).await?;
        }
        for chunk in rows.clients.chunks(BATCH) {
            persist("clients", || reference::save_clients(client, chunk, now)).await?;
        }
        for chunk in rows.orders.chunks(BATCH) {
            persist("orders", || reference::save_orders(client, chunk, now)).await?;
        }
        inner.know(rows);
        Ok(())
    }

    /// Enriches events and appends them; stores dead letters. Durable when it returns.
    ///
    /// # Errors
    /// When log or store refuse; the same can be given again, repeats are recognised.
    pub async fn submit(&self, events: Vec<(Event, Option<Origin>)>, actor_prefix: &str, dead: &[DeadLetter]) -> Result<(), Error> {
        let inner = &self.0;
        if !dead.is_empty() {
            let client = &inner.client;
            persist("dead letters", || store::dead::save(client, dead)).await?;
            for letter in dead {
                inner.metrics.rejected(&letter.code);
            }
        }
        let tenants: BTreeSet<String> = events.iter().map(|(e, _)| e.tenant.clone()).collect();
        for tenant in &tenants {
            self.introduce(tenant).await?;
        }
        let mut events = events.into_iter();
        loop {
            let batch: Vec<_> = events.by_ref().take(BATCH).collect();
            if batch.is_empty() {
                return Ok(());
            }
            let (inner, prefix) = (Arc::clone(inner), actor_prefix.to_owned());
            let prepared = tokio::task::spawn_blocking({
                let inner = Arc::clone(&inner);
                move || inner.enrich(batch, &prefix)
            });
            let entries = prepared.await.map_err(|e| log::Error::Stop(format!("enriching ended early: {e}")))?;
            inner.append(entries).await?;
        }
    }

    /// Appends a record of Filin's own to a tenant's log.
    ///
    /// # Errors
    /// When the log refuses.
    pub async fn note(&self, tenant: &str, record: Record) -> Result<(), Error> {
        self.notes(tenant, vec![record]).await
    }

    /// Appends records of Filin's own to a tenant's log, in their order.
    ///
    /// # Errors
    /// When the log refuses.
    pub async fn notes(&self, tenant: &str, records: Vec<Record>) -> Result<(), Error> {
        self.0.append(records.into_iter().map(|r| log::entry(tenant, r, self.0.partitions)).collect()).await
    }

    /// How many partitions the log has.
    pub fn partitions(&self) -> u32 {
        self.0.partitions
    }

    /// Appends what a person ordered: behind the tenant's policy, which comes first in every log.
    ///
    /// # Errors
    /// When log or store refuse.
    pub async fn order(&self, tenant: &str, record: Record) -> Result<(), Error> {
        self.introduce(tenant).await?;
        self.note(tenant, record).await
    }

    /// The manager-day of an instant.
    pub fn day(&self, tenant: &str, manager: &str, at: Timestamp) -> Date {
        let tenants = self.0.tenants.read().expect("no holder panics");
        let zone = tenants.get(tenant).map(|known| directory::zone_of(known.directory.users().at(manager, at), &known.policy.zone));
        manager_day(zone.unwrap_or(Zone::UTC).local_ms(at))
    }

    /// What the configuration says from here on; returns the tenants whose policy is another now.
    ///
    /// # Errors
    /// When log or store refuse.
    pub async fn adopt(&self, policies: Policies) -> Result<Vec<String>, Error> {
        let inner = &self.0;
        let mut changed = Vec::new();
        {
            let _first = inner.introducing.lock().await;
            let mut tenants = inner.tenants.write().expect("no holder panics");
            for (name, known) in tenants.iter_mut() {
                let policy = policies.of(name);
                if known.introduced && *policy != known.policy {
                    changed.push(name.clone());
                    known.introduced = false;
                }
                known.policy = policy.clone();
                known.directory.set_ip_allow(policies.ip_allow.get(name).cloned().unwrap_or_default());
                known.directory.set_calendar(policies.calendars.get(name).cloned().unwrap_or_default());
            }
            *inner.policies.write().expect("no holder panics") = policies;
        }
        for tenant in &changed {
            self.introduce(tenant).await?;
        }
        Ok(changed)
    }

    /// Puts the policy of a tenant into the log when it is not what was put there last.
    async fn introduce(&self, tenant: &str) -> Result<(), Error> {
        let inner = &self.0;
        let introduced = |inner: &Inner| inner.tenants.read().expect("no holder panics").get(tenant).is_some_and(|k| k.introduced);
        if introduced(inner) {
            return Ok(());
        }
        let _first = inner.introducing.lock().await;
        if introduced(inner) {
            return Ok(());
        }
        let (policy, prior) = {
            let policies = inner.policies.read().expect("no holder panics");
            (policies.of(tenant).clone(), policies.prior.clone())
        };
        let text = serde_json::to_string(&policy).expect("a policy has string keys only");
        let (client, key) = (&inner.client, format!("policy/{tenant}"));
        let before = persist("policy", || state::meta(client, &key)).await?;
        if before.as_deref() != Some(&text) {
            // A tenant without a policy so far has no history.
            let prior = prior.filter(|_| before.is_none()).map(|p| Record::Prior(Box::new(p)));
            let records = std::iter::once(Record::Policy(policy)).chain(prior);
            inner.append(records.map(|r| log::entry(tenant, r, inner.partitions)).collect()).await?;
            fail::point("policy");
            persist("policy", || state::set_meta(client, &key, &text)).await?;
        }
        inner.tenants.write().expect("no holder panics").entry(tenant.to_owned()).or_insert_with(|| inner.fresh(tenant)).introduced = true;
        Ok(())
    }
}

/// Of rows with one key the last one stays: it is the one that holds.
fn last_of_each<T, K: Ord>(rows: &mut Vec<T>, key: impl Fn(&T) -> K) {
    let mut seen = BTreeSet::new();
    let mut last: Vec<bool> = rows.iter().rev().map(|r| seen.insert(key(r))).collect();
    rows.retain(|_| last.pop().unwrap_or(true));
}

impl Inner {
    fn fresh(&self, tenant: &str) -> Known {
        let mut directory = Directory::default();
        let policies = self.policies.read().expect("no holder panics");
        directory.set_ip_allow(policies.ip_allow.get(tenant).cloned().unwrap_or_default());
        directory.set_calendar(policies.calendars.get(tenant).cloned().unwrap_or_default());
        Known { directory, policy: policies.of(tenant).clone(), introduced: false }
    }

    fn know(&self, rows: Rows) {
        for (kind, n) in
            [(Reference::Users, rows.users.len()), (Reference::Clients, rows.clients.len()), (Reference::Orders, rows.orders.len())]
        {
            self.metrics.reference_rows(kind, n);
        }
        let mut tenants = self.tenants.write().expect("no holder panics");
        for user in rows.users {
            let known = tenants.entry(user.tenant.clone()).or_insert_with_key(|t| self.fresh(t));
            if let Err(e) = known.directory.insert_user(user) {
                // Files are checked when they are read; a topic may bring anything.
                tracing::warn!(error = %e, "a user's row is not used");
            }
        }
        for client in rows.clients {
            tenants.entry(client.tenant.clone()).or_insert_with_key(|t| self.fresh(t)).directory.insert_client(client);
        }
        for order in rows.orders {
            tenants.entry(order.tenant.clone()).or_insert_with_key(|t| self.fresh(t)).directory.insert_order(order);
        }
    }

    fn enrich(&self, events: Vec<(Event, Option<Origin>)>, prefix: &str) -> Vec<Entry> {
        let tenants = self.tenants.read().expect("no holder panics");
        let mut entries = Vec::with_capacity(events.len());
        for (event, origin) in events {
            let known = tenants.get(&event.tenant).expect("introduced before");
            let enrich = directory::enrich(&known.directory, &event, &known.policy.zone, prefix);
            let tenant = event.tenant.clone();
            entries.push(log::entry(&tenant, Record::Event(Box::new(Enriched { event, enrich, origin })), self.partitions));
        }
        entries
    }

    /// Appends until the log has it.
    async fn append(&self, entries: Vec<Entry>) -> Result<(), Error> {
        if entries.is_empty() {
            return Ok(());
        }
        let mut wait = Duration::from_millis(100);
        let (lines, watch) = (entries.len(), clock::Stopwatch::start());
        loop {
            match self.appender.append(entries.clone()).await {
                Ok(()) => {
                    self.metrics.appended(lines, watch.elapsed());
                    return Ok(());
                }
                Err(log::Error::Away(e)) => {
                    tracing::warn!(error = %e, "the log is away, trying again");
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(Duration::from_secs(5));
                }
                Err(e) => return Err(e.into()),
            }
        }
    }
}

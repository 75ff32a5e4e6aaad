//! Coverage and audit: what arrives, which controls are blind for want of it, which doors stand open. Computed from the store, on
//! request and about once an hour by whoever scores a tenant; scoring itself knows nothing of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde::Serialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{ingest::Policies, score::Progress};
use crate::{
    directory::Reference,
    engine::Policy,
    event::{Timestamp, is_own},
    model::{
        audit::{self, Finding},
        coverage::{self, Arrival, Seen, Verdict},
    },
    ops::clock,
    store::{
        self, Alias, reference,
        survey::{self, ArrivalRow, ControlRow, FindingRow},
    },
};

/// How long after the start, and after one another, the first surveys come: a new tenant's first hour changes fast.
const FIRST: [Duration; 3] = [Duration::from_secs(5), Duration::from_secs(60), Duration::from_secs(600)];
/// ... and all later ones.
const EVERY: Duration = Duration::from_secs(3600);

/// What arrives for a tenant, and what its controls can see.
#[derive(Clone, Debug, Serialize)]
pub struct Coverage {
    /// Whose.
    pub tenant: String,
    /// The newest event, from which hours and days are counted back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newest: Option<Timestamp>,
    /// What arrives.
    pub arrivals: Vec<Arrival>,
    /// What each control can see.
    pub controls: Vec<Verdict>,
}

/// All that is read once for all tenants.
pub struct Survey {
    /// As of when.
    pub at: Timestamp,
    reference: Reference,
    policies: BTreeMap<String, Policy>,
    configured: Policies,
    newest: BTreeMap<String, Timestamp>,
    clients: BTreeMap<String, (u64, BTreeSet<&'static str>)>,
}

impl Survey {
    /// Reads people, policies and newest events. `configured` holds for tenants of which the log has no policy yet.
    ///
    /// # Errors
    /// When the store is away or refuses.
    pub async fn read(client: &clickhouse::Client, configured: Policies, at: Timestamp) -> Result<Self, store::Error> {
        let reference = reference::people(client).await?;
        let kept = survey::policies(client).await?.into_iter();
        let policies = kept.filter_map(|(tenant, text)| Some((tenant, serde_json::from_str(&text).ok()?))).collect();
        let (newest, clients) = (survey::newest(client).await?, survey::clients(client).await?);
        Ok(Self { at, reference, policies, configured, newest, clients })
    }

    /// Tenants of which there is anything, by name; not Filin's own.
    pub fn tenants(&self) -> BTreeSet<String> {
        let people = self.reference.tenants().map(|(name, _)| name);
        let stated = self.policies.keys().chain(self.configured.named.keys());
        let all = people.chain(stated.chain(self.newest.keys()).chain(self.clients.keys()).map(String::as_str));
        all.filter(|name| !is_own(name)).map(str::to_owned).collect()
    }

    /// What is in force for a tenant: what the log was told last, which is what the engine goes by.
    fn policy(&self, tenant: &str) -> &Policy {
        self.policies.get(tenant).unwrap_or_else(|| self.configured.of(tenant))
    }

    /// What arrives for a tenant.
    ///
    /// # Errors
    /// When the store is away or refuses.
    pub async fn coverage(&self, client: &clickhouse::Client, tenant: &str) -> Result<Coverage, store::Error> {
        let newest = self.newest.get(tenant).copied();
        let arrived = match newest {
            Some(newest) => survey::arrived(client, tenant, newest).await?,
            None => Vec::new(),
        };
        let arrivals: Vec<Arrival> = arrived
            .into_iter()
            .map(|a| Arrival {
                source: a.source,
                team: a.team,
                action: a.action,
                events_24h: a.events_24h,
                events_7d: a.events_7d,
                events_30d: a.events_30d,
                last: a.last,
                fields: a.fields,
            })
            .collect();
        let (users, user_columns) = self.users(tenant);
        let (clients, client_columns) = self.clients.get(tenant).cloned().unwrap_or_default();
        let seen = Seen {
            stated: self.stated(tenant, &arrivals),
            arrivals,
            known: survey::KNOWN,
            users,
            user_columns,
            clients,
            client_columns,
            disabled: self.policy(tenant).controls.iter().filter(|(_, c)| !c.enabled).map(|(id, _)| id.clone()).collect(),
            audited: self.newest.contains_key(coverage::AUDIT),
        };
        let controls = coverage::judge(tenant, &seen);
        Ok(Coverage { tenant: tenant.to_owned(), newest, arrivals: seen.arrivals, controls })
    }

    /// How many users there are now, and the columns that the row of at least one of them has.
    fn users(&self, tenant: &str) -> (u64, BTreeSet<&'static str>) {
        let (mut n, mut columns) = (0, BTreeSet::new());
        let Some(directory) = self.reference.tenant(tenant) else { return (n, columns) };
        let users = directory.users();
        for user in users.ids().filter_map(|id| users.at(id, self.at)) {
            n += 1;
            let has = [
                ("grade", user.grade.is_some()),
                ("ip_allow", !user.ip_allow.is_empty()),
                ("kind", user.kind.is_some()),
                ("notice_at", user.notice_at.is_some()),
                ("terminated_at", user.terminated_at.is_some()),
            ];
            columns.extend(has.iter().filter(|(_, has)| *has).map(|(column, _)| *column));
        }
        (n, columns)
    }

    /// Keys that the tenant has stated. Allow lists are in no policy: that addresses were judged shows that there is one.
    fn stated(&self, tenant: &str, arrivals: &[Arrival]) -> BTreeSet<&'static str> {
        let policy = self.policy(tenant);
        let listed = self.configured.ip_allow.get(tenant).is_some_and(|nets| !nets.is_empty());
        let all = [
            ("access", policy.access.is_some()),
            ("backup_targets", !policy.backup_targets.is_empty()),
            ("ip_allow", listed || arrivals.iter().any(|a| a.fields.contains("enrich.address"))),
            ("min_versions", !policy.min_versions.is_empty()),
            ("require_mfa", policy.require_mfa),
            (coverage::SIGMA, !policy.sigma.is_empty()),
        ];
        all.into_iter().filter(|(_, stated)| *stated).map(|(key, _)| key).collect()
    }

    /// Open doors of a tenant.
    ///
    /// # Errors
    /// When the store is away or refuses.
    pub async fn audit(&self, client: &clickhouse::Client, tenant: &str) -> Result<Vec<Finding>, store::Error> {
        let closed = survey::closed(client, tenant).await?;
        let nobody = crate::directory::Directory::default();
        let directory = self.reference.tenant(tenant).unwrap_or(&nobody);
        Ok(audit::audit(&audit::Input { tenant, directory, now: self.at, closed: &closed, policy: Some(self.policy(tenant)) }))
    }

    /// Keeps what arrives for a tenant.
    ///
    /// # Errors
    /// When the store is away or refuses.
    pub async fn keep_coverage(&self, client: &clickhouse::Client, found: &Coverage) -> Result<(), store::Error> {
        let (tenant, at) = (&found.tenant, self.at.millis());
        let arrivals = found.arrivals.iter().map(|a| ArrivalRow {
            tenant: tenant.clone(),
            source: a.source.clone(),
            team: a.team.clone(),
            action: a.action.clone(),
            events_24h: a.events_24h,
            events_7d: a.events_7d,
            events_30d: a.events_30d,
            last: a.last.millis(),
            at,
        });
        let controls: Vec<ControlRow> = found
            .controls
            .iter()
            .map(|v| ControlRow {
                tenant: tenant.clone(),
                control: v.control,
                state: v.state.as_str(),
                reasons_en: v.reasons.iter().map(|r| r.text.en.clone()).collect(),
                reasons_ru: v.reasons.iter().map(|r| r.text.ru.clone()).collect(),
                at,
            })
            .collect();
        survey::save_coverage(client, tenant, arrivals.collect(), &controls, self.at).await
    }

    /// Keeps a tenant's open doors; in others' place stand aliases.
    ///
    /// # Errors
    /// When the store is away or refuses.
    pub async fn keep_audit(
        &self,
        client: &clickhouse::Client,
        tenant: &str,
        found: &[Finding],
        alias: &Alias,
    ) -> Result<(), store::Error> {
        let at = self.at.millis();
        let row = |f: &Finding| FindingRow {
            tenant: f.tenant.clone(),
            finding: f.finding.as_str().to_owned(),
            team: f.team.clone(),
            manager: f.manager.clone(),
            manager_alias: alias.of(tenant, &f.manager),
            subject: f.subject.clone(),
            severity: f.severity.as_str().to_owned(),
            others: f.others.iter().map(|id| alias.of(tenant, id)).collect(),
            said_en: f.said.en.clone(),
            said_ru: f.said.ru.clone(),
            open: true,
            since: at,
            at,
        };
        survey::save_findings(client, tenant, found.iter().map(row).collect(), self.at).await
    }
}

/// Surveys the tenants that are scored here until `stop`. What fails is tried again an hour later: nothing waits for it.
pub async fn run(
    client: clickhouse::Client,
    configured: Policies,
    alias: Alias,
    mut progress: watch::Receiver<Progress>,
    stop: CancellationToken,
) {
    let work = async {
        if progress.wait_for(|p| p.caught_up && p.watched().next().is_some()).await.is_err() {
            return;
        }
        for wait in FIRST.into_iter().chain(std::iter::repeat(EVERY)) {
            tokio::time::sleep(wait).await;
            let tenants: BTreeSet<String> = progress.borrow().watched().cloned().collect();
            if let Err(error) = once(&client, &configured, &alias, &tenants).await {
                tracing::warn!(%error, "coverage and audit were not written");
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = work => {}
    }
}

async fn once(client: &clickhouse::Client, configured: &Policies, alias: &Alias, tenants: &BTreeSet<String>) -> Result<(), store::Error> {
    let survey = Survey::read(client, configured.clone(), clock::now()).await?;
    for tenant in tenants {
        survey.keep_coverage(client, &survey.coverage(client, tenant).await?).await?;
        survey.keep_audit(client, tenant, &survey.audit(client, tenant).await?, alias).await?;
    }
    Ok(())
}

//! The gate before what is stored: whatever a route reads, it reads through [`Reading`], within the scope of whoever asks. The reader
//! behind it is nobody's else.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::sync::OnceCell;

use super::{
    alerts::{Alert, Counts, Manager, Page, Story},
    error::Error,
    reveals::Unveil,
    who::{Right, Who},
};
use crate::{
    engine::AlertVersion,
    event::{DAY_MS, Timestamp},
    ops::{clock, config::Duty},
    store::{
        self,
        events::{EventFilter, Found, Visitor},
        managers::Dossier,
        query::{Filter, Place, Scope},
    },
};

/// No alert about an address or a source is based on older events.
const LOOK_BACK_MS: i64 = 3 * DAY_MS;

/// Reads what was stored, within a scope.
pub trait Reader: Send + Sync + 'static {
    /// The newest alerts, each in its latest version.
    fn alerts<'a>(&'a self, scope: &'a Scope, filter: Filter) -> BoxFuture<'a, Result<Vec<Alert>, store::Error>>;
    /// What there is of an alert; nothing when it is out of scope.
    fn story<'a>(&'a self, scope: &'a Scope, alert_id: String) -> BoxFuture<'a, Result<Story, store::Error>>;
    /// The newest events, each once.
    fn events<'a>(&'a self, scope: &'a Scope, filter: EventFilter) -> BoxFuture<'a, Result<Vec<Found>, store::Error>>;
    /// Managers with baselines, those with the newest activity first.
    fn managers<'a>(&'a self, scope: &'a Scope, tenant: Option<String>, limit: u32) -> BoxFuture<'a, Result<Vec<Manager>, store::Error>>;
    /// How much there is.
    fn counts<'a>(&'a self, scope: &'a Scope) -> BoxFuture<'a, Result<Counts, store::Error>>;
    /// What is known of a manager; none: nobody of that name is in scope.
    fn manager<'a>(&'a self, scope: &'a Scope, of: ManagerOf) -> BoxFuture<'a, Result<Option<Dossier>, store::Error>>;
    /// Who had to do with a client, those without a reason first.
    fn visitors<'a>(&'a self, scope: &'a Scope, filter: EventFilter) -> BoxFuture<'a, Result<Vec<Visitor>, store::Error>>;
    /// What is quiet, the latest to end first.
    fn mutes<'a>(&'a self, scope: &'a Scope, tenant: Option<String>) -> BoxFuture<'a, Result<Vec<Value>, store::Error>>;
    /// The policies in force, each with its organisation.
    fn policies<'a>(&'a self, scope: &'a Scope, tenant: Option<String>) -> BoxFuture<'a, Result<Vec<Value>, store::Error>>;
    /// What arrives for each organisation, and what is blind for want of it.
    fn coverage<'a>(&'a self, scope: &'a Scope, tenant: Option<String>) -> BoxFuture<'a, Result<Vec<Value>, store::Error>>;
    /// Something that is another one once anything about alerts changed.
    fn mark(&self) -> BoxFuture<'_, Result<[u64; 3], store::Error>>;
    /// Who is under a supervisor now.
    fn people<'a>(&'a self, tenant: &'a str, supervisor: &'a str) -> BoxFuture<'a, Result<BTreeSet<String>, store::Error>>;
}

/// Whose dossier, and how much of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagerOf {
    /// The organisation; none: where they were active last.
    pub tenant: Option<String>,
    /// Id or pseudonym.
    pub manager: String,
    /// Days looked back.
    pub days: u32,
}

/// What somebody looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// As what.
    pub role: Duty,
    /// Whose it was: the organisation, where it is one.
    pub tenant: Option<String>,
    /// At what.
    pub at_what: Seen,
    /// How much was shown.
    pub records: u64,
}

/// What can be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// An alert, by its id; and the pseudonym of its manager.
    Alert(String, String),
    /// Alerts; of this manager, where one was asked for.
    Alerts(Option<String>),
    /// Profiles of managers.
    Managers,
    /// What is known of one, by pseudonym.
    Manager(String),
    /// Events; of this manager and about this client, where one was asked for.
    Events(Option<String>, Option<String>),
    /// At nothing: they came or went.
    Door(Door),
}

/// What happens where people come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Door {
    /// Somebody logged in, or tried to.
    LogIn {
        /// Where they are.
        from: Option<IpAddr>,
        /// They were let in.
        ok: bool,
    },
    /// Somebody logged out.
    LogOut,
    /// Somebody set password and second factor by a link.
    Enrolled {
        /// Where they are.
        from: Option<IpAddr>,
    },
    /// Somebody took another password.
    Changed {
        /// Where they are.
        from: Option<IpAddr>,
    },
    /// A link was made for somebody.
    Invited(String),
    /// Password and second factor were taken from somebody.
    Revoked(String),
}

/// Writes down who looked at what.
pub trait Witness: Send + Sync + 'static {
    /// Writes it down soon; never waits.
    fn saw(&self, look: Look);
}

/// The reader, and who watches those who read.
#[derive(Clone)]
pub(super) struct Gate {
    reader: Option<Arc<dyn Reader>>,
    witness: Option<Arc<dyn Witness>>,
    names: Option<Arc<dyn Unveil>>,
}

impl Gate {
    pub(super) fn new(reader: Option<Arc<dyn Reader>>, witness: Option<Arc<dyn Witness>>, names: Option<Arc<dyn Unveil>>) -> Self {
        Self { reader, witness, names }
    }

    pub(super) fn open(&self, who: Who) -> Result<Reading<'_>, Error> {
        let reader = self.reader.as_deref().ok_or(Error::NotFound("this instance does not read alerts: its role is another"))?;
        Ok(Reading { reader, witness: self.witness.as_deref(), names: self.names.as_deref(), who, scope: OnceCell::new() })
    }
}

/// What somebody may read.
pub(crate) struct Reading<'a> {
    reader: &'a dyn Reader,
    witness: Option<&'a dyn Witness>,
    names: Option<&'a dyn Unveil>,
    /// Who reads.
    pub(crate) who: Who,
    /// Looked up with the first question, once.
    scope: OnceCell<Scope>,
}

impl Reading<'_> {
    async fn scope(&self) -> Result<&Scope, store::Error> {
        let scope = async || {
            let Who { name, role, tenant, user, .. } = self.who.clone();
            let people = match (role, &tenant, &user) {
                (Duty::Supervisor, Some(tenant), Some(user)) => Some(self.reader.people(tenant, user).await?),
                // The configuration refuses such a one: nobody is theirs.
                (Duty::Supervisor, ..) => Some(BTreeSet::new()),
                _ => None,
            };
            Ok(Scope { tenant, people, but: user, but_watcher: name })
        };
        self.scope.get_or_try_init(scope).await
    }

    pub(super) fn saw(&self, tenant: Option<&str>, at_what: Seen, records: usize) {
        if let (Some(witness), Some(by)) = (self.witness, self.who.watched()) {
            let tenant = tenant.or(self.who.tenant.as_deref()).map(str::to_owned);
            let records = u64::try_from(records).unwrap_or(u64::MAX);
            witness.saw(Look { at: clock::now(), by: by.to_owned(), role: self.who.role, tenant, at_what, records });
        }
    }

    /// The first alerts behind a place, each in its latest version.
    pub(crate) async fn alerts(&self, filter: Filter) -> Result<Page<Alert>, store::Error> {
        let (tenant, manager, sort, most) = (filter.tenant.clone(), filter.manager.clone(), filter.sort, filter.limit);
        let alerts = self.reader.alerts(self.scope().await?, filter).await?;
        self.saw(tenant.as_deref(), Seen::Alerts(manager), alerts.len());
        Ok(Page::of(alerts, most, |a| Place::of(sort, &a.version, a.priority)))
    }

    /// An alert; one that is out of scope is none.
    pub(crate) async fn story(&self, alert_id: String) -> Result<Story, Error> {
        let story = self.untold(alert_id).await?;
        if let Some(latest) = story.versions.last() {
            let seen = Seen::Alert(latest.version.alert_id.clone(), latest.manager_alias.clone());
            self.saw(Some(&latest.version.tenant), seen, 1);
        }
        Ok(story)
    }

    /// Events that somebody looks for.
    pub(crate) async fn events(&self, filter: EventFilter) -> Result<Page<Found>, store::Error> {
        let (tenant, seen, most) = (filter.tenant.clone(), Seen::Events(filter.manager.clone(), filter.client.clone()), filter.limit);
        let found = self.reader.events(self.scope().await?, filter).await?;
        self.saw(tenant.as_deref(), seen, found.len());
        Ok(Page::of(found, most, Found::place))
    }

    /// The events that an alert is based on, the newest first.
    pub(super) async fn evidence(&self, alert_id: String) -> Result<Vec<Found>, Error> {
        let story = self.untold(alert_id).await?;
        let Some(Alert { manager_alias, version, .. }) = story.versions.last() else { return Ok(Vec::new()) };
        // A person's events are found at once, those of everybody within some days.
        let since = version.manager.is_none().then(|| version.opened_at.plus(-LOOK_BACK_MS));
        let filter = EventFilter {
            tenant: Some(version.tenant.clone()),
            manager: version.manager.clone(),
            since,
            ids: Some(version.event_ids.clone()),
            limit: u32::try_from(version.event_ids.len()).unwrap_or(u32::MAX),
            ..EventFilter::default()
        };
        let found = self.reader.events(self.scope().await?, filter).await?;
        self.saw(Some(&version.tenant), Seen::Alert(version.alert_id.clone(), manager_alias.clone()), found.len());
        Ok(found)
    }

    /// The versions of an alert, for what is done about it and tells nothing of it.
    pub(super) async fn versions(&self, alert_id: String) -> Result<Vec<AlertVersion>, Error> {
        Ok(self.untold(alert_id).await?.versions.into_iter().map(|a| a.version).collect())
    }

    async fn untold(&self, alert_id: String) -> Result<Story, Error> {
        let story = self.reader.story(self.scope().await?, alert_id).await?;
        if story.versions.is_empty() { Err(Error::NotFound("there is no such alert")) } else { Ok(story) }
    }

    /// Managers with baselines, those with the newest activity first.
    pub(crate) async fn managers(&self, tenant: Option<String>, limit: u32) -> Result<Vec<Manager>, store::Error> {
        let found = self.reader.managers(self.scope().await?, tenant.clone(), limit).await?;
        self.saw(tenant.as_deref(), Seen::Managers, found.len());
        Ok(found)
    }

    /// What is known of a manager; one who is out of scope is none.
    pub(super) async fn manager(&self, tenant: Option<String>, manager: String, days: u32) -> Result<Dossier, Error> {
        let found = self.reader.manager(self.scope().await?, ManagerOf { tenant, manager, days }).await?;
        let found = found.ok_or(Error::NotFound("there is no such manager"))?;
        self.saw(Some(&found.manager.tenant), Seen::Manager(found.manager.manager_alias.clone()), 1);
        Ok(found)
    }

    /// Who had to do with a client.
    pub(super) async fn visitors(&self, filter: EventFilter) -> Result<Vec<Visitor>, store::Error> {
        self.reader.visitors(self.scope().await?, filter).await
    }

    /// What is quiet.
    pub(super) async fn mutes(&self, tenant: Option<String>) -> Result<Vec<Value>, Error> {
        self.who.must(Right::Oversee)?;
        Ok(self.reader.mutes(self.scope().await?, tenant).await?)
    }

    /// The policies in force.
    pub(super) async fn policies(&self, tenant: Option<String>) -> Result<Vec<Value>, Error> {
        self.who.must(Right::Oversee)?;
        Ok(self.reader.policies(self.scope().await?, tenant).await?)
    }

    /// What arrives and what is blind.
    pub(super) async fn coverage(&self, tenant: Option<String>) -> Result<Vec<Value>, Error> {
        self.who.must(Right::Oversee)?;
        Ok(self.reader.coverage(self.scope().await?, tenant).await?)
    }

    /// Whoever tells names.
    pub(super) fn names(&self) -> Result<&dyn Unveil, Error> {
        self.names.ok_or(Error::NotFound("this instance tells no names: its role is another"))
    }

    /// The organisation to look at, all of them where none is named; none where it is not theirs.
    pub(super) fn tenant(&self, asked: Option<String>) -> Option<Option<String>> {
        match (&self.who.tenant, asked) {
            (Some(own), Some(asked)) if *own != asked => None,
            (Some(own), _) => Some(Some(own.clone())),
            (None, asked) => Some(asked),
        }
    }

    /// Something that is another one once anything about alerts changed.
    pub(super) async fn mark(&self) -> Result<[u64; 3], store::Error> {
        self.reader.mark().await
    }

    /// Alerts for whoever looks at them already: that they do is written down.
    pub(super) async fn again(&self, filter: Filter) -> Result<Vec<Alert>, Error> {
        Ok(self.reader.alerts(self.scope().await?, filter).await?)
    }

    /// How much there is.
    pub(crate) async fn counts(&self) -> Result<Counts, store::Error> {
        self.reader.counts(self.scope().await?).await
    }
}

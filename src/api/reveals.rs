//! `GET` and `POST /v1/reveals`, `POST /v1/reveals/{id}/allow`: who is behind a pseudonym, who wanted to know it, and who let them.

use axum::{
    Json,
    extract::{
        Path, Query, State,
        rejection::{JsonRejection, QueryRejection},
    },
    http::StatusCode,
};
use futures_util::future::{BoxFuture, FutureExt};
use serde::{Deserialize, Serialize};

use super::{
    Api,
    actions::LETTERS,
    alerts::params,
    asker::Asker,
    error::Error,
    gate::{Reading, Seen},
    oversight::TenantParams,
    who::Right,
};
use crate::{
    model::coverage::AUDIT,
    ops::{clock, random},
    store::{
        self,
        reveals::{self, Allowed, Asked, Person, Request, Revealed},
    },
};

/// Whose name somebody wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevealOrder {
    /// The pseudonym.
    pub manager_alias: String,
    /// The organisation; needed where several have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Why: it is kept.
    pub reason: String,
}

/// A manager whose name somebody wants, and who that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whom {
    /// The organisation.
    pub tenant: String,
    /// The manager's id.
    pub manager: String,
    /// Their pseudonym.
    pub alias: String,
    /// Who asks.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// What whoever asks is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// Who it is.
    Person(Person),
    /// Somebody else has to allow it first.
    Waits(Request),
}

/// What auditors read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reveals {
    /// What waits to be allowed or used, the oldest first.
    pub requests: Vec<Request>,
    /// Who saw whom, the newest first.
    pub reveals: Vec<Revealed>,
}

/// Tells names, and keeps who asked.
pub trait Unveil: Send + Sync + 'static {
    /// The managers with a pseudonym: tenant and id.
    fn whose(&self, tenant: Option<String>, alias: String) -> BoxFuture<'_, Result<Vec<(String, String)>, store::Error>>;
    /// Writes down who asks, then tells.
    fn reveal(&self, whom: Whom) -> BoxFuture<'_, Result<Told, store::Error>>;
    /// Somebody agrees to a request; to one about themselves (the id) nobody can.
    fn allow(&self, tenant: Option<String>, id: String, by: String, but: Option<String>) -> BoxFuture<'_, Result<Allowed, store::Error>>;
    /// What was asked and told, but about this id.
    fn list(&self, tenant: Option<String>, but: Option<String>) -> BoxFuture<'_, Result<Reveals, store::Error>>;
}

/// [`Unveil`] over ClickHouse.
#[derive(Clone)]
pub struct Names {
    client: clickhouse::Client,
    four_eyes: bool,
}

impl Names {
    /// Through this client; `four_eyes`: two have to agree.
    pub const fn new(client: clickhouse::Client, four_eyes: bool) -> Self {
        Self { client, four_eyes }
    }
}

impl Unveil for Names {
    fn whose(&self, tenant: Option<String>, alias: String) -> BoxFuture<'_, Result<Vec<(String, String)>, store::Error>> {
        async move { reveals::whose(&self.client, tenant.as_deref(), &alias).await }.boxed()
    }

    fn reveal(&self, whom: Whom) -> BoxFuture<'_, Result<Told, store::Error>> {
        async move {
            let Whom { tenant, manager, alias, by, reason } = whom;
            let (at, id) = (clock::now(), random::id().map_err(|e| store::Error::Refused(e.to_string()))?);
            let asked = Asked { by: &by, reason: &reason, place: "reveal", about: "", at, id: &id };
            let people = [alias.clone()];
            if self.four_eyes {
                if let Some(request) = reveals::ask(&self.client, &asked, &tenant, &people).await?.pop() {
                    return Ok(Told::Waits(request));
                }
            } else {
                reveals::save(&self.client, &asked, &tenant, people).await?;
            }
            let name = reveals::names(&self.client, &tenant, [manager.as_str()], at).await?.remove(&manager);
            Ok(Told::Person(Person { tenant, manager_alias: alias, manager, name }))
        }
        .boxed()
    }

    fn allow(&self, tenant: Option<String>, id: String, by: String, but: Option<String>) -> BoxFuture<'_, Result<Allowed, store::Error>> {
        async move {
            let own = reveals::aliases(&self.client, tenant.as_deref(), but.as_deref()).await?;
            reveals::allow(&self.client, tenant.as_deref(), &id, &by, &own, clock::now()).await
        }
        .boxed()
    }

    fn list(&self, tenant: Option<String>, but: Option<String>) -> BoxFuture<'_, Result<Reveals, store::Error>> {
        async move {
            let of = tenant.as_deref();
            let (own, requests, rows) = tokio::try_join!(
                reveals::aliases(&self.client, of, but.as_deref()),
                reveals::requests(&self.client, of, clock::now()),
                reveals::list(&self.client, of)
            )?;
            Ok(Reveals {
                requests: requests.into_iter().filter(|r| !own.contains(&r.manager_alias)).collect(),
                reveals: rows.into_iter().filter(|r| !own.contains(&r.manager_alias)).collect(),
            })
        }
        .boxed()
    }
}

impl Reading<'_> {
    /// Who is behind a pseudonym, for somebody known by name. Whoever it is about is nobody here.
    pub(crate) async fn reveal(&self, order: RevealOrder) -> Result<Told, Error> {
        self.who.must(Right::Reveal)?;
        let reason = order.reason.trim().to_owned();
        if reason.is_empty() || reason.chars().count() > LETTERS {
            return Err(Error::bad("bad_reason", format!("say why, in {LETTERS} letters at most: it is kept")));
        }
        let (names, by, alias) = (self.names()?, self.who.signs(None)?, order.manager_alias.trim().to_uppercase());
        let nobody = Error::NotFound("nobody here has this pseudonym");
        let Some(tenant) = self.tenant(order.tenant) else { return Err(nobody) };
        let mut found = names.whose(tenant, alias.clone()).await?;
        found.retain(|(tenant, id)| self.who.user.as_ref() != Some(id) && !(tenant == AUDIT && *id == by));
        let (tenant, manager) = match found.len() {
            0 => return Err(nobody),
            1 => found.remove(0),
            _ => return Err(Error::bad("several", "several organisations have this pseudonym: say which by tenant")),
        };
        let told = names.reveal(Whom { tenant, manager, alias, by, reason }).await?;
        if let Told::Person(person) = &told {
            self.saw(Some(&person.tenant), Seen::Manager(person.manager_alias.clone()), 1);
        }
        Ok(told)
    }

    /// Agrees to what somebody else asked for.
    pub(crate) async fn allow(&self, id: String) -> Result<Request, Error> {
        self.who.must(Right::Allow)?;
        let by = self.who.signs(None)?;
        match self.names()?.allow(self.who.tenant.clone(), id, by, self.who.user.clone()).await? {
            Allowed::Yes(request) => Ok(*request),
            Allowed::NotThere => Err(Error::NotFound("there is no such request, or it is too old")),
            Allowed::Own => {
                let message = "this request is yours: somebody else has to allow it".to_owned();
                Err(Error::Forbidden { code: "own_request", message })
            }
        }
    }

    /// Who saw whom by name, and what waits.
    pub(crate) async fn reveals(&self, tenant: Option<String>) -> Result<Reveals, Error> {
        self.who.must(Right::Allow)?;
        let names = self.names()?;
        match self.tenant(tenant) {
            Some(tenant) => Ok(names.list(tenant, self.who.user.clone()).await?),
            None => Ok(Reveals::default()),
        }
    }
}

pub(super) async fn list(
    State(api): State<Api>,
    asker: Asker,
    query: Result<Query<TenantParams>, QueryRejection>,
) -> Result<Json<Reveals>, Error> {
    let tenant = params(query)?.tenant;
    Ok(Json(api.reader(&asker)?.reveals(tenant).await?))
}

pub(super) async fn ask(
    State(api): State<Api>,
    asker: Asker,
    order: Result<Json<RevealOrder>, JsonRejection>,
) -> Result<(StatusCode, Json<Told>), Error> {
    asker.is_of_our_page()?;
    let reader = api.reader(&asker)?;
    reader.who.must(Right::Reveal)?;
    let Json(order) = order.map_err(|e| Error::bad("bad_body", e.body_text()))?;
    let told = reader.reveal(order).await?;
    Ok((if matches!(told, Told::Person(_)) { StatusCode::OK } else { StatusCode::ACCEPTED }, Json(told)))
}

pub(super) async fn allow(State(api): State<Api>, asker: Asker, Path(id): Path<String>) -> Result<Json<Request>, Error> {
    asker.is_of_our_page()?;
    Ok(Json(api.reader(&asker)?.allow(id).await?))
}

//! Who saw whom by name, and why; and, where two have to agree, who asked and who allowed it.

use std::collections::BTreeMap;

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use super::{Error, Keep, reference};
use crate::event::{HOUR_MS, Timestamp, words};

/// For so long somebody may be asked, and what was allowed be used.
pub const OPEN_MS: i64 = 24 * HOUR_MS;

/// Reveals that are listed.
const LISTED: u32 = 1000;

/// A row of `reveals`: one person whose name somebody saw. It says whom by pseudonym.
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
struct Reveal {
    tenant: String,
    at: i64,
    id: String,
    by: String,
    manager_alias: String,
    place: String,
    about: String,
    reason: String,
}

/// Somebody saw whom, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the columns are said in the migration")]
pub struct Revealed {
    pub tenant: String,
    pub at: Timestamp,
    pub by: String,
    pub manager_alias: String,
    pub place: String,
    pub about: String,
    pub reason: String,
}

words! {
    /// What became of a request.
    Step {
        /// Somebody wants a name.
        Asked = "asked",
        /// Somebody else agrees.
        Allowed = "allowed",
        /// The name was shown.
        Used = "used",
    }
}

/// A row of `reveal_requests`.
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
struct StepRow {
    tenant: String,
    id: String,
    step: String,
    at: i64,
    by: String,
    manager_alias: String,
    place: String,
    about: String,
    reason: String,
}

/// A question for names.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Who asks.
    pub by: &'a str,
    /// Why.
    pub reason: &'a str,
    /// Where the names will stand: `reveal`, `incident`, `digest`.
    pub place: &'a str,
    /// Alerts or week that they are wanted for.
    pub about: &'a str,
    /// When.
    pub at: Timestamp,
    /// Of the question: the same for all whom it is about.
    pub id: &'a str,
}

/// A name that somebody wants and that somebody else has to allow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Request {
    /// By which it is allowed.
    pub id: String,
    /// The organisation.
    pub tenant: String,
    /// Whose name.
    pub manager_alias: String,
    /// Since when.
    pub at: Timestamp,
    /// Until when it can be allowed and used.
    pub until: Timestamp,
    /// Who asks.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Who allowed it; none: nobody did yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_by: Option<String>,
    #[serde(skip)]
    place: String,
    #[serde(skip)]
    about: String,
}

/// What came of allowing a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// It is allowed.
    Yes(Box<Request>),
    /// There is no such request, or not any more.
    NotThere,
    /// Whoever asks cannot be the other pair of eyes.
    Own,
}

/// Who is behind a pseudonym.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Their organisation.
    pub tenant: String,
    /// The pseudonym.
    pub manager_alias: String,
    /// Their id at the source.
    pub manager: String,
    /// Their name, where the directory has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Writes down that somebody sees these people of a tenant. What is to be shown is shown behind this, never before.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn save(
    client: &clickhouse::Client,
    asked: &Asked<'_>,
    tenant: &str,
    people: impl IntoIterator<Item = String>,
) -> Result<(), Error> {
    let of = |manager_alias| Reveal {
        tenant: tenant.to_owned(),
        at: asked.at.millis(),
        id: asked.id.to_owned(),
        by: asked.by.to_owned(),
        manager_alias,
        place: asked.place.to_owned(),
        about: asked.about.to_owned(),
        reason: asked.reason.to_owned(),
    };
    let rows: Vec<Reveal> = people.into_iter().map(of).collect();
    if rows.is_empty() { Ok(()) } else { Keep::insert(client, "reveals", &rows).await }
}

/// The same where two have to agree: each name needs a request of this person that somebody else allowed, and uses it up. Nothing is
/// written down as seen while one of them is not allowed; then these are the requests that wait, new ones among them.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn ask(client: &clickhouse::Client, asked: &Asked<'_>, tenant: &str, people: &[String]) -> Result<Vec<Request>, Error> {
    let known = requests(client, Some(tenant), asked.at).await?;
    let mine: Vec<&Request> = known.iter().filter(|r| r.by == asked.by).collect();
    let (mut waiting, mut allowed, mut new) = (Vec::new(), Vec::new(), Vec::new());
    for (n, alias) in people.iter().enumerate() {
        match mine.iter().filter(|r| r.manager_alias == *alias).max_by_key(|r| r.allowed_by.is_some()) {
            Some(request) if request.allowed_by.is_some() => allowed.push(*request),
            Some(request) => waiting.push((*request).clone()),
            None => {
                let row = StepRow {
                    tenant: tenant.to_owned(),
                    id: if people.len() == 1 { asked.id.to_owned() } else { format!("{}-{n}", asked.id) },
                    step: Step::Asked.as_str().to_owned(),
                    at: asked.at.millis(),
                    by: asked.by.to_owned(),
                    manager_alias: alias.clone(),
                    place: asked.place.to_owned(),
                    about: asked.about.to_owned(),
                    reason: asked.reason.to_owned(),
                };
                waiting.push(Request::of(&row));
                new.push(row);
            }
        }
    }
    if waiting.is_empty() {
        let used: Vec<StepRow> = allowed.iter().map(|r| r.step(Step::Used, asked.by, asked.at)).collect();
        if !used.is_empty() {
            Keep::insert(client, "reveal_requests", &used).await?;
        }
        for request in allowed {
            let by = request.allowed_by.as_deref().unwrap_or_default();
            let about = format!("{} request {}, allowed by {by}", asked.about, request.id).trim_start().to_owned();
            save(client, &Asked { about: &about, ..*asked }, tenant, [request.manager_alias.clone()]).await?;
        }
        return Ok(waiting);
    }
    if !new.is_empty() {
        Keep::insert(client, "reveal_requests", &new).await?;
    }
    Ok(waiting)
}

/// Somebody agrees to a request; one for one of their `own` pseudonyms is not there for them.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn allow(
    client: &clickhouse::Client,
    tenant: Option<&str>,
    id: &str,
    by: &str,
    own: &[String],
    at: Timestamp,
) -> Result<Allowed, Error> {
    let found = requests(client, tenant, at).await?.into_iter().find(|r| r.id == id && !own.contains(&r.manager_alias));
    let Some(request) = found else { return Ok(Allowed::NotThere) };
    if request.by == by {
        return Ok(Allowed::Own);
    }
    if request.allowed_by.is_some() {
        return Ok(Allowed::Yes(Box::new(request)));
    }
    Keep::insert(client, "reveal_requests", &[request.step(Step::Allowed, by, at)]).await?;
    Ok(Allowed::Yes(Box::new(Request { allowed_by: Some(by.to_owned()), ..request })))
}

/// Requests that can be allowed or used still, the oldest first.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn requests(client: &clickhouse::Client, tenant: Option<&str>, now: Timestamp) -> Result<Vec<Request>, Error> {
    let sql = "SELECT ?fields FROM reveal_requests FINAL \
               WHERE (? = '' OR tenant = ?) AND at > fromUnixTimestamp64Milli(?) ORDER BY at, tenant, id, step";
    let (tenant, since) = (tenant.unwrap_or_default(), now.millis() - OPEN_MS);
    Ok(open(client.query(sql).bind(tenant).bind(tenant).bind(since).fetch_all().await?))
}

fn open(rows: Vec<StepRow>) -> Vec<Request> {
    let mut all: BTreeMap<(String, String), Request> = BTreeMap::new();
    for row in &rows {
        if row.step == Step::Asked.as_str() {
            all.insert((row.tenant.clone(), row.id.clone()), Request::of(row));
        }
    }
    // Steps of requests that are too old have no request here.
    for row in rows {
        let key = (row.tenant, row.id);
        match Step::from_word(&row.step) {
            Some(Step::Allowed) => drop(all.get_mut(&key).map(|request| request.allowed_by = Some(row.by))),
            Some(Step::Used) => drop(all.remove(&key)),
            Some(Step::Asked) | None => {}
        }
    }
    let mut open: Vec<Request> = all.into_values().collect();
    open.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
    open
}

impl Request {
    fn of(asked: &StepRow) -> Self {
        let at = Timestamp::from_millis(asked.at);
        Self {
            id: asked.id.clone(),
            tenant: asked.tenant.clone(),
            manager_alias: asked.manager_alias.clone(),
            at,
            until: at.plus(OPEN_MS),
            by: asked.by.clone(),
            reason: asked.reason.clone(),
            allowed_by: None,
            place: asked.place.clone(),
            about: asked.about.clone(),
        }
    }

    fn step(&self, step: Step, by: &str, at: Timestamp) -> StepRow {
        StepRow {
            tenant: self.tenant.clone(),
            id: self.id.clone(),
            step: step.as_str().to_owned(),
            at: at.millis(),
            by: by.to_owned(),
            manager_alias: self.manager_alias.clone(),
            place: self.place.clone(),
            about: self.about.clone(),
            reason: self.reason.clone(),
        }
    }
}

/// The newest first, a thousand at most.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn list(client: &clickhouse::Client, tenant: Option<&str>) -> Result<Vec<Revealed>, Error> {
    let sql = "SELECT ?fields FROM reveals FINAL WHERE ? = '' OR tenant = ? ORDER BY at DESC, id, manager_alias LIMIT ?";
    let tenant = tenant.unwrap_or_default();
    let rows: Vec<Reveal> = client.query(sql).bind(tenant).bind(tenant).bind(LISTED).fetch_all().await?;
    let of = |r: Reveal| Revealed {
        tenant: r.tenant,
        at: Timestamp::from_millis(r.at),
        by: r.by,
        manager_alias: r.manager_alias,
        place: r.place,
        about: r.about,
        reason: r.reason,
    };
    Ok(rows.into_iter().map(of).collect())
}

/// The managers with a pseudonym: tenant and id. Users first, then whoever acted without a row of theirs.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn whose(client: &clickhouse::Client, tenant: Option<&str>, alias: &str) -> Result<Vec<(String, String)>, Error> {
    let sql = "SELECT DISTINCT toString(tenant) AS t, who FROM (\
               SELECT tenant, id AS who FROM users WHERE manager_alias = ? \
               UNION ALL SELECT tenant, manager AS who FROM manager_day WHERE manager_alias = ? \
               UNION ALL SELECT tenant, manager AS who FROM alerts WHERE manager_alias = ?) \
               WHERE (? = '' OR t = ?) ORDER BY t, who";
    let tenant = tenant.unwrap_or_default();
    Ok(client.query(sql).bind(alias).bind(alias).bind(alias).bind(tenant).bind(tenant).fetch_all().await?)
}

/// The pseudonyms of an id, one for each organisation that knows it.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn aliases(client: &clickhouse::Client, tenant: Option<&str>, id: Option<&str>) -> Result<Vec<String>, Error> {
    let Some(id) = id else { return Ok(Vec::new()) };
    let sql = "SELECT DISTINCT manager_alias FROM users WHERE id = ? AND (? = '' OR tenant = ?)";
    let tenant = tenant.unwrap_or_default();
    Ok(client.query(sql).bind(id).bind(tenant).bind(tenant).fetch_all().await?)
}

/// Names by id, as the directory says at a time.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn names<'a>(
    client: &clickhouse::Client,
    tenant: &str,
    ids: impl IntoIterator<Item = &'a str>,
    at: Timestamp,
) -> Result<BTreeMap<String, String>, Error> {
    let people = reference::people_of(client, tenant).await?;
    let named = |id: &str| Some((id.to_owned(), people.users().at(id, at)?.name.clone()?));
    Ok(ids.into_iter().filter_map(named).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_make_requests() {
        let row = |id: &str, step: Step, by: &str, at: i64| StepRow {
            tenant: "acme".to_owned(),
            id: id.to_owned(),
            step: step.as_str().to_owned(),
            at,
            by: by.to_owned(),
            manager_alias: format!("ALIAS{id}"),
            place: "reveal".to_owned(),
            about: String::new(),
            reason: "ticket".to_owned(),
        };
        let rows = vec![
            row("0", Step::Allowed, "otto", 1),
            row("2", Step::Asked, "ana", 2),
            row("1", Step::Asked, "ana", 2),
            row("3", Step::Asked, "ana", 3),
            row("3", Step::Allowed, "otto", 4),
            row("2", Step::Allowed, "otto", 4),
            row("2", Step::Used, "ana", 5),
        ];
        let found: Vec<(String, Option<String>)> = open(rows).into_iter().map(|r| (r.id, r.allowed_by)).collect();
        assert_eq!(found, [("1".to_owned(), None), ("3".to_owned(), Some("otto".to_owned()))], "one is used up, one is too old");
    }
}

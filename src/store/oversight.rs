//! What holds for a whole organisation, as programs read it: mutes, the policy in force, coverage.

use clickhouse::Row;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Error,
    query::Scope,
    rows::MuteRow,
    survey::{self, ArrivalRow},
    unchecked,
};
use crate::event::Timestamp;

/// Mutes of a tenant (none: of all) within a scope, the latest to end first; never those about whoever asks. Clients stand there by hash.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn mutes(client: &clickhouse::Client, scope: &Scope, tenant: Option<&str>) -> Result<Vec<Value>, Error> {
    let sql = format!(
        "SELECT ?fields FROM mutes FINAL WHERE {} AND (? = '' OR tenant = ?) ORDER BY until DESC, tenant, id LIMIT 1000",
        scope.condition()
    );
    let tenant = tenant.unwrap_or_default();
    let rows = scope.bind(unchecked(client).query(&sql)).bind(tenant).bind(tenant).fetch_all::<MuteRow>().await?;
    let mute = |row: MuteRow| {
        let time = Timestamp::from_millis;
        let mut mute = json!({
            "tenant": row.tenant, "id": row.id, "from": time(row.from), "until": time(row.until), "lifted": row.until <= row.from,
            "reason": row.reason, "by": row.by
        });
        let about = [
            ("manager", row.manager),
            ("team", row.team),
            ("client_hash", row.client_hash),
            ("control", row.control),
            ("address", row.address),
        ];
        for (name, text) in about.into_iter().filter(|(_, text)| !text.is_empty()) {
            mute[name] = text.into();
        }
        mute
    };
    Ok(rows.into_iter().map(mute).collect())
}

/// Whether a scope and a wish leave an organisation.
fn within(scope: &Scope, wanted: Option<&str>, tenant: &str) -> bool {
    scope.tenant.as_deref().is_none_or(|t| t == tenant) && wanted.is_none_or(|t| t == tenant)
}

/// Policies in force: what the log was told last.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn policies(client: &clickhouse::Client, scope: &Scope, tenant: Option<&str>) -> Result<Vec<Value>, Error> {
    let all = survey::policies(client).await?.into_iter().filter(|(name, _)| within(scope, tenant, name));
    Ok(all.filter_map(|(name, text)| Some(json!({ "tenant": name, "policy": serde_json::from_str::<Value>(&text).ok()? }))).collect())
}

/// What arrives and what is blind, as it was last looked at; about once an hour somebody does.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn coverage(client: &clickhouse::Client, scope: &Scope, tenant: Option<&str>) -> Result<Vec<Value>, Error> {
    #[derive(Row, Deserialize)]
    struct Judged {
        tenant: String,
        control: String,
        state: String,
        reasons_en: Vec<String>,
        reasons_ru: Vec<String>,
        at: i64,
    }
    let client = unchecked(client);
    let (arrivals, controls) = tokio::try_join!(
        client.query("SELECT ?fields FROM coverage FINAL ORDER BY tenant, source, team, action").fetch_all::<ArrivalRow>(),
        client.query("SELECT ?fields FROM coverage_controls FINAL ORDER BY tenant, control").fetch_all::<Judged>(),
    )?;
    let mut names: Vec<&String> = controls.iter().map(|c| &c.tenant).chain(arrivals.iter().map(|a| &a.tenant)).collect();
    names.sort_unstable();
    names.dedup();
    let one = |name: &String| {
        let at = controls.iter().filter(|c| c.tenant == *name).map(|c| c.at).max();
        let arrival = |a: &ArrivalRow| {
            json!({ "source": a.source, "team": a.team, "action": a.action, "events_24h": a.events_24h, "events_7d": a.events_7d,
                "events_30d": a.events_30d, "last": Timestamp::from_millis(a.last) })
        };
        let control = |c: &Judged| {
            let reasons: Vec<Value> = c.reasons_en.iter().zip(&c.reasons_ru).map(|(en, ru)| json!({ "en": en, "ru": ru })).collect();
            json!({ "control": c.control, "state": c.state, "reasons": reasons })
        };
        json!({
            "tenant": name,
            "at": at.map(Timestamp::from_millis),
            "arrivals": arrivals.iter().filter(|a| a.tenant == *name).map(arrival).collect::<Vec<_>>(),
            "controls": controls.iter().filter(|c| c.tenant == *name).map(control).collect::<Vec<_>>()
        })
    };
    Ok(names.into_iter().filter(|name| within(scope, tenant, name)).map(one).collect())
}

//! Log-in of people: what they prove themselves by, where they are logged in, and what holds once only. All instances share it.

mod keys;

use clickhouse::Row;
use serde::{Deserialize, Serialize};

pub use keys::Keys;

use super::{Error, Keep};

/// A row of `credentials`: how somebody proves who they are. It has no `Debug`: nothing of it is for a log.
#[derive(Clone, Default, PartialEq, Eq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns are said in the migration")]
pub struct Credential {
    pub name: String,
    pub revision: u64,
    pub at: i64,
    pub by: String,
    pub password: String,
    pub totp: String,
    pub generation: u64,
    pub invite_sha256: String,
    pub invite_expires: i64,
}

/// A row of `sessions`, or what its rows come to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns are said in the migration")]
pub struct SessionRow {
    pub id_sha256: String,
    pub name: String,
    pub stamp: String,
    pub started: i64,
    pub expires: i64,
    pub seen: i64,
    pub ended: u8,
}

#[derive(Clone, Row, Serialize, Deserialize)]
struct ClaimRow {
    what: String,
    id: String,
    at: i64,
}

/// How somebody proves who they are; none: they were never invited.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn credential(client: &clickhouse::Client, name: &str) -> Result<Option<Credential>, Error> {
    Ok(client.query("SELECT ?fields FROM credentials FINAL WHERE name = ?").bind(name).fetch_optional().await?)
}

/// All of them, by name.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn credentials(client: &clickhouse::Client) -> Result<Vec<Credential>, Error> {
    Ok(client.query("SELECT ?fields FROM credentials FINAL ORDER BY name").fetch_all().await?)
}

/// Whom a link invites.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn invited(client: &clickhouse::Client, invite_sha256: &str) -> Result<Option<Credential>, Error> {
    let sql = "SELECT ?fields FROM credentials FINAL WHERE invite_sha256 = ? AND invite_sha256 != ''";
    Ok(client.query(sql).bind(invite_sha256).fetch_optional().await?)
}

/// Writes it down; the greatest revision of a name holds.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn keep(client: &clickhouse::Client, credential: &Credential) -> Result<(), Error> {
    Keep::insert(client, "credentials", std::slice::from_ref(credential)).await
}

/// What is known of a log-in.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn session(client: &clickhouse::Client, id_sha256: &str) -> Result<Option<SessionRow>, Error> {
    // Whoever was seen last says nothing against a row that ended it.
    let sql = "SELECT id_sha256, any(name), any(stamp), min(started), min(expires), max(seen), max(ended) FROM sessions \
               WHERE id_sha256 = ? GROUP BY id_sha256";
    let found = client.query(sql).bind(id_sha256).fetch_optional::<(String, String, String, i64, i64, i64, u8)>().await?;
    let row =
        |(id_sha256, name, stamp, started, expires, seen, ended)| SessionRow { id_sha256, name, stamp, started, expires, seen, ended };
    Ok(found.map(row))
}

/// Writes down that a log-in began, goes on or has ended.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn save_session(client: &clickhouse::Client, row: &SessionRow) -> Result<(), Error> {
    Keep::insert(client, "sessions", std::slice::from_ref(row)).await
}

/// Takes what is there once. Of two who ask at the same moment none gets it, rather than both: ClickHouse compares nothing while it
/// writes, so each writes first and looks then.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn claim(client: &clickhouse::Client, what: &str, id: &str, at: i64) -> Result<bool, Error> {
    Keep::insert(client, "login_claims", &[ClaimRow { what: what.to_owned(), id: id.to_owned(), at }]).await?;
    let ids = client.query("SELECT DISTINCT id FROM login_claims WHERE what = ? LIMIT 2").bind(what).fetch_all::<String>().await?;
    Ok(ids == [id])
}

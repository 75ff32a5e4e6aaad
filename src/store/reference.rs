//! Rows of the reference data as Filin keeps them.

use clickhouse::Row;
use serde::{Serialize, de::DeserializeOwned};

use super::{Alias, Error};
use crate::{
    directory::{Client, Directory, Order, Reference, User},
    event::Timestamp,
};

#[derive(Row, Serialize)]
struct UserRow {
    tenant: String,
    id: String,
    valid_from: i64,
    manager_alias: String,
    team: String,
    role: String,
    grade: &'static str,
    time_zone: String,
    notice_at: String,
    terminated_at: String,
    active: Option<bool>,
    mfa: Option<bool>,
    row: String,
    at: i64,
}

#[derive(Row, Serialize)]
struct ClientRow {
    tenant: String,
    id: String,
    valid_from: i64,
    team: String,
    region: String,
    tier: &'static str,
    row: String,
    at: i64,
}

#[derive(Row, Serialize)]
struct OrderRow {
    tenant: String,
    id: String,
    valid_from: i64,
    row: String,
    at: i64,
}

/// A row without `valid_from` stands at 1970, which DateTime64 can hold.
fn from(valid_from: Option<Timestamp>) -> i64 {
    valid_from.map_or(0, |t| t.millis().max(0))
}

fn json<T: Serialize>(row: &T) -> String {
    serde_json::to_string(row).expect("our own types have string keys only")
}

/// Keeps rows of users.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn save_users(client: &clickhouse::Client, rows: &[User], alias: &Alias, at: Timestamp) -> Result<(), Error> {
    let mut insert = client.insert::<UserRow>("users").await?;
    for u in rows {
        let row = UserRow {
            tenant: u.tenant.clone(),
            id: u.id.clone(),
            valid_from: from(u.valid_from),
            manager_alias: alias.of(&u.tenant, &u.id),
            team: u.team.clone().unwrap_or_default(),
            role: u.role.clone().unwrap_or_default(),
            grade: u.grade.map_or("", |g| g.as_str()),
            time_zone: u.time_zone.clone().unwrap_or_default(),
            notice_at: u.notice_at.map_or_else(String::new, |w| w.to_string()),
            terminated_at: u.terminated_at.map_or_else(String::new, |w| w.to_string()),
            active: u.active,
            mfa: u.mfa,
            row: json(u),
            at: at.millis(),
        };
        insert.write(&row).await?;
    }
    Ok(insert.end().await?)
}

/// Keeps rows of clients.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn save_clients(client: &clickhouse::Client, rows: &[Client], at: Timestamp) -> Result<(), Error> {
    let mut insert = client.insert::<ClientRow>("clients").await?;
    for c in rows {
        let row = ClientRow {
            tenant: c.tenant.clone(),
            id: c.id.clone(),
            valid_from: from(c.valid_from),
            team: c.team.clone().unwrap_or_default(),
            region: c.region.clone().unwrap_or_default(),
            tier: c.tier.map_or("", |t| t.as_str()),
            row: json(c),
            at: at.millis(),
        };
        insert.write(&row).await?;
    }
    Ok(insert.end().await?)
}

/// Keeps rows of orders.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn save_orders(client: &clickhouse::Client, rows: &[Order], at: Timestamp) -> Result<(), Error> {
    let mut insert = client.insert::<OrderRow>("orders").await?;
    for o in rows {
        let row = OrderRow { tenant: o.tenant.clone(), id: o.id.clone(), valid_from: from(o.valid_from), row: json(o), at: at.millis() };
        insert.write(&row).await?;
    }
    Ok(insert.end().await?)
}

/// Everybody, by tenant. Kept rows were checked when they came; a zone that this version does not know any more is none.
///
/// # Errors
/// When ClickHouse is away or refuses, or a row cannot be read any more.
pub async fn people(client: &clickhouse::Client) -> Result<Reference, Error> {
    let mut people = Reference::default();
    for user in load::<User>(client, "users").await? {
        insert(user, |user| people.insert_user(user));
    }
    Ok(people)
}

/// The same, of one tenant.
///
/// # Errors
/// When ClickHouse is away or refuses, or a row cannot be read any more.
pub async fn people_of(client: &clickhouse::Client, tenant: &str) -> Result<Directory, Error> {
    let rows =
        client.query("SELECT row FROM users FINAL WHERE tenant = ? ORDER BY id, valid_from").bind(tenant).fetch_all::<String>().await?;
    let mut people = Directory::default();
    for row in &rows {
        insert(read(row, "users")?, |user| people.insert_user(user));
    }
    Ok(people)
}

fn insert<T, E>(user: User, mut into: impl FnMut(User) -> Result<T, E>) {
    let without = User { time_zone: None, ..user.clone() };
    if into(user).is_err() {
        into(without).ok();
    }
}

/// All kept rows of a table (`users`, `clients`, `orders`), sorted by tenant, id and time.
///
/// # Errors
/// When ClickHouse is away or refuses, or a row cannot be read any more.
pub async fn load<T: DeserializeOwned>(client: &clickhouse::Client, table: &'static str) -> Result<Vec<T>, Error> {
    let query = format!("SELECT row FROM {table} FINAL ORDER BY tenant, id, valid_from");
    let mut rows = client.query(&query).fetch::<String>()?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().await? {
        found.push(read(&row, table)?);
    }
    Ok(found)
}

fn read<T: DeserializeOwned>(row: &str, table: &str) -> Result<T, Error> {
    serde_json::from_str(row).map_err(|e| Error::Refused(format!("a row of {table} cannot be read: {e}")))
}

//! A salt for each person that alerts are about: random, the same for whoever asks, and destroyed when somebody is erased.

use std::collections::{BTreeMap, BTreeSet};

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use super::{Hash, Seal, hex, tag, unhex};
use crate::{
    event::Timestamp,
    ops::random,
    store::{Error, Keep, long},
};

/// Tenant and manager; no manager: what is about the tenant, an address, a source.
pub type Person = (String, String);

/// Salts of some people.
pub type Salts = BTreeMap<Person, Hash>;

#[derive(Clone, Row, Serialize, Deserialize)]
struct SaltRow {
    tenant: String,
    manager: String,
    salt: String,
    at: i64,
}

#[derive(Clone, Row, Serialize, Deserialize)]
struct ErasedRow {
    tag: String,
    at: i64,
    proof: String,
}

/// Tags of salts that were destroyed, and when, milliseconds since 1970.
pub type Erased = BTreeMap<String, i64>;

/// The salts of these people; who has none gets one. Of two who make one at once the first is heard: an insert whose token was seen
/// before does nothing, and what is there then is read.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn salts(client: &clickhouse::Client, who: &BTreeSet<Person>, at: Timestamp) -> Result<Salts, Error> {
    let known = read(client, who).await?;
    let missing: Vec<&Person> = who.iter().filter(|p| !known.contains_key(*p)).collect();
    if missing.is_empty() {
        return Ok(known);
    }
    // Who is met again after an erasure gets another salt, under another token.
    let erased = client.query("SELECT count() FROM integrity_erased").fetch_one::<u64>().await?;
    for (tenant, manager) in missing {
        let salt: Hash = random::bytes().map_err(|e| Error::Away(format!("no random numbers: {e}")))?;
        let client = client.clone().with_setting("insert_deduplication_token", format!("{tenant}/{manager}/{erased}"));
        let row = SaltRow { tenant: tenant.clone(), manager: manager.clone(), salt: hex(&salt), at: at.millis() };
        Keep::insert(&client, "integrity_salts", &[row]).await?;
    }
    let all = read(client, who).await?;
    match who.iter().find(|p| !all.contains_key(*p)) {
        None => Ok(all),
        Some(_) => Err(Error::Away("a salt that was just written cannot be read yet".to_owned())),
    }
}

async fn read(client: &clickhouse::Client, who: &BTreeSet<Person>) -> Result<Salts, Error> {
    if who.is_empty() {
        return Ok(Salts::new());
    }
    let (tenants, managers): (BTreeSet<&str>, BTreeSet<&str>) = who.iter().map(|(t, m)| (t.as_str(), m.as_str())).unzip();
    let query = "SELECT ?fields FROM integrity_salts WHERE tenant IN ? AND manager IN ? ORDER BY tenant, manager, at, salt";
    let rows = long(client.query(query).bind(tenants).bind(managers)).fetch_all::<SaltRow>().await?;
    Ok(first_of_each(rows).into_iter().filter(|(person, _)| who.contains(person)).collect())
}

fn first_of_each(rows: Vec<SaltRow>) -> Salts {
    let mut salts = Salts::new();
    for row in rows {
        if let Some(salt) = unhex(&row.salt) {
            salts.entry((row.tenant, row.manager)).or_insert(salt);
        }
    }
    salts
}

/// All salts there are.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub(super) async fn all(client: &clickhouse::Client) -> Result<Salts, Error> {
    let query = "SELECT ?fields FROM integrity_salts ORDER BY tenant, manager, at, salt";
    Ok(first_of_each(client.query(query).fetch_all::<SaltRow>().await?))
}

/// Destroys the salt of somebody whose rows are erased: from then on their hashes in the chain say nothing about anybody, and the
/// chain holds. Whether there was one.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn erase(client: &clickhouse::Client, seal: &Seal, person: &Person, at: Timestamp) -> Result<bool, Error> {
    let Some(salt) = read(client, &BTreeSet::from([person.clone()])).await?.remove(person) else { return Ok(false) };
    // What says that it was destroyed comes first: a salt that is gone without it would look like a theft.
    let row = destroyed(seal, &salt, at);
    Keep::insert(client, "integrity_erased", &[row]).await?;
    let delete = "ALTER TABLE integrity_salts DELETE WHERE tenant = ? AND manager = ?";
    client.query(delete).bind(&person.0).bind(&person.1).with_setting("mutations_sync", "2").execute().await?;
    Ok(true)
}

fn destroyed(seal: &Seal, salt: &Hash, at: Timestamp) -> ErasedRow {
    let (tag, at) = (tag(salt), at.millis());
    let proof = seal.proof("erased", &[tag.as_bytes(), &at.to_le_bytes()]);
    ErasedRow { tag, at, proof }
}

/// What was destroyed, as far as Filin itself says so.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub(super) async fn erased(client: &clickhouse::Client, seal: &Seal) -> Result<Erased, Error> {
    let rows = client.query("SELECT ?fields FROM integrity_erased").fetch_all::<ErasedRow>().await?;
    let proved = rows.into_iter().filter(|r| r.proof == seal.proof("erased", &[r.tag.as_bytes(), &r.at.to_le_bytes()]));
    Ok(proved.map(|r| (r.tag, r.at)).collect())
}

//! A person in the store: where they stand, all that is held about them, and its erasure.

mod erase;
mod sql;

use std::collections::BTreeMap;

use clickhouse::Row;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use erase::{Erased, Order, erase, is_erased, latest};

use super::{Alias, Error, quoted};
use crate::{
    directory::{Client, User},
    event::words,
};

/// Shorter texts than this stand in too many other words to be looked for in texts.
const TELLING: usize = 5;
/// What may stand between the digits of a telephone number.
const BETWEEN: &str = "[^0-9A-Za-z]{0,3}";

words! {
    /// What a person is to the organisation.
    Kind {
        /// A user of the CRM.
        Manager = "manager",
        /// A client.
        Client = "client",
    }
}

/// A person, as they are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Whose.
    pub tenant: String,
    /// What they are.
    pub kind: Kind,
    /// Their id.
    pub id: String,
    /// Names, telephone numbers, e-mail addresses, accounts at sources, and what else a person says that tells them.
    pub texts: Vec<String>,
}

impl Person {
    /// A regular expression that finds them in a text; none when nothing of them is telling enough to be looked for there.
    pub fn pattern(&self) -> Option<String> {
        let texts = self.texts.iter().map(String::as_str).chain([self.id.as_str()]);
        let mut all: Vec<String> = texts.filter(|text| is_telling(text)).flat_map(patterns).collect();
        all.sort();
        all.dedup();
        (!all.is_empty()).then(|| format!("(?i)(?:{})", all.join("|")))
    }

    /// A keyed hash that tells this person to whoever has the key.
    pub fn alias(&self, alias: &Alias) -> String {
        match self.kind {
            Kind::Manager => alias.of(&self.tenant, &self.id),
            Kind::Client => alias.of(&self.tenant, &format!("client\u{1f}{}", self.id)),
        }
    }
}

fn is_telling(text: &str) -> bool {
    let n = text.chars().count();
    n >= TELLING && text.chars().any(|c| !c.is_ascii_digit()) || n >= 9
}

/// A text on its own, not within a longer word; of a telephone number all ways to write it.
fn patterns(text: &str) -> Vec<String> {
    let spoken = |digits: &str| digits.chars().map(String::from).collect::<Vec<_>>().join(BETWEEN);
    if let Some(digits) = text.strip_prefix('+').filter(|d| d.len() >= 7 && d.bytes().all(|b| b.is_ascii_digit())) {
        let mut all = vec![format!(r"\+?{}", spoken(digits))];
        all.extend(digits.strip_prefix('7').map(|local| format!(r"\b8{BETWEEN}{}", spoken(local))));
        return all;
    }
    let (first, last) = (text.bytes().next(), text.bytes().last());
    let edge = |b: Option<u8>| if b.is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_') { r"\b" } else { "" };
    vec![format!("{}{}{}", edge(first), escaped(text), edge(last))]
}

/// A text in a regular expression of RE2.
fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut all, c| {
        if c.is_ascii_punctuation() {
            all.push('\\');
        }
        all.push(c);
        all
    })
}

/// What somebody is, as far as the store knows.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn kinds(client: &clickhouse::Client, tenant: &str, id: &str) -> Result<Vec<Kind>, Error> {
    let mut found = Vec::new();
    for (kind, sql) in [
        (
            Kind::Manager,
            "SELECT assumeNotNull((SELECT count() FROM users WHERE tenant = ? AND id = ?) + (SELECT count() FROM events WHERE tenant = ? AND manager = ?))",
        ),
        (
            Kind::Client,
            "SELECT assumeNotNull((SELECT count() FROM clients WHERE tenant = ? AND id = ?) + (SELECT count() FROM events WHERE tenant = ? \
             AND ? IN (object_client, call_client)))",
        ),
    ] {
        if client.query(sql).bind(tenant).bind(id).bind(tenant).bind(id).fetch_one::<u64>().await? > 0 {
            found.push(kind);
        }
    }
    Ok(found)
}

/// The person with all that the directory knows of their names and numbers.
///
/// # Errors
/// When ClickHouse is away or refuses, or a row cannot be read any more.
pub async fn person(client: &clickhouse::Client, tenant: &str, kind: Kind, id: &str, also: &[String]) -> Result<Person, Error> {
    let table = if kind == Kind::Manager { "users" } else { "clients" };
    let sql = format!("SELECT row FROM {table} WHERE tenant = ? AND id = ?");
    let mut texts = also.to_vec();
    for row in client.query(&sql).bind(tenant).bind(id).fetch_all::<String>().await? {
        let wrong = |e: serde_json::Error| Error::Refused(format!("a row of {table} cannot be read: {e}"));
        match kind {
            Kind::Manager => {
                let user: User = serde_json::from_str(&row).map_err(wrong)?;
                texts.extend(user.name.into_iter().chain(user.phones).chain(user.emails).chain(user.aliases));
            }
            Kind::Client => {
                let client: Client = serde_json::from_str(&row).map_err(wrong)?;
                texts.extend(client.phones.into_iter().chain(client.emails));
            }
        }
    }
    texts.sort();
    texts.dedup();
    Ok(Person { tenant: tenant.to_owned(), kind, id: id.to_owned(), texts })
}

/// How much is held about a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Held {
    /// Where.
    pub table: String,
    /// Rows of their own.
    pub own: u64,
    /// Rows about others, or about nobody, that mention them.
    pub mentions: u64,
}

#[derive(Row, Deserialize)]
struct Counts {
    own: u64,
    all: u64,
}

/// How much each table holds; those with nothing are left out.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn held(client: &clickhouse::Client, person: &Person) -> Result<Vec<Held>, Error> {
    let columns = sql::columns(client).await?;
    let mut held = Vec::new();
    for table in sql::tables(person, &columns, "") {
        let (Some(all), own) = (table.all(), table.own.clone().unwrap_or_else(|| "0".to_owned())) else { continue };
        let sql = format!("SELECT countIf({own}) AS own, count() AS all FROM {} WHERE {all}", table.name);
        let Counts { own, all } = asked(client, &sql).fetch_one::<Counts>().await?;
        if all > 0 {
            held.push(Held { table: table.name, own, mentions: all - own });
        }
    }
    for (name, condition) in in_log_and_states(person) {
        let n = asked(client, &format!("SELECT count() FROM {name} WHERE {condition}")).fetch_one::<u64>().await?;
        if n > 0 {
            let own = if matches!(name, "manager_state" | "integrity_salts") { n } else { 0 };
            held.push(Held { table: name.to_owned(), own, mentions: n - own });
        }
    }
    Ok(held)
}

/// Where they stand in the log and in states.
fn in_log_and_states(person: &Person) -> Vec<(&'static str, String)> {
    let (tenant, id) = (quoted(&person.tenant), quoted(&person.id));
    let mut found = vec![format!("position(record, {}) > 0", quoted(&serde_json::to_string(&person.id).unwrap_or_default()))];
    found.extend(person.pattern().map(|p| format!("match(record, {})", quoted(&p))));
    let mut all = vec![("log", format!("tenant IN ({tenant}, '_audit') AND ({})", found.join(" OR ")))];
    if person.kind == Kind::Manager {
        all.push(("integrity_salts", format!("tenant = {tenant} AND manager = {id}")));
        all.push(("manager_state", format!("tenant = {tenant} AND manager = {id} AND state != ''")));
    }
    all
}

/// All rows about a person, by table, as JSON. States, which are bytes, are not among them.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn export(client: &clickhouse::Client, person: &Person) -> Result<BTreeMap<String, Vec<Value>>, Error> {
    let columns = sql::columns(client).await?;
    let mut found = BTreeMap::new();
    let tables = sql::tables(person, &columns, "").into_iter().filter_map(|table| {
        let all = table.all()?;
        let counted = person.kind == Kind::Client && table.name == "events";
        let more = if counted { format!(" OR (tenant = {} AND {})", quoted(&person.tenant), sql::hashed(person)) } else { String::new() };
        Some((table.name, format!("{all}{more}")))
    });
    let log = in_log_and_states(person).into_iter().filter(|(name, _)| *name == "log").map(|(name, c)| (name.to_owned(), c));
    for (name, condition) in tables.chain(log) {
        let sql = format!("SELECT * FROM {name} WHERE {condition}");
        let bytes = asked(client, &sql).fetch_bytes("JSONEachRow")?.collect().await?;
        let rows: Result<Vec<Value>, _> = serde_json::Deserializer::from_slice(&bytes).into_iter().collect();
        let rows = rows.map_err(|e| Error::Refused(format!("rows of {name} cannot be read: {e}")))?;
        if !rows.is_empty() {
            found.insert(name, rows);
        }
    }
    Ok(found)
}

/// A query whose `?` are its own.
fn asked(client: &clickhouse::Client, sql: &str) -> clickhouse::query::Query {
    super::literal(&super::unchecked(client), sql)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_found_however_they_are_written() {
        let person = |id: &str, texts: &[&str]| Person {
            tenant: "t".to_owned(),
            kind: Kind::Client,
            id: id.to_owned(),
            texts: texts.iter().map(|t| (*t).to_owned()).collect(),
        };
        let check = |person: &Person, text: &str, found: bool| {
            let pattern = regex::Regex::new(&person.pattern().expect("telling")).expect("a pattern");
            assert_eq!(pattern.is_match(text), found, "{text} {pattern}");
        };
        let one = person("c-1001", &["+79161234567", "anna.k@example.com", "Анна Каренина"]);
        for text in [
            "SELECT * WHERE id='C-1001'",
            r#"{"to":"+7 (916) 123-45-67"}"#,
            "8 916 123 45 67",
            "89161234567",
            "mailto:anna.k@example.com;",
            "звонила Анна Каренина,",
        ] {
            check(&one, text, true);
        }
        for text in ["c-10011", "ac-1001", "+79161234568", "anna-k@example.com", "1916123456"] {
            check(&one, text, false);
        }
        assert_eq!(person("12", &[]).pattern(), None, "a number stands everywhere");
        assert_eq!(person("1234567", &[]).pattern(), None);
        assert!(person("123456789", &[]).pattern().is_some());
        assert_eq!(escaped("a.b(c)+"), r"a\.b\(c\)\+");
    }

    #[test]
    fn the_hash_of_a_client_is_not_that_of_a_manager_with_its_id() {
        let alias = Alias::new([7; 32]);
        let of = |kind| Person { tenant: "t".to_owned(), kind, id: "x".to_owned(), texts: Vec::new() }.alias(&alias);
        assert_ne!(of(Kind::Manager), of(Kind::Client));
        assert_eq!(of(Kind::Manager), alias.of("t", "x"));
    }
}

//! Where a person may stand in a table, and what stands there afterwards: conditions and expressions of SQL.

use clickhouse::Row;
use serde::Deserialize;

use super::{Kind, Person};
use crate::{event::client_hash, store::quoted};

/// Tables whose rows are looked at elsewhere: the log, states, and the audit trail, which says people by pseudonym.
const ELSEWHERE: &[&str] =
    &["log", "log_meta", "manager_state", "tenant_state", "checkpoints", "reveals", "reveal_requests", "erasures", "integrity_salts"];
/// Tables in which a row that mentions the person goes as a whole: raw bytes, what is made anew each hour, an order that has ended.
const WHOLE: &[&str] = &["dead_letters", "audit_findings", "mutes"];
/// Columns that hold ids, alone, in lists or within JSON.
const CLIENT_IDS: &[&str] =
    &["object_id", "object_client", "object_ids", "call_client", "change_from", "change_to", "change_target", "row", "attrs"];
const MANAGER_IDS: &[&str] = &[
    "actor_id",
    "object_id",
    "object_owner",
    "change_from",
    "change_to",
    "change_target",
    "row",
    "attrs",
    "enrich",
    "actor",
    "assignee",
    "others",
    "subject",
    "subject_id",
    "by",
];

/// A column that holds text.
#[derive(Clone, Debug, Row, Deserialize)]
pub(super) struct Column {
    table: String,
    name: String,
    kind: String,
    /// Part of the key: it cannot be rewritten.
    key: bool,
}

/// A table, and how the person is found in it.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) name: String,
    /// Rows that are the person's own.
    pub(super) own: Option<String>,
    /// Rows that mention them where nothing can be put in their place.
    pub(super) fixed: Option<String>,
    /// Rows that mention them elsewhere.
    pub(super) mentions: Option<String>,
    /// What is written there instead.
    pub(super) instead: Vec<String>,
}

impl Table {
    /// Rows that go.
    pub(super) fn deleted(&self) -> Option<String> {
        any(self.own.iter().chain(&self.fixed))
    }

    /// All rows with anything of the person.
    pub(super) fn all(&self) -> Option<String> {
        any(self.own.iter().chain(&self.fixed).chain(&self.mentions))
    }
}

fn any<'a>(parts: impl Iterator<Item = &'a String>) -> Option<String> {
    let parts: Vec<String> = parts.map(|part| format!("({part})")).collect();
    (!parts.is_empty()).then(|| parts.join(" OR "))
}

/// The text columns of tables that say whose their rows are.
pub(super) async fn columns(client: &clickhouse::Client) -> Result<Vec<Column>, clickhouse::error::Error> {
    let sql = "SELECT table, name, type AS kind, toBool(is_in_sorting_key OR is_in_partition_key OR is_in_primary_key) AS key FROM system.columns \
               WHERE database = currentDatabase() AND default_kind = '' AND (position(type, 'String') > 0) AND table IN \
               (SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree' AND name NOT IN ?) AND table IN \
               (SELECT table FROM system.columns WHERE database = currentDatabase() AND name = 'tenant') ORDER BY table, position";
    super::super::unchecked(client).query(sql).bind(ELSEWHERE).fetch_all().await
}

/// How a person is found in each table. `token` stands in their place afterwards.
pub(super) fn tables(person: &Person, columns: &[Column], token: &str) -> Vec<Table> {
    let mut names: Vec<&str> = columns.iter().map(|c| c.table.as_str()).collect();
    names.dedup();
    names.iter().map(|name| table(person, name, columns.iter().filter(|c| c.table == *name), token)).collect()
}

fn table<'a>(person: &Person, name: &str, columns: impl Iterator<Item = &'a Column>, token: &str) -> Table {
    let here = |condition: String| format!("{} AND ({condition})", tenants(person));
    let (mut fixed, mut mentions, mut instead) = (Vec::new(), Vec::new(), Vec::new());
    for column in columns.filter(|c| !["tenant", "source", "alert_id", "manager_alias"].contains(&c.name.as_str())) {
        let Some(condition) = mentioned(person, column) else { continue };
        if column.key || WHOLE.contains(&name) {
            fixed.push(condition);
        } else {
            mentions.push(condition);
            instead.push(format!("`{}` = {}", column.name, rewritten(person, column, token)));
        }
    }
    // What was said in so many words about one client alone may name them in ways that nobody knows.
    if name == "events_raw" && person.kind == Kind::Client {
        let theirs = format!("(source, id) IN (SELECT source, id FROM events WHERE {})", here(alone(person)));
        for text in ["call_number", "query_text"] {
            if let Some(known) = instead.iter_mut().find(|i| i.starts_with(&format!("`{text}` ="))) {
                *known = format!("`{text}` = if({theirs}, '', {})", known.split_once("= ").map_or("''", |(_, e)| e));
            } else {
                instead.push(format!("`{text}` = if({theirs}, '', `{text}`)"));
            }
        }
        mentions.push(format!("{theirs} AND (call_number != '' OR query_text != '')"));
    }
    let joined = |parts: Vec<String>| (!parts.is_empty()).then(|| here(format!("({})", parts.join(") OR ("))));
    Table { name: name.to_owned(), own: own(person, name), fixed: joined(fixed), mentions: joined(mentions), instead }
}

/// The rows of a person's tenant, and of what Filin writes about those who read.
fn tenants(person: &Person) -> String {
    format!("tenant IN ({}, '_audit')", quoted(&person.tenant))
}

/// Events about this client and nobody else.
fn alone(person: &Person) -> String {
    let id = quoted(&person.id);
    format!(
        "call_client = {id} OR object_client = {id} OR (object_id = {id} AND object_type IN ('', 'client', 'contact', 'lead')) \
         OR (JSONLength(enrich, 'clients') = 1 AND {})",
        hashed(person)
    )
}

/// Events that the engine counted under the hash of a client's id, whatever they are named in it.
pub(super) fn hashed(person: &Person) -> String {
    format!("position(enrich, '\"{:016x}\"') > 0", client_hash(&person.id))
}

/// The rows that are the person's own.
fn own(person: &Person, table: &str) -> Option<String> {
    let (id, tenant) = (quoted(&person.id), quoted(&person.tenant));
    let alerts = format!("SELECT alert_id FROM alerts WHERE tenant = {tenant} AND manager = {id}");
    let condition = match (person.kind, table) {
        (Kind::Client, "clients") | (Kind::Manager, "users") => format!("id = {id}"),
        (Kind::Client, "orders") => format!("JSONExtractString(row, 'client') = {id}"),
        (Kind::Client, "mutes") => format!("client_hash = '{:016x}'", client_hash(&person.id)),
        (
            Kind::Manager,
            "events" | "events_raw" | "signals" | "alerts" | "alert_queue" | "manager_hour" | "manager_day" | "audit_findings" | "mutes",
        ) => {
            format!("manager = {id}")
        }
        (Kind::Manager, "alert_actions" | "alert_priorities" | "notifications") => format!("alert_id IN ({alerts})"),
        _ => return None,
    };
    Some(format!("tenant = {tenant} AND {condition}"))
}

fn is_id(person: &Person, column: &Column) -> bool {
    let ids = if person.kind == Kind::Client { CLIENT_IDS } else { MANAGER_IDS };
    ids.contains(&column.name.as_str())
}

/// The id of something else may look the same.
fn guard(person: &Person, column: &Column) -> &'static str {
    match (column.name.as_str(), person.kind) {
        ("object_id", Kind::Client) => " AND object_type IN ('', 'client', 'contact', 'lead')",
        ("object_id", Kind::Manager) => " AND object_type IN ('', 'user')",
        _ => "",
    }
}

/// Whether a column mentions the person; none where it cannot.
fn mentioned(person: &Person, column: &Column) -> Option<String> {
    let (name, id) = (format!("`{}`", column.name), quoted(&person.id));
    let pattern = person.pattern().map(|p| quoted(&p));
    match column.kind.as_str() {
        "String" | "LowCardinality(String)" => {
            let mut all = Vec::new();
            if is_id(person, column) {
                all.push(format!("{name} = {id}{}", guard(person, column)));
                all.push(format!("position({name}, {}) > 0", quoted(&json(&person.id))));
            }
            all.extend(pattern.map(|p| format!("match({name}, {p})")));
            any(all.iter())
        }
        "Array(String)" => {
            let mut all = Vec::new();
            all.extend(is_id(person, column).then(|| format!("has({name}, {id})")));
            all.extend(pattern.map(|p| format!("arrayExists(x -> match(x, {p}), {name})")));
            any(all.iter())
        }
        // Sentences of an alert.
        tuples if tuples.starts_with("Array(Tuple(") => {
            pattern.map(|p| format!("arrayExists(t -> match(t.7, {p}) OR match(t.8, {p}), {name})"))
        }
        _ => None,
    }
}

/// The same column without the person.
fn rewritten(person: &Person, column: &Column, token: &str) -> String {
    let (name, id, token) = (format!("`{}`", column.name), quoted(&person.id), quoted(token));
    let bare = token.trim_matches('\'');
    let text = |of: &str| person.pattern().map_or_else(|| of.to_owned(), |p| format!("replaceRegexpAll({of}, {}, {token})", quoted(&p)));
    match column.kind.as_str() {
        "Array(String)" => {
            let one = if is_id(person, column) { format!("if(x = {id}, {token}, {})", text("x")) } else { text("x") };
            format!("arrayMap(x -> {one}, {name})")
        }
        tuples if tuples.starts_with("Array(") => {
            format!("CAST(arrayMap(t -> (t.1, t.2, t.3, t.4, t.5, t.6, {}, {}), {name}) AS {tuples})", text("t.7"), text("t.8"))
        }
        _ if is_id(person, column) => {
            let whole = format!("if({name} = {id}{}, {token}, {})", guard(person, column), text(&name));
            format!("replaceAll({whole}, {}, '\"{bare}\"')", quoted(&json(&person.id)))
        }
        _ => text(&name),
    }
}

/// A text as it stands in JSON.
fn json(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

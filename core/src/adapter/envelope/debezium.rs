//! Debezium: a row before and after its change, with a schema or without, or the row alone with marks (`ExtractNewRecordState`).

use std::sync::Arc;

use serde_json::{Map, Value};

use super::MAX_MARK;
use crate::{adapter::rules, event::Timestamp};

/// What was done to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::adapter) enum Op {
    /// Inserted, or found there by a snapshot.
    Create,
    /// Changed.
    Update,
    /// Deleted.
    Delete,
    /// A table emptied, a message.
    Other,
}

/// A change of a database's row.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::adapter) struct RowChange {
    pub(in crate::adapter) op: Op,
    /// Database, or database and schema with a point between; empty when unknown.
    pub(in crate::adapter) database: String,
    /// Without database; empty when unknown.
    pub(in crate::adapter) table: String,
    /// The row was there before the connector.
    pub(in crate::adapter) snapshot: bool,
    /// Where the change stands in the database's log: `lsn`, or `file:pos:row`.
    pub(in crate::adapter) position: Option<String>,
    /// When the database made the change.
    pub(in crate::adapter) time: Option<Timestamp>,
    /// The row before the change, for tables whose rows change.
    pub(in crate::adapter) before: Arc<Map<String, Value>>,
}

impl Op {
    fn read(word: &str) -> Self {
        match word {
            "c" | "r" => Self::Create,
            "u" => Self::Update,
            "d" => Self::Delete,
            _ => Self::Other,
        }
    }
}

/// What stands beside a schema.
pub(super) fn payload(object: &mut Map<String, Value>) -> Option<Value> {
    let schema = object.get("schema")?;
    let described = object.len() == 2 && (schema.is_object() || schema.is_null());
    if described { object.remove("payload").filter(|p| p.is_object() || p.is_null()) } else { None }
}

pub(super) fn is_change(object: &Map<String, Value>) -> bool {
    object.get("op").is_some_and(Value::is_string)
        && object.get("source").is_some_and(Value::is_object)
        && (object.contains_key("after") || object.contains_key("before"))
}

/// The row of a change: as it is afterwards, or was before it was deleted. Null when there is none.
pub(super) fn change(mut object: Map<String, Value>) -> (Value, RowChange) {
    let (before, after) = (object.remove("before"), object.remove("after"));
    let op = object.get("op").and_then(Value::as_str).unwrap_or_default();
    let source = object.get("source").and_then(Value::as_object);
    let text = |name: &str| source.and_then(|s| s.get(name)?.as_str()).filter(|t| t.len() <= MAX_MARK).unwrap_or_default().to_owned();
    let (database, schema) = (text("db"), text("schema"));
    let snapshot = source.and_then(|s| s.get("snapshot")).is_some_and(|s| match s {
        Value::String(word) => !matches!(word.as_str(), "" | "false"),
        other => other.as_bool() == Some(true),
    });
    let change = RowChange {
        op: Op::read(op),
        database: if schema.is_empty() { database } else { format!("{database}.{schema}") },
        table: text("table"),
        snapshot: snapshot || op == "r",
        position: source.and_then(position),
        time: source.and_then(|s| rules::epoch(s.get("ts_ms")?)),
        before: Arc::default(),
    };
    match (after, before) {
        (Some(after @ Value::Object(_)), Some(Value::Object(before))) => (after, RowChange { before: Arc::new(before), ..change }),
        (Some(after @ Value::Object(_)), _) => (after, change),
        (_, Some(before)) => (before, change),
        _ => (Value::Null, change),
    }
}

fn position(source: &Map<String, Value>) -> Option<String> {
    let part = |name: &str| crate::adapter::row::scalar(source.get(name)?).filter(|t| t.len() <= MAX_MARK);
    part("lsn").or_else(|| Some(format!("{}:{}:{}", part("file")?, part("pos")?, part("row").unwrap_or_else(|| "0".to_owned()))))
}

/// What marks say on a row that came without its envelope.
pub(super) fn flattened(row: &Map<String, Value>) -> Option<RowChange> {
    let deleted = matches!(row.get("__deleted"), Some(Value::Bool(true))) || row.get("__deleted").and_then(Value::as_str) == Some("true");
    let op = row.get("__op").and_then(Value::as_str);
    if op.is_none() && !row.contains_key("__deleted") {
        return None;
    }
    let text = |name: &str| row.get(name).and_then(Value::as_str).filter(|t| t.len() <= MAX_MARK).unwrap_or_default().to_owned();
    Some(RowChange {
        op: if deleted { Op::Delete } else { Op::read(op.unwrap_or("c")) },
        database: text("__db"),
        table: text("__table"),
        snapshot: op == Some("r"),
        position: None,
        time: row.get("__source_ts_ms").and_then(rules::epoch),
        before: Arc::default(),
    })
}

//! Odoo: rows of the `auditlog` module with their lines, and log-ins.

use serde_json::{Map, Value};

use super::{
    Around, Binding, Error, Fault, Format, Notes,
    row::{Row, listed},
    rules,
};
use crate::event::{Action, Change, Event, Object};

/// The most `object.ids`.
const MAX_IDS: usize = 1000;

struct Odoo;

pub(super) fn open(_binding: &Binding) -> Result<Box<dyn Format>, Error> {
    Ok(Box::new(Odoo))
}

impl Format for Odoo {
    fn event(&self, element: Map<String, Value>, around: &Around<'_>, _notes: &mut Notes<'_>) -> Result<Option<Event>, Fault> {
        let row = Row(&element);
        let logins = around.marks.table(&element) == Some("res_users_log") || (row.has("create_uid") && !row.has("method"));
        let mut event = if logins { login(row, around.binding)? } else { log(row, around.binding)? };
        rules::finish(&mut event);
        event.attrs = rules::attrs(element);
        Ok(Some(event))
    }
}

fn login(row: Row<'_>, binding: &Binding) -> Result<Event, Fault> {
    let id = format!("login:{}", row.required("id")?);
    let actor = rules::actor(person(row, "create_uid"), None);
    Ok(rules::event(id, row.utc_time("create_date")?, "odoo", actor, Action::Login, binding))
}

fn log(row: Row<'_>, binding: &Binding) -> Result<Event, Fault> {
    let id = format!("auditlog:{}", row.required("id")?);
    let time = row.utc_time("create_date")?;
    let ids = ids(row);
    let lines: Vec<Row<'_>> = row.list("line_ids").iter().filter_map(Value::as_object).map(Row).collect();
    let owner = lines.iter().find(|line| line.text("field_name") == Some("user_id"));
    let action = match row.text("method").unwrap_or_default() {
        "create" => Action::Create,
        "read" if ids.count > 1 => Action::List,
        "read" => Action::View,
        "write" if owner.is_some() => Action::Transfer,
        "write" => Action::Update,
        "unlink" => Action::Delete,
        "export_data" => Action::Export,
        _ => Action::Other,
    };
    let name = row.owned("user_login").or_else(|| many2one_name(row.get("user_id")?));
    let mut event = rules::event(id, time, "odoo", rules::actor(person(row, "user_id"), name), action, binding);
    event.session = many2one(row.get("http_session_id"));
    let kind = row.text("model_model").map(rules::object_type);
    event.object = match (row.some_id("res_id"), ids.count) {
        (None, 2..) => Some(Object { kind, ids: ids.first.clone(), ..Object::default() }),
        (None, 1) if action == Action::Export => Some(Object { kind, ids: ids.first.clone(), ..Object::default() }),
        (None, _) => rules::object(kind, ids.first.first().cloned()),
        (id, _) => rules::object(kind, id),
    };
    if ids.count > 0 && (action == Action::Export || ids.count > 1) {
        event.records = Some(ids.count);
    }
    let line = owner.or(if lines.len() == 1 { lines.first() } else { None });
    if let (Action::Transfer | Action::Update, Some(line)) = (action, line) {
        let side = |plain: &str, text: &str| many2one(line.get(plain).or_else(|| line.get(text)));
        let change = Change {
            what: line.owned("field_name"),
            from: side("old_value", "old_value_text"),
            to: side("new_value", "new_value_text"),
            target: None,
        };
        if let (Action::Transfer, Some(object)) = (action, &mut event.object) {
            object.owner.clone_from(&change.to);
        }
        event.change = Some(change);
    }
    Ok(event)
}

struct Ids {
    count: u64,
    /// At most a thousand.
    first: Vec<String>,
}

/// `[11, 12, 15]`, as text or as a list.
fn ids(row: Row<'_>) -> Ids {
    match row.get("res_ids") {
        Some(Value::String(text)) => {
            let first = listed(text, usize::MAX);
            Ids { count: first.len() as u64, first: first.into_iter().take(MAX_IDS).collect() }
        }
        Some(Value::Array(items)) => {
            let first = items.iter().filter_map(super::row::scalar).take(MAX_IDS).collect();
            Ids { count: items.len() as u64, first }
        }
        _ => Ids { count: 0, first: Vec::new() },
    }
}

fn person(row: Row<'_>, name: &str) -> Option<String> {
    many2one(row.get(name)).filter(|id| id != "0")
}

/// A reference: a number, `[7, "Name"]`, or the text `(7, 'Name')`, of which the number counts; any other value as it is.
fn many2one(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::Array(pair) => pair.first().and_then(super::row::scalar),
        Value::String(text) => {
            let inner = text.strip_prefix('(').and_then(|t| t.split_once(',')).map(|(id, _)| id.trim());
            let id = inner.filter(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit()));
            Some(id.unwrap_or(text).to_owned()).filter(|t| !t.is_empty() && t != "False")
        }
        other => super::row::scalar(other),
    }
}

fn many2one_name(value: &Value) -> Option<String> {
    value.as_array()?.get(1)?.as_str().map(str::to_owned)
}

//! Rows of a CRM's own tables through Debezium: made, changed, deleted, by whoever the row itself names.

use serde_json::{Map, Value};

use super::{Around, Binding, Code, Error, Fault, Format, Marks, Notes, Op, row::Row, rules};
use crate::event::{Action, Change, Event, Timestamp};

/// Who changed a row last, in the CRMs there are.
const BY: &[&str] = &[
    "modified_user_id",
    "modified_by",
    "modified_by_id",
    "write_uid",
    "updated_by",
    "MODIFY_BY_ID",
    "created_by",
    "created_by_id",
    "create_uid",
];
/// When.
const AT: &[&str] =
    &["date_modified", "modified_at", "write_date", "updated_at", "DATE_MODIFY", "date_entered", "created_at", "create_date"];
/// Whose the record is.
const OWNER: &[&str] = &["assigned_user_id", "owner_id", "responsible_user_id", "ASSIGNED_BY_ID", "user_id"];

struct CrmTables;

pub(super) fn open(_binding: &Binding) -> Result<Box<dyn Format>, Error> {
    Ok(Box::new(CrmTables))
}

impl Format for CrmTables {
    fn event(&self, element: Map<String, Value>, around: &Around<'_>, notes: &mut Notes<'_>) -> Result<Option<Event>, Fault> {
        event(element, around.source(), around, notes)
    }

    fn rows_change(&self, _marks: &Marks) -> bool {
        true
    }
}

/// The event of a row of `source`.
pub(super) fn event(
    element: Map<String, Value>,
    source: &str,
    around: &Around<'_>,
    _notes: &mut Notes<'_>,
) -> Result<Option<Event>, Fault> {
    let row = Row(&element);
    let Some(change) = &around.marks.change else {
        return Err(Fault::new(Code::MissingField, "no change of a row: neither op with before and after, nor __op"));
    };
    let table = around.marks.table(&element).unwrap_or_default().to_owned();
    let before = Row(&change.before);
    let binned = |row: Row<'_>| row.flag("deleted") == Some(true);
    let owner = |row: Row<'_>| row.first_id(OWNER);
    let action = match change.op {
        Op::Create => Action::Create,
        Op::Delete => Action::Delete,
        // Many CRMs only mark what they delete.
        Op::Update if binned(row) && !binned(before) => Action::Delete,
        Op::Update if owner(before).is_some() && owner(before) != owner(row) => Action::Transfer,
        Op::Update => Action::Update,
        Op::Other => return Ok(None),
    };
    let id = key(around.raw.key).or_else(|| row.first_id(&["id", "ID", "Id"])).ok_or_else(|| Fault::missing("id"))?;
    let time = time(row, change.op, change.time, around.binding)?;
    let position = change.position.clone().unwrap_or_else(|| time.millis().to_string());
    let by = if change.op == Op::Delete { None } else { row.first_id(BY) };
    let event_id = format!("{table}:{id}:{position}");
    let mut event = rules::event(event_id, time, source, rules::actor(by, None), action, around.binding);
    event.object = rules::object(Some(kind(&table)), Some(id));
    if action == Action::Transfer {
        let what = OWNER.iter().find(|name| row.id(name).is_some()).map(|name| (*name).to_owned());
        event.change = Some(Change { what, from: owner(before), to: owner(row), target: None });
        if let Some(object) = &mut event.object {
            object.owner = owner(row);
        }
    }
    rules::finish(&mut event);
    event.attrs = rules::attrs(element);
    event.attrs.insert("table".to_owned(), table.into());
    Ok(Some(event))
}

/// When the row says that it changed; a deleted row knows only its change before that.
fn time(row: Row<'_>, op: Op, committed: Option<Timestamp>, binding: &Binding) -> Result<Timestamp, Fault> {
    let said = AT.iter().find(|name| row.get(name).is_some());
    match (op, committed, said) {
        (Op::Delete, Some(time), _) | (_, Some(time), None) => Ok(time),
        (_, _, Some(name)) if binding.time_zone.is_some() => row.local_time(name, binding),
        (_, _, Some(name)) => row.utc_time(name),
        (_, None, None) => Err(Fault::missing("date_modified")),
    }
}

/// The primary key that Kafka's key holds, with a schema or without.
fn key(bytes: Option<&[u8]>) -> Option<String> {
    let value: Value = serde_json::from_slice(bytes?).ok()?;
    let key = value.get("payload").unwrap_or(&value).as_object()?;
    let parts: Vec<String> = key.values().filter_map(super::row::scalar).collect();
    (!parts.is_empty()).then(|| parts.join(","))
}

fn kind(table: &str) -> crate::event::ObjectType {
    let bare = table.strip_prefix("b_crm_").unwrap_or(table);
    match rules::object_type(bare) {
        // Odoo writes the points of its models as lines.
        crate::event::ObjectType::Other => rules::object_type(&bare.replace('_', ".")),
        known => known,
    }
}

//! amoCRM / Kommo: events and notes of its API, and webhooks whose bracket keys a relay turned into JSON.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    Around, Binding, Error, Fault, Format, Notes, Split, brackets,
    row::{Row, scalar},
    rules,
};
use crate::event::{Action, Actor, ActorKind, Call, Change, Channel, Direction, Event, Object, ObjectType, Outcome};

/// What a relay or this adapter says of a part of a webhook.
const ENTITY: &str = "_entity";
const VERB: &str = "_verb";
/// The most fields of the account that each part of a webhook repeats, and the longest of them, bytes.
const MAX_SHARED: (usize, usize) = (6, 100);

struct AmoCrm;

pub(super) fn open(_binding: &Binding) -> Result<Box<dyn Format>, Error> {
    Ok(Box::new(AmoCrm))
}

impl Format for AmoCrm {
    fn event(&self, element: Map<String, Value>, around: &Around<'_>, notes: &mut Notes<'_>) -> Result<Option<Event>, Fault> {
        let row = Row(&element);
        let (mut event, more) = match () {
            () if row.has(VERB) => (webhook(row, around.binding)?, None),
            () if row.has("note_type") => (note(row, around.binding, notes)?, None),
            () => history(row, around.binding)?,
        };
        if event.action == Action::Call {
            event.channel = Some(Channel::Telephony);
        }
        rules::finish(&mut event);
        event.attrs = rules::attrs(element);
        for name in [ENTITY, VERB] {
            event.attrs.remove(name);
        }
        event.attrs.extend(more.map(|id| ("note_id".to_owned(), id)));
        Ok(Some(event))
    }

    /// A webhook holds a batch: `leads[status][0][..]`, or the same as nested objects.
    fn split(&self, element: Map<String, Value>) -> Split {
        let nested = ["leads", "contacts", "companies", "customers", "task", "unsorted", "message", "talk"];
        let is_bracketed = |key: &String| key.ends_with(']') && !key.starts_with("account[");
        if element.keys().any(is_bracketed) {
            return Split::Many(bracketed(element));
        }
        if !element.contains_key("id") && nested.iter().any(|name| element.get(*name).is_some_and(Value::is_object)) {
            return Split::Many(parts(element));
        }
        Split::One(element)
    }
}

/// The parts of a webhook, each under the keys it came with.
fn bracketed(element: Map<String, Value>) -> Vec<Map<String, Value>> {
    let mut parts: BTreeMap<(String, String, String), Map<String, Value>> = BTreeMap::new();
    let mut shared = Vec::new();
    for (key, value) in element {
        let place = match brackets::parts(&key).as_deref() {
            Some([entity, verb, index, _, ..]) if *entity != "account" => {
                Some(((*entity).to_owned(), (*verb).to_owned(), format!("{index:0>9}")))
            }
            _ => None,
        };
        match place {
            Some(place) => drop(parts.entry(place).or_default().insert(key, value)),
            None => shared.push((key, value)),
        }
    }
    shared.retain(|(key, value)| key.len() + value.as_str().map_or(0, str::len) <= MAX_SHARED.1 && !value.is_object() && !value.is_array());
    shared.truncate(MAX_SHARED.0);
    let named = parts.into_iter().map(|((entity, verb, _), mut part)| {
        part.extend(shared.iter().cloned());
        part.insert(ENTITY.to_owned(), entity.into());
        part.insert(VERB.to_owned(), verb.into());
        part
    });
    named.collect()
}

/// The same for a body whose brackets became objects.
fn parts(element: Map<String, Value>) -> Vec<Map<String, Value>> {
    let mut flat = Map::new();
    for (entity, verbs) in element {
        let Value::Object(verbs) = verbs else { continue };
        for (verb, items) in verbs {
            let items: Vec<(String, Value)> = match items {
                Value::Array(items) => items.into_iter().enumerate().map(|(i, item)| (i.to_string(), item)).collect(),
                Value::Object(items) if entity != "account" => items.into_iter().collect(),
                other => {
                    flat.insert(format!("{entity}[{verb}]"), other);
                    continue;
                }
            };
            for (i, item) in items {
                let Value::Object(fields) = item else { continue };
                flat.extend(fields.into_iter().map(|(name, value)| (format!("{entity}[{verb}][{i}][{name}]"), value)));
            }
        }
    }
    bracketed(flat)
}

fn kind(entity: &str) -> ObjectType {
    match entity {
        // What others call a deal.
        "lead" | "leads" => ObjectType::Deal,
        other => rules::object_type(other),
    }
}

/// Nobody but a robot has the account 0.
fn actor(id: Option<String>) -> Actor {
    match id {
        Some(id) if id == "0" => Actor { id, kind: ActorKind::System, name: None },
        id => rules::actor(id, None),
    }
}

/// An event, and the id of the note that it points at.
fn history(row: Row<'_>, binding: &Binding) -> Result<(Event, Option<Value>), Fault> {
    let id = row.required("id")?;
    let time = row.epoch("created_at").ok_or_else(|| row.no_time("created_at"))?;
    let name = row.text("type").unwrap_or_default();
    let mut event = rules::event(id, time, "amocrm", actor(row.id("created_by")), action(name), binding);
    event.object = rules::object(row.text("entity_type").map(kind), row.some_id("entity_id"));
    let value = |side: &str, key: &str| row.list(side).first().and_then(|v| v.get(key)).and_then(Value::as_object).map(Row);
    let (before, after) = ("value_before", "value_after");
    match name {
        "lead_status_changed" => {
            let status = |side| {
                let status = value(side, "lead_status")?;
                Some(format!("{}/{}", status.id("pipeline_id")?, status.id("id")?))
            };
            event.change = change("lead_status", status(before), status(after));
        }
        "entity_responsible_changed" => {
            let person = |side| value(side, "responsible_user")?.id("id");
            event.change = change("responsible_user", person(before), person(after));
            if let Some(object) = &mut event.object {
                object.owner = person(after);
            }
        }
        "name_field_changed" | "sale_field_changed" | "ltv_field_changed" => {
            let field = name.trim_end_matches("_field_changed");
            let said = |side| value(side, &format!("{field}_field_value"))?.first_id(&[field]);
            event.change = change(field, said(before), said(after));
        }
        "incoming_call" | "outgoing_call" => {
            let direction = if name == "incoming_call" { Direction::In } else { Direction::Out };
            event.call = Some(Call { direction: Some(direction), ..Call::default() });
        }
        _ => {}
    }
    if let Some(field) = name.strip_prefix("custom_field_").and_then(|n| n.strip_suffix("_value_changed")) {
        let said = |side| value(side, "custom_field_value")?.first_id(&["text", "enum_id"]);
        event.change = change(&format!("custom_field:{field}"), said(before), said(after));
    }
    let note = value(after, "note").and_then(|note| note.get("id")).cloned();
    Ok((event, note))
}

fn change(what: &str, from: Option<String>, to: Option<String>) -> Option<Change> {
    Some(Change { what: Some(what.to_owned()), from, to, target: None })
}

fn action(kind: &str) -> Action {
    let ends = |ends: &[&str]| ends.iter().any(|e| kind.ends_with(e));
    match kind {
        "entity_merged" => Action::Merge,
        "entity_responsible_changed" => Action::Transfer,
        "incoming_call" | "outgoing_call" => Action::Call,
        "incoming_mail" | "outgoing_mail" => Action::Email,
        "entity_direct_message" => Action::Message,
        k if k.contains("_note_") || k == "robot_replied" => Action::Other,
        k if k.starts_with("talk_") || ends(&["_chat_message", "_sms"]) => Action::Message,
        k if k.starts_with("entity_tag_") => Action::Update,
        _ if ends(&["_added"]) => Action::Create,
        _ if ends(&["_deleted"]) => Action::Delete,
        _ if ends(&["_restored", "_linked", "_unlinked", "_status_changed", "_field_changed", "_value_changed"]) => Action::Update,
        k if k.starts_with("task_") => Action::Update,
        _ => Action::Other,
    }
}

fn note(row: Row<'_>, binding: &Binding, notes: &mut Notes<'_>) -> Result<Event, Fault> {
    let id = format!("note:{}", row.required("id")?);
    let time = row.epoch("created_at").ok_or_else(|| row.no_time("created_at"))?;
    let kind_of_note = row.id("note_type").unwrap_or_default();
    let direction = match kind_of_note.as_str() {
        "call_in" | "10" => Some(Direction::In),
        "call_out" | "11" => Some(Direction::Out),
        _ => None,
    };
    let params = row.object("params");
    let author = row.id("created_by");
    let mut event = rules::event(id, time, "amocrm", actor(author.clone()), Action::Other, binding);
    let entity = entity_of(row).unwrap_or("contact");
    let object =
        Object { kind: Some(kind(entity)), id: row.some_id("entity_id"), owner: row.some_id("responsible_user_id"), ..Object::default() };
    event.object = Some(object).filter(|o| o.id.is_some());
    match (direction, params) {
        (Some(direction), params) => {
            event.action = Action::Call;
            // Integrations write under one service account: who spoke stands in the note.
            let spoke = params.and_then(|p| p.some_id("call_responsible")).filter(|id| id.bytes().all(|b| b.is_ascii_digit()));
            event.actor = actor(spoke.or_else(|| row.some_id("responsible_user_id")).or(author));
            let number =
                params.and_then(|p| p.id("phone")).and_then(|text| super::telephony::number(&text, "params.phone", binding, notes));
            let duration_s = params.and_then(|p| p.count("duration"));
            event.call = Some(Call { direction: Some(direction), number, duration_s, client: None });
            let failed = params.and_then(|p| p.count("call_status")).and_then(|status| match status {
                5 => Some("wrong number"),
                6 => Some("not reached"),
                7 => Some("busy"),
                _ => None,
            });
            if let Some(reason) = failed {
                (event.outcome, event.reason) = (Outcome::Failure, Some(reason.to_owned()));
            }
        }
        (None, _) if kind_of_note.starts_with("sms_") => event.action = Action::Message,
        (None, _) if kind_of_note.contains("mail") => event.action = Action::Email,
        _ => {}
    }
    Ok(event)
}

/// What a note belongs to: said outright, or by the address it was read from.
fn entity_of(row: Row<'_>) -> Option<&str> {
    let link = || row.object("_links")?.object("self")?.text("href");
    let path =
        || row.text("_path").or_else(link)?.split('/').find(|part| matches!(*part, "leads" | "contacts" | "companies" | "customers"));
    row.text("entity_type").or_else(path)
}

fn webhook(row: Row<'_>, binding: &Binding) -> Result<Event, Fault> {
    let (entity, verb) = (row.text(ENTITY).unwrap_or_default(), row.text(VERB).unwrap_or_default());
    // `leads[note][0][note][id]`: a note stands one level deeper.
    let mut fields = Map::new();
    for (key, value) in row.0 {
        if let Some(parts) = brackets::parts(key).filter(|p| p.len() >= 4 && p[0] == entity) {
            let name = parts[3..].iter().rev().find(|p| !p.is_empty()).copied().unwrap_or_default();
            fields.entry(name.to_owned()).or_insert_with(|| value.clone());
            if let Some(inner) = value.as_object().filter(|_| parts[3] == "note") {
                fields.extend(inner.clone());
            }
        }
    }
    let part = Row(&fields);
    let id = part.required("id")?;
    let name = ["updated_at", "created_at", "last_modified"].into_iter().find(|name| part.get(name).is_some()).unwrap_or("updated_at");
    let time = part.epoch(name).or_else(|| part.local_time(name, binding).ok()).ok_or_else(|| part.no_time(name))?;
    let stamp = part.get(name).and_then(scalar).unwrap_or_default();
    let by = part.first_id(&["modified_user_id", "created_user_id", "created_by"]);
    let action = match (entity, verb) {
        ("message" | "talk", _) => Action::Message,
        (_, "add") => Action::Create,
        (_, "delete") => Action::Delete,
        (_, "responsible") => Action::Transfer,
        (_, "update" | "status" | "restore") => Action::Update,
        _ => Action::Other,
    };
    let mut event = rules::event(format!("webhook:{entity}.{verb}:{id}:{stamp}"), time, "amocrm", actor(by), action, binding);
    let object_id = if verb == "note" { part.some_id("element_id") } else { Some(id) };
    event.object = rules::object(Some(kind(entity)), object_id);
    let (old, new) = (part.some_id("old_responsible_user_id"), part.some_id("responsible_user_id"));
    match verb {
        "responsible" => {
            event.change = change("responsible_user", old, new.clone());
            if let Some(object) = &mut event.object {
                object.owner = new;
            }
        }
        "status" => {
            let pipeline = part.id("pipeline_id");
            let before = part.id("old_pipeline_id").or_else(|| pipeline.clone());
            let status = |pipeline: Option<String>, name: &str| Some(format!("{}/{}", pipeline?, part.id(name)?));
            event.change = change("lead_status", status(before, "old_status_id"), status(pipeline, "status_id"));
        }
        _ => {}
    }
    Ok(event)
}

//! Bitrix24: its event log, the history of its CRM, calls, and webhooks, told apart by the keys of their records.

use serde_json::{Map, Value};

use super::{Around, Binding, Code, Error, Fault, Format, Notes, Split, brackets, row::Row, rules, telephony};
use crate::event::{Action, Actor, ActorKind, Auth, Call, Change, Channel, Direction, Event, Object, ObjectType, Outcome, Timestamp};

struct Bitrix24;

pub(super) fn open(_binding: &Binding) -> Result<Box<dyn Format>, Error> {
    Ok(Box::new(Bitrix24))
}

impl Format for Bitrix24 {
    fn event(&self, element: Map<String, Value>, around: &Around<'_>, notes: &mut Notes<'_>) -> Result<Option<Event>, Fault> {
        let row = Row(&element);
        let binding = around.binding;
        let event = match () {
            () if row.has("event") && (row.has("data") || row.has("ts")) => webhook(row, binding, notes)?,
            () if row.has("auditTypeId") || row.has("AUDIT_TYPE_ID") => Some(journal(row, binding)?),
            () if row.has("CALL_ID") => Some(call(row, binding, notes)?),
            () if row.has("EVENT_TYPE") || row.has("CREATED_BY_ID") => Some(history(row, binding)?),
            () => {
                let reason =
                    "neither an event log row, a CRM history row, a call nor a webhook: none of auditTypeId, EVENT_TYPE, CALL_ID, event";
                return Err(Fault::new(Code::MissingField, reason));
            }
        };
        let Some(mut event) = event else { return Ok(None) };
        rules::finish(&mut event);
        let own = std::mem::replace(&mut event.attrs, rules::attrs(element));
        event.attrs.extend(own);
        Ok(Some(event))
    }

    /// Bodies of webhooks whose bracket keys a relay left as they were.
    fn split(&self, element: Map<String, Value>) -> Split {
        if !element.contains_key("event") || !element.keys().any(|key| key.ends_with(']')) {
            return Split::One(element);
        }
        let mut whole = Map::new();
        for (key, value) in element {
            let parts = brackets::parts(&key).filter(|p| p.len() <= 4).unwrap_or_else(|| vec![&key]);
            let (last, above) = parts.split_last().expect("a key has a part");
            let mut level = &mut whole;
            for part in above {
                let inner = level.entry((*part).to_owned()).or_insert_with(|| Value::Object(Map::new()));
                if !inner.is_object() {
                    *inner = Value::Object(Map::new());
                }
                level = inner.as_object_mut().expect("made so above");
            }
            level.insert((*last).to_owned(), value);
        }
        Split::One(whole)
    }
}

/// What `LEAD`, `DEAL` and the like are.
fn kind(entity: &str) -> ObjectType {
    rules::object_type(entity)
}

/// A row of the event log: camel case from the API, upper case from the table.
fn journal(row: Row<'_>, binding: &Binding) -> Result<Event, Fault> {
    let api = row.has("auditTypeId");
    let name = |camel: &'static str, table: &'static str| if api { camel } else { table };
    let id = format!("eventlog:{}", row.required(name("id", "ID"))?);
    let time = row.local_time(name("timestampX", "TIMESTAMP_X"), binding)?;
    let kind = row.text(name("auditTypeId", "AUDIT_TYPE_ID")).unwrap_or_default();
    let stated = row.text(name("description", "DESCRIPTION"));
    let parsed: Option<Value> = stated.filter(|d| d.starts_with('{')).and_then(|d| serde_json::from_str(d).ok());
    let said = |key: &str| parsed.as_ref()?.get(key)?.as_str().filter(|t| !t.is_empty());
    let by = row.some_id(name("userId", "USER_ID"));
    let mut event = rules::event(id, time, "bitrix24", rules::actor(by, None), action(kind), binding);
    event.client = rules::place(row.text(name("remoteAddr", "REMOTE_ADDR")), row.text(name("userAgent", "USER_AGENT")));
    let item = row.some_id(name("itemId", "ITEM_ID"));
    match kind {
        "USER_AUTHORIZE" => {
            let method = said("method");
            let api = matches!(method, Some("rest" | "appPassword"));
            event.channel = Some(if api { Channel::Api } else { Channel::Ui });
            event.auth = method.map(|m| Auth { method: Some(m.to_owned()), ..Auth::default() });
        }
        "USER_LOGIN" => {
            event.outcome = Outcome::Failure;
            // Whoever could not sign in has no account here: what was typed stands in its place.
            if event.actor.kind == ActorKind::System {
                let typed = said("login").map(str::to_owned).or_else(|| item.clone());
                event.actor = rules::actor(None, typed);
            }
        }
        "BACKUP_ERROR" => event.outcome = Outcome::Failure,
        _ => {}
    }
    if matches!(event.action, Action::UserCreate | Action::UserDeactivate | Action::PermissionChange | Action::SettingChange) {
        let of_user = kind.starts_with("USER_");
        event.object = item.clone().filter(|_| of_user).and_then(|id| rules::object(Some(ObjectType::User), Some(id)));
        event.change = Some(Change { what: Some(kind.to_owned()), target: item, ..Change::default() });
    }
    Ok(event)
}

fn action(kind: &str) -> Action {
    match kind {
        "USER_AUTHORIZE" | "USER_LOGIN" => Action::Login,
        "USER_LOGOUT" => Action::Logout,
        "USER_REGISTER" => Action::UserCreate,
        "USER_DELETE" | "USER_BLOCKED" => Action::UserDeactivate,
        "USER_GROUP_CHANGED" | "GROUP_POLICY_CHANGED" | "MODULE_RIGHTS_CHANGED" => Action::PermissionChange,
        "USER_EDIT" | "USER_PASSWORD_CHANGED" | "USER_INFO" => Action::SettingChange,
        "BACKUP_SUCCESS" | "BACKUP_ERROR" => Action::Backup,
        _ => Action::Other,
    }
}

/// A row of `b_crm_event` with its relation: an export gives one per record.
fn history(row: Row<'_>, binding: &Binding) -> Result<Event, Fault> {
    let relation = row.first_id(&["REL_ID", "RELATION_ID"]);
    let id = row.required("ID")?;
    let id = relation.map_or_else(|| format!("crm_event:{id}"), |relation| format!("crm_event:{id}:{relation}"));
    let time = row.local_time("DATE_CREATE", binding)?;
    let field = row.text("ENTITY_FIELD");
    let action = match row.count("EVENT_TYPE") {
        Some(1) if field == Some("ASSIGNED_BY_ID") => Action::Transfer,
        Some(1 | 7 | 8) => Action::Update,
        Some(2) => Action::Email,
        Some(3) => Action::View,
        Some(4) => Action::Export,
        Some(5) => Action::Delete,
        Some(6) => Action::Merge,
        _ => Action::Other,
    };
    let mut event = rules::event(id, time, "bitrix24", rules::actor(row.some_id("CREATED_BY_ID"), None), action, binding);
    event.channel = Some(Channel::Ui);
    event.object = rules::object(row.text("ENTITY_TYPE").map(kind), row.some_id("ENTITY_ID"));
    let (before, after) = (row.id("EVENT_TEXT_1"), row.id("EVENT_TEXT_2"));
    if let (Action::Update | Action::Transfer, Some(field)) = (action, field) {
        event.change = Some(Change { what: Some(field.to_owned()), from: before, to: after.clone(), target: None });
    }
    if action == Action::Transfer
        && let Some(object) = &mut event.object
    {
        object.owner = after;
    }
    if action == Action::Export {
        event.records = Some(1);
    }
    Ok(event)
}

/// A call, from the statistics or from the webhook at its end: both have the same id, so that it counts once.
fn call(row: Row<'_>, binding: &Binding, notes: &mut Notes<'_>) -> Result<Event, Fault> {
    let id = row.required("CALL_ID")?;
    let time = row.local_time("CALL_START_DATE", binding)?;
    let actor = rules::actor(row.some_id("PORTAL_USER_ID"), None);
    let mut event = rules::event(format!("call:{id}"), time, "bitrix24", actor, Action::Call, binding);
    event.channel = Some(Channel::Telephony);
    let direction = match row.count("CALL_TYPE") {
        Some(1 | 4 | 5) => Some(Direction::Out),
        Some(2 | 3) => Some(Direction::In),
        _ => None,
    };
    let phone = row.id("PHONE_NUMBER").unwrap_or_default();
    let internal = matches!(telephony::party(&phone, binding), telephony::Party::Extension(_));
    let number = telephony::number(&phone, "PHONE_NUMBER", binding, notes);
    let code = row.id("CALL_FAILED_CODE").filter(|code| code != "200");
    let talk_s = if code.is_some() { Some(0) } else { row.count("CALL_DURATION") };
    event.call = Some(Call { direction: direction.filter(|_| !internal), number, duration_s: talk_s, client: None });
    if let Some(code) = code {
        let reason = row.text("CALL_FAILED_REASON").map_or_else(|| code.clone(), |why| format!("{code} {why}"));
        (event.outcome, event.reason) = (Outcome::Failure, Some(reason));
    }
    event.object = match (row.text("CRM_ENTITY_TYPE"), row.some_id("CRM_ENTITY_ID")) {
        (Some(entity), Some(id)) => Some(Object { kind: Some(kind(entity)), id: Some(id), ..Object::default() }),
        _ => None,
    };
    event.attrs.insert("conversation".to_owned(), id.into());
    Ok(event)
}

/// A webhook tells neither what changed nor who did it; none for the beginnings of calls.
fn webhook(row: Row<'_>, binding: &Binding, notes: &mut Notes<'_>) -> Result<Option<Event>, Fault> {
    let name = row.required("event")?.to_uppercase();
    let data = row.object("data");
    match (name.as_str(), data) {
        ("ONVOXIMPLANTCALLEND", Some(data)) => return call(data, binding, notes).map(Some),
        ("ONVOXIMPLANTCALLINIT" | "ONVOXIMPLANTCALLSTART" | "ONEXTERNALCALLSTART", _) => return Ok(None),
        _ => {}
    }
    let stamp = row.required("ts")?;
    let time = row.epoch("ts").ok_or_else(|| row.no_time("ts"))?;
    let fields = data.and_then(|d| d.object("FIELDS"));
    let id = fields.and_then(|f| f.id("ID")).or_else(|| data.and_then(|d| d.first_id(&["ID", "id"])));
    let (entity, action) = changed(&name).unzip();
    let event_id = format!("{name}:{}:{stamp}", id.as_deref().unwrap_or_default());
    let mut event = unknown(event_id, time, action.unwrap_or(Action::Other), binding);
    event.object = entity.and_then(|entity| rules::object(Some(kind(entity)), id));
    Ok(Some(event))
}

fn unknown(id: String, time: Timestamp, action: Action, binding: &Binding) -> Event {
    let nobody = Actor { id: "unknown".to_owned(), kind: ActorKind::System, name: None };
    rules::event(id, time, "bitrix24", nobody, action, binding)
}

/// `ONCRMDEALUPDATE`: a deal, updated.
fn changed(name: &str) -> Option<(&str, Action)> {
    let what = name.strip_prefix("ONCRM")?;
    let ends = [("ADD", Action::Create), ("UPDATE", Action::Update), ("DELETE", Action::Delete)];
    let (entity, action) = ends.into_iter().find_map(|(end, action)| Some((what.strip_suffix(end)?, action)))?;
    matches!(entity, "LEAD" | "DEAL" | "CONTACT" | "COMPANY" | "DYNAMICITEM").then_some((entity, action))
}

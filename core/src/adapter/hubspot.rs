//! HubSpot account activity: audit logs, log-ins, security activity, told apart by the keys of their records.

use serde_json::{Map, Value};

use super::{Around, Binding, Error, Fault, Format, Notes, row::Row, rules};
use crate::event::{Action, Change, Event, ObjectType, Outcome, Place};

struct HubSpot;

pub(super) fn open(_binding: &Binding) -> Result<Box<dyn Format>, Error> {
    Ok(Box::new(HubSpot))
}

impl Format for HubSpot {
    fn event(&self, element: Map<String, Value>, around: &Around<'_>, _notes: &mut Notes<'_>) -> Result<Option<Event>, Fault> {
        let row = Row(&element);
        let mut event = match () {
            () if row.has("loginAt") => login(row, around.binding)?,
            () if row.has("createdAt") && row.has("type") => security(row, around.binding)?,
            () => audit(row, around.binding)?,
        };
        rules::finish(&mut event);
        event.attrs = rules::attrs(element);
        Ok(Some(event))
    }
}

fn begin(kind: &str, row: Row<'_>, time: &str, by: (Option<String>, Option<String>), binding: &Binding) -> Result<Event, Fault> {
    let id = format!("{kind}:{}", row.required("id")?);
    let time = row.epoch(time).map_or_else(|| row.utc_time(time), Ok)?;
    Ok(rules::event(id, time, "hubspot", rules::actor(by.0, by.1), Action::Other, binding))
}

fn login(row: Row<'_>, binding: &Binding) -> Result<Event, Fault> {
    let mut event = begin("login", row, "loginAt", (row.some_id("userId"), row.owned("email")), binding)?;
    event.action = Action::Login;
    if row.flag("loginSucceeded") == Some(false) {
        event.outcome = Outcome::Failure;
    }
    event.client = place(row);
    Ok(event)
}

fn security(row: Row<'_>, binding: &Binding) -> Result<Event, Fault> {
    let mut event = begin("security", row, "createdAt", (row.some_id("userId"), row.owned("actingUser")), binding)?;
    let kind = row.text("type").unwrap_or_default().to_ascii_uppercase();
    let has = |words: &[&str]| words.iter().any(|w| kind.contains(w));
    event.action = match () {
        () if has(&["ADD_USER", "CREATE_USER"]) => Action::UserCreate,
        () if has(&["REMOVE_USER", "DEACTIVATE_USER"]) => Action::UserDeactivate,
        () if has(&["EXPORT"]) => Action::Export,
        () if has(&["PERMISSION", "ROLE", "ADMIN"]) => Action::PermissionChange,
        () => Action::SettingChange,
    };
    let target = row.id("objectId");
    if matches!(event.action, Action::UserCreate | Action::UserDeactivate | Action::PermissionChange) {
        event.object = target.clone().and_then(|id| rules::object(Some(ObjectType::User), Some(id)));
    }
    if event.action != Action::Export {
        event.change = Some(Change { what: row.owned("type"), target, ..Change::default() });
    }
    event.client = place(row);
    Ok(event)
}

fn audit(row: Row<'_>, binding: &Binding) -> Result<Event, Fault> {
    let by = row.object("actingUser");
    let id = by.and_then(|by| by.some_id("userId"));
    let name = by.map_or_else(|| row.owned("actingUser"), |by| by.owned("userEmail"));
    let mut event = begin("audit", row, "occurredAt", (id, name), binding)?;
    let upper = |name: &str| row.text(name).unwrap_or_default().to_ascii_uppercase();
    let (word, category, part) = (upper("action"), upper("category"), upper("subCategory"));
    let about_rights = ["PERMISSION", "USER", "SECURITY"].iter().any(|w| category.contains(w));
    event.action = match () {
        () if word.contains("EXPORT") => Action::Export,
        () if word.contains("LOGIN") => Action::Login,
        () if about_rights => Action::PermissionChange,
        () if word.contains("CREATE") => Action::Create,
        () if word.contains("UPDATE") => Action::Update,
        () if word.contains("DELETE") || word.contains("ARCHIVE") => Action::Delete,
        () if word.contains("MERGE") => Action::Merge,
        () => Action::Other,
    };
    let target = row.id("targetObjectId");
    if event.action == Action::PermissionChange {
        event.change = Some(Change { what: row.owned("action"), target: target.clone(), ..Change::default() });
    }
    // Some records name their target instead of numbering it.
    let id = target.filter(|t| t.bytes().all(|b| b.is_ascii_digit()));
    let known = [part, category].into_iter().map(|name| rules::object_type(&name)).find(|kind| *kind != ObjectType::Other);
    let kind = known.or_else(|| id.is_some().then_some(ObjectType::Other));
    event.object = rules::object(kind, id).filter(|_| event.action != Action::Login);
    Ok(event)
}

fn place(row: Row<'_>) -> Option<Place> {
    let place = rules::place(row.text("ipAddress"), row.text("userAgent")).unwrap_or_default();
    let place = Place { country: row.text("countryCode").and_then(rules::country), ..place };
    (place != Place::default()).then_some(place)
}

//! Salesforce's Setup Audit Trail: a row for each change of the configuration, as the API names its fields or as collectors do.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value};

use super::{Around, Binding, Error, Fault, Format, Notes, row::Row, rules, salesforce::id18};
use crate::event::{Action, Change, Channel, Event, ObjectType};

struct SetupAudit;

pub(super) fn open(_binding: &Binding) -> Result<Box<dyn Format>, Error> {
    Ok(Box::new(SetupAudit))
}

/// The account that a change is about.
static USER: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"UserID:\s*\[([0-9A-Za-z]{15}(?:[0-9A-Za-z]{3})?)\]").expect("a constant pattern"));

impl Format for SetupAudit {
    fn event(&self, element: Map<String, Value>, around: &Around<'_>, _notes: &mut Notes<'_>) -> Result<Option<Event>, Fault> {
        let row = Row(&element);
        let id = row.first_id(&["Id", "record_id"]).ok_or_else(|| Fault::missing("Id"))?;
        let time = row.utc_time(if row.has("CreatedDate") { "CreatedDate" } else { "sfdc_created_date" })?;
        let by = row.first(&["CreatedById", "sfdc_created_by_id"]).map(|id| id18(id).into_owned());
        let inner = row.object("CreatedBy").and_then(|by| by.text("Username"));
        let name = inner.or_else(|| row.first(&["CreatedBy.Username", "sfdc_created_by_username"]));
        let what = row.first(&["Action", "action"]).unwrap_or_default();
        let actor = rules::actor(by, name.map(str::to_owned));
        let mut event = rules::event(id, time, "salesforce", actor, action(what), around.binding);
        event.channel = Some(Channel::Ui);
        let display = row.first(&["Display", "display"]).unwrap_or_default();
        let user = USER.captures(display).map(|c| id18(&c[1]).into_owned());
        let (from, to) = from_to(display).unzip();
        event.change = Some(Change { what: Some(what.to_owned()).filter(|w| !w.is_empty()), from, to, target: user.clone() });
        event.change = event.change.filter(|c| *c != Change::default());
        event.object = user.and_then(|id| rules::object(Some(ObjectType::User), Some(id)));
        rules::finish(&mut event);
        event.attrs = rules::attrs(element);
        Ok(Some(event))
    }
}

fn action(what: &str) -> Action {
    let what = what.to_ascii_lowercase();
    match what.as_str() {
        "createduser" => Action::UserCreate,
        "deactivateduser" | "frozeuser" => Action::UserDeactivate,
        // Before the others: ranges belong to a profile.
        w if w.contains("loginiprange") => Action::SettingChange,
        w if ["permset", "profile", "role", "group"].iter().any(|part| w.contains(part)) => Action::PermissionChange,
        _ => Action::SettingChange,
    }
}

/// What stands in `.. from X to Y`.
fn from_to(display: &str) -> Option<(String, String)> {
    let text = display.split("(UserID:").next().unwrap_or(display);
    let (_, rest) = text.split_once(" from ")?;
    let (from, to) = rest.split_once(" to ")?;
    let bare = |t: &str| t.trim().trim_end_matches('.').trim_matches(['"', '\'']).to_owned();
    let (from, to) = (bare(from), bare(to));
    (!from.is_empty() && !to.is_empty()).then_some((from, to))
}

//! SuiteCRM / SugarCRM: rows of `tracker`, of the audit tables and of `calls`, and failed log-ins of its log file.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value};

use super::{Around, Binding, Code, Error, Fault, Format, Marks, Notes, crm_tables, row::Row, rules};
use crate::event::{Action, Call, Change, Channel, Direction, Event, Outcome};

struct SuiteCrm;

pub(super) fn open(_binding: &Binding) -> Result<Box<dyn Format>, Error> {
    Ok(Box::new(SuiteCrm))
}

/// What the log file says of a failed log-in; who and from where comes in one form or the other.
static FAILED: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"FAILED LOGIN:\s*attempts\[\d+\](?:.*?ip\[(?<ip>[^\]]*)\])?(?:.*?username\[(?<user>[^\]]*)\]|\s*-\s*(?<name>\S+))?";
    Regex::new(pattern).expect("a constant pattern")
});

impl Format for SuiteCrm {
    fn event(&self, element: Map<String, Value>, around: &Around<'_>, notes: &mut Notes<'_>) -> Result<Option<Event>, Fault> {
        let row = Row(&element);
        let table = around.marks.table(&element).unwrap_or_default();
        let binding = around.binding;
        let mut event = match () {
            () if table == "tracker" || (row.has("monitor_id") && row.has("action")) => tracker(row, binding)?,
            () if table.ends_with("_audit") || (row.has("field_name") && row.has("parent_id")) => audit(row, table, binding)?,
            () if table == "calls" => call(row, binding)?,
            () if around.marks.change.is_some() => return crm_tables::event(element, "suitecrm", around, notes),
            () => failed(row, binding)?,
        };
        rules::finish(&mut event);
        event.attrs = rules::attrs(element);
        Ok(Some(event))
    }

    fn rows_change(&self, marks: &Marks) -> bool {
        let table = marks.change.as_ref().map_or("", |c| c.table.as_str());
        !(table.is_empty() || table == "tracker" || table == "calls" || table.ends_with("_audit"))
    }
}

fn tracker(row: Row<'_>, binding: &Binding) -> Result<Event, Fault> {
    let id = format!("tracker:{}", row.required("id")?);
    let time = row.utc_time("date_modified")?;
    let action = match row.text("action").unwrap_or_default().to_ascii_lowercase().as_str() {
        "detailview" => Action::View,
        "listview" | "index" => Action::List,
        "save" => Action::Update,
        "login" => Action::Login,
        "logout" => Action::Logout,
        _ => Action::Other,
    };
    let mut event = rules::event(id, time, "suitecrm", rules::actor(row.id("user_id"), None), action, binding);
    event.channel = Some(Channel::Ui);
    event.session = row.id("session_id");
    if !matches!(action, Action::Login | Action::Logout) {
        event.object = rules::object(row.text("module_name").map(rules::object_type), row.id("item_id"));
    }
    Ok(event)
}

fn audit(row: Row<'_>, table: &str, binding: &Binding) -> Result<Event, Fault> {
    let id = format!("audit:{}", row.required("id")?);
    let time = row.utc_time("date_created")?;
    let field = row.text("field_name").unwrap_or_default();
    let action = if field == "assigned_user_id" { Action::Transfer } else { Action::Update };
    let mut event = rules::event(id, time, "suitecrm", rules::actor(row.id("created_by"), None), action, binding);
    event.object = rules::object(Some(rules::object_type(table.trim_end_matches("_audit"))), row.id("parent_id"));
    let from = row.first_id(&["before_value_string", "before_value_text"]);
    let to = row.first_id(&["after_value_string", "after_value_text"]);
    if let (Action::Transfer, Some(object)) = (action, &mut event.object) {
        object.owner.clone_from(&to);
    }
    event.change = Some(Change { what: Some(field.to_owned()).filter(|f| !f.is_empty()), from, to, target: None });
    event.change = event.change.filter(|c| *c != Change::default());
    Ok(event)
}

/// A call that somebody logged by hand: no number, but whose it was.
fn call(row: Row<'_>, binding: &Binding) -> Result<Event, Fault> {
    let id = format!("call:{}", row.required("id")?);
    let held = row.text("status") == Some("Held");
    let time = row.utc_time(if held && row.get("date_start").is_some() { "date_start" } else { "date_entered" })?;
    let by = row.first_id(&["assigned_user_id", "created_by"]);
    let mut event = rules::event(id, time, "suitecrm", rules::actor(by, None), Action::Create, binding);
    event.object = rules::object(row.text("parent_type").map(rules::object_type), row.id("parent_id"));
    // What is planned only is an entry in a calendar.
    if matches!(row.text("status"), Some("Held" | "Not Held")) {
        (event.action, event.channel) = (Action::Call, Some(Channel::Telephony));
        let direction = match row.text("direction") {
            Some("Inbound") => Some(Direction::In),
            Some("Outbound") => Some(Direction::Out),
            _ => None,
        };
        let (hours, minutes) = (row.count("duration_hours").unwrap_or(0), row.count("duration_minutes").unwrap_or(0));
        let talk_s = if held { hours.saturating_mul(3600).saturating_add(minutes.saturating_mul(60)) } else { 0 };
        event.call = Some(Call { direction, duration_s: Some(talk_s), ..Call::default() });
        if !held {
            (event.outcome, event.reason) = (Outcome::Failure, Some("Not Held".to_owned()));
        }
    }
    Ok(event)
}

/// A line of the log file, wrapped by whoever ships it.
fn failed(row: Row<'_>, binding: &Binding) -> Result<Event, Fault> {
    let line = row.first(&["message", "line", "log"]).unwrap_or_default();
    let Some(found) = FAILED.captures(line) else {
        let reason = "no row of tracker, of an audit table or of calls, and no FAILED LOGIN line: the table is not known (_table)";
        return Err(Fault::new(Code::MissingField, reason));
    };
    let name = ["@timestamp", "timestamp", "time"].into_iter().find(|name| row.get(name).is_some()).unwrap_or("time");
    let time = row.epoch(name).map_or_else(|| row.local_time(name, binding), Ok)?;
    let who = found.name("user").or_else(|| found.name("name")).map(|m| m.as_str().trim().to_owned()).filter(|n| !n.is_empty());
    let id = format!("login:{}", rules::row_hash(row.0));
    let mut event = rules::event(id, time, "suitecrm", rules::actor(None, who), Action::Login, binding);
    event.outcome = Outcome::Failure;
    event.client = rules::place(found.name("ip").map(|m| m.as_str()), None);
    Ok(event)
}

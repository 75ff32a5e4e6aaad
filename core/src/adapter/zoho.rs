//! Zoho CRM's audit log: rows of its CSV, whose titles are in the exporting user's language, or what a relay made of them.

use serde_json::{Map, Value};

use super::{Around, Binding, Error, Fault, Format, Notes, row::Row, rules};
use crate::event::{Action, Change, Channel, Event};

/// Our names of the columns.
const NAMES: &[&str] = &["audited_time", "done_by", "module", "action", "record_id", "record_name", "related_name"];

struct Zoho;

pub(super) fn open(binding: &Binding) -> Result<Box<dyn Format>, Error> {
    match binding.column_names.iter().find(|(_, name)| !NAMES.contains(&name.as_str())) {
        Some((title, name)) => Err(Error::Binding(format!("column_names.{title:?}: {name:?} is none of {}", NAMES.join(", ")))),
        None => Ok(Box::new(Zoho)),
    }
}

impl Format for Zoho {
    fn event(&self, element: Map<String, Value>, around: &Around<'_>, _notes: &mut Notes<'_>) -> Result<Option<Event>, Fault> {
        let binding = around.binding;
        let element: Map<String, Value> = element.into_iter().map(|(title, value)| (name(title, binding), value)).collect();
        let row = Row(&element);
        let pattern = binding.time_format.as_deref();
        let written = row.text("audited_time").and_then(|text| rules::patterned(text, pattern?, binding.time_zone.as_ref()));
        let time = written.map_or_else(|| row.local_time("audited_time", binding), Ok)?;
        let id = format!("audit:{}", rules::row_hash(&element));
        let action = action(row.text("action").unwrap_or_default());
        let mut event = rules::event(id, time, "zoho", rules::actor(row.id("done_by"), None), action, binding);
        if row.text("action").is_some_and(|a| a.to_lowercase().contains("import")) {
            event.channel = Some(Channel::Import);
        }
        event.object = rules::object(row.text("module").map(rules::object_type), row.id("record_id"));
        if matches!(action, Action::Login | Action::Logout) {
            event.object = None;
        }
        if action == Action::Transfer {
            event.change = Some(Change { what: Some("owner".to_owned()), ..Change::default() });
        }
        rules::finish(&mut event);
        event.attrs = rules::attrs(element);
        Ok(Some(event))
    }
}

/// `Audited Time` is `audited_time`; other titles stand in the binding.
fn name(title: String, binding: &Binding) -> String {
    if NAMES.contains(&title.as_str()) || title.starts_with('_') {
        return title;
    }
    if let Some(name) = binding.column_names.get(title.trim()) {
        return name.clone();
    }
    let plain = title.trim().to_lowercase().replace([' ', '-'], "_");
    if NAMES.contains(&plain.as_str()) { plain } else { title }
}

fn action(text: &str) -> Action {
    let text = text.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|w| text.contains(w));
    match () {
        () if says(&["owner changed", "transferred"]) => Action::Transfer,
        () if says(&["logged in", "signed in"]) => Action::Login,
        () if says(&["logged out", "signed out"]) => Action::Logout,
        () if says(&["exported"]) => Action::Export,
        () if says(&["imported"]) => Action::Create,
        () if says(&["merged", "deduplicated"]) => Action::Merge,
        () if says(&["printed"]) => Action::Print,
        () if says(&["deleted"]) => Action::Delete,
        () if says(&["updated"]) => Action::Update,
        () if says(&["added"]) => Action::Create,
        () => Action::Other,
    }
}

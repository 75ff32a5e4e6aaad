//! Mango Office: the summary of a finished call, as a relay took it out of its form.

use serde_json::{Map, Value};

use super::{
    Around, Binding, Code, Error, Fault, Format, Notes,
    row::Row,
    rules,
    telephony::{Leg, Party, party},
};
use crate::event::{Direction, Event};

struct Mango;

pub(super) fn open(_binding: &Binding) -> Result<Box<dyn Format>, Error> {
    Ok(Box::new(Mango))
}

impl Format for Mango {
    fn event(&self, element: Map<String, Value>, around: &Around<'_>, _notes: &mut Notes<'_>) -> Result<Option<Event>, Fault> {
        let element = opened(element)?;
        let row = Row(&element);
        // The stream of states tells the same call many times.
        let path = row.text("_path").or_else(|| around.raw.headers.get("_path").map(String::as_str));
        if path.is_some_and(|p| !p.trim_end_matches('/').ends_with("/summary")) || (path.is_none() && row.has("call_state")) {
            return Ok(None);
        }
        let entry = row.required("entry_id")?;
        let time = row.epoch("create_time").ok_or_else(|| row.no_time("create_time"))?;
        let empty = Map::new();
        let end = |name: &str| row.object(name).unwrap_or(Row(&empty));
        let (from, to) = (end("from"), end("to"));
        let direction = match (row.count("call_direction"), from.id("extension"), to.id("extension")) {
            (Some(1), ..) | (None, None, Some(_)) => Some(Direction::In),
            (Some(2), ..) | (None, Some(_), None) => Some(Direction::Out),
            _ => None,
        };
        let (ours, theirs) = if direction == Some(Direction::In) { (to, from) } else { (from, to) };
        let extension = ours.id("extension");
        let number = match theirs.id("number").map(|text| full(&text, around.binding)) {
            Some(Party::Number(number)) => Some(number),
            _ => None,
        };
        let (talk, end) = (row.count("talk_time").filter(|t| *t > 0), row.count("end_time").unwrap_or(0));
        let leg = Leg {
            id: format!("entry:{entry}"),
            time,
            source: "mango",
            extension: extension.as_deref(),
            direction,
            number,
            talk_s: Some(talk.map_or(0, |talk| end.saturating_sub(talk))),
            unanswered: (row.count("entry_result") != Some(1)).then(|| "missed".to_owned()),
            conversation: Some(entry),
        };
        let mut event = leg.event(around.binding);
        event.attrs.extend(rules::attrs(element));
        Ok(Some(event))
    }
}

/// Numbers are full ones without their plus.
fn full(text: &str, binding: &Binding) -> Party {
    match party(text, binding) {
        Party::Outside => party(&format!("+{text}"), binding),
        known => known,
    }
}

/// The call of a form that the relay left as it was: its field `json` is text.
fn opened(mut element: Map<String, Value>) -> Result<Map<String, Value>, Fault> {
    let Some(Value::String(text)) = element.get("json") else { return Ok(element) };
    let inner: Value = serde_json::from_str(text).map_err(|e| Fault::new(Code::BadJson, format!("json: {e}")))?;
    super::shallow(&inner)?;
    let Value::Object(mut inner) = inner else { return Err(Fault::new(Code::WrongType, "json: expected an object")) };
    if let Some(path) = element.remove("_path") {
        inner.insert("_path".to_owned(), path);
    }
    Ok(inner)
}

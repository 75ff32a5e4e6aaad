//! What transports and collectors put around a CRM's records, whatever the CRM: CloudEvents, Debezium, lists. Layers open one
//! after the other, from the outside in, and leave [`Marks`]: what they said that the record itself does not.

mod cloudevents;
mod debezium;
mod list;

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::{Map, Value};

use super::{Code, Fault, Raw, fields};
use crate::event::Event;

pub(super) use debezium::{Op, RowChange};

/// The most envelopes around one element.
const MAX_LAYERS: usize = 6;
/// Longer texts of an envelope are not repeated in each of its elements, bytes.
const MAX_MARK: usize = 1024;
/// The most attributes of one envelope that are kept.
const MAX_MARKS: usize = 32;

/// What the envelopes around an element said.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    /// Attributes of the CloudEvent, under `ce_` and their name.
    pub(super) cloud: BTreeMap<String, String>,
    /// The change of a database's row that the element is.
    pub(super) change: Option<RowChange>,
    /// What a relay put beside a list, under names that begin with `_`.
    beside: Vec<(String, Value)>,
}

impl Marks {
    /// What the transport's headers say of a record.
    pub(super) fn of(raw: &Raw<'_>) -> Result<Self, Fault> {
        Ok(Self { cloud: cloudevents::binary(raw)?, ..Self::default() })
    }

    /// Bytes that they can add to an event.
    pub(super) fn size(&self) -> usize {
        let cloud: usize = self.cloud.iter().map(|(k, v)| k.len() + v.len()).sum();
        let beside: usize = self.beside.iter().map(|(k, v)| k.len() + v.as_str().map_or(24, str::len)).sum();
        cloud + beside + self.change.as_ref().map_or(0, |c| c.table.len())
    }

    /// Puts into `attrs` what the envelopes said of the event.
    pub(super) fn keep(&self, event: &mut Event) {
        const TOLD: &[&str] = &["ce_specversion", "ce_time", "ce_datacontenttype"];
        for (name, value) in &self.cloud {
            let told = TOLD.contains(&name.as_str()) || (name == "ce_id" && *value == event.id);
            if !told {
                event.attrs.entry(name.clone()).or_insert_with(|| value.clone().into());
            }
        }
        if self.change.as_ref().is_some_and(|c| c.snapshot) {
            event.attrs.insert("snapshot".to_owned(), true.into());
        }
    }

    /// Puts into an element of a list what stands beside it.
    pub(super) fn put_beside(&self, element: &mut Map<String, Value>) {
        for (name, value) in &self.beside {
            element.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }

    /// What an element cannot do without, for records whose envelopes are larger than what is in them.
    pub(super) fn trimmed(&self) -> Self {
        const NEEDED: &[&str] = &["ce_id", "ce_time", "ce_source"];
        let needed = self.cloud.iter().filter(|(name, value)| NEEDED.contains(&name.as_str()) && value.len() <= 100);
        let cloud = needed.map(|(name, value)| (name.clone(), value.clone())).collect();
        Self { cloud, change: self.change.clone(), beside: Vec::new() }
    }

    /// The table that the element is a row of: by Debezium, or by the relay's mark.
    pub(super) fn table<'a>(&'a self, element: &'a Map<String, Value>) -> Option<&'a str> {
        let marked = ["_table", "__table"].iter().find_map(|name| element.get(*name)?.as_str());
        self.change.as_ref().map(|c| c.table.as_str()).filter(|t| !t.is_empty()).or(marked)
    }

    /// The id of the CloudEvent around an element; the data may hold several.
    pub(super) fn cloud_id(&self, index: u32) -> Option<String> {
        let id = self.cloud.get("ce_id")?;
        Some(if index > 0 { format!("{id}:{index}") } else { id.clone() })
    }
}

/// What is inside.
pub(super) enum Opened<'m> {
    /// A record of the format.
    Element(Map<String, Value>, Cow<'m, Marks>),
    /// Several, each of which may have envelopes of its own.
    Many(Vec<Value>, Cow<'m, Marks>),
    /// Nothing to tell: a tombstone, a change that is none of somebody's doing.
    Nothing,
    /// No record can be in here.
    Bad(Fault),
}

/// Opens all envelopes around a value.
pub(super) fn open<'m>(value: Value, marks: &'m Marks) -> Opened<'m> {
    let mut marks = Cow::Borrowed(marks);
    let mut value = value;
    for _ in 0..MAX_LAYERS {
        let mut object = match value {
            Value::Object(object) => object,
            Value::Array(items) => return Opened::Many(items, marks),
            Value::Null => return Opened::Nothing,
            other => {
                return Opened::Bad(Fault::new(Code::WrongType, format!("expected an object, found {}", fields::kind(&other))));
            }
        };
        if cloudevents::is_structured(&object) {
            match cloudevents::structured(object) {
                Ok((data, cloud)) => {
                    marks.to_mut().cloud = cloud;
                    value = data;
                }
                Err(fault) => return Opened::Bad(fault),
            }
            continue;
        }
        if let Some(payload) = debezium::payload(&mut object) {
            value = payload;
            continue;
        }
        if debezium::is_change(&object) {
            let (row, change) = debezium::change(object);
            marks.to_mut().change = Some(change);
            value = row;
            continue;
        }
        if let Some(change) = debezium::flattened(&object) {
            marks.to_mut().change = Some(change);
        } else if let Some(items) = list::items(&mut object) {
            let beside = object.into_iter().filter(|(name, v)| name.starts_with('_') && is_small(v)).take(MAX_MARKS);
            let beside: Vec<(String, Value)> = beside.collect();
            if !beside.is_empty() {
                marks.to_mut().beside.extend(beside);
            }
            return Opened::Many(items, marks);
        }
        return Opened::Element(object, marks);
    }
    Opened::Bad(Fault::new(Code::TooDeep, format!("more than {MAX_LAYERS} envelopes stand around a record")))
}

fn is_small(value: &Value) -> bool {
    match value {
        Value::String(text) => text.len() <= MAX_MARK,
        Value::Number(_) | Value::Bool(_) => true,
        _ => false,
    }
}

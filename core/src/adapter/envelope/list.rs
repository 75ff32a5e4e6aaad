//! Pages of APIs and batches of transports: an object around a list of records.

use serde_json::{Map, Value};

/// Where a list stands: `records` of Event Hubs and SOQL, `results` of HubSpot, `list` of EspoCRM, and so on.
const PATHS: &[&[&str]] = &[
    &["records"],
    &["results"],
    &["_embedded", "events"],
    &["_embedded", "notes"],
    &["_embedded", "items"],
    &["result", "items"],
    &["result"],
    &["list"],
    &["audit_log"],
];
/// OData's list has a name that records use themselves; what stands beside it has none.
const ODATA: (&str, &str) = ("@odata.context", "value");
/// Fields of a record; what has one of them is no page.
const RECORD: &[&str] = &["id", "Id", "ID", "action", "EVENT_TYPE", "event", "Event", "_id", "uniqueid"];

/// The records of a page; none when the object is a record itself.
pub(super) fn items(object: &mut Map<String, Value>) -> Option<Vec<Value>> {
    if RECORD.iter().any(|name| object.contains_key(*name)) {
        return None;
    }
    let odata = object.contains_key(ODATA.0).then_some([ODATA.1]);
    for path in odata.iter().map(|path| &path[..]).chain(PATHS.iter().copied()) {
        let (last, above) = path.split_last()?;
        let mut level = Some(&mut *object);
        for name in above {
            level = level.and_then(|l| l.get_mut(*name)?.as_object_mut());
        }
        // Of a list of plain values nothing can be made.
        if let Some(Value::Array(items)) = level.and_then(|l| l.get_mut(*last))
            && items.iter().all(|v| v.is_object() || v.is_null())
        {
            return Some(std::mem::take(items));
        }
    }
    None
}

//! CloudEvents 1.0: structured, where the value holds everything, and binary, where attributes are headers.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};

use super::{MAX_MARK, MAX_MARKS};
use crate::adapter::{Code, Fault, MAX_RECORD_BYTES, Raw, row::scalar};

/// The media type of an event that holds its attributes.
const STRUCTURED: &str = "application/cloudevents";

/// Attributes that headers carry; none when the event is structured or no CloudEvent.
///
/// # Errors
/// When the value is in a format other than JSON.
pub(super) fn binary(raw: &Raw<'_>) -> Result<BTreeMap<String, String>, Fault> {
    // Nearly all records, and tombstones: no look at the rest.
    if raw.headers.is_empty() || raw.value.is_empty() {
        return Ok(BTreeMap::new());
    }
    let content_type = raw.headers.get("content-type").map(|t| t.trim().to_ascii_lowercase());
    let media = content_type.as_deref().map(|t| t.split(';').next().unwrap_or_default().trim());
    if let Some(format) = media.and_then(|m| m.strip_prefix(STRUCTURED)) {
        return match format {
            "" | "+json" | "-batch+json" => Ok(BTreeMap::new()),
            other => {
                Err(Fault::new(Code::BadValue, format!("content-type: a CloudEvent in the format {other:?} cannot be read, only JSON")))
            }
        };
    }
    // Kafka writes `ce_id`, HTTP `ce-id`.
    let attributes = raw.headers.iter().filter_map(|(name, value)| {
        let name = name.strip_prefix("ce_").or_else(|| name.strip_prefix("ce-"))?;
        Some((name.to_owned(), Value::String(value.clone())))
    });
    let attributes = kept(attributes);
    let is_json = media.is_none_or(|m| m.is_empty() || m.ends_with("/json") || m.ends_with("+json") || m.starts_with("text/"));
    if !attributes.is_empty() && !is_json {
        let media = media.unwrap_or_default();
        return Err(Fault::new(Code::BadValue, format!("content-type: the data of the CloudEvent is {media:?}, not JSON")));
    }
    Ok(attributes)
}

pub(super) fn is_structured(object: &Map<String, Value>) -> bool {
    object.get("specversion").is_some_and(Value::is_string) && object.contains_key("type") && object.contains_key("source")
}

/// The data of a structured event, and its attributes.
pub(super) fn structured(mut object: Map<String, Value>) -> Result<(Value, BTreeMap<String, String>), Fault> {
    let data = match (object.remove("data"), object.remove("data_base64")) {
        (Some(Value::String(text)), _) => parsed("data", text.as_bytes())?,
        (Some(data), _) => data,
        (None, Some(Value::String(text))) => {
            let bytes = STANDARD.decode(text.trim()).map_err(|e| Fault::new(Code::BadJson, format!("data_base64: {e}")))?;
            parsed("data_base64", &bytes)?
        }
        (None, _) => Value::Object(Map::new()),
    };
    Ok((data, kept(object)))
}

fn parsed(field: &str, bytes: &[u8]) -> Result<Value, Fault> {
    debug_assert!(bytes.len() <= MAX_RECORD_BYTES, "it came in a record");
    let value = serde_json::from_slice(bytes).map_err(|e| Fault::new(Code::BadJson, format!("{field}: {e}")))?;
    crate::adapter::shallow(&value)?;
    Ok(value)
}

/// Attributes worth keeping, under `ce_` and their name.
fn kept(attributes: impl IntoIterator<Item = (String, Value)>) -> BTreeMap<String, String> {
    let texts = attributes.into_iter().filter_map(|(name, value)| Some((format!("ce_{name}"), scalar(&value)?)));
    texts.filter(|(name, text)| !text.is_empty() && name.len() + text.len() <= MAX_MARK).take(MAX_MARKS).collect()
}

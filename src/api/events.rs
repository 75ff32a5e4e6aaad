//! `GET /v1/events` and `GET /v1/alerts/{id}/events`: what somebody did, who touched a client, what an alert is based on; as JSON, or as
//! a table for a case.

use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::header,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Api,
    alerts::{Page, limit, paged, params, place},
    asker::Asker,
    error::Error,
};
use crate::{
    event::{Action, DAY_MS, Timestamp},
    store::{
        events::{EventFilter, Found},
        query::Place,
    },
};

/// Looked through where no time is given.
const USUAL_MS: i64 = DAY_MS;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventParams {
    tenant: Option<String>,
    manager: Option<String>,
    client: Option<String>,
    action: Option<Action>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    after: Option<String>,
    limit: Option<u32>,
    format: Option<Format>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CaseParams {
    format: Option<Format>,
}

/// How they are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    Json,
    Csv,
}

pub(super) async fn list(
    State(api): State<Api>,
    asker: Asker,
    query: Result<Query<EventParams>, QueryRejection>,
) -> Result<Response, Error> {
    let p = params(query)?;
    // Without a time, a client or a person it is the last day: nobody waits for all that ever was.
    let narrow = p.manager.is_some() || p.client.is_some();
    let newest = p.until.unwrap_or_else(crate::ops::clock::now);
    let since = p.since.or_else(|| (!narrow).then(|| newest.plus(-USUAL_MS)));
    let filter = EventFilter {
        tenant: p.tenant,
        manager: p.manager,
        client: p.client,
        action: p.action.map(Action::as_str),
        since,
        until: p.until,
        ids: None,
        after: p.after.as_deref().map(place).transpose()?,
        limit: limit(p.limit)?,
    };
    let Page { found, next } = api.reader(&asker)?.events(filter).await?;
    given(&found, next.as_ref(), p.format.unwrap_or(Format::Json), "events")
}

pub(super) async fn of_alert(
    State(api): State<Api>,
    asker: Asker,
    Path(id): Path<String>,
    query: Result<Query<CaseParams>, QueryRejection>,
) -> Result<Response, Error> {
    let format = params(query)?.format.unwrap_or(Format::Json);
    let found = api.reader(&asker)?.evidence(id).await?;
    given(&found, None, format, "alert")
}

fn given(found: &[Found], next: Option<&Place>, format: Format, name: &str) -> Result<Response, Error> {
    if format == Format::Json {
        return Ok(Json(paged("events", found.iter().map(shown).collect(), next)).into_response());
    }
    let table = table(found).map_err(|e| Error::Unavailable { code: "failed", message: format!("the table could not be written: {e}") })?;
    let file = format!("attachment; filename=\"{name}.csv\"");
    Ok(([(header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, file)], table).into_response())
}

const HEADS: [&str; 19] = [
    "time",
    "tenant",
    "manager",
    "manager_alias",
    "team",
    "event",
    "action",
    "outcome",
    "channel",
    "object",
    "client",
    "owner",
    "related",
    "records",
    "query",
    "call",
    "ip",
    "change",
    "late",
];

fn cells(e: &Found) -> [String; HEADS.len()] {
    let number = |n: Option<u64>| n.map_or(String::new(), |n| n.to_string());
    let object = if e.object_id.is_empty() { e.object_type.clone() } else { format!("{} {}", e.object_type, e.object_id) };
    let call = match e.call_duration_s {
        Some(s) => format!("{} {s} s", e.call_direction),
        None => e.call_direction.clone(),
    };
    let time = Timestamp::from_millis(e.time).to_string();
    let text = |t: &String| t.clone();
    [
        time,
        text(&e.tenant),
        text(&e.manager),
        text(&e.manager_alias),
        text(&e.team),
        e.key(),
        text(&e.action),
        text(&e.outcome),
        text(&e.channel),
        object.trim().to_owned(),
        text(&e.client),
        text(&e.owner),
        text(&e.related),
        number(e.records),
        text(&e.query),
        call.trim().to_owned(),
        text(&e.ip),
        text(&e.change),
        if e.late == "on_time" { String::new() } else { text(&e.late) },
    ]
}

pub(super) fn shown(e: &Found) -> Value {
    let mut value = json!({});
    for (head, cell) in HEADS.into_iter().zip(cells(e)).filter(|(_, cell)| !cell.is_empty()) {
        value[head] = cell.into();
    }
    if let Some(records) = e.records {
        value["records"] = records.into();
    }
    value
}

/// What a spreadsheet would take for a formula stands behind an apostrophe: ids come from sources.
fn table(found: &[Found]) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(HEADS)?;
    for e in found {
        writer.write_record(
            cells(e).map(|cell| if cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\0']) { format!("'{cell}") } else { cell }),
        )?;
    }
    writer.into_inner().map_err(|e| csv::Error::from(e.into_error()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_holds_no_formula_and_no_empty_key() {
        let e = Found {
            tenant: "acme".to_owned(),
            source: "crm".to_owned(),
            id: "1".to_owned(),
            action: "call".to_owned(),
            client: "=cmd|' /C calc'!A0".to_owned(),
            call_direction: "out".to_owned(),
            call_duration_s: Some(40),
            records: Some(3),
            late: "on_time".to_owned(),
            ..Found::default()
        };
        let text = String::from_utf8(table(std::slice::from_ref(&e)).expect("in memory")).expect("text");
        assert!(text.starts_with("time,tenant,") && text.contains(",'=cmd|' /C calc'!A0,") && text.contains(",out 40 s,"), "{text}");
        let expected = json!({"time": "1970-01-01T00:00:00.000Z", "tenant": "acme", "event": "crm/1", "action": "call", "client": e.client,
            "call": "out 40 s", "records": 3});
        assert_eq!(shown(&e), expected);
    }
}

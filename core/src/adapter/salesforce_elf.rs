//! Salesforce event log files: a row of the CSV, or the same row as a flat JSON object. Columns change between releases and are
//! addressed by name only; all values are text.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{
    Around, Binding, Error, Fault, Format, Notes, rules,
    salesforce::{self, id18, is_id, prefix_type},
};
use crate::event::{Action, Actor, ActorKind, Auth, Change, Channel, Event, Object, ObjectType, Outcome, Place};

struct Elf;

pub(super) fn open(_binding: &Binding) -> Result<Box<dyn Format>, Error> {
    Ok(Box::new(Elf))
}

impl Format for Elf {
    fn event(&self, element: Map<String, Value>, around: &Around<'_>, _notes: &mut Notes<'_>) -> Result<Option<Event>, Fault> {
        let row = Row(&element);
        let kind = row.text("EVENT_TYPE").ok_or_else(|| Fault::missing("EVENT_TYPE"))?;
        let time = row.time()?;
        let key = if kind == "Search" { "QUERY_ID" } else { "REQUEST_ID" };
        let id = format!("{kind}:{}:{}", row.text(key).unwrap_or_default(), rules::row_hash(&element));
        let mut event = rules::event(id, time, "salesforce", row.actor(), Action::Other, around.binding);
        event.session = row.owned("SESSION_KEY");
        event.client = row.place();
        row.outcome(&mut event);
        row.describe(kind, &mut event);
        rules::finish(&mut event);
        event.client = event.client.filter(|p| *p != Place::default());
        event.object = event.object.filter(|o| *o != Object::default());
        event.attrs = rules::attrs(element);
        Ok(Some(event))
    }
}

#[derive(Clone, Copy)]
struct Row<'a>(&'a Map<String, Value>);

impl<'a> Row<'a> {
    fn text(self, name: &str) -> Option<&'a str> {
        rules::text(self.0, name)
    }

    fn owned(self, name: &str) -> Option<String> {
        self.text(name).map(str::to_owned)
    }

    fn count(self, name: &str) -> Option<u64> {
        rules::count(self.0, name)
    }

    /// An id of 18 characters: the derived column as it stands, else made from the short one.
    fn id(self, name: &str) -> Option<String> {
        self.owned(&format!("{name}_DERIVED")).or_else(|| self.text(name).map(|id| id18(id).into_owned()))
    }

    fn time(self) -> Result<crate::event::Timestamp, Fault> {
        let derived = self.text("TIMESTAMP_DERIVED").and_then(|t| crate::event::Timestamp::parse(t).ok());
        let time = derived.or_else(|| rules::compact_utc(self.text("TIMESTAMP")?));
        time.ok_or_else(|| rules::no_time("TIMESTAMP", self.text("TIMESTAMP").or(self.text("TIMESTAMP_DERIVED"))))
    }

    /// Failed log-ins of unknown users and work of the platform itself have no user id.
    fn actor(self) -> Actor {
        let automatic = self.text("USER_TYPE") == Some("AutomatedProcess");
        let name = self.owned("USER_NAME");
        let id = self.id("USER_ID").or_else(|| name.as_deref().map(|n| format!("name:{n}")));
        let kind = if automatic || id.is_none() { ActorKind::System } else { ActorKind::User };
        Actor { id: id.unwrap_or_else(|| "unknown".to_owned()), kind, name }
    }

    fn place(self) -> Option<Place> {
        Some(Place {
            ip: self.text("CLIENT_IP").and_then(rules::ip),
            user_agent: self.user_agent("USER_AGENT"),
            tls: self.text("TLS_PROTOCOL").and_then(rules::tls),
            ..Place::default()
        })
    }

    /// Some columns hold a number that stands for a browser.
    fn user_agent(self, name: &str) -> Option<String> {
        self.owned(name).filter(|agent| !agent.bytes().all(|b| b.is_ascii_digit()))
    }

    fn outcome(self, event: &mut Event) {
        match self.text("REQUEST_STATUS") {
            Some("F" | "N") => event.outcome = Outcome::Failure,
            Some("A") => event.outcome = Outcome::Denied,
            _ => {}
        }
        match self.count("STATUS_CODE") {
            Some(code @ (401 | 403)) => (event.outcome, event.reason) = (Outcome::Denied, Some(format!("HTTP {code}"))),
            Some(code @ 400..) => (event.outcome, event.reason) = (Outcome::Failure, Some(format!("HTTP {code}"))),
            _ => {}
        }
        if let Some(message) = self.owned("EXCEPTION_MESSAGE") {
            if event.outcome == Outcome::Success {
                event.outcome = Outcome::Failure;
            }
            event.reason = Some(message);
        }
    }

    fn describe(self, kind: &str, event: &mut Event) {
        match kind {
            "Login" => self.login(event),
            "Logout" => {
                event.action = Action::Logout;
                self.agent(event, "BROWSER_TYPE");
            }
            "LoginAs" => {
                event.action = Action::Login;
                event.auth = Some(Auth { method: Some("login_as".to_owned()), ..Auth::default() });
            }
            "API" => self.soap(event),
            "RestApi" | "ApexRestApi" => self.rest(kind, event),
            "BulkApi" => self.bulk(event),
            "BulkApi2" => self.bulk2(event),
            "Report" | "AsyncReportRun" | "AsynchronousReportRun" => self.report(event),
            "ReportExport" => {
                (event.action, event.channel) = (Action::Export, Some(Channel::Report));
                let id = self.text("URI").and_then(|uri| segments(uri).find(|s| s.starts_with("00O") && is_id(s)));
                event.object = Some(Object { kind: Some(ObjectType::Report), id: id.map(|i| id18(i).into_owned()), ..Object::default() });
            }
            "URI" => self.page(event),
            "LightningPageView" => self.lightning(event),
            "Search" => self.search(event),
            "ContentTransfer" => self.content(event),
            "DocumentAttachmentDownloads" => {
                event.action = Action::Export;
                event.object = Some(Object { kind: Some(ObjectType::File), id: self.id("ENTITY_ID"), ..Object::default() });
            }
            "UniqueQuery" => {
                event.action = Action::ApiQuery;
                event.query = self.text("QUERY_IDENTIFIER").map(rules::soql);
            }
            "SearchClick" => event.object = Some(Object { id: self.id("CLICKED_RECORD_ID"), ..Object::default() }),
            "ApiTotalUsage" => {
                let get = self.text("HTTP_METHOD").is_some_and(|m| m.eq_ignore_ascii_case("GET"));
                (event.action, event.channel) = (if get { Action::ApiQuery } else { Action::Other }, Some(Channel::Api));
                self.entity(event, "ENTITY_NAME");
                self.app(event);
            }
            "PermissionUpdate" => {
                event.action = Action::PermissionChange;
                event.change = self.owned("DESCRIPTION").map(|what| Change { what: Some(what), ..Change::default() });
            }
            "DatabaseSave" => {
                event.action = Action::Update;
                // Sampled: one row stands for many.
                event.records = self.count("NUM_ROWS").map(|n| n.saturating_mul(self.count("SAMPLE_FACTOR").unwrap_or(1)));
            }
            "InsufficientAccess" => event.outcome = Outcome::Denied,
            "WaveDownload" => {
                event.action = Action::Export;
                event.records = self.count("NUMBER_OF_RECORDS");
            }
            _ => {}
        }
    }

    fn login(self, event: &mut Event) {
        event.action = Action::Login;
        match self.text("LOGIN_STATUS") {
            Some("LOGIN_NO_ERROR") => {}
            other => (event.outcome, event.reason) = (Outcome::Failure, other.map(str::to_owned)),
        }
        let through_api = self.text("URI").is_some_and(|uri| uri.starts_with("/services/"));
        event.channel = Some(if through_api { Channel::Api } else { Channel::Ui });
        event.auth = self.owned("LOGIN_TYPE").map(|method| Auth { method: Some(method), ..Auth::default() });
        let ip = ["SOURCE_IP", "FORWARDED_FOR_IP", "CLIENT_IP"].iter().find_map(|name| rules::ip(self.text(name)?));
        event.client.get_or_insert_default().ip = ip;
        self.agent(event, "BROWSER_TYPE");
    }

    fn soap(self, event: &mut Event) {
        event.action = salesforce::api_action(self.text("METHOD_NAME").unwrap_or_default());
        self.api(event);
    }

    fn rest(self, kind: &str, event: &mut Event) {
        let method = self.text("METHOD").unwrap_or_default().to_ascii_uppercase();
        let uri = self.text("URI").unwrap_or_default();
        let asks = |what: &str| uri.to_ascii_lowercase().contains(what);
        event.action = match method.as_str() {
            "GET" => Action::ApiQuery,
            _ if kind == "ApexRestApi" || asks("/composite") => Action::Other,
            _ if asks("/query") || asks("/search") || asks("/graphql") => Action::ApiQuery,
            "POST" => Action::Create,
            "PATCH" | "PUT" => Action::Update,
            "DELETE" => Action::Delete,
            _ => Action::Other,
        };
        self.api(event);
        let mut path = segments(uri).skip_while(|s| *s != "sobjects").skip(1);
        if let (Some(entity), Some(id)) = (path.next(), path.next())
            && is_id(id)
        {
            event.object = Some(Object { kind: Some(rules::object_type(entity)), id: Some(id18(id).into_owned()), ..Object::default() });
        }
    }

    /// What SOAP and REST have in common.
    fn api(self, event: &mut Event) {
        event.channel = Some(Channel::Api);
        event.records = self.count("ROWS_PROCESSED");
        event.bytes = self.count("RESPONSE_SIZE");
        event.query = self.text("QUERY").map(rules::soql);
        self.entity(event, "ENTITY_NAME");
        self.app(event);
    }

    fn bulk_action(self) -> Action {
        match self.text("OPERATION_TYPE").unwrap_or_default().to_ascii_lowercase().as_str() {
            o if o.starts_with("query") => Action::Export,
            "insert" => Action::Create,
            "update" | "upsert" => Action::Update,
            "delete" | "harddelete" => Action::Delete,
            _ => Action::Other,
        }
    }

    fn bulk(self, event: &mut Event) {
        (event.action, event.channel) = (self.bulk_action(), Some(Channel::BulkApi));
        event.records = self.count("ROWS_PROCESSED");
        self.entity(event, "ENTITY_TYPE");
        if self.text("SUCCESS") == Some("0") {
            (event.outcome, event.reason) = (Outcome::Failure, self.owned("MESSAGE"));
        }
    }

    /// A row per state of the job: only the last one says what happened.
    fn bulk2(self, event: &mut Event) {
        event.channel = Some(Channel::BulkApi);
        self.entity(event, "ENTITY_TYPE");
        match self.text("JOB_STATUS").unwrap_or_default().to_ascii_lowercase().as_str() {
            "jobcomplete" | "complete" => {
                event.action = self.bulk_action();
                event.records = self.count("RECORDS_PROCESSED");
                event.bytes = self.text("RESULT_SIZE_MB").and_then(|mb| rules::whole(mb.parse::<f64>().ok()? * 1_048_576.0));
            }
            "failed" | "aborted" => {
                (event.action, event.outcome, event.reason) = (self.bulk_action(), Outcome::Failure, self.owned("ERROR_MESSAGE"));
            }
            _ => {}
        }
    }

    fn report(self, event: &mut Event) {
        let exported =
            matches!(self.text("ORIGIN"), Some("ReportExported" | "ReportExportedAsynchronously" | "ReportExportedUsingExcelConnector"));
        // The rendering is blank for exports from Lightning: there the origin tells.
        event.action = match self.text("RENDERING_TYPE") {
            Some("X" | "C" | "E") => Action::Export,
            _ if exported => Action::Export,
            Some("P") => Action::Print,
            _ => Action::Report,
        };
        event.channel = Some(Channel::Report);
        event.object = Some(Object { kind: Some(ObjectType::Report), id: self.id("REPORT_ID"), ..Object::default() });
        event.records = self.count("ROW_COUNT");
        event.bytes = event.records.zip(self.count("AVERAGE_ROW_SIZE")).map(|(rows, size)| rows.saturating_mul(size));
    }

    /// A page of Salesforce Classic.
    fn page(self, event: &mut Event) {
        event.channel = Some(Channel::Ui);
        let uri = self.text("URI").unwrap_or_default();
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        let first = segments(path).next().unwrap_or_default();
        let derived = self.text("URI_ID_DERIVED").or(is_id(first).then_some(first)).map(id18);
        if path.contains("/servlet/servlet.FileDownload") {
            let file = query.split('&').find_map(|p| p.strip_prefix("file=")).filter(|id| is_id(id)).map(id18);
            event.action = Action::Export;
            event.object = Some(Object { kind: Some(ObjectType::File), id: file.or(derived).map(Cow::into_owned), ..Object::default() });
        } else if query.split('&').any(|p| p == "export=1") {
            event.action = Action::Export;
            event.object = derived.map(|id| object(&id));
        } else if path.contains("/_ui/search") {
            event.action = Action::Search;
        } else if let Some(id) = derived {
            event.action = Action::View;
            event.object = Some(object(&id));
        } else if first.len() == 3 && first.bytes().all(|b| b.is_ascii_alphanumeric()) && prefix_type(first).is_some() {
            event.action = Action::List;
            event.object = Some(Object { kind: prefix_type(first), ..Object::default() });
        }
    }

    fn lightning(self, event: &mut Event) {
        let device = self.owned("DEVICE_PLATFORM");
        let mobile = device.as_deref().is_some_and(|d| !d.contains("BROWSER"));
        event.channel = Some(if mobile { Channel::Mobile } else { Channel::Ui });
        event.client.get_or_insert_default().device = device;
        if let Some(id) = self.text("PAGE_ENTITY_ID") {
            let kind = self.text("PAGE_ENTITY_TYPE").map(rules::object_type).or_else(|| prefix_type(id.get(..3)?));
            event.action = Action::View;
            event.object = Some(Object { kind, id: Some(id18(id).into_owned()), ..Object::default() });
            return;
        }
        let mut path = segments(self.text("PAGE_URL").unwrap_or_default()).skip_while(|s| *s != "o").skip(1);
        if let (Some(entity), Some("list")) = (path.next(), path.next()) {
            event.action = Action::List;
            event.object = Some(Object { kind: Some(rules::object_type(entity)), ..Object::default() });
        }
    }

    fn search(self, event: &mut Event) {
        event.action = Action::Search;
        let text = self.text("SEARCH_QUERY").map(|q| q.strip_prefix('"').and_then(|q| q.strip_suffix('"')).unwrap_or(q));
        event.query = text.map(|t| crate::event::Query { text: Some(t.to_owned()), ..Default::default() });
        event.records = self.count("NUM_RESULTS");
    }

    fn content(self, event: &mut Event) {
        (event.action, event.channel) = match self.text("TRANSACTION_TYPE") {
            Some("VersionDownloadAction") => (Action::Export, Some(Channel::Ui)),
            Some("VersionDownloadApi") => (Action::Export, Some(Channel::Api)),
            Some("VersionRenditionDownload") => (Action::View, None),
            Some("saveVersion") => (Action::Create, None),
            _ => (Action::Other, None),
        };
        event.object = Some(Object { kind: Some(ObjectType::File), id: self.id("DOCUMENT_ID"), ..Object::default() });
        event.bytes = self.count("SIZE_BYTES");
        if event.action == Action::Export && event.outcome != Outcome::Denied {
            event.records = Some(1);
        }
    }

    fn agent(self, event: &mut Event, name: &str) {
        if let Some(agent) = self.user_agent(name) {
            event.client.get_or_insert_default().user_agent = Some(agent);
        }
    }

    fn app(self, event: &mut Event) {
        event.client.get_or_insert_default().app = self.owned("CLIENT_NAME");
    }

    fn entity(self, event: &mut Event, name: &str) {
        event.object = self.text(name).map(|entity| Object { kind: Some(rules::object_type(entity)), ..Object::default() });
    }
}

/// An object by its id alone: the first three characters say what it is.
fn object(id: &str) -> Object {
    Object { kind: id.get(..3).and_then(prefix_type).or(Some(ObjectType::Other)), id: Some(id.to_owned()), ..Object::default() }
}

/// Parts of a path, without its query.
fn segments(uri: &str) -> impl Iterator<Item = &str> {
    uri.split(['?', '#']).next().unwrap_or_default().split('/').filter(|s| !s.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::adapter::{Adapter, Normalised, Raw};

    /// The event of a row, without what all rows share.
    fn event(kind: &str, fields: &[(&str, &str)]) -> Value {
        let mut row = json!({"EVENT_TYPE": kind, "TIMESTAMP": "20260312060402.118", "REQUEST_ID": "r", "USER_ID": "0057Q00000AbXyZ"});
        for (name, value) in fields {
            row[name] = (*value).into();
        }
        let mut out = Normalised::default();
        Adapter::of("salesforce-elf").expect("known").record(&Raw::from(row.to_string().as_bytes()), &mut out);
        assert_eq!(out.rejects, []);
        let mut event = serde_json::to_value(&out.events[0].1).expect("string keys");
        let shared = event.as_object_mut().expect("an object");
        for name in ["id", "time", "tenant", "source", "attrs"] {
            assert!(shared.remove(name).is_some(), "{name}");
        }
        if shared["actor"] == json!({"id": "0057Q00000AbXyZQAV"}) {
            shared.remove("actor");
        }
        event
    }

    #[test]
    fn every_kind_of_row_becomes_its_action() {
        let check = |kind: &str, fields: &[(&str, &str)], expected: Value| assert_eq!(event(kind, fields), expected, "{kind} {fields:?}");
        check(
            "Login",
            &[
                ("LOGIN_STATUS", "LOGIN_NO_ERROR"),
                ("LOGIN_TYPE", "A"),
                ("URI", "/services/Soap/u/62.0"),
                ("SOURCE_IP", "Salesforce.com IP"),
                ("CLIENT_IP", "203.0.113.7:80"),
                ("TLS_PROTOCOL", "TLSv1.2"),
            ],
            json!({"action": "login", "channel": "api", "auth": {"method": "A"}, "client": {"ip": "203.0.113.7", "tls": "1.2"}}),
        );
        check(
            "Login",
            &[("LOGIN_STATUS", "LOGIN_ERROR_USER_FROZEN"), ("URI", "/index.jsp"), ("BROWSER_TYPE", "17110119")],
            json!({"action": "login", "channel": "ui", "outcome": "failure", "reason": "LOGIN_ERROR_USER_FROZEN"}),
        );
        check(
            "Login",
            &[("USER_ID", ""), ("USER_NAME", "x@y.example"), ("LOGIN_STATUS", "LOGIN_ERROR_INVALID_PASSWORD")],
            json!({"actor": {"id": "name:x@y.example", "name": "x@y.example"}, "action": "login", "channel": "ui", "outcome": "failure", "reason": "LOGIN_ERROR_INVALID_PASSWORD"}),
        );
        check("Logout", &[("SESSION_KEY", "s"), ("USER_INITIATED_LOGOUT", "0")], json!({"action": "logout", "session": "s"}));
        check("LoginAs", &[("DELEGATED_USER_NAME", "x")], json!({"action": "login", "auth": {"method": "login_as"}}));
        check(
            "API",
            &[
                ("METHOD_NAME", "query_More"),
                ("ENTITY_NAME", "Contact"),
                ("ROWS_PROCESSED", "0"),
                ("RESPONSE_SIZE", "512"),
                ("CLIENT_NAME", "loader"),
                ("QUERY", "SELECT Id FROM Contact"),
            ],
            json!({"action": "api_query", "channel": "api", "object": {"type": "contact"}, "records": 0, "bytes": 512, "query": {"text": "SELECT Id FROM Contact", "fields": ["Id"], "filter": false}, "client": {"app": "loader"}}),
        );
        check(
            "API",
            &[("METHOD_NAME", "upsert"), ("ROWS_PROCESSED", "0"), ("RESPONSE_SIZE", "512")],
            json!({"action": "update", "channel": "api"}),
        );
        check(
            "API",
            &[("METHOD_NAME", "create"), ("ROWS_PROCESSED", "7"), ("EXCEPTION_MESSAGE", "no")],
            json!({"action": "create", "channel": "api", "records": 7, "outcome": "failure", "reason": "no"}),
        );
        check("API", &[("METHOD_NAME", "describeSObject")], json!({"action": "other", "channel": "api"}));
        let rest = |fields: &[(&str, &str)], action: &str| assert_eq!(event("RestApi", fields)["action"], action, "{fields:?}");
        rest(&[("METHOD", "POST"), ("URI", "/services/data/v62.0/graphql")], "api_query");
        rest(&[("METHOD", "POST"), ("URI", "/services/data/v62.0/composite/tree/Account")], "other");
        rest(&[("METHOD", "PUT")], "update");
        rest(&[("METHOD", "DELETE")], "delete");
        rest(&[("METHOD", "OPTIONS")], "other");
        check(
            "RestApi",
            &[
                ("METHOD", "PATCH"),
                ("URI", "/services/data/v62.0/sobjects/Opportunity/0067Q00000AbXyZ?x=1"),
                ("STATUS_CODE", "204"),
                ("USER_AGENT", "curl/8"),
            ],
            json!({"action": "update", "channel": "api", "object": {"type": "deal", "id": "0067Q00000AbXyZQAV"}, "order": "0067Q00000AbXyZQAV", "records": 1, "client": {"user_agent": "curl/8"}}),
        );
        check(
            "RestApi",
            &[("METHOD", "GET"), ("STATUS_CODE", "403"), ("REQUEST_STATUS", "A")],
            json!({"action": "api_query", "channel": "api", "outcome": "denied", "reason": "HTTP 403"}),
        );
        check(
            "RestApi",
            &[("METHOD", "GET"), ("STATUS_CODE", "500")],
            json!({"action": "api_query", "channel": "api", "outcome": "failure", "reason": "HTTP 500"}),
        );
        check("ApexRestApi", &[("METHOD", "POST"), ("URI", "/services/apexrest/search")], json!({"action": "other", "channel": "api"}));
        check(
            "BulkApi",
            &[("OPERATION_TYPE", "queryAll"), ("ENTITY_TYPE", "Account"), ("ROWS_PROCESSED", "9"), ("SUCCESS", "1")],
            json!({"action": "export", "channel": "bulk_api", "object": {"type": "client"}, "records": 9}),
        );
        check(
            "BulkApi",
            &[("OPERATION_TYPE", "hardDelete"), ("SUCCESS", "0"), ("MESSAGE", "why"), ("ROWS_PROCESSED", "0")],
            json!({"action": "delete", "channel": "bulk_api", "outcome": "failure", "reason": "why"}),
        );
        check(
            "BulkApi2",
            &[("OPERATION_TYPE", "query"), ("JOB_STATUS", "FAILED"), ("RECORDS_PROCESSED", "5"), ("ERROR_MESSAGE", "why")],
            json!({"action": "export", "channel": "bulk_api", "outcome": "failure", "reason": "why"}),
        );
        let report = |fields: &[(&str, &str)], action: &str| assert_eq!(event("Report", fields)["action"], action, "{fields:?}");
        report(&[("RENDERING_TYPE", "X")], "export");
        report(&[("RENDERING_TYPE", "P")], "print");
        report(&[("RENDERING_TYPE", "W"), ("ORIGIN", "ReportRunFromLightning")], "report");
        report(&[("ORIGIN", "ReportExportedUsingExcelConnector")], "export");
        check(
            "AsyncReportRun",
            &[("REPORT_ID", "00O7Q000002pRsT"), ("ROW_COUNT", "3"), ("AVERAGE_ROW_SIZE", "10")],
            json!({"action": "report", "channel": "report", "object": {"type": "report", "id": "00O7Q000002pRsTUAU"}, "records": 3, "bytes": 30}),
        );
        check(
            "ReportExport",
            &[("URI", "/00O7Q000002pRsT?export=1")],
            json!({"action": "export", "channel": "report", "object": {"type": "report", "id": "00O7Q000002pRsTUAU"}}),
        );
        check(
            "URI",
            &[("URI", "/0017Q00000AbXyZ/e")],
            json!({"action": "view", "channel": "ui", "object": {"type": "client", "id": "0017Q00000AbXyZQAV"}, "records": 1}),
        );
        check(
            "URI",
            &[("URI", "/0057Q00000AbXyZ")],
            json!({"action": "view", "channel": "ui", "object": {"type": "user", "id": "0057Q00000AbXyZQAV"}}),
        );
        check(
            "URI",
            &[("URI", "/0017Q00000AbXyZ"), ("REQUEST_STATUS", "A")],
            json!({"action": "view", "channel": "ui", "outcome": "denied", "object": {"type": "client", "id": "0017Q00000AbXyZQAV"}}),
        );
        check("URI", &[("URI", "/001?fcf=00B")], json!({"action": "list", "channel": "ui", "object": {"type": "client"}}));
        check("URI", &[("URI", "/_ui/search/ui/UnifiedSearchResults")], json!({"action": "search", "channel": "ui"}));
        check(
            "URI",
            &[("URI", "/servlet/servlet.FileDownload?file=00P7Q00000AbXyZ")],
            json!({"action": "export", "channel": "ui", "object": {"type": "file", "id": "00P7Q00000AbXyZUAV"}}),
        );
        check(
            "URI",
            &[("URI", "/00O7Q000002pRsT?export=1")],
            json!({"action": "export", "channel": "ui", "object": {"type": "report", "id": "00O7Q000002pRsTUAU"}}),
        );
        check("URI", &[("URI", "/home/home.jsp")], json!({"action": "other", "channel": "ui"}));
        check(
            "LightningPageView",
            &[("PAGE_ENTITY_ID", "0037Q00000AbXyZ"), ("PAGE_ENTITY_TYPE", "Contact"), ("DEVICE_PLATFORM", "APP:ANDROID:TABLET")],
            json!({"action": "view", "channel": "mobile", "object": {"type": "contact", "id": "0037Q00000AbXyZQAV"}, "records": 1, "client": {"device": "APP:ANDROID:TABLET"}}),
        );
        check(
            "LightningPageView",
            &[("PAGE_URL", "/lightning/o/Lead/list?filterName=x")],
            json!({"action": "list", "channel": "ui", "object": {"type": "lead"}}),
        );
        check("LightningPageView", &[("PAGE_URL", "/lightning/page/home")], json!({"action": "other", "channel": "ui"}));
        check(
            "Search",
            &[("QUERY_ID", "q"), ("SEARCH_QUERY", "\"ivanov\""), ("NUM_RESULTS", "0")],
            json!({"action": "search", "query": {"text": "ivanov"}, "records": 0}),
        );
        check(
            "ContentTransfer",
            &[("TRANSACTION_TYPE", "saveVersion"), ("DOCUMENT_ID", "0697Q000004dDdD"), ("SIZE_BYTES", "5")],
            json!({"action": "create", "object": {"type": "file", "id": "0697Q000004dDdDQAU"}, "records": 1}),
        );
        check(
            "ContentTransfer",
            &[("TRANSACTION_TYPE", "VersionRenditionDownload"), ("SIZE_BYTES", "5")],
            json!({"action": "view", "object": {"type": "file"}, "bytes": 5}),
        );
        check(
            "DocumentAttachmentDownloads",
            &[("ENTITY_ID", "00P7Q00000AbXyZ")],
            json!({"action": "export", "object": {"type": "file", "id": "00P7Q00000AbXyZUAV"}}),
        );
        check(
            "UniqueQuery",
            &[("QUERY_IDENTIFIER", "SELECT Id FROM Lead WHERE x = 1")],
            json!({"action": "api_query", "query": {"text": "SELECT Id FROM Lead WHERE x = 1", "fields": ["Id"], "filter": true}}),
        );
        check(
            "SearchClick",
            &[("CLICKED_RECORD_ID", "0017Q00000AbXyZ")],
            json!({"action": "other", "object": {"id": "0017Q00000AbXyZQAV"}}),
        );
        check(
            "ApiTotalUsage",
            &[("HTTP_METHOD", "GET"), ("ENTITY_NAME", "Case")],
            json!({"action": "api_query", "channel": "api", "object": {"type": "other"}}),
        );
        check(
            "PermissionUpdate",
            &[("DESCRIPTION", "Modify All Data")],
            json!({"action": "permission_change", "change": {"what": "Modify All Data"}}),
        );
        check("DatabaseSave", &[("NUM_ROWS", "3"), ("SAMPLE_FACTOR", "100")], json!({"action": "update", "records": 300}));
        check("InsufficientAccess", &[], json!({"action": "other", "outcome": "denied"}));
        check("WaveDownload", &[("NUMBER_OF_RECORDS", "12")], json!({"action": "export", "records": 12}));
        check(
            "NewInSpring",
            &[("USER_TYPE", "AutomatedProcess")],
            json!({"action": "other", "actor": {"id": "0057Q00000AbXyZQAV", "kind": "system"}}),
        );
        check("Sites", &[("USER_ID", "")], json!({"action": "other", "actor": {"id": "unknown", "kind": "system"}}));
    }

    #[test]
    fn what_has_no_time_or_kind_is_refused() {
        let code = |row: Value| {
            let mut out = Normalised::default();
            Adapter::of("salesforce-elf").expect("known").record(&Raw::from(row.to_string().as_bytes()), &mut out);
            out.rejects.first().map(|r| r.code.as_str())
        };
        assert_eq!(code(json!({"EVENT_TYPE": "Logout"})), Some("missing_field"));
        assert_eq!(code(json!({"EVENT_TYPE": "Logout", "TIMESTAMP": "soon"})), Some("bad_time"));
        assert_eq!(code(json!({"TIMESTAMP": "20260312060402.118"})), Some("missing_field"));
        // The derived time comes first, but only when it is one.
        assert_eq!(code(json!({"EVENT_TYPE": "Logout", "TIMESTAMP": "20260312060402.118", "TIMESTAMP_DERIVED": ""})), None);
    }
}

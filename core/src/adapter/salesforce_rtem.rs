//! Salesforce Real-Time Event Monitoring: a message of CometD, the flat payload of a Pub/Sub relay, or a row of a storage object.

use serde_json::{Map, Value};

use super::{
    Around, Binding, Error, Fault, Format, Notes,
    row::{Row, listed},
    rules,
    salesforce::{api_action, id18, prefix_type, soql_object},
};
use crate::event::{Action, Actor, ActorKind, Auth, Change, Channel, Event, Object, ObjectType, Outcome, Place, Query};

/// The most `object.ids` and `query.fields`.
const MAX_LISTED: usize = 1000;
/// Findings of Salesforce itself.
const THREATS: &[&str] =
    &["ReportAnomalyEvent", "ApiAnomalyEvent", "LoginAnomalyEvent", "SessionHijackingEvent", "CredentialStuffingEvent"];

struct Rtem;

pub(super) fn open(_binding: &Binding) -> Result<Box<dyn Format>, Error> {
    Ok(Box::new(Rtem))
}

impl Format for Rtem {
    fn event(&self, element: Map<String, Value>, around: &Around<'_>, _notes: &mut Notes<'_>) -> Result<Option<Event>, Fault> {
        let outer = Row(&element);
        let data = outer.object("data").unwrap_or(outer);
        let row = Payload(data.object("payload").unwrap_or(data));
        let kind = kind(outer, row, around);
        let time = row.time()?;
        let mut event = rules::event(row.id(&kind)?, time, "salesforce", row.actor(), Action::Other, around.binding);
        event.session = row.0.owned("SessionKey");
        event.client = Some(row.place(&kind));
        row.describe(&kind, &mut event);
        event.client = event.client.filter(|p| *p != Place::default());
        event.object = event.object.filter(|o| *o != Object::default());
        rules::finish(&mut event);
        event.attrs = rules::attrs(element);
        if THREATS.contains(&kind.as_str()) {
            event.attrs.insert("threat".to_owned(), kind.into());
        }
        Ok(Some(event))
    }
}

/// Which stream a message is of: by its channel, the type of its row, or what only one stream has. Storage objects have names of
/// their own for the same.
fn kind(outer: Row<'_>, row: Payload<'_>, around: &Around<'_>) -> String {
    let header = || ["channel", "_channel", "topic"].iter().find_map(|name| around.raw.headers.get(*name).map(String::as_str));
    let channel = outer.first(&["channel", "_channel"]).or_else(|| row.0.text("_channel"));
    let of_row = || row.0.object("attributes").and_then(|a| a.text("type"));
    let told = channel.or_else(of_row).or_else(header).and_then(|c| c.rsplit('/').next());
    let name = told.unwrap_or_else(|| {
        let known = |name: &str| row.0.has(name);
        match () {
            () if known("LoginType") || known("LoginUrl") => "LoginEvent",
            () if known("ReportId") => "ReportEvent",
            () if known("ListViewId") => "ListViewEvent",
            () if known("FileAction") => "FileEvent",
            () if known("PermissionType") => "PermissionSetEvent",
            () if known("RowsReturned") => "ApiEvent",
            () if known("OperationStatus") => "UriEvent",
            () => "",
        }
    });
    name.strip_suffix("Stream").or_else(|| name.strip_suffix("Store")).unwrap_or(name).to_owned()
}

#[derive(Clone, Copy)]
struct Payload<'a>(Row<'a>);

impl<'a> Payload<'a> {
    fn text(self, name: &str) -> Option<&'a str> {
        self.0.text(name)
    }

    fn time(self) -> Result<crate::event::Timestamp, Fault> {
        let name = if self.0.get("EventDate").is_some() { "EventDate" } else { "CreatedDate" };
        self.0.epoch(name).map_or_else(|| self.0.utc_time(name), Ok)
    }

    /// A large answer comes in chunks that repeat its total: one execution counts once.
    fn id(self, kind: &str) -> Result<String, Fault> {
        if let Some(execution) = self.0.id("ExecutionIdentifier") {
            match kind {
                "ReportEvent" => return Ok(format!("{execution}:{}", self.text("Operation").unwrap_or_default())),
                "ListViewEvent" => return Ok(format!("{execution}:list")),
                _ => {}
            }
        }
        self.0.first_id(&["EventIdentifier", "EventUuid"]).ok_or_else(|| Fault::missing("EventIdentifier"))
    }

    fn actor(self) -> Actor {
        let id = self.text("UserId").map(|id| id18(id).into_owned());
        let mut actor = rules::actor(id, self.0.owned("Username"));
        if self.text("UserType") == Some("AutomatedProcess") {
            actor.kind = ActorKind::System;
        }
        actor
    }

    fn place(self, kind: &str) -> Place {
        let address = ["SourceIp", "CurrentIp"].iter().find_map(|name| rules::ip(self.text(name)?));
        let login = kind == "LoginEvent";
        Place {
            ip: address,
            user_agent: self.0.owned(if login { "Browser" } else { "UserAgent" }),
            device: self.0.owned(if login { "Platform" } else { "DevicePlatform" }),
            app: self.0.first(&["Application", "Client"]).map(str::to_owned),
            country: self.text("CountryIso").and_then(rules::country),
            tls: self.text("TlsProtocol").and_then(rules::tls),
            ..Place::default()
        }
    }

    fn describe(self, kind: &str, event: &mut Event) {
        match kind {
            "ApiEvent" => self.api(event),
            "BulkApiResultEvent" => {
                (event.action, event.channel) = (Action::Export, Some(Channel::BulkApi));
                self.query(event);
                event.object = Some(self.queried());
            }
            "ReportEvent" => self.report(event),
            "ListViewEvent" => self.list(event),
            "UriEvent" | "LightningUriEvent" => self.page(event),
            "LoginEvent" => self.login(event),
            "LogoutEvent" => event.action = Action::Logout,
            "LoginAsEvent" => {
                event.action = Action::Login;
                event.auth = Some(Auth { method: Some("login_as".to_owned()), ..Auth::default() });
            }
            "IdentityVerificationEvent" => {
                if let Some(status) = self.text("Status").filter(|s| s.starts_with("Failed")) {
                    (event.outcome, event.reason) = (Outcome::Failure, Some(status.to_owned()));
                }
                event.auth = Some(Auth { mfa: Some(true), mfa_method: self.0.owned("VerificationMethod"), ..Auth::default() });
            }
            "FileEvent" => self.file(event),
            "PermissionSetEvent" => self.permission(event),
            kind if THREATS.contains(&kind) => event.reason = self.0.owned("Summary"),
            _ => {}
        }
    }

    fn api(self, event: &mut Event) {
        (event.action, event.channel) = (api_action(self.text("Operation").unwrap_or_default()), Some(Channel::Api));
        event.records = self.0.count("RowsReturned").or_else(|| self.0.count("RowsProcessed"));
        self.query(event);
        event.object = Some(self.queried());
    }

    fn query(self, event: &mut Event) {
        event.query = self.text("Query").map(rules::soql);
    }

    /// What was asked for: the kind of record, and those of them that are named.
    fn queried(self) -> Object {
        let first = self.text("QueriedEntities").and_then(|list| list.split(',').map(str::trim).find(|e| !e.is_empty()));
        let asked = first.or_else(|| self.text("Query").and_then(soql_object));
        Object { kind: asked.map(rules::object_type), ids: self.record_ids(), ..Object::default() }
    }

    /// `Records` is JSON within a text, and holds a part of the ids only.
    fn record_ids(self) -> Vec<String> {
        let parsed;
        let records = match self.0.0.get("Records") {
            Some(Value::String(text)) => match serde_json::from_str::<Value>(text) {
                Ok(value) => {
                    parsed = value;
                    &parsed
                }
                Err(_) => return Vec::new(),
            },
            Some(value) => value,
            None => return Vec::new(),
        };
        let items = records.get("records").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let ids = items.iter().filter_map(|item| item.get("Id")?.as_str());
        ids.filter(|id| !id.is_empty()).take(MAX_LISTED).map(|id| id18(id).into_owned()).collect()
    }

    fn columns(self) -> Vec<String> {
        self.text("ColumnHeaders").map(|list| listed(list, MAX_LISTED)).unwrap_or_default()
    }

    /// Where a person works, or a program.
    fn by_source(self) -> Option<Channel> {
        Some(match self.text("EventSource")? {
            source if source.eq_ignore_ascii_case("API") => Channel::Api,
            _ => Channel::Ui,
        })
    }

    fn report(self, event: &mut Event) {
        let export = self.text("Operation").is_some_and(|o| o.contains("Export"));
        event.action = if export { Action::Export } else { Action::Report };
        event.channel = Some(Channel::Report);
        event.records = self.0.count("RowsProcessed");
        event.query = Some(Query { fields: self.columns(), ..Query::default() }).filter(|q| !q.fields.is_empty());
        event.object = Some(Object {
            kind: Some(ObjectType::Report),
            id: self.text("ReportId").map(|id| id18(id).into_owned()),
            owner: self.text("OwnerId").map(|id| id18(id).into_owned()),
            ids: self.record_ids(),
            client: None,
        });
    }

    fn list(self, event: &mut Event) {
        (event.action, event.channel) = (Action::List, self.by_source());
        event.records = self.0.count("RowsProcessed");
        let text = self.0.owned("FilterCriteria");
        let filter = text.as_deref().map(narrows);
        event.query = Some(Query { text, fields: self.columns(), filter, fingerprint: None }).filter(|q| *q != Query::default());
        event.object = Some(self.queried());
    }

    fn page(self, event: &mut Event) {
        event.action = match self.text("Operation") {
            Some("Read") => Action::View,
            Some("Create") => Action::Create,
            Some("Update") => Action::Update,
            Some("Delete") => Action::Delete,
            _ => Action::Other,
        };
        let mobile = self.text("DevicePlatform").is_some_and(|d| !d.contains("BROWSER"));
        event.channel = Some(if mobile { Channel::Mobile } else { Channel::Ui });
        if self.text("OperationStatus") == Some("Failure") {
            (event.outcome, event.reason) = (Outcome::Failure, self.0.owned("Message"));
        }
        let id = self.text("RecordId").map(|id| id18(id).into_owned());
        let mut object = self.queried();
        object.kind = object.kind.or_else(|| id.as_deref().and_then(|id| prefix_type(id.get(..3)?)));
        event.object = Some(Object { id, ..object });
    }

    fn login(self, event: &mut Event) {
        event.action = Action::Login;
        event.channel = Some(if self.text("ApiType").is_some() { Channel::Api } else { Channel::Ui });
        if let Some(status) = self.text("Status").filter(|s| *s != "Success") {
            (event.outcome, event.reason) = (Outcome::Failure, Some(status.to_owned()));
        }
        // A session of high assurance proves nothing; a named method does.
        let methods = self.text("AuthMethodReference").unwrap_or_default().to_ascii_lowercase();
        let mfa = methods.split(|c: char| !c.is_ascii_alphanumeric()).any(|m| matches!(m, "mfa" | "otp" | "2fa" | "totp")).then_some(true);
        let auth = Auth { method: self.0.owned("LoginType"), mfa, mfa_method: None };
        event.auth = Some(auth).filter(|a| *a != Auth::default());
    }

    fn file(self, event: &mut Event) {
        let what = self.text("FileAction").unwrap_or_default();
        event.action = match what {
            w if w.contains("DOWNLOAD") => Action::Export,
            w if w.contains("PREVIEW") => Action::View,
            w if w.contains("UPLOAD") => Action::Create,
            _ => Action::Other,
        };
        event.channel = match what {
            w if w.starts_with("API_") => Some(Channel::Api),
            w if w.starts_with("UI_") => Some(Channel::Ui),
            _ => None,
        };
        event.object = rules::object(Some(ObjectType::File), self.text("DocumentId").map(|id| id18(id).into_owned()));
        event.bytes = self.0.count("ContentSize");
    }

    fn permission(self, event: &mut Event) {
        (event.action, event.channel) = (Action::PermissionChange, self.by_source());
        let parts: Vec<&str> = ["ParentNameList", "PermissionList"].iter().filter_map(|name| self.text(name)).collect();
        let users = self.0.owned("ImpactedUserIds");
        let mut ids: Vec<String> = users.as_deref().map(|list| listed(list, MAX_LISTED)).unwrap_or_default();
        ids.iter_mut().for_each(|id| *id = id18(id).into_owned());
        event.change = Some(Change {
            what: self.0.owned("Operation"),
            from: None,
            to: (!parts.is_empty()).then(|| parts.join(": ")),
            target: (!ids.is_empty()).then(|| ids.join(",")),
        });
        event.object = Some(match ids.len() {
            0 => Object::default(),
            1 => Object { kind: Some(ObjectType::User), id: ids.pop(), ..Object::default() },
            _ => Object { kind: Some(ObjectType::User), ids, ..Object::default() },
        });
    }
}

/// Whether the criteria of a list view, JSON in a text, hold a condition.
fn narrows(criteria: &str) -> bool {
    fn condition(value: &Value) -> bool {
        match value {
            Value::Array(items) => items.iter().any(condition),
            Value::Object(fields) => {
                let names = |name: &str| fields.get(name).is_some_and(|v| v.as_str().is_some_and(|t| !t.is_empty()));
                names("field") || names("fieldName") || names("fieldPath") || fields.values().any(condition)
            }
            _ => false,
        }
    }
    match serde_json::from_str(criteria) {
        Ok(value) => condition(&value),
        Err(_) => true,
    }
}

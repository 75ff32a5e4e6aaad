//! EspoCRM: its history of actions and of log-ins, exports, and webhooks; camel case from the API, snake case from the database.

use serde_json::{Map, Value};

use super::{Around, Binding, Code, Error, Fault, Format, Notes, row::Row, rules};
use crate::event::{Action, Auth, Channel, Event, Outcome};

struct EspoCrm;

pub(super) fn open(_binding: &Binding) -> Result<Box<dyn Format>, Error> {
    Ok(Box::new(EspoCrm))
}

impl Format for EspoCrm {
    fn event(&self, element: Map<String, Value>, around: &Around<'_>, _notes: &mut Notes<'_>) -> Result<Option<Event>, Fault> {
        let record = Record::new(Row(&element));
        let table = around.marks.table(&element).unwrap_or_default();
        let has = |camel: &str, snake: &str| record.row.has(camel) || record.row.has(snake);
        let mut event = match () {
            () if table == "auth_log_record" || has("isDenied", "is_denied") => record.login(around.binding)?,
            () if table == "action_history_record" || has("targetType", "target_type") => record.action(around.binding)?,
            () if table == "export" || has("attachmentId", "attachment_id") => record.export(around.binding)?,
            () => record.webhook(around)?,
        };
        rules::finish(&mut event);
        event.attrs = rules::attrs(element);
        Ok(Some(event))
    }
}

#[derive(Clone, Copy)]
struct Record<'a> {
    row: Row<'a>,
    /// Names are those of the database.
    snake: bool,
}

impl<'a> Record<'a> {
    fn new(row: Row<'a>) -> Self {
        Self { row, snake: row.has("created_at") || row.has("user_id") }
    }

    fn name(self, camel: &'static str, snake: &'static str) -> &'static str {
        if self.snake { snake } else { camel }
    }

    fn action(self, binding: &Binding) -> Result<Event, Fault> {
        let row = self.row;
        let id = format!("action:{}", row.required("id")?);
        let time = row.utc_time(self.name("createdAt", "created_at"))?;
        let actor = rules::actor(row.id(self.name("userId", "user_id")), row.owned(self.name("userName", "user_name")));
        let mut event = rules::event(id, time, "espocrm", actor, verb(row.text("action").unwrap_or_default()), binding);
        let api = row.text(self.name("userType", "user_type")) == Some("api");
        event.channel = Some(if api { Channel::Api } else { Channel::Ui });
        event.session = row.id(self.name("authTokenId", "auth_token_id"));
        let kind = row.text(self.name("targetType", "target_type")).map(rules::object_type);
        event.object = rules::object(kind, row.id(self.name("targetId", "target_id")));
        event.client = rules::place(row.text(self.name("ipAddress", "ip_address")), None);
        Ok(event)
    }

    fn login(self, binding: &Binding) -> Result<Event, Fault> {
        let row = self.row;
        let id = format!("auth:{}", row.required("id")?);
        // The request has the more exact time.
        let asked = row.epoch(self.name("requestTime", "request_time"));
        let time = asked.map_or_else(|| row.utc_time(self.name("createdAt", "created_at")), Ok)?;
        let actor = rules::actor(row.id(self.name("userId", "user_id")), row.owned("username"));
        let mut event = rules::event(id, time, "espocrm", actor, Action::Login, binding);
        if row.flag(self.name("isDenied", "is_denied")) == Some(true) {
            (event.outcome, event.reason) = (Outcome::Denied, row.owned(self.name("denialReason", "denial_reason")));
        }
        event.session = row.id(self.name("authTokenId", "auth_token_id"));
        event.client = rules::place(row.text(self.name("ipAddress", "ip_address")), None);
        let method = row.owned(self.name("authenticationMethod", "authentication_method"));
        event.auth = method.map(|method| Auth { method: Some(method), ..Auth::default() });
        Ok(event)
    }

    /// An export in the background; nobody counts its rows.
    fn export(self, binding: &Binding) -> Result<Event, Fault> {
        let row = self.row;
        let id = format!("export:{}", row.required("id")?);
        let time = row.utc_time(self.name("createdAt", "created_at"))?;
        let actor = rules::actor(row.id(self.name("createdById", "created_by_id")), row.owned("createdByName"));
        let mut event = rules::event(id, time, "espocrm", actor, Action::Export, binding);
        if row.text("status") == Some("Failed") {
            event.outcome = Outcome::Failure;
        }
        let params: Option<Value> = row.text("params").and_then(|text| serde_json::from_str(text).ok());
        let entity = params.as_ref().or_else(|| row.get("params")).and_then(|p| p.get("entityType")?.as_str());
        event.object = rules::object(entity.map(rules::object_type), None);
        Ok(event)
    }

    /// The changed fields of a record, without who and what: the relay puts `Account.update` beside them.
    fn webhook(self, around: &Around<'_>) -> Result<Event, Fault> {
        let row = self.row;
        let header = ["event", "x-event", "ce_type"].iter().find_map(|name| around.raw.headers.get(*name).map(String::as_str));
        let told = row.first(&["_event"]).or(header).or_else(|| around.marks.cloud.get("ce_type").map(String::as_str));
        let Some(told) = told else {
            let reason = "neither an action nor a log-in: isDenied and targetType are missing, and no _event says what a webhook is about";
            return Err(Fault::new(Code::MissingField, reason));
        };
        let (entity, what) = told.rsplit_once('.').unwrap_or(("", told));
        let id = row.required("id")?;
        let stamp = ["modifiedAt", "createdAt"].into_iter().find(|name| row.get(name).is_some());
        let time = match (stamp, around.marks.cloud.get("ce_time").or_else(|| around.raw.headers.get("time"))) {
            (Some(name), _) => row.utc_time(name)?,
            (None, Some(text)) => crate::event::Timestamp::parse(text).map_err(|_| rules::no_time("ce_time", Some(text)))?,
            (None, None) => return Err(Fault::missing("modifiedAt")),
        };
        let event_id = format!("webhook:{told}:{id}:{}", rules::row_hash(row.0));
        let mut event = rules::event(event_id, time, "espocrm", rules::actor(None, None), verb(what), around.binding);
        let entity = entity.rsplit('.').next().unwrap_or_default();
        event.object = rules::object(Some(rules::object_type(entity)), Some(id));
        Ok(event)
    }
}

fn verb(word: &str) -> Action {
    match word {
        "read" => Action::View,
        "create" => Action::Create,
        "update" | "fieldUpdate" => Action::Update,
        "delete" => Action::Delete,
        _ => Action::Other,
    }
}

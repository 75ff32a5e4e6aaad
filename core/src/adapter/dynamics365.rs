//! Microsoft Dynamics 365 / Dataverse: activity rows of Sentinel, records of the unified audit log, rows of the `audit` table.

use serde_json::{Map, Value};

use super::{
    Around, Binding, Error, Fault, Format, Notes, o365,
    row::{Row, scalar},
    rules,
};
use crate::event::{Action, Actor, ActorKind, Change, Channel, Event, Object, Outcome, Query};

/// The most `object.ids`.
const MAX_IDS: usize = 1000;

struct Dynamics;

pub(super) fn open(_binding: &Binding) -> Result<Box<dyn Format>, Error> {
    Ok(Box::new(Dynamics))
}

impl Format for Dynamics {
    fn event(&self, element: Map<String, Value>, around: &Around<'_>, _notes: &mut Notes<'_>) -> Result<Option<Event>, Fault> {
        event(o365::unwrapped(element)?, around.binding).map(Some)
    }
}

/// The event of a record, which may also have come among those of Microsoft 365.
pub(super) fn event(element: Map<String, Value>, binding: &Binding) -> Result<Event, Fault> {
    let row = Activity(Row(&element));
    let mut event = if row.0.has("auditid") { row.audited(binding)? } else { row.activity(binding)? };
    rules::finish(&mut event);
    event.attrs = rules::attrs(element);
    Ok(event)
}

#[derive(Clone, Copy)]
struct Activity<'a>(Row<'a>);

impl<'a> Activity<'a> {
    fn activity(self, binding: &Binding) -> Result<Event, Fault> {
        let row = self.0;
        let id = row.first_id(&["SourceRecordId", "Id"]).ok_or_else(|| Fault::missing("SourceRecordId"))?;
        let time = row.utc_time(if row.has("TimeGenerated") { "TimeGenerated" } else { "CreationTime" })?;
        // The operation is often only the name of the default.
        let message = row.first(&["Message", "Operation"]).unwrap_or_default();
        let action = self.action(message);
        let mut event = rules::event(id, time, "dynamics365", self.actor(), action, binding);
        if let Some(status) = row.text("ResultStatus").filter(|s| !s.starts_with("Success") && *s != "Succeeded") {
            (event.outcome, event.reason) = (Outcome::Failure, Some(status.to_owned()));
        }
        let agent = row.text("UserAgent");
        event.channel = Some(if agent.is_some_and(|a| a.starts_with("Mozilla/")) { Channel::Ui } else { Channel::Api });
        event.client = rules::place(row.first(&["ClientIp", "ClientIP"]), agent);
        event.query = row.text("Query").map(|text| Query { text: Some(text.to_owned()), filter: Some(narrows(text)), ..Query::default() });
        let (records, ids) = self.results();
        let object = Object { kind: row.text("EntityName").map(rules::object_type), id: self.object_id(), ids, ..Object::default() };
        event.object = Some(object).filter(|o| *o != Object::default());
        event.records = if action == Action::View { Some(1) } else { records };
        self.fields(&mut event);
        Ok(event)
    }

    fn actor(self) -> Actor {
        let named = self.0.first(&["UserUpn", "UserId"]);
        let kind = match self.0.get("UserType").and_then(scalar).as_deref() {
            Some("System" | "3" | "4") => ActorKind::System,
            Some("Application" | "5" | "6" | "ServicePrincipal") => ActorKind::Integration,
            _ => ActorKind::User,
        };
        match named {
            Some(id) if id.contains('@') => Actor { id: id.to_lowercase(), kind: ActorKind::User, name: None },
            Some(id) => Actor { id: id.to_lowercase(), kind, name: None },
            None => match self.0.owned("SystemUserId") {
                Some(id) => Actor { id: id.to_lowercase(), kind, name: None },
                None => rules::actor(None, None),
            },
        }
    }

    fn action(self, message: &str) -> Action {
        match message {
            "UserSignIn" => Action::Login,
            "UserSignOut" => Action::Logout,
            "Retrieve" => Action::View,
            "RetrieveMultiple" | "ExecuteFetch" | "RollUp" | "Rollup" | "RetrieveEntitiesForAggregateQuery" => Action::List,
            "Create" => Action::Create,
            "Update" | "SetState" => Action::Update,
            "Delete" | "BulkDelete" => Action::Delete,
            "Merge" => Action::Merge,
            "Assign" => Action::Transfer,
            "GrantAccess" | "ModifyAccess" | "RevokeAccess" => Action::Share,
            m if m.starts_with("Search") => Action::Search,
            m if m.starts_with("ExportToExcel") || (m.contains("Report") && m.contains("Export")) => Action::Export,
            m if m.starts_with("AddUserToRole") || m.starts_with("RemoveUserFromRole") || m.starts_with("AssignUserRoles") => {
                Action::PermissionChange
            }
            "AssociateEntities" | "DisassociateEntities" | "Associate" | "Disassociate" if self.names_roles() => Action::PermissionChange,
            _ => Action::Other,
        }
    }

    fn names_roles(self) -> bool {
        let names = |value: &Value| value.to_string().contains("systemuserroles");
        ["EntityName", "Query", "Fields", "ItemUrl", "ObjectId"].iter().any(|name| self.0.get(name).is_some_and(names))
    }

    fn object_id(self) -> Option<String> {
        let id = |name: &str| self.0.text(name).filter(|id| is_guid(id) && !id.starts_with("00000000-0000-0000-0000-"));
        id("EntityId").or_else(|| id("OriginalObjectId")).or_else(|| id("ObjectId")).map(str::to_owned)
    }

    /// How many records came back, and which: a list of ids, or a plain count.
    fn results(self) -> (Option<u64>, Vec<String>) {
        let Some(text) = self.0.text("QueryResults") else { return (self.0.count("QueryResults"), Vec::new()) };
        if let Ok(count) = text.trim().parse() {
            return (Some(count), Vec::new());
        }
        let ids = || text.split(',').map(str::trim).filter(|id| is_guid(id));
        match ids().count() {
            0 => (None, Vec::new()),
            n => (Some(n as u64), ids().take(MAX_IDS).map(str::to_owned).collect()),
        }
    }

    /// Fields that were written: one of them is the change, the owner among several too.
    fn fields(self, event: &mut Event) {
        if rules::reads(event.action) {
            return;
        }
        let parsed;
        let fields = match self.0.get("Fields") {
            Some(Value::String(text)) => match serde_json::from_str::<Value>(text) {
                Ok(value) if super::shallow(&value).is_ok() => {
                    parsed = value;
                    parsed.as_array()
                }
                _ => None,
            },
            Some(value) => value.as_array(),
            None => None,
        };
        let mut written = fields.into_iter().flatten().filter_map(|field| {
            let value = field.get("Value").and_then(scalar).filter(|v| !v.is_empty());
            Some((field.get("Name")?.as_str()?, value))
        });
        let owner = || fields.into_iter().flatten().find(|f| f.get("Name").and_then(Value::as_str) == Some("ownerid"));
        let change = match (written.next(), written.next()) {
            (Some(only), None) => Some(only),
            (Some(_), Some(_)) if event.action == Action::Transfer => {
                owner().map(|f| ("ownerid", f.get("Value").and_then(scalar).filter(|v| !v.is_empty())))
            }
            _ => None,
        };
        let Some((what, to)) = change else { return };
        if what == "ownerid"
            && event.action == Action::Transfer
            && let Some(object) = &mut event.object
        {
            object.owner.clone_from(&to);
        }
        event.change = Some(Change { what: Some(what.to_owned()), to, ..Change::default() });
    }

    /// A row of the `audit` table.
    fn audited(self, binding: &Binding) -> Result<Event, Fault> {
        let row = self.0;
        let time = row.utc_time("createdon")?;
        let (code, operation) = (row.count("action"), row.count("operation"));
        let action = match (code, operation) {
            (Some(12), _) => Action::Merge,
            (Some(13), _) => Action::Transfer,
            (Some(14), _) => Action::Share,
            (Some(64 | 65), _) => Action::Login,
            (_, Some(1)) => Action::Create,
            (_, Some(2)) => Action::Update,
            (_, Some(3)) => Action::Delete,
            (_, Some(4)) => Action::View,
            _ => Action::Other,
        };
        let actor = rules::actor(row.first_id(&["_userid_value", "userid"]).map(|id| id.to_lowercase()), None);
        let mut event = rules::event(row.required("auditid")?, time, "dynamics365", actor, action, binding);
        event.channel = match code {
            Some(64) => Some(Channel::Ui),
            Some(65) => Some(Channel::Api),
            _ => None,
        };
        if action != Action::Login {
            event.object =
                rules::object(row.text("objecttypecode").map(rules::object_type), row.first_id(&["_objectid_value", "objectid"]));
        }
        let changes: Option<Value> = row.text("changedata").and_then(|text| serde_json::from_str(text).ok());
        let changes = changes.as_ref().and_then(|c| c.get("changedAttributes")?.as_array()).map(Vec::as_slice).unwrap_or_default();
        let named = |field: &Value| field.get("logicalName").and_then(Value::as_str).map(str::to_owned);
        let changed = match changes {
            [only] => Some(only),
            several => several.iter().find(|f| action == Action::Transfer && named(f).as_deref() == Some("ownerid")),
        };
        if let Some(field) = changed {
            let value = |name: &str| field.get(name).and_then(scalar).filter(|v| !v.is_empty());
            event.change = Some(Change { what: named(field), from: value("oldValue"), to: value("newValue"), target: None });
            if let (Action::Transfer, Some(object)) = (action, &mut event.object) {
                object.owner = value("newValue").map(|v| v.rsplit(',').next().unwrap_or(&v).to_owned());
            }
        }
        Ok(event)
    }
}

fn is_guid(text: &str) -> bool {
    let text = text.trim_matches(['{', '}']);
    text.len() == 36 && text.bytes().enumerate().all(|(i, b)| if matches!(i, 8 | 13 | 18 | 23) { b == b'-' } else { b.is_ascii_hexdigit() })
}

/// Whether FetchXML, OData or SQL holds a condition.
fn narrows(query: &str) -> bool {
    let lower = query.to_ascii_lowercase();
    lower.contains("<condition") || lower.contains("$filter=") || lower.split_ascii_whitespace().any(|w| w == "where")
}

#[cfg(test)]
mod tests {
    use super::is_guid;

    #[test]
    fn ids_of_records_are_recognised() {
        assert!(is_guid("0a1b2c3d-0000-4000-8000-000000000100"));
        for other in [
            "",
            "https://kontora.crm4.dynamics.com/main.aspx",
            "0a1b2c3d-0000-4000-8000-00000000010",
            "0a1b2c3d-0000-4000-8000-0000000000zz",
        ] {
            assert!(!is_guid(other), "{other}");
        }
    }
}

//! Microsoft 365 unified audit log (Office 365 Management Activity). Dataverse is one of its record types.

use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use super::{Around, Binding, Code, Error, Fault, Format, Notes, dynamics365, fields, rules};
use crate::event::{Action, Actor, ActorKind, Auth, Change, Event, Object, ObjectType, Outcome, Place, Query};

struct O365;

pub(super) fn open(_binding: &Binding) -> Result<Box<dyn Format>, Error> {
    Ok(Box::new(O365))
}

impl Format for O365 {
    fn event(&self, element: Map<String, Value>, around: &Around<'_>, _notes: &mut Notes<'_>) -> Result<Option<Event>, Fault> {
        let element = unwrapped(element)?;
        let row = Row(&element);
        if row.text("Workload") == Some("CRM") {
            return dynamics365::event(element, around.binding).map(Some);
        }
        let id = row.required("Id")?;
        let operation = row.required("Operation")?;
        let stated = row.text("CreationTime");
        let time = stated.and_then(|t| rules::zoned(t, &TimeZone::UTC)).ok_or_else(|| rules::no_time("CreationTime", stated))?;
        let mut event = rules::event(id.to_owned(), time, "o365", row.actor()?, action(operation), around.binding);
        row.outcome(operation, &mut event);
        event.session = row.session();
        event.client = row.place();
        event.object = row.object(operation, event.action);
        event.records = row.records(operation, event.action);
        event.bytes = row.count("FileSizeBytes");
        event.auth = row.auth(event.action);
        event.change = row.change(operation, event.action);
        event.query = row.query(event.action);
        rules::finish(&mut event);
        event.attrs = rules::attrs(element);
        Ok(Some(event))
    }
}

/// The record of an element: exports of the portal wrap it, as text, into a column.
pub(super) fn unwrapped(element: Map<String, Value>) -> Result<Map<String, Value>, Fault> {
    let Some(Value::String(text)) = element.get("AuditData") else { return Ok(element) };
    let inner: Value = serde_json::from_str(text).map_err(|e| Fault::new(Code::BadJson, format!("AuditData: {e}")))?;
    super::shallow(&inner)?;
    match inner {
        Value::Object(inner) => Ok(inner),
        _ => Err(Fault::new(Code::WrongType, "AuditData: expected an object")),
    }
}

/// What an operation is. Names with a dash are PowerShell commands, those with a full stop come from the directory.
fn action(operation: &str) -> Action {
    let operation = operation.trim();
    match operation {
        "UserLoggedIn" | "UserLoginFailed" => return Action::Login,
        "MailItemsAccessed" | "FileAccessed" | "FilePreviewed" | "PageViewed" => return Action::View,
        "ListViewed" => return Action::List,
        "FileDownloaded" | "FileSyncDownloadedFull" | "ExportToExcel" => return Action::Export,
        "Send" | "SendAs" | "SendOnBehalf" => return Action::Email,
        "Create" | "FileUploaded" => return Action::Create,
        "Update" | "FileModified" => return Action::Update,
        "SoftDelete" | "HardDelete" | "MoveToDeletedItems" | "FileDeleted" | "FileRecycled" => return Action::Delete,
        "SharingSet" | "AddedToSecureLink" | "AnonymousLinkCreated" | "SharingInvitationCreated" => return Action::Share,
        "Add user." | "New-Mailbox" => return Action::UserCreate,
        "Disable account." | "Delete user." => return Action::UserDeactivate,
        "Add-MailboxPermission"
        | "AddedToGroup"
        | "Add member to role."
        | "Consent to application."
        | "Add delegated permission grant." => {
            return Action::PermissionChange;
        }
        "UpdateInboxRules" => return Action::SettingChange,
        _ => {}
    }
    let begins = |words: &[&str]| words.iter().any(|w| operation.starts_with(w));
    if begins(&["SearchQueryPerformed", "SearchQueryInitiated"]) {
        Action::Search
    } else if begins(&["Add owner to ", "Add app role assignment "]) || operation.ends_with("Certificates and secrets management") {
        Action::PermissionChange
    } else if begins(&["Set-", "New-", "Add-", "Remove-", "Enable-", "Disable-", "Install-", "Update "]) {
        Action::SettingChange
    } else {
        Action::Other
    }
}

/// Directory operations whose object is a user, whatever else they say.
const ON_USERS: &[&str] = &[
    "Add member to role.",
    "Remove member from role.",
    "Add member to group.",
    "Remove member from group.",
    "Add owner to application.",
    "Add owner to group.",
    "Add owner to service principal.",
    "Disable account.",
    "Enable account.",
    "Update StsRefreshTokenValidFrom Timestamp.",
    "Enable Strong Authentication.",
    "Disable Strong Authentication.",
];

fn on_user(operation: &str, action: Action) -> bool {
    // `Reset user password.` is; of `Add app role assignment grant to user.` the object is the application.
    let names_user = operation.ends_with('.') && operation.split([' ', '.']).any(|w| w == "user") && !operation.contains(" to user");
    names_user || ON_USERS.contains(&operation) || matches!(action, Action::UserCreate | Action::UserDeactivate)
}

#[derive(Clone, Copy)]
struct Row<'a>(&'a Map<String, Value>);

impl<'a> Row<'a> {
    /// Texts in angle brackets say that there is nothing.
    fn text(self, name: &str) -> Option<&'a str> {
        rules::text(self.0, name).filter(|t| *t != "<null>")
    }

    fn count(self, name: &str) -> Option<u64> {
        rules::count(self.0, name)
    }

    fn required(self, name: &str) -> Result<&'a str, Fault> {
        match self.0.get(name) {
            None | Some(Value::String(_) | Value::Null) => self.text(name).ok_or_else(|| Fault::missing(name)),
            Some(other) => Err(Fault::new(Code::WrongType, format!("{name}: expected a string, found {}", fields::kind(other)))),
        }
    }

    fn actor(self) -> Result<Actor, Fault> {
        let id = self.required("UserId")?;
        let kind = match self.count("UserType") {
            _ if !id.contains('@') => ActorKind::System,
            Some(5 | 6) => ActorKind::Integration,
            Some(1 | 3 | 4) => ActorKind::System,
            _ => ActorKind::User,
        };
        let id = if id.contains('@') { id.to_lowercase() } else { id.to_owned() };
        Ok(Actor { id, kind, name: None })
    }

    fn outcome(self, operation: &str, event: &mut Event) {
        let failed =
            self.text("ResultStatus").is_some_and(|s| matches!(s, "False" | "Failed" | "Failure" | "false" | "failed" | "failure"));
        // A failed log-in says of its own record that it succeeded.
        if failed || operation == "UserLoginFailed" {
            event.outcome = Outcome::Failure;
            event.reason = self.text("LogonError").map(str::to_owned);
        }
    }

    fn session(self) -> Option<String> {
        let context = || self.0.get("AppAccessContext")?.get("AADSessionId")?.as_str().filter(|t| !t.is_empty());
        let session = self.text("SessionId").or_else(context).or_else(|| self.property("DeviceProperties", "SessionId"));
        session.map(str::to_owned)
    }

    fn place(self) -> Option<Place> {
        let ip = ["ClientIP", "ClientIPAddress", "ActorIpAddress"].iter().find_map(|name| rules::ip(self.text(name)?));
        let user_agent = self.text("UserAgent").or_else(|| self.property("ExtendedProperties", "UserAgent")).map(str::to_owned);
        let place = Place { ip, user_agent, ..Place::default() };
        (place != Place::default()).then_some(place)
    }

    fn object(self, operation: &str, action: Action) -> Option<Object> {
        let id = self.text("ObjectId").map(str::to_owned);
        let kind = match self.text("Workload") {
            Some("SharePoint" | "OneDrive") => ObjectType::File,
            _ if on_user(operation, action) => ObjectType::User,
            _ if action == Action::SettingChange => ObjectType::Setting,
            _ => ObjectType::Other,
        };
        (id.is_some() || kind != ObjectType::Other).then(|| Object { kind: Some(kind), id, ..Object::default() })
    }

    fn records(self, operation: &str, action: Action) -> Option<u64> {
        let length = |value: &Value| value.as_array().map(|items| items.len() as u64);
        match operation {
            "MailItemsAccessed" => {
                let folders = self.0.get("Folders").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
                let items: u64 = folders.iter().filter_map(|f| length(f.get("FolderItems")?)).sum();
                if items > 0 { Some(items) } else { self.count("OperationCount") }
            }
            _ if action == Action::Delete => self.0.get("AffectedItems").and_then(length),
            "FileDownloaded" | "FileSyncDownloadedFull" => Some(1),
            _ if action == Action::Search => self.count("ResultCount"),
            _ => None,
        }
    }

    /// A second factor is only claimed where a property names one.
    fn auth(self, action: Action) -> Option<Auth> {
        if action != Action::Login {
            return None;
        }
        let mfa = ["ExtendedProperties", "DeviceProperties"].iter().find_map(|list| {
            let named = self.properties(list).find(|(name, _)| {
                let name = name.to_ascii_lowercase();
                name.contains("mfa") || name.contains("multifactor") || name == "authenticationrequirement"
            });
            match named?.1.to_ascii_lowercase().as_str() {
                "true" | "1" | "multifactorauthentication" => Some(true),
                "false" | "0" | "singlefactorauthentication" => Some(false),
                _ => None,
            }
        });
        mfa.map(|mfa| Auth { mfa: Some(mfa), ..Auth::default() })
    }

    fn change(self, operation: &str, action: Action) -> Option<Change> {
        let target = || self.text("TargetUserOrGroupName").or(self.text("ObjectId")).map(str::to_owned);
        match action {
            Action::SettingChange | Action::PermissionChange | Action::UserCreate | Action::UserDeactivate => {}
            Action::Share => return self.text("TargetUserOrGroupName").map(|t| Change { target: Some(t.to_owned()), ..Change::default() }),
            _ => return None,
        }
        let what = if operation == "Set-AdminAuditLogConfig" { "audit" } else { operation.trim() };
        let mut change = Change { what: Some(what.to_owned()), target: target(), ..Change::default() };
        // Where mail is sent on to; to whom a mailbox was opened; which role was given.
        let parameter = |name: &str| self.property("Parameters", name);
        let to = ["ForwardTo", "ForwardAsAttachmentTo", "RedirectTo", "ForwardingSmtpAddress", "ForwardingAddress", "AdminAuditLogEnabled"];
        change.to = to.iter().find_map(|name| parameter(name)).or_else(|| self.modified("Role.DisplayName")).map(str::to_owned);
        if matches!(operation, "Add-MailboxPermission" | "Add-RecipientPermission") {
            change.to = parameter("AccessRights").map(str::to_owned);
            change.target = parameter("User").or(parameter("Trustee")).map(str::to_owned).or(change.target);
        }
        Some(change)
    }

    fn query(self, action: Action) -> Option<Query> {
        let text = ["SearchQueryText", "QueryText"].iter().find_map(|name| self.text(name)).filter(|_| action == Action::Search)?;
        Some(Query { text: Some(text.to_owned()), ..Query::default() })
    }

    /// Name and value of a list of properties.
    fn properties(self, list: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let items = self.0.get(list).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        items.iter().filter_map(|item| Some((item.get("Name")?.as_str()?, item.get("Value")?.as_str()?)))
    }

    fn property(self, list: &str, name: &str) -> Option<&'a str> {
        self.properties(list).find(|(n, value)| *n == name && !value.is_empty()).map(|(_, value)| value)
    }

    fn modified(self, name: &str) -> Option<&'a str> {
        let items = self.0.get("ModifiedProperties")?.as_array()?;
        let item = items.iter().find(|item| item.get("Name").and_then(Value::as_str) == Some(name))?;
        item.get("NewValue")?.as_str().filter(|t| !t.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::adapter::{Adapter, Normalised, Raw};

    /// The event of a record with these fields beside the common ones, without what all events share.
    fn event(operation: &str, fields: Value) -> Value {
        let mut record =
            json!({"Id": "1", "CreationTime": "2021-05-18T21:13:39", "UserId": "ann@x.example", "UserType": 0, "Operation": operation});
        record.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
        let mut out = Normalised::default();
        Adapter::of("o365").expect("known").record(&Raw::from(record.to_string().as_bytes()), &mut out);
        assert_eq!(out.rejects, []);
        let mut event = serde_json::to_value(&out.events[0].1).expect("string keys");
        let shared = event.as_object_mut().expect("an object");
        for name in ["id", "time", "tenant", "source", "attrs"] {
            assert!(shared.remove(name).is_some(), "{name}");
        }
        if shared["actor"] == json!({"id": "ann@x.example"}) {
            shared.remove("actor");
        }
        event
    }

    #[test]
    fn operations_become_actions() {
        for (operation, expected) in [
            ("SearchQueryInitiatedExchange", "search"),
            ("ExportToExcel", "export"),
            ("SendOnBehalf", "email"),
            ("Update", "update"),
            ("Update user.", "setting_change"),
            ("Update application \u{2013} Certificates and secrets management ", "permission_change"),
            ("Add owner to group.", "permission_change"),
            ("Add app role assignment grant to user.", "permission_change"),
            ("New-Mailbox", "user_create"),
            ("Delete user.", "user_deactivate"),
            ("New-InboxRule", "setting_change"),
            ("Remove-UnifiedGroup", "setting_change"),
            ("AlertTriggered", "other"),
            ("Add service principal.", "other"),
            ("Get-ComplianceTag", "other"),
            ("SomethingNew", "other"),
        ] {
            assert_eq!(event(operation, json!({}))["action"], expected, "{operation}");
        }
    }

    #[test]
    fn accounts_are_people_programs_or_microsoft() {
        for (id, kind, expected) in [
            ("Ann@X.example", 2, json!({"id": "ann@x.example"})),
            ("ann@x.example", 5, json!({"id": "ann@x.example", "kind": "integration"})),
            ("ann@x.example", 3, json!({"id": "ann@x.example", "kind": "system"})),
            ("NT AUTHORITY\\SYSTEM", 3, json!({"id": "NT AUTHORITY\\SYSTEM", "kind": "system"})),
            ("S-1-5-18", 2, json!({"id": "S-1-5-18", "kind": "system"})),
        ] {
            let event = event("Send", json!({"UserId": id, "UserType": kind}));
            let actor = event.get("actor").cloned().unwrap_or_else(|| json!({"id": "ann@x.example"}));
            assert_eq!(actor, expected, "{id}");
        }
    }

    #[test]
    fn records_say_what_they_say() {
        let check = |operation: &str, fields: Value, expected: Value| {
            assert_eq!(event(operation, fields.clone()), expected, "{operation} {fields}")
        };
        check(
            "UserLoginFailed",
            json!({"ResultStatus": "Success", "LogonError": "InvalidPassword", "ClientIP": "<null>", "ActorIpAddress": "[2603:1026:c02:282a::5]:54088",
                "ExtendedProperties": [{"Name": "UserAgent", "Value": "curl"}, {"Name": "AuthenticationRequirement", "Value": "multiFactorAuthentication"}],
                "DeviceProperties": [{"Name": "SessionId", "Value": "s"}]}),
            json!({"action": "login", "outcome": "failure", "reason": "InvalidPassword", "session": "s",
                "client": {"ip": "2603:1026:c02:282a::5", "user_agent": "curl"}, "auth": {"mfa": true}}),
        );
        check(
            "UserLoggedIn",
            json!({"DeviceProperties": [{"Name": "IsCompliantAndManaged", "Value": "False"}], "AppAccessContext": {"AADSessionId": "a"}}),
            json!({"action": "login", "session": "a"}),
        );
        check(
            "MailItemsAccessed",
            json!({"Folders": [{"FolderItems": [1, 2]}, {"FolderItems": [3]}, {"Path": "x"}], "OperationCount": 9, "ResultStatus": "PartiallySucceeded"}),
            json!({"action": "view", "records": 3}),
        );
        check(
            "MailItemsAccessed",
            json!({"OperationCount": 9, "ResultStatus": "Failed"}),
            json!({"action": "view", "records": 9, "outcome": "failure"}),
        );
        check(
            "FileDownloaded",
            json!({"Workload": "OneDrive", "ObjectId": "https://x/f.docx", "FileSizeBytes": 11, "UserAgent": "Go", "ClientIP": "203.0.113.7:16902"}),
            json!({"action": "export", "object": {"type": "file", "id": "https://x/f.docx"}, "records": 1, "bytes": 11,
                "client": {"ip": "203.0.113.7", "user_agent": "Go"}}),
        );
        check("HardDelete", json!({"AffectedItems": [{}, {}]}), json!({"action": "delete", "records": 2}));
        check(
            "New-InboxRule",
            json!({"ObjectId": "ann\\rule", "Parameters": [{"Name": "ForwardTo", "Value": "eve@y.example"}]}),
            json!({"action": "setting_change", "object": {"type": "setting", "id": "ann\\rule"},
                "change": {"what": "New-InboxRule", "target": "ann\\rule", "to": "eve@y.example"}}),
        );
        check(
            "Set-AdminAuditLogConfig",
            json!({"Parameters": [{"Name": "AdminAuditLogEnabled", "Value": "False"}]}),
            json!({"action": "setting_change", "object": {"type": "setting"}, "change": {"what": "audit", "to": "False"}}),
        );
        check(
            "Add member to role.",
            json!({"ObjectId": "bob@x.example", "ModifiedProperties": [{"Name": "Role.DisplayName", "NewValue": "Global Administrator"}]}),
            json!({"action": "permission_change", "object": {"type": "user", "id": "bob@x.example"},
                "change": {"what": "Add member to role.", "target": "bob@x.example", "to": "Global Administrator"}}),
        );
        check(
            "SharingSet",
            json!({"Workload": "SharePoint", "TargetUserOrGroupName": "guest"}),
            json!({"action": "share", "object": {"type": "file"}, "change": {"target": "guest"}}),
        );
    }

    #[test]
    fn what_cannot_be_an_event_is_refused() {
        let code = |record: Value| {
            let mut out = Normalised::default();
            Adapter::of("o365").expect("known").record(&Raw::from(record.to_string().as_bytes()), &mut out);
            out.rejects.first().map(|r| r.code.as_str())
        };
        let good = json!({"Id": "1", "CreationTime": "2021-05-18T21:13:39", "UserId": "a@x", "Operation": "Send"});
        assert_eq!(code(good.clone()), None);
        for (key, value, expected) in [
            ("Id", json!(""), "missing_field"),
            ("Id", json!("x".repeat(1100)), "too_long"),
            ("UserId", json!("x@".repeat(300)), "too_long"),
            ("AuditData", json!(format!("{}{}", "[".repeat(100), "]".repeat(100))), "too_deep"),
            ("UserId", json!(7), "wrong_type"),
            ("Operation", Value::Null, "missing_field"),
            ("CreationTime", json!("soon"), "bad_time"),
            ("AuditData", json!("{oops"), "bad_json"),
            ("AuditData", json!("7"), "wrong_type"),
        ] {
            let mut record = good.clone();
            record[key] = value;
            assert_eq!(code(record), Some(expected), "{key}");
        }
    }
}

//! Each format by its field table: records that the samples do not show.

use serde_json::{Value, json};

use crate::adapter::{Adapter, Binding, Normalised, Raw};

/// All that a record gives by a binding.
fn normalised(binding: &Value, record: &Value) -> Normalised {
    let adapter = Adapter::open(Binding::read(binding).expect("a binding")).expect("a format");
    let mut out = Normalised::default();
    adapter.record(&Raw::from(record.to_string().as_bytes()), &mut out);
    out
}

/// The events of a record without what all of a format share.
fn events(binding: &Value, record: &Value) -> Vec<Value> {
    let out = normalised(binding, record);
    assert_eq!(out.rejects, [], "{record}");
    let bare = |event: &crate::event::Event| {
        let mut event = serde_json::to_value(event).expect("string keys");
        for name in ["time", "tenant", "source", "attrs"] {
            event.as_object_mut().expect("an object").remove(name);
        }
        event
    };
    out.events.iter().map(|(_, event)| bare(event)).collect()
}

/// What a record of a format gives, beside what is common.
fn check(format: &str, record: Value, expected: Value) {
    let binding = json!({"format": format, "country": "RU", "time_zone": "Europe/Moscow", "extensions": {"101": "u-17"}});
    let found = events(&binding, &record);
    let expected = if expected.is_null() { Vec::new() } else { vec![expected] };
    assert_eq!(found, expected, "{format}: {record}");
}

/// The record with more fields.
fn with(mut record: Value, more: Value) -> Value {
    record.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    record
}

#[test]
fn salesforce_streams() {
    let rtem = |channel: &str, fields: Value, expected: Value| {
        let common =
            json!({"EventIdentifier": "e", "EventDate": "2026-03-12T18:49:58.204Z", "UserId": "0057Q00000AbXyZQAV", "_channel": channel});
        let expected = with(json!({"id": "e", "actor": {"id": "0057Q00000AbXyZQAV"}}), expected);
        check("salesforce-rtem", with(common, fields), expected);
    };
    rtem(
        "/event/ApiEventStream",
        json!({"Operation": "QueryMore", "RowsProcessed": 2000.0, "RowsReturned": 500.0, "QueriedEntities": "Contact, Account",
            "Query": "SELECT Id FROM Contact WHERE x = 1", "Application": "loader", "UserAgent": "curl", "SourceIp": "203.0.113.24"}),
        json!({"action": "api_query", "channel": "api", "records": 500, "object": {"type": "contact"},
            "query": {"text": "SELECT Id FROM Contact WHERE x = 1", "fields": ["Id"], "filter": true},
            "client": {"ip": "203.0.113.24", "user_agent": "curl", "app": "loader"}}),
    );
    rtem(
        "/event/ListViewEventStream",
        json!({"ExecutionIdentifier": "x", "EventSource": "Classic", "FilterCriteria": r#"{"whereCondition":{"field":"Name"}}"#,
            "ColumnHeaders": "Name, Phone", "RowsProcessed": 40, "QueriedEntities": "Lead"}),
        json!({"id": "x:list", "action": "list", "channel": "ui", "records": 40, "object": {"type": "lead"},
            "query": {"text": r#"{"whereCondition":{"field":"Name"}}"#, "fields": ["Name", "Phone"], "filter": true}}),
    );
    rtem(
        "/event/LightningUriEventStream",
        json!({"Operation": "Read", "OperationStatus": "Initiated", "RecordId": "0017Q00000AbXyZ", "QueriedEntities": "Account",
            "DevicePlatform": "SFX:BROWSER:DESKTOP"}),
        json!({"action": "view", "channel": "ui", "object": {"type": "client", "id": "0017Q00000AbXyZQAV"}, "records": 1,
            "client": {"device": "SFX:BROWSER:DESKTOP"}}),
    );
    rtem(
        "/event/UriEventStream",
        json!({"Operation": "Delete", "OperationStatus": "Failure", "Message": "no"}),
        json!({"action": "delete", "channel": "ui", "outcome": "failure", "reason": "no"}),
    );
    rtem("/event/LogoutEventStream", json!({"SessionKey": "s"}), json!({"action": "logout", "session": "s"}));
    rtem("/event/LoginAsEventStream", json!({}), json!({"action": "login", "auth": {"method": "login_as"}}));
    rtem(
        "/event/LoginEventStream",
        json!({"Status": "Success", "LoginType": "SAML", "AuthMethodReference": "mfa,pwd", "ApiType": "SOAP Partner"}),
        json!({"action": "login", "channel": "api", "auth": {"method": "SAML", "mfa": true}}),
    );
    rtem(
        "/event/IdentityVerificationEvent",
        json!({"Status": "FailedInvalidCode", "VerificationMethod": "TOTP"}),
        json!({"action": "other", "outcome": "failure", "reason": "FailedInvalidCode", "auth": {"mfa": true, "mfa_method": "TOTP"}}),
    );
    rtem(
        "/event/FileEvent",
        json!({"FileAction": "API_DOWNLOAD", "ContentSize": 12.0, "DocumentId": "0697Q000004dDdD"}),
        json!({"action": "export", "channel": "api", "bytes": 12, "object": {"type": "file", "id": "0697Q000004dDdDQAU"}}),
    );
    rtem("/event/ReportAnomalyEvent", json!({"Summary": "much", "Score": 0.9}), json!({"action": "other", "reason": "much"}));
    rtem("/event/NewInSpring", json!({}), json!({"action": "other"}));
    // A row of a storage object has its own name for the stream.
    check(
        "salesforce-rtem",
        json!({"attributes": {"type": "BulkApiResultEventStore"}, "EventIdentifier": "e", "EventDate": 1_773_341_398_204_i64, "UserId": "0057Q00000AbXyZ",
            "Query": "SELECT Id FROM Lead"}),
        json!({"id": "e", "actor": {"id": "0057Q00000AbXyZQAV"}, "action": "export", "channel": "bulk_api", "object": {"type": "lead"},
            "query": {"text": "SELECT Id FROM Lead", "fields": ["Id"], "filter": false}}),
    );
    let setup = |action: &str, display: &str, expected: Value| {
        let row = json!({"record_id": "0Ym1", "sfdc_created_date": "2026-03-12T07:15:44Z", "sfdc_created_by_id": "0057Q00000AbXyZ",
            "sfdc_created_by_username": "x@y.example", "action": action, "display": display});
        let common = json!({"id": "0Ym1", "actor": {"id": "0057Q00000AbXyZQAV", "name": "x@y.example"}, "channel": "ui"});
        check("salesforce-setup-audit", row, with(common, expected));
    };
    setup(
        "changedprofileforuser",
        "Changed profile for user a@b.example from Standard User to System Administrator (UserID: [0057Q00000ZzYyX])",
        json!({"action": "permission_change", "object": {"type": "user", "id": "0057Q00000ZzYyXQAV"}, "change": {"what": "changedprofileforuser",
            "from": "Standard User", "to": "System Administrator", "target": "0057Q00000ZzYyXQAV"}}),
    );
    setup("addedProfileLoginIpRange", "", json!({"action": "setting_change", "change": {"what": "addedProfileLoginIpRange"}}));
    setup("createduser", "", json!({"action": "user_create", "change": {"what": "createduser"}}));
    setup("frozeuser", "", json!({"action": "user_deactivate", "change": {"what": "frozeuser"}}));
    setup("somethingnew", "", json!({"action": "setting_change", "change": {"what": "somethingnew"}}));
}

#[test]
fn dynamics_messages() {
    let row = |fields: Value, expected: Value| {
        let common = json!({"SourceRecordId": "1", "TimeGenerated": "2026-03-12T10:20:30.1234567Z", "UserId": "Ann@X.example", "UserAgent": "Mozilla/5.0"});
        let common_expected =
            json!({"id": "1", "actor": {"id": "ann@x.example"}, "channel": "ui", "client": {"user_agent": "Mozilla/5.0"}});
        check("dynamics365", with(common, fields), with(common_expected, expected));
    };
    row(
        json!({"Message": "RetrieveMultiple", "EntityName": "lead", "QueryResults": "250", "Query": "<fetch/>"}),
        json!({"action": "list", "object": {"type": "lead"}, "records": 250, "query": {"text": "<fetch/>", "filter": false}}),
    );
    row(
        json!({"Message": "Update", "EntityName": "account", "EntityId": "0a1b2c3d-0000-4000-8000-000000000300", "Fields": r#"[{"Name":"telephone1","Value":"1"}]"#}),
        json!({"action": "update", "object": {"type": "client", "id": "0a1b2c3d-0000-4000-8000-000000000300"}, "records": 1,
            "change": {"what": "telephone1", "to": "1"}}),
    );
    row(json!({"Message": "GrantAccess"}), json!({"action": "share"}));
    row(
        json!({"Message": "AssociateEntities", "EntityName": "systemuserroles"}),
        json!({"action": "permission_change", "object": {"type": "other"}}),
    );
    row(json!({"Message": "AssociateEntities", "EntityName": "N/A"}), json!({"action": "other"}));
    row(
        json!({"Message": "Delete", "ResultStatus": "Failed", "EntityName": "contact"}),
        json!({"action": "delete", "outcome": "failure", "reason": "Failed", "object": {"type": "contact"}}),
    );
    row(json!({"Message": "SearchAcrossEntities"}), json!({"action": "search"}));
    check(
        "dynamics365",
        json!({"Id": "2", "CreationTime": "2026-03-12T10:22:05", "UserId": "", "UserType": 4, "SystemUserId": "S", "Message": "Create"}),
        json!({"id": "2", "actor": {"id": "s", "kind": "system"}, "action": "create", "channel": "api"}),
    );
    check(
        "dynamics365",
        json!({"auditid": "a", "createdon": "2026-03-12T10:22:05Z", "_userid_value": "U", "operation": 2, "action": 13, "objecttypecode": "opportunity",
            "_objectid_value": "o", "changedata": r#"{"changedAttributes":[{"logicalName":"ownerid","oldValue":"systemuser,a","newValue":"systemuser,b"}]}"#}),
        json!({"id": "a", "actor": {"id": "u"}, "action": "transfer", "object": {"type": "deal", "id": "o", "owner": "b"}, "records": 1, "order": "o",
            "change": {"what": "ownerid", "from": "systemuser,a", "to": "systemuser,b"}}),
    );
}

#[test]
fn dynamics_comes_among_records_of_microsoft_365() {
    let record = json!({"Id": "2", "CreationTime": "2026-03-12T10:22:05", "Workload": "CRM", "RecordType": 21, "Operation": "CrmDefaultActivity",
        "UserId": "a@x.example", "Message": "RetrieveMultiple", "EntityName": "contact"});
    let of = |format: &str| normalised(&json!({"format": format}), &record);
    assert_eq!(of("o365"), of("dynamics365"));
    assert_eq!((of("o365").events[0].1.source.as_str(), of("o365").events[0].1.action.as_str()), ("dynamics365", "list"));
}

#[test]
fn hubspot_activities() {
    let audit = |fields: Value, expected: Value| {
        let common = json!({"id": "1", "occurredAt": "2026-03-12T08:00:00Z", "actingUser": {"userId": 7, "userEmail": "a@x.example"}});
        check("hubspot", with(common, fields), with(json!({"id": "audit:1", "actor": {"id": "7", "name": "a@x.example"}}), expected));
    };
    audit(
        json!({"category": "CRM_OBJECT", "subCategory": "COMPANY", "action": "ARCHIVE", "targetObjectId": "5"}),
        json!({"action": "delete", "object": {"type": "client", "id": "5"}, "records": 1}),
    );
    audit(json!({"category": "PIPELINE", "action": "UPDATE", "targetObjectId": "Sales Pipeline"}), json!({"action": "update"}));
    audit(
        json!({"category": "USER_PERMISSIONS", "action": "UPDATE", "targetObjectId": "9"}),
        json!({"action": "permission_change", "object": {"type": "other", "id": "9"}, "change": {"what": "UPDATE", "target": "9"}}),
    );
    audit(json!({"category": "X", "action": "SOMETHING_NEW"}), json!({"action": "other"}));
    let security = |kind: &str, action: &str| {
        let row = json!({"id": 5, "type": kind, "createdAt": "2026-03-12T09:10:11.120Z", "userId": 7, "actingUser": "a@x.example"});
        let binding = json!({"format": "hubspot"});
        assert_eq!(events(&binding, &row)[0]["action"], action, "{kind}");
    };
    security("DEACTIVATE_USER", "user_deactivate");
    security("EXPORT_CONTACTS", "export");
    security("SUPER_ADMIN_ADDED", "permission_change");
    security("PASSWORD_RESET", "setting_change");
}

#[test]
fn amocrm_events_and_webhooks() {
    let event = |kind: &str, entity: &str, action: &str, object: &str| {
        let row = json!({"id": "e", "type": kind, "entity_id": 7, "entity_type": entity, "created_by": 5, "created_at": 1_773_300_000});
        let found = &events(&json!({"format": "amocrm"}), &row)[0];
        assert_eq!((&found["action"], &found["object"]["type"]), (&json!(action), &json!(object)), "{kind}");
    };
    for (kind, entity, action, object) in [
        ("company_added", "company", "create", "client"),
        ("lead_restored", "lead", "update", "deal"),
        ("contact_deleted", "contact", "delete", "contact"),
        ("entity_merged", "contact", "merge", "contact"),
        ("incoming_mail", "lead", "email", "deal"),
        ("outgoing_chat_message", "lead", "message", "deal"),
        ("talk_created", "lead", "message", "deal"),
        ("task_result_added", "task", "create", "task"),
        ("task_completed", "task", "update", "task"),
        ("entity_tag_added", "lead", "update", "deal"),
        ("common_note_added", "lead", "other", "deal"),
        ("robot_replied", "lead", "other", "deal"),
        ("catalog_9_added", "catalog_9", "create", "other"),
        ("something_new", "customer", "other", "other"),
    ] {
        event(kind, entity, action, object);
    }
    check(
        "amocrm",
        json!({"id": 5, "entity_id": 7, "created_by": 1, "created_at": 1_773_300_121, "note_type": 10, "_path": "/api/v4/leads/notes",
            "params": {"phone": "101", "duration": 0, "call_status": 7, "call_responsible": "9"}}),
        json!({"id": "note:5", "actor": {"id": "9"}, "action": "call", "outcome": "failure", "reason": "busy", "channel": "telephony",
            "object": {"type": "deal", "id": "7"}, "order": "7", "call": {"direction": "in", "duration_s": 0}}),
    );
    // A batch in one body, as it came and as nested objects.
    let flat = json!({"leads[status][0][id]": "1", "leads[status][0][status_id]": "142", "leads[status][0][old_status_id]": "61",
        "leads[status][0][pipeline_id]": "9", "leads[status][0][updated_at]": "1773300300", "leads[status][0][modified_user_id]": "0",
        "contacts[add][0][id]": "2", "contacts[add][0][created_at]": "1773300301", "account[id]": "5"});
    let nested = json!({"leads": {"status": [{"id": "1", "status_id": "142", "old_status_id": "61", "pipeline_id": "9", "updated_at": "1773300300",
        "modified_user_id": "0"}]}, "contacts": {"add": [{"id": "2", "created_at": "1773300301"}]}, "account": {"id": "5"}});
    let expected = [
        json!({"id": "webhook:contacts.add:2:1773300301", "actor": {"id": "unknown", "kind": "system"}, "action": "create",
            "object": {"type": "contact", "id": "2"}, "records": 1}),
        json!({"id": "webhook:leads.status:1:1773300300", "actor": {"id": "0", "kind": "system"}, "action": "update",
            "object": {"type": "deal", "id": "1"}, "records": 1, "order": "1", "change": {"what": "lead_status", "from": "9/61", "to": "9/142"}}),
    ];
    for body in [flat, nested] {
        assert_eq!(events(&json!({"format": "amocrm"}), &body), expected);
    }
}

#[test]
fn bitrix_records() {
    let journal = |kind: &str, more: Value, expected: Value| {
        let row = json!({"ID": "5", "TIMESTAMP_X": "2026-03-12 18:40:05", "AUDIT_TYPE_ID": kind, "USER_ID": "17", "ITEM_ID": "9"});
        check("bitrix24", with(row, more), with(json!({"id": "eventlog:5", "actor": {"id": "17"}}), expected));
    };
    journal(
        "USER_AUTHORIZE",
        json!({"DESCRIPTION": r#"{"method":"rest"}"#}),
        json!({"action": "login", "channel": "api", "auth": {"method": "rest"}}),
    );
    journal(
        "USER_LOGIN",
        json!({"USER_ID": "", "ITEM_ID": "admin"}),
        json!({"actor": {"id": "name:admin", "name": "admin"}, "action": "login", "outcome": "failure"}),
    );
    journal(
        "USER_BLOCKED",
        json!({}),
        json!({"action": "user_deactivate", "object": {"type": "user", "id": "9"}, "change": {"what": "USER_BLOCKED", "target": "9"}}),
    );
    journal(
        "MODULE_RIGHTS_CHANGED",
        json!({"ITEM_ID": "crm"}),
        json!({"action": "permission_change", "change": {"what": "MODULE_RIGHTS_CHANGED", "target": "crm"}}),
    );
    journal("BACKUP_ERROR", json!({}), json!({"action": "backup", "outcome": "failure"}));
    journal("SOMETHING_NEW", json!({"REMOTE_ADDR": "203.0.113.24"}), json!({"action": "other", "client": {"ip": "203.0.113.24"}}));
    let history = |kind: u8, more: Value, expected: Value| {
        let row = json!({"ID": "1", "REL_ID": "2", "DATE_CREATE": "2026-03-12 18:40:05", "CREATED_BY_ID": "17", "EVENT_TYPE": kind.to_string(),
            "ENTITY_TYPE": "DEAL", "ENTITY_ID": "7"});
        let common =
            json!({"id": "crm_event:1:2", "actor": {"id": "17"}, "channel": "ui", "object": {"type": "deal", "id": "7"}, "order": "7"});
        check("bitrix24", with(row, more), with(common, expected));
    };
    history(
        1,
        json!({"ENTITY_FIELD": "ASSIGNED_BY_ID", "EVENT_TEXT_1": "17", "EVENT_TEXT_2": "18"}),
        json!({"action": "transfer", "records": 1, "object": {"type": "deal", "id": "7", "owner": "18"},
            "change": {"what": "ASSIGNED_BY_ID", "from": "17", "to": "18"}}),
    );
    history(3, json!({}), json!({"action": "view", "records": 1}));
    history(5, json!({}), json!({"action": "delete", "records": 1}));
    history(2, json!({}), json!({"action": "email"}));
    history(99, json!({}), json!({"action": "other"}));
    check(
        "bitrix24",
        json!({"ID": "9", "CALL_ID": "c", "PORTAL_USER_ID": "17", "PHONE_NUMBER": "+79165550123", "CALL_TYPE": "1", "CALL_DURATION": "61",
            "CALL_START_DATE": "2026-03-12T11:26:40+03:00", "CALL_FAILED_CODE": "200", "CRM_ENTITY_TYPE": "COMPANY", "CRM_ENTITY_ID": "4"}),
        json!({"id": "call:c", "actor": {"id": "17"}, "action": "call", "channel": "telephony", "object": {"type": "client", "id": "4"},
            "call": {"direction": "out", "number": "+79165550123", "duration_s": 61}}),
    );
    let webhook = |event: &str| json!({"event": event, "data": {"FIELDS": {"ID": "7"}, "CALL_ID": "c"}, "ts": "1773304100"});
    check("bitrix24", webhook("ONVOXIMPLANTCALLSTART"), Value::Null);
    let nobody = json!({"id": "unknown", "kind": "system"});
    check(
        "bitrix24",
        webhook("ONCRMCOMPANYADD"),
        json!({"id": "ONCRMCOMPANYADD:7:1773304100", "actor": nobody, "action": "create", "object": {"type": "client", "id": "7"}, "records": 1}),
    );
    check("bitrix24", webhook("ONTASKADD"), json!({"id": "ONTASKADD:7:1773304100", "actor": nobody, "action": "other"}));
    check(
        "bitrix24",
        json!({"event": "ONCRMLEADDELETE", "data[FIELDS][ID]": "3", "ts": "1773304100", "auth[member_id]": "m"}),
        json!({"id": "ONCRMLEADDELETE:3:1773304100", "actor": nobody, "action": "delete", "object": {"type": "lead", "id": "3"}, "records": 1}),
    );
}

#[test]
fn self_hosted_crms() {
    check(
        "espocrm",
        json!({"id": "x", "status": "Success", "params": r#"{"entityType":"Lead"}"#, "created_at": "2026-03-12 08:11:09", "created_by_id": "u",
            "attachment_id": "a"}),
        json!({"id": "export:x", "actor": {"id": "u"}, "action": "export", "object": {"type": "lead"}}),
    );
    check(
        "espocrm",
        json!({"_event": "Account.delete", "id": "x", "modifiedAt": "2026-03-12 08:11:09"}),
        json!({"id": "webhook:Account.delete:x:db151250aeacf57c", "actor": {"id": "unknown", "kind": "system"}, "action": "delete",
            "object": {"type": "client", "id": "x"}, "records": 1}),
    );
    check(
        "espocrm",
        json!({"id": "x", "username": "u", "userId": "7", "isDenied": false, "createdAt": "2026-03-12 08:11:09", "authTokenId": "t"}),
        json!({"id": "auth:x", "actor": {"id": "7", "name": "u"}, "action": "login", "session": "t"}),
    );
    let tracker = |action: &str, expected: Value| {
        let row = json!({"id": 5, "monitor_id": "m", "user_id": "u", "module_name": "Leads", "item_id": "l", "date_modified": "2026-03-12 08:00:01",
            "action": action});
        check("suitecrm", row, with(json!({"id": "tracker:5", "actor": {"id": "u"}, "channel": "ui"}), expected));
    };
    tracker("index", json!({"action": "list", "object": {"type": "lead", "id": "l"}}));
    tracker("save", json!({"action": "update", "object": {"type": "lead", "id": "l"}, "records": 1}));
    tracker("editview", json!({"action": "other", "object": {"type": "lead", "id": "l"}}));
    tracker("logout", json!({"action": "logout"}));
    check(
        "suitecrm",
        json!({"_table": "calls", "id": "c", "status": "Held", "direction": "Outbound", "duration_hours": 0, "duration_minutes": 5,
            "date_start": "2026-03-12 08:00:01", "assigned_user_id": "u", "parent_type": "Accounts", "parent_id": "a"}),
        json!({"id": "call:c", "actor": {"id": "u"}, "action": "call", "channel": "telephony", "object": {"type": "client", "id": "a"},
            "call": {"direction": "out", "duration_s": 300}}),
    );
    let line = "[1][2][FATAL] FAILED LOGIN:attempts[3], ip[203.0.113.24], username[admin]";
    let found = &events(&json!({"format": "suitecrm"}), &json!({"@timestamp": "2026-03-12T08:00:01Z", "message": line}))[0];
    assert_eq!(
        (&found["action"], &found["outcome"], &found["actor"]["id"], &found["client"]["ip"]),
        (&json!("login"), &json!("failure"), &json!("name:admin"), &json!("203.0.113.24"))
    );
    let odoo = |method: &str, more: Value, expected: Value| {
        let row =
            json!({"id": 5, "create_date": "2026-03-12 08:30:00", "model_model": "res.partner", "user_id": [7, "Ann"], "method": method});
        check("odoo", with(row, more), with(json!({"id": "auditlog:5", "actor": {"id": "7", "name": "Ann"}}), expected));
    };
    odoo("read", json!({"res_id": 4}), json!({"action": "view", "object": {"type": "client", "id": "4"}, "records": 1}));
    odoo("read", json!({"res_ids": [4, 5]}), json!({"action": "list", "object": {"type": "client", "ids": ["4", "5"]}, "records": 2}));
    odoo("unlink", json!({"res_id": 4}), json!({"action": "delete", "object": {"type": "client", "id": "4"}, "records": 1}));
    odoo(
        "write",
        json!({"res_id": 4, "line_ids": [{"field_name": "phone", "old_value": "1", "new_value": "2"}]}),
        json!({"action": "update", "object": {"type": "client", "id": "4"}, "records": 1, "change": {"what": "phone", "from": "1", "to": "2"}}),
    );
    check(
        "odoo",
        json!({"id": 8, "create_uid": 7, "create_date": "2026-03-12 08:30:00"}),
        json!({"id": "login:8", "actor": {"id": "7"}, "action": "login"}),
    );
    let zoho = |action: &str, expected: &str| {
        let row = json!({"Audited Time": "2026-03-12 11:02:10", "Done By": "a@x.example", "Module": "Leads", "Action": action});
        let found = normalised(&json!({"format": "zoho", "time_zone": "Europe/Moscow"}), &row);
        assert_eq!(
            (found.events[0].1.action.as_str(), found.events[0].1.time.to_string().as_str()),
            (expected, "2026-03-12T08:02:10.000Z")
        );
    };
    for (action, expected) in [
        ("Added", "create"),
        ("Owner changed", "transfer"),
        ("Deduplicated", "merge"),
        ("Imported", "create"),
        ("Logged in", "login"),
        ("Printed", "print"),
        ("Something", "other"),
    ] {
        zoho(action, expected);
    }
}

#[test]
fn journal_of_1c() {
    let row = |name: &str, more: Value, expected: Value| {
        let row = json!({"FileName": "f.lgp", "EndPosition": 5, "DateTime": "2026-03-12T06:10:00", "User": "Ann", "UserUuid": "", "Event": name,
            "Application": "1CV8C", "Session": 0});
        let common = json!({"id": "f.lgp:5", "actor": {"id": "name:Ann", "name": "Ann"}, "channel": "ui", "client": {"app": "1CV8C"}});
        check("1c", with(row, more), if expected.is_null() { Value::Null } else { with(common, expected) });
    };
    row(
        "_$Session$_.AuthenticationError",
        json!({}),
        json!({"action": "login", "outcome": "failure", "reason": "_$Session$_.AuthenticationError"}),
    );
    row("Сеанс.Начало", json!({}), json!({"action": "other"}));
    row("Сеанс.Завершение", json!({}), json!({"action": "logout"}));
    row(
        "Данные.Отмена проведения",
        json!({"Metadata": "Документ.Счет", "Data": "d"}),
        json!({"action": "update", "object": {"type": "other", "id": "d"}, "records": 1}),
    );
    row(
        "_$Data$_.New",
        json!({"Metadata": "Справочник.Партнеры", "Data": "d", "TransactionStatus": "C"}),
        json!({"action": "create", "outcome": "failure", "reason": "C", "object": {"type": "client", "id": "d"}, "records": 1}),
    );
    row(
        "_$Access$_.Access",
        json!({"Metadata": "Справочник.Контрагенты", "Data": "d"}),
        json!({"action": "view", "object": {"type": "client", "id": "d"}, "records": 1}),
    );
    row(
        "Пользователи.Удаление",
        json!({"DataPresentation": "Bob"}),
        json!({"action": "user_deactivate", "object": {"type": "user", "id": "Bob"}, "change": {"what": "Пользователи.Удаление", "target": "Bob"}}),
    );
    row("_$InfoBase$_.EventLogReduce", json!({}), json!({"action": "setting_change", "change": {"what": "_$InfoBase$_.EventLogReduce"}}));
    row("_$Job$_.Start", json!({}), Value::Null);
    row("Транзакция.Начало", json!({}), Value::Null);
    check(
        "1c",
        json!({"FileName": "f.lgp", "EndPosition": 5, "DateTime": "2026-03-12T06:10:00Z", "UserUuid": "u", "Event": "_$Data$_.Update", "Application": "BackgroundJob"}),
        json!({"id": "f.lgp:5", "actor": {"id": "u", "kind": "system"}, "action": "update", "client": {"app": "BackgroundJob"}}),
    );
}

#[test]
fn calls_of_exchanges() {
    let cdr = |fields: Value, expected: Value| {
        let row = json!({"start": "2026-03-12 11:30:00", "uniqueid": "1.1", "sequence": "7", "billsec": "30", "disposition": "ANSWERED"});
        check("asterisk", with(row, fields), with(json!({"id": "cdr:1.1:7", "action": "call", "channel": "telephony"}), expected));
    };
    // Between colleagues; out; in through a queue; the exchange's own half of a local channel; a feature code.
    cdr(
        json!({"src": "101", "dst": "102", "channel": "SIP/101-01", "dstchannel": "SIP/102-02"}),
        json!({"actor": {"id": "u-17"}, "call": {"duration_s": 30}}),
    );
    cdr(
        json!({"src": "+74950001122", "dst": "89165550123", "channel": "PJSIP/101-0000001a"}),
        json!({"actor": {"id": "u-17"}, "call": {"direction": "out", "number": "+79165550123", "duration_s": 30}}),
    );
    cdr(
        json!({"src": "89165550123", "dst": "600", "channel": "PJSIP/trunk-01", "dstchannel": "Local/101@from-queue-00000003;1"}),
        json!({"actor": {"id": "u-17"}, "call": {"direction": "in", "number": "+79165550123", "duration_s": 30}}),
    );
    cdr(
        json!({"src": "89165550123", "dst": "101", "channel": "Local/101@from-queue-00000003;2", "dstchannel": "PJSIP/101-02"}),
        json!({"actor": {"id": "u-17"}, "call": {"duration_s": 30}}),
    );
    cdr(json!({"src": "103", "dst": "*97", "channel": "PJSIP/103-01"}), json!({"actor": {"id": "ext:103"}, "call": {"duration_s": 30}}));
    cdr(
        json!({"src": "anonymous", "dst": "600", "channel": "PJSIP/trunk-01", "disposition": "BUSY"}),
        json!({"actor": {"id": "ext:600"}, "outcome": "failure", "reason": "BUSY", "call": {"direction": "in", "duration_s": 0}}),
    );
    check("asterisk", json!({"Event": "Hangup", "Uniqueid": "1"}), Value::Null);
    let fs = |variables: Value, expected: Value| {
        let variables =
            with(json!({"uuid": "u", "start_epoch": "1773307000", "billsec": "5", "hangup_cause": "NORMAL_CLEARING"}), variables);
        check(
            "freeswitch",
            json!({"variables": variables}),
            with(json!({"id": "cdr:u", "action": "call", "channel": "telephony"}), expected),
        );
    };
    fs(json!({"sip_from_user": "101", "sip_to_user": "102"}), json!({"actor": {"id": "u-17"}, "call": {"duration_s": 5}}));
    fs(
        json!({"sip_from_user": "%2B79165550123", "sip_to_user": "600", "last_sent_callee_id_number": "101"}),
        json!({"actor": {"id": "u-17"}, "call": {"direction": "in", "number": "+79165550123", "duration_s": 5}}),
    );
    fs(
        json!({"user_name": "101", "sip_to_user": "89165550123", "billsec": "0", "hangup_cause": "USER_BUSY"}),
        json!({"actor": {"id": "u-17"}, "outcome": "failure", "reason": "USER_BUSY",
            "call": {"direction": "out", "number": "+79165550123", "duration_s": 0}}),
    );
    let mango = |fields: Value, expected: Value| {
        let call = json!({"entry_id": "e", "create_time": 1_773_308_000, "talk_time": 1_773_308_012, "end_time": 1_773_308_100, "entry_result": 1});
        check(
            "mango",
            with(call, fields),
            if expected.is_null() {
                Value::Null
            } else {
                with(json!({"id": "entry:e", "action": "call", "channel": "telephony"}), expected)
            },
        );
    };
    mango(
        json!({"call_direction": 0, "from": {"extension": "101"}, "to": {"extension": "102"}}),
        json!({"actor": {"id": "u-17"}, "call": {"duration_s": 88}}),
    );
    mango(
        json!({"call_direction": 1, "from": {"number": "4915112345678"}, "to": {"extension": "9"}}),
        json!({"actor": {"id": "ext:9"}, "call": {"direction": "in", "number": "+4915112345678", "duration_s": 88}}),
    );
    mango(json!({"_path": "/events/call"}), Value::Null);
    // The shortest order of columns, without identity; an older switch, whose flow is no list.
    let short = r#""","101","89165550123","c","","SIP/101-1","","","","2026-03-12 11:30:00","","2026-03-12 11:30:09",9,0,"BUSY","3""#;
    let adapter = Adapter::open(Binding::read(&json!({"format": "asterisk", "time_zone": "UTC"})).expect("a binding")).expect("a format");
    let mut out = Normalised::default();
    adapter.record(&Raw::from(short.as_bytes()), &mut out);
    assert!(out.events[0].1.id.starts_with("cdr::"), "{out:?}");
    check(
        "freeswitch",
        json!({"variables": {"uuid": "u", "billsec": "5"}, "callflow": {"times": {"created_time": "1773307000250000"},
            "caller_profile": {"username": "101", "destination_number": "102"}}}),
        json!({"id": "cdr:u", "action": "call", "channel": "telephony", "actor": {"id": "u-17"}, "call": {"duration_s": 5}}),
    );
    // Legs of one conversation can be told from calls of their own.
    let row = json!({"start": "2026-03-12 11:30:00", "uniqueid": "1.2", "linkedid": "1.1", "sequence": "8", "src": "101", "dst": "102"});
    let out = normalised(&json!({"format": "asterisk", "time_zone": "UTC"}), &row);
    assert_eq!(out.events[0].1.attrs["conversation"], "1.1");
}

#[test]
fn web_logs() {
    let log = |fields: Value, expected: Value| {
        let row = json!({"msec": "1773306000.417", "request_id": "r", "request_method": "GET", "status": "200", "remote_addr": "203.0.113.9", "crm_user": "u"});
        let binding = json!({"format": "nginx", "trusted_proxies": ["203.0.113.0/28", "10.0.0.1"], "source": "espocrm"});
        let found = events(&binding, &with(row, fields));
        let expected =
            if expected.is_null() { vec![] } else { vec![with(json!({"id": "r", "actor": {"id": "u"}, "channel": "ui"}), expected)] };
        assert_eq!(found, expected);
    };
    log(
        json!({"request_uri": "/api/v1/Contact/7", "http_x_forwarded_for": "1.1.1.1, 198.51.100.7, 10.0.0.1", "ssl_protocol": "-", "scheme": "http"}),
        json!({"action": "view", "object": {"type": "contact", "id": "7"}, "records": 1, "client": {"ip": "198.51.100.7", "tls": "none"}}),
    );
    log(
        json!({"request_uri": "/api/v1/Contact", "http_x_forwarded_for": "1.1.1.1", "remote_addr": "198.51.100.9", "crm_user": "-", "status": "500"}),
        json!({"actor": {"id": "ip:198.51.100.9"}, "action": "list", "outcome": "failure", "reason": "HTTP 500", "object": {"type": "contact"},
            "client": {"ip": "198.51.100.9"}}),
    );
    log(json!({"request_uri": "/client/lib/app.js"}), Value::Null);
    log(json!({"request_uri": "/healthz"}), Value::Null);
    log(
        json!({"request_uri": "/?entryPoint=download&id=5", "body_bytes_sent": "77"}),
        json!({"action": "export", "object": {"type": "file", "id": "5"}, "bytes": 77, "client": {"ip": "203.0.113.9"}}),
    );
}

#[test]
fn tables_of_a_crm() {
    let change = |op: &str, before: Value, after: Value| {
        json!({"before": before, "after": after, "op": op, "ts_ms": 1, "source": {"db": "crm", "table": "accounts", "snapshot": "false",
            "ts_ms": 1_773_303_069_000_i64, "file": "binlog.1", "pos": 5, "row": 0}})
    };
    let row = json!({"id": "a", "date_modified": "2026-03-12 08:11:09", "modified_user_id": "u", "assigned_user_id": "u", "deleted": 0});
    let moved = with(row.clone(), json!({"assigned_user_id": "v"}));
    let binned = with(row.clone(), json!({"deleted": 1}));
    let common = |action: &str, actor: Value| json!({"id": "accounts:a:binlog.1:5:0", "actor": actor, "action": action, "object": {"type": "client", "id": "a"}, "records": 1});
    for format in ["crm-tables", "suitecrm"] {
        check(format, change("c", Value::Null, row.clone()), common("create", json!({"id": "u"})));
        check(format, change("u", row.clone(), row.clone()), common("update", json!({"id": "u"})));
        check(format, change("u", row.clone(), binned.clone()), common("delete", json!({"id": "u"})));
        check(format, change("d", row.clone(), Value::Null), common("delete", json!({"id": "unknown", "kind": "system"})));
        check(
            format,
            change("u", row.clone(), moved.clone()),
            with(
                common("transfer", json!({"id": "u"})),
                json!({"object": {"type": "client", "id": "a", "owner": "v"}, "change": {"what": "assigned_user_id", "from": "u", "to": "v"}}),
            ),
        );
    }
}

#[test]
fn a_debezium_topic_of_several_tables() {
    let binding = json!({"format": "debezium", "tables": {"espo.auth_log_record": "espocrm", "accounts": "crm-tables"}});
    let row = |table: &str, op: &str, row: Value| json!({"schema": {"type": "struct"}, "payload": {"before": null, "after": row, "op": op, "source": {"db": "espo", "table": table, "snapshot": "last"}}});
    let login = json!({"id": "x", "user_id": "7", "is_denied": 0, "created_at": 1_773_303_069_000_000_i64});
    let out = normalised(&binding, &row("auth_log_record", "r", login.clone()));
    assert_eq!((out.events[0].1.id.as_str(), &out.events[0].1.attrs["snapshot"]), ("auth:x", &json!(true)));
    assert_eq!(out.events[0].1.time.to_string(), "2026-03-12T08:11:09.000Z");
    // Housekeeping of an audit table is nobody's doing; a table that nobody named is refused.
    assert_eq!(normalised(&binding, &row("auth_log_record", "u", login.clone())), Normalised::default());
    assert_eq!(normalised(&binding, &row("secrets", "u", login.clone())).rejects[0].code.as_str(), "bad_value");
    // Without its envelope, with marks, and the tombstone after a deletion.
    let flat = with(login, json!({"__op": "c", "__table": "auth_log_record", "__db": "espo"}));
    assert_eq!(normalised(&binding, &flat).events.len(), 1);
    assert_eq!(normalised(&binding, &with(flat, json!({"__deleted": "true"}))).events.len(), 0);
    assert_eq!(normalised(&binding, &Value::Null).skipped, 1);
    assert_eq!(normalised(&binding, &json!({"schema": null, "payload": null})).skipped, 1);
    let e = Binding::check(&json!({"format": "debezium", "tables": {"a": "nosuch"}})).expect_err("wrong");
    assert!(e.contains("tables.\"a\"") && e.contains("nosuch"), "{e}");
}

#[test]
fn an_unknown_crm_is_described() {
    let binding = json!({"format": "mapping", "source": "mycrm", "time_zone": "Europe/Moscow", "mapping": {
        "id": "event.uuid",
        "time": {"path": "event.at", "format": "%d.%m.%Y %H:%M:%S"},
        "action": {"path": "verb", "values": {"open": "view", "download": "export"}},
        "actor": {"id": {"path": "user.login", "prefix": "crm-"}},
        "channel": {"value": "ui"},
        "object.type": {"path": "entity", "values": {"customer": "client"}, "default": "other"},
        "object.id": {"path": ["data", "card.id"]},
        "records": "n",
        "outcome": {"path": "ok", "values": {"true": "success", "false": "failure"}},
        "client.ip": "hops.0",
        "only": {"path": "kind", "values": ["audit"]},
    }});
    let record = json!({"kind": "audit", "event": {"uuid": 5, "at": "12.03.2026 11:02:10"}, "verb": "download", "user": {"login": "ann"}, "entity": "customer",
        "data": {"card.id": 9}, "n": "120", "ok": false, "hops": ["203.0.113.7:80"]});
    assert_eq!(
        events(&binding, &record),
        [json!({"id": "5", "actor": {"id": "crm-ann"}, "action": "export", "outcome": "failure", "channel": "ui",
        "object": {"type": "client", "id": "9"}, "records": 120, "client": {"ip": "203.0.113.7"}})]
    );
    let out = normalised(&binding, &record);
    assert_eq!((out.events[0].1.time.to_string().as_str(), out.events[0].1.source.as_str()), ("2026-03-12T08:02:10.000Z", "mycrm"));
    assert_eq!(normalised(&binding, &with(record.clone(), json!({"kind": "debug"}))), Normalised::default());
    assert_eq!(events(&binding, &with(record.clone(), json!({"verb": "new"})))[0]["action"], "other");
    let refused = |more: Value, expected: &str| {
        let out = normalised(&binding, &with(record.clone(), more));
        assert!(out.rejects[0].reason.contains(expected), "{:?}", out.rejects);
    };
    refused(json!({"event": {"at": "soon"}}), "time, from event.at: \"soon\" is no time");
    refused(json!({"user": {}}), "actor.id, from user.login, is missing");
    let odd = normalised(&binding, &with(record.clone(), json!({"n": "many"})));
    assert_eq!((odd.complaints[0].field.as_str(), odd.events[0].1.records), ("records", None));
    let wrong = |mapping: Value, expected: &str| {
        let e = Binding::check(&json!({"format": "mapping", "mapping": mapping})).expect_err("wrong");
        assert!(e.contains(expected), "{e}");
    };
    let least = json!({"time": "t", "action": "a", "actor.id": "u"});
    wrong(json!({"time": "t", "action": "a"}), "mapping: actor.id is missing");
    wrong(with(least.clone(), json!({"colour": "c"})), "mapping.colour: the event has no such field");
    wrong(
        with(least.clone(), json!({"action": {"path": "a", "values": {"x": "veiw"}}})),
        "mapping.action.values.x: \"veiw\" is no word of action",
    );
    wrong(with(least.clone(), json!({"records": {"path": "n", "value": 1}})), "mapping.records: give a path or a value, not both");
    wrong(with(least.clone(), json!({"records": {"paht": "n"}})), "mapping.records: unknown field `paht`");
    wrong(with(least, json!({"time": {"path": "t", "format": "iso"}})), "mapping.time.format: give epoch, or a pattern");
}

#[test]
fn cloudevents_come_in_both_modes_around_any_format() {
    let headers = |all: &[(&str, &str)]| all.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let record = |binding: Value, all: &[(&str, &str)], value: &str| {
        let adapter = Adapter::open(Binding::read(&binding).expect("a binding")).expect("a format");
        let headers = headers(all);
        let mut out = Normalised::default();
        adapter.record(&Raw { value: value.as_bytes(), key: None, headers: &headers }, &mut out);
        out
    };
    let ce = json!({"format": "cloudevents"});
    let binary = [
        ("ce_id", "1"),
        ("ce_source", "/a"),
        ("ce_type", "t"),
        ("ce_time", "2026-03-12T12:00:00+03:00"),
        ("content-type", "application/json"),
    ];
    let data = r#"{"actor":{"id":"u"},"action":"view"}"#;
    let out = record(ce.clone(), &binary, data);
    assert_eq!((out.events[0].1.id.as_str(), &out.events[0].1.attrs["ce_source"]), ("1", &json!("/a")));
    // A tombstone; several events in one; ids that are unique within their source only; formats that cannot be read.
    assert_eq!(record(ce.clone(), &binary, "").skipped, 1);
    let ids = |out: Normalised| out.events.into_iter().map(|(_, e)| e.id).collect::<Vec<_>>();
    assert_eq!(ids(record(ce.clone(), &binary, &format!("[{data},{data}]"))), ["1", "1:1"]);
    assert_eq!(ids(record(json!({"format": "cloudevents", "source_in_id": true}), &binary, data)), ["/a:1"]);
    assert_eq!(record(ce.clone(), &[("content-type", "application/cloudevents+avro")], "x").rejects[0].code.as_str(), "bad_value");
    let xml = [("ce_id", "1"), ("content-type", "application/xml")];
    assert_eq!(record(ce.clone(), &xml, "<a/>").rejects[0].code.as_str(), "bad_value");
    let structured = json!({"specversion": "1.0", "id": "2", "source": "/a", "type": "t", "time": "2026-03-12T12:00:00Z", "data_base64": "eyJhY3RvciI6eyJpZCI6InUifSwiYWN0aW9uIjoidmlldyJ9"});
    assert_eq!(ids(record(ce.clone(), &[("content-type", "APPLICATION/CloudEvents+json; charset=UTF-8")], &structured.to_string())), ["2"]);
    let broken = with(structured, json!({"data_base64": "e30", "id": "3"}));
    assert_eq!(record(ce, &[], &broken.to_string()).rejects[0].code.as_str(), "bad_json");
    let hubspot = json!({"specversion": "1.0", "id": "2", "source": "/a", "type": "t",
        "data": {"results": [{"id": "1", "loginAt": "2026-03-12T05:59:41Z", "userId": 7}, {"id": "2"}]}});
    let out = record(json!({"format": "hubspot"}), &[], &hubspot.to_string());
    assert_eq!((out.events[0].1.id.as_str(), &out.events[0].1.attrs["ce_type"], out.rejects[0].index), ("login:1", &json!("t"), 1));
}

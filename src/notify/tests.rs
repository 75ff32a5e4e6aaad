use serde_json::{Value, json};

use super::{Notice, alertmanager::Told, link, ocsf};
use crate::{engine::Severity, event::Timestamp};

/// What is told about a thief of records.
pub(crate) fn notice() -> Notice {
    let part = |detector: &str, unit: &str, en: &str, ru: &str| {
        json!({"detector": detector, "family": "volume", "bits": 6000, "observed": 3640.0, "expected": 95.5, "unit": unit,
            "sentence": {"en": en, "ru": ru}})
    };
    let mut small = part("offh", "nats", "", "");
    small.as_object_mut().expect("one").remove("sentence");
    let alert = serde_json::from_value(json!({
        "alert_id": "0190a1b2-0000-5000-8000-000000000001", "version": 2, "tenant": "acme", "manager": "anna",
        "subject": {"kind": "manager", "id": "anna"}, "team": "north", "notify": true, "linked": [], "late": false, "lookback": false,
        "time": "2026-01-12T11:00:00Z", "opened_at": "2026-01-12T10:00:00Z", "kind": "bulk_export", "controls": ["bulk_export", "off_hours"],
        "severity": "high", "bits": 12000, "ln_p": -9.0, "score": 20.9, "summary": {"en": "Much left.", "ru": "Много ушло."},
        "contributions": [part("rec_out", "records", "Exported 3 640 records; usually 95.", "Выгружено 3 640 записей; обычно 95."),
            part("distinct", "clients", "Touched many.", "Затронуто много."), small],
        "event_ids": ["crm/1"], "events_total": 1, "records": 3640, "clients": 2, "mitre": ["T1213.004"], "prior": "none", "engine": "0"
    }));
    Notice {
        alert: alert.expect("an alert version"),
        manager_alias: "ABCDEFGHIJ".to_owned(),
        supervisor: Some("u-2".to_owned()),
        escalated_from: Vec::new(),
        name: None,
        link: link("https://filin.example", "0190a1b2-0000-5000-8000-000000000001"),
    }
}

#[test]
fn a_finding_keeps_to_the_schema() {
    let schema: Value = serde_json::from_str(include_str!("../../schemas/ocsf-finding.schema.json")).expect("JSON");
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).expect("a good schema");
    let faults = |value: &Value| validator.iter_errors(value).map(|e| format!("{}: {e}", e.instance_path())).collect::<Vec<_>>();
    let now = Timestamp::from_millis(1_768_216_000_000);
    let mut said = notice();
    let first = ocsf::finding(&said, now);
    assert_eq!(faults(&first), Vec::<String>::new());
    assert_eq!((&first["class_uid"], &first["type_uid"], &first["severity_id"]), (&json!(2004), &json!(200_402), &json!(4)), "{first}");
    assert_eq!(first["metadata"]["uid"], "0190a1b2-0000-5000-8000-000000000001/2");
    assert!(!first.to_string().contains("anna"), "neither id nor name: {first}");
    said.name = Some("Анна".to_owned());
    said.alert.version = 1;
    let named = ocsf::finding(&said, now);
    assert_eq!(faults(&named), Vec::<String>::new());
    assert_eq!((&named["type_uid"], &named["evidences"][0]["actor"]["user"]["full_name"]), (&json!(200_401), &json!("Анна")));
    // About an address: nobody's supervisor, and the address is the evidence.
    said.alert.subject = crate::engine::Subject { kind: crate::engine::SubjectKind::Address, id: "203.0.113.7".to_owned() };
    (said.manager_alias, said.supervisor, said.alert.team) = (String::new(), None, None);
    let address = ocsf::finding(&said, now);
    assert_eq!(faults(&address), Vec::<String>::new());
    assert_eq!(address["evidences"][0]["src_endpoint"]["ip"], "203.0.113.7");
    // The schema says something.
    for wrong in ["/class_uid", "/severity_id", "/metadata/uid", "/finding_info/uid", "/evidences"] {
        let mut spoilt = first.clone();
        *spoilt.pointer_mut(wrong).expect(wrong) = json!(7);
        assert!(!faults(&spoilt).is_empty(), "{wrong}");
    }
    let mut more = first;
    more["nosuch"] = json!(1);
    assert!(!faults(&more).is_empty());
}

#[test]
fn labels_stay_and_words_are_annotations() {
    let (said, now) = (notice(), Timestamp::from_millis(1_768_216_000_000));
    let told = Told {
        notice: &said,
        opened_by: "off_hours",
        before: &[Severity::Low, Severity::Medium],
        since: now.plus(-1000),
        closed: false,
        changed: true,
    };
    let posts = serde_json::to_value(told.posts(now)).expect("JSON");
    let severities: Vec<&str> = posts.as_array().expect("a list").iter().filter_map(|p| p["labels"]["severity"].as_str()).collect();
    assert_eq!(severities, ["low", "medium", "high"]);
    let expected = json!({"alertname": "off_hours", "tenant": "acme", "team": "north", "supervisor": "u-2", "severity": "high",
        "manager_alias": "ABCDEFGHIJ", "alert_id": "0190a1b2-0000-5000-8000-000000000001"});
    assert_eq!(posts[2]["labels"], expected);
    assert_eq!((&posts[0]["endsAt"], &posts[1]["endsAt"]), (&json!(now.to_string()), &json!(now.to_string())), "the old ones end now");
    assert_eq!(posts[2]["endsAt"], now.plus(3_600_000).to_string());
    assert_eq!(posts[2]["startsAt"], now.plus(-1000).to_string());
    let words = &posts[2]["annotations"];
    assert_eq!((&words["actual"], &words["usual"], &words["unit"]), (&json!("3640"), &json!("95.5"), &json!("records")));
    assert_eq!(words["why_ru"], "Выгружено 3 640 записей; обычно 95.\nЗатронуто много.");
    assert_eq!(words["link"], "https://filin.example/alerts/0190a1b2-0000-5000-8000-000000000001");
    assert!(words.get("name").is_none() && !posts.to_string().contains("anna"));
    let closed = Told { before: &[], closed: true, ..told }.posts(now);
    assert_eq!((closed.len(), closed[0].ends_at), (1, now));
}

#[test]
fn what_was_escalated_ends_for_whom_it_was_before() {
    let (mut said, now) = (notice(), Timestamp::from_millis(1_768_216_000_000));
    (said.escalated_from, said.supervisor) = (vec![Some("u-2".to_owned()), None], Some("u-1".to_owned()));
    let told = Told { notice: &said, opened_by: "off_hours", before: &[Severity::Medium], since: now, closed: false, changed: true };
    let posts = told.posts(now);
    let seen = posts.iter().map(|p| {
        let label = |name: &str| p.labels.get(name).map(String::as_str);
        (label("severity"), label("supervisor"), label("escalated"), p.ends_at > now)
    });
    let (medium, high) = (Some("medium"), Some("high"));
    let expected = [
        (medium, Some("u-2"), None, false),
        (high, Some("u-2"), None, false),
        (medium, None, Some("1"), false),
        (high, None, Some("1"), false),
        (medium, Some("u-1"), Some("2"), false),
        (high, Some("u-1"), Some("2"), true),
    ];
    assert_eq!(seen.collect::<Vec<_>>(), expected);
    assert_eq!(Told { changed: false, ..told }.posts(now).len(), 1);
}

#[test]
fn nobody_to_tell_is_no_label() {
    let (mut said, now) = (notice(), Timestamp::from_millis(0));
    (said.supervisor, said.alert.team, said.manager_alias, said.name) = (None, None, String::new(), Some("Anna".to_owned()));
    let told = Told { notice: &said, opened_by: "spraying", before: &[], since: now.plus(5), closed: false, changed: false };
    let post = &told.posts(now)[0];
    assert_eq!(post.labels.keys().copied().collect::<Vec<_>>(), ["alert_id", "alertname", "severity", "tenant"]);
    assert_eq!((post.annotations["name"].as_str(), post.starts_at), ("Anna", now), "nothing starts after now");
}

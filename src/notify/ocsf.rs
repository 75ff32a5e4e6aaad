//! An alert version as an OCSF Detection Finding (class 2004, version 1.3). `schemas/ocsf-finding.schema.json` is what we use of it.

use serde_json::{Map, Value, json};

use super::Notice;
use crate::{
    engine::{
        Contribution, Severity, SubjectKind,
        control::{self, Kind},
    },
    event::Timestamp,
};

/// The class: a finding of a detection.
pub const CLASS: u32 = 2004;
/// The version of OCSF that is spoken.
pub const VERSION: &str = "1.3.0";

/// The finding. Its first version creates it, later ones update it.
pub fn finding(notice: &Notice, now: Timestamp) -> Value {
    let (a, catalogued) = (&notice.alert, control::get(&notice.alert.kind));
    let (activity_id, activity) = if a.version == 1 { (1, "Create") } else { (2, "Update") };
    let severity_id = match a.severity {
        Severity::Low => 2,
        Severity::Medium => 3,
        Severity::High => 4,
        Severity::Critical => 5,
    };
    let severity = ["Low", "Medium", "High", "Critical"][severity_id - 2];
    let (type_id, kind) = match catalogued.map(|c| c.kind) {
        Some(Kind::Behavioural) => (2, "Behavioral"),
        _ => (1, "Rule"),
    };
    let title = catalogued.map_or(a.kind.as_str(), |c| c.title.en);
    let techniques = a.mitre.iter().map(|uid| json!({"technique": {"uid": uid}, "version": "16"}));
    let related = a.event_ids.iter().map(|uid| json!({"uid": uid}));
    let mut unmapped = json!({
        "controls": a.controls, "team": a.team, "role": a.role, "supervisor": notice.supervisor, "subject_kind": a.subject.kind.as_str(),
        "millibits": a.bits, "score": a.score, "late": a.late, "lookback": a.lookback, "linked": a.linked, "prior": a.prior,
        "events": a.events_total, "records": a.records, "clients": a.clients,
        "title_ru": catalogued.map_or(a.kind.as_str(), |c| c.title.ru), "summary_ru": a.summary.ru,
    });
    drop_nulls(&mut unmapped);
    json!({
        "activity_id": activity_id, "activity_name": activity,
        "category_uid": 2, "category_name": "Findings",
        "class_uid": CLASS, "class_name": "Detection Finding",
        "type_uid": CLASS * 100 + activity_id, "type_name": format!("Detection Finding: {activity}"),
        "severity_id": severity_id, "severity": severity,
        "status_id": 1, "status": "New",
        "is_alert": true,
        "time": a.time.millis(),
        "message": a.summary.en,
        "risk_score": score(a.score),
        "metadata": {
            "version": VERSION,
            "product": {"name": "Filin", "vendor_name": "Filin", "version": env!("CARGO_PKG_VERSION")},
            "uid": notice.key(), "tenant_uid": a.tenant, "logged_time": now.millis(),
        },
        "finding_info": {
            "uid": a.alert_id, "title": title, "desc": a.summary.en, "types": a.controls, "src_url": notice.link,
            "created_time": a.opened_at.millis(), "first_seen_time": a.opened_at.millis(), "last_seen_time": a.time.millis(),
            "analytic": {"uid": a.kind, "name": title, "type_id": type_id, "type": kind, "version": a.engine},
            "attacks": techniques.collect::<Vec<_>>(),
            "related_events": related.collect::<Vec<_>>(),
        },
        "evidences": evidences(notice),
        "unmapped": unmapped,
    })
}

/// Who it is about, and what was found.
fn evidences(notice: &Notice) -> Vec<Value> {
    let mut all = Vec::new();
    if !notice.manager_alias.is_empty() {
        let mut user = Map::from_iter([("uid".to_owned(), Value::from(notice.manager_alias.as_str()))]);
        if let Some(name) = &notice.name {
            user.insert("full_name".to_owned(), Value::from(name.as_str()));
        }
        all.push(json!({"actor": {"user": user}}));
    }
    if notice.alert.subject.kind == SubjectKind::Address {
        all.push(json!({"src_endpoint": {"ip": notice.alert.subject.id}}));
    }
    all.extend(notice.alert.contributions.iter().map(|c| json!({"data": data(c)})));
    all
}

fn data(c: &Contribution) -> Value {
    let mut data = json!({
        "detector": c.detector, "family": c.family, "millibits": c.bits, "observed": c.observed, "expected": c.expected, "unit": c.unit,
        "sentence_en": c.sentence.as_ref().map(|s| &s.en), "sentence_ru": c.sentence.as_ref().map(|s| &s.ru),
    });
    drop_nulls(&mut data);
    data
}

fn drop_nulls(value: &mut Value) {
    if let Value::Object(fields) = value {
        fields.retain(|_, v| !v.is_null());
    }
}

/// OCSF's risk score is whole.
#[expect(clippy::cast_possible_truncation, reason = "a score lies between 0 and 100")]
fn score(score: f64) -> i64 {
    libm::floor(score) as i64
}

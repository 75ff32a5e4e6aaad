//! What answers teach: an order of the queue, in a running instance, and back again when they are taken back.

use serde_json::{Value, json};

use crate::service::{Service, ended, filin, wait};

/// Alerts about exports of many bits, every second a slow drift of few; drifts are incidents, exports are work.
fn alerts(first: u32, n: u32) -> String {
    format!(
        "INSERT INTO alerts (alert_id, version, tenant, manager, manager_alias, subject_kind, subject_id, team, role, time, opened_at, kind, \
         controls, severity, bits, score, summary_en, summary_ru, contributions, event_ids, prior, engine) \
         SELECT concat('00000000-0000-5000-8000-', leftPad(toString(number), 12, '0')), 1, 'default', concat('m', toString(number % 5)) AS m, m, \
         'manager', m, 'a', 'sales', now64(3) - toIntervalMinute(10000 - number) AS t, t, if(number % 2 = 0, 'drip', 'bulk_export') AS k, \
         [k], 'medium', if(number % 2 = 0, 9000, 24000) + cityHash64(number) % 3000 AS b, intDiv(b, 60) / 10, 's', 's', \
         [(if(number % 2 = 0, 'c_rec', 'rec_out'), 'f', b, 0, 0, 'records', '', '')], ['crm/1'], 'none', '0' FROM numbers({first}, {n})"
    )
}

/// What people did about them.
fn acted(first: u32, n: u32, revision: u32, action: &str) -> String {
    format!(
        "INSERT INTO alert_actions (tenant, alert_id, revision, action_id, at, actor, actor_role, action, verdict, reason) \
         SELECT 'default', concat('00000000-0000-5000-8000-', leftPad(toString(number), 12, '0')), {revision}, \
         concat(toString(number), '-{revision}'), now64(3), 'vera', 'analyst', '{action}', \
         multiIf('{action}' != 'close', '', number % 2 = 0, 'true_positive', 'benign_expected'), 'month-end report' FROM numbers({first}, {n})"
    )
}

#[test]
fn an_order_is_learned_from_200_verdicts_and_forgotten_when_they_are_taken_back() {
    let root = tempfile::tempdir().expect("a folder");
    let (root, data) = (root.path(), root.path().join("data"));
    let service = Service::start(&data, &[]);
    // The tenant is there once something happened in it.
    let file = root.join("events.jsonl");
    let time = filin::ops::clock::now();
    let line = format!(r#"{{"id": "e1", "time": "{time}", "source": "crm", "actor": {{"id": "anna"}}, "action": "login"}}"#);
    std::fs::write(&file, line).expect("written");
    service.push("canonical", &[&file]);
    service.settle();
    let write = |sql: &str| {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(service.client().query(sql).execute()).unwrap_or_else(|e| panic!("{sql}: {e}"));
    };
    let open = |query: &str| -> (Vec<Value>, Option<String>) {
        let (status, text) = service.http("GET", &format!("/v1/alerts?state=open&sort=priority&{query}"), b"");
        assert_eq!(status, 200, "{text}");
        let page: Value = serde_json::from_str(&text).expect("JSON");
        (page["alerts"].as_array().expect("a list").clone(), page["next"].as_str().map(str::to_owned))
    };
    let all = || open("limit=1000").0;
    let number = |alert: &Value, key: &str| alert[key].as_f64().expect("a number");
    let by_score = |alerts: &[Value]| {
        alerts.iter().all(|a| a["priority"] == a["score"]) && alerts.is_sorted_by_key(|a| std::cmp::Reverse(a["bits"].as_u64()))
    };
    let report = || service.ask("SELECT verdicts, confirmed, held_back, in_force, why FROM filin.ranker_reports ORDER BY at DESC LIMIT 1");
    let page = || service.http("GET", "/?lang=en", b"").1;

    // One verdict less than enough.
    write(&alerts(0, 250));
    write(&alerts(900, 1).replace("[k]", "['decoy', k]"));
    write(&acted(0, 199, 1, "close"));
    wait("199 verdicts to be heard", || report().starts_with("199\t").then_some(()));
    assert_eq!(report(), "199\t100\t49\tfalse\tfew_verdicts");
    let few = all();
    assert!(few.len() == 52 && by_score(&few), "{few:?}");
    assert!(!page().contains("sort=priority"));

    write(&acted(199, 16, 1, "close"));
    wait("the order to be in force", || report().starts_with("215\t").then_some(()));
    assert_eq!(report(), "215\t108\t53\ttrue\tbetter");
    let learned = all();
    assert_eq!(learned.len(), 36);
    let (firm, others): (Vec<&Value>, Vec<&Value>) = learned.iter().partition(|a| a["controls"].as_array().is_some_and(|c| c.len() == 2));
    assert!(firm.len() == 1 && number(firm[0], "priority") >= number(firm[0], "score"), "{firm:?}");
    assert!(others.is_sorted_by_key(|a| a["kind"] == "bulk_export"), "drifts first, though exports have more bits");
    assert!(learned.is_sorted_by(|a, b| number(a, "priority") >= number(b, "priority")));
    let (mut paged, mut next) = open("limit=10");
    while let Some(after) = next {
        let page = open(&format!("limit=10&after={after}"));
        paged.extend(page.0);
        next = page.1;
    }
    assert_eq!(paged, learned);
    let (_, one) = service.http("GET", &format!("/v1/alerts/{}", learned[0]["alert_id"].as_str().expect("an id")), b"");
    assert_eq!(serde_json::from_str::<Value>(&one).expect("JSON")["alert"]["priority"], learned[0]["priority"]);
    assert!(page().contains("sort=priority"));
    let metrics = service.http("GET", "/metrics", b"").1;
    for line in ["filin_ranker_in_force{tenant=\"default\"} 1", "filin_ranker_verdicts{tenant=\"default\"} 215"] {
        assert!(metrics.lines().any(|l| l == line), "{line} is missing");
    }
    let ranker = |flags: &[&str]| {
        let mut command = filin(&["ranker", "--data", data.to_str().expect("a plain path")]);
        command.args(flags);
        String::from_utf8(ended(command, 0).stdout).expect("text")
    };
    let said: Value = serde_json::from_str(&ranker(&["--json"])).expect("JSON");
    assert_eq!((&said[0]["verdicts"], &said[0]["in_force"]), (&json!(215), &json!(true)), "{said}");
    let text = ranker(&[]);
    let mute = "filin mute add --tenant default --manager m1 --control bulk_export --for 14d --reason 'benign_expected 22 times: month-end report'";
    assert!(text.contains("in force") && text.contains(mute), "{text}");

    // Taken back, they teach nothing.
    write(&acted(199, 16, 2, "reopen"));
    wait("the order to be forgotten", || report().starts_with("199\t").then_some(()));
    let back = all();
    assert!(back.len() == 52 && by_score(&back), "{back:?}");
    assert!(!page().contains("sort=priority"));
    service.stop();
}

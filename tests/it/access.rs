//! Who sees and does what, against the real store: two teams with a supervisor each, an analyst, an auditor, an admin.

use std::{collections::BTreeMap, fmt::Write as _, fs};

use serde_json::{Value, json};

use crate::service::{Service, ended, filin, wait};

/// More people than a query of ClickHouse's usual length can name.
const CROWD: usize = 9000;

/// Somebody opens the decoy now.
fn trap(id: &str, who: &str) -> String {
    let time = filin::ops::clock::now().to_string();
    json!({"id": id, "time": time, "source": "crm", "actor": {"id": who}, "action": "view", "object": {"type": "client", "id": "trap"}})
        .to_string()
}

/// Names, their tokens, and the entries of the configuration.
fn tokens() -> (BTreeMap<&'static str, String>, String) {
    let (mut tokens, mut entries) = (BTreeMap::new(), String::new());
    for (name, words) in [
        ("vera", "supervisor --tenant default --user boss-a"),
        ("boris", "supervisor --tenant default --user boss-b"),
        ("head", "supervisor --tenant default --user head"),
        ("ana", "analyst"),
        ("anna", "analyst --tenant default --user anna"),
        ("far", "analyst --tenant elsewhere"),
        ("otto", "auditor"),
        ("ada", "admin"),
    ] {
        let words: Vec<&str> = words.split(' ').collect();
        let made: Value =
            serde_json::from_slice(&ended(filin(&[&["token", name, "--json", "--role"], &words[..]].concat()), 0).stdout).expect("JSON");
        writeln!(entries, "[[access]]").expect("in memory");
        for key in ["name", "role", "tenant", "user", "token_sha256"] {
            if let Some(text) = made[key].as_str() {
                writeln!(entries, "{key} = {text:?}").expect("in memory");
            }
        }
        tokens.insert(name, made["token"].as_str().expect("a token").to_owned());
    }
    (tokens, entries)
}

/// Whatever stands in a filter or an id is a value: it neither breaks a query nor shows others' rows, whose pseudonyms these are.
fn no_filter_is_a_query(get: &impl Fn(&str) -> (u16, String), own: &str, others: [&str; 2]) {
    let hostile = [
        "' OR 1=1 -- ",
        "\\' OR 1=1 -- ",
        "') OR (1=1",
        "x' UNION ALL SELECT * FROM users -- ",
        "?fields ??",
        "{t:String}",
        "%",
        "\0\n`\"/*",
        "); DROP TABLE alerts; --",
    ];
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20");
    let ways = |value: &str| {
        let filters =
            ["manager", "tenant", "severity", "state", "sort", "after", "since", "limit"].map(|key| format!("/v1/alerts?{key}={value}"));
        let events = ["manager", "client", "action", "tenant", "since", "until", "after"].map(|key| format!("/v1/events?{key}={value}"));
        let pages = ["manager", "tenant", "after"].map(|key| format!("/?lang=en&{key}={value}"));
        let paths = ["/v1/alerts/{}", "/v1/alerts/{}/events", "/alerts/{}"].map(|path| path.replace("{}", value));
        let managers = [format!("/v1/managers?tenant={value}")];
        // A place behind which nothing is looked for otherwise.
        let places = [format!("/v1/alerts?after=9999999999999.{value}"), format!("/v1/events?client=nobody&after=9999999999999.{value}")];
        [&filters[..], &events, &pages, &paths, &managers, &places].concat()
    };
    for text in hostile {
        for path in ways(&encode(text)) {
            let (status, answer) = get(&path);
            assert!([200, 400, 404].contains(&status), "{path}: {status} {answer}");
            assert!(others.iter().all(|other| !answer.contains(other)), "{path}: {answer}");
            assert!(
                status != 200 || !path.starts_with("/v1/alerts?manager") || !answer.contains(own),
                "nobody has such an id: {path}: {answer}"
            );
        }
    }
}

#[test]
fn everybody_sees_and_does_what_their_role_says() {
    let root = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = root.path().join(name);
        fs::write(&path, text).expect("written");
        path.to_str().expect("plain").to_owned()
    };
    let mut users = "id,team,supervisor\nann,a,boss-a\nbob,b,boss-b\nboss-a,a,head\nboss-b,b,head\nhead,,\nanna,c,\n".to_owned();
    (0..CROWD).for_each(|i| writeln!(users, "somebody-with-a-long-id-{i:08},a,boss-a").expect("in memory"));
    let users = write("users.csv", &users);
    let clients = write("clients.csv", "id,owner,team,decoy\ntrap,,,true\n");
    let (tokens, entries) = tokens();
    let text = format!(
        "[reference]\nusers = {users:?}\nclients = {clients:?}\n[embedded]\nlisten = '127.0.0.1:0'\n[canary]\nenabled = false\n{entries}"
    );
    let config = write("filin.toml", &text);
    let data = root.path().join("data");
    let mut service = Service::start(&data, &["--config", &config]);
    assert_eq!(service.http("GET", "/v1/alerts", b"").0, 401, "on loopback, too");
    assert_eq!(service.http("GET", "/readyz", b"").0, 200);
    service.token = tokens["ada"].clone();
    let lines = ["ann", "bob", "boss-a", "anna"].map(|who| trap(&format!("e-{who}"), who)).join("\n");
    service.push(
        "canonical",
        &[root.path().join("events.jsonl").as_path()].map(|path| {
            fs::write(path, &lines).expect("written");
            path
        }),
    );
    service.settle();

    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let run = |sql: &str| runtime.block_on(service.client().query(sql).execute()).expect(sql);
    // One about an address, and one of another organisation.
    let copy = "INSERT INTO alerts SELECT * REPLACE (";
    let of = ") FROM (SELECT * FROM alerts WHERE manager = 'bob' ORDER BY version LIMIT 1)";
    run(&format!(
        "{copy}'00000000-0000-5000-8000-00000000000a' AS alert_id, '' AS manager, '' AS manager_alias, 'address' AS subject_kind, '10.0.0.1' AS subject_id{of}"
    ));
    run(&format!("{copy}'00000000-0000-5000-8000-00000000000b' AS alert_id, 'elsewhere' AS tenant, 'ann' AS manager{of}"));

    let get = |who: &str, path: &str| service.as_who(&tokens[who], "GET", path, "text/plain", b"");
    let list = |who: &str, query: &str| {
        let (status, text) = get(who, &format!("/v1/alerts{query}"));
        assert_eq!(status, 200, "{who}: {text}");
        serde_json::from_str::<Value>(&text).expect("JSON")["alerts"].as_array().expect("a list").clone()
    };
    let about = |alert: &Value| format!("{}/{}", alert["tenant"].as_str().expect("one"), alert["subject"]["id"].as_str().expect("one"));
    let sees = |who: &str, query: &str| {
        let mut all: Vec<String> = list(who, query).iter().map(about).collect();
        all.sort();
        all.dedup();
        all.join(" ").replace("default/", "")
    };
    let everything = "10.0.0.1 ann anna bob boss-a elsewhere/bob";
    for (who, expected) in [
        ("vera", "ann"),
        ("boris", "bob"),
        ("head", "ann bob boss-a"),
        ("ana", everything),
        ("otto", everything),
        ("ada", everything),
        ("anna", "10.0.0.1 ann bob boss-a"),
        ("far", "elsewhere/bob"),
    ] {
        assert_eq!(sees(who, "?limit=1000"), expected, "{who}");
    }
    // No filter leads out of the scope.
    let alerts: BTreeMap<String, Value> = list("ana", "").into_iter().map(|a| (about(&a), a)).collect();
    let word = |of: &str, key: &str| alerts[of][key].as_str().expect("a text").to_owned();
    let [anns, bobs, own] = ["default/ann", "default/bob", "default/boss-a"].map(|of| (word(of, "alert_id"), word(of, "manager_alias")));
    for query in
        ["?manager=bob", &format!("?manager={}", bobs.1), "?manager=boss-a", "?tenant=elsewhere", "?state=open&manager=bob", "?manager="]
    {
        assert_eq!(sees("vera", query), "", "{query}");
    }
    assert_eq!((sees("boris", "?state=open&severity=low"), sees("vera", "?state=closed")), ("bob".to_owned(), String::new()));

    // The row of another organisation has the pseudonym of whom it was copied from.
    no_filter_is_a_query(&|path| get("far", path), &bobs.1, [&anns.1, &own.1]);

    let unknown = get("vera", "/v1/alerts/00000000-0000-5000-8000-000000000000");
    let [address, elsewhere] = ["00000000-0000-5000-8000-00000000000a", "00000000-0000-5000-8000-00000000000b"];
    for id in [&bobs.0, &own.0, address, elsewhere] {
        assert_eq!(get("vera", &format!("/v1/alerts/{id}")), unknown, "there is no difference");
        assert_eq!(get("vera", &format!("/alerts/{id}")), unknown);
    }
    assert_eq!((get("vera", &format!("/v1/alerts/{}", anns.0)).0, unknown.0), (200, 404));
    assert_eq!(get("ana", &format!("/v1/alerts/{elsewhere}")).0, 200);

    let aliases = |who: &str| {
        let managers: Value = serde_json::from_str(&get(who, "/v1/managers").1).expect("JSON");
        let mut all: Vec<String> = managers["managers"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|m| m["manager_alias"].as_str().unwrap_or_default().to_owned())
            .collect();
        all.sort();
        all
    };
    assert_eq!(aliases("vera"), [anns.1.as_str()]);
    assert!(aliases("ana").len() >= 4 && aliases("far").is_empty() && !aliases("anna").contains(&word("default/anna", "manager_alias")));

    // One of them, and one client: the same scope.
    let json = |who: &str, path: &str| {
        let (status, text) = get(who, path);
        assert_eq!(status, 200, "{who} {path}: {text}");
        serde_json::from_str::<Value>(&text).expect("JSON")
    };
    for name in ["ann", &anns.1] {
        let found = json("vera", &format!("/v1/managers/{name}"));
        assert_eq!(
            (&found["manager"]["manager_alias"], &found["days"][0]["events"], &found["peers"]),
            (&json!(anns.1), &json!(1), &Value::Null)
        );
        assert_eq!((found["hours"].as_array().map(Vec::len), found["days"][0]["clients"].as_u64()), (Some(1), Some(1)), "{found}");
    }
    let nobody = get("vera", "/v1/managers/nobody");
    for name in ["bob", &bobs.1, "boss-a"] {
        assert_eq!(get("vera", &format!("/v1/managers/{name}")), nobody, "there is no difference");
    }
    assert_eq!((nobody.0, get("ana", "/v1/managers/bob").0, get("far", "/v1/managers/bob").0), (404, 200, 404));
    let visitors = |who: &str, path: &str| {
        let found = json(who, path);
        let people = found["people"].as_array().expect("a list");
        assert!(people.iter().all(|p| p["owner"] == "unknown" && p["with_reason"] == 0 && p["events"] == 1), "{found}");
        assert!(found["events"].as_array().expect("a list").iter().all(|e| e["client"] == "trap" && e["owner"] == "unknown"), "{found}");
        (people.len(), found["events"].as_array().map(Vec::len), found["next"].is_string())
    };
    assert_eq!(visitors("ana", "/v1/clients/trap/access"), (4, Some(4), false));
    assert_eq!(visitors("anna", "/v1/clients/trap/access?tenant=default"), (3, Some(3), false), "not their own");
    assert_eq!(visitors("vera", "/v1/clients/trap/access"), (1, Some(1), false));
    assert_eq!(visitors("ana", "/v1/clients/trap/access?limit=2"), (2, Some(2), true));
    assert_eq!(visitors("far", "/v1/clients/trap/access"), (0, Some(0), false));
    let looked = "/v1/clients/trap/access?tenant=_audit";
    wait("a look to be stored", || json("ada", looked)["people"].as_array().is_some_and(|all| !all.is_empty()).then_some(()));
    assert_eq!(visitors("anna", looked), (0, Some(0), false));
    assert_eq!(visitors("ana", "/v1/clients/trap/access?until=2020-01-01T00:00:00Z"), (0, Some(0), false));
    let policies = json("otto", "/v1/policy");
    let of =
        |tenant: &str| policies["policies"].as_array().expect("a list").iter().any(|p| p["tenant"] == tenant && p["policy"].is_object());
    assert!(of("default") && !of("elsewhere"), "{policies}");
    assert_eq!(["vera", "far"].map(|who| get(who, "/v1/policy").0), [403, 200]);
    assert_eq!(json("far", "/v1/policy")["policies"], json!([]));

    let page = get("vera", "/?lang=en").1;
    assert!(page.contains(&anns.1) && !page.contains(&bobs.1) && !page.contains(&own.1), "{page}");
    assert!(page.contains("<dt>managers</dt><dd><span class=\"value\">1</span>"), "what is counted is theirs: {page}");
    let (theirs, audited) = (get("vera", &format!("/alerts/{}", anns.0)).1, get("otto", &format!("/alerts/{}", anns.0)).1);
    assert!(theirs.contains("<button") && !audited.contains("<button"));

    let act = |who: &str, id: &str, order: Value| {
        let (status, text) =
            service.as_who(&tokens[who], "POST", &format!("/v1/alerts/{id}/actions"), "application/json", order.to_string().as_bytes());
        (status, serde_json::from_str::<Value>(&text).expect("JSON"))
    };
    let look = |by: Option<&str>| json!({"action": "acknowledge", "revision": 0, "by": by});
    assert_eq!(act("boris", &anns.0, look(None)).0, 404);
    assert_eq!(act("vera", &own.0, look(None)).0, 404, "her own");
    assert_eq!(act("otto", &anns.0, look(None)).0, 403);
    assert_eq!(act("vera", &anns.0, look(Some("ana"))).0, 403);
    let (status, done) = act("vera", &anns.0, look(None));
    assert_eq!((status, &done["action"]["actor"], &done["action"]["role"]), (200, &json!("vera"), &json!("supervisor")), "{done}");
    let close = json!({"action": "close", "verdict": "benign_expected", "reason": "a drill", "revision": 1});
    assert_eq!(act("ana", &anns.0, close).0, 200);
    assert_eq!((sees("vera", "?state=closed"), sees("boris", "?state=closed")), ("ann".to_owned(), String::new()));

    let post = |who: &str, path: &str, body: &str| service.as_who(&tokens[who], "POST", path, "application/json", body.as_bytes()).0;
    let mute = r#"{"mute":{"id":"m1","manager":"bob","from":"2026-03-01T00:00:00Z","until":"2026-03-02T00:00:00Z","reason":"a test"}}"#;
    assert_eq!(["vera", "otto", "far", "ana"].map(|who| post(who, "/v1/mutes", mute)), [403, 403, 403, 200]);
    let quiet = |who: &str| json(who, "/v1/mutes")["mutes"].as_array().map(Vec::len);
    wait("the mute to be stored", || (quiet("ana") == Some(1)).then_some(()));
    assert_eq!((quiet("otto"), quiet("far"), get("vera", "/v1/mutes").0), (Some(1), Some(0), 403));
    assert_eq!(["vera", "ana", "otto", "ada"].map(|who| post(who, "/v1/policy/reload", "")), [403, 403, 403, 200]);
    assert_eq!(["vera", "ana", "otto", "ada"].map(|who| post(who, "/v1/dead-letters/retry", r#"{"ids":[]}"#)), [403, 403, 403, 200]);
    // The command line shows the store's password.
    let mut command = filin(&["mute", "add", "--manager", "bob", "--for", "1h", "--reason", "a test", "--by", "root"]);
    command.args(["--data", data.to_str().expect("plain")]);
    ended(command, 0);

    // Who looked, at what, whose it was.
    let seen = |who: &str, more: &str| {
        service.logged(&format!("SELECT count() FROM events WHERE tenant = '_audit' AND manager = '{who}' AND {more}"))
    };
    let looked = format!("action = 'view' AND object_id = '{}'", anns.0);
    wait("the looks to be stored", || (seen("vera", &looked) == 2 && seen("otto", &looked) == 1).then_some(()));
    assert!(seen("vera", "action = 'list'") >= 7 && seen("boris", &looked) == 0);
    let whose = format!(
        "SELECT count() FROM events_raw WHERE tenant = '_audit' AND position(attrs, '{}') > 0 AND position(attrs, '\"tenant\":\"default\"') > 0",
        anns.1
    );
    assert_eq!(service.logged(&whose), 5, "three looks at the alert, two at the person");
    assert_eq!(
        service.logged("SELECT count() FROM events WHERE tenant = 'default' AND source = 'filin'"),
        0,
        "never in the log of whom it is about"
    );
    assert!(service.http("GET", "/metrics", b"").1.contains("filin_api_reads_unrecorded_total 0"));

    run("ALTER TABLE alerts DELETE WHERE startsWith(alert_id, '00000000-') SETTINGS mutations_sync = 1");
    service.settle();
    service.stop();
    let mut command = filin(&["replay", "--from-log", "--verify", "--alerts"]);
    command.arg(root.path().join("again.jsonl")).args(["--data", data.to_str().expect("plain")]);
    ended(command, 0);
}

#[test]
fn two_have_to_agree_before_a_name_is_shown() {
    let root = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = root.path().join(name);
        fs::write(&path, text).expect("written");
        path.to_str().expect("plain").to_owned()
    };
    let users = write("users.csv", "id,name,team\nann,Ann Smirnova,a\nanna,Anna Petrova,a\n");
    let (tokens, entries) = tokens();
    let data = root.path().join("data");
    let text = format!(
        "[reference]\nusers = {users:?}\n[embedded]\ndata = {data:?}\nlisten = '127.0.0.1:0'\n[canary]\nenabled = false\n[privacy]\nfour_eyes = true\n{entries}"
    );
    let config = write("filin.toml", &text);
    let service = Service::start(&data, &["--config", &config]);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let ask = |sql: &str| runtime.block_on(service.client().query(sql).fetch_one::<String>()).ok();
    let alias_of = |id: &str| wait("reference data", || ask(&format!("SELECT manager_alias FROM users WHERE id = '{id}' LIMIT 1")));
    let (ann, anna) = (alias_of("ann"), alias_of("anna"));
    let post = |who: &str, path: &str, body: &Value| {
        let (status, text) = service.as_who(&tokens[who], "POST", path, "application/json", body.to_string().as_bytes());
        (status, serde_json::from_str::<Value>(&text).expect("JSON"))
    };
    let reveal = |who: &str, alias: &str| post(who, "/v1/reveals", &json!({ "manager_alias": alias, "reason": "exit interview" }));
    let seen = || ask("SELECT toString(count()) FROM reveals").expect("a number");

    // Whoever asks twice waits for the same; nothing is seen meanwhile, and nobody agrees with themselves.
    let (status, waits) = reveal("ana", &ann);
    assert_eq!((status, waits["waits"]["by"].as_str()), (202, Some("ana")), "{waits}");
    assert_eq!(reveal("ana", &ann), (202, waits.clone()));
    let id = waits["waits"]["id"].as_str().expect("an id").to_owned();
    let allow = |who: &str, id: &str| post(who, &format!("/v1/reveals/{id}/allow"), &Value::Null).0;
    assert_eq!(["ana", "vera", "far", "otto"].map(|who| allow(who, &id)), [403, 403, 404, 200]);
    assert_eq!((seen().as_str(), reveal("ada", &ann).0), ("0", 202), "what was allowed is one person's");
    let (status, told) = reveal("ana", &ann);
    assert_eq!((status, told["person"]["name"].as_str(), told["person"]["manager"].as_str()), (200, Some("Ann Smirnova"), Some("ann")));
    assert_eq!((seen().as_str(), reveal("ana", &ann).0), ("1", 202), "it is used up");

    // Nobody is asked about themselves, nor do they see that somebody was.
    let (_, waits) = reveal("ana", &anna);
    let about_her = waits["waits"]["id"].as_str().expect("an id").to_owned();
    assert_eq!((reveal("anna", &anna).0, allow("anna", &about_her)), (404, 404));
    let list = |who: &str| service.as_who(&tokens[who], "GET", "/v1/reveals", "text/plain", b"").1;
    assert!(list("otto").contains(&anna) && !list("anna").contains(&anna) && list("anna").contains(&ann) && !list("far").contains(&ann));
    let shown: Value = serde_json::from_str(&list("otto")).expect("JSON");
    assert_eq!(shown["reveals"][0]["about"], format!("request {id}, allowed by otto"));

    // The command line is bound by the same, and what a digest or notice would say is not said.
    let place = ["--config", &config];
    let run = |args: &[&str], code: i32| {
        let output = ended(filin(&[&["reveal"], args, &place].concat()), code);
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    let said = run(&[&ann, "--reason", "case 8", "--by", "ada"], 1);
    assert!(said.contains("filin reveal --allow") && !said.contains("Smirnova"), "{said}");
    let id = said.split("--allow ").nth(1).and_then(|rest| rest.split_whitespace().next()).expect("an id").to_owned();
    assert!(run(&["--list"], 0).contains(&format!("waits: filin reveal --allow {id}")));
    assert!(run(&["--allow", &id, "--by", "ada"], 1).contains("somebody else has to allow it"));
    run(&["--allow", &id, "--by", "otto"], 0);
    assert!(run(&[&ann, "--reason", "case 8", "--by", "ada"], 0).contains("Ann Smirnova"));
    service.stop();
}

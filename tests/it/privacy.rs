//! What Filin holds about people: exported, erased so that no byte of them is left, seen by name with a reason only, and never in a log.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use filin::{event::DAY_MS, ops::clock};
use serde_json::{Value, json};

use crate::service::{Service, ended, filin, request, wait};

const CLIENT: &str = "cl-secret-1001";
const MANAGER: &str = "mgr-anna-77";
/// What tells the client, and how it looks in what sources sent.
const OF_CLIENT: [&str; 4] = [CLIENT, "79265554433", "9265554433", "c.secret@example.com"];
const OF_MANAGER: [&str; 4] = [MANAGER, "Karenina-Oblonskaya", "79161112233", "anna.k@example.com"];

/// A small company, by hand: users, clients, orders, events and lines that are none.
fn company(folder: &Path) -> Vec<PathBuf> {
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).expect("written");
        path
    };
    let users = "id,name,team,role,supervisor,phones,emails,aliases,schedule\n\
                 mgr-anna-77,Anna Karenina-Oblonskaya,north,sales,,+79161112233,anna.k@example.com,ats:ext-anna-501,Mo-Fr 09:00-18:00\n\
                 mgr-boris-12,Boris Drubetskoy,north,sales,mgr-anna-77,+79161112244,boris.d@example.com,,Mo-Fr 09:00-18:00\n";
    let mut clients = format!("id,owner,team,region,phones,emails\n{CLIENT},mgr-boris-12,north,msk,+79265554433,c.secret@example.com\n");
    for n in 0..40 {
        let owner = if n % 2 == 0 { MANAGER } else { "mgr-boris-12" };
        clients += &format!("cl-other-{n},{owner},north,msk,+7926000{n:04},c{n}@example.com\n");
    }
    let orders = format!(
        "id,client,manager,participants,state,opened_at\no-1,{CLIENT},mgr-boris-12,{MANAGER},open,2026-02-01\no-2,cl-other-3,mgr-boris-12,,open,2026-02-01\n"
    );
    let mut events = String::new();
    let mut n = 0;
    let mut event = |day: u32, minute: u32, actor: &str, more: Value| {
        n += 1;
        let time = format!("2026-03-{day:02}T{:02}:{:02}:00Z", 7 + minute / 60, minute % 60);
        let mut all = json!({ "id": format!("e{n}"), "time": time, "source": "crm", "actor": { "id": actor } });
        all.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        events += &format!("{all}\n");
    };
    for day in 2..14 {
        for minute in 0..30 {
            let id = format!("cl-other-{}", (day * 7 + minute) % 40);
            event(day, minute * 3, MANAGER, json!({ "action": "view", "object": { "type": "client", "id": id } }));
            event(day, minute * 3 + 1, "mgr-boris-12", json!({ "action": "view", "object": { "type": "client", "id": id } }));
        }
        event(day, 100, "mgr-boris-12", json!({ "action": "view", "object": { "type": "client", "id": CLIENT } }));
        event(
            day,
            101,
            MANAGER,
            json!({ "action": "call", "channel": "telephony", "call": { "direction": "out", "number": "+79265554433", "duration_s": 61 } }),
        );
        event(
            day,
            102,
            "mgr-boris-12",
            json!({ "action": "search", "records": 1, "query": { "text": "who = 'C.Secret@example.com' or tel like '8 (926) 555-44-33'" } }),
        );
        event(
            day,
            103,
            "mgr-boris-12",
            json!({ "action": "list", "object": { "type": "client", "ids": [CLIENT, "cl-other-1"] }, "records": 2, "attrs": { "to": "c.secret@example.com", "card": CLIENT } }),
        );
        event(
            day,
            104,
            "mgr-boris-12",
            json!({ "action": "transfer", "object": { "type": "client", "id": "cl-other-5", "owner": MANAGER }, "change": { "what": "owner", "from": "mgr-boris-12", "to": MANAGER } }),
        );
        event(day, 105, "mgr-boris-12", json!({ "action": "permission_change", "change": { "what": "role", "target": MANAGER } }));
    }
    // A theft, so that there are alerts about her as well.
    for minute in 0..8 {
        event(
            14,
            300 + minute,
            MANAGER,
            json!({ "action": "export", "channel": "report", "object": { "type": "client" }, "records": 5000, "actor": { "id": MANAGER, "name": "Anna Karenina-Oblonskaya" } }),
        );
    }
    event(14, 320, "mgr-boris-12", json!({ "action": "user_deactivate", "change": { "target": MANAGER } }));
    let bad = format!(
        "{{\"id\":\"x\",\"who\":\"{MANAGER} Anna Karenina-Oblonskaya\",\"tel\":\"+7 926 555 44 33\",\"mail\":\"c.secret@example.com\",\"c\":\"{CLIENT}\"}}\n"
    );
    vec![write("users.csv", users), write("clients.csv", &clients), write("orders.csv", &orders), write("events.jsonl", &(events + &bad))]
}

fn with(files: &[PathBuf]) -> Vec<&str> {
    ["--users", "--clients", "--orders"].iter().zip(files).flat_map(|(flag, file)| [*flag, file.to_str().expect("plain")]).collect()
}

/// Files below a folder whose bytes hold one of these texts.
fn on_disk(folder: &Path, texts: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(on_disk(&path, texts));
        } else if path.is_file() {
            let bytes = fs::read(&path).expect("a file").to_ascii_lowercase();
            for text in texts {
                if bytes.windows(text.len()).any(|w| w == text.to_ascii_lowercase().as_bytes()) {
                    found.push(format!("{}: {text}", path.display()));
                }
            }
        }
    }
    found
}

/// Tables any of whose rows hold one of these texts, in any column.
fn in_tables(service: &Service, texts: &[&str]) -> Vec<String> {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let client = service.client();
    let sql = "SELECT name FROM system.tables WHERE database = 'filin' AND engine LIKE '%MergeTree' ORDER BY name";
    let tables = runtime.block_on(client.query(sql).fetch_all::<String>()).expect("tables");
    assert!(tables.len() > 20, "{tables:?}");
    let mut found = Vec::new();
    for table in tables {
        for text in texts {
            let packed = if table == "alert_queue" { ", packed" } else { "" };
            let sql = format!("SELECT count() FROM {table} WHERE positionCaseInsensitive(toString(tuple(*{packed})), '{text}') > 0");
            if runtime.block_on(client.query(&sql).fetch_one::<u64>()).unwrap_or_else(|e| panic!("{sql}: {e}")) > 0 {
                found.push(format!("{table}: {text}"));
            }
        }
    }
    found
}

#[test]
fn an_erased_person_is_nowhere_and_does_not_come_back() {
    let root = tempfile::tempdir().expect("a folder");
    let files = company(root.path());
    let data = root.path().join("data");
    let at = data.to_str().expect("plain").to_owned();
    let service = Service::start(&data, &with(&files));
    service.push("canonical", &[&files[3]]);
    service.settle();
    assert!(in_tables(&service, &OF_CLIENT).len() > 5 && in_tables(&service, &OF_MANAGER).len() > 5, "it can be found");
    assert!(service.count(&format!("SELECT count() FROM filin.alerts WHERE manager = '{MANAGER}'")) > 0);
    let subject = |args: &[&str], code: i32| {
        let mut command = filin(&[&["subject"], args, &["--data", &at]].concat());
        command.env("USER", "dpo");
        ended(command, code)
    };
    let error = |args: &[&str], code: i32, says: &str| {
        let error = String::from_utf8(subject(args, code).stderr).expect("text");
        assert!(error.contains(says), "{args:?}: {error}");
    };
    error(&["erase", CLIENT, "--reason", "asked", "--yes"], 1, "filin runs here");
    let boris_before = service.count("SELECT count() FROM filin.events WHERE manager = 'mgr-boris-12'");
    service.stop();
    assert!(!on_disk(&data, &[CLIENT]).is_empty() && !on_disk(&data, &[MANAGER]).is_empty(), "bytes can be found");

    // All that is held, before.
    let all: Value = serde_json::from_slice(&subject(&["export", CLIENT], 0).stdout).expect("JSON");
    for table in ["clients", "orders", "events", "events_raw", "dead_letters", "log"] {
        let text = all["tables"][table].to_string();
        assert!(OF_CLIENT.iter().any(|t| text.to_lowercase().contains(&t.to_lowercase())) || text.contains("926"), "{table}: {text}");
    }
    assert_eq!(all["tables"]["clients"].as_array().map(Vec::len), Some(1));
    assert_eq!(all["tables"]["events"].as_array().map(Vec::len), Some(12 * 3), "a card, a call and a list a day");

    // What is wrong is said, and nothing is done without --yes.
    error(&["erase", CLIENT, "--yes"], 2, "--reason");
    error(&["erase", CLIENT, "--reason", " ", "--yes"], 2, "--reason");
    error(&["erase", CLIENT, "--reason", "wrote from c.secret@example.com", "--yes"], 2, "names the person");
    error(&["erase", "nobody-here", "--reason", "asked", "--yes"], 1, "nobody in default has the id");
    let config = root.path().join("filin.toml");
    let text = format!("[embedded]\ndata = {:?}\n[reference]\nclients = {:?}\n", data, files[1]);
    fs::write(&config, text).expect("written");
    let named =
        filin(&["subject", "erase", CLIENT, "--reason", "asked", "--by", "dpo", "--yes", "--config", config.to_str().expect("plain")]);
    assert!(String::from_utf8_lossy(&ended(named, 1).stderr).contains("line 2: take them out first"));
    let told = String::from_utf8(subject(&["erase", CLIENT, "--reason", "asked"], 0).stdout).expect("text");
    assert!(told.contains("nothing was done") && told.contains("events_raw"), "{told}");
    assert_eq!(all, serde_json::from_slice::<Value>(&subject(&["export", CLIENT], 0).stdout).expect("JSON"));

    for (person, texts) in [(CLIENT, OF_CLIENT), (MANAGER, OF_MANAGER)] {
        let done: Value =
            serde_json::from_slice(&subject(&["erase", person, "--reason", "request 7", "--yes", "--json"], 0).stdout).expect("JSON");
        assert_eq!((done["erased"].as_bool(), done["done"]["left"].as_array().map(Vec::len)), (Some(true), Some(0)), "{done}");
        assert!(done["done"]["deleted"].as_u64() > Some(0) && done["done"]["rewritten"].as_u64() > Some(0), "{done}");
        assert_eq!(on_disk(&data, &texts), Vec::<String>::new());
        // What is there is what the log gives from there on, and brings nobody back.
        let alerts = root.path().join("alerts.jsonl");
        ended(filin(&["replay", "--from-log", "--verify", "--data", &at, "--alerts", alerts.to_str().expect("plain")]), 0);
        ended(filin(&["verify", "--data", &at]), 0);
        assert!(!fs::read_to_string(&alerts).expect("written").contains(person));
    }
    error(&["export", CLIENT], 1, "nobody in default has the id");

    // Life goes on without them.
    let service = Service::start(&data, &[]);
    assert_eq!(in_tables(&service, &[&OF_CLIENT[..], &OF_MANAGER].concat()), Vec::<String>::new());
    assert_eq!(service.count("SELECT count() FROM filin.events WHERE manager = 'mgr-boris-12'"), boris_before);
    assert_eq!(service.count("SELECT count() FROM filin.events WHERE manager != 'mgr-boris-12'"), 0);
    assert_eq!(service.count("SELECT count() FROM filin.events WHERE object_id LIKE 'erased-%' AND action = 'view'"), 12);
    let trail = "SELECT count() FROM erasures WHERE by = 'dpo' AND reason = 'request 7' AND kind IN ('client', 'manager') AND length(person_alias) = 10";
    assert_eq!(service.logged(trail), service.logged("SELECT count() FROM erasures"));
    assert!(service.logged(trail) >= 2);
    let more = root.path().join("more.jsonl");
    let mut file = fs::File::create(&more).expect("a file");
    for n in 0..20 {
        let event = json!({ "id": format!("later{n}"), "time": format!("2026-03-16T09:{n:02}:00Z"), "source": "crm", "actor": { "id": "mgr-boris-12" },
                            "action": "view", "object": { "type": "client", "id": "cl-other-3" } });
        writeln!(file, "{event}").expect("written");
    }
    service.push("canonical", &[&more]);
    service.settle();
    service.stop();
    ended(filin(&["replay", "--from-log", "--verify", "--data", &at, "--alerts", "/dev/null"]), 0);
    assert_eq!(on_disk(&data, &[&OF_CLIENT[..], &OF_MANAGER].concat()), Vec::<String>::new());
}

#[test]
fn no_secret_of_an_event_is_logged() {
    let root = tempfile::tempdir().expect("a folder");
    let files = company(root.path());
    let (data, log) = (root.path().join("data"), root.path().join("log"));
    let mut command: Command =
        filin(&["run", "--listen", "127.0.0.1:0", "--clickhouse-listen", "127.0.0.1:0", "--data", data.to_str().expect("plain")]);
    command.args(with(&files)).env("FILIN_LOG", "debug").stdout(Stdio::piped()).stderr(fs::File::create(&log).expect("a file"));
    let mut child = command.spawn().expect("the binary was built");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    let console = line.split_whitespace().find_map(|w| w.strip_prefix("http://")).unwrap_or_else(|| panic!("{line}")).to_owned();
    let pushed = filin(&["push", "--to", &format!("http://{console}"), "--format", "canonical", files[3].to_str().expect("plain")]);
    let pushed = ended(pushed, 0);
    wait("the events to be scored", || {
        let status: Value = serde_json::from_str(&request(&console, "GET", "/v1/status", b"").1).expect("a status");
        (status["log_behind"] == 0 && status["tenants"].as_array().is_some_and(|t| !t.is_empty())).then_some(())
    });
    for path in [format!("/v1/clients/{CLIENT}/access"), format!("/v1/alerts?manager={MANAGER}"), "/".to_owned()] {
        request(&console, "GET", &path, b"");
    }
    let stop = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill");
    assert!(stop.success() && child.wait().expect("it ended").success());
    let mut text = fs::read_to_string(&log).expect("a log");
    assert!(text.lines().count() > 5 && text.contains("DEBUG"), "it logs at that level: {text}");
    text += &String::from_utf8_lossy(&pushed.stdout);
    text += &String::from_utf8_lossy(&pushed.stderr);
    let digits: String = text.to_lowercase().chars().filter(|c| !" ()-".contains(*c)).collect();
    for secret in
        ["c.secret@example.com", "79265554433", "9265554433", "79161112233", "anna.k@example.com", "kareninaoblonskaya", "tellike", "who='"]
    {
        assert!(
            !digits.contains(secret),
            "{secret} is in a log: {}",
            text.lines().find(|l| l.to_lowercase().contains(secret)).unwrap_or_default()
        );
    }
}

#[test]
fn what_is_too_old_goes_and_is_no_theft() {
    let root = tempfile::tempdir().expect("a folder");
    let data = root.path().join("data");
    let write = |name: &str, text: &str| {
        let path = root.path().join(name);
        fs::write(&path, text).expect("written");
        path
    };
    let users = write("users.csv", "id,team\nanna,a\nboris,b\n");
    let clients = write("clients.csv", "id,owner,team,decoy\nc-decoy,boris,b,true\n");
    let config = |kept: &str| {
        let text = format!(
            "[embedded]\nlisten = \"127.0.0.1:0\"\ndata = {data:?}\n[canary]\nenabled = false\n[reference]\nusers = {users:?}\nclients = {clients:?}\n{kept}"
        );
        write("filin.toml", &text).to_str().expect("plain").to_owned()
    };
    let look = |id: &str, days_ago: i64| {
        let time = clock::now().plus(-days_ago * DAY_MS);
        json!({"id": id, "time": time, "source": "crm", "actor": {"id": "anna"}, "action": "view", "object": {"type": "client", "id": "c-decoy"}})
            .to_string()
    };
    let at = config("");
    let service = Service::start(&data, &["--config", &at]);
    service.push("canonical", &[&write("events.jsonl", &[look("old", 200), look("new", 1)].join("\n"))]);
    service.settle();
    let alerts = |service: &Service, table: &str| service.count(&format!("SELECT uniqExact(alert_id) FROM filin.{table}"));
    assert_eq!((alerts(&service, "alerts"), alerts(&service, "alert_queue")), (2, 2));
    service.stop();

    let at = config("[log]\nretention = \"14d\"\n[retention]\nevents = \"30d\"\nalerts = \"90d\"\n");
    let service = Service::start(&data, &["--config", &at]);
    wait("the old alert to go", || (alerts(&service, "alerts") == 1 && alerts(&service, "alert_queue") == 1).then_some(()));
    let (status, page) = service.http("GET", "/v1/alerts", b"");
    let shown: Value = serde_json::from_str(&page).expect("JSON");
    assert_eq!((status, shown["alerts"].as_array().map(Vec::len)), (200, Some(1)), "{page}");
    let ttl = "SELECT name FROM system.tables WHERE database = 'filin' AND engine_full LIKE '%toIntervalDay({})%' ORDER BY name";
    let with = |days: &str| service.ask(&ttl.replace("{}", days));
    assert_eq!((with("14").as_str(), with("90").as_str()), ("log", "alert_actions\nalert_queue\nalerts"));
    assert!(with("30").starts_with("alert_priorities\ncanaries\nevents\nevents_raw\nmanager_day\n"), "{}", with("30"));
    let report: Value = serde_json::from_slice(&ended(filin(&["verify", "--json", "--config", &at]), 0).stdout).expect("JSON");
    assert!(report["expired"].as_u64() >= Some(1) && report["alerts"].as_u64() >= Some(1), "{report}");
    service.stop();

    // Taken back, and set without the service.
    let set = |kept: &str| ended(filin(&["migrate", "--config", &config(kept)]), 0);
    let with = |days: &str| {
        let server = crate::pipeline::Server::start(&data);
        let client = filin::store::client(&server.access());
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(client.query(&ttl.replace("{}", days)).fetch_all::<String>()).expect("names").len()
    };
    set("");
    assert_eq!(with("90"), 3, "what is not said stays as it is");
    set("[retention]\nalerts = \"forever\"\n");
    assert_eq!(with("90"), 0);
    let wrong = config("[log]\nretention = \"60d\"\n[retention]\nevents = \"50d\"\nalerts = \"30d\"\n");
    let said = ended(filin(&["check", "--config", &wrong]), 2);
    let said = String::from_utf8_lossy(&said.stderr).into_owned() + &String::from_utf8_lossy(&said.stdout);
    assert!(said.contains("retention.events") && said.contains("retention.alerts"), "{said}");
}

//! Alerts reach people: a webhook, a topic, a real Alertmanager with the routes and templates that Filin makes.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use filin::{event::Timestamp, notify, ops::clock};
use serde_json::{Value, json};

use crate::service::{Service, ended, filin, free_address, request, wait};

const SECRET: &str = "the secret of this webhook";

/// What a stub was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    path: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Asked {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.body)))
    }

    fn key(&self) -> &str {
        &self.headers[notify::IDEMPOTENCY_KEY]
    }
}

/// Somebody who takes messages: webhooks of Filin and of Alertmanager, Telegram's API.
pub(crate) struct Stub {
    pub(crate) address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Stub {
    /// `answers`: the status for a request, by its number from 0.
    pub(crate) fn start(address: &str, answers: impl Fn(usize, &Asked) -> u16 + Send + 'static) -> Self {
        let listener = TcpListener::bind(address).unwrap_or_else(|e| panic!("{address}: {e}"));
        let address = listener.local_addr().expect("bound").to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.expect("a connection");
                let Some(one) = read(&stream) else { continue };
                let n = all.lock().expect("no panic").len();
                let status = answers(n, &one);
                all.lock().expect("no panic").push(one);
                let body = r#"{"ok":true,"result":{"message_id":1,"date":0,"chat":{"id":-100,"type":"group"}}}"#;
                let head = format!(
                    "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                );
                (&stream).write_all(format!("{head}{body}").as_bytes()).ok();
            }
        });
        Self { address, asked }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no panic").clone()
    }

    fn of(&self, path: &str) -> Vec<Asked> {
        self.asked().into_iter().filter(|a| a.path.contains(path)).collect()
    }
}

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split_whitespace().nth(1)?.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let mut body = vec![0; headers.get("content-length").and_then(|n| n.parse().ok()).unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    Some(Asked { path, headers, body })
}

/// A company with a decoy, whose program has to be of version 5.
struct Company {
    root: tempfile::TempDir,
    config: PathBuf,
}

const USERS: &str = "id,name,team,supervisor,emails,locale\nu-1,Anna Petrova,north,u-9,,\nu-2,Boris Orlov,north,u-9,,\n\
                     u-3,Clara Stein,north,u-3,,\nu-9,Vera Head,north,u-8,vera@example.com,ru\n";

impl Company {
    fn new(alerts: &str) -> Self {
        let root = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            let path = root.path().join(name);
            std::fs::write(&path, text).expect("written");
            path
        };
        let users = write("users.csv", USERS);
        let clients = write("clients.csv", "id,owner,team,tier,decoy\nc-1,u-1,north,normal,false\ntrap,,,normal,true\n");
        let config = write(
            "filin.toml",
            &format!(
                "[http]\npublic_url = \"https://filin.example/\"\n[embedded]\nlisten = \"127.0.0.1:0\"\n[canary]\nenabled = false\n\
                 [reference]\nusers = {users:?}\nclients = {clients:?}\n\
                 [tenants.default]\nmin_versions = {{ crm = \"5.0\" }}\n[alerts]\n{alerts}\n"
            ),
        );
        Self { root, config }
    }

    fn start(&self) -> Service {
        Service::start(&self.root.path().join("data"), &["--config", self.config.to_str().expect("plain")])
    }

    /// Reads the same file with other receivers.
    fn alerts(&self, alerts: &str) {
        let text = std::fs::read_to_string(&self.config).expect("read");
        let (before, _) = text.split_once("[alerts]").expect("it has one");
        std::fs::write(&self.config, format!("{before}[alerts]\n{alerts}\n")).expect("written");
    }

    fn push(&self, service: &Service, lines: &[Value]) {
        let file = self.root.path().join("events.jsonl");
        std::fs::write(&file, lines.iter().map(|l| format!("{l}\n")).collect::<String>()).expect("written");
        service.push("canonical", &[&file]);
    }
}

/// An event so many minutes ago.
fn event(id: &str, actor: &str, minutes: i64, rest: Value) -> Value {
    let time = clock::now().plus(-minutes * 60_000).to_string();
    let mut event = json!({"id": id, "time": time, "source": "generic", "actor": {"id": actor}, "action": "view"});
    event.as_object_mut().expect("one").extend(rest.as_object().expect("one").clone());
    event
}

/// Low: an old program.
fn old_program(id: &str, actor: &str, minutes: i64) -> Value {
    event(id, actor, minutes, json!({"client": {"app": "crm", "version": "4.0"}}))
}

/// Critical: the decoy.
fn trap(id: &str, actor: &str, minutes: i64) -> Value {
    event(id, actor, minutes, json!({"object": {"type": "client", "id": "trap"}}))
}

fn webhook(stub: &str) -> String {
    format!("webhook = {{ url = \"http://{stub}/hook?key=1\", secret = \"{SECRET}\" }}")
}

/// What is told but not sent.
const UNSENT: &str = "SELECT count() FROM filin.alerts FINAL WHERE notify AND (alert_id, version) NOT IN \
                      (SELECT alert_id, version FROM filin.notifications WHERE state = 'sent')";

fn schema() -> jsonschema::Validator {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/ocsf-finding.schema.json")).expect("a schema");
    let schema = serde_json::from_str(&text).expect("JSON");
    jsonschema::options().should_validate_formats(true).build(&schema).expect("a good schema")
}

#[test]
fn a_webhook_gets_each_version_signed_and_again_under_the_same_key() {
    // Busy at first; then one person's findings are refused.
    let stub = Stub::start("127.0.0.1:0", |n, asked| match n {
        0 => 503,
        _ if asked.json()["message"].as_str().is_some_and(|m| m.contains("crm 4.0")) => 422,
        _ => 200,
    });
    let company = Company::new(&webhook(&stub.address));
    let service = company.start();
    // The last one is of two days ago.
    company.push(&service, &[trap("e-2", "u-2", 60 * 50), trap("e-1", "u-1", 5)]);
    let first = wait("the finding, twice", || Some(stub.asked()).filter(|a| a.len() >= 2));
    assert_eq!(first[0].key(), first[1].key(), "busy, and again");
    assert_eq!(first[0].path, "/hook?key=1");
    for asked in &first {
        let signed = &asked.headers[notify::SIGNATURE];
        let at: i64 = signed.trim_start_matches("t=").split(',').next().and_then(|t| t.parse().ok()).expect("seconds");
        assert!((clock::now().millis() / 1000 - at).abs() < 120, "{signed}");
        // By hand, not by the code that signed.
        let mut mac = <hmac::Hmac<sha2::Sha256> as hmac::Mac>::new_from_slice(SECRET.as_bytes()).expect("any key");
        hmac::Mac::update(&mut mac, [format!("{at}.").as_bytes(), &asked.body].concat().as_slice());
        let hex: String = hmac::Mac::finalize(mac).into_bytes().iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(signed, &format!("t={at},v1={hex}"));
        let finding = asked.json();
        let faults: Vec<String> = schema().iter_errors(&finding).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert_eq!(faults, Vec::<String>::new());
        assert_eq!((&finding["class_uid"], &finding["severity"]), (&json!(2004), &json!("Critical")), "{finding}");
        assert_eq!(finding["metadata"]["uid"], asked.key());
        assert_eq!(finding["unmapped"]["supervisor"], "u-9");
        assert!(finding["finding_info"]["src_url"].as_str().is_some_and(|l| l.starts_with("https://filin.example/alerts/")));
        let text = finding.to_string();
        assert!(!text.contains("Anna") && !text.contains("\"u-1\""), "no names, no ids: {text}");
    }
    wait("it to be known as sent", || (service.count("SELECT count() FROM filin.notifications WHERE state = 'sent'") == 1).then_some(()));
    let states = "SELECT arrayStringConcat(arraySort(groupArray(concat(toString(attempt), ' ', state, ' ', reason))), ', ') FROM filin.notifications \
                  WHERE (alert_id, version) IN (SELECT alert_id, version FROM filin.notifications WHERE state = 'sent')";
    assert_eq!(service.ask(states), "0 due , 1 again answered 503 Service Unavailable, 2 sent");
    let skipped = "SELECT concat(toString(count()), ' ', any(reason)) FROM filin.notifications WHERE state = 'skipped'";
    assert_eq!(service.ask(skipped), "1 the event was older than alerts.notify_max_age when it was stored");
    // What is refused is written down with its reason, and not sent again.
    company.push(&service, &[old_program("e-3", "u-3", 4)]);
    let failed = "SELECT arrayStringConcat(groupArray(reason)) FROM filin.notifications WHERE state = 'failed'";
    let reason = wait("the refusal", || Some(service.ask(failed)).filter(|r| !r.is_empty()));
    assert_eq!(reason, "answered 422 Unprocessable Entity");
    // A supervisor of their own: nobody is named, as it would be themselves.
    let refused = stub.asked().pop().expect("one").json();
    assert!(refused["unmapped"].get("supervisor").is_none(), "{refused}");
    let before = stub.asked().len();
    std::thread::sleep(Duration::from_secs(7));
    assert_eq!(stub.asked().len(), before, "neither what was sent nor what was refused comes again");
    let metrics = service.http("GET", "/metrics", b"").1;
    for line in [
        "filin_notify_attempts_total{outcome=\"sent\",receiver=\"webhook\"} 1",
        "filin_notify_attempts_total{outcome=\"again\",receiver=\"webhook\"} 1",
        "filin_notify_attempts_total{outcome=\"failed\",receiver=\"webhook\"} 1",
        "filin_notify_attempts_total{outcome=\"skipped\",receiver=\"webhook\"} 1",
        "filin_notify_oldest_due_timestamp_seconds{receiver=\"webhook\"} 0",
    ] {
        assert!(metrics.lines().any(|l| l == line), "{line} is missing in\n{metrics}");
    }
    service.stop();
}

#[test]
fn a_kill_between_store_and_notify_loses_none() {
    let address = free_address();
    let company = Company::new(&webhook(&address));
    let service = company.start();
    company.push(&service, &[old_program("e-1", "u-1", 8), trap("e-2", "u-1", 8), trap("e-3", "u-2", 7), trap("e-4", "u-3", 6)]);
    let told = "SELECT count() FROM filin.alerts FINAL WHERE notify";
    wait("four versions that somebody is told of", || (service.count(told) == 4).then_some(()));
    wait("an attempt", || (service.count("SELECT count() FROM filin.notifications WHERE state = 'again'") > 0).then_some(()));
    assert_eq!(service.count(UNSENT), 4);
    let oldest = "filin_notify_oldest_due_timestamp_seconds{receiver=\"webhook\"} 0";
    wait("the metric", || (!service.http("GET", "/metrics", b"").1.lines().any(|l| l == oldest)).then_some(()));
    service.kill();
    let stub = Stub::start(&address, |_, _| 200);
    let service = company.start();
    wait("all of them", || (service.count(UNSENT) == 0).then_some(()));
    let keys: BTreeSet<String> = stub.asked().iter().map(|a| a.key().to_owned()).collect();
    assert_eq!(keys.len(), 4, "{keys:?}");
    // Once more: nothing is due, nothing is sent.
    service.kill();
    let before = stub.asked().len();
    let service = company.start();
    service.settle();
    std::thread::sleep(Duration::from_secs(6));
    assert_eq!(stub.asked().len(), before);
    // A receiver that comes later hears of what comes later.
    service.stop();
    company.alerts("webhook = 'http://127.0.0.1:9/'\nalertmanager = 'http://127.0.0.1:9'");
    let service = company.start();
    service.settle();
    assert_eq!(service.count("SELECT count() FROM filin.notifications WHERE receiver = 'alertmanager'"), 0);
    service.stop();
}

#[cfg(feature = "kafka")]
#[test]
fn a_topic_gets_the_same_findings() {
    use rdkafka::{
        ClientConfig, Message as _,
        consumer::{BaseConsumer, Consumer as _},
    };
    let root = tempfile::tempdir().expect("a folder");
    let server = crate::pipeline::Server::start(&root.path().join("server"));
    let access = server.access();
    let broker = crate::kafka::address();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(crate::kafka::make("notify.alerts", 3));
    let company = Company::new("topic = \"notify.alerts\"");
    let text = std::fs::read_to_string(&company.config).expect("read").replace("[embedded]\nlisten = \"127.0.0.1:0\"\n", "");
    let servers = format!(
        "[kafka]\nbrokers = [\"{broker}\"]\ngroup = \"notify\"\nlog_topic = \"notify.log\"\npartitions = 2\n\
         [clickhouse]\nurl = \"{}\"\nuser = \"{}\"\npassword = \"{}\"\n[privacy]\nalias_key = \"a key for this test, long enough\"\n",
        access.url, access.user, access.password
    );
    std::fs::write(&company.config, format!("{text}{servers}")).expect("written");
    let service = company.start();
    company.push(&service, &[trap("e-1", "u-1", 5)]);
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", broker)
        .set("group.id", "notify.reader")
        .set("auto.offset.reset", "earliest")
        .create()
        .expect("a consumer");
    consumer.subscribe(&["notify.alerts"]).expect("subscribed");
    let (key, finding) = wait("the finding", || {
        let message = consumer.poll(Duration::from_millis(500))?.ok()?;
        let finding: Value = serde_json::from_slice(message.payload()?).ok()?;
        Some((String::from_utf8(message.key()?.to_vec()).ok()?, finding))
    });
    assert!(schema().is_valid(&finding), "{finding}");
    assert_eq!(finding["finding_info"]["uid"], key, "keyed by the alert");
    service.stop();
}

/// A program of Alertmanager's.
fn part(program: &str) -> PathBuf {
    let binary = filin::ops::config::cache_dir().join(program);
    assert!(binary.exists(), "{} is missing: run scripts/parts alertmanager", binary.display());
    binary
}

pub(crate) struct Alertmanager {
    child: Child,
    pub(crate) host: String,
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Alertmanager {
    /// Starts one with the `alertmanager.yml` of a folder.
    pub(crate) fn start(folder: &Path) -> Self {
        let host = free_address();
        let mut command = Command::new(part("alertmanager"));
        command.arg(format!("--config.file={}", folder.join("alertmanager.yml").display()));
        command.arg(format!("--storage.path={}", folder.join("am").display()));
        command.arg(format!("--web.listen-address={host}")).args(["--cluster.listen-address=", "--log.level=warn"]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::inherit()).spawn().expect("alertmanager starts");
        let started = Self { child, host };
        wait("alertmanager to listen", || TcpStream::connect(&started.host).ok());
        wait("alertmanager to be ready", || (request(&started.host, "GET", "/-/ready", b"").0 == 200).then_some(()));
        started
    }

    /// Alerts that it holds open, by what a filter says.
    pub(crate) fn alerts(&self, filter: &str) -> Vec<Value> {
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("filter", filter).finish();
        let (status, text) = request(&self.host, "GET", &format!("/api/v2/alerts?{query}"), b"");
        assert_eq!(status, 200, "{text}");
        serde_json::from_str::<Value>(&text).expect("JSON").as_array().expect("a list").clone()
    }
}

/// The configuration that `filin notify config` makes, with stubs in the places of the world and no patience.
fn routes(folder: &Path, users: &Path, stub: &Stub) {
    let contacts = folder.join("contacts.csv");
    let text = format!(
        "tenant,id,lang,email,telegram,slack,webhook\n,analysts,en,,-1001,,{}\ndefault,u-9,ru,,-1009,,{}\n",
        stub.url("/analysts"),
        stub.url("/vera")
    );
    std::fs::write(&contacts, text).expect("written");
    let mut command = filin(&["notify", "config", "--quiet", "23:59-00:01", "--zone", "UTC"]);
    command.arg("--users").arg(users).arg("--contacts").arg(&contacts).arg("--out").arg(folder);
    ended(command, 0);
    checked(folder);
    let file = folder.join("alertmanager.yml");
    let mut made = std::fs::read_to_string(&file).expect("made");
    for (from, to) in [
        ("https://api.telegram.org", stub.url("").as_str()),
        ("PUT-THE-TOKEN-OF-THE-BOT-HERE", "'000:fake'"),
        ("group_wait: 30s", "group_wait: 3s"),
        ("group_wait: 5s", "group_wait: 3s"),
        ("group_interval: 5m", "group_interval: 2s"),
        ("group_interval: 1m", "group_interval: 2s"),
        // Whatever day the test runs on.
        ("      - weekdays: [saturday, sunday]\n        location: \"UTC\"\n", ""),
    ] {
        assert!(made.contains(from), "{from} is not in\n{made}");
        made = made.replace(from, to);
    }
    std::fs::write(&file, made).expect("written");
}

/// amtool has nothing to say.
fn checked(folder: &Path) {
    let mut command = Command::new(part("amtool"));
    command.arg("check-config").arg(folder.join("alertmanager.yml"));
    ended(command, 0);
}

#[test]
fn a_real_alertmanager_groups_tells_once_inhibits_and_resolves() {
    let stub = Stub::start("127.0.0.1:0", |_, _| 200);
    let company = Company::new("");
    let folder = company.root.path();
    routes(folder, &folder.join("users.csv"), &stub);
    let alertmanager = Alertmanager::start(folder);
    company.alerts(&format!("alertmanager = \"http://{}\"", alertmanager.host));
    let service = company.start();
    // Two of her people on the same afternoon: one message.
    company.push(&service, &[old_program("e-1", "u-1", 9), old_program("e-2", "u-2", 8)]);
    let messages = |path: &str| stub.of(path).iter().map(Asked::json).collect::<Vec<Value>>();
    let first = wait("a message to the supervisor", || messages("/vera").into_iter().next());
    assert_eq!(first["alerts"].as_array().map(Vec::len), Some(2), "grouped: {first}");
    assert_eq!((&first["status"], &first["groupLabels"]["supervisor"]), (&json!("firing"), &json!("u-9")));
    let labels = first["alerts"][0]["labels"].as_object().expect("labels");
    let names: Vec<&str> = labels.keys().map(String::as_str).collect();
    assert_eq!(names, ["alert_id", "alertname", "manager_alias", "severity", "supervisor", "team", "tenant"]);
    assert!(!first.to_string().contains("Anna") && !first.to_string().contains("u-1"), "by pseudonym: {first}");
    // In Russian to her in Telegram, with the reason and the link.
    let chat = |id: i64| {
        let of = |a: &Asked| a.path.ends_with("/sendMessage") && a.json()["chat_id"].to_string().trim_matches('"') == id.to_string();
        stub.asked().into_iter().filter(of).map(|a| a.json()["text"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    let text = wait("Telegram", || chat(-1009).into_iter().next());
    for part in ["[НИЗКАЯ] Устаревшая программа", "работает crm 4.0; самая старая допустимая версия — 5.0", "https://filin.example/alerts/"]
    {
        assert!(text.contains(part), "{part:?} in\n{text}");
    }
    // The severity rises: the old label set ends, what is critical goes to her and to the analysts, in English.
    company.push(&service, &[trap("e-3", "u-1", 9)]);
    let critical = wait("the critical one", || messages("/analysts").into_iter().find(|m| m["commonLabels"]["severity"] == "critical"));
    assert_eq!(critical["alerts"][0]["labels"]["alertname"], "outdated_client", "the control that opened it: {critical}");
    let english = wait("Telegram of the analysts", || chat(-1001).into_iter().find(|t| t.contains("[CRITICAL] Decoy client touched")));
    assert!(english.contains("1 decoy client touched at") && english.contains("expected none"), "{english}");
    wait("it to her, too", || messages("/vera").into_iter().find(|m| m["groupLabels"]["severity"] == "critical"));
    let open = |filter: &str| alertmanager.alerts(filter).len();
    wait("the low one of the same person to end", || (open("severity=\"low\"") == 1 && open("severity=\"critical\"") == 1).then_some(()));
    // Of two open alerts of one person the critical one makes the other wait.
    let mut other = alertmanager.alerts("severity=\"critical\"").pop().expect("it is open")["labels"].clone();
    for (label, value) in [("severity", "medium"), ("alert_id", "another"), ("alertname", "key_client")] {
        other[label] = json!(value);
    }
    assert_eq!(request_json(&alertmanager.host, "/api/v2/alerts", &json!([{"labels": other}])), 200);
    wait("it to be inhibited", || {
        let held = alertmanager.alerts("alert_id=\"another\"").pop()?;
        (held["status"]["state"] == "suppressed" && held["status"]["inhibitedBy"].as_array().is_some_and(|by| by.len() == 1)).then_some(())
    });
    // The conflict rule: nobody above, so it is the analysts' alone.
    company.push(&service, &[trap("e-4", "u-3", 4)]);
    wait("the one about their own supervisor", || {
        let mine = alertmanager.alerts("severity=\"critical\"").into_iter().find(|a| a["labels"].get("supervisor").is_none())?;
        (mine["receivers"] == json!([{"name": "analysts"}])).then_some(())
    });
    // Doubled posts: what it holds, by hand, and all of it again after a start.
    wait("what is due", || (service.count(UNSENT) == 0).then_some(()));
    std::thread::sleep(Duration::from_secs(6));
    let (before, held) = (stub.asked().len(), alertmanager.alerts("alert_id!=\"\""));
    let again: Vec<Value> = held
        .iter()
        .map(|a| json!({"labels": a["labels"], "annotations": a["annotations"], "startsAt": a["startsAt"], "endsAt": a["endsAt"]}))
        .collect();
    assert_eq!(request_json(&alertmanager.host, "/api/v2/alerts", &json!(again)), 200);
    let updated = |a: &Value| a["updatedAt"].as_str().and_then(|t| Timestamp::parse(t).ok());
    let last = alertmanager.alerts("alert_id!=\"\"").iter().filter_map(updated).max();
    assert!(last > held.iter().filter_map(updated).max(), "it took them");
    service.kill();
    let service = company.start();
    wait("the posts after the start", || alertmanager.alerts("severity=\"critical\"").iter().all(|a| updated(a) > last).then_some(()));
    std::thread::sleep(Duration::from_secs(6));
    assert_eq!(stub.asked().len(), before, "nobody is told twice: {:#?}", stub.asked().split_off(before));
    assert_eq!(service.count(UNSENT), 0);
    // Closed: Alertmanager hears of it at once, and tells her.
    let mut told = held.iter().filter(|a| a["labels"]["supervisor"] == "u-9" && a["labels"]["alert_id"] != "another");
    let closed = told.find(|a| a["labels"]["severity"] == "critical").expect("it is open");
    answer(&service, &closed["labels"], "close", 1);
    wait("the message that it is closed", || messages("/vera").into_iter().find(|m| m["status"] == "resolved"));
    assert_eq!(open("severity=\"critical\""), 1, "the analysts' own is open");
    let resolved = "SELECT count() FROM filin.notifications WHERE state = 'resolved'";
    wait("it to be known", || (service.count(resolved) == 1).then_some(()));
    // Opened once more: it is told once more, and not ended again.
    answer(&service, &closed["labels"], "reopen", 2);
    service.kill();
    let service = company.start();
    wait("it to be open again", || (open("severity=\"critical\"") == 2).then_some(()));
    assert_eq!(service.count(resolved), 1);
    service.stop();
}

#[test]
fn what_nobody_answers_goes_one_level_up_and_no_further_once_somebody_does() {
    let stub = Stub::start("127.0.0.1:0", |_, _| 200);
    let company = Company::new(&format!("alertmanager = \"http://{}\"\nescalate_after = \"3s\"\nescalate_from = \"low\"", stub.address));
    let service = company.start();
    company.push(&service, &[old_program("e-1", "u-1", 9), trap("e-2", "u-2", 8)]);
    // The newest word about an alert with a label: to whom, and whether it still holds.
    let posts = || stub.asked().iter().flat_map(|a| a.json().as_array().cloned().unwrap_or_default()).collect::<Vec<Value>>();
    let holds = |p: &Value| p["endsAt"].as_str().and_then(|t| Timestamp::parse(t).ok()) > Some(clock::now());
    let of = |severity: &str, supervisor: &str, escalated: Option<&str>| {
        let meant = |p: &&Value| {
            let labels = &p["labels"];
            labels["severity"] == severity
                && labels["supervisor"] == supervisor
                && labels.get("escalated").and_then(Value::as_str) == escalated
        };
        posts().iter().rfind(meant).cloned()
    };
    let low = wait("the supervisor to be told", || of("low", "u-9", None).filter(holds));
    wait("the critical one", || of("critical", "u-9", None).filter(holds));
    answer(&service, &low["labels"], "acknowledge", 1);
    let passed = wait("the other to go one level up", || of("critical", "u-8", Some("1")).filter(holds));
    assert!(passed["annotations"]["link"].as_str().is_some_and(|l| l.starts_with("https://filin.example/alerts/")));
    assert!(!holds(&of("critical", "u-9", None).expect("it was told")), "it ended for her");
    // Nobody is above u-8: it stays there, and three times are enough.
    wait("the last time", || of("critical", "u-8", Some("3")).filter(holds));
    let id = passed["labels"]["alert_id"].as_str().expect("an id");
    let story: Value = serde_json::from_str(&service.http("GET", &format!("/v1/alerts/{id}"), b"").1).expect("JSON");
    let done = ["action", "actor", "role", "reason"].map(|key| story["actions"][0][key].as_str().unwrap_or_default());
    assert_eq!(done, ["escalate", "filin", "service", "nobody answered for 3s"]);
    let n = "SELECT count() FROM filin.actions WHERE action = 'escalate'";
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(service.count(n), 3);
    assert!(of("low", "u-8", Some("1")).is_none(), "somebody looks at it");
    service.stop();
}

/// Somebody answers an alert.
fn answer(service: &Service, labels: &Value, action: &str, revision: u32) {
    let text = |label: &str| labels[label].as_str().unwrap_or_default().to_owned();
    let sql = format!(
        "INSERT INTO alert_actions (tenant, alert_id, revision, action_id, at, actor, actor_role, action, verdict) VALUES \
         ('{}', '{}', {revision}, 'a{revision}', now64(3), 'vera', 'supervisor', '{action}', '')",
        text("tenant"),
        text("alert_id")
    );
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(service.client().query(&sql).execute()).expect("written");
}

fn request_json(host: &str, path: &str, body: &Value) -> u16 {
    let text = body.to_string();
    let mut stream = TcpStream::connect(host).expect("it listens");
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        text.len()
    );
    stream.write_all(format!("{head}{text}").as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer.split_whitespace().nth(1).and_then(|s| s.parse().ok()).expect("a status")
}

/// What lies in `deploy/alertmanager` is what the command makes of the contacts beside it, and routes as it says.
#[test]
fn the_example_is_what_the_command_makes_and_routes_as_it_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/alertmanager");
    let text = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    let mut command = filin(&["notify", "config", "--contacts"]);
    command.arg(folder.join("contacts.csv"));
    let made = String::from_utf8(ended(command, 0).stdout).expect("text");
    assert_eq!(made, text("alertmanager.yml"), "make it again: filin notify config --contacts deploy/alertmanager/contacts.csv");
    assert_eq!(notify::routes::TEMPLATES, text("filin.tmpl"));
    checked(&folder);
    let check = |labels: &[&str], expected: &str| {
        let mut command = Command::new(part("amtool"));
        command.args(["config", "routes", "test"]).arg(format!("--config.file={}", folder.join("alertmanager.yml").display()));
        let found = String::from_utf8(ended(with(command, labels), 0).stdout).expect("text");
        assert_eq!(found.trim(), expected, "{labels:?}");
    };
    let base = ["alert_id=a", "tenant=acme", "manager_alias=ABCDEFGHIJ"];
    let of = |more: &[&'static str]| [&base[..], more].concat();
    check(&of(&["supervisor=u-12", "severity=high"]), "supervisor acme/u-12");
    check(&of(&["supervisor=u-12", "severity=low"]), "supervisor acme/u-12");
    check(&of(&["supervisor=u-12", "severity=critical"]), "analysts,supervisor acme/u-12");
    check(&of(&["supervisor=u-77", "severity=high"]), "analysts");
    check(&of(&["severity=low"]), "analysts");
    for (args, what) in [(["--quiet", "8-20"], "--quiet"), (["--quiet", "08:00-20:00"], "--quiet"), (["--zone", "Mars"], "--zone")] {
        let mut command = filin(&["notify", "config"]);
        command.args(args);
        let said = String::from_utf8(ended(command, 2).stderr).expect("text");
        assert!(said.contains(what), "{said}");
    }
}

fn with(mut command: Command, args: &[&str]) -> Command {
    command.args(args);
    command
}

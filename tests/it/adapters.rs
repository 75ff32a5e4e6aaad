//! Adapters against sample pairs and real logs.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use filin::{
    adapter::{Adapter, Binding, Normalised, Raw},
    event::{Action, ActorKind, Event, Outcome},
    source::file::{Limits, Lines},
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// A path in the folder of shared material; a missing one ends the test with one clear line.
pub(crate) fn shared(path: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared").join(path);
    assert!(path.exists(), "{} is missing: this test reads it", path.display());
    path
}

/// Files of a sample folder with this ending, by the name of their pair.
pub(crate) fn samples(folder: &Path, ending: &str) -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("readable").path();
        let name = path.file_name().and_then(|n| n.to_str()).expect("a name").to_owned();
        if let Some(name) = name.strip_suffix(ending) {
            found.push((name.to_owned(), path));
        }
    }
    found.sort();
    found
}

/// A raw record as its transport delivers it: the value, and headers where the sample shows them.
struct Sample {
    value: Vec<u8>,
    headers: BTreeMap<String, String>,
}

impl Sample {
    fn read(path: &Path) -> Self {
        let bytes = fs::read(path).expect("readable");
        let mut headers = BTreeMap::new();
        let wrapped = match serde_json::from_slice::<Value>(&bytes) {
            Ok(Value::Object(object)) if object.contains_key("_value") => object,
            _ => return Self { value: bytes, headers },
        };
        for (name, value) in wrapped["_kafka"]["headers"].as_object().into_iter().flatten() {
            headers.insert(name.to_lowercase(), value.as_str().expect("text").to_owned());
        }
        let value = match &wrapped["_value"] {
            Value::String(text) => text.clone().into_bytes(),
            Value::Null => Vec::new(),
            other => other.to_string().into_bytes(),
        };
        Self { value, headers }
    }
}

/// An event with its defaults written out.
fn written_out(event: &Event) -> Value {
    let mut value = serde_json::to_value(event).expect("string keys");
    value["outcome"] = event.outcome.as_str().into();
    value["actor"]["kind"] = event.actor.kind.as_str().into();
    value
}

/// The rules of samples/README.md: equal but for `attrs`, of which the listed ones must be there.
fn compare(name: &str, found: &Event, expected: &Map<String, Value>) {
    let mut found = written_out(found);
    let attrs = found.as_object_mut().expect("an object").remove("attrs").unwrap_or_default();
    for (key, value) in expected.get("attrs").and_then(Value::as_object).into_iter().flatten() {
        assert_eq!(attrs.get(key), Some(value), "{name}: attrs.{key}");
    }
    let mut expected = expected.clone();
    expected.remove("attrs");
    assert_eq!(found, Value::Object(expected), "{name}");
}

fn check_pairs(source: &str) {
    let folder = shared(&format!("samples/{source}"));
    let config: Value = serde_json::from_slice(&fs::read(folder.join("config.json")).expect("readable")).expect("JSON");
    let adapter = Adapter::open(Binding::read(&config).expect("a binding")).expect("a format");
    let raw: BTreeMap<String, PathBuf> = [".raw.json", ".raw.csv"].iter().flat_map(|ending| samples(&folder, ending)).collect();
    let pairs = samples(&folder, ".expected.json");
    assert!(!pairs.is_empty());
    assert!(raw.keys().eq(pairs.iter().map(|(name, _)| name)), "each sample has its pair");
    for (name, expected) in pairs {
        let expected: Vec<Map<String, Value>> = serde_json::from_slice(&fs::read(expected).expect("readable")).expect("an array");
        let sample = Sample::read(&raw[&name]);
        let mut out = Normalised::default();
        adapter.record(&Raw { value: &sample.value, key: None, headers: &sample.headers }, &mut out);
        assert_eq!((&out.rejects, &out.complaints), (&vec![], &vec![]), "{name}");
        assert_eq!(out.events.len(), expected.len(), "{name}");
        for ((_, event), expected) in out.events.iter().zip(&expected) {
            compare(&name, event, expected);
        }
        if !sample.headers.is_empty() {
            continue;
        }
        // Line by line, where lines have no headers, the same events come.
        let (mut lines, mut decoder) = (Normalised::default(), adapter.decoder());
        sample.value.split(|&b| b == b'\n').for_each(|line| decoder.line(line, &mut lines));
        decoder.end(&mut lines);
        assert!(lines.events.iter().map(|(_, e)| e).eq(out.events.iter().map(|(_, e)| e)), "{name}");
    }
}

/// A test per folder of samples.
macro_rules! pairs {
    ($($test:ident: $folder:literal,)+) => {
        $(
            #[test]
            fn $test() {
                check_pairs($folder);
            }
        )+

        /// Folders that have a test.
        const FOLDERS: &[&str] = &[$($folder),+];
    };
}

pairs! {
    salesforce_elf_gives_the_expected_events: "salesforce-elf",
    salesforce_rtem_gives_the_expected_events: "salesforce-rtem",
    salesforce_setup_audit_gives_the_expected_events: "salesforce-setup-audit",
    dynamics365_gives_the_expected_events: "dynamics365",
    hubspot_gives_the_expected_events: "hubspot",
    amocrm_gives_the_expected_events: "amocrm",
    bitrix24_gives_the_expected_events: "bitrix24",
    espocrm_gives_the_expected_events: "espocrm",
    suitecrm_gives_the_expected_events: "suitecrm",
    zoho_gives_the_expected_events: "zoho",
    odoo_gives_the_expected_events: "odoo",
    onec_gives_the_expected_events: "1c",
    asterisk_gives_the_expected_events: "asterisk",
    freeswitch_gives_the_expected_events: "freeswitch",
    mango_gives_the_expected_events: "mango",
    nginx_gives_the_expected_events: "nginx",
    cloudevents_give_the_expected_events: "cloudevents",
    debezium_gives_the_expected_events: "debezium",
}

#[test]
fn every_folder_of_samples_is_checked() {
    let folders = fs::read_dir(shared("samples")).expect("a folder").map(|e| e.expect("readable"));
    let names = folders.filter(|e| e.path().is_dir()).map(|e| e.file_name().into_string().expect("a name"));
    assert_eq!(names.collect::<BTreeSet<_>>(), FOLDERS.iter().map(|f| (*f).to_owned()).collect());
}

/// All that a file gives.
fn read(format: &str, path: &str) -> Normalised {
    let mut lines = Lines::open(&shared(path), Limits::default()).expect("readable");
    let mut decoder = Adapter::of(format).expect("a format").decoder();
    let mut out = Normalised::default();
    while let Some(block) = lines.next_block().expect("whole") {
        for line in block.iter() {
            decoder.line(line.text.expect("short"), &mut out);
        }
    }
    decoder.end(&mut out);
    out
}

#[test]
fn the_real_o365_log_is_read_but_for_its_blank_lines() {
    let out = read("o365", "data/o365-audit/auditdata.jsonl.gz");
    assert_eq!((out.events.len(), out.rejects.len(), out.skipped), (9608, 0, 3));
    // Two records name all addresses of an application as the id of their object.
    assert_eq!(out.complaints.iter().map(|c| c.field.as_str()).collect::<Vec<_>>(), ["object.id", "object.id"]);
    let events: Vec<&Event> = out.events.iter().map(|(_, e)| e).collect();
    let count = |of: &dyn Fn(&Event) -> bool| events.iter().filter(|e| of(e)).count();
    let ids: BTreeSet<&str> = events.iter().map(|e| e.id.as_str()).collect();
    assert_eq!(ids.len(), 5373);
    let times: Vec<_> = events.iter().map(|e| e.time.to_string()).collect();
    assert_eq!(times.iter().min().map(|t| &t[..10]), Some("2021-03-23"));
    assert_eq!(times.iter().max().map(|t| &t[..10]), Some("2021-07-20"));
    let mut actions: BTreeMap<&str, usize> = BTreeMap::new();
    events.iter().for_each(|e| *actions.entry(e.action.as_str()).or_default() += 1);
    // Counted apart from this code, by the table of FORMATS.md.
    let expected = [
        ("create", 17),
        ("delete", 11),
        ("email", 30),
        ("export", 5),
        ("list", 22),
        ("login", 951),
        ("other", 864),
        ("permission_change", 385),
        ("setting_change", 6643),
        ("share", 4),
        ("update", 13),
        ("user_create", 31),
        ("view", 632),
    ];
    assert_eq!(actions, BTreeMap::from(expected));
    // Of people, of programs, of Microsoft itself.
    let kinds = [ActorKind::User, ActorKind::Integration, ActorKind::System].map(|kind| count(&|e| e.actor.kind == kind));
    assert_eq!(kinds, [2451, 128, 7029]);
    assert!(events.iter().all(|e| e.actor.kind == ActorKind::System || e.actor.id.contains('@')));
    // All failed log-ins, whatever their records say, and each with its reason.
    assert_eq!(count(&|e| e.action == Action::Login && e.outcome == Outcome::Failure), 368);
    assert_eq!(count(&|e| e.action == Action::Login && e.outcome == Outcome::Failure && e.reason.is_some()), 368);
    // Rules that send mail on to somebody outside.
    let forwards = |e: &&Event| e.change.as_ref().is_some_and(|c| c.what.as_deref() == Some("New-InboxRule"));
    let to: BTreeSet<_> = events.iter().copied().filter(forwards).filter_map(|e| e.change.as_ref()?.to.as_deref()).collect();
    assert!(to.contains("korstiaan@financial-technology.com"), "{to:?}");
    // Every address was read, with port and without: 1 559 records bring a ClientIP, 61 of them empty.
    assert_eq!(count(&|e| e.attrs.contains_key("ClientIP") && e.client.as_ref().is_none_or(|c| c.ip.is_none())), 0);
    // No record is lost: mails read are counted one by one.
    let mails: u64 = events.iter().filter(|e| e.attrs.contains_key("Folders")).filter_map(|e| e.records).sum();
    assert!(mails >= 496, "{mails}");
}

#[test]
fn the_real_permit_events_are_canonical() {
    let out = read("canonical", "data/bpic15/events.jsonl.gz");
    assert_eq!((out.events.len(), out.rejects.len(), out.complaints.len(), out.skipped), (262_628, 0, 0, 0));
    let tenants: BTreeSet<&str> = out.events.iter().map(|(_, e)| e.tenant.as_str()).collect();
    assert_eq!(tenants.into_iter().collect::<Vec<_>>(), ["muni1", "muni2", "muni3", "muni4", "muni5"]);
    // What comes out goes in again and is the same.
    let adapter = Adapter::of("canonical").expect("a format");
    let mut again = Normalised::default();
    for (_, event) in out.events.iter().step_by(97) {
        again.clear();
        adapter.record(&Raw::from(serde_json::to_vec(event).expect("string keys").as_slice()), &mut again);
        assert_eq!(again.events[0].1, *event);
    }
}

/// A record as its source delivers it, with its binding.
#[derive(Clone, Debug)]
struct Real {
    binding: Value,
    value: Vec<u8>,
    headers: BTreeMap<String, String>,
}

impl Real {
    fn plain(format: &str, value: Vec<u8>) -> Self {
        Self { binding: json!({"format": format}), value, headers: BTreeMap::new() }
    }

    fn adapter(&self) -> Adapter {
        Adapter::open(Binding::read(&self.binding).expect("a binding")).expect("a format")
    }

    fn record(&self) -> Normalised {
        let mut out = Normalised::default();
        self.adapter().record(&Raw { value: &self.value, key: None, headers: &self.headers }, &mut out);
        out
    }
}

/// Records of each format and envelope, to be spoiled.
fn real() -> Vec<Real> {
    let mut all = Vec::new();
    for folder in FOLDERS {
        let folder = shared(&format!("samples/{folder}"));
        let binding: Value = serde_json::from_slice(&fs::read(folder.join("config.json")).expect("readable")).expect("JSON");
        for (_, path) in [".raw.json", ".raw.csv"].iter().flat_map(|ending| samples(&folder, ending)) {
            let sample = Sample::read(&path);
            all.push(Real { binding: binding.clone(), value: sample.value, headers: sample.headers });
        }
    }
    for (_, path) in samples(&shared("samples/salesforce-elf"), ".expected.json") {
        all.push(Real::plain("canonical", fs::read(path).expect("readable")));
    }
    let mut lines = Lines::open(&shared("data/o365-audit/auditdata.jsonl.gz"), Limits::default()).expect("readable");
    let block = lines.next_block().expect("whole").expect("some lines");
    all.extend(block.iter().step_by(101).map(|line| Real::plain("o365", line.text.expect("short").to_vec())));
    all.push(Real {
        binding: json!({"format": "mapping", "mapping": {"time": "at", "action": {"path": "verb", "values": {"open": "view"}}, "actor.id": "who.0"}}),
        value: br#"{"at": "2026-03-12T10:00:00Z", "verb": "open", "who": ["ann", 5], "n": {"deep": [1, 2]}}"#.to_vec(),
        headers: BTreeMap::new(),
    });
    let row = r#"{"before":{"id":1,"user_id":4},"after":{"id":1,"user_id":5,"date_modified":1773303069000},"op":"u","source":{"db":"crm","table":"accounts","lsn":7}}"#;
    all.push(Real::plain("crm-tables", row.as_bytes().to_vec()));
    all
}

#[test]
fn every_format_is_tried() {
    let tried: BTreeSet<&str> = real().iter().map(|r| r.adapter().name()).collect();
    assert_eq!(tried, filin::adapter::FORMATS.iter().map(|f| f.name).collect());
}

/// What transports put around a record of any format.
fn envelopes(record: &Value) -> Vec<(&'static str, Value)> {
    let cloud = json!({"specversion": "1.0", "id": "ce", "source": "/s", "type": "t", "time": "2026-03-12T12:00:00Z", "data": record});
    let change = json!({"before": null, "after": record, "op": "c", "ts_ms": 1, "source": {"db": "d", "table": record.get("_table").and_then(Value::as_str).unwrap_or(""), "snapshot": "false"}});
    vec![
        ("array", json!([record])),
        ("Event Hubs", json!({"records": [record]})),
        ("an API's page", json!({"results": [record], "paging": {}})),
        ("another's", json!({"total": 1, "list": [record]})),
        ("CloudEvents", cloud.clone()),
        ("Debezium", change.clone()),
        ("Debezium with schema", json!({"schema": {"type": "struct"}, "payload": change.clone()})),
        (
            "CloudEvents around Debezium in a list",
            json!({"records": [{"specversion": "1.0", "id": "ce", "source": "/s", "type": "t", "data": change}]}),
        ),
    ]
}

#[test]
fn envelopes_compose_with_every_format() {
    let mut tried = BTreeSet::new();
    for real in real() {
        let Ok(record @ Value::Object(_)) = serde_json::from_slice::<Value>(&real.value) else { continue };
        let (adapter, bare) = (real.adapter(), real.record());
        // Their own envelopes: what is within them is tried under its format.
        if matches!(adapter.name(), "cloudevents" | "debezium" | "crm-tables") || !real.headers.is_empty() {
            continue;
        }
        for (name, wrapped) in envelopes(&record) {
            let is_page =
                ["records", "results", "_embedded", "result", "list"].iter().any(|list| record.get(*list).is_some_and(|l| !l.is_string()));
            if name.contains("Debezium") && is_page {
                continue;
            }
            let out = Real { value: wrapped.to_string().into_bytes(), ..real.clone() }.record();
            assert_eq!(out.rejects, [], "{} in {name}", adapter.name());
            let inner = |out: &Normalised| {
                let mut events: Vec<Event> = out.events.iter().map(|(_, e)| e.clone()).collect();
                events.iter_mut().for_each(|e| e.attrs.retain(|name, _| !name.starts_with("ce_")));
                events
            };
            assert_eq!(inner(&out), inner(&bare), "{} in {name}", adapter.name());
            tried.insert(adapter.name());
        }
    }
    assert!(tried.len() >= 16, "{tried:?}");
}

/// Something done to bytes.
#[derive(Clone, Debug)]
enum Harm {
    Replace(usize, u8),
    Insert(usize, Vec<u8>),
    Cut(usize, usize),
    Repeat(usize, usize),
}

fn harm() -> impl Strategy<Value = Harm> {
    let marks = prop::sample::select(vec![
        &b"\""[..],
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"\\",
        b"\n",
        b"null",
        b"1e999",
        b"\xff",
        b"\0",
        b"\\ud800",
        b"-1",
    ]);
    prop_oneof![
        (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Harm::Replace(at, byte)),
        (any::<usize>(), marks).prop_map(|(at, mark)| Harm::Insert(at, mark.to_vec())),
        (any::<usize>(), 0..40_usize).prop_map(|(at, n)| Harm::Cut(at, n)),
        (any::<usize>(), 0..400_usize).prop_map(|(at, n)| Harm::Repeat(at, n)),
    ]
}

impl Harm {
    fn on(&self, bytes: &mut Vec<u8>) {
        let place = |at: usize| at % (bytes.len() + 1);
        match self {
            Self::Replace(at, byte) => {
                let at = place(*at);
                if let Some(b) = bytes.get_mut(at) {
                    *b = *byte;
                }
            }
            Self::Insert(at, mark) => {
                let at = place(*at);
                bytes.splice(at..at, mark.iter().copied());
            }
            Self::Cut(at, n) => {
                let at = place(*at);
                bytes.drain(at..(at + n).min(bytes.len()));
            }
            Self::Repeat(at, n) => {
                let at = place(*at);
                let part = bytes[at..(at + n).min(bytes.len())].to_vec();
                bytes.splice(at..at, part);
            }
        }
    }
}

#[test]
fn spoiled_real_records_do_no_harm() {
    let cases = (prop::sample::select(real()), prop::collection::vec(harm(), 1..6));
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: ProptestConfig::default().cases.max(4000),
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let run = runner.run(&cases, |(mut real, harms)| {
        harms.iter().for_each(|harm| harm.on(&mut real.value));
        let out = real.record();
        let (mut lines, mut decoder) = (Normalised::default(), real.adapter().decoder());
        real.value.split(|&b| b == b'\n').for_each(|line| decoder.line(line, &mut lines));
        decoder.end(&mut lines);
        for (_, event) in out.events.iter().chain(&lines.events) {
            let text = serde_json::to_string(event).expect("string keys");
            let again: Event = serde_json::from_str(&text).map_err(|e| TestCaseError::fail(format!("{e}: {text}")))?;
            prop_assert_eq!(&again, event);
        }
        prop_assert!(written(&out) <= bound(real.value.len()), "{} bytes came out of {}", written(&out), real.value.len());
        prop_assert_eq!(real.record(), out);
        Ok(())
    });
    if let Err(e) = run {
        panic!("{e}");
    }
}

/// Bytes of all that came of a record.
fn written(out: &Normalised) -> usize {
    let events: usize = out.events.iter().map(|(_, e)| serde_json::to_vec(e).expect("string keys").len()).sum();
    let rejects: usize = out.rejects.iter().map(|r| r.reason.len()).sum();
    let complaints: usize = out.complaints.iter().map(|c| c.field.len() + c.reason.len()).sum();
    events + rejects + complaints
}

/// So much may come out of so many bytes: an element of a few bytes gives a reject of a line, and a text may stand in two fields
/// with every byte escaped.
fn bound(size: usize) -> usize {
    4096 + 64 * size
}

/// Shapes that tempt a reader to look at everything again and again, of about `size` bytes.
fn hostile(size: usize) -> Vec<(&'static str, String)> {
    let many = |part: &str| part.repeat(size / part.len());
    let listed = |part: &str| many(part).trim_end_matches(',').to_owned();
    let numbered = |of: &dyn Fn(usize) -> String| {
        let mut text = String::new();
        (0..).map_while(|i| (text.len() < size).then(|| text.push_str(&of(i)))).count();
        text.trim_end_matches(',').to_owned()
    };
    let big = many("x");
    vec![
        ("brackets", many("[")),
        ("quotes", many("\"")),
        ("empty elements", format!("[{}]", listed("{},"))),
        ("pages in pages", format!("[{}]", listed(r#"{"records":[{}]},"#))),
        ("keys twice", format!("{{{}}}", listed(r#""id":"1","#))),
        ("keys of a form", format!("{{{}}}", numbered(&|i| format!(r#""leads[add][{i}][id]":"1","#)))),
        ("keys of a form, nested", format!("{{\"event\":\"x\",{}}}", numbered(&|i| format!(r#""a{i}[b][c]":"1","#)))),
        ("a large envelope", format!(r#"{{"_path":"{}","records":[{}]}}"#, "p".repeat(1000), listed(r#"{"x":1},"#))),
        (
            "a large event around small ones",
            format!(r#"{{"specversion":"1.0","id":"1","source":"{}","type":"t","data":[{}]}}"#, "s".repeat(1000), listed(r#"{"x":1},"#)),
        ),
        (
            "a row before its change, around small ones",
            format!(
                r#"{{"op":"u","source":{{"table":"t"}},"before":{{"x":"{big}"}},"after":{{"records":[{}]}}}}"#,
                listed(r#"{"specversion":"1","type":"t","source":"s","data":{}},"#)
            ),
        ),
        ("percent signs", format!(r#"{{"variables":{{"uuid":"u","start_epoch":"1773307000","sip_from_user":"{}"}}}}"#, many("%41"))),
        (
            "parameters",
            format!(r#"{{"request_id":"1","msec":"1773306000.4","request_method":"GET","request_uri":"/x?{}"}}"#, many("a=token&")),
        ),
        (
            "hops",
            format!(
                r#"{{"request_id":"1","msec":"1773306000.4","request_uri":"/x","remote_addr":"10.0.0.5","http_x_forwarded_for":"{}"}}"#,
                many("10.0.0.1,")
            ),
        ),
        (
            "results",
            format!(
                r#"{{"SourceRecordId":"1","TimeGenerated":"2026-03-12T10:20:30Z","Message":"Retrieve","QueryResults":"{}"}}"#,
                many("0a1b2c3d-0000-4000-8000-000000000100,")
            ),
        ),
        ("a failed log-in", format!(r#"{{"time":"2026-03-12T10:20:30Z","message":"{}"}}"#, many("FAILED LOGIN:attempts[1] ip["))),
        ("columns", format!("{}\n{}", many("EVENT_TYPE,AuditData,"), many("1,2,"))),
        ("open quotes in rows", many("EVENT_TYPE,Audited Time,AuditData\n\"a,\n")),
        (
            "queries",
            format!(
                r#"{{"EVENT_TYPE":"UniqueQuery","TIMESTAMP":"20260312060402.118","QUERY_IDENTIFIER":"{}"}}"#,
                many("SELECT (a, FROM WHERE ")
            ),
        ),
    ]
}

#[test]
#[expect(clippy::disallowed_methods, reason = "it is time itself that is measured")]
fn hostile_shapes_cost_time_and_space_as_their_size() {
    let mut bindings: Vec<Value> = FOLDERS
        .iter()
        .map(|f| serde_json::from_slice(&fs::read(shared(&format!("samples/{f}/config.json"))).expect("readable")).expect("JSON"))
        .collect();
    bindings.extend(["canonical", "o365", "crm-tables"].map(|format| json!({"format": format})));
    for (name, text) in hostile(400_000) {
        for binding in &bindings {
            let real = Real { binding: binding.clone(), value: text.clone().into_bytes(), headers: BTreeMap::new() };
            let begun = std::time::Instant::now();
            let out = real.record();
            // A square of this many bytes, or of its elements, takes minutes.
            assert!(begun.elapsed().as_secs() < 20, "{name}, {binding}: {:?}", begun.elapsed());
            assert!(written(&out) <= bound(text.len()), "{name}, {binding}: {} bytes came out of {}", written(&out), text.len());
        }
    }
}

/// The same table as UTF-8 and as Russian Excel saves it.
#[test]
fn tables_come_with_marks_and_in_code_pages() {
    let binding = json!({"format": "zoho", "time_zone": "Europe/Moscow", "time_format": "%d.%m.%Y %H:%M",
        "column_names": {"Время": "audited_time", "Кто": "done_by", "Модуль": "module", "Действие": "action", "Имя записи": "record_name"}});
    let table = "Время;Кто;Модуль;Действие;Имя записи\r\n12.03.2026 11:02;a@x.example;Deals;Updated;Поставка №12\r\n\r\n";
    let cp1251: Vec<u8> = table
        .chars()
        .map(|c| match c {
            'А'..='я' => u8::try_from(u32::from(c) - 0x410 + 0xc0).expect("a letter of the page"),
            '№' => 0xb9,
            c => u8::try_from(u32::from(c)).expect("ASCII"),
        })
        .collect();
    let of = |value: &[u8]| Real { binding: binding.clone(), value: value.to_vec(), headers: BTreeMap::new() }.record();
    let lines = |bytes: &[u8]| {
        let (mut out, mut decoder) =
            (Normalised::default(), Real { binding: binding.clone(), value: vec![], headers: BTreeMap::new() }.adapter().decoder());
        bytes.split(|&b| b == b'\n').for_each(|line| decoder.line(line, &mut out));
        decoder.end(&mut out);
        out
    };
    let (plain, marked, page) = (of(table.as_bytes()), of(format!("\u{feff}{table}").as_bytes()), of(&cp1251));
    assert_eq!((&marked.events, &page.events), (&plain.events, &plain.events));
    // Two files put together.
    let twice = lines(format!("\u{feff}{table}\u{feff}{table}").as_bytes());
    assert!(twice.events.iter().map(|(_, e)| e).eq([&plain.events[0].1; 2]), "{twice:?}");
    let event = &plain.events[0].1;
    assert_eq!(
        (event.time.to_string().as_str(), event.action, &event.attrs["record_name"]),
        ("2026-03-12T08:02:00.000Z", Action::Update, &json!("Поставка №12"))
    );
    assert_eq!(plain.rejects, []);
}

#[test]
fn the_page_of_controls_is_current() {
    let run = |args: &[&str]| Command::new(env!("CARGO_BIN_EXE_filin")).args(args).output().expect("filin runs").stdout;
    let page = run(&["controls", "--markdown"]);
    let written = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/controls.md")).expect("docs/controls.md");
    assert_eq!(written, String::from_utf8(page).expect("UTF-8"), "write it anew: filin controls --markdown > docs/controls.md");
    let all: Value = serde_json::from_slice(&run(&["controls", "--json"])).expect("JSON");
    let list = String::from_utf8(run(&["controls", "--lang", "ru"])).expect("UTF-8");
    for control in all.as_array().expect("controls") {
        assert!(list.contains(control["title"]["ru"].as_str().expect("a title")), "{control}");
    }
}

#[test]
fn the_page_of_formats_is_current() {
    let page = Command::new(env!("CARGO_BIN_EXE_filin")).args(["adapters", "--markdown"]).output().expect("filin runs");
    let written = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/adapters.md")).expect("docs/adapters.md");
    assert_eq!(written, String::from_utf8(page.stdout).expect("UTF-8"), "write it anew: filin adapters --markdown > docs/adapters.md");
    let json = Command::new(env!("CARGO_BIN_EXE_filin")).args(["adapters", "--json"]).output().expect("filin runs");
    let all: Value = serde_json::from_slice(&json.stdout).expect("JSON");
    let formats = all["formats"].as_array().expect("formats");
    assert_eq!(formats.len(), filin::adapter::FORMATS.len());
    for format in formats {
        assert!(format["blind"].as_array().is_some_and(|b| !b.is_empty()), "{}: every source is blind to something", format["name"]);
        let actions = format["actions"].as_array().expect("actions");
        assert!(actions.iter().all(|a| a.as_str().and_then(Action::from_word).is_some()), "{}", format["name"]);
    }
}

/// What the samples show is claimed in the page.
#[test]
fn what_a_source_gives_is_said_of_it() {
    for real in real() {
        let name = real.adapter().name();
        let sight = filin::adapter::sight::of(name);
        // Of several tables, each has a format of its own.
        if name == "debezium" {
            continue;
        }
        for (_, event) in real.record().events {
            assert!(sight.actions.contains(&event.action.as_str()), "{name}: {}", event.action.as_str());
            let event = written_out(&event);
            for (key, value) in event.as_object().expect("an object") {
                let inner = value.as_object().filter(|_| key != "attrs");
                let fields: Vec<String> = inner.map_or_else(|| vec![key.clone()], |o| o.keys().map(|k| format!("{key}.{k}")).collect());
                for field in fields {
                    let known = sight.fields.contains(&field.as_str()) || filin::adapter::sight::ALWAYS.contains(&field.as_str());
                    assert!(known, "{name} gives {field}");
                }
            }
        }
    }
}

/// Exit code, standard output and standard error of `filin normalise`.
fn normalise(arguments: &[&str], input: &str) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_filin"));
    command.arg("normalise").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("filin starts");
    // Wrong usage ends it before it has read anything.
    drop(child.stdin.take().expect("piped").write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("filin ends");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn normalise_tells_rejects_and_goes_on() {
    let good = r#"{"id":"1","time":"2026-03-01T10:00:00Z","source":"crm","actor":{"id":"a"},"action":"view","client":{"ip":"nowhere"}}"#;
    let input = format!("{good}\n\noops\n{}\n[{good},7]\n", good.replace("2026", "1996"));
    let folder = tempfile::tempdir().expect("a folder");
    let rejects = folder.path().join("rejects.jsonl");
    let (code, out, err) = normalise(&["--format", "canonical", "--json", "--rejects", rejects.to_str().expect("a path")], &input);
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(out.lines().count(), 2);
    let summary: Value = serde_json::from_str(&err).expect("JSON");
    let rejected = serde_json::json!({"bad_json": 1, "before_2000": 1, "wrong_type": 1});
    assert_eq!(summary, serde_json::json!({"lines": 5, "events": 2, "blank": 1, "rejected": rejected, "complaints": {"client.ip": 2}}));
    let places: Vec<(u64, u64, String)> = fs::read_to_string(&rejects)
        .expect("written")
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
        .map(|r| {
            (r["line"].as_u64().expect("a line"), r["index"].as_u64().expect("an index"), r["code"].as_str().expect("a code").to_owned())
        })
        .collect();
    assert_eq!(places, [(3, 0, "bad_json".to_owned()), (4, 0, "before_2000".to_owned()), (5, 1, "wrong_type".to_owned())]);
    // What comes out goes in again.
    let (code, again, _) = normalise(&["--format", "canonical", "-"], &out);
    assert_eq!((code, again), (Some(0), out));
}

#[test]
fn normalise_says_what_is_wrong_with_its_usage() {
    let folder = tempfile::tempdir().expect("a folder");
    let binding = folder.path().join("b.toml");
    fs::write(&binding, "tenant = \"acme\"\ncolor = \"red\"\n").expect("writable");
    let binding = binding.to_str().expect("a path");
    for (arguments, expected) in [
        (&["--format", "nosuch"][..], "there is no format \"nosuch\": give one of canonical, o365, salesforce-elf"),
        (&["--format", "canonical", "/nowhere/at/all"], "/nowhere/at/all cannot be opened"),
        (&["--format", "canonical", "--binding", binding], "color"),
        (&["--format", "canonical", "--binding", "/nowhere"], "--binding: /nowhere"),
        (&[], "--format"),
    ] {
        let (code, out, err) = normalise(arguments, "");
        assert_eq!((code, out.as_str()), (Some(2), ""), "{err}");
        assert!(err.contains(expected), "{err}");
    }
    let mapping = [
        "[mapping]",
        "time = 'at'",
        "actor.id = 'who'",
        "[mapping.action]",
        "path = 'verb'",
        "[mapping.action.values]",
        "open = 'view'",
        "get = 'veiw'",
    ];
    fs::write(binding, mapping.join("\n")).expect("writable");
    let (code, _, err) = normalise(&["--format", "mapping", "--binding", binding], "");
    assert_eq!(code, Some(2));
    assert!(err.contains("line 8: mapping.action.values.get: \"veiw\" is no word of action"), "{err}");
    fs::write(binding, "[[bindings]]\ntopic = \"raw\"\nformat = \"canonical\"\ntenant = \"acme\"\n").expect("writable");
    let event = r#"{"id":"1","time":"2026-03-01","source":"crm","actor":{"id":"a"},"action":"view"}"#;
    let (code, out, _) = normalise(&["--format", "canonical", "--binding", binding], event);
    assert_eq!(code, Some(0));
    assert!(out.contains(r#""tenant":"acme""#), "{out}");
}

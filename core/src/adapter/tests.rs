mod formats;

use proptest::prelude::*;
use serde_json::json;

use super::{sink::MAX_ELEMENTS, *};

fn record(format: &str, text: impl AsRef<[u8]>) -> Normalised {
    let mut out = Normalised::default();
    Adapter::of(format).expect("known").record(&Raw::from(text.as_ref()), &mut out);
    out
}

/// What the lines of a stream give: `line/index` and id or code.
fn stream(format: &str, text: &str) -> Vec<String> {
    let mut decoder = Adapter::of(format).expect("known").decoder();
    let (mut all, mut out) = (Vec::new(), Normalised::default());
    let mut take = |line: usize, out: &mut Normalised| {
        let events = out.events.drain(..).map(|(i, e)| (i, e.id));
        let rejects = out.rejects.drain(..).map(|r| (r.index, r.code.as_str().to_owned()));
        let mut found: Vec<(u32, String)> = events.chain(rejects).collect();
        found.sort_unstable();
        all.extend(found.into_iter().map(|(i, what)| format!("{line}/{i} {what}")));
    };
    let lines: Vec<&str> = text.split('\n').collect();
    for (number, line) in lines.iter().enumerate() {
        decoder.line(line.as_bytes(), &mut out);
        take(number, &mut out);
    }
    decoder.end(&mut out);
    take(lines.len(), &mut out);
    all
}

/// The smallest event with an id.
fn small(id: &str) -> String {
    format!(r#"{{"id":"{id}","time":"2026-03-01T10:00:00Z","source":"crm","actor":{{"id":"a"}},"action":"view"}}"#)
}

/// The smallest event with one field more or other.
fn with(path: &str, value: Value) -> Value {
    let mut event: Value = serde_json::from_str(&small("e")).expect("JSON");
    let (mut at, mut keys) = (&mut event, path.split('.').peekable());
    while let Some(key) = keys.next() {
        if keys.peek().is_none() {
            at[key] = value;
            break;
        }
        at = &mut at[key];
        if at.is_null() {
            *at = json!({});
        }
    }
    event
}

#[test]
fn an_odd_field_costs_that_field() {
    let check = |path: &str, value: Value, kept: Value| {
        let out = record("canonical", with(path, value.clone()).to_string());
        assert_eq!(out.rejects, [], "{path}: {value}");
        let fields: Vec<&str> = out.complaints.iter().map(|c| c.field.as_str()).collect();
        assert_eq!(fields, [path], "{path}: {value}");
        let pointer = format!("/{}", path.replace('.', "/"));
        let event = serde_json::to_value(&out.events[0].1).expect("JSON");
        assert_eq!(event.pointer(&pointer).unwrap_or(&Value::Null), &kept, "{path}: {value}");
    };
    for (path, value) in [
        ("records", json!("12")),
        ("records", json!(-1)),
        ("records", json!(1.5)),
        ("bytes", json!(1e300)),
        ("bytes", json!(true)),
        ("session", json!(7)),
        ("session", json!("x".repeat(2000))),
        ("outcome", json!("sideways")),
        ("actor.kind", json!("robot")),
        ("actor.name", json!(["x"])),
        ("object", json!("client 7")),
        ("object.id", json!(7)),
        ("query.filter", json!("yes")),
        ("query.fields", json!("Name")),
        ("call.direction", json!("up")),
        ("call.duration_s", json!("61")),
        ("client.asn", json!(1_u64 << 40)),
        ("client.lat", json!(91)),
        ("client.lon", json!("37.6")),
        ("client.net", json!("tin can")),
        ("auth.mfa", json!("true")),
        ("change.what", json!({})),
        ("attrs", json!([1])),
    ] {
        check(path, value, Value::Null);
    }
    check("channel", json!("pigeon"), json!("other"));
    check("object.type", json!("spaceship"), json!("other"));
    check("object.ids", json!(["a", 7, "", null, "b"]), json!(["a", "b"]));
    let many: Vec<String> = (0..1200).map(|i| i.to_string()).collect();
    check("object.ids", json!(many), json!(many[..1000]));
    let long = "ж".repeat(20_000);
    check("reason", json!(long), json!(long[..32 << 10]));
    // What is no value of the field is still worth keeping.
    for (path, value) in [
        ("client.ip", json!("Salesforce.com IP")),
        ("client.country", json!("Russia")),
        ("call.number", json!("101")),
        ("call.number", json!("call me")),
    ] {
        let out = record("canonical", with(path, value.clone()).to_string());
        assert_eq!(out.complaints.len(), 1, "{path}");
        assert_eq!(out.events[0].1.attrs.get(path), Some(&value), "{path}");
    }
}

#[test]
fn what_is_needed_must_be_there() {
    let check = |path: &str, value: Value, code: Code, reason: &str| {
        let out = record("canonical", with(path, value).to_string());
        assert_eq!(out.events, []);
        assert_eq!(out.complaints, []);
        assert_eq!((out.rejects[0].index, out.rejects[0].code), (0, code), "{path}: {}", out.rejects[0].reason);
        assert!(out.rejects[0].reason.contains(reason), "{}", out.rejects[0].reason);
    };
    for path in ["id", "time", "source", "actor", "actor.id", "action"] {
        check(path, Value::Null, Code::MissingField, &format!("{path} is missing"));
        check(path, json!(7), Code::WrongType, path);
    }
    for path in ["id", "time", "source", "actor.id", "action"] {
        check(path, json!(""), Code::MissingField, path);
    }
    for path in ["id", "source", "actor.id"] {
        check(path, json!("x".repeat(1100)), Code::TooLong, path);
    }
    check("action", json!("dance"), Code::UnknownAction, "\"dance\"");
    check("time", json!("yesterday"), Code::BadTime, "\"yesterday\"");
    check("time", json!("2026-03-01T10:00:00"), Code::BadTime, "offset");
    check("source", json!("a/b"), Code::BadValue, "source");
    check("tenant", json!("a b"), Code::BadValue, "tenant");
}

#[test]
fn unknown_fields_and_absences() {
    let mut event = with("client.shoe", json!(43));
    event["mood"] = json!({"deep": [1]});
    event["session"] = json!("");
    event["order"] = Value::Null;
    event["object"] = json!({"id": "", "type": null});
    event["attrs"] = json!({"kept": 1, "empty": "", "none": null, "mood": "attrs win"});
    let out = record("canonical", event.to_string());
    let event = &out.events[0].1;
    let kept: Vec<(&str, String)> = event.attrs.iter().map(|(k, v)| (k.as_str(), v.to_string())).collect();
    assert_eq!(kept, [("client.shoe", "43".into()), ("kept", "1".into()), ("mood", "\"attrs win\"".into())]);
    assert_eq!((&event.session, &event.order, &event.object, &event.client), (&None, &None, &None, &None));
    assert_eq!(out.complaints.len(), 1, "{:?}", out.complaints);
}

#[test]
fn values_are_brought_to_one_form() {
    let check = |path: &str, value: Value, expected: Value| {
        let out = record("canonical", with(path, value).to_string());
        assert_eq!(out.complaints, []);
        let event = serde_json::to_value(&out.events[0].1).expect("JSON");
        assert_eq!(event.pointer(&format!("/{}", path.replace('.', "/"))), Some(&expected));
    };
    check("time", json!("2026-03-01T13:00:00.1239+03:00"), json!("2026-03-01T10:00:00.123Z"));
    check("time", json!("2026-03-01"), json!("2026-03-01T00:00:00.000Z"));
    check("records", json!(2.0), json!(2));
    check("client.ip", json!("203.0.113.7:4711"), json!("203.0.113.7"));
    check("client.ip", json!("[2001:DB8::7]:443"), json!("2001:db8::7"));
    check("client.ip", json!("::ffff:203.0.113.7"), json!("203.0.113.7"));
    check("client.country", json!("ru"), json!("RU"));
    check("call.number", json!("+7 (916) 123-45-67"), json!("+79161234567"));
    check("call.number", json!("0044 20 7946 0000"), json!("+442079460000"));
}

#[test]
fn the_binding_says_what_the_record_does_not() {
    let binding = json!({"format": "canonical", "tenant": "acme", "time_zone": "Europe/Berlin", "country": "RU"});
    let adapter = Adapter::open(Binding::read(&binding).expect("good")).expect("known");
    let one = |event: Value| {
        let mut out = Normalised::default();
        adapter.record(&Raw::from(event.to_string().as_bytes()), &mut out);
        out
    };
    assert_eq!(one(with("records", json!(1))).events[0].1.tenant, "acme");
    assert_eq!(one(with("tenant", json!("acme"))).events.len(), 1);
    assert_eq!(one(with("tenant", json!("evil"))).rejects[0].code, Code::WrongTenant);
    assert_eq!(
        one(with("call.number", json!("8 916 123 45 67"))).events[0].1.call.as_ref().unwrap().number.as_deref(),
        Some("+79161234567")
    );
    let time = |text: &str| one(with("time", json!(text))).events[0].1.time.to_string();
    assert_eq!(time("2026-07-01T12:00:00"), "2026-07-01T10:00:00.000Z");
    // The clock shows 02:30 twice; the earlier instant counts. In spring it never does: time goes on as before the leap.
    assert_eq!(time("2026-10-25 02:30:00"), "2026-10-25T00:30:00.000Z");
    assert_eq!(time("2026-03-29T02:30:00"), "2026-03-29T01:30:00.000Z");
}

#[test]
fn bindings_are_checked() {
    let check = |binding: Value, expected: &str| {
        let e = Binding::check(&binding).expect_err("wrong");
        assert!(e.contains(expected), "{e}");
    };
    assert_eq!(Binding::check(&json!({"format": "o365", "tenant": "t", "internal_number": r"^\d{3}$"})), Ok(()));
    check(json!({"format": "nosuch"}), "there is no format \"nosuch\": give one of canonical, o365, salesforce-elf");
    check(json!({"format": "o365", "color": "red"}), "color");
    check(json!({"format": "o365", "time_zone": "Mars/Base"}), "time_zone");
    check(json!({"format": "o365", "country": "Russia"}), "country");
    check(json!({"format": "o365", "tenant": "a|b"}), "tenant");
    check(json!({"format": "o365", "internal_number": "("}), "internal_number");
}

#[test]
fn records_come_in_many_layouts() {
    let (a, b) = (small("a"), small("b"));
    let check = |text: &str, ids: &[(u32, &str)], rejects: &[(u32, Code)], skipped: u64| {
        let out = record("canonical", text);
        let found: Vec<(u32, &str)> = out.events.iter().map(|(i, e)| (*i, e.id.as_str())).collect();
        assert_eq!(found, ids, "{text}");
        let found: Vec<(u32, Code)> = out.rejects.iter().map(|r| (r.index, r.code)).collect();
        assert_eq!(found, rejects, "{text}");
        assert_eq!(out.skipped, skipped, "{text}");
    };
    let pretty = |text: &str| serde_json::to_string_pretty(&serde_json::from_str::<Value>(text).expect("JSON")).expect("JSON");
    let both = [(0, "a"), (1, "b")];
    check(&a, &[(0, "a")], &[], 0);
    check(&pretty(&a), &[(0, "a")], &[], 0);
    check(&format!("\u{feff}{a}\r\n\r\n{b}\r\n"), &both, &[], 1);
    check(&format!("[{a},{b}]"), &both, &[], 0);
    check(&pretty(&format!("[{a},{b}]")), &both, &[], 0);
    check(&format!("[\n{a},\n{b}\n]\n"), &both, &[], 0);
    check(&format!("[{a}\n,{b}]"), &both, &[], 0);
    check(&format!("{}\n{}", pretty(&a), pretty(&b)), &both, &[], 0);
    check(&format!("[{a}]\n[{b}]"), &both, &[], 0);
    check(" \n\t", &[], &[], 1);
    check("[]", &[], &[], 0);
    // One bad element or line, the others pass.
    check(&format!("[{a},7,{b}]"), &[(0, "a"), (2, "b")], &[(1, Code::WrongType)], 0);
    check(&format!("[{a},{{oops}},{b}]"), &[(0, "a")], &[(1, Code::BadJson)], 0);
    check(&format!("[\n{a},\n{{oops}},\n{b}\n]"), &[(0, "a"), (2, "b")], &[(1, Code::BadJson)], 0);
    check(&format!("{a}\n{{oops\n{b}"), &[(0, "a"), (2, "b")], &[(1, Code::BadJson)], 0);
    check(&format!("{a} {b}"), &[], &[(0, Code::BadJson)], 0);
    check(&format!("[{a}"), &[(0, "a")], &[(1, Code::BadJson)], 0);
    check("\"text\"", &[], &[(0, Code::WrongType)], 0);
    check("oops", &[], &[(0, Code::BadJson)], 0);
}

#[test]
fn streams_say_where_things_stand() {
    let (a, b) = (small("a"), small("b"));
    let check = |text: &str, expected: &[&str]| assert_eq!(stream("canonical", text), expected, "{text}");
    check(&format!("{a}\n\n{b}\n[{a},{b}]"), &["0/0 a", "2/0 b", "3/0 a", "3/1 b"]);
    check(&format!("[\n {a},\n {b}, {a}\n]"), &["1/0 a", "2/0 b", "2/1 a"]);
    check(&format!("{{\n{}\n{b}", &a[1..]), &["1/0 a", "2/0 b"]);
    // A line that was cut off costs itself, even where it looks like the beginning of a document.
    check(&format!("{{\"id\":\"x\",\n{a}\n{b}"), &["1/0 bad_json", "1/1 a", "2/0 b"]);
    check(&format!("{{\"id\":\"x\",\"actor\":{{\n{a}\n{b}"), &["1/0 bad_json", "1/1 a", "2/0 b"]);
    check(&format!("[\n{a},\n{{\"id\":\"x\n{b},\n{a}\n]"), &["1/0 a", "3/0 bad_json", "3/1 b", "4/0 a"]);
    check("[\n{\"id\":", &["2/0 bad_json"]);
}

#[test]
fn tables_come_in_many_shapes() {
    let header = r#""EVENT_TYPE","TIMESTAMP","REQUEST_ID","USER_ID_DERIVED","X""#;
    let row = |id: &str, x: &str| format!(r#""Logout","20260312060402.5","{id}","0057Q00000AbXyZQAV","{x}""#);
    let check = |text: &str, expected: &[&str]| {
        let found: Vec<String> =
            stream("salesforce-elf", text).into_iter().map(|f| f.rsplit_once(':').map_or(f.clone(), |(f, _)| f.to_owned())).collect();
        assert_eq!(found, expected, "{text}");
    };
    let (a, b) = (row("a", ""), row("b", "say \"\"hi\"\"\nand, go"));
    check(&format!("{header}\n{a}\n\n{b}\n{a}"), &["1/0 Logout:a", "4/0 Logout:b", "5/0 Logout:a"]);
    check(&a, &["0/0 bad_csv"]);
    check(&format!("{header}\n{a},\"more\"\n{a}"), &["1/0 bad_csv", "2/0 Logout:a"]);
    // A quote too many costs its row.
    let torn = row("torn", "\"");
    check(&format!("{header}\n{torn}\n{a}\n{a}"), &["2/0 bad_csv", "2/1 Logout:a", "3/0 Logout:a"]);
    check(&format!("{header}\n{a}\n{torn}"), &["1/0 Logout:a", "3/0 bad_csv"]);
    // Files put together: a header of its own before each part.
    let other = "\"TIMESTAMP\",\"EVENT_TYPE\"\n\"20260312060402.5\",\"Sites\"";
    check(&format!("{header}\n{a}\n{other}"), &["1/0 Logout:a", "3/0 Sites:"]);
    check(r#"{"EVENT_TYPE":"Logout","TIMESTAMP":"20260312060402.118","REQUEST_ID":"j"}"#, &["0/0 Logout:j"]);
    // The same row has the same id, in whichever layout and column order.
    let id = |text: &str| record("salesforce-elf", text).events[0].1.id.clone();
    let json = r#"{"X":"","USER_ID_DERIVED":"0057Q00000AbXyZQAV","EVENT_TYPE":"Logout","REQUEST_ID":"a","TIMESTAMP":"20260312060402.5"}"#;
    assert_eq!(id(&format!("{header}\n{a}")), id(json));
    assert_eq!(record("salesforce-elf", json).events[0].1.time.to_string(), "2026-03-12T06:04:02.500Z");
}

#[test]
fn a_table_without_header_takes_its_columns_from_the_binding() {
    let binding = json!({"format": "salesforce-elf", "csv_columns": ["EVENT_TYPE", "TIMESTAMP", "REQUEST_ID"]});
    let adapter = Adapter::open(Binding::read(&binding).expect("good")).expect("known");
    let mut out = Normalised::default();
    adapter.record(&Raw::from(&b"Logout,20260312060402.118,r"[..]), &mut out);
    assert_eq!(out.events.len(), 1);
}

#[test]
fn o365_exports_wrap_records_into_a_column() {
    let inner = r#"{"Id":"1","CreationTime":"2021-05-18T21:13:39","Operation":"Send","UserId":"Ann@x.example","UserType":0}"#;
    let csv = format!("RecordId,CreationDate,AuditData\n1,2021-05-18,\"{}\"\n", inner.replace('"', "\"\""));
    let (plain, wrapped) = (record("o365", inner), record("o365", csv));
    assert_eq!(plain, wrapped);
    let event = &plain.events[0].1;
    assert_eq!((event.actor.id.as_str(), event.time.to_string().as_str()), ("ann@x.example", "2021-05-18T21:13:39.000Z"));
}

#[test]
fn limits_hold() {
    let code = |bytes: &[u8]| record("canonical", bytes).rejects.iter().map(|r| r.code).collect::<Vec<_>>();
    assert_eq!(code(b"{\"id\":\"\xff\"}"), [Code::BadUtf8]);
    assert_eq!(code(&vec![b' '; MAX_RECORD_BYTES + 1]), [Code::TooLong]);
    assert_eq!(code("[".repeat(1 << 20).as_bytes()), [Code::TooDeep]);
    assert_eq!(code("{\"a\":".repeat(1 << 18).as_bytes()), [Code::TooDeep]);
    let nested =
        |levels: usize| with("attrs.x", serde_json::from_str(&format!("{}{}", "[".repeat(levels), "]".repeat(levels))).expect("JSON"));
    assert_eq!(code(nested(MAX_DEPTH - 2).to_string().as_bytes()), []);
    assert_eq!(code(nested(MAX_DEPTH - 1).to_string().as_bytes()), [Code::TooDeep]);
    let many = record("canonical", format!("[{}null]", "null,".repeat(300_000)));
    assert_eq!(many.rejects.iter().map(|r| (r.index, r.code)).collect::<Vec<_>>(), [(MAX_ELEMENTS, Code::TooMany)]);
}

#[test]
fn an_event_fits_into_a_message() {
    let mut event = with("attrs.large", json!("x".repeat(900_000)));
    event["attrs"]["small"] = json!(1);
    let out = record("canonical", event.to_string());
    assert_eq!(out.events[0].1.attrs, BTreeMap::from([("attrs_left_out".to_owned(), json!(1)), ("small".to_owned(), json!(1))]));
    assert_eq!(out.complaints.len(), 1);
    let many: Map<String, Value> = (0..100_000).map(|i| (format!("k{i:05}"), json!(i))).collect();
    let kept = &record("canonical", with("attrs", Value::Object(many)).to_string()).events[0].1;
    assert!((30_000..60_000).contains(&kept.attrs.len()), "{}", kept.attrs.len());
    let ids: Vec<String> = (0..1000).map(|i| format!("{i:01000}")).collect();
    assert_eq!(record("canonical", with("object.ids", json!(ids)).to_string()).rejects[0].code, Code::TooLong);
    // A format that does not look at lengths itself.
    let row = json!({"EVENT_TYPE": "RestApi", "TIMESTAMP": "20260312060402.118", "USER_ID": "0057Q00000AbXyZ", "SESSION_KEY": "s".repeat(2000),
        "QUERY": "\u{1}".repeat(200_000)});
    let out = record("salesforce-elf", row.to_string());
    let (event, fields) = (&out.events[0].1, out.complaints.iter().map(|c| c.field.as_str()).collect::<Vec<_>>());
    assert_eq!(fields, ["session", "query.text", "attrs"]);
    assert!(serde_json::to_string(event).expect("JSON").len() < 800_000);
    assert_eq!(event.session, None);
    let row = json!({"EVENT_TYPE": "Logout", "TIMESTAMP": "20260312060402.118", "REQUEST_ID": "r".repeat(2000)});
    assert_eq!(record("salesforce-elf", row.to_string()).rejects[0].code, Code::TooLong);
}

#[test]
fn impossible_times_are_turned_away() {
    let now = Timestamp::parse("2026-03-01T10:00:00Z").expect("a time");
    let judged = |time: &str| {
        let mut out = record("canonical", with("time", json!(time)).to_string());
        out.judge(now);
        out.rejects.iter().map(|r| r.code).collect::<Vec<_>>()
    };
    assert_eq!(judged("2026-03-01T10:10:00Z"), []);
    assert_eq!(judged("2026-03-01T10:10:00.001Z"), [Code::Future]);
    assert_eq!(judged("2000-01-01T00:00:00Z"), []);
    assert_eq!(judged("1999-12-31T23:59:59.999Z"), [Code::Before2000]);
}

fn formats() -> impl Strategy<Value = &'static str> {
    prop::sample::select(names())
}

/// Whatever came in: every element has one place, and lines read one by one give what the whole gives.
fn sound(format: &str, bytes: &[u8]) {
    let out = record(format, bytes);
    let mut places: Vec<u32> = out.events.iter().map(|(i, _)| *i).chain(out.rejects.iter().map(|r| r.index)).collect();
    places.sort_unstable();
    assert!(places.windows(2).all(|p| p[0] < p[1]), "{places:?}");
    assert!(out.complaints.iter().all(|c| out.events.iter().any(|(i, _)| *i == c.index)));
    assert_eq!(out, record(format, bytes));
    let mut decoder = Adapter::of(format).expect("known").decoder();
    let mut lines = Normalised::default();
    bytes.split(|&b| b == b'\n').for_each(|line| decoder.line(line, &mut lines));
    decoder.end(&mut lines);
    for (_, event) in out.events.iter().chain(&lines.events) {
        // What is taken can be written into the log, and means the same there.
        let text = serde_json::to_string(event).expect("string keys");
        assert_eq!(serde_json::from_str::<Event>(&text).ok().as_ref(), Some(event), "{text}");
    }
}

/// JSON of any shape whose keys are often ours.
fn json_value() -> impl Strategy<Value = Value> {
    let words = prop::sample::select(vec![
        "id",
        "time",
        "source",
        "actor",
        "action",
        "view",
        "user",
        "attrs",
        "object",
        "ids",
        "client",
        "ip",
        "call",
        "number",
        "records",
        "EVENT_TYPE",
        "TIMESTAMP",
        "RestApi",
        "BulkApi2",
        "Report",
        "URI",
        "LightningPageView",
        "PAGE_URL",
        "QUERY",
        "SELECT a FROM b WHERE c",
        "METHOD",
        "Id",
        "CreationTime",
        "Operation",
        "UserId",
        "AuditData",
        "Folders",
        "event",
        "data",
        "ts",
        "variables",
        "uuid",
        "start_epoch",
        "callflow",
        "caller_profile",
        "results",
        "_embedded",
        "events",
        "result",
        "items",
        "list",
        "specversion",
        "type",
        "op",
        "after",
        "before",
        "payload",
        "schema",
        "auditid",
        "createdon",
        "changedata",
        "TimeGenerated",
        "SourceRecordId",
        "Message",
        "QueryResults",
        "Fields",
        "auditTypeId",
        "timestampX",
        "CALL_ID",
        "CALL_START_DATE",
        "EVENT_TYPE",
        "ID",
        "DATE_CREATE",
        "isDenied",
        "targetType",
        "createdAt",
        "monitor_id",
        "date_modified",
        "field_name",
        "parent_id",
        "line_ids",
        "res_ids",
        "create_date",
        "method",
        "EndPosition",
        "DateTime",
        "Event",
        "start",
        "uniqueid",
        "channel",
        "src",
        "dst",
        "entry_id",
        "create_time",
        "from",
        "to",
        "extension",
        "msec",
        "request_uri",
        "EventIdentifier",
        "EventDate",
        "loginAt",
        "occurredAt",
        "note_type",
        "params",
        "created_at",
        "leads[add][0][id]",
        "audited_time",
        "__op",
        "__table",
        "1773303069",
        "2026-03-01T10:00:00Z",
        "20260312060402.118",
        "[::1]:80",
        "+79161234567",
        "",
    ]);
    let text = prop_oneof![3 => words.prop_map(str::to_owned), 1 => ".{0,12}"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(text.clone(), inner, 0..8).prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_bytes_are_too_much(format in formats(), bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        sound(format, &bytes);
    }

    #[test]
    fn no_text_is_too_much(format in formats(), text in "[\\[\\]{}\",:\\\\\\n\\r a-c0-9ж-]{0,120}") {
        sound(format, text.as_bytes());
    }

    #[test]
    fn no_json_is_too_much(format in formats(), value in json_value(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
        sound(format, text.expect("JSON").as_bytes());
    }

    #[test]
    fn fields_of_any_kind_leave_a_good_event(path in prop::sample::select(vec![
        "records", "object", "object.ids", "client.ip", "client.lat", "call.number", "attrs", "query.fields", "change.to", "auth.mfa", "channel", "tenant",
    ]), value in json_value()) {
        let event = with(path, value);
        sound("canonical", event.to_string().as_bytes());
    }
}

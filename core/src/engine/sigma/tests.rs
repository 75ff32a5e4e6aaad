//! Rules against events; the rules of schemas/sigma; the page for those who write rules; hostile texts.

use std::{fmt::Write as _, fs, path::Path};

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::event::{
    Action, Actor, ActorKind, Address, Auth, Call, Change, Channel, Direction, Enrich, Event, Former, NamedClient, Net, Object, ObjectType,
    Outcome, Owner, Place as Client, Query, Related, Tier, Timestamp, Work,
};

/// Every field is there: a new one does not compile here until somebody thinks of the table.
fn full() -> Enriched {
    let s = |text: &str| Some(text.to_owned());
    let event = Event {
        id: "e1".to_owned(),
        time: Timestamp::parse("2026-03-01T10:00:00.120Z").expect("a time"),
        tenant: "t".to_owned(),
        source: "crm".to_owned(),
        actor: Actor { id: "a".to_owned(), kind: ActorKind::Integration, name: s("Анна") },
        action: Action::Export,
        outcome: Outcome::Denied,
        reason: s("no right"),
        channel: Some(Channel::BulkApi),
        session: s("s"),
        object: Some(Object {
            kind: Some(ObjectType::Deal),
            id: s("o"),
            owner: s("w"),
            ids: vec!["i1".to_owned(), "i2".to_owned()],
            client: s("c"),
        }),
        records: Some(1500),
        bytes: Some(u64::MAX),
        query: Some(Query {
            text: s("SELECT Phone"),
            fingerprint: s("f"),
            fields: vec!["Name".to_owned(), "Phone".to_owned()],
            filter: Some(true),
        }),
        call: Some(Call { direction: Some(Direction::Out), number: s("+79161234567"), duration_s: Some(61), client: s("c") }),
        order: s("o"),
        client: Some(Client {
            ip: s("203.0.113.7"),
            user_agent: s("curl/8"),
            device: s("d"),
            app: s("App"),
            version: s("1.10"),
            country: s("RU"),
            asn: Some(64_512),
            lat: Some(55.75),
            lon: Some(-37.5),
            net: Some(Net::Vpn),
            tls: s("1.3"),
        }),
        auth: Some(Auth { method: s("sso"), mfa: Some(true), mfa_method: s("totp") }),
        change: Some(Change { what: s("role"), from: s("a"), to: s("b"), target: s("u") }),
        attrs: [("any", json!([1, {"x": [null, "Y"]}])), ("a.b", json!(true)), ("size", json!("12.5")), ("void", json!(null))]
            .map(|(key, value)| (key.to_owned(), value))
            .into(),
    };
    let client = |tier, owner, decoy| NamedClient {
        h: 7,
        owner,
        team: s("north"),
        region: s("r"),
        tier: Some(tier),
        decoy,
        related: Some(Related::OpenOrder),
        former: Some(Former::LostDeal),
    };
    let enrich = Enrich {
        manager: "m".to_owned(),
        team: s("t1"),
        role: s("sales"),
        grade: s("junior"),
        zone: "UTC".to_owned(),
        work: Some(Work::Out),
        address: Address::Denied,
        notice: true,
        clients: vec![client(Tier::Key, Owner::Me, false), client(Tier::Normal, Owner::Other, true)],
        target: s("boris"),
        unnamed: 2,
    };
    Enriched { event, enrich, origin: None }
}

/// An event with nothing but what must be there.
fn bare() -> Enriched {
    serde_json::from_value(json!({
        "event": {"id": "e", "time": "2026-03-01T10:00:00Z", "source": "crm", "actor": {"id": "a"}, "action": "view"},
        "enrich": {"manager": "m", "zone": "UTC"}
    }))
    .expect("an event")
}

const FACTS: Facts = Facts { dismissed: false, leaving: true, hour: 23, weekday: 7 };

fn book(texts: &[&str]) -> (Book, Vec<Refused>) {
    Book::read(&texts.iter().enumerate().map(|(i, text)| (format!("{i}.yml"), (*text).to_owned())).collect())
}

/// A rule with one selection of these lines.
fn rule(lines: &str) -> String {
    let lines: String = lines.lines().map(|line| format!("    {line}\n")).collect();
    format!("title: T\ndetection:\n  selection:\n{lines}  condition: selection\n")
}

fn holds(lines: &str, event: &Enriched) -> bool {
    let (book, refused) = book(&[&rule(lines)]);
    assert_eq!(refused, [], "{lines}");
    !book.matches(event, &FACTS).is_empty()
}

/// Why the one rule is refused, and on which line.
fn refused(text: &str) -> (usize, String) {
    let (book, mut refused) = book(&[text]);
    assert!(book.is_empty() && refused.len() == 1, "{text}: {refused:?}");
    let refused = refused.remove(0);
    (refused.line, refused.reason)
}

#[test]
fn each_modifier_and_value() {
    for (lines, expected) in [
        ("action: EXPORT", true),
        ("action: [view, export]", true),
        ("action: [view, list]", false),
        ("records: 1500", true),
        ("records: 1501", false),
        ("records|gt: 1499.5", true),
        ("records|gte: 1500", true),
        ("records|lt: 1500", false),
        ("records|lte: 1500", true),
        ("bytes|gt: 18446744073709551614", true),
        ("bytes: 18446744073709551614", false),
        ("client.lon|lt: -37", true),
        ("actor.name: аННа", true),
        ("actor.name|cased: анна", false),
        ("query.text|contains: phone", true),
        ("query.text|contains|cased: phone", false),
        ("query.text|startswith: select", true),
        ("query.text|endswith: phone", true),
        ("query.text|endswith: select", false),
        ("query.text: 'sel*ph?ne'", true),
        ("query.text|contains: ['zip', 'sel*one']", true),
        ("query.text|contains|all: [select, phone]", true),
        ("query.text|contains|all: [select, mail]", false),
        ("query.fields|all: [phone, name]", true),
        ("query.fields|all: [phone, mail]", false),
        ("query.fields: phone", true),
        ("object.ids: [i0, i2, i4]", true),
        ("object.ids: [i0, i4]", false),
        ("query.text|re: 'P.o'", true),
        ("query.text|re: 'p.o'", false),
        ("query.text|re|i: 'p.one$'", true),
        ("client.ip|cidr: 203.0.113.0/24", true),
        ("client.ip|cidr: [10.0.0.0/8, 203.0.113.7]", true),
        ("client.ip|cidr: 2001:db8::/32", false),
        ("client.version: 1.10", true),
        ("client.version: '1.1'", false),
        ("client.version|gte: 1.1", true),
        ("auth.mfa: true", true),
        ("query.filter: false", false),
        ("session|exists: true", true),
        ("session|exists: false", false),
        ("attrs.void|exists: false", true),
        ("attrs.any|exists: true", true),
        ("attrs.any: 1", true),
        ("attrs.any.x: y", true),
        ("attrs.a.b: true", true),
        ("attrs.size|gt: 12", true),
        ("attrs.none: null", true),
        ("attrs.size: null", false),
        ("attrs.none: [null, 5]", true),
        ("object.client|fieldref: call.client", true),
        ("object.client|fieldref: call.number", false),
        ("object.client|fieldref: [call.number, call.client]", true),
        ("object.client|fieldref|all: [call.number, call.client]", false),
        ("client.user_agent|startswith|fieldref: object.client", true),
        ("query.fields|fieldref: actor.name", false),
        ("enrich.clients.owner: other", true),
        ("enrich.clients.tier: key\nenrich.clients.owner: other", true),
        ("enrich.clients.tier_owner: key/other", false),
        ("enrich.clients.tier_owner: key/self", true),
        ("enrich.clients.decoy: true", true),
        ("person.dismissed: false\nperson.leaving: true\nhour|gte: 22\nweekday: [6, 7]", true),
        ("time|startswith: 2026-03-01T10", true),
        ("- action: view\n- records: 1500", true),
        ("- action: view\n  records: 1500\n- outcome: success", false),
    ] {
        assert_eq!(holds(lines, &full()), expected, "{lines}");
    }
    for lines in ["session: null", "object.ids|exists: false", "outcome: success", "enrich.clients.owner: null"] {
        assert!(holds(lines, &bare()), "{lines}");
    }
    let mapped = |ip: &str| {
        let mut event = full();
        event.event.client.as_mut().expect("a client").ip = Some(ip.to_owned());
        event
    };
    assert!(holds("client.ip|cidr: 10.0.0.0/8", &mapped("::ffff:10.1.2.3")) && !holds("client.ip|cidr: 10.0.0.0/8", &mapped("10.1.2")));
}

#[test]
fn what_is_refused_says_why_and_where() {
    let item = |line: &str| refused(&rule(line));
    for (line, part) in [
        ("action: exprot", "action is one of login, "),
        ("person.dismissed: yes", "person.dismissed is true or false"),
        ("records: many", "records is a number"),
        ("records|contains: 5", "records is a number"),
        ("EventID: 4624", "there is no field \"EventID\""),
        ("attrs.: 1", "there is no field"),
        ("query.text|base64: x", "modifier \"base64\" is not supported: there are contains"),
        ("query.text|contains|endswith: x", "endswith does not go with"),
        ("query.text|contains: null", "takes a text"),
        ("query.text|all: [a, null]", "null goes without |all"),
        ("query.text|re: '(?=x)'", "look-around"),
        ("query.text|re: '['", "is no regular expression: unclosed"),
        ("query.text|re|cased: x", "cased goes with texts"),
        ("session|exists: maybe", "exists takes true or false"),
        ("session|exists|all: true", "exists stands alone"),
        ("client.ip|cidr: 10.0.0.0/99", "is no network"),
        ("records|gt: 'ten'", "compared with a number"),
        ("object.ids|fieldref: query.fields", "no list with a list"),
        ("object.ids|fieldref: attrs.x", "no list with a list"),
        ("object.id|fieldref: nothing", "the name of a field"),
        ("object.id|re|fieldref: actor.id", "fieldref goes with"),
        ("object.id: []", "has no values"),
        ("object.id: [[a]]", "a value must be"),
        ("- word", "keywords are not supported"),
        ("{}", "asks for nothing"),
        ("text", "must be a mapping"),
    ] {
        let (at, said) = item(line);
        assert!(said.contains(part) && at == if line == "text" || line == "{}" { at } else { 4 }, "{line}: {at}: {said}");
    }
    let text = "title: T\ndetection:\n  a:\n    action: view\n  condition: a | count() by actor.id > 5\n";
    let (line, said) = refused(text);
    assert!(line == 5 && said.contains("aggregations") && said.contains("one event"), "{said}");
    for (text, line, part) in [
        ("title: T\ncorrelation:\n  type: event_count\n", 3, "correlation rules are not supported"),
        ("title: T\ndetection:\n  a:\n    action: view\n  timeframe: 5m\n  condition: a\n", 5, "timeframe"),
        ("title: T\nlogsource: crm\n", 2, "logsource must be"),
        ("title: T\n", 1, "no detection"),
        ("detection:\n  a:\n    action: view\n  condition: a\n", 1, "title"),
        ("title: T\ndetection:\n  a:\n    action: view\n", 3, "no condition"),
        ("title: T\nlevel: severe\ndetection: {a: {action: view}, condition: a}", 2, "\"severe\""),
        ("title: T\nid: a b\ndetection: {a: {action: view}, condition: a}", 2, "UUID"),
        ("title: T\ntags: attack.t1078\ndetection: {a: {action: view}, condition: a}", 2, "list"),
        ("- title: T\n", 1, "a rule is a mapping"),
        ("title: T\ndetection:\n  a:\n   action: view\n  b\n", 6, "is no YAML"),
    ] {
        let (at, said) = refused(text);
        assert!(said.contains(part), "{text}: {said}");
        assert_eq!(at, line, "{text}: {said}");
    }
}

#[test]
fn a_bad_rule_stops_no_other() {
    let good = rule("action: export");
    let file = format!("{good}---\ntitle: [\n---\n{}---\n{good}", rule("attrs.x: 1"));
    let (book, refused) = book(&[&file, &format!("id: X-1\n{good}"), &format!("id: x-1\n{}", rule("action: view"))]);
    assert_eq!(book.rules().len(), 3);
    let told: Vec<String> = refused.iter().map(ToString::to_string).collect();
    assert!(told[0].starts_with("0.yml:") && told[0].contains("is no YAML"), "{told:?}");
    // The same text twice is the same rule.
    assert!(told[1].contains("is that of the rule at 0.yml:1"), "{told:?}");
    assert_eq!(told[2], "2.yml:1: id x-1 is that of the rule at 1.yml:1");
    assert_eq!(book.rule("x-1").map(|r| r.title.as_str()), Some("T"));
    let ids: Vec<&str> = book.matches(&full(), &FACTS).iter().map(|r| r.id.as_str()).collect();
    assert_eq!(ids, [book.rules()[0].id.as_str(), "x-1"]);
    assert!(uuid::Uuid::parse_str(ids[0]).is_ok());
}

#[test]
fn what_a_rule_says_of_itself() {
    let head = "description: |\n  D\ntags: [attack.T1078.004, attack.t1078, attack.initial-access, attack.t12, car.1, attack.t1078]\nlevel: informational\n";
    let (told, refused) = book(&[&format!("{head}{}", rule("action: view"))]);
    assert_eq!(refused, []);
    let rule = &told.rules()[0];
    assert_eq!((rule.description.as_str(), rule.level, rule.techniques.join(" ").as_str()), ("D", Severity::Low, "T1078 T1078.004"));
    assert_eq!(book(&[&super::tests::rule("action: view")]).0.rules()[0].level, Severity::Medium);
    assert_eq!(told, told.clone());
    assert_ne!(told, Book::default());
}

#[test]
fn limits_hold() {
    let many: String = (0..=MAX_RULES).map(|i| format!("---\nid: r{i}\n{}", rule("action: view"))).collect();
    let (told, refused) = book(&[&many]);
    assert_eq!((told.rules().len(), refused.len()), (MAX_RULES, 1));
    assert!(refused[0].reason.contains("more than 500 rules"));
    let values = |n: usize| rule(&format!("object.id: [{}]", "a,".repeat(n)));
    let (told, refused) = book(&[&values(MAX_VALUES + 1), &values(MAX_VALUES), &rule("action: view")]);
    assert_eq!((told.rules().len(), refused.len()), (1, 2), "what was refused does not count");
    let regexes = |n: usize| rule(&format!("object.id|re: [{}]", "x.y,".repeat(n)));
    let (told, refused) = book(&[&regexes(MAX_REGEXES + 1), &regexes(MAX_REGEXES), &rule("query.text: 'a*b'"), &rule("action: view")]);
    assert_eq!((told.rules().len(), refused.len()), (2, 2));
    assert!(refused[0].reason.contains("expressions"), "{refused:?}");
    let (line, said) = self::refused(&format!("# x\n{}", " ".repeat(MAX_TEXT)).replace("# x", "title: T"));
    assert!(line == 1 && said.contains("64 KiB"), "{said}");
    let selections: String = (0..65).map(|i| format!("  s{i}: {{action: view}}\n")).collect();
    assert!(self::refused(&format!("title: T\ndetection:\n{selections}  condition: 1 of s*\n")).1.contains("more than 64"));
}

#[test]
fn the_size_of_an_event_is_read_once() {
    let mut large = full();
    let object = large.event.object.as_mut().expect("an object");
    object.ids = (0..200_000).map(|i| format!("id-{i}")).collect();
    large.event.query.as_mut().expect("a query").text = Some("a".repeat(4 << 20));
    let ids: Vec<String> = (300_000..302_000).map(|i| format!("id-{i}")).collect();
    let rules = [
        rule(&format!("object.ids: [{}]", ids.join(", "))),
        rule("object.ids|fieldref: object.id"),
        rule("query.text|re: '(a+)+b'"),
        rule("query.text|contains: 'aaaaaaaaaaaaaaaaaaaaaaaaaab'"),
        rule("query.text|contains: 'a*a*a*b'"),
    ];
    let (book, refused) = book(&rules.each_ref().map(String::as_str));
    assert_eq!((refused, book.matches(&large, &FACTS).len()), (Vec::new(), 0));
}

/// The paths of an object with their values, as a rule would compare them.
fn paths(path: &str, json: &serde_json::Value, all: &mut BTreeMap<String, Vec<String>>) {
    match json {
        serde_json::Value::Object(fields) => {
            for (key, value) in fields {
                paths(&if path.is_empty() { key.clone() } else { format!("{path}.{key}") }, value, all);
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| paths(path, item, all)),
        value => all.entry(path.to_owned()).or_default().push(value.as_str().map_or_else(|| value.to_string(), str::to_owned)),
    }
}

#[test]
fn fields_are_the_paths_of_the_event() {
    let full = full();
    let (mut expected, json) = (BTreeMap::new(), |v| serde_json::to_value(v).expect("JSON"));
    paths("", &json(serde_json::json!({"enrich": full.enrich})), &mut expected);
    let Ok(serde_json::Value::Object(mut event)) = serde_json::to_value(&full.event) else { panic!("an object") };
    event.remove("attrs");
    paths("", &event.into(), &mut expected);
    // A hash says nothing to people.
    expected.remove("enrich.clients.h");
    // Written only where it is true.
    expected.insert("enrich.clients.decoy".to_owned(), vec!["false".to_owned(), "true".to_owned()]);
    let facts = [("person.dismissed", "false"), ("person.leaving", "true"), ("hour", "23"), ("weekday", "7")];
    expected.extend(facts.map(|(name, value)| (name.to_owned(), vec![value.to_owned()])));
    expected.insert("enrich.clients.tier_owner".to_owned(), ["key/self", "normal/other"].map(str::to_owned).into());
    let scene = Scene { event: &full, facts: &FACTS };
    for field in FIELDS {
        let place = Place::of(field.name).expect("known");
        let found = place.values(scene);
        let texts: Vec<String> = found
            .all()
            .iter()
            .map(|value| match value {
                value::Value::Text(text, _) => text.to_string(),
                value::Value::Number(value::Number::Whole(n)) => n.to_string(),
                value::Value::Number(value::Number::Real(n)) => n.to_string(),
                value::Value::Bool(b) => b.to_string(),
                value::Value::Thing => "?".to_owned(),
            })
            .collect();
        assert_eq!(Some(&texts), expected.remove(field.name).as_ref(), "{}", field.name);
        for (value, text) in found.all().iter().zip(&texts) {
            let fits = match (field.kind, value) {
                (Kind::Word(words), value::Value::Text(..)) => words.contains(&text.as_str()),
                (kind, value::Value::Text(..)) => kind == Kind::Text,
                (kind, value::Value::Number(_)) => kind == Kind::Number,
                (kind, _) => kind == Kind::Bool,
            };
            assert!(fits && (field.list || texts.len() == 1), "{}", field.name);
        }
    }
    assert_eq!(expected, BTreeMap::new(), "paths that no rule can name");
}

#[test]
fn tiers_and_owners_are_named_in_order() {
    let expected: Vec<String> =
        Tier::ALL.iter().flat_map(|tier| Owner::ALL.iter().map(move |owner| format!("{}/{}", tier.as_str(), owner.as_str()))).collect();
    assert_eq!(field::TIER_OWNER, expected);
}

fn page() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/sigma.md")).expect("docs/sigma.md")
}

#[test]
fn the_page_shows_the_table() {
    let mut table = "| field | values | says |\n| --- | --- | --- |\n".to_owned();
    for field in FIELDS {
        let values = match field.kind {
            Kind::Text => "text".to_owned(),
            Kind::Number => "number".to_owned(),
            Kind::Bool => "true, false".to_owned(),
            Kind::Word(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" "),
        };
        writeln!(table, "| `{}` | {}{values} | {} |", field.name, if field.list { "list: " } else { "" }, field.means).expect("in memory");
    }
    let page = page();
    assert!(page.contains(&table), "docs/sigma.md lacks this table:\n{table}");
    for modifier in MODIFIERS {
        assert!(page.contains(&format!("`{modifier}`")), "docs/sigma.md lacks the modifier {modifier}");
    }
    for number in ["500 rules", "64 KiB", "10 000 values", "300 regular expressions", "1000 bytes", "12 levels", "64 selections"] {
        assert!(page.contains(number), "docs/sigma.md lacks {number}");
    }
}

#[test]
fn the_page_has_rules_that_run() {
    let page = page();
    let samples: Vec<&str> = page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(samples.len() >= 2);
    for sample in samples {
        let (book, refused) = book(&[sample]);
        assert!(refused.is_empty() && !book.is_empty(), "{sample}: {refused:?}");
    }
}

/// Filin's rules by the names of their files.
fn ours() -> BTreeMap<String, String> {
    let folder = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/sigma")).expect("schemas/sigma");
    folder
        .map(|entry| {
            let path = entry.expect("readable").path();
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            (name, fs::read_to_string(path).expect("a text"))
        })
        .collect()
}

#[test]
fn filins_own_rules_tell_hits_from_misses() {
    let with = |event: serde_json::Value, enrich: serde_json::Value| -> Enriched {
        let mut all = json!({
            "event": {"id": "e", "time": "2026-03-01T10:00:00Z", "source": "crm", "actor": {"id": "a"}, "action": "view"},
            "enrich": {"manager": "m", "zone": "UTC"}
        });
        for (part, more) in [("event", event), ("enrich", enrich)] {
            let serde_json::Value::Object(more) = more else { panic!("an object") };
            all[part].as_object_mut().expect("an object").extend(more);
        }
        serde_json::from_value(all).expect("an event")
    };
    let client = |more: &str| {
        let text = format!(
            r#"{{"grade": "junior", "clients": [{{"h": "0000000000000007", {more}}}, {{"h": "0000000000000008", "owner": "other"}}]}}"#
        );
        serde_json::from_str::<serde_json::Value>(&text).expect("JSON")
    };
    let none = || json!({});
    let setting = |to: &str| json!({"action": "setting_change", "change": {"what": "Field Audit Trail", "to": to}});
    let rights = |target: &str| json!({"action": "permission_change", "change": {"what": "profile", "target": target}});
    let login = |mfa: bool, kind: &str| json!({"action": "login", "auth": {"mfa": mfa}, "actor": {"id": "a", "kind": kind}});
    let tls = |tls: &str| json!({"client": {"tls": tls}});
    let cases = [
        ("address_denied", with(json!({"outcome": "denied"}), json!({"address": "denied"})), with(none(), json!({"address": "allowed"}))),
        ("decoy", with(none(), client(r#""owner": "other", "decoy": true"#)), with(none(), client(r#""owner": "other""#))),
        (
            "key_client",
            with(none(), client(r#""owner": "team", "tier": "key""#)),
            with(none(), client(r#""owner": "self", "tier": "key""#)),
        ),
        (
            "junior_delete",
            with(json!({"action": "merge"}), json!({"grade": "junior"})),
            with(json!({"action": "merge"}), json!({"grade": "senior"})),
        ),
        ("insecure_transport", with(tls("TLSv1"), none()), with(tls("1.2"), none())),
        ("insecure_transport", with(tls("none"), none()), with(tls("TLSv1.3"), none())),
        ("insecure_transport", with(tls("SSLv3"), none()), with(none(), none())),
        ("insecure_transport", with(tls("1.1"), none()), with(tls("11"), none())),
        ("audit_off", with(setting("Off"), none()), with(setting("on"), none())),
        ("audit_off", with(setting("0"), none()), with(setting("10"), none())),
        ("privilege_self", with(rights("m"), json!({"target": "m"})), with(rights("b"), json!({"target": "b"}))),
        ("privilege_self", with(rights("m"), json!({"target": "m"})), with(json!({"action": "permission_change"}), none())),
        ("endpoint_finding", with(json!({"action": "endpoint_finding"}), none()), with(none(), none())),
        ("no_mfa", with(login(false, "user"), none()), with(login(true, "user"), none())),
        ("no_mfa", with(login(false, "user"), none()), with(login(false, "integration"), none())),
    ];
    let mut tried: std::collections::BTreeSet<&str> = cases.iter().map(|(name, ..)| *name).collect();
    let files = ours();
    let (book, refused) = Book::read(&files);
    assert_eq!(refused, []);
    for (name, text) in &files {
        let (one, _) = Book::read(&BTreeMap::from([(name.clone(), text.clone())]));
        let rule = &one.rules()[0];
        assert!(uuid::Uuid::parse_str(&rule.id).is_ok() && !rule.description.is_empty() && !rule.techniques.is_empty(), "{name}");
        for key in ["status", "references", "author: Filin", "date", "logsource", "falsepositives", "level"] {
            assert!(text.contains(&format!("\n{key}")), "{name} lacks {key}");
        }
        assert!(book.rule(&rule.id).is_some());
        for (_, hit, miss) in cases.iter().filter(|(of, ..)| of == name) {
            assert_eq!(one.matches(hit, &Facts::default()).len(), 1, "{name} {hit:?}");
            assert!(one.matches(miss, &Facts::default()).is_empty(), "{name} {miss:?}");
        }
        if name == "leaver_active" {
            let gone = Facts { dismissed: true, leaving: true, ..Facts::default() };
            assert!(one.matches(&bare(), &gone).len() == 1 && one.matches(&bare(), &Facts::default()).is_empty());
            assert!(one.matches(&with(json!({"outcome": "failure"}), none()), &gone).is_empty());
            tried.insert("leaver_active");
        }
    }
    assert_eq!(
        tried.into_iter().collect::<Vec<_>>(),
        files.keys().map(String::as_str).collect::<Vec<_>>(),
        "each rule has a hit and a miss"
    );
}

/// Texts made of what rules are made of.
fn pieces() -> impl Strategy<Value = String> {
    let words = [
        "title: T\n",
        "detection:\n",
        "  a:\n",
        "    action: view\n",
        "    attrs.x|re: ",
        "'(a|b)*'\n",
        "  condition: a\n",
        "---\n",
        "not ",
        "1 of ",
        "[",
        "]",
        "{",
        "}",
        ": ",
        "- ",
        "\n",
        "  ",
        "|contains|all",
        "*",
        "?",
        "\\",
        "'",
        "\"",
        "&a ",
        "*a",
        "!!str ",
        "null",
        "1e999",
        "-5",
        "é",
        "\u{feff}",
        "\r\n",
        "\t",
        "# ",
        "...\n",
        "%YAML 1.2\n",
        "query.text|fieldref: ",
        "actor.id",
        "(",
        ")",
        " or ",
        "|\n",
        ">\n",
    ];
    proptest::collection::vec(proptest::sample::select(words.to_vec()), 0..60).prop_map(|words| words.concat())
}

fn values() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|b| json!(b)),
        any::<i64>().prop_map(|n| json!(n)),
        any::<f64>().prop_map(|n| json!(n)),
        "\\PC{0,20}".prop_map(|s| json!(s)),
    ];
    leaf.prop_recursive(4, 30, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(serde_json::Value::Array),
            proptest::collection::btree_map("[a-c.]{1,3}", inner, 0..5).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

/// A rule for each field, and for what may stand in `attrs`.
fn everything() -> Book {
    let mut rules: Vec<String> = Vec::new();
    for field in FIELDS {
        let ask = match field.kind {
            Kind::Text => "|contains: [a, 'b*c']",
            Kind::Number => "|gt: 5",
            Kind::Bool => ": true",
            Kind::Word(_) => "|endswith: e",
        };
        rules.push(rule(&format!("{}{ask}", field.name)));
        rules.push(rule(&format!("actor.id|contains|fieldref: {}", field.name)));
    }
    for path in ["a", "a.b", "a.b.c", "."] {
        for ask in [": 1", "|re: '^.*a'", "|exists: true", "|lt: 0", "|cidr: 0.0.0.0/0", "|contains: ''", ": null", "|fieldref: actor.id"] {
            rules.push(rule(&format!("attrs.{path}{ask}")));
        }
    }
    let (book, refused) = book(&rules.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(refused, []);
    book
}

proptest! {
    #[test]
    fn no_text_panics(text in prop_oneof![pieces(), any::<String>(), "(?s).{0,200}"]) {
        let (book, refused) = book(&[&text, &text]);
        book.matches(&full(), &FACTS);
        // A lone return ends a line of YAML as well.
        let lines = text.matches(['\r', '\n']).count() + 2;
        prop_assert!(refused.iter().all(|r| r.line >= 1 && r.line <= lines), "{:?}", refused);
    }

    #[test]
    fn no_event_panics(
        attrs in proptest::collection::btree_map("[a-c.]{1,3}", values(), 0..5),
        text in "\\PC{0,40}",
        number in any::<u64>(),
        real in any::<f64>(),
        ids in proptest::collection::vec("\\PC{0,5}", 0..20),
    ) {
        thread_local!(static BOOK: Book = everything());
        let mut event = full();
        event.event.attrs = attrs;
        event.event.actor.id.clone_from(&text);
        event.event.records = Some(number);
        if let (Some(client), Some(object), Some(query)) = (&mut event.event.client, &mut event.event.object, &mut event.event.query) {
            (client.lat, client.ip) = (Some(real), Some(text.clone()));
            (object.ids, query.text) = (ids, Some(text));
        }
        let facts = Facts { dismissed: true, leaving: false, hour: u8::MAX, weekday: 0 };
        BOOK.with(|book| {
            let first: Vec<String> = book.matches(&event, &facts).iter().map(|r| r.id.clone()).collect();
            let again: Vec<String> = book.matches(&event, &facts).iter().map(|r| r.id.clone()).collect();
            assert_eq!(first, again);
        });
    }
}

//! The JSON Schemas against the types they describe, both ways.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use filin::{
    adapter::{Adapter, Normalised, Raw},
    directory::{Grade, Span, User, When},
    engine::{
        AlertVersion, Contribution, ControlPolicy, LOG_VERSION, LogLine, Mute, Policy, Record, Reset, Severity, Signal, Subject,
        SubjectKind, Text, Tick, Verdict, VerdictKind,
        peers::Fit,
        prior::{Group, Peers, Prior, Usually},
    },
    event::{
        Access, Action, Actor, ActorKind, Address, Auth, Budget, Call, Change, Channel, Date, Direction, Enrich, Enriched, Event, Former,
        NamedClient, Net, Object, ObjectType, Origin, Outcome, Owner, Place, Query, Related, Tier, Timestamp, Work,
    },
    model::{Expect, Kind, Label, Strength},
};
use jsonschema::{Registry, Validator};
use proptest::prelude::*;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::adapters::{samples, shared};

const BASE: &str = "https://filin.invalid/schemas/";
const NAMES: [&str; 5] = ["event", "log", "alert", "signal", "label"];

fn schema(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("schemas/{name}.schema.json"));
    serde_json::from_slice(&fs::read(path).expect("a schema")).expect("JSON")
}

/// A validator of a whole schema, or of a part of it (`log#/$defs/user`).
fn validator(of: &str) -> Validator {
    let mut registry = Registry::new();
    for name in NAMES {
        registry = registry.add(format!("{BASE}{name}.schema.json"), schema(name)).expect("a schema");
    }
    let registry = registry.prepare().expect("schemas that find each other");
    let (name, part) = of.split_once('#').unwrap_or((of, ""));
    let to = json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "$ref": format!("{BASE}{name}.schema.json#{part}")});
    jsonschema::options().with_registry(&registry).should_validate_formats(true).build(&to).expect("a good schema")
}

fn time() -> Timestamp {
    Timestamp::parse("2026-03-01T10:00:00.120Z").expect("a time")
}

fn date() -> Date {
    Date::parse("2026-03-01").expect("a date")
}

fn text() -> Text {
    Text { en: "so".to_owned(), ru: "так".to_owned() }
}

// Struct literals without `..`: a new field does not compile here until somebody thinks of the schema.

fn event() -> Event {
    let s = |text: &str| Some(text.to_owned());
    Event {
        id: "e1".to_owned(),
        time: time(),
        tenant: "t".to_owned(),
        source: "crm".to_owned(),
        actor: Actor { id: "a".to_owned(), kind: ActorKind::Integration, name: s("Ann") },
        action: Action::Export,
        outcome: Outcome::Denied,
        reason: s("no right"),
        channel: Some(Channel::Ui),
        session: s("s"),
        object: Some(Object { kind: Some(ObjectType::Deal), id: s("o"), owner: s("w"), ids: vec!["i".to_owned()], client: s("c") }),
        records: Some(1),
        bytes: Some(2),
        query: Some(Query { text: s("q"), fingerprint: s("f"), fields: vec!["Name".to_owned()], filter: Some(true) }),
        call: Some(Call { direction: Some(Direction::Out), number: s("+79161234567"), duration_s: Some(61), client: s("c") }),
        order: s("o"),
        client: Some(Place {
            ip: s("203.0.113.7"),
            user_agent: s("curl"),
            device: s("d"),
            app: s("a"),
            version: s("1"),
            country: s("RU"),
            asn: Some(64_512),
            lat: Some(55.75),
            lon: Some(37.5),
            net: Some(Net::Vpn),
            tls: s("1.3"),
        }),
        auth: Some(Auth { method: s("sso"), mfa: Some(true), mfa_method: s("totp") }),
        change: Some(Change { what: s("role"), from: s("a"), to: s("b"), target: s("u") }),
        attrs: BTreeMap::from([("any".to_owned(), json!([1, {"x": null}]))]),
    }
}

fn named_client() -> NamedClient {
    NamedClient {
        h: 7,
        owner: Owner::Other,
        team: Some("t".to_owned()),
        region: Some("r".to_owned()),
        tier: Some(Tier::Key),
        decoy: true,
        related: Some(Related::OpenOrder),
        former: Some(Former::LostDeal),
    }
}

fn enrich() -> Enrich {
    Enrich {
        manager: "m".to_owned(),
        team: Some("t".to_owned()),
        role: Some("r".to_owned()),
        grade: Some("senior".to_owned()),
        zone: "UTC".to_owned(),
        work: Some(Work::Out),
        address: Address::Denied,
        notice: true,
        clients: vec![named_client()],
        target: Some("b".to_owned()),
        unnamed: 3,
    }
}

fn origin() -> Origin {
    Origin { source: "s".to_owned(), offset: 1, index: 2 }
}

fn policy() -> Policy {
    Policy {
        zone: "UTC".to_owned(),
        budget: Budget::Weekly(5.0),
        lateness_h: 6,
        stakes: false,
        robust: true,
        guard: false,
        groups: false,
        access: Some(Access::Own),
        require_mfa: true,
        min_versions: BTreeMap::from([("crm".to_owned(), "5.1".to_owned())]),
        backup_targets: vec!["s3".to_owned()],
        controls: BTreeMap::from([("drip".to_owned(), control_policy())]),
        sigma: BTreeMap::from([("own.yml".to_owned(), "title: T\n".to_owned())]),
    }
}

fn prior() -> Prior {
    let usual = BTreeMap::from([("rec_out".to_owned(), usually())]);
    let peers = Peers { days: 3.0, usual, slow: BTreeMap::from([("c_rec".to_owned(), (1.0, 0.5))]), strangers: Some((0.1, 2.0)) };
    let roles = BTreeMap::from([("sales".to_owned(), peers.clone())]);
    let (new, thresholds) = (BTreeMap::from([("network".to_owned(), 0.1)]), BTreeMap::from([("5".to_owned(), 3.5)]));
    let people = Group { all: peers, roles, new, thresholds };
    Prior { name: "p".to_owned(), engine: "0".to_owned(), manager_days: 7, people, integrations: Group::default() }
}

fn fit() -> Fit {
    Fit { groups: BTreeMap::from([("anna".to_owned(), "sales~1".to_owned())]) }
}

fn usually() -> Usually {
    Usually { share: 0.5, mean: 1.0, var: 0.25 }
}

fn control_policy() -> ControlPolicy {
    ControlPolicy {
        enabled: false,
        switches: BTreeMap::from([("restart".to_owned(), false)]),
        settings: BTreeMap::from([("top_records".to_owned(), 5.0)]),
    }
}

fn mute() -> Mute {
    let s = |text: &str| Some(text.to_owned());
    Mute {
        id: "m".to_owned(),
        manager: s("anna"),
        team: s("t"),
        client: s("c"),
        control: s("decoy"),
        address: s("203.0.113.7"),
        from: time(),
        until: time(),
        reason: "r".to_owned(),
        by: "vera".to_owned(),
    }
}

fn reset() -> Reset {
    Reset { manager: "anna".to_owned(), at: time(), reason: "r".to_owned(), by: "vera".to_owned() }
}

fn verdict() -> Verdict {
    Verdict {
        alert_id: "a".to_owned(),
        manager: "m".to_owned(),
        days: vec![date()],
        verdict: VerdictKind::BenignExpected,
        drip: vec!["c_rec".to_owned()],
        at: time(),
        by: "b".to_owned(),
    }
}

fn span() -> Span {
    Span { from: When::Day(date()), to: When::Instant(time()) }
}

fn user() -> User {
    let (s, list) = (|text: &str| Some(text.to_owned()), || vec!["x".to_owned()]);
    User {
        tenant: "t".to_owned(),
        id: "u".to_owned(),
        valid_from: Some(time()),
        name: s("Ann"),
        team: s("t"),
        role: s("r"),
        grade: Some(Grade::Lead),
        supervisor: s("b"),
        deputies: list(),
        time_zone: s("Europe/Moscow"),
        schedule: s("Mo-Fr 09:00-18:00"),
        hired_at: Some(When::Day(date())),
        notice_at: Some(When::Instant(time())),
        terminated_at: Some(When::Day(date())),
        absences: vec![span()],
        substitutes: list(),
        ip_allow: vec!["10.0.0.0/8".parse().expect("a network")],
        locale: s("ru"),
        kind: Some(ActorKind::User),
        aliases: list(),
        phones: list(),
        emails: list(),
        active: Some(true),
        mfa: Some(true),
        permissions: list(),
        password_flags: list(),
        sees_all: Some(false),
    }
}

fn contribution() -> Contribution {
    let s = str::to_owned;
    Contribution {
        detector: s("rec_out"),
        family: s("volume"),
        bits: 1,
        observed: 2.5,
        expected: 0.0,
        unit: s("records"),
        sentence: Some(text()),
    }
}

fn subject() -> Subject {
    Subject { kind: SubjectKind::Manager, id: "m".to_owned() }
}

fn alert() -> AlertVersion {
    let s = str::to_owned;
    AlertVersion {
        alert_id: s("7c9e6679-7425-40de-944b-e07fc1f90ae7"),
        version: 1,
        tenant: s("t"),
        manager: Some(s("m")),
        subject: subject(),
        team: Some(s("t")),
        role: Some(s("r")),
        notify: true,
        linked: vec![s("x")],
        late: false,
        lookback: false,
        time: time(),
        opened_at: time(),
        kind: s("bulk_export"),
        controls: vec![s("bulk_export")],
        severity: Severity::High,
        bits: 30_000,
        ln_p: -20.5,
        score: 50.0,
        summary: text(),
        contributions: vec![contribution()],
        event_ids: vec![s("crm/e1")],
        events_total: 3,
        records: 4,
        clients: 5,
        mitre: vec![s("T1213.004")],
        prior: s("none"),
        engine: s("0.1.0"),
    }
}

fn signal() -> Signal {
    let s = str::to_owned;
    Signal {
        signal_id: s("7c9e6679-7425-40de-944b-e07fc1f90ae7"),
        tenant: s("t"),
        manager: s("m"),
        time: time(),
        control: s("bulk_export"),
        detector: s("rec_out"),
        bits: 1,
        observed: 2.0,
        expected: 1.0,
        unit: s("records"),
        event_id: s("crm/e1"),
        muted: false,
    }
}

fn label() -> Label {
    let s = str::to_owned;
    Label {
        label: Kind::Attack,
        scenario: s("bulk"),
        controls: vec![s("bulk_export")],
        strength: Strength::Weak,
        manager: s("m"),
        from: time(),
        to: time(),
        event_ids: vec![s("crm/e1")],
        exposure: 9,
        course: vec![(time(), 9)],
        expect: Some(Expect::Raise),
    }
}

/// What was compared, so that nothing in a schema is left over.
#[derive(Default)]
struct Seen {
    objects: BTreeSet<String>,
    enums: BTreeSet<String>,
}

/// A part of a schema by its path, as in `log#/$defs/user`.
fn part(of: &str) -> Value {
    let (name, pointer) = of.split_once('#').expect("a path");
    schema(name).pointer(pointer).unwrap_or_else(|| panic!("{of} is missing")).clone()
}

fn keys(value: &Value) -> BTreeSet<String> {
    value.as_object().expect("an object").keys().cloned().collect()
}

impl Seen {
    /// Fields of the type are properties of the schema and the other way round; the same ones are required; a value of another
    /// type, a field less, a field more is refused by both or taken by both.
    fn object<T: Serialize + DeserializeOwned>(&mut self, of: &str, full: T) {
        let (schema, full) = (part(of), serde_json::to_value(full).expect("string keys"));
        let validator = validator(of);
        let valid = |value: &Value| validator.is_valid(value);
        assert_eq!(keys(&full), keys(&schema["properties"]), "{of}");
        assert!(valid(&full), "{of}: {:?}", validator.iter_errors(&full).map(|e| e.to_string()).collect::<Vec<_>>());
        let required: BTreeSet<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for key in full.as_object().expect("an object").keys() {
            let mut less = full.clone();
            less.as_object_mut().expect("an object").remove(key);
            assert_eq!(
                serde_json::from_value::<T>(less.clone()).is_err(),
                required.contains(key.as_str()),
                "{of}: {key} is required or not"
            );
            assert_eq!(!valid(&less), required.contains(key.as_str()), "{of}: {key} is required or not");
            let mut other = full.clone();
            other[key] = if full[key].is_object() { json!(7) } else { json!({"x": 1}) };
            assert!(serde_json::from_value::<T>(other.clone()).is_err(), "{of}: {key}");
            assert!(!valid(&other), "{of}: {key} = {}", other[key]);
        }
        let mut more = full;
        more["nosuch"] = json!(1);
        assert_eq!(valid(&more), schema.get("additionalProperties").is_none(), "{of}");
        for (key, property) in schema["properties"].as_object().expect("an object") {
            assert!(property["description"].is_string(), "{of}: {key} has no description");
        }
        self.objects.insert(of.to_owned());
    }

    /// The words of the type are those of the schema, in their order.
    fn words(&mut self, of: &str, words: Vec<&str>) {
        assert_eq!(part(of)["enum"], json!(words), "{of}");
        self.enums.insert(of.to_owned());
    }
}

macro_rules! words {
    ($type:ty) => {
        <$type>::ALL.iter().map(|w| w.as_str()).collect::<Vec<_>>()
    };
}

/// Paths of all objects with properties and of all enums.
fn found(at: &str, value: &Value, seen: &mut Seen) {
    match value {
        Value::Object(fields) => {
            if fields.contains_key("properties") && fields.get("type") == Some(&json!("object")) {
                seen.objects.insert(at.to_owned());
            }
            if fields.contains_key("enum") {
                seen.enums.insert(at.to_owned());
            }
            fields.iter().for_each(|(key, value)| found(&format!("{at}/{key}"), value, seen));
        }
        Value::Array(items) => items.iter().enumerate().for_each(|(i, value)| found(&format!("{at}/{i}"), value, seen)),
        _ => {}
    }
}

#[test]
fn the_schemas_say_what_the_types_are() {
    let mut seen = Seen::default();
    seen.object("event#", event());
    seen.object("event#/$defs/actor", event().actor);
    seen.object("event#/$defs/object", event().object.expect("full"));
    seen.object("event#/$defs/query", event().query.expect("full"));
    seen.object("event#/$defs/call", event().call.expect("full"));
    seen.object("event#/$defs/place", event().client.expect("full"));
    seen.object("event#/$defs/auth", event().auth.expect("full"));
    seen.object("event#/$defs/change", event().change.expect("full"));
    seen.object("log#/$defs/enriched", Enriched { event: event(), enrich: enrich(), origin: Some(origin()) });
    seen.object("log#/$defs/origin", origin());
    seen.object("log#/$defs/enrich", enrich());
    seen.object("log#/$defs/named_client", named_client());
    seen.object("log#/$defs/policy", policy());
    seen.object("log#/$defs/control_policy", control_policy());
    seen.object("log#/$defs/fit", fit());
    seen.object("log#/$defs/prior", prior());
    seen.object("log#/$defs/prior_group", prior().people);
    seen.object("log#/$defs/prior_peers", prior().people.all);
    seen.object("log#/$defs/prior_usually", usually());
    seen.object("log#/$defs/tick", Tick { at: time() });
    seen.object("log#/$defs/verdict", verdict());
    seen.object("log#/$defs/mute", mute());
    seen.object("log#/$defs/reset", reset());
    seen.object("log#/$defs/span", span());
    seen.object("log#/$defs/user", user());
    seen.object("alert#", alert());
    seen.object("alert#/$defs/subject", subject());
    seen.object("alert#/$defs/contribution", contribution());
    seen.object("alert#/$defs/text", text());
    seen.object("signal#", signal());
    seen.object("label#", label());
    seen.words("event#/properties/action", words!(Action));
    seen.words("event#/properties/outcome", words!(Outcome));
    seen.words("event#/properties/channel", words!(Channel));
    seen.words("event#/$defs/actor/properties/kind", words!(ActorKind));
    seen.words("event#/$defs/object/properties/type", words!(ObjectType));
    seen.words("event#/$defs/call/properties/direction", words!(Direction));
    seen.words("event#/$defs/place/properties/net", words!(Net));
    seen.words("log#/$defs/enrich/properties/work", words!(Work));
    seen.words("log#/$defs/policy/properties/access", words!(Access));
    seen.words("log#/$defs/enrich/properties/address", words!(Address));
    seen.words("log#/$defs/named_client/properties/owner", words!(Owner));
    seen.words("log#/$defs/named_client/properties/tier", words!(Tier));
    seen.words("log#/$defs/named_client/properties/related", words!(Related));
    seen.words("log#/$defs/named_client/properties/former", words!(Former));
    seen.words("log#/$defs/verdict/properties/verdict", words!(VerdictKind));
    seen.words("log#/$defs/user/properties/grade", words!(Grade));
    seen.words("log#/$defs/user/properties/kind", words!(ActorKind));
    seen.words("alert#/properties/severity", words!(Severity));
    seen.words("alert#/$defs/subject/properties/kind", words!(SubjectKind));
    seen.words("label#/properties/label", words!(Kind));
    seen.words("label#/properties/strength", words!(Strength));
    seen.words("label#/properties/expect", words!(Expect));
    // The line of the log has one record of several, which no single value shows: it has a test of its own.
    seen.objects.insert("log#".to_owned());
    let mut all = Seen::default();
    for name in NAMES {
        let schema = schema(name);
        jsonschema::meta::validate(&schema).unwrap_or_else(|e| panic!("{name}: {e}"));
        found(&format!("{name}#"), &schema, &mut all);
    }
    assert_eq!(all.objects, seen.objects);
    assert_eq!(all.enums, seen.enums);
}

#[test]
fn a_line_of_the_log_holds_one_record() {
    let records = [
        Record::Policy(policy()),
        Record::Prior(Box::new(prior())),
        Record::Fit(fit()),
        Record::User(Box::new(user())),
        Record::Verdict(verdict()),
        Record::Mute(mute()),
        Record::Reset(reset()),
        Record::Event(Box::new(Enriched { event: event(), enrich: enrich(), origin: None })),
        Record::Tick(Tick { at: time() }),
    ];
    let validator = validator("log");
    let mut properties = BTreeSet::from(["v".to_owned(), "tenant".to_owned()]);
    let check = |value: &Value, valid: bool| {
        assert_eq!(validator.is_valid(value), valid, "{value}");
        assert_eq!(serde_json::from_value::<LogLine>(value.clone()).is_ok(), valid, "{value}");
    };
    for record in records {
        // No arm for `_`: a new kind of record does not compile here until somebody thinks of the schema.
        match &record {
            Record::Policy(_)
            | Record::Prior(_)
            | Record::Fit(_)
            | Record::User(_)
            | Record::Verdict(_)
            | Record::Mute(_)
            | Record::Reset(_)
            | Record::Event(_)
            | Record::Tick(_) => {}
        }
        let line = serde_json::to_value(LogLine { v: LOG_VERSION, tenant: "t".to_owned(), record }).expect("string keys");
        check(&line, true);
        properties.extend(keys(&line));
        for (key, value) in [("v", json!(2)), ("tenant", json!(7)), ("nosuch", json!(1))] {
            let mut wrong = line.clone();
            wrong[key] = value;
            check(&wrong, false);
        }
        let mut two = line.clone();
        let other = if line.get("tick").is_some() { "policy" } else { "tick" };
        two[other] = if other == "tick" { json!({"at": "2026-03-01T10:00:00Z"}) } else { json!({}) };
        check(&two, false);
    }
    check(&json!({"v": 1, "tenant": "t"}), false);
    check(&json!({"v": 1, "tenant": "t", "event": {"event": {"id": "x"}, "enrich": {"manager": "m", "zone": "UTC"}}}), false);
    // In the log an event is exact: what a source sent beyond it is in its attrs.
    let mut line = json!({"v": 1, "tenant": "t", "event": {"event": event(), "enrich": enrich()}});
    check(&line, true);
    line["event"]["event"]["nosuch"] = json!(1);
    check(&line, false);
    assert_eq!(properties, keys(&schema("log")["properties"]));
}

#[test]
fn all_expected_samples_are_events() {
    let validator = validator("event");
    let mut n_events = 0;
    for folder in fs::read_dir(shared("samples")).expect("a folder") {
        let folder = folder.expect("readable").path();
        if !folder.is_dir() {
            continue;
        }
        for (name, path) in samples(&folder, ".expected.json") {
            let events: Vec<Value> = serde_json::from_slice(&fs::read(path).expect("readable")).expect("an array");
            for event in events {
                let errors: Vec<String> = validator.iter_errors(&event).map(|e| format!("{}: {e}", e.instance_path())).collect();
                assert_eq!(errors, [""; 0], "{}/{name}", folder.display());
                n_events += 1;
            }
        }
    }
    assert!(n_events > 30, "{n_events}");
}

#[test]
fn wrong_events_are_refused() {
    let validator = validator("event");
    let check = |path: &str, value: Value| {
        let mut event = serde_json::to_value(event()).expect("string keys");
        assert!(validator.is_valid(&event));
        *event.pointer_mut(path).expect("a field") = value;
        assert!(!validator.is_valid(&event), "{path}");
    };
    check("/id", json!(""));
    check("/id", json!("x".repeat(1025)));
    check("/time", json!("yesterday"));
    check("/time", json!("2026-03-01T10:00:00"));
    check("/tenant", json!("a b"));
    check("/source", json!("a/b"));
    check("/action", json!("dance"));
    check("/records", json!(-1));
    check("/records", json!(1.5));
    check("/records", json!("1"));
    check("/object/ids", json!(vec!["x"; 1001]));
    check("/call/number", json!("101"));
    check("/client/ip", json!("Salesforce.com IP"));
    check("/client/lat", json!(91));
    check("/client/country", json!("Russia"));
}

fn maybe<T: std::fmt::Debug + Clone + 'static>(of: impl Strategy<Value = T> + 'static) -> BoxedStrategy<Option<T>> {
    prop::option::of(of).boxed()
}

fn word() -> BoxedStrategy<String> {
    prop_oneof![Just("x"), Just("0057Q00000AbXyZQAV"), Just("Отчёт «А»"), Just("a\"b\\c\n"), Just("null")].prop_map(str::to_owned).boxed()
}

fn texts() -> BoxedStrategy<Vec<String>> {
    prop::collection::vec(word(), 0..4).boxed()
}

fn one_of<T: std::fmt::Debug + Clone + 'static>(all: &'static [T]) -> BoxedStrategy<T> {
    prop::sample::select(all).boxed()
}

/// Events of any kind that Filin's own format allows.
fn any_event() -> impl Strategy<Value = Event> {
    let object = (maybe(one_of(ObjectType::ALL)), maybe(word()), maybe(word()), texts(), maybe(word()))
        .prop_map(|(kind, id, owner, ids, client)| Object { kind, id, owner, ids, client });
    let query = (maybe(word()), maybe(word()), texts(), maybe(any::<bool>())).prop_map(|(text, fingerprint, fields, filter)| Query {
        text,
        fingerprint,
        fields,
        filter,
    });
    let number = prop::sample::select(vec!["+79161234567", "+442079460000"]).prop_map(str::to_owned);
    let call = (maybe(one_of(Direction::ALL)), maybe(number), maybe(any::<u32>().prop_map(u64::from)), maybe(word()))
        .prop_map(|(direction, number, duration_s, client)| Call { direction, number, duration_s, client });
    let ip = prop::sample::select(vec!["203.0.113.7", "2001:db8::7"]).prop_map(str::to_owned);
    let country = prop::sample::select(vec!["RU", "DE"]).prop_map(str::to_owned);
    let place = (
        (maybe(ip), maybe(word()), maybe(word()), maybe(word()), maybe(word()), maybe(country)),
        (maybe(any::<u32>()), maybe(-90.0..90.0), maybe(-180.0..180.0), maybe(one_of(Net::ALL)), maybe(word())),
    )
        .prop_map(|((ip, user_agent, device, app, version, country), (asn, lat, lon, net, tls))| Place {
            ip,
            user_agent,
            device,
            app,
            version,
            country,
            asn,
            lat,
            lon,
            net,
            tls,
        });
    let auth = (maybe(word()), maybe(any::<bool>()), maybe(word())).prop_map(|(method, mfa, mfa_method)| Auth { method, mfa, mfa_method });
    let change =
        (maybe(word()), maybe(word()), maybe(word()), maybe(word())).prop_map(|(what, from, to, target)| Change { what, from, to, target });
    let attr = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        word().prop_map(Value::from),
        Just(json!({"a": [1, ""]}))
    ];
    let head = (
        word(),
        946_684_800_000..4_000_000_000_000_i64,
        prop::sample::select(vec!["t", "default"]),
        word(),
        one_of(ActorKind::ALL),
        maybe(word()),
    );
    let body = (
        one_of(Action::ALL),
        one_of(Outcome::ALL),
        maybe(word()),
        maybe(one_of(Channel::ALL)),
        maybe(word()),
        maybe(object),
        maybe(any::<u64>()),
    );
    let tail = (maybe(any::<u64>()), maybe(query), maybe(call), maybe(word()), maybe(place), maybe(auth), maybe(change));
    let attrs = prop::collection::btree_map("[a-zA-Z_. ]{1,8}", attr, 0..4);
    (head, body, tail, attrs).prop_map(|(head, body, tail, attrs)| {
        let (id, ms, tenant, actor, kind, name) = head;
        let (action, outcome, reason, channel, session, object, records) = body;
        let (bytes, query, call, order, client, auth, change) = tail;
        Event {
            id,
            time: Timestamp::from_millis(ms),
            tenant: tenant.to_owned(),
            source: "crm".to_owned(),
            actor: Actor { id: actor, kind, name },
            action,
            outcome,
            reason,
            channel,
            session,
            object: object.filter(|o| *o != Object::default()),
            records,
            bytes,
            query: query.filter(|q| *q != Query::default()),
            call: call.filter(|c| *c != Call::default()),
            order,
            client: client.filter(|p| *p != Place::default()),
            auth: auth.filter(|a| *a != Auth::default()),
            change: change.filter(|c| *c != Change::default()),
            attrs,
        }
    })
}

#[test]
fn any_event_fits_its_schema_and_comes_back_as_it_was() {
    let (validator, adapter) = (validator("event"), Adapter::of("canonical").expect("a format"));
    let mut runner =
        proptest::test_runner::TestRunner::new(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() });
    let run = runner.run(&any_event(), |event| {
        let value = serde_json::to_value(&event).expect("string keys");
        let errors: Vec<String> = validator.iter_errors(&value).map(|e| format!("{}: {e}", e.instance_path())).collect();
        prop_assert_eq!(errors, Vec::<String>::new());
        let mut out = Normalised::default();
        adapter.record(&Raw::from(value.to_string().as_bytes()), &mut out);
        prop_assert_eq!(out, Normalised { events: vec![(0, event)], ..Normalised::default() });
        Ok(())
    });
    if let Err(e) = run {
        panic!("{e}");
    }
}

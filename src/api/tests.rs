use std::{
    collections::BTreeSet,
    io::Write,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{
    body::Body,
    http::{HeaderMap, StatusCode},
};
use bytes::Bytes;
use data_encoding::HEXLOWER;
use futures_util::future::{BoxFuture, FutureExt};
use http_body_util::BodyExt;
use prometheus::Registry;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::*;
use crate::{
    engine::{AlertVersion, Contribution, Severity, Subject, SubjectKind, Text},
    event::Timestamp,
    ops::{
        config::{Account, Binding, Duty, Secret, Source},
        metrics::Labels,
    },
    store::{
        self,
        actions::{self, ActionRow, Standing},
        events::{EventFilter, Found, Visitor},
        managers::{self, Dossier, Person},
        query::{Filter, Place, Scope, Sort},
        reveals::{self, Allowed, Request as Wanted, Revealed},
    },
};

/// Takes JSON objects; what is said by `"future"` is turned away though it can be read.
#[derive(Default)]
struct Fake {
    batches: Mutex<Vec<Batch>>,
    refuse: Mutex<Option<Refused>>,
    /// Answers when this is cancelled.
    hold: Option<CancellationToken>,
}

impl Ingest for Fake {
    fn ingest(&self, batch: Batch) -> BoxFuture<'_, Result<Taken, Refused>> {
        async move {
            if let Some(hold) = &self.hold {
                hold.cancelled().await;
            }
            if let Some(refused) = self.refuse.lock().unwrap().take() {
                return Err(refused);
            }
            let mut taken = Taken::default();
            for raw in &batch.lines {
                let reject = |code: &str, readable| Rejection { line: raw.line, code: code.to_owned(), message: "no".to_owned(), readable };
                match (&raw.refused, serde_json::from_slice::<Value>(&raw.bytes)) {
                    (Some((code, _)), _) => taken.rejected.push(reject(code, false)),
                    (None, Err(_)) => taken.rejected.push(reject("bad_json", false)),
                    (None, Ok(Value::String(_))) => taken.rejected.push(reject("future", true)),
                    (None, Ok(_)) => taken.accepted += 1,
                }
            }
            self.batches.lock().unwrap().push(batch);
            Ok(taken)
        }
        .boxed()
    }
}

/// Leaves what it is given.
struct Lazy;

impl Retry for Lazy {
    fn retry(&self, again: Again) -> BoxFuture<'_, Result<Retried, Refused>> {
        async move {
            if again.binding.is_some() {
                return Err(Refused::Binding("no".to_owned()));
            }
            let left = again.ids.into_iter().map(|id| Left { id, code: "bad_json".to_owned(), message: "no".to_owned() }).collect();
            Ok(Retried { left, ..Retried::default() })
        }
        .boxed()
    }
}

impl Obey for Lazy {
    fn mute(&self, _: MuteOrder) -> BoxFuture<'_, Result<(), Refused>> {
        async { Ok(()) }.boxed()
    }

    fn reset(&self, _: ResetOrder) -> BoxFuture<'_, Result<(), Refused>> {
        async { Ok(()) }.boxed()
    }

    fn reload(&self) -> BoxFuture<'_, Result<Reloaded, Refused>> {
        async { Err(Refused::Binding("configuration: no".to_owned())) }.boxed()
    }
}

fn wanted() -> Wanted {
    let mut wanted = Wanted::default();
    (wanted.id, wanted.tenant, wanted.manager_alias) = (ALERT.to_owned(), "acme".to_owned(), "MFRGGZDFMY".to_owned());
    (wanted.by, wanted.reason) = ("ana".to_owned(), "a <test>".to_owned());
    wanted
}

impl Unveil for Lazy {
    fn whose(&self, tenant: Option<String>, alias: String) -> BoxFuture<'_, Result<Vec<(String, String)>, store::Error>> {
        let all = [("acme", "u-17", "MFRGGZDFMY"), ("acme", "u-1", "TWICE"), ("elsewhere", "u-2", "TWICE")];
        let of = all.into_iter().filter(|(t, _, a)| *a == alias && tenant.as_ref().is_none_or(|tenant| tenant == t));
        let found = of.map(|(t, id, _)| (t.to_owned(), id.to_owned())).collect();
        async { Ok(found) }.boxed()
    }

    fn reveal(&self, whom: Whom) -> BoxFuture<'_, Result<Told, store::Error>> {
        let Whom { tenant, manager, alias: manager_alias, .. } = whom;
        let person = reveals::Person { tenant, manager_alias, manager, name: Some("Anna <b>".to_owned()) };
        let told = if whom.reason == "two" { Told::Waits(wanted()) } else { Told::Person(person) };
        async { Ok(told) }.boxed()
    }

    fn allow(&self, tenant: Option<String>, id: String, by: String, but: Option<String>) -> BoxFuture<'_, Result<Allowed, store::Error>> {
        let is_there = id == ALERT && tenant.is_none_or(|t| t == "acme") && but.is_none_or(|but| but != "u-17");
        let allowed = match () {
            () if !is_there => Allowed::NotThere,
            () if by == "ana" => Allowed::Own,
            () => {
                let mut allowed = wanted();
                allowed.allowed_by = Some(by);
                Allowed::Yes(Box::new(allowed))
            }
        };
        async { Ok(allowed) }.boxed()
    }

    fn list(&self, tenant: Option<String>, _: Option<String>) -> BoxFuture<'_, Result<Reveals, store::Error>> {
        let revealed = Revealed {
            tenant: "acme".to_owned(),
            at: Timestamp::default(),
            by: "ana".to_owned(),
            manager_alias: "TWICE".to_owned(),
            place: "incident".to_owned(),
            about: "7a0c".to_owned(),
            reason: "the notice".to_owned(),
        };
        let all = Reveals { requests: vec![wanted()], reveals: vec![revealed] };
        async { Ok(if tenant.is_none_or(|t| t == "acme") { all } else { Reveals::default() }) }.boxed()
    }
}

impl Act for Lazy {
    /// The alert has had one comment.
    fn act(&self, acted: Acted) -> BoxFuture<'_, Result<ActionRow, Undone>> {
        async move {
            acted.order.fits(&Standing { revision: 1, ..Standing::default() })?;
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            Ok(ActionRow {
                tenant: acted.versions[0].tenant.clone(),
                alert_id: acted.versions[0].alert_id.clone(),
                revision: acted.order.revision + 1,
                action_id: acted.id,
                at: 1_773_307_300_000,
                actor: acted.actor,
                actor_role: acted.role.to_owned(),
                action: acted.order.action.as_str().to_owned(),
                verdict: acted.order.verdict.map_or("", |v| v.as_str()).to_owned(),
                reason: text(&acted.order.reason),
                comment: text(&acted.order.comment),
                assignee: text(&acted.order.assignee),
                proof: String::new(),
            })
        }
        .boxed()
    }
}

/// Has one alert in two versions.
struct Shelf {
    /// The latest of them; 0: it is gone.
    version: AtomicU32,
    asked: Mutex<Vec<Filter>>,
    searched: Mutex<Vec<EventFilter>>,
    /// Answers taught an order.
    learned: AtomicBool,
}

impl Default for Shelf {
    fn default() -> Self {
        Self { version: AtomicU32::new(2), asked: Mutex::default(), searched: Mutex::default(), learned: AtomicBool::default() }
    }
}

pub(crate) fn alert(version: u32) -> Alert {
    let text = |text: &str| Text { en: text.to_owned(), ru: format!("ru {text}") };
    let contribution = |sentence| Contribution {
        detector: "rec_out".to_owned(),
        family: "volume".to_owned(),
        bits: 12_000,
        observed: 900.0,
        expected: 12.5,
        unit: "records".to_owned(),
        sentence,
    };
    let version = AlertVersion {
        alert_id: "7a0c1a3e-3f6e-5b68-9a65-1f1d1b9a1c01".to_owned(),
        version,
        tenant: "acme".to_owned(),
        manager: Some("u-17".to_owned()),
        subject: Subject { kind: SubjectKind::Manager, id: "u-17".to_owned() },
        team: Some("North <b>".to_owned()),
        role: None,
        notify: true,
        linked: Vec::new(),
        late: false,
        lookback: false,
        time: Timestamp::from_millis(1_773_307_200_000),
        opened_at: Timestamp::from_millis(1_773_307_100_000),
        kind: "bulk_export".to_owned(),
        controls: vec!["bulk_export".to_owned()],
        severity: Severity::High,
        bits: 24_000,
        ln_p: -16.6,
        score: 40.0,
        summary: text("900 records left, 12 are usual"),
        contributions: vec![contribution(Some(text("900 records were exported"))), contribution(None)],
        event_ids: vec!["bitrix24/1".to_owned()],
        events_total: 40,
        records: 900,
        clients: 850,
        mitre: vec!["T1213.004".to_owned()],
        prior: "none".to_owned(),
        engine: "0.1.0".to_owned(),
    };
    Alert { manager_alias: "MFRGGZDFMY".to_owned(), standing: Standing { revision: 1, ..Standing::default() }, priority: 41.5, version }
}

/// The shelf's alert is in scope.
fn holds(scope: &Scope) -> bool {
    let people = scope.people.as_ref().is_none_or(|people| people.contains("u-17"));
    people && scope.tenant.as_deref().is_none_or(|t| t == "acme") && scope.but.as_deref() != Some("u-17")
}

impl Reader for Shelf {
    fn alerts<'a>(&'a self, scope: &'a Scope, filter: Filter) -> BoxFuture<'a, Result<Vec<Alert>, store::Error>> {
        self.asked.lock().unwrap().push(filter);
        let version = self.version.load(Ordering::Relaxed);
        async move { Ok(if holds(scope) && version > 0 { vec![alert(version)] } else { Vec::new() }) }.boxed()
    }

    fn story<'a>(&'a self, scope: &'a Scope, alert_id: String) -> BoxFuture<'a, Result<Story, store::Error>> {
        async move {
            let versions = if alert_id.starts_with("7a0c") && holds(scope) { vec![alert(1), alert(2)] } else { Vec::new() };
            let comment = ActionRow {
                tenant: "acme".to_owned(),
                alert_id,
                revision: 1,
                action_id: "5d1c1a3e-3f6e-5b68-9a65-1f1d1b9a1c01".to_owned(),
                at: 1_773_307_250_000,
                actor: "vera <i>".to_owned(),
                actor_role: "analyst".to_owned(),
                action: "comment".to_owned(),
                verdict: String::new(),
                reason: String::new(),
                comment: "asked her <script>".to_owned(),
                assignee: String::new(),
                proof: String::new(),
            };
            Ok(Story { versions, actions: vec![comment] })
        }
        .boxed()
    }

    fn events<'a>(&'a self, scope: &'a Scope, filter: EventFilter) -> BoxFuture<'a, Result<Vec<Found>, store::Error>> {
        let found = Found {
            tenant: "acme".to_owned(),
            manager: "u-17".to_owned(),
            manager_alias: "MFRGGZDFMY".to_owned(),
            time: 1_773_307_200_000,
            source: "bitrix24".to_owned(),
            id: "1".to_owned(),
            action: "export".to_owned(),
            records: Some(900),
            client: filter.client.clone().unwrap_or_default(),
            ..Found::default()
        };
        self.searched.lock().unwrap().push(filter);
        async move { Ok(if holds(scope) { vec![found] } else { Vec::new() }) }.boxed()
    }

    fn managers<'a>(&'a self, scope: &'a Scope, tenant: Option<String>, _: u32) -> BoxFuture<'a, Result<Vec<Manager>, store::Error>> {
        async move {
            let Some(tenant) = tenant else { return Err(store::Error::Away("secret host is away".to_owned())) };
            if !holds(scope) {
                return Ok(Vec::new());
            }
            let last_day = Timestamp::from_millis(1_773_273_600_000);
            let (manager_alias, team, role) = ("MFRGGZDFMY".to_owned(), "North".to_owned(), String::new());
            Ok(vec![Manager { tenant, manager_alias, team, role, last_day, events: 40, records_out: 900, alerts: 1 }])
        }
        .boxed()
    }

    fn manager<'a>(&'a self, scope: &'a Scope, of: ManagerOf) -> BoxFuture<'a, Result<Option<Dossier>, store::Error>> {
        let day = managers::Day {
            time: 1_773_273_600_000,
            events: 40,
            records_out: 900,
            records_screen: 60,
            clients: 850,
            unrelated: 2.5,
            peak_bits: 24_000,
        };
        let hour = managers::Hour { time: 1_773_306_000_000, events: 40, records_out: 900, records_screen: 60, calls: 3 };
        let peers =
            managers::Peers { people: 6, days: 100, events: 38.0, records_out: 12.0, records_screen: 70.0, clients: 30.0, unrelated: 0.5 };
        async move {
            let found = ["u-17", "MFRGGZDFMY"].contains(&of.manager.as_str()) && holds(scope);
            Ok(found.then(|| Dossier {
                manager: Person {
                    tenant: "acme".to_owned(),
                    manager: "u-17".to_owned(),
                    manager_alias: "MFRGGZDFMY".to_owned(),
                    team: "North".to_owned(),
                    role: String::new(),
                },
                since: Timestamp::from_millis(1_773_273_600_000),
                days: vec![day],
                hours: vec![hour],
                peers: Some(peers),
                usual: None,
            }))
        }
        .boxed()
    }

    fn visitors<'a>(&'a self, scope: &'a Scope, _: EventFilter) -> BoxFuture<'a, Result<Vec<Visitor>, store::Error>> {
        let visitor = Visitor {
            tenant: "acme".to_owned(),
            manager: "u-17".to_owned(),
            manager_alias: "MFRGGZDFMY".to_owned(),
            team: "North".to_owned(),
            first: 1_773_306_000_000,
            last: 1_773_307_200_000,
            events: 2,
            calls: 0,
            taken: 1,
            with_reason: 0,
            owner: "other".to_owned(),
            reasons: Vec::new(),
        };
        async move { Ok(if holds(scope) { vec![visitor] } else { Vec::new() }) }.boxed()
    }

    fn mutes<'a>(&'a self, scope: &'a Scope, _: Option<String>) -> BoxFuture<'a, Result<Vec<Value>, store::Error>> {
        let mute = json!({"tenant": "acme", "id": "m", "manager": "u-17", "from": "2026-03-01T00:00:00Z", "until": "2026-03-02T00:00:00Z",
            "lifted": false, "reason": "a test", "by": "ana"});
        async move { Ok(if holds(scope) { vec![mute] } else { Vec::new() }) }.boxed()
    }

    fn policies<'a>(&'a self, _: &'a Scope, _: Option<String>) -> BoxFuture<'a, Result<Vec<Value>, store::Error>> {
        async { Ok(vec![json!({"tenant": "acme", "policy": crate::engine::Policy::default()})]) }.boxed()
    }

    fn coverage<'a>(&'a self, _: &'a Scope, _: Option<String>) -> BoxFuture<'a, Result<Vec<Value>, store::Error>> {
        let arrival = json!({"source": "crm", "team": "", "action": "view", "events_24h": 1, "events_7d": 2, "events_30d": 3,
            "last": "2026-03-01T00:00:00Z"});
        let control = json!({"control": "decoy", "state": "blind", "reasons": [{"en": "no decoys", "ru": "нет приманок"}]});
        async move { Ok(vec![json!({"tenant": "acme", "at": "2026-03-01T00:00:00Z", "arrivals": [arrival], "controls": [control]})]) }
            .boxed()
    }

    fn mark(&self) -> BoxFuture<'_, Result<[u64; 3], store::Error>> {
        async { Ok([self.version.load(Ordering::Relaxed).into(), 0, 0]) }.boxed()
    }

    fn counts<'a>(&'a self, _: &'a Scope) -> BoxFuture<'a, Result<Counts, store::Error>> {
        async {
            Ok(Counts { events: 40, managers: 1, alerts: vec![("high".to_owned(), 1)], learned: self.learned.load(Ordering::Relaxed) })
        }
        .boxed()
    }

    /// Anna is under Vera only.
    fn people<'a>(&'a self, tenant: &'a str, supervisor: &'a str) -> BoxFuture<'a, Result<BTreeSet<String>, store::Error>> {
        let found = if (tenant, supervisor) == ("acme", "u-9") { BTreeSet::from(["u-17".to_owned()]) } else { BTreeSet::new() };
        async move { Ok(found) }.boxed()
    }
}

/// Remembers what was looked at.
#[derive(Default)]
struct Diary(Mutex<Vec<Look>>);

impl Witness for Diary {
    fn saw(&self, look: Look) {
        self.0.lock().unwrap().push(look);
    }
}

/// The key of forms in tests.
pub(crate) fn forms() -> Keys {
    Keys::of(&store::Alias::new([7; 32]))
}

pub(crate) struct Bench {
    fake: Arc<Fake>,
    shelf: Arc<Shelf>,
    diary: Arc<Diary>,
    pub(crate) status: watch::Sender<Status>,
    metrics: Metrics,
    router: Router,
}

fn limits() -> Limits {
    Limits { body_bytes: 4096, unpacked_bytes: 8192, line_bytes: 100, lines: 50, at_once: 1, ..Limits::for_lines_of(100) }
}

/// Of an instance that does nothing.
pub(crate) fn idle(limits: Limits) -> Parts {
    Parts {
        ingest: None,
        reader: None,
        witness: None,
        retry: None,
        orders: None,
        act: None,
        names: None,
        status: watch::channel(Status::default()).1,
        metrics: Metrics::new(&Registry::new(), &Labels { controls: &[], severities: &[], reasons: &[] }),
        access: Access { loopback: true, ..Access::default() },
        limits,
        forms: forms(),
        login: None,
    }
}

fn bench(access: Access, fake: Fake, limits: Limits) -> Bench {
    with_login(access, fake, limits, |_| None)
}

/// Where people log in.
pub(crate) fn with_door(access: Access, login: impl FnOnce(Metrics) -> Option<Arc<Login>>) -> Bench {
    with_login(access, Fake::default(), limits(), login)
}

fn with_login(access: Access, fake: Fake, limits: Limits, login: impl FnOnce(Metrics) -> Option<Arc<Login>>) -> Bench {
    let labels = Labels { controls: &["bulk_export"], severities: &["high"], reasons: &[] };
    let metrics = Metrics::new(&Registry::new(), &labels);
    let (fake, shelf, diary) = (Arc::new(fake), Arc::new(Shelf::default()), Arc::new(Diary::default()));
    let (status, watched) =
        watch::channel(Status { mode: "embedded", clickhouse: "http://127.0.0.1:8123".to_owned(), ..Status::default() });
    let router = router(Parts {
        ingest: Some(Arc::<Fake>::clone(&fake)),
        reader: Some(Arc::<Shelf>::clone(&shelf)),
        witness: Some(Arc::<Diary>::clone(&diary)),
        retry: Some((Secret::new("store"), Arc::new(Lazy))),
        orders: Some((Secret::new("store"), Arc::new(Lazy))),
        act: Some(Arc::new(Lazy)),
        names: Some(Arc::new(Lazy)),
        status: watched,
        metrics: metrics.clone(),
        access,
        limits,
        forms: forms(),
        login: login(metrics.clone()),
    });
    Bench { fake, shelf, diary, status, metrics, router }
}

pub(crate) fn loopback() -> Bench {
    bench(Access { loopback: true, ..Access::default() }, Fake::default(), limits())
}

const TOKEN: &str = "0123456789abcdef0123";
const READER: &str = "reader-reader-reader";

/// Beyond loopback, with a token that is bound to acme's Bitrix24.
fn public() -> Bench {
    let token = Secret::new(TOKEN);
    let binding = Binding {
        from: Source::Token(token.clone()),
        tenant: "acme".to_owned(),
        format: "bitrix24".to_owned(),
        time_zone: None,
        country: None,
        actor_prefix: None,
        options: std::collections::BTreeMap::new(),
    };
    let access = Access { tokens: vec![(token, Arc::new(binding))], reader: Some(Secret::new(READER)), ..Access::default() };
    bench(access, Fake::default(), limits())
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {:?}", self.body))
    }

    fn code(&self) -> (u16, String) {
        (self.status.as_u16(), self.json()["code"].as_str().unwrap_or_default().to_owned())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }
}

impl Bench {
    pub(crate) fn counted(&self, line: &str) -> bool {
        self.metrics.text().lines().any(|l| l == line)
    }

    pub(crate) fn teach(&self) {
        self.shelf.learned.store(true, Ordering::Relaxed);
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", "127.0.0.1:8687");
        }
        for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
            // No header: the other end of the connection.
            request = match *name {
                "peer" => request.extension(Peer(std::net::SocketAddr::new(value.parse().unwrap(), 1))),
                name => request.header(name, *value),
            };
        }
        let response = self.router.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap();
        let (parts, mut body) = response.into_parts();
        let goes_on = parts.headers.get("content-type").is_some_and(|kind| kind == "text/event-stream");
        let body = match goes_on {
            true => body.frame().await.unwrap().unwrap().into_data().unwrap(),
            false => body.collect().await.unwrap().to_bytes(),
        };
        Answer { status: parts.status, headers: parts.headers, body }
    }

    pub(crate) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask("GET", path, headers, Body::empty()).await
    }

    async fn push(&self, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        self.ask("POST", "/v1/events", headers, body).await
    }

    fn batch(&self) -> Batch {
        self.fake.batches.lock().unwrap().pop().expect("something was taken")
    }
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn bodies_are_cut_into_records() {
    let bench = loopback();
    let check = async |kind: &str, body: &str, whole: bool, expected: &[(u64, &str)]| {
        let answer = bench.push(&[("content-type", kind)], body.to_owned()).await;
        assert_eq!(answer.status, 200, "{body}: {}", answer.text());
        let batch = bench.batch();
        let got: Vec<(u64, &str)> = batch.lines.iter().map(|l| (l.line, std::str::from_utf8(&l.bytes).unwrap())).collect();
        assert_eq!((batch.whole, got.as_slice()), (whole, expected), "{kind} {body}");
    };
    check("application/x-ndjson", "{\"a\":1}\r\n\n  \n{\"a\":2}", false, &[(1, "{\"a\":1}"), (4, "{\"a\":2}")]).await;
    check("", "\u{feff}{\"a\":1}\n{\"a\":2}\n", false, &[(1, "{\"a\":1}"), (2, "{\"a\":2}")]).await;
    check("application/json; charset=utf-8", " [{\"a\":1}, 2 ,[3]]\n", true, &[(1, "{\"a\":1}"), (2, "2"), (3, "[3]")]).await;
    check("application/json", "{\n \"a\": 1\n}\n", true, &[(1, "{\n \"a\": 1\n}\n")]).await;
    check("application/json", "[1]\n[2]\n", false, &[(1, "[1]"), (2, "[2]")]).await;
    check("application/x-ndjson", "[1]\n[2]\n", false, &[(1, "[1]"), (2, "[2]")]).await;
    check("application/json", "[]", true, &[]).await;
}

#[tokio::test]
async fn packed_bodies_are_read_to_their_last_member() {
    let bench = loopback();
    let members = [gzip(b"{\"a\":1}\n"), gzip(b"{\"a\":2}\n"), gzip(b"{\"a\":3}\n")].concat();
    assert_eq!(bench.push(&[("content-encoding", "gzip")], members).await.json(), json!({"accepted": 3, "rejected": []}));
    let frames = [&b"{\"a\":1}\n"[..], b"{\"a\":2}\n"].map(|text| zstd::encode_all(text, 3).unwrap()).concat();
    assert_eq!(bench.push(&[("content-encoding", "zstd")], frames).await.json(), json!({"accepted": 2, "rejected": []}));
    for (encoding, body) in [("gzip", b"{}".to_vec()), ("gzip", gzip(b"{\"a\":1}")[..12].to_vec()), ("zstd", vec![1, 2, 3, 4, 5])] {
        assert_eq!(bench.push(&[("content-encoding", encoding)], body).await.code(), (400, "bad_encoding".to_owned()));
    }
}

#[tokio::test]
async fn too_much_is_refused_before_it_costs() {
    let bench = loopback();
    let too_large = (413, "too_large".to_owned());
    assert_eq!(bench.push(&[], " ".repeat(5000)).await.code(), too_large);
    assert_eq!(bench.push(&[("content-length", "5000")], "{}").await.code(), too_large);
    let chunks = futures_util::stream::iter((0..10).map(|_| Ok::<_, std::io::Error>(Bytes::from(vec![b' '; 1000]))));
    assert_eq!(bench.push(&[], Body::from_stream(chunks)).await.code(), too_large);
    let bomb = gzip(&vec![b' '; 2_000_000]);
    assert!(bomb.len() < 4096);
    assert_eq!(bench.push(&[("content-encoding", "gzip")], bomb).await.code(), too_large);
    let bomb = zstd::encode_all(&vec![b' '; 2_000_000][..], 3).unwrap();
    assert_eq!(bench.push(&[("content-encoding", "zstd")], bomb).await.code(), too_large);
    for body in ["1\n".repeat(60), format!("[{}1]", "1,".repeat(60))] {
        assert_eq!(bench.push(&[], body).await.code(), too_large);
    }
    // A frame that asks for a window of 128 MiB.
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(27).unwrap();
    encoder.include_contentsize(false).unwrap();
    encoder.write_all(b"{\"a\":1}").unwrap();
    encoder.flush().unwrap();
    encoder.write_all(b"\n").unwrap();
    assert_eq!(bench.push(&[("content-encoding", "zstd")], encoder.finish().unwrap()).await.code(), (400, "bad_encoding".to_owned()));
    assert!(bench.fake.batches.lock().unwrap().is_empty());
}

#[tokio::test]
async fn one_bad_line_costs_that_line() {
    let bench = loopback();
    let body = format!("{{\"a\":1}}\n{{\"long\":\"{}\"}}\nnot json\n{{\"a\":2}}\n", "x".repeat(200));
    let answer = bench.push(&[], body).await;
    assert_eq!(answer.status, 200);
    let rejected = json!([{"line": 2, "code": "too_long", "message": "no"}, {"line": 3, "code": "bad_json", "message": "no"}]);
    assert_eq!(answer.json(), json!({"accepted": 2, "rejected": rejected}));
    let answer = bench.push(&[], "[{\"a\":1}, {\"a\":2}, {\"a\"").await;
    assert_eq!(answer.json(), json!({"accepted": 2, "rejected": [{"line": 3, "code": "bad_json", "message": "no"}]}));
    assert_eq!(bench.batch().lines[2].bytes, ", {\"a\"");
}

#[tokio::test]
async fn nothing_readable_is_a_bad_request() {
    let bench = loopback();
    let answer = bench.push(&[], "one\ntwo\n").await;
    assert_eq!((answer.code(), answer.json()["rejected"].as_array().map(Vec::len)), ((400, "nothing_read".to_owned()), Some(2)));
    assert_eq!(bench.push(&[], "\n \n").await.code(), (400, "empty_body".to_owned()));
    let refused = bench.push(&[], "\"readable, and of the future\"\n").await;
    assert_eq!((refused.status.as_u16(), refused.json()["accepted"].as_u64()), (200, Some(0)));
}

#[tokio::test]
async fn types_encodings_and_queries_that_are_not_read() {
    let bench = loopback();
    let unsupported = (415, "unsupported".to_owned());
    for kind in
        ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/cloudevents+avro", "text/html"]
    {
        assert_eq!(bench.push(&[("content-type", kind)], "{}").await.code(), unsupported, "{kind}");
    }
    for encoding in ["br", "gzip, gzip", "deflate"] {
        assert_eq!(bench.push(&[("content-encoding", encoding)], "{}").await.code(), unsupported, "{encoding}");
    }
    let ask = async |query: &str| bench.ask("POST", &format!("/v1/events?{query}"), &[], "{}").await.code();
    assert_eq!(ask("fromat=canonical").await, (400, "bad_query".to_owned()));
    assert_eq!(ask("tenant=a%7Cb").await, (400, "bad_tenant".to_owned()));
    assert_eq!(ask("tenant=_canary").await, (400, "bad_tenant".to_owned()));
    *bench.fake.refuse.lock().unwrap() = Some(Refused::UnknownFormat("crm".to_owned()));
    assert_eq!(ask("format=crm").await, (400, "unknown_format".to_owned()));
    assert_eq!(ask("format=hubspot&tenant=acme").await.0, 200);
    let batch = bench.batch();
    assert_eq!((batch.format.as_str(), batch.tenant.as_deref(), batch.binding.is_none()), ("hubspot", Some("acme"), true));
}

#[tokio::test]
async fn letters_are_read_again_for_who_may_write_the_store() {
    let bench = loopback();
    let ask = async |token: &str, body: &str| {
        let headers = [("authorization", token), ("content-type", "application/json")];
        bench.ask("POST", "/v1/dead-letters/retry", &headers, body.to_owned()).await
    };
    for token in ["", "Bearer", "Bearer ", "Bearer other"] {
        assert_eq!(ask(token, r#"{"ids":["a"]}"#).await.code(), (401, "unauthorized".to_owned()), "{token}");
    }
    let answer = ask("Bearer store", r#"{"ids":["a"]}"#).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["left"][0]["id"]), (200, &json!("a")));
    assert_eq!(ask("Bearer store", r#"{"idz":[]}"#).await.code(), (400, "bad_body".to_owned()));
    assert_eq!(ask("Bearer store", r#"{"ids":[],"binding":{}}"#).await.code(), (400, "bad_binding".to_owned()));
}

#[tokio::test]
async fn cloud_events_keep_their_attributes() {
    let bench = loopback();
    let structured = "{\"specversion\":\"1.0\",\n\"data\":{}}";
    bench.push(&[("content-type", "application/cloudevents+json")], structured).await;
    assert_eq!(bench.batch().lines[0].bytes, structured);
    bench.push(&[("content-type", "application/cloudevents-batch+json")], "[{\"id\":1},{\"id\":2}]").await;
    assert_eq!(bench.batch().lines.len(), 2);
    bench.push(&[("content-type", "application/json"), ("ce-specversion", "1.0"), ("ce-id", "x-1"), ("x-other", "1")], "{\n}").await;
    let batch = bench.batch();
    let names: Vec<&str> = batch.headers.keys().map(String::as_str).collect();
    assert_eq!((batch.lines.len(), names), (1, vec!["ce-id", "ce-specversion", "content-type"]));
}

#[tokio::test]
async fn a_file_says_where_its_lines_stood() {
    let bench = loopback();
    let digest = "a".repeat(64);
    bench.push(&[("filin-origin", &digest), ("filin-first-line", "100")], "{}\n\n{}\n").await;
    let origins: Vec<u64> = bench.batch().lines.iter().map(|l| l.origin.as_ref().expect("given").1).collect();
    assert_eq!(origins, [100, 102]);
    let bad = (400, "bad_origin".to_owned());
    for headers in [
        vec![("filin-origin", digest.as_str())],
        vec![("filin-first-line", "1")],
        vec![("filin-origin", &digest), ("filin-first-line", "-1")],
        vec![("filin-origin", "../../etc/passwd"), ("filin-first-line", "1")],
    ] {
        assert_eq!(bench.push(&headers, "{}").await.code(), bad, "{headers:?}");
    }
}

#[tokio::test]
async fn busy_and_away_say_when_to_come_again() {
    let bench = loopback();
    *bench.fake.refuse.lock().unwrap() = Some(Refused::Busy(Duration::from_millis(2500)));
    let answer = bench.push(&[], "{}").await;
    assert_eq!((answer.code(), &answer.headers["retry-after"]), ((429, "busy".to_owned()), &HeaderValue::from_static("2")));
    *bench.fake.refuse.lock().unwrap() = Some(Refused::Away("host db-7 refused".to_owned()));
    let answer = bench.push(&[], "{}").await;
    assert_eq!((answer.code(), &answer.headers["retry-after"]), ((503, "away".to_owned()), &HeaderValue::from_static("5")));
    assert!(!answer.text().contains("db-7"), "details stay in the log");
}

#[tokio::test]
async fn so_many_bodies_at_once_and_no_more() {
    let hold = CancellationToken::new();
    let bench = bench(Access { loopback: true, ..Access::default() }, Fake { hold: Some(hold.clone()), ..Fake::default() }, limits());
    let mut first = Box::pin(bench.push(&[], "{}"));
    // The first one takes the only place before it waits.
    assert!(futures_util::poll!(first.as_mut()).is_pending());
    assert_eq!(bench.push(&[], "{}").await.code(), (429, "busy".to_owned()));
    hold.cancel();
    assert_eq!(first.await.status, 200);
    assert_eq!(bench.push(&[], "{}").await.status, 200);
}

#[tokio::test]
async fn a_tokens_binding_wins() {
    let bench = public();
    let bearer = format!("Bearer {TOKEN}");
    let auth = [("authorization", bearer.as_str())];
    for headers in
        [vec![], vec![("authorization", "Bearer 0123456789abcdef0124")], vec![("authorization", "Bearer ")], vec![("authorization", TOKEN)]]
    {
        let answer = bench.push(&headers, "{}").await;
        assert_eq!(answer.code(), (401, "unauthorized".to_owned()), "{headers:?}");
        assert!(answer.headers.contains_key("www-authenticate"));
    }
    assert_eq!(bench.ask("POST", "/v1/events?tenant=rival", &auth, "{}").await.code(), (403, "wrong_tenant".to_owned()));
    for path in ["/v1/events", "/v1/events?tenant=acme", "/v1/events?format=hubspot"] {
        assert_eq!(bench.ask("POST", path, &auth, "{}").await.status, 200);
        let batch = bench.batch();
        assert_eq!((batch.tenant.as_deref(), batch.format.as_str(), batch.binding.is_some()), (Some("acme"), "bitrix24", true));
    }
}

#[tokio::test]
async fn alerts_beyond_loopback_need_the_readers_token() {
    let bench = public();
    let basic = format!("Basic {}", base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("me:{READER}")));
    for path in ["/v1/alerts", "/v1/alerts/7a0c", "/v1/managers?tenant=acme", "/v1/status", "/"] {
        assert_eq!(bench.get(path, &[]).await.code(), (401, "unauthorized".to_owned()), "{path}");
        let pusher = format!("Bearer {TOKEN}");
        assert_eq!(bench.get(path, &[("authorization", &pusher)]).await.status, 401, "who pushes does not read: {path}");
        let reader = format!("Bearer {READER}");
        assert_eq!(bench.get(path, &[("authorization", &reader)]).await.status, 200, "{path}");
        assert_eq!(bench.get(path, &[("authorization", &basic)]).await.status, 200, "{path}");
    }
    for path in ["/healthz", "/readyz", "/metrics", "/openapi.json"] {
        assert_eq!(bench.get(path, &[]).await.status, 200, "{path}");
    }
    let nobody = super::tests::bench(Access::default(), Fake::default(), limits());
    assert_eq!(nobody.get("/v1/alerts", &[]).await.code(), (403, "reading_off".to_owned()));
}

#[test]
fn beyond_loopback_a_token_is_needed() {
    let open: std::net::SocketAddr = "0.0.0.0:8687".parse().unwrap();
    assert!(Access::default().guard(open).is_err());
    assert!(Access::default().guard("[::1]:8687".parse().unwrap()).is_ok());
    assert!(Access::default().guard("127.0.0.2:0".parse().unwrap()).is_ok());
}

#[tokio::test]
async fn names_that_were_made_to_point_here_are_refused() {
    let access = Access { loopback: true, hosts: vec!["filin.corp.example".to_owned()], ..Access::default() };
    let bench = bench(access, Fake::default(), limits());
    for host in ["127.0.0.1", "127.0.0.1:8687", "localhost:1", "LOCALHOST", "[::1]:8687", "[::1]", "filin.corp.example:443", "127.5.5.5"] {
        assert_eq!(bench.get("/healthz", &[("host", host)]).await.status, 200, "{host}");
    }
    for host in [
        "",
        "evil.example",
        "evil.example:8687",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "10.0.0.1",
        "[::2]:1",
        "127.0.0.1:80:80",
    ] {
        assert_eq!(bench.get("/healthz", &[("host", host)]).await.code(), (403, "foreign_host".to_owned()), "{host}");
    }
    assert_eq!(public().get("/healthz", &[("host", "filin.example")]).await.status, 200);
}

#[tokio::test]
async fn other_sites_pages_get_nothing() {
    let bench = loopback();
    let cross = ("sec-fetch-site", "cross-site");
    for path in ["/", "/v1/alerts", "/metrics", "/assets/filin.js"] {
        assert_eq!(bench.get(path, &[cross]).await.code(), (403, "cross_site".to_owned()), "{path}");
    }
    assert_eq!(bench.push(&[cross], "{}").await.code(), (403, "cross_site".to_owned()));
    let link = [cross, ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
    assert_eq!(bench.get("/", &link).await.status, 200, "a link in a message opens the page");
    assert_eq!(bench.get("/v1/alerts", &link).await.status, 403);
    assert_eq!(bench.get("/", &[link[0], link[1], ("sec-fetch-dest", "iframe")]).await.status, 403);
    for site in ["same-origin", "none"] {
        assert_eq!(bench.get("/", &[("sec-fetch-site", site)]).await.status, 200);
    }
    for path in ["/", "/v1/alerts", "/v1/nothing", "/healthz"] {
        let headers = bench.get(path, &[("origin", "http://evil.example")]).await.headers;
        assert!(!headers.contains_key("access-control-allow-origin"), "{path}");
        assert!(headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"), "{path}");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["cache-control"], "no-store");
    }
}

#[tokio::test]
async fn questions_become_filters() {
    let bench = loopback();
    let path = "/v1/alerts?tenant=acme&manager=MFRGGZDFMY&since=2026-03-12T09:00:00%2B03:00&severity=high&state=closed&sort=score\
                &after=12000.7a0c.x&limit=7";
    let answer = bench.get(path, &[]).await.json();
    assert_eq!(answer["alerts"][0]["manager_alias"], "MFRGGZDFMY");
    assert!(answer.get("next").is_none(), "one of seven is the last");
    let first = bench.get("/v1/alerts?limit=1", &[]).await.json();
    let place = format!("{}.{}", 1_773_307_200_000_i64, first["alerts"][0]["alert_id"].as_str().unwrap());
    assert_eq!(first["next"], place);
    bench.shelf.asked.lock().unwrap().pop();
    let expected = Filter {
        tenant: Some("acme".to_owned()),
        manager: Some("MFRGGZDFMY".to_owned()),
        severities: vec!["high".to_owned(), "critical".to_owned()],
        since: Some(1_773_295_200_000),
        state: Some(actions::State::Closed),
        sort: Sort::Score,
        after: Some(Place { key: 12_000, id: "7a0c.x".to_owned() }),
        limit: 7,
    };
    assert_eq!(bench.shelf.asked.lock().unwrap().pop(), Some(expected));
    for query in
        ["limit=0", "limit=1001", "limit=x", "severity=huge", "state=lost", "sort=luck", "after=x", "since=yesterday", "tennant=acme"]
    {
        assert_eq!(bench.get(&format!("/v1/alerts?{query}"), &[]).await.code(), (400, "bad_query".to_owned()), "{query}");
    }
    assert_eq!(bench.get("/v1/alerts/none", &[]).await.code(), (404, "not_found".to_owned()));
    let path = "/v1/events?tenant=acme&manager=u-17&client=c-1&action=export&since=2026-03-12T09:00:00Z&until=2026-03-13T09:00:00Z&limit=1";
    let answer = bench.get(path, &[]).await.json();
    assert_eq!((&answer["events"][0]["event"], &answer["next"]), (&json!("bitrix24/1"), &json!("1773307200000.bitrix24/1")));
    let next = bench.get(&format!("{path}&after=1773307200000.bitrix24/1&format=csv"), &[]).await;
    assert!(next.text().starts_with("time,") && next.headers["content-disposition"].to_str().unwrap().starts_with("attachment"));
    let mut expected = EventFilter {
        tenant: Some("acme".to_owned()),
        manager: Some("u-17".to_owned()),
        client: Some("c-1".to_owned()),
        action: Some("export"),
        since: Some(Timestamp::from_millis(1_773_306_000_000)),
        until: Some(Timestamp::from_millis(1_773_392_400_000)),
        ids: None,
        after: None,
        limit: 1,
    };
    let first = expected.clone();
    expected.after = Some(Place { key: 1_773_307_200_000, id: "bitrix24/1".to_owned() });
    assert_eq!(std::mem::take(&mut *bench.shelf.searched.lock().unwrap()), [first, expected]);
    bench.get("/v1/events?until=2026-03-13T09:00:00Z", &[]).await;
    assert_eq!(bench.shelf.searched.lock().unwrap().pop().unwrap().since, Some(Timestamp::from_millis(1_773_306_000_000)), "a day");
    for query in ["action=nonsense", "after=x", "format=xml", "limit=0", "ids=1"] {
        assert_eq!(bench.get(&format!("/v1/events?{query}"), &[]).await.code(), (400, "bad_query".to_owned()), "{query}");
    }
    let away = bench.get("/v1/managers", &[]).await;
    assert_eq!(away.code(), (503, "away".to_owned()));
    assert!(!away.text().contains("secret host"));
}

#[tokio::test]
async fn actions_say_who_and_come_from_our_own_pages() {
    let bench = loopback();
    let json = ("content-type", "application/json");
    let path = "/v1/alerts/7a0c/actions";
    let order =
        |revision: u32| format!(r#"{{"action":"close","verdict":"true_positive","reason":"gone","revision":{revision},"by":"vera"}}"#);
    let done = bench.ask("POST", path, &[json], order(1)).await;
    assert_eq!(done.status, 200, "{}", done.text());
    let action = &done.json()["action"];
    assert_eq!((&action["actor"], &action["role"], &action["revision"]), (&json!("vera"), &json!("admin"), &json!(2)));
    let again = bench.ask("POST", path, &[json], order(1)).await;
    assert_eq!(again.json()["action"]["id"], action["id"], "asked the same again");
    let stale = bench.ask("POST", path, &[json], order(0)).await;
    assert_eq!(stale.code(), (409, "stale_revision".to_owned()));
    assert!(stale.json()["message"].as_str().unwrap().contains("revision 1"), "it says what is so now");
    let admin = bench.ask("POST", path, &[json, ("authorization", "Bearer store")], order(1)).await;
    assert_eq!(admin.json()["action"]["role"], "admin");
    for (name, value) in
        [("sec-fetch-site", "same-site"), ("sec-fetch-site", "cross-site"), ("origin", "http://evil.example"), ("origin", "null")]
    {
        assert_eq!(bench.ask("POST", path, &[json, (name, value)], order(1)).await.status, 403, "{name}: {value}");
    }
    for (name, value) in [("sec-fetch-site", "same-origin"), ("origin", "http://127.0.0.1:8687")] {
        assert_eq!(bench.ask("POST", path, &[json, (name, value)], order(1)).await.status, 200, "{name}: {value}");
    }
    assert_eq!(bench.ask("POST", path, &[("content-type", "text/plain")], order(1)).await.code(), (400, "bad_body".to_owned()));
    assert_eq!(public().ask("POST", path, &[json], order(1)).await.status, 401);
    let reader = format!("Bearer {READER}");
    assert_eq!(public().ask("POST", path, &[json, ("authorization", &reader)], order(1)).await.status, 200);
}

/// Somebody with the token that is their name, said twice.
fn account(name: &str, role: Duty, tenant: Option<&str>, user: Option<&str>) -> Account {
    let token_sha256 = [format!("{name}{name}"), format!("old-{name}")].map(|token| Secret::new(HEXLOWER.encode(&Sha256::digest(token))));
    let own = |text: Option<&str>| text.map(str::to_owned);
    Account { name: name.to_owned(), role, tenant: own(tenant), user: own(user), token_sha256: token_sha256.to_vec(), expires: None }
}

fn bearer(name: &str) -> String {
    format!("Bearer {name}{name}")
}

/// A loopback listener that knows who may read.
fn known() -> Bench {
    let accounts = vec![
        account("vera", Duty::Supervisor, Some("acme"), Some("u-9")),
        account("other", Duty::Supervisor, Some("acme"), Some("u-8")),
        account("ana", Duty::Analyst, None, None),
        account("ada", Duty::Admin, None, None),
        account("otto", Duty::Auditor, None, None),
        account("anna", Duty::Analyst, Some("acme"), Some("u-17")),
        account("far", Duty::Admin, Some("elsewhere"), None),
        Account { expires: Some(Timestamp::from_millis(1_700_000_000_000)), ..account("past", Duty::Admin, None, None) },
        Account { expires: Some(Timestamp::from_millis(4_000_000_000_000)), ..account("soon", Duty::Analyst, None, None) },
    ];
    bench(Access { loopback: true, accounts, ..Access::default() }, Fake::default(), limits())
}

const ALERT: &str = "7a0c1a3e-3f6e-5b68-9a65-1f1d1b9a1c01";
const MUTE: &str = r#"{"tenant":"acme","mute":{"id":"m","manager":"u-5","from":"2026-03-01T00:00:00Z","until":"2026-03-02T00:00:00Z","reason":"a test","by":""}}"#;

/// Every route and what it answers to: nobody, the supervisor of whom the alert is about, one of another team, an analyst, an admin, an auditor,
/// the person themselves, an admin of another tenant.
const TABLE: &[(&str, &str, &str, [u16; 8])] = &[
    ("GET", "/v1/alerts", "", [401, 200, 200, 200, 200, 200, 200, 200]),
    ("GET", "/v1/alerts/{id}", "", [401, 200, 404, 200, 200, 200, 404, 404]),
    ("POST", "/v1/alerts/{id}/actions", r#"{"action":"close","verdict":"unknown","revision":1}"#, [401, 200, 404, 200, 200, 403, 404, 404]),
    ("GET", "/v1/managers", "", [401, 200, 200, 200, 200, 200, 200, 200]),
    ("GET", "/v1/events", "", [401, 200, 200, 200, 200, 200, 200, 200]),
    ("GET", "/v1/alerts/{id}/events", "", [401, 200, 404, 200, 200, 200, 404, 404]),
    ("GET", "/v1/managers/{manager}", "", [401, 200, 404, 200, 200, 200, 404, 404]),
    ("GET", "/v1/clients/{id}/access", "", [401, 200, 200, 200, 200, 200, 200, 200]),
    ("GET", "/v1/controls", "", [401, 200, 200, 200, 200, 200, 200, 200]),
    ("GET", "/v1/mutes", "", [401, 403, 403, 200, 200, 200, 200, 200]),
    ("GET", "/v1/policy", "", [401, 403, 403, 200, 200, 200, 200, 200]),
    ("GET", "/v1/coverage", "", [401, 403, 403, 200, 200, 200, 200, 200]),
    // Who may listen is who may list; that it goes on is tried by itself.
    ("GET", "/v1/alerts/stream", "", [401, 200, 200, 200, 200, 200, 200, 200]),
    // No role comes with it; whoever shows the store's password hears that nobody logs in here.
    ("POST", "/v1/access/invites", r#"{"name":"vera","by":"me"}"#, [401, 403, 403, 403, 403, 403, 403, 403]),
    ("POST", "/v1/access/revocations", r#"{"name":"vera","by":"me"}"#, [401, 403, 403, 403, 403, 403, 403, 403]),
    ("GET", "/v1/reveals", "", [401, 403, 403, 200, 200, 200, 200, 200]),
    ("POST", "/v1/reveals", r#"{"manager_alias":"mfrggzdfmy","reason":"a test"}"#, [401, 403, 403, 200, 200, 403, 404, 404]),
    // The request is the analyst's own.
    ("POST", "/v1/reveals/{id}/allow", "", [401, 403, 403, 403, 200, 200, 404, 404]),
    ("GET", "/v1/status", "", [401, 200, 200, 200, 200, 200, 200, 200]),
    ("POST", "/v1/dead-letters/retry", r#"{"ids":[]}"#, [401, 403, 403, 403, 200, 403, 403, 403]),
    ("POST", "/v1/mutes", MUTE, [401, 403, 403, 200, 200, 403, 200, 403]),
    ("POST", "/v1/state/reset", r#"{"tenant":"acme","manager":"u-5","reason":"a test"}"#, [401, 403, 403, 403, 200, 403, 403, 403]),
    // 400: the fake's configuration has mistakes; whoever hears of them was let in.
    ("POST", "/v1/policy/reload", "", [401, 403, 403, 403, 400, 403, 403, 403]),
    ("GET", "/", "", [401, 200, 200, 200, 200, 200, 200, 200]),
    ("GET", "/alerts/{id}", "", [401, 200, 404, 200, 200, 200, 404, 404]),
    ("POST", "/alerts/{id}", "do=close%2Funknown&revision=1", [401, 303, 404, 303, 303, 403, 404, 404]),
    ("GET", "/reveals", "", [401, 403, 403, 200, 200, 200, 200, 200]),
    ("POST", "/reveals", "alias=MFRGGZDFMY&reason=a+test", [401, 403, 403, 200, 200, 403, 404, 404]),
    ("GET", "/login", "", [404; 8]),
    ("POST", "/logout", "", [404; 8]),
    ("GET", "/enrol", "", [404; 8]),
    ("GET", "/password", "", [404; 8]),
    // Pushing has tokens of its own; the rest tells nothing about anybody.
    ("POST", "/v1/events", "{}", [200; 8]),
    ("GET", "/healthz", "", [200; 8]),
    ("GET", "/readyz", "", [200; 8]),
    ("GET", "/metrics", "", [200; 8]),
    ("GET", "/openapi.json", "", [200; 8]),
    ("GET", "/assets/filin.css", "", [200; 8]),
    ("GET", "/assets/filin.js", "", [200; 8]),
    ("GET", "/assets/filin.svg", "", [200; 8]),
];

#[tokio::test]
async fn every_route_knows_every_role() {
    let named: BTreeSet<&str> = TABLE.iter().map(|(_, route, ..)| *route).collect();
    let there: BTreeSet<&str> = routes().into_iter().map(|(path, _)| path).chain(crate::console::routes().map(|(path, _)| path)).collect();
    assert_eq!(named, there, "a route without a row: say who may do it");
    let bench = known();
    for (method, route, body, expected) in TABLE {
        let path = match *route {
            "/v1/managers" => "/v1/managers?tenant=acme".to_owned(),
            route => route.replace("{id}", ALERT).replace("{manager}", "u-17"),
        };
        let form = !route.starts_with("/v1/");
        let kind = if form { "application/x-www-form-urlencoded" } else { "application/json" };
        for (who, status) in ["", "vera", "other", "ana", "ada", "otto", "anna", "far"].into_iter().zip(expected) {
            let token = if who.is_empty() { String::new() } else { bearer(who) };
            let body = if form { format!("{body}&form={}", forms().form(&format!("name {who}"))) } else { (*body).to_owned() };
            let answer = bench.ask(method, &path, &[("content-type", kind), ("authorization", &token)], body).await;
            assert_eq!(answer.status.as_u16(), *status, "{method} {route} by {who:?}: {}", answer.text());
        }
    }
}

#[tokio::test]
async fn what_is_out_of_scope_is_not_there() {
    let bench = known();
    let get = async |who: &str, path: &str| bench.get(path, &[("authorization", &bearer(who))]).await;
    for who in ["other", "anna", "far"] {
        for path in ["/v1/alerts", "/v1/alerts?manager=u-17", "/v1/alerts?tenant=acme&manager=MFRGGZDFMY&state=open"] {
            assert_eq!(get(who, path).await.json(), json!({"alerts": []}), "{who} {path}");
        }
        assert_eq!(get(who, "/v1/managers?tenant=acme").await.json(), json!({"managers": []}), "{who}");
        for search in ["/v1/events", "/v1/events?manager=u-17", "/v1/events?client=c-1"] {
            assert_eq!(get(who, search).await.json(), json!({"events": []}), "{who}: {search}");
        }
        let page = get(who, "/?lang=en").await;
        assert!(!page.text().contains("MFRGGZDFMY") && page.text().contains("No alerts."), "{who}");
        for (there, not) in [("/v1/alerts", "/v1/alerts"), ("/alerts", "/alerts")] {
            let (there, not) =
                (get(who, &format!("{there}/{ALERT}")).await, get(who, &format!("{not}/00000000-0000-5000-8000-000000000000")).await);
            assert_eq!((there.status, &there.body), (not.status, &not.body), "{who} learns nothing from the difference");
        }
    }
    assert!(get("vera", "/?lang=en").await.text().contains("MFRGGZDFMY"));
    bench.status.send_modify(|status| {
        let tenant = |name: &str| TenantStatus { tenant: name.to_owned(), watermark: None, log_offset: None };
        status.tenants = vec![tenant("acme"), tenant("elsewhere")];
    });
    assert_eq!(get("vera", "/v1/status").await.json()["tenants"].as_array().map(Vec::len), Some(1));
    assert!(!get("vera", "/").await.text().contains("elsewhere") && get("ana", "/").await.text().contains("elsewhere"));
}

#[tokio::test]
async fn tokens_end_and_change_hands_without_a_gap() {
    let bench = known();
    let status = async |token: &str| bench.get("/v1/alerts", &[("authorization", token)]).await.status.as_u16();
    assert_eq!((status(&bearer("ana")).await, status("Bearer old-ana").await), (200, 200), "both hold for a while");
    assert_eq!((status(&bearer("past")).await, status(&bearer("soon")).await), (401, 200));
    assert_eq!((status("Bearer nonsense").await, status("Bearer").await, status("").await), (401, 401, 401));
    // The hash that stands in the configuration opens nothing.
    assert_eq!(status(&format!("Bearer {}", HEXLOWER.encode(&Sha256::digest("anaana")))).await, 401);
    let browser = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, "whoever:anaana");
    assert_eq!(status(&format!("Basic {browser}")).await, 200);
    let refused = bench.get("/", &[]).await;
    assert!(refused.headers.get_all("www-authenticate").iter().any(|v| v.to_str().is_ok_and(|v| v.starts_with("Basic"))), "a browser asks");
    // Whoever has the shared token is an analyst, beside those with names.
    let accounts = vec![account("ana", Duty::Analyst, None, None)];
    let both = super::tests::bench(
        Access { loopback: true, reader: Some(Secret::new(READER)), accounts, ..Access::default() },
        Fake::default(),
        limits(),
    );
    for (token, status) in [(format!("Bearer {READER}"), 200), (bearer("ana"), 200), (String::new(), 401)] {
        assert_eq!(both.get("/v1/alerts", &[("authorization", &token)]).await.status, status, "{token}");
    }
}

#[tokio::test]
async fn nobody_signs_for_somebody_else() {
    let bench = known();
    let act = async |who: &str, order: Value| {
        let headers = [("content-type", "application/json"), ("authorization", &*bearer(who))];
        bench.ask("POST", &format!("/v1/alerts/{ALERT}/actions"), &headers, order.to_string()).await
    };
    let order = |by: Option<&str>| json!({"action": "acknowledge", "revision": 1, "by": by});
    for by in [None, Some("vera"), Some("u-9"), Some(" ")] {
        let done = act("vera", order(by)).await.json();
        assert_eq!((&done["action"]["actor"], &done["action"]["role"]), (&json!("vera"), &json!("supervisor")), "{by:?}");
    }
    assert_eq!(act("vera", order(Some("ana"))).await.code(), (403, "other_name".to_owned()));
    let mute = async |who: &str, change: Value| {
        let mut order: Value = serde_json::from_str(MUTE).unwrap();
        order["mute"].as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let headers = [("content-type", "application/json"), ("authorization", &*bearer(who))];
        bench.ask("POST", "/v1/mutes", &headers, order.to_string()).await
    };
    assert_eq!(mute("ana", json!({})).await.json()["mute"]["by"], "ana");
    assert_eq!(mute("ana", json!({"by": "vera"})).await.code(), (403, "other_name".to_owned()));
    assert_eq!(mute("anna", json!({"manager": "u-17"})).await.code(), (403, "own".to_owned()), "about herself");
    assert_eq!(mute("far", json!({})).await.code(), (403, "wrong_tenant".to_owned()));
    // The store's password is an admin's, as the command line shows it.
    let headers = [("content-type", "application/json"), ("authorization", "Bearer store")];
    let done = bench.ask("POST", &format!("/v1/alerts/{ALERT}/actions"), &headers, order(Some("root")).to_string()).await;
    assert_eq!((&done.json()["action"]["actor"], &done.json()["action"]["role"]), (&json!("root"), &json!("admin")));
}

#[tokio::test]
async fn pages_offer_what_their_reader_may_do() {
    let bench = known();
    let page = async |who: &str| bench.get(&format!("/alerts/{ALERT}?lang=en"), &[("authorization", &bearer(who))]).await.text().to_owned();
    let supervisors = page("vera").await;
    assert!(
        supervisors.contains("That was work") && supervisors.contains("You answer as <b>vera</b>") && !supervisors.contains("name=\"by\"")
    );
    let auditors = page("otto").await;
    assert!(auditors.contains("What was done") && !auditors.contains("<form") && !auditors.contains("<button"), "{auditors}");
}

#[tokio::test]
async fn who_reads_is_written_down() {
    let bench = known();
    for path in [
        "/v1/alerts?manager=u-17",
        &format!("/v1/alerts/{ALERT}"),
        &format!("/alerts/{ALERT}"),
        "/v1/managers?tenant=acme",
        "/",
        "/v1/status",
        "/v1/events?client=c-1",
        &format!("/v1/alerts/{ALERT}/events?format=csv"),
        "/v1/managers/u-17",
        "/v1/clients/c-2/access",
    ] {
        assert_eq!(bench.get(path, &[("authorization", &bearer("vera"))]).await.status, 200, "{path}");
    }
    bench.get("/v1/alerts/none", &[("authorization", &bearer("vera"))]).await;
    let looks = std::mem::take(&mut *bench.diary.0.lock().unwrap());
    assert!(
        looks.iter().all(|l| l.by == "vera" && l.role == Duty::Supervisor && l.tenant.as_deref() == Some("acme") && l.records == 1),
        "{looks:?}"
    );
    let one = Seen::Alert(ALERT.to_owned(), "MFRGGZDFMY".to_owned());
    let seen: Vec<Seen> = looks.into_iter().map(|l| l.at_what).collect();
    let search = Seen::Events(None, Some("c-1".to_owned()));
    let [about, of_client] = [Seen::Manager("MFRGGZDFMY".to_owned()), Seen::Events(None, Some("c-2".to_owned()))];
    assert_eq!(
        seen,
        [
            Seen::Alerts(Some("u-17".to_owned())),
            one.clone(),
            one.clone(),
            Seen::Managers,
            Seen::Alerts(None),
            search,
            one,
            about,
            of_client
        ]
    );
    let bench = public();
    bench.get("/v1/alerts", &[("authorization", &format!("Bearer {READER}"))]).await;
    assert_eq!(bench.diary.0.lock().unwrap().pop().map(|l| l.by).as_deref(), Some("http.reader_token"));
    let open = loopback();
    open.get("/v1/alerts", &[]).await;
    assert!(open.diary.0.lock().unwrap().is_empty(), "nobody knows who it was");
}

#[tokio::test(start_paused = true)]
async fn a_list_is_told_what_changes_and_ends_with_the_token() {
    let bench = known();
    let request = Request::builder().uri("/v1/alerts/stream?severity=low").header("host", "127.0.0.1:8687");
    let request = request.header("authorization", bearer("vera")).body(Body::empty()).unwrap();
    let response = bench.router.clone().oneshot(request).await.unwrap();
    assert_eq!((response.status().as_u16(), response.headers()["content-type"].to_str().unwrap()), (200, "text/event-stream"));
    let mut body = response.into_body();
    // Between events a comment keeps the connection.
    let mut next = async || loop {
        let Some(frame) = body.frame().await else { return ("over".to_owned(), Value::Null) };
        let text = String::from_utf8(frame.unwrap().into_data().unwrap().to_vec()).unwrap();
        if let Some((name, data)) = text.strip_prefix("event: ").and_then(|t| t.trim_end().split_once("\ndata: ")) {
            return (name.to_owned(), serde_json::from_str(data).unwrap());
        }
    };
    let (name, data) = next().await;
    assert_eq!((name.as_str(), &data["alerts"][0]["version"]), ("alerts", &json!(2)));
    bench.shelf.version.store(3, Ordering::Relaxed);
    let (name, data) = next().await;
    assert_eq!((name.as_str(), &data["version"]), ("alert", &json!(3)));
    bench.shelf.version.store(0, Ordering::Relaxed);
    assert_eq!(next().await, ("gone".to_owned(), json!({"alert_id": ALERT})));
    assert_eq!(bench.diary.0.lock().unwrap().len(), 1, "who listens is written down once");
    bench.status.send_modify(|status| status.missing = vec!["stopping"]);
    assert_eq!(next().await.0, "over");
    bench.status.send_modify(|status| status.missing.clear());

    let listen = async || {
        bench
            .router
            .clone()
            .oneshot(
                Request::builder()
                    .uri("/v1/alerts/stream")
                    .header("host", "127.0.0.1:8687")
                    .header("authorization", bearer("ana"))
                    .body(Body::empty())
                    .unwrap(),
            )
            .await
            .unwrap()
    };
    let mut all = Vec::new();
    for _ in 0..live::LISTENERS {
        all.push(listen().await);
    }
    let refused = listen().await;
    assert_eq!((refused.status().as_u16(), refused.headers().contains_key("retry-after")), (429, true));
    all.pop();
    assert_eq!(listen().await.status(), 200, "a place is free again");
}

#[tokio::test]
async fn readiness_says_what_is_missing() {
    let bench = loopback();
    assert_eq!(bench.get("/readyz", &[]).await.status, 200);
    bench.status.send_modify(|status| status.missing = vec!["restore", "reference"]);
    let answer = bench.get("/readyz", &[]).await;
    assert_eq!((answer.status.as_u16(), answer.text()), (503, "not ready: restore, reference\n"));
    assert_eq!(bench.get("/healthz", &[]).await.status, 200);
}

#[tokio::test]
async fn what_is_not_there_is_told_in_json_and_counted() {
    let bench = loopback();
    assert_eq!(bench.get("/v1/nothing/here", &[]).await.code(), (404, "not_found".to_owned()));
    assert_eq!(bench.ask("DELETE", "/v1/events", &[], Body::empty()).await.code(), (405, "method_not_allowed".to_owned()));
    assert_eq!(bench.ask("DELETE", "/v1/alerts/7a0c", &[], Body::empty()).await.status, 405);
    let text = bench.metrics.text();
    for line in [
        "filin_api_requests_total{route=\"unknown\",status=\"4xx\"} 1",
        "filin_api_requests_total{route=\"/v1/events\",status=\"4xx\"} 1",
        "filin_api_requests_total{route=\"/v1/alerts/{id}\",status=\"4xx\"} 1",
        "filin_api_requests_total{route=\"/\",status=\"2xx\"} 0",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
    }
}

#[tokio::test]
async fn other_roles_have_other_routes() {
    let parts = bench(Access::default(), Fake::default(), limits());
    let bench = Bench { router: router(idle(limits())), ..parts };
    assert_eq!(bench.push(&[], "{}").await.code(), (404, "not_found".to_owned()));
    assert_eq!(bench.get("/v1/alerts", &[]).await.code(), (404, "not_found".to_owned()));
    assert_eq!(bench.get("/healthz", &[]).await.status, 200);
}

#[test]
fn the_description_names_every_route_and_no_other() {
    let document: Value = serde_json::from_str(openapi::DOCUMENT).unwrap();
    let described: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    let mut there: Vec<&str> = routes().iter().map(|(path, _)| *path).collect();
    there.sort_unstable();
    assert_eq!(described, there);
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
}

/// Asks, and holds the answer against the description.
async fn described(bench: &Bench, who: &str, [method, path, route, body]: [&str; 4]) {
    let document: Value = serde_json::from_str(openapi::DOCUMENT).unwrap();
    let token = if who.is_empty() { String::new() } else { bearer(who) };
    let answer = bench.ask(method, path, &[("content-type", "application/json"), ("authorization", &token)], body.to_owned()).await;
    let operation = &document["paths"][route][method.to_lowercase()];
    let mut described = &operation["responses"][answer.status.as_str()];
    assert!(described.is_object(), "{method} {path} answers {}, which is not described", answer.status);
    if let Some(reference) = described["$ref"].as_str() {
        described = document.pointer(&reference[1..]).expect("the reference leads somewhere");
    }
    let kind = answer.headers["content-type"].to_str().unwrap();
    let mut schema = described["content"][kind]["schema"].clone();
    assert!(schema.is_object(), "{method} {path} answers {} as {kind}, which is not described", answer.status);
    schema["components"] = document["components"].clone();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let problems: Vec<String> = validator.iter_errors(&answer.json()).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(problems.is_empty(), "{method} {path}: {problems:?}");
    if described["headers"]["Retry-After"].is_object() {
        assert!(answer.headers.contains_key("retry-after"), "{method} {path}");
    }
}

#[tokio::test]
async fn names_are_told_as_described() {
    let bench = known();
    let check = async |who: &str, method: &str, path: &str, body: &str| {
        described(&bench, who, [method, path, &path.replace(ALERT, "{id}").replace("none", "{id}"), body]).await;
    };
    let order = |alias: &str, reason: &str| json!({ "manager_alias": alias, "reason": reason }).to_string();
    for who in ["", "vera", "otto", "anna", "ana"] {
        check(who, "GET", "/v1/reveals", "").await;
        check(who, "POST", "/v1/reveals", &order("MFRGGZDFMY", "a test")).await;
        check(who, "POST", &format!("/v1/reveals/{ALERT}/allow"), "").await;
    }
    for (alias, reason) in [("MFRGGZDFMY", "two"), ("MFRGGZDFMY", " "), ("TWICE", "a test"), ("NOBODY", "a test")] {
        check("ana", "POST", "/v1/reveals", &order(alias, reason)).await;
    }
    check("ada", "POST", "/v1/reveals/none/allow", "").await;
    check("ana", "POST", "/v1/reveals", "{}").await;
    // Nobody's token asks for nobody's name; and what somebody saw is written down as a look at that person.
    let nameless = public();
    let answer = nameless
        .ask(
            "POST",
            "/v1/reveals",
            &[("authorization", &format!("Bearer {READER}")), ("content-type", "application/json")],
            order("MFRGGZDFMY", "a test"),
        )
        .await;
    assert_eq!((answer.status.as_u16(), answer.json()["code"].as_str()), (403, Some("role")));
    let open = loopback().ask("POST", "/v1/reveals", &[("content-type", "application/json")], order("MFRGGZDFMY", "a test")).await;
    assert_eq!(open.status, 401, "reaching the listener is not enough");
    let looks = bench.diary.0.lock().unwrap();
    assert_eq!(looks.iter().map(|l| (l.by.as_str(), &l.at_what)).collect::<Vec<_>>(), [("ana", &Seen::Manager("MFRGGZDFMY".to_owned()))]);
}

#[tokio::test]
async fn a_name_stands_on_the_page_of_whoever_asked_and_nowhere_else() {
    let bench = known();
    let get = async |who: &str, path: &str| bench.get(path, &[("authorization", &bearer(who))]).await.text().to_owned();
    let page = get("ana", "/reveals?lang=en&alias=MFRGGZDFMY").await;
    assert!(page.contains("a &lt;test&gt;") && page.contains("value=\"MFRGGZDFMY\"") && !page.contains("u-17") && !page.contains("Anna"));
    assert!(page.contains("the notice") && !page.contains("name=\"allow\""), "nobody allows their own: {page}");
    assert!(get("otto", "/reveals?lang=ru").await.contains("name=\"allow\"") && !get("otto", "/reveals").await.contains("name=\"alias\""));
    assert!(get("ana", &format!("/alerts/{ALERT}?lang=en")).await.contains("/reveals?lang=en&amp;alias=MFRGGZDFMY"));
    assert!(!get("otto", &format!("/alerts/{ALERT}?lang=en")).await.contains("/reveals?"), "an auditor asks for no name");
    let post = async |form: &str, body: &str| {
        let headers = [("content-type", "application/x-www-form-urlencoded"), ("authorization", &*bearer("ana"))];
        bench.ask("POST", "/reveals", &headers, format!("{body}&form={form}")).await
    };
    let mine = forms().form("name ana");
    let told = post(&mine, "alias=mfrggzdfmy&reason=exit&lang=en").await;
    assert!(told.text().contains("Anna &lt;b&gt;") && told.text().contains("u-17") && told.headers["cache-control"] == "no-store");
    assert!(post(&mine, "alias=mfrggzdfmy&reason=two&lang=en").await.text().contains("somebody else has to agree"));
    assert_eq!(post("made-elsewhere", "alias=mfrggzdfmy&reason=exit").await.status, 403);
}

#[tokio::test]
async fn answers_are_as_described() {
    let bench = loopback();
    bench.status.send_modify(|status| {
        status.sources.push(SourceStatus {
            name: "crm".to_owned(),
            kind: crate::ops::metrics::Source::Kafka,
            format: "bitrix24".to_owned(),
            records: 3,
            behind: Some(1),
        });
        status.tenants.push(TenantStatus { tenant: "acme".to_owned(), watermark: Some(Timestamp::default()), log_offset: None });
    });
    let check = async |method: &str, path: &str, route: &str, body: &str| described(&bench, "", [method, path, route, body]).await;
    check("POST", "/v1/events", "/v1/events", "{}\nx\n").await;
    check("POST", "/v1/events", "/v1/events", "x\n").await;
    check("POST", "/v1/events", "/v1/events", &" ".repeat(5000)).await;
    *bench.fake.refuse.lock().unwrap() = Some(Refused::Busy(Duration::ZERO));
    check("POST", "/v1/events", "/v1/events", "{}").await;
    check("GET", "/v1/alerts", "/v1/alerts", "").await;
    check("GET", "/v1/alerts?limit=0", "/v1/alerts", "").await;
    check("GET", "/v1/alerts/7a0c", "/v1/alerts/{id}", "").await;
    check("GET", "/v1/alerts/none", "/v1/alerts/{id}", "").await;
    let act = "/v1/alerts/{id}/actions";
    check("POST", "/v1/alerts/7a0c/actions", act, r#"{"action":"close","verdict":"benign_expected","reason":"a campaign","revision":1}"#)
        .await;
    check("POST", "/v1/alerts/7a0c/actions", act, r#"{"action":"close","verdict":"benign_expected","revision":0}"#).await;
    check("POST", "/v1/alerts/7a0c/actions", act, r#"{"action":"close","revision":1}"#).await;
    check("POST", "/v1/alerts/none/actions", act, r#"{"action":"acknowledge","revision":0}"#).await;
    check("GET", "/v1/events", "/v1/events", "").await;
    check("GET", "/v1/events?limit=0", "/v1/events", "").await;
    check("GET", "/v1/alerts/7a0c/events", "/v1/alerts/{id}/events", "").await;
    check("GET", "/v1/alerts/none/events", "/v1/alerts/{id}/events", "").await;
    check("GET", "/v1/managers?tenant=acme", "/v1/managers", "").await;
    check("GET", "/v1/managers", "/v1/managers", "").await;
    check("GET", "/v1/managers/u-17", "/v1/managers/{manager}", "").await;
    check("GET", "/v1/managers/u-17?days=91", "/v1/managers/{manager}", "").await;
    check("GET", "/v1/managers/nobody", "/v1/managers/{manager}", "").await;
    check("GET", "/v1/clients/c-1/access", "/v1/clients/{id}/access", "").await;
    check("GET", "/v1/clients/c-1/access?limit=0", "/v1/clients/{id}/access", "").await;
    for route in ["/v1/controls", "/v1/mutes", "/v1/policy", "/v1/coverage"] {
        check("GET", route, route, "").await;
    }
    check("GET", "/v1/alerts/stream?after=1.a", "/v1/alerts/stream", "").await;
    check("GET", "/v1/status", "/v1/status", "").await;
    check("POST", "/v1/dead-letters/retry", "/v1/dead-letters/retry", "{}").await;
    check("POST", "/v1/access/invites", "/v1/access/invites", "{}").await;
    check("POST", "/v1/access/revocations", "/v1/access/revocations", "{}").await;
}

/// A listener with the router behind it.
async fn listen(limits: Limits) -> (std::net::SocketAddr, CancellationToken, tokio::task::JoinHandle<std::io::Result<()>>) {
    let bench = bench(Access { loopback: true, ..Access::default() }, Fake::default(), limits);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, shutdown) = (listener.local_addr().unwrap(), CancellationToken::new());
    (address, shutdown.clone(), tokio::spawn(serve(listener, None, bench.router, shutdown)))
}

const DEADLINE: Duration = Duration::from_secs(20);

/// What is answered to raw bytes until the connection closes.
async fn talk(address: std::net::SocketAddr, bytes: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
    client.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(DEADLINE, client.read_to_string(&mut answer)).await.expect("closed in time").unwrap();
    answer
}

#[tokio::test]
async fn a_listener_answers_and_ends_when_asked() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (address, shutdown, server) = listen(limits()).await;
    let request = "POST /v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
    let answer = talk(address, request).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("{\"accepted\":1,\"rejected\":[]}"), "{answer}");

    // A connection that is kept for a next request does not hold up the end.
    let mut kept = tokio::net::TcpStream::connect(address).await.unwrap();
    kept.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"alive\n") {
        assert_ne!(tokio::time::timeout(DEADLINE, kept.read_buf(&mut answer)).await.expect("in time").unwrap(), 0, "{answer:?}");
    }
    shutdown.cancel();
    tokio::time::timeout(DEADLINE, server).await.expect("ends in time").unwrap().unwrap();
    assert_eq!(kept.read(&mut [0; 8]).await.unwrap(), 0, "closed");
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_given_up() {
    let soon = Duration::from_millis(50);
    for limits in [Limits { arrival: soon, ..limits() }, Limits { pause: soon, ..limits() }] {
        let (address, shutdown, server) = listen(limits).await;
        let request = "POST /v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\nconnection: close\r\n\r\n{}";
        let answer = talk(address, request).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        shutdown.cancel();
        server.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn many_slow_bodies_keep_nobody_out() {
    use tokio::io::AsyncWriteExt;
    let (address, shutdown, server) = listen(limits()).await;
    let mut slow = Vec::new();
    for _ in 0..20 {
        let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
        client.write_all(b"POST /v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4000\r\n\r\n{").await.unwrap();
        slow.push(client);
    }
    let answer = talk(address, "POST /v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    shutdown.cancel();
    drop(slow);
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn bodies_that_arrive_have_room_for_so_many_bytes() {
    let bench = bench(
        Access { loopback: true, ..Access::default() },
        Fake::default(),
        Limits { arriving_bytes: 8192, line_bytes: 4000, ..limits() },
    );
    let push = async |n: usize, said: bool| {
        let (body, length) = (format!("{{{}}}", " ".repeat(n - 2)), n.to_string());
        let headers: &[(&str, &str)] = if said { &[("content-length", &length)] } else { &[] };
        bench.push(headers, body).await.code()
    };
    let (taken, busy) = ((200, String::new()), (429, "busy".to_owned()));
    assert_eq!(push(2000, true).await, taken);
    assert_eq!(push(3000, true).await, busy, "two of eight KiB are for small ones");
    assert_eq!(push(2000, true).await, taken, "what was held is given back");
    assert_eq!(push(3000, false).await, taken, "six are for the others");
}

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_come_or_end_is_given_up() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (address, shutdown, server) = listen(limits()).await;
    for slow in ["", "GET / HTTP/1.1\r\nhost: local"] {
        let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
        client.write_all(slow.as_bytes()).await.unwrap();
        // Its time, not ours: it goes as fast as nobody does anything.
        let ended = tokio::time::timeout(3 * DEADLINE, client.read_to_end(&mut Vec::new())).await;
        assert!(ended.is_ok(), "{slow:?} is waited for without end");
    }
    shutdown.cancel();
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_flood_of_headers_is_refused() {
    let (address, shutdown, server) = listen(limits()).await;
    let many = "x: y\r\n".repeat(200);
    let long = format!("x: {}\r\n", "y".repeat(1 << 20));
    for flood in [many, long] {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
        // Whoever is refused early may not get to send the rest.
        client.write_all(format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\n{flood}\r\n").as_bytes()).await.ok();
        let mut answer = [0; 12];
        let read = tokio::time::timeout(DEADLINE, client.read_exact(&mut answer)).await.expect("in time");
        assert!(read.is_err() || answer == *b"HTTP/1.1 431", "{:?}", String::from_utf8_lossy(&answer));
    }
    let answer = talk(address, "GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "others are served");
    shutdown.cancel();
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn paths_lead_nowhere_else() {
    let bench = loopback();
    for path in [
        "/assets/../Cargo.toml",
        "/assets/..%2fCargo.toml",
        "/assets/%2e%2e/%2e%2e/etc/passwd",
        "/assets/filin.css/../../x",
        "/assets//etc/passwd",
        "//etc/passwd",
        "/alerts/..%2f..%2fassets%2ffilin.css",
        "/v1/alerts/..%2f..%2fmetrics",
        "/assets/filin.css%00.svg",
    ] {
        assert_eq!(bench.get(path, &[]).await.status, 404, "{path}");
    }
}

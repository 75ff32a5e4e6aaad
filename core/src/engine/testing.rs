//! Logs that nobody would write by hand, for tests here and of what is built on the engine.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{ControlPolicy, Policy, Record, Tick, Verdict, VerdictKind};
use crate::{
    directory::{User, When},
    event::{
        Access, Action, Actor, ActorKind, Address, Auth, Budget, Call, Change, Channel, DAY_MS, Date, Direction, Enrich, Enriched, Event,
        Former, NamedClient, Object, ObjectType, Origin, Outcome, Owner, Place, Query, Related, Tier, Timestamp,
    },
};

pub use super::terms::GHOSTS_IN_TESTS;

/// What a record of a made-up log is made from.
pub type Seed = (u8, u8, u8, i64, u32, u64);

/// As many seeds.
pub fn seeds(n: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Seed>> {
    // Mostly some minutes further, at times hours or days, at times back.
    let step = prop_oneof![8 => 0..40_i64, 4 => 100..700_i64, 1 => 1000..6000_i64, 1 => -6000..0_i64];
    let records = prop_oneof![8 => 0..30_u32, 2 => 0..3000_u32, 1 => Just(u32::MAX)];
    prop::collection::vec((0..8_u8, any::<u8>(), any::<u8>(), step, records, any::<u64>()), n)
}

pub(super) const PEOPLE: [&str; 8] = ["anna", "boris", "vera", "gleb", "dina", "egor", "zoya", "ghost"];

/// Rows of the people, then what the seeds say: mostly events, a few verdicts, rows and policies.
pub fn log(seeds: &[Seed]) -> Vec<Record> {
    let mut records = vec![Record::Policy(Policy { zone: "Europe/Moscow".to_owned(), budget: Budget::Rate(20.0), ..Policy::default() })];
    for (i, id) in PEOPLE.iter().take(7).enumerate() {
        records.push(Record::User(Box::new(row(id, i, None))));
    }
    let mut t = Timestamp::parse("2026-03-20T06:00:00Z").expect("a time");
    for (i, seed) in seeds.iter().enumerate() {
        let (who, what, how, step, n, entropy) = *seed;
        let before = t;
        t = t.plus(step * 60_000);
        records.push(match entropy % 64 {
            0 => Record::User(Box::new(row(PEOPLE[usize::from(who % 7)], usize::from(what), Some(t.plus(-DAY_MS))))),
            1 => Record::Verdict(verdict(who, what, t)),
            2 if what % 4 == 0 => Record::Policy(policy(how, n)),
            3 => Record::Tick(Tick { at: t }),
            // A second delivery.
            5 if i >= 16 => records[records.len() - usize::from(what % 16) - 1].clone(),
            _ => Record::Event(Box::new(event(i, who, what, how, n, entropy, t))),
        });
        if step < 0 {
            t = before;
        }
    }
    records
}

pub(super) fn row(id: &str, i: usize, since: Option<Timestamp>) -> User {
    User {
        id: id.to_owned(),
        valid_from: since,
        team: [Some("a"), Some("b"), None][i % 3].map(str::to_owned),
        role: [Some("sales"), Some("sales"), Some("lead"), None][i % 4].map(str::to_owned),
        time_zone: ["Europe/Moscow", "America/New_York", "Asia/Kathmandu", "Mars/Base"].get(i % 5).map(|z| (*z).to_owned()),
        schedule: (!i.is_multiple_of(3)).then(|| "Mo-Fr 09:00-18:00".to_owned()),
        notice_at: (i % 7 == 6).then(|| When::Instant(Timestamp::parse("2026-03-25").expect("a date"))),
        terminated_at: (i % 11 == 10).then(|| Date::parse("2026-03-28").map(When::Day)).flatten(),
        kind: (i % 13 == 12).then_some(ActorKind::Integration),
        ..User::default()
    }
}

fn verdict(who: u8, what: u8, t: Timestamp) -> Verdict {
    Verdict {
        alert_id: String::new(),
        manager: PEOPLE[usize::from(who)].to_owned(),
        days: (0..3).map(|back| Date(i32::try_from(t.millis() / DAY_MS).expect("a date") - back)).collect(),
        verdict: VerdictKind::ALL[usize::from(what) % VerdictKind::ALL.len()],
        drip: vec!["c_rec".to_owned(), "nonsense".to_owned()],
        at: t,
        by: "vera".to_owned(),
    }
}

fn policy(how: u8, n: u32) -> Policy {
    let off = |id: &str| (id.to_owned(), ControlPolicy { enabled: false, ..ControlPolicy::default() });
    Policy {
        zone: ["Europe/Moscow", "Asia/Tokyo", "nowhere"][usize::from(how) % 3].to_owned(),
        budget: [Budget::Rate(20.0), Budget::Rate(1.0), Budget::Rate(f64::NAN), Budget::Weekly(5.0)][usize::from(how) % 4],
        lateness_h: n % 60,
        stakes: how.is_multiple_of(3),
        guard: how.is_multiple_of(7),
        groups: true,
        robust: how.is_multiple_of(5),
        access: [None, Some(Access::Own), Some(Access::Team)][usize::from(how) % 3],
        require_mfa: how.is_multiple_of(2),
        min_versions: [("crm".to_owned(), "5.1".to_owned())].into(),
        backup_targets: vec!["s3".to_owned()],
        controls: if how.is_multiple_of(2) { [off("chunked_export"), off("leaver_active")].into() } else { BTreeMap::new() },
        sigma: [(
            "own.yml".to_owned(),
            "title: Calls\nlogsource:\n  product: crm\ndetection:\n  s:\n    action: call\n  condition: s\n".to_owned(),
        )]
        .into_iter()
        .filter(|_| how.is_multiple_of(4))
        .collect(),
    }
}

pub(super) fn event(i: usize, who: u8, what: u8, how: u8, n: u32, entropy: u64, time: Timestamp) -> Enriched {
    let bit = |b: u32| entropy >> b & 1 == 1;
    let manager = PEOPLE[usize::from(who)].to_owned();
    let action = Action::ALL[usize::from(what) % Action::ALL.len()];
    let text = |prefix: &str, n: u64| Some(format!("{prefix}{n}"));
    let place = Place {
        ip: text("198.51.100.", entropy >> 8 & 3).filter(|_| bit(12)).or_else(|| text("2001:db8::", entropy >> 8 & 0xffff)),
        country: Some(if bit(13) && bit(14) && bit(15) { "NL" } else { "RU" }.to_owned()),
        asn: bit(16).then_some(u32::from(how % 5)),
        user_agent: text("Agent/", entropy >> 20 & 7),
        device: text("d", entropy >> 24 & 3).filter(|_| bit(17)),
        app: Some("crm".to_owned()),
        version: text("5.", entropy >> 24 & 3),
        lat: bit(18).then_some(f64::from(how)),
        lon: bit(18).then_some(f64::from(n % 180)),
        tls: text("1.", entropy >> 26 & 3),
        ..Place::default()
    };
    let clients = if n.is_multiple_of(97) { 700 } else { entropy >> 28 & 3 };
    let client = |j: u64| NamedClient {
        h: crate::event::client_hash(&((entropy >> 32) % 50 * 7 + j).to_string()),
        owner: Owner::ALL[usize::from(how) % Owner::ALL.len()],
        tier: bit(40).then_some(Tier::Key),
        related: (how.is_multiple_of(5)).then_some(Related::OpenOrder),
        former: (how % 5 == 1).then_some(Former::LostDeal),
        decoy: how == 77,
        team: bit(42).then(|| "b".to_owned()),
        ..NamedClient::default()
    };
    Enriched {
        event: Event {
            id: i.to_string(),
            time,
            tenant: "t".to_owned(),
            source: "generic".to_owned(),
            actor: Actor { id: manager.clone(), kind: ActorKind::ALL[usize::from(how == 200)], name: None },
            action,
            outcome: Outcome::ALL[usize::from(how.is_multiple_of(8))],
            reason: None,
            channel: Some(Channel::ALL[usize::from(how) % 3]),
            session: text("s", entropy >> 50 & 3),
            object: Some(Object { kind: bit(43).then_some(ObjectType::Client), id: text("o", entropy >> 52 & 3), ..Object::default() }),
            records: (!n.is_multiple_of(7)).then_some(if n == u32::MAX { u64::MAX } else { u64::from(n) }),
            bytes: None,
            query: Some(Query {
                fingerprint: text("q", u64::from(how % 6)),
                filter: Some(how.is_multiple_of(3)),
                fields: text("phone", 1).filter(|_| bit(44)).into_iter().collect(),
                ..Query::default()
            }),
            call: Some(Call { direction: Some(Direction::ALL[usize::from(how % 2)]), ..Call::default() }),
            order: None,
            client: Some(place),
            auth: Some(Auth { mfa: Some(bit(45)), mfa_method: bit(46).then(|| "push".to_owned()), ..Auth::default() }),
            change: Some(Change {
                what: ["audit", "webhook", "password", "Phone"].get(usize::from(how % 5)).map(|w| (*w).to_owned()),
                from: text("v", entropy >> 54 & 1),
                to: if how % 9 == 8 { Some("off".to_owned()) } else { text("v", entropy >> 55 & 1) },
                target: text("x@example.org", u64::from(how % 2)),
            }),
            attrs: BTreeMap::new(),
        },
        enrich: Enrich {
            manager,
            zone: "UTC".to_owned(),
            grade: bit(47).then(|| "junior".to_owned()),
            target: bit(48).then(|| PEOPLE[usize::from(how % 7)].to_owned()),
            address: if how % 50 == 49 { Address::Denied } else { Address::None },
            clients: (0..clients).map(client).collect(),
            ..Enrich::default()
        },
        origin: bit(41).then(|| Origin { source: format!("o{}", how % 3), offset: i as u64, index: 0 }),
    }
}

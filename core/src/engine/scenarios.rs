//! What the engine does, case by case.

use std::collections::BTreeMap;

use super::*;
use crate::{
    directory::{User, When},
    event::{
        Action, Actor, ActorKind, Address, Budget, DAY_MS, Date, Enrich, Enriched, Event, HOUR_MS, NamedClient, Origin, Outcome, Owner,
        Place, Timestamp, client_hash,
    },
};

/// A tenant that is told things.
struct Told {
    tenant: Tenant,
    n: u32,
}

impl Told {
    /// People of one team and role, in UTC.
    fn new(people: &[&str]) -> Self {
        let mut told = Self { tenant: Tenant::new("t"), n: 0 };
        for id in people {
            told.row(id, |_| {});
        }
        told
    }

    fn row(&mut self, id: &str, change: impl FnOnce(&mut User)) {
        let mut user = User { id: id.to_owned(), team: Some("a".to_owned()), role: Some("sales".to_owned()), ..User::default() };
        change(&mut user);
        assert!(self.tell(Record::User(Box::new(user))).is_empty());
    }

    fn tell(&mut self, record: Record) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.tenant.apply(&record, &mut effects);
        effects
    }

    fn event(&mut self, id: &str, time: &str, action: Action, change: impl FnOnce(&mut Enriched)) -> Vec<Effect> {
        self.n += 1;
        let mut e = Enriched {
            event: Event {
                id: self.n.to_string(),
                time: Timestamp::parse(time).expect(time),
                tenant: "t".to_owned(),
                source: "s".to_owned(),
                actor: Actor { id: id.to_owned(), ..Actor::default() },
                action,
                outcome: Outcome::Success,
                reason: None,
                channel: None,
                session: None,
                object: None,
                records: None,
                bytes: None,
                query: None,
                call: None,
                order: None,
                client: None,
                auth: None,
                change: None,
                attrs: Default::default(),
            },
            enrich: Enrich { manager: id.to_owned(), zone: "UTC".to_owned(), ..Enrich::default() },
            origin: None,
        };
        change(&mut e);
        self.tell(Record::Event(Box::new(e)))
    }

    /// Some days of usual work: five reports of about `records` a day.
    fn work(&mut self, id: &str, days: std::ops::Range<i64>, records: u64) {
        for day in days {
            for i in 0..5 {
                let time = day_time(day, 9 + i);
                let effects = self.event(id, &time, Action::Report, |e| e.event.records = Some(records + (day as u64 * 7 + i as u64) % 5));
                assert!(matches!(effects[0], Effect::Stored { late: Lateness::OnTime }), "{time}: {effects:?}");
            }
        }
    }
}

/// Days count from 2026-01-05, a Monday.
fn day_time(day: i64, hour: i64) -> String {
    Timestamp::parse("2026-01-05").expect("a date").plus(day * DAY_MS + hour * HOUR_MS).to_string()
}

fn date(day: i32) -> Date {
    Date(Date::parse("2026-01-05").expect("a date").0 + day)
}

fn alerts(effects: &[Effect]) -> Vec<&AlertVersion> {
    effects.iter().filter_map(|e| if let Effect::Alert(a) = e { Some(&**a) } else { None }).collect()
}

fn signals(effects: &[Effect]) -> Vec<(&str, &str)> {
    effects.iter().filter_map(|e| if let Effect::Signal(s) = e { Some((s.control.as_str(), s.detector.as_str())) } else { None }).collect()
}

fn stored(effects: &[Effect]) -> Option<Lateness> {
    effects.iter().find_map(|e| if let Effect::Stored { late } = e { Some(*late) } else { None })
}

fn policy(off: &[&str]) -> Record {
    let controls = off.iter().map(|id| ((*id).to_owned(), ControlPolicy { enabled: false, ..ControlPolicy::default() })).collect();
    Record::Policy(Policy { controls, ..Policy::default() })
}

#[test]
fn a_leaver_who_works_is_told_at_once_and_only_once() {
    let mut told = Told::new(&["anna"]);
    told.row("anna", |u| u.terminated_at = Date::parse("2026-01-07").map(When::Day));
    assert_eq!(told.event("anna", "2026-01-06T23:59:59.999Z", Action::View, |_| {}).len(), 1, "the last instant of access");
    let effects = told.event("anna", "2026-01-07T05:00:00Z", Action::View, |_| {});
    assert_eq!(signals(&effects), [("leaver_active", "leaver_active")]);
    let alert = alerts(&effects)[0];
    assert_eq!((alert.severity, alert.kind.as_str(), alert.version, alert.notify), (Severity::Critical, "leaver_active", 1, true));
    assert_eq!(alert.event_ids, ["s/2"]);
    assert!((alert.ln_p + 20.0 - libm::log(9.0) + 1.0).abs() < 1e-6, "20 nats over nine families, and one for leaving: {}", alert.ln_p);
    let more = told.event("anna", "2026-01-07T05:01:00Z", Action::Logout, |_| {});
    assert_eq!(more.len(), 1, "nothing grew: {more:?}");
    let failed = told.event("anna", "2026-01-09T05:01:00Z", Action::Login, |e| e.event.outcome = Outcome::Failure);
    assert_eq!(failed.len(), 1, "an attempt that fails is no activity: {failed:?}");
}

#[test]
fn a_refused_attempt_from_a_wrong_address_counts() {
    let mut told = Told::new(&["anna"]);
    let effects = told.event("anna", "2026-01-05T10:00:00Z", Action::Login, |e| {
        e.event.outcome = Outcome::Denied;
        e.enrich.address = Address::Denied;
        e.event.client = Some(Place { ip: Some("203.0.113.7".to_owned()), ..Place::default() });
    });
    let alert = alerts(&effects)[0];
    assert_eq!((alert.severity, alert.controls.as_slice()), (Severity::High, &["address_denied".to_owned()][..]));
    assert!(alert.summary.en.contains("203.0.113.7") && alert.summary.ru.contains("203.0.113.7"), "{:?}", alert.summary);
}

#[test]
fn a_disabled_control_is_silent_until_it_is_enabled() {
    let mut told = Told::new(&["anna"]);
    told.row("anna", |u| u.terminated_at = Date::parse("2026-01-01").map(When::Day));
    told.tell(policy(&["leaver_active"]));
    let effects = told.event("anna", "2026-01-07T10:00:00Z", Action::View, |_| {});
    assert_eq!(effects.len(), 1, "{effects:?}");
    let trace = told.tenant.last_trace();
    assert!((trace.x[detector::RULE] - 20.0).abs() < 1e-9 && trace.s[detector::RULE] <= 0.0);
    told.tell(policy(&[]));
    let effects = told.event("anna", "2026-01-07T10:01:00Z", Action::View, |_| {});
    assert_eq!(alerts(&effects).len(), 1);
    // Behavioural controls likewise.
    told.tell(policy(&["bulk_export", "leaver_active"]));
    told.event("anna", "2026-01-08T10:00:00Z", Action::Export, |e| e.event.records = Some(100_000));
    let trace = told.tenant.last_trace();
    assert!(trace.r[0] > 3.0 && trace.s[0] <= 0.0, "r goes on: {trace:?}");
}

#[test]
fn events_of_long_ago_make_alerts_of_their_own_once_per_rule_and_date() {
    let mut told = Told::new(&["anna", "boris"]);
    told.row("anna", |u| u.terminated_at = Date::parse("2026-01-07").map(When::Day));
    told.event("boris", "2026-02-01T10:00:00Z", Action::View, |_| {});
    let first = told.event("anna", "2026-01-20T10:00:00Z", Action::Export, |e| e.event.records = Some(9_000));
    assert_eq!((stored(&first), signals(&first)), (Some(Lateness::TooLate), vec![("leaver_active", "leaver_active")]));
    let alert = alerts(&first)[0].clone();
    assert!(alert.late && alert.notify && alert.version == 1 && alert.records == 0, "rules only: {alert:?}");
    assert_eq!(told.event("anna", "2026-01-20T11:00:00Z", Action::View, |_| {}).len(), 1, "the same date");
    let other = told.event("anna", "2026-01-21T11:00:00Z", Action::View, |_| {});
    let today = told.event("anna", "2026-02-01T11:00:00Z", Action::View, |_| {});
    let ids = [&alert.alert_id, &alerts(&other)[0].alert_id, &alerts(&today)[0].alert_id];
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && !alerts(&today)[0].late);
    assert!(told.tenant.take_rollups().0.iter().all(|d| d.date >= date(27)), "events of long ago are in no roll-up");
}

#[test]
fn late_events_are_scored_and_teach_nothing() {
    let mut told = Told::new(&["anna"]);
    told.work("anna", 0..5, 20);
    told.event("anna", &day_time(7, 9), Action::View, |_| {});
    let n = told.tenant.roster.find("anna").expect("known");
    let before = (told.tenant.roster.get(n).base.hours.clone(), told.tenant.roster.get(n).base.novelty.clone());
    let effects = told.event("anna", &day_time(5, 3), Action::Export, |e| {
        e.event.records = Some(5000);
        e.event.client = Some(Place { country: Some("NL".to_owned()), ..Place::default() });
    });
    assert_eq!(stored(&effects), Some(Lateness::Late));
    assert!(alerts(&effects)[0].late);
    let base = &told.tenant.roster.get(n).base;
    assert!(before == (base.hours.clone(), base.novelty.clone()));
}

#[test]
fn repeats_are_dropped() {
    let mut told = Told::new(&["anna"]);
    let mut at = |time: &str, id: &str, offset: Option<u64>| {
        told.event("anna", time, Action::View, |e| {
            id.clone_into(&mut e.event.id);
            e.origin = offset.map(|offset| Origin { source: "o".to_owned(), offset, index: 0 });
        })
    };
    assert_eq!(stored(&at("2026-01-05T10:00:00Z", "1", Some(1))), Some(Lateness::OnTime));
    assert_eq!(at("2026-01-05T10:00:00Z", "1", None), [Effect::Repeated], "the same event by another way");
    assert_eq!(stored(&at("2026-01-05T10:00:00Z", "2", Some(1))), Some(Lateness::OnTime), "rejected when its place came first");
    assert_eq!(at("2026-01-05T10:00:00Z", "2", Some(1)), [Effect::Repeated]);
    assert_eq!(stored(&at("2026-01-08T10:00:00Z", "3", Some(2))), Some(Lateness::OnTime));
    assert_eq!(at("2026-01-05T10:00:00Z", "1", None), [Effect::Repeated], "72 h behind, not more");
    assert_eq!(stored(&at("2026-01-08T10:00:00.001Z", "4", None)), Some(Lateness::OnTime));
    assert_eq!(stored(&at("2026-01-05T10:00:00Z", "1", None)), Some(Lateness::TooLate), "beyond recognition");
    assert_eq!(at("2026-01-05T10:00:00Z", "1", Some(2)), [Effect::Repeated], "an origin remembers, whatever the age");
}

#[test]
fn the_crm_itself_is_stored_and_not_scored() {
    let mut told = Told::new(&["anna"]);
    let effects = told.event("crm", "2026-01-05T10:00:00Z", Action::Export, |e| e.event.actor.kind = ActorKind::System);
    assert_eq!(effects, [Effect::Stored { late: Lateness::Unscored }]);
    told.row("anna", |u| u.kind = Some(ActorKind::System));
    let effects = told.event("anna", "2026-01-05T10:00:00Z", Action::Export, |_| {});
    assert_eq!(effects, [Effect::Stored { late: Lateness::Unscored }], "the row knows better than the event");
    assert!(told.tenant.managers().is_empty());
}

#[test]
fn an_export_beyond_all_habit_is_told_with_reasons() {
    let mut told = Told::new(&["anna", "boris", "vera"]);
    for day in (0..35).filter(|d| d % 7 < 5) {
        for id in ["anna", "boris", "vera"] {
            let effects = {
                told.n += 1;
                told.event(id, &day_time(day, 10), Action::Export, |e| e.event.records = Some(40 + day as u64 % 9))
            };
            assert!(alerts(&effects).is_empty(), "{effects:?}");
            (0..5).for_each(|i| assert!(alerts(&told.event(id, &day_time(day, 11 + i), Action::View, |_| {})).is_empty()));
        }
    }
    let effects = told.event("vera", &day_time(35, 10), Action::Export, |e| e.event.records = Some(20_000));
    let alert = alerts(&effects)[0];
    assert_eq!((alert.kind.as_str(), alert.contributions[0].detector.as_str()), ("bulk_export", "rec_out"));
    let first = &alert.contributions[0];
    assert!((30.0..60.0).contains(&first.expected) && (first.observed - 20_000.0).abs() < 1e-9 && first.unit == "records", "{first:?}");
    assert!(alert.summary.en.contains("20") && alert.contributions.iter().map(|c| c.bits).sum::<u64>() == alert.bits);
    assert!(signals(&effects).contains(&("bulk_export", "rec_out")));
    assert_eq!(alert.mitre, ["T1213.004"]);
    let again = told.event("vera", &day_time(35, 11), Action::View, |_| {});
    assert!(alerts(&again).is_empty() && !signals(&again).contains(&("bulk_export", "rec_out")), "nothing grew: {again:?}");
}

#[test]
fn an_answer_ends_an_alert_and_the_next_one_is_linked() {
    let mut told = Told::new(&["anna", "boris", "vera"]);
    for day in 0..30 {
        for id in ["anna", "boris", "vera"] {
            told.event(id, &day_time(day, 10), Action::Export, |e| e.event.records = Some(40 + day as u64 % 9));
        }
    }
    let export = |told: &mut Told, hour: i64, records: u64| {
        let effects = told.event("vera", &day_time(30, hour), Action::Export, |e| e.event.records = Some(records));
        alerts(&effects).into_iter().cloned().collect::<Vec<_>>()
    };
    let answer = |alert: &AlertVersion, verdict| {
        let (alert_id, manager) = (alert.alert_id.clone(), "vera".to_owned());
        Record::Verdict(Verdict {
            alert_id,
            manager,
            days: vec![date(30)],
            verdict,
            drip: Vec::new(),
            at: alert.time,
            by: "boss".to_owned(),
        })
    };
    let first = export(&mut told, 10, 20_000).remove(0);
    assert!(first.linked.is_empty() && first.version == 1);
    let again = export(&mut told, 11, 10_000).remove(0);
    assert_eq!((&again.alert_id, again.version), (&first.alert_id, 2), "without an answer it grows");
    assert!(told.tell(answer(&first, VerdictKind::BenignExpected)).is_empty());
    // The state of a restart answers as the one that went on, byte for byte.
    let managers = told.tenant.managers().into_iter().map(|id| (id.clone(), told.tenant.manager_snapshot(&id))).collect::<Vec<_>>();
    let mut restored = Told { tenant: Tenant::restore(&told.tenant.snapshot(), managers).expect("it was saved here"), n: told.n };
    for told in [&mut told, &mut restored] {
        assert!(alerts(&told.event("vera", &day_time(30, 12), Action::View, |_| {})).is_empty(), "the same day, and nothing new");
        let next = export(told, 13, 60_000).remove(0);
        assert_eq!((next.version, &next.linked, next.notify), (1, &vec![first.alert_id.clone()], true));
        assert_ne!(next.alert_id, first.alert_id);
        let grown = export(told, 14, 200_000).remove(0);
        assert_eq!((&grown.alert_id, grown.version, &grown.linked), (&next.alert_id, 2, &next.linked));
    }
    assert_eq!(told.tenant.manager_snapshot("vera"), restored.tenant.manager_snapshot("vera"));
}

#[test]
fn verdicts_reach_the_calibration_and_the_drift() {
    let mut told = Told::new(&["anna", "boris"]);
    told.work("anna", 0..40, 20);
    told.work("anna", 40..52, 80);
    let n = told.tenant.roster.find("anna").expect("known");
    let drift = |told: &Told| told.tenant.roster.get(n).base.drift.level(0);
    assert!(drift(&told) > 2.0, "{}", drift(&told));
    let verdict = |kind, days: &[i32], drip: &[&str]| {
        Record::Verdict(Verdict {
            alert_id: String::new(),
            manager: "anna".to_owned(),
            days: days.iter().map(|d| date(*d)).collect(),
            verdict: kind,
            drip: drip.iter().map(|d| (*d).to_owned()).collect(),
            at: Timestamp::MIN,
            by: "boss".to_owned(),
        })
    };
    told.tell(verdict(VerdictKind::FalsePositive, &[50], &["c_rec"]));
    told.tell(verdict(VerdictKind::BenignExpected, &[50], &["c_unrel", "c_distinct"]));
    assert!(drift(&told) > 2.0);
    told.tell(verdict(VerdictKind::BenignExpected, &[50], &["c_rec"]));
    assert!(drift(&told) <= 0.0);

    let counted = |told: &Told| told.tenant.shared.classes[0].calibration.clone();
    let before = counted(&told);
    told.tell(verdict(VerdictKind::TruePositive, &[45], &[]));
    let without = counted(&told);
    assert_ne!(without, before);
    told.tell(verdict(VerdictKind::TruePositive, &[45], &[]));
    assert_eq!(counted(&told), without, "said twice");
    told.tell(verdict(VerdictKind::TruePositive, &[51], &[]));
    assert_eq!(counted(&told), without, "not closed yet");
    told.work("anna", 52..54, 20);
    let (n, total) = (told.tenant.roster.get(n), 52 - 1 - 1);
    assert_eq!(n.peaks.len().min(total), n.peaks.len());
    assert!(!n.peaks.iter().any(|p| p.date() == date(45) || p.date() == date(51)), "{:?}", n.peaks);
    assert!(n.peaks.iter().any(|p| p.date() == date(52)));
}

#[test]
fn a_change_of_level_is_told_once() {
    let told_days = |restart: bool| {
        let mut told = Told::new(&["anna", "boris", "vera", "gleb", "dina"]);
        let controls = BTreeMap::from([(
            "drip".to_owned(),
            ControlPolicy { switches: [("restart".to_owned(), restart)].into(), ..ControlPolicy::default() },
        )]);
        told.tell(Record::Policy(Policy { controls, budget: Budget::Rate(5.0), ..Policy::default() }));
        let mut days = std::collections::BTreeSet::new();
        for day in 0..75 {
            for (who, id) in (0..).zip(["anna", "boris", "vera", "gleb", "dina"]) {
                // Everybody's days differ by up to four times; from day 50 on one of them does twice as much as before.
                let noise = xxhash_rust::xxh3::xxh3_64(&[who, u8::try_from(day).expect("small")]) % 100;
                let level = (20 + noise * 3 / 5) * if id == "anna" && day >= 50 { 2 } else { 1 };
                for i in 0..5 {
                    let records = level + i as u64;
                    let effects = told.event(id, &day_time(day, 9 + i), Action::Report, |e| e.event.records = Some(records));
                    days.extend(alerts(&effects).iter().filter(|a| a.controls.iter().any(|c| c == "drip") && id == "anna").map(|_| day));
                }
            }
        }
        days
    };
    let (once, again) = (told_days(true), told_days(false));
    assert!(!once.is_empty(), "it is told");
    assert!(once.first() == again.first() && once.len() < again.len(), "{once:?}, without the restart {again:?}");
}

/// Somebody who exports now and then: no day is beyond their tail, and what is on screen hides what leaves.
#[test]
fn exports_that_become_daily_are_told_within_the_week() {
    let days = |exports: bool| {
        let team = ["anna", "boris", "vera", "gleb", "dina", "egor"];
        let mut told = Told::new(&team);
        let switches = [("exports".to_owned(), exports)].into();
        let controls = BTreeMap::from([("drip".to_owned(), ControlPolicy { switches, ..ControlPolicy::default() })]);
        told.tell(Record::Policy(Policy { controls, ..Policy::default() }));
        let mut found = Vec::new();
        for day in 0..70 {
            for (who, id) in (0..).zip(team) {
                let noise = |salt: u8| xxhash_rust::xxh3::xxh3_64(&[who, salt, u8::try_from(day).expect("small")]) % 256;
                for i in 0..5_u8 {
                    told.event(id, &day_time(day, 9 + i64::from(i)), Action::Report, |e| e.event.records = Some(100 + noise(i)));
                }
                let thief = id == "anna" && day >= 60;
                if thief || noise(9) < 64 {
                    let records = if thief { 300 } else { 20 + 2 * noise(10) };
                    let effects = told.event(id, &day_time(day, 15), Action::Export, |e| e.event.records = Some(records));
                    let named = |a: &&AlertVersion| a.contributions.iter().any(|c| c.bits > 0 && c.detector == "c_out");
                    found.extend(alerts(&effects).into_iter().filter(named).map(|_| (id, day)));
                }
            }
        }
        found
    };
    let found = days(true);
    assert!(found.first().is_some_and(|(id, day)| *id == "anna" && (62..67).contains(day)), "{found:?}");
    assert_eq!(days(false), []);
}

#[test]
fn extreme_days_stay_out_of_the_calibration_unless_told_otherwise() {
    let counted = |robust: bool| {
        let mut told = Told::new(&["anna"]);
        told.tell(Record::Policy(Policy { robust, ..Policy::default() }));
        told.work("anna", 0..40, 20);
        told.event("anna", &day_time(40, 10), Action::Export, |e| e.event.records = Some(1_000_000));
        assert_eq!(told.tenant.last_trace().level, 4, "critical");
        told.work("anna", 41..44, 20);
        let peaks = &told.tenant.roster.get(told.tenant.roster.find("anna").expect("known")).peaks;
        peaks.iter().filter(|p| p.date() == date(40)).count()
    };
    assert_eq!((counted(true), counted(false)), (0, 1));
}

#[test]
fn a_changed_budget_changes_the_thresholds_at_once() {
    let mut told = Told::new(&["anna"]);
    told.event("anna", "2026-01-05T10:00:00Z", Action::View, |_| {});
    told.tell(Record::Policy(Policy { budget: Budget::Rate(5.0), ..Policy::default() }));
    told.event("anna", "2026-01-05T10:01:00Z", Action::View, |_| {});
    let theta = told.tenant.last_trace().theta;
    for (theta, b) in theta.into_iter().zip([5.0, 1.0, 0.2]) {
        assert!((theta - libm::log(100.0 / b)).abs() < 1e-12);
    }
}

#[test]
fn a_budget_per_week_follows_the_firm() {
    let people = ["anna", "boris", "vera", "gleb", "dina"];
    let mut told = Told::new(&people);
    told.tell(Record::Policy(Policy { budget: Budget::Weekly(0.35), ..Policy::default() }));
    let theta = |told: &Told| told.tenant.last_trace().theta[0];
    for id in people {
        told.work(id, 0..1, 20);
    }
    assert!((theta(&told) - libm::log(100.0)).abs() < 1e-12, "one in a hundred before seven dates have closed");
    for day in 1..12 {
        people.iter().for_each(|id| told.work(id, day..day + 1, 20));
    }
    // 35 manager-days in seven dates: 0.35 alerts among them are one in a hundred; of two people's 14, one in forty.
    assert!((theta(&told) - libm::log(100.0)).abs() < 1e-12, "{}", theta(&told));
    for day in 12..22 {
        people[..2].iter().for_each(|id| told.work(id, day..day + 1, 20));
    }
    assert!((theta(&told) - libm::log(50.0)).abs() < 1e-12, "at most two in a hundred: {}", theta(&told));
}

#[test]
fn fitted_groups_are_compared_among_themselves_from_the_next_day_on() {
    let people = ["anna", "boris", "vera", "gleb", "dina", "egor", "zoya", "ivan", "kira", "lev"];
    let (many, few) = people.split_at(5);
    let mut told = Told::new(&people);
    let days = |told: &mut Told, days: std::ops::Range<i64>| {
        for day in days {
            many.iter().for_each(|id| told.work(id, day..day + 1, 400));
            few.iter().for_each(|id| told.work(id, day..day + 1, 4));
        }
    };
    days(&mut told, 0..6);
    assert_eq!(told.tenant.fit_due(), None, "no week has closed");
    days(&mut told, 6..10);
    let due = told.tenant.fit_due().expect("a week has closed");
    let profiles = told.tenant.profiles();
    assert_eq!(profiles.len(), 10);
    assert!(profiles[0].id == "anna" && profiles[0].role == "sales" && profiles[0].vector[1] > profiles[3].vector[1] + 1.0, "{profiles:?}");
    let group = |ids: &[&str], name: &str| ids.iter().map(|id| ((*id).to_owned(), name.to_owned())).collect::<Vec<_>>();
    let groups = group(many, "sales~1").into_iter().chain(group(few, "sales~2")).collect();
    assert!(told.tell(Record::Fit(peers::Fit { groups })).is_empty());
    assert!(told.tenant.fit_due().is_none() && told.tenant.shared.fitted == Some(due), "not again for a week");
    let class = &told.tenant.shared.classes[0];
    assert_eq!(class.peers("sales~1"), class.peers("sales~2"), "both start from what the role knows");
    days(&mut told, 10..40);
    let class = &told.tenant.shared.classes[0];
    let usual = |group: &str| class.peers(group).expect("five people").mean[1];
    assert!(usual("sales~1") > usual("sales~2") + 1.5, "{} {}", usual("sales~1"), usual("sales~2"));
    assert!(class.peers("sales").is_none(), "nobody is compared with the role any more");
    let day = told.tenant.roster.get(told.tenant.roster.find("anna").expect("known")).days.last().expect("open").post.clone();
    assert_eq!((&*day.role, &*day.peers), ("sales", "sales~1"));
}

#[test]
fn one_answer_beyond_the_firms_limit_is_an_alert_by_itself() {
    let opened = |limit: Option<f64>, records: u64| {
        let mut told = Told::new(&["anna"]);
        let settings = limit.map(|n| ("top_records".to_owned(), n)).into_iter().collect();
        let controls = BTreeMap::from([("bulk_export".to_owned(), ControlPolicy { settings, ..ControlPolicy::default() })]);
        told.tell(Record::Policy(Policy { controls, ..Policy::default() }));
        told.event("anna", "2026-01-05T10:00:00Z", Action::Export, |e| e.event.records = Some(1));
        let effects = told.event("anna", "2026-01-05T11:00:00Z", Action::Export, |e| e.event.records = Some(records));
        let found = alerts(&effects);
        found.first().map(|a| (a.severity, a.kind.clone(), a.contributions[0].sentence.clone().expect("spoken").en))
    };
    assert_eq!((opened(None, 99_999).map(|a| a.0) < Some(Severity::Critical), opened(Some(500.0), 499)), (true, None));
    let (severity, kind, sentence) = opened(Some(500.0), 500).expect("an alert");
    assert_eq!((severity, kind.as_str()), (Severity::Critical, "bulk_export"));
    assert!(sentence.starts_with("One answer of 500 records at 11:00; from 500 on that is an alert by itself"), "{sentence}");
    assert!(opened(None, 100_000).is_some_and(|a| a.0 == Severity::Critical));
}

#[test]
fn a_day_is_rolled_up_once_though_it_changed_after_an_older_one_went() {
    let mut told = Told::new(&["anna"]);
    let mut login = |day: i64, hour: i64| told.event("anna", &day_time(day, hour), Action::Login, |_| ());
    login(0, 10);
    login(3, 10);
    // The first day is forgotten here, and what is known of both is taken over.
    login(4, 10);
    login(5, 10);
    login(3, 11);
    let (days, hours) = told.tenant.take_rollups();
    let n_events: Vec<u64> = days.iter().map(|d| d.events).collect();
    assert_eq!(n_events, [1, 2, 1, 1], "{days:?}");
    assert_eq!(hours.iter().map(|h| h.events).collect::<Vec<_>>(), [1; 5]);
}

#[test]
fn invented_accounts_are_bounded_and_forgotten() {
    let mut told = Told::new(&["anna"]);
    told.tenant.terms.ghosts = 10;
    let login = |told: &mut Told, id: &str, day: i64| {
        stored(&told.event(id, &day_time(day, 10), Action::Login, |e| e.event.outcome = Outcome::Failure))
    };
    for i in 0..30 {
        let expected = if i < 11 { Lateness::OnTime } else { Lateness::Unscored };
        assert_eq!(login(&mut told, &format!("ghost{i:02}"), 0), Some(expected), "{i}");
    }
    assert_eq!(login(&mut told, "ghost00", 1), Some(Lateness::OnTime), "who is known stays known");
    assert_eq!(login(&mut told, "anna", 1), Some(Lateness::OnTime), "people of the directory always have room");
    told.tenant.mark_clean();
    for day in 2..9 {
        login(&mut told, "anna", day);
    }
    let left = told.tenant.managers();
    assert_eq!(left.len(), 6, "half of the room, and the directory: {left:?}");
    assert!(left.contains(&"ghost00".to_owned()) && left.contains(&"anna".to_owned()), "the least recent went first: {left:?}");
    let gone = told.tenant.changed_managers().into_iter().filter(|id| told.tenant.manager_snapshot(id).is_empty()).count();
    assert_eq!(gone, 6, "the checkpoint hears of them once more, empty");
    let snapshot = told.tenant.snapshot();
    let managers = ["anna", "ghost01", "ghost10"].map(|id| (id.to_owned(), told.tenant.manager_snapshot(id)));
    assert_eq!(Tenant::restore(&snapshot, managers).expect("its own").managers().len(), 2, "ghost01 is forgotten");
}

#[test]
fn a_gap_over_open_days_forgets_nobody_who_is_still_to_be_closed() {
    let mut told = Told::new(&["anna"]);
    told.tenant.terms.ghosts = 10;
    told.event("anna", &day_time(0, 12), Action::View, |_| {});
    for i in 0..30 {
        told.event(&format!("ghost{i:02}"), &day_time(1, 6), Action::Login, |e| e.event.outcome = Outcome::Failure);
    }
    told.work("anna", 1..2, 20);
    let effects = told.event("anna", &day_time(12, 9), Action::View, |_| {});
    assert_eq!(stored(&effects), Some(Lateness::OnTime));
    let n = told.tenant.roster.find("anna").expect("known");
    let learned = told.tenant.roster.get(n).base.hurdle.days();
    assert!(learned > 1.1, "both days were learned, the second with little weight: {learned}");
}

#[test]
fn a_row_that_comes_back_after_a_correction_holds() {
    let mut told = Told::new(&["anna"]);
    told.row("anna", |u| u.terminated_at = Date::parse("2026-01-01").map(When::Day));
    assert_eq!(alerts(&told.event("anna", "2026-01-05T10:00:00Z", Action::View, |_| {})).len(), 1);
    told.row("anna", |_| {});
    assert_eq!(told.event("anna", "2026-01-07T10:00:00Z", Action::View, |_| {}).len(), 1, "the dismissal was a mistake");
}

#[test]
fn a_hostile_day_stays_small() {
    let mut told = Told::new(&["anna"]);
    let mut client = 0_u64;
    for i in 0..1500_u64 {
        let time = Timestamp::parse("2026-01-05T06:00:00Z").expect("a time").plus(i64::try_from(i).expect("small") * 40_000).to_string();
        told.event("anna", &time, if i % 2 == 0 { Action::Call } else { Action::Export }, |e| {
            e.event.records = Some(u64::MAX);
            e.event.client = Some(Place { user_agent: Some("x".repeat(1 + usize::try_from(i).expect("small"))), ..Place::default() });
            e.enrich.clients = (0..200)
                .map(|_| {
                    client += 1;
                    NamedClient { h: client_hash(&client.to_string()), owner: Owner::Other, ..NamedClient::default() }
                })
                .collect();
        });
    }
    let bytes = told.tenant.manager_snapshot("anna").len();
    assert!(bytes < 48 * 1024, "{bytes}");
    let trace = told.tenant.last_trace();
    assert!((trace.x[5] / 300_000.0 - 1.0).abs() < 0.2, "{} distinct", trace.x[5]);
    assert!(trace.score.is_finite() && trace.level == 4);
}

/// Ticks at each hour of some days.
fn ticks(told: &mut Told, hours: std::ops::RangeInclusive<i64>) -> Vec<Effect> {
    hours.flat_map(|h| told.tell(Record::Tick(Tick { at: Timestamp::parse(&day_time(0, h)).expect("a time") }))).collect()
}

#[test]
fn an_account_that_stays_open_is_told_once() {
    let closed = |told: &mut Told, at: &str| {
        told.event("admin", at, Action::UserDeactivate, |e| e.enrich.target = Some("anna".to_owned()));
    };
    let mut told = Told::new(&["anna", "boris"]);
    told.event("anna", &day_time(0, 9), Action::View, |_| {});
    told.row("anna", |u| u.terminated_at = Date::parse("2026-01-06").map(When::Day));
    let effects = ticks(&mut told, 10..=60);
    let found = alerts(&effects);
    assert_eq!(found.len(), 1, "{found:?}");
    let a = found[0];
    assert_eq!((a.kind.as_str(), a.severity, a.manager.as_deref()), ("leaver_not_closed", Severity::High, Some("anna")));
    assert_eq!(a.time.to_string(), "2026-01-06T04:00:00.000Z", "the deadline");
    assert!(a.event_ids.is_empty() && a.contributions.iter().map(|c| c.bits).sum::<u64>() == a.bits);
    assert_eq!(signals(&effects), [("leaver_not_closed", "leaver_not_closed")]);

    let mut told = Told::new(&["anna"]);
    told.event("anna", &day_time(0, 9), Action::View, |_| {});
    told.row("anna", |u| u.terminated_at = Date::parse("2026-01-06").map(When::Day));
    closed(&mut told, &day_time(1, 3));
    assert!(alerts(&ticks(&mut told, 10..=60)).is_empty(), "closed in time");

    let mut told = Told::new(&["anna"]);
    told.event("anna", &day_time(0, 9), Action::View, |_| {});
    told.row("anna", |u| u.terminated_at = Date::parse("2026-01-03").map(When::Day));
    assert!(alerts(&ticks(&mut told, 10..=60)).is_empty(), "whoever left before the log began is not asked about");
    told.row("anna", |u| (u.terminated_at, u.active) = (Date::parse("2026-01-03").map(When::Day), Some(true)));
    assert_eq!(alerts(&ticks(&mut told, 61..=62)).len(), 1, "unless the directory says that the account is open");
}

#[test]
fn a_backup_that_does_not_come_is_told_for_each_place() {
    let mut told = Told::new(&[]);
    told.tell(Record::Policy(Policy { backup_targets: vec!["S3".to_owned(), "tape".to_owned()], ..Policy::default() }));
    let backup = |told: &mut Told, hour: i64, target: &str, outcome: Outcome| {
        told.event("cron", &day_time(0, hour), Action::Backup, |e| {
            e.event.outcome = outcome;
            e.event.change = Some(crate::event::Change { target: Some(target.to_owned()), ..Default::default() });
        });
    };
    backup(&mut told, 1, "s3", Outcome::Success);
    backup(&mut told, 2, "tape", Outcome::Success);
    backup(&mut told, 25, "s3", Outcome::Success);
    backup(&mut told, 26, "tape", Outcome::Failure);
    let effects = ticks(&mut told, 26..=51);
    let found: Vec<_> = alerts(&effects).iter().map(|a| (a.subject.kind, a.time.to_string(), a.summary.en.contains("tape"))).collect();
    assert_eq!(
        found,
        [
            (SubjectKind::Tenant, "2026-01-06T04:00:00.000Z".to_owned(), true),
            (SubjectKind::Tenant, "2026-01-07T03:00:00.000Z".to_owned(), false)
        ]
    );

    // Two places that nothing ever reached are due at the same instant, and are two findings.
    let mut told = Told::new(&[]);
    told.tell(Record::Policy(Policy { backup_targets: vec!["s3".to_owned(), "tape".to_owned()], ..Policy::default() }));
    told.event("anna", &day_time(0, 1), Action::View, |_| {});
    let effects = ticks(&mut told, 2..=30);
    let alerted: std::collections::BTreeSet<_> = alerts(&effects).iter().map(|a| &a.alert_id).collect();
    let signalled: std::collections::BTreeSet<_> =
        effects.iter().filter_map(|e| if let Effect::Signal(s) = e { Some(&s.signal_id) } else { None }).collect();
    assert_eq!((alerted.len(), signalled.len()), (2, 2));
}

#[test]
fn one_address_against_many_accounts_is_an_alert_about_the_address_and_the_account_that_gives_way() {
    let mut told = Told::new(&[]);
    let mut login = |who: &str, minute: i64, ok: bool| {
        let time = Timestamp::parse(&day_time(0, 9)).expect("a time").plus(minute * 60_000).to_string();
        told.event(who, &time, Action::Login, |e| {
            e.event.outcome = if ok { Outcome::Success } else { Outcome::Failure };
            e.event.client = Some(Place { ip: Some("203.0.113.7".to_owned()), ..Place::default() });
        })
    };
    for (i, who) in ["a", "b", "c", "d"].iter().enumerate() {
        assert!(alerts(&login(who, i as i64, false)).is_empty());
    }
    assert!(alerts(&login("z", 4, true)).is_empty(), "four are no wave");
    let effects = login("e", 5, false);
    let found = alerts(&effects);
    assert_eq!((found.len(), found[0].kind.as_str(), found[0].manager.clone()), (1, "spraying", None));
    assert_eq!(found[0].subject, Subject { kind: SubjectKind::Address, id: "203.0.113.7".to_owned() });
    assert_eq!(found[0].event_ids.len(), 5);
    let first = (found[0].alert_id.clone(), found[0].subject.clone());
    login("h", 5, false);
    let effects = login("i", 5, false);
    let grown: Vec<_> = alerts(&effects).iter().map(|a| ((a.alert_id.clone(), a.subject.clone()), a.version)).collect();
    assert_eq!(grown, [(first, 2)], "it grows, and is about the same address");
    let effects = login("f", 6, true);
    assert_eq!(alerts(&effects).iter().map(|a| (a.kind.as_str(), a.severity)).collect::<Vec<_>>(), [("stuffing", Severity::Critical)]);
    assert!(alerts(&login("g", 30, true)).is_empty(), "the wave is over");
}

fn mute(change: impl FnOnce(&mut Mute)) -> Record {
    let at = |text: &str| Timestamp::parse(text).expect(text);
    let mut mute = Mute {
        id: "m".to_owned(),
        from: at("2026-01-05"),
        until: at("2026-01-06"),
        reason: "agreed".to_owned(),
        by: "vera".to_owned(),
        ..Mute::default()
    };
    change(&mut mute);
    Record::Mute(mute)
}

#[test]
fn a_mute_holds_where_all_that_it_says_holds() {
    let decoy = |told: &mut Told, time: &str| {
        told.event("anna", time, Action::View, |e| {
            e.event.client = Some(Place { ip: Some("203.0.113.7".to_owned()), ..Place::default() });
            e.enrich.clients = vec![NamedClient { h: client_hash("c"), decoy: true, ..NamedClient::default() }];
        })
    };
    let alerted = |change: fn(&mut Mute), time: &str| {
        let mut told = Told::new(&["anna"]);
        told.tell(mute(change));
        let effects = decoy(&mut told, time);
        let muted = effects.iter().any(|e| matches!(e, Effect::Signal(s) if s.muted));
        assert_eq!(muted, alerts(&effects).is_empty(), "what is muted is signalled as such");
        !alerts(&effects).is_empty()
    };
    let noon = "2026-01-05T12:00:00Z";
    assert!(!alerted(|m| m.control = Some("decoy".to_owned()), noon));
    assert!(!alerted(|m| m.manager = Some("anna".to_owned()), noon));
    assert!(!alerted(|m| m.team = Some("a".to_owned()), noon));
    assert!(!alerted(|m| m.client = Some("c".to_owned()), noon));
    assert!(!alerted(|m| m.address = Some("203.0.113.7".to_owned()), noon));
    assert!(alerted(|m| m.client = Some("d".to_owned()), noon));
    assert!(alerted(|m| (m.manager, m.control) = (Some("anna".to_owned()), Some("tamper".to_owned())), noon));
    assert!(alerted(|_| {}, noon), "a mute that says nothing is none");
    assert!(alerted(|m| m.control = Some("decoy".to_owned()), "2026-01-06T00:00:00Z"), "it is over");
    let mut told = Told::new(&["anna"]);
    told.tell(mute(|m| m.control = Some("decoy".to_owned())));
    told.tell(mute(|m| (m.control, m.until) = (Some("decoy".to_owned()), m.from)));
    assert!(!alerts(&decoy(&mut told, noon)).is_empty(), "it was lifted");
}

#[test]
fn a_day_that_was_nearly_an_alert_is_looked_at_again_when_somebody_leaves() {
    // Somebody who never exported exports a little: surprising, not surprising enough.
    let mut found = None;
    for records in [120, 200, 320, 500, 800, 1300, 2000, 3000] {
        let mut twin = Told::new(&["anna"]);
        twin.work("anna", 0..12, 30);
        let effects = twin.event("anna", &day_time(12, 10), Action::Export, |e| e.event.records = Some(records));
        if !alerts(&effects).is_empty() {
            break;
        }
        found = Some((twin, records));
    }
    let (mut told, records) = found.expect("some export is not enough for an alert");
    told.work("anna", 13..16, 30);
    let mut user = User { id: "anna".to_owned(), team: Some("a".to_owned()), role: Some("sales".to_owned()), ..User::default() };
    user.notice_at = Date::parse("2026-01-21").map(When::Day);
    let effects = told.tell(Record::User(Box::new(user.clone())));
    let back = alerts(&effects);
    assert_eq!(back.len(), 1, "{records}: {back:?}");
    let a = back[0];
    assert!(a.lookback && a.kind == "leaver_watch" && a.controls.contains(&"leaver_watch".to_owned()) && a.controls.len() > 1, "{a:?}");
    assert_eq!((a.version, a.time.to_string()), (1, day_time(12, 10)));
    assert_eq!(a.contributions.iter().map(|c| c.bits).sum::<u64>(), a.bits);
    user.name = Some("Anna".to_owned());
    assert!(told.tell(Record::User(Box::new(user))).is_empty(), "told once");
}

#[test]
#[expect(clippy::type_complexity, reason = "a table")]
fn each_kind_of_event_adds_to_its_own_amounts_and_to_no_others() {
    use crate::{
        engine::explain::Detector as D,
        event::{Change, Query},
    };
    let x = |detector: D, action: Action, change: &dyn Fn(&mut Event)| {
        let mut told = Told::new(&["anna", "boris@example.com"]);
        told.event("anna", "2026-01-05T10:00:00Z", action, |e| {
            e.event.records = Some(10);
            change(&mut e.event);
        });
        told.tenant.last_trace().x[detector as usize]
    };
    let none = |_: &mut Event| {};
    let filter = |filter: Option<bool>, records: u64| {
        move |e: &mut Event| (e.query, e.records) = (Some(Query { filter, ..Query::default() }), Some(records))
    };
    let to = |to: &'static str| move |e: &mut Event| e.change = Some(Change { to: Some(to.to_owned()), ..Change::default() });
    let failed = |e: &mut Event| e.outcome = Outcome::Failure;
    let rows: &[(D, Action, &dyn Fn(&mut Event), f64)] = &[
        (D::RecOut, Action::Export, &none, 10.0),
        (D::RecOut, Action::Export, &failed, 0.0),
        (D::RecOut, Action::List, &none, 0.0),
        (D::NOut, Action::Export, &none, 1.0),
        (D::NOut, Action::List, &none, 0.0),
        (D::RecScr, Action::List, &none, 10.0),
        (D::RecScr, Action::Export, &none, 0.0),
        (D::RecUnf, Action::List, &filter(Some(false), 10), 10.0),
        (D::RecUnf, Action::List, &filter(Some(true), 10), 0.0),
        (D::RecUnf, Action::List, &filter(None, 10), 0.0),
        (D::RecUnf, Action::List, &filter(Some(false), 1), 0.0),
        (D::NQuery, Action::Search, &none, 1.0),
        (D::NQuery, Action::Export, &none, 0.0),
        (D::Destr, Action::Delete, &none, 10.0),
        (D::Destr, Action::Update, &none, 0.0),
        (D::NUpd, Action::Update, &none, 10.0),
        (D::NUpd, Action::Delete, &none, 0.0),
        (D::Ext, Action::Transfer, &to("x@example.org"), 10.0),
        (D::Ext, Action::Transfer, &to("boris@example.com"), 0.0),
        (D::Ext, Action::Transfer, &to("archive"), 0.0),
        (D::Ext, Action::Transfer, &none, 0.0),
        (D::Ext, Action::Share, &to("x@example.org"), 10.0),
        (D::Ext, Action::Share, &to("boris@example.com"), 1.0),
        (D::Authfail, Action::Login, &failed, 1.0),
        (D::Authfail, Action::Login, &none, 0.0),
        (D::Authfail, Action::View, &failed, 0.0),
    ];
    for (i, (detector, action, change, expected)) in rows.iter().enumerate() {
        let found = x(*detector, *action, *change);
        assert!((found - expected).abs() < 1e-9, "row {i}: {} by {action:?}: {found}, not {expected}", detector.as_str());
    }
}

#[test]
fn leaving_at_night_is_no_work_and_only_an_export_that_succeeds_takes_records_out_at_night() {
    use crate::engine::explain::Detector as D;
    let x = |detector: D, action: Action, outcome: Outcome| {
        let mut told = Told::new(&[]);
        told.row("anna", |u| u.schedule = Some("Mo-Fr 09:00-18:00".to_owned()));
        told.work("anna", 0..12, 30);
        told.event("anna", &day_time(14, 23), action, |e| (e.event.records, e.event.outcome) = (Some(10), outcome));
        told.tenant.last_trace().x[detector as usize]
    };
    let (well, failed) = (Outcome::Success, Outcome::Failure);
    let work = x(D::Offh, Action::View, well);
    assert!(work > 0.0 && x(D::Offh, Action::Logout, well) <= 0.0, "{work}");
    let tried = x(D::Offh, Action::View, failed);
    assert!(tried > 0.0 && tried < work, "what fails shows nothing, but somebody is there: {tried} of {work}");
    assert!(x(D::OffOut, Action::Export, well) > 0.0);
    assert!(x(D::OffOut, Action::Export, failed) <= 0.0 && x(D::OffOut, Action::View, well) <= 0.0);
}

#[test]
#[expect(clippy::type_complexity, reason = "a table")]
fn an_administrators_clean_up_weighs_less_and_nothing_else_does() {
    use crate::event::{Address, Object, ObjectType, Work};
    fn kind(kind: ObjectType) -> Option<Object> {
        Some(Object { kind: Some(kind), ..Object::default() })
    }
    let x = |action: Action, change: &dyn Fn(&mut Enriched)| {
        let mut told = Told::new(&["anna"]);
        told.event("anna", "2026-01-05T10:00:00Z", action, |e| {
            (e.event.records, e.event.object) = (Some(10), kind(ObjectType::Lead));
            (e.enrich.grade, e.enrich.work) = (Some("admin".to_owned()), Some(Work::In));
            change(e);
        });
        told.tenant.last_trace().x[crate::engine::explain::Detector::Destr as usize]
    };
    let rows: &[(Action, &dyn Fn(&mut Enriched), f64)] = &[
        (Action::Delete, &|_| {}, 0.2),
        (Action::Merge, &|_| {}, 0.2),
        (Action::Merge, &|e| e.event.object = kind(ObjectType::Client), 0.2),
        (Action::Merge, &|e| e.enrich.work = None, 0.2),
        (Action::Merge, &|e| e.enrich.work = Some(Work::Rostered), 0.2),
        (Action::Delete, &|e| e.event.object = kind(ObjectType::Client), 10.0),
        (Action::Delete, &|e| e.event.object = kind(ObjectType::Deal), 10.0),
        (Action::Delete, &|e| e.event.object = None, 10.0),
        (Action::Transfer, &|_| {}, 10.0),
        (Action::Merge, &|e| e.enrich.grade = Some("lead".to_owned()), 10.0),
        (Action::Merge, &|e| e.enrich.grade = None, 10.0),
        (Action::Merge, &|e| e.enrich.work = Some(Work::Out), 10.0),
        (Action::Merge, &|e| e.enrich.work = Some(Work::Absent), 10.0),
        (Action::Merge, &|e| e.enrich.work = Some(Work::Holiday), 10.0),
        (Action::Merge, &|e| e.enrich.address = Address::Denied, 10.0),
        (Action::Merge, &|e| e.enrich.notice = true, 10.0),
        (Action::Merge, &|e| e.event.actor.kind = ActorKind::Integration, 10.0),
    ];
    for (i, (action, change, expected)) in rows.iter().enumerate() {
        let found = x(*action, *change);
        assert!((found - expected).abs() < 1e-9, "row {i}: {found}, not {expected}");
    }
    let mut told = Told::new(&["anna"]);
    told.tell(Record::Policy(Policy::reference()));
    told.event("anna", "2026-01-05T10:00:00Z", Action::Merge, |e| {
        (e.event.records, e.enrich.grade) = (Some(10), Some("admin".to_owned()));
    });
    assert!((told.tenant.last_trace().x[crate::engine::explain::Detector::Destr as usize] - 10.0).abs() < 1e-9, "the switch is off");
}

#[test]
fn clients_of_an_hour_are_those_of_that_hour() {
    let mut told = Told::new(&["anna"]);
    for (i, hour) in [9, 9, 9, 10, 10].into_iter().enumerate() {
        told.event("anna", &day_time(0, hour), Action::View, |e| {
            e.enrich.clients = vec![NamedClient { h: client_hash(&i.to_string()), ..NamedClient::default() }];
        });
    }
    let x = told.tenant.last_trace().x;
    let of = |detector: explain::Detector| x[detector as usize];
    assert!((of(explain::Detector::Clients1h) - 3.0).abs() < 1e-9 && (of(explain::Detector::Distinct) - 5.0).abs() < 1e-9, "{x:?}");
}

#[test]
#[expect(clippy::type_complexity, reason = "a table")]
fn what_was_seen_before_is_no_news() {
    use crate::engine::explain::Detector as D;
    let usual = || Place {
        ip: Some("192.0.2.10".to_owned()),
        country: Some("RU".to_owned()),
        asn: Some(1),
        user_agent: Some("Chrome/120".to_owned()),
        device: Some("desk".to_owned()),
        ..Place::default()
    };
    let news = |action: Action, change: &dyn Fn(&mut Place)| {
        let mut told = Told::new(&["anna"]);
        told.event("anna", &day_time(0, 10), Action::View, |e| e.event.client = Some(usual()));
        told.event("anna", &day_time(1, 10), action, |e| {
            let mut place = usual();
            change(&mut place);
            e.event.client = Some(place);
        });
        let x = told.tenant.last_trace().x;
        (x[D::NovCtx as usize], x[D::NovQ as usize])
    };
    let (place, question) = news(Action::View, &|_| {});
    assert!(place <= 0.0 && question <= 0.0, "{place} {question}");
    assert!(news(Action::Export, &|_| {}).1 > 0.0, "an action never done");
    let others: [(&str, &dyn Fn(&mut Place)); 5] = [
        ("network", &|p| p.ip = Some("198.51.100.7".to_owned())),
        ("country", &|p| p.country = Some("NL".to_owned())),
        ("asn", &|p| p.asn = Some(2)),
        ("program", &|p| p.user_agent = Some("Firefox/121".to_owned())),
        ("device", &|p| p.device = Some("laptop".to_owned())),
    ];
    for (name, change) in others {
        assert!(news(Action::View, change).0 > 0.0, "another {name}");
    }
}

#[test]
fn what_is_usual_can_be_read_and_begins_anew_when_it_is_reset() {
    let mut told = Told::new(&["anna", "boris"]);
    for day in 0..21 {
        told.work("anna", day..day + 1, 400);
        told.work("boris", day..day + 1, 20);
    }
    let of = |told: &mut Told, id: &str| told.tenant.profile(id).expect("known");
    let screen = |p: &Profile| p.usual.iter().find(|u| u.detector == "rec_scr").expect("records on screen").clone();
    let before = of(&mut told, "anna");
    let usual = screen(&before);
    assert!(
        before.learned_days > 10.0 && (1000.0..2500.0).contains(&usual.mid) && usual.low < usual.mid && usual.mid < usual.high,
        "{usual:?}"
    );
    assert!(before.hours[9] > 1.0 && before.hours[20] <= 0.0, "Mondays at nine, never at twenty");
    assert!(told.tenant.profile("nobody").is_none());

    let reset = |manager: &str| {
        let (manager, by) = (manager.to_owned(), "root".to_owned());
        Record::Reset(Reset { manager, at: Timestamp::from_millis(0), reason: "the account is another person's".to_owned(), by })
    };
    assert!(told.tell(reset("nobody")).is_empty() && told.tell(reset("anna")).is_empty(), "nothing is told");
    let after = of(&mut told, "anna");
    assert!(after.learned_days <= 0.0 && after.hours.iter().all(|h| *h <= 0.0) && after.known.values().all(|n| *n == 0), "{after:?}");
    assert!(screen(&after).mid < usual.mid, "the peers' is what is left");
    assert_eq!(after.open_days, before.open_days, "what is open stays");
    assert!(of(&mut told, "boris").learned_days > 10.0, "nobody else's");
    let (shared, ids) = (told.tenant.snapshot(), told.tenant.managers());
    let managers = ids.into_iter().map(|id| (id.clone(), told.tenant.manager_snapshot(&id))).collect::<Vec<_>>();
    assert_eq!(Tenant::restore(&shared, managers).expect("its own").profile("anna"), Some(after), "as it is stored");
}

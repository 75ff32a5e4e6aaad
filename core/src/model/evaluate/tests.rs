use super::*;
use crate::{
    directory::{Grade, When},
    event::Date,
};

fn judge(labels: &[Label], versions: &[Version], question: &Question) -> Evaluation {
    evaluate(&Input { labels, versions, meta: &meta(), days: None, users: None }, question)
}

fn close(a: f64, b: f64) {
    assert!((a - b).abs() < 1e-3, "{a} is not {b}");
}

fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).expect(text)
}

fn attack(scenario: &str, strength: Strength, manager: &str, from: &str, to: &str) -> Label {
    let (from, to) = (time(from), time(to));
    Label {
        label: Kind::Attack,
        scenario: scenario.into(),
        controls: vec!["bulk_export".into()],
        strength,
        manager: manager.into(),
        from,
        to,
        event_ids: vec![format!("generic/{manager}-1"), format!("generic/{manager}-2")],
        exposure: 100,
        course: vec![(from, 40), (to, 100)],
        expect: None,
    }
}

fn version(id: &str, version: u32, manager: &str, at: &str, kind: &str) -> Version {
    Version {
        alert_id: id.into(),
        version,
        manager: (!manager.is_empty()).then(|| manager.to_owned()),
        time: time(at),
        opened_at: None,
        kind: kind.into(),
        controls: vec![kind.into()],
        event_ids: vec![format!("generic/{manager}-1")],
        bits: 0,
        contributions: Vec::new(),
    }
}

fn meta() -> Meta {
    Meta { start: Date::parse("2026-01-05").expect("a date"), days: 10, managers: 10, seed: 0, active_managers_by_day: vec![10; 10] }
}

#[test]
fn a_rule_of_a_behavioural_control_is_a_rule() {
    let part = |detector: &str, bits| Part { detector: detector.to_owned(), bits };
    let alert = |id: &str, contributions: Vec<Part>| Version {
        bits: contributions.iter().map(|p| p.bits).sum(),
        contributions,
        ..version(id, 1, id, "2026-01-09T10:00:00Z", "brute_force")
    };
    let alerts = [alert("a", vec![part("authfail", 30), part("rule", 17_000)]), alert("b", vec![part("authfail", 5000), part("rule", 30)])];
    let e = judge(&[], &alerts, &Question { from_day: 0, budget: 1.0 });
    assert_eq!((e.false_rule.alerts, e.false_behavioural.alerts), (1, 1));
}

#[test]
fn detectors_are_compared_at_the_same_cost() {
    let labels = [
        attack("chunked_export", Strength::Strong, "a", "2026-01-08T10:00:00Z", "2026-01-08T12:00:00Z"),
        attack("drip", Strength::Weak, "b", "2026-01-09T10:00:00Z", "2026-01-09T10:00:00Z"),
        attack("leaver_active", Strength::Weak, "c", "2026-01-09T10:00:00Z", "2026-01-09T10:00:00Z"),
    ];
    let of = |id: &str, manager: &str, kind: &str, bits| Version { bits, ..version(id, 1, manager, "2026-01-09T10:00:00Z", kind) };
    let alerts = [
        of("1", "a", "chunked_export", 9000),
        of("2", "b", "drip", 7000),
        of("3", "c", "leaver_active", 10),
        of("4", "d", "off_hours", 8000),
        of("5", "e", "off_hours", 6999),
        // A rule joins the false alert of before, and would have opened it: what behaviour says after that opens nothing.
        Version { bits: 30_000, ..version("4", 2, "d", "2026-01-09T11:00:00Z", "privilege") },
        Version { bits: 9500, ..version("4", 3, "d", "2026-01-09T12:00:00Z", "bulk_export") },
    ];
    // 100 manager-days: one false alert is allowed at a rate of 1, and five are not there.
    let e = judge(&labels, &alerts, &Question { from_day: 0, budget: 1.0 });
    let of_rate: Vec<(f64, u64, u64)> = e.matched.iter().map(|m| (m.point.rate, m.point.bits, m.point.found.found)).collect();
    assert_eq!(of_rate, [(1.0, 7000, 3)]);
    assert_eq!((e.matched[0].by_scenario["drip"].found, e.matched[0].point.by_strength["weak"].found), (1, 2));
    // Below a rate of 1 no false alert at all is allowed: what is told lies above the highest of them.
    let curve: Vec<(f64, u64, u64)> = e.curve.iter().map(|p| (p.rate, p.bits, p.found.found)).collect();
    assert_eq!((curve[0], curve.len(), curve[6]), ((0.1, 8001, 2), 8, (1.0, 7000, 3)));
    let one = [alerts[0].clone(), alerts[3].clone()];
    assert_eq!(judge(&labels, &one, &Question { from_day: 0, budget: 1.0 }).matched, [], "not enough to tell");
}

#[test]
fn judges_hand_made_alerts() {
    let labels = [
        attack("chunked_export", Strength::Strong, "a", "2026-01-08T10:00:00Z", "2026-01-08T12:00:00Z"),
        attack("bulk_export", Strength::Weak, "b", "2026-01-09T10:00:00Z", "2026-01-09T10:00:00Z"),
        attack("drip", Strength::Medium, "c", "2026-01-10T10:00:00Z", "2026-01-12T10:00:00Z"),
        Label { label: Kind::Benign, ..attack("campaign", Strength::Medium, "d", "2026-01-10T00:00:00Z", "2026-01-11T00:00:00Z") },
    ];
    let versions = [
        // Opened before the attack, raised within it: found, not false.
        version("1", 1, "a", "2026-01-08T09:00:00Z", "off_hours"),
        version("1", 2, "a", "2026-01-08T11:00:00Z", "bulk_export"),
        // Within the day of grace, named otherwise.
        version("2", 1, "b", "2026-01-10T09:00:00Z", "off_hours"),
        // A minute too late: false, and the drip is missed.
        version("3", 1, "c", "2026-01-13T10:01:00Z", "drip"),
        // On something honest, and from a rule.
        version("4", 1, "d", "2026-01-10T12:00:00Z", "unrelated_call"),
        version("5", 1, "e", "2026-01-10T12:00:00Z", "address_denied"),
        // Before the days that count.
        version("6", 1, "e", "2026-01-05T12:00:00Z", "drip"),
    ];
    let e = judge(&labels, &versions, &Question { from_day: 2, budget: 1.0 });
    assert_eq!((e.attacks.found, e.attacks.of, e.manager_days, e.alerts, e.right), (2, 3, 80, 5, 2));
    assert_eq!((e.single_exports.found, e.without_single_exports.found, e.without_single_exports.of), (1, 1, 2));
    assert_eq!((e.rightly_named.found, e.rightly_named.of), (1, 2));
    assert_eq!((e.false_behavioural.alerts, e.false_rule.alerts), (2, 1));
    close(e.false_behavioural.per_100.expect("there were days"), 2.5);
    assert_eq!(e.promise, Promise::Kept);
    assert_eq!((e.by_event.found, e.by_event.of), (3, 3));
    // An hour, and 23 hours.
    close(e.delay_hours.expect("two found").median, 12.0);
    close(e.scenarios[1].delay_hours.expect("one found").median, 1.0);
    close(e.scenarios[1].delay_events.expect("one found").median, 1.0);
    close(e.scenarios[1].leaked.expect("one found"), 0.4);
    close(e.leaked_of_all.expect("three"), 2.4 / 3.0);
    assert_eq!(e.gone, Gone { records: 240, of_records: 300, events: 5, of_events: 6 });
    assert_eq!(e.scenarios[2].gone, Gone { records: 100, of_records: 100, events: 2, of_events: 2 }, "missed: all of it");
    assert_eq!(e.false_on_benign["campaign"].found, 1);
    assert_eq!(e.false_by_confounder, [("campaign".to_owned(), 1), ("nothing unusual".to_owned(), 1)].into());
    assert_eq!(e.missed.iter().map(|m| m.manager.as_str()).collect::<Vec<_>>(), ["c"]);
    assert_eq!(e.by_strength["strong"].found, 1);
}

#[test]
fn nothing_gives_nothing() {
    let e = evaluate(
        &Input { labels: &[], versions: &[], meta: &Meta { active_managers_by_day: Vec::new(), ..meta() }, days: None, users: None },
        &Question { from_day: 0, budget: 1.0 },
    );
    assert_eq!((e.attacks.share, e.false_behavioural.per_100, e.promise), (None, None, Promise::Unknown));
    assert_eq!(e.delay_hours, None);
}

#[test]
fn an_address_is_right_when_it_shares_an_event() {
    let l = attack("brute_force", Strength::Weak, "a", "2026-01-08T10:00:00Z", "2026-01-08T12:00:00Z");
    let mut v = version("1", 1, "", "2026-01-08T10:30:00Z", "spraying");
    v.event_ids = vec!["generic/a-2".into()];
    let e = judge(&[l], &[v], &Question { from_day: 0, budget: 1.0 });
    assert_eq!((e.right, e.by_event.found, e.attacks.found), (1, 1, 0));
}

#[test]
fn many_false_alerts_break_the_promise() {
    let versions: Vec<Version> = (0..9).map(|i| version(&format!("{i}"), 1, "z", "2026-01-08T10:30:00Z", "drip")).collect();
    let e = judge(&[], &versions, &Question { from_day: 0, budget: 1.0 });
    assert_eq!((e.promise, e.false_behavioural.alerts), (Promise::Broken, 9));
}

fn benign(scenario: &str, manager: &str, from: &str, to: &str) -> Label {
    Label { label: Kind::Benign, ..attack(scenario, Strength::Medium, manager, from, to) }
}

#[test]
fn every_false_alert_has_one_confounder() {
    let labels = [
        benign("substitute", "a", "2026-01-05T00:00:00Z", "2026-01-12T00:00:00Z"),
        benign("campaign", "a", "2026-01-08T00:00:00Z", "2026-01-09T00:00:00Z"),
        benign("campaign", "b", "2026-01-08T00:00:00Z", "2026-01-09T00:00:00Z"),
    ];
    let versions = [
        version("1", 1, "a", "2026-01-08T10:00:00Z", "drip"),
        version("2", 1, "a", "2026-01-10T10:00:00Z", "drip"),
        version("3", 1, "b", "2026-01-10T10:00:00Z", "drip"),
        // The budget does not judge rules.
        version("4", 1, "b", "2026-01-08T10:00:00Z", "leaver_active"),
    ];
    let e = judge(&labels, &versions, &Question { from_day: 0, budget: 1.0 });
    let expected = [("campaign", 1), ("nothing unusual", 1), ("substitute", 1)].map(|(what, n)| (what.to_owned(), n));
    assert_eq!(e.false_by_confounder, expected.into());
    assert_eq!(e.false_by_confounder.values().sum::<u64>(), e.false_behavioural.alerts);
}

fn day(manager: &str, date: Date, s: &[f64]) -> Day {
    Day { manager: manager.into(), date, integration: manager == "robot", s: s.to_vec() }
}

fn days(rows: Vec<Day>) -> Days {
    Days { tenant: "default".into(), detectors: vec!["rec_out".into(), "rule".into()], rows }
}

#[test]
fn detectors_are_held_to_what_they_say() {
    let start = meta().start;
    let later = |n: i32| Date(start.0 + n);
    // A hundred quiet days from the 29th date on, ten of which say "once in a hundred"; what does not count says it every day.
    let mut rows: Vec<Day> = (28..128).map(|n| day("a", later(n), &[if n % 10 == 0 { 4.7 } else { 1.0 }, 9.0])).collect();
    rows.extend((0..28).map(|n| day("a", later(n), &[9.0, 9.0])));
    rows.extend((0..128).map(|n| day("robot", later(n), &[9.0, 9.0])));
    // The theft is in UTC: the local dates beside it may be its own.
    rows.extend((39..42).map(|n| day("b", later(n), &[9.0, 9.0])));
    let labels = [attack("drip", Strength::Weak, "b", "2026-02-14T10:00:00Z", "2026-02-14T10:00:00Z")];
    let days = days(rows);
    let input = Input { labels: &labels, versions: &[], meta: &meta(), days: Some(&days), users: None };
    let e = evaluate(&input, &Question { from_day: 0, budget: 1.0 });
    assert_eq!(e.fairness, None);
    let c = e.calibration.expect("days are given");
    assert_eq!((c.from, c.manager_days, c.detectors.len()), (later(28), 100, 1), "rules are not judged");
    let levels: Vec<(u32, u64, bool)> = c.detectors[0].levels.iter().map(|l| (l.one_in, l.observed.found, l.is_loud())).collect();
    assert_eq!(levels, [(20, 10, true), (100, 10, true), (500, 0, false)]);
    close(c.detectors[0].levels[1].ratio.expect("there are days"), 10.0);
    close(c.detectors[0].levels[1].low, 5.523);
    let e = evaluate(&input, &Question { from_day: 500, budget: 1.0 });
    let c = e.calibration.expect("days are given");
    assert_eq!((c.manager_days, c.detectors[0].levels[0].ratio, c.detectors[0].levels[0].is_loud()), (0, None, false));
}

/// Ten people of twenty days each, all in `sales` but `m9` of `desk`.
fn people(of: impl Fn(&str) -> User) -> (Days, Table<User>) {
    let ids: Vec<String> = (0..10).map(|n| format!("m{n}")).collect();
    let start = meta().start;
    let rows = ids.iter().flat_map(|id| (0..20).map(|n| day(id, Date(start.0 + n), &[0.0, 0.0]))).collect();
    let row = |id: &String| User { id: id.clone(), role: Some(if id == "m9" { "desk" } else { "sales" }.into()), ..of(id) };
    (days(rows), ids.iter().map(row).collect())
}

/// A false alert per manager named, on one day after the other.
fn told(managers: &str) -> Vec<Version> {
    let of = |(n, id): (usize, &str)| version(&n.to_string(), 1, id, &format!("2026-01-{:02}T10:00:00Z", 5 + n % 18), "drip");
    managers.split_whitespace().enumerate().map(of).collect()
}

fn fair(days: &Days, users: &Table<User>, versions: &[Version]) -> Fairness {
    let input = Input { labels: &[], versions, meta: &meta(), days: Some(days), users: Some(users) };
    evaluate(&input, &Question { from_day: 0, budget: 1.0 }).fairness.expect("days and users are given")
}

#[test]
fn a_group_that_carries_too_much_is_named() {
    let (days, users) = people(|_| User::default());
    for (managers, ratio, warned) in [
        // A tenth of the days: seven of twelve, five of twelve, four of five (too few to say), two of twenty.
        ("m9 m9 m9 m9 m9 m9 m9 m0 m1 m2 m3 m4", 70.0 / 12.0, true),
        ("m9 m9 m9 m9 m9 m0 m1 m2 m3 m4 m5 m6", 50.0 / 12.0, true),
        ("m9 m9 m9 m9 m0", 8.0, false),
        ("m9 m9 m0 m1 m2 m3 m4 m5 m6 m7 m8 m0 m1 m2 m3 m4 m5 m6 m7 m8", 1.0, false),
        // More than twice, but so it would be one time in sixteen: five of twenty-two.
        ("m9 m9 m9 m9 m9 m0 m1 m2 m3 m4 m5 m6 m7 m8 m0 m1 m2 m3 m4 m5 m6 m7", 50.0 / 22.0, false),
    ] {
        let f = fair(&days, &users, &told(managers));
        let desk = f.groups.iter().find(|g| g.group == "desk").expect("there is a desk");
        close(desk.share_of_days, 0.1);
        close(desk.ratio.expect("there are alerts"), ratio);
        assert_eq!((desk.warned, desk.managers, desk.told_of), (warned, 1, 1), "{managers}: p = {}", desk.p);
        assert_eq!(f.groups.iter().filter(|g| g.warned).count(), usize::from(warned), "the others carry less");
    }
}

#[test]
fn groups_are_of_whom_is_known() {
    let (days, users) = people(|id| match id {
        "m0" => User {
            grade: Some(Grade::Junior),
            schedule: Some("Mo-We 09:00-18:00".into()),
            hired_at: Some(When::Day(Date(meta().start.0 - 20))),
            time_zone: Some("Asia/Vladivostok".into()),
            team: Some("east".into()),
            ..User::default()
        },
        "m1" => User { schedule: Some("Mo-Fr 10:00-16:00".into()), ..User::default() },
        "m2" => User { schedule: Some("by arrangement".into()), ..User::default() },
        _ => User::default(),
    });
    // A day of m0 begins at 05:00 in Vladivostok, 19:00 UTC of the day before: the alert is of the 15th, the first settled day.
    let mut versions = told("m1 robot nobody");
    versions.push(version("x", 1, "m0", "2026-01-14T19:30:00Z", "drip"));
    let f = fair(&days, &users, &versions);
    assert_eq!((f.manager_days, f.false_alerts, f.elsewhere), (200, 2, 2));
    let found: Vec<(&str, &str, u64, u64)> =
        f.groups.iter().map(|g| (g.by.as_str(), g.group.as_str(), g.manager_days, g.false_alerts.alerts)).collect();
    assert_eq!(
        found,
        [
            ("role", "desk", 20, 0),
            ("role", "sales", 180, 2),
            ("grade", "junior", 20, 1),
            ("team", "east", 20, 1),
            ("zone", "Asia/Vladivostok", 20, 1),
            ("hours", "full time", 20, 1),
            ("hours", "part time", 20, 1),
            // Ten days of the first thirty, then settled; of the others nobody knows, as their past may be longer than the log.
            ("tenure", "newcomer", 10, 0),
            ("tenure", "settled", 10, 1),
        ]
    );
}

#[test]
fn who_comes_later_than_all_others_is_new() {
    let start = meta().start;
    let of = |id: &str, from: i32| (from..from + 40).map(|n| day(id, Date(start.0 + n), &[0.0, 0.0])).collect::<Vec<_>>();
    let users: Table<User> = ["old", "new"].map(|id| User { id: id.into(), ..User::default() }).into_iter().collect();
    let f = fair(&days([of("old", 0), of("new", 30)].concat()), &users, &[]);
    let found: Vec<(&str, u64, Option<f64>)> = f.groups.iter().map(|g| (g.group.as_str(), g.manager_days, g.ratio)).collect();
    assert_eq!(found, [("newcomer", 30, None), ("settled", 20, None)]);
}

use proptest::prelude::*;

use super::*;
use crate::{
    directory::{Directory, User, Zone, enrich},
    event::{Event, Timestamp, Work},
};

fn at(text: &str, local: &str, calendar: &Calendar) -> Option<Shift> {
    Schedule::parse(text).0.at(Timestamp::parse(&format!("{local}:00Z")).expect(local).millis(), calendar)
}

fn shift(text: &str, local: &str) -> Option<Shift> {
    at(text, local, &Calendar::default())
}

#[test]
fn tells_shifts_by_the_minute() {
    let text = "Mo-Fr 09:00-17:30; PH,Sa 10:00-14:00; Su 20:00-05:00";
    for (local, expected) in [
        ("2026-01-12T08:59", Shift::Out),
        ("2026-01-12T09:00", Shift::Working),
        ("2026-01-12T17:29", Shift::Working),
        ("2026-01-12T17:30", Shift::Out),
        ("2026-01-17T13:59", Shift::Working),
        ("2026-01-18T13:00", Shift::Out),
        ("2026-01-18T20:00", Shift::Rostered),
        ("2026-01-19T04:59", Shift::Rostered),
        ("2026-01-19T05:00", Shift::Out),
    ] {
        assert_eq!(shift(text, local), Some(expected), "{local}");
    }
    assert_eq!(shift("", "2026-01-12T12:00"), None);
    assert_eq!(shift("by arrangement", "2026-01-12T12:00"), None);
}

#[test]
fn understands_lists_off_and_always() {
    let text = "Mo-We, Th-Su 09:00-13:00, 14:00-18:00; Sa-Su off; PH off";
    assert_eq!(Schedule::parse(text).1, Vec::<String>::new());
    assert_eq!(shift(text, "2026-01-12T12:59"), Some(Shift::Working));
    assert_eq!(shift(text, "2026-01-12T13:00"), Some(Shift::Out));
    assert_eq!(shift(text, "2026-01-12T14:00"), Some(Shift::Working));
    assert_eq!(shift(text, "2026-01-17T12:00"), Some(Shift::Out));
    assert_eq!(shift("24/7", "2026-01-18T03:00"), Some(Shift::Working));
    assert_eq!((prior("Mo-Fr 9-18"), prior("Mo-Fr 9:00-18:00")), (prior("Mo-Fr 09:00-18:00"), prior("Mo-Fr 09:00-18:00")));
    assert_eq!(shift("Fr-Mo 09:00-18:00", "2026-01-18T10:00"), Some(Shift::Working), "over the end of the week");
    assert_eq!(
        Schedule::parse("Mo 09:00-18:00; when it rains; sunrise-sunset; Tu; We \"as agreed; maybe\"; Th 10:00+").1,
        ["when it rains", "sunrise-sunset", "Tu", "We \"as agreed; maybe\"", "Th 10:00+"]
    );
}

#[test]
fn a_week_has_hours() {
    for (text, hours) in [
        ("Mo-We 09:00-18:00", 27.0),
        ("Mo-Fr 10:00-16:00", 30.0),
        ("Mo-Fr 09:00-13:00,14:00-18:00; Fr off", 32.0),
        ("Mo 09:00-12:00; Mo 10:00-13:00; Su 20:00-05:00", 13.0),
        ("24/7", 168.0),
        ("by arrangement", 0.0),
    ] {
        let found = Schedule::parse(text).0.week_hours();
        assert!((found - hours).abs() < 1e-9, "{text}: {found}");
    }
}

/// Greatest and least probability and a digest of all 168, as `schedule_prior` of the executable reference gives them
/// (CPython 3.11): `x ^= rotate_left(bits(p[i]), i % 64)`.
#[test]
fn prior_equals_the_reference_to_the_bit() {
    for (text, greatest, least, digest) in [
        ("", 0.005952380952380953, 0.005952380952380953, 0x35aa_2868_dfff_ffff_u64),
        ("Mo-Fr 09:00-18:00", 0.021982834121562447, 8.758101243650377e-05, 0x6a74_7617_aa5b_703d),
        ("Mo-Fr 09:00-17:30; Sa 10:00-14:00; PH,Mo-Fr 20:00-05:00", 0.01648008929450773, 6.565772627293917e-05, 0xde53_f4eb_3851_d39f),
        ("Fr-Mo 22:15-06:45", 0.026261373035566582, 0.00041356492969396195, 0x3cf2_80ea_43ae_9e28),
        ("00:00-24:00", 0.005952380952380953, 0.005952380952380953, 0x35aa_2868_dfff_ffff),
        ("Su 22:00-26:00; PH 10:00-12:00", 0.21489726027397263, 0.0008561643835616439, 0x908e_8ba0_7cb3_59ac),
        ("Tu,Th-Sa 08:30-08:30", 0.010090576831399968, 0.0001589067217543302, 0xbd43_babf_1cf3_ec07),
        ("nonsense; Mo 09:00-10:00", 0.6004784688995216, 0.002392344497607656, 0x1c57_ae78_8d88_2739),
    ] {
        let p = prior(text);
        let found = p.iter().zip(0_u32..).fold(0, |x, (v, i)| x ^ v.to_bits().rotate_left(i % 64));
        let range = (p.iter().copied().fold(0.0, f64::max).to_bits(), p.iter().copied().fold(1.0, f64::min).to_bits());
        assert_eq!((range, found), ((f64::to_bits(greatest), f64::to_bits(least)), digest), "{text:?}");
    }
}

fn ru() -> Calendar {
    Calendar::load("ru").expect("built in")
}

#[test]
fn a_later_rule_takes_the_place_of_hours_by_day_or_of_nights() {
    let text = "Mo-Fr 09:00-18:00; Fr 09:00-16:00; Mo-Th 20:00-05:00; Th 10:00-15:00,16:00-17:00";
    for (local, expected) in [
        ("2026-01-15T09:30", Shift::Out),
        ("2026-01-15T16:30", Shift::Working),
        ("2026-01-15T23:00", Shift::Rostered),
        ("2026-01-16T04:59", Shift::Rostered),
        ("2026-01-16T15:59", Shift::Working),
        ("2026-01-16T17:00", Shift::Out),
        ("2026-01-16T23:00", Shift::Out),
    ] {
        assert_eq!(shift(text, local), Some(expected), "{local}");
    }
    for (text, overruled) in [
        (text, false),
        ("Mo-Fr 09:00-13:00; Mo-Fr 14:00-18:00", true),
        ("Mo-Fr 09:00-13:00, Mo-Fr 14:00-18:00", false),
        ("Mo-Fr 09:00-18:00; Mo-Fr 20:00-05:00", false),
        ("PH,Mo-Fr 09:00-18:00; Mo-Fr 10:00-17:00", false),
        ("Mo-Fr 09:00-18:00; Jul Mo-Fr 10:00-17:00", false),
    ] {
        assert_eq!(Schedule::parse(text).0.is_overruled(), overruled, "{text}");
    }
}

#[test]
fn knows_dates_seasons_weeks_gaps_and_comments() {
    let text = "Apr-Sep Mo-Fr 08:00-17:00; Oct-Mar Mo-Fr 09:00-18:00; Mo-Fr 13:00-14:00 off \"lunch; or a walk\"; \
                2026 Jul 06-19 off; week 02-52/2 Sa 10:00-14:00; Dec 31 09:00-13:00; SH Su 09:00-10:00";
    assert_eq!(Schedule::parse(text).1, Vec::<String>::new());
    for (local, expected) in [
        ("2026-01-15T08:30", Shift::Out),
        ("2026-01-15T17:30", Shift::Working),
        ("2026-06-15T08:30", Shift::Working),
        ("2026-06-15T13:30", Shift::Out),
        ("2026-07-15T10:00", Shift::Out),
        ("2027-07-15T10:00", Shift::Working),
        // 10 January 2026 is the Saturday of week 2.
        ("2026-01-10T11:00", Shift::Working),
        ("2026-01-17T11:00", Shift::Out),
        ("2026-12-31T12:00", Shift::Working),
        ("2026-12-31T17:00", Shift::Out),
    ] {
        assert_eq!(shift(text, local), Some(expected), "{local}");
    }
    assert_eq!(shift("Mo-Fr 09:00 \u{2013} 18:00 \"by phone\"", "2026-01-15T10:00"), Some(Shift::Working));
    assert_eq!(shift("We-Th 22:00-26:00", "2026-01-16T01:59"), Some(Shift::Working), "written on, it is a late evening and no roster");
}

#[test]
fn holidays_and_moved_days_of_russia() {
    let plain = "Mo-Fr 09:00-18:00; Mo-Th 20:00-05:00";
    for (text, local, expected) in [
        // Saturday 2 November 2024 was worked for 30 April, as a Friday and an hour shorter.
        (plain, "2024-11-02T16:59", Shift::Working),
        (plain, "2024-11-02T17:00", Shift::Out),
        (plain, "2024-11-02T21:00", Shift::Out),
        ("Mo-Th 09:00-18:00; Fr 09:00-16:45", "2024-11-02T15:50", Shift::Out),
        ("Mo-Th 09:00-18:00; Sa 10:00-14:00", "2024-11-02T11:00", Shift::Out),
        (plain, "2024-11-03T11:00", Shift::Out),
        (plain, "2024-11-04T11:00", Shift::Holiday),
        (plain, "2024-04-30T11:00", Shift::Holiday),
        (plain, "2024-04-27T17:30", Shift::Working),
        (plain, "2026-03-09T11:00", Shift::Holiday),
        // The night of the day before belongs to that day; the night that would begin on the holiday is none.
        (plain, "2025-12-31T04:00", Shift::Rostered),
        (plain, "2025-12-31T21:00", Shift::Holiday),
        (plain, "2026-01-09T03:00", Shift::Holiday),
        (plain, "2026-01-12T03:00", Shift::Out),
        // 11 June 2026 is short: its night stays as it is.
        (plain, "2026-06-11T17:00", Shift::Out),
        (plain, "2026-06-11T20:00", Shift::Rostered),
        ("Mo-Fr 09:00-18:00; PH 10:00-14:00", "2026-02-23T11:00", Shift::Working),
        ("Mo-Fr 09:00-18:00; PH 10:00-14:00", "2026-02-23T15:00", Shift::Out),
        ("Mo-Su,PH 09:00-21:00", "2026-02-23T20:00", Shift::Working),
        ("Mo-Fr 09:00-18:00; PH off", "2026-02-23T11:00", Shift::Holiday),
        ("24/7", "2026-02-23T11:00", Shift::Holiday),
        ("24/7; PH 00:00-24:00", "2026-02-23T11:00", Shift::Working),
        ("Mo-Fr 09:00-18:00; PH -1 day 09:00-12:00", "2026-11-03T13:00", Shift::Out),
        ("Mo-Fr 09:00-18:00; PH -1 day 09:00-12:00", "2026-05-01T10:00", Shift::Holiday),
    ] {
        assert_eq!(at(text, local, &ru()), Some(expected), "{text} at {local}");
    }
    assert_eq!(shift(plain, "2024-11-04T11:00"), Some(Shift::Working), "without a calendar there are no holidays");
}

/// What the log says of an event of a person with this zone and schedule.
fn work(zone: &str, schedule: &str, calendar: &Calendar, time: &str) -> Option<Work> {
    let mut directory = Directory::default();
    directory.set_calendar(calendar.clone());
    let (id, schedule) = ("anna".to_owned(), Some(schedule.to_owned()));
    directory.insert_user(User { id, time_zone: Some(zone.to_owned()), schedule, ..User::default() }).expect("taken");
    let event = serde_json::json!({ "id": "1", "source": "generic", "time": time, "actor": { "id": "anna" }, "action": "view" });
    let event: Event = serde_json::from_value(event).expect("an event");
    enrich(&directory, &event, "UTC", "").work
}

#[test]
fn hours_are_the_wall_clocks_of_the_zone_of_that_time() {
    let none = Calendar::default();
    let check = |zone: &str, schedule: &str, time: &str, expected: Work| {
        assert_eq!(work(zone, schedule, &none, time), Some(expected), "{schedule} in {zone} at {time}");
    };
    // A rostered night of ten hours by the clock: nine pass in spring, eleven in autumn.
    let night = "Sa 20:00-06:00";
    check("Europe/Berlin", night, "2026-03-28T18:59:59Z", Work::Out);
    check("Europe/Berlin", night, "2026-03-28T19:00:00Z", Work::Rostered);
    check("Europe/Berlin", night, "2026-03-29T03:59:59Z", Work::Rostered);
    check("Europe/Berlin", night, "2026-03-29T04:00:00Z", Work::Out);
    check("Europe/Berlin", night, "2026-10-24T18:00:00Z", Work::Rostered);
    check("Europe/Berlin", night, "2026-10-25T00:30:00Z", Work::Rostered);
    check("Europe/Berlin", night, "2026-10-25T01:30:00Z", Work::Rostered);
    check("Europe/Berlin", night, "2026-10-25T04:59:59Z", Work::Rostered);
    check("Europe/Berlin", night, "2026-10-25T05:00:00Z", Work::Out);
    // Moscow was four hours ahead until 26 October 2014 and is three since.
    check("Europe/Moscow", "Mo-Fr 09:00-18:00", "2014-10-24T05:00:00Z", Work::In);
    check("Europe/Moscow", "Mo-Fr 09:00-18:00", "2014-10-27T05:00:00Z", Work::Out);
    check("Europe/Moscow", "Mo-Fr 09:00-18:00", "2014-10-27T06:00:00Z", Work::In);
    // Sao Paulo had summer time until February 2019 and none since.
    check("America/Sao_Paulo", "Mo-Fr 09:00-18:00", "2019-01-15T11:00:00Z", Work::In);
    check("America/Sao_Paulo", "Mo-Fr 09:00-18:00", "2020-01-15T11:00:00Z", Work::Out);
    check("America/Sao_Paulo", "Mo-Fr 09:00-18:00", "2020-01-15T12:00:00Z", Work::In);
    // Its midnight of 4 November 2018 was skipped: the night goes on at one o'clock.
    check("America/Sao_Paulo", night, "2018-11-04T03:00:00Z", Work::Rostered);
}

#[test]
fn the_log_says_holiday() {
    let said = |schedule: &str, time: &str| work("Asia/Vladivostok", schedule, &ru(), time);
    assert_eq!(said("Mo-Fr 09:00-18:00", "2026-02-23T01:00:00Z"), Some(Work::Holiday));
    // The holiday is the zone's: it begins and ends at Vladivostok's midnight.
    assert_eq!(said("Mo-Fr 09:00-18:00", "2026-02-22T13:59:59Z"), Some(Work::Out));
    assert_eq!(said("Mo-Fr 09:00-18:00", "2026-02-22T14:00:00Z"), Some(Work::Holiday));
    assert_eq!(said("Mo-Fr 09:00-18:00", "2026-02-23T14:00:00Z"), Some(Work::Out));
    assert_eq!(said("when it rains", "2026-02-23T01:00:00Z"), None);
}

#[test]
fn another_calendar_forgets_the_days_of_the_one_before() {
    let mut directory = Directory::default();
    directory.insert_user(User { id: "a".to_owned(), schedule: Some("Mo-Fr 09:00-18:00".to_owned()), ..User::default() }).expect("taken");
    let monday = Timestamp::parse("2026-02-23T12:00:00Z").expect("a time").millis();
    assert_eq!(directory.shift("Mo-Fr 09:00-18:00", monday), Some(Shift::Working));
    let before = directory.clone();
    directory.set_calendar(ru());
    assert_eq!(directory.shift("Mo-Fr 09:00-18:00", monday), Some(Shift::Holiday));
    assert_eq!(before.shift("Mo-Fr 09:00-18:00", monday), Some(Shift::Working));
}

#[test]
fn the_examples_of_the_docs_are_understood() {
    let text = include_str!("../../../../docs/working-time.md");
    let rows: Vec<&str> = text.lines().skip_while(|l| !l.starts_with("| schedule")).skip(2).take_while(|l| l.starts_with('|')).collect();
    assert!(rows.len() > 10);
    for row in rows {
        let example = row.split('`').nth(1).expect(row);
        let (schedule, unknown) = Schedule::parse(example);
        assert!(unknown.is_empty() && !schedule.is_empty() && !schedule.is_overruled(), "{example}: {unknown:?}");
    }
    let csv = text.split("```csv\n").nth(1).and_then(|t| t.split("```").next()).expect("an example");
    assert_ne!(Calendar::parse(csv).expect("right"), Calendar::default());
}

/// Words of the syntax and words that are none, put together by chance.
fn shuffled() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "Mo",
        "Fr",
        "Sa-Mo",
        "Tu,Th",
        "PH",
        "SH",
        "PH -1 day",
        "PH +2 days",
        "Mo[1]",
        "Fr[-1]",
        "We[2] +3 days",
        "09:00-18:00",
        "9-18",
        "20:00-05:00",
        "00:00-24:00",
        "23:59-48:00",
        "13:00-14:00,15:00-16:00",
        "10:00+",
        "10:00-12:00/30",
        "sunrise-sunset",
        "off",
        "closed",
        "open",
        "unknown",
        "24/7",
        "Jan",
        "Feb 29",
        "Dec 24-Jan 06",
        "easter -2 days",
        "Feb 29-Mar 01",
        "Apr-Sep",
        "2026",
        "2024-2030/2",
        "9999 Dec 31",
        "1900 Jan 01",
        "week 01-53/2",
        "week 53",
        "\"said\"",
        "\"",
        ";",
        ",",
        ", ",
        " || ",
        "-",
        ":",
        "+",
        "[",
        "\u{2013}",
        "д",
    ]);
    (prop::collection::vec((word, any::<bool>()), 0..12))
        .prop_map(|words| words.iter().map(|(w, space)| format!("{w}{}", if *space { " " } else { "" })).collect())
}

/// Rules of hours by day that the grammar knows.
fn by_day() -> impl Strategy<Value = String> {
    let days = prop::sample::select(vec![
        "",
        "Mo-Fr ",
        "Sa ",
        "Tu,Th-Su ",
        "Fr-Mo ",
        "Apr-Sep ",
        "Dec 20-Jan 10 Mo-Sa ",
        "week 02-52/2 ",
        "Mo[1] ",
        "2026 ",
    ]);
    let hours = (0..23_u8, 1..4_u8, 0..59_u8).prop_map(|(h, n, m)| format!("{h:02}:{m:02}-{:02}:00", (h + n).min(24)));
    let what = prop::sample::select(vec!["", "", "", " off"]);
    let rule = (days, hours, what).prop_map(|(days, hours, what)| format!("{days}{hours}{what}"));
    let joined = (prop::sample::select(vec!["; ", ", Mo-We "]), rule.clone());
    (rule, prop::collection::vec(joined, 0..3)).prop_map(|(first, more)| {
        more.into_iter().fold(first, |text, (with, rule)| {
            let hours = rule.rsplit_once(' ').map_or(rule.as_str(), |(_, hours)| hours);
            if with == "; " || hours == "off" { format!("{text}; {rule}") } else { format!("{text}{with}{hours}") }
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn no_text_and_no_time_panics(text in prop_oneof![any::<String>(), shuffled()], times in prop::collection::vec(Timestamp::MIN.millis()..Timestamp::MAX.millis(), 4)) {
        let (schedule, unknown) = Schedule::parse(&text);
        prop_assert!(text.trim().is_empty() || !schedule.rules.is_empty() || !unknown.is_empty() || text.trim_matches([' ', ';']).is_empty());
        let edges = ["1899-12-31", "1900-01-01", "2024-02-29", "2026-01-01", "9999-12-31"].map(|d| Date::parse(d).expect(d).midnight_utc().millis());
        for t in times.into_iter().chain(edges) {
            prop_assert_eq!(schedule.at(t, &ru()).is_none(), schedule.is_empty());
        }
        prop_assert!((schedule.prior().iter().sum::<f64>() - 1.0).abs() < 1e-12);
        prop_assert!((0.0..=168.0).contains(&schedule.week_hours()));
    }

    /// Our way of putting rules together is the standard's where there are neither nights nor holidays.
    #[test]
    fn hours_by_day_are_those_of_the_library(text in by_day(), days in prop::collection::vec(19_000_i32..22_000, 8), minute in 0..DAY_MIN) {
        let (schedule, unknown) = Schedule::parse(&text);
        prop_assert_eq!(unknown, Vec::<String>::new());
        for day in days {
            let ours = schedule.at((i64::from(day) * 1440 + i64::from(minute)) * 60_000, &Calendar::default());
            prop_assert_eq!(ours.is_some_and(|s| s == Shift::Working), osm::open(&text, Date(day), minute), "{} {}", text, Date(day));
        }
    }

    #[test]
    fn remembered_days_are_the_computed_ones(text in prop_oneof![by_day(), shuffled()], days in prop::collection::vec((20_440_i32..20_480, 0..DAY_MIN), 60)) {
        let (schedule, timetable, ru) = (Schedule::parse(&text).0, Timetable::new(&text), ru());
        for (day, minute) in days {
            let local = (i64::from(day) * 1440 + i64::from(minute)) * 60_000;
            prop_assert_eq!(timetable.at(local, &ru), schedule.at(local, &ru));
        }
    }

    /// The engine cuts days at 05:00: that hour exists once on every date, and what is rostered does not hang on it.
    #[test]
    fn five_in_the_morning_cuts_every_date(zone in prop::sample::select(vec!["Europe/Moscow", "Europe/Berlin", "America/Sao_Paulo", "America/New_York", "Asia/Tehran", "Australia/Lord_Howe", "Africa/Cairo", "Asia/Kathmandu"]), day in 14_610_i32..22_000) {
        let zone = Zone::get(zone).expect("there is one");
        let (cut, next) = (zone.instant(Date(day), 5, 0), zone.instant(Date(day + 1), 5, 0));
        prop_assert_eq!((zone.date(cut), zone.clock(cut)), (Date(day), (5, 0)));
        let hours = (next.millis() - cut.millis()) as f64 / 3.6e6;
        prop_assert!((22.9..=25.1).contains(&hours), "{} h", hours);
        let schedule = Schedule::parse("Mo-Su 20:00-06:00").0;
        for (t, expected) in [(cut, Shift::Rostered), (cut.plus(3_599_999), Shift::Rostered), (cut.plus(3_600_000), Shift::Out)] {
            prop_assert_eq!(schedule.at(zone.local_ms(t), &Calendar::default()), Some(expected));
        }
    }
}

//! Golden sentences, and properties of all others.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::{directory::Zone, engine::control, event::Timestamp};

fn finding(detector: Detector, observed: f64) -> Finding {
    let family = match detector {
        Detector::Unrel | Detector::Ucall | Detector::UnrelShare => Family::Relation,
        Detector::Destr | Detector::NUpd | Detector::Ext => Family::Destruct,
        Detector::Offh | Detector::OffOut => Family::Time,
        Detector::NovCtx => Family::Novelty,
        Detector::NovQ => Family::Content,
        Detector::Authfail | Detector::TwoPlaces => Family::Auth,
        Detector::CRec | Detector::CUnrel | Detector::CDistinct | Detector::COut => Family::Drip,
        Detector::Rule => Family::Rule,
        _ => Family::Volume,
    };
    let control = crate::engine::control::of(detector).map_or("leaver_active", |c| c.id);
    let usual =
        (!matches!(family, Family::Drip | Family::Rule)).then_some(Usual { mid: 95.2, low: 40.4, high: 230.3, role: 119.7, share: 0.71 });
    Finding { detector, family, control: control.to_owned(), s: 7.3, bits: 7_400, observed, usual, discount: 0.0 }
}

fn facts() -> Facts {
    let new = |attribute, value: &str, rate| NewValue { attribute, value: value.to_owned(), rate };
    Facts {
        zone: Zone::get("Europe/Moscow").expect("there is one"),
        local: (2, 14),
        hour_share: 0.002,
        records_out: 3640,
        records_screen: 420,
        clients: 45,
        clients_related: 33,
        reasons: [20, 9, 1, 2, 1],
        unrelated_key: 3,
        team_unrelated: Some(0.8),
        team_share: Some(0.12),
        new_values: vec![
            new(Attribute::Country, "NL", 0.004),
            new(Attribute::Network, "198.51.100.0/24", 0.03),
            new(Attribute::Agent, "Mozilla/ (Windows NT)", 0.02),
            new(Attribute::Action, "export/bulk_api", 0.012),
            new(Attribute::Fingerprint, "9f3a", 0.2),
            new(Attribute::Fingerprint, "77c1", 0.2),
        ],
        quarter: Some((412, 3921)),
        drift_days: [9, 1, 22, 4],
        drift: [8.21, 3.0, 4.5, 5.3],
        baseline_days: 42.3,
        budget: 1.0,
        ..Facts::default()
    }
}

/// One line per language; the no-break spaces as plain ones, so that the golden file can be read and written by hand.
fn lines(out: &mut String, text: &Text) {
    writeln!(out, "  {}\n  {}", text.en, text.ru).expect("in memory");
}

fn readable(text: &str) -> String {
    text.replace(['\u{202f}', '\u{a0}'], " ")
}

#[test]
fn each_detector_has_its_sentence() {
    let mut out = String::new();
    for detector in Detector::ALL {
        writeln!(out, "{}", detector.as_str()).expect("in memory");
        let observed = match detector {
            Detector::Unrel | Detector::Ucall | Detector::Ext => 9.5,
            Detector::UnrelShare => 0.62,
            _ => 3640.0,
        };
        let found = finding(*detector, observed);
        let share = Some(Usual { mid: 0.31, low: 0.31, high: 0.31, role: 0.28, share: 1.0 });
        let usual = if *detector == Detector::UnrelShare { share } else { found.usual };
        lines(&mut out, &sentence(&Finding { usual, ..found }, &facts()));
    }
    insta::assert_snapshot!("sentences", readable(&out));
}

#[test]
fn a_share_says_what_it_is_a_share_of() {
    let share = Finding { usual: None, ..finding(Detector::UnrelShare, 0.3) };
    let said = |few_clients| sentence(&share, &Facts { few_clients, ..facts() });
    assert!(said(false).en.starts_with("Of the clients touched today, 30") && said(false).ru.starts_with("Среди затронутых сегодня"));
    assert!(
        said(true).en.starts_with("Measured against the clients of a usual day, 30") && said(true).ru.starts_with("От обычного за день")
    );
}

#[test]
fn what_was_tidied_up_is_said_with_its_weight() {
    let mut out = String::new();
    lines(&mut out, &sentence(&finding(Detector::Destr, 41.5), &Facts { tidied: 1415, tidied_as_one: 50.0, ..facts() }));
    insta::assert_snapshot!("tidied", readable(&out));
}

#[test]
fn nouns_agree_with_every_count() {
    let mut out = String::new();
    for detector in Detector::ALL.iter().filter(|d| !matches!(d, Detector::Rule | Detector::NovCtx | Detector::NovQ | Detector::UnrelShare))
    {
        writeln!(out, "{}", detector.as_str()).expect("in memory");
        for n in [0_u16, 1, 2, 5, 11, 21, 111] {
            let facts = Facts {
                clients: 30 + u64::from(n),
                clients_related: 30,
                unrelated_key: u64::from(n),
                records_out: u64::from(n),
                drift_days: [n; 4],
                baseline_days: f64::from(n),
                ..facts()
            };
            lines(&mut out, &sentence(&Finding { usual: None, ..finding(*detector, f64::from(n)) }, &facts));
        }
        let fraction = Finding { usual: None, ..finding(*detector, 1.5) };
        lines(&mut out, &sentence(&fraction, &Facts { drift: [1.5; 4], ..facts() }));
    }
    insta::assert_snapshot!("counts", readable(&out));
}

#[test]
fn what_is_usual_reads_well_at_the_edges() {
    let mut out = String::new();
    let usual = |mid, low, high, role, share| Some(Usual { mid, low, high, role, share });
    for (what, usual, days) in [
        ("nothing usual", usual(0.0, -0.4, 0.03, 0.0, 0.0), 42.0),
        ("less than one", usual(0.31, -0.2, 1.4, 0.44, 0.04), 42.0),
        ("a narrow range", usual(1.0, 0.98, 1.02, 2.0, 0.9), 10.0),
        ("no own days", usual(6.389, 0.1, 130.7, 6.389, 0.1), 0.0),
        ("few own days", usual(6.389, 0.1, 130.7, 6.389, 0.5), 3.4),
        ("one own day", usual(12_345.6, 1_234.5, 123_456.7, 999.9, 0.5), 1.0),
    ] {
        writeln!(out, "{what}").expect("in memory");
        lines(&mut out, &sentence(&Finding { usual, ..finding(Detector::RecOut, 1.0) }, &Facts { baseline_days: days, ..facts() }));
    }
    for (what, s) in [("not rare", 0.2), ("once in two", 0.6), ("once in 21", 3.05), ("beyond knowing", 22.0)] {
        writeln!(out, "{what}").expect("in memory");
        lines(&mut out, &sentence(&Finding { s, usual: None, ..finding(Detector::RecOut, 0.0) }, &facts()));
    }
    insta::assert_snapshot!("edges", readable(&out));
}

#[test]
fn new_values_absences_and_rules_are_told() {
    let mut out = String::new();
    let new = |attribute, value: &str, rate| NewValue { attribute, value: value.to_owned(), rate };
    let one = |v: NewValue| Facts { new_values: vec![v], ..facts() };
    for v in [
        new(Attribute::Country, "NL", 0.004),
        new(Attribute::Network, "2001:db8:77::/56", 0.03),
        new(Attribute::Asn, "64777", 0.00001),
        new(Attribute::Agent, "Mozilla/ Firefox/", 0.1),
        new(Attribute::Device, "kiosk\n  of a name that goes on and on and on and on and on", 0.02),
        new(Attribute::Device, " ", 0.02),
    ] {
        lines(&mut out, &sentence(&finding(Detector::NovCtx, 5.0), &one(v)));
    }
    let networks = (1..=5).map(|i| new(Attribute::Network, &format!("192.0.2.{i}"), 0.03)).collect();
    lines(&mut out, &sentence(&finding(Detector::NovCtx, 5.0), &Facts { new_values: networks, ..facts() }));
    lines(&mut out, &sentence(&finding(Detector::NovCtx, 5.0), &Facts { new_values: Vec::new(), ..facts() }));
    for v in [new(Attribute::Action, "delete/", 0.01), new(Attribute::Action, "teleport/ui", 0.01), new(Attribute::Fingerprint, "1", 0.01)]
    {
        lines(&mut out, &sentence(&finding(Detector::NovQ, 5.0), &one(v)));
    }
    let actions = ["export/bulk_api", "print/ui", "share/mobile", "merge/ui", "delete/ui"];
    let actions = actions.iter().map(|a| new(Attribute::Action, a, 0.01)).collect();
    lines(&mut out, &sentence(&finding(Detector::NovQ, 5.0), &Facts { new_values: actions, ..facts() }));
    lines(&mut out, &sentence(&finding(Detector::NovQ, 5.0), &Facts { new_values: Vec::new(), ..facts() }));

    lines(&mut out, &sentence(&finding(Detector::Offh, 5.0), &Facts { absent: true, ..facts() }));
    lines(&mut out, &sentence(&finding(Detector::OffOut, 5.0), &Facts { local: (10, 5), hour_share: 0.021, ..facts() }));
    lines(&mut out, &sentence(&finding(Detector::Unrel, 5.0), &Facts { clients: 3, clients_related: 9, team_unrelated: None, ..facts() }));
    lines(&mut out, &sentence(&finding(Detector::CRec, 5.0), &Facts { drift_days: [0; 4], ..facts() }));

    // Local midnight in Moscow is the evening before in UTC.
    let left = Timestamp::parse("2026-03-26T21:00:00Z").expect("a time");
    let rule = |control: &str| Finding { s: 20.1, usual: None, control: control.to_owned(), ..finding(Detector::Rule, 20.1) };
    let facts = Facts {
        terminated_at: Some(left),
        hits: vec![
            hit(Rule::LeaverActive, 3.0, 0.0, &[]),
            hit(Rule::SigmaHigh, 1.0, 0.0, &["r-7", "Night exports"]),
            hit(Rule::AddressDenied, 1.0, 0.0, &["203.0.113.9"]),
            hit(Rule::BruteForced, 12.0, 10.0, &[]),
            hit(Rule::BruteForce, 12.0, 10.0, &[]),
        ],
        ..facts()
    };
    lines(&mut out, &sentence(&rule("leaver_active"), &facts));
    let alone = |hit: Hit| Facts { terminated_at: None, hits: vec![hit], ..facts.clone() };
    lines(&mut out, &sentence(&rule("leaver_active"), &alone(facts.hits[0].clone())));
    lines(&mut out, &sentence(&rule("address_denied"), &alone(hit(Rule::AddressDenied, 1.0, 0.0, &[" "]))));
    lines(&mut out, &sentence(&rule("own-rule"), &Facts { hits: Vec::new(), ..facts.clone() }));
    insta::assert_snapshot!("circumstances", readable(&out));
}

fn hit(rule: Rule, observed: f64, expected: f64, texts: &[&str]) -> Hit {
    Hit::new(rule, Timestamp::parse("2026-03-27T00:45:00Z").expect("a time"), [observed, expected], texts)
}

#[test]
fn each_rule_has_its_sentence() {
    let mut out = String::new();
    for rule in Rule::ALL {
        writeln!(out, "{}", rule.as_str()).expect("in memory");
        let cases: &[(f64, f64, &[&str])] = match rule {
            Rule::LeaverActive => &[(3.0, 0.0, &[])],
            Rule::AddressDenied => &[(1.0, 0.0, &["203.0.113.9"])],
            Rule::TopExport => &[(120_000.0, 100_000.0, &[])],
            Rule::TopChange => &[(12_001.0, 10_000.0, &[])],
            Rule::Stuffing => &[(7.0, 5.0, &["203.0.113.9"])],
            Rule::BruteForced | Rule::BruteForce => &[(12.0, 10.0, &[])],
            Rule::OwnPrivilege | Rule::Privilege => &[(1.0, 0.0, &["Admin: ViewAllData"]), (2.0, 0.0, &[""])],
            Rule::AuditOff => &[(1.0, 0.0, &["audit"])],
            Rule::EndpointExport => &[(640.0, 0.0, &[])],
            Rule::SessionHijack => &[(2.0, 1.0, &["program", "curl/8.5"]), (2.0, 1.0, &["country", "NL"])],
            Rule::Tamper => &[(95.0, 0.0, &["reverted", "Phone"]), (1.0, 0.0, &["redirected", "Email"]), (21.0, 0.0, &["lent", ""])],
            Rule::OutOfBook => &[(4.0, 0.0, &["own"]), (1.0, 0.0, &["team"])],
            Rule::KeyClient => &[(2.0, 0.0, &["junior"])],
            Rule::Dormant => &[(61.0, 45.0, &[])],
            Rule::NoMfa => &[(1.0, 0.0, &["without"]), (6.0, 5.0, &["prompts"])],
            Rule::InsecureTransport => &[(1.0, 0.0, &["none"]), (1.0, 0.0, &["1.0"])],
            Rule::Automation => &[(1.0, 0.0, &["New-InboxRule"])],
            Rule::WeakPassword => &[(1.0, 0.0, &["shared"])],
            Rule::OutdatedClient => &[(1.0, 0.0, &["Outlook", "15.0", "16.2"])],
            Rule::EndpointRisk => &[(2.0, 0.0, &["Trojan.Agent"])],
            Rule::SigmaCritical | Rule::SigmaHigh | Rule::SigmaMedium | Rule::SigmaLow => &[(5.0, 0.0, &["r-7", "Night exports"])],
            Rule::ImpossibleTravel => &[(2147.0, 450.0, &[])],
            Rule::SharedAccount => &[(2.0, 1.0, &[])],
            Rule::Decoy | Rule::JuniorDelete => &[(1.0, 0.0, &[]), (21.0, 0.0, &[])],
        };
        for (observed, expected, texts) in cases {
            let found = Finding { s: rule.nats(), usual: None, control: rule.id().to_owned(), ..finding(Detector::Rule, rule.nats()) };
            lines(&mut out, &sentence(&found, &Facts { hits: vec![hit(*rule, *observed, *expected, texts)], ..facts() }));
        }
    }
    let at = facts();
    let end = phrase::date(&at, Timestamp::parse("2026-03-26T21:00:00Z").expect("a time"));
    for text in [
        control::spraying::sentence("203.0.113.9", 6.0, 5.0, "03:12"),
        control::leaver_not_closed::sentence(4.0, &end),
        control::backup_overdue::sentence("s3-moscow", 26.0, 26.0),
        control::audit_gap::sentence("amocrm", 4.0, 4.0, &end),
    ] {
        lines(&mut out, &in_rule_words(&text, 14.0));
    }
    insta::assert_snapshot!("rules", readable(&out));
}

#[test]
fn a_summary_tells_all_that_an_analyst_needs() {
    let mut out = String::new();
    let volume = finding(Detector::RecOut, 3640.0);
    let relation = Finding { bits: 3_210, discount: 0.7, ..finding(Detector::Unrel, 9.5) };
    let time = Finding { bits: 1_000, ..finding(Detector::Offh, 4.0) };
    let trifle = Finding { bits: 400, ..finding(Detector::Authfail, 5.0) };
    lines(&mut out, &summary(&[volume.clone(), relation, time, trifle], &facts()));
    let at = |text| Some(Timestamp::parse(text).expect("a time"));
    let all = Facts {
        notice_at: at("2026-02-28T21:00:00Z"),
        terminated_at: at("2026-03-26T21:00:00Z"),
        absent: true,
        substitute: true,
        baseline_days: 3.2,
        budget: 0.5,
        records_out: 1,
        records_screen: 0,
        clients: 1,
        ..facts()
    };
    lines(&mut out, &summary(std::slice::from_ref(&volume), &all));
    lines(&mut out, &summary(&[volume], &Facts { baseline_days: 0.0, budget: 5.0, ..facts() }));
    lines(&mut out, &summary(&[], &Facts::default()));
    insta::assert_snapshot!("summaries", readable(&out));
}

fn any_number() -> impl Strategy<Value = f64> {
    prop_oneof![0.0..3.0, 0.0..1e7, Just(0.0), Just(1e-9), (0..2000_u32).prop_map(f64::from)]
}

prop_compose! {
    fn any_facts()(
        (hour_share, drift, days, budget) in (0.0..1.0, any_number(), 0.0..80.0, 0.01..50.0),
        counts in prop::array::uniform5(0..100_000_u64),
        local in (0..24_u8, 0..60_u8),
        drift_days in prop::array::uniform4(0..400_u16),
        team in prop::option::of(any_number()),
        values in prop::collection::vec((0..7_usize, "\\PC{0,60}", 0.0..1.0), 0..6),
        flags in prop::array::uniform4(any::<bool>()),
    ) -> Facts {
        Facts {
            local, hour_share, drift_days, budget,
            records_out: counts[0], records_screen: counts[1], clients: counts[2], clients_related: counts[3], unrelated_key: counts[4],
            team_unrelated: team,
            new_values: values.into_iter().map(|(a, value, rate)| NewValue { attribute: Attribute::ALL[a], value, rate }).collect(),
            drift: [drift; 4],
            baseline_days: days,
            absent: flags[0],
            substitute: flags[1],
            terminated_at: flags[2].then_some(Timestamp::from_millis(1_774_000_000_000)),
            hits: if flags[3] { vec![hit(Rule::AddressDenied, 1.0, 0.0, &[" \t"]), hit(Rule::Tamper, 1.0, 0.0, &[])] } else { Vec::new() },
            ..Facts::default()
        }
    }
}

prop_compose! {
    fn any_finding()(
        k in 0..20_usize,
        (observed, s, bits, discount) in (any_number(), 0.0..60.0, 0..90_000_u64, 0.0..3.0),
        usual in prop::option::of((any_number(), -1.0..100.0, any_number(), any_number(), 0.0..=1.0)),
        control in prop_oneof![Just(None), Just(Some("own-rule")), Just(Some("address_denied"))],
    ) -> Finding {
        let usual = usual.map(|(mid, low, high, role, share)| Usual { mid, low, high, role, share });
        let base = finding(Detector::ALL[k], observed);
        Finding { s, bits, discount, usual, control: control.map_or(base.control, str::to_owned), ..base }
    }
}

proptest! {
    #[test]
    fn no_sentence_is_broken(findings in prop::collection::vec(any_finding(), 0..4), facts in any_facts()) {
        let told = |facts: &Facts| {
            let texts = findings.iter().map(|f| sentence(f, facts)).chain([summary(&findings, facts)]);
            texts.flat_map(|t| [t.en, t.ru]).collect::<Vec<_>>()
        };
        for text in told(&facts) {
            prop_assert!(text.ends_with('.') && !text.contains('\n'), "{text:?}");
        }
        // What sources sent may hold anything, and meets our own signs: those are judged with a word in its place.
        let words = facts.new_values.iter().map(|v| NewValue { value: "word".to_owned(), ..v.clone() }).collect();
        for text in told(&Facts { new_values: words, ..facts }) {
            for broken in ["NaN", "inf", "  ", " ,", " .", "()", "?", ";;", ",,"] {
                prop_assert!(!text.contains(broken), "{broken:?} in {text:?}");
            }
        }
    }
}

//! How good alerts are against labels: found and missed, how soon, how much had gone by then, and what was false.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::label::{Kind, Label, Meta, Strength};
use crate::engine::control;
use crate::event::{DAY_MS, Date, HOUR_MS, Timestamp};

/// A version of an alert, as far as it is judged.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Version {
    /// Which alert; the reference in Python names the event that opened it.
    #[serde(alias = "first_event")]
    pub alert_id: String,
    /// 1, 2, ...
    pub version: u32,
    /// The manager; absent when the subject is none.
    #[serde(default)]
    pub manager: Option<String>,
    /// Time of the event that made this version.
    pub time: Timestamp,
    /// Time of the event that opened the alert.
    #[serde(default)]
    pub opened_at: Option<Timestamp>,
    /// The control with most bits.
    pub kind: String,
    /// All controls.
    #[serde(default)]
    pub controls: Vec<String>,
    /// Evidence.
    #[serde(default)]
    pub event_ids: Vec<String>,
    /// Millibits.
    #[serde(default)]
    pub bits: u64,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Question {
    /// Attacks and alerts before this day (from 0) do not count.
    pub from_day: u32,
    /// Alerts per 100 manager-days that were allowed for.
    pub budget: f64,
}

/// A share with its 95 % interval (Wilson 1927).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Share {
    /// So many.
    pub found: u64,
    /// Of so many.
    pub of: u64,
    /// Their ratio; absent of none.
    pub share: Option<f64>,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Alerts per 100 manager-days.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Rate {
    /// Alerts.
    pub alerts: u64,
    /// Per 100 manager-days; absent without any.
    pub per_100: Option<f64>,
    /// Lower end of the 95 % interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Middle and ninth decile of what was found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Middle {
    /// Median.
    pub median: f64,
    /// Ninth decile.
    pub p90: f64,
}

/// One kind of attack.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Its name.
    pub scenario: String,
    /// Found among weak, medium and strong ones.
    pub weak: Share,
    /// Medium.
    pub medium: Share,
    /// Strong.
    pub strong: Share,
    /// All of them.
    pub all: Share,
    /// Hours from the first event to the first version.
    pub delay_hours: Option<Middle>,
    /// Events of the attack until the first version.
    pub delay_events: Option<Middle>,
    /// Of those found, with an alert that names a right control.
    pub rightly_named: Share,
    /// Median share that had gone by the first version, of those found.
    pub leaked: Option<f64>,
}

/// An attack that no alert met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missed {
    /// Its name.
    pub scenario: String,
    /// How strong.
    pub strength: Strength,
    /// Who.
    pub manager: String,
    /// When.
    pub from: Timestamp,
    /// Records or clients that went.
    pub exposure: u64,
}

/// What would have been found, had behaviour been told from so many bits on that the false alerts are a given rate. Detectors
/// are compared like this: each at the same cost.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Matched {
    /// False alerts of behaviour per 100 manager-days.
    pub rate: f64,
    /// The least bits that are told, millibits.
    pub bits: u64,
    /// Attacks found.
    pub found: Share,
}

/// Whether the rate of false alerts is what the budget says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Promise {
    /// The interval holds the budget.
    Kept,
    /// Surely fewer.
    Fewer,
    /// Surely more.
    Broken,
    /// Nothing to judge by.
    Unknown,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// First day that counts.
    pub from_day: u32,
    /// Manager-days from there on.
    pub manager_days: u64,
    /// Alerts opened from there on.
    pub alerts: u64,
    /// Alerts that met an attack.
    pub right: u64,
    /// Attacks found.
    pub attacks: Share,
    /// By strength.
    pub by_strength: BTreeMap<&'static str, Share>,
    /// Single bulk exports: the first event gives all away.
    pub single_exports: Share,
    /// All others.
    pub without_single_exports: Share,
    /// Attacks that share an event with an alert.
    pub by_event: Share,
    /// Of those found, with an alert that names a right control.
    pub rightly_named: Share,
    /// Hours from the first event to the first version, of those found.
    pub delay_hours: Option<Middle>,
    /// Events of the attack until the first version, of those found.
    pub delay_events: Option<Middle>,
    /// Median share that had gone by the first version, of those found.
    pub leaked_when_found: Option<f64>,
    /// Mean share that had gone, all of what was missed included.
    pub leaked_of_all: Option<f64>,
    /// Per kind of attack.
    pub scenarios: Vec<Row>,
    /// The budget.
    pub budget: f64,
    /// False alerts of behaviour, which the budget judges.
    pub false_behavioural: Rate,
    /// False alerts of rules, which it does not.
    pub false_rule: Rate,
    /// Whether the budget was kept.
    pub promise: Promise,
    /// False alerts by control.
    pub false_by_kind: BTreeMap<String, u64>,
    /// False alerts that met something unusual but honest, by what it was, and how often there was such a thing.
    pub false_on_benign: BTreeMap<String, Share>,
    /// At the same rates of false alerts (1 and 5 per 100 manager-days); a rate is absent where the alerts have no more than
    /// so many false ones: they were made with too small a budget to tell.
    pub matched: Vec<Matched>,
    /// What no alert met.
    pub missed: Vec<Missed>,
}

/// Grace after an attack's last event: somebody may be told the next morning.
const GRACE_MS: i64 = 24 * HOUR_MS;
/// The scenario whose first event gives all away.
const SINGLE_EXPORT: &str = "bulk_export";

/// An attack and what became of it.
struct Met<'a> {
    label: &'a Label,
    /// Time of the first version within its span.
    at: Option<Timestamp>,
    /// Most bits of its versions; a rule's are beyond any threshold.
    bits: Option<u64>,
    named: bool,
    by_event: bool,
    delay_events: Option<f64>,
    leaked: Option<f64>,
}

/// Judges alerts by labels.
pub fn evaluate(labels: &[Label], versions: &[Version], meta: &Meta, question: &Question) -> Evaluation {
    let first_day = Date(meta.start.0.saturating_add(i32::try_from(question.from_day).unwrap_or(i32::MAX))).midnight_utc();
    let mut alerts: BTreeMap<&str, Vec<&Version>> = BTreeMap::new();
    for v in versions {
        alerts.entry(&v.alert_id).or_default().push(v);
    }
    for versions in alerts.values_mut() {
        versions.sort_by_key(|v| (v.version, v.time));
    }
    let attacks: Vec<&Label> = labels.iter().filter(|l| l.label == Kind::Attack).collect();

    let mut by_manager: BTreeMap<&str, Vec<&Version>> = BTreeMap::new();
    for v in versions {
        by_manager.entry(v.manager.as_deref().unwrap_or("")).or_default().push(v);
    }
    let met: Vec<Met<'_>> = attacks
        .iter()
        .filter(|l| l.from >= first_day)
        .map(|l| meet(l, by_manager.get(l.manager.as_str()).map_or(&[][..], Vec::as_slice), versions))
        .collect();

    let manager_days: u64 =
        meta.active_managers_by_day.iter().skip(usize::try_from(question.from_day).unwrap_or(usize::MAX)).map(|n| u64::from(*n)).sum();
    let opened: Vec<&Vec<&Version>> = alerts
        .values()
        .filter(|a| a[0].opened_at.unwrap_or_else(|| a.iter().map(|v| v.time).min().unwrap_or(a[0].time)) >= first_day)
        .collect();
    let false_alerts: Vec<&Vec<&Version>> = opened.iter().copied().filter(|a| !attacks.iter().any(|l| meets(a, l))).collect();
    let (rules, behavioural): (Vec<&Vec<&Version>>, Vec<&Vec<&Version>>) = false_alerts.iter().copied().partition(|a| is_rule(a[0]));
    let mut false_by_kind = BTreeMap::new();
    for a in &false_alerts {
        *false_by_kind.entry(a[0].kind.clone()).or_insert(0) += 1;
    }
    let false_behavioural = rate(behavioural.len(), manager_days);
    Evaluation {
        from_day: question.from_day,
        manager_days,
        alerts: size(opened.len()),
        right: size(opened.len() - false_alerts.len()),
        attacks: found(met.iter()),
        by_strength: Strength::ALL.iter().map(|s| (s.as_str(), found(met.iter().filter(|m| m.label.strength == *s)))).collect(),
        single_exports: found(met.iter().filter(|m| m.label.scenario == SINGLE_EXPORT)),
        without_single_exports: found(met.iter().filter(|m| m.label.scenario != SINGLE_EXPORT)),
        by_event: share(met.iter().filter(|m| m.by_event).count(), met.len()),
        rightly_named: named(met.iter()),
        delay_hours: middle(met.iter().filter_map(hours).collect()),
        delay_events: middle(met.iter().filter_map(|m| m.delay_events).collect()),
        leaked_when_found: middle(met.iter().filter(|m| m.at.is_some()).filter_map(|m| m.leaked).collect()).map(|m| m.median),
        leaked_of_all: mean(&met.iter().filter_map(|m| m.leaked).collect::<Vec<_>>()),
        scenarios: rows(&met),
        budget: question.budget,
        false_rule: rate(rules.len(), manager_days),
        promise: promise(&false_behavioural, question.budget),
        false_behavioural,
        false_by_kind,
        false_on_benign: on_benign(labels, &false_alerts, first_day),
        matched: [1.0, 5.0].into_iter().filter_map(|rate| matched(rate, manager_days, &met, &behavioural)).collect(),
        missed: met
            .iter()
            .filter(|m| m.at.is_none())
            .map(|m| Missed {
                scenario: m.label.scenario.clone(),
                strength: m.label.strength,
                manager: m.label.manager.clone(),
                from: m.label.from,
                exposure: m.label.exposure,
            })
            .collect(),
    }
}

/// Whether a version belongs to a label by person and time.
fn in_span(v: &Version, l: &Label) -> bool {
    v.manager.as_deref() == Some(&l.manager) && l.from <= v.time && v.time <= l.to.plus(GRACE_MS)
}

/// Whether any version of an alert lies in the span of a label; without a manager, whether it shares an event with it.
fn meets(alert: &[&Version], l: &Label) -> bool {
    alert.iter().any(|v| in_span(v, l) || v.manager.is_none() && v.event_ids.iter().any(|e| l.event_ids.contains(e)))
}

fn meet<'a>(l: &'a Label, of_manager: &[&Version], all: &[Version]) -> Met<'a> {
    let within: Vec<&&Version> = of_manager.iter().filter(|v| in_span(v, l)).collect();
    let at = within.iter().map(|v| v.time).min();
    let ids: BTreeSet<&str> = l.event_ids.iter().map(String::as_str).collect();
    let shares = |v: &Version| v.event_ids.iter().any(|e| ids.contains(e.as_str()));
    let gone = |t: Timestamp| l.course.iter().take_while(|(when, _)| *when <= t).last().map_or(0, |(_, n)| *n);
    let leaked = (l.exposure > 0 && !l.course.is_empty()).then(|| at.map_or(1.0, |t| number(gone(t)) / number(l.exposure)));
    Met {
        label: l,
        at,
        bits: within.iter().map(|v| if is_rule(v) { u64::MAX } else { v.bits }).max(),
        named: within.iter().any(|v| v.controls.iter().chain([&v.kind]).any(|c| l.controls.contains(c))),
        by_event: of_manager.iter().any(|v| shares(v)) || all.iter().any(|v| v.manager.is_none() && shares(v)),
        delay_events: at.filter(|_| !l.course.is_empty()).map(|t| number(size(l.course.iter().take_while(|(when, _)| *when <= t).count()))),
        leaked,
    }
}

/// The threshold that leaves exactly so many false alerts, and what lies above it.
fn matched(rate: f64, manager_days: u64, met: &[Met<'_>], behavioural: &[&Vec<&Version>]) -> Option<Matched> {
    let mut bits: Vec<u64> = behavioural.iter().filter_map(|alert| alert.iter().map(|v| v.bits).max()).collect();
    bits.sort_unstable_by(|a, b| b.cmp(a));
    let allowed = (rate * number(manager_days) / 100.0).floor();
    let bits = (0_u64..).zip(bits).find(|(i, _)| number(*i) >= allowed).map(|(_, bits)| bits + 1)?;
    let told = met.iter().filter(|m| m.bits.is_some_and(|b| b >= bits)).count();
    Some(Matched { rate, bits, found: share(told, met.len()) })
}

/// Whether an alert comes from a rule rather than from behaviour.
fn is_rule(v: &Version) -> bool {
    control::get(&v.kind).map_or(v.manager.is_none(), |c| c.kind != control::Kind::Behavioural)
}

fn rows(met: &[Met<'_>]) -> Vec<Row> {
    let scenarios: BTreeSet<&str> = met.iter().map(|m| m.label.scenario.as_str()).collect();
    let row = |scenario: &str| {
        let of: Vec<&Met<'_>> = met.iter().filter(|m| m.label.scenario == scenario).collect();
        let strength = |s| found(of.iter().copied().filter(|m| m.label.strength == s));
        Row {
            scenario: scenario.to_owned(),
            weak: strength(Strength::Weak),
            medium: strength(Strength::Medium),
            strong: strength(Strength::Strong),
            all: found(of.iter().copied()),
            delay_hours: middle(of.iter().copied().filter_map(hours).collect()),
            delay_events: middle(of.iter().filter_map(|m| m.delay_events).collect()),
            rightly_named: named(of.iter().copied()),
            leaked: middle(of.iter().filter(|m| m.at.is_some()).filter_map(|m| m.leaked).collect()).map(|m| m.median),
        }
    };
    scenarios.into_iter().map(row).collect()
}

/// Of each kind of honest thing: how many met a false alert.
fn on_benign(labels: &[Label], false_alerts: &[&Vec<&Version>], first_day: Timestamp) -> BTreeMap<String, Share> {
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for l in labels.iter().filter(|l| l.label == Kind::Benign && l.to >= first_day) {
        let met =
            false_alerts.iter().any(|a| a.iter().any(|v| v.manager.as_deref() == Some(&l.manager) && l.from <= v.time && v.time <= l.to));
        let (n, of) = counts.entry(&l.scenario).or_default();
        *n += usize::from(met);
        *of += 1;
    }
    counts.into_iter().map(|(what, (n, of))| (what.to_owned(), share(n, of))).collect()
}

fn hours(m: &Met<'_>) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of some weeks")]
    m.at.map(|t| (t.millis() - m.label.from.millis()) as f64 / (DAY_MS / 24) as f64)
}

fn found<'a, 'b: 'a>(met: impl Iterator<Item = &'a Met<'b>>) -> Share {
    let (mut n, mut of) = (0, 0);
    for m in met {
        of += 1;
        n += usize::from(m.at.is_some());
    }
    share(n, of)
}

fn named<'a, 'b: 'a>(met: impl Iterator<Item = &'a Met<'b>>) -> Share {
    let (mut n, mut of) = (0, 0);
    for m in met.filter(|m| m.at.is_some()) {
        of += 1;
        n += usize::from(m.named);
    }
    share(n, of)
}

fn share(n: usize, of: usize) -> Share {
    let (low, high) = wilson(n, of);
    Share { found: size(n), of: size(of), share: (of > 0).then(|| number(size(n)) / number(size(of))), low, high }
}

fn rate(alerts: usize, manager_days: u64) -> Rate {
    // An alert is at most one of a manager-day, or nearly so.
    let of = usize::try_from(manager_days).unwrap_or(usize::MAX);
    let (low, high) = wilson(alerts.min(of), of);
    let per_100 = (manager_days > 0).then(|| 100.0 * number(size(alerts)) / number(manager_days));
    Rate { alerts: size(alerts), per_100, low: 100.0 * low, high: 100.0 * high }
}

fn promise(seen: &Rate, budget: f64) -> Promise {
    match seen.per_100 {
        None => Promise::Unknown,
        Some(_) if seen.low > budget => Promise::Broken,
        Some(_) if seen.high < budget => Promise::Fewer,
        Some(_) => Promise::Kept,
    }
}

/// The 95 % score interval of a share (E. B. Wilson 1927): (0, 1) of none.
pub fn wilson(n: usize, of: usize) -> (f64, f64) {
    if of == 0 {
        return (0.0, 1.0);
    }
    const Z2: f64 = 1.959_963_984_540_054 * 1.959_963_984_540_054;
    let (n, of) = (number(size(n)), number(size(of)));
    let p = n / of;
    let middle = p + Z2 / (2.0 * of);
    let half = libm::sqrt(Z2 * (p * (1.0 - p) / of + Z2 / (4.0 * of * of)));
    let scale = 1.0 + Z2 / of;
    (((middle - half) / scale).max(0.0), ((middle + half) / scale).min(1.0))
}

fn middle(mut values: Vec<f64>) -> Option<Middle> {
    values.sort_by(f64::total_cmp);
    let at = |q: usize| values.get((values.len().max(1) - 1) * q / 10).copied();
    let median = match values.len() {
        0 => return None,
        n if n % 2 == 0 => f64::midpoint(values[n / 2 - 1], values[n / 2]),
        n => values[n / 2],
    };
    Some(Middle { median, p90: at(9)? })
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / number(size(values.len())))
}

fn size(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn number(n: u64) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use super::*;

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
        }
    }

    fn meta() -> Meta {
        Meta { start: Date::parse("2026-01-05").expect("a date"), days: 10, managers: 10, seed: 0, active_managers_by_day: vec![10; 10] }
    }

    #[test]
    fn intervals_are_wilsons() {
        // R: prop.test(7, 15, correct = FALSE)$conf.int, and of 0 in 20.
        let (low, high) = wilson(7, 15);
        close(low, 0.2481);
        close(high, 0.6988);
        let (low, high) = wilson(0, 20);
        close(low, 0.0);
        close(high, 0.1611);
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
        ];
        // 100 manager-days: one false alert is allowed at a rate of 1, and five are not there.
        let e = evaluate(&labels, &alerts, &meta(), &Question { from_day: 0, budget: 1.0 });
        let of_rate: Vec<(f64, u64, u64)> = e.matched.iter().map(|m| (m.rate, m.bits, m.found.found)).collect();
        assert_eq!(of_rate, [(1.0, 7000, 3)]);
        let one = [alerts[0].clone(), alerts[3].clone()];
        assert_eq!(evaluate(&labels, &one, &meta(), &Question { from_day: 0, budget: 1.0 }).matched, [], "not enough to tell");
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
        let e = evaluate(&labels, &versions, &meta(), &Question { from_day: 2, budget: 1.0 });
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
        assert_eq!(e.false_on_benign["campaign"].found, 1);
        assert_eq!(e.missed.iter().map(|m| m.manager.as_str()).collect::<Vec<_>>(), ["c"]);
        assert_eq!(e.by_strength["strong"].found, 1);
    }

    #[test]
    fn nothing_gives_nothing() {
        let e = evaluate(&[], &[], &Meta { active_managers_by_day: Vec::new(), ..meta() }, &Question { from_day: 0, budget: 1.0 });
        assert_eq!((e.attacks.share, e.false_behavioural.per_100, e.promise), (None, None, Promise::Unknown));
        assert_eq!(e.delay_hours, None);
    }

    #[test]
    fn an_address_is_right_when_it_shares_an_event() {
        let l = attack("brute_force", Strength::Weak, "a", "2026-01-08T10:00:00Z", "2026-01-08T12:00:00Z");
        let mut v = version("1", 1, "", "2026-01-08T10:30:00Z", "spraying");
        v.event_ids = vec!["generic/a-2".into()];
        let e = evaluate(&[l], &[v], &meta(), &Question { from_day: 0, budget: 1.0 });
        assert_eq!((e.right, e.by_event.found, e.attacks.found), (1, 1, 0));
    }

    #[test]
    fn many_false_alerts_break_the_promise() {
        let versions: Vec<Version> = (0..9).map(|i| version(&format!("{i}"), 1, "z", "2026-01-08T10:30:00Z", "drip")).collect();
        let e = evaluate(&[], &versions, &meta(), &Question { from_day: 0, budget: 1.0 });
        assert_eq!((e.promise, e.false_behavioural.alerts), (Promise::Broken, 9));
    }
}

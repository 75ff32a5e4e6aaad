//! What `filin evaluate` prints for people.

use std::io::{self, Write};

use crate::model::{Calibration, Evaluation, Fairness, Gone, Group, Level, Matched, Middle, Promise, Rate, Row, Share};

pub(super) fn print(out: &mut impl Write, e: &Evaluation) -> io::Result<()> {
    scenarios(out, e)?;
    writeln!(out)?;
    found(out, e)?;
    alerts(out, e)?;
    if let Some(c) = &e.calibration {
        writeln!(out)?;
        calibration(out, c)?;
    }
    if let Some(f) = &e.fairness {
        writeln!(out)?;
        fairness(out, f)?;
    }
    Ok(())
}

/// A line per kind of attack, and one for all.
fn scenarios(out: &mut impl Write, e: &Evaluation) -> io::Result<()> {
    let head = ["scenario", "weak", "medium", "strong", "found"].map(str::to_owned).into_iter();
    let at = e.matched.iter().map(|m| format!("at {}", m.point.rate));
    let tail = ["delay h", "events", "gone", "records", "named"].map(str::to_owned);
    let mut rows = vec![head.chain(at).chain(tail).collect::<Vec<_>>()];
    rows.extend(e.scenarios.iter().map(|r| {
        let at = e.matched.iter().map(|m| m.by_scenario.get(&r.scenario).map_or_else(dash, of));
        scenario(r, at)
    }));
    let strength = |s: &str| e.by_strength.get(s).copied().unwrap_or_default();
    let all = Row {
        scenario: "all".to_owned(),
        weak: strength("weak"),
        medium: strength("medium"),
        strong: strength("strong"),
        all: e.attacks,
        delay_hours: e.delay_hours,
        delay_events: e.delay_events,
        rightly_named: e.rightly_named,
        leaked: e.leaked_when_found,
        gone: e.gone,
    };
    rows.push(scenario(&all, e.matched.iter().map(|m| of(&m.point.found))));
    table(out, &rows, 1)
}

fn scenario(r: &Row, at: impl Iterator<Item = String>) -> Vec<String> {
    let head = [r.scenario.clone(), of(&r.weak), of(&r.medium), of(&r.strong), of(&r.all)];
    let tail = [
        median(r.delay_hours, 1),
        median(r.delay_events, 0),
        r.leaked.map_or_else(dash, |l| format!("{:.0} %", 100.0 * l)),
        records(&r.gone),
        of(&r.rightly_named),
    ];
    head.into_iter().chain(at).chain(tail).collect()
}

fn found(out: &mut impl Write, e: &Evaluation) -> io::Result<()> {
    writeln!(out, "recall                    {}", interval(&e.attacks))?;
    writeln!(out, "  without single exports  {}", interval(&e.without_single_exports))?;
    writeln!(out, "  single bulk exports     {}", interval(&e.single_exports))?;
    writeln!(out, "  sharing an event        {}", interval(&e.by_event))?;
    for Matched { point, .. } in &e.matched {
        let bits = format!("{}.{}", point.bits / 1000, point.bits % 1000 / 100);
        writeln!(out, "{:<26}{}, told from {bits} bits on", format!("  at {} false per 100", point.rate), interval(&point.found))?;
    }
    if let Some(d) = e.delay_hours {
        writeln!(out, "delay                     {:.1} h in the middle, nine of ten within {:.1} h", d.median, d.p90)?;
    }
    if let Some(l) = e.leaked_of_all {
        let Gone { records, of_records, events, of_events } = e.gone;
        let what = format!("{records} of {of_records} records, {events} of {of_events} events");
        writeln!(out, "gone before an alert      {:.0} % on average, what was missed included: {what}", 100.0 * l)?;
    }
    Ok(())
}

fn alerts(out: &mut impl Write, e: &Evaluation) -> io::Result<()> {
    writeln!(out, "alerts                    {} opened from day {} on, {} of them right", e.alerts, e.from_day, e.right)?;
    writeln!(out, "false, behaviour          {}", per_100(&e.false_behavioural, e.manager_days))?;
    if !e.false_by_confounder.is_empty() {
        writeln!(out, "  met                     {}", list(e.false_by_confounder.iter().map(|(k, n)| (k.as_str(), n.to_string(), *n))))?;
    }
    writeln!(out, "false, rules              {}", per_100(&e.false_rule, e.manager_days))?;
    if !e.false_by_kind.is_empty() {
        writeln!(out, "false, by control         {}", list(e.false_by_kind.iter().map(|(k, n)| (k.as_str(), n.to_string(), *n))))?;
    }
    let honest: Vec<_> = e.false_on_benign.iter().filter(|(_, s)| s.found > 0).map(|(k, s)| (k.as_str(), of(s), s.found)).collect();
    if !honest.is_empty() {
        writeln!(out, "honest oddities met       {}", list(honest.into_iter()))?;
    }
    writeln!(out, "{}", promise(e))
}

/// How much more often each detector speaks than it says.
fn calibration(out: &mut impl Write, c: &Calibration) -> io::Result<()> {
    writeln!(out, "calibration: how often over how often it says, people's days without an attack from {} on", c.from)?;
    let levels = c.detectors.first().map_or(&[][..], |d| &d.levels);
    let head = ["detector".to_owned(), "days".to_owned()].into_iter();
    let mut rows = vec![head.chain(levels.iter().map(|l| format!("once in {}", l.one_in))).collect::<Vec<_>>()];
    for d in &c.detectors {
        let name = [d.detector.clone(), c.manager_days.to_string()].into_iter();
        rows.push(name.chain(d.levels.iter().map(level)).collect());
    }
    table(out, &rows, 1)?;
    let loud: Vec<&str> = c.detectors.iter().filter(|d| d.levels.iter().any(Level::is_loud)).map(|d| d.detector.as_str()).collect();
    if loud.is_empty() { Ok(()) } else { writeln!(out, "* surely more often than it says: {}", loud.join(", ")) }
}

fn level(l: &Level) -> String {
    let star = if l.is_loud() { "*" } else { " " };
    l.ratio.map_or_else(dash, |r| format!("{r:.2} ({:.2} to {:.2}){star}", l.low, l.high))
}

/// Who carries the false alerts.
fn fairness(out: &mut impl Write, f: &Fairness) -> io::Result<()> {
    let Fairness { false_alerts, manager_days, elsewhere, .. } = f;
    writeln!(
        out,
        "fairness: {false_alerts} false alerts of behaviour on {manager_days} manager-days of known people, {elsewhere} elsewhere"
    )?;
    let mut rows =
        vec![["by", "group", "people", "days", "false", "per 100", "of days", "of false", "ratio", "chance"].map(str::to_owned).to_vec()];
    rows.extend(f.groups.iter().map(group));
    table(out, &rows, 2)?;
    for g in f.groups.iter().filter(|g| g.warned) {
        let (by, group, alerts, told_of) = (g.by.as_str(), &g.group, g.false_alerts.alerts, g.told_of);
        let times = number(g.ratio, 1);
        writeln!(
            out,
            "warning: {by} {group} carries {times} times its share: {alerts} false alerts, about {told_of} of {} people",
            g.managers
        )?;
    }
    if f.groups.iter().all(|g| !g.warned) {
        writeln!(out, "no group of at least five false alerts surely carries more than twice its share")?;
    }
    Ok(())
}

fn group(g: &Group) -> Vec<String> {
    vec![
        g.by.as_str().to_owned(),
        g.group.clone(),
        g.managers.to_string(),
        g.manager_days.to_string(),
        g.false_alerts.alerts.to_string(),
        number(g.false_alerts.per_100, 2),
        format!("{:.1} %", 100.0 * g.share_of_days),
        g.share_of_alerts.map_or_else(dash, |s| format!("{:.1} %", 100.0 * s)),
        number(g.ratio, 2),
        format!("{:.4}", g.p),
    ]
}

fn number(n: Option<f64>, digits: usize) -> String {
    n.map_or_else(dash, |n| format!("{n:.digits$}"))
}

fn records(g: &Gone) -> String {
    if g.of_records == 0 { dash() } else { format!("{}/{}", g.records, g.of_records) }
}

/// What the budget says, and what was seen.
fn promise(e: &Evaluation) -> String {
    let budget = format!("budget {:.2} false alerts per 100 manager-days", e.budget);
    let Some(seen) = e.false_behavioural.per_100 else { return format!("{budget}; no manager-day to judge it by") };
    let seen = format!("seen {seen:.2} ({:.2} to {:.2})", e.false_behavioural.low, e.false_behavioural.high);
    let so = match e.promise {
        Promise::Kept => "kept",
        Promise::Fewer => "fewer than allowed",
        Promise::Broken => "more than allowed",
        Promise::Unknown => "unknown",
    };
    format!("{budget}, {seen}: {so}")
}

fn of(s: &Share) -> String {
    if s.of == 0 { dash() } else { format!("{}/{}", s.found, s.of) }
}

fn interval(s: &Share) -> String {
    match s.share {
        None => dash(),
        Some(p) => format!("{p:.2} ({:.2} to {:.2}), {} of {}", s.low, s.high, s.found, s.of),
    }
}

fn per_100(r: &Rate, manager_days: u64) -> String {
    match r.per_100 {
        None => format!("{} in no manager-day", r.alerts),
        Some(p) => format!("{} in {manager_days} manager-days, {p:.2} per 100 ({:.2} to {:.2})", r.alerts, r.low, r.high),
    }
}

fn median(m: Option<Middle>, digits: usize) -> String {
    m.map_or_else(dash, |m| format!("{:.digits$}", m.median))
}

fn dash() -> String {
    "-".to_owned()
}

/// The most frequent first.
fn list<'a>(items: impl Iterator<Item = (&'a str, String, u64)>) -> String {
    let mut items: Vec<_> = items.collect();
    items.sort_by(|a, b| b.2.cmp(&a.2).then(a.0.cmp(b.0)));
    items.into_iter().map(|(k, n, _)| format!("{k} {n}")).collect::<Vec<_>>().join(", ")
}

/// Aligned columns, the first `n_left` to the left.
fn table(out: &mut impl Write, rows: &[Vec<String>], n_left: usize) -> io::Result<()> {
    let width = |i: usize| rows.iter().filter_map(|r| r.get(i)).map(|c| c.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows.first().map_or(0, Vec::len)).map(width).collect();
    for row in rows {
        let cells = row.iter().zip(&widths).enumerate();
        let line: Vec<String> = cells.map(|(i, (c, w))| if i < n_left { format!("{c:<w$}") } else { format!("{c:>w$}") }).collect();
        writeln!(out, "{}", line.join("  ").trim_end())?;
    }
    Ok(())
}

//! `filin evaluate`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use super::lines;
use crate::model::{Evaluation, Label, Meta, Middle, Promise, Question, Rate, Share, Version, evaluate};

/// Flags of `filin evaluate`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// labels.jsonl (`-`: standard input; also .gz, .zst)
    #[arg(long, value_name = "F")]
    labels: PathBuf,
    /// alerts.jsonl, one line per version
    #[arg(long, value_name = "F")]
    alerts: PathBuf,
    /// meta.json
    #[arg(long, value_name = "F")]
    meta: PathBuf,
    /// Attacks and alerts before this day, counted from 0, do not count
    #[arg(long, value_name = "N", default_value_t = 0)]
    from_day: u32,
    /// Alerts per 100 manager-days that the alerts were made with
    #[arg(long, value_name = "B", default_value_t = 1.0)]
    budget: f64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    if !(args.budget > 0.0 && args.budget <= 100.0) {
        return Err(super::Usage(format!("--budget {}: give a number above 0 and at most 100", args.budget)).into());
    }
    let labels: Vec<Label> = lines::parse(&args.labels)?;
    let versions: Vec<Version> = lines::parse(&args.alerts)?;
    let meta: Meta = lines::whole(&args.meta)?;
    let answer = evaluate(&labels, &versions, &meta, &Question { from_day: args.from_day, budget: args.budget });
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&answer)?)?;
    } else {
        print(&mut out, &answer)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print(out: &mut impl Write, e: &Evaluation) -> io::Result<()> {
    let mut rows =
        vec![["scenario", "weak", "medium", "strong", "found", "delay h", "events", "gone", "named"].map(str::to_owned).to_vec()];
    for r in &e.scenarios {
        rows.push(vec![
            r.scenario.clone(),
            of(&r.weak),
            of(&r.medium),
            of(&r.strong),
            of(&r.all),
            median(r.delay_hours, 1),
            median(r.delay_events, 0),
            r.leaked.map_or_else(dash, |l| format!("{:.0} %", 100.0 * l)),
            of(&r.rightly_named),
        ]);
    }
    let strength = |s: &str| e.by_strength.get(s).map_or_else(dash, of);
    rows.push(vec![
        "all".to_owned(),
        strength("weak"),
        strength("medium"),
        strength("strong"),
        of(&e.attacks),
        median(e.delay_hours, 1),
        median(e.delay_events, 0),
        e.leaked_when_found.map_or_else(dash, |l| format!("{:.0} %", 100.0 * l)),
        of(&e.rightly_named),
    ]);
    table(out, &rows)?;
    writeln!(out)?;
    writeln!(out, "recall                    {}", interval(&e.attacks))?;
    writeln!(out, "  without single exports  {}", interval(&e.without_single_exports))?;
    writeln!(out, "  single bulk exports     {}", interval(&e.single_exports))?;
    writeln!(out, "  sharing an event        {}", interval(&e.by_event))?;
    if let Some(d) = e.delay_hours {
        writeln!(out, "delay                     {:.1} h in the middle, nine of ten within {:.1} h", d.median, d.p90)?;
    }
    if let Some(l) = e.leaked_of_all {
        writeln!(out, "gone before an alert      {:.0} % on average, what was missed included", 100.0 * l)?;
    }
    writeln!(out, "alerts                    {} opened from day {} on, {} of them right", e.alerts, e.from_day, e.right)?;
    writeln!(out, "false, behaviour          {}", per_100(&e.false_behavioural, e.manager_days))?;
    writeln!(out, "false, rules              {}", per_100(&e.false_rule, e.manager_days))?;
    if !e.false_by_kind.is_empty() {
        writeln!(out, "  by control              {}", list(e.false_by_kind.iter().map(|(k, n)| (k.as_str(), n.to_string(), *n))))?;
    }
    let honest: Vec<_> = e.false_on_benign.iter().filter(|(_, s)| s.found > 0).map(|(k, s)| (k.as_str(), of(s), s.found)).collect();
    if !honest.is_empty() {
        writeln!(out, "  on honest oddities      {}", list(honest.into_iter()))?;
    }
    for m in &e.matched {
        let bits = format!("{}.{}", m.bits / 1000, m.bits % 1000 / 100);
        writeln!(out, "{:<26}{}, told from {bits} bits on", format!("at {} false per 100", m.rate), interval(&m.found))?;
    }
    writeln!(out, "{}", promise(e))
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

/// Aligned columns, the first to the left.
fn table(out: &mut impl Write, rows: &[Vec<String>]) -> io::Result<()> {
    let width = |i: usize| rows.iter().filter_map(|r| r.get(i)).map(|c| c.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows.first().map_or(0, Vec::len)).map(width).collect();
    for row in rows {
        let cells = row.iter().zip(&widths).enumerate();
        let line: Vec<String> = cells.map(|(i, (c, w))| if i == 0 { format!("{c:<w$}") } else { format!("{c:>w$}") }).collect();
        writeln!(out, "{}", line.join("  ").trim_end())?;
    }
    Ok(())
}

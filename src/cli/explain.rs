//! `filin explain`: an alert in words, with its evidence and its history.

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal as _, Write},
    path::PathBuf,
    process::ExitCode,
};

use super::{Usage, controls::said, known, lines, replay};
use crate::{
    engine::{AlertVersion, Severity, Text, bits_text, control},
    ops::config::{Config, Flags},
    pipeline::service,
    store::{self, query, rows::AlertRow},
};

/// Cells of a bar.
const BAR: usize = 24;
/// Events that are listed.
const EVENTS: usize = 20;
/// Candidates that a message names.
const NAMED: usize = 5;

/// Flags of `filin explain`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Id of the alert, or the beginning of it
    alert: String,
    /// Alert versions (JSONL, also .gz, .zst; `-`: standard input) instead of what is stored
    #[arg(long, value_name = "F", conflicts_with_all = ["data", "config"])]
    alerts: Option<PathBuf>,
    /// Folder of the embedded instance
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    data: Option<PathBuf>,
    /// Configuration
    #[arg(long, value_name = "F")]
    config: Option<PathBuf>,
    /// Language of the sentences
    #[arg(long, value_enum, default_value_t = Lang::En)]
    lang: Lang,
    /// Print all versions as JSON
    #[arg(long)]
    json: bool,
}

/// A language of sentences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Lang {
    En,
    Ru,
}

/// An alert's versions, oldest first, and the pseudonym that pages show for its manager.
struct Found {
    versions: Vec<AlertVersion>,
    alias: Option<String>,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    if args.alert.is_empty() {
        return Err(Usage("give the alert's id, or the beginning of it".to_owned()).into());
    }
    let found = match &args.alerts {
        Some(path) => Found { versions: among(lines::parse(path)?, &args.alert, &path.display().to_string())?, alias: None },
        None => {
            let flags = Flags { data: args.data.clone(), ..Flags::default() };
            stored(&known::config(args.config.as_deref(), &flags).map_err(|m| Usage(m.to_string()))?, &args.alert)?
        }
    };
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&found.versions)?)?;
    } else {
        print(&mut out, &found, args.lang, io::stdout().is_terminal())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The versions of the one alert whose id begins so.
fn among(all: Vec<AlertVersion>, start: &str, place: &str) -> anyhow::Result<Vec<AlertVersion>> {
    let mut alerts: BTreeMap<String, BTreeMap<u32, AlertVersion>> = BTreeMap::new();
    for alert in all.into_iter().filter(|a| a.alert_id.starts_with(start)) {
        alerts.entry(alert.alert_id.clone()).or_default().insert(alert.version, alert);
    }
    let id = one(&alerts.keys().cloned().collect::<Vec<_>>(), start, place)?;
    Ok(alerts.remove(&id).unwrap_or_default().into_values().collect())
}

/// The only id; of several the one that is meant in full.
fn one(ids: &[String], start: &str, place: &str) -> anyhow::Result<String> {
    match ids {
        [] => anyhow::bail!("no alert in {place} has an id that begins with {start:?}"),
        [id] => Ok(id.clone()),
        _ if ids.iter().any(|id| id == start) => Ok(start.to_owned()),
        _ => {
            let more = if ids.len() > NAMED { ", ..." } else { "" };
            anyhow::bail!("several alerts begin with {start:?}: {}{more}", ids[..ids.len().min(NAMED)].join(", "))
        }
    }
}

fn stored(config: &Config, start: &str) -> anyhow::Result<Found> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let rows: Vec<AlertRow> = runtime.block_on(async {
        // Beside a live instance its listener is asked.
        if let Some(client) = replay::live(config) {
            return rows(&client, start).await;
        }
        let opened = service::open_store(config).await?;
        let rows = rows(&opened.client, start).await;
        opened.close().await;
        rows
    })?;
    let alias = rows.first().map(|r| r.manager_alias.clone()).filter(|a| !a.is_empty());
    let versions = rows.into_iter().map(AlertRow::into_version).collect::<Result<_, _>>()?;
    Ok(Found { versions, alias })
}

/// All versions of the alert whose id begins so, oldest first.
pub(super) async fn rows(client: &clickhouse::Client, start: &str) -> anyhow::Result<Vec<AlertRow>> {
    let sql = "SELECT DISTINCT alert_id FROM alerts WHERE startsWith(alert_id, ?) ORDER BY alert_id LIMIT ?";
    let ids = client.query(sql).bind(start).bind(NAMED + 1).fetch_all::<String>().await.map_err(store::Error::from)?;
    Ok(query::versions(client, &query::Scope::default(), &one(&ids, start, "the store")?).await?)
}

fn print(out: &mut impl Write, found: &Found, lang: Lang, colour: bool) -> io::Result<()> {
    let Some(a) = found.versions.last() else { return Ok(()) };
    let paint = |code: &str, text: &str| if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() };
    let head = |text: &str| paint("1", text);
    let severity = paint(hue(a.severity), &a.severity.as_str().to_uppercase());
    let title = control::get(&a.kind).map_or(a.kind.as_str(), |c| said(c.title, lang));
    writeln!(out, "{severity}  {}\n\n{}\n", head(title), spoken(&a.summary, lang))?;
    let mut who = a.subject.id.clone();
    if let Some(alias) = &found.alias {
        who.push_str(&format!(" ({alias})"));
    }
    for (name, value) in [("team", &a.team), ("role", &a.role)] {
        if let Some(value) = value {
            who.push_str(&format!(", {name} {value}"));
        }
    }
    writeln!(out, "{:9} {}, version {}", "alert", a.alert_id, a.version)?;
    writeln!(out, "{:9} {who}", a.subject.kind.as_str())?;
    writeln!(out, "{:9} opened {}, last grew {}", "time", a.opened_at, a.time)?;
    writeln!(out, "{:9} {:.1} of 100, {} bits", "score", a.score, bits_text(a.bits))?;
    writeln!(out, "{:9} {}", "controls", a.controls.join(", "))?;
    if !a.mitre.is_empty() {
        writeln!(out, "{:9} {}", "ATT&CK", a.mitre.join(", "))?;
    }
    let marks: Vec<&str> = [(a.late, "the event came after its date had closed"), (a.lookback, "found by looking back")]
        .iter()
        .filter(|m| m.0)
        .map(|m| m.1)
        .collect();
    if !marks.is_empty() {
        writeln!(out, "{:9} {}", "note", marks.join("; "))?;
    }
    writeln!(out, "\n{}", head("Evidence"))?;
    let most = a.contributions.iter().map(|c| c.bits).max().unwrap_or(0).max(1);
    let wide = |pick: fn(&crate::engine::Contribution) -> usize| a.contributions.iter().map(pick).max().unwrap_or(0);
    let (family, detector) = (wide(|c| c.family.len()), wide(|c| c.detector.len()));
    for c in &a.contributions {
        let cells = usize::try_from((c.bits.saturating_mul(BAR as u64)).div_ceil(most)).unwrap_or_default();
        let bar = format!("{}{}", "█".repeat(cells), " ".repeat(BAR.saturating_sub(cells)));
        writeln!(out, "  {:family$}  {:detector$}  {}  {:>8} bits", c.family, c.detector, paint("36", &bar), bits_text(c.bits))?;
        if let Some(sentence) = &c.sentence {
            writeln!(out, "  {:family$}  {}", "", spoken(sentence, lang))?;
        }
    }
    writeln!(out, "\n{}", head("Versions"))?;
    for v in &found.versions {
        let told = if v.notify { "  told" } else { "" };
        writeln!(out, "  {:>3}  {}  {:8}  {:>8} bits  {}{told}", v.version, v.time, v.severity.as_str(), bits_text(v.bits), v.kind)?;
    }
    let plural = |n: u64, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let day = [plural(a.events_total, "event"), plural(a.records, "record"), plural(a.clients, "client")];
    writeln!(out, "\n{} ({} on that day)", head("Events"), day.join(", "))?;
    for id in a.event_ids.iter().take(EVENTS) {
        writeln!(out, "  {id}")?;
    }
    if a.event_ids.len() > EVENTS {
        writeln!(out, "  and {} more: --json has all", a.event_ids.len() - EVENTS)?;
    }
    let benign: Vec<&str> = control::benign(&a.controls).map(|w| said(w, lang)).collect();
    if !benign.is_empty() {
        writeln!(out, "\n{}", head("Check first"))?;
        benign.iter().try_for_each(|question| writeln!(out, "  {question}"))?;
    }
    Ok(())
}

fn spoken(text: &Text, lang: Lang) -> &str {
    match lang {
        Lang::En => &text.en,
        Lang::Ru => &text.ru,
    }
}

fn hue(severity: Severity) -> &'static str {
    match severity {
        Severity::Low => "2",
        Severity::Medium => "33",
        Severity::High => "31",
        Severity::Critical => "1;31",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(id: &str, version: u32, bits: u64) -> AlertVersion {
        let part = |family: &str, bits: u64, sentence: &str| {
            serde_json::json!({"detector": "rec_out", "family": family, "bits": bits, "observed": 3640.0, "expected": 95.0, "unit": "records",
                "sentence": {"en": sentence, "ru": "По-русски."}})
        };
        serde_json::from_value(serde_json::json!({
            "alert_id": id, "version": version, "tenant": "t", "manager": "anna", "subject": {"kind": "manager", "id": "anna"},
            "team": "north", "notify": version == 1, "linked": [], "late": false, "lookback": false, "time": "2026-01-12T11:00:00Z",
            "opened_at": "2026-01-12T10:00:00Z", "kind": "bulk_export", "controls": ["bulk_export"], "severity": "high", "bits": bits,
            "ln_p": -9.0, "score": 20.5, "summary": {"en": "Much left.", "ru": "Много ушло."},
            "contributions": [part("volume", bits - 250, "Exported 3 640 records."), part("time", 250, "At night.")],
            "event_ids": ["crm/1"], "events_total": 1, "records": 3640, "clients": 2, "mitre": ["T1213.004"], "prior": "none", "engine": "0"
        }))
        .expect("an alert version")
    }

    #[test]
    fn finds_by_a_beginning_that_only_one_has() {
        let all = || vec![version("ab1", 2, 500), version("ab1", 1, 400), version("ac2", 1, 300), version("ac", 1, 300)];
        let found = among(all(), "ab", "f").expect("one alert");
        assert_eq!(found.iter().map(|v| v.version).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(among(all(), "ac", "f").expect("an id in full wins").len(), 1);
        let several = among(all(), "a", "f").expect_err("three").to_string();
        assert!(several.contains("ab1, ac, ac2"), "{several}");
        let none = among(all(), "zz", "alerts.jsonl").expect_err("none").to_string();
        assert!(none.contains("alerts.jsonl") && none.contains("zz"), "{none}");
    }

    #[test]
    fn says_what_when_and_why_and_colours_nothing_in_a_file() {
        let found = Found { versions: vec![version("ab1", 1, 9_000), version("ab1", 2, 12_250)], alias: Some("ALIAS".to_owned()) };
        let (mut plain, mut russian) = (Vec::new(), Vec::new());
        print(&mut plain, &found, Lang::En, false).expect("memory");
        print(&mut russian, &found, Lang::Ru, true).expect("memory");
        let (plain, russian) = (String::from_utf8(plain).expect("text"), String::from_utf8(russian).expect("text"));
        for part in [
            "HIGH  ",
            "Much left.",
            "anna (ALIAS), team north",
            "12.3 bits",
            "Exported 3 640 records.",
            "0.3 bits",
            "T1213.004",
            "crm/1",
            "1 event, 3640 records",
            "Check first",
        ] {
            assert!(plain.contains(part), "{part:?} in\n{plain}");
        }
        assert!(!plain.contains('\x1b'));
        let bars: Vec<usize> = plain.lines().map(|l| l.matches('█').count()).filter(|n| *n > 0).collect();
        assert_eq!(bars, [24, 1], "longest first, the least still seen");
        assert!(russian.contains("Много ушло.") && russian.contains("По-русски.") && russian.contains("\x1b[31mHIGH"));
    }
}

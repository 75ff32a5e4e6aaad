//! `filin ranker`: what answers taught about the order of the queue, and what could be quiet.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    process::ExitCode,
};

use serde::Serialize;

use super::dead_letters::{Where, close, store};
use crate::{
    event::Timestamp,
    model::rank::{ENOUGH, Quiet, Why, quiet},
    ops::clock,
    pipeline::rank,
    store::{
        actions::{self, ActionKind},
        priorities::{self, ReportRow},
    },
};

/// Weights that are printed.
const SHOWN: usize = 10;

/// Flags of `filin ranker`.
#[derive(Debug, clap::Args)]
#[command(after_help = "An order is in force after 200 verdicts, and only while the newest quarter of them, held back, would\n\
    have come in a better order. It changes nothing but `priority`: no score, no severity, no alert.")]
pub(super) struct Args {
    #[command(flatten)]
    place: Where,
}

/// What one tenant's answers taught.
#[derive(Serialize)]
struct Taught {
    tenant: String,
    at: Timestamp,
    verdicts: u32,
    confirmed: u32,
    held_back: u32,
    before: f64,
    after: f64,
    in_force: bool,
    why: String,
    weights: Vec<(String, f64)>,
    mutes: Vec<String>,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let config = args.place.config()?;
    let taught = runtime.block_on(async {
        let (client, opened) = store(&config).await?;
        let taught = read(&client).await;
        close(opened).await;
        taught
    })?;
    let mut out = io::stdout().lock();
    if args.place.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&taught)?)?;
    } else {
        print(&mut out, &taught)?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn read(client: &clickhouse::Client) -> anyhow::Result<Vec<Taught>> {
    let mut all = Vec::new();
    for report in priorities::reports(client).await? {
        let found = quiet(&rank::answered(client, &report.tenant).await?, clock::now());
        let ids: Vec<String> = found.iter().flat_map(|q| &q.alerts).cloned().collect();
        let mut reasons: BTreeMap<String, String> = BTreeMap::new();
        for action in actions::of(client, &ids).await?.into_iter().filter(|a| a.action == ActionKind::Close.as_str()) {
            reasons.insert(action.alert_id, action.reason);
        }
        let mutes = found.iter().map(|q| command(&report.tenant, q, &reasons)).collect();
        let ReportRow { tenant, at, verdicts, confirmed, held_back, before, after, in_force, why, terms, weights, .. } = report;
        let (at, weights) = (Timestamp::from_millis(at), terms.into_iter().zip(weights).collect());
        all.push(Taught { tenant, at, verdicts, confirmed, held_back, before, after, in_force, why, weights, mutes });
    }
    Ok(all)
}

/// The command that would make it quiet; in its reason stands the last one that somebody gave.
fn command(tenant: &str, quiet: &Quiet, reasons: &BTreeMap<String, String>) -> String {
    let said = quiet.alerts.iter().rev().filter_map(|id| reasons.get(id)).find(|r| !r.is_empty());
    let reason = format!("benign_expected {} times{}", quiet.alerts.len(), said.map_or(String::new(), |r| format!(": {r}")));
    let mut words = vec!["filin mute add --tenant".to_owned(), quoted(tenant)];
    for (flag, value) in [("--manager", &quiet.manager), ("--team", &quiet.team)] {
        words.extend(value.as_deref().into_iter().flat_map(|v| [flag.to_owned(), quoted(v)]));
    }
    words.extend(["--control".to_owned(), quoted(&quiet.control), "--for 14d --reason".to_owned(), quoted(&reason)]);
    words.join(" ")
}

/// As a shell reads it as one word.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn print(out: &mut impl Write, all: &[Taught]) -> io::Result<()> {
    if all.is_empty() {
        return writeln!(out, "nothing is answered yet, or not long enough ago");
    }
    for t in all {
        let tried = format!(
            "the newest {} held back: average precision {:.3} by bits, {:.3} by what the others taught",
            t.held_back, t.before, t.after
        );
        writeln!(out, "{}: {} verdicts, {} of them true_positive, as of {}", t.tenant, t.verdicts, t.confirmed, t.at)?;
        match Why::from_word(&t.why) {
            Some(Why::Few) => writeln!(out, "  not in force: {ENOUGH} verdicts are needed")?,
            Some(Why::OneSided) => writeln!(out, "  not in force: nearly all verdicts say the same")?,
            Some(Why::NoBetter) => writeln!(out, "  not in force: those held back would come in no better order\n  {tried}")?,
            Some(Why::Better) | None => writeln!(out, "  in force\n  {tried}")?,
        }
        for (term, weight) in t.weights.iter().take(SHOWN) {
            writeln!(out, "  {weight:+.2}  {:9} {}", if *weight > 0.0 { "incident:" } else { "work:" }, in_words(term))?;
        }
        if !t.mutes.is_empty() {
            writeln!(out, "  work again and again; if it may be quiet:")?;
            t.mutes.iter().try_for_each(|mute| writeln!(out, "    {mute}"))?;
        }
    }
    Ok(())
}

fn in_words(term: &str) -> String {
    match term.split_once(':') {
        Some(("detector", name)) => format!("much of its evidence is {name}"),
        Some((kind, name)) => format!("{kind} {name}"),
        None => "more bits".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mute_is_a_command_that_a_shell_reads() {
        let quiet = |manager: Option<&str>, team: Option<&str>| Quiet {
            manager: manager.map(str::to_owned),
            team: team.map(str::to_owned),
            control: "drip".to_owned(),
            alerts: vec!["a".to_owned(), "b".to_owned(), "c".to_owned()],
        };
        let reasons = BTreeMap::from([("b".to_owned(), "boss's report".to_owned()), ("c".to_owned(), String::new())]);
        assert_eq!(
            command("acme", &quiet(Some("u-17"), None), &reasons),
            r"filin mute add --tenant acme --manager u-17 --control drip --for 14d --reason 'benign_expected 3 times: boss'\''s report'"
        );
        assert_eq!(
            command("acme", &quiet(None, Some("East 2")), &BTreeMap::new()),
            "filin mute add --tenant acme --team 'East 2' --control drip --for 14d --reason 'benign_expected 3 times'"
        );
    }
}

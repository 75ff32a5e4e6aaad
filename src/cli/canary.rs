//! `filin canary`: every control against a made-up sequence that must fire it, and a near-miss that must not.

use std::{
    io::{self, IsTerminal as _, Write},
    process::ExitCode,
};

use serde::Serialize;

use super::{Usage, explain::Lang};
use crate::{
    engine::control::{self, Words},
    event::Timestamp,
    ops::clock,
    pipeline::canary::{self, Canary, Expected, Played},
};

/// Flags of `filin canary`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only these
    #[arg(value_name = "CONTROL")]
    controls: Vec<String>,
    /// Print what came as JSON, in both languages
    #[arg(long)]
    json: bool,
    /// Language of the table
    #[arg(long, value_enum, default_value_t = Lang::En)]
    lang: Lang,
}

/// A canary and its near-miss, as they went.
#[derive(Serialize)]
struct Line {
    control: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    part: &'static str,
    /// Both did as expected.
    passed: bool,
    fire: Played,
    still: Played,
    differs: Words,
    #[serde(skip)]
    name: String,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    for id in &args.controls {
        if control::get(id).is_none() {
            return Err(Usage(format!("{id:?} is no control: `filin controls` lists them")).into());
        }
    }
    let now = clock::now();
    let chosen = canary::all().filter(|c| args.controls.is_empty() || args.controls.iter().any(|id| id == c.control));
    let lines: Vec<Line> = chosen.map(|c| play(c, now)).collect();
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&lines)?)?;
    } else {
        print(&mut out, &lines, args.lang, io::stdout().is_terminal())?;
    }
    Ok(if lines.iter().all(|l| l.passed) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn play(canary: &Canary, now: Timestamp) -> Line {
    let (run, start) = (now.to_string(), now.plus(-canary::SPAN_MS));
    let [fire, still] = Expected::BOTH.map(|e| canary::play(canary, &canary.case(e, &run, start)));
    let passed = fire.fired.is_some() && still.fired.is_none();
    Line { control: canary.control, part: canary.part, passed, fire, still, differs: canary.differs, name: canary.name() }
}

fn print(out: &mut impl Write, lines: &[Line], lang: Lang, colour: bool) -> io::Result<()> {
    let ru = lang == Lang::Ru;
    let say = |en: &'static str, russian: &'static str| if ru { russian } else { en };
    let heads = [
        say("control", "контроль"),
        say("canary: fired after", "канарейка: сработал после"),
        say("near-miss", "почти то же"),
        say("how the near-miss differs", "чем отличается"),
    ];
    let after = |p: Played| match p.fired {
        Some(n) => format!("{n} {} {}", say("of", "из"), p.records),
        None => say("NOT FIRED", "НЕ СРАБОТАЛ").to_owned(),
    };
    let quiet = |p: Played| match p.fired {
        None => say("still", "молчит").to_owned(),
        Some(n) => format!("{} {n} {} {}", say("FIRED after", "СРАБОТАЛ после"), say("of", "из"), p.records),
    };
    let rows: Vec<([String; 4], bool)> = lines
        .iter()
        .map(|l| {
            let differs = say(l.differs.en, l.differs.ru).to_owned();
            ([l.name.clone(), after(l.fire), quiet(l.still), differs], l.passed)
        })
        .collect();
    let width = |i: usize| rows.iter().map(|r| r.0[i].chars().count()).chain([heads[i].chars().count()]).max().unwrap_or_default();
    let widths = [0, 1, 2].map(width);
    let row = |cells: [&str; 4]| {
        let [a, b, c] = widths;
        format!("{:a$}  {:b$}  {:c$}  {}", cells[0], cells[1], cells[2], cells[3])
    };
    writeln!(out, "{}", row(heads))?;
    for (cells, passed) in &rows {
        let text = row(cells.each_ref().map(String::as_str));
        let red = colour && !passed;
        writeln!(out, "{}{text}{}", if red { "\x1b[31m" } else { "" }, if red { "\x1b[0m" } else { "" })?;
    }
    let failed = rows.iter().filter(|r| !r.1).count();
    let n = rows.len();
    if failed == 0 {
        writeln!(out, "\n{n} {}", say("fired, and their near-misses kept still", "сработали, а почти то же самое — нет"))
    } else {
        writeln!(out, "\n{failed} {} {n} {}", say("of", "из"), say("did not go as expected", "прошли не так, как ожидалось"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_is_told_and_red_on_a_terminal_only() {
        let line = |name: &str, fire: Option<usize>, still: Option<usize>| Line {
            control: "decoy",
            part: "",
            passed: fire.is_some() && still.is_none(),
            fire: Played { fired: fire, records: 3 },
            still: Played { fired: still, records: 3 },
            differs: Words { en: "no decoy", ru: "не приманка" },
            name: name.to_owned(),
        };
        let lines = [line("decoy", Some(3), None), line("drip", None, Some(2))];
        let text = |lang, colour| {
            let mut out = Vec::new();
            print(&mut out, &lines, lang, colour).expect("in memory");
            String::from_utf8(out).expect("text")
        };
        let plain = text(Lang::En, false);
        let expected = "control  canary: fired after  near-miss           how the near-miss differs\n\
                        decoy    3 of 3               still               no decoy\n\
                        drip     NOT FIRED            FIRED after 2 of 3  no decoy\n\n1 of 2 did not go as expected\n";
        assert_eq!(plain, expected);
        assert!(text(Lang::Ru, true).contains("\x1b[31mdrip") && !text(Lang::Ru, true).contains("\x1b[31mdecoy"));
    }
}

//! `filin normalise`: raw records in, canonical JSONL out, nothing else needed. What `run` would make of a file, to look at.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufWriter, ErrorKind, IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, anyhow};
use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use serde_json::{Value, json};

use super::{Usage, place};
use crate::{
    adapter::{self, Adapter, Binding, Decoder, Normalised},
    event::Timestamp,
    ops::clock,
    source::file::{self, Limits, Lines, TooLong},
};

/// Flags of `filin normalise`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Format of the records
    #[arg(long, value_name = "FORMAT")]
    format: String,
    /// What is known about the source: the keys of a `[[bindings]]` entry (TOML, or .json)
    #[arg(long, value_name = "F")]
    binding: Option<PathBuf>,
    /// Write rejects here, as JSONL: file, line, index, code, message
    #[arg(long, value_name = "F")]
    rejects: Option<PathBuf>,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
    /// Files, also .gz and .zst; `-`, or none, is standard input
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// So many rejects are shown when they are not written to a file.
const SHOWN: u64 = 20;

pub(super) fn run(mut args: Args) -> anyhow::Result<ExitCode> {
    let adapter = adapter(&args.format, args.binding.as_deref())?;
    if args.files.is_empty() {
        args.files.push(PathBuf::from("-"));
    }
    // Before anything is written: a second file that is not there should not leave half an output.
    let inputs: Vec<Lines> = args
        .files
        .iter()
        .map(|path| Lines::open(path, Limits::default()).map_err(|e| Usage(format!("{:#}", anyhow!(e)))))
        .collect::<Result<_, _>>()?;
    let rejects = match &args.rejects {
        Some(path) => Some(BufWriter::new(File::create(path).map_err(|e| Usage(format!("--rejects: {}: {e}", path.display())))?)),
        None => None,
    };
    let mut work = Work {
        events: BufWriter::with_capacity(1 << 16, io::stdout().lock()),
        rejects,
        now: clock::now(),
        summary: Summary::default(),
        shown: 0,
    };
    let done = args.files.iter().zip(inputs).try_for_each(|(path, lines)| work.file(path, lines, adapter.decoder()));
    let done = done.and_then(|()| Ok(work.events.flush()?));
    if let Err(e) = &done
        && e.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == ErrorKind::BrokenPipe)
    {
        // Whoever reads the output has seen enough.
        return Ok(ExitCode::SUCCESS);
    }
    work.rejects.as_mut().map_or(Ok(()), Write::flush).context("--rejects cannot be written")?;
    let hidden = work.summary.rejected().saturating_sub(SHOWN);
    if args.rejects.is_none() && hidden > 0 {
        eprintln!("filin: {} more rejects; --rejects F keeps them all", HumanCount(hidden));
    }
    work.summary.print(args.json, &mut io::stderr().lock())?;
    done?;
    Ok(ExitCode::SUCCESS)
}

/// The adapter for a format, with what a file says about the source.
pub(super) fn adapter(format: &str, binding: Option<&Path>) -> Result<Adapter, Usage> {
    let wrong = |e: adapter::Error| Usage(e.to_string());
    let Some(path) = binding else { return Adapter::of(format).map_err(wrong) };
    let told = |e: String| Usage(format!("--binding: {}: {e}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|e| told(e.to_string()))?;
    let json = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json"));
    let value: Value = match json {
        true => serde_json::from_str(&text).map_err(|e| told(e.to_string()))?,
        false => toml::from_str(&text).map_err(|e| told(e.to_string()))?,
    };
    let mut binding = entry(value, format).map_err(told)?;
    binding["format"] = format.into();
    Binding::read(&binding).and_then(Adapter::open).map_err(|e| match e {
        adapter::Error::Binding(e) => told(place::located(&text, &e)),
        other => wrong(other),
    })
}

/// The keys of one binding, from a file that holds them bare or as `[[bindings]]`.
fn entry(mut file: Value, format: &str) -> Result<Value, String> {
    if let Some(all) = file.get_mut("bindings").and_then(Value::as_array_mut) {
        let mut fitting: Vec<Value> = all.drain(..).filter(|b| b.get("format").is_none_or(|f| f == format)).collect();
        if fitting.len() != 1 {
            return Err(format!("{} of its bindings have the format {format}: name one", fitting.len()));
        }
        file = fitting.remove(0);
    }
    let keys = file.as_object_mut().ok_or("expected the keys of a binding")?;
    if let Some(other) = keys.get("format").filter(|f| *f != format) {
        return Err(format!("it is for the format {other}"));
    }
    // Where records come from is said by FILE here.
    keys.retain(|key, _| !matches!(key.as_str(), "topic" | "path" | "token" | "token_file"));
    Ok(file)
}

struct Work<W: Write> {
    events: W,
    rejects: Option<BufWriter<File>>,
    now: Timestamp,
    summary: Summary,
    shown: u64,
}

/// What was done.
#[derive(Debug, Default, Serialize)]
struct Summary {
    lines: u64,
    events: u64,
    blank: u64,
    /// By code.
    rejected: BTreeMap<&'static str, u64>,
    /// By field.
    complaints: BTreeMap<String, u64>,
}

impl<W: Write> Work<W> {
    fn file(&mut self, path: &Path, mut lines: Lines, mut decoder: Decoder) -> anyhow::Result<()> {
        let name = if path.as_os_str() == "-" { "standard input".to_owned() } else { path.display().to_string() };
        let bar = bar(lines.total());
        let (mut out, mut next) = (Normalised::default(), 0);
        let read = loop {
            let block = match lines.next_block() {
                Ok(Some(block)) => block,
                Ok(None) => break Ok(()),
                Err(e) => break Err(e),
            };
            for line in block.iter() {
                match line.text {
                    Ok(text) => decoder.line(text, &mut out),
                    Err(e) => self.reject(&bar, &name, line.number, 0, TooLong::CODE, &e.to_string())?,
                }
                self.take(&bar, &name, line.number, &mut out)?;
                next = line.number + 1;
            }
            self.summary.lines += u64::try_from(block.len())?;
            if block.source.is_none() {
                // Somebody may be waiting for what came through a pipe.
                self.events.flush()?;
            }
            bar.set_position(lines.read());
        };
        decoder.end(&mut out);
        // What never ends is told at the last line.
        self.take(&bar, &name, next.saturating_sub(1), &mut out)?;
        bar.finish_and_clear();
        read.map_err(|e: file::Error| e.into())
    }

    fn take(&mut self, bar: &ProgressBar, name: &str, number: u64, out: &mut Normalised) -> anyhow::Result<()> {
        out.judge(self.now);
        self.summary.blank += out.skipped;
        for (_, event) in &out.events {
            serde_json::to_writer(&mut self.events, event).map_err(io::Error::from)?;
            self.events.write_all(b"\n")?;
            self.summary.events += 1;
        }
        for complaint in out.complaints.drain(..) {
            *self.summary.complaints.entry(complaint.field).or_default() += 1;
        }
        for reject in &out.rejects {
            self.reject(bar, name, number, reject.index, reject.code.as_str(), &reject.reason)?;
        }
        out.clear();
        Ok(())
    }

    /// `number` counts from 0, people from 1.
    fn reject(&mut self, bar: &ProgressBar, name: &str, number: u64, index: u32, code: &'static str, message: &str) -> anyhow::Result<()> {
        *self.summary.rejected.entry(code).or_default() += 1;
        let line = number + 1;
        if let Some(file) = &mut self.rejects {
            let row = json!({"file": name, "line": line, "index": index, "code": code, "message": message});
            return writeln!(file, "{row}").context("--rejects cannot be written");
        }
        if self.shown < SHOWN {
            self.shown += 1;
            bar.suspend(|| eprintln!("{name}:{line}: {code}: {message}"));
        }
        Ok(())
    }
}

impl Summary {
    fn rejected(&self) -> u64 {
        self.rejected.values().sum()
    }

    fn print(&self, json: bool, out: &mut impl Write) -> anyhow::Result<()> {
        if json {
            writeln!(out, "{}", serde_json::to_string(self)?)?;
            return Ok(());
        }
        let mut rows = vec![
            ("lines".to_owned(), self.lines),
            ("events".to_owned(), self.events),
            ("blank".to_owned(), self.blank),
            ("rejected".to_owned(), self.rejected()),
        ];
        rows.extend(self.rejected.iter().map(|(code, n)| (format!("  {code}"), *n)));
        rows.push(("complaints".to_owned(), self.complaints.values().sum()));
        rows.extend(self.complaints.iter().map(|(field, n)| (format!("  {field}"), *n)));
        let rows: Vec<(String, String)> = rows.into_iter().map(|(name, n)| (name, HumanCount(n).to_string())).collect();
        let (names, numbers) = (rows.iter().map(|r| r.0.chars().count()).max(), rows.iter().map(|r| r.1.len()).max());
        let (names, numbers) = (names.unwrap_or_default(), numbers.unwrap_or_default());
        for (name, n) in rows {
            writeln!(out, "{name:names$}  {n:>numbers$}")?;
        }
        Ok(())
    }
}

fn bar(length: Option<u64>) -> ProgressBar {
    // Events on a terminal and a bar on the same one would write over each other.
    let shown = io::stderr().is_terminal() && !io::stdout().is_terminal() && length.is_some();
    let bar = ProgressBar::with_draw_target(length, if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() });
    let style = ProgressStyle::with_template("{bar:30} {percent:>3}% {bytes}/{total_bytes} {eta}");
    bar.set_style(style.expect("the template is right"));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_stands_in_columns() {
        let summary = Summary {
            lines: 12_345,
            events: 12_340,
            blank: 3,
            rejected: BTreeMap::from([("bad_json", 1), ("future", 1)]),
            complaints: BTreeMap::from([("client.ip".to_owned(), 40)]),
        };
        let (mut text, mut json) = (Vec::new(), Vec::new());
        summary.print(false, &mut text).expect("in memory");
        summary.print(true, &mut json).expect("in memory");
        let expected = "\
lines        12,345
events       12,340
blank             3
rejected          2
  bad_json        1
  future          1
complaints       40
  client.ip      40
";
        assert_eq!(String::from_utf8(text).expect("text"), expected);
        assert_eq!(
            String::from_utf8(json).expect("text"),
            "{\"lines\":12345,\"events\":12340,\"blank\":3,\"rejected\":{\"bad_json\":1,\"future\":1},\"complaints\":{\"client.ip\":40}}\n"
        );
    }

    #[test]
    fn a_binding_file_holds_one_binding_or_several() {
        let check = |toml: &str| {
            let entry = entry(toml::from_str(toml).expect("TOML"), "o365")?;
            Ok::<_, String>(entry.get("tenant").and_then(Value::as_str).unwrap_or_default().to_owned())
        };
        assert_eq!(check("tenant = \"t\""), Ok("t".to_owned()));
        assert_eq!(check("format = \"o365\"\ntenant = \"t\"\ntopic = \"raw\""), Ok("t".to_owned()));
        let two = "[[bindings]]\nformat = \"canonical\"\n[[bindings]]\nformat = \"o365\"\ntenant = \"u\"";
        assert_eq!(check(two), Ok("u".to_owned()));
        assert!(check("format = \"canonical\"").expect_err("another").contains("canonical"));
        assert!(check("[[bindings]]\nformat = \"canonical\"").expect_err("none").contains("0 of its bindings"));
    }
}

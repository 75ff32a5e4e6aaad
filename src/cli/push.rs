//! `filin push`: files to a running Filin, in order, as often as it takes. Pushing the same again is harmless: the server knows
//! the lines of a file by its digest, and events by their ids.

mod read;
mod send;
#[cfg(test)]
mod tests;

use std::{
    fs::File,
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context;
use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};

use self::{
    read::Batches,
    send::{Answer, Batch, Server},
};
use super::Usage;
use crate::{adapter, api::DEFAULT_FORMAT, ops::config};

/// Flags of `filin push`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Address of the server, as in http://127.0.0.1:8687; its token is taken from FILIN_INGEST_TOKEN
    #[arg(long, value_name = "URL")]
    to: String,
    /// Format of the records (`filin adapters` lists them); a token's binding wins
    #[arg(long, default_value = DEFAULT_FORMAT)]
    format: String,
    /// The organisation
    #[arg(long)]
    tenant: Option<String>,
    /// Write refused lines here, with the reasons, as JSONL
    #[arg(long, value_name = "F")]
    rejects: Option<PathBuf>,
    /// Seconds to go on trying while the server takes nothing
    #[arg(long, value_name = "S", default_value_t = 120)]
    patience: u64,
    /// Files with a record a line; `-` is standard input; .gz and .zst are unpacked
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// So many refused lines are shown.
const SHOWN: u64 = 20;

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let token = config::ingest_token();
    let patience = Duration::from_secs(args.patience);
    let server =
        Server::new(&args.to, &args.format, args.tenant.as_deref(), token.as_ref(), patience).map_err(|e| Usage(format!("--to: {e:#}")))?;
    // Before anything is sent: a second file that is not there should not leave half a push.
    for path in args.files.iter().filter(|path| path.as_os_str() != "-") {
        File::open(path).map_err(|e| Usage(format!("{}: {e}", path.display())))?;
    }
    if server.shows_token() {
        eprintln!("filin: warning: the token goes over the network as it is; use https:// or a proxy");
    }
    let rejects = match &args.rejects {
        Some(path) => Some(File::create(path).map_err(|e| Usage(format!("--rejects: {}: {e}", path.display())))?),
        None => None,
    };
    // Of a CSV file each batch needs the header.
    let marker = adapter::FORMATS.iter().find(|known| known.name == args.format).and_then(|known| known.csv_header);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut report = Report { rejects: rejects.map(std::io::BufWriter::new), ..Report::default() };
    let pushed = args.files.iter().try_for_each(|path| runtime.block_on(push(&server, path, marker, &mut report)));
    let totals = format!("accepted {}, rejected {}", HumanCount(report.accepted), HumanCount(report.rejected));
    report.rejects.as_mut().map_or(Ok(()), Write::flush).context("--rejects cannot be written")?;
    if let Err(e) = pushed {
        return Err(e.context(format!("stopped after {totals}; push the same again to go on")));
    }
    println!("{totals}");
    if report.rejected > 0 {
        let hint = if args.rejects.is_none() { "; --rejects F keeps them all" } else { "" };
        eprintln!("filin: {} lines were refused{hint}", HumanCount(report.rejected));
    }
    Ok(ExitCode::SUCCESS)
}

/// What was done so far.
#[derive(Default)]
struct Report {
    accepted: u64,
    rejected: u64,
    rejects: Option<std::io::BufWriter<File>>,
}

async fn push(server: &Server, path: &Path, marker: Option<&'static str>, report: &mut Report) -> anyhow::Result<()> {
    let name = if path.as_os_str() == "-" { "standard input".to_owned() } else { path.display().to_string() };
    let mut batches = Batches::open(path, marker)?;
    let bar = bar(batches.progress().1);
    while let Some(batch) = batches.next_batch()? {
        let mut waiting = |why: &str| bar.set_message(format!("waiting: {why}"));
        let answer = server.send(&batch, &mut waiting).await.with_context(|| format!("{name}, from line {}", batch.first + 1))?;
        report.take(&name, &bar, answer, &batch)?;
        bar.set_position(batches.progress().0);
        bar.set_message(format!("accepted {}, rejected {}", HumanCount(report.accepted), HumanCount(report.rejected)));
    }
    bar.finish_and_clear();
    Ok(())
}

impl Report {
    fn take(&mut self, name: &str, bar: &ProgressBar, answer: Answer, batch: &Batch) -> anyhow::Result<()> {
        self.accepted += answer.accepted;
        for rejected in answer.rejected {
            self.rejected += 1;
            let number = rejected.line + 1;
            if self.rejected <= SHOWN {
                bar.suspend(|| eprintln!("{name}:{number}: {}: {}", rejected.code, rejected.message));
            }
            let Some(file) = &mut self.rejects else { continue };
            let line = rejected.line.checked_sub(batch.first).and_then(|i| batch.lines.get(usize::try_from(i).ok()?));
            let raw = line.filter(|_| !batch.document).map(|line| String::from_utf8_lossy(line.trim_ascii_end()));
            let row = serde_json::json!({"file": name, "line": number, "code": rejected.code, "message": rejected.message, "raw": raw});
            writeln!(file, "{row}").context("--rejects cannot be written")?;
        }
        Ok(())
    }
}

fn bar(length: Option<u64>) -> ProgressBar {
    let style = match length {
        Some(_) => "{bar:30} {percent:>3}% {bytes}/{total_bytes} {eta} {wide_msg}",
        None => "{spinner} {bytes} {elapsed} {wide_msg}",
    };
    let target = if std::io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(length, target);
    bar.set_style(ProgressStyle::with_template(style).expect("the template is right"));
    bar
}

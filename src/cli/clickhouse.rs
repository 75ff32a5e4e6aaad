//! `filin clickhouse`: the embedded ClickHouse alone.

use std::{io::Write, net::SocketAddr, path::PathBuf, process::ExitCode};

use crate::ops::config::Secret;

/// Flags of `filin clickhouse`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Folder of its data [default: ${XDG_DATA_HOME:-~/.local/share}/filin]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where it listens; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8123")]
    listen: SocketAddr,
    /// File with the password of the account `default`; needed beyond loopback
    #[arg(long, value_name = "FILE")]
    reader_password_file: Option<PathBuf>,
    /// Memory that it may take, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 2048, value_parser = clap::value_parser!(u64).range(256..=1 << 20))]
    memory: u64,
    /// End when standard input ends, for a parent that may die
    #[arg(long)]
    with_parent: bool,
    /// Bounds of the listener, as JSON; for tests of them
    #[arg(long, hide = true)]
    limits: Option<String>,
}

#[cfg(not(feature = "embedded"))]
pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    drop(args);
    anyhow::bail!("this filin was built without the embedded clickhouse: use a server by clickhouse.url")
}

#[cfg(feature = "embedded")]
pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    use anyhow::Context;

    use super::Usage;
    use crate::{ops, store::embedded};

    let filter = ops::config::log_filter();
    ops::logging::start(ops::logging::Style::detect(), filter.as_deref()).map_err(|e| Usage(format!("FILIN_LOG: {e}")))?;
    let reader_password = match &args.reader_password_file {
        None => None,
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|e| Usage(format!("{}: {e}", path.display())))?;
            Some(Secret::new(text.trim())).filter(|secret| !secret.expose().is_empty())
        }
    };
    let limits = args.limits.as_deref().map(serde_json::from_str).transpose().map_err(|e| Usage(format!("--limits: {e}")))?;
    let data = args.data.unwrap_or_else(ops::config::data_dir);
    // The engine takes a relative folder for one inside its own.
    let data = std::path::absolute(&data).unwrap_or(data);
    let options = embedded::Options {
        limits: limits.unwrap_or_default(),
        listen: args.listen,
        reader_password,
        memory_bytes: args.memory << 20,
        ..embedded::Options::new(data)
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(async {
        let shutdown = ops::shutdown::on_signal().context("signals cannot be listened to")?;
        let running = match embedded::start(options, shutdown.clone()).await {
            Ok(running) => running,
            Err(e @ embedded::Error::ReaderPassword(_)) => return Err(Usage(e.to_string()).into()),
            Err(e) => return Err(e.into()),
        };
        if args.with_parent {
            let orphaned = shutdown.clone();
            // A thread of its own: a read of standard input cannot be cancelled.
            std::thread::spawn(move || {
                drop(std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
                orphaned.cancel();
            });
        }
        let mut out = std::io::stdout();
        writeln!(out, "ready: clickhouse {}", running.access().url())?;
        out.flush()?;
        running.ended().await;
        anyhow::Ok(ExitCode::SUCCESS)
    });
    runtime.shutdown_background();
    done
}

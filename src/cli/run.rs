//! `filin run`: the service.

use std::{io::Write as _, path::PathBuf, process::ExitCode, sync::Arc};

use super::{Usage, known};
use crate::{
    api::Invite,
    ops::{
        config::{self, Flags},
        logging, shutdown,
    },
    pipeline::service,
};

/// Flags of `filin run`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Configuration (TOML); environment variables (FILIN_KAFKA__BROKERS) and flags go before it
    #[arg(long, value_name = "F")]
    config: Option<PathBuf>,
    /// Watch a live made-up company: 60 days of history, then attacks about every two minutes
    #[arg(long)]
    demo: bool,
    /// Folder for everything that is kept [default: ~/.local/share/filin, with --demo ~/.local/share/filin-demo]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Address of console, API and metrics; port 0 takes a free one [default: 127.0.0.1:8687]
    #[arg(long, value_name = "A")]
    listen: Option<String>,
    /// Address of the embedded ClickHouse [default: 127.0.0.1:8123]
    #[arg(long, value_name = "A")]
    clickhouse_listen: Option<String>,
    #[command(flatten)]
    reference: known::Reference,
    /// Take only these parts of the work (normalise, score, web); needs Kafka and a ClickHouse server
    #[arg(long, value_name = "R", value_delimiter = ',')]
    role: Vec<String>,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let flags = Flags {
        demo: args.demo,
        data: args.data,
        listen: args.listen,
        clickhouse_listen: args.clickhouse_listen,
        roles: args.role,
        ..args.reference.flags()
    };
    let path = args.config;
    let config = known::config(path.as_deref(), &flags).map_err(|mistakes| Usage(mistakes.to_string()))?;
    logging::start(logging::Style::detect(), config::log_filter().as_deref()).map_err(|e| Usage(format!("FILIN_LOG: {e}")))?;
    for key in &config.no_effect {
        tracing::warn!(key, "this key has no effect yet in this version");
    }
    let metrics = known::metrics();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(async {
        let stop = shutdown::on_signal()?;
        // The same places as at the start, read once more.
        let reread = Arc::new(move || {
            let config = known::config(path.as_deref(), &flags).map_err(|mistakes| mistakes.to_string())?;
            service::policies(&config).map_err(|e| e.to_string())
        });
        let ready = |r: &service::Ready| {
            let encrypted = r.encrypted.map(|address| format!(" encrypted https://{address}")).unwrap_or_default();
            println!("ready: console http://{0} clickhouse {1} metrics http://{0}/metrics{encrypted}", r.console, r.clickhouse);
            if let Some(Invite { name, url, expires }) = &r.invite {
                // Whoever reads no further than the line above need not hear it.
                drop(writeln!(
                    std::io::stdout(),
                    "log-in: nobody can log in yet; by this link {name} sets password and second factor, once, until {expires}: {url}"
                ));
            }
        };
        anyhow::Ok(service::run(config, metrics, stop, reread, ready).await)
    })?;
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    match done {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(service::Error::Config(e)) => Err(Usage(e).into()),
        Err(e) => Err(e.into()),
    }
}

//! `filin state`: what is usual for a manager, read from the last checkpoint, and let begin anew by the running instance.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use anyhow::Context as _;

use super::{
    ask::{Running, who},
    columns,
    dead_letters::{Where, close, store},
};
use crate::{
    api::ResetOrder,
    engine::Profile,
    event::DEFAULT_TENANT,
    store::{managers, state},
};

/// Below so many days of presence an hour is not worth a mark; from the second on it is usual.
const SOME: f32 = 0.5;
const USUAL: f32 = 3.0;
/// A drift below it is noise.
const RISEN: f64 = 1.0;

/// Flags of `filin state`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show what a manager's days are compared with, as of the last checkpoint
    Show {
        /// Id of the manager at the source
        manager: String,
        /// The organisation
        #[arg(long, default_value = DEFAULT_TENANT)]
        tenant: String,
        #[command(flatten)]
        place: Where,
    },
    /// Let it begin anew: the account is another person's, or its past is no measure
    #[command(
        after_help = "It becomes a line of the log, so a replay does the same. From then on the person is compared with their peers, as a\n\
        newcomer is. What is open or was told stays, and so do the clients that they know."
    )]
    Reset {
        /// Id of the manager at the source
        manager: String,
        /// Why: it stands in the log
        #[arg(long)]
        reason: String,
        /// Who says so [default: the name of this account]
        #[arg(long, value_name = "NAME")]
        by: Option<String>,
        /// The organisation
        #[arg(long, default_value = DEFAULT_TENANT)]
        tenant: String,
        #[command(flatten)]
        place: Where,
    },
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut out = io::stdout().lock();
    match args.command {
        Command::Show { manager, tenant, place } => {
            let config = place.config()?;
            let profile = runtime.block_on(async {
                let (client, opened) = store(&config).await?;
                let found = profile(&client, &tenant, &manager).await;
                close(opened).await;
                found
            })?;
            if place.json {
                writeln!(out, "{}", serde_json::to_string_pretty(&profile)?)?;
            } else {
                print(&mut out, &profile)?;
            }
        }
        Command::Reset { manager, reason, by, tenant, place } => {
            let by = who(by)?;
            let config = place.config()?;
            let done: ResetOrder = runtime.block_on(async {
                let running = Running::find(&config, "orders").await?;
                known(&running.client, &tenant, &manager).await?;
                let order = ResetOrder { tenant, manager, reason, by };
                running.post("/v1/state/reset", &order).await
            })?;
            if place.json {
                writeln!(out, "{}", serde_json::to_string_pretty(&done)?)?;
            } else {
                writeln!(out, "what is usual for {} begins anew; `filin state show` says so after the next checkpoint", done.manager)?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Refuses somebody of whom no state is kept.
async fn known(client: &clickhouse::Client, tenant: &str, manager: &str) -> anyhow::Result<()> {
    let unknown = || {
        format!(
            "nothing is known of {manager:?} in the tenant {tenant:?}: ids are those of the source, and a state is stored at the first checkpoint \
             after somebody's first event"
        )
    };
    let log_id = state::meta(client, "log_id").await?.with_context(unknown)?;
    state::place_of(client, &log_id, tenant, manager).await?.with_context(unknown)?;
    Ok(())
}

async fn profile(client: &clickhouse::Client, tenant: &str, manager: &str) -> anyhow::Result<Profile> {
    if let Some(found) = managers::usual(client, tenant, manager).await? {
        return Ok(found);
    }
    known(client, tenant, manager).await?;
    anyhow::bail!("what was known of {manager:?} was forgotten, or there is no checkpoint yet: try again in a minute")
}

fn print(out: &mut impl Write, p: &Profile) -> io::Result<()> {
    let or = |text: &Option<String>| text.as_deref().filter(|t| !t.is_empty()).unwrap_or("-").to_owned();
    writeln!(
        out,
        "{}  role {}, compared with {}{}",
        p.manager,
        or(&p.role),
        or(&p.peers),
        if p.integration { " (an integration)" } else { "" }
    )?;
    let last = p.last_day.map_or("-".to_owned(), |d| d.to_string());
    writeln!(out, "{:.1} days learned, each counts less as it ages; the latest is {last}\n", p.learned_days)?;
    let mut lines = vec![["a usual day", "middle", "85 % of days", "peers", "days with any", ""].map(str::to_owned)];
    for u in &p.usual {
        let number = |x: f64| if x < 10.0 { format!("{x:.1}") } else { format!("{x:.0}") };
        lines.push([
            u.detector.to_owned(),
            number(u.mid),
            format!("{} to {}", number(u.low), number(u.high)),
            number(u.peers),
            format!("{:.0} %", 100.0 * u.share),
            u.unit.to_owned(),
        ]);
    }
    columns::write(out, &lines)?;
    let (share, clients) = (100.0 * p.unrelated_share, p.clients_90d);
    writeln!(out, "\nof the clients touched {share:.0} % without a reason; about {clients:.0} different ones in 90 days")?;
    for d in p.drifts.iter().filter(|d| d.level >= RISEN) {
        writeln!(out, "{} has been growing for {} days: {:.1} of 12", d.detector, d.days, d.level)?;
    }
    let known: Vec<String> = p.known.iter().map(|(what, n)| format!("{what} {n}")).collect();
    writeln!(out, "known values: {}\n", known.join(", "))?;
    writeln!(out, "hours, local time   0     6     12    18")?;
    for (day, hours) in ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"].iter().zip(p.hours.chunks(24)) {
        let marks: String = hours
            .iter()
            .map(|h| {
                if *h >= USUAL {
                    '#'
                } else if *h >= SOME {
                    '+'
                } else {
                    '.'
                }
            })
            .collect();
        writeln!(out, "{day:19} {marks}")?;
    }
    writeln!(out, "# usual, + now and then, . never or long ago")?;
    let dates = |dates: &[crate::event::Date]| dates.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if !p.open_days.is_empty() {
        writeln!(out, "\nkept, as events may still come: {}", dates(&p.open_days))?;
    }
    if !p.kept_days.is_empty() {
        writeln!(out, "kept for the case of a notice: {}", dates(&p.kept_days))?;
    }
    Ok(())
}

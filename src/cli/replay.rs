//! `filin replay`: score once more, from files or from the log as it stands.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufWriter, IsTerminal as _, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};

mod others;

use others::Others;

use super::{Usage, known};
use crate::{
    adapter::{self, Adapter},
    engine::{AlertVersion, Effect, Signal, Tenant, features::names},
    event::{Budget, Event, Timestamp},
    log,
    ops::{
        clock,
        config::{Config, Flags, Place, Store},
    },
    pipeline::{
        ingest::Rows,
        intake::Reading,
        replay,
        service::{self, policies},
        verify::{self, LocalLines, Scored},
    },
    source::file::Limits,
    store::{self, Alias, state},
};

// What `replay` and `train` read events by. No doc comment: clap would take it for what the command is about.
#[derive(Debug, clap::Args)]
pub(super) struct Source {
    /// Format of the events
    #[arg(long, default_value = "canonical")]
    format: String,
    /// What the format has to know about its source (TOML, the keys of `[[bindings]]`)
    #[arg(long, value_name = "F")]
    binding: Option<PathBuf>,
    #[command(flatten)]
    reference: known::Reference,
    /// Configuration
    #[arg(long, value_name = "F")]
    config: Option<PathBuf>,
}

impl Source {
    /// The configuration with these and other flags.
    pub(super) fn config(&self, others: Flags) -> Result<Config, Usage> {
        let Flags { users, clients, orders, .. } = self.reference.flags();
        known::config(self.config.as_deref(), &Flags { users, clients, orders, ..others }).map_err(|m| Usage(m.to_string()))
    }
}

/// Flags of `filin replay`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Events, also .gz and .zst; `-` is standard input
    #[arg(long, value_name = "F", num_args = 1.., required_unless_present = "from_log", conflicts_with = "from_log")]
    events: Vec<PathBuf>,
    #[command(flatten)]
    source: Source,
    /// Alerts per 100 manager-days when nothing is wrong, or so many a week, as in 5/week
    #[arg(long, value_name = "B")]
    budget: Option<Budget>,
    /// Other budgets of which the closing table tells what they would have given [default: half, twice and five times the budget]
    #[arg(long, value_name = "B", value_delimiter = ',', conflicts_with = "from_log")]
    budgets: Option<Vec<Budget>>,
    /// Cold-start prior: `default`, `none`, or a file that `filin train` wrote
    #[arg(long, value_name = "F", conflicts_with = "from_log")]
    prior: Option<String>,
    /// Keep the order of the file instead of sorting by time
    #[arg(long)]
    as_delivered: bool,
    /// Write only alerts and signals from this time on (learning is not limited)
    #[arg(long, value_name = "T")]
    from: Option<String>,
    /// ... and before this time
    #[arg(long, value_name = "T")]
    until: Option<String>,
    /// Where alert versions go (JSONL)
    #[arg(long, value_name = "OUT", required_unless_present_any = ["from_log"])]
    alerts: Option<PathBuf>,
    /// Where signals go (JSONL)
    #[arg(long, value_name = "OUT")]
    signals: Option<PathBuf>,
    /// Where the features of each manager-day go (CSV): x, raw surprise r and evidence s per detector, S and its threshold
    #[arg(long, value_name = "OUT", conflicts_with = "from_log")]
    features: Option<PathBuf>,
    /// Score the log as it stands (of --data or --config); its policy is in it
    #[arg(long)]
    from_log: bool,
    /// Folder of the embedded instance
    #[arg(long, value_name = "DIR", requires = "from_log")]
    data: Option<PathBuf>,
    /// Compare with what is stored; the first difference ends with exit code 1
    #[arg(long, requires = "from_log")]
    verify: bool,
    /// Write the stored alert versions (JSONL)
    #[arg(long, value_name = "OUT", requires = "from_log")]
    stored: Option<PathBuf>,
    /// Write a digest per state at the newest checkpoint (JSONL)
    #[arg(long, value_name = "OUT", requires = "from_log")]
    states: Option<PathBuf>,
    /// Print the table of would-be alerts as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let flags = Flags { data: args.data.clone(), budget: args.budget, prior: args.prior.clone(), ..Flags::default() };
    let config = args.source.config(flags)?;
    if args.from_log { from_log(&args, &config) } else { from_files(&args, &config) }
}

/// Where alerts and signals go, and what the closing table counts.
struct Output {
    alerts: Option<Box<dyn Write>>,
    signals: Option<Box<dyn Write>>,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    /// (tenant, manager, control) → alerts opened, versions, greatest bits.
    table: BTreeMap<(String, String, String), (u64, u64, u64)>,
}

impl Output {
    fn open(args: &Args) -> anyhow::Result<Self> {
        let time = |t: &Option<String>, flag: &str| -> anyhow::Result<Option<Timestamp>> {
            t.as_deref().map(Timestamp::parse).transpose().map_err(|e| Usage(format!("{flag}: {e}")).into())
        };
        Ok(Self {
            alerts: args.alerts.as_deref().map(create).transpose()?,
            signals: args.signals.as_deref().map(create).transpose()?,
            from: time(&args.from, "--from")?,
            until: time(&args.until, "--until")?,
            table: BTreeMap::new(),
        })
    }

    fn within(&self, t: Timestamp) -> bool {
        self.from.is_none_or(|f| t >= f) && self.until.is_none_or(|u| t < u)
    }

    fn alert(&mut self, a: &AlertVersion) -> std::io::Result<()> {
        if !self.within(a.time) {
            return Ok(());
        }
        let key = (a.tenant.clone(), a.subject.id.clone(), a.kind.clone());
        let row = self.table.entry(key).or_default();
        row.0 += u64::from(a.version == 1);
        row.1 += 1;
        row.2 = row.2.max(a.bits);
        line(self.alerts.as_mut(), a)
    }

    fn signal(&mut self, s: &Signal) -> std::io::Result<()> {
        if self.within(s.time) { line(self.signals.as_mut(), s) } else { Ok(()) }
    }

    /// Prints the closing table, and what other budgets would have given.
    fn close(mut self, json: bool, others: &Others) -> anyhow::Result<()> {
        for out in [&mut self.alerts, &mut self.signals].into_iter().flatten() {
            out.flush()?;
        }
        let mut rows: Vec<_> = self.table.into_iter().collect();
        rows.sort_by(|a, b| b.1.2.cmp(&a.1.2).then_with(|| a.0.cmp(&b.0)));
        let mut out = std::io::stdout().lock();
        if json {
            let rows: Vec<_> = rows
                .iter()
                .map(|((tenant, manager, control), (alerts, versions, bits))| {
                    serde_json::json!({"tenant": tenant, "manager": manager, "control": control, "alerts": alerts, "versions": versions, "bits": bits})
                })
                .collect();
            let whole =
                if others.is_empty() { serde_json::json!(rows) } else { serde_json::json!({"alerts": rows, "budgets": others.rows()}) };
            writeln!(out, "{}", serde_json::to_string_pretty(&whole)?)?;
            return Ok(());
        }
        if rows.is_empty() {
            writeln!(out, "no alerts")?;
            return Ok(others.print(&mut out)?);
        }
        let wide = |pick: fn(&(String, String, String)) -> &str, head: &str| {
            rows.iter().map(|r| pick(&r.0).chars().count()).max().unwrap_or(0).max(head.len())
        };
        let (t, m, c) = (wide(|k| &k.0, "tenant"), wide(|k| &k.1, "manager"), wide(|k| &k.2, "control"));
        writeln!(out, "{:t$}  {:m$}  {:c$}  alerts  versions  greatest bits", "tenant", "manager", "control")?;
        for ((tenant, manager, control), (alerts, versions, bits)) in &rows {
            writeln!(
                out,
                "{tenant:t$}  {manager:m$}  {control:c$}  {alerts:>6}  {versions:>8}  {:>13}",
                format!("{}.{:03}", bits / 1000, bits % 1000)
            )?;
        }
        Ok(others.print(&mut out)?)
    }
}

fn create(path: &Path) -> anyhow::Result<Box<dyn Write>> {
    if path == Path::new("-") {
        return Ok(Box::new(std::io::stdout()));
    }
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(Box::new(BufWriter::new(file)))
}

fn line<T: serde::Serialize>(out: Option<&mut Box<dyn Write>>, value: &T) -> std::io::Result<()> {
    let Some(out) = out else { return Ok(()) };
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}

pub(super) fn bar(length: Option<u64>, what: &'static str, bytes: bool) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = length.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    let counts = if bytes { "{bytes}/{total_bytes}" } else { "{human_pos}/{human_len} ({per_sec})" };
    let style = ProgressStyle::with_template(&format!("{{msg:10}} [{{bar:40}}] {counts} {{eta}}")).expect("a fixed template");
    bar.set_style(style.progress_chars("=> "));
    bar.set_message(what);
    bar
}

fn from_files(args: &Args, config: &Config) -> anyhow::Result<ExitCode> {
    let output = Output::open(args)?;
    let Given { events, rows, prefix } = given(&args.events, &args.source, config, !args.as_delivered)?;
    let budgets = other_budgets(args, config);
    let (policies, bar) = (policies(config)?, bar(Some(events.len() as u64), "scoring", false));
    let mut heard = Heard { output, bar, others: Others::new(&budgets), failed: None };
    let ask = replay::Ask { policies: &policies, actor_prefix: &prefix, features: args.features.is_some(), budgets: &budgets };
    let tenants = replay::score(events, rows, &ask, &mut heard);
    let Heard { output, bar, others, failed } = heard;
    bar.finish_and_clear();
    if let Some(e) = failed {
        return Err(e).context("cannot write the output");
    }
    if let Some(path) = &args.features {
        features(path, tenants).with_context(|| format!("cannot write {}", path.display()))?;
    }
    output.close(args.json, &others)?;
    Ok(ExitCode::SUCCESS)
}

/// What is read before anything is scored.
pub(super) struct Given {
    pub(super) events: Vec<Event>,
    pub(super) rows: Rows,
    /// What stands before the ids of actors in reference data.
    pub(super) prefix: String,
}

/// Reads reference data and events; what was not used is said.
pub(super) fn given(paths: &[PathBuf], source: &Source, config: &Config, sorted: bool) -> anyhow::Result<Given> {
    let adapter = adapter_of(source)?;
    let prefix = adapter.binding().actor_prefix.clone().unwrap_or_default();
    let mut rows = Rows::default();
    let places = [("users", &config.reference.users), ("clients", &config.reference.clients), ("orders", &config.reference.orders)];
    for (kind, place) in places {
        if let Some(Place::File(path)) = place {
            let complaints = service::read_rows(kind, path, &mut rows)?;
            if !complaints.is_empty() {
                eprintln!("filin: {} rows or cells of {} were not used (`filin check` lists them)", complaints.len(), path.display());
            }
        }
    }
    let limits = Limits { line_bytes: config.pipeline.max_line_bytes, ..Limits::default() };
    let (mut events, mut rejected, mut blank) = (Vec::new(), 0, 0);
    for path in paths {
        let mut reading = Reading::open(path, adapter.clone(), limits)?;
        let bar = bar(reading.position().1, "reading", true);
        while let Some(block) = reading.block(clock::now())? {
            rejected += block.dead.len();
            blank += block.blank;
            events.extend(block.events.into_iter().map(|(e, _)| e));
            bar.set_position(reading.position().0);
        }
        bar.finish_and_clear();
    }
    if rejected > 0 {
        eprintln!("filin: {rejected} records were rejected (`filin normalise --rejects F` lists them)");
    }
    if blank > 0 {
        eprintln!("filin: {blank} blank lines");
    }
    if sorted {
        events.sort_by_key(|e| e.time);
    }
    Ok(Given { events, rows, prefix })
}

/// What the closing table compares with: half, twice and five times the budget unless others are named. Machines get what they ask for.
fn other_budgets(args: &Args, config: &Config) -> Vec<Budget> {
    let usual = || if args.json { Vec::new() } else { [0.5, 2.0, 5.0].map(|f| config.alerts.budget.times(f)).to_vec() };
    args.budgets.clone().unwrap_or_else(usual)
}

/// Writes what comes out, and counts what would have with other budgets.
struct Heard {
    output: Output,
    bar: ProgressBar,
    others: Others,
    failed: Option<std::io::Error>,
}

impl replay::Sink for Heard {
    fn effect(&mut self, _: &Tenant, effect: Effect) {
        let written = match effect {
            Effect::Alert(a) => {
                if self.output.within(a.time) {
                    self.others.note(None, &a);
                }
                self.output.alert(&a)
            }
            Effect::Signal(s) => self.output.signal(&s),
            Effect::Stored { .. } | Effect::Repeated => Ok(()),
        };
        if let Err(e) = written {
            self.failed.get_or_insert(e);
        }
    }

    fn other(&mut self, budget: usize, effect: Effect) {
        if let Effect::Alert(a) = effect
            && self.output.within(a.time)
        {
            self.others.note(Some(budget), &a);
        }
    }

    fn progress(&mut self, done: usize) {
        self.bar.set_position(done as u64);
    }
}

/// One row per manager-day, by tenant, date and manager; nats but for x, which is in the detector's own unit.
fn features(path: &Path, tenants: BTreeMap<String, Tenant>) -> anyhow::Result<()> {
    let mut out = csv::Writer::from_writer(create(path)?);
    let head = ["tenant", "manager", "date", "integration", "role", "team", "events", "peak", "theta"].map(str::to_owned);
    let named = ["x", "r", "s"].into_iter().flat_map(|what| names().map(|name| format!("{what}_{name}")));
    out.write_record(head.into_iter().chain(named))?;
    for (name, mut tenant) in tenants {
        for day in tenant.take_features() {
            let text = |t: &str| t.to_owned();
            let who =
                [text(&name), text(&day.manager), day.date.to_string(), day.integration.to_string(), text(&day.role), text(&day.team)];
            let numbers = [day.peak, day.theta].into_iter().chain(day.x).chain(day.r).chain(day.s).map(|n| n.to_string());
            out.write_record(who.into_iter().chain([day.events.to_string()]).chain(numbers))?;
        }
    }
    Ok(out.flush()?)
}

fn adapter_of(source: &Source) -> anyhow::Result<Adapter> {
    let mut binding = serde_json::Map::new();
    if let Some(path) = &source.binding {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        binding = toml::from_str(&text).map_err(|e| Usage(format!("{}: {e}", path.display())))?;
    }
    binding.entry("format").or_insert_with(|| source.format.clone().into());
    let read = adapter::Binding::read(&binding.into()).and_then(Adapter::open);
    Ok(read.map_err(|e| Usage(e.to_string()))?)
}

fn from_log(args: &Args, config: &Config) -> anyhow::Result<ExitCode> {
    super::needs_data(config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (mut output, alias) = (Output::open(args)?, Alias::new(service::alias_key(config)?));
    runtime
        .block_on(async {
            // Beside a live instance the log is read through its listener.
            let live = live(config);
            let opened = if live.is_none() { Some(service::open_store(&on_a_free_port(config)).await?) } else { None };
            let client = live.or_else(|| opened.as_ref().map(|o| o.client.clone())).expect("one of them");
            let done = score_log(args, config, &client, &alias, &mut output).await;
            if let Some(opened) = opened {
                opened.close().await;
            }
            done
        })
        .and_then(|equal| {
            output.close(args.json, &Others::default())?;
            Ok(if equal { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        })
}

#[cfg(feature = "embedded")]
pub(super) fn live(config: &Config) -> Option<clickhouse::Client> {
    matches!(config.store, Store::Embedded(_)).then(|| store::embedded::access(&config.data)).flatten().map(|a| store::client(&a.store()))
}

#[cfg(not(feature = "embedded"))]
pub(super) fn live(_: &Config) -> Option<clickhouse::Client> {
    None
}

/// Nobody else needs to reach the engine that a replay opens for itself.
pub(super) fn on_a_free_port(config: &Config) -> Config {
    let mut config = config.clone();
    if let Store::Embedded(embedded) = &mut config.store {
        embedded.listen.set_port(0);
    }
    config
}

async fn score_log(args: &Args, config: &Config, client: &clickhouse::Client, alias: &Alias, output: &mut Output) -> anyhow::Result<bool> {
    let log_id = state::meta(client, "log_id").await?.context("nothing has been logged here yet")?;
    let count = state::number(client, "partitions").await?.unwrap_or(log::DEFAULT_PARTITIONS);
    if log_id.starts_with("kafka:") {
        #[cfg(feature = "kafka")]
        if let Some(kafka) = &config.kafka {
            let (kafka, base) = service::in_force(kafka, client).await?;
            let lines = log::kafka_lines::Lines::open(&kafka, base)?;
            return score_partitions(args, client, alias, output, &log_id, lines, (0..count).collect()).await;
        }
        anyhow::bail!("the log is a Kafka topic: give --config with [kafka] brokers");
    }
    let partitions = client
        .query(
            "SELECT DISTINCT partition FROM (SELECT partition FROM log UNION ALL SELECT partition FROM checkpoints) WHERE partition < ? \
             ORDER BY partition",
        )
        .bind(count)
        .fetch_all()
        .await
        .map_err(store::Error::from)?;
    score_partitions(args, client, alias, output, &log_id, LocalLines(client.clone()), partitions).await
}

async fn score_partitions(
    args: &Args,
    client: &clickhouse::Client,
    alias: &Alias,
    output: &mut Output,
    log_id: &str,
    mut lines: impl verify::Lines,
    partitions: Vec<u32>,
) -> anyhow::Result<bool> {
    let bar = bar(None, "scoring", false);
    let mut states = args.states.as_deref().map(create).transpose()?;
    let (mut equal, mut records) = (true, 0);
    for id in partitions {
        let scored: Scored = verify::partition(client, alias, &mut lines, log_id, id, |n| bar.set_position(records + n)).await?;
        records += scored.records;
        if let Some(from) = &scored.from {
            eprintln!("filin: the head of partition {id} is gone; scored from the oldest kept checkpoint at offset {}", from.log_offset);
        }
        for (alert, _) in &scored.alerts {
            output.alert(alert)?;
        }
        for (signal, _) in &scored.signals {
            output.signal(signal)?;
        }
        for ((tenant, manager), bytes) in &scored.states {
            let digest = format!("{:016x}", xxhash_rust::xxh3::xxh3_64(bytes));
            line(states.as_mut(), &serde_json::json!({"tenant": tenant, "manager": manager, "bytes": bytes.len(), "digest": digest}))?;
        }
        if args.verify
            && equal
            && let Some(difference) = verify::compare(client, id, &scored).await?
        {
            eprintln!("filin: differs: {difference}");
            equal = false;
        }
    }
    bar.finish_and_clear();
    if let Some(mut states) = states {
        states.flush()?;
    }
    if let Some(path) = &args.stored {
        let mut out = Some(create(path)?);
        let query = "SELECT ?fields FROM alerts FINAL ORDER BY time, alert_id, version";
        for row in store::unchecked(client).query(query).fetch_all::<store::rows::AlertRow>().await.map_err(store::Error::from)? {
            line(out.as_mut(), &row.into_version()?)?;
        }
        if let Some(mut out) = out {
            out.flush()?;
        }
    }
    if args.verify && equal {
        eprintln!("filin: {records} records scored once more: equal to what is stored");
    }
    Ok(equal)
}

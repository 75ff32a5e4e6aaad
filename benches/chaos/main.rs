//! Filin's promise "effectively once" against real faults: three brokers, a ClickHouse, two instances in one group, a producer with
//! known ids (docs/guarantees.md). `make chaos SEED=1 MINUTES=10`.
//!
//! One system runs through all faults, so each finds what those before it left. A fault that did not bite is a failed run.

#![expect(clippy::unwrap_used, reason = "locks are held by nobody who panics")]

mod feed;
mod judge;
mod parts;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Parser;
use filin::ops::{clock::Stopwatch, fail};
use rand_xoshiro::{
    Xoshiro256PlusPlus,
    rand_core::{RngCore as _, SeedableRng as _},
};

use feed::{Feed, Manner, Producing};
use judge::{Logged, Moment};
use parts::{Brokers, ClickHouse, Instance, Watch, wait};

/// How long a fault may take to bite.
const BITE: Duration = Duration::from_secs(90);
/// Tenants that are bound and join later.
const SPARE: usize = 12;
/// What the group takes to notice that a member is gone.
const SESSION: Duration = Duration::from_secs(6);

#[derive(Parser)]
struct Args {
    /// The same seed gives the same companies and the same order of faults
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// No fault is begun after so many minutes
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// Only these kinds
    #[arg(long, value_delimiter = ',')]
    kinds: Vec<String>,
    /// How often each kind at most
    #[arg(long, default_value_t = 1000)]
    rounds: usize,
    /// Brokers
    #[arg(long, default_value_t = 3)]
    brokers: usize,
    /// Heap of each, MiB
    #[arg(long, default_value_t = 400)]
    heap: u32,
    /// Days of each company
    #[arg(long, default_value_t = 120)]
    days: u32,
    /// The binary that is tried
    #[arg(long, default_value = env!("CARGO_BIN_EXE_filin"))]
    filin: PathBuf,
    /// Where everything is kept; else a new folder that goes when all is well
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Cargo says so
    #[arg(long, hide = true)]
    bench: bool,
}

/// What is done to it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// `kill -9` of an instance.
    Kill,
    /// An instance dies at a step.
    FailAt(&'static str),
    /// An instance stands still beyond its session and comes back.
    Zombie,
    /// ClickHouse is killed while rows come in, and returns.
    ClickHouse,
    /// A broker is killed, and returns.
    Broker,
    /// The producer doubles and reorders.
    Doubled,
    /// A third instance joins, and leaves.
    Joins,
    /// An instance is killed while ClickHouse is away, and another stands still.
    Together,
    /// An instance's clock is days ahead; who goes on after it has a clock that is right again.
    Clock,
}

impl Kind {
    fn all() -> Vec<Self> {
        let mut all =
            vec![Self::Kill, Self::Zombie, Self::ClickHouse, Self::Broker, Self::Doubled, Self::Joins, Self::Together, Self::Clock];
        all.extend(fail::STEPS.map(Self::FailAt));
        all
    }

    fn name(&self) -> String {
        match self {
            Self::Kill => "kill".to_owned(),
            Self::FailAt(step) => format!("fail:{step}"),
            Self::Zombie => "zombie".to_owned(),
            Self::ClickHouse => "clickhouse".to_owned(),
            Self::Broker => "broker".to_owned(),
            Self::Doubled => "doubled".to_owned(),
            Self::Joins => "joins".to_owned(),
            Self::Together => "together".to_owned(),
            Self::Clock => "clock".to_owned(),
        }
    }
}

/// What one run showed.
#[derive(Default)]
struct Shown {
    bit: bool,
    /// Records scored again.
    again: u64,
    /// How it showed, in words.
    how: String,
}

/// A row of the closing table.
#[derive(Default)]
struct Row {
    runs: usize,
    bit: usize,
    again: u64,
    differences: usize,
}

/// Everything that runs.
struct System {
    folder: PathBuf,
    watch: Watch,
    brokers: Brokers,
    clickhouse: ClickHouse,
    client: clickhouse::Client,
    instances: Vec<Instance>,
    /// Instances started so far.
    started: usize,
    /// How far ahead the clock of an instance was so far.
    days_ahead: i64,
    feed: Arc<Mutex<Feed>>,
    logged: Logged,
    runtime: tokio::runtime::Runtime,
    rng: Xoshiro256PlusPlus,
    topics: Vec<String>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if !cfg!(feature = "chaos") {
        println!("chaos: needs the fail points, so it is run by `make chaos`");
        return ExitCode::SUCCESS;
    }
    match run(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("chaos: {e:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<bool> {
    let folder = match &args.folder {
        Some(folder) => std::path::absolute(folder)?,
        None => tempfile::Builder::new().prefix("filin-chaos-").tempdir()?.keep(),
    };
    fs::create_dir_all(&folder)?;
    parts::try_out(&args.filin);
    let kinds: Vec<Kind> = Kind::all().into_iter().filter(|k| args.kinds.is_empty() || args.kinds.contains(&k.name())).collect();
    ensure!(!kinds.is_empty(), "no such kind; there are {}", Kind::all().iter().map(Kind::name).collect::<Vec<_>>().join(" "));
    let mut system = System::start(&folder, args)?;
    let (since, limit) = (Stopwatch::start(), Duration::from_secs(args.minutes * 60));
    let mut table = BTreeMap::<Kind, Row>::new();
    let mut well = true;
    'rounds: for round in 1..=args.rounds {
        let mut order = kinds.clone();
        for i in (1..order.len()).rev() {
            order.swap(i, system.below(i + 1));
        }
        for kind in order {
            if since.elapsed() > limit || system.feed.lock().unwrap().left() < 3000 {
                break 'rounds;
            }
            let (took, row) = (Stopwatch::start(), table.entry(kind.clone()).or_default());
            row.runs += 1;
            let (shown, difference) = system.try_out(&kind).with_context(|| format!("{} of round {round}", kind.name()))?;
            row.bit += usize::from(shown.bit);
            row.again += shown.again;
            row.differences += usize::from(difference.is_some());
            well &= shown.bit && difference.is_none();
            let bit = if shown.bit { "bit" } else { "DID NOT BITE" };
            let end = difference.map_or_else(|| "equal".to_owned(), |d| format!("DIFFERS: {d}"));
            let (name, s) = (kind.name(), took.elapsed().as_secs());
            println!("round {round} {name}: {bit} ({}), {} records scored again, {end} [{s} s]", shown.how, shown.again);
            if end != "equal" {
                break 'rounds;
            }
        }
    }
    let produced: usize = system.feed.lock().unwrap().tenants.iter().map(|t| t.ids.len()).sum();
    println!("\n{:20} {:>5} {:>5} {:>14} {:>12}", "fault", "runs", "bit", "scored again", "differences");
    for (kind, row) in &table {
        println!("{:20} {:>5} {:>5} {:>14} {:>12}", kind.name(), row.runs, row.bit, row.again, row.differences);
    }
    let (repeated, junk) = (system.logged.repeated, system.feed.lock().unwrap().junk.len());
    println!(
        "seed {}, {} brokers, {produced} events produced, {repeated} lines of the log are repeats, {junk} dead letters",
        args.seed, args.brokers
    );
    drop(system);
    if well && args.folder.is_none() {
        fs::remove_dir_all(&folder).ok();
    } else {
        println!("everything is kept in {}", folder.display());
    }
    Ok(well)
}

impl System {
    fn start(folder: &Path, args: &Args) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let watch = Watch::over(folder)?;
        let feed = feed::companies(folder, args.seed, args.days)?;
        let brokers = Brokers::start(&watch, folder, args.brokers, args.heap)?;
        let clickhouse = ClickHouse::start(&watch, &folder.join("server"))?;
        let access = clickhouse.access()?;
        let mut topics: Vec<String> = feed.tenants.iter().map(|t| t.topic.clone()).collect();
        topics.extend((1..=SPARE).map(|n| format!("raw.new-{n}")));
        for topic in &topics {
            runtime.block_on(brokers.make(topic))?;
        }
        let mut text = format!(
            "[kafka]\nbrokers = {:?}\ngroup = \"chaos\"\nlog_topic = \"chaos.log\"\npartitions = {}\n\
             \"librdkafka.session.timeout.ms\" = \"{}\"\n\"librdkafka.heartbeat.interval.ms\" = \"1000\"\n\
             [clickhouse]\nurl = {:?}\nuser = {:?}\npassword = {:?}\n[privacy]\nalias_key = \"a key for faults, long enough to be one\"\n\
             [pipeline]\ncheckpoint_s = 3\n[alerts]\nbudget = 30\ngroups = false\n[canary]\nenabled = false\n\
             [reference]\nusers = {:?}\nclients = {:?}\norders = {:?}\n",
            brokers.address().split(',').collect::<Vec<_>>(),
            parts::PARTITIONS,
            SESSION.as_millis(),
            access.url,
            access.user,
            access.password,
            folder.join("users.csv"),
            folder.join("clients.csv"),
            folder.join("orders.csv"),
        );
        // What follows from ticks follows from the wall clock, and fits from when the scorer has time: neither is part of (iii).
        for absence in ["audit_gap", "backup_overdue", "leaver_not_closed"] {
            write!(text, "[controls.{absence}]\nenabled = false\n")?;
        }
        for tenant in &feed.tenants {
            write!(text, "[[bindings]]\ntopic = {:?}\ntenant = {:?}\nformat = \"canonical\"\n", tenant.topic, tenant.name)?;
        }
        for n in 1..=SPARE {
            write!(text, "[[bindings]]\ntopic = \"raw.new-{n}\"\ntenant = \"new-{n}\"\nformat = \"canonical\"\n")?;
        }
        fs::write(folder.join("filin.toml"), text)?;
        let logged = Logged::new(brokers.client()?);
        let client = filin::store::client(&access);
        let (rng, feed) = (Xoshiro256PlusPlus::seed_from_u64(args.seed), Arc::new(Mutex::new(feed)));
        let (folder, instances) = (folder.to_owned(), Vec::new());
        let mut system =
            Self { folder, watch, brokers, clickhouse, client, instances, started: 0, days_ahead: 0, feed, logged, runtime, rng, topics };
        system.add(None)?;
        system.add(None)?;
        system.topics.push("chaos.log".to_owned());
        Ok(system)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.rng.next_u64() % n as u64).expect("below a usize")
    }

    fn add(&mut self, fail_at: Option<&str>) -> Result<()> {
        self.add_ahead(fail_at, 0)
    }

    /// Adds an instance whose clock is some days ahead.
    fn add_ahead(&mut self, fail_at: Option<&str>, days: i64) -> Result<()> {
        self.started += 1;
        self.instances.push(Instance::start(&self.watch, &self.folder, &format!("instance-{}", self.started), fail_at, days)?);
        Ok(())
    }

    fn generations(&self) -> Result<BTreeMap<u32, (u32, u32)>> {
        self.runtime.block_on(Moment::generations(&self.client))
    }

    /// Replaces an instance by one whose clock is a day further ahead than any before, and waits for its first states: a generation of
    /// their own.
    fn another_day(&mut self) -> Result<()> {
        let (victim, before) = (self.below(self.instances.len()), self.generations()?);
        self.instances.remove(victim).stop()?;
        self.days_ahead += 1;
        self.add_ahead(None, self.days_ahead)?;
        let newest = |all: &BTreeMap<u32, (u32, u32)>| all.values().map(|(_, newest)| *newest).max();
        wait("states of another day", BITE, || self.generations().ok().filter(|now| newest(now) > newest(&before)))?;
        Ok(())
    }

    /// Replaces all instances by ones whose clocks are a day further ahead, and waits for states of that day wherever there are any.
    fn another_day_everywhere(&mut self) -> Result<()> {
        let before = wait("states", BITE, || self.generations().ok().filter(|all| !all.is_empty()))?;
        for mut old in std::mem::take(&mut self.instances) {
            old.stop()?;
        }
        self.days_ahead += 1;
        for _ in 0..2 {
            self.add_ahead(None, self.days_ahead)?;
        }
        let newer = |now: &BTreeMap<u32, (u32, u32)>| before.iter().all(|(p, (_, newest))| now.get(p).is_some_and(|(_, n)| n > newest));
        wait("states of another day everywhere", BITE, || self.generations().ok().filter(newer))?;
        Ok(())
    }

    fn moment(&self) -> Result<Moment> {
        self.runtime.block_on(Moment::now(&self.client))
    }

    /// Waits until something is stored beyond the newest checkpoint: a crash now must leave work to repeat.
    fn beyond(&self) -> Result<Moment> {
        wait("work to repeat", BITE, || self.moment().ok().filter(|m| m.beyond() > 20))
    }

    /// Waits until something is stored beyond the newest checkpoint in a partition that an instance took over.
    fn beyond_of(&self, victim: usize) -> Result<()> {
        let theirs: BTreeSet<u32> = self.instances[victim].restored().iter().map(|r| r.partition).collect();
        wait("work of its own to repeat", BITE, || self.moment().ok().filter(|m| m.beyond_in(|p| theirs.contains(&p)) > 20))?;
        Ok(())
    }

    /// Restores logged so far, per instance.
    fn restores(&self) -> Vec<(String, usize)> {
        self.instances.iter().map(|i| (i.name.clone(), i.restored().len())).collect()
    }

    /// Records that were stored by `then` and lie behind the checkpoint from which somebody went on since: they are scored again.
    fn again(&self, before: &[(String, usize)], then: &Moment) -> u64 {
        let known = |i: &Instance| before.iter().find(|(name, _)| *name == i.name).map_or(0, |(_, n)| *n);
        let since = self.instances.iter().flat_map(|i| i.restored().into_iter().skip(known(i)));
        since.map(|r| then.stored.get(&r.partition).map_or(0, |s| s.saturating_sub(r.offset))).sum()
    }

    /// One fault under load, and what it left.
    fn try_out(&mut self, kind: &Kind) -> Result<(Shown, Option<String>)> {
        let producing = Producing::start(&self.feed, &self.brokers.address())?;
        thread::sleep(Duration::from_millis(1500 + self.rng.next_u64() % 2000));
        let shown = self.inflict(kind)?;
        thread::sleep(Duration::from_millis(500));
        self.feed.lock().unwrap().manner = Manner::default();
        producing.stop()?;
        let feed = Arc::clone(&self.feed);
        let feed = feed.lock().unwrap();
        for i in &mut self.instances {
            ensure!(!i.has_ended(), "{} ended by itself", i.name);
        }
        if let Err(missing) = judge::settle(&self.runtime, &self.client, &mut self.logged, &feed)? {
            return Ok((shown, Some(format!("(ii) {missing}"))));
        }
        let difference = judge::differs(&self.folder, &feed)?;
        Ok((shown, difference))
    }

    fn inflict(&mut self, kind: &Kind) -> Result<Shown> {
        match kind {
            Kind::Kill => self.kill(),
            Kind::FailAt(step) => self.fail_at(step),
            Kind::Zombie => self.zombie(),
            Kind::ClickHouse => self.without_clickhouse(false),
            Kind::Together => self.without_clickhouse(true),
            Kind::Broker => self.without_broker(),
            Kind::Doubled => self.doubled(),
            Kind::Joins => self.joins(),
            Kind::Clock => self.clock(),
        }
    }

    fn kill(&mut self) -> Result<Shown> {
        let victim = self.below(self.instances.len());
        self.beyond_of(victim)?;
        self.instances[victim].kill()?;
        let (then, before) = (self.moment()?, self.restores());
        self.instances.remove(victim);
        self.add(None)?;
        self.wait_for_restores(&before, 1)?;
        let again = self.again(&before, &then);
        Ok(Shown { bit: again > 0, again, how: format!("{} records stored beyond checkpoints", then.beyond()) })
    }

    /// Waits until partitions were taken over.
    fn wait_for_restores(&self, before: &[(String, usize)], n: usize) -> Result<()> {
        let count = |all: &[(String, usize)]| all.iter().map(|(_, n)| n).sum::<usize>();
        let gone: usize = before.iter().filter(|(name, _)| self.instances.iter().all(|i| i.name != *name)).map(|(_, n)| n).sum();
        let known = count(before) - gone;
        wait("partitions to be taken over", BITE, || (count(&self.restores()) >= known + n).then_some(()))
    }

    fn fail_at(&mut self, step: &'static str) -> Result<Shown> {
        self.logged.read()?;
        let at_start = matches!(step, "policy" | "users");
        if step == "generations" {
            // Of three days the oldest is dropped; whichever partition comes first must have two.
            self.another_day_everywhere()?;
            self.days_ahead += 1;
        }
        let generations = self.generations()?;
        let n = if at_start || step == "generations" || step == "alerts" { 1 } else { 1 + self.below(3) };
        let (armed, mut newcomer) = (format!("{step}:{n}"), String::new());
        if step == "users" {
            let path = self.folder.join("users.csv");
            let text = fs::read_to_string(&path)?;
            let last = text.lines().next_back().context("a row")?;
            let (tenant, rest) = last.split_once(',').context("cells")?;
            let (_, rest) = rest.split_once(',').context("cells")?;
            fs::write(&path, format!("{text}{tenant},newcomer-{},{rest}\n", self.started))?;
        }
        let victim = self.below(self.instances.len());
        let mut old = self.instances.remove(victim);
        old.stop()?;
        self.add_ahead(Some(&armed), if step == "generations" { self.days_ahead } else { 0 })?;
        if matches!(step, "policy" | "appended") {
            // Whoever reads a raw topic gets there: let it be the armed one, which might have none but idle topics else.
            let mut other = self.instances.remove(0);
            other.stop()?;
        }
        if step == "policy" {
            let mut feed = self.feed.lock().unwrap();
            newcomer = format!("new-{}", feed.tenants.len() + 1 - parts::PARTITIONS as usize);
            ensure!(self.topics.contains(&format!("raw.{newcomer}")), "{SPARE} tenants have joined, there are no more");
            feed.join(&newcomer, &format!("raw.{newcomer}"), 400);
        }
        let last = self.instances.len() - 1;
        let died = wait(&format!("the death at {armed}"), BITE, || self.instances[last].has_ended().then_some(()));
        if died.is_err() {
            // It stays as a member; a fault that did not bite is a failed run.
            while self.instances.len() < 2 {
                self.add(None)?;
            }
            return Ok(Shown { how: format!("{armed} was not reached"), ..Shown::default() });
        }
        let failed = self.instances[last].has_failed();
        let (then, before, repeated, users) = (self.moment()?, self.restores(), self.logged.repeated, self.logged.users_again);
        self.instances.remove(last);
        while self.instances.len() < 2 {
            self.add(None)?;
        }
        self.wait_for_restores(&before, 1)?;
        thread::sleep(Duration::from_secs(1));
        let again = self.again(&before, &then);
        self.logged.read()?;
        let (lines, users) = (self.logged.repeated - repeated, self.logged.users_again - users);
        let policies = self.logged.policies.get(&newcomer).copied().unwrap_or_default();
        let oldest = |of: &BTreeMap<u32, (u32, u32)>, partition: &u32| of.get(partition).map(|(oldest, _)| *oldest);
        let now = self.generations()?;
        let dropped = generations.keys().filter(|p| oldest(&now, p) > oldest(&generations, p)).count();
        let bit = failed
            && match step {
                "policy" => policies > 1,
                "users" => users > 0,
                "appended" => lines > 0,
                // Nothing is behind the row of a checkpoint but what came since.
                "checkpoints" | "committed" => true,
                "generations" => dropped > 0,
                _ => again > 0,
            };
        let how = format!("died at {armed}; {lines} events, {users} users appended again, states of {dropped} partitions dropped");
        Ok(Shown { bit, again, how })
    }

    fn zombie(&mut self) -> Result<Shown> {
        let victim = self.below(self.instances.len());
        let then = self.beyond()?;
        let before = self.restores();
        let pid = self.instances[victim].pid();
        parts::signal("-STOP", pid)?;
        let slept = Stopwatch::start();
        let taken = self.wait_for_restores(&before, 1);
        thread::sleep((SESSION * 2).saturating_sub(slept.elapsed()));
        parts::signal("-CONT", pid)?;
        taken?;
        let again = self.again(&before, &then);
        let (zombie, known) = (&self.instances[victim], before[victim].1);
        wait("the zombie to be a member again", BITE, || (zombie.restored().len() > known).then_some(()))?;
        let lost = zombie.count("the group went on without us");
        Ok(Shown { bit: again > 0, again, how: format!("{} s asleep, {lost} assignments lost", slept.elapsed().as_secs()) })
    }

    fn retries(&self) -> usize {
        self.instances.iter().map(|i| i.count("\"attempt\"") + i.count("clickhouse is away")).sum()
    }

    fn without_clickhouse(&mut self, together: bool) -> Result<Shown> {
        let then = self.beyond()?;
        let (before, retries) = (self.restores(), self.retries());
        self.clickhouse.kill()?;
        wait("somebody to miss it", BITE, || (self.retries() > retries).then_some(()))?;
        let mut again = 0;
        if together {
            let victim = self.below(self.instances.len());
            self.instances[victim].kill()?;
            self.instances.remove(victim);
            let pid = self.instances[0].pid();
            parts::signal("-STOP", pid)?;
            thread::sleep(SESSION + Duration::from_secs(2));
            self.clickhouse.revive(&self.watch)?;
            self.add(None)?;
            parts::signal("-CONT", pid)?;
            self.wait_for_restores(&before, 1)?;
            thread::sleep(Duration::from_secs(1));
            again = self.again(&before, &then);
        } else {
            thread::sleep(Duration::from_millis(500 + self.rng.next_u64() % 6000));
            self.clickhouse.revive(&self.watch)?;
        }
        let missed = self.retries().saturating_sub(retries);
        let how = format!("{} records stored beyond checkpoints, {missed} tries failed", then.beyond());
        Ok(Shown { bit: if together { again > 0 } else { missed > 0 && then.beyond() > 0 }, again, how })
    }

    fn without_broker(&mut self) -> Result<Shown> {
        let (n, first) = (self.brokers.all.len(), self.below(self.brokers.all.len()));
        let leads = |i: usize| Ok::<_, anyhow::Error>((i, self.brokers.led_by(i, &self.topics)?));
        let all = (0..n).map(|i| leads((first + i) % n)).collect::<Result<Vec<_>>>()?;
        let (victim, led) = all.into_iter().find(|(_, led)| !led.is_empty()).context("a broker that leads something")?;
        let then = self.beyond()?;
        let before = self.restores();
        self.brokers.kill(victim)?;
        let moved = if n > 1 {
            // Others notice by its heartbeats, when they have time.
            let fewer = |left: &Vec<_>| left.len() < led.len();
            let left = wait("partitions to move", BITE, || self.brokers.led_by(victim, &self.topics).ok().filter(fewer));
            left.map_or(0, |left| led.len() - left.len())
        } else {
            thread::sleep(Duration::from_secs(8));
            led.len()
        };
        self.brokers.revive(&self.watch, victim)?;
        self.brokers.whole(&self.topics)?;
        let again = self.again(&before, &then);
        let how = format!("{moved} of {} led partitions moved, {} records in flight", led.len(), then.beyond());
        Ok(Shown { bit: moved > 0 && then.beyond() > 0, again, how })
    }

    fn doubled(&mut self) -> Result<Shown> {
        let doubles = {
            let mut feed = self.feed.lock().unwrap();
            feed.manner = Manner { doubled: true, reordered: true };
            feed.doubles
        };
        let repeated = self.logged.repeated;
        thread::sleep(Duration::from_secs(4));
        let sent = self.feed.lock().unwrap().doubles - doubles;
        let read = wait("repeats in the log", BITE, || {
            self.logged.read().ok()?;
            Some(self.logged.repeated - repeated).filter(|n| *n > 0)
        })?;
        Ok(Shown { bit: sent > 0 && read > 0, again: 0, how: format!("{sent} lines sent twice, {read} or more twice in the log") })
    }

    fn clock(&mut self) -> Result<Shown> {
        self.another_day()?;
        let last = self.instances.len() - 1;
        let newest = |all: &BTreeMap<u32, (u32, u32)>| all.values().map(|(_, newest)| *newest).max().unwrap_or_default();
        let ahead = newest(&self.generations()?);
        self.beyond_of(last)?;
        self.instances[last].kill()?;
        let (then, before) = (self.moment()?, self.restores());
        self.instances.remove(last);
        self.add(None)?;
        self.wait_for_restores(&before, 1)?;
        thread::sleep(Duration::from_secs(1));
        let again = self.again(&before, &then);
        let now = newest(&self.generations()?);
        let how = format!("{} days ahead, then right again: states of day {ahead}, then of day {now}", self.days_ahead);
        Ok(Shown { bit: again > 0 && now >= ahead, again, how })
    }

    fn joins(&mut self) -> Result<Shown> {
        let before = self.restores();
        self.add(None)?;
        let third = self.instances.len() - 1;
        wait("the third to take over", BITE, || (!self.instances[third].restored().is_empty()).then_some(()))?;
        let taken = self.instances[third].restored().len();
        thread::sleep(Duration::from_secs(2));
        let leaves = self.below(self.instances.len());
        let between = self.restores();
        let mut leaving = self.instances.remove(leaves);
        leaving.stop()?;
        drop(leaving);
        self.wait_for_restores(&between, 1)?;
        let given: usize = self.instances.iter().map(|i| i.restored().len()).sum::<usize>();
        if before.is_empty() {
            bail!("nobody was there before");
        }
        Ok(Shown { bit: taken > 0, again: 0, how: format!("{taken} partitions taken by a third, one left, {given} restores in all") })
    }
}

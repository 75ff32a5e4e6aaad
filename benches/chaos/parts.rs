//! The real parts: brokers, ClickHouse, instances. All of them end when this process does, however it ends.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::OnceLock,
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use filin::ops::clock::Stopwatch;
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer as _},
};

/// How long a part may take to be there, on a machine that builds something else meanwhile.
pub(crate) const START: Duration = Duration::from_secs(120);
/// Partitions of the log.
pub(crate) const PARTITIONS: u32 = 4;
/// The binary that is tried, built with its fail points.
static FILIN: OnceLock<PathBuf> = OnceLock::new();

/// Names the binary, once.
pub(crate) fn try_out(binary: &Path) {
    FILIN.get_or_init(|| binary.to_owned());
}

/// A command of the binary.
pub(crate) fn filin() -> Command {
    let mut command = Command::new(FILIN.get().expect("named at the start"));
    command.env_remove("FILIN_FAIL_AT").env_remove("FILIN_CLOCK_DAYS");
    command
}

/// Waits until `ready` gives something.
pub(crate) fn wait<T>(what: &str, patience: Duration, mut ready: impl FnMut() -> Option<T>) -> Result<T> {
    let since = Stopwatch::start();
    loop {
        if let Some(found) = ready() {
            return Ok(found);
        }
        ensure!(since.elapsed() < patience, "waited {} s for {what}", patience.as_secs());
        thread::sleep(Duration::from_millis(50));
    }
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Sends a signal to a process of ours.
pub(crate) fn signal(name: &str, pid: u32) -> Result<()> {
    ensure!(Command::new("kill").args([name, &pid.to_string()]).status()?.success(), "kill {name} {pid}");
    Ok(())
}

/// A shell that waits for the end of this process and then ends what it has started, by number and only if the folder is in its
/// command line.
pub(crate) struct Watch {
    folder: PathBuf,
    /// Open as long as this process lives.
    _pipe: ChildStdin,
}

const WATCH: &str = r#"
trap '' INT TERM HUP
cat >/dev/null
while read -r pid; do tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF "$1" && kill -9 "$pid"; done <"$1/pids"
"#;

impl Watch {
    pub(crate) fn over(folder: &Path) -> Result<Self> {
        fs::write(folder.join("pids"), "")?;
        let mut shell = Command::new("sh").args(["-c", WATCH, "watch"]).arg(folder).stdin(Stdio::piped()).spawn()?;
        Ok(Self { folder: folder.to_owned(), _pipe: shell.stdin.take().context("piped")? })
    }

    fn start(&self, command: &mut Command) -> Result<Child> {
        let child = command.stdin(Stdio::null()).spawn().with_context(|| format!("{command:?}"))?;
        writeln!(File::options().append(true).open(self.folder.join("pids"))?, "{}", child.id())?;
        Ok(child)
    }
}

/// A broker that is also a controller.
pub(crate) struct Broker {
    folder: PathBuf,
    pub(crate) port: u16,
    child: Option<Child>,
}

/// Brokers that replicate.
pub(crate) struct Brokers {
    pub(crate) all: Vec<Broker>,
    lib: PathBuf,
    heap_mb: u32,
}

const JAVA: [&str; 3] = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto"];

impl Brokers {
    /// Starts `n` of them and waits until all are members.
    pub(crate) fn start(watch: &Watch, folder: &Path, n: usize, heap_mb: u32) -> Result<Self> {
        #[expect(clippy::disallowed_methods, reason = "where the parts are is no configuration of Filin")]
        let (cache, home) = (std::env::var_os("XDG_CACHE_HOME"), std::env::var_os("HOME"));
        let cache = cache.map(PathBuf::from).or_else(|| home.map(|h| PathBuf::from(h).join(".cache"))).unwrap_or_default();
        let lib = cache.join("filin/kafka-4.3.1/lib");
        ensure!(lib.join("kafka_2.13-4.3.1.jar").is_file(), "there is no Kafka in {}: run `make parts`", lib.display());
        let ports: Vec<(u16, u16)> = (0..n).map(|_| Ok((free_port()?, free_port()?))).collect::<Result<_>>()?;
        let voters: Vec<String> = (1..).zip(&ports).map(|(id, (_, c))| format!("{id}@127.0.0.1:{c}")).collect();
        let mut brokers = Self { all: Vec::new(), lib, heap_mb };
        for (id, (port, controller)) in (1..).zip(ports) {
            let folder = folder.join(format!("broker-{id}"));
            fs::create_dir_all(&folder)?;
            let file = folder.join("node.properties");
            fs::write(&file, properties(id, &voters.join(","), &folder, port, controller, n))?;
            let mut format = brokers.java(256);
            format.args(["kafka.tools.StorageTool", "format", "-t", "7rqxaZ2xQ5KVXDHcGjPTYg", "-c"]).arg(&file);
            let out = format.output()?;
            ensure!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
            brokers.all.push(Broker { folder, port, child: None });
            brokers.revive(watch, brokers.all.len() - 1)?;
        }
        brokers.wait_for(n)?;
        Ok(brokers)
    }

    fn java(&self, heap_mb: u32) -> Command {
        let mut java = Command::new("java");
        java.args(JAVA).arg(format!("-Xmx{heap_mb}m")).arg("-cp").arg(format!("{}/*", self.lib.display()));
        java
    }

    pub(crate) fn address(&self) -> String {
        self.all.iter().map(|b| format!("127.0.0.1:{}", b.port)).collect::<Vec<_>>().join(",")
    }

    pub(crate) fn client(&self) -> Result<BaseConsumer> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.address()).set("group.id", "chaos.look").set("enable.auto.commit", "false");
        config.set("auto.offset.reset", "earliest").set("allow.auto.create.topics", "false");
        Ok(config.set_log_level(rdkafka::config::RDKafkaLogLevel::Emerg).create()?)
    }

    fn wait_for(&self, n: usize) -> Result<()> {
        let client = self.client()?;
        let there = || client.fetch_metadata(None, Duration::from_secs(1)).is_ok_and(|m| m.brokers().len() >= n);
        wait("the brokers", START, || there().then_some(()))
    }

    /// Kills one at once.
    pub(crate) fn kill(&mut self, n: usize) -> Result<()> {
        let mut child = self.all[n].child.take().context("it runs")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Starts one, and goes on at once.
    pub(crate) fn revive(&mut self, watch: &Watch, n: usize) -> Result<()> {
        let folder = self.all[n].folder.clone();
        let log = File::options().create(true).append(true).open(folder.join("log"))?;
        let mut java = self.java(self.heap_mb);
        java.arg("kafka.Kafka").arg(folder.join("node.properties")).stdout(log.try_clone()?).stderr(log);
        self.all[n].child = Some(watch.start(&mut java)?);
        Ok(())
    }

    /// Waits until all are members and every replica of these topics is in sync.
    pub(crate) fn whole(&self, topics: &[String]) -> Result<()> {
        self.wait_for(self.all.len())?;
        let client = self.client()?;
        let in_sync = |topic: &str| {
            client.fetch_metadata(Some(topic), Duration::from_secs(2)).is_ok_and(|m| {
                m.topics().iter().flat_map(|t| t.partitions()).all(|p| p.isr().len() == p.replicas().len() && p.leader() >= 0)
            })
        };
        wait("all replicas in sync", START, || topics.iter().all(|t| in_sync(t)).then_some(()))
    }

    /// Which partitions of topics a broker leads.
    pub(crate) fn led_by(&self, n: usize, topics: &[String]) -> Result<Vec<(String, i32)>> {
        let (client, id) = (self.client()?, i32::try_from(n + 1)?);
        let mut led = Vec::new();
        for topic in topics {
            let found = client.fetch_metadata(Some(topic), Duration::from_secs(10))?;
            let partitions = found.topics().iter().flat_map(|t| t.partitions());
            led.extend(partitions.filter(|p| p.leader() == id).map(|p| (topic.clone(), p.id())));
        }
        Ok(led)
    }

    pub(crate) async fn make(&self, topic: &str) -> Result<()> {
        let admin: AdminClient<DefaultClientContext> = ClientConfig::new().set("bootstrap.servers", self.address()).create()?;
        let n = i32::try_from(self.all.len())?;
        let in_sync = (n - 1).max(1).to_string();
        let new = NewTopic::new(topic, 1, TopicReplication::Fixed(n)).set("min.insync.replicas", &in_sync);
        for made in admin.create_topics([&new], &AdminOptions::new()).await? {
            made.map_err(|(name, e)| anyhow::anyhow!("topic {name}: {e}"))?;
        }
        Ok(())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

fn properties(id: usize, voters: &str, folder: &Path, port: u16, controller: u16, n: usize) -> String {
    let in_sync = (n - 1).max(1);
    format!(
        "node.id={id}
process.roles=broker,controller
controller.quorum.voters={voters}
controller.listener.names=CONTROLLER
listeners=PLAIN://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAIN://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
listener.security.protocol.map=PLAIN:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAIN
log.dirs={}/data
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
offsets.topic.replication.factor={n}
offsets.topic.num.partitions=3
transaction.state.log.replication.factor={n}
transaction.state.log.min.isr={in_sync}
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor={n}
share.coordinator.state.topic.min.isr={in_sync}
num.network.threads=2
num.io.threads=2
broker.session.timeout.ms=6000
",
        folder.display()
    )
}

/// `filin clickhouse`: it stands for a server.
pub(crate) struct ClickHouse {
    folder: PathBuf,
    port: u16,
    child: Option<Child>,
}

impl ClickHouse {
    pub(crate) fn start(watch: &Watch, folder: &Path) -> Result<Self> {
        let mut server = Self { folder: folder.to_owned(), port: free_port()?, child: None };
        server.revive(watch)?;
        Ok(server)
    }

    /// Starts it again at the same place.
    pub(crate) fn revive(&mut self, watch: &Watch) -> Result<()> {
        let mut command = filin();
        command.args(["clickhouse", "--memory", "1536", "--listen", &format!("127.0.0.1:{}", self.port), "--data"]).arg(&self.folder);
        let log = File::options().create(true).append(true).open(self.folder.with_extension("log"))?;
        let mut child = watch.start(command.stdout(Stdio::piped()).stderr(log))?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("piped")?).read_line(&mut line)?;
        self.child = Some(child);
        ensure!(line.starts_with("ready:"), "clickhouse did not start: see {}", self.folder.with_extension("log").display());
        Ok(())
    }

    pub(crate) fn kill(&mut self) -> Result<()> {
        let mut child = self.child.take().context("it runs")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    pub(crate) fn access(&self) -> Result<filin::store::Options> {
        Ok(filin::store::embedded::access(&self.folder).context("it runs")?.store())
    }
}

impl Drop for ClickHouse {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// `filin run`.
pub(crate) struct Instance {
    pub(crate) name: String,
    log: PathBuf,
    child: Child,
    ended: Option<ExitStatus>,
}

/// A line that an instance logged when it took a partition over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Restored {
    pub(crate) partition: u32,
    /// Of the checkpoint.
    pub(crate) offset: u64,
}

impl Instance {
    /// Starts one, with a clock that is some days ahead; it is ready when it returns, unless it is told to die somewhere.
    pub(crate) fn start(watch: &Watch, folder: &Path, name: &str, fail_at: Option<&str>, days_ahead: i64) -> Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let mut command = filin();
        command.args(["run", "--listen", "127.0.0.1:0", "--config"]).arg(folder.join("filin.toml"));
        command.arg("--data").arg(folder.join(name)).env("FILIN_LOG", "info,rdkafka=warn,librdkafka=warn");
        command.env("FILIN_CLOCK_DAYS", days_ahead.to_string());
        if let Some(step) = fail_at {
            command.env("FILIN_FAIL_AT", step);
        }
        let mut child = watch.start(command.stdout(Stdio::piped()).stderr(File::create(&log)?))?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("piped")?).read_line(&mut line)?;
        let mut started = Self { name: name.to_owned(), log, child, ended: None };
        if line.starts_with("ready:") || (fail_at.is_some() && started.has_failed()) {
            return Ok(started);
        }
        bail!("{name} did not start: {line}{}", started.tail());
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.ended = Some(self.child.wait()?);
        Ok(())
    }

    /// Asks it to stop, and waits; it must end well.
    pub(crate) fn stop(&mut self) -> Result<()> {
        signal("-TERM", self.pid())?;
        let status = wait("an ordered stop", Duration::from_secs(60), || self.child.try_wait().ok().flatten())?;
        self.ended = Some(status);
        ensure!(status.success(), "{} ended with {status}: {}", self.name, self.tail());
        Ok(())
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().ok().flatten();
        }
        self.ended.is_some()
    }

    /// Whether it died at its fail point.
    pub(crate) fn has_failed(&mut self) -> bool {
        (self.has_ended() || wait("", Duration::from_secs(1), || self.has_ended().then_some(())).is_ok()) && self.count("fail point ") > 0
    }

    /// Partitions that it took over, from its log.
    pub(crate) fn restored(&self) -> Vec<Restored> {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let read = |line: &str| {
            let line: serde_json::Value = serde_json::from_str(line).ok()?;
            (line["message"] == "restored").then_some(())?;
            let partition = u32::try_from(line["partition"].as_u64()?).ok()?;
            Some(Restored { partition, offset: line["offset"].as_u64()? })
        };
        text.lines().filter_map(read).collect()
    }

    /// How often its log says something.
    pub(crate) fn count(&self, words: &str) -> usize {
        fs::read_to_string(&self.log).unwrap_or_default().lines().filter(|l| l.contains(words)).count()
    }

    fn tail(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(5)..].join("\n")
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if self.ended.is_none() {
            self.child.kill().ok();
            self.child.wait().ok();
        }
    }
}

//! One Apache Kafka broker (KRaft, broker and controller in one process) for all tests of this binary.
//!
//! A shell stands guard over the Java process: it reads a pipe that this process holds open and never writes to. However this
//! process ends, the pipe closes, and the guard ends the broker and removes its folder.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::OnceLock,
    time::Duration,
};

use filin::ops::clock::Stopwatch;
use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer},
};

use crate::gate::Gate;

/// How long a broker may take to answer, on a machine that builds something else meanwhile.
const START: Duration = Duration::from_secs(90);

/// A running broker.
pub(crate) struct Broker {
    /// `host:port`.
    pub(crate) address: String,
    /// The same broker behind a gate that can be closed.
    pub(crate) gate: Gate,
    /// Open as long as this process lives.
    _guard: ChildStdin,
}

/// The broker; the first to ask starts it.
pub(crate) fn broker() -> &'static Broker {
    static BROKER: OnceLock<Result<Broker, String>> = OnceLock::new();
    match BROKER.get_or_init(Broker::start) {
        Ok(broker) => broker,
        Err(e) => panic!("{e}"),
    }
}

/// A port that is free now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("loopback has free ports").port()
}

impl Broker {
    fn start() -> Result<Self, String> {
        let lib = jars()?;
        let folder = tempfile::Builder::new().prefix("filin-kafka-").tempdir().map_err(|e| e.to_string())?.keep();
        Self::start_in(&folder, &lib).map_err(|e| format!("the Kafka broker did not start: {e}\n{}", tail(&folder.join("log"))))
    }

    fn start_in(folder: &Path, lib: &Path) -> Result<Self, Box<dyn std::error::Error>> {
        let (port, gated, controller) = (free_port(), free_port(), free_port());
        let gate = Gate::to(&format!("127.0.0.1:{gated}"));
        fs::write(folder.join("node.properties"), properties(folder, port, gated, &gate.host, controller))?;
        let mut guard = Command::new("sh")
            .args(["-c", GUARD, "guard"])
            .arg(folder)
            .arg(format!("{}/*", lib.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let stdin = guard.stdin.take().ok_or("the guard has no stdin")?;
        let address = format!("127.0.0.1:{port}");
        wait(&address, &mut guard)?;
        Ok(Self { address, gate, _guard: stdin })
    }
}

/// `$1` is the broker's folder, `$2` its class path.
const GUARD: &str = r#"
trap '' INT TERM HUP
cd "$1" && exec 3<&0 </dev/null >log 2>&1
(cat <&3 >/dev/null; kill -9 "$(cat pid)"; cd /; rm -rf "$1" || { sleep 1; rm -rf "$1"; }) &
exec 3<&-
java='java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto'
$java -Xmx256m -cp "$2" kafka.tools.StorageTool format -t 7rqxaZ2xQ5KVXDHcGjPTYg -c node.properties || exit 1
$java -Xmx512m -cp "$2" kafka.Kafka node.properties &
echo $! >pid
wait $!
exit 1
"#;

fn jars() -> Result<PathBuf, String> {
    let missing = |what: &str| Err(format!("{what}: run `scripts/parts kafka` first"));
    #[expect(clippy::disallowed_methods, reason = "where the parts are is no configuration of Filin")]
    let (cache, home) = (std::env::var_os("XDG_CACHE_HOME"), std::env::var_os("HOME"));
    let cache = cache.map(PathBuf::from).or_else(|| home.map(|h| PathBuf::from(h).join(".cache"))).unwrap_or_default();
    let lib = cache.join("filin/kafka-4.3.1/lib");
    if !lib.join("kafka_2.13-4.3.1.jar").is_file() {
        return missing(&format!("there is no Kafka in {}", lib.display()));
    }
    match Command::new("java").arg("-version").stdout(Stdio::null()).stderr(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(lib),
        _ => missing("there is no java"),
    }
}

fn properties(folder: &Path, port: u16, gated: u16, gate: &str, controller: u16) -> String {
    format!(
        "node.id=1
process.roles=broker,controller
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=PLAIN://127.0.0.1:{port},GATED://127.0.0.1:{gated},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAIN://127.0.0.1:{port},GATED://{gate}
listener.security.protocol.map=PLAIN:PLAINTEXT,GATED:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAIN
log.dirs={}/data
auto.create.topics.enable=true
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
num.network.threads=2
num.io.threads=2
",
        folder.display()
    )
}

fn wait(address: &str, guard: &mut Child) -> Result<(), Box<dyn std::error::Error>> {
    let client: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", address).set_log_level(rdkafka::config::RDKafkaLogLevel::Emerg).create()?;
    let since = Stopwatch::start();
    while since.elapsed() < START {
        if let Some(status) = guard.try_wait()? {
            return Err(format!("it ended with {status}").into());
        }
        if client.fetch_metadata(None, Duration::from_millis(500)).is_ok() {
            return Ok(());
        }
    }
    Err(format!("no answer within {} s", START.as_secs()).into())
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

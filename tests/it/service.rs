//! A real `filin` process for tests: started on free ports, ended by its own process id.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Output, Stdio},
    time::Duration,
};

use filin::{engine::AlertVersion, ops::clock::Stopwatch, store};

/// How long a state is waited for.
const DEADLINE: Duration = Duration::from_secs(180);

/// A running service; killed when it is dropped.
pub(crate) struct Service {
    child: Child,
    /// `host:port` of console and API.
    pub(crate) console: String,
    /// URL of ClickHouse, as its reader sees it.
    pub(crate) clickhouse: String,
    pub(crate) data: PathBuf,
    out: BufReader<ChildStdout>,
    /// Shown with every request, where one is needed.
    pub(crate) token: String,
}

/// A `filin` command without the surroundings' settings.
pub(crate) fn filin(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_filin"));
    command.args(args).env_remove("FILIN_INGEST_TOKEN").env("FILIN_LOG", "warn").env("FILIN_PIPELINE__CHECKPOINT_S", "2");
    command
}

/// Runs a command to its end; panics unless it ends with `code`.
pub(crate) fn ended(mut command: Command, code: i32) -> Output {
    let output = command.output().expect("the binary was built");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{command:?}\n{text}\n{}", String::from_utf8_lossy(&output.stdout));
    output
}

/// An address on loopback that is free now.
pub(crate) fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("loopback has free ports").to_string()
}

/// Waits until `ready` gives something.
pub(crate) fn wait<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let since = Stopwatch::start();
    loop {
        if let Some(found) = ready() {
            return found;
        }
        assert!(since.elapsed() < DEADLINE, "waited {DEADLINE:?} for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

impl Service {
    /// Starts `filin run` on free ports and waits for its ready line.
    pub(crate) fn start(data: &Path, args: &[&str]) -> Self {
        let mut command = filin(&["run", "--listen", "127.0.0.1:0"]);
        command.args(["--data", data.to_str().expect("a plain path")]).args(args);
        if !args.contains(&"--config") {
            command.args(["--clickhouse-listen", "127.0.0.1:0"]);
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary was built");
        let mut out = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        out.read_line(&mut line).expect("a line");
        if !line.starts_with("ready:") {
            let mut text = String::new();
            child.stderr.take().expect("piped").read_to_string(&mut text).ok();
            child.wait().ok();
            panic!("filin run did not start: {line}{text}");
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let after = |word: &str| words[words.iter().position(|w| *w == word).expect("the ready line is a contract") + 1];
        let console = after("console").trim_start_matches("http://").to_owned();
        let clickhouse = after("clickhouse").to_owned();
        // Whoever does not read its pipe stops a process that logs.
        let mut err = child.stderr.take().expect("piped");
        std::thread::spawn(move || {
            let mut sink = Vec::new();
            err.read_to_end(&mut sink).ok();
            if !sink.is_empty() {
                eprintln!("{}", String::from_utf8_lossy(&sink));
            }
        });
        Self { child, out, console, clickhouse, data: data.to_owned(), token: String::new() }
    }

    /// Starts one on a made-up company with attacks (managers, days, seed, first day of attacks), and waits until it is scored. In `root` are
    /// the `company` and its `data`.
    pub(crate) fn of_company(root: &Path, [managers, days, seed, attack_from]: [&str; 4]) -> Self {
        let out = root.join("company");
        let file = |name: &str| out.join(name).to_str().expect("a plain path").to_owned();
        let company = ["--managers", managers, "--days", days, "--seed", seed, "--attack-from", attack_from, "--out", &file("")];
        ended(filin(&[&["simulate", "--attacks"], &company[..]].concat()), 0);
        let [users, clients, orders] = ["users.csv", "clients.csv", "orders.csv"].map(file);
        let service = Self::start(&root.join("data"), &["--users", &users, "--clients", &clients, "--orders", &orders]);
        service.push("canonical", &[&out.join("events.jsonl")]);
        service.settle();
        service
    }

    /// The next line that it says.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).expect("a line");
        line
    }

    /// Kills it at once, as a crash would.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ended");
    }

    /// Waits until it ends by itself, and says with what.
    pub(crate) fn end(mut self) -> Option<i32> {
        wait("the service to end", || self.child.try_wait().expect("a child")).code()
    }

    /// Asks it to stop, and waits; it must end well.
    pub(crate) fn stop(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill").success());
        let since = Stopwatch::start();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                assert!(status.success(), "an ordered stop ends with 0, not {status}");
                return;
            }
            assert!(since.elapsed() < Duration::from_secs(40), "stopping takes too long");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Pushes files and waits for the end; returns what it printed.
    pub(crate) fn push(&self, format: &str, files: &[&Path]) -> Output {
        let to = format!("http://{}", self.console);
        let mut command = filin(&["push", "--to", &to, "--format", format]);
        command.args(files);
        ended(command, 0)
    }

    /// A GET or POST by hand: a client not written here is somewhere else.
    pub(crate) fn http(&self, method: &str, path: &str, body: &[u8]) -> (u16, String) {
        self.as_who(&self.token, method, path, "application/x-ndjson", body)
    }

    /// The same with somebody's token.
    pub(crate) fn as_who(&self, token: &str, method: &str, path: &str, kind: &str, body: &[u8]) -> (u16, String) {
        request_of(&self.console, method, path, kind, token, body)
    }

    /// Posts JSON; the answer is JSON.
    pub(crate) fn json(&self, path: &str, body: &serde_json::Value) -> (u16, serde_json::Value) {
        let (status, text) = self.as_who(&self.token, "POST", path, "application/json", body.to_string().as_bytes());
        (status, serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}")))
    }

    /// Asks ClickHouse as its reader.
    pub(crate) fn ask(&self, sql: &str) -> String {
        let host = self.clickhouse.trim_start_matches("http://");
        let (status, text) = request(host, "POST", "/", sql.as_bytes());
        assert_eq!(status, 200, "{sql}: {text}");
        text.trim_end().to_owned()
    }

    /// Asks ClickHouse as its reader; the answer may be a refusal.
    pub(crate) fn http_clickhouse(&self, sql: &str) -> (u16, String) {
        request(self.clickhouse.trim_start_matches("http://"), "POST", "/", sql.as_bytes())
    }

    /// Asks for a number.
    pub(crate) fn count(&self, sql: &str) -> u64 {
        self.ask(sql).parse().unwrap_or_else(|e| panic!("{sql}: {e}"))
    }

    /// Waits until everything in the log is scored and stored, roll-ups included.
    pub(crate) fn settle(&self) {
        wait("the log to be scored and stored", || {
            let status: serde_json::Value = serde_json::from_str(&self.http("GET", "/v1/status", b"").1).expect("a status");
            // The status follows the log; its end is what the table says.
            let runtime = tokio::runtime::Runtime::new().expect("a runtime");
            let end = runtime.block_on(self.client().query("SELECT max(seq) FROM log").fetch_one::<u64>()).expect("a number");
            let offsets = status["tenants"].as_array().expect("a list").iter().filter_map(|t| t["log_offset"].as_u64());
            (status["log_behind"] == 0 && offsets.max() == Some(end)).then_some(())
        });
        // Roll-ups follow within seconds; each says up to where it counts.
        let up_to = |table: &str| self.count(&format!("SELECT max(log_offset) FROM filin.{table}"));
        wait("the roll-ups", || (up_to("manager_day") >= up_to("events")).then_some(()));
    }

    /// A client with the writer's account.
    pub(crate) fn client(&self) -> clickhouse::Client {
        let access = store::embedded::access(&self.data).expect("it runs");
        store::client(&access.store())
    }

    /// Asks for a number as the account that writes, which alone reads the log.
    pub(crate) fn logged(&self, sql: &str) -> u64 {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(self.client().query(sql).fetch_one::<u64>()).expect("a number")
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

pub(crate) fn request(host: &str, method: &str, path: &str, body: &[u8]) -> (u16, String) {
    request_of(host, method, path, "application/x-ndjson", "", body)
}

fn request_of(host: &str, method: &str, path: &str, kind: &str, token: &str, body: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(host).unwrap_or_else(|e| panic!("{host}: {e}"));
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket");
    let shown = if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{shown}Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).expect("sent");
    stream.write_all(body).expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    let text = String::from_utf8_lossy(&answer);
    let (head, rest) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split_whitespace().nth(1).and_then(|s| s.parse().ok()).expect("a status");
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    (status, if chunked { unchunk(rest) } else { rest.to_owned() })
}

fn unchunk(mut rest: &str) -> String {
    let mut text = String::new();
    while let Some((size, tail)) = rest.split_once("\r\n") {
        let n = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        if n == 0 {
            break;
        }
        text.push_str(&tail[..n]);
        rest = tail[n..].trim_start_matches("\r\n");
    }
    text
}

/// Alert versions of a file, sorted by what they are.
pub(crate) fn alerts(path: &Path) -> Vec<AlertVersion> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut found: Vec<AlertVersion> = text.lines().map(|l| serde_json::from_str(l).expect("an alert")).collect();
    found.sort_by(|a, b| (&a.alert_id, a.version).cmp(&(&b.alert_id, b.version)));
    found
}

//! `filin clickhouse` as a child that ends with the test, and one that all tests share.

use std::{
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use super::http::{Answer, ask, query};

const PATIENCE: Duration = Duration::from_secs(60);

/// A running `filin clickhouse`.
#[derive(Debug)]
pub(crate) struct Server {
    pub(super) child: Child,
    pub(super) addr: SocketAddr,
    pub(super) password: String,
    /// Its end ends the server, even when the test is killed.
    stdin: Option<ChildStdin>,
    log: PathBuf,
    _folder: Option<tempfile::TempDir>,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The command that starts it on a free port; standard error goes to `clickhouse.log` in the folder.
pub(super) fn command(data: &Path, arguments: &[&str]) -> Command {
    let log = std::fs::File::options().create(true).append(true).open(data.join("clickhouse.log")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_filin"));
    command.args(["clickhouse", "--with-parent", "--data"]).arg(data).args(arguments);
    if !arguments.contains(&"--listen") {
        command.args(["--listen", "127.0.0.1:0"]);
    }
    command.env("FILIN_LOG", "info,filin=trace").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
    command
}

impl Server {
    /// Starts one in a folder.
    pub(crate) fn start(data: &Path, arguments: &[&str]) -> Self {
        let mut child = command(data, arguments).spawn().expect("filin starts");
        let log = data.join("clickhouse.log");
        let stdin = child.stdin.take();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let Some(url) = line.strip_prefix("ready: clickhouse http://") else {
            child.wait().expect("it was started here");
            panic!("filin clickhouse did not start (for its library run `filin embedded fetch`): {}", read(&log));
        };
        let addr = url.trim().parse().expect("an address");
        let password = read(&data.join("clickhouse.secret"));
        Self { child, addr, password, stdin, log, _folder: None }
    }

    /// Starts one in a folder that goes with it.
    pub(crate) fn temporary(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut server = Self::start(folder.path(), arguments);
        server._folder = Some(folder);
        server
    }

    /// The one that all tests share; each uses a database of its own.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Server> = OnceLock::new();
        SHARED.get_or_init(|| {
            // A static is never dropped: what earlier runs left is removed here.
            let folders = Path::new(env!("CARGO_TARGET_TMPDIR"));
            for left in std::fs::read_dir(folders).unwrap().map(|entry| entry.unwrap().path()) {
                let ours = left.file_name().is_some_and(|name| name.to_string_lossy().starts_with("clickhouse-"));
                if ours && filin::store::embedded::access(&left).is_none() {
                    drop(std::fs::remove_dir_all(&left));
                }
            }
            let folder = folders.join(format!("clickhouse-{}", std::process::id()));
            std::fs::create_dir_all(&folder).unwrap();
            Self::start(&folder, &[])
        })
    }

    /// How the store reaches it as writer.
    pub(crate) fn store(&self, database: &str) -> filin::store::Options {
        filin::store::Options {
            url: format!("http://{}", self.addr),
            user: "filin".to_owned(),
            password: self.password.clone(),
            database: database.to_owned(),
        }
    }

    /// What it has logged.
    pub(super) fn log(&self) -> String {
        read(&self.log)
    }

    /// Sends a statement as writer, with further parameters of the URL.
    pub(super) fn post(&self, parameters: &[(&str, &str)], head: &[&str], body: &[u8]) -> Answer {
        let mut pairs = vec![("user", "filin"), ("password", self.password.as_str())];
        pairs.extend(parameters);
        ask(self.addr, "POST", &query(&pairs), head, body)
    }

    /// Runs a statement as writer; it must work.
    #[track_caller]
    pub(super) fn run(&self, sql: &str) -> String {
        let answer = self.post(&[], &[], sql.as_bytes());
        assert_eq!((answer.status, answer.whole), (200, true), "{sql}: {}", answer.text());
        answer.text().trim_end().to_owned()
    }

    /// Sends a statement as reader.
    pub(super) fn read(&self, parameters: &[(&str, &str)], sql: &str) -> Answer {
        ask(self.addr, "POST", &query(parameters), &[], sql.as_bytes())
    }

    pub(super) fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status().unwrap();
        assert!(sent.success());
    }

    pub(super) fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Waits for its end.
    pub(super) fn wait(&mut self) -> ExitStatus {
        wait(&mut self.child)
    }
}

/// Waits for the end of a process.
pub(super) fn wait(child: &mut Child) -> ExitStatus {
    let mut status = None;
    eventually("the process ends", || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    status.unwrap()
}

/// Waits until something holds.
#[track_caller]
#[expect(clippy::disallowed_methods, reason = "a test's deadline")]
pub(super) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Runs `filin` to its end: status, standard output, standard error.
pub(super) fn filin(arguments: &[&str], environment: &[(&str, &Path)]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_filin"));
    command.args(arguments).envs(environment.iter().copied()).stdin(Stdio::null());
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

fn read(path: &Path) -> String {
    let mut text = String::new();
    if let Ok(mut file) = std::fs::File::open(path) {
        file.read_to_string(&mut text).unwrap();
    }
    text
}

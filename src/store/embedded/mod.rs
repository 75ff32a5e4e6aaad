//! ClickHouse inside the process: libchdb, loaded at run time, behind a listener that speaks ClickHouse's HTTP interface, so that
//! Filin itself and every client use it like a server.
//!
//! libchdb knows no users, quotas or query log: accounts, limits and what readers may ask are the listener's. A process has one
//! engine at a time.

mod answer;
mod auth;
mod compress;
mod connection;
mod execute;
pub mod fetch;
mod folder;
mod lex;
mod library;
mod limits;
mod listener;
mod native;
mod reader;
mod request;
mod session;
mod statement;

use std::{
    ffi::CString,
    io,
    net::SocketAddr,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{net::TcpListener, sync::Semaphore, task::JoinHandle};
use tokio_util::sync::CancellationToken;

pub use auth::{READER, WRITER};
pub use limits::Limits;

use self::{auth::Accounts, connection::Engine, folder::Folder, library::Library, limits::Ceilings, reader::Known, session::Sessions};
use crate::ops::{clock::Stopwatch, config::Secret};

/// The database that Filin's tables are in; also what clients get that name none.
pub const DATABASE: &str = "filin";

/// Whether this process has an engine.
static RUNNING: AtomicBool = AtomicBool::new(false);

/// Says so for as long as it lives.
#[derive(Debug)]
struct Claim;

impl Claim {
    fn take() -> Result<Self, Error> {
        if RUNNING.swap(true, Ordering::SeqCst) { Err(Error::Running) } else { Ok(Self) }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        RUNNING.store(false, Ordering::SeqCst);
    }
}

/// The embedded engine cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It was never fetched.
    #[error("the embedded clickhouse is not at {0}: run `filin embedded fetch`, or name a libchdb.so in FILIN_LIBCHDB")]
    Missing(PathBuf),
    /// It is not what was fetched.
    #[error("{path} is not the library that Filin knows ({why}): run `filin embedded fetch`")]
    Checksum {
        /// The library.
        path: PathBuf,
        /// What differs.
        why: String,
    },
    /// It cannot be loaded.
    #[error("{path} cannot be loaded: {why}; run `filin embedded fetch`, or use a server by clickhouse.url")]
    Unusable {
        /// The library.
        path: PathBuf,
        /// What the loader says.
        why: String,
    },
    /// It cannot be fetched.
    #[error("the embedded clickhouse cannot be fetched: {0}")]
    Fetch(String),
    /// Another process uses the folder.
    #[error("{path} is locked by {by}: stop it, or choose another folder by --data")]
    Locked {
        /// The folder.
        path: PathBuf,
        /// Who holds it.
        by: String,
    },
    /// The folder is not one of ours, or of a newer version.
    #[error("{path} cannot be used: {why}")]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Someone else listens there.
    #[error("{0} is taken: stop who listens there, or choose another address (port 0 takes a free one)")]
    PortTaken(SocketAddr),
    /// The address cannot be used.
    #[error("the embedded clickhouse cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The reader needs a password.
    #[error("{0} can be reached from other machines: set embedded.reader_password, or listen on 127.0.0.1")]
    ReaderPassword(SocketAddr),
    /// This process has an engine.
    #[error("this process runs an embedded clickhouse already")]
    Running,
    /// A file cannot be read or written.
    #[error("{path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The engine says no.
    #[error("the embedded clickhouse cannot open {path}: {why}")]
    Engine {
        /// Its folder.
        path: PathBuf,
        /// What it says.
        why: String,
    },
}

/// What the engine needs to start.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its files go to `clickhouse` in here.
    pub data_dir: PathBuf,
    /// Where it listens; port 0: a free one.
    pub listen: SocketAddr,
    /// Password of the account `default`; needed beyond loopback.
    pub reader_password: Option<Secret>,
    /// Memory that it may take.
    pub memory_bytes: u64,
    /// Bounds of the listener.
    pub limits: Limits,
}

impl Options {
    /// The engine of a folder on a free port of loopback, with 2 GiB.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            reader_password: None,
            memory_bytes: 2 << 30,
            limits: Limits::default(),
        }
    }
}

/// Where an engine listens and who may write.
#[derive(Clone, Debug)]
pub struct Access {
    /// The listener's address.
    pub addr: SocketAddr,
    /// The account that may write.
    pub writer_user: &'static str,
    /// Its password.
    pub writer_password: Secret,
}

impl Access {
    /// `http://host:port`, with an address that this machine can reach.
    pub fn url(&self) -> String {
        let mut address = self.addr;
        if address.ip().is_unspecified() {
            address.set_ip(if address.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() });
        }
        format!("http://{address}")
    }

    /// How [`crate::store`] reaches it.
    pub fn store(&self) -> super::Options {
        super::Options {
            url: self.url(),
            user: self.writer_user.to_owned(),
            password: self.writer_password.expose().to_owned(),
            database: DATABASE.to_owned(),
        }
    }
}

/// What all requests share.
#[derive(Debug)]
struct Shared {
    engine: Arc<Engine>,
    accounts: Accounts,
    sessions: Sessions,
    limits: Limits,
    ceilings: Ceilings,
    known: Known,
    disk: Disk,
    memory_bytes: u64,
    loopback: bool,
    version: Arc<str>,
    writers: Arc<Semaphore>,
    readers: Arc<Semaphore>,
}

impl Shared {
    /// Cancels the statement with this ticket, or all.
    fn kill(&self, ticket: Option<&str>) {
        let wanted = ticket.map_or_else(|| "1".to_owned(), |t| format!("Settings['log_comment'] = {}", super::quoted(t)));
        let killed = self.engine.connect().and_then(|mut c| c.text(&format!("KILL QUERY WHERE {wanted} ASYNC FORMAT Null")));
        if let Err(e) = killed {
            tracing::debug!(error = %e, "queries cannot be cancelled");
        }
    }
}

/// Whether there is room on the disk, asked every few seconds.
#[derive(Debug)]
struct Disk {
    least: f64,
    last: Mutex<Option<(Stopwatch, bool)>>,
}

impl Disk {
    fn has_room(&self, engine: &Engine) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, room)) = last.as_ref().filter(|(asked, _)| asked.elapsed() < Duration::from_secs(2)) {
            return *room;
        }
        let free =
            engine.connect().and_then(|mut c| c.text("SELECT min(free_space / total_space) FROM system.disks WHERE total_space > 0"));
        // What cannot be measured stops nobody.
        let free = free.ok().and_then(|free| free.parse::<f64>().ok()).unwrap_or(1.0);
        let room = free >= self.least;
        if last.as_ref().is_none_or(|(_, before)| *before) && !room {
            tracing::error!(free, least = self.least, "the disk of the embedded clickhouse is almost full: inserts are refused");
        }
        *last = Some((Stopwatch::start(), room));
        room
    }
}

/// A running engine. Dropped without [`Running::stop`] it goes on until its token is cancelled.
#[derive(Debug)]
pub struct Running {
    access: Access,
    version: Arc<str>,
    shutdown: CancellationToken,
    served: JoinHandle<()>,
}

impl Running {
    /// Where it listens and who may write.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// ClickHouse's version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Ends in order: no new requests, statements cancelled and given a moment, the engine closed.
    pub async fn stop(self) {
        self.shutdown.cancel();
        self.ended().await;
    }

    /// Waits for the end that the token of [`start`] asks for.
    pub async fn ended(self) {
        if let Err(e) = self.served.await {
            tracing::error!(error = %e, "the listener of the embedded clickhouse failed");
        }
    }
}

/// Where the engine of a folder listens, when another process runs it.
pub fn access(data_dir: &Path) -> Option<Access> {
    let (addr, writer_password) = folder::running(data_dir)?;
    Some(Access { addr, writer_user: WRITER, writer_password })
}

/// Opens the engine and listens. `shutdown` ends it like [`Running::stop`]: give it a token that is cancelled after the last
/// writer has stopped. Ready when this returns.
///
/// # Errors
/// When library, folder or address cannot be used; each says what to do.
pub async fn start(options: Options, shutdown: CancellationToken) -> Result<Running, Error> {
    let loopback = options.listen.ip().is_loopback();
    if !loopback && options.reader_password.as_ref().is_none_or(|password| password.expose().is_empty()) {
        return Err(Error::ReaderPassword(options.listen));
    }
    let listener = TcpListener::bind(options.listen).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => Error::PortTaken(options.listen),
        _ => Error::Listen { address: options.listen, source },
    })?;
    let addr = listener.local_addr().map_err(|source| Error::Listen { address: options.listen, source })?;
    let claim = Claim::take()?;
    let (shared, mut folder) =
        tokio::task::spawn_blocking(move || open(options, loopback)).await.unwrap_or_else(|e| match e.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Error::Running),
        })?;
    folder.announce(addr).map_err(|source| Error::Io { path: folder.engine.clone(), source })?;
    let access = Access { addr, writer_user: WRITER, writer_password: folder.secret.clone() };
    let version = shared.version.clone();
    tracing::info!(%addr, version = &*version, "the embedded clickhouse is ready");
    let served = tokio::spawn(serve(listener, shared, folder, claim, shutdown.clone()));
    Ok(Running { access, version, shutdown, served })
}

async fn serve(listener: TcpListener, shared: Arc<Shared>, folder: Folder, claim: Claim, shutdown: CancellationToken) {
    let grace = shared.limits.grace();
    let mut serving = std::pin::pin!(listener::serve(listener, shared.clone(), shutdown.clone()));
    let mut sweep = tokio::time::interval(Duration::from_secs(10));
    loop {
        tokio::select! {
            () = &mut serving => break,
            () = shutdown.cancelled() => {
                let killer = shared.clone();
                drop(tokio::task::spawn_blocking(move || killer.kill(None)).await);
                if tokio::time::timeout(grace, &mut serving).await.is_err() {
                    tracing::warn!("queries of the embedded clickhouse did not end in time and are given up");
                }
                break;
            }
            _ = sweep.tick() => shared.sessions.sweep(),
        }
    }
    let closed = tokio::task::spawn_blocking(move || {
        shared.sessions.clear();
        shared.engine.close();
        drop((folder, claim));
    });
    drop(closed.await);
    tracing::info!("the embedded clickhouse has ended");
}

fn open(options: Options, loopback: bool) -> Result<(Arc<Shared>, Folder), Error> {
    let library = Library::load(&fetch::library()?)?;
    let folder = Folder::open(&options.data_dir)?;
    folder.mark(&library.version())?;
    let engine_error = |why: &str| Error::Engine { path: folder.engine.clone(), why: why.to_owned() };
    let mut path = b"--path=".to_vec();
    path.extend(folder.engine.as_os_str().as_bytes());
    let mut arguments = vec![b"filin".to_vec(), path];
    let settings = [
        format!("--max_server_memory_usage={}", options.memory_bytes),
        format!("--mark_cache_size={}", options.memory_bytes / 8),
        // libchdb's own defaults are those of a tool on the command line.
        "--implicit_select=0".to_owned(),
        "--allow_introspection_functions=0".to_owned(),
        // Not the machine's: what a query says must not depend on where it runs.
        "--session_timezone=UTC".to_owned(),
    ];
    arguments.extend(settings.map(String::into_bytes));
    let arguments =
        arguments.into_iter().map(CString::new).collect::<Result<_, _>>().map_err(|_| engine_error("its path holds a zero byte"))?;
    folder.forget_default().map_err(|source| Error::Io { path: folder.engine.clone(), source })?;
    let engine = Engine::open(library, arguments).ok_or_else(|| engine_error("it has said why above"))?;
    let mut connection = engine.connect().map_err(|e| engine_error(&e.text))?;
    let mut text = |sql: &str| connection.text(sql).map_err(|e| engine_error(&e.text));
    // The engine's own default database shows files of the machine as tables. Connections cannot do without one of this name:
    // this one takes no tables, so nothing is ever lost in it.
    text("DETACH DATABASE default")?;
    text("CREATE DATABASE default ENGINE = Dictionary")?;
    text(&format!("CREATE DATABASE IF NOT EXISTS {DATABASE} ENGINE = Atomic"))?;
    let version = text("SELECT version()")?;
    let bounds = text("SELECT name, value FROM system.settings WHERE startsWith(name, 'max_') FORMAT TSVRaw")?;
    let bounds = bounds.lines().filter_map(|line| line.split_once('\t')).map(|(name, value)| (name.to_owned(), value.to_owned()));
    let table_functions = text("SELECT lower(name) FROM system.table_functions")?.lines().map(str::to_owned).collect();
    let limits = options.limits;
    let shared = Shared {
        accounts: Accounts { writer: folder.secret.clone(), reader: options.reader_password },
        sessions: Sessions::new(limits.sessions),
        ceilings: limits::ceilings(bounds, &limits, options.memory_bytes),
        known: Known { table_functions },
        disk: Disk { least: limits.free_disk, last: Mutex::default() },
        memory_bytes: options.memory_bytes,
        loopback,
        version: version.into(),
        writers: Arc::new(Semaphore::new(limits.writer_queries)),
        readers: Arc::new(Semaphore::new(limits.reader_queries)),
        engine,
        limits,
    };
    Ok((Arc::new(shared), folder))
}

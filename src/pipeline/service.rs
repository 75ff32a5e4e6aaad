//! `filin run`: everything wired, started in order and stopped in order.

use std::{fs, io::Write as _, net::SocketAddr, os::unix::fs::OpenOptionsExt as _, path::Path, sync::Arc, time::Duration};

use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{
    answers::Answers,
    backup, canary, demo, escalate,
    ingest::{self, Ingestor, Policies, Rows},
    intake::{Intake, Now},
    letters::Letters,
    notify as tell,
    orders::{self, Orders, Reread},
    rank,
    score::{self, Cadence, Scorer},
    survey,
    witness::Watch,
};
use crate::{
    api::{self, Access, Invite, Limits, Login, SourceStatus, Status, Stored, TenantStatus},
    directory::{Calendar, load},
    engine::{ControlPolicy, Policy, sigma},
    log::{self, Appender, Reader},
    notify::{self, Line},
    ops::{
        clock,
        config::{self, Config, Role, Store},
        happening::Readiness,
        metrics::Metrics,
        random, tls,
    },
    source::prior,
    store::{
        self, Alias,
        integrity::{self, Seal},
        login::Keys,
        state,
    },
};

/// The key of `log_meta` under which the instance that started last says where its console is.
pub const CONSOLE: &str = "console";

/// How long a stop may take.
const GRACE: Duration = Duration::from_secs(30);

/// Why the service did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration asks for what cannot be: exit code 2.
    #[error("{0}")]
    Config(String),
    /// Something is away or refuses.
    #[error("{0}")]
    Failed(String),
    /// Scoring ended.
    #[error(transparent)]
    Score(#[from] score::Error),
    /// Taking events ended.
    #[error(transparent)]
    Ingest(#[from] ingest::Error),
    /// The store.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The log.
    #[error(transparent)]
    Log(#[from] log::Error),
}

/// An error with its sources, on one line.
fn chain(e: &dyn std::error::Error) -> String {
    let mut text = e.to_string();
    let mut source = e.source();
    while let Some(e) = source {
        text = format!("{text}: {e}");
        source = e.source();
    }
    text
}

/// Where things listen, once they do.
#[derive(Clone, Debug)]
pub struct Ready {
    /// Console, API and metrics.
    pub console: SocketAddr,
    /// The same, encrypted.
    pub encrypted: Option<SocketAddr>,
    /// ClickHouse, as people reach it.
    pub clickhouse: String,
    /// By which the first one sets password and second factor, where people log in and nobody can yet.
    pub invite: Option<Invite>,
}

/// The encrypted listener: what may be asked of it, its certificate, and where it is.
struct Encrypted {
    access: Access,
    tls: tls::Server,
    listener: TcpListener,
    address: SocketAddr,
}

impl Encrypted {
    async fn open(config: &Config) -> Result<Option<Self>, Error> {
        let Some(files) = &config.http.tls else { return Ok(None) };
        let access = Access { encrypted: true, ..Access::new(config, files.listen) };
        access.guard(files.listen).map_err(Error::Config)?;
        let tls = tls::Server::open(files).map_err(Error::Config)?;
        let listener = listen(files.listen).await?;
        let address = listener.local_addr().map_err(|e| Error::Failed(e.to_string()))?;
        Ok(Some(Self { access, tls, listener, address }))
    }
}

async fn listen(at: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(at).await.map_err(|e| Error::Failed(format!("cannot listen on {at}: {e}")))
}

/// ClickHouse as the service uses it.
pub struct Opened {
    /// A client of the database.
    pub client: clickhouse::Client,
    /// For people.
    pub address: String,
    /// Of the account that writes.
    pub password: config::Secret,
    /// Migrations that ran.
    pub migrated: Vec<u32>,
    #[cfg(feature = "embedded")]
    embedded: Option<store::embedded::Running>,
}

/// Runs until `stop`; `reread` reads the configuration again when somebody asks for it; calls `ready` once everything is restored and loaded.
///
/// # Errors
/// When something needed is missing at the start, or refuses for good later.
pub async fn run(
    config: Config,
    metrics: Metrics,
    stop: CancellationToken,
    reread: Reread,
    ready: impl FnOnce(&Ready),
) -> Result<(), Error> {
    let started = clock::now();
    let access = Access::new(&config, config.http.listen);
    access.guard(config.http.listen).map_err(Error::Config)?;
    // The port first: whoever runs twice hears it before anything is opened.
    let listener = listen(config.http.listen).await?;
    let encrypted = Encrypted::open(&config).await?;
    let console = listener.local_addr().map_err(|e| Error::Failed(e.to_string()))?;
    let opened = open_store(&config).await?;
    let client = opened.client.clone();
    let alias = Alias::new(alias_key(&config)?);
    if config.roles.contains(&Role::Score) {
        match store::retention::keep(&client, &config.retention).await {
            Ok(changed) if changed.is_empty() => {}
            Ok(changed) => tracing::info!(?changed, "these tables keep their rows for another time now"),
            Err(store::Error::Refused(error)) => {
                tracing::warn!(
                    error,
                    "how long rows are kept could not be set: `filin migrate --config F` does it with an account that may"
                );
            }
            Err(e) => return Err(e.into()),
        }
    }
    // Commands beside this process find it here.
    state::set_meta(&client, CONSOLE, &console.to_string()).await?;
    if config.kafka.is_some() && state::is_closing(&client, started).await? {
        return Err(Error::Failed(
            "`filin log reshard` is replacing the log: start again once that is done (if it was interrupted: give it again, or wait ten minutes)"
                .to_owned(),
        ));
    }
    let (log_id, partitions, appender, reader, writer) = open_log(&config, &client, &metrics).await?;

    let (status, watch) = watch::channel(Status {
        mode: if matches!(config.store, Store::Embedded(_)) { "embedded" } else { "servers" },
        demo: config.demo,
        started,
        missing: vec!["restore", "reference"],
        clickhouse: opened.address.clone(),
        ..Status::default()
    });
    // Sources, then scoring, then serving: each is told to stop when what it serves has ended.
    let (feeding, scoring, serving) = (CancellationToken::new(), CancellationToken::new(), CancellationToken::new());
    let writer = tokio::spawn(writer);
    let mut watching = Vec::new();
    if config.kafka.is_some() {
        watching.push(tokio::spawn(until_closed(client.clone(), log_id.clone(), feeding.clone())));
    }
    let has = |role| config.roles.contains(&role);

    let seal = Seal::of(&alias);
    if has(Role::Score) {
        let adopted = integrity::adopt(&client, &seal, &log_id, started).await?;
        if adopted != integrity::Adopted::default() {
            let (alerts, actions) = (adopted.alerts, adopted.actions);
            tracing::info!(alerts, actions, "what was stored before there was a chain of integrity is taken as it is");
        }
    }
    let policies = policies(&config)?;
    let ingestor = Ingestor::open(appender, partitions, client.clone(), alias.clone(), metrics.clone(), policies.clone()).await?;
    let lines = Line::open(&config).map_err(Error::Config)?;
    let scorer = Scorer::new(client.clone(), alias.clone(), log_id, cadence(&config), metrics.clone(), ingestor.clone());
    let scorer = scorer.telling(notify::named(&config.alerts), config.alerts.notify_max_age);
    let (mut progress, canaries, surveyed, told) = (scorer.progress(), scorer.progress(), scorer.progress(), scorer.progress());
    let (unanswered, taught) = (scorer.progress(), scorer.progress());
    let mut scorer = has(Role::Score).then(|| tokio::spawn(scorer.run(reader, scoring.clone())));
    let intake = Arc::new(Intake::new(ingestor.clone(), Now::Clock));
    let orders = Orders::new(ingestor.clone(), reread);
    let (watch_reads, write_reads) =
        Watch::start(ingestor.clone(), metrics.clone()).map_err(|e| Error::Failed(format!("random bytes: {e}")))?;
    let write_reads = tokio::spawn(write_reads);
    let at = encrypted.as_ref().map_or_else(|| format!("http://{console}"), |e| format!("https://{}", e.address));
    let login = has(Role::Web).then(|| login(&config, &opened, &alias, metrics.clone(), Arc::<Watch>::clone(&watch_reads), at));
    let login = login.transpose()?.flatten();
    let parts = api::Parts {
        witness: Some(watch_reads),
        ingest: has(Role::Normalise).then(|| Arc::clone(&intake) as Arc<dyn api::Ingest>),
        retry: has(Role::Normalise).then(|| {
            let letters = Letters::new(Arc::clone(&intake), client.clone(), config.bindings.clone());
            (opened.password.clone(), Arc::new(letters) as Arc<dyn api::Retry>)
        }),
        orders: has(Role::Normalise).then(|| (opened.password.clone(), Arc::new(orders.clone()) as Arc<dyn api::Obey>)),
        act: has(Role::Web).then(|| Arc::new(Answers::new(ingestor.clone(), client.clone(), seal.clone())) as Arc<dyn api::Act>),
        reader: has(Role::Web).then(|| Arc::new(Stored::new(client.clone())) as Arc<dyn api::Reader>),
        names: has(Role::Web).then(|| Arc::new(api::Names::new(client.clone(), config.privacy.four_eyes)) as Arc<dyn api::Unveil>),
        status: watch.clone(),
        metrics: metrics.clone(),
        access,
        limits: Limits::for_lines_of(config.pipeline.max_line_bytes),
        forms: Keys::of(&alias),
        login: login.clone(),
    };
    let mut address = Ready { console, encrypted: encrypted.as_ref().map(|e| e.address), clickhouse: opened.address.clone(), invite: None };
    let also = encrypted.map(|Encrypted { access, tls, listener, .. }| {
        let router = api::router(api::Parts { access, ..parts.clone() });
        api::serve(listener, Some(tls), router, serving.clone())
    });
    let plain = api::serve(listener, None, api::router(parts), serving.clone());
    let mut server = tokio::spawn(async move {
        match also {
            None => plain.await,
            Some(also) => tokio::try_join!(plain, also).map(|_| ()),
        }
    });

    let work = async {
        let sources = start_sources(&config, &ingestor, &intake, &metrics, &status, &feeding).await?;
        status.send_modify(|s| s.missing.retain(|m| *m != "reference"));
        let demo = if config.demo {
            Some(demo::Runner::open(&config.data).map_err(|e| Error::Failed(format!("the demo's folder: {e}")))?)
        } else {
            None
        };
        if has(Role::Score) {
            progress.wait_for(|p| p.restored).await.map_err(|_| Error::Failed("scoring ended".to_owned()))?;
        }
        status.send_modify(|s| s.missing.clear());
        Readiness { missing: None }.emit(&metrics);
        if let Some(login) = &login {
            address.invite = login.first(clock::now()).await?;
        }
        ready(&address);
        let mut tasks = sources;
        if let (true, Some(plan)) = (has(Role::Score), config.canary) {
            let task = canary::live::daily(ingestor.clone(), plan, canaries, feeding.clone());
            tasks.push(tokio::spawn(async move { task.await.map_err(Error::from) }));
        }
        let hangup = orders.clone().on_hangup(feeding.clone());
        tasks.push(tokio::spawn(async move { hangup.await.map_err(|e| Error::Failed(format!("signals: {e}"))) }));
        if has(Role::Score) {
            let ticks = orders::tick(ingestor.clone(), progress.clone(), watch.clone(), feeding.clone());
            tasks.push(tokio::spawn(async move { ticks.await.map_err(Error::from) }));
            let manner = tell::Manner::of(&config, console);
            let task = tell::run(client.clone(), lines, manner, metrics.clone(), told, feeding.clone());
            tasks.push(unfailing(task));
            if let Some(plan) = &config.alerts.escalation {
                let task = escalate::run(client.clone(), seal, plan.clone(), unanswered, feeding.clone());
                tasks.push(unfailing(task));
            }
            let task = rank::run(client.clone(), metrics.clone(), taught, feeding.clone());
            tasks.push(unfailing(task));
            if let Some(plan) = config.backup.clone() {
                let files = backup::files(&config).map_err(|e| Error::Failed(e.to_string()))?;
                let task = backup::run(client.clone(), plan, files, metrics.clone(), feeding.clone());
                tasks.push(unfailing(task));
            }
            let task = survey::run(client.clone(), policies, alias, surveyed, feeding.clone());
            tasks.push(unfailing(task));
        }
        if let Some(demo) = demo {
            let (ingestor, client, feeding) = (ingestor.clone(), client.clone(), feeding.clone());
            tasks.push(tokio::spawn(async move { demo.run(&ingestor, &client, feeding).await.map_err(Error::from) }));
        }
        Ok::<_, Error>(tasks)
    };
    let mut tasks = Vec::new();
    let mut failed: Option<Error> = None;
    tokio::select! {
        biased;
        () = stop.cancelled() => {}
        started = work => match started {
            Ok(t) => tasks = t,
            Err(e) => failed = Some(e),
        },
        ended = ended(&mut scorer) => failed = Some(scored(ended)),
        Some(e) = first_failure(&mut watching) => failed = Some(e),
    }
    tasks.append(&mut watching);
    while failed.is_none() && !stop.is_cancelled() {
        tokio::select! {
            () = stop.cancelled() => break,
            changed = progress.changed() => if changed.is_ok() { report(&status, &progress.borrow_and_update()) },
            ended = ended(&mut scorer) => failed = Some(scored(ended)),
            ended = &mut server => failed = Some(Error::Failed(format!("the listener ended: {ended:?}"))),
            Some(e) = first_failure(&mut tasks) => failed = Some(e),
        }
    }
    tracing::info!("stopping");
    status.send_modify(|s| s.missing = vec!["stopping"]);
    feeding.cancel();
    let orderly = failed.is_none();
    let stopped = tokio::time::timeout(GRACE, async {
        for task in tasks {
            task.await.ok();
        }
        serving.cancel();
        if !server.is_finished() {
            server.await.ok();
        }
        // Nobody reads any more: what was read is written down to the last.
        tokio::time::timeout(GRACE / 6, write_reads).await.ok();
        // What was appended is scored at the next start at the latest; what was applied is stored now.
        scoring.cancel();
        let end = match scorer {
            Some(task) if orderly => task.await.map_err(|e| Error::Failed(e.to_string())).and_then(|r| r.map_err(Error::from)),
            _ => Ok(()),
        };
        drop((intake, ingestor));
        writer.abort();
        #[cfg(feature = "embedded")]
        if let Some(embedded) = opened.embedded {
            embedded.stop().await;
        }
        end
    });
    match (failed, stopped.await) {
        (Some(e), _) => Err(e),
        (None, Ok(end)) => end,
        (None, Err(_)) => {
            Err(Error::Failed(format!("stopping took longer than {} s; the next start goes on from the last checkpoint", GRACE.as_secs())))
        }
    }
}

/// How people log in; none: they do not.
fn login(
    config: &Config,
    opened: &Opened,
    alias: &Alias,
    metrics: Metrics,
    witness: Arc<dyn api::Witness>,
    at: String,
) -> Result<Option<Arc<Login>>, Error> {
    let Some(rules) = config.http.login else { return Ok(None) };
    let parts = api::login::Parts {
        accounts: config.access.clone(),
        rules,
        book: Arc::new(Stored::new(opened.client.clone())),
        keys: Keys::of(alias),
        witness: Some(witness),
        metrics,
        place: config.http.public_url.clone().unwrap_or(at),
        password: opened.password.clone(),
    };
    let login = Login::new(parts).map_err(|e| Error::Failed(format!("random bytes: {e}")))?;
    Ok(Some(Arc::new(login)))
}

/// Between two looks whether the log is being replaced.
const CLOSED: Duration = Duration::from_secs(3);

/// Ends once the log is being replaced, or was: an instance that only takes events in is a member of no group, so nobody else sees it.
async fn until_closed(client: clickhouse::Client, log_id: String, stop: CancellationToken) -> Result<(), Error> {
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(CLOSED) => {}
        }
        let closing = state::is_closing(&client, clock::now()).await;
        let now = state::meta(&client, "log_id").await;
        // Who cannot look goes on: an outage of the store must end no source.
        if closing.unwrap_or(false) || now.is_ok_and(|now| now.is_some_and(|now| now != log_id)) {
            return Err(Error::Failed("`filin log reshard` replaces the log: start this instance again once that is done".to_owned()));
        }
    }
}

type Task = JoinHandle<Result<(), Error>>;

/// A task that ends only when it is told to.
fn unfailing(task: impl Future<Output = ()> + Send + 'static) -> Task {
    tokio::spawn(async move {
        task.await;
        Ok(())
    })
}

async fn ended(scorer: &mut Option<JoinHandle<Result<(), score::Error>>>) -> Result<Result<(), score::Error>, tokio::task::JoinError> {
    match scorer {
        Some(task) => task.await,
        None => std::future::pending().await,
    }
}

fn scored(ended: Result<Result<(), score::Error>, tokio::task::JoinError>) -> Error {
    match ended {
        Ok(Ok(())) => Error::Failed("scoring ended".to_owned()),
        Ok(Err(e)) => e.into(),
        Err(e) => Error::Failed(format!("scoring ended: {e}")),
    }
}

/// Waits for the first task that fails; tasks that end well are forgotten.
async fn first_failure(tasks: &mut Vec<Task>) -> Option<Error> {
    loop {
        if tasks.is_empty() {
            return std::future::pending().await;
        }
        let (ended, i, _) = futures_util::future::select_all(tasks.iter_mut()).await;
        tasks.swap_remove(i);
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(e)) => return Some(e),
            Err(e) => return Some(Error::Failed(format!("a source ended: {e}"))),
        }
    }
}

fn report(status: &watch::Sender<Status>, progress: &score::Progress) {
    status.send_modify(|s| {
        (s.events, s.log_behind) = (progress.applied, progress.behind);
        let tenant = |(name, (watermark, offset)): (&String, &(Option<_>, Option<u64>))| TenantStatus {
            tenant: name.clone(),
            watermark: *watermark,
            log_offset: *offset,
        };
        s.tenants = progress.tenants.iter().map(tenant).collect();
    });
}

/// Opens ClickHouse, embedded or not, and brings its tables up to date.
///
/// # Errors
/// When it is not there or refuses.
pub async fn open_store(config: &Config) -> Result<Opened, Error> {
    let retention = u32::try_from(config.log_retention.as_secs() / 86_400).unwrap_or(u32::MAX).max(1);
    let mut opened = match &config.store {
        Store::Server(server) => {
            let options = store::Options {
                url: server.url.clone(),
                user: server.user.clone(),
                password: server.password.expose().to_owned(),
                database: server.database.clone(),
            };
            Opened {
                client: store::client(&options),
                address: server.url.clone(),
                password: server.password.clone(),
                migrated: Vec::new(),
                #[cfg(feature = "embedded")]
                embedded: None,
            }
        }
        #[cfg(feature = "embedded")]
        Store::Embedded(embedded) => {
            let options = store::embedded::Options {
                listen: embedded.listen,
                reader_password: embedded.reader_password.clone(),
                memory_bytes: embedded.memory_bytes,
                ..store::embedded::Options::new(&config.data)
            };
            let running = store::embedded::start(options, CancellationToken::new()).await.map_err(|e| Error::Failed(chain(&e)))?;
            let access = running.access();
            let (client, address, password) = (store::client(&access.store()), access.url(), access.writer_password.clone());
            Opened { client, address, password, migrated: Vec::new(), embedded: Some(running) }
        }
        #[cfg(not(feature = "embedded"))]
        Store::Embedded(_) => {
            return Err(Error::Config("this filin was built without the embedded ClickHouse: set clickhouse.url".to_owned()));
        }
    };
    opened.migrated = store::migrate::migrate(&opened.client, config.store.database(), retention).await.map_err(|e| match e {
        store::Error::Away(e) => Error::Failed(format!("clickhouse does not answer at {}: {e}", opened.address)),
        refused @ store::Error::Refused(_) => Error::Store(refused),
    })?;
    Ok(opened)
}

impl Opened {
    /// Ends the embedded engine, where there is one.
    pub async fn close(self) {
        #[cfg(feature = "embedded")]
        if let Some(embedded) = self.embedded {
            embedded.stop().await;
        }
    }
}

/// Store and log, opened for dead letters where no service runs.
pub struct Alone {
    /// What reads them again.
    pub letters: Letters,
    /// The store.
    pub opened: Opened,
    writer: JoinHandle<()>,
}

impl Alone {
    /// Opens what the configuration names.
    ///
    /// # Errors
    /// When something is not there or refuses.
    pub async fn open(config: &Config, metrics: Metrics) -> Result<Self, Error> {
        let opened = open_store(config).await?;
        let client = opened.client.clone();
        let alias = Alias::new(alias_key(config)?);
        let (_, partitions, appender, _, writer) = open_log(config, &client, &metrics).await?;
        let writer = tokio::spawn(writer);
        let ingestor = Ingestor::open(appender, partitions, client.clone(), alias, metrics, policies(config)?).await?;
        let intake = Arc::new(Intake::new(ingestor, Now::Clock));
        Ok(Self { letters: Letters::new(intake, client, config.bindings.clone()), opened, writer })
    }

    /// Closes them. What was submitted is durable already.
    pub async fn close(self) {
        drop(self.letters);
        self.writer.abort();
        self.opened.close().await;
    }
}

/// The key of pseudonyms: as configured, else made once and kept in the data folder.
///
/// # Errors
/// When it cannot be read or written.
pub fn alias_key(config: &Config) -> Result<[u8; 32], Error> {
    use sha2::{Digest, Sha256};
    if let Some(key) = &config.privacy.alias_key {
        return Ok(Sha256::digest(key.expose().as_bytes()).into());
    }
    let path = config.data.join("alias.key");
    let wrong = |e: std::io::Error| Error::Failed(format!("{}: {e}", path.display()));
    match fs::read(&path) {
        Ok(bytes) => bytes.try_into().map_err(|_| Error::Failed(format!("{} is damaged: it must hold 32 bytes", path.display()))),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            fs::create_dir_all(&config.data).map_err(wrong)?;
            let key: [u8; 32] = random::bytes().map_err(wrong)?;
            let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(wrong)?;
            file.write_all(&key).map_err(wrong)?;
            Ok(key)
        }
        Err(e) => Err(wrong(e)),
    }
}

pub(super) type Log = (String, u32, Appender, Reader, futures_util::future::BoxFuture<'static, ()>);

/// The topic that is the log, which another one than the configured may have become, and what is added to its offsets.
///
/// # Errors
/// When ClickHouse is away or refuses.
#[cfg(feature = "kafka")]
pub async fn in_force(kafka: &config::Kafka, client: &clickhouse::Client) -> Result<(config::Kafka, u64), store::Error> {
    let base = state::number(client, state::LOG_BASE).await?.unwrap_or(0);
    let topic = state::meta(client, state::LOG_TOPIC).await?;
    Ok((config::Kafka { log_topic: topic.unwrap_or_else(|| kafka.log_topic.clone()), ..kafka.clone() }, base))
}

/// The log: a topic where brokers are configured, else a table.
pub(super) async fn open_log(config: &Config, client: &clickhouse::Client, metrics: &Metrics) -> Result<Log, Error> {
    let known_id = state::meta(client, "log_id").await?;
    let known_partitions = state::number(client, "partitions").await?;
    #[cfg(feature = "kafka")]
    if let Some(kafka) = &config.kafka {
        let (kafka, base) = &in_force(kafka, client).await?;
        let options = log::kafka::Options {
            kafka: kafka.clone(),
            retention: config.log_retention,
            max_line_bytes: config.pipeline.max_line_bytes,
            base: *base,
        };
        let (opened, appender, reader) = log::kafka::open(options).await?;
        let id = format!("kafka:{}", opened.log_id);
        if known_id.as_ref().is_some_and(|known| *known != id) {
            let known = known_id.unwrap_or_default();
            return Err(Error::Failed(format!(
                "topic {} has the id {id}, the states stored here belong to {known}: bring the topic back, or begin anew with an empty database",
                kafka.log_topic
            )));
        }
        let partitions = known_partitions.unwrap_or(opened.partitions);
        if opened.partitions < partitions {
            let found = opened.partitions;
            return Err(Error::Failed(format!("topic {} has {found} partitions, the log was made with {partitions}", kafka.log_topic)));
        }
        if opened.partitions > partitions {
            tracing::warn!(found = opened.partitions, used = partitions, "partitions were added to the log's topic; they stay unused");
        }
        state::set_meta(client, "log_id", &id).await?;
        state::set_meta(client, "partitions", &partitions.to_string()).await?;
        return Ok((id, partitions, Appender::Kafka(appender), Reader::Kafka(reader), Box::pin(std::future::ready(()))));
    }
    #[cfg(not(feature = "kafka"))]
    if config.kafka.is_some() {
        return Err(Error::Config("this filin was built without Kafka".to_owned()));
    }
    let id = match known_id {
        Some(id) if id.starts_with("kafka:") => {
            return Err(Error::Failed(format!("the states stored here belong to the log {id}, but no kafka.brokers are configured")));
        }
        Some(id) => id,
        None => {
            let bytes: [u8; 16] = random::bytes().map_err(|e| Error::Failed(format!("no random numbers: {e}")))?;
            let id = format!("local:{}", data_encoding::HEXLOWER.encode(&bytes));
            state::set_meta(client, "log_id", &id).await?;
            id
        }
    };
    let partitions = known_partitions.unwrap_or(log::DEFAULT_PARTITIONS);
    state::set_meta(client, "partitions", &partitions.to_string()).await?;
    let (appender, reader, writer) = log::local::open(client.clone(), partitions, metrics.clone()).await?;
    Ok((id, partitions, Appender::Local(appender), Reader::Local(Box::new(reader)), Box::pin(writer)))
}

/// What the configuration says about each tenant, as the engine reads it.
///
/// # Errors
/// When the cold-start prior or a production calendar cannot be read.
pub fn policies(config: &Config) -> Result<Policies, Error> {
    for refused in sigma::Book::read(&config.sigma.texts).1 {
        tracing::warn!(rule = %refused, "a Sigma rule is not used");
    }
    let controls: std::collections::BTreeMap<_, _> = config
        .controls
        .iter()
        .map(|(id, c)| (id.clone(), ControlPolicy { enabled: c.enabled, switches: c.switches.clone(), settings: c.settings.clone() }))
        .collect();
    let other = Policy {
        budget: config.alerts.budget,
        lateness_h: config.pipeline.lateness_h,
        stakes: config.alerts.stakes,
        robust: config.alerts.robust,
        guard: config.alerts.guard,
        groups: config.alerts.groups,
        sigma: config.sigma.texts.clone(),
        controls,
        ..Policy::default()
    };
    let prior = prior::prior(&config.alerts.prior).map_err(Error::Failed)?;
    let mut policies = Policies { other: other.clone(), prior, ..Policies::default() };
    for (name, tenant) in &config.tenants {
        let policy = Policy {
            zone: tenant.time_zone.clone().unwrap_or_else(|| other.zone.clone()),
            lateness_h: tenant.lateness_h.unwrap_or(other.lateness_h),
            access: tenant.access,
            require_mfa: tenant.require_mfa,
            min_versions: tenant.min_versions.clone(),
            backup_targets: tenant.backup_targets.clone(),
            ..other.clone()
        };
        policies.named.insert(name.clone(), policy);
        policies.ip_allow.insert(name.clone(), tenant.ip_allow.clone());
        if let Some(calendar) = &tenant.calendar {
            let calendar = Calendar::load(calendar).map_err(|e| Error::Failed(chain(&e)))?;
            policies.calendars.insert(name.clone(), calendar);
        }
    }
    Ok(policies)
}

fn cadence(config: &Config) -> Cadence {
    Cadence { flush: config.pipeline.flush, checkpoint: config.pipeline.checkpoint, ..Cadence::default() }
}

/// Reads reference data, then starts the sources of raw records.
async fn start_sources(
    config: &Config,
    ingestor: &Ingestor,
    intake: &Arc<Intake>,
    metrics: &Metrics,
    status: &watch::Sender<Status>,
    stop: &CancellationToken,
) -> Result<Vec<Task>, Error> {
    let mut tasks = Vec::new();
    if !config.roles.contains(&Role::Normalise) {
        return Ok(tasks);
    }
    let mut rows = Rows::default();
    let mut topics = Vec::new();
    for (kind, place) in [("users", &config.reference.users), ("clients", &config.reference.clients), ("orders", &config.reference.orders)]
    {
        match place {
            None => {}
            Some(config::Place::Topic(topic)) => topics.push((kind, topic.clone())),
            Some(config::Place::File(path)) => {
                let complaints = read_rows(kind, path, &mut rows).map_err(|e| Error::Failed(e.to_string()))?;
                for c in complaints.iter().take(20) {
                    tracing::warn!(kind, "{c}");
                }
            }
        }
    }
    ingestor.learn(rows).await?;
    #[cfg(feature = "kafka")]
    if let Some(kafka) = &config.kafka {
        tasks.extend(super::feed::reference(kafka, topics, config, ingestor, stop).await?);
        tasks.extend(super::feed::topics(kafka, config, intake, metrics, status, stop)?);
    }
    #[cfg(not(feature = "kafka"))]
    drop(topics);
    let files = config.bindings.iter().filter_map(|b| match &b.from {
        config::Source::Path(path) => Some((path.clone(), b.clone())),
        _ => None,
    });
    for (path, binding) in files {
        status.send_modify(|s| {
            s.sources.push(SourceStatus {
                name: path.display().to_string(),
                kind: crate::ops::metrics::Source::File,
                format: binding.format.clone(),
                records: 0,
                behind: None,
            });
        });
        let (intake, stop, bytes) = (Arc::clone(intake), stop.clone(), config.pipeline.max_line_bytes);
        tasks.push(tokio::spawn(async move { intake.file(&path, &binding, bytes, stop).await.map_err(|e| Error::Failed(chain(&e))) }));
    }
    Ok(tasks)
}

/// Reads a file of reference data into `rows`.
///
/// # Errors
/// When the file cannot be read at all.
pub fn read_rows(kind: &str, path: &Path, rows: &mut Rows) -> Result<Vec<load::Complaint>, crate::directory::Error> {
    fn read<T: load::Cells>(
        path: &Path,
        rows: &mut Vec<T>,
        tenant: impl Fn(&mut T) -> &mut String,
    ) -> Result<Vec<load::Complaint>, crate::directory::Error> {
        let mut loaded = load::file(path)?;
        loaded.rows.iter_mut().for_each(|row| load::name_tenant(tenant(row)));
        rows.append(&mut loaded.rows);
        Ok(loaded.complaints)
    }
    match kind {
        "users" => read(path, &mut rows.users, |u| &mut u.tenant),
        "clients" => read(path, &mut rows.clients, |c| &mut c.tenant),
        _ => read(path, &mut rows.orders, |o| &mut o.tenant),
    }
}

//! Configuration: TOML, over it the environment, over it flags. Unknown keys are refused; all mistakes come at once, each with
//! its path. The environment is read here and nowhere else.

mod check;
mod file;
mod layers;
mod security;
mod value;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use data_encoding::HEXLOWER;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

pub use layers::{Mistake, Mistakes};
pub use security::{Weakness, weaknesses};
pub use value::{Kept, Secret, span, span_text};

use crate::event::{Access, Budget, Timestamp, words};

/// The configuration that runs, checked.
#[derive(Clone, Debug, Serialize)]
pub struct Config {
    /// What this process does.
    pub roles: BTreeSet<Role>,
    /// Runs on made-up data.
    pub demo: bool,
    /// Folder of data and keys.
    pub data: PathBuf,
    /// Console, API, metrics.
    pub http: Http,
    /// Who may read alerts, and what else they may.
    pub access: Vec<Account>,
    /// Kafka, where there is one.
    pub kafka: Option<Kafka>,
    /// Sources.
    pub bindings: Vec<Binding>,
    /// Users, clients, orders.
    pub reference: Reference,
    /// Where things are stored.
    pub store: Store,
    /// What organisations have stated.
    pub tenants: BTreeMap<String, Tenant>,
    /// How long records of the log are kept.
    #[serde(serialize_with = "value::serialize_span")]
    pub log_retention: Duration,
    /// How long what is stored is kept.
    pub retention: Retention,
    /// From source to store.
    pub pipeline: Pipeline,
    /// Alerts and where they go.
    pub alerts: Alerts,
    /// What the configuration says about controls, by id.
    pub controls: BTreeMap<String, Control>,
    /// The user's own rules.
    pub sigma: Sigma,
    /// Pseudonyms.
    pub privacy: Privacy,
    /// MMDB with the places of addresses.
    pub geo_database: Option<PathBuf>,
    /// When canaries are sent; none: never.
    pub canary: Option<Canary>,
    /// Backups; none: `filin backup` alone makes them.
    pub backup: Option<Backup>,
    /// Keys that were given and do nothing yet in this version.
    pub no_effect: Vec<String>,
}

/// How long what is stored is kept; none: as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Retention {
    /// The log, where it is a table.
    pub log: Option<Kept>,
    /// Events and what was found in them.
    pub events: Option<Kept>,
    /// Dead letters.
    pub dead_letters: Option<Kept>,
    /// Alerts and answers.
    pub alerts: Option<Kept>,
}

words! {
    /// A part of the work that a process can take.
    Role {
        /// Sources in, the log out.
        Normalise = "normalise",
        /// The log in, effects stored and notified.
        Score = "score",
        /// Console and API.
        Web = "web",
    }
}

/// Console, API, metrics.
#[derive(Clone, Debug, Serialize)]
pub struct Http {
    /// Where they listen.
    pub listen: SocketAddr,
    /// How people reach the console, without a slash at the end; none: as it listens.
    pub public_url: Option<String>,
    /// `Host` names accepted beside loopback's.
    pub hosts: Vec<String>,
    /// Token of those who read alerts; none: they are read on loopback only.
    pub reader_token: Option<Secret>,
    /// The encrypted listener.
    pub tls: Option<Tls>,
    /// Log-in by password and second factor; none: there is none.
    pub login: Option<Login>,
    /// A proxy before it that is believed.
    pub proxy: Option<Proxy>,
}

/// Log-in of people in a browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Login {
    /// Whoever does nothing for so long is logged out.
    #[serde(serialize_with = "value::serialize_span")]
    pub idle: Duration,
    /// After so long everybody is.
    #[serde(serialize_with = "value::serialize_span")]
    pub longest: Duration,
}

/// A proxy that is believed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Proxy {
    /// The header in which it says who asks, in lower case; none: it only says from where.
    pub header: Option<String>,
    /// Its addresses.
    pub from: Vec<ipnet::IpNet>,
}

impl Proxy {
    /// Whether what comes from this address is believed.
    pub fn is(&self, address: IpAddr) -> bool {
        self.from.iter().any(|net| net.contains(&address.to_canonical()))
    }
}

/// An encrypted listener.
#[derive(Clone, Debug, Serialize)]
pub struct Tls {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The certificate and those between it and its root, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// Roots of clients' certificates, PEM; none: clients show none.
    pub client_ca: Option<PathBuf>,
}

words! {
    /// What somebody may do here.
    Duty {
        /// Reads and answers what is about their own people.
        Supervisor = "supervisor",
        /// Reads and answers all, and mutes.
        Analyst = "analyst",
        /// Does all that can be done.
        Admin = "admin",
        /// Reads all and changes nothing.
        Auditor = "auditor",
    }
}

/// Somebody who may read alerts.
#[derive(Clone, Debug, Serialize)]
pub struct Account {
    /// Who they are: it stands beside what they do.
    pub name: String,
    /// What they may do.
    pub role: Duty,
    /// The only organisation they see; none: all.
    pub tenant: Option<String>,
    /// Their id among the users.
    pub user: Option<String>,
    /// SHA-256 of their tokens, in hexadecimal, lower case; at least one where people come in by nothing else.
    pub token_sha256: Vec<Secret>,
    /// From when on they are let in no more.
    pub expires: Option<Timestamp>,
}

impl Account {
    /// What stands for a token in `token_sha256`. A token is 256 random bits: there is nothing to guess, so a plain SHA-256 is as good as a
    /// slow hash, and costs no log-in a second.
    pub fn hash_of(token: &[u8]) -> String {
        HEXLOWER.encode(&Sha256::digest(token))
    }

    /// Whether they are let in still.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|end| now < end)
    }

    /// The one of this name, where they are let in.
    pub fn valid<'a>(all: &'a [Self], name: &str, now: Timestamp) -> Option<&'a Self> {
        all.iter().find(|account| account.name == name && account.is_valid(now))
    }
}

/// Kafka.
#[derive(Clone, Debug, Serialize)]
pub struct Kafka {
    /// `host:port`.
    pub brokers: Vec<String>,
    /// Consumer group.
    pub group: String,
    /// Topic of the log.
    pub log_topic: String,
    /// Partitions of a new log.
    pub partitions: u32,
    /// Properties of librdkafka; a value may be a password.
    pub librdkafka: BTreeMap<String, Secret>,
}

/// Where raw records come from and what they are.
#[derive(Clone, Debug, Serialize)]
pub struct Binding {
    /// Where from.
    pub from: Source,
    /// The organisation.
    pub tenant: String,
    /// Format of the records.
    pub format: String,
    /// IANA zone of times without an offset.
    pub time_zone: Option<String>,
    /// ISO 3166 country of telephone numbers without one.
    pub country: Option<String>,
    /// Put before the actor's id where no alias names a manager.
    pub actor_prefix: Option<String>,
    /// What the format itself asks for.
    pub options: BTreeMap<String, Value>,
}

/// Where the records of a binding come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A Kafka topic.
    Topic(String),
    /// A file or a folder of files.
    Path(PathBuf),
    /// Whoever pushes with this token.
    Token(Secret),
}

/// Users, clients, orders.
#[derive(Clone, Debug, Serialize)]
pub struct Reference {
    /// Users.
    pub users: Option<Place>,
    /// Clients.
    pub clients: Option<Place>,
    /// Orders.
    pub orders: Option<Place>,
    /// How far a topic may lie behind before readiness goes off.
    #[serde(serialize_with = "value::serialize_span")]
    pub max_lag: Duration,
}

/// Where reference data comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// CSV or JSONL.
    File(PathBuf),
    /// A compacted topic.
    Topic(String),
}

/// Where things are stored.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Store {
    /// ClickHouse inside this process.
    Embedded(Embedded),
    /// A ClickHouse server.
    Server(Server),
}

impl Store {
    /// The database with Filin's tables.
    pub fn database(&self) -> &str {
        match self {
            Self::Server(server) => &server.database,
            Self::Embedded(_) => "filin",
        }
    }
}

/// ClickHouse inside this process; its files are in [`Config::data`].
#[derive(Clone, Debug, Serialize)]
pub struct Embedded {
    /// Where its listener listens.
    pub listen: SocketAddr,
    /// Password of the reader.
    pub reader_password: Option<Secret>,
    /// Bytes it may take.
    pub memory_bytes: u64,
}

/// A ClickHouse server.
#[derive(Clone, Debug, Serialize)]
pub struct Server {
    /// `http://` or `https://`.
    pub url: String,
    /// Account that may write.
    pub user: String,
    /// Its password.
    pub password: Secret,
    /// Database.
    pub database: String,
    /// Cluster, where tables are replicated.
    pub cluster: Option<String>,
}

/// What an organisation has stated about itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Tenant {
    /// IANA zone of people who have none of their own.
    pub time_zone: Option<String>,
    /// Production calendar: a name that is built in, or a file.
    pub calendar: Option<String>,
    /// Whose clients a manager may touch.
    pub access: Option<Access>,
    /// Networks from which people work.
    pub ip_allow: Vec<ipnet::IpNet>,
    /// Log-ins need a second factor.
    pub require_mfa: bool,
    /// Oldest accepted version per application.
    pub min_versions: BTreeMap<String, String>,
    /// Where backups of the CRM must arrive.
    pub backup_targets: Vec<String>,
    /// Units scored as tenants of their own: name to its teams.
    pub units: BTreeMap<String, Vec<String>>,
    /// How long after a date's end it closes, where it differs from the pipeline's; whole hours.
    pub lateness_h: Option<u32>,
}

/// From source to store.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pipeline {
    /// How long after a date's end it closes; whole hours, at most 48.
    pub lateness_h: u32,
    /// How often events and signals are stored.
    #[serde(serialize_with = "value::serialize_span")]
    pub flush: Duration,
    /// How often state is checkpointed.
    #[serde(serialize_with = "value::serialize_span")]
    pub checkpoint: Duration,
    /// Effects held while ClickHouse is away.
    pub buffer_events: usize,
    /// The longest line or record that is read.
    pub max_line_bytes: usize,
}

/// Alerts and where they go.
#[derive(Clone, Debug, Serialize)]
pub struct Alerts {
    /// Expected alerts per 100 manager-days, or per week, when nothing is wrong.
    pub budget: Budget,
    /// Families of evidence weigh in the score by what is at stake.
    pub stakes: bool,
    /// Days of critical evidence stay out of the calibration of the budget.
    pub robust: bool,
    /// Days of strong evidence are learned with little weight, and what is far off is clipped.
    pub guard: bool,
    /// Peer groups are fitted where roles are missing or plainly mixed.
    pub groups: bool,
    /// Cold-start prior of new tenants.
    pub prior: Prior,
    /// Alertmanagers.
    pub alertmanager: Vec<String>,
    /// Who takes OCSF Detection Findings.
    pub webhook: Option<Webhook>,
    /// Topic that takes them.
    pub topic: Option<String>,
    /// Older ones are stored and not sent.
    #[serde(serialize_with = "value::serialize_span")]
    pub notify_max_age: Duration,
    /// When it goes one level up; none: never.
    pub escalation: Option<Escalation>,
}

/// When an alert that nobody answers goes one level up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Escalation {
    /// After so long.
    #[serde(serialize_with = "value::serialize_span")]
    pub after: Duration,
    /// From this severity on, a word.
    pub from: String,
}

/// Who takes OCSF Detection Findings.
#[derive(Clone, Debug, Serialize)]
pub struct Webhook {
    /// Its address, which may hold a secret.
    pub url: Secret,
    /// What signs them; none: they are not signed.
    pub secret: Option<Secret>,
}

/// Where the cold-start prior of new tenants comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Prior {
    /// The one that comes with Filin.
    #[default]
    Default,
    /// A tenant starts from nothing.
    None,
    /// A file that `filin train` wrote.
    File(PathBuf),
}

/// What the configuration says about a control.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Control {
    /// Whether it may speak.
    pub enabled: bool,
    /// Parts of it that are switched on or off.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub switches: BTreeMap<String, bool>,
    /// Numbers of it that are set.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, f64>,
    /// Its parameters.
    pub parameters: BTreeMap<String, Value>,
}

/// The user's own rules, as they were read at the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sigma {
    /// Their folder.
    pub rules: Option<PathBuf>,
    /// Name of a file to its text.
    #[serde(skip)]
    pub texts: BTreeMap<String, String>,
}

/// Made-up sequences that prove each control, through the whole service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Canary {
    /// How often they are sent.
    #[serde(serialize_with = "value::serialize_span")]
    pub every: Duration,
    /// How long after the start for the first time.
    #[serde(serialize_with = "value::serialize_span")]
    pub first: Duration,
}

/// Backups of all that is stored.
#[derive(Clone, Debug, Serialize)]
pub struct Backup {
    /// Folders on other disks, two at least.
    pub to: Vec<PathBuf>,
    /// How often.
    #[serde(serialize_with = "value::serialize_span")]
    pub every: Duration,
    /// What they are encrypted with.
    pub key: Secret,
    /// Backups that each place keeps.
    pub keep: usize,
}

/// Pseudonyms.
#[derive(Clone, Debug, Serialize)]
pub struct Privacy {
    /// Console and dashboards show aliases.
    pub pseudonyms: bool,
    /// Key of the aliases; none: `alias.key` in [`Config::data`].
    pub alias_key: Option<Secret>,
    /// Messages to supervisors may say names.
    pub names_in_messages: bool,
    /// A name is shown only where somebody else allows it.
    pub four_eyes: bool,
}

/// What the command line says.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--demo`
    pub demo: bool,
    /// `--data`
    pub data: Option<PathBuf>,
    /// `--listen`
    pub listen: Option<String>,
    /// `--clickhouse-listen`
    pub clickhouse_listen: Option<String>,
    /// `--users`
    pub users: Option<PathBuf>,
    /// `--clients`
    pub clients: Option<PathBuf>,
    /// `--orders`
    pub orders: Option<PathBuf>,
    /// `--role`; empty: all.
    pub roles: Vec<String>,
    /// `--budget`
    pub budget: Option<Budget>,
    /// `--prior`
    pub prior: Option<String>,
}

/// A control, as far as it may be set.
#[derive(Clone, Debug)]
pub struct KnownControl<'a> {
    /// Its id.
    pub id: &'a str,
    /// Names of its switches.
    pub switches: Vec<&'a str>,
    /// Names of its numbers.
    pub settings: Vec<&'a str>,
}

/// What other parts know and this one must check against.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// Formats that can be read.
    pub formats: &'a [&'a str],
    /// The controls there are.
    pub controls: &'a [KnownControl<'a>],
    /// How severe an alert can be, the least first.
    pub severities: &'a [&'a str],
    /// Says what is wrong with a binding's options, given [`Binding::for_adapter`].
    pub check_binding: &'a dyn Fn(&Value) -> Result<(), String>,
    /// Says all that is wrong with a production calendar, given its name or file.
    pub check_calendar: &'a dyn Fn(&str) -> Vec<String>,
}

impl Known<'_> {
    fn switches(&self, control: &str) -> &[&str] {
        self.controls.iter().find(|c| c.id == control).map_or(&[], |c| &c.switches)
    }

    fn settings(&self, control: &str) -> &[&str] {
        self.controls.iter().find(|c| c.id == control).map_or(&[], |c| &c.settings)
    }
}

impl Config {
    /// The configuration of this process: the file, if there is one, the environment, the flags.
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn load(path: Option<&Path>, flags: &Flags, known: &Known<'_>) -> Result<Self, Mistakes> {
        let environment = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let Some(path) = path else { return Self::read("", "", environment, flags, known) };
        let name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::read(&text, &name, environment, flags, known),
            Err(e) => Err(Mistakes(vec![Mistake { path: name, message: format!("cannot be read: {e}") }])),
        }
    }

    /// The same from given texts.
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn read(
        toml: &str,
        name: &str,
        environment: impl IntoIterator<Item = (String, String)>,
        flags: &Flags,
        known: &Known<'_>,
    ) -> Result<Self, Mistakes> {
        let mut mistakes = Mistakes::default();
        let mut layers = layers::Layers::default();
        let environment: Vec<_> = environment.into_iter().collect();
        layers.file(toml, name, &mut mistakes);
        layers.environment(environment.iter().cloned(), &mut mistakes);
        let path = |path: &Option<PathBuf>| path.as_ref().map(|p| Value::String(p.display().to_string()));
        let text = |text: &Option<String>| text.clone().map(Value::String);
        for (flag, key, value) in [
            ("--data", ["embedded", "data"], path(&flags.data)),
            ("--listen", ["http", "listen"], text(&flags.listen)),
            ("--clickhouse-listen", ["embedded", "listen"], text(&flags.clickhouse_listen)),
            ("--users", ["reference", "users"], path(&flags.users)),
            ("--clients", ["reference", "clients"], path(&flags.clients)),
            ("--orders", ["reference", "orders"], path(&flags.orders)),
            ("--prior", ["alerts", "prior"], text(&flags.prior)),
            ("--budget", ["alerts", "budget"], flags.budget.map(|b| serde_json::to_value(b).unwrap_or_default())),
        ] {
            if let Some(value) = value {
                layers.flag(flag, &key, value, &mut mistakes);
            }
        }
        let file = layers.read(&mut mistakes);
        let home = xdg(&environment, "XDG_DATA_HOME", ".local/share");
        let config = check::check(file, flags, known, &home, &mut mistakes);
        if mistakes.0.is_empty() {
            return Ok(config);
        }
        for mistake in &mut mistakes.0 {
            mistake.path = layers.told(&mistake.path);
        }
        mistakes.0.sort();
        mistakes.0.dedup();
        Err(mistakes)
    }

    /// Tokens that clients may push with.
    pub fn tokens(&self) -> impl Iterator<Item = (&Secret, &Binding)> {
        self.bindings.iter().filter_map(|binding| match &binding.from {
            Source::Token(token) => Some((token, binding)),
            _ => None,
        })
    }
}

impl Binding {
    /// What an adapter reads: `tenant`, `format`, `time_zone`, `country`, `actor_prefix` and the format's own options.
    pub fn for_adapter(&self) -> Value {
        let mut all = serde_json::Map::from_iter(self.options.clone());
        let mut put = |key: &str, value: Option<&String>| value.map(|v| all.insert(key.to_owned(), Value::from(v.as_str())));
        put("tenant", Some(&self.tenant));
        put("format", Some(&self.format));
        put("time_zone", self.time_zone.as_ref());
        put("country", self.country.as_ref());
        put("actor_prefix", self.actor_prefix.as_ref());
        Value::Object(all)
    }
}

/// A folder of this user's, by the XDG base directory rules.
fn xdg(environment: &[(String, String)], name: &str, fallback: &str) -> PathBuf {
    let get = |name: &str| environment.iter().find(|(n, v)| n == name && !v.is_empty()).map(|(_, v)| PathBuf::from(v));
    let home = get(name).filter(|path| path.is_absolute()).unwrap_or_else(|| get("HOME").unwrap_or_default().join(fallback));
    home.join("filin")
}

#[expect(clippy::disallowed_methods, reason = "this is the place that clippy.toml names")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The folder for what was fetched: `${XDG_CACHE_HOME:-~/.cache}/filin`.
pub fn cache_dir() -> PathBuf {
    let environment = ["XDG_CACHE_HOME", "HOME"].map(|name| (name.to_owned(), variable(name).unwrap_or_default()));
    xdg(&environment, "XDG_CACHE_HOME", ".cache")
}

/// The folder for data when none is given: `${XDG_DATA_HOME:-~/.local/share}/filin`.
pub fn data_dir() -> PathBuf {
    let environment = ["XDG_DATA_HOME", "HOME"].map(|name| (name.to_owned(), variable(name).unwrap_or_default()));
    xdg(&environment, "XDG_DATA_HOME", ".local/share")
}

/// `FILIN_LIBCHDB`: the embedded ClickHouse's library, where it is not in the cache.
pub fn libchdb() -> Option<PathBuf> {
    variable("FILIN_LIBCHDB").map(PathBuf::from)
}

/// `FILIN_INGEST_TOKEN`: the token that `filin push` shows.
pub fn ingest_token() -> Option<Secret> {
    variable("FILIN_INGEST_TOKEN").map(Secret::new)
}

/// The name of the account that runs this.
pub fn account() -> Option<String> {
    variable("USER").or_else(|| variable("LOGNAME"))
}

/// `FILIN_LOG`: which log lines are written, as in `info,filin::log=debug`.
pub fn log_filter() -> Option<String> {
    variable("FILIN_LOG")
}

#[cfg(test)]
mod tests;

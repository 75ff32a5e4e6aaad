//! What a configuration file may say, key by key, before anything is checked.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::Value;

use super::value::{Kept, List, Scalar, Secret, Size, Span};
use crate::event::{Budget, Timestamp};

/// All of it. Every key may be absent.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    pub(super) http: Http,
    pub(super) access: Vec<Account>,
    pub(super) kafka: Kafka,
    pub(super) bindings: Vec<Binding>,
    pub(super) reference: Reference,
    pub(super) clickhouse: ClickHouse,
    pub(super) embedded: Embedded,
    pub(super) tenants: BTreeMap<String, Tenant>,
    pub(super) log: Log,
    pub(super) retention: Retention,
    pub(super) pipeline: Pipeline,
    pub(super) alerts: Alerts,
    pub(super) controls: BTreeMap<String, Control>,
    pub(super) sigma: Sigma,
    pub(super) privacy: Privacy,
    pub(super) geo: Geo,
    pub(super) canary: Canary,
    pub(super) backup: Backup,
}

/// Console, API and metrics.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Http {
    /// Address and port; port 0 takes a free one. Beyond loopback a binding with a token is needed.
    pub(super) listen: Option<String>,
    /// How people reach the console, for links in messages; absent: as it listens.
    pub(super) public_url: Option<String>,
    /// Names, beside loopback's, under which a loopback listener may be asked (of a proxy before it).
    pub(super) hosts: List,
    /// Token of those who read alerts; without it they are read on loopback only.
    pub(super) reader_token: Option<Secret>,
    /// File with that token.
    pub(super) reader_token_file: Option<PathBuf>,
    /// A second listener, encrypted.
    pub(super) tls: Tls,
    /// Log-in by password and second factor.
    pub(super) login: Login,
    /// A proxy before it that is believed.
    pub(super) proxy: Proxy,
}

/// Log-in of people in a browser; who they are says `[[access]]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Login {
    /// Whether there is one.
    pub(super) enabled: Option<bool>,
    /// Whoever does nothing for so long is logged out.
    pub(super) idle: Option<Span>,
    /// After so long everybody is.
    pub(super) longest: Option<Span>,
}

/// A proxy that knows who somebody is, or at least from where.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Proxy {
    /// The header in which it says who asks: a name of `[[access]]`.
    pub(super) header: Option<String>,
    /// Its addresses: only from there that header, `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
    pub(super) from: List,
}

/// The encrypted listener: the same as the other one, which can then stay on loopback.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Tls {
    /// Address and port.
    pub(super) listen: Option<String>,
    /// The certificate and those between it and its root, PEM.
    pub(super) certificate: Option<PathBuf>,
    /// Its private key, PEM.
    pub(super) key: Option<PathBuf>,
    /// Roots of clients' certificates, PEM: whoever shows none of theirs is not let in, token or not.
    pub(super) client_ca: Option<PathBuf>,
}

/// Somebody who may read alerts, and how they are known.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Account {
    /// Who they are, as it will stand beside what they do.
    pub(super) name: Option<String>,
    /// `supervisor`, `analyst`, `admin` or `auditor`.
    pub(super) role: Option<String>,
    /// The only organisation they see; a supervisor's.
    pub(super) tenant: Option<String>,
    /// Their id among the users: a supervisor sees who is under it, nobody sees what is about it themselves.
    pub(super) user: Option<String>,
    /// SHA-256 of their tokens, hexadecimal: `filin token` makes them. Two while one takes the other's place.
    pub(super) token_sha256: List,
    /// From when on they are let in no more.
    pub(super) expires: Option<Timestamp>,
}

/// Kafka: the log, and topics as sources.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Kafka {
    /// `host:port` list. With it the log is a topic; without it a table.
    pub(super) brokers: List,
    /// Consumer group.
    pub(super) group: Option<String>,
    /// Topic of the log.
    pub(super) log_topic: Option<String>,
    /// Partitions of a new log.
    pub(super) partitions: Option<u32>,
    /// Properties of librdkafka as they are (`"librdkafka.security.protocol" = "ssl"`); one that ends with `_file` is read from there.
    pub(super) librdkafka: BTreeMap<String, Scalar>,
}

/// Where raw records come from and what they are. Exactly one of `topic`, `path`, `token`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Binding {
    /// Kafka topic.
    pub(super) topic: Option<String>,
    /// File, or folder with files.
    pub(super) path: Option<PathBuf>,
    /// Whoever pushes with this token pushes this.
    pub(super) token: Option<Secret>,
    /// File with the token.
    pub(super) token_file: Option<PathBuf>,
    /// The organisation.
    pub(super) tenant: Option<String>,
    /// Format of the records: `filin adapters` lists them.
    pub(super) format: Option<String>,
    /// IANA zone of times without an offset.
    pub(super) time_zone: Option<String>,
    /// ISO 3166 country of telephone numbers without one.
    pub(super) country: Option<String>,
    /// Put before the actor's id where no alias names a manager.
    pub(super) actor_prefix: Option<String>,
    /// What the format itself asks for (`extensions`, `csv_columns`, ...).
    #[serde(flatten)]
    pub(super) options: BTreeMap<String, Value>,
}

/// Users, clients, orders: a file, or `topic:NAME`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Reference {
    pub(super) users: Option<String>,
    pub(super) clients: Option<String>,
    pub(super) orders: Option<String>,
    /// How far a topic may lie behind before readiness goes off.
    pub(super) max_lag: Option<Span>,
}

/// A ClickHouse server instead of the embedded engine.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ClickHouse {
    /// `http://host:8123` or `https://host:8443`.
    pub(super) url: Option<String>,
    pub(super) user: Option<String>,
    pub(super) password: Option<Secret>,
    /// File with the password.
    pub(super) password_file: Option<PathBuf>,
    pub(super) database: Option<String>,
    /// Name of the cluster, where tables are replicated.
    pub(super) cluster: Option<String>,
}

/// The embedded ClickHouse.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Embedded {
    /// Folder of data, keys and the engine's files.
    pub(super) data: Option<PathBuf>,
    /// Address of the ClickHouse-compatible listener.
    pub(super) listen: Option<String>,
    /// Password of the reader `default`; needed beyond loopback.
    pub(super) reader_password: Option<Secret>,
    /// File with that password.
    pub(super) reader_password_file: Option<PathBuf>,
    /// Memory the engine may take.
    pub(super) memory: Option<Size>,
}

/// What an organisation has stated about itself.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Tenant {
    /// IANA zone of people who have none of their own.
    pub(super) time_zone: Option<String>,
    /// Production calendar: `ru`, or a CSV file `date,kind`.
    pub(super) calendar: Option<String>,
    /// Whose clients a manager may touch: `own` or `team`; absent: no rule.
    pub(super) access: Option<String>,
    /// Networks from which people work.
    pub(super) ip_allow: List,
    /// Log-ins need a second factor.
    pub(super) require_mfa: Option<bool>,
    /// Oldest accepted version per application.
    pub(super) min_versions: BTreeMap<String, String>,
    /// Where backups of the CRM must arrive.
    pub(super) backup_targets: List,
    /// Units scored as tenants of their own: name to its teams.
    pub(super) units: BTreeMap<String, List>,
    /// As `pipeline.lateness`, for this tenant.
    pub(super) lateness: Option<Span>,
}

/// The log.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Log {
    /// How long its records are kept.
    pub(super) retention: Option<Span>,
}

/// How long what is stored is kept.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Retention {
    /// Events and what was found in them.
    pub(super) events: Option<Kept>,
    /// Dead letters.
    pub(super) dead_letters: Option<Kept>,
    /// Alerts and answers.
    pub(super) alerts: Option<Kept>,
}

/// From source to store.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Pipeline {
    /// How long after a date's end it closes.
    pub(super) lateness: Option<Span>,
    /// How often events and signals are stored, milliseconds.
    pub(super) flush_ms: Option<u64>,
    /// How often state is checkpointed, seconds.
    pub(super) checkpoint_s: Option<u64>,
    /// Effects held while ClickHouse is away; behind them consumption pauses.
    pub(super) buffer_events: Option<u64>,
    /// The longest line or record that is read.
    pub(super) max_line_bytes: Option<Size>,
}

/// Alerts and where they go.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Alerts {
    /// Expected alerts per 100 manager-days when nothing is wrong, or `N/week`.
    pub(super) budget: Option<Budget>,
    /// Families of evidence weigh in the score by what is at stake.
    pub(super) stakes: Option<bool>,
    /// Days of critical evidence stay out of the calibration of the budget.
    pub(super) robust: Option<bool>,
    /// Days of strong evidence are learned with little weight, and what is far off is clipped.
    pub(super) guard: Option<bool>,
    /// Peer groups are fitted where roles are missing or plainly mixed.
    pub(super) groups: Option<bool>,
    /// Cold-start prior of new tenants: `default`, `none` or a file that `filin train` wrote.
    pub(super) prior: Option<String>,
    /// Alertmanagers, all of them.
    pub(super) alertmanager: List,
    /// Who takes OCSF Detection Findings: an address, or `{ url, secret }`.
    pub(super) webhook: Option<Webhook>,
    /// File with that address.
    pub(super) webhook_file: Option<PathBuf>,
    /// Kafka topic that takes them.
    pub(super) topic: Option<String>,
    /// Older ones are stored and not sent.
    pub(super) notify_max_age: Option<Span>,
    /// What nobody answers for so long goes one level up.
    pub(super) escalate_after: Option<Span>,
    /// From this severity on.
    pub(super) escalate_from: Option<String>,
}

/// A webhook: its address alone, or with the secret that signs what is sent.
#[derive(Debug, Default)]
pub(super) struct Webhook {
    /// Address.
    pub(super) url: Option<Secret>,
    /// File with the address.
    pub(super) url_file: Option<PathBuf>,
    /// What signs.
    pub(super) secret: Option<Secret>,
    /// File with it.
    pub(super) secret_file: Option<PathBuf>,
}

impl<'de> Deserialize<'de> for Webhook {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        #[derive(Default, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        struct Table {
            url: Option<Secret>,
            url_file: Option<PathBuf>,
            secret: Option<Secret>,
            secret_file: Option<PathBuf>,
        }
        struct Form;
        impl<'de> Visitor<'de> for Form {
            type Value = Webhook;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an address or { url, secret }")
            }

            fn visit_str<E: de::Error>(self, url: &str) -> Result<Webhook, E> {
                Ok(Webhook { url: Some(Secret::new(url)), ..Webhook::default() })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Webhook, A::Error> {
                let Table { url, url_file, secret, secret_file } = Table::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Webhook { url, url_file, secret, secret_file })
            }
        }
        d.deserialize_any(Form)
    }
}

/// A control.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Control {
    /// Whether it may speak.
    pub(super) enabled: Option<bool>,
    /// Its parameters.
    #[serde(flatten)]
    pub(super) parameters: BTreeMap<String, Value>,
}

/// The user's own rules.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Sigma {
    /// Folder with Sigma rules (`*.yml`, `*.yaml`).
    pub(super) rules: Option<PathBuf>,
}

/// Pseudonyms.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Privacy {
    /// Console and dashboards show aliases, not ids.
    pub(super) pseudonyms: Option<bool>,
    /// Key of the aliases; with servers all instances need the same.
    pub(super) alias_key: Option<Secret>,
    /// File with that key.
    pub(super) alias_key_file: Option<PathBuf>,
    /// Messages to supervisors may say names.
    pub(super) names_in_messages: Option<bool>,
    /// A name is shown only where somebody else allows it.
    pub(super) four_eyes: Option<bool>,
}

/// Places of addresses.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Geo {
    /// MMDB file.
    pub(super) database: Option<PathBuf>,
}

/// Made-up sequences that prove each control, through the whole service.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Canary {
    /// Whether they are sent.
    pub(super) enabled: Option<bool>,
    /// How often.
    pub(super) every: Option<Span>,
    /// How long after the start for the first time.
    pub(super) first: Option<Span>,
}

/// Backups of all that is stored, in two places.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Backup {
    /// Folders on other disks, two at least. Each is made by hand, and becomes a place of backups by `filin backup`.
    pub(super) to: List,
    /// How often.
    pub(super) every: Option<Span>,
    /// What they are encrypted with, as from `openssl rand -hex 32`.
    pub(super) key: Option<Secret>,
    /// File with that key. Keep a copy where the backups are not.
    pub(super) key_file: Option<PathBuf>,
    /// Backups that each place keeps: the newest.
    pub(super) keep: Option<u64>,
}

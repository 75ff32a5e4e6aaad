//! The canonical audit event (version 1): plain values, no IO.
//!
//! Every adapter turns its CRM's format into [`Event`]; everything behind the adapters knows nothing else.
//! A field that is missing at the source is absent here: no empty strings, no zero for unknown.

mod budget;
mod enriched;
mod time;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use budget::Budget;
pub use enriched::{Access, Address, Enrich, Enriched, Former, NamedClient, Origin, Owner, Related, Tier, Work};
pub use time::{DAY_MS, Date, HOUR_MS, ParseTimeError, Timestamp};

/// The organisation of an event that names none.
pub const DEFAULT_TENANT: &str = "default";
/// What [`is_tenant`] asks, in words.
pub const TENANT_RULE: &str = "at most 100 bytes, no spaces, no |, no _ in front";

/// Whether a tenant is Filin's own, such as `_audit`: no organisation that is watched.
pub fn is_own(tenant: &str) -> bool {
    tenant.starts_with('_')
}

/// Whether a text can name an organisation.
pub fn is_tenant(text: &str) -> bool {
    let bad = |c: char| c.is_control() || c.is_whitespace() || c == '|';
    !text.is_empty() && !is_own(text) && text.len() <= 100 && !text.chars().any(bad)
}

/// One thing that somebody did in the CRM, as its audit trail reports it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// Identity at the source; (`tenant`, `source`, `id`) is the deduplication key.
    pub id: String,
    /// Event time: when it happened.
    pub time: Timestamp,
    /// The organisation.
    #[serde(default = "default_tenant")]
    pub tenant: String,
    /// The system that reported it: `salesforce`, `bitrix24`, `generic`, ...
    pub source: String,
    /// Who did it.
    pub actor: Actor,
    /// What was done.
    pub action: Action,
    /// How it ended.
    #[serde(default, skip_serializing_if = "is_default")]
    pub outcome: Outcome,
    /// Why it failed or was denied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The way it went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    /// Session id at the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// What was touched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<Object>,
    /// How many records were returned, exported, changed or deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<u64>,
    /// How many bytes left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// The query that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<Query>,
    /// The telephone call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<Call>,
    /// Deal or order id that the source itself ties the event to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
    /// Software and place the person used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<Place>,
    /// For log-ins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// For admin actions, shares and transfers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
    /// Everything else from the source.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attrs: BTreeMap<String, serde_json::Value>,
}

/// The account that acted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Actor {
    /// Account id at the source.
    pub id: String,
    /// What stands behind it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub kind: ActorKind,
    /// Its display name: personal data, never in logs or dashboards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Builds a fieldless enum whose variants are the words of the event format.
#[macro_export]
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant),+ }

        impl $name {
            /// All of them, in the order of the specification.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word used in JSON and in tables.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The value of a word, if it is one of ours.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}
pub use crate::words;

words! {
    /// What stands behind an account.
    ActorKind {
        /// A person.
        User = "user",
        /// A program that signs in as itself.
        Integration = "integration",
        /// The CRM itself: stored, not scored.
        System = "system",
    }
}

words! {
    /// What was done.
    Action {
        /// Signed in, or tried to.
        Login = "login",
        /// Signed out.
        Logout = "logout",
        /// One record opened.
        View = "view",
        /// A search.
        Search = "search",
        /// A list view or a query answered on screen.
        List = "list",
        /// A report run on screen.
        Report = "report",
        /// A file left: report or list export, bulk job, attachment download.
        Export = "export",
        /// A query through the API.
        ApiQuery = "api_query",
        /// Printed.
        Print = "print",
        /// A record made.
        Create = "create",
        /// A record changed.
        Update = "update",
        /// A record deleted.
        Delete = "delete",
        /// Records merged.
        Merge = "merge",
        /// The owner changed.
        Transfer = "transfer",
        /// Access given to somebody.
        Share = "share",
        /// A telephone call.
        Call = "call",
        /// An e-mail.
        Email = "email",
        /// A chat message.
        Message = "message",
        /// A role, profile or permission changed.
        PermissionChange = "permission_change",
        /// An account made.
        UserCreate = "user_create",
        /// An account closed.
        UserDeactivate = "user_deactivate",
        /// A setting changed.
        SettingChange = "setting_change",
        /// A backup of the CRM reported.
        Backup = "backup",
        /// A finding of the antivirus.
        EndpointFinding = "endpoint_finding",
        /// Anything else.
        Other = "other",
    }
}

words! {
    /// How it ended.
    Outcome {
        /// It worked.
        Success = "success",
        /// It failed.
        Failure = "failure",
        /// It was refused.
        Denied = "denied",
    }
}

words! {
    /// The way it went.
    Channel {
        /// The browser.
        Ui = "ui",
        /// The mobile application.
        Mobile = "mobile",
        /// The API.
        Api = "api",
        /// A bulk API job.
        BulkApi = "bulk_api",
        /// The report engine.
        Report = "report",
        /// The telephone exchange.
        Telephony = "telephony",
        /// An import.
        Import = "import",
        /// Anything else.
        Other = "other",
    }
}

words! {
    /// What kind of thing was touched.
    ObjectType {
        /// A client: a company or person that buys.
        Client = "client",
        /// A lead.
        Lead = "lead",
        /// A contact person.
        Contact = "contact",
        /// A deal.
        Deal = "deal",
        /// An order.
        Order = "order",
        /// A task.
        Task = "task",
        /// A file.
        File = "file",
        /// A report.
        Report = "report",
        /// An account of the CRM.
        User = "user",
        /// A setting.
        Setting = "setting",
        /// Anything else.
        Other = "other",
    }
}

words! {
    /// Which way a call went.
    Direction {
        /// From the client.
        In = "in",
        /// To the client.
        Out = "out",
    }
}

words! {
    /// The kind of network an address belongs to.
    Net {
        /// A fixed line.
        Fixed = "fixed",
        /// A mobile carrier.
        Mobile = "mobile",
        /// A virtual private network.
        Vpn = "vpn",
        /// A relay.
        Relay = "relay",
        /// A hosting provider.
        Hosting = "hosting",
    }
}

#[expect(clippy::derivable_impls, reason = "the macro that makes the words knows no default")]
impl Default for Outcome {
    fn default() -> Self {
        Self::Success
    }
}

#[expect(clippy::derivable_impls, reason = "the macro that makes the words knows no default")]
impl Default for ActorKind {
    fn default() -> Self {
        Self::User
    }
}

/// What was touched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Object {
    /// Its kind.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<ObjectType>,
    /// Its id at the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Who owns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Up to 1000 record ids, when known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<String>,
    /// The client it belongs to, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
}

/// The query that was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// Its text: personal data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Hash of the normalised text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// Columns asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// True when it was narrowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<bool>,
}

/// A telephone call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// Which way it went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// The other side's number, E.164: personal data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// Seconds spoken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<u64>,
    /// The client it was with, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
}

/// Software and place the person used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// Browser or program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// Device id or model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// ISO 3166 country.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// Autonomous system number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asn: Option<u32>,
    /// Latitude, degrees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lat: Option<f64>,
    /// Longitude, degrees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lon: Option<f64>,
    /// The kind of network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub net: Option<Net>,
    /// `1.2`, `1.3` or `none`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<String>,
}

/// How somebody signed in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// The method, in the source's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Whether a second factor was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mfa: Option<bool>,
    /// Which one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mfa_method: Option<String>,
}

/// What an administrator changed, or to whom something was given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The setting or permission.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub what: Option<String>,
    /// Its value before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Its value after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Whom or what it concerns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

impl Event {
    /// `source/id`: how alerts name an event.
    pub fn reference(&self) -> String {
        format!("{}/{}", self.source, self.id)
    }

    /// The 64-bit hash under which a repeat of this event is recognised (per tenant).
    pub fn dedup_hash(&self) -> u64 {
        dedup_hash(&self.source, &self.id)
    }

    /// Whether it succeeded.
    pub fn ok(&self) -> bool {
        self.outcome == Outcome::Success
    }
}

/// The 64-bit hash of a (`source`, `id`) pair; a zero byte keeps the two apart.
pub fn dedup_hash(source: &str, id: &str) -> u64 {
    let mut h = xxhash_rust::xxh3::Xxh3::new();
    h.update(source.as_bytes());
    h.update(&[0]);
    h.update(id.as_bytes());
    h.digest()
}

/// The 64-bit hash of a client's id, the only form in which the engine knows a client.
pub fn client_hash(id: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(id.as_bytes())
}

fn default_tenant() -> String {
    DEFAULT_TENANT.to_owned()
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

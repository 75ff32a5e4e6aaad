//! What is known about a source beside its bytes.

use std::collections::BTreeMap;

use ipnet::IpNet;
use jiff::tz::TimeZone;
use regex::Regex;
use serde::Deserialize;
use serde_json::Value;

use super::{Error, bound::MAX_SOURCE};
use crate::event::{DEFAULT_TENANT, TENANT_RULE, is_tenant};

/// An extension where the binding says nothing else.
const INTERNAL_NUMBER: &str = "^[0-9]{2,5}$";

/// What a binding says to its adapter.
#[derive(Clone, Debug)]
pub struct Binding {
    /// Name of the format.
    pub format: String,
    /// The organisation of every event; an event that names another is turned away. None: the event's own, else `default`.
    pub tenant: Option<String>,
    /// Zone of times without an offset.
    pub time_zone: Option<TimeZone>,
    /// ISO 3166 country of telephone numbers without one.
    pub country: Option<String>,
    /// Put before the actor's id where no alias names a manager; for whoever enriches, not for adapters.
    pub actor_prefix: Option<String>,
    /// What an extension looks like.
    pub internal_number: Regex,
    /// Extension to account.
    pub extensions: BTreeMap<String, String>,
    /// Columns of a CSV file that has no header.
    pub csv_columns: Vec<String>,
    /// Name of the source, where the format is of no CRM in particular.
    pub source: Option<String>,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// What paths of a CRM's pages mean: names of built-in rules, or rules.
    pub rules: Option<Value>,
    /// `database.table` to the format of its rows.
    pub tables: BTreeMap<String, String>,
    /// Titles of columns to our names for them.
    pub column_names: BTreeMap<String, String>,
    /// How times are written where it is no standard, as in `%d.%m.%Y %H:%M:%S`.
    pub time_format: Option<String>,
    /// Events of several CloudEvents sources come together, each with ids of its own.
    pub source_in_id: bool,
    /// How records of an unknown CRM become events.
    pub mapping: Option<Value>,
}

/// The keys of a `[[bindings]]` entry that an adapter reads.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Given {
    format: String,
    tenant: Option<String>,
    time_zone: Option<String>,
    country: Option<String>,
    actor_prefix: Option<String>,
    internal_number: Option<String>,
    extensions: BTreeMap<String, String>,
    csv_columns: Vec<String>,
    source: Option<String>,
    trusted_proxies: Vec<String>,
    rules: Option<Value>,
    tables: BTreeMap<String, String>,
    column_names: BTreeMap<String, String>,
    time_format: Option<String>,
    source_in_id: bool,
    mapping: Option<Value>,
}

impl Default for Binding {
    fn default() -> Self {
        Self {
            format: "canonical".to_owned(),
            tenant: None,
            time_zone: None,
            country: None,
            actor_prefix: None,
            internal_number: Regex::new(INTERNAL_NUMBER).expect("a constant pattern"),
            extensions: BTreeMap::new(),
            csv_columns: Vec::new(),
            source: None,
            trusted_proxies: Vec::new(),
            rules: None,
            tables: BTreeMap::new(),
            column_names: BTreeMap::new(),
            time_format: None,
            source_in_id: false,
            mapping: None,
        }
    }
}

impl Binding {
    /// Reads the keys of a `[[bindings]]` entry, without `topic`, `path` and `token`.
    ///
    /// # Errors
    /// When a key is unknown or its value is no good.
    pub fn read(value: &Value) -> Result<Self, Error> {
        let given = Given::deserialize(value).map_err(|e| Error::Binding(e.to_string()))?;
        let time_zone = match given.time_zone {
            None => None,
            Some(name) => Some(TimeZone::get(&name).map_err(|_| Error::Binding(format!("time_zone: there is no time zone {name:?}")))?),
        };
        if let Some(country) = given.country.as_deref().filter(|c| c.len() != 2 || !c.bytes().all(|b| b.is_ascii_uppercase())) {
            return Err(Error::Binding(format!("country: {country:?} is no ISO 3166 country, as in \"RU\"")));
        }
        if let Some(tenant) = given.tenant.as_deref().filter(|t| !is_tenant(t)) {
            return Err(Error::Binding(format!("tenant: {tenant:?} is no tenant: {TENANT_RULE}")));
        }
        let pattern = given.internal_number.as_deref().unwrap_or(INTERNAL_NUMBER);
        let internal_number = Regex::new(pattern).map_err(|e| Error::Binding(format!("internal_number: {e}")))?;
        if let Some(source) = given.source.as_deref().filter(|s| !is_source(s)) {
            return Err(Error::Binding(format!("source: {source:?} is no source: at most {MAX_SOURCE} bytes, no / and no :")));
        }
        let proxies = given.trusted_proxies.iter().map(|text| net(text));
        let trusted_proxies = proxies.collect::<Result<_, _>>()?;
        Ok(Self {
            format: given.format,
            tenant: given.tenant,
            time_zone,
            country: given.country,
            actor_prefix: given.actor_prefix,
            internal_number,
            extensions: given.extensions,
            csv_columns: given.csv_columns,
            source: given.source,
            trusted_proxies,
            rules: given.rules,
            tables: given.tables,
            column_names: given.column_names,
            time_format: given.time_format,
            source_in_id: given.source_in_id,
            mapping: given.mapping,
        })
    }

    /// Whether a binding can be used, given as for [`Binding::read`]: for whoever checks a configuration.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn check(value: &Value) -> Result<(), String> {
        let opened = Self::read(value).and_then(super::Adapter::open);
        opened.map(drop).map_err(|e| match e {
            Error::Binding(reason) => reason,
            other => other.to_string(),
        })
    }

    /// The organisation of an event that names none.
    pub(super) fn tenant(&self) -> String {
        self.tenant.clone().unwrap_or_else(|| DEFAULT_TENANT.to_owned())
    }
}

/// A network, or one address.
fn net(text: &str) -> Result<IpNet, Error> {
    let one = || text.parse().map(|address: std::net::IpAddr| IpNet::from(address)).ok();
    let wrong = || Error::Binding(format!("trusted_proxies: {text:?} is no network, as in \"10.0.0.0/8\""));
    text.parse().ok().or_else(one).ok_or_else(wrong)
}

/// Whether a text can name a source: `source/id` names an event and `source:actor` a person, so neither mark can be part of it.
pub(super) fn is_source(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_SOURCE && !text.chars().any(|c| c.is_control() || c == '/' || c == ':')
}

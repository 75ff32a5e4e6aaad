//! What is known about a source beside its bytes.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use regex::Regex;
use serde::Deserialize;
use serde_json::Value;

use super::Error;
use crate::event::DEFAULT_TENANT;

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
            return Err(Error::Binding(format!("tenant: {tenant:?} is no tenant: at most 100 bytes, no spaces, no |")));
        }
        let pattern = given.internal_number.as_deref().unwrap_or(INTERNAL_NUMBER);
        let internal_number = Regex::new(pattern).map_err(|e| Error::Binding(format!("internal_number: {e}")))?;
        Ok(Self {
            format: given.format,
            tenant: given.tenant,
            time_zone,
            country: given.country,
            actor_prefix: given.actor_prefix,
            internal_number,
            extensions: given.extensions,
            csv_columns: given.csv_columns,
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

/// Whether a text can name an organisation.
pub(super) fn is_tenant(text: &str) -> bool {
    !text.is_empty() && text.len() <= 100 && !text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '|')
}

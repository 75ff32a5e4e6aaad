//! Rows of the reference data: users, clients, orders. Each row holds from its `valid_from` until the next row of its id;
//! the first row of an id also holds for all earlier time.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::event::{ActorKind, Date, Tier, Timestamp, words};

/// An instant, or a plain date that means local midnight of the person's zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// An instant.
    Instant(Timestamp),
    /// Local midnight of this date.
    Day(Date),
}

/// A half-open span; a plain date as its end includes that day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Span {
    /// First instant within.
    pub from: When,
    /// First instant after it, or its last day.
    pub to: When,
}

/// A person (or an integration's account) as of some time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct User {
    /// The organisation.
    pub tenant: String,
    /// Manager id.
    pub id: String,
    /// From when on the row holds; absent: always.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<Timestamp>,
    /// Display name: personal data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Team.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// Role: the peer group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Grade.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grade: Option<Grade>,
    /// Id of the person who receives alerts about this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supervisor: Option<String>,
    /// Who stands in for the supervisor.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deputies: Vec<String>,
    /// IANA zone; absent: the tenant's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Working hours in OpenStreetMap opening-hours syntax.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// First day at work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hired_at: Option<When>,
    /// Notice given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notice_at: Option<When>,
    /// First instant without access.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terminated_at: Option<When>,
    /// Leave, illness, travel.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub absences: Vec<Span>,
    /// Who stands in during absences.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub substitutes: Vec<String>,
    /// Allowed addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ip_allow: Vec<ipnet::IpNet>,
    /// `ru` or `en`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// Person, integration or system; absent: what the event says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<ActorKind>,
    /// `source:actor_id` of the same person elsewhere.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// E.164.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub phones: Vec<String>,
    /// E-mail addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub emails: Vec<String>,
    /// The account is enabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// A second factor is enrolled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mfa: Option<bool>,
    /// What the CRM lets them do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub permissions: Vec<String>,
    /// `weak`, `old`, `shared`, `default`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub password_flags: Vec<String>,
    /// Sees the whole base.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sees_all: Option<bool>,
}

/// A client as of some time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Client {
    /// The organisation.
    pub tenant: String,
    /// Client id.
    pub id: String,
    /// From when on the row holds; absent: always.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<Timestamp>,
    /// Manager id of the owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Team.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// Key or normal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<Tier>,
    /// Region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// E.164.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub phones: Vec<String>,
    /// E-mail addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub emails: Vec<String>,
    /// ISO 3166 country.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// Nobody has a reason to touch it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decoy: Option<bool>,
}

/// An order or deal as of some time. Open at t iff `opened_at` ≤ t < `closed_at` (absent: never closed).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Order {
    /// The organisation.
    pub tenant: String,
    /// Order id.
    pub id: String,
    /// From when on the row holds; absent: always.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<Timestamp>,
    /// Client id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Manager id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manager: Option<String>,
    /// Others who work on it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub participants: Vec<String>,
    /// How it ended; never read "as of".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<OrderState>,
    /// Opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opened_at: Option<Timestamp>,
    /// Closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Timestamp>,
    /// Its worth, as written by the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<String>,
    /// When its next step is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_step_at: Option<Timestamp>,
}

words! {
    /// Grade of a manager.
    Grade {
        /// A beginner.
        Junior = "junior",
        /// The usual.
        Middle = "middle",
        /// Experienced.
        Senior = "senior",
        /// Leads others.
        Lead = "lead",
        /// Runs the CRM.
        Admin = "admin",
    }
}

words! {
    /// How an order stands.
    OrderState {
        /// Not ended.
        Open = "open",
        /// Ended with a sale.
        Won = "won",
        /// Ended without.
        Lost = "lost",
    }
}

impl When {
    /// Reads a plain date or RFC 3339.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() == 10 { Date::parse(text).map(Self::Day) } else { Timestamp::parse(text).ok().map(Self::Instant) }
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instant(t) => t.fmt(f),
            Self::Day(d) => d.fmt(f),
        }
    }
}

impl Serialize for When {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for When {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom(format!("{text:?} is neither a date nor an RFC 3339 time")))
    }
}

//! An event together with what was known about it at its own time: what stands in the log.

use serde::{Deserialize, Serialize};

use super::{Event, is_default, words};

/// An event with its enrichment. Recorded once, when the event enters the log, and never redone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Enriched {
    /// The event as its source reported it.
    pub event: Event,
    /// What the directory knew as of the event's time.
    pub enrich: Enrich,
    /// Where it was read, so that a second delivery can be told from a second event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

/// A position in a stream of raw records. Positions of one `source` only grow.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// Topic and partition, or the digest of a file.
    pub source: String,
    /// Offset in the partition, or line of the file (from 0).
    pub offset: u64,
    /// Which of the events that this raw record gave (from 0).
    pub index: u32,
}

/// What the directory knew about an event as of its time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrich {
    /// The watched person: resolved over aliases.
    pub manager: String,
    /// Their team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// Their role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Their grade.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grade: Option<String>,
    /// IANA zone used for their local time.
    pub zone: String,
    /// Whether the hour was one of theirs; absent when they have no schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<Work>,
    /// Whether the address was on their list.
    #[serde(default, skip_serializing_if = "is_default")]
    pub address: Address,
    /// Notice was given, or the dismissal has passed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub notice: bool,
    /// Per named client, in the order in which the event names them, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clients: Vec<NamedClient>,
    /// Whom an administrator's action or a finding is about: resolved over aliases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Records beyond the named clients.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unnamed: u64,
}

/// A client that an event names, as of the event's time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedClient {
    /// [`super::client_hash`] of its id, sixteen hex digits in JSON.
    #[serde(with = "hex")]
    pub h: u64,
    /// Whose client it is, seen from the manager.
    pub owner: Owner,
    /// The client's team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// The client's region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Key or normal, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<Tier>,
    /// A decoy: nobody has a reason to touch it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub decoy: bool,
    /// The reason why this manager deals with this client, if the directory knows one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub related: Option<Related>,
    /// Without such a reason: what it was to the manager once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former: Option<Former>,
}

words! {
    /// Whose client it is, seen from the manager.
    Owner {
        /// The manager's own.
        Me = "self",
        /// A present colleague's of the same named team.
        Team = "team",
        /// An absent colleague's of the same named team.
        TeamAbsent = "team_absent",
        /// Somebody else's.
        Other = "other",
        /// No owner is known.
        Unknown = "unknown",
    }
}

words! {
    /// Why a manager has to do with a client (relation weight 0).
    Related {
        /// The event names an order in which the manager takes part.
        NamedOrder = "named_order",
        /// The event names an order that the directory does not know: the source's own tie.
        SourceOrder = "source_order",
        /// An order of the client in which the manager takes part is open.
        OpenOrder = "open_order",
        /// Such an order was closed less than 15 days ago.
        RecentOrder = "recent_order",
        /// The manager owned the client within the last 14 days.
        HandOver = "hand_over",
    }
}

words! {
    /// Whose clients a manager may touch, where an organisation has said so.
    Access {
        /// Their own.
        Own = "own",
        /// Their team's.
        Team = "team",
    }
}

words! {
    /// What a client was to a manager who has no reason to deal with it any more.
    Former {
        /// A deal in which the manager took part was lost.
        LostDeal = "lost_deal",
        /// The manager owned it, longer than a hand-over lasts ago.
        HandedOver = "handed_over",
    }
}

words! {
    /// How much a client matters.
    Tier {
        /// A key client.
        Key = "key",
        /// Any other.
        Normal = "normal",
    }
}

words! {
    /// Whether an address was on the person's list.
    Address {
        /// There is no list, or no address.
        None = "none",
        /// It is on the list.
        Allowed = "allowed",
        /// It is not.
        Denied = "denied",
    }
}

words! {
    /// Whether an hour was one of the person's working hours.
    Work {
        /// Within the schedule.
        In = "in",
        /// Outside it.
        Out = "out",
        /// During an absence.
        Absent = "absent",
        /// On a public holiday.
        Holiday = "holiday",
        /// Within a rostered night.
        Rostered = "rostered",
    }
}

#[expect(clippy::derivable_impls, reason = "the macro that makes the words knows no default")]
impl Default for Owner {
    fn default() -> Self {
        Self::Unknown
    }
}

#[expect(clippy::derivable_impls, reason = "the macro that makes the words knows no default")]
impl Default for Address {
    fn default() -> Self {
        Self::None
    }
}

mod hex {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(h: &u64, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&format_args!("{h:016x}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<u64, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        u64::from_str_radix(&text, 16).map_err(D::Error::custom)
    }
}

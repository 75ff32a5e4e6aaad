//! The fields that rules may name: the paths of the canonical event, its enrichment, and what the caller knows of the person.

use std::borrow::Cow;

use serde_json::Value as Json;

use super::{
    Facts,
    value::{Number, Value, Values},
};
use crate::event::{
    Action, ActorKind, Address, Channel, Direction, Enriched, Former, Net, ObjectType, Outcome, Owner, Related, Tier, Work,
};

/// What a rule is asked about.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) event: &'a Enriched,
    pub(super) facts: &'a Facts,
}

/// A field.
#[derive(Debug)]
pub struct Field {
    /// Its name in rules.
    pub name: &'static str,
    /// What its values are.
    pub kind: Kind,
    /// Whether there may be several.
    pub list: bool,
    /// What it says.
    pub means: &'static str,
    get: for<'a> fn(Scene<'a>) -> Values<'a>,
}

/// What a field's values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// A number.
    Number,
    /// True or false.
    Bool,
    /// One of these words.
    Word(&'static [&'static str]),
}

/// A field as a rule names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// An index into [`ALL`].
    Known(usize),
    /// What the source said beside, by its path in `attrs`.
    Attr(String),
}

/// The deepest list within lists of `attrs` that is looked into.
const DEEP: usize = 32;

impl Place {
    pub(super) fn of(name: &str) -> Option<Self> {
        if let Some(path) = name.strip_prefix("attrs.") {
            return (!path.is_empty()).then(|| Self::Attr(path.to_owned()));
        }
        ALL.iter().position(|field| field.name == name).map(Self::Known)
    }

    /// What it holds; of `attrs` anything.
    pub(super) fn kind(&self) -> Option<Kind> {
        match self {
            Self::Known(i) => Some(ALL[*i].kind),
            Self::Attr(_) => None,
        }
    }

    /// Whether there may be several values.
    pub(super) fn is_list(&self) -> bool {
        match self {
            Self::Known(i) => ALL[*i].list,
            Self::Attr(_) => true,
        }
    }

    pub(super) fn values<'a>(&self, scene: Scene<'a>) -> Values<'a> {
        match self {
            Self::Known(i) => (ALL[*i].get)(scene),
            Self::Attr(path) => {
                let mut found = Vec::new();
                attr(&mut found, |key| scene.event.event.attrs.get(key), path);
                Values::Many(found)
            }
        }
    }
}

/// A key may hold dots itself; so the whole rest of the path is tried before its first part.
fn attr<'a>(found: &mut Vec<Value<'a>>, get: impl Fn(&str) -> Option<&'a Json>, path: &str) {
    if let Some(json) = get(path) {
        return leaf(found, json, DEEP);
    }
    if let Some((first, rest)) = path.split_once('.') {
        get(first).into_iter().for_each(|json| within(found, json, rest, DEEP));
    }
}

fn within<'a>(found: &mut Vec<Value<'a>>, json: &'a Json, path: &str, deep: usize) {
    match json {
        Json::Object(fields) => attr(found, |key| fields.get(key), path),
        Json::Array(items) if deep > 0 => items.iter().for_each(|item| within(found, item, path, deep - 1)),
        _ => {}
    }
}

fn leaf<'a>(found: &mut Vec<Value<'a>>, json: &'a Json, deep: usize) {
    match json {
        Json::Null => {}
        Json::Bool(b) => found.push(Value::Bool(*b)),
        Json::String(text) => found.push(Value::text(text.as_str())),
        Json::Number(n) => {
            let whole = n.as_i64().map(i128::from).or_else(|| n.as_u64().map(i128::from)).map(Number::Whole);
            found.extend(whole.or_else(|| n.as_f64().map(Number::Real)).map(Value::Number));
        }
        Json::Array(items) if deep > 0 => items.iter().for_each(|item| leaf(found, item, deep - 1)),
        Json::Array(_) | Json::Object(_) => found.push(Value::Thing),
    }
}

fn text<'a>(value: impl Into<Cow<'a, str>>) -> Values<'a> {
    Values::One(Value::text(value))
}

fn maybe(value: Option<&String>) -> Values<'_> {
    value.map_or(Values::None, |t| text(t.as_str()))
}

fn texts(values: &[String]) -> Values<'_> {
    Values::Many(values.iter().map(|t| Value::text(t.as_str())).collect())
}

fn word<'a>(value: Option<&'static str>) -> Values<'a> {
    value.map_or(Values::None, text)
}

fn count<'a>(value: Option<impl Into<i128>>) -> Values<'a> {
    value.map_or(Values::None, |n| Values::One(Value::Number(Number::Whole(n.into()))))
}

fn real<'a>(value: Option<f64>) -> Values<'a> {
    value.map_or(Values::None, |n| Values::One(Value::Number(Number::Real(n))))
}

fn bool<'a>(value: Option<bool>) -> Values<'a> {
    value.map_or(Values::None, |b| Values::One(Value::Bool(b)))
}

/// Of each client that the event names.
fn each<'a>(scene: Scene<'a>, get: impl Fn(&'a crate::event::NamedClient) -> Option<Value<'a>>) -> Values<'a> {
    Values::Many(scene.event.enrich.clients.iter().filter_map(get).collect())
}

/// The words of an enum.
macro_rules! of {
    ($name:ident) => {{
        const WORDS: &[&str] = &{
            let mut words = [""; $name::ALL.len()];
            let mut i = 0;
            while i < words.len() {
                words[i] = $name::ALL[i].as_str();
                i += 1;
            }
            words
        };
        Kind::Word(WORDS)
    }};
}

/// What matters of one client and its owner: conditions on two lists need not be met by the same client, this one is.
pub(super) const TIER_OWNER: &[&str] = &[
    "key/self",
    "key/team",
    "key/team_absent",
    "key/other",
    "key/unknown",
    "normal/self",
    "normal/team",
    "normal/team_absent",
    "normal/other",
    "normal/unknown",
];

fn tier_owner(tier: Tier, owner: Owner) -> &'static str {
    TIER_OWNER[tier as usize * Owner::ALL.len() + owner as usize]
}

/// A field of a part of the event that may be missing.
macro_rules! part {
    ($scene:ident . $part:ident . $field:ident) => {
        $scene.event.event.$part.as_ref().and_then(|part| part.$field.as_ref())
    };
}

const fn one(name: &'static str, kind: Kind, means: &'static str, get: for<'a> fn(Scene<'a>) -> Values<'a>) -> Field {
    Field { name, kind, list: false, means, get }
}

const fn many(name: &'static str, kind: Kind, means: &'static str, get: for<'a> fn(Scene<'a>) -> Values<'a>) -> Field {
    Field { name, kind, list: true, means, get }
}

/// The fields, `attrs` apart.
pub const ALL: &[Field] = &[
    one("id", Kind::Text, "identity at the source", |s| text(s.event.event.id.as_str())),
    one("time", Kind::Text, "when it happened, UTC, as in 2026-03-01T10:00:00.120Z", |s| text(s.event.event.time.to_string())),
    one("tenant", Kind::Text, "the organisation", |s| text(s.event.event.tenant.as_str())),
    one("source", Kind::Text, "the system that reported it", |s| text(s.event.event.source.as_str())),
    one("actor.id", Kind::Text, "the account at the source", |s| text(s.event.event.actor.id.as_str())),
    one("actor.kind", of!(ActorKind), "what stands behind the account", |s| word(Some(s.event.event.actor.kind.as_str()))),
    one("actor.name", Kind::Text, "its display name", |s| maybe(s.event.event.actor.name.as_ref())),
    one("action", of!(Action), "what was done", |s| word(Some(s.event.event.action.as_str()))),
    one("outcome", of!(Outcome), "how it ended", |s| word(Some(s.event.event.outcome.as_str()))),
    one("reason", Kind::Text, "why it failed or was denied", |s| maybe(s.event.event.reason.as_ref())),
    one("channel", of!(Channel), "the way it went", |s| word(s.event.event.channel.map(Channel::as_str))),
    one("session", Kind::Text, "session at the source", |s| maybe(s.event.event.session.as_ref())),
    one("object.type", of!(ObjectType), "what kind of thing was touched", |s| word(part!(s.object.kind).map(|w| w.as_str()))),
    one("object.id", Kind::Text, "its id", |s| maybe(part!(s.object.id))),
    one("object.owner", Kind::Text, "who owns it", |s| maybe(part!(s.object.owner))),
    many("object.ids", Kind::Text, "ids of the records, when known", |s| {
        s.event.event.object.as_ref().map_or(Values::None, |o| texts(&o.ids))
    }),
    one("object.client", Kind::Text, "the client it belongs to", |s| maybe(part!(s.object.client))),
    one("records", Kind::Number, "how many records were returned, exported, changed or deleted", |s| count(s.event.event.records)),
    one("bytes", Kind::Number, "how much left", |s| count(s.event.event.bytes)),
    one("query.text", Kind::Text, "text of the query", |s| maybe(part!(s.query.text))),
    one("query.fingerprint", Kind::Text, "hash of the normalised text", |s| maybe(part!(s.query.fingerprint))),
    many("query.fields", Kind::Text, "columns asked for", |s| s.event.event.query.as_ref().map_or(Values::None, |q| texts(&q.fields))),
    one("query.filter", Kind::Bool, "whether it was narrowed", |s| bool(part!(s.query.filter).copied())),
    one("call.direction", of!(Direction), "which way a call went", |s| word(part!(s.call.direction).map(|w| w.as_str()))),
    one("call.number", Kind::Text, "the other side's number, E.164", |s| maybe(part!(s.call.number))),
    one("call.duration_s", Kind::Number, "seconds spoken", |s| count(part!(s.call.duration_s).copied())),
    one("call.client", Kind::Text, "the client it was with", |s| maybe(part!(s.call.client))),
    one("order", Kind::Text, "the deal or order that the source ties it to", |s| maybe(s.event.event.order.as_ref())),
    one("client.ip", Kind::Text, "address, for `cidr` as well", |s| maybe(part!(s.client.ip))),
    one("client.user_agent", Kind::Text, "browser or program", |s| maybe(part!(s.client.user_agent))),
    one("client.device", Kind::Text, "device", |s| maybe(part!(s.client.device))),
    one("client.app", Kind::Text, "application", |s| maybe(part!(s.client.app))),
    one("client.version", Kind::Text, "its version", |s| maybe(part!(s.client.version))),
    one("client.country", Kind::Text, "ISO 3166 country", |s| maybe(part!(s.client.country))),
    one("client.asn", Kind::Number, "autonomous system", |s| count(part!(s.client.asn).copied())),
    one("client.lat", Kind::Number, "latitude, degrees", |s| real(part!(s.client.lat).copied())),
    one("client.lon", Kind::Number, "longitude, degrees", |s| real(part!(s.client.lon).copied())),
    one("client.net", of!(Net), "kind of network", |s| word(part!(s.client.net).map(|w| w.as_str()))),
    one("client.tls", Kind::Text, "`1.2`, `1.3` or `none`", |s| maybe(part!(s.client.tls))),
    one("auth.method", Kind::Text, "how somebody signed in", |s| maybe(part!(s.auth.method))),
    one("auth.mfa", Kind::Bool, "whether a second factor was used", |s| bool(part!(s.auth.mfa).copied())),
    one("auth.mfa_method", Kind::Text, "which one", |s| maybe(part!(s.auth.mfa_method))),
    one("change.what", Kind::Text, "the setting or permission", |s| maybe(part!(s.change.what))),
    one("change.from", Kind::Text, "its value before", |s| maybe(part!(s.change.from))),
    one("change.to", Kind::Text, "its value after", |s| maybe(part!(s.change.to))),
    one("change.target", Kind::Text, "whom or what it concerns", |s| maybe(part!(s.change.target))),
    one("enrich.manager", Kind::Text, "the watched person", |s| text(s.event.enrich.manager.as_str())),
    one("enrich.team", Kind::Text, "their team", |s| maybe(s.event.enrich.team.as_ref())),
    one("enrich.role", Kind::Text, "their role", |s| maybe(s.event.enrich.role.as_ref())),
    one("enrich.grade", Kind::Text, "their grade", |s| maybe(s.event.enrich.grade.as_ref())),
    one("enrich.zone", Kind::Text, "their IANA zone", |s| text(s.event.enrich.zone.as_str())),
    one("enrich.work", of!(Work), "whether the hour was one of theirs; absent without a schedule", |s| {
        word(s.event.enrich.work.map(Work::as_str))
    }),
    one("enrich.address", of!(Address), "whether the address was on their list", |s| word(Some(s.event.enrich.address.as_str()))),
    one("enrich.notice", Kind::Bool, "notice was given, or the dismissal has passed", |s| bool(Some(s.event.enrich.notice))),
    one("enrich.target", Kind::Text, "whom an administrator's action or a finding is about", |s| maybe(s.event.enrich.target.as_ref())),
    one("enrich.unnamed", Kind::Number, "records beyond the named clients", |s| count(Some(s.event.enrich.unnamed))),
    many("enrich.clients.owner", of!(Owner), "whose clients they are, seen from the person", |s| {
        each(s, |c| Some(Value::text(c.owner.as_str())))
    }),
    many("enrich.clients.team", Kind::Text, "the clients' teams", |s| each(s, |c| c.team.as_deref().map(Value::text))),
    many("enrich.clients.region", Kind::Text, "their regions", |s| each(s, |c| c.region.as_deref().map(Value::text))),
    many("enrich.clients.tier", of!(Tier), "how much they matter", |s| each(s, |c| c.tier.map(|t| Value::text(t.as_str())))),
    many("enrich.clients.decoy", Kind::Bool, "whether nobody has a reason to touch them", |s| each(s, |c| Some(Value::Bool(c.decoy)))),
    many("enrich.clients.related", of!(Related), "why the person deals with them", |s| {
        each(s, |c| c.related.map(|r| Value::text(r.as_str())))
    }),
    many("enrich.clients.former", of!(Former), "without such a reason: what they were to the person once", |s| {
        each(s, |c| c.former.map(|f| Value::text(f.as_str())))
    }),
    many("enrich.clients.tier_owner", Kind::Word(TIER_OWNER), "tier and owner of one and the same client", |s| {
        each(s, |c| c.tier.map(|t| Value::text(tier_owner(t, c.owner))))
    }),
    one("person.dismissed", Kind::Bool, "at or after the first instant without access", |s| bool(Some(s.facts.dismissed))),
    one("person.leaving", Kind::Bool, "from notice on", |s| bool(Some(s.facts.leaving))),
    one("hour", Kind::Number, "hour of the person's wall clock, 0 to 23", |s| count(Some(s.facts.hour))),
    one("weekday", Kind::Number, "day of the person's week, 1 (Monday) to 7", |s| count(Some(s.facts.weekday))),
];

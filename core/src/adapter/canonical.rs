//! Filin's own events, as clients send them: taken as they are, checked field by field.

use std::collections::{BTreeMap, btree_map::Entry};

use serde_json::{Map, Value};

use super::{
    Around, Binding, Code, Error, Fault, Format, Notes,
    binding::is_source,
    bound::{MAX_ACTOR, MAX_ID, MAX_SOURCE},
    fields::{Fields, is_absent, short},
    rules,
};
use crate::event::{
    Action, Actor, ActorKind, Auth, Call, Change, Channel, Direction, Event, Net, Object, ObjectType, Outcome, Place, Query, TENANT_RULE,
    Timestamp, is_tenant,
};

/// The most `object.ids`.
const MAX_IDS: usize = 1000;
/// The most `query.fields`.
const MAX_COLUMNS: usize = 1000;

struct Canonical;

/// The same in CloudEvents, whose attributes say what the data leaves out.
struct InCloudEvents;

pub(super) fn open(_binding: &Binding) -> Result<Box<dyn Format>, Error> {
    Ok(Box::new(Canonical))
}

pub(super) fn open_cloudevents(_binding: &Binding) -> Result<Box<dyn Format>, Error> {
    Ok(Box::new(InCloudEvents))
}

impl Format for Canonical {
    fn event(&self, element: Map<String, Value>, around: &Around<'_>, notes: &mut Notes<'_>) -> Result<Option<Event>, Fault> {
        let partial = !around.marks.cloud.is_empty();
        event(if partial { completed(element, around) } else { element }, around.binding, notes).map(Some)
    }
}

impl Format for InCloudEvents {
    fn event(&self, element: Map<String, Value>, around: &Around<'_>, notes: &mut Notes<'_>) -> Result<Option<Event>, Fault> {
        event(completed(element, around), around.binding, notes).map(Some)
    }
}

/// The event with what its CloudEvent knows.
fn completed(mut element: Map<String, Value>, around: &Around<'_>) -> Map<String, Value> {
    let mut fill = |name: &str, value: Option<String>| {
        if let Some(value) = value
            && element.get(name).is_none_or(is_absent)
        {
            element.insert(name.to_owned(), Value::String(value));
        }
    };
    let cloud = &around.marks.cloud;
    // Ids are unique within a source of CloudEvents; those of several may be equal.
    let within = cloud.get("ce_source").filter(|_| around.binding.source_in_id);
    let id = around.marks.cloud_id(around.index);
    fill("id", id.map(|id| within.map_or(id.clone(), |source| format!("{source}:{id}"))));
    fill("time", cloud.get("ce_time").cloned());
    fill("source", Some(around.source().to_owned()));
    element
}

/// Checks an event that a client sent.
pub(super) fn event(element: Map<String, Value>, binding: &Binding, notes: &mut Notes<'_>) -> Result<Event, Fault> {
    let mut attrs = BTreeMap::new();
    let mut top = Fields::new("", element, notes);
    let id = top.required("id", MAX_ID)?;
    let time = time(&top.required("time", MAX_ID)?, binding)?;
    let source = source(top.required("source", MAX_SOURCE)?)?;
    let actor = top.required_object("actor")?;
    let action = action(&top.required("action", MAX_ID)?)?;
    let tenant = tenant(top.string("tenant"), binding)?;
    let outcome = top.word("outcome", Outcome::from_word, None).unwrap_or_default();
    let reason = top.text("reason");
    let channel = top.word("channel", Channel::from_word, Some(Channel::Other));
    let session = top.id("session");
    let records = top.count("records");
    let bytes = top.count("bytes");
    let order = top.id("order");
    let [object, query, call, client, auth, change, given] =
        ["object", "query", "call", "client", "auth", "change", "attrs"].map(|key| top.object(key));
    // Unknown fields, at any level: what the source itself put into `attrs` comes first.
    attrs.extend(given.into_iter().flatten().filter(|(_, v)| !is_absent(v)));
    let mut keep = |(key, value): (String, Value), notes: &mut Vec<String>| match attrs.entry(key) {
        Entry::Occupied(known) => notes.push(known.key().clone()),
        Entry::Vacant(free) => drop(free.insert(value)),
    };
    let mut twice = Vec::new();
    top.rest().for_each(|field| keep(field, &mut twice));
    let actor = {
        let mut f = Fields::new("actor.", actor, notes);
        let id = f.required("id", MAX_ACTOR)?;
        let kind = f.word("kind", ActorKind::from_word, None).unwrap_or_default();
        let name = f.text("name");
        f.rest().for_each(|field| keep(field, &mut twice));
        Actor { id, kind, name }
    };
    let object = object.map(|o| {
        let mut f = Fields::new("object.", o, notes);
        let object = Object {
            kind: f.word("type", ObjectType::from_word, Some(ObjectType::Other)),
            id: f.id("id"),
            owner: f.id("owner"),
            ids: f.texts("ids", MAX_IDS),
            client: f.id("client"),
        };
        f.rest().for_each(|field| keep(field, &mut twice));
        object
    });
    let query = query.map(|q| {
        let mut f = Fields::new("query.", q, notes);
        let query = Query {
            text: f.text("text"),
            fingerprint: f.id("fingerprint"),
            fields: f.texts("fields", MAX_COLUMNS),
            filter: f.flag("filter"),
        };
        f.rest().for_each(|field| keep(field, &mut twice));
        query
    });
    let call = call.map(|c| {
        let mut f = Fields::new("call.", c, notes);
        let call = Call {
            direction: f.word("direction", Direction::from_word, None),
            number: number(&mut f, binding),
            duration_s: f.count("duration_s"),
            client: f.id("client"),
        };
        f.rest().for_each(|field| keep(field, &mut twice));
        call
    });
    let client = client.map(|p| {
        let mut f = Fields::new("client.", p, notes);
        let place = place(&mut f);
        f.rest().for_each(|field| keep(field, &mut twice));
        place
    });
    let auth = auth.map(|a| {
        let mut f = Fields::new("auth.", a, notes);
        let auth = Auth { method: f.text("method"), mfa: f.flag("mfa"), mfa_method: f.text("mfa_method") };
        f.rest().for_each(|field| keep(field, &mut twice));
        auth
    });
    let change = change.map(|c| {
        let mut f = Fields::new("change.", c, notes);
        let change = Change { what: f.text("what"), from: f.text("from"), to: f.text("to"), target: f.text("target") };
        f.rest().for_each(|field| keep(field, &mut twice));
        change
    });
    for key in twice {
        notes.odd("attrs", format!("{} stands outside attrs as well: the one in attrs is kept", short(&key)));
    }
    Ok(Event {
        id,
        time,
        tenant,
        source,
        actor,
        action,
        outcome,
        reason,
        channel,
        session,
        object: object.filter(|o| *o != Object::default()),
        records,
        bytes,
        query: query.filter(|q| *q != Query::default()),
        call: call.filter(|c| *c != Call::default()),
        order,
        client: client.filter(|p| *p != Place::default()),
        auth: auth.filter(|a| *a != Auth::default()),
        change: change.filter(|c| *c != Change::default()),
        attrs,
    })
}

fn time(text: &str, binding: &Binding) -> Result<Timestamp, Fault> {
    let read = Timestamp::parse(text).ok().or_else(|| rules::zoned(text, binding.time_zone.as_ref()?));
    read.ok_or_else(|| Fault::new(Code::BadTime, format!("time: {:?} is no RFC 3339 time with an offset", short(text))))
}

fn source(text: String) -> Result<String, Fault> {
    if !is_source(&text) {
        return Err(Fault::new(Code::BadValue, "source: no /, no : and no control characters"));
    }
    Ok(text)
}

fn action(word: &str) -> Result<Action, Fault> {
    Action::from_word(word).ok_or_else(|| Fault::new(Code::UnknownAction, format!("action: {:?} is not known", short(word))))
}

fn tenant(named: Option<String>, binding: &Binding) -> Result<String, Fault> {
    match (named, &binding.tenant) {
        (Some(named), Some(bound)) if named != *bound => {
            Err(Fault::new(Code::WrongTenant, format!("tenant: {:?} is not the binding's", short(&named))))
        }
        (Some(named), _) if !is_tenant(&named) => Err(Fault::new(Code::BadValue, format!("tenant: {TENANT_RULE}"))),
        (Some(named), _) => Ok(named),
        (None, _) => Ok(binding.tenant()),
    }
}

fn number(f: &mut Fields<'_, '_>, binding: &Binding) -> Option<String> {
    let text = f.id("number")?;
    match rules::phone(&text, binding) {
        rules::Phone::Number(number) => Some(number),
        rules::Phone::Extension => {
            f.odd("number", "an extension is no number of a client: kept in attrs");
            f.leave("number", Value::String(text));
            None
        }
        rules::Phone::Anonymous => None,
        rules::Phone::Odd => {
            f.odd("number", "no E.164 number, as in +79161234567: kept in attrs");
            f.leave("number", Value::String(text));
            None
        }
    }
}

fn place(f: &mut Fields<'_, '_>) -> Place {
    let ip = f.id("ip").and_then(|text| {
        let ip = rules::ip(&text);
        if ip.is_none() {
            f.odd("ip", "no IP address: kept in attrs");
            f.leave("ip", Value::String(text));
        }
        ip
    });
    let country = f.id("country").and_then(|text| {
        let country = (text.len() == 2 && text.bytes().all(|b| b.is_ascii_alphabetic())).then(|| text.to_ascii_uppercase());
        if country.is_none() {
            f.odd("country", "no ISO 3166 country, as in RU: kept in attrs");
            f.leave("country", Value::String(text));
        }
        country
    });
    let asn = f.count("asn").and_then(|n| {
        let asn = u32::try_from(n).ok();
        if asn.is_none() {
            f.odd("asn", "no number of an autonomous system: left out");
        }
        asn
    });
    Place {
        ip,
        user_agent: f.text("user_agent"),
        device: f.text("device"),
        app: f.text("app"),
        version: f.text("version"),
        country,
        asn,
        lat: f.number("lat", 90.0),
        lon: f.number("lon", 180.0),
        net: f.word("net", Net::from_word, None),
        tls: f.id("tls"),
    }
}

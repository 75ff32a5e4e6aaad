//! The rules that all adapters share: times, absences, addresses, numbers, what stays in `attrs`, identity without an id.

use std::{collections::BTreeMap, net::IpAddr};

use jiff::{civil::DateTime, tz::TimeZone};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{Binding, Code, Fault, fields::short};
use crate::event::{Action, Actor, ActorKind, Event, Object, ObjectType, Outcome, Place, Query, Timestamp};

/// Texts that say that there is nothing.
const NOTHING: &[&str] = &["", "N/A"];
/// Fields that are unpacked into the level above.
const INNER: &[&str] = &["payload", "data", "auth", "params", "variables"];
/// Fields that are too much, or said elsewhere.
const LEFT_OUT: &[&str] = &["Records", "QueryResults", "vpbx_api_key", "sign"];

/// Whether a raw value says nothing: `""`, `null`, `N/A`.
pub(super) fn is_absent(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => NOTHING.contains(&text.as_str()),
        _ => false,
    }
}

/// A raw field that is a text and says something.
pub(super) fn text<'a>(row: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    row.get(name)?.as_str().filter(|t| !NOTHING.contains(t))
}

/// A raw field that counts something, as a number or as its text; a part of a whole is cut off.
pub(super) fn count(row: &Map<String, Value>, name: &str) -> Option<u64> {
    match row.get(name)? {
        Value::String(text) => {
            let text = text.trim();
            text.parse().ok().or_else(|| whole(text.parse().ok()?))
        }
        value => value.as_u64().or_else(|| whole(value.as_f64()?)),
    }
}

/// A number that is not negative, cut off to a count.
pub(super) fn whole(number: f64) -> Option<u64> {
    const LIMIT: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be in range")]
    (0.0..=LIMIT).contains(&number).then_some(number as u64)
}

/// What stays of a raw record: every field that says something, inner levels unpacked, without secrets.
pub(super) fn attrs(row: Map<String, Value>) -> BTreeMap<String, Value> {
    let mut attrs = BTreeMap::new();
    let mut levels = vec![row];
    // Outer fields come first: an inner one of the same name does not replace them.
    while let Some(level) = levels.pop() {
        for (name, value) in level {
            match value {
                Value::Object(inner) if INNER.contains(&name.as_str()) => levels.push(inner),
                value if is_absent(&value) || is_secret(&name) => {}
                value => drop(attrs.entry(name).or_insert(value)),
            }
        }
    }
    attrs
}

/// Tokens, passwords and cookies; an id of a token is none.
pub(super) fn is_secret(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    LEFT_OUT.contains(&name) || ["token", "password", "secret", "cookie", "cookies", "api_key"].iter().any(|end| lower.ends_with(end))
}

/// An instant, or a time without an offset in this zone. In an overlap the earlier instant counts.
pub(super) fn zoned(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    if let Ok(time) = Timestamp::parse(text) {
        return Some(time);
    }
    let local: DateTime = text.trim().parse().ok()?;
    let instant = zone.to_ambiguous_timestamp(local).compatible().ok()?;
    let ms = instant.as_nanosecond().div_euclid(1_000_000);
    i64::try_from(ms).ok().map(Timestamp::from_millis)
}

/// A time as text, or as a database's clock in numbers since 1970 that were counted as if the wall clock showed UTC.
pub(super) fn moment(value: &Value, zone: &TimeZone) -> Option<Timestamp> {
    match value {
        Value::String(text) => zoned(text, zone),
        number => {
            let ms = epoch(number)?.millis();
            let wall = TimeZone::UTC.to_datetime(jiff::Timestamp::from_millisecond(ms).ok()?);
            let instant = zone.to_ambiguous_timestamp(wall).compatible().ok()?;
            Some(Timestamp::from_millis(instant.as_millisecond()))
        }
    }
}

/// An instant as a number since 1970, or its text, with a fraction or without: seconds, milli-, micro- or nanoseconds by its size.
/// Zero is never.
pub(super) fn epoch(value: &Value) -> Option<Timestamp> {
    let printed;
    let text = match value {
        Value::String(text) => text.trim(),
        Value::Number(number) => {
            printed = number.to_string();
            &printed
        }
        _ => return None,
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    let n: i64 = whole.parse().ok().filter(|n| *n > 0)?;
    let ms = match n {
        // Cut out of the text: a fraction as a float would come out a millisecond short.
        n if n < 100_000_000_000 => n * 1000 + format!("{:0<3}", fraction.get(..3).unwrap_or(fraction)).parse::<i64>().ok()?,
        n if n < 100_000_000_000_000 => n,
        n if n < 100_000_000_000_000_000 => n / 1000,
        n => n / 1_000_000,
    };
    Some(Timestamp::from_millis(ms))
}

/// A time that a person or a database writes with a pattern of its own, as in `%d.%m.%Y %H:%M:%S`.
pub(super) fn patterned(text: &str, pattern: &str, zone: Option<&TimeZone>) -> Option<Timestamp> {
    let parsed = jiff::fmt::strtime::parse(pattern, text.trim()).ok()?;
    let instant = match parsed.to_timestamp() {
        Ok(instant) => instant,
        Err(_) => zone?.to_ambiguous_timestamp(parsed.to_datetime().ok()?).compatible().ok()?,
    };
    Some(Timestamp::from_millis(instant.as_nanosecond().div_euclid(1_000_000).try_into().ok()?))
}

/// `yyyyMMddHHmmss`, then a point and up to three digits of a second's fraction, UTC.
pub(super) fn compact_utc(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    if whole.len() != 14 || !digits(whole) || !digits(fraction) {
        return None;
    }
    let part = |from: usize, to: usize| &whole[from..to];
    let fraction = fraction.get(..3).unwrap_or(fraction);
    let text = format!("{}-{}-{}T{}:{}:{}.{fraction:0<3}Z", part(0, 4), part(4, 6), part(6, 8), part(8, 10), part(10, 12), part(12, 14));
    Timestamp::parse(&text).ok()
}

/// The time of a record that has none that can be read.
pub(super) fn no_time(field: &str, found: Option<&str>) -> Fault {
    match found {
        None => Fault::missing(field),
        Some(text) => Fault::new(Code::BadTime, format!("{field}: {:?} is no time", short(text))),
    }
}

/// An address, without the port that may stand behind it.
pub(super) fn ip(text: &str) -> Option<String> {
    let text = text.trim();
    let address = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            let plain = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
            plain.then_some(address)?.parse::<IpAddr>().ok().filter(IpAddr::is_ipv6)?
        }
        None => match text.parse::<IpAddr>() {
            Ok(address) => address,
            Err(_) => {
                let (address, port) = text.split_once(':')?;
                is_port(port).then_some(address)?.parse::<IpAddr>().ok().filter(IpAddr::is_ipv4)?
            }
        },
    };
    Some(address.to_canonical().to_string())
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok()
}

/// The identity of a row that brings none: the same row gives the same sixteen hex digits, whichever file it came in.
pub(super) fn row_hash(row: &Map<String, Value>) -> String {
    let mut names: Vec<&String> = row.iter().filter(|(_, v)| !super::fields::is_absent(v)).map(|(name, _)| name).collect();
    names.sort_unstable();
    let mut hash = Sha256::new();
    for (i, name) in names.into_iter().enumerate() {
        if i > 0 {
            hash.update(b"\n");
        }
        hash.update(name.as_bytes());
        hash.update(b"=");
        match &row[name] {
            Value::String(text) => hash.update(text.as_bytes()),
            other => hash.update(other.to_string().as_bytes()),
        }
    }
    data_encoding::HEXLOWER.encode(&hash.finalize()[..8])
}

/// What a telephone number turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Phone {
    /// E.164.
    Number(String),
    /// One of the company's own.
    Extension,
    /// The caller hid it.
    Anonymous,
    /// None of these.
    Odd,
}

/// Reads a telephone number, written as people and exchanges write it.
pub(super) fn phone(text: &str, binding: &Binding) -> Phone {
    let bare: String = text.trim().chars().filter(|c| !matches!(c, ' ' | '(' | ')' | '-' | '\u{a0}')).collect();
    if bare.is_empty() || bare.eq_ignore_ascii_case("anonymous") {
        return Phone::Anonymous;
    }
    if binding.internal_number.is_match(&bare) {
        return Phone::Extension;
    }
    let digits = bare.strip_prefix('+').or_else(|| bare.strip_prefix("00")).map(str::to_owned).or_else(|| {
        let country = binding.country.as_deref()?;
        let of_plan_7 = matches!(country, "RU" | "KZ") && bare.len() == 11 && bare.starts_with(['7', '8']);
        // Exchanges leave out the plus of a full number.
        if of_plan_7 { Some(format!("7{}", &bare[1..])) } else { (bare.len() >= 11).then(|| bare.clone()) }
    });
    match digits {
        Some(d) if (7..=15).contains(&d.len()) && d.bytes().all(|b| b.is_ascii_digit()) && !d.starts_with('0') => {
            Phone::Number(format!("+{d}"))
        }
        _ => Phone::Odd,
    }
}

/// `1.2`, `1.3`, `none`, from `TLSv1.2`, `TLS 1.2` and the like.
pub(super) fn tls(text: &str) -> Option<String> {
    let version = text.trim().strip_prefix("TLS")?.trim_start_matches(['v', 'V', ' ']);
    matches!(version, "1" | "1.0" | "1.1" | "1.2" | "1.3").then(|| version.to_owned())
}

/// What kind of thing an object's name in a CRM means, in whatever case and number; amoCRM's `lead` is a deal, which its adapter knows.
pub(super) fn object_type(name: &str) -> ObjectType {
    match name.to_lowercase().as_str() {
        "account" | "accounts" | "company" | "companies" | "res.partner" | "справочник.контрагенты" | "справочник.партнеры" => {
            ObjectType::Client
        }
        "contact" | "contacts" => ObjectType::Contact,
        "lead" | "leads" | "crm.lead" => ObjectType::Lead,
        "opportunity" | "opportunities" | "deal" | "deals" => ObjectType::Deal,
        "order" | "orders" | "salesorder" | "salesorders" | "sales_orders" | "sale.order" => ObjectType::Order,
        "task" | "tasks" | "event" | "events" | "call" | "calls" | "meeting" | "meetings" => ObjectType::Task,
        "contentdocument" | "contentversion" | "attachment" | "attachments" | "document" | "documents" => ObjectType::File,
        "report" | "reports" | "dashboard" | "dashboards" => ObjectType::Report,
        "user" | "users" | "systemuser" | "res.users" => ObjectType::User,
        other if other.starts_with("отчет.") => ObjectType::Report,
        _ => ObjectType::Other,
    }
}

/// A person's account; nobody known is the system.
pub(super) fn actor(id: Option<String>, name: Option<String>) -> Actor {
    let id = id.or_else(|| name.as_deref().map(|name| format!("name:{name}")));
    let kind = if id.is_some() { ActorKind::User } else { ActorKind::System };
    Actor { id: id.unwrap_or_else(|| "unknown".to_owned()), kind, name }
}

/// Where somebody was, by what a record says of it; an address that is none stays in `attrs`.
pub(super) fn place(address: Option<&str>, user_agent: Option<&str>) -> Option<Place> {
    let place = Place { ip: address.and_then(ip), user_agent: user_agent.map(str::to_owned), ..Place::default() };
    (place != Place::default()).then_some(place)
}

/// A country of two letters, in capitals.
pub(super) fn country(text: &str) -> Option<String> {
    (text.len() == 2 && text.bytes().all(|b| b.is_ascii_alphabetic())).then(|| text.to_ascii_uppercase())
}

/// Of an object only what says something: no type alone that is `other`, no empty one.
pub(super) fn object(kind: Option<ObjectType>, id: Option<String>) -> Option<Object> {
    (kind.is_some() || id.is_some()).then(|| Object { kind, id, ..Object::default() })
}

/// Whether an action reads, exports or answers, so that an empty answer says something and bytes left.
pub(super) fn reads(action: Action) -> bool {
    matches!(
        action,
        Action::View | Action::Search | Action::List | Action::Report | Action::Export | Action::ApiQuery | Action::Print | Action::Backup
    )
}

fn writes(action: Action) -> bool {
    matches!(action, Action::Create | Action::Update | Action::Delete | Action::Merge | Action::Transfer | Action::Share)
}

/// What every event needs in the end: counts that mean something, the order that the object is.
pub(super) fn finish(event: &mut Event) {
    let one_record =
        event.object.as_ref().is_some_and(|o| o.id.is_some() && !matches!(o.kind, Some(ObjectType::User | ObjectType::Setting)));
    if event.records.is_none() && one_record && event.outcome != Outcome::Denied && (event.action == Action::View || writes(event.action)) {
        event.records = Some(1);
    }
    if event.records == Some(0) && !reads(event.action) {
        event.records = None;
    }
    if !reads(event.action) {
        event.bytes = None;
    }
    if let Some(Object { kind: Some(ObjectType::Deal | ObjectType::Order), id: Some(id), .. }) = &event.object
        && event.order.is_none()
    {
        event.order = Some(id.clone());
    }
}

/// What a SOQL text asks for: its plain top-level columns, and whether it is narrowed.
pub(super) fn soql(text: &str) -> Query {
    let words = top_level(text);
    let is = |i: usize, word: &str| words.get(i).is_some_and(|w| w.eq_ignore_ascii_case(word));
    let mut fields = Vec::new();
    if is(0, "select") {
        let mut i = 1;
        while i < words.len() && !is(i, "from") {
            let plain = !words[i].is_empty() && words[i].bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.');
            // A column stands alone between commas: no alias, no function, no inner query.
            let alone = matches!(words.get(i - 1), Some(&("," | "select" | "SELECT" | "Select"))) || i == 1;
            let ends = is(i + 1, ",") || is(i + 1, "from");
            if plain && alone && ends && fields.len() < 1000 {
                fields.push(words[i].to_owned());
            }
            i += 1;
        }
    }
    let filter = (0..words.len()).any(|i| is(i, "where"));
    Query { text: Some(text.to_owned()), fingerprint: None, fields, filter: Some(filter) }
}

/// Words and commas outside brackets and quotes; what stands in brackets is one `(`.
pub(super) fn top_level(text: &str) -> Vec<&str> {
    let (mut words, mut depth, mut start, mut quoted, mut escaped) = (Vec::new(), 0_usize, None, false, false);
    for (i, b) in text.bytes().enumerate() {
        if quoted {
            quoted = escaped || b != b'\'';
            escaped = !escaped && b == b'\\';
            continue;
        }
        let mark = matches!(b, b'(' | b')' | b',' | b'\'') || b.is_ascii_whitespace();
        if mark && let Some(from) = start.take() {
            words.push(&text[from..i]);
        }
        match b {
            b'\'' => quoted = true,
            b'(' => {
                if depth == 0 {
                    words.push("(");
                }
                depth += 1;
            }
            b')' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => words.push(","),
            _ if !mark && depth == 0 && start.is_none() => start = Some(i),
            _ => {}
        }
    }
    if let Some(from) = start {
        words.push(&text[from..]);
    }
    words
}

/// An event with what it cannot do without; the tenant is the binding's.
pub(super) fn event(id: String, time: Timestamp, source: &str, actor: Actor, action: Action, binding: &Binding) -> Event {
    Event {
        id,
        time,
        tenant: binding.tenant(),
        source: source.to_owned(),
        actor,
        action,
        outcome: Outcome::Success,
        reason: None,
        channel: None,
        session: None,
        object: None,
        records: None,
        bytes: None,
        query: None,
        call: None,
        order: None,
        client: None,
        auth: None,
        change: None,
        attrs: BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn addresses_lose_their_ports() {
        let check = |text: &str, expected: Option<&str>| assert_eq!(ip(text).as_deref(), expected, "{text}");
        check("1.2.3.4", Some("1.2.3.4"));
        check("1.2.3.4:5678", Some("1.2.3.4"));
        check("[2001:DB8::7]:443", Some("2001:db8::7"));
        check("[2001:db8::7]", Some("2001:db8::7"));
        check("2001:db8::7", Some("2001:db8::7"));
        check("::ffff:1.2.3.4", Some("1.2.3.4"));
        for text in [
            "",
            "-",
            "<null>",
            "Salesforce.com IP",
            "1.2.3",
            "1.2.3.4:",
            "1.2.3.4:99999",
            "[1.2.3.4]:80",
            "[::1",
            "host:80",
            "1.2.3.4, 5.6.7.8",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn numbers_are_read_as_people_write_them() {
        let of = |country: Option<&str>| Binding { country: country.map(str::to_owned), ..Binding::default() };
        let check =
            |text: &str, country: Option<&str>, expected: Phone| assert_eq!(phone(text, &of(country)), expected, "{text} {country:?}");
        let number = |text: &str| Phone::Number(text.to_owned());
        check("8 (916) 123-45-67", Some("RU"), number("+79161234567"));
        check("79161234567", Some("KZ"), number("+79161234567"));
        check("375291234567", Some("RU"), number("+375291234567"));
        check("+7 916 123 45 67", None, number("+79161234567"));
        check("00 44 20 7946 0000", None, number("+442079460000"));
        check("89161234567", None, Phone::Odd);
        check("9161234567", Some("RU"), Phone::Odd);
        check("+7916", Some("RU"), Phone::Odd);
        check("+7916123456789012", Some("RU"), Phone::Odd);
        check("sip:ann@x", Some("RU"), Phone::Odd);
        check("101", Some("RU"), Phone::Extension);
        check("anonymous", Some("RU"), Phone::Anonymous);
        check("", Some("RU"), Phone::Anonymous);
    }

    #[test]
    fn compact_times_may_have_a_short_fraction() {
        let check =
            |text: &str, expected: Option<&str>| assert_eq!(compact_utc(text).map(|t| t.to_string()).as_deref(), expected, "{text}");
        check("20260312060402.118", Some("2026-03-12T06:04:02.118Z"));
        check("20260312060402.5", Some("2026-03-12T06:04:02.500Z"));
        check("20260312060402", Some("2026-03-12T06:04:02.000Z"));
        check("20260312060402.1189", Some("2026-03-12T06:04:02.118Z"));
        for text in ["", "2026031206040", "20261312060402.118", "20260312060402.x", "2026ж312060402", "20260230060402.0"] {
            check(text, None);
        }
    }

    #[test]
    fn clocks_count_in_many_units() {
        let check = |value: Value, expected: Option<&str>| assert_eq!(epoch(&value).map(|t| t.to_string()).as_deref(), expected, "{value}");
        check(json!(1_773_303_069), Some("2026-03-12T08:11:09.000Z"));
        check(json!("1773303069"), Some("2026-03-12T08:11:09.000Z"));
        check(json!(1_773_303_069_412_i64), Some("2026-03-12T08:11:09.412Z"));
        check(json!(1_773_303_069_412_345_i64), Some("2026-03-12T08:11:09.412Z"));
        check(json!(1_773_303_069_412_345_678_i64), Some("2026-03-12T08:11:09.412Z"));
        check(json!(1_773_295_198.734_2), Some("2026-03-12T05:59:58.734Z"));
        check(json!("1773306060.001"), Some("2026-03-12T09:01:00.001Z"));
        check(json!(1_773_303_069_412.0), Some("2026-03-12T08:11:09.412Z"));
        for value in [json!(0), json!("0"), json!(-5), json!(""), json!("x"), json!("1.x"), json!(1e300), json!(null), json!([1])] {
            check(value, None);
        }
        // A wall clock in numbers is read in the zone of its source.
        let moscow = TimeZone::get("Europe/Moscow").expect("a zone");
        let wall = |value: Value| moment(&value, &moscow).map(|t| t.to_string());
        assert_eq!(wall(json!(1_773_303_069_000_i64)).as_deref(), Some("2026-03-12T05:11:09.000Z"));
        assert_eq!(wall(json!("2026-03-12 08:11:09")).as_deref(), Some("2026-03-12T05:11:09.000Z"));
        assert_eq!(wall(json!("2026-03-12T18:49:58.204+0000")).as_deref(), Some("2026-03-12T18:49:58.204Z"));
        let read = |text: &str, pattern: &str| patterned(text, pattern, Some(&moscow)).map(|t| t.to_string());
        assert_eq!(read("12.03.2026 08:11:09", "%d.%m.%Y %H:%M:%S").as_deref(), Some("2026-03-12T05:11:09.000Z"));
        assert_eq!(read("12/Mar/2026:08:11:09 +0000", "%d/%b/%Y:%H:%M:%S %z").as_deref(), Some("2026-03-12T08:11:09.000Z"));
        assert_eq!(read("soon", "%d.%m.%Y"), None);
    }

    #[test]
    fn a_row_is_known_by_its_fields_alone() {
        let row = |value: Value| row_hash(value.as_object().expect("an object"));
        let hash = row(json!({"b": "2", "a": "1"}));
        assert_eq!(hash, row(json!({"a": "1", "empty": "", "none": null, "b": 2})));
        // printf 'a=1\nb=2' | sha256sum
        assert_eq!(hash, "55c420c0f44ea4c6");
        assert_ne!(hash, row(json!({"a": "1", "b": "3"})));
    }

    #[test]
    fn attrs_keep_what_says_something() {
        let row = json!({"RUN_TIME": "540", "none": null, "empty": "", "na": "N/A", "access_token": "x", "authTokenId": "7", "sign": "x",
            "Records": "x", "payload": {"inner": 1, "RUN_TIME": "inner", "params": {"deep": true}}, "list": [""]});
        let Value::Object(row) = row else { unreachable!() };
        let kept = serde_json::to_value(attrs(row)).expect("string keys");
        assert_eq!(kept, json!({"RUN_TIME": "540", "authTokenId": "7", "inner": 1, "deep": true, "list": [""]}));
    }

    #[test]
    fn soql_says_its_columns_and_whether_it_is_narrowed() {
        let check = |text: &str, fields: &[&str], filter: bool| {
            let query = soql(text);
            assert_eq!(
                (query.fields.iter().map(String::as_str).collect::<Vec<_>>().as_slice(), query.filter),
                (fields, Some(filter)),
                "{text}"
            );
        };
        check("SELECT Id, Name, Phone FROM Account WHERE OwnerId != null", &["Id", "Name", "Phone"], true);
        check("select Id,Owner.Name from Lead", &["Id", "Owner.Name"], false);
        check("SELECT COUNT(Id), Name n, (SELECT Id FROM Contacts WHERE x = 1), City FROM Account", &["City"], false);
        check("SELECT Id FROM A WHERE Name = 'where, from (it''s)'", &["Id"], true);
        check("SELECT Id FROM A ORDER BY Name", &["Id"], false);
        check("SELECT Id FROM A USING SCOPE mine where(x = 1)", &["Id"], true);
        check("FIND {x} IN ALL FIELDS", &[], false);
        check("SELECT", &[], false);
        check("SELECT 'unclosed, FROM", &[], false);
        check("", &[], false);
        check("SELECT ж, Имя FROM Я", &[], false);
    }
}

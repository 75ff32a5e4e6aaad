//! FreeSWITCH's `mod_json_cdr`: one JSON object a leg, whose values are text and may be percent-encoded.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{
    Around, Binding, Error, Fault, Format, Notes,
    row::Row,
    rules,
    telephony::{Leg, Party, party},
};
use crate::event::{Direction, Event};

struct FreeSwitch;

pub(super) fn open(_binding: &Binding) -> Result<Box<dyn Format>, Error> {
    Ok(Box::new(FreeSwitch))
}

impl Format for FreeSwitch {
    fn event(&self, element: Map<String, Value>, around: &Around<'_>, _notes: &mut Notes<'_>) -> Result<Option<Event>, Fault> {
        let binding = around.binding;
        let empty = Map::new();
        let row = Row(&element);
        let variables = row.object("variables").ok_or_else(|| Fault::missing("variables"))?;
        let flow = row.list("callflow").first().and_then(Value::as_object).map(Row).or_else(|| row.object("callflow"));
        let profile = flow.and_then(|f| f.object("caller_profile")).unwrap_or(Row(&empty));
        let times = flow.and_then(|f| f.object("times"));
        let time = variables.epoch("start_uepoch").or_else(|| variables.epoch("start_epoch")).or_else(|| times?.epoch("created_time"));
        let time = time.ok_or_else(|| variables.no_time("start_epoch"))?;
        let uuid = variables.required("uuid")?;
        let said = |row: Row<'_>, names: &[&str]| row.first(names).map(|text| decoded(text).into_owned());
        // Judged by numbers: the direction of a leg is the switch's point of view.
        let from = said(variables, &["user_name", "sip_from_user"]);
        let from = from.or_else(|| said(profile, &["username", "caller_id_number", "ani"])).unwrap_or_default();
        let to = said(profile, &["destination_number"]);
        let to =
            to.or_else(|| said(variables, &["destination_number", "dialed_extension", "sip_to_user", "sip_req_user"])).unwrap_or_default();
        let (extension, direction, number) = match (party(&from, binding), party(&to, binding)) {
            (Party::Extension(n), Party::Number(number)) => (Some(n), Some(Direction::Out), Some(number)),
            (Party::Extension(n), Party::Outside) => (Some(n), Some(Direction::Out), None),
            (Party::Extension(n), _) => (Some(n), None, None),
            (from, to) => {
                let number = if let Party::Number(number) = from { Some(number) } else { None };
                let dialled = if let Party::Extension(n) = to { Some(n) } else { None };
                // Behind a group stands whose telephone rang last.
                let rang = said(variables, &["last_sent_callee_id_number", "dialed_user", "cc_agent"]);
                let rang = rang.filter(|n| binding.internal_number.is_match(n));
                (rang.or(dialled), Some(Direction::In), number)
            }
        };
        let talk_s = variables.count("billsec");
        let answered = talk_s.is_some_and(|s| s > 0);
        let leg = Leg {
            id: format!("cdr:{uuid}"),
            time,
            source: "freeswitch",
            extension: extension.as_deref(),
            direction,
            number,
            talk_s,
            unanswered: (!answered).then(|| said(variables, &["hangup_cause"]).unwrap_or_else(|| "unanswered".to_owned())),
            conversation: variables.first_id(&["originating_leg_uuid", "originator", "call_uuid"]).or(Some(uuid)),
        };
        let mut event = leg.event(binding);
        if matches!(party(&from, binding), Party::Extension(_)) {
            let agent = said(variables, &["sip_user_agent"]);
            event.client = rules::place(said(variables, &["sip_network_ip"]).as_deref(), agent.as_deref());
        }
        event.attrs.extend(rules::attrs(element));
        Ok(Some(event))
    }
}

/// Text without `%XX`; a plus is a plus.
fn decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match digits.and_then(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u8::from_str_radix(hex, 16).ok()).flatten()) {
            Some(byte) if first == b'%' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    // What was encoded in another alphabet stays as it was.
    String::from_utf8(bytes).map_or(Cow::Borrowed(text), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::decoded;

    #[test]
    fn only_hex_is_decoded() {
        let check = |text: &str, expected: &str| assert_eq!(decoded(text), expected, "{text}");
        check("Yealink%20SIP-T31P", "Yealink SIP-T31P");
        check("%2B79165550123", "+79165550123");
        check("+7916", "+7916");
        check("100% of %zz %2", "100% of %zz %2");
        check("%D0%90", "А");
        check("%ff", "%ff");
    }
}

//! Asterisk's call detail records: `Master.csv`, the `Cdr` event of the manager interface, rows of a `cdr` table.

use serde_json::{Map, Value};

use super::{
    Around, Binding, Error, Fault, Format, Notes,
    row::Row,
    rules,
    telephony::{Leg, Party, party},
};
use crate::event::{Direction, Event};

/// The order of `Master.csv`, which has no header.
pub(super) const COLUMNS: &[&str] = &[
    "accountcode",
    "src",
    "dst",
    "dcontext",
    "clid",
    "channel",
    "dstchannel",
    "lastapp",
    "lastdata",
    "start",
    "answer",
    "end",
    "duration",
    "billsec",
    "disposition",
    "amaflags",
    "uniqueid",
    "userfield",
];
/// Names of the manager interface, in that order.
const MANAGER: &[&str] = &[
    "AccountCode",
    "Source",
    "Destination",
    "DestinationContext",
    "CallerID",
    "Channel",
    "DestinationChannel",
    "LastApplication",
    "LastData",
    "StartTime",
    "AnswerTime",
    "EndTime",
    "Duration",
    "BillableSeconds",
    "Disposition",
    "AMAFlags",
    "UniqueID",
    "UserField",
];

struct Asterisk;

pub(super) fn open(_binding: &Binding) -> Result<Box<dyn Format>, Error> {
    Ok(Box::new(Asterisk))
}

impl Format for Asterisk {
    fn event(&self, element: Map<String, Value>, around: &Around<'_>, _notes: &mut Notes<'_>) -> Result<Option<Event>, Fault> {
        // The manager interface tells much else.
        if element.get("Event").is_some_and(|event| event != "Cdr") {
            return Ok(None);
        }
        let (cdr, rest) = renamed(element);
        let row = Row(&cdr);
        let time = row.local_time(if row.has("start") { "start" } else { "calldate" }, around.binding)?;
        // Not every exchange writes it.
        let uniqueid = row.id("uniqueid").unwrap_or_default();
        let id = match row.id("sequence") {
            Some(sequence) => format!("cdr:{uniqueid}:{sequence}"),
            None => format!("cdr:{uniqueid}:{}", rules::row_hash(&cdr)),
        };
        let ends = Ends::of(row, around.binding);
        let disposition = row.owned("disposition");
        let leg = Leg {
            id,
            time,
            source: "asterisk",
            extension: ends.extension.as_deref(),
            direction: ends.direction,
            number: ends.number,
            talk_s: row.count("billsec"),
            unanswered: disposition.filter(|d| d != "ANSWERED"),
            conversation: row.id("linkedid").or(Some(uniqueid)).filter(|id| !id.is_empty()),
        };
        let mut event = leg.event(around.binding);
        event.attrs.extend(rules::attrs(rest));
        event.attrs.extend(rules::attrs(cdr));
        Ok(Some(event))
    }
}

/// The record under the names of the CSV, and what else the manager interface wrote.
fn renamed(element: Map<String, Value>) -> (Map<String, Value>, Map<String, Value>) {
    if !element.contains_key("UniqueID") {
        return (element, Map::new());
    }
    let name = |given: &str| MANAGER.iter().position(|name| *name == given).map(|i| COLUMNS[i]);
    let (mut cdr, mut rest) = (Map::new(), Map::new());
    for (given, value) in element {
        match name(&given) {
            Some(name) => drop(cdr.insert(name.to_owned(), value)),
            None => drop(rest.insert(given, value)),
        }
    }
    (cdr, rest)
}

/// Who spoke with whom.
struct Ends {
    extension: Option<String>,
    direction: Option<Direction>,
    number: Option<String>,
}

impl Ends {
    fn of(row: Row<'_>, binding: &Binding) -> Self {
        let said = |name: &str| row.id(name).map_or(Party::Nobody, |text| party(&text, binding));
        let phone = |name: &str| row.text(name).and_then(extension).filter(|n| binding.internal_number.is_match(n)).map(str::to_owned);
        let (src, dst) = (said("src"), said("dst"));
        // The second half of a local channel is the exchange's own doing; the first half tells the call.
        let echo = row.text("channel").is_some_and(|c| c.starts_with("Local/") && c.ends_with(";2"));
        let caller = phone("channel").or_else(|| match &src {
            // Telephones may be named after people.
            Party::Extension(n) => Some(n.clone()),
            _ => None,
        });
        if echo {
            return Self { extension: phone("dstchannel").or(caller), direction: None, number: None };
        }
        if let (Some(caller), true) = (&caller, matches!(src, Party::Extension(_)) || phone("channel").is_some()) {
            return match dst {
                Party::Number(number) => Self { extension: Some(caller.clone()), direction: Some(Direction::Out), number: Some(number) },
                Party::Outside => Self { extension: Some(caller.clone()), direction: Some(Direction::Out), number: None },
                Party::Extension(_) | Party::Nobody => Self { extension: Some(caller.clone()), direction: None, number: None },
            };
        }
        let answered_by = phone("dstchannel").or(match dst {
            Party::Extension(n) => Some(n),
            _ => None,
        });
        let number = match src {
            Party::Number(number) => Some(number),
            _ => None,
        };
        Self { extension: answered_by, direction: Some(Direction::In), number }
    }
}

/// `101` of `PJSIP/101-0000001a` and of `Local/101@from-queue-00000003;1`.
fn extension(channel: &str) -> Option<&str> {
    let (_, name) = channel.split_once('/')?;
    let name = name.split('@').next().unwrap_or(name);
    Some(name.rsplit_once('-').map_or(name, |(name, _)| name))
}

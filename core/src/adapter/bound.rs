//! How large an event may be, whatever its source: a record of the log must fit into a message of Kafka.

use std::io;

use serde::Serialize;
use serde_json::Value;

use super::{Code, Fault, Notes};
use crate::event::Event;

/// The longest `id`, and the longest id of anything else, bytes.
pub(super) const MAX_ID: usize = 1024;
/// The longest `source`, bytes.
pub(super) const MAX_SOURCE: usize = 64;
/// The longest `actor.id`, bytes.
pub(super) const MAX_ACTOR: usize = 512;
/// Longer texts are cut.
pub(super) const MAX_TEXT: usize = 32 << 10;
/// A raw element this small gives no event that is too large, even where every byte needs six and stands twice.
pub(super) const SMALL: usize = 64 << 10;
/// The largest event as JSON; Kafka takes 1 MiB a message, and what is known about named clients comes on top.
const MAX_EVENT: usize = 768 << 10;

/// Leaves out of an event what is too long; `size` is that of its raw element.
pub(super) fn bound(event: &mut Event, size: usize, notes: &mut Notes<'_>) -> Result<(), Fault> {
    if size <= MAX_ACTOR {
        return Ok(());
    }
    for (field, text, limit) in [("id", &event.id, MAX_ID), ("actor.id", &event.actor.id, MAX_ACTOR)] {
        if text.len() > limit {
            return Err(Fault::new(Code::TooLong, format!("{field} has {} bytes, more than {limit}", text.len())));
        }
    }
    ids(event, notes);
    texts(event, notes);
    if size > SMALL { attrs(event, notes) } else { Ok(()) }
}

fn ids(event: &mut Event, notes: &mut Notes<'_>) {
    let mut all = vec![("session", &mut event.session), ("order", &mut event.order)];
    if let Some(o) = &mut event.object {
        all.extend([("object.id", &mut o.id), ("object.owner", &mut o.owner), ("object.client", &mut o.client)]);
    }
    if let Some(c) = &mut event.call {
        all.push(("call.client", &mut c.client));
    }
    for (field, id) in all {
        if let Some(long) = id.take_if(|id| id.len() > MAX_ID) {
            notes.odd(field, format!("{} bytes are no id: left out", long.len()));
        }
    }
}

fn texts(event: &mut Event, notes: &mut Notes<'_>) {
    let mut all = vec![("actor.name", &mut event.actor.name), ("reason", &mut event.reason)];
    if let Some(q) = &mut event.query {
        all.push(("query.text", &mut q.text));
    }
    if let Some(p) = &mut event.client {
        all.extend([("client.user_agent", &mut p.user_agent), ("client.device", &mut p.device), ("client.app", &mut p.app)]);
        all.push(("client.version", &mut p.version));
    }
    if let Some(a) = &mut event.auth {
        all.extend([("auth.method", &mut a.method), ("auth.mfa_method", &mut a.mfa_method)]);
    }
    if let Some(c) = &mut event.change {
        all.extend([
            ("change.what", &mut c.what),
            ("change.from", &mut c.from),
            ("change.to", &mut c.to),
            ("change.target", &mut c.target),
        ]);
    }
    for (field, text) in all {
        if let Some(text) = text
            && text.len() > MAX_TEXT
        {
            notes.odd(field, format!("{} bytes: cut to {MAX_TEXT}", text.len()));
            text.truncate(text.floor_char_boundary(MAX_TEXT));
        }
    }
}

/// Leaves out the largest of `attrs` until the event fits.
fn attrs(event: &mut Event, notes: &mut Notes<'_>) -> Result<(), Fault> {
    let mut size = length(event);
    if size <= MAX_EVENT {
        return Ok(());
    }
    // With the colon and the comma.
    let mut sizes: Vec<(usize, String)> =
        event.attrs.iter().map(|(name, value)| (length(name) + length(value) + 2, name.clone())).collect();
    sizes.sort_unstable();
    let mut dropped = 0;
    while size > MAX_EVENT {
        let Some((bytes, name)) = sizes.pop() else {
            return Err(Fault::new(Code::TooLong, format!("the event has {size} bytes, more than {MAX_EVENT}")));
        };
        event.attrs.remove(&name);
        (size, dropped) = (size.saturating_sub(bytes), dropped + 1);
    }
    event.attrs.insert("attrs_left_out".to_owned(), Value::from(dropped));
    notes.odd("attrs", format!("the {dropped} largest are left out: the event is larger than {MAX_EVENT} bytes"));
    Ok(())
}

/// Bytes of a value as JSON.
fn length(value: &impl Serialize) -> usize {
    struct Count(usize);

    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let mut count = Count(0);
    serde_json::to_writer(&mut count, value).expect("counting never fails, keys are strings");
    count.0
}

//! What all telephone exchanges have in common: whose extension it was, which way the call went, whether anybody answered.

use super::{Binding, Notes, fields::short, rules};
use crate::event::{Action, Actor, Call, Channel, Direction, Event, Outcome, Timestamp};

/// One end of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Party {
    /// A colleague's telephone.
    Extension(String),
    /// Somebody outside, E.164.
    Number(String),
    /// A number outside that is hidden or cannot be read.
    Outside,
    /// A service of the exchange (`s`, `*97`), or nothing.
    Nobody,
}

/// Who is at a number.
pub(super) fn party(text: &str, binding: &Binding) -> Party {
    let text = text.trim();
    match rules::phone(text, binding) {
        rules::Phone::Extension => Party::Extension(text.to_owned()),
        rules::Phone::Number(number) => Party::Number(number),
        rules::Phone::Anonymous if text.is_empty() => Party::Nobody,
        rules::Phone::Anonymous => Party::Outside,
        rules::Phone::Odd => match full(text, binding) {
            Some(number) => Party::Number(number),
            None if text.starts_with(['*', '#']) || !text.bytes().any(|b| b.is_ascii_digit()) => Party::Nobody,
            None => Party::Outside,
        },
    }
}

/// Exchanges leave out the plus of a full number.
fn full(text: &str, binding: &Binding) -> Option<String> {
    let plain = text.len() >= 11 && text.bytes().all(|b| b.is_ascii_digit()) && binding.country.is_none();
    match rules::phone(&format!("+{text}"), binding) {
        rules::Phone::Number(number) if plain => Some(number),
        _ => None,
    }
}

/// A number outside, in a field that should hold one.
pub(super) fn number(text: &str, field: &str, binding: &Binding, notes: &mut Notes<'_>) -> Option<String> {
    match party(text, binding) {
        Party::Number(number) => Some(number),
        Party::Outside if !text.eq_ignore_ascii_case("anonymous") => {
            notes.odd(field, format!("{:?} is no E.164 number: left out", short(text)));
            None
        }
        _ => None,
    }
}

/// The account behind an extension.
pub(super) fn actor(extension: Option<&str>, binding: &Binding) -> Actor {
    let account = extension.map(|n| binding.extensions.get(n).cloned().unwrap_or_else(|| format!("ext:{n}")));
    rules::actor(account, None)
}

/// A leg of a call, as its exchange tells it.
pub(super) struct Leg<'a> {
    pub(super) id: String,
    /// When it began to ring.
    pub(super) time: Timestamp,
    pub(super) source: &'a str,
    /// The colleague's extension.
    pub(super) extension: Option<&'a str>,
    /// None between colleagues: then there is no number either.
    pub(super) direction: Option<Direction>,
    pub(super) number: Option<String>,
    /// Seconds spoken.
    pub(super) talk_s: Option<u64>,
    /// Why nobody answered.
    pub(super) unanswered: Option<String>,
    /// Legs of one conversation have this in common.
    pub(super) conversation: Option<String>,
}

impl Leg<'_> {
    /// The call. `attrs.conversation` tells legs that belong together from calls of their own.
    pub(super) fn event(self, binding: &Binding) -> Event {
        let actor = actor(self.extension, binding);
        let mut event = rules::event(self.id, self.time, self.source, actor, Action::Call, binding);
        event.channel = Some(Channel::Telephony);
        let duration_s = if self.unanswered.is_some() { Some(0) } else { self.talk_s };
        if self.unanswered.is_some() {
            (event.outcome, event.reason) = (Outcome::Failure, self.unanswered);
        }
        let number = self.number.filter(|_| self.direction.is_some());
        event.call = Some(Call { direction: self.direction, number, duration_s, client: None });
        event.attrs.extend(self.conversation.map(|id| ("conversation".to_owned(), id.into())));
        event
    }
}

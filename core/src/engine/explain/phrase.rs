//! What the sentences of rules are built from, in both languages.

use super::{Facts, number::Language, shared};
use crate::{engine::Text, event::Timestamp};

const EN: Language = Language::English;
const RU: Language = Language::Russian;

/// `1 record`, `2 records`, `no records`.
pub(in crate::engine) fn en(n: f64, one: &str, many: &str) -> String {
    EN.counted(n).with_en(one, many)
}

/// `1 запись`, `2 записи`, `5 записей`.
pub(in crate::engine) fn ru(n: f64, [one, few, many]: [&str; 3]) -> String {
    RU.counted(n).with_ru(one, few, many)
}

/// A number alone.
pub(in crate::engine) fn n_en(n: f64) -> String {
    EN.counted(n).text
}

/// A number alone.
pub(in crate::engine) fn n_ru(n: f64) -> String {
    RU.counted(n).text
}

/// `02:14`, on the person's wall clock.
pub(in crate::engine) fn clock(facts: &Facts, t: Timestamp) -> String {
    super::clock(&facts.zone, t)
}

/// A date on the person's calendar.
pub(in crate::engine) fn date(facts: &Facts, t: Timestamp) -> Text {
    super::dates(&facts.zone, t)
}

/// A source's text within a sentence.
pub(in crate::engine) fn quoted(text: &str) -> String {
    shared::quoted(text)
}

/// The same where quotation marks stand around it anyway.
pub(in crate::engine) fn shown(text: &str) -> String {
    shared::shown(text)
}

/// With a capital first letter.
pub(in crate::engine) fn capital(text: &str) -> String {
    shared::capital(text)
}

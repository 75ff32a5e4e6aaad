//! What the sentences of both languages are built from.

use super::{Attribute, Detector, Facts, Finding, Hit, number::Language};
use crate::{
    engine::{control, detector::DRIFTS, math::number},
    event::{Action, Channel},
};

/// New values of a day, by kind.
pub(super) struct NewValues {
    /// In order of appearance; each value once, made fit to be shown.
    pub(super) values: Vec<(Attribute, Vec<String>)>,
    /// The kind of which something new comes least often, and how often.
    pub(super) rarest: Option<(Attribute, f64)>,
}

/// The day's new values of some kinds.
pub(super) fn new_values(facts: &Facts, of: impl Fn(Attribute) -> bool) -> NewValues {
    let mut found = NewValues { values: Vec::new(), rarest: None };
    for new in facts.new_values.iter().filter(|n| of(n.attribute)) {
        let mut value = shown(&new.value);
        if new.attribute == Attribute::Asn && !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
            value.insert_str(0, "AS");
        }
        match found.values.iter_mut().find(|(attribute, _)| *attribute == new.attribute) {
            None => found.values.push((new.attribute, vec![value])),
            Some((_, values)) if values.contains(&value) => {}
            Some((_, values)) => values.push(value),
        }
        if found.rarest.is_none_or(|(_, rate)| new.rate < rate) {
            found.rarest = Some((new.attribute, new.rate));
        }
    }
    found
}

/// A source's text as part of a sentence: one line, not long.
pub(super) fn shown(value: &str) -> String {
    const LONGEST: usize = 48;
    let line = value.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" ");
    if line.chars().count() <= LONGEST {
        return line;
    }
    let start: String = line.chars().take(LONGEST - 1).collect();
    format!("{}…", start.trim_end())
}

/// A source's text in quotation marks where its ends could be taken for ours.
pub(super) fn quoted(value: &str) -> String {
    let odd = |end: Option<char>| end.is_some_and(|c| !c.is_alphanumeric() && c != '…');
    let text = shown(value);
    if odd(text.chars().next()) || odd(text.chars().next_back()) { format!("“{text}”") } else { text }
}

/// `a, b and c`.
pub(super) fn joined(parts: &[String], and: &str) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} {and} {last}", first.join(", ")),
    }
}

/// A control's title; of one that is not in the catalogue, its id.
pub(super) fn title(control: &str, language: Language) -> String {
    control::get(control).map_or_else(|| shown(control), |c| if language == Language::English { c.title.en } else { c.title.ru }.to_owned())
}

/// Titles of the rules that were broken besides the strongest, each once; of the user's own rules, what they call themselves.
pub(super) fn other_rules(facts: &Facts, language: Language) -> Vec<String> {
    let name = |h: &Hit| match h.rule.id() {
        "sigma" => quoted(h.text(1).or(h.text(0)).unwrap_or_default()),
        id => title(id, language),
    };
    let mut names: Vec<String> = Vec::new();
    let first = facts.hits.first().map(name);
    for name in facts.hits.iter().skip(1).map(name).filter(|n| !n.is_empty()) {
        if Some(&name) != first.as_ref() && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// With a small first letter, for the middle of a sentence.
pub(super) fn lower(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

/// With a capital first letter.
pub(super) fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// What besides the strongest finding carries at least 5 % of the evidence.
pub(super) fn weighty(findings: &[Finding]) -> impl Iterator<Item = &Finding> {
    let total: u64 = findings.iter().map(|f| f.bits).sum();
    findings.iter().skip(1).filter(move |f| f.bits > 0 && f.bits.saturating_mul(20) >= total)
}

/// `export/bulk_api`.
pub(super) fn action_of(value: &str) -> Option<(Action, Option<Channel>)> {
    let (action, channel) = value.split_once('/').unwrap_or((value, ""));
    let channel = if channel.is_empty() { None } else { Some(Channel::from_word(channel)?) };
    Some((Action::from_word(action)?, channel))
}

/// Days and height of a drip detector's series.
pub(super) fn drift_of(detector: Detector, facts: &Facts) -> (u16, f64) {
    let series = DRIFTS.iter().position(|d| *d == detector).unwrap_or(0);
    (facts.drift_days[series], facts.drift[series])
}

/// A part of a whole, 0 to 1.
pub(super) fn share(part: u64, whole: u64) -> f64 {
    number(part) / number(whole.max(1))
}

/// `02:14`.
pub(super) fn worded_clock(facts: &Facts) -> String {
    format!("{:02}:{:02}", facts.local.0, facts.local.1)
}

/// Whether the event's own hour holds less than an even share of this person's week; else an earlier event of the day
/// was at a stranger hour.
pub(super) fn in_an_unusual_hour(facts: &Facts) -> bool {
    facts.hour_share < 1.0 / 168.0
}

//! Pages in English and Russian.

use std::time::Duration;

use serde::Deserialize;

use crate::{
    engine::{Severity, Text, bits_text, control::Words},
    event::Timestamp,
};

/// A language of pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Lang {
    En,
    Ru,
}

impl Lang {
    /// The one a browser prefers; English when it knows neither.
    pub(super) fn from_header(accepted: &str) -> Self {
        let weight = |tag: &str| {
            let of = |entry: &str| {
                let mut parts = entry.split(';');
                let name = parts.next().unwrap_or_default().trim();
                let primary = name.split('-').next().unwrap_or_default();
                let q = parts.find_map(|p| p.trim().strip_prefix("q=")).map_or(Some(1.0), |q| q.parse::<f32>().ok());
                primary.eq_ignore_ascii_case(tag).then_some(q.unwrap_or(0.0))
            };
            accepted.split(',').filter_map(of).fold(0.0, f32::max)
        };
        if weight("ru") > weight("en") { Self::Ru } else { Self::En }
    }

    /// As in `lang=`.
    pub(super) const fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Ru => "ru",
        }
    }

    pub(super) const fn pick<'a>(self, en: &'a str, ru: &'a str) -> &'a str {
        match self {
            Self::En => en,
            Self::Ru => ru,
        }
    }

    pub(super) fn text(self, text: &Text) -> &str {
        self.pick(&text.en, &text.ru)
    }

    pub(super) const fn severity(self, severity: Severity) -> &'static str {
        match (severity, self) {
            (Severity::Low, Self::En) => "low",
            (Severity::Low, Self::Ru) => "низкая",
            (Severity::Medium, Self::En) => "medium",
            (Severity::Medium, Self::Ru) => "средняя",
            (Severity::High, Self::En) => "high",
            (Severity::High, Self::Ru) => "высокая",
            (Severity::Critical, Self::En) => "critical",
            (Severity::Critical, Self::Ru) => "критическая",
        }
    }

    /// A number with its thousands apart.
    pub(super) fn number(self, n: u64) -> String {
        let digits = n.to_string();
        let mut text = String::with_capacity(digits.len() * 2);
        for (i, digit) in digits.chars().enumerate() {
            if i > 0 && (digits.len() - i).is_multiple_of(3) {
                // No-break spaces, narrow in Russian.
                text.push_str(self.pick(",", "\u{202f}"));
            }
            text.push(digit);
        }
        text
    }

    /// The same of things that are counted.
    pub(super) fn count(self, n: usize) -> String {
        self.number(u64::try_from(n).unwrap_or(u64::MAX))
    }

    /// Millibits as bits.
    pub(super) fn bits(self, millibits: u64) -> String {
        bits_text(millibits).replace('.', self.pick(".", ","))
    }

    pub(super) const fn words(self, words: Words) -> &'static str {
        match self {
            Self::En => words.en,
            Self::Ru => words.ru,
        }
    }

    /// `3 d 4 h`, `4 h 12 min`, `12 min`, `40 s`.
    pub(super) fn span(self, span: Duration) -> String {
        let s = span.as_secs();
        let (d, h, min) = (s / 86_400, s / 3600 % 24, s / 60 % 60);
        let [day, hour, minute, second] = match self {
            Self::En => ["d", "h", "min", "s"],
            Self::Ru => ["д", "ч", "мин", "с"],
        };
        match (d, h, min) {
            (0, 0, 0) => format!("{s} {second}"),
            (0, 0, _) => format!("{min} {minute}"),
            (0, _, _) => format!("{h} {hour} {min} {minute}"),
            _ => format!("{d} {day} {h} {hour}"),
        }
    }
}

/// `2026-11-25 02:24 UTC`.
pub(super) fn minute(at: Timestamp) -> String {
    let text = at.to_string();
    format!("{} {} UTC", &text[..10], &text[11..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browser_chooses() {
        let check = |header: &str, expected: Lang| assert_eq!(Lang::from_header(header), expected, "{header}");
        check("", Lang::En);
        check("ru", Lang::Ru);
        check("ru-RU,ru;q=0.9,en-US;q=0.8,en;q=0.7", Lang::Ru);
        check("en-US,en;q=0.9,ru;q=0.8", Lang::En);
        check("de, ru;q=0.1", Lang::Ru);
        check("ru;q=0, fr", Lang::En);
        check(";;q=,ru;q=x", Lang::En);
    }

    #[test]
    fn numbers_and_spans() {
        assert_eq!(Lang::En.number(1_234_567), "1,234,567");
        assert_eq!(Lang::Ru.number(1234), "1\u{202f}234");
        assert_eq!(Lang::En.number(0), "0");
        assert_eq!((Lang::En.bits(12_250), Lang::Ru.bits(49)), ("12.3".to_owned(), "0,0".to_owned()));
        let check = |s: u64, expected: &str| assert_eq!(Lang::En.span(Duration::from_secs(s)), expected);
        check(40, "40 s");
        check(720, "12 min");
        check(15_120, "4 h 12 min");
        check(273_600, "3 d 4 h");
        assert_eq!(minute(Timestamp::from_millis(0)), "1970-01-01 00:00 UTC");
    }
}

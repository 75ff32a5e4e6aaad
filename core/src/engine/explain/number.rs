//! Numbers as people read them: grouped, rounded for display only, with the noun form that they take.

use libm::{exp, floor};

/// What stands between groups of three digits: a narrow no-break space.
const GROUP: char = '\u{202f}';
/// What stands before a per cent sign: a no-break space.
const BEFORE_PERCENT: char = '\u{a0}';
/// Rarer than this nobody can know.
const MILLION: f64 = 1e6;

/// A language's way with numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    /// Decimal point.
    English,
    /// Decimal comma.
    Russian,
}

/// A number as shown, which decides the form of the noun beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Number {
    /// Digits as shown.
    pub(super) text: String,
    form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// 1, and in Russian 21, 31, ...: the last two digits decide.
    Whole {
        last_two: u8,
        one: bool,
    },
    Fraction,
}

/// How rare a day is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rarity {
    /// Nothing rare.
    Common,
    /// About once in so many manager-days.
    Once(Number),
    /// Less than once in a million.
    Beyond,
}

impl Language {
    /// What was counted today: whole numbers as they are, weights to a tenth.
    pub(super) fn counted(self, x: f64) -> Number {
        let decimals = if x >= 100.0 {
            0
        } else if x > 0.0 && x < 0.05 {
            2
        } else {
            1
        };
        self.number(x, decimals)
    }

    /// What is usual: never more than three digits that matter.
    pub(super) fn about(self, x: f64) -> Number {
        if x >= 10.0 { self.number(significant(x, 1000.0), 0) } else { self.number(x, 1) }
    }

    /// A whole number.
    pub(super) fn whole(self, n: u64) -> Number {
        digits(&n.to_string(), self)
    }

    /// Evidence, from nats.
    pub(super) fn bits(self, nats: f64) -> Number {
        self.number(nats / core::f64::consts::LN_2, 1)
    }

    /// Evidence, from millibits.
    pub(super) fn millibits(self, millibits: u64) -> Number {
        self.number(millibits as f64 / 1000.0, 1)
    }

    /// A share of 0 to 1 in per cent.
    pub(super) fn percent(self, share: f64) -> String {
        let p = 100.0 * share.clamp(0.0, 1.0);
        let shown = if p >= 10.0 {
            self.number(p, 0)
        } else if p >= 0.1 {
            self.number(p, 1)
        } else {
            self.number(p, 2)
        };
        let least = if p > 0.0 && shown.text == "0" {
            match self {
                Self::English => "less than ",
                Self::Russian => "менее ",
            }
        } else {
            ""
        };
        let text = if least.is_empty() { shown.text } else { self.number(0.01, 2).text };
        format!("{least}{text}{BEFORE_PERCENT}%")
    }

    /// How rare a day with this much evidence is: about once in e^s manager-days.
    pub(super) fn rarity(self, s: f64) -> Rarity {
        let days = exp(s);
        if days.is_nan() || days < 1.5 {
            Rarity::Common
        } else if days > MILLION {
            Rarity::Beyond
        } else {
            Rarity::Once(self.number(significant(days, 100.0), 0))
        }
    }

    /// Not negative, with so many decimals at most.
    pub(super) fn number(self, x: f64, decimals: usize) -> Number {
        if !x.is_finite() {
            return Number { text: "?".to_owned(), form: Form::Fraction };
        }
        let text = format!("{:.decimals$}", x.max(0.0));
        digits(if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text }, self)
    }
}

impl Number {
    /// `record` or `records`.
    pub(super) fn en<'a>(&self, one: &'a str, many: &'a str) -> &'a str {
        if matches!(self.form, Form::Whole { one: true, .. }) { one } else { many }
    }

    /// `клиент`, `клиента` or `клиентов`: 1 and 21, 2 and 1,5, 5 and 11 and 111.
    pub(super) fn ru<'a>(&self, one: &'a str, few: &'a str, many: &'a str) -> &'a str {
        match self.form {
            Form::Fraction => few,
            Form::Whole { last_two: 11..=14, .. } => many,
            Form::Whole { last_two, .. } => match last_two % 10 {
                1 => one,
                2..=4 => few,
                _ => many,
            },
        }
    }

    /// With its noun, in English.
    pub(super) fn with_en(&self, one: &str, many: &str) -> String {
        format!("{} {}", self.text, self.en(one, many))
    }

    /// With its noun, in Russian.
    pub(super) fn with_ru(&self, one: &str, few: &str, many: &str) -> String {
        format!("{} {}", self.text, self.ru(one, few, many))
    }

    /// Whether nothing is shown.
    pub(super) fn is_zero(&self) -> bool {
        self.text == "0"
    }
}

/// Digits with an optional decimal point, grouped.
fn digits(plain: &str, language: Language) -> Number {
    let (whole, fraction) = plain.split_once('.').map_or((plain, None), |(w, f)| (w, Some(f)));
    let mut text = String::with_capacity(plain.len() + 8);
    for (i, c) in whole.char_indices() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            text.push(GROUP);
        }
        text.push(c);
    }
    let Some(fraction) = fraction else {
        let last_two = whole[whole.len().saturating_sub(2)..].parse().unwrap_or(0);
        return Number { text, form: Form::Whole { last_two, one: whole == "1" } };
    };
    text.push(if language == Language::English { '.' } else { ',' });
    text.push_str(fraction);
    Number { text, form: Form::Fraction }
}

/// Rounded so that the digits that matter are below `limit` (a power of ten).
fn significant(x: f64, limit: f64) -> f64 {
    let mut unit = 1.0;
    while x.is_finite() && x / unit >= limit {
        unit *= 10.0;
    }
    floor(x / unit + 0.5) * unit
}

#[cfg(test)]
mod tests {
    use super::*;

    const EN: Language = Language::English;
    const RU: Language = Language::Russian;

    fn clients(n: &Number) -> &'static str {
        n.ru("клиент", "клиента", "клиентов")
    }

    #[test]
    fn russian_nouns_follow_the_number_shown() {
        for (n, expected) in [
            (0.0, "клиентов"),
            (1.0, "клиент"),
            (2.0, "клиента"),
            (4.0, "клиента"),
            (5.0, "клиентов"),
            (11.0, "клиентов"),
            (12.0, "клиентов"),
            (14.0, "клиентов"),
            (21.0, "клиент"),
            (22.0, "клиента"),
            (25.0, "клиентов"),
            (101.0, "клиент"),
            (111.0, "клиентов"),
            (112.0, "клиентов"),
            (1001.0, "клиент"),
            (1.5, "клиента"),
            (0.8, "клиента"),
            (1.04, "клиент"),
            (120.6, "клиент"),
        ] {
            let shown = RU.counted(n);
            assert_eq!(clients(&shown), expected, "{}", shown.text);
        }
    }

    #[test]
    fn english_nouns_follow_too() {
        for (n, expected) in [(0.0, "0 clients"), (1.0, "1 client"), (1.04, "1 client"), (1.5, "1.5 clients"), (21.0, "21 clients")] {
            assert_eq!(EN.counted(n).with_en("client", "clients"), expected);
        }
    }

    #[test]
    fn rounds_for_display_only() {
        let check = |x: f64, counted: &str, about: &str| {
            assert_eq!((RU.counted(x).text.as_str(), RU.about(x).text.as_str()), (counted, about), "{x}");
        };
        check(0.0, "0", "0");
        check(-1.0, "0", "0");
        check(0.02, "0,02", "0");
        check(0.8, "0,8", "0,8");
        check(9.96, "10", "10");
        check(95.34, "95,3", "95");
        check(3640.0, "3\u{202f}640", "3\u{202f}640");
        check(12_345.6, "12\u{202f}346", "12\u{202f}300");
        check(1e6, "1\u{202f}000\u{202f}000", "1\u{202f}000\u{202f}000");
        check(f64::NAN, "?", "?");
        check(f64::INFINITY, "?", "?");
        assert_eq!(EN.counted(95.34).text, "95.3");
        assert_eq!(EN.whole(u64::MAX).text.matches(GROUP).count(), 6);
    }

    #[test]
    fn shares_and_rarity() {
        for (share, expected) in
            [(0.0, "0"), (1.0, "100"), (0.804, "80"), (0.0234, "2.3"), (0.004, "0.4"), (0.0004, "0.04"), (1e-6, "less than 0.01")]
        {
            assert_eq!(EN.percent(share), format!("{expected}\u{a0}%"));
        }
        assert_eq!(RU.percent(0.0234), "2,3\u{a0}%");
        let once = |s: f64| match EN.rarity(s) {
            Rarity::Once(n) => n.text,
            other => format!("{other:?}"),
        };
        assert_eq!(once(7.3), "1\u{202f}500");
        assert_eq!(once(0.5), "2");
        assert_eq!(once(0.3), "Common");
        assert_eq!(once(13.8), "980\u{202f}000");
        assert_eq!(once(13.9), "Beyond");
        assert_eq!(once(f64::INFINITY), "Beyond");
        assert_eq!(once(f64::NAN), "Common");
        assert_eq!(EN.bits(7.3).text, "10.5");
        assert_eq!(EN.millibits(14_249).text, "14.2");
    }
}

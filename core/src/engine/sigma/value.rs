//! What stands in an event's field, and what a rule asks of it.

use std::{borrow::Cow, cmp::Ordering, net::IpAddr};

use ipnet::IpNet;
use regex::{Regex, RegexBuilder};

/// A number: whole ones compare exactly, whatever their size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    Whole(i128),
    Real(f64),
}

impl Number {
    /// Decimal notation alone: `1`, `-2`, `3.5`, `1e6`.
    pub(super) fn read(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        if !digits.starts_with(|c: char| c.is_ascii_digit()) || digits.len() > 30 {
            return None;
        }
        let whole = digits.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten().map(Self::Whole);
        whole.or_else(|| text.parse().ok().filter(|n: &f64| n.is_finite()).map(Self::Real))
    }

    fn real(self) -> f64 {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "beside a broken number the nearest one will do")]
            Self::Whole(n) => n as f64,
            Self::Real(n) => n,
        }
    }

    /// None beside what is no number.
    pub(super) fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Whole(a), Self::Whole(b)) => Some(a.cmp(&b)),
            (a, b) => a.real().partial_cmp(&b.real()),
        }
    }

    fn text(self) -> String {
        match self {
            Self::Whole(n) => n.to_string(),
            Self::Real(n) => n.to_string(),
        }
    }
}

/// One value of an event's field.
#[derive(Debug)]
pub(super) enum Value<'a> {
    /// As it is, and in lower case.
    Text(Cow<'a, str>, Cow<'a, str>),
    Number(Number),
    Bool(bool),
    /// An object: it is there, and nothing is equal to it.
    Thing,
}

/// All values of an event's field.
#[derive(Debug)]
pub(super) enum Values<'a> {
    None,
    One(Value<'a>),
    Many(Vec<Value<'a>>),
}

impl<'a> Values<'a> {
    pub(super) fn all(&self) -> &[Value<'a>] {
        match self {
            Self::None => &[],
            Self::One(value) => std::slice::from_ref(value),
            Self::Many(values) => values,
        }
    }
}

impl<'a> Value<'a> {
    pub(super) fn text(text: impl Into<Cow<'a, str>>) -> Self {
        let text = text.into();
        let folded = match &text {
            Cow::Borrowed(text) => fold(text),
            Cow::Owned(text) => Cow::Owned(fold(text).into_owned()),
        };
        Self::Text(text, folded)
    }

    /// In its own letters or in lower case.
    fn written(&self, cased: bool) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(text, folded) => Some(Cow::Borrowed(if cased { text } else { folded })),
            Self::Number(n) => Some(Cow::Owned(n.text())),
            Self::Bool(b) => Some(Cow::Borrowed(if *b { "true" } else { "false" })),
            Self::Thing => None,
        }
    }

    /// Whether it is one of these, in sorted order and lower case.
    pub(super) fn is_one_of(&self, texts: &[String]) -> bool {
        !texts.is_empty() && self.written(false).is_some_and(|is| texts.binary_search_by(|text| text.as_str().cmp(&is)).is_ok())
    }

    /// Sources write many a number as text.
    fn number(&self) -> Option<Number> {
        match self {
            Self::Number(n) => Some(*n),
            Self::Text(text, _) => Number::read(text.trim()),
            _ => None,
        }
    }
}

/// Lower case, letter by letter: a part of a text folds as it does within the whole.
pub(super) fn fold(text: &str) -> Cow<'_, str> {
    let lower = |c: char| c.is_ascii_lowercase() || (c.is_ascii() && !c.is_ascii_uppercase());
    if text.chars().all(lower) { Cow::Borrowed(text) } else { Cow::Owned(text.chars().flat_map(char::to_lowercase).collect()) }
}

/// How two texts are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    Equal,
    Contains,
    Starts,
    Ends,
}

impl How {
    fn holds(self, text: &str, with: &str) -> bool {
        match self {
            Self::Equal => text == with,
            Self::Contains => text.contains(with),
            Self::Starts => text.starts_with(with),
            Self::Ends => text.ends_with(with),
        }
    }
}

/// What one value must be.
#[derive(Clone, Debug)]
pub(super) enum Test {
    /// The number, or the text as it was written.
    Number(Number, String),
    Bool(bool),
    /// A text without wildcards, folded unless the letters' case matters.
    Text {
        how: How,
        text: String,
        cased: bool,
    },
    /// A text with wildcards, or a regular expression; over the folded text unless the letters' case matters.
    Regex {
        regex: Regex,
        cased: bool,
    },
    Net(IpNet),
    /// The number on this side of another one, or that one itself.
    Compare {
        orders: &'static [Ordering],
        with: Number,
    },
}

impl Test {
    pub(super) fn holds(&self, value: &Value<'_>) -> bool {
        match self {
            Self::Number(number, written) => match value {
                Value::Number(n) => n.compare(*number) == Some(Ordering::Equal),
                Value::Text(_, text) => text == written,
                _ => false,
            },
            Self::Bool(b) => match value {
                Value::Bool(is) => is == b,
                Value::Text(_, text) => text == if *b { "true" } else { "false" },
                _ => false,
            },
            Self::Text { how, text, cased } => value.written(*cased).is_some_and(|is| how.holds(&is, text)),
            Self::Regex { regex, cased } => value.written(*cased).is_some_and(|is| regex.is_match(&is)),
            Self::Net(net) => match value {
                Value::Text(text, _) => text.parse::<IpAddr>().is_ok_and(|ip| net.contains(&ip.to_canonical())),
                _ => false,
            },
            Self::Compare { orders, with } => value.number().and_then(|n| n.compare(*with)).is_some_and(|o| orders.contains(&o)),
        }
    }
}

/// Whether two values of one event agree.
pub(super) fn agree(how: How, cased: bool, a: &Value<'_>, b: &Value<'_>) -> bool {
    if let (Value::Number(a), Value::Number(b), How::Equal) = (a, b, how) {
        return a.compare(*b) == Some(Ordering::Equal);
    }
    match (a.written(cased), b.written(cased)) {
        (Some(a), Some(b)) => how.holds(&a, &b),
        _ => false,
    }
}

/// Longest text of a regular expression or of a text with wildcards, bytes.
pub(super) const MAX_REGEX: usize = 1000;
/// What a compiled expression may take, and its cache while it runs, bytes.
const REGEX_SIZE: usize = 256 << 10;

/// A regular expression without backtracking: its time grows with the text alone.
pub(super) fn regex(pattern: &str, flags: &str) -> Result<Regex, String> {
    if pattern.len() > MAX_REGEX {
        return Err(format!("is longer than {MAX_REGEX} bytes"));
    }
    let mut builder = RegexBuilder::new(pattern);
    builder.size_limit(REGEX_SIZE).dfa_size_limit(REGEX_SIZE).nest_limit(50);
    builder.case_insensitive(flags.contains('i')).multi_line(flags.contains('m')).dot_matches_new_line(flags.contains('s'));
    builder.build().map_err(|e| match e {
        regex::Error::CompiledTooBig(_) => "becomes too large".to_owned(),
        // The last line says what, those before draw where.
        e => format!("is no regular expression: {}", e.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ")),
    })
}

/// A text of a rule, where `*` stands for anything, `?` for one letter, and `\` takes that from either.
pub(super) fn glob(text: &str, how: How, cased: bool) -> Result<Test, String> {
    let mut parts = Parts::default();
    if matches!(how, How::Contains | How::Ends) {
        parts.star();
    }
    let mut letters = text.chars().peekable();
    while let Some(c) = letters.next() {
        match c {
            '*' => parts.star(),
            '?' => parts.wild(".", false),
            '\\' => parts.letter(letters.next_if(|next| ['*', '?', '\\'].contains(next)).unwrap_or('\\')),
            c => parts.letter(c),
        }
    }
    if matches!(how, How::Contains | How::Starts) {
        parts.star();
    }
    parts.test(cased)
}

/// Texts between wildcards.
#[derive(Default)]
struct Parts {
    /// Text before each wildcard.
    before: Vec<(String, &'static str)>,
    rest: String,
}

impl Parts {
    fn letter(&mut self, c: char) {
        self.rest.push(c);
    }

    fn wild(&mut self, as_regex: &'static str, once: bool) {
        let again = once && self.rest.is_empty() && self.before.last().is_some_and(|(_, wild)| *wild == as_regex);
        if !again {
            self.before.push((std::mem::take(&mut self.rest), as_regex));
        }
    }

    fn star(&mut self) {
        self.wild(".*", true);
    }

    fn test(self, cased: bool) -> Result<Test, String> {
        let folded = |text: &str| if cased { text.to_owned() } else { fold(text).into_owned() };
        let plain = |how, text: &str| Ok(Test::Text { how, text: folded(text), cased });
        match self.before.as_slice() {
            [] => plain(How::Equal, &self.rest),
            [(start, ".*")] if self.rest.is_empty() => plain(How::Starts, start),
            [(none, ".*")] if none.is_empty() => plain(How::Ends, &self.rest),
            [(none, ".*"), (middle, ".*")] if none.is_empty() && self.rest.is_empty() => plain(How::Contains, middle),
            parts => {
                let mut pattern = r"\A".to_owned();
                for (text, wild) in parts {
                    pattern += &regex::escape(&folded(text));
                    pattern += wild;
                }
                pattern += &regex::escape(&folded(&self.rest));
                pattern += r"\z";
                Ok(Test::Regex { regex: regex(&pattern, "s")?, cased })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_and_escapes() {
        let holds = |pattern: &str, how, text: &'static str| glob(pattern, how, false).expect("a pattern").holds(&Value::text(text));
        for (pattern, how, text, expected) in [
            ("Все", How::Equal, "ВСЕ", true),
            ("все", How::Contains, "Экспорт: ВСЕ клиенты", true),
            ("a*c", How::Equal, "AbbbC", true),
            ("a*c", How::Equal, "abbbcd", false),
            ("a*c", How::Starts, "abbbcd", true),
            ("a?c", How::Equal, "aйc", true),
            ("a?c", How::Equal, "ac", false),
            ("*?x", How::Equal, "abx", true),
            ("*ab*ab", How::Equal, "abab", true),
            ("*ab*ab", How::Equal, "ab", false),
            (r"a\*c", How::Equal, "a*c", true),
            (r"a\*c", How::Equal, "abc", false),
            (r"c:\dir", How::Equal, r"C:\Dir", true),
            (r"c:\\*", How::Equal, r"c:\x", true),
            ("*", How::Equal, "", true),
            ("a.c", How::Equal, "abc", false),
            ("a\n*b", How::Equal, "a\n\nb", true),
            ("", How::Equal, "", true),
        ] {
            assert_eq!(holds(pattern, how, text), expected, "{pattern} {how:?} {text}");
        }
        assert!(!glob("a*", How::Equal, true).expect("a pattern").holds(&Value::text("Abc")));
    }

    #[test]
    fn numbers_are_exact_and_texts_of_numbers_count() {
        let over = Test::Compare { orders: &[Ordering::Greater], with: Number::Whole(i128::from(u64::MAX) - 1) };
        assert!(over.holds(&Value::Number(Number::Whole(u64::MAX.into()))));
        let over = Test::Compare { orders: &[Ordering::Greater], with: Number::Real(1.5) };
        assert!(over.holds(&Value::text(" 2")) && !over.holds(&Value::text("two")) && !over.holds(&Value::Number(Number::Real(f64::NAN))));
        assert!(Test::Number(Number::Real(1.0), "1.0".to_owned()).holds(&Value::Number(Number::Whole(1))));
        assert!(Test::Number(Number::Real(1.0), "1.0".to_owned()).holds(&Value::text("1.0")));
        assert_eq!((Number::read("inf"), Number::read(""), Number::read("-"), Number::read("1_0")), (None, None, None, None));
    }

    #[test]
    fn expressions_are_bounded() {
        assert!(regex(&"(a*)*".repeat(300), "").expect_err("long").contains("longer"));
        assert!(regex("(?:[\\w]{100}){100}", "").expect_err("large").contains("large"));
        assert!(regex(r"(a)\1", "").expect_err("a reference back").contains("backreferences"));
        assert!(regex(&"(".repeat(900), "").is_err());
        let slow = regex("^(a+)+$", "").expect("an expression");
        assert!(!slow.is_match(&format!("{}!", "a".repeat(1 << 20))));
    }
}

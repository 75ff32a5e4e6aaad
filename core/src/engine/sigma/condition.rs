//! The condition of a rule: `(selection or 1 of other_*) and not filter`.

use super::value::{How, Test, Value, glob};

/// The longest chain of `(` and `not`.
const DEPTH: usize = 30;
/// The most words and parentheses.
const WORDS: usize = 500;

const NO_COUNTS: &str = "aggregations (| count() ...) are not supported: a rule decides on one event; what adds up over time is \
                         found by Filin's own controls";

/// Over the selections of a rule, by their places; a set is a mask of bits, so a rule has 64 at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    Selection(u32),
    AnyOf(u64),
    AllOf(u64),
    Not(Box<Condition>),
    And(Vec<Condition>),
    Or(Vec<Condition>),
}

impl Condition {
    /// `holds` says whether a selection does.
    pub(super) fn holds(&self, holds: &mut impl FnMut(u32) -> bool) -> bool {
        let bits = |mask: u64| (0..u64::BITS).filter(move |i| mask >> i & 1 == 1);
        match self {
            Self::Selection(i) => holds(*i),
            Self::AnyOf(mask) => bits(*mask).any(holds),
            Self::AllOf(mask) => bits(*mask).all(holds),
            Self::Not(inner) => !inner.holds(holds),
            Self::And(all) => all.iter().all(|inner| inner.holds(holds)),
            Self::Or(any) => any.iter().any(|inner| inner.holds(holds)),
        }
    }

    /// Reads a condition over selections with these names.
    pub(super) fn read(text: &str, names: &[&str]) -> Result<Self, String> {
        let tokens = tokens(text)?;
        let mut reader = Reader { tokens: &tokens, names };
        let condition = reader.or(0)?;
        match reader.tokens.first() {
            None => Ok(condition),
            Some(token) => Err(format!("the condition goes on with {token:?} where and, or, or its end was expected")),
        }
    }
}

fn tokens(text: &str) -> Result<Vec<&str>, String> {
    if text.contains('|') {
        return Err(NO_COUNTS.to_owned());
    }
    let (mut tokens, mut rest) = (Vec::new(), text.trim_start());
    while !rest.is_empty() {
        let end =
            if rest.starts_with(['(', ')']) { 1 } else { rest.find(|c: char| c.is_whitespace() || "()".contains(c)).unwrap_or(rest.len()) };
        let (token, after) = rest.split_at(end);
        tokens.push(token);
        rest = after.trim_start();
    }
    match tokens.len() {
        0 => Err("the condition is empty".to_owned()),
        1..=WORDS => Ok(tokens),
        n => Err(format!("the condition has {n} words, more than {WORDS}")),
    }
}

struct Reader<'a> {
    tokens: &'a [&'a str],
    names: &'a [&'a str],
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<&'a str, String> {
        let (first, rest) = self.tokens.split_first().ok_or("the condition ends too early")?;
        self.tokens = rest;
        Ok(first)
    }

    /// Takes a word if it comes next.
    fn take(&mut self, word: &str) -> bool {
        let there = self.tokens.first().is_some_and(|t| t.eq_ignore_ascii_case(word));
        if there {
            self.tokens = &self.tokens[1..];
        }
        there
    }

    fn or(&mut self, depth: usize) -> Result<Condition, String> {
        let mut any = vec![self.and(depth)?];
        while self.take("or") {
            any.push(self.and(depth)?);
        }
        Ok(if any.len() == 1 { any.remove(0) } else { Condition::Or(any) })
    }

    fn and(&mut self, depth: usize) -> Result<Condition, String> {
        let mut all = vec![self.not(depth)?];
        while self.take("and") {
            all.push(self.not(depth)?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Condition::And(all) })
    }

    fn not(&mut self, depth: usize) -> Result<Condition, String> {
        if depth > DEPTH {
            return Err(format!("the condition is nested deeper than {DEPTH} levels"));
        }
        if self.take("not") {
            return Ok(Condition::Not(Box::new(self.not(depth + 1)?)));
        }
        if self.take("(") {
            let inner = self.or(depth + 1)?;
            return if self.take(")") { Ok(inner) } else { Err("the condition lacks a )".to_owned()) };
        }
        let word = self.next()?;
        let of = self.tokens.first().is_some_and(|t| t.eq_ignore_ascii_case("of"));
        if of {
            self.tokens = &self.tokens[1..];
            let over = self.next()?;
            let set = self.set(over)?;
            return match word.to_ascii_lowercase().as_str() {
                "1" | "any" => Ok(Condition::AnyOf(set)),
                "all" => Ok(Condition::AllOf(set)),
                _ => Err(format!("{word:?} of is neither 1 of nor all of")),
            };
        }
        match self.names.iter().position(|name| *name == word) {
            Some(i) => Ok(Condition::Selection(u32::try_from(i).unwrap_or(u32::MAX))),
            None => Err(format!("the condition names {word:?}, and there is no such selection")),
        }
    }

    /// `them` are all but those that begin with `_`.
    fn set(&self, over: &str) -> Result<u64, String> {
        let them = over.eq_ignore_ascii_case("them");
        let pattern = glob(over, How::Equal, true)?;
        let named = |name: &str| if them { !name.starts_with('_') } else { is(&pattern, name) };
        let set = self.names.iter().enumerate().filter(|(_, name)| named(name)).fold(0, |set, (i, _)| set | 1 << i);
        if set == 0 { Err(format!("no selection is one of {over:?}")) } else { Ok(set) }
    }
}

fn is(pattern: &Test, name: &str) -> bool {
    pattern.holds(&Value::text(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 4] = ["a", "b_1", "b_2", "_c"];

    /// Whether it holds when these selections do.
    fn check(text: &str, those: &[&str]) -> bool {
        let condition = Condition::read(text, &NAMES).unwrap_or_else(|e| panic!("{text}: {e}"));
        condition.holds(&mut |i| those.contains(&NAMES[i as usize]))
    }

    #[test]
    fn what_binds_how() {
        for (text, those, expected) in [
            ("a or b_1 and b_2", &["a"][..], true),
            ("(a or b_1) and b_2", &["a"], false),
            ("not a and b_1", &["b_1"], true),
            ("not (a or b_1)", &["b_2"], true),
            ("NOT a AND not b_1", &["b_1"], false),
            ("1 of b_*", &["b_2"], true),
            ("all of b_*", &["b_2"], false),
            ("all of them", &["a", "b_1", "b_2"], true),
            ("any of them", &["_c"], false),
            ("not 1 of b_* or _c", &["b_1", "_c"], true),
            ("not not a", &["a"], true),
        ] {
            assert_eq!(check(text, those), expected, "{text} {those:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let deep = format!("{}a{}", "(".repeat(40), ")".repeat(40));
        let long = ["a"; 300].join(" or ");
        for (text, part) in [
            ("", "empty"),
            ("a and", "ends too early"),
            ("(a", "lacks a )"),
            ("a b_1", "goes on with \"b_1\""),
            ("a)", "goes on with \")\""),
            ("d", "names \"d\""),
            ("1 of d*", "no selection"),
            ("2 of them", "\"2\" of"),
            ("a | count() by actor.id > 5", "aggregations"),
            (&deep, "nested"),
            (&long, "599 words"),
        ] {
            let said = Condition::read(text, &NAMES).expect_err(text);
            assert!(said.contains(part), "{text}: {said}");
        }
    }
}

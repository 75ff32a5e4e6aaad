//! The user's own rules: Sigma rules over the canonical event, its enrichment and its person (CONTROLS.md, `sigma`).
//!
//! A [`Book`] is read from texts once per policy and then only asked. A text that cannot be used is refused with its line while the
//! others run. Reading takes time in proportion to the texts, [`Book::matches`] in proportion to what rules ask for times the size
//! of the fields that they name; only those are looked at. docs/sigma.md is the page for those who write rules.

mod condition;
mod detection;
mod field;
mod rule;
#[cfg(test)]
mod tests;
mod value;
mod yaml;

use std::{collections::BTreeMap, fmt};

pub use detection::{MAX_REGEXES, MAX_VALUES, MODIFIERS};
pub use field::{ALL as FIELDS, Field, Kind};
pub use rule::Rule;

use super::Severity;
use crate::event::Enriched;
use detection::{Compiler, Seen};
use field::{Place, Scene};
use yaml::{Wrong, wrong};

/// Rules that may run.
pub const MAX_RULES: usize = 500;
/// Longest text of one rule, bytes.
pub const MAX_TEXT: usize = 64 << 10;

/// Rules, ready for use.
#[derive(Clone, Debug, Default)]
pub struct Book {
    files: BTreeMap<String, String>,
    rules: Vec<Rule>,
    places: Vec<Place>,
}

/// Of the same texts the same rules are made.
impl PartialEq for Book {
    fn eq(&self, other: &Self) -> bool {
        self.files == other.files
    }
}

/// What the caller knows of the person at the event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// At or after the first instant without access.
    pub dismissed: bool,
    /// At or after notice, or dismissed.
    pub leaving: bool,
    /// Hour of their wall clock, 0 to 23.
    pub hour: u8,
    /// Day of their week, 1 (Monday) to 7.
    pub weekday: u8,
}

/// A rule that does not run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Refused {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// Why.
    pub reason: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.reason)
    }
}

impl Book {
    /// Reads all rules of files (name to text), in the order of names and lines; of two with one id the first runs.
    pub fn read(files: &BTreeMap<String, String>) -> (Self, Vec<Refused>) {
        let mut book = Self { files: files.clone(), ..Self::default() };
        let (mut compiler, mut places, mut refused) = (Compiler::default(), BTreeMap::new(), Vec::new());
        for (file, text) in files {
            for document in yaml::documents(text) {
                let before = compiler.mark();
                match read(&document, &mut compiler, &book.rules, &places) {
                    Ok(rule) => {
                        places.insert(rule.id.clone(), format!("{file}:{}", document.line));
                        book.rules.push(rule);
                    }
                    Err(Wrong { line, reason }) => {
                        compiler.back_to(&before);
                        refused.push(Refused { file: file.clone(), line, reason });
                    }
                }
            }
        }
        book.places = compiler.places;
        (book, refused)
    }

    /// The rules that hold, in the order of their files.
    pub fn matches(&self, event: &Enriched, facts: &Facts) -> Vec<&Rule> {
        if self.rules.is_empty() {
            return Vec::new();
        }
        let seen = Seen::new(Scene { event, facts }, &self.places);
        self.rules.iter().filter(|rule| rule.detection.holds(&seen)).collect()
    }

    /// All that run.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The rule with an id.
    pub fn rule(&self, id: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.id == id)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }
}

fn read(document: &yaml::Document<'_>, compiler: &mut Compiler, rules: &[Rule], places: &BTreeMap<String, String>) -> Result<Rule, Wrong> {
    if rules.len() >= MAX_RULES {
        return wrong(document.line, format!("there are more than {MAX_RULES} rules"));
    }
    if document.text.len() > MAX_TEXT {
        return wrong(document.line, format!("the rule is longer than {} KiB", MAX_TEXT >> 10));
    }
    let root = document.parse()?;
    let rule = Rule::read(&root, document.text, compiler)?;
    match places.get(&rule.id) {
        Some(first) => wrong(root.get("id").map_or(root.line, |id| id.line), format!("id {} is that of the rule at {first}", rule.id)),
        None => Ok(rule),
    }
}

//! Text → a tree that knows its lines. The part of YAML 1.2 that rules need: no anchors, no tags, no key twice, and not deeper
//! than [`DEPTH`], so that no text costs more than its length.

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};

use super::value::Number;

/// How deep lists and mappings may lie in one another.
pub(super) const DEPTH: usize = 12;

/// What is wrong, and on which line (from 1).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) line: usize,
    pub(super) reason: String,
}

/// A value with the line on which it begins.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) is: Is,
}

#[derive(Debug)]
pub(super) enum Is {
    Null,
    Bool(bool),
    /// A number, and how it was written.
    Number(Number, String),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

#[derive(Debug)]
pub(super) struct Key {
    pub(super) line: usize,
    pub(super) name: String,
}

impl Node {
    pub(super) fn wrong<T>(&self, reason: impl Into<String>) -> Result<T, Wrong> {
        wrong(self.line, reason)
    }

    /// The value of a key; of anything but a mapping none.
    pub(super) fn get(&self, name: &str) -> Option<&Node> {
        let Is::Map(entries) = &self.is else { return None };
        entries.iter().find(|(key, _)| key.name == name).map(|(_, node)| node)
    }

    /// A scalar as it was written.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.is {
            Is::Text(text) | Is::Number(_, text) => Some(text),
            _ => None,
        }
    }
}

pub(super) fn wrong<T>(line: usize, reason: impl Into<String>) -> Result<T, Wrong> {
    Err(Wrong { line, reason: reason.into() })
}

/// One document of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Document<'a> {
    /// The line of the file on which its text begins.
    pub(super) line: usize,
    pub(super) text: &'a str,
}

/// Cuts a file at its `---` lines, so that a broken document costs itself and no other. YAML allows such a line nowhere else, not
/// even within a block of text.
pub(super) fn documents(file: &str) -> Vec<Document<'_>> {
    let file = file.strip_prefix('\u{feff}').unwrap_or(file);
    let (mut all, mut from, mut at, mut first) = (Vec::new(), 0, 0, 1);
    for (i, line) in file.split_inclusive('\n').enumerate() {
        if line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n'])) {
            all.push(Document { line: first, text: &file[from..at] });
            (from, first) = (at, i + 1);
        }
        at += line.len();
    }
    all.push(Document { line: first, text: &file[from..] });
    all.retain(|document| document.text.lines().any(says_something));
    all
}

/// Comments, directives and marks are no content.
fn says_something(line: &str) -> bool {
    let line = line.strip_prefix("---").unwrap_or(line).trim();
    !(line.is_empty() || line.starts_with(['#', '%']) || line == "...")
}

impl Document<'_> {
    pub(super) fn parse(&self) -> Result<Node, Wrong> {
        let mut reader = Reader { parser: Parser::new_from_str(self.text), before: self.line - 1 };
        loop {
            match reader.next()? {
                (Event::StreamStart | Event::DocumentStart(_) | Event::Nothing, _) => {}
                (Event::StreamEnd, line) => return wrong(line, "there is nothing here"),
                (event, line) => {
                    let root = reader.node(event, line, 0)?;
                    return reader.end().map(|()| root);
                }
            }
        }
    }
}

struct Reader<'a, P: Iterator<Item = Result<(Event<'a>, Span), ScanError>>> {
    parser: P,
    /// Lines of the file before the document.
    before: usize,
}

impl<'a, P: Iterator<Item = Result<(Event<'a>, Span), ScanError>>> Reader<'a, P> {
    fn next(&mut self) -> Result<(Event<'a>, usize), Wrong> {
        match self.parser.next() {
            Some(Ok((event, span))) => Ok((event, self.before + span.start.line().max(1))),
            Some(Err(e)) => wrong(self.before + e.marker().line().max(1), format!("is no YAML: {}", e.info())),
            None => wrong(self.before + 1, "is no YAML: it ends too early"),
        }
    }

    /// Nothing may follow the document.
    fn end(&mut self) -> Result<(), Wrong> {
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok(()),
                (Event::DocumentEnd | Event::Nothing, _) => {}
                (_, line) => return wrong(line, "a further document begins with a line ---"),
            }
        }
    }

    fn node(&mut self, event: Event<'a>, line: usize, depth: usize) -> Result<Node, Wrong> {
        if depth > DEPTH {
            return wrong(line, format!("lies deeper than {DEPTH} levels"));
        }
        let is = match event {
            Event::Alias(_) => return wrong(line, "aliases (*name) are not read"),
            Event::Scalar(_, _, _, Some(_)) | Event::SequenceStart(_, Some(_)) | Event::MappingStart(_, Some(_)) => {
                return wrong(line, "tags (!name) are not read");
            }
            Event::Scalar(text, ScalarStyle::Plain, ..) => plain(&text),
            Event::Scalar(text, ..) => Is::Text(text.into_owned()),
            Event::SequenceStart(..) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break Is::List(items),
                        (event, line) => items.push(self.node(event, line, depth + 1)?),
                    }
                }
            }
            Event::MappingStart(..) => self.map(depth)?,
            _ => return wrong(line, "is no YAML: a value was expected"),
        };
        Ok(Node { line, is })
    }

    fn map(&mut self, depth: usize) -> Result<Is, Wrong> {
        let (mut entries, mut names) = (Vec::<(Key, Node)>::new(), std::collections::BTreeSet::new());
        loop {
            let (event, line) = self.next()?;
            let name = match event {
                Event::MappingEnd => return Ok(Is::Map(entries)),
                Event::Scalar(text, _, _, None) => text.into_owned(),
                _ => return wrong(line, "a key must be a word"),
            };
            if !names.insert(name.clone()) {
                return wrong(line, format!("{name:?} is there twice"));
            }
            let (event, at) = self.next()?;
            // The empty value has no place of its own.
            let value = self.node(event, at.max(line), depth + 1)?;
            entries.push((Key { line, name }, value));
        }
    }
}

/// The core schema of YAML 1.2: `yes`, `no`, `on` and `off` are words.
fn plain(text: &str) -> Is {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Is::Null,
        "true" | "True" | "TRUE" => Is::Bool(true),
        "false" | "False" | "FALSE" => Is::Bool(false),
        _ => Number::read(text).map_or_else(|| Is::Text(text.to_owned()), |n| Is::Number(n, text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(text: &str) -> (usize, String) {
        let wrong = documents(text)[0].parse().expect_err(text);
        (wrong.line, wrong.reason)
    }

    #[test]
    fn documents_are_cut_at_their_marks_alone() {
        let text = "# a licence\n---\na: 1\nb: |\n  ---\n  x\n--- # next\nc: ---\n...\n---\n---\n%YAML 1.2\n---\nd: [\n";
        let found: Vec<(usize, &str)> = documents(text).iter().map(|d| (d.line, d.text)).collect();
        let expected = [(2, "---\na: 1\nb: |\n  ---\n  x\n"), (7, "--- # next\nc: ---\n...\n"), (13, "---\nd: [\n")];
        assert_eq!(found, expected);
        let root = documents(text)[0].parse().expect("YAML");
        assert_eq!((root.get("b").and_then(Node::text), root.get("c").map(|n| n.line)), (Some("---\nx\n"), None));
        assert!(documents("").is_empty() && documents("\u{feff}# nothing\n\n").is_empty());
    }

    #[test]
    fn scalars_are_those_of_the_core_schema() {
        let root = documents("a: off\nb: 1.20\nc: 'true'\nd: TRUE\ne:\nf: 0x1F\ng: 1.2.3\nh: .nan\ni: -7").remove(0).parse().expect("YAML");
        let get = |key: &str| &root.get(key).expect("there").is;
        assert!(matches!(get("a"), Is::Text(t) if t == "off"));
        assert!(matches!(get("b"), Is::Number(Number::Real(n), t) if (n - 1.2).abs() < 1e-12 && t == "1.20"));
        assert!(matches!(get("c"), Is::Text(t) if t == "true"));
        assert!(matches!(get("d"), Is::Bool(true)));
        assert!(matches!(get("e"), Is::Null));
        assert!(matches!(get("f"), Is::Text(_)) && matches!(get("g"), Is::Text(_)) && matches!(get("h"), Is::Text(_)));
        assert!(matches!(get("i"), Is::Number(Number::Whole(-7), _)));
    }

    #[test]
    fn what_rules_do_not_need_is_refused_with_its_line() {
        assert_eq!(reason("a: &x 1\nb: *x").0, 2);
        assert_eq!(reason("a: 1\nb: !!str 2"), (2, "tags (!name) are not read".to_owned()));
        assert_eq!(reason("\n\na: 1\nb: 2\na: 3"), (5, "\"a\" is there twice".to_owned()));
        assert_eq!(reason("[1, 2]: 3"), (1, "a key must be a word".to_owned()));
        assert_eq!(reason("a: 1\n...\nb: 2"), (3, "a further document begins with a line ---".to_owned()));
        let (line, said) = reason("a: 1\nb: 'open\n");
        assert!(line >= 2 && said.starts_with("is no YAML: "), "{line}: {said}");
        assert!(reason(&format!("a: {}{}", "[".repeat(20), "]".repeat(20))).1.contains("deeper"));
        for hostile in ["[", "{", "- ", "? ", "a: [", "'", "\"\\", "&a *a ", "!<", "[[],", "{a: ", "\t", "|\n", "a:\n a:\n", "%", ": "] {
            let text = hostile.repeat(60_000 / hostile.len());
            documents(&text).iter().for_each(|d| drop(d.parse()));
        }
    }
}

//! What a statement is: its kind, its format, and where the data of an `INSERT` begin.

use super::lex::{Kind, Lexer, Token};

/// What a statement begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Select,
    Insert,
    Show,
    Exists,
    Describe,
    Explain,
    Kill,
    Optimize,
    Other,
}

/// A text, cut into tokens.
#[derive(Debug)]
pub(super) struct Statement<'a> {
    sql: &'a [u8],
    /// Without those of an `INSERT`'s data.
    pub(super) tokens: Vec<Token>,
    pub(super) verb: Verb,
    /// What its `FORMAT` clause names.
    pub(super) format: Option<String>,
    /// The `FORMAT` clause of a statement that is no `INSERT`.
    format_clause: Option<(usize, usize)>,
    /// An `INSERT` whose data follow.
    pub(super) data: Option<Data>,
}

/// Where the data of an `INSERT` are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Data {
    /// The statement without `FORMAT` and data ends here.
    pub(super) sql_end: usize,
    /// The data begin here; more may follow the text.
    pub(super) at: usize,
}

impl<'a> Statement<'a> {
    pub(super) fn read(sql: &'a [u8]) -> Self {
        let first = Lexer::new(sql).next();
        let verb = first.map_or(Verb::Other, |token| verb(sql, token));
        let mut statement = Self { sql, tokens: Vec::new(), verb, format: None, format_clause: None, data: None };
        if verb == Verb::Insert {
            statement.read_insert();
        } else {
            statement.tokens = Lexer::new(sql).collect();
            statement.find_format();
        }
        statement
    }

    /// The text of a token.
    pub(super) fn text(&self, token: Token) -> &'a [u8] {
        self.sql.get(token.start..token.end).unwrap_or_default()
    }

    /// A part of the text.
    pub(super) fn between(&self, start: usize, end: usize) -> &'a [u8] {
        self.sql.get(start..end).unwrap_or_default()
    }

    /// Whether the token is this keyword.
    pub(super) fn is(&self, token: Token, keyword: &str) -> bool {
        token.kind == Kind::Word && self.text(token).eq_ignore_ascii_case(keyword.as_bytes())
    }

    /// Whether this keyword stands anywhere outside of quotes and data.
    pub(super) fn has(&self, keyword: &str) -> bool {
        self.tokens.iter().any(|&token| self.is(token, keyword))
    }

    /// The statement without its `FORMAT` clause and what follows a closing semicolon.
    pub(super) fn without_format(&self) -> Vec<u8> {
        let mut sql = self.sql.to_vec();
        if let Some((start, end)) = self.format_clause {
            sql.splice(start..end, *b" ");
        }
        while let Some(b';' | b' ' | b'\t' | b'\n' | b'\r') = sql.last() {
            sql.pop();
        }
        sql
    }

    /// The statement as a log may show it: without texts, numbers and odd names.
    pub(super) fn shape(&self) -> String {
        let mut shape = String::new();
        for &token in &self.tokens {
            let text = String::from_utf8_lossy(self.text(token));
            let plain = text.bytes().all(|c| c.is_ascii_alphanumeric() || b"_`\"".contains(&c));
            let glued = matches!(token.kind, Kind::Close | Kind::Sign(b'.' | b',')) || shape.ends_with(['.', '(']);
            if !glued && !shape.is_empty() && token.kind != Kind::Open {
                shape.push(' ');
            }
            shape.push_str(match token.kind {
                Kind::Word | Kind::Open | Kind::Close | Kind::Sign(_) => &text,
                Kind::Quoted if plain => &text,
                _ => "?",
            });
            if shape.len() > 400 {
                shape.push('…');
                break;
            }
        }
        shape
    }

    fn read_insert(&mut self) {
        let sql = self.sql;
        let mut lexer = Lexer::new(sql);
        let mut depth = 0_i32;
        let mut previous: Option<Token> = None;
        while let Some(token) = lexer.next() {
            let name = previous.is_some_and(|p| p.kind == Kind::Sign(b'.') || ["INTO", "TABLE"].iter().any(|k| self.is(p, k)));
            let opened = previous.is_some_and(|p| p.kind == Kind::Open);
            let select = ["SELECT", "WITH"].iter().any(|k| self.is(token, k));
            self.tokens.push(token);
            match token.kind {
                Kind::Open => depth += 1,
                Kind::Close => depth -= 1,
                // An INSERT of a SELECT brings its data itself.
                Kind::Word if select && !name && (depth == 0 || (depth == 1 && opened)) => {
                    self.tokens.extend(lexer);
                    self.find_format();
                    return;
                }
                Kind::Word if depth == 0 && !name && self.is(token, "FORMAT") => {
                    if let Some(format) = lexer.clone().next().filter(|next| next.kind == Kind::Word) {
                        self.format = Some(String::from_utf8_lossy(self.text(format)).into_owned());
                        self.data = Some(Data { sql_end: token.start, at: behind_blanks(sql, format.end) });
                        self.tokens.pop();
                        return;
                    }
                }
                Kind::Word if depth == 0 && !name && self.is(token, "VALUES") => {
                    self.format = Some("Values".to_owned());
                    self.data = Some(Data { sql_end: token.start, at: token.end });
                    self.tokens.pop();
                    return;
                }
                Kind::Word if self.is(token, "INFILE") => {
                    self.tokens.extend(lexer);
                    return;
                }
                _ => {}
            }
            previous = Some(token);
        }
        let end = self.tokens.iter().rev().find(|t| t.kind != Kind::Sign(b';')).map_or(0, |t| t.end);
        self.data = Some(Data { sql_end: end, at: sql.len() });
    }

    /// `FORMAT name` at the end, or before `SETTINGS` or `;`, outside of brackets.
    fn find_format(&mut self) {
        let mut depth = 0_i32;
        for (i, &token) in self.tokens.iter().enumerate() {
            match token.kind {
                Kind::Open => depth += 1,
                Kind::Close => depth -= 1,
                _ => {}
            }
            let named = self.tokens.get(i + 1).copied().filter(|t| matches!(t.kind, Kind::Word | Kind::Quoted));
            let Some(name) = named.filter(|_| depth == 0 && i > 0 && self.is(token, "FORMAT")) else { continue };
            let tail = self.tokens.get(i + 2).copied();
            if tail.is_none_or(|t| t.kind == Kind::Sign(b';') || self.is(t, "SETTINGS") || self.is(t, "PARALLEL")) {
                let text = String::from_utf8_lossy(self.text(name));
                self.format = Some(text.trim_matches(['`', '"']).to_owned());
                self.format_clause = Some((token.start, name.end));
            }
        }
    }
}

fn verb(sql: &[u8], first: Token) -> Verb {
    let word = sql.get(first.start..first.end).unwrap_or_default().to_ascii_uppercase();
    match (first.kind, word.as_slice()) {
        (Kind::Open, b"(") | (_, b"SELECT" | b"WITH") => Verb::Select,
        (_, b"INSERT") => Verb::Insert,
        (_, b"SHOW") => Verb::Show,
        (_, b"EXISTS") => Verb::Exists,
        (_, b"DESC" | b"DESCRIBE") => Verb::Describe,
        (_, b"EXPLAIN") => Verb::Explain,
        (_, b"KILL") => Verb::Kill,
        (_, b"OPTIMIZE") => Verb::Optimize,
        _ => Verb::Other,
    }
}

/// Blanks and one line end between `FORMAT name` and the data belong to neither; binary data may begin with a line end.
fn behind_blanks(sql: &[u8], mut at: usize) -> usize {
    let is = |at: usize, set: &[u8]| sql.get(at).is_some_and(|c| set.contains(c));
    while is(at, b" \t\x0c") {
        at += 1;
    }
    if is(at, b"\r") && is(at + 1, b"\n") {
        at += 1;
    }
    if is(at, b"\n") { at + 1 } else { at }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn insert(sql: &str, expected: (&str, &str, &str)) {
        let statement = Statement::read(sql.as_bytes());
        let data = statement.data.clone().unwrap_or_else(|| panic!("{sql}: no data"));
        let format = statement.format.clone().unwrap_or_default();
        assert_eq!((sql[..data.sql_end].trim_end(), format.as_str(), &sql[data.at..]), expected, "{sql}");
    }

    #[test]
    fn an_insert_is_split_where_its_data_begin() {
        insert("INSERT INTO t FORMAT CSV\n1,2\n", ("INSERT INTO t", "CSV", "1,2\n"));
        insert("insert into t (`a b`, format) format RowBinary\n\n;FORMAT", ("insert into t (`a b`, format)", "RowBinary", "\n;FORMAT"));
        insert("INSERT INTO t FORMAT TSV\r\n1", ("INSERT INTO t", "TSV", "1"));
        insert("INSERT INTO t(a) VALUES (1, 'FORMAT x'), (2)", ("INSERT INTO t(a)", "Values", " (1, 'FORMAT x'), (2)"));
        insert("INSERT INTO t SETTINGS async_insert=1 VALUES (1)", ("INSERT INTO t SETTINGS async_insert=1", "Values", " (1)"));
        insert("INSERT INTO format.values FORMAT JSONEachRow {}", ("INSERT INTO format.values", "JSONEachRow", "{}"));
        insert("INSERT INTO values VALUES (1)", ("INSERT INTO values", "Values", " (1)"));
        insert("INSERT INTO t /* FORMAT x */ -- VALUES\n FORMAT TSV", ("INSERT INTO t /* FORMAT x */ -- VALUES", "TSV", ""));
        insert("INSERT INTO t (a, b);", ("INSERT INTO t (a, b)", "", ""));
        insert("INSERT INTO FUNCTION null('a UInt8') VALUES (1)", ("INSERT INTO FUNCTION null('a UInt8')", "Values", " (1)"));
    }

    #[test]
    fn an_insert_of_a_select_has_no_data() {
        for sql in [
            "INSERT INTO t SELECT 1 FORMAT CSV",
            "INSERT INTO t (a) WITH 1 AS x SELECT x",
            "INSERT INTO t (SELECT 1)",
            "INSERT INTO t FROM INFILE '/x' FORMAT CSV",
        ] {
            assert_eq!(Statement::read(sql.as_bytes()).data, None, "{sql}");
        }
    }

    #[test]
    fn the_format_clause_is_the_one_at_the_end() {
        #[track_caller]
        fn check(sql: &str, format: Option<&str>, rest: &str) {
            let statement = Statement::read(sql.as_bytes());
            assert_eq!(statement.format.as_deref(), format, "{sql}");
            assert_eq!(String::from_utf8_lossy(&statement.without_format()), rest, "{sql}");
        }
        check("SELECT 1 FORMAT JSON;", Some("JSON"), "SELECT 1");
        check("SELECT 1 FORMAT JSON SETTINGS max_threads=1", Some("JSON"), "SELECT 1   SETTINGS max_threads=1");
        check("SELECT format FROM formats", None, "SELECT format FROM formats");
        check("SELECT (SELECT 1 AS format) AS x", None, "SELECT (SELECT 1 AS format) AS x");
        check("SELECT format(a, b) FROM t", None, "SELECT format(a, b) FROM t");
    }

    #[test]
    fn a_log_line_shows_no_values() {
        let shape = |sql: &str| Statement::read(sql.as_bytes()).shape();
        assert_eq!(
            shape("SELECT a, count(*) FROM filin.`t` WHERE b = 'Ivanov' AND c>7"),
            "SELECT a, count(*) FROM filin.`t` WHERE b = ? AND c > ?"
        );
        assert_eq!(shape("INSERT INTO t (a) VALUES ('secret')"), "INSERT INTO t(a)");
        assert_eq!(shape("SELECT 1 AS \"Иванов\""), "SELECT ? AS ?");
    }
}

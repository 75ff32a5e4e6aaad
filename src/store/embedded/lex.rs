//! Cuts SQL into tokens the way ClickHouse's own lexer does, as far as needed to find where data begin and what a reader asks for.
//! What it is not sure about becomes [`Kind::Odd`], and who must be sure refuses that.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A keyword or a bare identifier.
    Word,
    /// An identifier in back-ticks or double quotes.
    Quoted,
    /// A text in single quotes.
    Text,
    /// A number.
    Number,
    /// `(`, `[` or `{`.
    Open,
    /// `)`, `]` or `}`.
    Close,
    /// Any other sign.
    Sign(u8),
    /// A quote or comment without an end, a here-document, a byte beyond ASCII outside of quotes.
    Odd,
}

/// A token and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The tokens of a text, without blanks and comments.
#[derive(Clone, Debug)]
pub(super) struct Lexer<'a> {
    sql: &'a [u8],
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(sql: &'a [u8]) -> Self {
        Self { sql, at: 0 }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.sql.get(self.at + ahead).copied()
    }

    /// Skips blanks and comments; false when a comment has no end.
    fn skip(&mut self) -> bool {
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some(b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c), _) => self.at += 1,
                (Some(b'-'), Some(b'-')) | (Some(b'#'), Some(b' ' | b'!')) => {
                    while self.peek(0).is_some_and(|c| c != b'\n') {
                        self.at += 1;
                    }
                }
                (Some(b'/'), Some(b'*')) => {
                    let mut depth = 0;
                    loop {
                        match (self.peek(0), self.peek(1)) {
                            (Some(b'/'), Some(b'*')) => (depth, self.at) = (depth + 1, self.at + 2),
                            (Some(b'*'), Some(b'/')) => (depth, self.at) = (depth - 1, self.at + 2),
                            (Some(_), _) => self.at += 1,
                            (None, _) => return false,
                        }
                        if depth == 0 {
                            break;
                        }
                    }
                }
                _ => return true,
            }
        }
    }

    /// Moves behind the closing quote; false when there is none. A doubled quote reads as two tokens side by side.
    fn quoted(&mut self, quote: u8) -> bool {
        self.at += 1;
        while let Some(c) = self.peek(0) {
            self.at += if c == b'\\' { 2 } else { 1 };
            if c == quote {
                return true;
            }
        }
        self.at = self.sql.len();
        false
    }

    fn word(&mut self) {
        while self.peek(0).is_some_and(|c| c.is_ascii_alphanumeric() || c == b'_' || c == b'$') {
            self.at += 1;
        }
    }
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let blank = self.at;
        if !self.skip() {
            return Some(Token { kind: Kind::Odd, start: blank, end: self.at });
        }
        let start = self.at;
        let first = self.peek(0)?;
        let kind = match first {
            b'\'' => {
                if self.quoted(first) {
                    Kind::Text
                } else {
                    Kind::Odd
                }
            }
            b'"' | b'`' => {
                if self.quoted(first) {
                    Kind::Quoted
                } else {
                    Kind::Odd
                }
            }
            b'0'..=b'9' => {
                self.word();
                Kind::Number
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
                self.word();
                Kind::Word
            }
            _ => {
                self.at += 1;
                match first {
                    b'(' | b'[' | b'{' => Kind::Open,
                    b')' | b']' | b'}' => Kind::Close,
                    b'$' | b'\\' | 0..=0x1f | 0x7f.. => Kind::Odd,
                    sign => Kind::Sign(sign),
                }
            }
        };
        Some(Token { kind, start, end: self.at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(sql: &str, expected: &[&str]) {
        let tokens: Vec<_> = Lexer::new(sql.as_bytes()).map(|t| sql.get(t.start..t.end).unwrap()).collect();
        assert_eq!(tokens, expected, "{sql}");
    }

    #[test]
    fn quotes_and_comments_hide_what_they_hold() {
        check("SELECT 'a;b\\'c' -- FORMAT\n, \"x`y\"", &["SELECT", "'a;b\\'c'", ",", "\"x`y\""]);
        check("a /* b /* c */ d */ e", &["a", "e"]);
        check("#! x\na # y\nb#c", &["a", "b", "#", "c"]);
        check("1e5+0x1f, 1.INTO", &["1e5", "+", "0x1f", ",", "1", ".", "INTO"]);
        check("a$b {p:UInt8}", &["a$b", "{", "p", ":", "UInt8", "}"]);
        check("'it''s'", &["'it'", "'s'"]);
    }

    #[test]
    fn what_is_not_sure_is_odd() {
        for sql in ["'a", "`a", "\"a\\\"", "/* a /* b */", "$x$ SELECT $x$", "\u{2018}a\u{2019}", "a\u{a0}b", "\0"] {
            assert!(Lexer::new(sql.as_bytes()).any(|t| t.kind == Kind::Odd), "{sql}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic_and_tokens_lie_in_order(sql in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let mut end = 0;
            for token in Lexer::new(&sql) {
                assert!(end <= token.start && token.start < token.end && token.end <= sql.len());
                end = token.end;
            }
        }
    }
}

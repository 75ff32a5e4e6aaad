//! Secrets in raw bytes, taken out before the bytes are kept: whatever stands beside a name such as `token`, `password` or `cookie`.
//!
//! A dead letter may be no JSON at all, so the bytes are looked at as they are: names and values of JSON (also of JSON within a
//! string), forms, addresses, headers and XML. What is left can be read again: a text stays a text, any other value becomes `null`.

use std::borrow::Cow;

use super::rules;

/// What stands in place of a secret text.
const MASK: &[u8] = b"***";
/// What stands in place of any other value of JSON.
const NONE: &[u8] = b"null";
/// Names of secrets are no longer.
const LONGEST: usize = 64;
/// So many marks and spaces may stand between a name and its value.
const NEAR: usize = 12;

/// Raw bytes without their secrets; borrowed when there are none.
pub fn mask(raw: &[u8]) -> Cow<'_, [u8]> {
    let (mut out, mut kept, mut at) = (Vec::new(), 0, 0);
    while at < raw.len() {
        if !is_word(raw[at]) {
            at += 1;
            continue;
        }
        let end = at + raw[at..].iter().take_while(|&&b| is_word(b)).count();
        let found = std::str::from_utf8(&raw[at..end]).ok().and_then(|name| value(raw, at, end, name));
        at = end;
        if let Some(found) = found {
            if raw[found.from..found.to] != *found.instead {
                out.extend_from_slice(&raw[kept..found.from]);
                out.extend_from_slice(found.instead);
                kept = found.to;
            }
            at = found.to.max(end);
        }
    }
    if kept == 0 {
        return Cow::Borrowed(raw);
    }
    out.extend_from_slice(&raw[kept..]);
    Cow::Owned(out)
}

/// Whether a field or header of this name holds a secret.
pub fn is_secret(name: &str) -> bool {
    const ENDS: &[&str] = &["apikey", "passwd", "passphrase", "pwd", "access_key", "private_key", "secret_key"];
    const WHOLE: &[&str] = &["authorization", "proxy_authorization", "signature", "phpsessid", "jsessionid"];
    if name.len() > LONGEST {
        return false;
    }
    let plain = name.to_ascii_lowercase().replace('-', "_");
    rules::is_secret(&plain) || WHOLE.contains(&plain.as_str()) || ENDS.iter().any(|end| plain.ends_with(end))
}

fn is_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_' || b == b'-'
}

/// A secret: where it stands, and what may stand there.
struct Found {
    from: usize,
    to: usize,
    instead: &'static [u8],
}

/// The value beside a name that stands at `start..end`, where it is a secret's.
fn value(raw: &[u8], start: usize, end: usize, name: &str) -> Option<Found> {
    if name.eq_ignore_ascii_case("bearer") && raw.get(end) == Some(&b' ') {
        let to = end + 1 + raw[end + 1..].iter().take_while(|&&b| is_word(b) || b"._~+/=".contains(&b)).count();
        // Shorter ones are words of a sentence.
        return (to - end > 8).then_some(Found { from: end + 1, to, instead: MASK });
    }
    let of_address = name.eq_ignore_ascii_case("sid");
    if !of_address && !is_secret(name) {
        return None;
    }
    let mut at = end;
    let mut quoted = false;
    while let Some(&b) = raw.get(at)
        && at - end < NEAR
    {
        match b {
            b'"' | b'\'' => quoted = true,
            b'\\' | b']' => {}
            b'%' if raw[at..].len() > 2 && [b"22", b"5D", b"5d"].contains(&&[raw[at + 1], raw[at + 2]]) => at += 2,
            _ => break,
        }
        at += 1;
    }
    at = spaces(raw, at);
    let rest = &raw[at..];
    let by_address = rest.starts_with(b"=") || rest.starts_with(b"%3D") || rest.starts_with(b"%3d");
    if of_address && !by_address {
        return None;
    }
    match rest.first()? {
        b'%' if by_address => Some(until(raw, at + 3, b"& \t\r\n\"'\\<>", true)),
        b'>' if start > 0 && raw[start - 1] == b'<' => Some(until(raw, at + 1, b"<", false)),
        b'=' | b':' => {
            let assigned = rest[0] == b'=';
            let from = spaces(raw, at + 1);
            let slashes = raw[from..].iter().take(NEAR).take_while(|&&b| b == b'\\').count();
            match raw.get(from + slashes)? {
                quote @ (b'"' | b'\'') => Some(string(raw, from + slashes + 1, *quote, slashes)),
                b'{' | b'[' if quoted => Some(Found { from, to: nested(raw, from), instead: NONE }),
                _ if quoted => {
                    let bare = until(raw, from, b",}] \t\r\n\\\"", false);
                    let word = &raw[bare.from..bare.to];
                    let says_nothing = matches!(word, b"null" | b"true" | b"false") || word.is_empty();
                    (!says_nothing).then_some(Found { instead: NONE, ..bare })
                }
                _ if assigned => Some(until(raw, from, b"&;, \t\r\n\"'\\<>)}", true)),
                // A header has the rest of its line.
                _ => Some(until(raw, from, b"\r\n\"'\\", false)),
            }
        }
        _ => None,
    }
}

fn spaces(raw: &[u8], at: usize) -> usize {
    at + raw[at..].iter().take(NEAR).take_while(|b| b.is_ascii_whitespace()).count()
}

/// A bare text up to one of these marks, and to an encoded `&` where it stands in an address.
fn until(raw: &[u8], from: usize, marks: &[u8], encoded: bool) -> Found {
    let from = from.min(raw.len());
    let ends = |at: usize| marks.contains(&raw[at]) || encoded && raw[at..].starts_with(b"%26");
    let to = (from..raw.len()).find(|&at| ends(at)).unwrap_or(raw.len());
    Found { from, to, instead: MASK }
}

/// The inside of a string whose quotes stand behind so many backslashes.
fn string(raw: &[u8], from: usize, quote: u8, slashes: usize) -> Found {
    let mut run = 0;
    for at in from..raw.len() {
        let b = raw[at];
        let closes = b == quote && if slashes == 0 { run % 2 == 0 } else { run <= slashes };
        if closes {
            return Found { from, to: if slashes == 0 { at } else { at - run }, instead: MASK };
        }
        run = if b == b'\\' { run + 1 } else { 0 };
    }
    Found { from, to: raw.len(), instead: MASK }
}

/// The end of an object or array.
fn nested(raw: &[u8], from: usize) -> usize {
    let (mut depth, mut inside, mut escaped) = (0_usize, false, false);
    for (at, &b) in raw.iter().enumerate().skip(from) {
        match b {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => inside = !inside,
            b'{' | b'[' if !inside => depth += 1,
            b'}' | b']' if !inside => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    raw.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn secrets_go_and_the_rest_stays() {
        let check = |raw: &str, expected: &str| {
            assert_eq!(String::from_utf8_lossy(&mask(raw.as_bytes())), expected, "{raw}");
            assert_eq!(mask(&mask(raw.as_bytes())), mask(raw.as_bytes()), "{raw}");
        };
        check(r#"{"id":1,"access_token":"ab\"c","b":"x"}"#, r#"{"id":1,"access_token":"***","b":"x"}"#);
        check(r#"{"Password" : 1234, "authTokenId":"7"}"#, r#"{"Password" : null, "authTokenId":"7"}"#);
        check(r#"{"cookies":{"a":"}","b":[1]},"k":2}"#, r#"{"cookies":null,"k":2}"#);
        check(r#"{"token":null,"secret":true}"#, r#"{"token":null,"secret":true}"#);
        check(r#"{"body":"{\"api_key\":\"k\",\"n\":1}"}"#, r#"{"body":"{\"api_key\":\"***\",\"n\":1}"}"#);
        check("event=ONCRMADD&auth[access_token]=abc&auth[domain]=d", "event=ONCRMADD&auth[access_token]=***&auth[domain]=d");
        check(r#"{"auth[application_token]":"abc","ts":"1"}"#, r#"{"auth[application_token]":"***","ts":"1"}"#);
        check("vpbx_api_key=k&sign=s&json=%7B%7D", "vpbx_api_key=***&sign=***&json=%7B%7D");
        check("GET /x?sid=5&token%3Dabc%26b=1 HTTP/1.1", "GET /x?sid=***&token%3D***%26b=1 HTTP/1.1");
        check("Cookie: a=b; c=d\nHost: x\nAuthorization: Basic Zm9v", "Cookie: ***\nHost: x\nAuthorization: ***");
        check("X-Api-Key: 1\r\nA: 2", "X-Api-Key: ***\r\nA: 2");
        check("sent with Bearer abcdefghij to it", "sent with Bearer *** to it");
        check("the bearer came", "the bearer came");
        check("<user><password>p</password></user>", "<user><password>***</password></user>");
        check(r#"{"token":"never closed"#, r#"{"token":"***"#);
        check(r#"{"design":"x","sid":"S-1-5","tokens_used":3}"#, r#"{"design":"x","sid":"S-1-5","tokens_used":3}"#);
        check("{\"пароль\":1,\"token\":\"\u{43f}\"}", "{\"пароль\":1,\"token\":\"***\"}");
    }

    proptest! {
        #[test]
        fn no_bytes_harm(parts in prop::collection::vec(prop::sample::select(vec![
            "token", "\"", "\\", ":", "=", "{", "}", "[", "]", "%3D", "%", "<", ">", " ", "x", "bearer ", "cookie", "\n", "'", "&", "1", "я",
        ]), 0..40)) {
            let raw = parts.concat();
            let once = mask(raw.as_bytes()).into_owned();
            prop_assert!(once.len() <= raw.len() * 4 + 4);
            prop_assert!(std::str::from_utf8(&once).is_ok());
        }

        #[test]
        fn a_record_stays_one(secret in "[ -~]{1,30}", other in "[ -~]{0,30}") {
            let record = serde_json::json!({"a": other, "password": secret, "z": [1, {"refresh_token": secret}]});
            let masked = mask(record.to_string().as_bytes()).into_owned();
            let read: serde_json::Value = serde_json::from_slice(&masked).expect("still JSON");
            prop_assert_eq!(&read["password"], "***");
            prop_assert_eq!(&read["z"][1]["refresh_token"], "***");
            prop_assert_eq!(&read["z"][0], 1);
        }
    }
}

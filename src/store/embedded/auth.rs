//! Who asks, and whether a request may come from where it came.

use base64::Engine as _;
use hyper::{HeaderMap, header};

use super::connection::Exception;
use crate::ops::config::Secret;

/// The account that Filin itself writes with.
pub const WRITER: &str = "filin";
/// The account for dashboards.
pub const READER: &str = "default";

/// What an account may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Account {
    Writer,
    Reader,
}

/// The accounts of a listener.
#[derive(Debug)]
pub(super) struct Accounts {
    pub(super) writer: Secret,
    /// None: no password, which is allowed on loopback only.
    pub(super) reader: Option<Secret>,
}

impl Accounts {
    /// Who the request is from: `X-ClickHouse-User`, then `Authorization`, then `?user=`.
    pub(super) fn identify(&self, headers: &HeaderMap, parameters: &[(String, String)]) -> Result<Account, Exception> {
        let parameter = |name: &str| parameters.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let text = |name: &str| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let (user, password) = if let Some(user) = text("x-clickhouse-user") {
            (user, text("x-clickhouse-key").unwrap_or_default())
        } else if let Some(value) = headers.get(header::AUTHORIZATION) {
            basic(value.as_bytes()).ok_or_else(failed)?
        } else {
            let password = text("x-clickhouse-key").or_else(|| parameter("password")).unwrap_or_default();
            (parameter("user").filter(|user| !user.is_empty()).unwrap_or_else(|| READER.to_owned()), password)
        };
        let (account, right) = match user.as_str() {
            WRITER => (Account::Writer, self.writer.is(password.as_bytes())),
            READER => (Account::Reader, self.reader.as_ref().map_or(password.is_empty(), |secret| secret.is(password.as_bytes()))),
            _ => return Err(failed()),
        };
        if right { Ok(account) } else { Err(failed()) }
    }
}

/// The same words whichever part was wrong, and without the name that was tried: it may be a password in the wrong field.
fn failed() -> Exception {
    let message = "Authentication failed: password is incorrect, or there is no user with such name";
    Exception::new(516, "AUTHENTICATION_FAILED", message)
}

fn basic(value: &[u8]) -> Option<(String, String)> {
    let (scheme, rest) = value.split_at_checked(6)?;
    let decoded = base64::engine::general_purpose::STANDARD.decode(rest.trim_ascii()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (user, password) = text.split_once(':')?;
    scheme.eq_ignore_ascii_case(b"basic ").then(|| (user.to_owned(), password.to_owned()))
}

/// Refuses what a browser sends from somebody else's page: a foreign `Host` on loopback (DNS rebinding), a cross-site request.
pub(super) fn check_origin(headers: &HeaderMap, loopback: bool) -> Result<(), &'static str> {
    if headers.get("sec-fetch-site").is_some_and(|site| site.as_bytes().eq_ignore_ascii_case(b"cross-site")) {
        return Err("requests from other sites are refused");
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok());
    if loopback && (!host.is_some_and(is_loopback_name) || hosts.next().is_some()) {
        return Err("the Host header must name this machine by a loopback name: localhost, 127.0.0.1 or [::1]");
    }
    Ok(())
}

fn is_loopback_name(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((name, port)) => (name, port),
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let port = port.strip_prefix(':').is_none_or(|port| port.parse::<u16>().is_ok()) && (port.is_empty() || port.starts_with(':'));
    let loopback = name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    port && (loopback || name.eq_ignore_ascii_case("localhost") || name.eq_ignore_ascii_case("localhost."))
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn accounts(reader: Option<&str>) -> Accounts {
        Accounts { writer: Secret::new("w"), reader: reader.map(Secret::new) }
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|&(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    #[track_caller]
    fn check(accounts: &Accounts, pairs: &[(&'static str, &'static str)], query: &[(&str, &str)], expected: Option<Account>) {
        let query: Vec<_> = query.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect();
        assert_eq!(accounts.identify(&headers(pairs), &query).ok(), expected, "{pairs:?} {query:?}");
    }

    #[test]
    fn accounts_are_known_by_header_basic_or_parameter() {
        let open = accounts(None);
        check(&open, &[], &[], Some(Account::Reader));
        check(&open, &[], &[("user", "default"), ("password", "")], Some(Account::Reader));
        check(&open, &[], &[("password", "x")], None);
        check(&open, &[], &[("user", "filin"), ("password", "w")], Some(Account::Writer));
        check(&open, &[], &[("user", "filin")], None);
        check(&open, &[("x-clickhouse-user", "filin"), ("x-clickhouse-key", "w")], &[], Some(Account::Writer));
        check(&open, &[("x-clickhouse-user", "filin")], &[("password", "w")], None);
        check(&open, &[("authorization", "Basic ZmlsaW46dw==")], &[], Some(Account::Writer));
        check(&open, &[("authorization", "Basic ZmlsaW46eA==")], &[("user", "default")], None);
        check(&open, &[("authorization", "Bearer abc")], &[], None);
        check(&open, &[], &[("user", "admin"), ("password", "w")], None);
        let closed = accounts(Some("r"));
        check(&closed, &[], &[], None);
        check(&closed, &[("x-clickhouse-user", "default"), ("x-clickhouse-key", "r")], &[], Some(Account::Reader));
    }

    #[test]
    fn a_refusal_does_not_repeat_what_was_tried() {
        let e = accounts(None).identify(&HeaderMap::new(), &[("user".to_owned(), "hunter2".to_owned())]).unwrap_err();
        assert!(!e.text.contains("hunter2"), "{e:?}");
    }

    #[test]
    fn pages_of_others_are_refused() {
        for host in ["localhost", "LOCALHOST:8123", "127.0.0.1:8123", "127.1.2.3", "[::1]:8123", "[::1]"] {
            let map: HeaderMap = [(header::HOST, HeaderValue::from_static(host))].into_iter().collect();
            assert_eq!(check_origin(&map, true), Ok(()), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "evil:127.0.0.1",
            "10.0.0.1:8123",
            "[::2]",
            "localhost:x",
            "",
        ] {
            let map: HeaderMap = [(header::HOST, HeaderValue::from_static(host))].into_iter().collect();
            assert!(check_origin(&map, true).is_err(), "{host}");
            assert!(check_origin(&map, false).is_ok(), "{host}");
        }
        assert!(check_origin(&HeaderMap::new(), true).is_err());
        assert!(check_origin(&headers(&[("host", "localhost"), ("sec-fetch-site", "cross-site")]), true).is_err());
        assert!(check_origin(&headers(&[("sec-fetch-site", "Cross-Site")]), false).is_err());
        assert!(check_origin(&headers(&[("host", "localhost"), ("sec-fetch-site", "same-origin")]), true).is_ok());
    }
}

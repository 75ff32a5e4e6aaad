//! What a request asks for: parameters of the URL, headers, fields of a form.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use hyper::{HeaderMap, Method, header, http::request::Parts};

use super::{auth::Account, compress::Coding, connection::Exception};

/// Parameters of the HTTP interface that are no settings of ClickHouse, and those whose meaning is taken care of here.
const NOT_SETTINGS: &[&str] = &[
    "add_http_cors_header",
    "buffer_size",
    "client_protocol_version",
    "close_session",
    "compress",
    "database",
    "decompress",
    "default_format",
    "enable_http_compression",
    "framing",
    "http_headers_progress_interval_ms",
    "http_zlib_compression_level",
    "log_comment",
    "password",
    "query",
    "query_id",
    "quota_key",
    "role",
    "send_progress_in_http_headers",
    "session_check",
    "session_id",
    "session_timeout",
    "stacktrace",
    "user",
    "wait_end_of_query",
];
const MAX_ID: usize = 256;

/// A request, before its body was read.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) account: Account,
    pub(super) id: String,
    /// What the engine knows it by, so that it can be cancelled. Nobody outside can guess it: ids are given by clients and may be those of others.
    pub(super) ticket: String,
    /// The statement, or its beginning; the rest is in the body.
    pub(super) query: String,
    pub(super) database: Option<String>,
    pub(super) default_format: Option<String>,
    /// Values of `{name:Type}`.
    pub(super) parameters: Vec<(String, Vec<u8>)>,
    pub(super) settings: Vec<(String, String)>,
    pub(super) session: Option<Session>,
    /// Of the Native format; 0: as libchdb writes it.
    pub(super) revision: u64,
    pub(super) content_encoding: String,
    /// The body is in ClickHouse's blocks.
    pub(super) blocks: bool,
    pub(super) coding: Coding,
    /// The boundary of a form.
    pub(super) boundary: Option<String>,
    /// GET does not write.
    pub(super) read_only: bool,
    /// Nothing is sent before all is known.
    pub(super) wait_end: bool,
}

/// A session that the client wants to continue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Session {
    pub(super) id: String,
    pub(super) timeout_s: u64,
    /// It must exist.
    pub(super) check: bool,
    pub(super) close: bool,
}

impl Request {
    pub(super) fn read(parts: &Parts, account: Account, parameters: Vec<(String, String)>, id: String) -> Result<Self, Exception> {
        let header = |name: &str| text(&parts.headers, name);
        let mut request = Self {
            account,
            id,
            ticket: ticket(),
            query: String::new(),
            database: header("x-clickhouse-database"),
            default_format: header("x-clickhouse-format"),
            parameters: Vec::new(),
            settings: Vec::new(),
            session: None,
            revision: 0,
            content_encoding: header(header::CONTENT_ENCODING.as_str()).unwrap_or_default().trim().to_ascii_lowercase(),
            blocks: false,
            coding: Coding::Plain,
            boundary: None,
            read_only: parts.method == Method::GET || parts.method == Method::HEAD,
            wait_end: false,
        };
        let content_type = header(header::CONTENT_TYPE.as_str()).unwrap_or_default();
        if content_type.to_ascii_lowercase().starts_with("multipart/form-data") {
            request.boundary = Some(boundary(&content_type).ok_or_else(|| bad("a form needs a boundary"))?);
        }
        let mut session = Session { id: String::new(), timeout_s: 60, check: false, close: false };
        let (mut compress, mut http) = (false, true);
        for (name, value) in &parameters {
            match name.as_str() {
                "session_id" => session.id.clone_from(value),
                "session_timeout" => session.timeout_s = value.parse().map_err(|_| bad("session_timeout is a number of seconds"))?,
                "session_check" => session.check = yes(value),
                "close_session" => session.close = yes(value),
                "client_protocol_version" => {
                    request.revision = value.parse().map_err(|_| bad("client_protocol_version is a number"))?;
                }
                "compress" => compress = yes(value),
                "decompress" => request.blocks = yes(value),
                "enable_http_compression" => http = yes(value),
                "wait_end_of_query" => request.wait_end = yes(value),
                _ => {}
            }
        }
        for (name, value) in parameters {
            request.take(name, value.into_bytes())?;
        }
        if !session.id.is_empty() {
            if session.id.len() > MAX_ID {
                return Err(bad("session_id is too long"));
            }
            request.session = Some(session);
        }
        let accepted = header(header::ACCEPT_ENCODING.as_str()).unwrap_or_default();
        request.coding = match (compress, http) {
            (true, _) => Coding::Blocks,
            (_, true) => Coding::accepted(&accepted),
            _ => Coding::Plain,
        };
        Ok(request)
    }

    /// A parameter of the URL or a field of the form.
    fn take(&mut self, name: String, value: Vec<u8>) -> Result<(), Exception> {
        if let Some(parameter) = name.strip_prefix("param_") {
            self.parameters.push((parameter.to_owned(), value));
            return Ok(());
        }
        let value = String::from_utf8(value).map_err(|_| bad(format!("{} is not UTF-8", name.escape_debug())))?;
        match name.as_str() {
            "query" => self.query.push_str(&value),
            "database" if !value.is_empty() => self.database = Some(value),
            "default_format" if !value.is_empty() => self.default_format = Some(value),
            name if NOT_SETTINGS.contains(&name) => {}
            name if !name.is_empty() && name.len() <= MAX_ID && name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_') => {
                self.settings.push((name.to_owned(), value));
            }
            name => {
                let name: String = name.chars().take(60).collect();
                return Err(Exception::new(115, "UNKNOWN_SETTING", format!("Unknown setting '{}'", name.escape_debug())));
            }
        }
        Ok(())
    }

    /// Takes the fields of a form; files, which would be external tables, are refused.
    pub(super) fn take_form(&mut self, boundary: &str, body: &[u8]) -> Result<(), Exception> {
        let delimiter = format!("--{boundary}");
        let broken = || bad("the form cannot be read");
        let mut rest = &body[find(body, delimiter.as_bytes()).ok_or_else(broken)? + delimiter.len()..];
        let end = format!("\r\n{delimiter}");
        while !rest.starts_with(b"--") {
            let head_end = find(rest, b"\r\n\r\n").ok_or_else(broken)?;
            let head = String::from_utf8_lossy(&rest[..head_end]);
            let disposition = head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-disposition:")).ok_or_else(broken)?;
            if disposition.contains("filename=") {
                return Err(Exception::new(48, "NOT_IMPLEMENTED", "external tables are not supported: insert into a table of a session"));
            }
            let name = disposition.split_once("name=\"").and_then(|(_, name)| name.split_once('"')).ok_or_else(broken)?.0.to_owned();
            let value = &rest[head_end + 4..];
            let value_end = find(value, end.as_bytes()).ok_or_else(broken)?;
            self.take(name, value[..value_end].to_vec())?;
            rest = &value[value_end + end.len()..];
        }
        Ok(())
    }
}

fn ticket() -> String {
    static SECRET: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{:016x}", SECRET.hash_one(NEXT.fetch_add(1, Ordering::Relaxed)))
}

/// A header as text.
pub(super) fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// The id of a query that the client gave, if it can stand in a header.
pub(super) fn given_id(parameters: &[(String, String)]) -> Option<String> {
    let given = parameters.iter().rev().find(|(name, value)| name == "query_id" && !value.is_empty())?;
    let fits = given.1.len() <= MAX_ID && given.1.bytes().all(|c| c.is_ascii_graphic() && c != b'\'' && c != b'\\');
    fits.then(|| given.1.clone())
}

fn yes(value: &str) -> bool {
    value == "1" || value.eq_ignore_ascii_case("true")
}

fn bad(message: impl std::fmt::Display) -> Exception {
    Exception::new(36, "BAD_ARGUMENTS", message)
}

fn boundary(content_type: &str) -> Option<String> {
    let (_, rest) = content_type.split_once("boundary=")?;
    let boundary = match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next()?,
        None => rest.split(';').next()?.trim(),
    };
    (!boundary.is_empty() && boundary.len() <= 70).then(|| boundary.to_owned())
}

fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    text.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(uri: &str, headers: &[(&str, &str)]) -> Result<Request, Exception> {
        let mut builder = hyper::Request::builder().method("POST").uri(uri);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        let parts = builder.body(()).unwrap().into_parts().0;
        let parameters = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        Request::read(&parts, Account::Writer, parameters, "id".to_owned())
    }

    #[test]
    fn parameters_settings_and_the_rest_are_told_apart() {
        let r = request("/?query=SELECT+1&database=d&param_a=%27x%27&max_threads=3&compress=1&session_id=s&session_timeout=9&user=u", &[])
            .unwrap();
        assert_eq!((r.query.as_str(), r.database.as_deref()), ("SELECT 1", Some("d")));
        assert_eq!(r.parameters, [("a".to_owned(), b"'x'".to_vec())]);
        assert_eq!(r.settings, [("max_threads".to_owned(), "3".to_owned())]);
        assert_eq!(r.session, Some(Session { id: "s".to_owned(), timeout_s: 9, check: false, close: false }));
        assert_eq!(r.coding, Coding::Blocks);
        assert_eq!(request("/?a%27%3D1=2", &[]).unwrap_err().code, 115);
        assert_eq!(request("/", &[("accept-encoding", "gzip")]).unwrap().coding, Coding::Gzip);
        assert_eq!(request("/?enable_http_compression=0", &[("accept-encoding", "gzip")]).unwrap().coding, Coding::Plain);
    }

    #[test]
    fn a_form_gives_the_same_as_the_url() {
        let mut r = request("/", &[("content-type", "multipart/form-data; boundary=\"b b\"")]).unwrap();
        let boundary = r.boundary.clone().unwrap();
        let body = b"--b b\r\nContent-Disposition: form-data; name=\"query\"\r\n\r\nSELECT {a:String}\r\n\
            --b b\r\nContent-Disposition: form-data; name=\"param_a\"\r\nX: y\r\n\r\n\r\n--b\n\r\n--b b--\r\n";
        r.take_form(&boundary, body).unwrap();
        assert_eq!(r.query, "SELECT {a:String}");
        assert_eq!(r.parameters, [("a".to_owned(), b"\r\n--b\n".to_vec())]);
        let file = b"--b b\r\nContent-Disposition: form-data; name=\"t\"; filename=\"t\"\r\n\r\n1\r\n--b b--";
        assert_eq!(r.take_form(&boundary, file).unwrap_err().code, 48);
        assert_eq!(r.take_form(&boundary, b"--b b\r\n").unwrap_err().code, 36);
        assert_eq!(r.take_form(&boundary, b"").unwrap_err().code, 36);
    }
}

//! A small HTTP client that shows everything and hides nothing.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// The body came to its end.
    pub(super) whole: bool,
}

impl Answer {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// ClickHouse's number of the error; 0 when there is none.
    pub(super) fn code(&self) -> u32 {
        self.header("x-clickhouse-exception-code").map_or(0, |code| code.parse().unwrap())
    }
}

/// Sends a request on a connection of its own. `head` are lines without their ends.
pub(super) fn ask(addr: SocketAddr, method: &str, target: &str, head: &[&str], body: &[u8]) -> Answer {
    let mut stream = open(addr);
    // Whoever refuses a request may close before all of it is read; what counts is the answer.
    stream.write_all(&request(method, target, head, body)).ok();
    answer(&mut stream, method == "HEAD")
}

pub(super) fn open(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).expect("the listener listens");
    stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    stream
}

pub(super) fn request(method: &str, target: &str, head: &[&str], body: &[u8]) -> Vec<u8> {
    let mut text = format!("{method} {target} HTTP/1.1\r\nConnection: close\r\n");
    for line in head {
        text += &format!("{line}\r\n");
    }
    if !head.iter().any(|line| line.to_ascii_lowercase().starts_with("host:")) {
        text += "Host: localhost\r\n";
    }
    text += &format!("Content-Length: {}\r\n\r\n", body.len());
    let mut bytes = text.into_bytes();
    bytes.extend(body);
    bytes
}

pub(super) fn answer(stream: &mut TcpStream, no_body: bool) -> Answer {
    let mut bytes = Vec::new();
    let cut = stream.read_to_end(&mut bytes).is_err();
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n");
    let Some(end) = end else { return Answer { status: 0, headers: Vec::new(), body: Vec::new(), whole: false } };
    let head = String::from_utf8(bytes[..end].to_vec()).expect("headers are ASCII");
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a status line").parse().expect("a number");
    let headers: Vec<_> = lines.filter_map(|line| line.split_once(':')).map(|(n, v)| (n.to_owned(), v.trim().to_owned())).collect();
    let rest = &bytes[end + 4..];
    let mut answer = Answer { status, headers, body: Vec::new(), whole: !cut };
    if answer.header("transfer-encoding") == Some("chunked") {
        (answer.body, answer.whole) = chunks(rest);
    } else {
        let length: usize = answer.header("content-length").map_or(0, |n| n.parse().unwrap());
        answer.body = rest.to_vec();
        answer.whole &= no_body || rest.len() == length;
    }
    answer
}

fn chunks(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let Some(line) = rest.windows(2).position(|w| w == b"\r\n") else { return (body, false) };
        let size = std::str::from_utf8(&rest[..line]).ok().and_then(|text| usize::from_str_radix(text.trim(), 16).ok());
        let Some(size) = size else { return (body, false) };
        rest = &rest[line + 2..];
        if size == 0 {
            return (body, true);
        }
        body.extend(&rest[..size.min(rest.len())]);
        let Some(next) = rest.get(size + 2..) else { return (body, false) };
        rest = next;
    }
}

/// `a=b&c=d`, escaped.
pub(super) fn query(pairs: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs);
    format!("/?{}", query.finish())
}

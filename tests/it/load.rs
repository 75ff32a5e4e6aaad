//! Ten times what is expected, beside slow and broken clients: who is shed is told when to come again, and what was taken is stored.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use filin::ops::clock;
use serde_json::json;

use crate::service::{Service, request};

const PUSHERS: usize = 16;
const BODIES: usize = 8;
const LINES: usize = 200;
/// A company of 10 000 makes fifty events a second; these come as fast as they are taken.
const EVENTS: usize = PUSHERS * BODIES * LINES;
const SLOW: usize = 60;
const BIG: usize = 32 << 20;

fn head(host: &str, length: usize) -> String {
    format!(
        "POST /v1/events HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: application/x-ndjson\r\nContent-Length: {length}\r\n\r\n"
    )
}

fn connected(service: &Service, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(&service.console).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket");
    // Who is shed early is not let send the rest.
    stream.write_all(bytes).ok();
    stream
}

/// A push of which so much is sent.
fn pushed(service: &Service, length: usize, body: &[u8]) -> TcpStream {
    connected(service, &[head(&service.console, length).as_bytes(), body].concat())
}

/// Status, and whether it is said when to come again.
fn answer(mut stream: TcpStream) -> (u16, bool) {
    let mut text = Vec::new();
    stream.read_to_end(&mut text).ok();
    let text = String::from_utf8_lossy(&text).to_ascii_lowercase();
    let status = text.split_whitespace().nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
    (status, text.contains("\r\nretry-after: "))
}

/// Most of its memory that was ever in use, bytes.
fn peak(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).expect("a line");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number") << 10
}

#[test]
fn ten_times_too_much_is_shed_and_what_was_taken_is_stored() {
    let root = tempfile::tempdir().expect("a folder");
    let service = Service::start(&root.path().join("data"), &[]);
    let calm = peak(service.pid());
    // Those who begin and do not go on, with the head or with the body.
    let slow: Vec<TcpStream> = (0..SLOW)
        .map(|i| if i % 2 == 0 { connected(&service, b"POST /v1/events HTTP/1.1\r\nHo") } else { pushed(&service, BIG, b"{") })
        .collect();
    let shed = AtomicUsize::new(0);
    let now = clock::now().to_string();
    thread::scope(|scope| {
        for pusher in 0..PUSHERS {
            let (service, shed, now) = (&service, &shed, &now);
            scope.spawn(move || {
                for body in 0..BODIES {
                    let line = |i: usize| {
                        let id = format!("{pusher}-{body}-{i}");
                        json!({"id": id, "time": now, "source": "crm", "actor": {"id": format!("m{}", i % 40)}, "action": "view",
                            "object": {"type": "client", "id": format!("c{i}")}})
                        .to_string()
                    };
                    let lines: Vec<String> = (0..LINES).map(line).collect();
                    let text = lines.join("\n");
                    loop {
                        let (status, later) = answer(pushed(service, text.len(), text.as_bytes()));
                        if status == 200 {
                            break;
                        }
                        assert!((status, later) == (429, true) || status == 0, "{status}");
                        shed.fetch_add(usize::from(later), Ordering::Relaxed);
                        thread::sleep(Duration::from_millis(100));
                    }
                }
            });
        }
        // Those who break off, and those who send what is nothing.
        scope.spawn(|| {
            for i in 0..100 {
                let nothing = [
                    &b"\x16\x03\x01\x02\x00\x01\x00"[..],
                    b"GET /v1/alerts HTTP/9.9\r\n\r\n",
                    b"POST /v1/events HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
                ];
                drop(connected(&service, nothing[i % 3]));
                drop(pushed(&service, 1000, b"{\"id\":"));
            }
        });
        // Those who read.
        scope.spawn(|| {
            for path in ["/healthz", "/v1/status", "/v1/alerts?limit=50", "/v1/managers", "/", "/metrics"].iter().cycle().take(60) {
                let status = request(&service.console, "GET", path, &[]).0;
                assert_eq!(status, 200, "{path} is answered beside all that");
            }
        });
    });
    assert!(shed.load(Ordering::Relaxed) > 0, "more came than is taken at once");
    // Together more than there is room for; none of them is sent to its end.
    let flood = vec![b' '; BIG - 1];
    let big: Vec<TcpStream> = (0..40).map(|_| pushed(&service, BIG, &flood)).collect();
    let more = peak(service.pid()).saturating_sub(calm);
    assert!(more < 900 << 20, "{} MiB more than at the start", more >> 20);
    drop((big, slow));
    service.settle();
    assert_eq!(
        service.count("SELECT uniqExact(id) FROM filin.events WHERE tenant = 'default'"),
        EVENTS as u64,
        "nothing that was taken is lost"
    );
    service.stop();
}

use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use futures_util::future::{BoxFuture, FutureExt};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::api::{self, Limits, Parts, RawLine, Refused, Rejection, Taken};

/// Takes JSON; refuses what it is told to refuse first.
#[derive(Default)]
struct Fake {
    refuse: Mutex<VecDeque<Refused>>,
    batches: Mutex<Vec<api::Batch>>,
}

impl api::Ingest for Fake {
    fn ingest(&self, batch: api::Batch) -> BoxFuture<'_, Result<Taken, Refused>> {
        async move {
            if let Some(refused) = self.refuse.lock().unwrap().pop_front() {
                return Err(refused);
            }
            let mut taken = Taken::default();
            for raw in &batch.lines {
                match raw.bytes.starts_with(b"bad") {
                    true => taken.rejected.push(Rejection {
                        line: raw.line,
                        code: "bad_json".to_owned(),
                        message: "no".to_owned(),
                        readable: false,
                    }),
                    false => taken.accepted += 1,
                }
            }
            self.batches.lock().unwrap().push(batch);
            Ok(taken)
        }
        .boxed()
    }
}

struct Bench {
    fake: Arc<Fake>,
    address: String,
    shutdown: CancellationToken,
    folder: tempfile::TempDir,
}

async fn bench(limits: Limits) -> Bench {
    let fake = Arc::new(Fake::default());
    let router = api::router(Parts { ingest: Some(Arc::<Fake>::clone(&fake)), ..api::tests::idle(limits) });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, shutdown) = (format!("http://{}", listener.local_addr().unwrap()), CancellationToken::new());
    tokio::spawn(api::serve(listener, None, router, shutdown.clone()));
    Bench { fake, address, shutdown, folder: tempfile::tempdir().unwrap() }
}

fn limits() -> Limits {
    Limits::for_lines_of(1 << 20)
}

impl Bench {
    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    async fn push(&self, path: &Path, format: &str, patience: Duration) -> anyhow::Result<Report> {
        let server = Server::new(&self.address, format, Some("acme"), None, patience)?;
        let rejects = std::io::BufWriter::new(File::create(self.folder.path().join("rejects"))?);
        let mut report = Report { rejects: Some(rejects), ..Report::default() };
        push(&server, path, (format == "salesforce-elf").then_some("EVENT_TYPE"), &mut report).await?;
        report.rejects.as_mut().expect("given").flush()?;
        Ok(report)
    }

    /// What came, line by line: number in the file, text.
    fn lines(&self) -> Vec<(u64, String)> {
        let text = |line: &RawLine| (line.origin.as_ref().map_or(0, |o| o.1), String::from_utf8_lossy(&line.bytes).into_owned());
        self.fake.batches.lock().unwrap().iter().flat_map(|batch| batch.lines.iter().map(text)).collect()
    }
}

const PATIENCE: Duration = Duration::from_secs(20);

fn numbered(n: u64) -> Vec<(u64, String)> {
    (0..n).map(|i| (i, format!("{{\"n\":{i}}}"))).collect()
}

fn text(lines: &[(u64, String)]) -> String {
    lines.iter().map(|(_, line)| format!("{line}\n")).collect()
}

#[tokio::test]
async fn a_file_goes_in_order_under_its_digest() {
    let bench = bench(limits()).await;
    let lines = numbered(12_345);
    let path = bench.file("events.jsonl", text(&lines).as_bytes());
    let report = bench.push(&path, "canonical", PATIENCE).await.unwrap();
    assert_eq!((report.accepted, report.rejected), (12_345, 0));
    assert_eq!(bench.lines(), lines);
    let batches = bench.fake.batches.lock().unwrap();
    assert_eq!(batches.iter().map(|b| b.lines.len()).collect::<Vec<_>>(), [4096, 4096, 4096, 57]);
    let mut sources: Vec<_> = batches.iter().map(|b| b.lines[0].origin.as_ref().map(|o| o.0.clone()).expect("given")).collect();
    assert!(batches.iter().zip(&sources).all(|(b, source)| b.lines.iter().all(|l| l.origin.as_ref().is_some_and(|o| o.0 == *source))));
    sources.dedup();
    assert_eq!(sources.len(), 4);
    assert_eq!((batches[0].tenant.as_deref(), batches[0].format.as_str()), (Some("acme"), "canonical"));
}

#[tokio::test]
async fn packed_files_are_unpacked_and_blank_lines_count() {
    let plain = b"\n{\"n\":1}\r\n\n\n{\"n\":4}";
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(plain).unwrap();
    for (name, content) in [("e", plain.to_vec()), ("e.gz", gz.finish().unwrap()), ("e.zst", zstd::encode_all(&plain[..], 1).unwrap())] {
        let bench = bench(limits()).await;
        let path = bench.file(name, &content);
        assert_eq!(bench.push(&path, "canonical", PATIENCE).await.unwrap().accepted, 2);
        assert_eq!(bench.lines(), [(1, "{\"n\":1}".to_owned()), (4, "{\"n\":4}".to_owned())], "{name}");
    }
}

#[tokio::test]
async fn goes_on_when_the_server_is_busy_or_away_for_a_while() {
    let bench = bench(limits()).await;
    bench.fake.refuse.lock().unwrap().extend([Refused::Busy(Duration::ZERO), Refused::Busy(Duration::ZERO)]);
    let path = bench.file("e", text(&numbered(3)).as_bytes());
    assert_eq!(bench.push(&path, "canonical", PATIENCE).await.unwrap().accepted, 3);
    assert_eq!(bench.lines(), numbered(3));
    bench.fake.refuse.lock().unwrap().extend([Refused::Away("x".to_owned())]);
    let e = bench.push(&path, "canonical", Duration::from_secs(1)).await.err().expect("patience ends");
    assert!(format!("{e:#}").contains("takes nothing: answered 503"), "{e:#}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told() {
    let bench = bench(limits()).await;
    bench.shutdown.cancel();
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let bench = Bench { address: format!("http://{gone}"), ..bench };
    let path = bench.file("e", b"{}\n");
    let e = bench.push(&path, "canonical", Duration::from_millis(300)).await.err().expect("nobody is there");
    assert!(format!("{e:#}").contains("refused"), "{e:#}");
}

#[tokio::test]
async fn refused_lines_are_named_by_their_place_in_the_file() {
    let bench = bench(limits()).await;
    let mut lines = numbered(6000);
    for bad in [7, 5999] {
        lines[bad].1 = format!("bad {bad}");
    }
    let path = bench.file("e", text(&lines).as_bytes());
    let report = bench.push(&path, "canonical", PATIENCE).await.unwrap();
    assert_eq!((report.accepted, report.rejected), (5998, 2));
    let rejects = std::fs::read_to_string(bench.folder.path().join("rejects")).unwrap();
    let rows: Vec<serde_json::Value> = rejects.lines().map(|row| serde_json::from_str(row).unwrap()).collect();
    let places: Vec<_> = rows.iter().map(|row| (row["line"].as_u64(), row["raw"].as_str(), row["code"].as_str())).collect();
    assert_eq!(places, [(Some(8), Some("bad 7"), Some("bad_json")), (Some(6000), Some("bad 5999"), Some("bad_json"))]);
    // A file of which nothing can be read is no reason to stop either.
    let path = bench.file("f", b"bad\nbad\n");
    assert_eq!(bench.push(&path, "canonical", PATIENCE).await.unwrap().rejected, 2);
}

#[tokio::test]
async fn what_is_too_large_goes_in_parts() {
    let bench = bench(Limits { lines: 50, ..limits() }).await;
    let path = bench.file("e", text(&numbered(333)).as_bytes());
    assert_eq!(bench.push(&path, "canonical", PATIENCE).await.unwrap().accepted, 333);
    assert_eq!(bench.lines(), numbered(333));
}

#[tokio::test]
async fn rows_go_under_their_header() {
    let bench = bench(Limits { lines: 3, ..limits() }).await;
    // A row that goes from one block into the next, and one that never ends.
    let long = format!("EVENT_TYPE,N\n{}URI,\"over\nthe edge\"\nURI,2\nURI,\"3\n", "URI,1\n".repeat(4094));
    let wide = super::tests::bench(limits()).await;
    wide.push(&wide.file("long.csv", long.as_bytes()), "salesforce-elf", PATIENCE).await.unwrap();
    {
        let batches = wide.fake.batches.lock().unwrap();
        let second: Vec<_> = batches[1].lines.iter().map(|l| (&l.bytes[..], l.origin.as_ref().map_or(0, |o| o.1))).collect();
        assert_eq!(second, [(&b"EVENT_TYPE,N"[..], 4094), (b"URI,\"over", 4095), (b"the edge\"", 4096), (b"URI,2", 4097)]);
        assert_eq!(batches[2].lines[1].bytes, "URI,\"3");
    }
    let content = "\"EVENT_TYPE\",\"N\"\nURI,1\nURI,\"two\nlines\"\nURI,3\nEVENT_TYPE,M\nURI,4\n";
    let path = bench.file("e.csv", content.as_bytes());
    bench.push(&path, "salesforce-elf", PATIENCE).await.unwrap();
    let batches = bench.fake.batches.lock().unwrap();
    for batch in batches.iter() {
        assert!(batch.lines[0].bytes.windows(10).any(|w| w == b"EVENT_TYPE"), "{:?}", batch.lines[0]);
    }
    let last = &batches.last().expect("some").lines;
    assert_eq!((last[0].bytes.as_ref(), last[1].origin.as_ref().map(|o| o.1)), (&b"EVENT_TYPE,M"[..], Some(6)));
    let rows: Vec<u64> = batches.iter().flat_map(|b| &b.lines[1..]).filter_map(|l| l.origin.as_ref().map(|o| o.1)).collect();
    assert_eq!(rows, [1, 2, 3, 4, 6]);
}

#[tokio::test]
async fn an_indented_document_goes_whole() {
    let bench = bench(limits()).await;
    let path = bench.file("e.json", b"\n[\n  {\"n\": 1},\n  {\n    \"n\": 2\n  }\n]\n");
    assert_eq!(bench.push(&path, "canonical", PATIENCE).await.unwrap().accepted, 2);
    assert!(bench.fake.batches.lock().unwrap()[0].whole);
}

#[test]
fn addresses_and_tokens() {
    let server = |to: &str, token: Option<&str>| Server::new(to, "canonical", None, token.map(config::Secret::new).as_ref(), PATIENCE);
    for wrong in ["", "filin", "127.0.0.1:8687", "ftp://h", "http://"] {
        assert!(server(wrong, None).is_err(), "{wrong}");
    }
    assert!(server("http://127.0.0.1:8687/", None).is_ok_and(|s| !s.shows_token()));
    assert!(server("http://[::1]:8687", Some("t")).is_ok_and(|s| !s.shows_token()));
    assert!(server("https://filin.example", Some("t")).is_ok_and(|s| !s.shows_token()));
    assert!(server("http://filin.example/filin", Some("t")).is_ok_and(|s| s.shows_token()));
    assert!(server("http://127.0.0.1", Some("line\nbreak")).is_err());
}

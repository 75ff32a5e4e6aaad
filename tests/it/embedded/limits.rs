//! The listener's bounds hold.

use std::io::Write;

use super::{
    http::{answer, open, query, request},
    server::{Server, eventually},
};

#[test]
fn bodies_statements_results_sessions_and_queues_are_bounded() {
    let limits = r#"{"request_bytes": 100000, "decompressed_bytes": 200000, "statement_bytes": 10000, "result_bytes": 1000000,
        "sessions": 2, "reader_queries": 1, "queue_ms": 300, "idle_ms": 2000, "writer_time_s": [5, 6], "reader_time_s": [2, 3]}"#;
    let server = Server::temporary(&["--limits", limits]);
    server.run("CREATE TABLE t (s String) ENGINE = MergeTree ORDER BY s");
    let insert = |head: &[&str], body: &[u8]| server.post(&[("query", "INSERT INTO t FORMAT TSV")], head, body);
    // As sent.
    let answer_ = insert(&[], &vec![b'a'; 100_001]);
    assert_eq!((answer_.status, answer_.code()), (413, 307), "{}", answer_.text());
    assert_eq!(insert(&[], &vec![b'a'; 99_999]).status, 200);
    // Decompressed: a bomb.
    let bomb = zstd::bulk::compress(&vec![b'a'; 50_000_000], 3).unwrap();
    assert!(bomb.len() < 50_000);
    let answer_ = insert(&["Content-Encoding: zstd"], &bomb);
    assert_eq!((answer_.status, answer_.code()), (413, 307), "{}", answer_.text());
    assert_eq!(server.run("SELECT count() FROM t"), "1");
    // A statement, in the body and in the URL.
    let long = format!("SELECT '{}'", "a".repeat(10_000));
    assert_eq!(server.post(&[], &[], long.as_bytes()).code(), 62);
    assert_eq!(server.post(&[("query", &long)], &[], b"").code(), 62);
    assert_eq!(server.post(&[], &[], format!("SELECT '{}'", "a".repeat(9_000)).as_bytes()).status, 200);
    // Results: a reader's, streamed or held; the writer's when it must be held.
    let wide = "SELECT repeat('a', 1000) FROM numbers(2000)";
    for format in ["TSV", "JSON"] {
        let sql = format!("{wide} FORMAT {format}");
        let read = server.read(&[("wait_end_of_query", "1")], &sql);
        assert_eq!(read.code(), 396, "{format}: {}", read.text().len());
        let cut = server.read(&[], &sql);
        assert!(cut.code() == 396 || !cut.whole, "{format}");
    }
    assert_eq!(server.post(&[], &[], format!("{wide} FORMAT JSON").as_bytes()).code(), 396);
    assert_eq!(server.post(&[], &[], format!("{wide} FORMAT TSV").as_bytes()).body.len(), 2_002_000);
    // Sessions.
    for (id, code) in [("a", 0), ("b", 0), ("c", 202), ("a", 0)] {
        assert_eq!(server.post(&[("session_id", id)], &[], b"SELECT 1").code(), code, "{id}");
    }
    // Time.
    let slow = "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1";
    let late = server.read(&[], slow);
    assert_eq!((late.status, late.code()), (408, 159), "{}", late.text());
    // A second reader waits its turn and is told when it does not come; the writer is not kept waiting.
    let mut stream = open(server.addr);
    stream.write_all(&request("POST", &query(&[]), &[], slow.as_bytes())).unwrap();
    eventually("the first reads", || server.run("SELECT count() FROM system.processes") == "2");
    let busy = server.read(&[], "SELECT 1");
    assert_eq!((busy.status, busy.code()), (503, 202), "{}", busy.text());
    assert_eq!(answer(&mut stream, false).code(), 159);
    assert_eq!(server.read(&[], "SELECT 1").status, 200);
    // A client that sends nothing more, and one that reads nothing more, do not hold a turn for ever.
    let mut stream = open(server.addr);
    let whole = request("POST", &query(&[]), &[], b"SELECT 1");
    stream.write_all(&whole[..whole.len() - 1]).unwrap();
    assert_eq!(answer(&mut stream, false).status, 503);
    let mut stream = open(server.addr);
    let target = query(&[("user", "filin"), ("password", &server.password)]);
    stream.write_all(&request("POST", &target, &[], b"SELECT number, 'lazy-reader' FROM numbers(1000000000000)")).unwrap();
    let running = || server.run("SELECT count() FROM system.processes WHERE position(query, concat('lazy-', 'reader')) > 0");
    eventually("the query runs", || running() == "1");
    eventually("the query is given up", || running() == "0");
}

#[test]
fn a_full_disk_stops_inserts_and_nothing_else() {
    let server = Server::temporary(&["--limits", r#"{"free_disk": 1.0}"#]);
    server.run("CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a");
    for sql in ["INSERT INTO t VALUES (1)", "INSERT INTO t SELECT 1", "OPTIMIZE TABLE t FINAL"] {
        let answer = server.post(&[], &[], sql.as_bytes());
        assert_eq!((answer.status, answer.code()), (503, 243), "{sql}: {}", answer.text());
    }
    assert_eq!(server.run("SELECT count() FROM t"), "0");
    server.run("DROP TABLE t");
    eventually("on-call is told", || server.log().contains("almost full"));
}

#[test]
fn memory_is_bounded() {
    let server = Server::temporary(&["--memory", "512"]);
    let answer = server.read(&[], "SELECT length(groupArray(toString(number))) FROM numbers(100000000)");
    assert_eq!(answer.code(), 241, "{}", answer.text());
    assert_eq!(server.run("SELECT value FROM system.server_settings WHERE name = 'max_server_memory_usage'"), (512 << 20).to_string());
}

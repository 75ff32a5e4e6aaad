//! Bodies both ways: where the data of an INSERT begin, compression, forms, cut connections, streams.

use std::io::{Read, Write};

use super::{
    http::{answer, ask, open, query, request},
    server::{Server, eventually},
};

const ROWS: u64 = 100_000;

/// A table of its own for a test.
fn table(server: &Server, name: &str, columns: &str) -> String {
    server.run("CREATE DATABASE IF NOT EXISTS bodies");
    let name = format!("bodies.{name}");
    server.run(&format!("CREATE TABLE {name} ({columns}) ENGINE = MergeTree ORDER BY tuple()"));
    name
}

fn tsv() -> Vec<u8> {
    (0..ROWS).flat_map(|i| format!("{i}\tmanager-{}\n", i % 300).into_bytes()).collect()
}

/// Count and checksum of what `tsv` holds.
fn sums(server: &Server, table: &str) -> String {
    server.run(&format!("SELECT count(), sum(cityHash64(a, s)) FROM {table}"))
}

fn expected(server: &Server) -> String {
    server.run(&format!("SELECT count(), sum(cityHash64(number, concat('manager-', toString(number % 300)))) FROM numbers({ROWS})"))
}

fn lz4(data: &[u8]) -> Vec<u8> {
    let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

/// A block of ClickHouse's own.
fn block(data: &[u8]) -> Vec<u8> {
    let packed = lz4_flex::block::compress(data);
    let mut block = vec![0x82];
    block.extend(u32::try_from(packed.len() + 9).unwrap().to_le_bytes());
    block.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
    block.extend(packed);
    let mut out = cityhash_rs::cityhash_102_128(&block).rotate_right(64).to_le_bytes().to_vec();
    out.extend(block);
    out
}

#[test]
fn every_frame_of_a_compressed_body_is_stored() {
    let server = Server::shared();
    let data = tsv();
    let insert = |name: &str, pack: &dyn Fn(&[u8]) -> Vec<u8>, parameters: &[(&str, &str)], head: &[&str]| {
        let table = table(server, name, "a UInt64, s String");
        // Frames end within rows.
        let body: Vec<u8> = data.chunks(65_537).flat_map(pack).collect();
        let sql = format!("INSERT INTO {table} FORMAT TabSeparated");
        let mut pairs = vec![("query", sql.as_str())];
        pairs.extend(parameters);
        let answer = server.post(&pairs, head, &body);
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        let summary = answer.header("x-clickhouse-summary").unwrap_or_default().to_owned();
        assert!(summary.contains("\"written_rows\":\"100000\""), "{name}: {summary}");
        assert_eq!(sums(server, &table), expected(server), "{name}");
    };
    insert("plain", &|chunk| chunk.to_vec(), &[], &[]);
    insert("lz4", &lz4, &[], &["Content-Encoding: lz4"]);
    insert("gzip", &gzip, &[], &["Content-Encoding: gzip"]);
    insert("zstd", &|chunk| zstd::bulk::compress(chunk, 1).unwrap(), &[], &["Content-Encoding: zstd"]);
    insert("blocks", &block, &[("decompress", "1")], &[]);
    let table = table(server, "broken", "a UInt64, s String");
    let sql = format!("INSERT INTO {table} FORMAT TabSeparated");
    for (name, head, mut body) in [
        ("lz4", "Content-Encoding: lz4", lz4(&data)),
        ("gzip", "Content-Encoding: gzip", gzip(&data)),
        ("zstd", "Content-Encoding: zstd", zstd::bulk::compress(&data, 1).unwrap()),
        ("br", "Content-Encoding: br", data.clone()),
    ] {
        body.truncate(body.len() - 7);
        let answer = server.post(&[("query", &sql)], &[head], &body);
        assert_ne!(answer.status, 200, "{name}");
    }
    let mut body = block(&data);
    body[200] ^= 1;
    assert_eq!(server.post(&[("query", &sql), ("decompress", "1")], &[], &body).code(), 40);
    assert_eq!(server.run(&format!("SELECT count() FROM {table}")), "0");
}

#[test]
fn answers_are_compressed_as_asked() {
    let server = Server::shared();
    let sql = b"SELECT number, toString(number) FROM numbers(300000)";
    let plain = server.post(&[], &[], sql).body;
    let gunzip = |body: &[u8]| {
        let mut out = Vec::new();
        flate2::read::MultiGzDecoder::new(body).read_to_end(&mut out).unwrap();
        out
    };
    let unlz4 = |body: &[u8]| {
        let mut out = Vec::new();
        lz4_flex::frame::FrameDecoder::new(body).read_to_end(&mut out).unwrap();
        out
    };
    for wait in ["0", "1"] {
        let get = |head: &str| server.post(&[("wait_end_of_query", wait)], &[head], sql);
        let answer = get("Accept-Encoding: gzip, deflate");
        assert_eq!((answer.header("content-encoding"), gunzip(&answer.body) == plain), (Some("gzip"), true));
        let answer = get("Accept-Encoding: lz4");
        assert_eq!((answer.header("content-encoding"), unlz4(&answer.body) == plain), (Some("lz4"), true));
        let answer = get("Accept-Encoding: zstd");
        assert_eq!((answer.header("content-encoding"), zstd::stream::decode_all(&*answer.body).unwrap() == plain), (Some("zstd"), true));
        let answer = server.post(&[("compress", "1"), ("wait_end_of_query", wait)], &["Accept-Encoding: gzip"], sql);
        let (mut rest, mut out) = (&answer.body[..], Vec::new());
        while !rest.is_empty() {
            let number = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap()) as usize;
            let (packed, size) = (number(17), number(21));
            let sum = cityhash_rs::cityhash_102_128(&rest[16..16 + packed]).rotate_right(64);
            assert_eq!(rest[..16], sum.to_le_bytes());
            out.extend(lz4_flex::block::decompress(&rest[25..16 + packed], size).unwrap());
            rest = &rest[16 + packed..];
        }
        assert_eq!((answer.header("content-encoding"), out == plain), (None, true));
    }
}

#[test]
fn binary_data_may_hold_anything() {
    let server = Server::shared();
    let table = table(server, "binary", "a UInt32, s String");
    let texts = ["\n ; FORMAT", " ", "\n\n\n", ";", "'", "/*", "VALUES (", "\r\n", "\t\0\u{1}"];
    let mut rows = Vec::new();
    for i in 0..70_000_u32 {
        let text = texts[i as usize % texts.len()];
        // The first bytes of the data are line ends and blanks.
        rows.extend((i + 0x0a0a_200a).to_le_bytes());
        rows.push(u8::try_from(text.len()).unwrap());
        rows.extend(text.as_bytes());
    }
    let sql = format!("INSERT INTO {table} FORMAT RowBinary");
    let mut inline = format!("{sql}\n").into_bytes();
    inline.extend(&rows);
    let escaped = texts.map(|t| server.run(&format!("SELECT cityHash64(unhex('{}'))", data_encoding::HEXLOWER.encode(t.as_bytes()))));
    let sum = format!("SELECT count(), uniqExact(a), min(a), arraySort(groupUniqArray(cityHash64(s))) FROM {table}");
    let mut hashes: Vec<u64> = escaped.iter().map(|h| h.parse().unwrap()).collect();
    hashes.sort_unstable();
    let hashes = format!("[{}]", hashes.iter().map(u64::to_string).collect::<Vec<_>>().join(","));
    let expected = format!("70000\t70000\t{}\t{hashes}", 0x0a0a_200a_u32);
    for (parameters, body) in [(vec![], &inline), (vec![("query", sql.as_str())], &rows), (vec![("query", &format!("{sql}\n"))], &rows)] {
        let answer = server.post(&parameters, &[], body);
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(server.run(&sum), expected);
        server.run(&format!("TRUNCATE TABLE {table}"));
    }
}

#[test]
fn inserts_in_every_shape() {
    let server = Server::shared();
    let table = table(server, "shapes", "a UInt32, `format` String DEFAULT 'd'");
    let check = |parameters: &[(&str, &str)], body: &str, expected: &str| {
        let answer = server.post(parameters, &[], body.as_bytes());
        assert_eq!(answer.status, 200, "{parameters:?} {body}: {}", answer.text());
        assert_eq!(server.run(&format!("SELECT * FROM {table} ORDER BY a FORMAT CSV")), expected, "{parameters:?} {body}");
        server.run(&format!("TRUNCATE TABLE {table}"));
    };
    let insert = |rest: &str| format!("INSERT INTO {table} {rest}");
    check(&[], &insert("VALUES (1, 'VALUES (2)'), (2, ';')"), "1,\"VALUES (2)\"\n2,\";\"");
    check(&[], &insert("VALUES (1, 'x');"), "1,\"x\"");
    check(&[], &insert("(a, format) FORMAT CSV\n1,x\n2,y\n"), "1,\"x\"\n2,\"y\"");
    check(&[], &insert("(a) FORMAT JSONEachRow {\"a\":1} {\"a\":2}"), "1,\"d\"\n2,\"d\"");
    check(&[], &insert("SELECT number, 'FORMAT x' FROM numbers(1)"), "0,\"FORMAT x\"");
    check(&[], &insert("(a) (SELECT 5)"), "5,\"d\"");
    check(&[], &insert("SETTINGS max_insert_block_size = 1 FORMAT TSV\n1\tx\n"), "1,\"x\"");
    check(&[("query", &insert("FORMAT TSV"))], "1\tx\n", "1,\"x\"");
    check(&[("query", &insert("")), ("default_format", "CSV")], "1,x\n", "1,\"x\"");
    check(&[("query", &insert("VALUES"))], "(1, 'x')", "1,\"x\"");
    check(&[("query", "INSERT INTO"), ("database", "bodies")], "shapes VALUES (1, 'x')", "1,\"x\"");
    check(&[("param_x", "it's")], &insert("SELECT 1, {x:String}"), "1,\"it's\"");
    check(&[("query", &insert("FORMAT TSV"))], "", "");
    assert_eq!(server.post(&[("query", "INSERT INTO bodies.nope FORMAT TSV")], &[], b"").code(), 60);
    // A bad row far behind good ones: nothing is stored.
    let mut rows = tsv();
    rows.extend(b"oops\n");
    let answer = server.post(&[("query", &insert("FORMAT TSV"))], &[], &rows);
    assert_eq!((answer.status, answer.code()), (400, 27), "{}", answer.text());
    assert_eq!(server.run(&format!("SELECT count() FROM {table}")), "0");
    // Not even the writer.
    for sql in [
        insert("FROM INFILE '/etc/passwd' FORMAT TSV"),
        "SELECT 1 INTO OUTFILE '/tmp/filin-never'".to_owned(),
        "SELECT 1; SELECT 2".to_owned(),
    ] {
        assert_eq!(server.post(&[], &[], sql.as_bytes()).code(), 164, "{sql}");
    }
    // A text that can be read only in part does not run in part.
    let answer = server.post(&[], &[], format!("DROP TABLE {table}; NONSENSE").as_bytes());
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert_eq!(server.run(&format!("EXISTS TABLE {table}")), "1");
    // GET does not write.
    for sql in [insert("VALUES (1, 'x')"), insert("SELECT 1, 'x'"), format!("TRUNCATE TABLE {table}")] {
        let target = query(&[("user", "filin"), ("password", &server.password), ("query", &sql)]);
        assert_eq!(ask(server.addr, "GET", &target, &[], b"").code(), 164, "{sql}");
    }
}

#[test]
fn forms_carry_queries_and_parameters() {
    let server = Server::shared();
    let field = |name: &str, value: &str| format!("--X\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    let body = field("query", "SELECT {m:String}, {n:Array(UInt8)}")
        + &field("param_m", "O'Br\\n\\\\Привет")
        + &field("param_n", "[1,2]")
        + "--X--\r\n";
    let answer = server.post(&[], &["Content-Type: multipart/form-data; boundary=X"], body.as_bytes());
    assert_eq!((answer.status, answer.text().as_str()), (200, "O\\'Br\\n\\\\Привет\t[1,2]\n"));
    let file = "--X\r\nContent-Disposition: form-data; name=\"t\"; filename=\"t\"\r\n\r\n1\r\n--X--\r\n";
    let answer = server.post(&[("query", "SELECT * FROM t")], &["Content-Type: multipart/form-data; boundary=X"], file.as_bytes());
    assert_eq!((answer.status, answer.code()), (501, 48));
}

#[test]
fn a_body_that_is_cut_is_not_stored() {
    let server = Server::shared();
    let table = table(server, "cut", "a UInt64, s String");
    let sql = format!("INSERT INTO {table} FORMAT TSV");
    let target = query(&[("user", "filin"), ("password", &server.password), ("query", &sql)]);
    let whole = request("POST", &target, &[], &tsv());
    let mut stream = open(server.addr);
    stream.write_all(&whole[..whole.len() / 2]).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let _ = answer(&mut stream, false);
    drop(stream);
    eventually("the insert has ended", || server.run("SELECT count() FROM system.processes") == "1");
    assert_eq!(server.run(&format!("SELECT count() FROM {table}")), "0");
}

#[test]
fn long_results_come_as_a_stream_in_the_same_bytes() {
    let server = Server::shared();
    // Formats that are streamed give what the engine gives in one piece, names and types once.
    for format in
        ["RowBinary", "RowBinaryWithNames", "RowBinaryWithNamesAndTypes", "TSV", "CSV", "JSONEachRow", "JSONCompactEachRow", "Native"]
    {
        for rows in [0, 1, 200_000] {
            let sql = format!("SELECT number, toString(number) AS s, [number] AS l FROM numbers({rows}) ORDER BY number FORMAT {format}");
            let streamed = server.post(&[], &[], sql.as_bytes());
            // This setting changes nothing here, and makes the listener hold the result.
            let held = server.post(&[("output_format_write_statistics", "0")], &[], sql.as_bytes());
            assert_eq!((streamed.status, held.status), (200, 200));
            assert_eq!(streamed.header("transfer-encoding").is_some(), rows == 200_000, "{format} {rows}");
            // Blocks may be cut elsewhere.
            let same = if format == "Native" { streamed.body.len().abs_diff(held.body.len()) < 400 } else { streamed.body == held.body };
            assert!(same, "{format} {rows}: {} and {} bytes", streamed.body.len(), held.body.len());
        }
    }
    let totals = b"SELECT number % 2 AS a, count() FROM numbers(10) GROUP BY a WITH TOTALS ORDER BY a";
    assert_eq!(server.post(&[], &[], totals).text(), "0\t5\n1\t5\n\n0\t10\n");
}

#[test]
fn an_error_within_a_stream_cannot_be_taken_for_its_end() {
    let server = Server::shared();
    let sql = b"SELECT throwIf(number = 900000), toString(number) FROM numbers(1000000) SETTINGS max_threads = 1";
    let answer = server.post(&[], &[], sql);
    assert_eq!((answer.status, answer.whole), (200, false));
    assert!(answer.text().contains("Code: 395."), "{}", answer.text().len());
    // Who waits for the end gets the right status.
    let answer = server.post(&[("wait_end_of_query", "1")], &[], sql);
    assert_eq!((answer.status, answer.whole, answer.code()), (500, true, 395));
}

#[test]
fn a_client_that_goes_away_ends_its_query() {
    let server = Server::shared();
    for sql in [
        "SELECT count(), 'gone-away' FROM numbers(1000000000000) WHERE sipHash64(number) = 1",
        "SELECT number, 'gone-away' FROM numbers(1000000000000)",
    ] {
        let target = query(&[("user", "filin"), ("password", &server.password)]);
        let mut stream = open(server.addr);
        stream.write_all(&request("POST", &target, &[], sql.as_bytes())).unwrap();
        let running = || server.run("SELECT count() FROM system.processes WHERE position(query, concat('gone', '-away')) > 0");
        eventually("the query runs", || running() == "1");
        drop(stream);
        eventually("the query is cancelled", || running() == "0");
    }
}

#[test]
fn nobody_ends_what_others_run_by_taking_their_query_id() {
    let server = Server::shared();
    let sql = "SELECT count(), 'of-another' FROM numbers(1000000000000) WHERE sipHash64(number) = 1";
    let theirs = query(&[("user", "filin"), ("password", &server.password), ("query_id", "the-same")]);
    let mut writer = open(server.addr);
    writer.write_all(&request("POST", &theirs, &[], sql.as_bytes())).unwrap();
    let running = || server.run("SELECT count() FROM system.processes WHERE position(query, concat('of-', 'another')) > 0");
    eventually("the writer's query runs", || running() == "1");
    let mut reader = open(server.addr);
    let mine = "SELECT count(), 'of-a-reader' FROM numbers(1000000000000) WHERE sipHash64(number) = 1";
    reader.write_all(&request("POST", &query(&[("query_id", "the-same")]), &[], mine.as_bytes())).unwrap();
    let reading = || server.run("SELECT count() FROM system.processes WHERE position(query, concat('of-a-', 'reader')) > 0");
    eventually("the reader's query runs", || reading() == "1");
    drop(reader);
    eventually("the reader's query is cancelled", || reading() == "0");
    assert_eq!(running(), "1", "the writer's goes on");
    drop(writer);
    eventually("the writer's query is cancelled", || running() == "0");
}

#[test]
fn sessions_keep_temporary_tables_and_nothing_else() {
    let server = Server::shared();
    let session = |id: &str, sql: &str| server.post(&[("session_id", id), ("max_threads", "3")], &[], sql.as_bytes());
    assert_eq!(session("a", "CREATE TEMPORARY TABLE t (a UInt8)").status, 200);
    assert_eq!(session("a", "INSERT INTO t VALUES (1), (2)").status, 200);
    assert_eq!(session("a", "SELECT sum(a), getSetting('max_threads') FROM t").text(), "3\t3\n");
    assert_eq!(session("b", "SELECT sum(a) FROM t").code(), 60);
    // Settings of one request are not those of the next.
    let answer = server.post(&[("session_id", "a")], &[], b"SELECT getSetting('max_threads') = 3");
    assert_eq!(answer.text(), "0\n");
    assert_eq!(server.post(&[("session_id", "c"), ("session_check", "1")], &[], b"SELECT 1").code(), 372);
    assert_eq!(server.post(&[("session_id", "a"), ("close_session", "1")], &[], b"SELECT 1").status, 200);
    assert_eq!(session("a", "SELECT sum(a) FROM t").code(), 60);
    // A reader does not get into a writer's session.
    assert_eq!(session("d", "CREATE TEMPORARY TABLE t (a UInt8)").status, 200);
    assert_eq!(server.read(&[("session_id", "d")], "SELECT sum(a) FROM t").code(), 60);
}

#[test]
fn what_clients_look_for_is_there() {
    let server = Server::shared();
    let answer = server.post(&[("query_id", "my-id")], &[], b"SELECT 1 AS a FORMAT JSON");
    assert_eq!(answer.header("x-clickhouse-query-id"), Some("my-id"));
    assert_eq!(answer.header("x-clickhouse-format"), Some("JSON"));
    assert_eq!(answer.header("x-clickhouse-timezone"), Some("UTC"));
    assert_eq!(answer.header("content-type"), Some("application/json; charset=UTF-8"));
    assert!(answer.header("x-clickhouse-summary").unwrap().contains("\"result_rows\":\"1\""));
    assert_eq!(answer.header("x-clickhouse-server-display-name"), Some("filin"));
    let answer = server.post(&[("query_id", "x\r\ny: z")], &[], b"SELECT 1");
    assert!(answer.header("y").is_none() && answer.header("x-clickhouse-query-id").unwrap().starts_with("filin-"));
    let get = |method: &str, target: &str| ask(server.addr, method, target, &[], b"");
    assert_eq!(get("GET", "/ping").text(), "Ok.\n");
    assert_eq!(get("GET", "/").text(), "Ok.\n");
    assert_eq!(get("GET", "/?query=SELECT+1").text(), "1\n");
    let head = get("HEAD", "/?query=SELECT+1");
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(get("GET", "/play").status, 404);
    assert_eq!(get("PUT", "/").status, 405);
}

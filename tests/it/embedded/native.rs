//! Native as newer clients ask for it, for every type that Filin's tables have.

use super::server::Server;

const INFO: [u8; 8] = [1, 0, 2, 0xff, 0xff, 0xff, 0xff, 0];

/// The types of all columns of the schema, and some that queries make.
fn types(server: &Server) -> Vec<String> {
    server.run("CREATE DATABASE IF NOT EXISTS types");
    let mut files: Vec<_> = std::fs::read_dir("schemas/clickhouse").unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files {
        let sql = std::fs::read_to_string(file).unwrap();
        for statement in sql.replace("{db}", "types").split(";\n") {
            // Placeholders other than the database are numbers of days.
            let statement = placeholder(statement);
            let code: Vec<_> = statement.lines().filter(|line| !line.trim_start().starts_with("--") && !line.trim().is_empty()).collect();
            if !code.is_empty() {
                server.run(&code.join("\n"));
            }
        }
    }
    let types = server.run("SELECT DISTINCT type FROM system.columns WHERE database = 'types' ORDER BY type FORMAT TSVRaw");
    let mut types: Vec<_> = types.lines().map(str::to_owned).collect();
    assert!(types.len() > 8, "{types:?}");
    let made = [
        "UInt8",
        "Int64",
        "Float32",
        "Date",
        "DateTime",
        "UUID",
        "IPv4",
        "IPv6",
        "Bool",
        "Decimal(18, 4)",
        "FixedString(5)",
        "Nullable(String)",
        "Array(Nullable(UInt8))",
        "Array(LowCardinality(String))",
        "LowCardinality(Nullable(String))",
        "Map(String, UInt64)",
        "Array(Array(String))",
        "Tuple(a String, b Array(UInt8))",
        "Enum8('a' = 1, 'b' = 2)",
        "Nullable(DateTime64(3, 'UTC'))",
        "Map(LowCardinality(String), Array(String))",
    ];
    types.extend(made.map(str::to_owned));
    types
}

fn placeholder(statement: &str) -> String {
    let mut out = String::new();
    let mut rest = statement;
    while let Some((before, behind)) = rest.split_once('{') {
        let (_, after) = behind.split_once('}').expect("a placeholder ends");
        out += before;
        out += "30";
        rest = after;
    }
    out + rest
}

/// Reads a number of variable length.
fn number(bytes: &[u8], at: &mut usize) -> usize {
    let (mut number, mut shift) = (0, 0);
    loop {
        let byte = bytes[*at];
        *at += 1;
        number |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            return number;
        }
    }
}

/// Reads the head of a block of one column: number of rows, and the bytes.
fn head(bytes: &[u8], at: &mut usize) -> (usize, Vec<u8>) {
    let start = *at;
    assert_eq!(number(bytes, at), 1, "one column");
    let rows = number(bytes, at);
    for _ in 0..2 {
        *at += number(bytes, at);
    }
    (rows, bytes[start..*at].to_vec())
}

#[test]
fn every_type_of_the_schema_reaches_a_client_of_today() {
    let server = Server::shared();
    for (i, name) in types(server).iter().enumerate() {
        let table = format!("types.t{i}");
        server.run(&format!("CREATE TABLE {table} (n UInt32, c {name}) ENGINE = MergeTree ORDER BY n SETTINGS index_granularity = 250"));
        let quoted = name.replace('\'', "\\'");
        server
            .run(&format!("INSERT INTO {table} SELECT rowNumberInAllBlocks(), c FROM generateRandom('c {quoted}', {i}, 8, 3) LIMIT 3000"));
        for rows in [0, 1, 3000] {
            let sql = format!("SELECT c FROM {table} WHERE n < {rows} FORMAT Native");
            let settings = [("max_threads", "1"), ("max_block_size", "1000")];
            let old = server.post(&settings, &[], sql.as_bytes());
            let new = server.post(&[settings[0], settings[1], ("client_protocol_version", "54460")], &[], sql.as_bytes());
            assert_eq!((old.status, new.status), (200, 200), "{name}: {}", new.text());
            // Block by block: the info, the head, one more byte, the same data up to the next info.
            let (mut a, mut b, mut total, mut blocks) = (0, 0, 0, 0);
            while a < old.body.len() {
                assert_eq!(new.body[b..b + 8], INFO, "{name}");
                b += 8;
                let (n, head_a) = head(&old.body, &mut a);
                let (_, head_b) = head(&new.body, &mut b);
                assert_eq!(head_a, head_b, "{name}");
                assert_eq!(new.body[b], 0, "{name}");
                b += 1;
                let length = new.body[b..].windows(8).position(|w| w == INFO).unwrap_or(new.body.len() - b);
                assert_eq!(new.body[b..b + length], old.body[a..a + length], "{name}");
                (a, b, total, blocks) = (a + length, b + length, total + n, blocks + 1);
            }
            assert_eq!((b, total), (new.body.len(), rows), "{name}");
            assert!(rows < 3000 || blocks > 1, "{name}: {blocks} blocks");
            // And back in, as clients write it.
            server.run(&format!("CREATE OR REPLACE TABLE {table}_back (c {name}) ENGINE = Memory"));
            let answer = server.post(&[("query", &format!("INSERT INTO {table}_back FORMAT Native"))], &[], &old.body);
            assert_eq!(answer.status, 200, "{name}: {}", answer.text());
            let sum =
                |table: &str, filter: &str| server.run(&format!("SELECT count(), sum(cityHash64(toString(c))) FROM {table} {filter}"));
            assert_eq!(sum(&format!("{table}_back"), ""), sum(&table, &format!("WHERE n < {rows}")), "{name}");
        }
    }
}

#[test]
fn several_columns_and_what_cannot_be_said() {
    let server = Server::shared();
    let native = |sql: &str| server.post(&[("client_protocol_version", "54460"), ("default_format", "Native")], &[], sql.as_bytes());
    let answer = native("SELECT toUInt8(7) AS a, ['x', ''] AS b, toLowCardinality('y') AS c, CAST(NULL, 'Nullable(UInt8)') AS d");
    let mut expected = INFO.to_vec();
    expected.extend(b"\x04\x01\x01a\x05UInt8\x00\x07\x01b\x0dArray(String)\x00\x02\0\0\0\0\0\0\0\x01x\x00");
    expected.extend(
        b"\x01c\x16LowCardinality(String)\x00\x01\0\0\0\0\0\0\0\x00\x06\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x00\x01y\x01\0\0\0\0\0\0\0\x01",
    );
    expected.extend(b"\x01d\x0fNullable(UInt8)\x00\x01\x00");
    assert_eq!(answer.body, expected);
    for sql in ["SELECT uniqState(1)", "SELECT '{}'::JSON", "SELECT 1::Dynamic", "SELECT 1::Variant(UInt8, String)"] {
        let answer = native(sql);
        assert_eq!((answer.status, answer.code()), (501, 48), "{sql}: {}", answer.text());
    }
}

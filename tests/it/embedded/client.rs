//! The `clickhouse` crate, which the store uses, unchanged against the listener.

use clickhouse::{Client, Compression, Row, error::Error};
use serde::{Deserialize, Serialize};

use super::server::Server;

const ROWS: u64 = 100_000;

#[derive(Row, Serialize, Deserialize, Debug, PartialEq, Clone)]
struct Event {
    id: u64,
    manager: String,
    kind: i8,
    at: i64,
    tags: Vec<String>,
    attrs: Vec<(String, u32)>,
    score: f64,
    count: Option<u32>,
}

fn event(n: u64) -> Event {
    Event {
        id: n,
        manager: format!("m{}", n % 300),
        kind: if n.is_multiple_of(2) { 1 } else { 2 },
        at: 1_795_000_000_000 + i64::try_from(n).unwrap(),
        tags: vec!["a".to_owned(), "Привет\n".to_owned()],
        attrs: vec![("x".to_owned(), u32::try_from(n).unwrap())],
        score: 0.25 * f64::from(u32::try_from(n).unwrap()),
        count: n.is_multiple_of(3).then_some(1),
    }
}

fn client(database: &str) -> Client {
    let options = Server::shared().store(database);
    Client::default().with_url(options.url).with_user(options.user).with_password(options.password).with_database(options.database)
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(work)
}

#[test]
fn rows_go_in_and_come_back() {
    block_on(async {
        client("filin").query("CREATE DATABASE crate ENGINE = Atomic").execute().await.unwrap();
        let client = client("crate");
        let ddl = "CREATE TABLE events (id UInt64, manager LowCardinality(String), kind Enum8('read' = 1, 'export' = 2), \
            at DateTime64(3, 'UTC'), tags Array(String), attrs Array(Tuple(String, UInt32)), score Float64, count Nullable(UInt32)) \
            ENGINE = ReplacingMergeTree ORDER BY id";
        client.query(ddl).execute().await.unwrap();
        let sum = "SELECT count(), sum(cityHash64(id, manager, kind, at, tags, attrs, score, ifNull(count, 99))) FROM events FINAL";
        let mut sums = Vec::new();
        for compression in [Compression::Lz4, Compression::None] {
            let client = client.clone().with_compression(compression);
            let mut insert = client.insert::<Event>("events").await.unwrap();
            for n in 0..ROWS {
                insert.write(&event(n)).await.unwrap();
            }
            insert.end().await.unwrap();
            sums.push(client.query(sum).fetch_one::<(u64, u64)>().await.unwrap());
            let mut cursor = client.query("SELECT ?fields FROM events FINAL ORDER BY id").fetch::<Event>().unwrap();
            let mut n = 0;
            while let Some(row) = cursor.next().await.unwrap() {
                assert_eq!(row, event(n));
                n += 1;
            }
            assert_eq!(n, ROWS);
        }
        assert_eq!((sums[0].0, sums[0]), (ROWS, sums[1]));
        // Nothing inserted.
        client.insert::<Event>("events").await.unwrap().end().await.unwrap();
        let bound = client.query("SELECT count() FROM events FINAL WHERE manager = ? AND id < ?").bind("m7").bind(10_000_u64);
        assert_eq!(bound.fetch_one::<u64>().await.unwrap(), 34);
        let param = client.query("SELECT count() FROM events FINAL WHERE manager = {m:String} AND id IN {ids:Array(UInt64)}");
        assert_eq!(param.param("m", "m7").param("ids", vec![7_u64, 307, 8]).fetch_one::<u64>().await.unwrap(), 2);
        let odd = "O'Brien\n\\Привет\t";
        assert_eq!(client.query("SELECT {m:String}").param("m", odd).fetch_one::<String>().await.unwrap(), odd);
        let setting = client.query("SELECT toUInt64(getSetting('max_block_size'))").with_setting("max_block_size", "4321");
        assert_eq!(setting.fetch_one::<u64>().await.unwrap(), 4321);
        assert_eq!(client.query("SELECT id FROM events WHERE 0").fetch_all::<u64>().await.unwrap(), Vec::<u64>::new());
    });
}

#[test]
fn errors_are_told_by_code() {
    block_on(async {
        let client = client("filin");
        let bad = |e: Error| match e {
            Error::BadResponse(text) => text,
            other => other.to_string(),
        };
        let unknown = bad(client.query("SELECT * FROM nope").fetch_one::<u64>().await.unwrap_err());
        assert!(unknown.contains("Code: 60."), "{unknown}");
        let wrong = bad(client.clone().with_password("x").query("SELECT 1").fetch_one::<u8>().await.unwrap_err());
        assert!(wrong.contains("Code: 516."), "{wrong}");
        // In the middle of a long result.
        let middle = client.query("SELECT throwIf(number = 3000000) FROM numbers(4000000)").fetch_all::<u8>().await;
        assert!(middle.is_err());
    });
}

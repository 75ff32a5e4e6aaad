//! What a reader may ask. Each refusal is checked twice: by the answer, and by what did not happen: no file, no connection.

use std::{
    collections::BTreeMap,
    io::ErrorKind,
    net::TcpListener,
    path::{Path, PathBuf},
};

use super::{
    http::{ask, query},
    server::{Server, eventually},
};

/// A server with Filin's tables as far as these tests need them.
fn server() -> Server {
    let server = Server::temporary(&[]);
    for table in [
        "users",
        "clients",
        "orders",
        "events_raw",
        "reveals",
        "manager_state",
        "tenant_state",
        "priors",
        "log",
        "log_meta",
        "integrity_salts",
        "credentials",
        "sessions",
        "login_claims",
    ] {
        server.run(&format!("CREATE TABLE {table} (id UInt64, name String) ENGINE = ReplacingMergeTree ORDER BY id"));
        server.run(&format!("INSERT INTO {table} VALUES (1, 'secret')"));
    }
    for table in ["alerts", "dead_letters", "alert_actions"] {
        server.run(&format!("CREATE TABLE {table} (id UInt64, clients UInt64, v UInt64) ENGINE = ReplacingMergeTree(v) ORDER BY id"));
        server.run(&format!("INSERT INTO {table} VALUES (1, 10, 1)"));
        server.run(&format!("INSERT INTO {table} VALUES (1, 20, 2)"));
    }
    server.run("CREATE VIEW managers AS SELECT id FROM filin.users");
    server.run("CREATE VIEW reveal_counts AS SELECT id, count() AS times FROM filin.reveals GROUP BY id");
    server.run("CREATE VIEW leak AS SELECT name FROM filin.users");
    server.run("CREATE VIEW leak_of_leak AS SELECT * FROM filin.leak");
    server.run("CREATE VIEW own AS SELECT id FROM filin.alerts");
    server.run("CREATE TABLE buffered AS users ENGINE = Buffer(filin, users, 1, 10, 100, 10, 100, 1000, 10000)");
    server.run("CREATE TABLE merged AS users ENGINE = Merge(filin, '^users$')");
    server.run("CREATE DATABASE copy");
    server.run("CREATE TABLE copy.users AS filin.users");
    server
}

/// All files under a folder, with their contents.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

#[test]
fn what_a_reader_may_not_ask_is_refused_and_does_nothing() {
    let server = server();
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().display();
    std::fs::write(folder.path().join("x.csv"), "secret_header,b\n1,2\n").unwrap();
    let before = files(folder.path());
    let port = TcpListener::bind("127.0.0.1:0").unwrap();
    port.set_nonblocking(true).unwrap();
    let out = format!("127.0.0.1:{}", port.local_addr().unwrap().port());
    let statements = [
        // Files written.
        format!("SELECT 1 INTO OUTFILE '{here}/a'"),
        format!("SELECT 1 INTO OUTFILE '{here}/x.csv' TRUNCATE"),
        format!("SELECT 1 INTO OUTFILE '{here}/x.csv' APPEND"),
        format!("SELECT 1 iNtO/**/OUTFILE '{here}/a' FORMAT CSV"),
        format!("EXPLAIN SELECT 1 INTO OUTFILE '{here}/a'"),
        format!("SHOW TABLES INTO OUTFILE '{here}/a'"),
        format!("DESC filin.alerts INTO OUTFILE '{here}/a'"),
        format!("INSERT INTO FUNCTION file('{here}/a', 'CSV', 'a UInt8') VALUES (1)"),
        format!("INSERT INTO FUNCTION file('{here}/a', 'CSV', 'a UInt8') SELECT 1"),
        format!("BACKUP TABLE filin.alerts TO File('{here}/a.tar')"),
        // Files read.
        format!("SELECT * FROM file('{here}/x.csv', 'CSVWithNames')"),
        format!("SELECT * FROM `file`('{here}/x.csv', 'CSVWithNames')"),
        format!("SELECT file('{here}/x.csv')"),
        format!("SELECT * APPLY(file) FROM (SELECT '{here}/x.csv')"),
        format!("SELECT arrayMap(x -> `file`(x), ['{here}/x.csv'])"),
        format!("DESCRIBE TABLE file('{here}/x.csv', 'CSVWithNames')"),
        format!("DESC file('{here}/x.csv', 'CSVWithNames')"),
        format!("SELECT * FROM `{here}/x.csv`"),
        format!("SELECT * FROM default.`{here}/x.csv`"),
        format!("DESCRIBE default.`{here}/x.csv`"),
        format!("SELECT * FROM sqlite('{here}/x.db', 't')"),
        format!("DESCRIBE sqlite('{here}/x.db', 't')"),
        format!("SELECT * FROM filesystem('{here}')"),
        format!("SELECT * FROM executable('touch {here}/a', 'CSV', 'a String')"),
        format!("SELECT * FROM view(SELECT * FROM file('{here}/x.csv', 'CSVWithNames'))"),
        format!("INSERT INTO alerts FROM INFILE '{here}/x.csv' FORMAT CSV"),
        // Connections made.
        format!("SELECT * FROM url('http://{out}/x', 'CSV', 'a String')"),
        format!("SELECT * FROM url('http://{out}/x')"),
        format!("DESCRIBE url('http://{out}/x', 'CSVWithNames')"),
        format!("DESC TABLE url('http://{out}/x')"),
        format!("DESCRIBE TABLE s3('http://{out}/b/x.csv')"),
        format!("EXPLAIN SELECT * FROM url('http://{out}/x')"),
        format!("SELECT * FROM remote('{out}', 'system', 'one')"),
        format!("SELECT * FROM mysql('{out}', 'd', 't', 'u', 'p')"),
        format!("SELECT * FROM postgresql('{out}', 'd', 't', 'u', 'p')"),
        format!("SELECT * FROM redis('{out}', 'k', 'k String, v String')"),
        format!("SELECT * FROM (SELECT * FROM url('http://{out}/x'))"),
        format!("SELECT (SELECT * FROM url('http://{out}/x', 'CSV', 'a String'))"),
        format!("WITH x AS (SELECT * FROM url('http://{out}/x', 'CSV', 'a String')) SELECT * FROM x"),
        format!("SELECT hasColumnInTable('{out}', 'u', 'p', 'system', 'one', 'dummy')"),
        format!("SELECT 1 WHERE 1 IN (SELECT toUInt8(a) FROM url('http://{out}/x', 'CSV', 'a String'))"),
        format!("SHOW TABLES WHERE name IN (SELECT * FROM url('http://{out}/x', 'CSV', 'a String'))"),
        format!("EXPLAIN TABLE OVERRIDE mysql('{out}', 'd', 't', 'u', 'p') PARTITION BY toYYYYMM(a)"),
        // More than one statement, and others than questions.
        "SELECT 1; SELECT 2".to_owned(),
        format!("SELECT 1; SELECT 1 INTO OUTFILE '{here}/a'"),
        "SELECT 1 PARALLEL WITH SELECT 2".to_owned(),
        "KILL QUERY WHERE 1 ASYNC".to_owned(),
        "KILL QUERY WHERE 1 SYNC".to_owned(),
        "KILL MUTATION WHERE 1".to_owned(),
        "INSERT INTO alerts VALUES (2, 2, 2)".to_owned(),
        "INSERT INTO alerts SELECT 2, 2, 2".to_owned(),
        "WITH x AS (SELECT 1) INSERT INTO alerts SELECT 2, 2, 2".to_owned(),
        "CREATE TABLE t (a UInt8) ENGINE = Memory".to_owned(),
        "CREATE TEMPORARY TABLE t (a UInt8)".to_owned(),
        "ALTER TABLE alerts DELETE WHERE 1".to_owned(),
        "DELETE FROM alerts WHERE 1".to_owned(),
        "DROP TABLE alerts".to_owned(),
        "TRUNCATE TABLE alerts".to_owned(),
        "OPTIMIZE TABLE alerts".to_owned(),
        "SET readonly = 0".to_owned(),
        "SET max_threads = 1".to_owned(),
        "USE system".to_owned(),
        "SYSTEM FLUSH LOGS".to_owned(),
        "CHECK TABLE alerts".to_owned(),
        "FROM alerts SELECT *".to_owned(),
        // Settings within the statement.
        "SELECT * FROM alerts SETTINGS final = 0".to_owned(),
        "SELECT * FROM (SELECT * FROM alerts SETTINGS final = 0)".to_owned(),
        "SELECT (SELECT sum(v) FROM alerts SETTINGS `final` = 0)".to_owned(),
        "SELECT * FROM view(SELECT * FROM alerts SETTINGS final = 0)".to_owned(),
        "SELECT * FROM (SELECT * FROM alerts SETTINGS max_threads = 1)".to_owned(),
        "SELECT * FROM (SELECT 1 UNION ALL SELECT 2 SETTINGS max_execution_time = 0)".to_owned(),
        "WITH a AS (SELECT * FROM alerts SETTINGS final = 0) SELECT * FROM a".to_owned(),
        "SELECT 1 SETTINGS readonly = 0".to_owned(),
        // Other people's questions and the machine.
        "SELECT query FROM system.processes".to_owned(),
        "SHOW PROCESSLIST".to_owned(),
        "SELECT * FROM system.mutations".to_owned(),
        "SELECT * FROM system.errors".to_owned(),
        // What the lexer must not be led astray by.
        format!("SELECT 1 /* /* */ */ INTO OUTFILE '{here}/a'"),
        format!("SELECT '\\'' INTO OUTFILE '{here}/a'"),
        format!("SELECT 1 AS `a\\`b` INTO OUTFILE '{here}/a'"),
        format!("SELECT 1 -- ' \n INTO OUTFILE '{here}/a'"),
        format!("SELECT $a$ ' $a$ INTO OUTFILE '{here}/a' -- '"),
        format!("SELECT \u{2018} ' \u{2019} INTO OUTFILE '{here}/a' -- '"),
        format!("SELECT 1\u{a0}INTO OUTFILE '{here}/a'"),
        format!("SELECT 1.INTO OUTFILE '{here}/a'"),
    ];
    for sql in &statements {
        let answer = server.read(&[], sql);
        // A name that is no table is told by 60 (404): nothing was read.
        let unknown = answer.code() == 60 && sql.contains("x.csv`");
        // A text that ClickHouse's own parser does not take is told by 62.
        let syntax = answer.code() == 62 && (sql.contains('\u{a0}') || sql.contains("1.INTO"));
        assert!(answer.status == 403 || unknown || syntax, "{sql}: {} {}", answer.status, answer.text());
        assert!(!answer.text().contains("secret"), "{sql}: {}", answer.text());
    }
    assert_eq!(files(folder.path()), before);
    assert_eq!(port.accept().map(|_| ()).map_err(|e| e.kind()), Err(ErrorKind::WouldBlock), "a connection was made");
    assert_eq!(server.run("SELECT count(), sum(v) FROM alerts"), "2\t3");
}

#[test]
fn tables_with_names_and_states_are_hidden_however_they_are_reached() {
    let server = server();
    let tables = [
        "users",
        "clients",
        "orders",
        "events_raw",
        "reveals",
        "manager_state",
        "tenant_state",
        "priors",
        "log",
        "log_meta",
        "dead_letters",
        "alert_actions",
        "credentials",
        "sessions",
        "login_claims",
    ];
    for table in tables {
        for sql in [
            format!("SELECT * FROM {table}"),
            format!("SELECT count() FROM filin.`{table}` FINAL"),
            format!("(SELECT id FROM {table})"),
            format!("EXPLAIN SELECT * FROM {table}"),
            format!("DESCRIBE TABLE {table}"),
            format!("SHOW CREATE TABLE filin.{table}"),
        ] {
            let answer = server.read(&[], &sql);
            assert_eq!((answer.status, answer.code()), (403, 497), "{sql}: {}", answer.text());
        }
    }
    for sql in [
        "SELECT 1 FROM alerts, users AS u",
        "SELECT * FROM alerts AS a JOIN filin.users AS u ON a.id = u.id",
        "SELECT id FROM alerts UNION ALL SELECT id FROM users",
        "SELECT id FROM alerts EXCEPT SELECT id FROM users",
        "SELECT (SELECT any(name) FROM users)",
        "SELECT if(1, '', (SELECT any(name) FROM users))",
        "SELECT 1 WHERE 0 AND EXISTS (SELECT 1 FROM users)",
        "SELECT * FROM alerts WHERE id IN (SELECT id FROM users)",
        "SELECT * FROM alerts WHERE id IN users",
        "SELECT * FROM alerts WHERE id NOT IN filin.users",
        "SELECT * FROM alerts WHERE id GLOBAL IN (SELECT id FROM users)",
        "SELECT * FROM alerts ORDER BY id LIMIT (SELECT max(id) FROM users)",
        "WITH u AS (SELECT * FROM users) SELECT * FROM u",
        "WITH (SELECT any(name) FROM users) AS n SELECT n",
        "WITH RECURSIVE r AS (SELECT id FROM users UNION ALL SELECT id + 1 FROM r WHERE id < 3) SELECT * FROM r",
        "SELECT * FROM view(SELECT * FROM users)",
        "SELECT * FROM view(SELECT * FROM view(SELECT name FROM users))",
        "SELECT * FROM VIEW /* c */ (SELECT (SELECT any(name) FROM users))",
        "SELECT * FROM `view`(SELECT name FROM users)",
        "SELECT * FROM leak",
        "SELECT * FROM leak_of_leak",
        "SELECT * FROM buffered",
        "SELECT * FROM merged",
        "SELECT * FROM merge('filin', '^users$')",
        "SELECT * FROM loop(filin.users) LIMIT 1",
        "SELECT * FROM mergeTreeIndex(filin, users)",
        "SELECT * FROM dictionary('filin.users')",
        "SELECT * FROM copy.users",
        "SELECT * FROM {t:Identifier}",
        "SELECT u.name AS `x, table_name: filin.alerts` FROM users AS `u`",
        "SELECT * FROM users AS `a\nb, table_name: filin.alerts`",
        "EXPLAIN PIPELINE SELECT name FROM users",
        "EXPLAIN QUERY TREE SELECT (SELECT any(name) FROM users)",
        "EXPLAIN SYNTAX SELECT * FROM users",
        "EXPLAIN ESTIMATE SELECT * FROM users",
    ] {
        let answer = server.read(&[("param_t", "users")], sql);
        assert_eq!(answer.status, 403, "{sql}: {}", answer.text());
        assert!(!answer.text().contains("secret"), "{sql}");
    }
}

#[test]
fn a_reader_may_ask_what_dashboards_ask() {
    let server = server();
    for (sql, expected) in [
        ("SELECT 1", "1"),
        ("select 1 as `clients` format JSONEachRow", "{\"clients\":1}"),
        // The newest version only, without anyone saying FINAL.
        ("SELECT * FROM alerts", "1\t20\t2"),
        ("SELECT clients, log FROM (SELECT clients, 7 AS log FROM filin.alerts)", "20\t7"),
        ("SELECT id FROM managers", "1"),
        ("SELECT times FROM reveal_counts", "1"),
        ("SELECT * FROM own", "1"),
        ("(SELECT 1) UNION ALL (SELECT 1)", "1\n1"),
        ("WITH 1 AS x, y AS (SELECT 2 AS z) SELECT x, z FROM y", "1\t2"),
        ("SELECT * FROM numbers(2)", "0\n1"),
        ("SELECT * FROM numbers_mt(1)", "0"),
        ("SELECT * FROM generateSeries(1, 2)", "1\n2"),
        ("SELECT * FROM values('a UInt8', 1, 2)", "1\n2"),
        ("SELECT * FROM view(SELECT id FROM alerts)", "1"),
        ("SELECT * FROM alerts WHERE id IN (SELECT id FROM own)", "1\t20\t2"),
        (
            "SELECT toStartOfInterval(toDateTime(0, 'UTC'), INTERVAL 1 hour) AS time, count() FROM alerts GROUP BY time ORDER BY time",
            "1970-01-01 00:00:00\t1",
        ),
        ("SELECT format('{}-{}', 'INTO', 'users'), 'KILL; DROP'", "INTO-users\tKILL; DROP"),
        ("SELECT name FROM system.tables WHERE database = 'filin' AND name = 'alerts'", "alerts"),
        ("SELECT count() > 0 FROM system.columns", "1"),
        ("SELECT count() > 0 FROM system.settings LIMIT 10", "1"),
        ("SELECT sum(rows) > 0 FROM system.parts", "1"),
        ("SELECT count() > 0 FROM information_schema.columns", "1"),
        ("SHOW TABLES FROM filin LIKE 'aler%'", "alert_actions\nalerts"),
        ("SHOW DATABASES LIKE 'fil%'", "filin"),
        ("EXISTS TABLE filin.alerts", "1"),
        ("SELECT {a:String}, {b:UInt8}", "x\\'y\t7"),
        ("SELECT currentDatabase(), getSetting('final'), getSetting('readonly')", "filin\ttrue\t1"),
    ] {
        let answer = server.read(&[("param_a", "x'y"), ("param_b", "7")], sql);
        assert_eq!((answer.status, answer.text().trim_end()), (200, expected), "{sql}");
    }
    for sql in [
        "DESC alerts",
        "DESCRIBE TABLE filin.alerts FORMAT JSON",
        "EXPLAIN SELECT * FROM alerts",
        "EXPLAIN indexes = 1 SELECT * FROM alerts",
        "SHOW CREATE TABLE alerts",
    ] {
        assert_eq!(server.read(&[], sql).status, 200, "{sql}");
    }
    // Mistakes are told as ClickHouse tells them.
    for (sql, status, code) in [("SELECT * FROM nope", 404, 60), ("SELECT nope", 404, 47), ("SELEC 1", 400, 62), ("", 400, 62)] {
        let answer = server.read(&[], sql);
        assert_eq!((answer.status, answer.code()), (status, code), "{sql}: {}", answer.text());
    }
    // What was `default` is Filin's own database.
    assert_eq!(server.read(&[("database", "default")], "SELECT count() FROM alerts").text(), "1\n");
    assert_eq!(server.read(&[("database", "system")], "SELECT count() FROM one").text(), "1\n");
    assert_eq!(server.read(&[("database", "none")], "SELECT 1").code(), 81);
}

#[test]
fn settings_of_a_reader_only_go_down() {
    let server = server();
    let get = |name: &str, value: &str| server.read(&[(name, value)], "SELECT 1");
    for (name, value) in [
        ("final", "0"),
        ("readonly", "0"),
        ("readonly", "2"),
        ("max_execution_time", "0"),
        ("max_execution_time", "86400"),
        ("max_memory_usage", "0"),
        ("max_memory_usage", "99999999999"),
        ("max_result_bytes", "0"),
        ("max_threads", "1000"),
        ("max_server_memory_usage", "x"),
        ("allow_introspection_functions", "1"),
        ("allow_ddl", "1"),
        ("output_format_schema", "/tmp/x"),
        ("format_schema", "/etc/passwd"),
        ("dialect", "kusto"),
        ("implicit_select", "1"),
        ("allow_experimental_analyzer", "0"),
        ("enable_analyzer", "0"),
    ] {
        let answer = get(name, value);
        assert_eq!((answer.status, answer.code()), (403, 164), "{name}={value}: {}", answer.text());
    }
    for (name, value) in [
        ("final", "1"),
        ("readonly", "1"),
        ("max_execution_time", "5"),
        ("max_memory_usage", "100000000"),
        ("max_result_rows", "1"),
        ("max_rows_to_read", "1000"),
        ("max_threads", "3"),
        ("output_format_json_quote_64bit_integers", "1"),
        ("wait_end_of_query", "1"),
        ("send_progress_in_http_headers", "0"),
        ("session_id", "s"),
        ("query_id", "q"),
        ("log_comment", "dashboard"),
    ] {
        assert_eq!(get(name, value).status, 200, "{name}={value}");
    }
    assert_eq!(server.read(&[], "SELECT getSetting('max_execution_time')").text(), "60\n");
    assert_eq!(server.read(&[("default_format", "Protobuf")], "SELECT 1").status, 403);
    assert_eq!(server.read(&[], "SELECT 1 FORMAT Template").status, 403);
}

#[test]
fn accounts_and_pages_of_others() {
    let server = server();
    let ask = |target: &str, head: &[&str]| {
        let answer = ask(server.addr, "POST", target, head, b"SELECT 1");
        (answer.status, answer.code())
    };
    assert_eq!(ask("/?user=filin", &[]), (403, 516));
    assert_eq!(ask("/?user=filin&password=hunter2", &[]), (403, 516));
    assert_eq!(ask("/?user=root", &[]), (403, 516));
    assert_eq!(ask("/?password=x", &[]), (403, 516));
    assert_eq!(ask("/", &["X-ClickHouse-User: filin", "X-ClickHouse-Key: hunter2"]), (403, 516));
    assert_eq!(ask("/", &["Authorization: Bearer x"]), (403, 516));
    assert_eq!(ask("/", &["Host: evil.example"]).0, 403);
    assert_eq!(ask("/", &["Host: localhost.evil.example:8123"]).0, 403);
    assert_eq!(ask("/", &["Sec-Fetch-Site: cross-site"]).0, 403);
    assert_eq!(ask("/", &["Sec-Fetch-Site: none", "Host: [::1]:8123"]).0, 200);
    let key = format!("X-ClickHouse-Key: {}", server.password);
    assert_eq!(ask("/", &["X-ClickHouse-User: filin", &key]).0, 200);
    // Other pages may not read answers.
    let answer = super::http::ask(server.addr, "OPTIONS", "/", &["Origin: http://evil.example"], b"");
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (405, None));
    let target = query(&[("add_http_cors_header", "1"), ("query", "SELECT 1")]);
    let answer = super::http::ask(server.addr, "GET", &target, &["Origin: http://evil.example"], b"");
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, None));
    server.run("SELECT 'a literal of somebody'");
    let log = server.log();
    eventually("queries are logged", || server.log().contains("SELECT ?"));
    assert!(!log.contains(&server.password) && !log.contains("hunter2") && !log.contains("a literal"), "{log}");
}

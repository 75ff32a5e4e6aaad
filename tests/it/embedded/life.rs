//! Starting, stopping, dying: locks, ports, checksums, `kill -9`.

use std::{
    collections::BTreeMap,
    io::Write,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use super::{
    http::{answer, open, query, request},
    server::{Server, command, eventually, filin, wait},
};

const BATCH: u64 = 1000;

#[test]
fn acknowledged_batches_survive_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path(), &[]);
    server.run("CREATE TABLE batches (b UInt64, i UInt64, s String) ENGINE = MergeTree ORDER BY (b, i)");
    let (mut acknowledged, next) = (Vec::new(), AtomicU64::new(0));
    for round in 0..4 {
        let stop = AtomicBool::new(false);
        let done = std::sync::Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while !stop.load(Ordering::SeqCst) {
                        let b = next.fetch_add(1, Ordering::SeqCst);
                        let rows: String = (0..BATCH).map(|i| format!("{b}\t{i}\tpayload {i}\n")).collect();
                        let target =
                            query(&[("user", "filin"), ("password", &server.password), ("query", "INSERT INTO batches FORMAT TSV")]);
                        let Ok(mut stream) = std::net::TcpStream::connect(server.addr) else { return };
                        if stream.write_all(&request("POST", &target, &[], rows.as_bytes())).is_err() {
                            return;
                        }
                        let answer = answer(&mut stream, false);
                        if answer.status == 200 && answer.whole {
                            done.lock().unwrap().push(b);
                        }
                    }
                });
            }
            eventually("some batches are stored", || done.lock().unwrap().len() > 5 + round);
            server.signal("KILL");
            stop.store(true, Ordering::SeqCst);
        });
        acknowledged.extend(done.into_inner().unwrap());
        server.wait();
        server = Server::start(folder.path(), &[]);
        let stored = server.run("SELECT b, count() FROM batches GROUP BY b");
        let stored: BTreeMap<u64, u64> =
            stored.lines().filter_map(|l| l.split_once('\t')).map(|(b, n)| (b.parse().unwrap(), n.parse().unwrap())).collect();
        assert!(acknowledged.iter().all(|b| stored.contains_key(b)), "round {round}: an acknowledged batch is lost");
        assert!(stored.values().all(|n| *n == BATCH), "round {round}: a batch is stored in part");
        assert_eq!(server.run("SELECT count() FROM system.detached_parts"), "0");
    }
}

#[test]
fn a_folder_has_one_process_and_the_next_waits_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = Server::start(folder.path(), &[]);
    first.run("CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a");
    let mut second = command(folder.path(), &[]).spawn().unwrap();
    assert_eq!(wait(&mut second).code(), Some(1));
    let pid = first.child.id();
    assert!(first.log().contains(&format!("is locked by process {pid}: stop it")), "{}", first.log());
    first.run("INSERT INTO t VALUES (1)");
    // One that starts while the first is dying gets the folder.
    let (password, secret) = (first.password.clone(), folder.path().join("clickhouse.secret"));
    assert_eq!(std::fs::metadata(&secret).unwrap().permissions().mode() & 0o777, 0o600);
    let third = std::thread::scope(|scope| {
        let third = scope.spawn(|| Server::start(folder.path(), &[]));
        first.signal("KILL");
        first.wait();
        third.join().unwrap()
    });
    assert_eq!(third.run("SELECT count() FROM t"), "1");
    assert_eq!(third.password, password);
    // Others find the one that runs.
    let found = filin::store::embedded::access(folder.path()).expect("it runs");
    assert_eq!((found.addr, found.writer_password.expose()), (third.addr, password.as_str()));
    drop(third);
    assert!(filin::store::embedded::access(folder.path()).is_none());
}

#[test]
fn it_stops_in_order_with_queries_in_flight() {
    for signal in ["TERM", "INT"] {
        let mut server = Server::temporary(&[]);
        let target = query(&[("user", "filin"), ("password", &server.password)]);
        let mut stream = open(server.addr);
        stream
            .write_all(&request("POST", &target, &[], b"SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1"))
            .unwrap();
        eventually("the query runs", || server.run("SELECT count() FROM system.processes") == "2");
        server.signal(signal);
        let answer = answer(&mut stream, false);
        assert_eq!((answer.status, answer.code()), (500, 394), "the client is told: {}", answer.text());
        assert_eq!(server.wait().code(), Some(0), "{}", server.log());
        assert!(server.log().contains("has ended"));
    }
}

#[test]
fn it_ends_with_its_parent() {
    let mut server = Server::temporary(&[]);
    server.close_stdin();
    assert_eq!(server.wait().code(), Some(0));
}

#[track_caller]
fn fails(arguments: &[&str], environment: &[(&str, &Path)], code: i32, words: &[&str]) {
    let (status, out, err) = filin(arguments, environment);
    assert_eq!((status, out.as_str()), (code, ""), "{err}");
    for word in words {
        assert!(err.contains(word), "{word:?} is not in {err}");
    }
}

#[test]
fn what_is_wrong_is_said_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let start = ["clickhouse", "--data", data, "--listen"];
    // The port is taken.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    fails(&[&start[..], &[&address]].concat(), &[], 1, &[&address, "is taken"]);
    // Beyond loopback without a password.
    fails(&[&start[..], &["0.0.0.0:0"]].concat(), &[], 2, &["embedded.reader_password"]);
    // Wrong usage.
    assert_eq!(filin(&["clickhouse", "--listen", "nowhere"], &[]).0, 2);
    // No library, a wrong one, one that was changed, one that is none.
    let cache = tempfile::tempdir().unwrap();
    let library = cache.path().join("filin/libchdb").join(filin::store::embedded::fetch::VERSION).join("libchdb.so");
    let start = [&start[..], &["127.0.0.1:0"]].concat();
    fails(&start, &[("XDG_CACHE_HOME", cache.path())], 1, &["libchdb.so", "run `filin embedded fetch`"]);
    std::fs::create_dir_all(library.parent().unwrap()).unwrap();
    std::fs::write(&library, "short").unwrap();
    fails(&start, &[("XDG_CACHE_HOME", cache.path())], 1, &["5 bytes instead of", "run `filin embedded fetch`"]);
    std::fs::File::create(&library).unwrap().set_len(566_330_096).unwrap();
    fails(&start, &[("XDG_CACHE_HOME", cache.path())], 1, &["sha256", "run `filin embedded fetch`"]);
    let other = folder.path().join("other.so");
    fails(&start, &[("FILIN_LIBCHDB", &other)], 1, &["other.so", "FILIN_LIBCHDB"]);
    std::fs::write(&other, "no library").unwrap();
    fails(&start, &[("FILIN_LIBCHDB", &other)], 1, &["other.so", "cannot be loaded"]);
    // An archive that is another one leaves nothing behind.
    let archive = folder.path().join("x.tgz");
    std::fs::write(&archive, "no archive").unwrap();
    fails(&["embedded", "fetch", "--from", archive.to_str().unwrap()], &[("XDG_CACHE_HOME", cache.path())], 1, &["x.tgz", "sha256"]);
    assert_eq!(std::fs::read_dir(library.parent().unwrap()).unwrap().count(), 1);
    // No npm.
    let nothing = tempfile::tempdir().unwrap();
    fails(&["embedded", "fetch"], &[("XDG_CACHE_HOME", cache.path()), ("PATH", nothing.path())], 1, &["npm is not installed", "--from"]);
    // Somebody else's folder.
    let foreign = tempfile::tempdir().unwrap();
    std::fs::create_dir(foreign.path().join("clickhouse")).unwrap();
    std::fs::write(foreign.path().join("clickhouse/photo.jpg"), "").unwrap();
    fails(&["clickhouse", "--listen", "127.0.0.1:0", "--data", foreign.path().to_str().unwrap()], &[], 1, &["not Filin's"]);
    // A folder that is a file.
    fails(&["clickhouse", "--listen", "127.0.0.1:0", "--data", archive.to_str().unwrap()], &[], 1, &["x.tgz"]);
}

#[test]
fn beyond_loopback_the_reader_has_a_password() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("reader");
    std::fs::write(&secret, "pass word\n").unwrap();
    let mut server = Server::start(folder.path(), &["--listen", "0.0.0.0:0", "--reader-password-file", secret.to_str().unwrap()]);
    assert_eq!(server.read(&[], "SELECT 1").code(), 516);
    assert_eq!(server.read(&[("password", "pass word")], "SELECT 1").status, 200);
    // By its name in the network.
    let answer = super::http::ask(server.addr, "POST", "/?password=pass+word", &["Host: filin.example:8123"], b"SELECT 1");
    assert_eq!(answer.status, 200);
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
}

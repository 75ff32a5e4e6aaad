//! Backups of a real store: to two places, only what is new, restored equal; broken off, damaged, without room, with another key.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

use filin::{
    ops::config::Secret,
    store::{
        self,
        backup::{self, Error, Place},
    },
};
use serde_json::{Value, json};

use crate::{
    embedded::server::Server,
    integrity::{event, filled},
    service::{Service, ended, filin, wait},
};

const KEY: &str = "0123456789abcdef0123456789abcdef";

/// Folders of one test.
struct Folders {
    root: tempfile::TempDir,
}

impl Folders {
    fn new() -> Self {
        let folders = Self { root: tempfile::tempdir().expect("a folder") };
        fs::write(folders.at("key"), format!("{KEY}\n")).expect("written");
        for place in ["a", "b"] {
            fs::create_dir(folders.at(place)).expect("made");
        }
        folders
    }

    fn at(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.at(name).to_str().expect("a plain path").to_owned()
    }

    fn command(&self, words: &[&str], places: &[&str]) -> Command {
        let mut command = filin(words);
        command.args(["--key", &self.text("key")]);
        for place in places {
            command.args([if words[0] == "backup" { "--to" } else { "--from" }, &self.text(place)]);
        }
        command
    }

    /// Whether what the newest backup knows of the chains is still in them.
    fn command_against(&self, data: &str) -> Command {
        filin(&["verify", "--data", &self.text(data), "--against", &self.text("a"), "--key", &self.text("key")])
    }

    fn backup(&self, data: &str, places: &[&str], code: i32) -> Vec<Value> {
        let mut command = self.command(&["backup", "--json"], places);
        command.args(["--data", &self.text(data)]);
        serde_json::from_slice(&ended(command, code).stdout).expect("JSON")
    }

    fn audit(&self, place: &str, code: i32) -> Value {
        let mut command = filin(&["verify", "--json", "--backup", &self.text(place)]);
        command.args(["--key", &self.text("key")]);
        serde_json::from_slice(&ended(command, code).stdout).expect("JSON")
    }

    fn restore(&self, place: &str, data: &str, code: i32) -> String {
        let mut command = self.command(&["restore"], &[place]);
        command.args(["--data", &self.text(data)]);
        let out = ended(command, code);
        String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned()
    }
}

fn ask<T: clickhouse::RowOwned + clickhouse::RowRead>(server: &Server, sql: &str) -> Vec<T> {
    let client = store::client(&server.store("filin"));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(client.query(sql).fetch_all::<T>()).unwrap_or_else(|e| panic!("{sql}: {e}"))
}

/// Rows that take room: what is in them cannot be packed.
fn bulk(server: &Server, tenant: &str, n: u32) {
    let sql = format!(
        "INSERT INTO events (tenant, manager, time, source, id, enrich, log_partition, log_offset, records) SELECT '{tenant}', \
         concat('m', toString(number % 50)), toDateTime64('2026-11-01 00:00:00', 3, 'UTC') + number, 's', toString(number), \
         hex(randomString(100)), 999, number, if(number % 3 = 0, NULL, number % 2) FROM numbers({n})"
    );
    let client = store::client(&server.store("filin"));
    tokio::runtime::Runtime::new().expect("a runtime").block_on(client.query(&sql).execute()).expect("stored");
}

/// Per table its rows and their hash, columns that ClickHouse fills by itself included.
fn sums(data: &Path) -> Vec<(String, u64, u64)> {
    let server = Server::start(data, &[]);
    let tables = ask::<String>(
        &server,
        "SELECT name FROM system.tables WHERE database = 'filin' AND engine LIKE '%MergeTree' AND name != 'log_meta' ORDER BY name",
    );
    assert!(tables.len() > 25, "{tables:?}");
    let sum = |table: String| {
        let columns = ask::<String>(&server, &format!("SELECT name FROM system.columns WHERE database = 'filin' AND table = '{table}'"));
        let columns: Vec<String> = columns.iter().map(|c| format!("toString(`{c}`)")).collect();
        let sql = format!("SELECT count(), sum(sipHash64(tuple({}))) FROM {table} SETTINGS final = 1", columns.join(", "));
        let (rows, hash) = ask::<(u64, u64)>(&server, &sql).remove(0);
        (table, rows, hash)
    };
    tables.into_iter().map(sum).collect()
}

#[test]
fn a_store_comes_back_equal_from_either_place_and_goes_on() {
    let folders = Folders::new();
    let data = folders.at("data");
    filled(folders.root.path(), &data);
    {
        let server = Server::start(&data, &[]);
        bulk(&server, "bulk", 60_000);
    }
    let first = folders.backup("data", &["a", "b"], 0);
    let number = |done: &Value, key: &str| done[key].as_u64().unwrap_or_else(|| panic!("{key}: {done}"));
    assert!(number(&first[0], "rows") > 60_000 && number(&first[0], "written") > 4 << 20, "{first:?}");
    assert_eq!(number(&first[0], "rows"), number(&first[1], "rows"));

    // Beside a live instance, with a few more rows: what is there is not written again.
    let service = Service::start(&data, &[]);
    fs::write(folders.at("more.jsonl"), event("e9", &json!({"action": "export", "records": 700}))).expect("written");
    service.push("canonical", &[&folders.at("more.jsonl")]);
    service.settle();
    let second = folders.backup("data", &["a", "b"], 0);
    assert!(number(&second[0], "rows") > number(&first[0], "rows"), "{second:?}");
    assert!(number(&second[1], "written") * 10 < number(&first[1], "written"), "{second:?} after {first:?}");
    service.stop();
    let third = folders.backup("data", &["a", "b"], 0);
    for place in ["a", "b"] {
        let audit = folders.audit(place, 0);
        assert!(audit["backups"].as_array().is_some_and(|b| b.len() == 3 && b[2]["rows"] == third[0]["rows"]), "{audit}");
    }

    let before = sums(&data);
    fs::create_dir(folders.at("empty")).expect("made");
    for (place, to) in [("a", "again"), ("b", "empty")] {
        let said = folders.restore(place, to, 0);
        assert!(said.contains("equal to what was stored"), "{said}");
        assert_eq!(sums(&folders.at(to)), before, "{place}");
        assert_eq!(fs::read(folders.at(to).join("alias.key")).expect("a key"), fs::read(data.join("alias.key")).expect("a key"));
    }
    assert!(!folders.at("again.restoring").exists());
    // A folder that holds something is left alone.
    assert!(folders.restore("a", "again", 2).contains("is not empty"));

    // What came back is whole, and goes on.
    let again = folders.at("again");
    ended(filin(&["verify", "--data", &folders.text("again")]), 0);
    let service = Service::start(&again, &[]);
    fs::write(folders.at("more.jsonl"), event("e10", &json!({"action": "export", "records": 800}))).expect("written");
    service.push("canonical", &[&folders.at("more.jsonl"), &folders.at("events.jsonl")]);
    service.settle();
    assert_eq!(service.count("SELECT count() FROM filin.events WHERE id IN ('e1', 'e2', 'e9', 'e10')"), 4, "repeats are known");
    service.stop();
    ended(folders.command_against("again"), 0);
    let mut command = filin(&["replay", "--from-log", "--verify", "--data", &folders.text("again"), "--alerts"]);
    command.arg(folders.at("alerts.jsonl"));
    ended(command, 0);

    what_is_not_as_it_was_written_is_found(&folders, &data);
    a_place_that_takes_nothing_is_said_at_once(&folders, &data);
}

/// A byte flipped in every kind of file, a file that is gone, another key.
fn what_is_not_as_it_was_written_is_found(folders: &Folders, data: &Path) {
    let files =
        |folder: PathBuf| -> Vec<PathBuf> { fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").path()).collect() };
    let mut chunks: Vec<PathBuf> = files(folders.at("a").join("chunks")).into_iter().flat_map(files).collect();
    chunks.sort_by_key(|path| fs::metadata(path).expect("a file").len());
    let mut manifests = files(folders.at("a").join("backups"));
    manifests.sort();
    let flipped = |path: &Path, at: usize| {
        let whole = fs::read(path).expect("a file");
        let mut bytes = whole.clone();
        let at = at.min(bytes.len() - 1);
        bytes[at] ^= 0x10;
        fs::write(path, bytes).expect("written");
        let audit = folders.audit("a", 1).to_string();
        assert!(audit.contains("is damaged") && audit.contains(&*path.file_name().expect("a name").to_string_lossy()), "{path:?}: {audit}");
        whole
    };
    let (small, large, newest) = (&chunks[0], chunks.last().expect("some"), manifests.last().expect("some"));
    for (path, at) in [(small, 0), (large, 100_000), (newest, 7)] {
        let whole = flipped(path, at);
        fs::write(path, whole).expect("written");
    }
    folders.audit("a", 0);
    // The newest is damaged: the one before is restored, and it is not the newest that is said.
    let whole = flipped(large, usize::MAX);
    assert!(folders.restore("a", "never", 1).contains("is damaged"));
    assert!(!folders.at("never").exists());
    fs::write(large, whole).expect("written");
    // A chunk that is gone is written again by the next backup.
    fs::rename(large, folders.at("taken")).expect("moved");
    assert!(folders.audit("a", 1).to_string().contains("No such file"));
    folders.backup("data", &["a"], 0);
    folders.audit("a", 0);

    fs::write(folders.at("key"), KEY.replace('0', "1")).expect("written");
    assert!(folders.restore("a", "never", 1).contains("was written with another key"));
    assert!(folders.backup("data", &["a"], 1)[0]["error"].as_str().is_some_and(|e| e.contains("another key")));
    fs::write(folders.at("key"), KEY).expect("written");

    // What is loaded is compared, not only decrypted.
    let place = Arc::new(Place::read(&folders.at("a"), &Secret::new(KEY)).expect("a place"));
    let (_, mut manifest) = place.newest().expect("a backup");
    let server = Server::start(data, &[]);
    let client = store::client(&server.store("filin"));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(backup::checked(&client, &place, &manifest)).expect("equal");
    let alerts = manifest.tables.iter_mut().find(|t| t.name == "alerts").expect("a table");
    alerts.parts[0].sum ^= 1;
    let wrong = runtime.block_on(backup::checked(&client, &place, &manifest));
    assert!(matches!(&wrong, Err(Error::Differs { table, .. }) if table == "alerts"), "{wrong:?}");
    assert_eq!(ask::<u64>(&server, "SELECT count() FROM system.databases WHERE name = 'filin_scratch'"), [0]);
}

/// No disk, no room, something else there: said at once, the other place gets its backup.
fn a_place_that_takes_nothing_is_said_at_once(folders: &Folders, data: &Path) {
    let done = folders.backup("data", &["gone", "b"], 1);
    assert!(done[0]["error"].as_str().is_some_and(|e| e.contains("is its disk mounted")) && done[1]["name"].is_string(), "{done:?}");
    fs::create_dir(folders.at("other")).expect("made");
    fs::write(folders.at("other").join("thesis.doc"), "mine").expect("written");
    assert!(folders.backup("data", &["other"], 1)[0]["error"].as_str().is_some_and(|e| e.contains("no backup: take an empty folder")));
    // As on a full disk the write stops in the middle of a file.
    fs::create_dir(folders.at("full")).expect("made");
    let service = Service::start(data, &[]);
    let script = "ulimit -f 100; trap '' XFSZ; exec \"$0\" \"$@\"";
    let mut command = Command::new("bash");
    command.args(["-c", script, env!("CARGO_BIN_EXE_filin"), "backup", "--json", "--data", &folders.text("data")]);
    command.args(["--to", &folders.text("full"), "--key", &folders.text("key")]);
    let done: Value = serde_json::from_slice(&ended(command, 1).stdout).expect("JSON");
    assert!(done[0]["error"].as_str().is_some_and(|e| e.contains("is full")), "{done}");
    service.stop();
    assert_eq!(fs::read_dir(folders.at("full").join("backups")).expect("a folder").count(), 0);
    assert_eq!(fs::read_dir(folders.at("full").join("partial")).expect("a folder").count(), 0, "it gives back what it could not finish");
    // With room again it goes on.
    folders.backup("data", &["full"], 0);
    folders.audit("full", 0);
}

#[test]
fn a_kill_in_the_middle_leaves_no_backup_and_harms_none() {
    let folders = Folders::new();
    let data = folders.at("data");
    Service::start(&data, &[]).stop();
    folders.backup("data", &["a"], 0);
    {
        let server = Server::start(&data, &[]);
        bulk(&server, "bulk", 300_000);
    }
    let before = sums(&data);
    let count = |folder: &str| fs::read_dir(folders.at("a").join(folder)).map_or(0, Iterator::count);
    let chunks = count("chunks");
    let mut command = folders.command(&["backup", "--data", &folders.text("data")], &["a"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary was built");
    // It writes now: more than there was, and not yet all.
    wait("some of it to be written", || (count("chunks") > chunks).then_some(()));
    child.kill().expect("it runs");
    child.wait().expect("it ended");
    assert_eq!(count("backups"), 1, "it was killed too late to prove anything");
    let audit = folders.audit("a", 0);
    assert_eq!(audit["backups"].as_array().map(Vec::len), Some(1), "{audit}");
    // What was half written is taken for nothing: not by a restore, and not by the next backup.
    let done = folders.backup("data", &["a"], 0);
    assert!(done[0]["rows"].as_u64() >= Some(300_000), "{done:?}");
    assert_eq!((count("partial"), count("backups")), (0, 2));
    folders.audit("a", 0);
    folders.restore("a", "again", 0);
    assert_eq!(sums(&folders.at("again")), before);
}

#[test]
fn a_service_makes_backups_by_itself_and_says_which_place_has_none() {
    let folders = Folders::new();
    let config = folders.at("filin.toml");
    let text = format!(
        "[embedded]\nlisten = '127.0.0.1:0'\n[canary]\nenabled = false\n[backup]\nto = [{:?}, {:?}, {:?}]\nevery = '1h'\nkey_file = {:?}\n",
        folders.text("a"),
        folders.text("b"),
        folders.text("gone"),
        folders.text("key")
    );
    fs::write(&config, text).expect("written");
    // Only a place that was begun by hand is written to: `b` could be the mount point of a disk that is away.
    Place::write(&folders.at("a"), &Secret::new(KEY), true).expect("begun");
    let service = Service::start(&folders.at("data"), &["--config", config.to_str().expect("plain")]);
    let metric = |name: &str, place: &str| {
        let text = service.http("GET", "/metrics", b"").1;
        let start = format!("{name}{{place=\"{}\"}} ", folders.text(place));
        text.lines().find_map(|l| l.strip_prefix(&start)?.parse::<f64>().ok())
    };
    let (at, failures) = ("filin_backup_last_success_timestamp_seconds", "filin_backup_failures_total");
    wait("a backup", || metric(at, "a").filter(|at| *at > 1.7e9));
    wait("the others to be missed", || (metric(failures, "b")? + metric(failures, "gone")? > 1.5).then_some(()));
    assert_eq!((metric(failures, "a"), metric(at, "b"), metric(at, "gone")), (Some(0.0), Some(0.0), Some(0.0)));
    assert!(metric("filin_backup_written_bytes_total", "a") > Some(100.0));
    assert_eq!(fs::read_dir(folders.at("b")).expect("a folder").count(), 0);
    assert!(service.http("GET", "/metrics", b"").1.contains("filin_backup_interval_seconds 3600"));
    service.stop();
    let audit = folders.audit("a", 0);
    assert_eq!(audit["backups"].as_array().map(Vec::len), Some(1), "{audit}");
    // The key and the places of the configuration do for the commands as well.
    ended(filin(&["verify", "--config", config.to_str().expect("plain"), "--backup", &folders.text("a")]), 0);
}

//! Pages of a queue of 100 000 alerts, as a person waits for them: the whole of a running service, over HTTP, one after the other.
//! `cargo bench --bench queue`; three minutes, most of them to make the alerts: those of a made-up company at a high budget, each
//! again under other ids, managers and times until there are enough.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use filin::ops::clock::Stopwatch;
use serde_json::Value;

/// Alerts that there are.
const ALERTS: u64 = 100_000;
/// Pages asked for, of each kind.
const PAGES: usize = 40;
/// What a page may take, nineteen times of twenty.
const GOAL: Duration = Duration::from_millis(100);

/// Ends the service with this program.
struct Service {
    child: Child,
    console: String,
    clickhouse: String,
}

impl Drop for Service {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn filin() -> Command {
    Command::new(env!("CARGO_BIN_EXE_filin"))
}

fn main() -> Result<()> {
    let root = tempfile::tempdir()?;
    let company = root.path().join("company");
    let made =
        filin().args(["simulate", "--managers", "60", "--days", "60", "--seed", "3", "--attacks", "--out"]).arg(&company).output()?;
    ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let service = start(root.path(), &company)?;
    let to = format!("http://{}", service.console);
    let pushed = filin().args(["push", "--to", &to, "--format", "canonical"]).arg(company.join("events.jsonl")).output()?;
    ensure!(pushed.status.success(), "{}", String::from_utf8_lossy(&pushed.stderr));
    let secret = fs::read_to_string(root.path().join("data/clickhouse.secret"))?;
    let ask = |sql: &str| -> Result<String> {
        let login = [("X-ClickHouse-User", "filin"), ("X-ClickHouse-Key", secret.trim())];
        let (status, text) = request(&service.clickhouse, "POST", "/", &login, sql)?;
        ensure!(status == 200, "{sql}: {text}");
        Ok(text.trim().to_owned())
    };
    // Everything is scored when nothing new comes.
    let mut before = String::new();
    loop {
        std::thread::sleep(Duration::from_secs(3));
        let now = ask("SELECT count() FROM filin.alerts FINAL")?;
        if now == before && now != "0" {
            break;
        }
        before = now;
    }
    let real: u64 = ask("SELECT uniqExact(alert_id) FROM filin.alerts")?.parse()?;
    let copies = ALERTS.div_ceil(real) - 1;
    // The same company again and again: other people, other days of the year before.
    ask(&format!(
        "INSERT INTO filin.alerts SELECT * EXCEPT (n) REPLACE (concat(substring(alert_id, 1, 24), leftPad(hex(n), 12, '0')) AS alert_id, \
         concat(manager, '-', toString(n)) AS manager, concat(substring(manager_alias, 1, 6), leftPad(hex(n), 4, '0')) AS manager_alias, \
         time - toIntervalSecond(n * 61_003 % 31_000_000) AS time, opened_at - toIntervalSecond(n * 61_003 % 31_000_000) AS opened_at) \
         FROM (SELECT * FROM filin.alerts FINAL) AS a CROSS JOIN (SELECT number + 1 AS n FROM numbers({copies})) AS copy \
         SETTINGS max_block_size = 2048, max_joined_block_size_rows = 2048, min_insert_block_size_bytes = 16777216"
    ))?;
    ask("INSERT INTO filin.alert_actions (tenant, alert_id, revision, action_id, at, actor, actor_role, action, verdict) \
         SELECT DISTINCT tenant, alert_id, 1, alert_id, now64(3), 'vera', 'analyst', 'close', 'benign_expected' FROM filin.alerts \
         WHERE cityHash64(alert_id) % 10 = 0")?;
    ask("INSERT INTO filin.alert_priorities (tenant, alert_id, version, priority, model, at) \
         SELECT tenant, alert_id, max(version), cityHash64(alert_id) % 1000 / 10, 'm', now64(3) FROM filin.alerts GROUP BY tenant, alert_id")?;
    // What was written at once is merged, as what comes over months is.
    let busy = || Ok::<_, anyhow::Error>(ask("SELECT count() FROM system.merges")? != "0");
    while busy()? || busy()? {
        std::thread::sleep(Duration::from_secs(2));
    }
    let [alerts, versions, bytes, parts] = [
        "SELECT uniqExact(alert_id) FROM filin.alerts",
        "SELECT count() FROM filin.alerts FINAL",
        "SELECT formatReadableSize(sum(data_compressed_bytes)) FROM system.parts WHERE active AND table IN ('alerts', 'alert_queue')",
        "SELECT count() FROM system.parts WHERE active AND table = 'alert_queue'",
    ]
    .map(ask);
    println!(
        "{} alerts in {} versions ({} of them made by the engine), {} on disk, the queue in {} parts\n",
        alerts?, versions?, real, bytes?, parts?
    );

    let someone = ask("SELECT any(manager_alias) FROM filin.alerts WHERE manager != ''")?;
    let get = |path: &str| -> Result<String> {
        let (status, text) = request(&service.console, "GET", path, &[], "")?;
        ensure!(status == 200, "{path}: {text}");
        Ok(text)
    };
    let next = |text: &str| -> Result<Option<String>> { Ok(serde_json::from_str::<Value>(text)?["next"].as_str().map(str::to_owned)) };
    println!("{:44} {:>8} {:>8} {:>8} {:>10}", "page", "p50, ms", "p95, ms", "most, ms", "bytes");
    let mut well = true;
    for (name, first) in [
        ("the newest 50 (/v1/alerts)", "/v1/alerts?limit=50".to_owned()),
        ("50 after 50, from the newest on", "/v1/alerts?limit=50&page=on".to_owned()),
        ("50 after 50, the most surprising first", "/v1/alerts?limit=50&sort=score&page=on".to_owned()),
        ("50 after 50, as answers taught", "/v1/alerts?limit=50&sort=priority&page=on".to_owned()),
        ("50 after 50, open and high", "/v1/alerts?limit=50&state=open&severity=high&page=on".to_owned()),
        ("one manager's", format!("/v1/alerts?manager={someone}")),
        ("the page of an analyst (/)", "/?lang=en".to_owned()),
        ("the same, open only", "/?lang=en&state=open".to_owned()),
    ] {
        let (base, on) = first.strip_suffix("&page=on").map_or((first.as_str(), false), |base| (base, true));
        let (mut times, mut size, mut path) = (Vec::new(), 0, base.to_owned());
        get(&path)?;
        for _ in 0..PAGES {
            let watch = Stopwatch::start();
            let text = get(&path)?;
            times.push(watch.elapsed());
            size = text.len();
            if on {
                path = format!("{base}&after={}", next(&text)?.context("another page")?);
            }
        }
        times.sort_unstable();
        let at = |percent: usize| times[(times.len() - 1) * percent / 100];
        let ms = |d: Duration| d.as_secs_f64() * 1000.0;
        println!("{name:44} {:8.1} {:8.1} {:8.1} {size:10}", ms(at(50)), ms(at(95)), ms(at(100)));
        well &= at(95) <= GOAL;
    }
    println!("\n{}", if well { "every page within 100 ms, nineteen times of twenty" } else { "not every page within 100 ms" });
    Ok(())
}

fn start(root: &Path, company: &Path) -> Result<Service> {
    let config = root.join("filin.toml");
    let file = |name: &str| company.join(name);
    fs::write(
        &config,
        format!(
            "[embedded]\nlisten = \"127.0.0.1:0\"\n[alerts]\nbudget = 100\n[canary]\nenabled = false\n\
             [reference]\nusers = {:?}\nclients = {:?}\norders = {:?}\n",
            file("users.csv"),
            file("clients.csv"),
            file("orders.csv")
        ),
    )?;
    let mut command = filin();
    command.args(["run", "--listen", "127.0.0.1:0", "--config"]).arg(&config).arg("--data").arg(root.join("data"));
    let log = fs::File::create(root.join("log"))?;
    let mut child = command.env("FILIN_LOG", "warn").stdout(Stdio::piped()).stderr(log).spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().context("piped")?).read_line(&mut line)?;
    let after = |word: &str| Some(line.split_whitespace().skip_while(|w| *w != word).nth(1)?.trim_start_matches("http://").to_owned());
    let address = after("console").zip(after("clickhouse"));
    let (console, clickhouse) = address.with_context(|| format!("filin run did not start: {line}"))?;
    Ok(Service { child, console, clickhouse })
}

fn request(host: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect(host)?;
    let mut head = format!("{method} {path} HTTP/1.0\r\nHost: {host}\r\nContent-Length: {}\r\n", body.len());
    headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
    stream.write_all(format!("{head}\r\n{body}").as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let text = String::from_utf8_lossy(&answer);
    let (head, body) = text.split_once("\r\n\r\n").context("an answer")?;
    let status = head.split_whitespace().nth(1).and_then(|s| s.parse().ok()).context("a status")?;
    Ok((status, body.to_owned()))
}

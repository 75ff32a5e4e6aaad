//! What is stored against the chain.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use clickhouse::Row as _;
use serde::{Deserialize, Serialize};

use super::{
    ACTIONS, ALERTS, Hash, Person, Salts, Seal, action_digest, alert_digest,
    link::{Chained, HeadRow, LinkRow, Proved, unproved},
    salted, salts, tag,
};
use crate::{
    event::Timestamp,
    store::{Error, Keep, actions::ActionRow, long, quoted, retention, rows::AlertRow, unchecked},
};

/// Something that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Broken {
    /// The log.
    pub log_id: String,
    /// Its partition.
    pub partition: u32,
    /// The line whose link it belongs to: the first offset behind the link before.
    pub from: u64,
    /// ... and that of the link.
    pub to: u64,
    /// `alerts`, `alert_actions`, `alert_queue`, `integrity` or `integrity_heads`.
    pub table: &'static str,
    /// The row: `alert_id/version`, an action's id, a link's hash.
    pub id: String,
    /// What is wrong with it.
    pub what: String,
}

/// Where a partition's chains end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// The log.
    pub log_id: String,
    /// Its partition.
    pub partition: u32,
    /// Of the newest checkpoint.
    pub log_offset: u64,
    /// The last links of the chain of alerts.
    pub alerts: Vec<String>,
    /// ... and of actions.
    pub actions: Vec<String>,
}

impl End {
    fn of(h: &HeadRow) -> Self {
        let HeadRow { log_id, partition, log_offset, alerts, actions, .. } = h.clone();
        Self { log_id, partition, log_offset, alerts, actions }
    }
}

/// Where all chains end now.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn ends(client: &clickhouse::Client) -> Result<Vec<End>, Error> {
    Ok(heads(client).await?.iter().map(End::of).collect())
}

async fn heads(client: &clickhouse::Client) -> Result<Vec<HeadRow>, Error> {
    Ok(client.query("SELECT ?fields FROM integrity_heads FINAL ORDER BY log_id, partition").fetch_all::<HeadRow>().await?)
}

/// What a check came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Links that were followed.
    pub links: u64,
    /// Alert versions that are as they were written.
    pub alerts: u64,
    /// Actions that are.
    pub actions: u64,
    /// Rows of which the next checkpoint makes links.
    pub waiting: u64,
    /// Rows that are gone with the salt of whom they were about.
    pub erased: u64,
    /// Rows that are gone because they were older than their table keeps them.
    pub expired: u64,
    /// Rows that were there before the chain, and were taken as they were.
    pub adopted: u64,
    /// Links beside the chain: of an instance that did not come to its checkpoint.
    pub aside: u64,
    /// Where the chains end.
    pub heads: Vec<End>,
    /// What is not as it was written, in order of the log.
    pub broken: Vec<Broken>,
}

/// How a row in the store looks.
struct Found {
    who: Person,
    digest: Hash,
    partition: u32,
    offset: u64,
    /// Of an action.
    proof: Option<(String, ActionRow)>,
}

/// An alert in its newest version.
struct Newest {
    version: u32,
    digest: Hash,
    manager: String,
    opened_at: i64,
    place: (u32, u64),
}

/// What the queue shows of an alert.
#[derive(Clone, Copy)]
struct Shown {
    version: u32,
    digest: Hash,
    opened_at: i64,
    place: (u32, u64),
}

/// A row in a link.
struct Linked<'a> {
    link: &'a LinkRow,
    from: u64,
    tag: &'a str,
    hash: &'a str,
    time: i64,
    /// On the chain, not beside it.
    on: bool,
}

/// Everything that a check reads, in the order in which a service that goes on writing does no harm: what is written last first.
struct Read {
    checkpoints: BTreeMap<(String, u32), u64>,
    heads: Vec<HeadRow>,
    links: Vec<LinkRow>,
    alerts: BTreeMap<String, Found>,
    actions: BTreeMap<String, Found>,
    /// By alert, what its newest version in `alerts` is ...
    newest: BTreeMap<String, Newest>,
    /// ... and which one the queue shows.
    queue: BTreeMap<String, Shown>,
    salts: Salts,
    erased: BTreeSet<String>,
    /// The greatest position of the local log; none: it is elsewhere, or empty.
    logged: Option<u64>,
    /// Days that alerts and actions are kept; none: for good.
    kept_d: [Option<i64>; 2],
}

impl Read {
    async fn all(client: &clickhouse::Client, seal: &Seal) -> Result<Self, Error> {
        let query = "SELECT log_id, partition, max(log_offset) FROM checkpoints GROUP BY log_id, partition";
        let newest = client.query(query).fetch_all::<(String, u32, u64)>().await?;
        let checkpoints = newest.into_iter().map(|(log, partition, offset)| ((log, partition), offset)).collect();
        let heads = heads(client).await?;
        let query = "SELECT ?fields FROM integrity FINAL ORDER BY log_id, partition, chain, log_offset, hash";
        let links = client.query(query).fetch_all::<LinkRow>().await?;
        let (mut alerts, mut actions) = (BTreeMap::new(), BTreeMap::new());
        let mut queue = queue(client, "1").await?;
        let mut cursor = unchecked(client).query("SELECT ?fields FROM alerts FINAL").fetch::<AlertRow>()?;
        let mut newest: BTreeMap<String, Newest> = BTreeMap::new();
        while let Some(row) = cursor.next().await? {
            let (digest, partition, offset) = (alert_digest(&row), row.log_partition, row.log_offset);
            if newest.get(&row.alert_id).is_none_or(|n| n.version < row.version) {
                let manager = row.manager.clone();
                newest.insert(
                    row.alert_id.clone(),
                    Newest { version: row.version, digest, manager, opened_at: row.opened_at, place: (partition, offset) },
                );
            }
            let found = Found { who: (row.tenant.clone(), row.manager.clone()), digest, partition, offset, proof: None };
            alerts.insert(format!("{}/{}", row.alert_id, row.version), found);
        }
        let mut cursor = client.query("SELECT ?fields FROM alert_actions FINAL").fetch::<ActionRow>()?;
        while let Some(row) = cursor.next().await? {
            let (manager, partition) = newest.get(&row.alert_id).map(|n| (n.manager.clone(), n.place.0)).unwrap_or_default();
            let who = (row.tenant.clone(), manager);
            let (digest, id) = (action_digest(&row), row.action_id.clone());
            actions.insert(id, Found { who, digest, partition, offset: 0, proof: Some((row.proof.clone(), row)) });
        }
        // What came while alerts were read: a row is in them before it is in the queue.
        for _ in 0..3 {
            let behind = |(id, n): &(&String, &Newest)| queue.get(*id).is_none_or(|q| q.version < n.version);
            let late: Vec<&String> = newest.iter().filter(behind).map(|(id, _)| id).collect();
            if late.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
            let late: Vec<String> = late.into_iter().map(|id| quoted(id)).collect();
            let found = self::queue(client, &format!("alert_id IN ({})", late.join(", "))).await?;
            // Those that moved on meanwhile are of no version that was read.
            queue.extend(found.into_iter().map(|(id, shown)| {
                let read = newest.get(&id).filter(|n| n.version < shown.version);
                let shown = read.map_or(shown, |n| Shown { version: n.version, digest: n.digest, ..shown });
                (id, shown)
            }));
        }
        let (salts, erased) = (salts::all(client).await?, salts::erased(client, seal).await?);
        let logged = client.query("SELECT max(seq) FROM log HAVING count() > 0").fetch_optional::<u64>().await?;
        let kept_d = [retention::now(client, "alerts").await?, retention::now(client, "alert_actions").await?];
        Ok(Self { checkpoints, heads, links, alerts, actions, newest, queue, salts, erased: erased.into_keys().collect(), logged, kept_d })
    }
}

/// What the queue shows of the alerts that a condition picks. A row stands there twice, in its columns and as one value.
async fn queue(client: &clickhouse::Client, condition: &str) -> Result<BTreeMap<String, Shown>, Error> {
    let condition = condition.replace('?', "??");
    let sql = format!("SELECT ?fields FROM alert_queue FINAL WHERE {condition}");
    let mut cursor = long(unchecked(client).query(&sql)).fetch::<AlertRow>()?;
    let mut found = BTreeMap::new();
    while let Some(row) = cursor.next().await? {
        let (digest, place) = (alert_digest(&row), (row.log_partition, row.log_offset));
        found.insert(row.alert_id, Shown { version: row.version, digest, opened_at: row.opened_at, place });
    }
    let columns = AlertRow::COLUMN_NAMES.join(", ");
    let sql = format!("SELECT alert_id FROM alert_queue FINAL WHERE packed != formatRow('RowBinary', {columns}) AND {condition}");
    for id in long(client.query(&sql)).fetch_all::<String>().await? {
        found.entry(id).and_modify(|shown| shown.digest = Hash::default());
    }
    Ok(found)
}

/// Compares every alert and every action with the chain, and the chain with itself.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn check(client: &clickhouse::Client, seal: &Seal, now: Timestamp) -> Result<Report, Error> {
    Ok(judge(&Read::all(client, seal).await?, seal, now))
}

fn judge(read: &Read, seal: &Seal, now: Timestamp) -> Report {
    let mut report = Report::default();
    let heads: BTreeMap<(&str, u32), &HeadRow> = read.heads.iter().map(|h| ((h.log_id.as_str(), h.partition), h)).collect();
    let mut linked: [BTreeMap<&str, Vec<Linked<'_>>>; 2] = [BTreeMap::new(), BTreeMap::new()];
    let mut with = BTreeSet::new();
    let places: BTreeSet<(&str, u32)> = read.links.iter().map(|l| (l.log_id.as_str(), l.partition)).chain(heads.keys().copied()).collect();
    for (log_id, partition) in places {
        with.insert((log_id, partition));
        let of: Vec<&LinkRow> = read.links.iter().filter(|l| l.log_id == log_id && l.partition == partition).collect();
        let head = heads.get(&(log_id, partition)).copied();
        follow(read, seal, head, &of, &mut linked, &mut report);
    }
    for ((log_id, partition), offset) in &read.checkpoints {
        if !with.contains(&(log_id.as_str(), *partition)) {
            let what = format!("there is a checkpoint at offset {offset} and no chain: a start of `filin run` begins one");
            report.broken.push(broken(log_id, *partition, (0, *offset), "integrity_heads", "", what));
        }
    }
    rows(read, seal, now, &heads, &linked, &mut report);
    queued(read, now, &heads, &mut report);
    report.broken.sort();
    report
}

fn broken(log_id: &str, partition: u32, (from, to): (u64, u64), table: &'static str, id: &str, what: impl Into<String>) -> Broken {
    Broken { log_id: log_id.to_owned(), partition, from, to, table, id: id.to_owned(), what: what.into() }
}

/// Follows the chains of one partition from their heads to their beginnings.
fn follow<'a>(
    read: &Read,
    seal: &Seal,
    head: Option<&HeadRow>,
    links: &[&'a LinkRow],
    linked: &mut [BTreeMap<&'a str, Vec<Linked<'a>>>; 2],
    report: &mut Report,
) {
    let mut wrong = Vec::new();
    let by_hash: BTreeMap<&str, &'a LinkRow> = links.iter().map(|l| (l.hash.as_str(), *l)).collect();
    let from = |link: &LinkRow| {
        let before = link.previous.iter().filter_map(|p| by_hash.get(p.as_str())).map(|l| l.log_offset).max();
        if link.chain == ALERTS { before.map_or(0, |b| b + 1) } else { before.unwrap_or(0) }
    };
    let mut on: BTreeSet<&str> = BTreeSet::new();
    if let Some(head) = head {
        let place = |what: &str| broken(&head.log_id, head.partition, (0, head.log_offset), "integrity_heads", "", what);
        if head.proof != head.expected(seal) {
            wrong.push(place("changed, or written with another key"));
        }
        match read.checkpoints.get(&(head.log_id.clone(), head.partition)) {
            Some(newest) if *newest > head.log_offset => {
                wrong.push(place(&format!("the chain ends at offset {}, the newest checkpoint is at {newest}", head.log_offset)));
            }
            _ => {}
        }
        let mut open: Vec<(&str, u64)> = head.alerts.iter().chain(&head.actions).map(|h| (h.as_str(), head.log_offset)).collect();
        while let Some((hash, follows)) = open.pop() {
            match by_hash.get(hash) {
                _ if on.contains(hash) => {}
                Some(link) => {
                    on.insert(&link.hash);
                    open.extend(link.previous.iter().map(|p| (p.as_str(), link.log_offset)));
                }
                None => {
                    let what = format!("removed: what follows it at offset {follows} names it");
                    wrong.push(broken(&head.log_id, head.partition, (0, follows), "integrity", hash, what));
                }
            }
        }
    } else if let Some(link) = links.first() {
        wrong.push(broken(&link.log_id, link.partition, (0, u64::MAX), "integrity_heads", "", "removed: there are links and no head"));
    }
    for link in links {
        let (is_on, span) = (on.contains(link.hash.as_str()), (from(link), link.log_offset));
        if link.expected(seal).is_none_or(|(hash, root)| hash != link.hash || root != link.root) {
            let what = "changed, or not written by Filin";
            wrong.push(broken(&link.log_id, link.partition, span, "integrity", &link.hash, what));
            continue;
        }
        report.links += u64::from(is_on);
        // What is ahead of the head was written for a checkpoint that is on its way.
        report.aside += u64::from(!is_on && head.is_some_and(|h| link.log_offset <= h.log_offset));
        // The first link of all that holds more than a line of the log could make: what was there before there was a chain.
        if link.previous.is_empty() && link.chain == ALERTS && adoption(link, read) {
            report.adopted += link.ids.len() as u64;
        }
        let chain = usize::from(link.chain == ACTIONS);
        for i in 0..link.ids.len() {
            let (tag, hash, time) = (link.tags[i].as_str(), link.hashes[i].as_str(), link.times[i]);
            linked[chain].entry(&link.ids[i]).or_default().push(Linked { link, from: span.0, tag, hash, time, on: is_on });
        }
    }
    report.broken.append(&mut wrong);
    report.heads.extend(head.map(End::of));
}

/// Whether a link took rows of other lines as they were.
fn adoption(link: &LinkRow, read: &Read) -> bool {
    link.ids.iter().any(|id| read.alerts.get(id).is_some_and(|a| a.offset != link.log_offset))
}

/// Of logs one after the other, where the chain of the last ends.
fn last<'a>(heads: &BTreeMap<(&str, u32), &'a HeadRow>, partition: u32) -> Option<&'a HeadRow> {
    heads.values().copied().filter(|h| h.partition == partition).max_by_key(|h| h.log_offset)
}

/// Compares rows with what is linked, both ways.
fn rows(
    read: &Read,
    seal: &Seal,
    now: Timestamp,
    heads: &BTreeMap<(&str, u32), &HeadRow>,
    linked: &[BTreeMap<&str, Vec<Linked<'_>>>; 2],
    report: &mut Report,
) {
    let tags: BTreeMap<String, &Hash> = read.salts.values().map(|salt| (tag(salt), salt)).collect();
    for (chain, table, found) in [(0, "alerts", &read.alerts), (1, "alert_actions", &read.actions)] {
        for (id, row) in found {
            let of = linked[chain].get(id.as_str());
            let head = last(heads, row.partition);
            let place = || match of.and_then(|l| l.first()) {
                Some(l) => (l.link.log_id.as_str(), l.link.partition, (l.from, l.link.log_offset)),
                None => (head.map_or("", |h| h.log_id.as_str()), row.partition, (row.offset, row.offset)),
            };
            match judged(read, seal, row, of, &tags, head) {
                Row::Whole if chain == 0 => report.alerts += 1,
                Row::Whole => report.actions += 1,
                Row::Waiting => report.waiting += 1,
                Row::Wrong(what) => {
                    let (log_id, partition, span) = place();
                    report.broken.push(broken(log_id, partition, span, table, id, what));
                }
            }
        }
        for (id, of) in linked[chain].iter().filter(|(id, _)| !found.contains_key(**id)) {
            let Some(l) = of.iter().find(|l| l.on) else { continue };
            if read.erased.contains(l.tag) {
                report.erased += 1;
            } else if !retention::is_kept(read.kept_d[chain], l.time, now.millis()) {
                report.expired += 1;
            } else {
                let what = if tags.contains_key(l.tag) { "removed" } else { "removed, with the salt of whom it was about" };
                report.broken.push(broken(&l.link.log_id, l.link.partition, (l.from, l.link.log_offset), table, id, what));
            }
        }
    }
}

/// Compares the queue with the alerts that it is made of; what is wrong with these is said already.
fn queued(read: &Read, now: Timestamp, heads: &BTreeMap<(&str, u32), &HeadRow>, report: &mut Report) {
    let said = report.broken.iter().filter(|b| b.table == "alerts").map(|b| b.id.split_once('/').map_or("", |(id, _)| id).to_owned());
    let said: BTreeSet<String> = said.collect();
    let mut wrong = |id: &str, (partition, offset): (u32, u64), what: &str| {
        if !said.contains(id) {
            let log_id = last(heads, partition).map_or("", |h| h.log_id.as_str());
            report.broken.push(broken(log_id, partition, (offset, offset), "alert_queue", id, what));
        }
    };
    // Of what is too old each table drops its rows when it merges.
    let is_kept = |opened_at: i64| retention::is_kept(read.kept_d[0], opened_at, now.millis());
    for (id, newest) in read.newest.iter().filter(|(_, n)| is_kept(n.opened_at)) {
        match read.queue.get(id) {
            None => wrong(id, newest.place, "removed"),
            Some(q) if q.version != newest.version => wrong(id, newest.place, "another version than the newest in alerts"),
            Some(q) if q.digest != newest.digest => wrong(id, newest.place, "changed"),
            Some(_) => {}
        }
    }
    for (id, q) in read.queue.iter().filter(|(id, q)| !read.newest.contains_key(*id) && is_kept(q.opened_at)) {
        wrong(id, q.place, "inserted: there is no such alert");
    }
}

/// What a row is.
enum Row {
    Whole,
    Waiting,
    Wrong(&'static str),
}

fn judged(
    read: &Read,
    seal: &Seal,
    row: &Found,
    of: Option<&Vec<Linked<'_>>>,
    tags: &BTreeMap<String, &Hash>,
    head: Option<&HeadRow>,
) -> Row {
    // Of a row that is linked the link says which salt: whom it is about may be in a row that is gone.
    let salt = of.map_or_else(|| read.salts.get(&row.who), |of| of.iter().find_map(|l| tags.get(l.tag).copied()));
    // Of an action that was written twice the later row holds; the proof of each is its own.
    if let Some((proof, action)) = &row.proof
        && salt.is_some_and(|salt| *proof == seal.action(salt, action))
    {
        return if of.is_some() { Row::Whole } else { Row::Waiting };
    }
    let Some(of) = of else {
        let ahead = row.proof.is_none() && head.is_none_or(|h| row.offset > h.log_offset);
        let in_log = read.logged.is_none_or(|last| row.offset <= last);
        return if ahead && in_log { Row::Waiting } else { Row::Wrong("inserted: Filin did not write it") };
    };
    let Some(salt) = salt else { return Row::Wrong("cannot be checked: the salt of whom it is about is gone") };
    let hash = super::hex(&salted(salt, &row.digest));
    if of.iter().any(|l| l.hash == hash) { Row::Whole } else { Row::Wrong("changed") }
}

/// What an earlier check saw at the ends of the chains, and this one does not find in them: somebody cut them, or wrote them anew.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn anchored(client: &clickhouse::Client, ends: &[End]) -> Result<Vec<Broken>, Error> {
    let hashes = client.query("SELECT hash FROM integrity").fetch_all::<String>().await?;
    let hashes: BTreeSet<&str> = hashes.iter().map(String::as_str).collect();
    let gone = ends.iter().flat_map(|e| e.alerts.iter().chain(&e.actions).map(move |hash| (e, hash)));
    let gone = gone.filter(|(_, hash)| !hashes.contains(hash.as_str()));
    Ok(gone
        .map(|(e, hash)| broken(&e.log_id, e.partition, (0, e.log_offset), "integrity", hash, "removed since it was written down"))
        .collect())
}

/// How many rows were taken as they were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Adopted {
    /// Alert versions.
    pub alerts: usize,
    /// Actions.
    pub actions: usize,
}

/// Begins the chain of each partition that has a checkpoint of an older version and no chain: what is there is taken as it is.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn adopt(client: &clickhouse::Client, seal: &Seal, log_id: &str, now: Timestamp) -> Result<Adopted, Error> {
    let query = "SELECT partition, max(log_offset) FROM checkpoints WHERE log_id = ? AND partition NOT IN \
                 (SELECT partition FROM integrity_heads WHERE log_id = ? UNION ALL SELECT partition FROM integrity WHERE log_id = ?) GROUP BY partition ORDER BY partition";
    let mut adopted = Adopted::default();
    for (partition, offset) in client.query(query).bind(log_id).bind(log_id).bind(log_id).fetch_all::<(u32, u64)>().await? {
        let mut chained = Chained::default();
        let query = "SELECT ?fields FROM alerts FINAL WHERE log_partition = ? AND log_offset <= ? ORDER BY log_offset, alert_id, version";
        let mut cursor = unchecked(client).query(query).bind(partition).bind(offset).fetch::<AlertRow>()?;
        while let Some(row) = cursor.next().await? {
            chained.take(&row, offset);
            adopted.alerts += 1;
        }
        let actions: Vec<Proved> = unproved(client, partition).await?;
        adopted.actions += actions.len();
        let salts = salts::salts(client, &chained.people(&actions), now).await?;
        let (links, head) = chained.close(seal, &salts, (log_id, partition, offset), &actions, true);
        if !links.is_empty() {
            Keep::insert(client, "integrity", &links).await?;
        }
        Keep::insert(client, "integrity_heads", &[head]).await?;
    }
    Ok(adopted)
}

//! Links and heads: how rows become a chain.

use std::collections::{BTreeMap, BTreeSet};

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use super::{ACTIONS, ALERTS, Hash, Person, Salts, Seal, action_digest, alert_digest, hex, keyed, root, salted, tag};
use crate::store::{Error, actions::ActionRow, long, rows::AlertRow, state::LOG_BASE};

/// A row of `integrity`.
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns are said in the migration")]
pub struct LinkRow {
    pub log_id: String,
    pub partition: u32,
    pub chain: String,
    pub log_offset: u64,
    pub hash: String,
    pub previous: Vec<String>,
    pub root: String,
    pub ids: Vec<String>,
    pub tags: Vec<String>,
    pub hashes: Vec<String>,
    pub times: Vec<i64>,
}

impl LinkRow {
    /// The hash and the root that it has to have; none where its columns do not fit each other.
    pub(super) fn expected(&self, seal: &Seal) -> Option<(String, String)> {
        let n = self.ids.len();
        if [self.tags.len(), self.hashes.len(), self.times.len()] != [n; 3] {
            return None;
        }
        let leaf = |i: usize| -> Hash {
            let parts: [&[u8]; 4] =
                [self.ids[i].as_bytes(), self.tags[i].as_bytes(), self.hashes[i].as_bytes(), &self.times[i].to_le_bytes()];
            keyed(&[0; 32], "leaf", &parts)
        };
        let root = hex(&root(&(0..n).map(leaf).collect::<Vec<_>>()));
        let (partition, offset, n) = (self.partition.to_le_bytes(), self.log_offset.to_le_bytes(), (n as u64).to_le_bytes());
        let mut parts: Vec<&[u8]> = vec![self.log_id.as_bytes(), &partition, self.chain.as_bytes(), &offset, &n, root.as_bytes()];
        parts.extend(self.previous.iter().map(String::as_bytes));
        let hash = seal.proof("link", &parts);
        Some((hash, root))
    }
}

/// A row of `integrity_heads`.
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns are said in the migration")]
pub struct HeadRow {
    pub log_id: String,
    pub partition: u32,
    pub log_offset: u64,
    pub alerts: Vec<String>,
    pub actions: Vec<String>,
    pub proof: String,
}

impl HeadRow {
    /// The proof that it has to have.
    pub(super) fn expected(&self, seal: &Seal) -> String {
        let (partition, offset) = (self.partition.to_le_bytes(), self.log_offset.to_le_bytes());
        let (alerts, actions) = (self.alerts.join(" "), self.actions.join(" "));
        seal.proof("head", &[self.log_id.as_bytes(), &partition, &offset, alerts.as_bytes(), actions.as_bytes()])
    }
}

/// A row that is to be linked, without its content.
#[derive(Clone, Debug)]
struct Leaf {
    id: String,
    who: Person,
    digest: Hash,
    time: i64,
}

/// An action with whom its alert is about.
pub type Proved = (ActionRow, String);

/// Both chains of a partition: where they end, and what is not linked yet.
#[derive(Clone, Debug, Default)]
pub struct Chained {
    /// The last links of the chain of alerts.
    pub alerts: Vec<String>,
    /// ... and of actions.
    pub actions: Vec<String>,
    /// By offset of the line that made them.
    waiting: BTreeMap<u64, Vec<Leaf>>,
}

impl Chained {
    /// Goes on behind these links.
    pub const fn behind(alerts: Vec<String>, actions: Vec<String>) -> Self {
        Self { alerts, actions, waiting: BTreeMap::new() }
    }

    /// An alert is made, and belongs into the link of the line at this offset.
    pub fn take(&mut self, row: &AlertRow, offset: u64) {
        let leaf = Leaf {
            id: format!("{}/{}", row.alert_id, row.version),
            who: (row.tenant.clone(), row.manager.clone()),
            digest: alert_digest(row),
            time: row.opened_at,
        };
        self.waiting.entry(offset).or_default().push(leaf);
    }

    /// Whose salts the next links need.
    pub fn people(&self, actions: &[Proved]) -> BTreeSet<Person> {
        let alerts = self.waiting.values().flatten().map(|leaf| leaf.who.clone());
        alerts.chain(actions.iter().map(|(row, manager)| (row.tenant.clone(), manager.clone()))).collect()
    }

    /// The links of what waits, and of `actions` whose proof holds, in order, and the head behind them. Nothing waits then.
    /// `adopt` takes actions without a proof as they are: of an older version, which wrote none.
    ///
    /// # Panics
    /// When the salts of [`Self::people`] are not all there.
    pub fn close(
        &mut self,
        seal: &Seal,
        salts: &Salts,
        (log_id, partition, offset): (&str, u32, u64),
        actions: &[Proved],
        adopt: bool,
    ) -> (Vec<LinkRow>, HeadRow) {
        let mut links = Vec::new();
        for (at, leaves) in std::mem::take(&mut self.waiting) {
            links.push(link(seal, salts, (log_id, partition, ALERTS, at), &leaves, &mut self.alerts));
        }
        let proved = |(row, manager): &&Proved| {
            let salt = salts.get(&(row.tenant.clone(), manager.clone()));
            salt.is_some_and(|salt| row.proof == seal.action(salt, row)) || (adopt && row.proof.is_empty())
        };
        let leaf = |(row, manager): &Proved| Leaf {
            id: row.action_id.clone(),
            who: (row.tenant.clone(), manager.clone()),
            digest: action_digest(row),
            time: row.at,
        };
        let leaves: Vec<Leaf> = actions.iter().filter(proved).map(leaf).collect();
        if !leaves.is_empty() {
            links.push(link(seal, salts, (log_id, partition, ACTIONS, offset), &leaves, &mut self.actions));
        }
        let mut head = HeadRow {
            log_id: log_id.to_owned(),
            partition,
            log_offset: offset,
            alerts: self.alerts.clone(),
            actions: self.actions.clone(),
            proof: String::new(),
        };
        head.proof = head.expected(seal);
        (links, head)
    }
}

/// One link behind `tips`, which it takes the place of.
fn link(
    seal: &Seal,
    salts: &Salts,
    (log_id, partition, chain, log_offset): (&str, u32, &str, u64),
    leaves: &[Leaf],
    tips: &mut Vec<String>,
) -> LinkRow {
    let mut row = LinkRow {
        log_id: log_id.to_owned(),
        partition,
        chain: chain.to_owned(),
        log_offset,
        hash: String::new(),
        previous: tips.clone(),
        root: String::new(),
        ids: leaves.iter().map(|l| l.id.clone()).collect(),
        tags: Vec::new(),
        hashes: Vec::new(),
        times: leaves.iter().map(|l| l.time).collect(),
    };
    for leaf in leaves {
        let salt = salts.get(&leaf.who).expect("the salts of all people were asked for");
        row.tags.push(tag(salt));
        row.hashes.push(hex(&salted(salt, &leaf.digest)));
    }
    (row.hash, row.root) = row.expected(seal).expect("its columns were made together");
    *tips = vec![row.hash.clone()];
    row
}

/// The last links of a partition's chain up to an offset: those that no other one follows. There is one, unless two instances wrote
/// different ones, as of two versions of the engine; the next link follows both then.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn tips(client: &clickhouse::Client, log_id: &str, partition: u32, chain: &str, until: u64) -> Result<Vec<String>, Error> {
    let of = "FROM integrity WHERE log_id = ? AND partition = ? AND chain = ? AND log_offset <= ?";
    let query = format!("SELECT DISTINCT hash {of} AND hash NOT IN (SELECT arrayJoin(previous) {of}) ORDER BY hash");
    let mut query = client.query(&query);
    for _ in 0..2 {
        query = query.bind(log_id).bind(partition).bind(chain).bind(until);
    }
    Ok(query.fetch_all::<String>().await?)
}

/// Actions about a partition's alerts that are in no link yet, oldest first. Those about alerts of a log before this one are of the
/// partition in which their tenant lives now.
///
/// # Errors
/// When ClickHouse is away or refuses.
pub async fn unproved(client: &clickhouse::Client, partition: u32) -> Result<Vec<Proved>, Error> {
    let query = "SELECT ?fields FROM alert_actions FINAL WHERE action_id NOT IN (SELECT arrayJoin(ids) FROM integrity WHERE chain = 'actions') \
                 AND alert_id IN (SELECT alert_id FROM alerts WHERE if(log_offset < \
                 (SELECT toUInt64OrZero(max(value)) FROM log_meta FINAL WHERE key = ?), xxh3(tenant) % \
                 (SELECT greatest(toUInt64OrZero(max(value)), 1) FROM log_meta FINAL WHERE key = 'partitions'), log_partition) = ?) \
                 ORDER BY at, action_id";
    let rows = client.query(query).bind(LOG_BASE).bind(partition).fetch_all::<ActionRow>().await?;
    let ids: Vec<&str> = rows.iter().map(|r| r.alert_id.as_str()).collect();
    let about = about(client, &ids).await?;
    Ok(rows.into_iter().filter_map(|row| about.get(&row.alert_id).map(|who| (row.clone(), who.clone()))).collect())
}

/// Whom these alerts are about.
async fn about(client: &clickhouse::Client, ids: &[&str]) -> Result<BTreeMap<String, String>, Error> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let query = "SELECT alert_id, any(manager) FROM alerts WHERE alert_id IN ? GROUP BY alert_id";
    let rows = long(client.query(query).bind(ids)).fetch_all::<(String, String)>().await?;
    Ok(rows.into_iter().collect())
}

//! Proof that alerts and answers are as they were written.
//!
//! Each line of the log that made alerts is a link: the keyed hashes of their rows, a Merkle root over them, the hash of the link
//! before. Its content follows from the log alone, so whoever scores a span again writes the same link again. What people did about
//! alerts has a chain of its own: a row carries a proof from the moment it is written, and the next checkpoint links it. At each
//! checkpoint a head says where both chains end.
//!
//! A row is hashed with the salt of whom it is about. Who destroys that salt ([`erase`]) leaves hashes that nobody can connect with
//! anybody any more, and a chain that still holds.

mod check;
mod link;
mod salts;

use hmac::{Hmac, Mac};
use sha2::{Digest as _, Sha256};

pub use check::{Adopted, Broken, End, Report, adopt, anchored, check, ends};
pub use link::{Chained, HeadRow, LinkRow, Proved, tips, unproved};
pub use salts::{Erased, Person, Salts, erase, salts};

use super::{Alias, Error, actions::ActionRow, rows::AlertRow};
use crate::event::Timestamp;

/// The chain of alerts.
pub const ALERTS: &str = "alerts";
/// The chain of what people did about them.
pub const ACTIONS: &str = "actions";

/// A hash.
pub type Hash = [u8; 32];

/// What makes links: a secret that comes from the key of the pseudonyms, so that all instances have the same.
#[derive(Clone)]
pub struct Seal([u8; 32]);

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal(key hidden)")
    }
}

impl Seal {
    /// From the key of the pseudonyms.
    pub fn of(alias: &Alias) -> Self {
        Self(alias.secret("integrity"))
    }

    /// The proof of parts of a kind, in hexadecimal.
    fn proof(&self, kind: &str, parts: &[&[u8]]) -> String {
        hex(&keyed(&self.0, kind, parts))
    }

    /// The proof of an action.
    fn action(&self, salt: &Hash, row: &ActionRow) -> String {
        self.proof("action", &[&salted(salt, &action_digest(row))])
    }

    /// Gives an action its proof; `about` is whom its alert is about, with the tenant.
    ///
    /// # Errors
    /// When ClickHouse is away or refuses.
    pub async fn sign(&self, client: &clickhouse::Client, row: &mut ActionRow, about: &Person) -> Result<(), Error> {
        let salts = salts(client, &[about.clone()].into(), Timestamp::from_millis(row.at)).await?;
        row.proof = salts.get(about).map(|salt| self.action(salt, row)).unwrap_or_default();
        Ok(())
    }
}

/// A keyed hash of parts. Each part goes in with its length: no two lists of parts are one text.
pub(super) fn keyed(key: &[u8; 32], kind: &str, parts: &[&[u8]]) -> Hash {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("an HMAC takes keys of any length");
    for part in [kind.as_bytes()].iter().chain(parts) {
        mac.update(&(part.len() as u64).to_le_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// The hash of a row that is about whoever has this salt.
fn salted(salt: &Hash, digest: &Hash) -> Hash {
    keyed(salt, "row", &[digest])
}

/// What says which salt a hash was made with, and nothing else.
fn tag(salt: &Hash) -> String {
    hex(&keyed(salt, "tag", &[]))[..16].to_owned()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

fn unhex(text: &str) -> Option<Hash> {
    data_encoding::HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok()
}

/// All of an alert's row: each of its columns is the engine's, none comes from a clock. A column that is added gets a hash of a
/// second kind, as the rows that are there have none; a test holds this one.
pub fn alert_digest(row: &AlertRow) -> Hash {
    digest("alert/1", row)
}

/// All of an action's row but its proof.
fn action_digest(row: &ActionRow) -> Hash {
    digest("action/1", &ActionRow { proof: String::new(), ..row.clone() })
}

fn digest(kind: &str, row: &impl serde::Serialize) -> Hash {
    let mut hasher = Sha256::new_with_prefix(kind);
    hasher.update([0]);
    hasher.update(serde_json::to_vec(row).expect("a row has string keys only"));
    hasher.finalize().into()
}

/// The root of a Merkle tree (RFC 6962, section 2.1: leaves and nodes are hashed apart, the left half is the greatest power of two).
fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Sha256::digest([]).into(),
        [one] => Sha256::new_with_prefix([0]).chain_update(one).finalize().into(),
        many => {
            let (left, right) = many.split_at(many.len().next_power_of_two() / 2);
            Sha256::new_with_prefix([1]).chain_update(root(left)).chain_update(root(right)).finalize().into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn alert(version: u32, bits: u64) -> AlertRow {
        let s = str::to_owned;
        AlertRow {
            alert_id: s("a"),
            version,
            tenant: s("t"),
            manager: s("anna"),
            manager_alias: s("MFRGGZDFMY"),
            subject_kind: s("manager"),
            subject_id: s("anna"),
            team: s("north"),
            role: s("sales"),
            notify: true,
            linked: Vec::new(),
            late: false,
            lookback: false,
            time: 1_767_600_000_000,
            opened_at: 1_767_600_000_000,
            kind: s("bulk_export"),
            controls: vec![s("bulk_export")],
            severity: s("high"),
            bits,
            ln_p: -20.5,
            score: 50.1,
            summary_en: s("so"),
            summary_ru: s("так"),
            contributions: vec![(s("rec_out"), s("volume"), 1, 2.5, 0.1, s("records"), s("so"), s("так"))],
            event_ids: vec![s("crm/e1")],
            events_total: 3,
            records: 4,
            clients: 5,
            mitre: vec![s("T1213.004")],
            prior: s("none"),
            engine: s("0.1.0"),
            log_partition: 3,
            log_offset: 7,
        }
    }

    /// What is stored was hashed so: a change here makes every chain that exists look broken.
    #[test]
    fn the_hash_of_a_row_stays_what_it_is() {
        assert_eq!(hex(&alert_digest(&alert(1, 30_000))), "728fd8e0449517ea22ddf8606a2e2ec40391a17ed95c415b85f76f7c37f771e9");
    }

    #[test]
    fn the_root_knows_each_leaf_and_its_place() {
        let leaf = |n: u8| -> Hash { [n; 32] };
        let leaves: Vec<Hash> = (0..7).map(leaf).collect();
        let whole = root(&leaves);
        for i in 0..leaves.len() {
            let (mut changed, mut gone) = (leaves.clone(), leaves.clone());
            changed[i] = leaf(99);
            gone.remove(i);
            assert!(root(&changed) != whole && root(&gone) != whole, "{i}");
        }
        let mut swapped = leaves.clone();
        swapped.swap(1, 5);
        assert!(root(&swapped) != whole);
        // Of a tree of four: two pairs and what is above them.
        let node = |a: Hash, b: Hash| -> Hash { Sha256::new_with_prefix([1]).chain_update(a).chain_update(b).finalize().into() };
        let [a, b, c, d] = [0, 1, 2, 3].map(|n| root(&[leaf(n)]));
        assert_eq!(root(&leaves[..4]), node(node(a, b), node(c, d)));
        assert_eq!(root(&leaves[..3]), node(node(a, b), c));
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        let key = [7; 32];
        assert!(keyed(&key, "k", &[b"ab", b"c"]) != keyed(&key, "k", &[b"a", b"bc"]));
        assert!(keyed(&key, "k", &[b"a"]) != keyed(&key, "ka", &[]));
        assert!(keyed(&key, "k", &[b"a"]) != keyed(&[8; 32], "k", &[b"a"]));
    }
}

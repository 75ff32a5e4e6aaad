//! Which checkpoint a start takes, and which states and ids it finds there, asked of a real ClickHouse engine. What the simulation of scoring
//! takes for granted.

#![cfg(feature = "kafka")]

use std::collections::BTreeMap;

use filin::{
    engine::Lateness,
    event::{Enriched, Timestamp, dedup_hash},
    store::{
        Alias, client,
        migrate::migrate,
        rows::{self, Position},
        state::{self, Checkpoint, ManagerState, TenantState},
    },
};

use crate::pipeline::Server;

const LOG: &str = "test:1";

fn checkpoint(partition: u32, generation: u32, base: u64, log_offset: u64) -> Checkpoint {
    Checkpoint { log_id: LOG.to_owned(), partition, log_offset, generation, base, engine: "test".to_owned(), at: 1_767_600_000_000 }
}

/// States of one tenant at a checkpoint; an empty one is of who was forgotten.
async fn save(client: &clickhouse::Client, at: &Checkpoint, managers: &[(&str, &str)]) {
    let (log_id, partition, generation, epoch) = (LOG.to_owned(), at.partition, at.generation, at.log_offset);
    let (tenant, state) = ("t".to_owned(), epoch.to_string().into_bytes());
    let managers: Vec<ManagerState> = managers
        .iter()
        .map(|(m, state)| ManagerState {
            log_id: log_id.clone(),
            partition,
            generation,
            tenant: tenant.clone(),
            manager: (*m).to_owned(),
            epoch,
            state: state.as_bytes().to_vec(),
        })
        .collect();
    let tenants = [TenantState { log_id, partition, generation, tenant, epoch, state }];
    state::save(client, &managers, &tenants, at).await.expect("stored");
}

async fn loaded(client: &clickhouse::Client, at: &Checkpoint) -> Option<(String, BTreeMap<String, String>)> {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    let tenant = state::load(client, at).await.expect("read").remove("t")?;
    Some((text(tenant.shared), tenant.managers.into_iter().map(|(m, s)| (m, text(s))).collect()))
}

#[test]
fn a_start_finds_what_belongs_to_its_checkpoint() {
    let root = tempfile::tempdir().expect("a folder");
    let server = Server::start(root.path());
    let client = client(&server.access());
    tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
        migrate(&client, "filin", 30).await.expect("migrated");
        states(&client).await;
        generations(&client).await;
        ids(&client).await;
    });
}

async fn states(client: &clickhouse::Client) {
    assert_eq!(state::newest(client, LOG, 0).await.ok(), Some(None));
    // Somebody who was given up wrote the same day's snapshot from further back, with a manager who was forgotten since.
    save(client, &checkpoint(0, 7, 10, 10), &[("anna", "old"), ("ghost", "old")]).await;
    let full = checkpoint(0, 7, 20, 20);
    save(client, &full, &[("anna", "20"), ("boris", "20")]).await;
    let next = checkpoint(0, 7, 20, 30);
    save(client, &next, &[("anna", "30"), ("boris", "")]).await;
    assert_eq!(state::newest(client, LOG, 0).await.ok().flatten().as_ref(), Some(&next));
    let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    assert_eq!(loaded(client, &next).await, Some(("30".to_owned(), map(&[("anna", "30")]))));
    assert_eq!(loaded(client, &full).await, Some(("20".to_owned(), map(&[("anna", "20"), ("boris", "20")]))));
}

async fn generations(client: &clickhouse::Client) {
    let drop_old = async || state::drop_old_generations(client, LOG, 1).await.expect("dropped");
    // An unfinished snapshot stays while its checkpoint may come and be the second newest.
    save(client, &checkpoint(1, 7, 10, 10), &[("anna", "7")]).await;
    save(client, &checkpoint(1, 9, 20, 20), &[("anna", "9")]).await;
    drop_old().await;
    assert!(loaded(client, &checkpoint(1, 7, 10, 10)).await.is_some());
    save(client, &checkpoint(1, 8, 15, 15), &[("anna", "8")]).await;
    drop_old().await;
    assert_eq!(loaded(client, &checkpoint(1, 7, 10, 10)).await, None);
    assert!(loaded(client, &checkpoint(1, 8, 15, 15)).await.is_some());
    // Whoever stood still for days finishes a checkpoint on top of what was dropped: nobody begins there.
    save(client, &checkpoint(1, 7, 10, 90), &[("anna", "late")]).await;
    assert_eq!(state::newest(client, LOG, 1).await.ok().flatten(), Some(checkpoint(1, 9, 20, 20)));
    assert_eq!(state::oldest(client, LOG, 1).await.ok().flatten(), Some(checkpoint(1, 8, 15, 15)));
}

/// Of an event that came again when it was no longer recognised, the first row stays.
async fn ids(client: &clickhouse::Client) {
    let event: Enriched = serde_json::from_value(serde_json::json!({
        "event": {
            "id": "1", "time": "2026-01-05T10:00:00Z", "tenant": "t", "source": "s", "actor": {"id": "anna"},
            "action": "view", "outcome": "success"
        },
        "enrich": {"manager": "anna", "zone": "UTC"}
    }))
    .expect("an event");
    for (late, offset) in [(Lateness::OnTime, 34), (Lateness::TooLate, 40)] {
        let (row, _) = rows::event(&event, late, &Alias::new([7; 32]), Position { partition: 2, offset });
        let mut insert = client.insert::<rows::Event>("events").await.expect("begun");
        insert.write(&row).await.expect("written");
        insert.end().await.expect("stored");
    }
    client.query("OPTIMIZE TABLE events FINAL").execute().await.expect("merged");
    let at = checkpoint(2, 7, 0, 36);
    let seen = state::seen(client, "t", &at, Timestamp::parse("2026-01-03T00:00:00Z").expect("a time")).await.expect("read");
    assert_eq!(seen, [(dedup_hash("s", "1"), event.event.time)]);
}

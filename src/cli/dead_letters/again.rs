//! `retry`: through the running instance, which alone appends to a log of its own; where none runs, through store and log opened
//! for this.

use std::path::PathBuf;

use anyhow::Context as _;

use super::{
    super::{Usage, ask, known},
    close, replay, store,
};
use crate::{
    adapter,
    api::{Again, DEFAULT_FORMAT, Retried},
    ops::config::{Config, Secret, Store},
    pipeline::service::{Alone, CONSOLE},
    store::{
        dead::{self, Filter},
        state,
    },
};

/// Letters in one request.
const AT_ONCE: usize = 20_000;

/// The binding by which letters are read instead of their own.
pub(super) fn given(format: Option<String>, path: Option<PathBuf>) -> anyhow::Result<Option<serde_json::Value>> {
    let mut binding = match &path {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|e| Usage(format!("--binding: {}: {e}", path.display())))?;
            toml::from_str(&text).map_err(|e| Usage(format!("{}: {e}", path.display())))?
        }
        None => serde_json::Map::new(),
    };
    if let Some(format) = format {
        binding.insert("format".to_owned(), format.into());
    }
    if binding.is_empty() {
        return Ok(None);
    }
    binding.entry("format").or_insert_with(|| DEFAULT_FORMAT.into());
    let binding = serde_json::Value::Object(binding);
    adapter::Binding::check(&binding).map_err(Usage)?;
    Ok(Some(binding))
}

pub(super) async fn retry(config: &Config, filter: &Filter, binding: Option<serde_json::Value>) -> anyhow::Result<Retried> {
    let embedded = matches!(config.store, Store::Embedded(_));
    if embedded && replay::live(config).is_none() {
        return alone(config, filter, binding).await;
    }
    let (client, opened) = store(config).await?;
    let done = async {
        let ids = dead::ids(&client, filter).await?;
        let Some(console) = state::meta(&client, CONSOLE).await? else { return Ok(None) };
        let password = ask::password(config).context("the running instance's password is not there")?;
        through(&console, &password, &ids, binding.clone()).await
    }
    .await;
    close(opened).await;
    match done? {
        Some(done) => Ok(done),
        None if embedded => anyhow::bail!("the running instance does not answer: stop it, or try again"),
        None => alone(config, filter, binding).await,
    }
}

async fn alone(config: &Config, filter: &Filter, binding: Option<serde_json::Value>) -> anyhow::Result<Retried> {
    let alone = Alone::open(&replay::on_a_free_port(config), known::metrics()).await?;
    let done = async {
        let ids = dead::ids(&alone.opened.client, filter).await?;
        anyhow::Ok(alone.letters.retry(&Again { ids, binding }).await?)
    }
    .await;
    alone.close().await;
    done
}

/// None when nobody answers there.
async fn through(console: &str, password: &Secret, ids: &[String], binding: Option<serde_json::Value>) -> anyhow::Result<Option<Retried>> {
    let mut all = Retried::default();
    for ids in ids.chunks(AT_ONCE) {
        let again = Again { ids: ids.to_vec(), binding: binding.clone() };
        let Some(done) = ask::post::<Retried>(console, password, "/v1/dead-letters/retry", &again).await? else { return Ok(None) };
        all.letters += done.letters;
        all.events += done.events;
        all.known += done.known;
        all.settled += done.settled;
        all.left.extend(done.left);
    }
    Ok(Some(all))
}

//! `filin restore`: a backup becomes a store again.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use anyhow::Context as _;

use super::{Usage, backup, known, replay};
use crate::{
    event::Timestamp,
    ops::config::{Config, Flags, Store},
    pipeline::service,
    store::{
        self,
        backup::{Manifest, Place},
    },
};

/// Flags of `filin restore`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "What is loaded is compared with what was stored, table by table. A folder is there only when all of it is: until then it is\n\
    DIR.restoring, which the next try begins anew. Then `filin run --data DIR` goes on from the newest checkpoint in it."
)]
pub(super) struct Args {
    /// Place of backups
    #[arg(long, value_name = "PLACE")]
    from: PathBuf,
    /// File with what it is encrypted with [default: that of `[backup]` in the configuration]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Which one [default: the newest; `filin verify --backup PLACE` lists them]
    #[arg(long, value_name = "NAME")]
    backup: Option<String>,
    /// Folder of the embedded instance that is to be: empty, or not there
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Configuration; with `clickhouse.url` its database must be empty
    #[arg(long, value_name = "F")]
    config: Option<PathBuf>,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let flags = Flags { data: args.data.clone(), ..Flags::default() };
    let config = known::config(args.config.as_deref(), &flags).map_err(|m| Usage(m.to_string()))?;
    let key = backup::secret(args.key.as_deref(), &config)?;
    let place = Arc::new(Place::read(&args.from, &key)?);
    let (name, manifest) = match args.backup {
        Some(name) => place.manifest(&name).map(|manifest| (name, manifest))?,
        None => place.newest()?,
    };
    eprintln!("filin: {name} of {}, begun at {}, {} rows", args.from.display(), Timestamp::from_millis(manifest.at), manifest.rows());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if matches!(config.store, Store::Server(_)) {
        runtime.block_on(load(&config, &place, &manifest))?;
        println!("restored: {} rows of {} tables, equal to what was stored", manifest.rows(), manifest.tables.len());
        return Ok(ExitCode::SUCCESS);
    }
    let data = &config.data;
    empty(data)?;
    let mut half = data.clone().into_os_string();
    half.push(".restoring");
    let half = PathBuf::from(half);
    if half.exists() {
        fs::remove_dir_all(&half).with_context(|| format!("{} of an earlier try cannot be removed", half.display()))?;
    }
    runtime.block_on(load(&Config { data: half.clone(), ..replay::on_a_free_port(&config) }, &place, &manifest))?;
    for (name, chunk) in &manifest.files {
        let path = half.join(Path::new(name).file_name().context("a file without a name")?);
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        file.write_all(&place.get(chunk)?)?;
        file.sync_all()?;
    }
    if data.exists() {
        fs::remove_dir(data).with_context(|| format!("{} is to be replaced", data.display()))?;
    }
    fs::rename(&half, data).with_context(|| format!("{} cannot take the name {}", half.display(), data.display()))?;
    println!(
        "restored: {} rows of {} tables, equal to what was stored; go on with: filin run --data {}",
        manifest.rows(),
        manifest.tables.len(),
        data.display()
    );
    Ok(ExitCode::SUCCESS)
}

/// A store that is there is not written over.
fn empty(data: &Path) -> anyhow::Result<()> {
    match fs::read_dir(data) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e).with_context(|| format!("{} cannot be read", data.display())),
        Ok(mut inside) => match inside.next() {
            None => Ok(()),
            Some(_) => Err(Usage(format!("{} is not empty: a backup is restored into a new folder", data.display())).into()),
        },
    }
}

async fn load(config: &Config, place: &Arc<Place>, manifest: &Manifest) -> anyhow::Result<()> {
    let opened = service::open_store(config).await?;
    let bar = replay::bar(Some(manifest.rows()), "loading", false);
    let loaded = store::backup::restore(&opened.client, place, manifest, |_, rows| bar.inc(rows)).await;
    bar.finish_and_clear();
    opened.close().await;
    Ok(loaded?)
}

//! Snapshots: a version byte and postcard behind it. Equal states give equal bytes.

use super::{
    manager::Manager,
    tenant::{Shared, Tenant},
};

/// Version of the snapshots.
const VERSION: u8 = 1;

/// A snapshot cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another version wrote it.
    #[error("the state has version {found}, this engine reads version {VERSION}: run the engine that wrote it, or replay the log")]
    Version {
        /// Its version byte.
        found: u8,
    },
    /// It is damaged.
    #[error("the state is damaged: {0}")]
    Damaged(String),
}

fn write<T: serde::Serialize>(value: &T) -> Vec<u8> {
    let bytes = postcard::to_extend(value, vec![VERSION]);
    bytes.expect("a vector takes all bytes, and every part of the state has a known length")
}

fn read<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    match bytes.split_first() {
        Some((&VERSION, rest)) => postcard::from_bytes(rest).map_err(|e| Error::Damaged(e.to_string())),
        Some((&found, _)) => Err(Error::Version { found }),
        None => Err(Error::Damaged("it is empty".to_owned())),
    }
}

impl Tenant {
    /// What the managers share.
    pub fn snapshot(&self) -> Vec<u8> {
        write(&self.shared)
    }

    /// One manager; empty when there is no such.
    pub fn manager_snapshot(&self, id: &str) -> Vec<u8> {
        self.managers.get(id).map(write::<Manager>).unwrap_or_default()
    }

    /// A tenant as it was saved. Events stored before must be given to [`Tenant::remember`].
    ///
    /// # Errors
    /// When a snapshot cannot be read.
    pub fn restore(shared: &[u8], managers: impl IntoIterator<Item = (String, Vec<u8>)>) -> Result<Self, Error> {
        let mut shared: Shared = read(shared)?;
        for class in &mut shared.classes {
            class.map();
        }
        let mut tenant = Self::from_parts(shared);
        for (id, bytes) in managers {
            tenant.managers.insert(id, read(&bytes)?);
        }
        Ok(tenant)
    }
}

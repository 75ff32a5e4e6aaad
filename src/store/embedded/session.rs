//! Sessions of clients that want temporary tables: connections kept between requests, few and not for long.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, TryLockError},
    time::Duration,
};

use super::{
    connection::{Connection, Engine, Exception},
    request,
};
use crate::ops::clock::Stopwatch;

const LONGEST: Duration = Duration::from_secs(3600);

/// The sessions of a listener.
#[derive(Debug)]
pub(super) struct Sessions {
    open: Mutex<BTreeMap<String, Kept>>,
    most: usize,
}

#[derive(Debug)]
struct Kept {
    connection: Arc<Mutex<Connection>>,
    used: Stopwatch,
    timeout: Duration,
}

impl Sessions {
    pub(super) fn new(most: usize) -> Self {
        Self { open: Mutex::default(), most }
    }

    /// Runs `work` on the session's connection, which nobody else uses meanwhile.
    pub(super) fn with<T>(
        &self,
        engine: &Engine,
        wanted: &request::Session,
        work: impl FnOnce(&mut Connection) -> Result<T, Exception>,
    ) -> Result<T, Exception> {
        let connection = self.find(engine, wanted)?;
        let mut guard = match connection.try_lock() {
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {
                return Err(Exception::new(373, "SESSION_IS_LOCKED", "the session is used by another query"));
            }
        };
        let done = work(&mut guard);
        let mut open = self.lock();
        if wanted.close {
            open.remove(&wanted.id);
        } else if let Some(kept) = open.get_mut(&wanted.id) {
            kept.used = Stopwatch::start();
        }
        done
    }

    /// Ends those that nobody used for their time.
    pub(super) fn sweep(&self) {
        self.lock().retain(|_, kept| Arc::strong_count(&kept.connection) > 1 || kept.used.elapsed() < kept.timeout);
    }

    /// Ends all.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    fn find(&self, engine: &Engine, wanted: &request::Session) -> Result<Arc<Mutex<Connection>>, Exception> {
        self.sweep();
        let mut open = self.lock();
        if let Some(kept) = open.get(&wanted.id) {
            return Ok(kept.connection.clone());
        }
        if wanted.check {
            return Err(Exception::new(372, "SESSION_NOT_FOUND", "there is no such session"));
        }
        if open.len() >= self.most {
            return Err(Exception::new(202, "TOO_MANY_SIMULTANEOUS_QUERIES", format!("{} sessions are open: close one", self.most)));
        }
        let connection = Arc::new(Mutex::new(engine.connect()?));
        let timeout = Duration::from_secs(wanted.timeout_s).min(LONGEST);
        open.insert(wanted.id.clone(), Kept { connection: connection.clone(), used: Stopwatch::start(), timeout });
        Ok(connection)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Kept>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

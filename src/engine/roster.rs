//! The managers of a tenant.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    sync::Arc,
};

use super::manager::Manager;

/// Managers by number; numbers are of this process only, whatever comes out is sorted by id.
#[derive(Debug, Default)]
pub(super) struct Roster {
    managers: Vec<Manager>,
    numbers: HashMap<Arc<str>, usize, BuildHasherDefault<Quick>>,
    dirty: Vec<usize>,
}

impl Roster {
    /// The number of a manager, who is taken on when unknown.
    pub(super) fn number(&mut self, id: &str) -> usize {
        if let Some(n) = self.numbers.get(id) {
            return *n;
        }
        self.add(Manager::new(id))
    }

    /// The number of a known manager.
    pub(super) fn find(&self, id: &str) -> Option<usize> {
        self.numbers.get(id).copied()
    }

    /// Takes a manager on; one with the same id is replaced.
    pub(super) fn add(&mut self, manager: Manager) -> usize {
        if let Some(n) = self.find(&manager.id) {
            self.managers[n] = manager;
            return n;
        }
        let n = self.managers.len();
        self.numbers.insert(manager.id.clone(), n);
        self.managers.push(manager);
        n
    }

    pub(super) fn get(&self, n: usize) -> &Manager {
        &self.managers[n]
    }

    /// A manager about to change.
    pub(super) fn change(&mut self, n: usize) -> &mut Manager {
        let manager = &mut self.managers[n];
        if !manager.dirty {
            manager.dirty = true;
            self.dirty.push(n);
        }
        manager
    }

    /// A manager of whom nothing changes that is saved.
    pub(super) fn untracked(&mut self, n: usize) -> &mut Manager {
        &mut self.managers[n]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Manager> {
        self.managers.iter()
    }

    /// Visits all; a visit that returns true changed the manager.
    pub(super) fn visit(&mut self, mut each: impl FnMut(&mut Manager) -> bool) {
        for n in 0..self.managers.len() {
            if each(&mut self.managers[n]) {
                self.change(n);
            }
        }
    }

    /// All ids, sorted.
    pub(super) fn ids(&self) -> Vec<String> {
        sorted(self.managers.iter())
    }

    /// Ids of those changed since [`Roster::mark_clean`], sorted.
    pub(super) fn changed(&self) -> Vec<String> {
        sorted(self.dirty.iter().map(|n| &self.managers[*n]))
    }

    pub(super) fn mark_clean(&mut self) {
        for n in self.dirty.drain(..) {
            self.managers[n].dirty = false;
        }
    }
}

fn sorted<'a>(managers: impl Iterator<Item = &'a Manager>) -> Vec<String> {
    let mut ids: Vec<String> = managers.map(|m| m.id.to_string()).collect();
    ids.sort_unstable();
    ids
}

/// Hashes ids; nothing is ever read in the order of these hashes.
#[derive(Debug, Default)]
struct Quick(u64);

impl Hasher for Quick {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxhash_rust::xxh3::xxh3_64_with_seed(bytes, self.0);
    }
}

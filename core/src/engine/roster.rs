//! The managers of a tenant.

use std::{
    collections::{BTreeSet, HashMap},
    hash::{BuildHasherDefault, Hasher},
    sync::Arc,
};

use super::manager::Manager;

/// Managers by number; numbers are of this process only, whatever comes out is sorted by id.
#[derive(Debug, Default)]
pub(super) struct Roster {
    managers: Vec<Option<Box<Manager>>>,
    numbers: HashMap<Arc<str>, usize, BuildHasherDefault<Quick>>,
    /// Places of those who were forgotten.
    free: Vec<usize>,
    /// Changed since the last checkpoint: numbers, and ids of those who were forgotten.
    dirty: Vec<usize>,
    forgotten: BTreeSet<Arc<str>>,
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
        let n = self.find(&manager.id).or_else(|| self.free.pop()).unwrap_or(self.managers.len());
        self.numbers.insert(manager.id.clone(), n);
        if n == self.managers.len() {
            self.managers.push(None);
        }
        self.managers[n] = Some(Box::new(manager));
        n
    }

    pub(super) fn get(&self, n: usize) -> &Manager {
        self.managers[n].as_deref().expect("numbers of forgotten managers are in use nowhere")
    }

    /// A manager about to change.
    pub(super) fn change(&mut self, n: usize) -> &mut Manager {
        let manager = self.managers[n].as_deref_mut().expect("numbers of forgotten managers are in use nowhere");
        if !manager.dirty {
            manager.dirty = true;
            self.dirty.push(n);
        }
        manager
    }

    /// Their roll-ups are taken, which changes nothing that is saved; none when they were forgotten since.
    pub(super) fn rolled(&mut self, n: usize) -> Option<&mut Manager> {
        self.managers[n].as_deref_mut()
    }

    /// Forgets a manager who has no open day.
    pub(super) fn forget(&mut self, id: &str) {
        if let Some((id, n)) = self.numbers.remove_entry(id) {
            self.managers[n] = None;
            self.free.push(n);
            self.forgotten.insert(id);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.numbers.len()
    }

    /// In no order that may reach a sum or an output.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Manager> {
        self.managers.iter().flatten().map(|m| &**m)
    }

    /// Visits all; a visit that returns true changed the manager.
    pub(super) fn visit(&mut self, mut each: impl FnMut(&mut Manager) -> bool) {
        for n in 0..self.managers.len() {
            if self.managers[n].as_deref_mut().is_some_and(&mut each) {
                self.change(n);
            }
        }
    }

    /// All ids, sorted.
    pub(super) fn ids(&self) -> Vec<String> {
        let ids: BTreeSet<&str> = self.iter().map(|m| &*m.id).collect();
        ids.into_iter().map(str::to_owned).collect()
    }

    /// Ids of those changed or forgotten since [`Roster::mark_clean`], sorted.
    pub(super) fn changed(&self) -> Vec<String> {
        let dirty = self.dirty.iter().filter_map(|n| self.managers[*n].as_deref()).map(|m| &m.id);
        let ids: BTreeSet<&Arc<str>> = dirty.chain(&self.forgotten).collect();
        ids.into_iter().map(|id| id.to_string()).collect()
    }

    pub(super) fn mark_clean(&mut self) {
        for n in std::mem::take(&mut self.dirty) {
            if let Some(m) = &mut self.managers[n] {
                m.dirty = false;
            }
        }
        self.forgotten.clear();
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forgotten_are_named_once_more_and_their_places_used_again() {
        let mut roster = Roster::default();
        let (a, b) = (roster.number("a"), roster.number("b"));
        roster.change(a);
        roster.change(b);
        assert_eq!(roster.changed(), ["a", "b"]);
        roster.mark_clean();
        roster.change(b);
        roster.forget("a");
        assert_eq!((roster.changed(), roster.ids(), roster.len()), (vec!["a".to_owned(), "b".to_owned()], vec!["b".to_owned()], 1));
        let c = roster.number("c");
        assert_eq!(c, a);
        assert!(!roster.get(c).dirty);
        roster.change(c);
        assert_eq!(roster.changed(), ["a", "b", "c"]);
        roster.mark_clean();
        assert!(roster.changed().is_empty() && roster.find("a").is_none());
    }
}

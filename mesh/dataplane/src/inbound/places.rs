//! How many of something one peer has: so that one address, or one identity, cannot take all that
//! is there for everybody.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Counts by key, each up to the same limit.
#[derive(Debug)]
pub(super) struct Places<K> {
    most: usize,
    taken: Mutex<HashMap<K, usize>>,
}

/// One place of `key`, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place<K: Eq + Hash> {
    places: Arc<Places<K>>,
    key: K,
}

// === impl Places ===

impl<K: Clone + Eq + Hash> Places<K> {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            taken: Mutex::default(),
        })
    }

    /// A place for `key`, unless it has as many as it may have.
    pub(super) fn take(self: &Arc<Self>, key: K) -> Option<Place<K>> {
        let mut all = lock(&self.taken);
        match all.get_mut(&key) {
            Some(taken) if *taken >= self.most => return None,
            Some(taken) => *taken += 1,
            None => {
                all.insert(key.clone(), 1);
            }
        }
        drop(all);
        Some(Place {
            places: Arc::clone(self),
            key,
        })
    }
}

impl<K: Eq + Hash> Drop for Place<K> {
    fn drop(&mut self) {
        let mut all = lock(&self.places.taken);
        let Some(taken) = all.get_mut(&self.key) else {
            return;
        };
        *taken -= 1;
        // Nobody's name is kept for longer than its last connection.
        if *taken == 0 {
            all.remove(&self.key);
        }
    }
}

fn lock<K>(taken: &Mutex<HashMap<K, usize>>) -> MutexGuard<'_, HashMap<K, usize>> {
    // Nothing panics while the counts are held.
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;

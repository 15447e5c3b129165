//! Readiness: named conditions that all must be met before a workload may get calls.
//! It only keeps the list; `/readyz` shows it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

/// The conditions of one workload. Clones see the same list.
#[derive(Clone, Debug)]
pub struct Readiness {
    inner: Arc<Inner>,
}

/// One condition of a workload; unmet until it says otherwise.
#[derive(Clone, Debug)]
pub struct Condition {
    name: Arc<str>,
    readiness: Readiness,
}

#[derive(Debug)]
struct Inner {
    unmet: Mutex<BTreeMap<Arc<str>, String>>,
    ready: watch::Sender<bool>,
    started: watch::Sender<bool>,
}

// === impl Readiness ===

impl Default for Readiness {
    fn default() -> Self {
        let inner = Inner {
            unmet: Mutex::default(),
            ready: watch::Sender::new(false),
            started: watch::Sender::new(false),
        };
        Self {
            inner: Arc::new(inner),
        }
    }
}

impl Readiness {
    /// Adds a condition. It is unmet at first.
    pub fn condition(&self, name: &str) -> Condition {
        let condition = Condition {
            name: name.into(),
            readiness: self.clone(),
        };
        condition.unmet("has not been met yet");
        condition
    }

    /// Whether every condition is met.
    pub fn is_ready(&self) -> bool {
        *self.inner.ready.borrow()
    }

    /// Whether every condition has been met at least once.
    pub fn has_started(&self) -> bool {
        *self.inner.started.borrow()
    }

    /// Waits until every condition is met.
    pub async fn ready(&self) {
        let mut ready = self.inner.ready.subscribe();
        // `self` holds the sender, so it cannot be closed.
        let _ = ready.wait_for(|ready| *ready).await;
    }

    /// Waits until not every condition is met.
    pub async fn not_ready(&self) {
        let mut ready = self.inner.ready.subscribe();
        let _ = ready.wait_for(|ready| !*ready).await;
    }

    /// The unmet conditions with their reasons.
    pub fn unmet(&self) -> Vec<(String, String)> {
        self.lock()
            .iter()
            .map(|(name, reason)| (name.to_string(), reason.clone()))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, String>> {
        // Nothing panics while the list is held; and a list cannot be half-written.
        self.inner
            .unmet
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, ready: bool) {
        self.inner
            .ready
            .send_if_modified(|old| std::mem::replace(old, ready) != ready);
        if ready {
            self.inner
                .started
                .send_if_modified(|old| !std::mem::replace(old, true));
        }
    }
}

// === impl Condition ===

impl Condition {
    /// The condition holds.
    pub fn met(&self) {
        let mut unmet = self.readiness.lock();
        if unmet.remove(&self.name).is_some() {
            tracing::info!(condition = %self.name, "condition met");
        }
        self.readiness.publish(unmet.is_empty());
    }

    /// The condition does not hold, for this reason.
    pub fn unmet(&self, reason: impl Into<String>) {
        let mut unmet = self.readiness.lock();
        unmet.insert(Arc::clone(&self.name), reason.into());
        self.readiness.publish(false);
    }
}

#[cfg(test)]
mod tests;

//! How many calls of the edge may be in work at once. Nobody is let in while as many as can be
//! served soon already wait for a connection to the database: who came later would only wait
//! longer, and be refused after work was done for it. It counts turns and no time, so it means
//! the same on any machine; and calls that wait for another service keep nobody out.
//!
//! Calls within the mesh are not counted: they carry on what was accepted. See `server/edge.rs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::pools::EDGE_CONNECTIONS_MAX;

/// Calls that wait for a connection: eight turns of all of them, which is a fraction of a second.
/// Fewer would refuse a burst that is over before its clients could ask again; more would only make
/// answers later.
const WAITING_MAX: usize = 8 * EDGE_CONNECTIONS_MAX as usize;
/// Calls in work, whatever they wait for. Each may hold a body of 256 KiB, the gateway's limit:
/// all together stay below 64 MiB.
const IN_WORK_MAX: usize = 256;

/// The places for the calls of the edge. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Admission(Arc<Counts>);

/// One call of the edge in work.
#[derive(Debug)]
pub(crate) struct Admitted(Arc<Counts>);

/// One call of the edge that waits for a connection.
#[derive(Debug)]
pub(super) struct Waiting(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    in_work: AtomicUsize,
    waiting: AtomicUsize,
}

// === impl Admission ===

impl Admission {
    /// A place for one more call, if there is one.
    pub(crate) fn enter(&self) -> Option<Admitted> {
        let Counts { in_work, waiting } = &*self.0;
        if waiting.load(Ordering::Relaxed) >= WAITING_MAX {
            return None;
        }
        let room = |taken| (taken < IN_WORK_MAX).then_some(taken + 1);
        in_work
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, room)
            .ok()?;
        Some(Admitted(Arc::clone(&self.0)))
    }

    /// Counts a call for as long as it waits for a connection.
    pub(super) fn wait(&self) -> Waiting {
        self.0.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(Arc::clone(&self.0))
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.0.in_work.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;

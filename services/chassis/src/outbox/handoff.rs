//! The way of committed events to the relay of the same process. It saves the relay a look at the
//! table; the table stays the truth, so whatever is lost here is found by the next poll.

use std::sync::{Mutex, PoisonError};

use tokio::sync::mpsc;

use super::Row;

/// Transactions whose events wait for the relay. More than that are faster read from the table.
const WAITING_MAX: usize = 1024;

/// Where committed events are handed in; closed while no relay runs in this process.
#[derive(Default)]
pub(crate) struct Handoff {
    relay: Mutex<Option<mpsc::Sender<Vec<Row>>>>,
}

// === impl Handoff ===

impl Handoff {
    /// Opens it for a relay; one that had it before is handed nothing any more.
    pub(super) fn open(&self) -> mpsc::Receiver<Vec<Row>> {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        *self.relay() = Some(sender);
        receiver
    }

    /// Whether it is worth keeping what is published.
    pub(super) fn is_open(&self) -> bool {
        self.relay()
            .as_ref()
            .is_some_and(|relay| !relay.is_closed())
    }

    /// Hands in the events of one transaction.
    pub(crate) fn hand(&self, events: Vec<Row>) {
        if let Some(relay) = &*self.relay() {
            // A full or closed queue is no loss: the rows are in the table.
            let _ = relay.try_send(events);
        }
    }

    fn relay(&self) -> std::sync::MutexGuard<'_, Option<mpsc::Sender<Vec<Row>>>> {
        self.relay.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

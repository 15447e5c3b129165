//! What a transaction leaves for the loops of its own process, so that nothing waits for the next
//! poll: events go to the relay, leased tasks to the worker, both only when it has committed.

use std::time::Duration;

use crate::outbox::{Handoff, Row};
use crate::tasks::{Desk, Handed};

/// The loops of this process, as transactions see them.
#[derive(Default)]
pub(crate) struct Wake {
    pub(crate) relay: Handoff,
    pub(crate) tasks: Desk,
}

/// What one transaction leaves. Dropped with a transaction that does not commit.
#[derive(Default)]
pub(crate) struct AfterCommit {
    /// Its events, as the relay would read them.
    pub(crate) events: Vec<Row>,
    /// Tasks that it wrote as leased by this process.
    pub(crate) tasks: Vec<Handed>,
    /// When the first of its other tasks is due, seen from now.
    pub(crate) due_in: Option<Duration>,
}

// === impl Wake ===

impl Wake {
    /// Hands on what a committed transaction has left.
    pub(super) fn after(&self, done: AfterCommit) {
        if !done.events.is_empty() {
            self.relay.hand(done.events);
        }
        for task in done.tasks {
            self.tasks.hand(task);
        }
        if let Some(after) = done.due_in {
            self.tasks.due_in(after);
        }
    }
}

//! Where transactions meet the worker of their own process: a task that is due at once is written
//! as leased by that worker, and handed to it after the commit. What happens to the process in
//! between, its lease runs out, and another worker takes the task.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;
use uuid::Uuid;

use super::store::Leased;
use super::worker::POLL;

/// The desk of one process; closed while no worker runs in it.
#[derive(Default)]
pub(crate) struct Desk {
    open: Mutex<Option<Open>>,
    due: Mutex<Option<Instant>>,
    due_changed: Notify,
}

#[derive(Clone)]
struct Open {
    owner: Uuid,
    kinds: Arc<HashMap<&'static str, Slots>>,
    worker: mpsc::UnboundedSender<Handed>,
    /// The worker comes to its end: nothing more is leased, what was leased is still handed over.
    closing: bool,
}

/// How many tasks of one kind may run, and how long a lease of it lasts.
#[derive(Clone, Debug)]
pub(super) struct Slots {
    pub(super) free: Arc<Semaphore>,
    pub(super) period: Duration,
}

/// The right to lease one task on the spot.
pub(super) struct Reserved {
    pub(super) owner: Uuid,
    pub(super) period: Duration,
    pub(super) slot: OwnedSemaphorePermit,
}

/// A leased task with the slot that it runs in.
pub(crate) struct Handed {
    pub(super) row: Leased,
    pub(super) slot: OwnedSemaphorePermit,
    /// Before its lease began.
    pub(super) since: Instant,
}

// === impl Desk ===

impl Desk {
    /// Opens it for a worker, which is handed tasks until it closes it. As many can wait there as
    /// there are slots.
    pub(super) fn open(
        &self,
        owner: Uuid,
        kinds: &Arc<HashMap<&'static str, Slots>>,
    ) -> mpsc::UnboundedReceiver<Handed> {
        let (worker, receiver) = mpsc::unbounded_channel();
        let kinds = Arc::clone(kinds);
        *self.lock() = Some(Open {
            owner,
            kinds,
            worker,
            closing: false,
        });
        receiver
    }

    /// Leases nothing more for this worker.
    pub(super) fn begin_to_close(&self, owner: Uuid) {
        if let Some(open) = self.lock().as_mut().filter(|open| open.owner == owner) {
            open.closing = true;
        }
    }

    pub(super) fn close(&self, owner: Uuid) {
        let mut open = self.lock();
        if open.as_ref().is_some_and(|open| open.owner == owner) {
            *open = None;
        }
    }

    /// A slot of this process for a task of `kind`, if one is free.
    pub(super) fn reserve(&self, kind: &str) -> Option<Reserved> {
        let open = self.lock();
        let open = open.as_ref().filter(|open| !open.closing)?;
        let slots = open.kinds.get(kind)?;
        let slot = Arc::clone(&slots.free).try_acquire_owned().ok()?;
        Some(Reserved {
            owner: open.owner,
            period: slots.period,
            slot,
        })
    }

    /// Hands a committed task to the worker that it was leased for. One that is gone meanwhile
    /// leaves it to its lease.
    pub(crate) fn hand(&self, task: Handed) {
        if let Some(open) = self.lock().as_ref() {
            let _ = open.worker.send(task);
        }
    }

    /// Tells the worker when a task is due that nobody has leased, unless its poll comes first.
    pub(crate) fn due_in(&self, after: Duration) {
        if after >= POLL {
            return;
        }
        let at = Instant::now() + after;
        {
            let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
            *due = Some(due.map_or(at, |due| due.min(at)));
        }
        self.due_changed.notify_one();
    }

    /// Waits until a task becomes due earlier than expected, and says when.
    pub(super) async fn due(&self) -> Instant {
        loop {
            self.due_changed.notified().await;
            let due = self
                .due
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            if let Some(due) = due {
                return due;
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! The loop that leases tasks and runs them: as many of a kind at once as there are slots, each under its
//! deadline, each in the trace that caused it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mesh_identity::SpiffeId;
use mesh_telemetry::propagation::TraceContext;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;
use uuid::Uuid;

use super::desk::{Handed, Slots};
use super::next::{Next, Start, next, start};
use super::store::{self, Leased, Release, Wanted};
use super::{Lease, Outcome, Policy, Task, TaskHandler};
use crate::caller::Caller;
use crate::db::{Database, Tx};
use crate::error::{Chain, Error, Failure};
use crate::metrics;
use crate::origin::{self, Origin};
use crate::vital::vital;

/// Tasks of one kind that one process runs at once: they wait for others most of the time. Each
/// kind has its own, so that a callee that hangs stops only those who need it.
pub(super) const SLOTS: usize = ALL_SLOTS as usize;
/// The same number, as semaphores count.
const ALL_SLOTS: u32 = 16;
/// How often due tasks are looked for when nobody wakes the worker: those of other processes, and
/// times that were far away when they were set.
pub(super) const POLL: Duration = Duration::from_secs(2);
/// A lease outlives the deadline of its task by this much: time to write the result.
const LEASE_MARGIN: Duration = Duration::from_secs(10);
/// A task that comes from the desk later than this after its lease began is left to its lease: its
/// transaction hung at its end.
const STALE: Duration = Duration::from_secs(5);
/// The pause after a look for something that is due; it doubles up to the poll. Whoever holds the
/// row at that moment hides it from the look.
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// Runs the tasks of one service.
pub(crate) struct Worker<H> {
    database: Database,
    handler: Arc<H>,
    own: SpiffeId,
    owner: Uuid,
    kinds: Arc<HashMap<&'static str, Slots>>,
    /// Set when tasks were left waiting because their slots were taken.
    crowded: AtomicBool,
}

// === impl Worker ===

impl<H: TaskHandler> Worker<H> {
    pub(crate) fn new(database: Database, handler: Arc<H>, own: SpiffeId) -> Self {
        let slots = |(kind, policy): &(&'static str, Policy)| {
            let slots = Slots {
                free: Arc::new(Semaphore::new(SLOTS)),
                period: policy.deadline + LEASE_MARGIN,
            };
            (*kind, slots)
        };
        let kinds = handler.kinds().iter().map(slots).collect();
        Self {
            database,
            handler,
            own,
            owner: Uuid::now_v7(),
            kinds: Arc::new(kinds),
            crowded: AtomicBool::new(false),
        }
    }

    /// Leases and runs tasks until `shutdown`; returns when those that run have ended.
    pub(crate) async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        let _vital = vital("tasks");
        let running = TaskTracker::new();
        let desk = &self.database.wake().tasks;
        let mut handed = desk.open(self.owner, &self.kinds);
        let mut look_at = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                Some(task) = handed.recv() => self.start(&running, task),
                due = desk.due() => {
                    look_at = look_at.min(due);
                    pause = FIRST_PAUSE;
                }
                () = tokio::time::sleep_until(look_at) => {
                    self.look(&running).await;
                    look_at = Instant::now() + pause.mul_f64(rand::random_range(0.75..1.0));
                    pause = (pause * 2).min(POLL);
                }
            }
        }
        desk.begin_to_close(self.owner);
        loop {
            tokio::select! {
                biased;
                Some(task) = handed.recv() => self.start(&running, task),
                () = self.idle() => break,
            }
        }
        desk.close(self.owner);
        running.close();
        running.wait().await;
    }

    /// Until every slot is free: no task runs, and no transaction is about to hand one over. Left
    /// to its lease, it would be late by all of it.
    async fn idle(&self) {
        for slots in self.kinds.values() {
            // Never closed.
            let _ = slots.free.acquire_many(ALL_SLOTS).await;
        }
    }

    /// Leases what is due and starts it.
    async fn look(self: &Arc<Self>, running: &TaskTracker) {
        let since = Instant::now();
        let mut slots = self.slots();
        let leased = match self.lease(&slots).await {
            Ok(leased) => leased,
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "tasks wait for the database");
                return;
            }
        };
        for row in leased {
            let slot = slots.iter_mut().find(|(kind, _)| *kind == row.kind);
            if let Some(slot) = slot.and_then(|(_, slots)| slots.pop()) {
                self.start(running, Handed { row, slot, since });
            }
        }
        // A kind that filled its slots may have more; the next slot that is free looks for it.
        let full = slots.iter().any(|(_, slots)| slots.is_empty());
        self.crowded.store(full, Ordering::Relaxed);
    }

    /// Every free slot, held so that what is leased runs at once: its lease is running.
    fn slots(&self) -> Vec<(&'static str, Vec<OwnedSemaphorePermit>)> {
        let free = |(kind, slots): (&&'static str, &Slots)| {
            let take = || Arc::clone(&slots.free).try_acquire_owned().ok();
            (*kind, std::iter::from_fn(take).collect())
        };
        self.kinds.iter().map(free).collect()
    }

    fn start(self: &Arc<Self>, running: &TaskTracker, task: Handed) {
        if task.since.elapsed() > STALE {
            return;
        }
        let worker = Arc::clone(self);
        running.spawn(async move {
            worker.attempt(task.row).await;
            drop(task.slot);
            if worker.crowded.swap(false, Ordering::Relaxed) {
                worker.database.wake().tasks.due_in(Duration::ZERO);
            }
        });
    }

    /// Leases the task of that kind and subject, whatever its time, and runs one attempt.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) async fn run_one(
        &self,
        kind: &str,
        subject_id: &str,
    ) -> Result<super::TaskState, Error> {
        let owner = self.owner;
        let period = self.kinds.get(kind).map(|slots| slots.period);
        let period = period.unwrap_or(LEASE_MARGIN);
        let (kind, subject) = (kind.to_owned(), subject_id.to_owned());
        let (leased_kind, leased_subject) = (kind.clone(), subject.clone());
        let leased = self
            .database
            .transaction(async move |tx: &mut Tx| {
                store::lease_one(tx, &leased_kind, &leased_subject, owner, period).await
            })
            .await?;
        for row in leased {
            self.attempt(row).await;
        }
        let view = self
            .database
            .transaction(async move |tx: &mut Tx| tx.task(&kind, &subject).await);
        let missing = || Error::Stored {
            what: "task",
            source: "it is not there".into(),
        };
        view.await?.map(|view| view.state).ok_or_else(missing)
    }

    async fn lease(
        &self,
        slots: &[(&'static str, Vec<OwnedSemaphorePermit>)],
    ) -> Result<Vec<Leased>, Error> {
        let room = slots.iter().filter(|(_, slots)| !slots.is_empty());
        let wanted: Vec<Wanted> = room
            .filter_map(|(kind, slots)| {
                Some(Wanted {
                    kind,
                    most: i64::try_from(slots.len()).ok()?,
                    period: self.kinds.get(kind)?.period,
                })
            })
            .collect();
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let owner = self.owner;
        self.database
            .transaction(async move |tx: &mut Tx| store::lease(tx, &wanted, owner).await)
            .await
    }

    async fn attempt(&self, row: Leased) {
        let span = tracing::info_span!(
            "task.run", task.kind = %row.kind, task.id = %row.id, task.subject = %row.subject_id,
            task.attempt = row.attempt
        );
        if let Some(traceparent) = row.traceparent.clone() {
            let tracestate = row.tracestate.clone().unwrap_or_default();
            TraceContext {
                traceparent,
                tracestate,
            }
            .make_parent_of(&span);
        }
        let origin = Origin {
            correlation_id: Some(row.correlation_id),
            causation_id: row.causation_id,
        };
        origin::scope(origin, self.run_and_mark(row))
            .instrument(span)
            .await;
    }

    async fn run_and_mark(&self, row: Leased) {
        let lease = Lease {
            task: row.id,
            epoch: row.lease_epoch,
        };
        let kinds = self.handler.kinds();
        let Some((kind, policy)) = kinds.iter().find(|(kind, _)| *kind == row.kind) else {
            return;
        };
        if row.overtaken {
            metrics::lease_overtaken(kind);
        }
        let attempt = u32::try_from(row.attempt).unwrap_or_default();
        let caller = Caller::background(self.own.clone(), row.on_behalf_of);
        let begun = Instant::now();
        let next = match start(policy, attempt, row.giving_up) {
            Start::GiveUp => Next::GiveUp(row.last_error.unwrap_or_default()),
            Start::Run { last } => {
                let task = Task {
                    id: row.id,
                    kind: row.kind.clone(),
                    subject_id: row.subject_id.clone(),
                    attempt,
                    last_attempt: last,
                    at_once: row.at_once,
                    created_at: row.created_at,
                    payload: row.payload.clone(),
                };
                let (outcome, asked) = self.outcome(policy, &caller, &task, &lease).await;
                next(policy, attempt, outcome, asked, rand::random())
            }
        };
        metrics::task_ran(kind, &next, begun.elapsed());
        let task = Task {
            id: row.id,
            kind: row.kind,
            subject_id: row.subject_id,
            attempt,
            last_attempt: true,
            at_once: false,
            created_at: row.created_at,
            payload: row.payload,
        };
        if let Err(error) = self.mark(policy, &caller, &task, &lease, next).await {
            // The lease runs out by itself, and the task is run again.
            tracing::warn!(error = %Chain(&error), "result of a task is not written");
        }
    }

    async fn outcome(
        &self,
        policy: &Policy,
        caller: &Caller,
        task: &Task,
        lease: &Lease,
    ) -> (Outcome, Option<Duration>) {
        let deadline = Instant::now() + policy.deadline;
        let run = self.handler.run(caller, task, lease);
        let run = mesh_dataplane::deadline::scope(deadline, run);
        match tokio::time::timeout_at(deadline, run).await {
            Err(_) => (
                Outcome::Retry("deadline of the attempt is over".to_owned()),
                None,
            ),
            Ok(Ok(outcome)) => (outcome, None),
            Ok(Err(failure)) => (outcome_of(&failure), failure.delay()),
        }
    }

    async fn mark(
        &self,
        policy: &Policy,
        caller: &Caller,
        task: &Task,
        lease: &Lease,
        next: Next,
    ) -> Result<(), Error> {
        let release = match next {
            Next::Finished => return Ok(()),
            Next::Done => {
                self.settle(lease, "DONE", None).await?;
                return Ok(());
            }
            Next::Again(after) => Release {
                after,
                anew: true,
                giving_up: false,
                error: None,
            },
            Next::Retry { after, error } => {
                tracing::info!(
                    error,
                    after_ms = after.as_secs_f64() * 1e3,
                    "task is tried again"
                );
                Release {
                    after,
                    anew: false,
                    giving_up: false,
                    error: Some(error),
                }
            }
            Next::GiveUp(error) => match self.give_up(policy, caller, task, lease, &error).await {
                Ok(()) => {
                    self.settle(lease, "DEAD", Some(error.clone())).await?;
                    tracing::error!(error, "task is dead");
                    return Ok(());
                }
                Err(failure) => {
                    tracing::error!(error = %Chain(&failure), "task could not be given up");
                    let after = policy.backoff.pause(task.attempt, rand::random());
                    Release {
                        after,
                        anew: false,
                        giving_up: true,
                        error: Some(error),
                    }
                }
            },
        };
        let (lease, after) = (*lease, release.after);
        let release = Arc::new(release);
        self.database
            .transaction(async move |tx: &mut Tx| store::release(tx, &lease, &release).await)
            .await?;
        self.database.wake().tasks.due_in(after);
        Ok(())
    }

    async fn give_up(
        &self,
        policy: &Policy,
        caller: &Caller,
        task: &Task,
        lease: &Lease,
        error: &str,
    ) -> Result<(), Failure> {
        let held = *lease;
        self.database
            .transaction(async move |tx: &mut Tx| tx.hold(&held).await)
            .await?;
        let deadline = Instant::now() + policy.deadline;
        let work = self.handler.give_up(caller, task, lease, error);
        let work = mesh_dataplane::deadline::scope(deadline, work);
        match tokio::time::timeout_at(deadline, work).await {
            Ok(result) => result,
            Err(_) => Err(Error::DeadlineOver.into()),
        }
    }

    async fn settle(
        &self,
        lease: &Lease,
        state: &'static str,
        error: Option<String>,
    ) -> Result<(), Error> {
        let lease = *lease;
        self.database
            .transaction(async move |tx: &mut Tx| {
                // False is no error: the handler's own transaction marked it.
                store::settle(tx.conn(), &lease, state, error.as_deref())
                    .await
                    .map(drop)
            })
            .await
    }
}

fn outcome_of(failure: &Failure) -> Outcome {
    let error = Chain(failure).to_string();
    if failure.retryable() {
        Outcome::Retry(error)
    } else {
        Outcome::Dead(error)
    }
}

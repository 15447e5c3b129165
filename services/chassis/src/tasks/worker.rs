//! The loop that leases tasks and runs them: as many at once as there are slots, each under its
//! deadline, each in the trace that caused it.

use std::sync::Arc;
use std::time::Duration;

use mesh_identity::SpiffeId;
use mesh_telemetry::propagation::TraceContext;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;
use uuid::Uuid;

use super::next::{Next, Start, next, start};
use super::store::{self, Leased, Release};
use super::{Lease, Outcome, Policy, Task, TaskHandler};
use crate::caller::Caller;
use crate::db::{Database, Tx};
use crate::error::{Chain, Error, Failure};
use crate::metrics;
use crate::origin::{self, Origin};

/// Tasks that one process runs at once: they wait for others most of the time, and each may take
/// a connection of the pool for its result.
const SLOTS: usize = 16;
/// How often due tasks are looked for when nobody wakes the worker (timers, other processes).
const POLL: Duration = Duration::from_millis(100);
/// A lease outlives the deadline of its task by this much: time to write the result.
const LEASE_MARGIN: Duration = Duration::from_secs(10);
/// The pause after the database did not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// Runs the tasks of one service.
pub(crate) struct Worker<H> {
    database: Database,
    handler: Arc<H>,
    own: SpiffeId,
    owner: Uuid,
    slots: Arc<Semaphore>,
}

// === impl Worker ===

impl<H: TaskHandler> Worker<H> {
    pub(crate) fn new(database: Database, handler: Arc<H>, own: SpiffeId) -> Self {
        Self {
            database,
            handler,
            own,
            owner: Uuid::now_v7(),
            slots: Arc::new(Semaphore::new(SLOTS)),
        }
    }

    /// Leases and runs tasks until `shutdown`; returns when those that run have ended.
    pub(crate) async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        let running = TaskTracker::new();
        while !shutdown.is_cancelled() {
            let leased = match self.lease().await {
                Ok(leased) => leased,
                Err(error) => {
                    tracing::warn!(error = %Chain(&error), "tasks wait for the database");
                    wait(&shutdown, PAUSE).await;
                    continue;
                }
            };
            let idle = leased.is_empty();
            for task in leased {
                let permit = Arc::clone(&self.slots).acquire_owned().await;
                let worker = Arc::clone(&self);
                running.spawn(async move {
                    let _permit = permit;
                    worker.attempt(task).await;
                });
            }
            if idle {
                tokio::select! {
                    () = self.database.wake().tasks.notified() => {}
                    () = wait(&shutdown, POLL) => {}
                }
            }
        }
        running.close();
        running.wait().await;
    }

    /// Leases the task of that kind and subject, whatever its time, and runs one attempt.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) async fn run_one(
        &self,
        kind: &str,
        subject_id: &str,
    ) -> Result<super::TaskState, Error> {
        let (owner, period) = (self.owner, self.period());
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

    async fn lease(&self) -> Result<Vec<Leased>, Error> {
        // Waits for a slot first: what is leased must run at once, its lease is running.
        let free = match self.slots.acquire().await {
            Ok(permit) => {
                drop(permit);
                self.slots.available_permits().max(1)
            }
            Err(_) => return Ok(Vec::new()),
        };
        let kinds: Vec<&'static str> = self.handler.kinds().iter().map(|(kind, _)| *kind).collect();
        let most = i64::try_from(free).unwrap_or(1);
        let (owner, period) = (self.owner, self.period());
        self.database
            .transaction(async move |tx: &mut Tx| {
                store::lease(tx, &kinds, most, owner, period).await
            })
            .await
    }

    /// Every lease of this worker lasts for the longest of its deadlines.
    fn period(&self) -> Duration {
        let deadlines = self
            .handler
            .kinds()
            .iter()
            .map(|(_, policy)| policy.deadline);
        deadlines.max().unwrap_or_default() + LEASE_MARGIN
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
        let lease = *lease;
        let release = Arc::new(release);
        self.database
            .transaction(async move |tx: &mut Tx| store::release(tx, &lease, &release).await)
            .await?;
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

async fn wait(shutdown: &CancellationToken, time: Duration) {
    // Either way the loop looks again.
    let _ = tokio::time::timeout(time, shutdown.cancelled()).await;
}

//! Tasks: the only workers that talk to others. A task is a row, written in the transaction that
//! makes it necessary; a worker leases it, runs it outside any transaction under a deadline, and
//! the result is written only by the one that still owns the lease.

mod desk;
mod next;
mod store;
mod worker;

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::caller::Caller;
use crate::error::{Error, Failure, Kind};

pub(crate) use desk::{Desk, Handed};
pub(crate) use next::Next;
pub use next::{Backoff, Policy};
#[cfg(any(test, feature = "testing"))]
pub(crate) use store::all;
pub use store::{TaskState, TaskView};
pub(crate) use worker::Worker;

/// Work to be done after this transaction, once per (kind, subject).
#[derive(Clone, Debug)]
pub struct NewTask {
    kind: &'static str,
    subject_id: String,
    payload: serde_json::Value,
    run_at: Option<DateTime<Utc>>,
}

/// A leased task.
#[derive(Clone, Debug)]
pub struct Task {
    /// Its id; also the idempotency key towards those it calls.
    pub id: Uuid,
    /// What is to be done.
    pub kind: String,
    /// To what.
    pub subject_id: String,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// Whether the policy allows no further one.
    pub last_attempt: bool,
    /// Whether it runs straight after the commit of the transaction that wrote it: what that one
    /// saw is as good as true.
    pub at_once: bool,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    payload: serde_json::Value,
}

/// The right to write a task's result; overtaken when the lease ran out and another worker took
/// the task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    pub(crate) task: Uuid,
    pub(crate) epoch: i64,
}

/// How a run of a task ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It is done, and the worker marks it.
    Done,
    /// It is done, and the handler's own transaction has marked it (`tx.finish(&lease)`).
    Finished,
    /// It is to be run again after this time, with its attempts counted anew: a poll, a sweep.
    Again(Duration),
    /// It failed for now; the policy says when, and whether, it is tried again.
    Retry(String),
    /// It failed for good.
    Dead(String),
}

/// Runs the tasks of one service.
pub trait TaskHandler: Send + Sync + 'static {
    /// The kinds it runs, each with its limits. Tasks of other kinds stay in the table.
    fn kinds(&self) -> &'static [(&'static str, Policy)];

    /// Runs one attempt. A failure that is retryable counts as [`Outcome::Retry`], any other one
    /// as [`Outcome::Dead`]. A result is written in the handler's own transaction, together with
    /// `tx.finish(lease)`, which fails when the lease is lost.
    fn run(
        &self,
        caller: &Caller,
        task: &Task,
        lease: &Lease,
    ) -> impl Future<Output = Result<Outcome, Failure>> + Send;

    /// Writes the consequence of a task that failed for good (with `tx.bury(lease, ..)` in the
    /// same transaction, or leaves the marking to the worker). Tried until it succeeds.
    fn give_up(
        &self,
        caller: &Caller,
        task: &Task,
        lease: &Lease,
        error: &str,
    ) -> impl Future<Output = Result<(), Failure>> + Send {
        let _ = (caller, task, lease, error);
        std::future::ready(Ok(()))
    }
}

// === impl NewTask ===

impl NewTask {
    /// A task that is run at once, without a payload.
    pub fn new(kind: &'static str, subject_id: impl ToString) -> Self {
        let payload = serde_json::Value::Null;
        Self {
            kind,
            subject_id: subject_id.to_string(),
            payload,
            run_at: None,
        }
    }

    /// What the worker has to know beside the subject.
    pub fn payload(mut self, payload: &impl Serialize) -> Result<Self, Error> {
        self.payload = serde_json::to_value(payload).map_err(Error::Json)?;
        Ok(self)
    }

    /// Runs it not before `at`.
    #[must_use]
    pub fn at(mut self, at: DateTime<Utc>) -> Self {
        self.run_at = Some(at);
        self
    }
}

// === impl Task ===

impl Task {
    /// The payload that the task was written with.
    pub fn payload<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        T::deserialize(&self.payload).map_err(|error| {
            Failure::new(
                Kind::Internal,
                format!("payload of task \"{}\" does not fit", self.kind),
            )
            .caused_by(error)
        })
    }
}

#[cfg(test)]
mod tests;

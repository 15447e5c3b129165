//! Tasks against a real PostgreSQL: leased once, fenced, tried again, given up.

#![allow(clippy::unwrap_used)]

mod desk;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use diesel_async::RunQueryDsl;
use diesel_migrations::EmbeddedMigrations;
use mesh_telemetry::propagation::TraceContext;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::{Backoff, Lease, NewTask, Outcome, Policy, Task, TaskHandler, TaskState, Worker};
use crate::caller::Caller;
use crate::db::{Database, Tx};
use crate::error::{Error, Failure, Kind};
use crate::testing::{self, TestDatabase};

const NONE: EmbeddedMigrations = EmbeddedMigrations::new(&[]);
const POLICY: Policy = Policy {
    attempts: Some(3),
    deadline: Duration::from_millis(500),
    backoff: Backoff {
        first: Duration::from_millis(1),
        most: Duration::from_millis(2),
    },
};

/// Answers each attempt with the next of its script; then with Done.
#[derive(Default)]
struct Script {
    results: Mutex<VecDeque<Result<Outcome, Failure>>>,
    runs: Mutex<Vec<(String, u32, bool)>>,
    given_up: Mutex<Vec<String>>,
    /// How often giving up fails first.
    stubborn: Mutex<u32>,
    hangs: bool,
    traces: Mutex<Vec<Option<TraceContext>>>,
}

impl Script {
    fn of(results: impl IntoIterator<Item = Result<Outcome, Failure>>) -> Arc<Self> {
        Arc::new(Self {
            results: Mutex::new(results.into_iter().collect()),
            ..Self::default()
        })
    }

    fn runs(&self) -> usize {
        self.runs.lock().unwrap().len()
    }
}

impl TaskHandler for Script {
    fn kinds(&self) -> &'static [(&'static str, Policy)] {
        &[("greet", POLICY), ("sweep", POLICY)]
    }

    async fn run(&self, _: &Caller, task: &Task, _: &Lease) -> Result<Outcome, Failure> {
        let run = (task.subject_id.clone(), task.attempt, task.last_attempt);
        self.runs.lock().unwrap().push(run);
        self.traces
            .lock()
            .unwrap()
            .push(TraceContext::of(&tracing::Span::current()));
        if self.hangs {
            std::future::pending::<()>().await;
        }
        let next = self.results.lock().unwrap().pop_front();
        next.unwrap_or(Ok(Outcome::Done))
    }

    async fn give_up(&self, _: &Caller, _: &Task, _: &Lease, error: &str) -> Result<(), Failure> {
        let mut stubborn = self.stubborn.lock().unwrap();
        if *stubborn > 0 {
            *stubborn -= 1;
            return Err(Failure::new(Kind::Unavailable, "not now"));
        }
        self.given_up.lock().unwrap().push(error.to_owned());
        Ok(())
    }
}

async fn enqueue(database: &Database, task: NewTask) -> bool {
    let caller = testing::customer("c1");
    let write =
        database.transaction(async move |tx: &mut Tx| tx.enqueue(&caller, task.clone()).await);
    write.await.unwrap()
}

/// Without a lock, which would hide the row from the worker.
async fn state(database: &Database, kind: &'static str, subject: &'static str) -> TaskState {
    let tasks = testing::tasks(database).await;
    let found = tasks
        .iter()
        .find(|(of, about, _)| of == kind && about == subject);
    found.unwrap().2
}

async fn until(database: &Database, subject: &'static str, wanted: TaskState) {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let now = state(database, "greet", subject).await;
        if now == wanted {
            return;
        }
        assert!(Instant::now() < end, "{now:?} instead of {wanted:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Runs a worker until the task has come to `wanted`.
async fn work(database: &Database, script: &Arc<Script>, subject: &'static str, wanted: TaskState) {
    let own = testing::background("test").peer().unwrap().clone();
    let worker = Arc::new(Worker::new(database.clone(), Arc::clone(script), own));
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(worker.run(shutdown.clone()));
    until(database, subject, wanted).await;
    shutdown.cancel();
    running.await.unwrap();
}

fn away() -> Result<Outcome, Failure> {
    Err(Failure::new(Kind::Unavailable, "the provider is away"))
}

#[tokio::test]
async fn a_task_is_written_once_per_kind_and_subject() {
    let test = TestDatabase::create(NONE).await;
    let database = test.database();
    assert!(enqueue(&database, NewTask::new("greet", "n1")).await);
    assert!(!enqueue(&database, NewTask::new("greet", "n1")).await);
    assert!(enqueue(&database, NewTask::new("greet", "n2")).await);
    assert!(enqueue(&database, NewTask::new("sweep", "n1")).await);
    assert_eq!(testing::tasks(&database).await.len(), 3);
}

#[tokio::test]
async fn a_task_runs_to_its_end_once() {
    let test = TestDatabase::create(NONE).await;
    let script = Script::of([]);
    enqueue(&test.database(), NewTask::new("greet", "n1")).await;
    work(&test.database(), &script, "n1", TaskState::Done).await;
    assert_eq!(*script.runs.lock().unwrap(), [("n1".to_owned(), 1, false)]);
}

#[tokio::test]
async fn a_task_runs_in_the_trace_that_made_it_necessary() {
    testing::traced();
    let test = TestDatabase::create(NONE).await;
    let script = Script::of([]);
    let request = tracing::info_span!("grpc.server");
    let begun = TraceContext::of(&request).unwrap();
    enqueue(&test.database(), NewTask::new("greet", "n1"))
        .instrument(request)
        .await;
    work(&test.database(), &script, "n1", TaskState::Done).await;
    let ran = script.traces.lock().unwrap()[0].clone().unwrap();
    assert_eq!(ran.traceparent[3..35], begun.traceparent[3..35]);
}

#[tokio::test]
async fn a_task_that_failed_for_now_is_tried_again() {
    let test = TestDatabase::create(NONE).await;
    let script = Script::of([away(), Ok(Outcome::Retry("busy".to_owned()))]);
    enqueue(&test.database(), NewTask::new("greet", "n1")).await;
    work(&test.database(), &script, "n1", TaskState::Done).await;
    let attempts: Vec<_> = script
        .runs
        .lock()
        .unwrap()
        .iter()
        .map(|run| (run.1, run.2))
        .collect();
    assert_eq!(attempts, [(1, false), (2, false), (3, true)]);
    assert!(script.given_up.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_task_is_given_up_after_its_last_attempt() {
    let test = TestDatabase::create(NONE).await;
    let script = Script::of([away(), away(), away()]);
    *script.stubborn.lock().unwrap() = 2;
    enqueue(&test.database(), NewTask::new("greet", "n1")).await;
    work(&test.database(), &script, "n1", TaskState::Dead).await;
    assert_eq!(
        script.runs(),
        3,
        "giving up is tried again, the work is not"
    );
    let given_up = script.given_up.lock().unwrap();
    assert_eq!(given_up.len(), 1);
    assert!(given_up[0].contains("the provider is away"), "{given_up:?}");
}

#[tokio::test]
async fn a_final_failure_is_not_tried_again() {
    let test = TestDatabase::create(NONE).await;
    let script = Script::of([Err(Failure::new(Kind::Precondition, "declined"))]);
    enqueue(&test.database(), NewTask::new("greet", "n1")).await;
    work(&test.database(), &script, "n1", TaskState::Dead).await;
    assert_eq!(script.runs(), 1);
}

#[tokio::test]
async fn an_attempt_ends_with_its_deadline() {
    let test = TestDatabase::create(NONE).await;
    let script = Arc::new(Script {
        hangs: true,
        ..Script::default()
    });
    enqueue(&test.database(), NewTask::new("greet", "n1")).await;
    let database = test.database();
    let state = testing::run_task(&database, &script, "greet", "n1").await;
    assert_eq!(state, TaskState::Ready, "it is tried again");
    assert_eq!(script.runs(), 1);
}

#[tokio::test]
async fn a_task_waits_for_its_time() {
    let test = TestDatabase::create(NONE).await;
    let script = Script::of([]);
    let database = test.database();
    let later = chrono::Utc::now() + Duration::from_secs(3600);
    enqueue(&database, NewTask::new("greet", "later").at(later)).await;
    enqueue(&database, NewTask::new("greet", "now")).await;
    work(&database, &script, "now", TaskState::Done).await;
    assert_eq!(state(&database, "greet", "later").await, TaskState::Ready);
}

#[tokio::test]
async fn a_recurring_task_comes_back_with_new_attempts() {
    let test = TestDatabase::create(NONE).await;
    let script = Script::of([
        Ok(Outcome::Again(Duration::ZERO)),
        Ok(Outcome::Again(Duration::ZERO)),
    ]);
    enqueue(&test.database(), NewTask::new("greet", "n1")).await;
    work(&test.database(), &script, "n1", TaskState::Done).await;
    assert!(script.runs.lock().unwrap().iter().all(|run| run.1 == 1));
}

#[tokio::test]
async fn many_tasks_are_each_run_once_by_two_workers() {
    let test = TestDatabase::create(NONE).await;
    let (one, two) = (Script::of([]), Script::of([]));
    let database = test.database();
    let caller = testing::customer("c1");
    let write = database.transaction(async move |tx: &mut Tx| {
        for index in 0..100 {
            tx.enqueue(&caller, NewTask::new("greet", index)).await?;
        }
        tx.enqueue(
            &caller,
            NewTask::new("greet", "last").at(chrono::Utc::now()),
        )
        .await
    });
    write.await.unwrap();
    tokio::join!(
        work(&database, &one, "last", TaskState::Done),
        work(&database, &two, "last", TaskState::Done)
    );
    let left = testing::tasks(&database).await;
    let done = left.iter().filter(|task| task.2 == TaskState::Done).count();
    assert_eq!(one.runs() + two.runs(), done, "none was run twice");
}

#[tokio::test]
async fn a_withdrawn_task_never_runs_and_a_leased_one_is_not_withdrawn() {
    let test = TestDatabase::create(NONE).await;
    let database = test.database();
    let withdraw = async |subject: &'static str| {
        database
            .transaction(async move |tx: &mut Tx| tx.withdraw("greet", subject).await)
            .await
    };
    enqueue(&database, NewTask::new("greet", "n1")).await;
    assert!(withdraw("n1").await.unwrap());
    assert_eq!(state(&database, "greet", "n1").await, TaskState::Done);
    assert!(!withdraw("n1").await.unwrap());
    assert!(!withdraw("unknown").await.unwrap());

    enqueue(&database, NewTask::new("greet", "n2")).await;
    testing::run_task(&database, &Script::of([away()]), "greet", "n2").await;
    assert!(!withdraw("n2").await.unwrap(), "it may have had an effect");
}

/// Takes the lease from whoever has it, as a worker does when it ran out.
async fn overtake(database: &Database) -> Lease {
    let lease = database.transaction(async |tx: &mut Tx| {
        let sql = "update task set state = 'READY'";
        diesel::sql_query(sql).execute(tx.conn()).await?;
        let (owner, period) = (uuid::Uuid::now_v7(), Duration::from_secs(10));
        let rows = super::store::lease_one(tx, "greet", "n1", owner, period).await?;
        Ok::<_, Error>(Lease {
            task: rows[0].id,
            epoch: rows[0].lease_epoch,
        })
    });
    lease.await.unwrap()
}

#[tokio::test]
async fn a_stale_owner_cannot_write_its_result() {
    let test = TestDatabase::create(NONE).await;
    let database = test.database();
    enqueue(&database, NewTask::new("greet", "n1")).await;
    let stale = overtake(&database).await;
    let current = overtake(&database).await;
    assert_eq!(current.epoch, stale.epoch + 1);

    let result = async |lease: Lease| {
        database
            .transaction(async move |tx: &mut Tx| {
                let caller = testing::customer("c1");
                // The result comes first here: what counts is that it falls with the lease.
                tx.enqueue(&caller, NewTask::new("sweep", lease.epoch))
                    .await?;
                tx.finish(&lease).await
            })
            .await
    };
    let error = result(stale).await.unwrap_err();
    assert!(matches!(error, Error::LeaseLost { .. }), "{error:?}");
    assert!(error.kind().retryable(), "it is no failure of the task");
    assert_eq!(
        testing::tasks(&database).await.len(),
        1,
        "the stale result is not there"
    );

    for refused in [
        database
            .transaction(async move |tx: &mut Tx| tx.hold(&stale).await)
            .await,
        database
            .transaction(async move |tx: &mut Tx| tx.bury(&stale, "x").await)
            .await,
    ] {
        assert!(matches!(refused, Err(Error::LeaseLost { .. })));
    }
    result(current).await.unwrap();
    assert_eq!(state(&database, "greet", "n1").await, TaskState::Done);
    assert!(
        result(current).await.is_err(),
        "a finished task has no owner"
    );
}

#[tokio::test]
async fn the_task_of_a_dead_worker_is_taken_over() {
    let test = TestDatabase::create(NONE).await;
    let database = test.database();
    enqueue(&database, NewTask::new("greet", "n1")).await;
    overtake(&database).await;
    let expire = database.transaction(async |tx: &mut Tx| {
        let sql = "update task set lease_until = now() - interval '1 second'";
        Ok::<_, Error>(diesel::sql_query(sql).execute(tx.conn()).await?)
    });
    expire.await.unwrap();
    let script = Script::of([]);
    work(&database, &script, "n1", TaskState::Done).await;
    assert_eq!(
        script.runs.lock().unwrap()[0].1,
        2,
        "the dead worker's attempt counts"
    );
}

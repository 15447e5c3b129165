//! Tasks that are leased by the transaction that writes them.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use diesel_async::RunQueryDsl;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::super::desk::{Handed, Slots};
use super::super::worker::SLOTS;
use super::{Lease, NONE, NewTask, Script, TaskState, Worker, enqueue, state, until, work};
use crate::db::{Database, Tx};
use crate::error::Error;
use crate::testing::{self, TestDatabase};

/// A desk that nobody works at.
struct Idle {
    handed: tokio::sync::mpsc::UnboundedReceiver<Handed>,
}

fn idle(database: &Database, slots: usize) -> Idle {
    let slots = Slots {
        free: Arc::new(tokio::sync::Semaphore::new(slots)),
        period: Duration::from_secs(30),
    };
    let kinds = Arc::new([("greet", slots)].into_iter().collect());
    let owner = uuid::Uuid::now_v7();
    Idle {
        handed: database.wake().tasks.open(owner, &kinds),
    }
}

async fn expire(database: &Database) {
    let expire = database.transaction(async |tx: &mut Tx| {
        let sql = "update task set lease_until = now() - interval '1 second'";
        Ok::<_, Error>(diesel::sql_query(sql).execute(tx.conn()).await?)
    });
    expire.await.unwrap();
}

#[tokio::test]
async fn a_task_is_leased_where_it_is_written_and_handed_over_after_the_commit() {
    let test = TestDatabase::create(NONE).await;
    let database = test.database();
    let mut desk = idle(&database, 1);
    enqueue(&database, NewTask::new("greet", "n1")).await;
    let handed = desk.handed.try_recv().unwrap();
    assert_eq!(handed.row.subject_id, "n1");
    assert_eq!((handed.row.attempt, handed.row.lease_epoch), (1, 1));
    assert_eq!(state(&database, "greet", "n1").await, TaskState::Leased);
    let (task, epoch) = (handed.row.id, handed.row.lease_epoch);
    let finish =
        database.transaction(async move |tx: &mut Tx| tx.finish(&Lease { task, epoch }).await);
    finish.await.unwrap();
    assert_eq!(state(&database, "greet", "n1").await, TaskState::Done);
}

#[tokio::test]
async fn nothing_is_handed_over_by_a_transaction_that_is_rolled_back() {
    let test = TestDatabase::create(NONE).await;
    let database = test.database();
    let mut desk = idle(&database, 1);
    let caller = testing::customer("c1");
    let failed = database.transaction(async move |tx: &mut Tx| {
        tx.enqueue(&caller, NewTask::new("greet", "n1")).await?;
        Err::<(), _>(Error::DeadlineOver)
    });
    failed.await.unwrap_err();
    assert!(desk.handed.try_recv().is_err());
    // Its slot is free again.
    enqueue(&database, NewTask::new("greet", "n2")).await;
    assert_eq!(desk.handed.try_recv().unwrap().row.subject_id, "n2");
}

#[tokio::test]
async fn without_a_free_slot_or_before_its_time_a_task_is_left_to_any_worker() {
    let test = TestDatabase::create(NONE).await;
    let database = test.database();
    let mut desk = idle(&database, 1);
    let later = chrono::Utc::now() + Duration::from_secs(60);
    enqueue(&database, NewTask::new("greet", "later").at(later)).await;
    enqueue(&database, NewTask::new("sweep", "other")).await;
    enqueue(&database, NewTask::new("greet", "first")).await;
    enqueue(&database, NewTask::new("greet", "second")).await;
    assert!(!enqueue(&database, NewTask::new("greet", "first")).await);
    let states = [
        ("greet", "later", TaskState::Ready),
        ("sweep", "other", TaskState::Ready),
        ("greet", "first", TaskState::Leased),
        ("greet", "second", TaskState::Ready),
    ];
    for (kind, subject, expected) in states {
        assert_eq!(state(&database, kind, subject).await, expected, "{subject}");
    }
    assert_eq!(desk.handed.try_recv().unwrap().row.subject_id, "first");
    assert!(desk.handed.try_recv().is_err());
}

#[tokio::test]
async fn a_task_that_was_leased_by_a_process_that_died_is_taken_over_and_fenced() {
    let test = TestDatabase::create(NONE).await;
    let database = test.database();
    let mut desk = idle(&database, 1);
    enqueue(&database, NewTask::new("greet", "n1")).await;
    let dead = desk.handed.try_recv().unwrap();
    expire(&database).await;
    let script = Script::of([]);
    work(&database, &script, "n1", TaskState::Done).await;
    assert_eq!(script.runs.lock().unwrap()[0].1, 2, "the attempt counts");
    let (task, epoch) = (dead.row.id, dead.row.lease_epoch);
    let stale =
        database.transaction(async move |tx: &mut Tx| tx.finish(&Lease { task, epoch }).await);
    assert!(matches!(stale.await, Err(Error::LeaseLost { .. })));
}

#[tokio::test]
async fn a_worker_is_woken_by_a_commit_and_needs_no_poll() {
    let test = TestDatabase::create(NONE).await;
    let database = test.database();
    let script = Script::of([]);
    let own = testing::background("test").peer().unwrap().clone();
    let worker = Arc::new(Worker::new(database.clone(), Arc::clone(&script), own));
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(worker.run(shutdown.clone()));
    enqueue(&database, NewTask::new("greet", "first")).await;
    until(&database, "first", TaskState::Done).await;
    // By now it has looked at the table; many tasks one after the other outrun its polls.
    let begun = Instant::now();
    for number in 0..20 {
        let subject: &'static str = format!("n{number}").leak();
        enqueue(&database, NewTask::new("greet", subject)).await;
        until(&database, subject, TaskState::Done).await;
    }
    assert!(begun.elapsed() < super::super::worker::POLL * 10);
    shutdown.cancel();
    running.await.unwrap();
    assert_eq!(script.runs(), 21);
}

#[tokio::test]
async fn more_tasks_than_slots_all_run() {
    let test = TestDatabase::create(NONE).await;
    let database = test.database();
    let script = Script::of([]);
    let own = testing::background("test").peer().unwrap().clone();
    let worker = Arc::new(Worker::new(database.clone(), Arc::clone(&script), own));
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(worker.run(shutdown.clone()));
    let caller = testing::customer("c1");
    let most = SLOTS * 5;
    let write = database.transaction(async move |tx: &mut Tx| {
        for number in 0..most {
            tx.enqueue(&caller, NewTask::new("greet", format!("n{number}")))
                .await?;
        }
        Ok::<_, Error>(())
    });
    write.await.unwrap();
    let last: &'static str = format!("n{}", most - 1).leak();
    until(&database, last, TaskState::Done).await;
    let end = Instant::now() + Duration::from_secs(10);
    while script.runs() < most {
        assert!(Instant::now() < end, "{} of {most}", script.runs());
        tokio::task::yield_now().await;
    }
    shutdown.cancel();
    running.await.unwrap();
    assert_eq!(script.runs(), most, "none was run twice");
}

#[tokio::test]
async fn a_worker_that_stops_runs_what_a_transaction_has_leased_for_it() {
    let test = TestDatabase::create(NONE).await;
    let database = test.database();
    let script = Script::of([]);
    let own = testing::background("test").peer().unwrap().clone();
    let worker = Arc::new(Worker::new(database.clone(), Arc::clone(&script), own));
    let shutdown = CancellationToken::new();
    let stopping = tokio::spawn(worker.run(shutdown.clone()));
    enqueue(&database, NewTask::new("greet", "first")).await;
    until(&database, "first", TaskState::Done).await;

    let (caller, waiting) = (testing::customer("c1"), database.clone());
    let write = database.transaction(async move |tx: &mut Tx| {
        tx.enqueue(&caller, NewTask::new("greet", "last")).await?;
        shutdown.cancel();
        // The commit comes when the worker leases nothing more.
        while waiting.wake().tasks.reserve("greet").is_some() {
            tokio::task::yield_now().await;
        }
        Ok::<_, Error>(())
    });
    write.await.unwrap();
    stopping.await.unwrap();
    assert_eq!(state(&database, "greet", "last").await, TaskState::Done);
    assert_eq!(script.runs(), 2);
}

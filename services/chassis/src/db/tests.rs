//! Transactions against a real PostgreSQL: they end with the caller's deadline, not with the
//! caller, and are tried again when they meet another one.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use diesel::QueryableByName;
use diesel::sql_types::{Integer, Text};
use diesel_async::RunQueryDsl;
use diesel_migrations::EmbeddedMigrations;
use tokio::sync::{Barrier, Notify};
use tokio::time::Instant;

use super::{Database, Tx, violated_constraint};
use crate::config::DatabaseSettings;
use crate::error::{Error, Kind};
use crate::testing::TestDatabase;

const NONE: EmbeddedMigrations = EmbeddedMigrations::new(&[]);

#[derive(QueryableByName)]
struct Setting {
    #[diesel(sql_type = Text)]
    value: String,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = Integer)]
    count: i32,
}

async fn run(tx: &mut Tx, sql: &str) -> Result<usize, Error> {
    Ok(diesel::sql_query(sql).execute(tx.conn()).await?)
}

async fn write(database: &Database, sql: &'static str) -> Result<usize, Error> {
    database
        .transaction(async move |tx: &mut Tx| run(tx, sql).await)
        .await
}

async fn prepared() -> TestDatabase {
    let test = TestDatabase::create(NONE).await;
    let database = test.database();
    let sql = "create table stock (id int primary key, q int not null, \
        constraint stock_positive check (q >= 0))";
    write(&database, sql).await.unwrap();
    write(&database, "insert into stock values (1, 10), (2, 10)")
        .await
        .unwrap();
    test
}

async fn quantity(database: &Database, id: i32) -> i32 {
    let read = database.read(async move |tx: &mut Tx| {
        let sql = format!("select q as count from stock where id = {id}");
        let row: Count = diesel::sql_query(sql).get_result(tx.conn()).await?;
        Ok::<_, Error>(row.count)
    });
    read.await.unwrap()
}

#[tokio::test]
async fn what_succeeds_is_committed_and_what_fails_is_not() {
    let test = prepared().await;
    let database = test.database();
    write(&database, "update stock set q = 9 where id = 1")
        .await
        .unwrap();
    let failed = database.transaction(async |tx: &mut Tx| {
        run(tx, "update stock set q = 0").await?;
        Err::<(), Error>(Error::DeadlineOver)
    });
    failed.await.unwrap_err();
    assert_eq!(quantity(&database, 1).await, 9);
}

#[tokio::test]
async fn a_caller_who_goes_away_does_not_cut_a_transaction() {
    let test = prepared().await;
    let database = test.database();
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (inner_begun, inner_go_on) = (Arc::clone(&begun), Arc::clone(&go_on));
    let work = database.transaction(async move |tx: &mut Tx| {
        run(tx, "update stock set q = 7 where id = 1").await?;
        inner_begun.notify_one();
        inner_go_on.notified().await;
        run(tx, "update stock set q = 7 where id = 2").await?;
        Ok::<(), Error>(())
    });
    tokio::select! {
        _ = work => panic!("it waits"),
        () = begun.notified() => {}
    }
    go_on.notify_one();
    let end = Instant::now() + Duration::from_secs(5);
    while (quantity(&database, 1).await, quantity(&database, 2).await) != (7, 7) {
        assert!(Instant::now() < end, "the transaction was cut");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_callers_deadline_ends_its_statements() {
    let test = prepared().await;
    let database = test.database();
    let begun = Instant::now();
    let sleep = database.transaction(async |tx: &mut Tx| run(tx, "select pg_sleep(20)").await);
    let deadline = begun + Duration::from_millis(300);
    let error = mesh_dataplane::deadline::scope(deadline, sleep)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::DeadlineOver), "{error:?}");
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(error.kind(), Kind::Deadline);
}

#[tokio::test]
async fn the_deadline_is_the_statement_timeout() {
    let test = prepared().await;
    let database = test.database();
    let show = async |deadline: Option<Instant>| {
        let read = database.read(async |tx: &mut Tx| {
            let sql = "select setting as value from pg_settings where name = 'statement_timeout'";
            let row: Setting = diesel::sql_query(sql).get_result(tx.conn()).await?;
            Ok::<u64, Error>(row.value.parse().unwrap())
        });
        match deadline {
            Some(deadline) => mesh_dataplane::deadline::scope(deadline, read)
                .await
                .unwrap(),
            None => read.await.unwrap(),
        }
    };
    let timeout = show(Some(Instant::now() + Duration::from_secs(4))).await;
    assert!((2_000..=4_000).contains(&timeout), "{timeout}");
    assert_eq!(show(None).await, 10_000, "nothing runs without an end");
}

#[tokio::test]
async fn nothing_begins_after_the_deadline() {
    let test = prepared().await;
    let database = test.database();
    let late = write(&database, "update stock set q = 0");
    let error = mesh_dataplane::deadline::scope(Instant::now(), late)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::DeadlineOver), "{error:?}");
    assert_eq!(quantity(&database, 1).await, 10);
}

#[tokio::test]
async fn a_deadlock_is_tried_again_until_both_are_through() {
    let test = prepared().await;
    let database = test.database();
    let both_hold = Arc::new(Barrier::new(2));
    let move_one = |from: i32, to: i32| {
        let (database, both_hold) = (database.clone(), Arc::clone(&both_hold));
        let first = Arc::new(std::sync::atomic::AtomicBool::new(true));
        tokio::spawn(async move {
            let work = database.transaction(async move |tx: &mut Tx| {
                run(tx, &format!("update stock set q = q - 1 where id = {from}")).await?;
                if first.swap(false, std::sync::atomic::Ordering::SeqCst) {
                    both_hold.wait().await;
                }
                run(tx, &format!("update stock set q = q + 1 where id = {to}")).await?;
                Ok::<(), Error>(())
            });
            work.await
        })
    };
    let (one, two) = (move_one(1, 2), move_one(2, 1));
    one.await.unwrap().unwrap();
    two.await.unwrap().unwrap();
    assert_eq!(
        (quantity(&database, 1).await, quantity(&database, 2).await),
        (10, 10)
    );
}

#[tokio::test]
async fn a_row_that_stays_locked_is_waited_for_two_seconds() {
    let test = prepared().await;
    let database = test.database();
    let (held, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (inner_held, inner_release) = (Arc::clone(&held), Arc::clone(&release));
    let holder = {
        let database = database.clone();
        tokio::spawn(async move {
            let work = database.transaction(async move |tx: &mut Tx| {
                run(tx, "update stock set q = 5 where id = 1").await?;
                inner_held.notify_one();
                inner_release.notified().await;
                Ok::<(), Error>(())
            });
            work.await
        })
    };
    held.notified().await;
    let begun = Instant::now();
    let error = write(&database, "update stock set q = 6 where id = 1")
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Locked(_)), "{error:?}");
    assert!(error.kind().retryable());
    assert!(begun.elapsed() >= Duration::from_millis(1900) && begun.elapsed().as_secs() < 6);
    // Another row is not touched by it.
    write(&database, "update stock set q = 6 where id = 2")
        .await
        .unwrap();
    release.notify_one();
    holder.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_panic_ends_its_transaction_and_nothing_else() {
    let test = prepared().await;
    let database = test.database();
    let panics = database.transaction(async |tx: &mut Tx| {
        run(tx, "update stock set q = 0").await?;
        assert!(tx.met_another(), "a mistake in the work");
        Ok::<(), Error>(())
    });
    assert!(matches!(panics.await, Err(Error::Panicked(_))));
    assert_eq!(quantity(&database, 1).await, 10);
    write(&database, "update stock set q = 9 where id = 1")
        .await
        .unwrap();
}

#[tokio::test]
async fn a_read_cannot_write() {
    let test = prepared().await;
    let database = test.database();
    let error = database
        .read(async |tx: &mut Tx| run(tx, "update stock set q = 0").await)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Internal, "{error:?}");
}

#[tokio::test]
async fn constraints_are_known_by_name() {
    let test = prepared().await;
    let database = test.database();
    for (sql, name) in [
        ("update stock set q = -1", "stock_positive"),
        ("insert into stock values (1, 1)", "stock_pkey"),
    ] {
        let Err(Error::Statement(error)) = write(&database, sql).await else {
            panic!("{sql}")
        };
        assert_eq!(violated_constraint(&error), Some(name));
    }
}

#[tokio::test]
async fn a_database_that_is_away_is_unavailable_within_seconds() {
    let settings = DatabaseSettings {
        // Nobody listens on the discard port.
        url: "postgres://nobody@127.0.0.1:9/nothing".to_owned(),
        password_file: None,
        application: "test".to_owned(),
    };
    let begun = Instant::now();
    let error = write(&Database::new(settings), "select 1")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable, "{error:?}");
    assert!(
        begun.elapsed() < Duration::from_secs(8),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn connections_that_the_server_ended_are_replaced() {
    let test = prepared().await;
    let database = test.database();
    write(&database, "select 1").await.unwrap();
    let kill = "select pg_terminate_backend(pid) from pg_stat_activity \
        where datname = current_database() and pid <> pg_backend_pid()";
    let second = Database::new(test.settings());
    write(&second, kill).await.unwrap();
    write(&database, "update stock set q = 3 where id = 1")
        .await
        .unwrap();
}

#[tokio::test]
async fn two_processes_that_start_together_migrate_once() {
    let test = TestDatabase::create(NONE).await;
    let (one, two) = (
        Database::new(test.settings()),
        Database::new(test.settings()),
    );
    tokio::join!(one.migrate(NONE), two.migrate(NONE));
    for table in [
        "outbox",
        "inbox",
        "parked_event",
        "task",
        "idempotency",
        "relay_lease",
    ] {
        let sql = format!("select obj_description('{table}'::regclass) as value");
        let read = one.read(async move |tx: &mut Tx| {
            let row: Setting = diesel::sql_query(&sql).get_result(tx.conn()).await?;
            Ok::<_, Error>(row.value)
        });
        assert!(
            !read.await.unwrap().is_empty(),
            "{table} says what it is for"
        );
    }
}

#[tokio::test]
async fn a_full_disk_passes_and_is_no_fault_of_the_statement() {
    let test = prepared().await;
    let full = "do $$ begin raise exception using errcode = '53100', \
        message = 'could not extend file \"base/1/2\": No space left on device'; end $$";
    let error = write(&test.database(), full).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable, "{error}");
}

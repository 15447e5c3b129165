//! Many events in one transaction, against a real PostgreSQL.

#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Text};
use diesel_async::RunQueryDsl;
use diesel_migrations::EmbeddedMigrations;
use tracing::Span;

use super::{Apart, Arrival};
use crate::bus::{Ack, Event, Handler, Headers};
use crate::caller::Caller;
use crate::db::{Database, Tx};
use crate::error::{Error, Failure, Kind};
use crate::inbox::{Delivered, Inbox, Record};
use crate::outbox::OutboxEvent;
use crate::testing::{self, TestDatabase};

const NONE: EmbeddedMigrations = EmbeddedMigrations::new(&[]);
const GROUP: &str = "ecommerce-group.test";

/// Publishes an event for each one that it applies; events of kind "Noise" do not concern it.
#[derive(Default)]
struct Echo {
    applied: Mutex<Vec<(String, i64)>>,
    prepared: Mutex<Vec<usize>>,
    fails_at: Option<(&'static str, i64)>,
}

impl Handler for Echo {
    fn concerns(&self, event: &Event) -> bool {
        event.event_type != "Noise"
    }

    async fn prepare(&self, _: &mut Tx, events: &[&Event]) -> Result<(), Failure> {
        self.prepared.lock().unwrap().push(events.len());
        Ok(())
    }

    async fn apply(&self, tx: &mut Tx, caller: &Caller, event: &Event) -> Result<Ack, Failure> {
        assert_ne!(event.event_type, "Noise", "it was said to be of no concern");
        let place = (event.aggregate_id.clone(), event.aggregate_version);
        self.applied.lock().unwrap().push(place.clone());
        if self
            .fails_at
            .is_some_and(|(key, version)| place == (key.to_owned(), version))
        {
            return Err(Failure::new(Kind::Invalid, "as the test wants it"));
        }
        let echo = OutboxEvent {
            topic: "echo-events",
            aggregate_type: "echo",
            aggregate_id: event.event_id.to_string(),
            aggregate_version: 1,
            event_type: "EchoEvent",
            schema_version: 1,
            data: serde_json::Value::Null,
            occurred_on: event.occurred_on,
        };
        tx.publish(caller, echo).await?;
        Ok(Ack::Applied)
    }
}

fn note(key: &str, version: i64) -> Event {
    testing::event("NoteWrittenEvent", "note", key, version, &())
}

fn noise(key: &str, version: i64) -> Event {
    testing::event("Noise", "note", key, version, &())
}

fn arrivals(events: &[Event]) -> Arc<[Arrival]> {
    let arrival = |event: &Event| Arrival {
        record: Arc::new(Record {
            topic: "note-events".to_owned(),
            key: event.aggregate_id.clone(),
            value: serde_json::to_vec(event).unwrap(),
            headers: Headers::default(),
        }),
        event: Arc::new(event.clone()),
        span: Span::none(),
    };
    events.iter().map(arrival).collect()
}

async fn receive(
    database: &Database,
    echo: &Arc<Echo>,
    events: &[Event],
) -> Result<Vec<Delivered>, Apart> {
    let own = testing::background("test").peer().unwrap().clone();
    let inbox = Inbox::new(database.clone(), GROUP, own);
    inbox.receive_all(echo, arrivals(events)).await
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

#[derive(QueryableByName)]
struct Last {
    #[diesel(sql_type = Text)]
    aggregate_id: String,
    #[diesel(sql_type = BigInt)]
    last_version: i64,
}

async fn inbox_rows(database: &Database) -> i64 {
    let read = database.read(async |tx: &mut Tx| {
        let sql = "select count(*) from inbox";
        Ok::<Count, Error>(diesel::sql_query(sql).get_result(tx.conn()).await?)
    });
    read.await.unwrap().count
}

async fn last_versions(database: &Database) -> Vec<(String, i64)> {
    let read = database.read(async |tx: &mut Tx| {
        let sql = "select aggregate_id, last_version from inbox_version order by aggregate_id";
        Ok::<Vec<Last>, Error>(diesel::sql_query(sql).load(tx.conn()).await?)
    });
    let rows = read.await.unwrap();
    rows.into_iter()
        .map(|row| (row.aggregate_id, row.last_version))
        .collect()
}

#[tokio::test]
async fn events_that_come_together_are_applied_together_and_in_order() {
    let test = TestDatabase::create(NONE).await;
    let (database, echo) = (test.database(), Arc::new(Echo::default()));
    let events = [note("a", 1), note("b", 1), noise("a", 2), note("a", 3)];
    let delivered = receive(&database, &echo, &events).await.unwrap();
    use Delivered::{Applied, Ignored};
    assert_eq!(delivered, [Applied, Applied, Ignored, Applied]);
    let applied = echo.applied.lock().unwrap().clone();
    assert_eq!(applied, [("a".into(), 1), ("b".into(), 1), ("a".into(), 3)]);
    assert_eq!(
        *echo.prepared.lock().unwrap(),
        [3],
        "once, for what concerns it"
    );
    assert_eq!(
        last_versions(&database).await,
        [("a".to_owned(), 3), ("b".to_owned(), 1)]
    );
    assert_eq!(inbox_rows(&database).await, 4);
    let published = testing::published(&database).await;
    let causes: Vec<_> = published.iter().map(|event| event.causation_id).collect();
    let of = |index: usize| Some(events[index].event_id);
    assert_eq!(causes, [of(0), of(1), of(3)], "each knows its own cause");
}

#[tokio::test]
async fn what_had_its_effect_has_none_again_in_a_batch() {
    let test = TestDatabase::create(NONE).await;
    let (database, echo) = (test.database(), Arc::new(Echo::default()));
    let (first, second) = (note("a", 1), note("a", 2));
    receive(&database, &echo, std::slice::from_ref(&first))
        .await
        .unwrap();
    let again = [first.clone(), second.clone(), second, note("a", 1)];
    let delivered = receive(&database, &echo, &again).await.unwrap();
    use Delivered::{Applied, Duplicate, Older};
    assert_eq!(delivered, [Duplicate, Applied, Duplicate, Older]);
    assert_eq!(echo.applied.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn one_failure_leaves_the_whole_batch_undone() {
    let test = TestDatabase::create(NONE).await;
    let database = test.database();
    let echo = Arc::new(Echo {
        fails_at: Some(("b", 1)),
        ..Echo::default()
    });
    let events = [note("a", 1), note("b", 1), note("c", 1)];
    let apart = receive(&database, &echo, &events).await;
    assert!(matches!(apart, Err(Apart::Failed(_))), "{apart:?}");
    assert_eq!(inbox_rows(&database).await, 0);
    assert!(last_versions(&database).await.is_empty());
    assert!(testing::published(&database).await.is_empty());
}

#[tokio::test]
async fn a_gap_sends_the_whole_batch_apart() {
    let test = TestDatabase::create(NONE).await;
    let (database, echo) = (test.database(), Arc::new(Echo::default()));
    let events = [note("a", 1), note("b", 1), note("a", 3)];
    let apart = receive(&database, &echo, &events).await;
    assert!(matches!(apart, Err(Apart::OutOfLine)), "{apart:?}");
    assert_eq!(inbox_rows(&database).await, 0);
}

#[tokio::test]
async fn a_key_with_something_parked_sends_the_batch_apart() {
    let test = TestDatabase::create(NONE).await;
    let (database, echo) = (test.database(), Arc::new(Echo::default()));
    let own = testing::background("test").peer().unwrap().clone();
    let inbox = Inbox::new(database.clone(), GROUP, own);
    let record = Arc::clone(&arrivals(&[note("a", 1)])[0].record);
    for _ in 0..2 {
        let parked = inbox.park_poison(&record, None, "0/7", "cannot be read");
        parked.await.unwrap();
    }
    let read = database.read(async |tx: &mut Tx| {
        let sql = "select count(*) from parked_event";
        Ok::<Count, Error>(diesel::sql_query(sql).get_result(tx.conn()).await?)
    });
    assert_eq!(
        read.await.unwrap().count,
        1,
        "a record without an event is parked once for its place"
    );
    let apart = receive(&database, &echo, &[note("b", 1), note("a", 2)]).await;
    assert!(matches!(apart, Err(Apart::OutOfLine)), "{apart:?}");
    assert!(receive(&database, &echo, &[note("b", 1)]).await.is_ok());
}

//! Outbox to handler through a real Kafka: once, in order, past crashes, poison and gaps.

#![allow(clippy::unwrap_used)]

mod recorder;
mod rig;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use mesh_dataplane::Readiness;
use mesh_telemetry::propagation::TraceContext;
use tracing::Instrument;

use crate::db::{Database, Tx};
use crate::error::{Error, Kind};
use crate::outbox::{OutboxEvent, Relay, Row};
use crate::testing::{self, TestDatabase};

use recorder::Recorder;
use rig::{NONE, Rig};

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_the_outbox_reaches_its_handler_once() {
    let rig = Rig::start(Recorder::default()).await;
    rig.publish("o1", 1).await;
    rig.publish("o2", 1).await;
    rig.publish("o1", 2).await;
    let relay = rig.relay();
    rig.applied(&[("o1", 1), ("o1", 2), ("o2", 1)]).await;
    relay.stop().await;
    assert_eq!(rig.waiting_in_outbox().await, 0);
    let events = rig.recorder.events.lock().unwrap();
    let event = events
        .iter()
        .find(|event| event.aggregate_id == "o2")
        .unwrap();
    assert_eq!(event.event_type, "NoteWrittenEvent");
    assert_eq!(event.producer, "test");
    assert_eq!(event.actor.subject.as_deref(), Some("c1"));
    assert_eq!(event.correlation_id, event.event_id, "it began the story");
    assert_eq!(event.causation_id, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_died_before_marking_publishes_again_and_the_inbox_drops_it() {
    let rig = Rig::start(Recorder::default()).await;
    rig.publish("o1", 1).await;
    rig.publish("o1", 2).await;

    // Produced, not marked.
    let first = Relay::new(rig.database.clone(), rig.client.clone(), "test");
    let (held, rows) = rig.look(&first, &[]).await.unwrap();
    rig.fire(&first, &rows).await;
    rig.applied(&[("o1", 1), ("o1", 2)]).await;

    let second = Relay::new(rig.database.clone(), rig.client.clone(), "test");
    assert!(
        rig.look(&second, &[]).await.is_none(),
        "the lease is still held"
    );
    rig.expire_lease().await;
    let (newer, again) = rig.look(&second, &[]).await.unwrap();
    assert_eq!(newer.epoch, held.epoch + 1);
    let ids = |rows: &[Row]| rows.iter().map(|row| row.event_id).collect::<Vec<_>>();
    assert_eq!(
        ids(&again),
        ids(&rows),
        "the same event ids are published again"
    );

    // The overtaken one comes back to life: it marks nothing.
    assert!(rig.look(&first, &rows).await.is_none());
    assert_eq!(rig.waiting_in_outbox().await, 2);
    rig.fire(&second, &again).await;
    let (_, left) = rig.look(&second, &again).await.unwrap();
    assert!(left.is_empty(), "what was marked is not read again");
    assert_eq!(rig.waiting_in_outbox().await, 0);

    // A third event behind the duplicates: when it is applied, they have been met.
    rig.publish("o1", 3).await;
    let relay = rig.relay_as(second);
    rig.applied(&[("o1", 1), ("o1", 2), ("o1", 3)]).await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_committed_leaves_at_once_and_what_is_rolled_back_never() {
    let rig = Rig::start(Recorder::default()).await;
    let relay = rig.relay();
    let mut expected = Vec::new();
    for version in 1..=20 {
        rig.publish_and_fail("o1", version).await;
        rig.publish("o1", version).await;
        expected.push(("o1", version));
    }
    rig.applied(&expected).await;
    relay.stop().await;
    assert_eq!(rig.waiting_in_outbox().await, 0);
    rig.parked(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_events_of_two_processes_leave_through_one_relay_and_then_the_other() {
    let rig = Rig::start(Recorder::default()).await;
    let other = Database::new(rig.test.settings());
    let first = rig.relay();
    rig.publish("o1", 1).await;
    rig.publish_from(&other, "o1", 2).await;
    rig.publish("o1", 3).await;
    rig.applied(&[("o1", 1), ("o1", 2), ("o1", 3)]).await;
    let second = rig.relay_as(Relay::new(other.clone(), rig.client.clone(), "test"));
    first.stop().await;
    rig.publish("o1", 4).await;
    rig.publish_from(&other, "o1", 5).await;
    rig.applied(&[("o1", 1), ("o1", 2), ("o1", 3), ("o1", 4), ("o1", 5)])
        .await;
    second.stop().await;
    assert_eq!(rig.waiting_in_outbox().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_concerns_nobody_keeps_its_place_and_is_noted_in_the_end() {
    let rig = Rig::start(Recorder::skipping(2)).await;
    for version in 1..=3 {
        rig.publish("o1", version).await;
    }
    // Nothing comes after the last one.
    for version in 1..=2 {
        rig.publish("o2", version).await;
    }
    let relay = rig.relay();
    rig.applied(&[("o1", 1), ("o1", 3), ("o2", 1)]).await;
    rig.noted(5).await;
    rig.parked(&[]).await;
    assert_eq!(rig.recorder.attempts("o1", 2), 0);
    relay.stop().await;
}

#[tokio::test]
async fn an_event_that_no_broker_takes_is_refused_where_it_is_published() {
    let test = TestDatabase::create(NONE).await;
    let event = OutboxEvent {
        topic: "note-events",
        aggregate_type: "note",
        aggregate_id: "o1".to_owned(),
        aggregate_version: 1,
        event_type: "NoteWrittenEvent",
        schema_version: 1,
        data: serde_json::json!({"text": "x".repeat(1_000_000)}),
        occurred_on: chrono::Utc::now(),
    };
    let database = test.database();
    let caller = testing::customer("c1");
    let write =
        database.transaction(async move |tx: &mut Tx| tx.publish(&caller, event.clone()).await);
    let error = write.await.unwrap_err();
    assert!(matches!(error, Error::EventTooLarge { .. }), "{error:?}");
    assert!(testing::published(&database).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_parks_its_key_and_is_copied_for_people() {
    let rig = Rig::start(Recorder::failing("bad", 2, Kind::Invalid, u32::MAX)).await;
    for version in 1..=3 {
        rig.publish("bad", version).await;
    }
    rig.publish("good", 1).await;
    rig.publish("good", 2).await;
    let relay = rig.relay();
    rig.applied(&[("bad", 1), ("good", 1), ("good", 2)]).await;
    rig.parked(&[("bad", "POISON"), ("bad", "BEHIND")]).await;
    let letters = rig.dead_letters(1).await;
    assert_eq!(letters[0].key, "bad");
    assert_eq!(letters[0].header("dead-letter-group"), rig.group);
    assert_eq!(letters[0].header("dead-letter-topic"), rig.topic);
    assert!(
        letters[0]
            .header("dead-letter-error")
            .contains("as the test wants it")
    );
    assert_eq!(letters[0].header("event-type"), "NoteWrittenEvent");

    // Other keys of the topic go on; this one does not.
    rig.publish("bad", 4).await;
    rig.publish("good", 3).await;
    rig.applied(&[("bad", 1), ("good", 1), ("good", 2), ("good", 3)])
        .await;
    rig.parked(&[("bad", "POISON"), ("bad", "BEHIND"), ("bad", "BEHIND")])
        .await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_cannot_be_decoded_is_parked() {
    let rig = Rig::start(Recorder::default()).await;
    let garbage: [&[u8]; 3] = [b"{", b"", &[0xff, 0x00]];
    for value in garbage {
        rig.produce("broken", value).await;
    }
    rig.parked(&[("broken", "POISON"); 3]).await;
    let letters = rig.dead_letters(3).await;
    assert!(
        letters
            .iter()
            .all(|letter| letter.header("dead-letter-error").contains("decoded"))
    );
    rig.publish("o1", 1).await;
    let relay = rig.relay();
    rig.applied(&[("o1", 1)]).await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_that_no_column_or_header_takes_is_parked_all_the_same() {
    let rig = Rig::start(Recorder::default()).await;
    rig.produce("with\0nul", b"{").await;
    let event = testing::event("Nul\0Event", "note\0", "o1", 1, &());
    rig.produce("o1", &serde_json::to_vec(&event).unwrap())
        .await;
    // What is wrong with it is told in as many bytes as the record has.
    let long = serde_json::json!({"version": "x".repeat(600_000)});
    rig.produce("long", long.to_string().as_bytes()).await;
    rig.dead_letters(3).await;
    rig.parked_rows(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_away_for_now_is_waited_for_in_order() {
    let rig = Rig::start(Recorder::failing("o1", 1, Kind::Unavailable, 4)).await;
    rig.publish("o1", 1).await;
    rig.publish("o1", 2).await;
    let relay = rig.relay();
    rig.applied(&[("o1", 1), ("o1", 2)]).await;
    assert_eq!(rig.recorder.attempts("o1", 1), 5);
    rig.parked(&[]).await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_version_waits_for_the_ones_before() {
    let rig = Rig::start(Recorder::default()).await;
    for version in [1, 4, 3] {
        rig.produce_event("o1", version).await;
    }
    rig.parked(&[("o1", "GAP"), ("o1", "GAP")]).await;
    rig.produce_event("o1", 2).await;
    rig.applied(&[("o1", 1), ("o1", 2), ("o1", 3), ("o1", 4)])
        .await;
    rig.parked(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_is_closed_although_a_crash_came_between() {
    let rig = Rig::start(Recorder::default()).await;
    for version in [1, 3] {
        rig.produce_event("o1", version).await;
    }
    rig.parked(&[("o1", "GAP")]).await;
    // Applied by a process that died before it looked for what waits.
    let second = testing::event("NoteWrittenEvent", "note", "o1", 2, &());
    rig.receive(&second).await;
    rig.produce("o1", &serde_json::to_vec(&second).unwrap())
        .await;
    rig.applied(&[("o1", 1), ("o1", 2), ("o1", 3)]).await;
    rig.parked(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_is_not_timed_while_nobody_consumes() {
    let mut rig = Rig::start(Recorder::default()).await;
    for version in [1, 3] {
        rig.produce_event("o1", version).await;
    }
    rig.parked(&[("o1", "GAP")]).await;
    rig.stop_consumer().await;
    rig.age_parked().await;
    rig.start_consumer().await;
    rig.produce_event("o1", 2).await;
    rig.applied(&[("o1", 1), ("o1", 2), ("o1", 3)]).await;
    rig.parked(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_that_nothing_closes_becomes_a_dead_letter() {
    let rig = Rig::start(Recorder::default()).await;
    for version in [1, 3] {
        rig.produce_event("o1", version).await;
    }
    rig.parked(&[("o1", "GAP")]).await;
    rig.age_parked().await;
    rig.parked(&[("o1", "POISON")]).await;
    assert_eq!(rig.dead_letters(1).await[0].key, "o1");
    rig.applied(&[("o1", 1)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_holds_request_event_and_handler() {
    testing::traced();
    let rig = Rig::start(Recorder::default()).await;
    let request = tracing::info_span!("grpc.server");
    let begun = TraceContext::of(&request).unwrap();
    rig.publish("o1", 1).instrument(request).await;
    let relay = rig.relay();
    rig.applied(&[("o1", 1)]).await;
    relay.stop().await;
    let trace_of = |context: &TraceContext| context.traceparent[3..35].to_owned();
    let applied = rig.recorder.traces.lock().unwrap()[0].clone().unwrap();
    assert_eq!(trace_of(&applied), trace_of(&begun));
    assert_ne!(
        applied.traceparent, begun.traceparent,
        "in a span of its own"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_comes_back_goes_on_where_it_was() {
    let mut rig = Rig::start(Recorder::default()).await;
    let relay = rig.relay();
    rig.publish("o1", 1).await;
    rig.applied(&[("o1", 1)]).await;
    rig.stop_consumer().await;
    rig.publish("o1", 2).await;
    rig.start_consumer().await;
    rig.applied(&[("o1", 1), ("o1", 2)]).await;
    assert_eq!(
        rig.recorder.attempts("o1", 1),
        1,
        "its offset was committed"
    );
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_that_was_paused_and_lost_goes_on_when_it_comes_back() {
    let rig = Rig::start(Recorder::stalled()).await;
    // More of each partition than its queue holds.
    let keys: Vec<String> = (0..20).map(|number| format!("o{number}")).collect();
    let mut expected = Vec::new();
    for key in &keys {
        for version in 1..=8 {
            rig.publish(key, version).await;
            expected.push((key.as_str(), version));
        }
    }
    let relay = rig.relay();
    rig.recorder.asked().await;
    let other = Arc::new(Recorder::stalled());
    let member = rig.member(&other, &Readiness::default());
    other.asked().await;
    member.stop().await;
    rig.recorder.stalled.store(false, Ordering::Relaxed);
    rig.applied(&expected).await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_with_a_wrong_password_is_not_ready() {
    let mut settings = testing::kafka_admin();
    let file = std::env::temp_dir().join(format!("password-{}", uuid::Uuid::now_v7()));
    std::fs::write(&file, "wrong").unwrap();
    settings.password_file.clone_from(&file);
    let test = TestDatabase::create(NONE).await;
    let refused = Rig::consumer_alone(&test, settings);
    refused.told_by_broker("uthentication").await;
    assert!(!refused.readiness.is_ready());
    std::fs::remove_file(&file).unwrap();
}

#[tokio::test]
async fn older_versions_and_duplicates_have_no_effect() {
    use crate::inbox::Delivered;
    let test = TestDatabase::create(NONE).await;
    let (database, recorder) = (test.database(), Arc::new(Recorder::default()));
    let event = |version| testing::event("NoteWrittenEvent", "note", "o1", version, &());
    let deliver = async |event| {
        testing::deliver(&database, &recorder, &event)
            .await
            .unwrap()
    };
    let third = event(3);
    assert_eq!(
        deliver(third.clone()).await,
        Delivered::Applied,
        "the base may be any version"
    );
    assert_eq!(deliver(third).await, Delivered::Duplicate);
    assert_eq!(deliver(event(2)).await, Delivered::Older);
    assert_eq!(
        deliver(event(3)).await,
        Delivered::Older,
        "another event of the same version"
    );
    assert_eq!(deliver(event(4)).await, Delivered::Applied);
    assert_eq!(deliver(event(6)).await, Delivered::Gap);
    assert_eq!(recorder.events.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_failed_handler_leaves_no_trace_of_the_event() {
    let test = TestDatabase::create(NONE).await;
    let recorder = Arc::new(Recorder::failing("o1", 1, Kind::Internal, 1));
    let event = testing::event("NoteWrittenEvent", "note", "o1", 1, &());
    let failure = testing::deliver(&test.database(), &recorder, &event)
        .await
        .unwrap_err();
    assert_eq!(failure.kind(), Kind::Internal);
    let again = testing::deliver(&test.database(), &recorder, &event)
        .await
        .unwrap();
    assert_eq!(again, crate::inbox::Delivered::Applied);
}

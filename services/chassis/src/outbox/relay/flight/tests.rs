//! What may leave at once, and what may be marked.

#![allow(clippy::unwrap_used)]

use chrono::Utc;
use uuid::Uuid;

use super::{Flights, Handed, Row};

fn row(seq: i64, key: &str, version: i64) -> Row {
    Row {
        seq,
        event_id: Uuid::now_v7(),
        topic: "order-events".to_owned(),
        aggregate_type: "order".to_owned(),
        aggregate_id: key.to_owned(),
        aggregate_version: version,
        event_type: "Event".to_owned(),
        schema_version: 1,
        data: serde_json::Value::Null,
        correlation_id: Uuid::now_v7(),
        causation_id: None,
        actor_principal: String::new(),
        actor_subject: None,
        traceparent: None,
        tracestate: None,
        occurred_on: Utc::now(),
    }
}

fn sent(handed: Handed) -> Option<Vec<i64>> {
    match handed {
        Handed::Send(rows) => Some(rows.iter().map(|row| row.seq).collect()),
        Handed::Look => None,
    }
}

#[test]
fn the_first_version_and_what_follows_one_that_was_sent_leave_at_once() {
    let mut flights = Flights::default();
    let rows = vec![row(1, "a", 1), row(2, "b", 1), row(3, "a", 2)];
    assert_eq!(sent(flights.admit(rows)), Some(vec![1, 2, 3]));
    flights.depart(&row(1, "a", 1));
    assert_eq!(sent(flights.admit(vec![row(3, "a", 2)])), Some(vec![3]));
}

#[test]
fn a_version_that_comes_before_its_turn_is_left_to_the_table() {
    let mut flights = Flights::default();
    assert_eq!(sent(flights.admit(vec![row(3, "a", 2)])), None);
    flights.depart(&row(1, "a", 1));
    assert_eq!(
        sent(flights.admit(vec![row(9, "b", 1), row(5, "a", 3)])),
        None
    );
}

#[test]
fn what_a_look_has_sent_already_is_not_sent_again() {
    let mut flights = Flights::default();
    for row in [row(1, "a", 1), row(3, "a", 2)] {
        flights.depart(&row);
    }
    flights.land(1, true);
    flights.marked(&[1]);
    let late = vec![row(1, "a", 1), row(3, "a", 2), row(4, "a", 3)];
    assert_eq!(sent(flights.admit(late)), Some(vec![4]));
}

#[test]
fn nothing_is_marked_behind_a_row_of_its_key_that_is_not_there() {
    let mut flights = Flights::default();
    for row in [row(1, "a", 1), row(2, "b", 1), row(3, "a", 2)] {
        flights.depart(&row);
    }
    assert!(flights.published().is_empty());
    flights.land(3, true);
    flights.land(2, true);
    assert_eq!(flights.published(), [2]);
    flights.land(1, false);
    assert_eq!(flights.published(), [2]);
    flights.land(1, true);
    assert_eq!(flights.published(), [1, 2, 3]);
    flights.marked(&[1, 2, 3]);
    assert_eq!(flights.len(), 0);
    assert!(flights.seqs().is_empty());
}

#[test]
fn after_a_new_beginning_only_first_versions_need_no_look() {
    let mut flights = Flights::default();
    flights.depart(&row(1, "a", 1));
    flights.clear();
    assert_eq!(sent(flights.admit(vec![row(2, "a", 2)])), None);
    assert_eq!(sent(flights.admit(vec![row(3, "b", 1)])), Some(vec![3]));
}

//! The envelope, byte for byte.

#![allow(clippy::unwrap_used)]

use serde_json::json;

use super::Event;

fn envelope() -> serde_json::Value {
    json!({
        "eventId": "0199a9a0-0000-7000-8000-000000000001",
        "occurredOn": "2026-11-22T16:00:00.123456Z",
        "eventType": "OrderCreatedEvent",
        "aggregateId": "o1",
        "version": 1,
        "data": {"total": {"currencyCode": "EUR", "units": "12"}},
        "aggregateType": "order",
        "aggregateVersion": 1,
        "correlationId": "0199a9a0-0000-7000-8000-000000000001",
        "causationId": null,
        "producer": "order",
        "actor": {"principal": "spiffe://cluster.local/ns/shop/sa/gateway", "subject": "c1"}
    })
}

#[test]
fn the_envelope_has_the_agreed_names() {
    let event: Event = serde_json::from_value(envelope()).unwrap();
    assert_eq!(serde_json::to_value(&event).unwrap(), envelope());
}

#[test]
fn the_six_agreed_fields_come_first() {
    let event: Event = serde_json::from_value(envelope()).unwrap();
    let text = serde_json::to_string(&event).unwrap();
    let names = [
        "eventId",
        "occurredOn",
        "eventType",
        "aggregateId",
        "version",
        "data",
        "aggregateType",
    ];
    let places: Vec<_> = names
        .iter()
        .map(|name| text.find(&format!("\"{name}\"")).unwrap())
        .collect();
    assert!(places.is_sorted(), "{text}");
}

#[test]
fn fields_of_later_versions_are_let_through() {
    let mut later = envelope();
    later["partitionHint"] = json!(7);
    assert!(serde_json::from_value::<Event>(later).is_ok());
}

#[test]
fn an_envelope_without_its_version_is_refused() {
    for name in [
        "eventId",
        "aggregateId",
        "aggregateVersion",
        "data",
        "actor",
    ] {
        let mut broken = envelope();
        broken.as_object_mut().unwrap().remove(name);
        assert!(serde_json::from_value::<Event>(broken).is_err(), "{name}");
    }
}

#[test]
fn data_that_does_not_fit_is_poison_and_not_retried() {
    let event: Event = serde_json::from_value(envelope()).unwrap();
    let failure = event.payload::<Vec<u8>>().unwrap_err();
    assert!(!failure.retryable());
    assert!(!event.unknown().retryable());
}

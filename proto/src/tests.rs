//! What must hold for the contract as a whole, read off its descriptors.

#![allow(clippy::unwrap_used)]

use prost::Message;
use prost_types::field_descriptor_proto::Type;
use prost_types::{DescriptorProto, FileDescriptorProto, FileDescriptorSet};

/// Every string field that an event may have. An address, a body, a name of a person or a payment
/// token is not among them, and a new field has to be thought about before it is added here.
const IMPERSONAL_STRINGS: &[&str] = &[
    "category",
    "cause",
    "channel",
    "code",
    "currency_code",
    "customer_id",
    "description",
    "name", // of a product
    "notification_id",
    "order_id",
    "payment_id",
    "product_id",
    "refund_id",
    "sku",
    "template",
];

fn files() -> Vec<FileDescriptorProto> {
    FileDescriptorSet::decode(super::FILE_DESCRIPTOR_SET)
        .unwrap()
        .file
}

fn message(name: &str) -> DescriptorProto {
    let (package, simple) = name.trim_start_matches('.').rsplit_once('.').unwrap();
    let of_package = files().into_iter().filter(|file| file.package() == package);
    of_package
        .flat_map(|file| file.message_type)
        .find(|message| message.name() == simple)
        .unwrap_or_else(|| panic!("no message {name}"))
}

fn string_fields(message_type: &DescriptorProto, found: &mut Vec<String>) {
    for field in &message_type.field {
        match field.r#type() {
            Type::String | Type::Bytes => found.push(field.name().to_owned()),
            Type::Message if !field.type_name().starts_with(".google.protobuf") => {
                string_fields(&message(field.type_name()), found);
            }
            _ => {}
        }
    }
}

#[test]
fn no_event_can_carry_personal_data() {
    let mut found = Vec::new();
    for file in files()
        .iter()
        .filter(|file| file.name().ends_with("_events.proto"))
    {
        for event in file
            .message_type
            .iter()
            .filter(|event| event.name().ends_with("Event"))
        {
            string_fields(event, &mut found);
        }
    }
    assert!(!found.is_empty(), "the descriptor set holds no events");
    let unknown: Vec<_> = found
        .iter()
        .filter(|field| !IMPERSONAL_STRINGS.contains(&field.as_str()))
        .collect();
    assert!(
        unknown.is_empty(),
        "string fields of events that nobody vouched for: {unknown:?}"
    );
}

#[test]
fn only_public_services_have_routes() {
    let annotated = |file: &FileDescriptorProto| {
        file.service
            .iter()
            .any(|service| service.method.iter().any(|rpc| rpc.options.is_some()))
    };
    for file in files()
        .iter()
        .filter(|file| file.package().starts_with("shop."))
    {
        let public = file.name().ends_with("_service.proto");
        // The options of an rpc are its routes; nothing else sets any here.
        assert!(public || !annotated(file), "{} has routes", file.name());
    }
}

#[test]
fn the_descriptor_set_keeps_the_routes() {
    // An encoder that does not know the annotation drops it, and every path answers 404.
    let route = b"/v1/orders/{order_id}:cancel";
    assert!(
        super::FILE_DESCRIPTOR_SET
            .windows(route.len())
            .any(|window| window == route)
    );
}

#[test]
fn error_details_can_be_rendered_by_the_transcoder() {
    let known = files();
    for detail in ["google/rpc/error_details.proto", "google/rpc/status.proto"] {
        assert!(
            known.iter().any(|file| file.name() == detail),
            "{detail} is not in the set"
        );
    }
}

#[test]
fn an_event_with_a_field_more_is_still_read() {
    let event = r#"{"orderId": "o1", "customerId": "c1", "reason": "OUT_OF_STOCK", "new": 1}"#;
    let event: super::order::v1::OrderCancelledEvent = serde_json::from_str(event).unwrap();
    assert_eq!(event.order_id, "o1");
}

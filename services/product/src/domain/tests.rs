//! The domain, by tables.

#![allow(clippy::unwrap_used)]

mod product;
mod reservation;
mod stock;

use chrono::DateTime;
use uuid::Uuid;

use super::{OrderId, ProductId, Time};

fn product_id(n: u128) -> ProductId {
    ProductId(Uuid::from_u128(n))
}

fn at(seconds: i64) -> Time {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

#[test]
fn ids_have_one_spelling() {
    let id = "01938e5c-7b1a-7cc2-9d0e-5f1c2b3a4d5e";
    assert_eq!(ProductId::parse(id).unwrap().to_string(), id);
    assert_eq!(OrderId::parse(id).unwrap().to_string(), id);
    let others = [
        "",
        "p1",
        "01938E5C-7B1A-7CC2-9D0E-5F1C2B3A4D5E",
        "01938e5c7b1a7cc29d0e5f1c2b3a4d5e",
        "{01938e5c-7b1a-7cc2-9d0e-5f1c2b3a4d5e}",
        "urn:uuid:01938e5c-7b1a-7cc2-9d0e-5f1c2b3a4d5e",
        "01938e5c-7b1a-7cc2-9d0e-5f1c2b3a4d5e\0",
    ];
    for other in others {
        assert_eq!(ProductId::parse(other), None, "{other:?}");
        assert_eq!(OrderId::parse(other), None, "{other:?}");
    }
}

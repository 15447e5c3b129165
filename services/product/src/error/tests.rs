//! What each error is to a caller.

use shop_chassis::{Failure, Kind};
use uuid::Uuid;

use super::Error;
use crate::domain::{
    AdjustRefused, BadLines, IllegalMove, OrderId, ProductId, ReservationState, StockReason,
};

fn check(error: Error, kind: Kind, reason: &str) {
    let failure = Failure::from(error);
    assert_eq!(failure.kind(), kind, "{failure}");
    assert_eq!(failure.reason_text(), reason, "{failure}");
}

#[test]
fn every_refusal_has_its_kind_and_reason() {
    let order_id = OrderId(Uuid::from_u128(1));
    let illegal = IllegalMove {
        from: ReservationState::Released,
        to: ReservationState::Confirmed,
    };
    let out_of_stock = AdjustRefused::OutOfStock { available: 3 };
    let too_many = AdjustRefused::TooMany { on_hand: 3 };
    check(Error::ProductNotFound, Kind::NotFound, "NOT_FOUND");
    check(
        Error::SkuTaken { sku: "A".into() },
        Kind::Exists,
        "ALREADY_EXISTS",
    );
    check(Error::EtagMismatch, Kind::Conflict, "ETAG_MISMATCH");
    check(out_of_stock.into(), Kind::Precondition, "OUT_OF_STOCK");
    check(too_many.into(), Kind::Invalid, "INVALID_ARGUMENT");
    check(
        illegal.into(),
        Kind::Precondition,
        "INVALID_STATE_TRANSITION",
    );
    check(
        Error::NotReserved(order_id),
        Kind::Precondition,
        "INVALID_STATE_TRANSITION",
    );
    check(
        Error::NotAnId("x".into()),
        Kind::Invalid,
        "INVALID_ARGUMENT",
    );
    let source = BadLines::Empty;
    check(
        Error::MalformedOrder { order_id, source },
        Kind::Invalid,
        "INVALID_ARGUMENT",
    );
}

#[test]
fn mistakes_of_ours_are_internal_and_not_tried_again() {
    let product_id = ProductId(Uuid::from_u128(1));
    let change = StockReason::Committed.change(2);
    check(
        Error::StockDoesNotAllow { product_id, change },
        Kind::Internal,
        "INTERNAL",
    );
    let value = String::from("GONE");
    let column = "reservation.state";
    check(
        Error::StoredValue { column, value },
        Kind::Internal,
        "INTERNAL",
    );
}

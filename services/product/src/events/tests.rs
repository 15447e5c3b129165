//! The events as others read them, and orders as they are read here.

#![allow(clippy::unwrap_used)]

use chrono::DateTime;
use serde_json::{Value, json};
use shop_chassis::{Currency, Money};
use shop_proto::order::v1::{OrderCreatedEvent, OrderLine};
use uuid::Uuid;

use super::{envelope, lines};
use crate::domain::{
    Details, Fact, Lines, NewProduct, OrderId, Placement, Product, ProductId, Reservation,
    ReservationState, Shortage, Stock, StockReason,
};

const PRODUCT: ProductId = ProductId(Uuid::from_u128(0x01938e5c_7b1a_7cc2_9d0e_5f1c2b3a4d5e));
const ORDER: OrderId = OrderId(Uuid::from_u128(0x01938e5c_7b1a_7cc2_9d0e_5f1c2b3a4d5f));
const PRODUCT_TEXT: &str = "01938e5c-7b1a-7cc2-9d0e-5f1c2b3a4d5e";
const ORDER_TEXT: &str = "01938e5c-7b1a-7cc2-9d0e-5f1c2b3a4d5f";

fn teapot() -> Product {
    let details = Details {
        sku: "TEA-1".into(),
        name: "Teapot".into(),
        description: String::new(),
        category: "kitchen".into(),
        price: Money::new(1_999, Currency::of("EUR").unwrap()),
    };
    let new = NewProduct {
        details,
        initial_stock: 5,
    };
    Product::create(PRODUCT, new, DateTime::from_timestamp(100, 0).unwrap())
}

fn held() -> Reservation {
    let stock = Stock::initial(9);
    let lines = Lines::merge([(PRODUCT, 2)]).unwrap();
    let expire_time = DateTime::from_timestamp(600, 0).unwrap();
    match Reservation::place(ORDER, lines, &[(PRODUCT, stock)].into(), expire_time) {
        Placement::Held(held) => held,
        Placement::Rejected(..) => panic!("rejected"),
    }
}

/// (type, aggregate type, aggregate id, version, data)
fn published(fact: &Fact) -> (&'static str, &'static str, String, i64, Value) {
    let envelope = envelope(fact).unwrap();
    (
        envelope.event_type,
        envelope.aggregate_type,
        envelope.aggregate_id.to_string(),
        envelope.aggregate_version,
        envelope.data,
    )
}

#[test]
fn product_facts_carry_the_product_after_the_change() {
    let product = teapot();
    let snapshot = json!({"product": {
        "productId": PRODUCT_TEXT,
        "sku": "TEA-1",
        "name": "Teapot",
        "category": "kitchen",
        "price": {"currencyCode": "EUR", "units": "19", "nanos": 990_000_000},
    }});
    let facts = [
        ("ProductCreatedEvent", Fact::ProductCreated(product.clone())),
        ("ProductUpdatedEvent", Fact::ProductUpdated(product.clone())),
        ("ProductDeletedEvent", Fact::ProductDeleted(product)),
    ];
    for (name, fact) in facts {
        let expected = (name, "product", PRODUCT_TEXT.into(), 1, snapshot.clone());
        assert_eq!(published(&fact), expected);
    }
}

#[test]
fn stock_facts_tell_the_reason_the_difference_and_the_sums() {
    let check = |reason: StockReason, name: &str, delta| {
        let fact = Fact::StockUpdated {
            product_id: PRODUCT,
            change: reason.change(2),
            stock: Stock {
                on_hand: 7,
                reserved: 4,
                version: 3,
            },
            order_id: Some(ORDER),
        };
        let data = json!({
            "productId": PRODUCT_TEXT,
            "reason": name,
            "delta": delta,
            "onHand": 7,
            "reserved": 4,
            "orderId": ORDER_TEXT,
        });
        let expected = (
            "ProductStockUpdatedEvent",
            "stock",
            PRODUCT_TEXT.into(),
            3,
            data,
        );
        assert_eq!(published(&fact), expected);
    };
    check(StockReason::Initial, "INITIAL", 2);
    check(StockReason::Adjusted, "ADJUSTED", 2);
    check(StockReason::Reserved, "RESERVED", 2);
    check(StockReason::Released, "RELEASED", -2);
    check(StockReason::Committed, "COMMITTED", -2);
    check(StockReason::Returned, "RETURNED", 2);
}

#[test]
fn reservation_facts_are_about_the_order() {
    let lines = json!([{"productId": PRODUCT_TEXT, "quantity": 2}]);
    let reserved = json!({
        "orderId": ORDER_TEXT,
        "lines": lines,
        "expireTime": "1970-01-01T00:10:00+00:00",
    });
    assert_eq!(
        published(&Fact::StockReserved(held())),
        (
            "StockReservedEvent",
            "reservation",
            ORDER_TEXT.into(),
            1,
            reserved
        )
    );
    let released = json!({"orderId": ORDER_TEXT, "cause": "EXPIRED", "lines": lines});
    let fact = Fact::StockReleased {
        reservation: held().moved(ReservationState::Released),
        cause: "EXPIRED".into(),
    };
    assert_eq!(
        published(&fact),
        (
            "StockReleasedEvent",
            "reservation",
            ORDER_TEXT.into(),
            2,
            released
        )
    );
}

#[test]
fn rejection_names_what_is_missing() {
    let Placement::Rejected(reservation, _) = Reservation::place(
        ORDER,
        Lines::merge([(PRODUCT, 2)]).unwrap(),
        &[].into(),
        DateTime::UNIX_EPOCH,
    ) else {
        panic!("held")
    };
    let shortages = vec![Shortage {
        product_id: PRODUCT,
        requested: 2,
        available: 1,
    }];
    let data = json!({
        "orderId": ORDER_TEXT,
        "shortages": [{"productId": PRODUCT_TEXT, "requested": 2, "available": 1}],
    });
    let fact = Fact::StockRejected {
        reservation,
        shortages,
    };
    assert_eq!(
        published(&fact),
        (
            "StockRejectedEvent",
            "reservation",
            ORDER_TEXT.into(),
            1,
            data
        )
    );
}

#[test]
fn lines_of_an_order_are_read_and_malformed_ones_are_poison() {
    let line = |product_id: &str, quantity| OrderLine {
        product_id: product_id.into(),
        quantity,
        ..OrderLine::default()
    };
    let read = |order_lines: Vec<OrderLine>| {
        let event = OrderCreatedEvent {
            lines: order_lines,
            ..OrderCreatedEvent::default()
        };
        lines(ORDER, &event).map_err(|error| shop_chassis::Failure::from(error).kind())
    };
    let merged = read(vec![line(PRODUCT_TEXT, 1), line(PRODUCT_TEXT, 2)]).unwrap();
    assert_eq!(merged.iter().collect::<Vec<_>>(), [(PRODUCT, 3)]);
    let poison = [
        vec![],
        vec![line("teapot", 1)],
        vec![line(PRODUCT_TEXT, 0)],
        vec![line(PRODUCT_TEXT, -1)],
    ];
    for order_lines in poison {
        let kind = read(order_lines.clone()).unwrap_err();
        assert!(!kind.retryable(), "{order_lines:?}");
    }
}

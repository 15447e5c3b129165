#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use shop_chassis::testing;
use shop_proto::payment::v1::{
    PaymentFailedEvent, PaymentProcessedEvent, PaymentRefundedEvent, Phase,
};
use shop_proto::product::v1::{
    ProductStockUpdatedEvent, StockRejectedEvent, StockReleasedEvent, StockReservedEvent,
};
use uuid::Uuid;

use super::{OutboxEvent, created, decode, moved};
use crate::domain::{Order, OrderId};
use crate::saga::{Input, Reason, State, Status};
use crate::tests::shop;

const ORDER: OrderId = OrderId(Uuid::from_u128(0x0193_8e5c_7b1a_7cc2_9d0e_5f1c_2b3a_4d5f));
const ORDER_TEXT: &str = "01938e5c-7b1a-7cc2-9d0e-5f1c2b3a4d5f";

/// What an event means, or whether it is poison.
fn meaning(
    event_type: &str,
    version: u32,
    data: &impl serde::Serialize,
) -> Result<Option<Input>, ()> {
    let mut event = testing::event(event_type, "payment", "p1", 1, data);
    event.version = version;
    match decode(&event) {
        Ok(Some((order, input))) => {
            assert_eq!(order, ORDER);
            Ok(Some(input))
        }
        Ok(None) => Ok(None),
        Err(failure) => {
            assert!(!failure.retryable(), "{failure}");
            Err(())
        }
    }
}

fn processed(phase: Phase) -> PaymentProcessedEvent {
    PaymentProcessedEvent {
        order_id: ORDER_TEXT.to_owned(),
        phase: phase.into(),
        ..PaymentProcessedEvent::default()
    }
}

fn failed(phase: Phase, retryable: bool) -> PaymentFailedEvent {
    PaymentFailedEvent {
        order_id: ORDER_TEXT.to_owned(),
        phase: phase.into(),
        retryable,
        ..PaymentFailedEvent::default()
    }
}

fn reserved(order_id: &str) -> StockReservedEvent {
    StockReservedEvent {
        order_id: order_id.to_owned(),
        ..StockReservedEvent::default()
    }
}

#[test]
fn what_others_tell_becomes_an_input_of_the_saga() {
    let rejected = StockRejectedEvent {
        order_id: ORDER_TEXT.to_owned(),
        ..StockRejectedEvent::default()
    };
    let event = meaning("StockReservedEvent", 1, &reserved(ORDER_TEXT));
    assert_eq!(event, Ok(Some(Input::StockReserved)));
    let event = meaning("StockRejectedEvent", 1, &rejected);
    assert_eq!(event, Ok(Some(Input::StockRejected)));
    let event = meaning("PaymentProcessedEvent", 1, &processed(Phase::Authorized));
    assert_eq!(event, Ok(Some(Input::PaymentAuthorized)));
    let event = meaning("PaymentFailedEvent", 1, &failed(Phase::Authorized, false));
    assert_eq!(event, Ok(Some(Input::PaymentFailed)));
}

#[test]
fn what_the_tasks_learn_by_themselves_and_what_is_not_final_is_ignored() {
    let released = StockReleasedEvent {
        order_id: ORDER_TEXT.to_owned(),
        ..StockReleasedEvent::default()
    };
    for phase in [Phase::Captured, Phase::Voided] {
        assert_eq!(
            meaning("PaymentProcessedEvent", 1, &processed(phase)),
            Ok(None)
        );
        assert_eq!(
            meaning("PaymentFailedEvent", 1, &failed(phase, false)),
            Ok(None)
        );
    }
    let retryable = failed(Phase::Authorized, true);
    assert_eq!(meaning("PaymentFailedEvent", 1, &retryable), Ok(None));
    assert_eq!(meaning("StockReleasedEvent", 1, &released), Ok(None));
    let refunded = PaymentRefundedEvent::default();
    assert_eq!(meaning("PaymentRefundedEvent", 1, &refunded), Ok(None));
    let stock = ProductStockUpdatedEvent::default();
    assert_eq!(meaning("ProductStockUpdatedEvent", 1, &stock), Ok(None));
    assert_eq!(meaning("NeverHeardOfEvent", 7, &json!({"a": 1})), Ok(None));
}

#[test]
fn an_event_that_cannot_be_understood_is_poison() {
    for version in [0, 2] {
        let event = meaning("StockReservedEvent", version, &reserved(ORDER_TEXT));
        assert_eq!(event, Err(()));
        let event = meaning(
            "PaymentProcessedEvent",
            version,
            &processed(Phase::Captured),
        );
        assert_eq!(event, Err(()));
    }
    for id in ["", "order-1", "01938e5c", "\0"] {
        assert_eq!(
            meaning("StockReservedEvent", 1, &reserved(id)),
            Err(()),
            "{id}"
        );
    }
    let nothing = meaning("PaymentProcessedEvent", 1, &processed(Phase::Unspecified));
    assert_eq!(nothing, Err(()));
    let wrong = json!({"orderId": 7});
    assert_eq!(meaning("StockRejectedEvent", 1, &wrong), Err(()));
    assert_eq!(meaning("PaymentFailedEvent", 1, &json!([])), Err(()));
}

/// (type, aggregate id, version, data)
fn shown(event: &OutboxEvent) -> (&'static str, &str, i64, &Value) {
    assert_eq!(
        (event.topic, event.aggregate_type),
        ("order-events", "order")
    );
    assert_eq!(event.schema_version, 1);
    (
        event.event_type,
        &event.aggregate_id,
        event.aggregate_version,
        &event.data,
    )
}

fn order() -> Order {
    Order {
        id: ORDER,
        ..shop::order("c1")
    }
}

#[test]
fn an_accepted_order_tells_its_lines_prices_and_customer() {
    let order = order();
    let event = created(&order).unwrap();
    let product = order.lines[0].product.to_string();
    let data = json!({
        "orderId": ORDER_TEXT,
        "customerId": "c1",
        "lines": [{
            "productId": product,
            "sku": "sku-1",
            "name": "product 1",
            "quantity": 2,
            "unitPrice": {"currencyCode": "EUR", "units": "19", "nanos": 990_000_000},
            "amount": {"currencyCode": "EUR", "units": "39", "nanos": 980_000_000},
        }],
        "total": {"currencyCode": "EUR", "units": "39", "nanos": 980_000_000},
    });
    assert_eq!(shown(&event), ("OrderCreatedEvent", ORDER_TEXT, 1, &data));
    assert_eq!(event.occurred_on, order.create_time);
}

#[test]
fn a_move_tells_from_where_to_where_and_why() {
    let mut order = order();
    order.version = 3;
    order.state = State::Paid;
    let event = moved(&order, Status::Confirmed, Status::Paid, None).unwrap();
    let data = json!({
        "orderId": ORDER_TEXT, "customerId": "c1", "from": "CONFIRMED", "to": "PAID",
    });
    assert_eq!(
        shown(&event),
        ("OrderStatusUpdatedEvent", ORDER_TEXT, 3, &data)
    );

    let reason = Some(Reason::OutOfStock);
    let event = moved(&order, Status::Pending, Status::Cancelling, reason).unwrap();
    let data = json!({
        "orderId": ORDER_TEXT, "customerId": "c1",
        "from": "PENDING", "to": "CANCELLING", "reason": "OUT_OF_STOCK",
    });
    assert_eq!(
        shown(&event),
        ("OrderStatusUpdatedEvent", ORDER_TEXT, 3, &data)
    );
}

#[test]
fn the_end_of_an_undone_order_has_an_event_of_its_own() {
    let reason = Some(Reason::DeadlinePassed);
    let event = moved(&order(), Status::Cancelling, Status::Cancelled, reason).unwrap();
    let data = json!({
        "orderId": ORDER_TEXT, "customerId": "c1", "reason": "DEADLINE_PASSED",
    });
    assert_eq!(shown(&event), ("OrderCancelledEvent", ORDER_TEXT, 1, &data));
}

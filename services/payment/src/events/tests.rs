#![allow(clippy::unwrap_used)]

use serde_json::json;
use shop_chassis::Currency;

use super::*;
use crate::domain::RefundId;

fn order(total: shop_proto::Money) -> OrderCreatedEvent {
    OrderCreatedEvent {
        order_id: Uuid::from_u128(2).to_string(),
        customer_id: "c1".to_owned(),
        lines: Vec::new(),
        total: Some(total),
    }
}

fn eur(units: i64, nanos: i32) -> shop_proto::Money {
    shop_proto::Money {
        currency_code: "EUR".to_owned(),
        units,
        nanos,
    }
}

#[test]
fn order_created_becomes_a_payment_of_its_total() {
    let payment = requested(&order(eur(12, 340_000_000))).unwrap();
    assert_eq!(payment.order_id, OrderId(Uuid::from_u128(2)));
    assert_eq!(payment.customer_id.as_deref(), Some("c1"));
    assert_eq!(payment.amount.unwrap().minor(), 1234);
}

#[test]
fn malformed_orders_are_poison() {
    let good = order(eur(1, 0));
    let bad = [
        OrderCreatedEvent {
            order_id: "o1".to_owned(),
            ..good.clone()
        },
        OrderCreatedEvent {
            customer_id: String::new(),
            ..good.clone()
        },
        OrderCreatedEvent {
            total: None,
            ..good.clone()
        },
        OrderCreatedEvent {
            total: Some(eur(0, 0)),
            ..good.clone()
        },
        OrderCreatedEvent {
            total: Some(eur(-1, 0)),
            ..good.clone()
        },
        OrderCreatedEvent {
            total: Some(eur(1, 1)),
            ..good
        },
    ];
    for event in bad {
        let failure = Failure::from(requested(&event).unwrap_err());
        assert!(!failure.retryable(), "{event:?}");
    }
}

#[test]
fn facts_are_written_as_proto_json() {
    let payment = requested(&order(eur(10, 0))).unwrap();
    let (amount, id) = (payment.amount.unwrap(), payment.id.to_string());
    let order_id = payment.order_id.to_string();
    let ten = json!({"currencyCode": "EUR", "units": "10"});

    let fact = Fact::Processed {
        phase: Phase::Captured,
        amount,
    };
    let (name, data) = payload(&payment, &fact).unwrap();
    assert_eq!(name, "PaymentProcessedEvent");
    let expected =
        json!({"paymentId": id, "orderId": order_id, "phase": "CAPTURED", "amount": ten});
    assert_eq!(data, expected);

    let fact = Fact::Failed {
        phase: Phase::Authorized,
        code: "card_declined".to_owned(),
    };
    let (name, data) = payload(&payment, &fact).unwrap();
    assert_eq!(name, "PaymentFailedEvent");
    assert_eq!(
        (data["code"].as_str(), data["phase"].as_str()),
        (Some("card_declined"), Some("AUTHORIZED"))
    );

    let refund_id = RefundId(Uuid::from_u128(3));
    let part = Money::new(5, Currency::of("EUR").unwrap());
    let fact = Fact::Refunded {
        refund_id,
        amount: part,
        returned: amount,
    };
    let (name, data) = payload(&payment, &fact).unwrap();
    assert_eq!(name, "PaymentRefundedEvent");
    assert_eq!(data["amount"]["nanos"], 50_000_000);
    assert_eq!(
        (&data["refunded"], data["refundId"].as_str()),
        (&ten, Some(refund_id.to_string().as_str()))
    );
}

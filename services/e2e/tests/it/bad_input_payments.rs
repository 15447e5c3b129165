//! Refunds that nobody may get, and moves that a state does not allow.

use http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::bad_input::{
    INVALID, NOT_FOUND, PRECONDITION, assert_refused, assert_without_effect, new_user, send_json,
};
use crate::shop::{Answer, Shop, User, undisturbed, usd};

/// Support that is refused a refund of one paid order.
struct Attempt {
    shop: &'static Shop,
    support: User,
    customer: User,
    order: String,
    payment: Value,
}

impl Attempt {
    async fn new() -> Self {
        let shop = Shop::running();
        let customer = shop.customer();
        let product = shop.product(1, 1000).await;
        let order = customer.order(&product, 1, "tok_ok").await;
        customer.wait_for(&order, "PAID").await;
        Self {
            shop,
            support: new_user(shop, "support"),
            payment: customer.payment(&order).await,
            customer,
            order,
        }
    }

    fn path(&self) -> String {
        format!(
            "/v1/payments/{}:refund",
            self.payment["id"].as_str().unwrap()
        )
    }

    async fn refund(&self, body: &Value) -> Answer {
        let body = body.to_string().into();
        send_json(&self.support, &Method::POST, &self.path(), body).await
    }

    async fn assert_nothing_happened(&self) {
        assert_without_effect(self.shop, &self.support).await;
        assert_eq!(self.customer.payment(&self.order).await, self.payment);
    }
}

#[tokio::test]
async fn bad_amounts_of_a_refund_are_named() {
    let _up = undisturbed().await;
    let attempt = Attempt::new().await;
    let cases: Vec<(Value, &[&str])> = vec![
        (usd(0, 0), &["amount"]),
        (usd(-1, 0), &["amount"]),
        (usd(0, -10_000_000), &["amount"]),
        (usd(1, 1), &["amount.nanos"]),
        (usd(1, -10_000_000), &["amount.nanos"]),
        (usd(1, 1_000_000_000), &["amount.nanos"]),
        (usd(i64::MAX, 0), &["amount.units"]),
        (json!({}), &["amount.currencyCode"]),
        (
            json!({"currencyCode": "EUR", "units": "1"}),
            &["amount.currencyCode"],
        ),
        (
            json!({"currencyCode": "XXQ", "units": "1"}),
            &["amount.currencyCode"],
        ),
        (json!("all"), &[]),
        (json!(10), &[]),
        (json!([usd(1, 0)]), &[]),
    ];
    for (amount, fields) in cases {
        let answer = attempt.refund(&json!({"amount": amount})).await;
        assert_refused(&amount.to_string(), &answer, INVALID, fields);
    }
    for reason in ["\0", "a\nb", &"r".repeat(201), &"r".repeat(70_000)] {
        let body = json!({"amount": usd(0, 0), "reason": reason});
        let answer = attempt.refund(&body).await;
        let what = format!("{reason:.20?}");
        assert_refused(&what, &answer, INVALID, &["amount", "reason"]);
    }
    attempt.assert_nothing_happened().await;
}

#[tokio::test]
async fn more_than_was_captured_is_not_given_back() {
    let _up = undisturbed().await;
    let attempt = Attempt::new().await;
    for amount in [usd(10, 10_000_000), usd(11, 0), usd(i64::MAX / 100, 0)] {
        let answer = attempt.refund(&json!({"amount": amount})).await;
        assert_refused(&amount.to_string(), &answer, PRECONDITION, &[]);
        assert_eq!(answer.reason(), "REFUND_EXCEEDS_CAPTURED", "{answer:?}");
    }
    attempt.assert_nothing_happened().await;
}

#[tokio::test]
async fn a_refund_needs_a_key_and_says_so_with_the_rest() {
    let _up = undisturbed().await;
    let attempt = Attempt::new().await;
    let path = attempt.path();
    let long = "k".repeat(300);
    for (header, field) in [
        (None, None),
        (Some(""), None),
        (Some(long.as_str()), None),
        (None, Some("k\u{e9}y")),
        (Some("one"), Some("two")),
    ] {
        let mut body = json!({"amount": usd(0, 0)});
        if let Some(field) = field {
            body["requestId"] = json!(field);
        }
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(header.map(|key| ("idempotency-key", key)));
        let body = body.to_string().into();
        let answer = attempt
            .support
            .send(Method::POST, &path, &headers, body)
            .await;
        let what = format!("{header:.20?} {field:?}");
        assert_refused(&what, &answer, INVALID, &["amount", "requestId"]);
    }
    attempt.assert_nothing_happened().await;
}

#[tokio::test]
async fn a_key_of_one_refund_is_not_the_key_of_another() {
    let _up = undisturbed().await;
    let attempt = Attempt::new().await;
    let (path, key) = (attempt.path(), Uuid::now_v7().to_string());
    let first = json!({"amount": usd(1, 0)});
    let first = attempt.support.post_with_key(&path, &key, &first).await;
    assert_eq!(first.body["refunded"], usd(1, 0), "{first:?}");
    let second = json!({"amount": usd(2, 0)});
    let second = attempt.support.post_with_key(&path, &key, &second).await;
    assert_refused("another amount", &second, INVALID, &[]);
    assert_eq!(second.reason(), "IDEMPOTENCY_KEY_REUSED", "{second:?}");
    let payment = attempt.customer.payment(&attempt.order).await;
    assert_eq!(payment["refunded"], usd(1, 0));
}

#[tokio::test]
async fn nothing_is_given_back_of_what_was_never_taken() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let customer = shop.customer();
    let product = shop.product(1, 1000).await;
    let order = customer.order(&product, 1, "tok_declined").await;
    customer.wait_for(&order, "CANCELLED").await;
    let payment = customer.payment(&order).await;
    let path = format!("/v1/payments/{}:refund", payment["id"].as_str().unwrap());
    let support = new_user(shop, "support");
    for body in [json!({}), json!({"amount": usd(1, 0)})] {
        let answer = support.post_with_key(&path, "k", &body).await;
        assert_refused(&body.to_string(), &answer, PRECONDITION, &[]);
    }
    assert_without_effect(shop, &support).await;
    assert_eq!(customer.payment(&order).await, payment);
}

#[tokio::test]
async fn a_cancelled_order_is_not_cancelled_again() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let customer = shop.customer();
    let product = shop.product(1, 1000).await;
    let order = customer.order(&product, 1, "tok_declined").await;
    let cancelled = customer.wait_for(&order, "CANCELLED").await;
    let support = new_user(shop, "support");
    let path = format!("/v1/orders/{order}:cancel");
    let again = support.post(&path, &json!({})).await;
    assert_eq!((again.status, &again.body), (200, &cancelled), "{again:?}");
    assert_without_effect(shop, &support).await;
    let stranger = shop.customer();
    let foreign = stranger.post(&path, &json!({})).await;
    assert_refused("somebody else's", &foreign, NOT_FOUND, &[]);
}

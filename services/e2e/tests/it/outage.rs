//! A part goes away and comes back; nobody lends a hand.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;
use uuid::Uuid;

use crate::shop::{Shop, alone, eventually, order_body};

/// How long PostgreSQL stays away.
const AWAY: Duration = Duration::from_secs(60);

#[tokio::test]
async fn everything_comes_back_after_a_minute_without_postgresql() {
    let _alone = alone().await;
    let shop = Shop::running();
    let customer = shop.customer();
    let product = shop.product(20, 100).await;
    let before = customer.order(&product, 1, "tok_ok").await;

    let stopped = shop.control(&["stop", "postgres"]).await;
    assert!(stopped.status.success(), "{stopped:?}");
    let until = Instant::now() + AWAY;
    let mut refused = 0;
    while Instant::now() < until {
        let body = order_body(&product, 1, "tok_ok");
        let key = Uuid::now_v7().to_string();
        let answer = customer.post_with_key("/v1/orders", &key, &body).await;
        assert!(
            matches!(answer.status, 503 | 504),
            "an error is never a success: {answer:?}"
        );
        assert!(answer.body["code"].is_number(), "{answer:?}");
        refused += 1;
    }
    assert!(refused > 0);
    let started = shop.control(&["start", "postgres"]).await;
    assert!(started.status.success(), "{started:?}");

    customer.wait_for(&before, "PAID").await;
    let after = eventually("the shop to take an order again", || async {
        let body = order_body(&product, 1, "tok_ok");
        let key = Uuid::now_v7().to_string();
        let answer = customer.post_with_key("/v1/orders", &key, &body).await;
        (answer.status == 200).then(|| answer.body["id"].as_str().unwrap().to_owned())
    })
    .await;
    customer.wait_for(&after, "PAID").await;
    shop.mails(&after, &["order_received", "receipt"]).await;
    let orders = customer.get("/v1/orders").await;
    let settled = orders.body["orders"].as_array().unwrap().iter();
    let open: Vec<_> = settled
        .filter(|order| order["status"] != json!("PAID"))
        .collect();
    assert!(open.is_empty(), "{open:?}");
}

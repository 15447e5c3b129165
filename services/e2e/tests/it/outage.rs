//! A part goes away and comes back; nobody lends a hand.

use std::time::Duration;

use mesh_dataplane::MeshChannel;
use tokio::time::Instant;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use uuid::Uuid;

use crate::mesh::workload_as;
use crate::shop::{Shop, User, alone, eventually, order_body};

/// How long PostgreSQL stays away.
const AWAY: Duration = Duration::from_secs(60);

#[tokio::test]
async fn everything_comes_back_after_a_minute_without_postgresql() {
    let _alone = alone().await;
    let shop = Shop::running();
    let customer = shop.customer();
    let product = shop.product(20, 100).await;
    // Its provider answers after ten seconds, so the outage surely catches it on its way.
    let before = customer.order(&product, 1, "tok_timeout").await;

    let (debug, _leave) = workload_as(shop, "debug", 79).await;
    let health = HealthClient::new(debug.channel("order"));
    assert_eq!(health_of(&health).await, ServingStatus::Serving);
    let stopped = shop.control(&["stop", "postgres"]).await;
    assert!(stopped.status.success(), "{stopped:?}");
    eventually("the service to say that it does not serve", || async {
        (health_of(&health).await == ServingStatus::NotServing).then_some(())
    })
    .await;
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

    eventually("the service to say that it serves again", || async {
        (health_of(&health).await == ServingStatus::Serving).then_some(())
    })
    .await;
    settled(&customer, &before).await;
    let after = eventually("an order to be taken and paid again", || async {
        let body = order_body(&product, 1, "tok_ok");
        let key = Uuid::now_v7().to_string();
        let answer = customer.post_with_key("/v1/orders", &key, &body).await;
        if answer.status != 200 {
            return None;
        }
        let order = answer.body["id"].as_str().unwrap().to_owned();
        (settled(&customer, &order).await == "PAID").then_some(order)
    })
    .await;
    shop.mails(&after, &["order_received", "receipt"]).await;
    let orders = customer.get("/v1/orders").await;
    for order in orders.body["orders"].as_array().unwrap() {
        settled(&customer, order["id"].as_str().unwrap()).await;
    }
}

/// Waits until an order is PAID or CANCELLED and says which. Both are right for one that the outage
/// caught on its way: it outlasts the deadline of an order, which is then called off.
async fn settled(customer: &User, order: &str) -> String {
    let path = format!("/v1/orders/{order}");
    eventually(&format!("order {order} to be settled"), || async {
        let answer = customer.get(&path).await;
        let status = answer.body["status"].as_str()?;
        matches!(status, "PAID" | "CANCELLED").then(|| status.to_owned())
    })
    .await
}

async fn health_of(health: &HealthClient<MeshChannel>) -> ServingStatus {
    let service = "shop.order.v1.OrderService".to_owned();
    let answer = health.clone().check(HealthCheckRequest { service }).await;
    answer.unwrap().into_inner().status()
}

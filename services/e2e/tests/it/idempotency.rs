//! One key, one effect.

use futures::future::join_all;
use serde_json::json;
use uuid::Uuid;

use crate::shop::{Shop, order_body, undisturbed};

#[tokio::test]
async fn the_same_key_answers_the_same_order() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let customer = shop.customer();
    let body = order_body(&shop.product(5, 100).await, 1, "tok_ok");
    let key = Uuid::now_v7().to_string();

    let first = customer.post_with_key("/v1/orders", &key, &body).await;
    customer
        .wait_for(first.body["id"].as_str().unwrap(), "PAID")
        .await;
    let second = customer.post_with_key("/v1/orders", &key, &body).await;

    assert_eq!(second.status, 200, "{second:?}");
    assert_eq!(second.body, first.body, "the answer of then, not of now");
    assert_eq!(second.headers["idempotent-replayed"], "true");
    assert!(!first.headers.contains_key("idempotent-replayed"));
}

#[tokio::test]
async fn fifty_parallel_posts_with_one_key_make_one_order() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let customer = shop.customer();
    let product = shop.product(100, 100).await;
    let body = order_body(&product, 1, "tok_ok");
    let key = Uuid::now_v7().to_string();

    let posts = (0..50).map(|_| customer.post_with_key("/v1/orders", &key, &body));
    let answers = join_all(posts).await;

    for answer in &answers {
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.body, answers[0].body);
    }
    let orders = customer.get("/v1/orders").await;
    assert_eq!(
        orders.body["orders"].as_array().unwrap().len(),
        1,
        "{orders:?}"
    );
    customer
        .wait_for(answers[0].body["id"].as_str().unwrap(), "PAID")
        .await;
}

#[tokio::test]
async fn a_key_is_bound_to_its_body_and_its_customer() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let customer = shop.customer();
    let product = shop.product(100, 100).await;
    let key = Uuid::now_v7().to_string();
    let first = customer
        .post_with_key("/v1/orders", &key, &order_body(&product, 1, "tok_ok"))
        .await;

    let other_body = customer
        .post_with_key("/v1/orders", &key, &order_body(&product, 2, "tok_ok"))
        .await;
    assert_eq!(
        (other_body.status, other_body.reason()),
        (400, "IDEMPOTENCY_KEY_REUSED")
    );
    let other_customer = shop.customer();
    let theirs = other_customer
        .post_with_key("/v1/orders", &key, &order_body(&product, 1, "tok_ok"))
        .await;
    assert_eq!(theirs.status, 200, "{theirs:?}");
    assert_ne!(theirs.body["id"], first.body["id"]);
}

#[tokio::test]
async fn bad_keys_are_refused_without_an_effect() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let customer = shop.customer();
    let body = order_body(&shop.product(1, 100).await, 1, "tok_ok");

    let missing = customer.post("/v1/orders", &body).await;
    assert_eq!(missing.status, 400, "{missing:?}");
    let long = customer
        .post_with_key("/v1/orders", &"k".repeat(256), &body)
        .await;
    assert_eq!(long.status, 400, "{long:?}");
    let mut both = body.clone();
    both["requestId"] = json!("one");
    let differs = customer.post_with_key("/v1/orders", "two", &both).await;
    assert_eq!(differs.status, 400, "{differs:?}");
    let orders = customer.get("/v1/orders").await;
    assert_eq!(orders.body["orders"], json!([]), "{orders:?}");
}

//! The limits of the gateway: slow clients, too many of them, headers that are not theirs to send,
//! and the deadline that each request gets there. Each test has a gateway of its own.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::HeaderMap;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, timeout};
use tonic::Status;
use uuid::Uuid;

use crate::edge_own::OwnEdge;
use crate::mesh::workload_as;
use crate::shop::{Shop, eventually, undisturbed};

const LATE: Duration = Duration::from_secs(10);
fn assert_json(answer: &str, status: u16, code: u32) {
    assert!(
        answer.starts_with(&format!("HTTP/1.1 {status} ")),
        "{answer}"
    );
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-type: application/json"), "{answer}");
    let body: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}"));
    assert_eq!(body["code"], code, "{answer}");
    assert_eq!(body["details"], json!([]), "{answer}");
}

#[tokio::test]
async fn slow_clients_are_told_so_and_idle_ones_are_hung_up_on() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let edge = OwnEdge::start(
        shop,
        72,
        &[
            (
                "request_headers_timeout: 10s",
                "request_headers_timeout: 1s",
            ),
            ("request_timeout: 15s", "request_timeout: 2s"),
            (
                "                  idle_timeout: 300s",
                "                  idle_timeout: 2s",
            ),
        ],
    )
    .await;
    let customer = shop.customer();
    let half_a_body = format!(
        "POST /v1/orders HTTP/1.1\r\nhost: shop\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: 1000\r\n\r\n{{\"email\":",
        customer.token().unwrap()
    );
    let (headers, body, idle) = tokio::join!(
        timeout(
            LATE,
            edge.say("GET /v1/products HTTP/1.1\r\nhost: shop\r\nx-slow: ")
        ),
        timeout(LATE, edge.say(&half_a_body)),
        timeout(LATE, edge.say("")),
    );
    assert_json(&headers.unwrap(), 408, 4);
    assert_json(&body.unwrap(), 408, 4);
    assert_eq!(idle.unwrap(), "");
    let answer = edge
        .for_user(shop, &customer)
        .get("/v1/products?page_size=1")
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed_and_the_others_are_served() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let edge = OwnEdge::start(
        shop,
        73,
        &[("connection_limit: 1000", "connection_limit: 10")],
    )
    .await;
    let user = edge.for_user(shop, &shop.customer());
    let served = user.get("/v1/products?page_size=1").await;
    assert_eq!(served.status, 200, "{served:?}");
    let mut held = Vec::new();
    for _ in 0..30 {
        held.push(edge.connect().await.unwrap());
    }
    let mut closed = 0;
    for connection in &mut held {
        let mut byte = [0];
        let end = timeout(Duration::from_millis(50), connection.read(&mut byte)).await;
        closed += usize::from(end.is_ok());
    }
    assert!(closed >= 20, "{closed} of 30 closed");
    // The user's connection is kept and counts among the ten.
    let served = user.get("/v1/products?page_size=1").await;
    assert_eq!(served.status, 200, "{served:?}");
    drop(held);
    let newcomer = edge.for_user(shop, &shop.customer());
    eventually("a newcomer to be served", || async {
        let nothing = bytes::Bytes::new();
        let answer = newcomer.try_send(http::Method::GET, "/v1/products?page_size=1", &[], nothing);
        (answer.await.ok()?.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_only_the_gateway_may_say_is_not_taken_from_clients() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    // A service that is nobody's but this test's, with the identity that the gateway expects.
    let (workload, _stop) = workload_as(shop, "order", 75).await;
    let seen = Arc::new(Mutex::new(HeaderMap::new()));
    let keep = Arc::clone(&seen);
    let service = tower::service_fn(move |request: http::Request<tonic::body::Body>| {
        *keep.lock().unwrap() = request.headers().clone();
        async { Ok::<_, Infallible>(Status::unimplemented("heard").into_http()) }
    });
    let _serving = workload.serve(service).await.unwrap();
    let order = format!("address: {},", shop.address(12));
    let own = format!("address: {},", shop.address(75));
    let edge = OwnEdge::start(shop, 74, &[(order.as_str(), own.as_str())]).await;
    let user = edge.for_user(shop, &shop.customer());
    let forged = [
        (
            "x-forwarded-client-cert",
            "URI=spiffe://cluster.local/ns/shop/sa/order",
        ),
        ("grpc-timeout", "9H"),
        ("x-envoy-upstream-rq-timeout-ms", "900000"),
        ("x-envoy-expected-rq-timeout-ms", "900000"),
        ("x-envoy-retry-on", "5xx"),
        ("x-envoy-max-retries", "1000"),
        ("x-envoy-attempt-count", "77"),
        ("x-envoy-original-host", "forged"),
        ("x-envoy-internal", "true"),
        ("x-envoy-force-trace", "1"),
        ("x-envoy-decorator-operation", "forged"),
        ("x-envoy-original-path", "/forged"),
    ];
    let path = format!("/v1/orders/{}", Uuid::now_v7());
    let answer = user
        .send(http::Method::GET, &path, &forged, "".into())
        .await;
    assert_eq!(answer.status, 501, "{answer:?}");
    let seen = seen.lock().unwrap().clone();
    assert_eq!(seen["grpc-timeout"], "9950m");
    assert!(!seen.contains_key("x-forwarded-client-cert"), "{seen:?}");
    for (name, value) in seen
        .iter()
        .filter(|(name, _)| name.as_str().starts_with("x-envoy-"))
    {
        let told = forged.iter().find(|(forged, _)| *forged == name.as_str());
        assert!(
            told.is_none_or(|(_, forged)| value != forged),
            "{name}: {value:?}"
        );
    }
}

#[tokio::test]
async fn the_deadline_of_the_edge_cancels_the_statement_in_the_database() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    // Shorter than the two seconds for which a row that is locked is waited for.
    let edge = OwnEdge::start(
        shop,
        76,
        &[
            ("\"9950m\"", "\"950m\""),
            ("\"timeout\": \"10.0s\"", "\"timeout\": \"1.0s\""),
        ],
    )
    .await;
    let customer = shop.customer();
    let order = customer
        .order(&shop.product(1, 100).await, 1, "tok_ok")
        .await;
    customer.wait_for(&order, "PAID").await;
    let user = edge.for_user(shop, &customer);
    let mut holder = shop.connect("order", "order").await.unwrap();
    let watcher = shop.connect("order", "order").await.unwrap();
    let pid = holder.query_one("select pg_backend_pid()", &[]).await;
    let pid: i32 = pid.unwrap().get(0);
    let waiting = async || {
        let sql =
            "select count(*) from pg_stat_activity where pg_blocking_pids(pid) @> array[$1::int]";
        let row = watcher.query_one(sql, &[&pid]).await.unwrap();
        row.get::<_, i64>(0)
    };
    let cancelled_before = statements_cancelled(shop);
    let transaction = holder.transaction().await.unwrap();
    let lock = "select id from orders where id = $1::text::uuid for update";
    transaction.query_one(lock, &[&order]).await.unwrap();

    let begun = Instant::now();
    let path = format!("/v1/orders/{order}:cancel");
    let empty = json!({});
    let (answer, ()) = tokio::join!(user.post(&path, &empty), async {
        eventually("the statement to wait for the row", || async {
            (waiting().await > 0).then_some(())
        })
        .await;
    });
    assert_eq!(
        (answer.status, &answer.body["code"]),
        (504, &json!(4)),
        "{answer:?}"
    );
    eventually("the statement to be gone", || async {
        (waiting().await == 0).then_some(())
    })
    .await;
    let took = begun.elapsed();
    // The row is still held: nothing but the deadline has ended the statement.
    eventually("the database's word for it", || async {
        (statements_cancelled(shop) > cancelled_before).then_some(())
    })
    .await;
    transaction.rollback().await.unwrap();
    let after = customer.get(&format!("/v1/orders/{order}")).await;
    assert_eq!(after.body["status"], "PAID", "after {took:?}: {after:?}");
}

fn statements_cancelled(shop: &Shop) -> usize {
    let log = std::fs::read_to_string(shop.run.join("logs/postgres.log")).unwrap();
    log.matches("canceling statement due to statement timeout")
        .count()
}

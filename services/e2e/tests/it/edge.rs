//! What the gateway itself refuses, and in which shape.

use http::Method;
use serde_json::json;
use uuid::Uuid;

use crate::shop::{Answer, Shop, order_body, undisturbed};

fn assert_json_error(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(
        answer.headers["content-type"], "application/json",
        "{answer:?}"
    );
    assert!(answer.body["code"].is_number(), "{answer:?}");
    assert!(answer.body["message"].is_string(), "{answer:?}");
    assert!(answer.body["details"].is_array(), "{answer:?}");
}

#[tokio::test]
async fn native_grpc_is_refused_at_the_gateway() {
    let _up = undisturbed().await;
    let customer = Shop::running().customer();
    for path in [
        "/shop.order.v1.OrderService/GetOrder",
        "/shop.payment.v1.PaymentControlService/CapturePayment",
        "/v1/orders",
    ] {
        for kind in [
            "application/grpc",
            "application/grpc+proto",
            "application/grpc-web",
        ] {
            let headers = [("content-type", kind), ("te", "trailers")];
            let frame = bytes::Bytes::from_static(&[0, 0, 0, 0, 0]);
            let answer = customer.send(Method::POST, path, &headers, frame).await;
            assert_json_error(&answer, 415);
        }
    }
}

#[tokio::test]
async fn internal_services_have_no_route() {
    let _up = undisturbed().await;
    let customer = Shop::running().customer();
    for path in [
        "/shop.payment.v1.PaymentControlService/CapturePayment",
        "/shop.order.v1.OrderInternalService/GetContact",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/v2/orders",
        "/",
    ] {
        let answer = customer.post(path, &json!({})).await;
        assert_json_error(&answer, 404);
    }
}

#[tokio::test]
async fn bodies_that_are_not_small_json_are_refused() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let customer = shop.customer();
    let post = async |kind: &str, body: Vec<u8>| {
        let key = Uuid::now_v7().to_string();
        let headers = [("content-type", kind), ("idempotency-key", key.as_str())];
        customer
            .send(Method::POST, "/v1/orders", &headers, body.into())
            .await
    };
    let good = order_body(&shop.product(1, 100).await, 1, "tok_ok").to_string();

    for broken in [
        "{",
        "[]",
        "nonsense",
        "{\"lines\": 1}",
        "{\"lines\":[{\"quantity\":1.5}]}",
    ] {
        assert_json_error(&post("application/json", broken.into()).await, 400);
    }
    assert_json_error(&post("text/plain", good.clone().into()).await, 415);
    assert_json_error(&post("application/json", vec![b' '; 10 << 20]).await, 413);
    let charset = post("application/json; charset=utf-8", good.into()).await;
    assert_eq!(charset.status, 200, "{charset:?}");
}

#[tokio::test]
async fn headers_that_a_service_would_not_take_are_refused_at_the_gateway() {
    let _up = undisturbed().await;
    let anyone = Shop::running().anyone();
    let get = async |bytes: usize| {
        let value = "a".repeat(bytes);
        anyone
            .send(
                Method::GET,
                "/v1/products",
                &[("x-a", value.as_str())],
                Vec::new().into(),
            )
            .await
    };
    assert_eq!(get(8 << 10).await.status, 200);
    for kilobytes in [12, 20, 40] {
        assert_json_error(&get(kilobytes << 10).await, 431);
    }
}

#[tokio::test]
async fn unknown_query_parameters_are_refused() {
    let _up = undisturbed().await;
    let answer = Shop::running()
        .anyone()
        .get("/v1/products?colour=red")
        .await;
    assert_json_error(&answer, 400);
}

#[tokio::test]
async fn the_path_wins_over_the_body() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let customer = shop.customer();
    let mine = customer
        .order(&shop.product(1, 100).await, 1, "tok_ok")
        .await;
    let path = format!("/v1/orders/{mine}:cancel");
    let answer = customer
        .post(&path, &json!({"orderId": Uuid::now_v7().to_string()}))
        .await;
    assert_eq!(
        (answer.status, &answer.body["id"]),
        (200, &json!(mine)),
        "{answer:?}"
    );
}

#[tokio::test]
async fn every_bad_field_of_an_order_is_named() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let product = shop.product(1, 100).await;
    let body = json!({
        "email": "ada@example.com\r\nBcc: eve@example.com",
        "lines": [
            {"productId": product, "quantity": 0},
            {"productId": "not-an-id", "quantity": 1},
            {"productId": product, "quantity": 1000},
        ],
        "paymentToken": "4111111111111111",
    });
    let key = Uuid::now_v7().to_string();
    let answer = shop
        .customer()
        .post_with_key("/v1/orders", &key, &body)
        .await;
    assert_json_error(&answer, 400);
    let mut fields = answer.fields();
    fields.sort();
    let wanted = [
        "email",
        "lines[0].quantity",
        "lines[1].productId",
        "lines[2].quantity",
        "paymentToken",
    ];
    assert_eq!(fields, wanted);
}

#[tokio::test]
async fn a_browser_of_an_allowed_origin_may_ask() {
    let _up = undisturbed().await;
    let anyone = Shop::running().anyone();
    let headers = [
        ("origin", "http://localhost:3000"),
        ("access-control-request-method", "POST"),
        (
            "access-control-request-headers",
            "authorization,content-type,idempotency-key",
        ),
    ];
    let answer = anyone
        .send(Method::OPTIONS, "/v1/orders", &headers, "".into())
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(
        answer.headers["access-control-allow-origin"],
        "http://localhost:3000"
    );
    let elsewhere = [("origin", "https://evil.example"), headers[1]];
    let answer = anyone
        .send(Method::OPTIONS, "/v1/orders", &elsewhere, "".into())
        .await;
    assert!(
        !answer.headers.contains_key("access-control-allow-origin"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn garbage_ids_are_not_found() {
    let _up = undisturbed().await;
    let customer = Shop::running().customer();
    for id in [
        "x",
        "%00",
        "..%2f..",
        "00000000-0000-0000-0000-000000000000",
    ] {
        let answer = customer.get(&format!("/v1/orders/{id}")).await;
        assert!(matches!(answer.status, 400 | 404), "{id}: {answer:?}");
        assert!(answer.body["code"].is_number(), "{id}: {answer:?}");
    }
}

#[tokio::test]
async fn every_answer_names_its_request() {
    let _up = undisturbed().await;
    let anyone = Shop::running().anyone();
    let mut ids = Vec::new();
    for path in ["/v1/products?page_size=1", "/v1/orders", "/nowhere"] {
        let answer = anyone.get(path).await;
        let id = answer.headers["x-request-id"].to_str().unwrap().to_owned();
        assert!(Uuid::parse_str(&id).is_ok(), "{path}: {id}");
        ids.push(id);
    }
    ids.dedup();
    assert_eq!(ids.len(), 3, "{ids:?}");
}

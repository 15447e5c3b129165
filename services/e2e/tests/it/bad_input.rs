//! Bad input at every route: bodies of a wrong form, and what all tables of bad requests share.
//!
//! The tables themselves: `bad_input_orders.rs`, `bad_input_catalogue.rs`, `bad_input_payments.rs`,
//! `bad_input_paths.rs`; what only a peer in the mesh can send is in `bad_grpc.rs`.

use bytes::Bytes;
use http::Method;
use serde_json::json;
use uuid::Uuid;

use crate::shop::{Answer, Shop, User, order_body, undisturbed};

/// HTTP status and `google.rpc` code of a refusal.
pub(crate) type Refusal = (u16, u64);

pub(crate) const INVALID: Refusal = (400, 3);
pub(crate) const NOT_FOUND: Refusal = (404, 5);
pub(crate) const PRECONDITION: Refusal = (400, 9);
pub(crate) const CONFLICT: Refusal = (409, 10);
const TOO_LARGE: Refusal = (413, 8);
const NOT_JSON: Refusal = (415, 3);

/// What no answer may show of the inside of the shop.
const INTERNALS: [&str; 6] = [
    "Protobuf", "panicked", "diesel", "postgres", "src/", "127.77.",
];

/// Checks that `answer` is this refusal, in the one form of the edge, and names exactly `fields`.
#[track_caller]
pub(crate) fn assert_refused(what: &str, answer: &Answer, refusal: Refusal, fields: &[&str]) {
    let code = answer.body["code"].as_u64().unwrap_or_default();
    assert_eq!((answer.status, code), refusal, "{what}: {answer:?}");
    assert_eq!(
        answer.headers["content-type"], "application/json",
        "{what}: {answer:?}"
    );
    assert!(answer.body["message"].is_string(), "{what}: {answer:?}");
    assert!(answer.body["details"].is_array(), "{what}: {answer:?}");
    let text = answer.body.to_string();
    for internal in INTERNALS {
        assert!(!text.contains(internal), "{what}: {text}");
    }
    let mut named = answer.fields();
    named.sort();
    named.dedup();
    let mut wanted = fields.to_vec();
    wanted.sort_unstable();
    assert_eq!(named, wanted, "{what}: {answer:?}");
}

/// Checks that no service keeps anything that this user did: no event, no stored answer.
pub(crate) async fn assert_without_effect(shop: &Shop, user: &User) {
    for service in ["product", "order", "payment"] {
        let database = shop.connect(service, service).await.unwrap();
        for (table, sql) in [
            (
                "outbox",
                "select count(*) from outbox where actor_subject = $1",
            ),
            (
                "idempotency",
                "select count(*) from idempotency where scope = 'user:' || $1",
            ),
        ] {
            let row = database.query_one(sql, &[&user.subject]).await.unwrap();
            let count: i64 = row.get(0);
            assert_eq!(count, 0, "{table} of {service}, by {}", user.subject);
        }
    }
}

/// A user of this role whom no other test knows.
pub(crate) fn new_user(shop: &Shop, role: &str) -> User {
    shop.user(&format!("{role}-{}", Uuid::now_v7()), role)
}

/// Sends JSON, with an idempotency key of its own.
pub(crate) async fn send_json(user: &User, method: &Method, path: &str, body: Bytes) -> Answer {
    let key = Uuid::now_v7().to_string();
    let headers = [
        ("content-type", "application/json"),
        ("idempotency-key", key.as_str()),
    ];
    user.send(method.clone(), path, &headers, body).await
}

/// Every route that takes a body, with a user who may call it and something real to call it about.
struct Bodies {
    shop: &'static Shop,
    product: String,
    order: String,
    customer: User,
    routes: Vec<(User, Method, String)>,
}

impl Bodies {
    async fn new() -> Self {
        let shop = Shop::running();
        let product = shop.product(3, 100).await;
        let customer = shop.customer();
        let order = customer.order(&product, 1, "tok_ok").await;
        customer.wait_for(&order, "PAID").await;
        let payment = customer.payment(&order).await;
        let payment = payment["id"].as_str().unwrap();
        let merchant = || new_user(shop, "merchant");
        let routes = vec![
            (merchant(), Method::POST, "/v1/products".to_owned()),
            (
                merchant(),
                Method::PATCH,
                format!("/v1/products/{product}?update_mask=name"),
            ),
            (
                merchant(),
                Method::POST,
                format!("/v1/products/{product}:adjustStock"),
            ),
            (
                new_user(shop, "customer"),
                Method::POST,
                "/v1/orders".to_owned(),
            ),
            (
                new_user(shop, "support"),
                Method::POST,
                format!("/v1/orders/{order}:cancel"),
            ),
            (
                new_user(shop, "support"),
                Method::POST,
                format!("/v1/payments/{payment}:refund"),
            ),
        ];
        Self {
            shop,
            product,
            order,
            customer,
            routes,
        }
    }

    async fn assert_untouched(&self) {
        for (user, _, _) in &self.routes {
            assert_without_effect(self.shop, user).await;
        }
        assert_eq!(self.shop.stock(&self.product).await, (2, 0, 2));
        let order = self
            .customer
            .get(&format!("/v1/orders/{}", self.order))
            .await;
        assert_eq!(order.body["status"], "PAID", "{order:?}");
    }
}

#[tokio::test]
async fn bodies_that_are_no_json_object_are_refused_at_every_route() {
    let _up = undisturbed().await;
    let bodies = Bodies::new().await;
    let good = order_body(&bodies.product, 1, "tok_ok").to_string();
    let utf16: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("blank", b"  \n".to_vec()),
        ("cut off", good.as_bytes()[..good.len() - 1].to_vec()),
        ("a key without a value", b"{\"name\":".to_vec()),
        ("an open brace", b"{".to_vec()),
        ("trailing garbage", format!("{good}x").into()),
        ("two objects", format!("{good}{good}").into()),
        ("a byte order mark", format!("\u{feff}{good}").into()),
        ("UTF-16", utf16),
        ("no UTF-8", b"{\"name\":\"\xff\"}".to_vec()),
        ("half a surrogate pair", b"{\"name\":\"\\ud800\"}".to_vec()),
        ("an unknown literal", b"{\"name\":NaN}".to_vec()),
        ("a comment", b"{\"name\":\"x\" /* y */}".to_vec()),
        ("deep arrays", vec![b'['; 100_000]),
        ("deep objects", "{\"a\":".repeat(20_000).into()),
        (
            "a deep unknown field",
            format!("{{\"a\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000)).into(),
        ),
    ];
    for (user, method, path) in &bodies.routes {
        for (what, body) in &cases {
            let answer = send_json(user, method, path, body.clone().into()).await;
            assert_refused(&format!("{what} to {path}"), &answer, INVALID, &[]);
        }
    }
    bodies.assert_untouched().await;
}

#[tokio::test]
async fn values_that_are_no_object_are_refused_at_every_route() {
    let _up = undisturbed().await;
    let bodies = Bodies::new().await;
    for (user, method, path) in &bodies.routes {
        for body in ["true", "1", "1.5", "\"x\"", "[]", "[{}]", "[[]]"] {
            let answer = send_json(user, method, path, body.into()).await;
            let what = format!("{body} to {path}");
            assert_eq!(answer.status, 400, "{what}: {answer:?}");
            assert_refused(&what, &answer, INVALID, &[]);
        }
    }
    bodies.assert_untouched().await;
}

#[tokio::test]
async fn large_bodies_are_refused_at_every_route() {
    let _up = undisturbed().await;
    let bodies = Bodies::new().await;
    let long = json!({"name": "x".repeat(300 << 10)}).to_string();
    for (user, method, path) in &bodies.routes {
        for body in [
            vec![b' '; 10 << 20],
            vec![b'['; 10 << 20],
            long.clone().into(),
        ] {
            let answer = send_json(user, method, path, body.into()).await;
            assert_refused(path, &answer, TOO_LARGE, &[]);
        }
    }
    bodies.assert_untouched().await;
}

#[tokio::test]
async fn bodies_that_do_not_call_themselves_json_are_refused_at_every_route() {
    let _up = undisturbed().await;
    let bodies = Bodies::new().await;
    for (user, method, path) in &bodies.routes {
        for kind in [
            "",
            "text/plain",
            "text/json",
            "application/jsonx",
            "application/problem+json",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/json; charset=utf-16",
            "application/json, text/plain",
            "application/grpc-web+proto",
            "application/connect+json",
        ] {
            let headers = [("content-type", kind), ("idempotency-key", "k")];
            let answer = user.send(method.clone(), path, &headers, "{}".into()).await;
            assert_refused(&format!("{kind:?} to {path}"), &answer, NOT_JSON, &[]);
        }
    }
    bodies.assert_untouched().await;
}

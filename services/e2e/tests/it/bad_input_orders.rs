//! Orders that nobody may place: each bad value of each field, and of the idempotency key.

use http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::bad_input::{
    INVALID, PRECONDITION, assert_refused, assert_without_effect, new_user, send_json,
};
use crate::shop::{Shop, User, order_body, undisturbed, usd};

/// A customer that is refused, and the product that it does not get.
struct Attempt {
    shop: &'static Shop,
    customer: User,
    product: String,
}

impl Attempt {
    async fn new() -> Self {
        let shop = Shop::running();
        Self {
            shop,
            customer: shop.customer(),
            product: shop.product(5, 100).await,
        }
    }

    /// A good order but for `field`.
    fn with(&self, field: &str, value: Value) -> Value {
        let mut body = order_body(&self.product, 1, "tok_ok");
        body[field] = value;
        body
    }

    fn line(&self, product: &str, quantity: Value) -> Value {
        json!({"productId": product, "quantity": quantity})
    }

    async fn assert_bad(&self, what: &str, body: Value, fields: &[&str]) {
        let body = body.to_string();
        let answer = send_json(&self.customer, &Method::POST, "/v1/orders", body.into()).await;
        assert_refused(what, &answer, INVALID, fields);
    }

    async fn assert_nothing_happened(&self) {
        assert_without_effect(self.shop, &self.customer).await;
        let orders = self.customer.get("/v1/orders").await;
        assert_eq!(orders.body["orders"], json!([]), "{orders:?}");
        assert_eq!(self.shop.stock(&self.product).await, (5, 0, 5));
    }
}

#[tokio::test]
async fn bad_quantities_are_named() {
    let _up = undisturbed().await;
    let attempt = Attempt::new().await;
    let with =
        |quantity: Value| attempt.with("lines", json!([attempt.line(&attempt.product, quantity)]));
    for quantity in [0, -1, 1000, i32::MAX, i32::MIN] {
        let what = format!("quantity {quantity}");
        let fields = ["lines[0].quantity"];
        attempt
            .assert_bad(&what, with(json!(quantity)), &fields)
            .await;
    }
    attempt
        .assert_bad("null", with(Value::Null), &["lines[0].quantity"])
        .await;
    // No int32 at all: the gateway says so, and where.
    for quantity in [
        json!(2_147_483_648_i64),
        json!(-2_147_483_649_i64),
        json!(u64::MAX),
        json!(1.5),
        json!(1e300),
        json!("text"),
        json!(""),
        json!("1 "),
        json!("0x1"),
        json!(true),
        json!([1]),
        json!({"value": 1}),
    ] {
        let what = format!("quantity {quantity}");
        attempt.assert_bad(&what, with(quantity), &[]).await;
    }
    attempt.assert_nothing_happened().await;
}

#[tokio::test]
async fn too_few_and_too_many_lines_are_refused() {
    let _up = undisturbed().await;
    let attempt = Attempt::new().await;
    let line = attempt.line(&attempt.product, json!(1));
    for count in [0, 101, 1000] {
        let body = attempt.with("lines", json!(vec![&line; count]));
        let what = format!("{count} lines");
        attempt.assert_bad(&what, body, &["lines"]).await;
    }
    let mut none = order_body("x", 1, "tok_ok");
    none.as_object_mut().unwrap().remove("lines");
    attempt.assert_bad("no lines", none, &["lines"]).await;
    for lines in [json!("x"), json!([1]), json!(["x"]), json!([true])] {
        let what = lines.to_string();
        attempt
            .assert_bad(&what, attempt.with("lines", lines), &[])
            .await;
    }
    attempt.assert_nothing_happened().await;
}

#[tokio::test]
async fn the_lines_of_a_product_may_not_add_up_to_too_much() {
    let _up = undisturbed().await;
    let attempt = Attempt::new().await;
    let line = |quantity: i32| attempt.line(&attempt.product, json!(quantity));
    let body = attempt.with("lines", json!([line(998), line(1), line(1)]));
    attempt
        .assert_bad("1000 in three lines", body, &["lines[2].quantity"])
        .await;
    attempt.assert_nothing_happened().await;
}

#[tokio::test]
async fn ids_that_are_none_are_named() {
    let _up = undisturbed().await;
    let attempt = Attempt::new().await;
    let id = &attempt.product;
    for bad in [
        "",
        "x",
        "\0",
        &format!("{id}\0"),
        &format!("{id}\n"),
        &format!(" {id}"),
        "'; drop table orders; --",
        "../../etc/passwd",
        &"1".repeat(70_000),
    ] {
        let lines = json!([attempt.line(id, json!(1)), attempt.line(bad, json!(1))]);
        let what = format!("id {bad:.40?}");
        let fields = ["lines[1].productId"];
        attempt
            .assert_bad(&what, attempt.with("lines", lines), &fields)
            .await;
    }
    attempt.assert_nothing_happened().await;
}

#[tokio::test]
async fn products_that_are_not_there_cannot_be_ordered() {
    let _up = undisturbed().await;
    let attempt = Attempt::new().await;
    let gone = attempt.shop.product(5, 100).await;
    let path = format!("/v1/products/{gone}");
    let merchant = attempt.shop.merchant();
    let deleted = merchant.send(Method::DELETE, &path, &[], "".into()).await;
    assert_eq!(deleted.status, 200, "{deleted:?}");
    for absent in [gone, Uuid::now_v7().to_string(), Uuid::nil().to_string()] {
        let good = attempt.line(&attempt.product, json!(1));
        let lines = json!([good, attempt.line(&absent, json!(1))]);
        let body = attempt.with("lines", lines).to_string();
        let answer = send_json(&attempt.customer, &Method::POST, "/v1/orders", body.into()).await;
        assert_refused(&absent, &answer, PRECONDITION, &[]);
        assert_eq!(answer.reason(), "PRODUCT_UNAVAILABLE", "{answer:?}");
        let named = answer.body["details"].to_string();
        assert!(named.contains("lines[1].productId"), "{named}");
    }
    attempt.assert_nothing_happened().await;
}

#[tokio::test]
async fn an_order_has_one_currency() {
    let _up = undisturbed().await;
    let attempt = Attempt::new().await;
    let euros = json!({
        "sku": Uuid::now_v7().to_string(), "name": "n", "category": "test", "initialStock": 1,
        "price": {"currencyCode": "EUR", "units": "1"},
    });
    let euros = attempt.shop.merchant().post("/v1/products", &euros).await;
    let euros = euros.body["id"].as_str().unwrap().to_owned();
    let dollars = &attempt.product;
    let lines = [dollars, &euros, dollars, &euros].map(|id| attempt.line(id, json!(1)));
    let body = attempt.with("lines", json!(lines));
    attempt
        .assert_bad("two currencies", body, &["lines[1].productId"])
        .await;
    attempt.assert_nothing_happened().await;
    assert_eq!(attempt.shop.stock(&euros).await, (1, 0, 1));
}

#[tokio::test]
async fn amounts_that_cannot_be_counted_are_refused() {
    let _up = undisturbed().await;
    let attempt = Attempt::new().await;
    let most = json!({
        "sku": Uuid::now_v7().to_string(), "name": "n", "category": "test", "initialStock": 9,
        "price": usd(i64::MAX / 100, 0),
    });
    let most = attempt.shop.merchant().post("/v1/products", &most).await;
    assert_eq!(most.status, 200, "{most:?}");
    let most = most.body["id"].as_str().unwrap();
    let lines = json!([
        attempt.line(&attempt.product, json!(1)),
        attempt.line(most, json!(2))
    ]);
    let body = attempt.with("lines", lines);
    attempt
        .assert_bad("2 x i64", body, &["lines[1].quantity"])
        .await;
    attempt.assert_nothing_happened().await;
}

#[tokio::test]
async fn addresses_that_get_no_mail_are_named() {
    let _up = undisturbed().await;
    let attempt = Attempt::new().await;
    for email in [
        "",
        "ada",
        "@",
        "ada@",
        "@example.com",
        "ada@example.com@example.com",
        "ada@example.com\r\nBcc: eve@example.com",
        "ada@example.com\n",
        "ada\r@example.com",
        "ada\0@example.com",
        "ada lovelace@example.com",
        "Ada <ada@example.com>",
        "ada@example.com>",
        "ada,eve@example.com",
        "ada@example.com,eve@example.com",
        "ada@example.com\u{2028}",
        "ada@example.com\u{85}",
        "ada\u{202e}@example.com",
        &format!("{}@example.com", "a".repeat(65)),
        &format!("ada@{}.com", "a".repeat(64)),
        &format!("ada@{}com", "a.".repeat(130)),
        &format!("{}@example.com", "a".repeat(70_000)),
    ] {
        let body = attempt.with("email", json!(email));
        attempt
            .assert_bad(&format!("{email:.60?}"), body, &["email"])
            .await;
    }
    for email in [json!(1), json!(["ada@example.com"]), json!({}), json!(true)] {
        let what = email.to_string();
        attempt
            .assert_bad(&what, attempt.with("email", email), &[])
            .await;
    }
    attempt.assert_nothing_happened().await;
}

#[tokio::test]
async fn what_is_no_payment_token_is_named() {
    let _up = undisturbed().await;
    let attempt = Attempt::new().await;
    for token in [
        "",
        "4111111111111111",
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "tok\n",
        "t\u{f6}k",
        "\0",
        &"t".repeat(256),
        &"t".repeat(70_000),
    ] {
        let body = attempt.with("paymentToken", json!(token));
        attempt
            .assert_bad(&format!("{token:.40?}"), body, &["paymentToken"])
            .await;
    }
    attempt.assert_nothing_happened().await;
}

#[tokio::test]
async fn bad_keys_are_named_with_every_other_bad_field() {
    let _up = undisturbed().await;
    let attempt = Attempt::new().await;
    let long = "k".repeat(300);
    let post = async |header: Option<&str>, field: Option<&str>, fields: &[&str]| {
        for (email, wrong) in [("ada@example.com", &[][..]), ("ada", &["email"][..])] {
            let mut body = attempt.with("email", json!(email));
            if let Some(field) = field {
                body["requestId"] = json!(field);
            }
            let mut headers = vec![("content-type", "application/json")];
            headers.extend(header.map(|key| ("idempotency-key", key)));
            let body = body.to_string().into();
            let answer = attempt
                .customer
                .send(Method::POST, "/v1/orders", &headers, body)
                .await;
            let wanted = [fields, wrong].concat();
            let what = format!("{header:.20?} {field:.20?}");
            assert_refused(&what, &answer, INVALID, &wanted);
        }
    };
    for (header, field) in [
        (None, None),
        (Some(""), None),
        (Some("  "), None),
        (None, Some("")),
        (Some(""), Some("")),
        (Some(long.as_str()), None),
        (None, Some(long.as_str())),
        (Some("a\tb"), None),
        (None, Some("k\u{e9}y")),
        (None, Some("a\nb")),
        (None, Some("\0")),
        (Some("one"), Some("two")),
    ] {
        post(header, field, &["requestId"]).await;
    }
    attempt.assert_nothing_happened().await;
}

#[tokio::test]
async fn a_key_in_a_header_is_one_and_ascii() {
    let _up = undisturbed().await;
    let attempt = Attempt::new().await;
    let body = attempt.with("email", json!("ada@example.com")).to_string();
    for keys in [vec!["k\u{e9}y"], vec!["one", "two"], vec!["one", "one"]] {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(keys.iter().map(|key| ("idempotency-key", *key)));
        let body = body.clone().into();
        let answer = attempt
            .customer
            .send(Method::POST, "/v1/orders", &headers, body)
            .await;
        assert_eq!(answer.status, 400, "{keys:?}: {answer:?}");
    }
    attempt.assert_nothing_happened().await;
}

#[tokio::test]
async fn a_key_may_stand_in_header_and_body_alike() {
    let _up = undisturbed().await;
    let attempt = Attempt::new().await;
    let key = "k".repeat(255);
    let body = attempt.with("requestId", json!(key));
    let first = attempt
        .customer
        .post_with_key("/v1/orders", &key, &body)
        .await;
    assert_eq!(first.status, 200, "{first:?}");
    let body = order_body(&attempt.product, 1, "tok_ok");
    let second = attempt
        .customer
        .post_with_key("/v1/orders", &key, &body)
        .await;
    assert_eq!(second.body["id"], first.body["id"], "{second:?}");
}

#[tokio::test]
async fn unknown_and_foreign_fields_of_an_order_are_ignored() {
    let _up = undisturbed().await;
    let attempt = Attempt::new().await;
    let mut body = order_body(&attempt.product, 2, "tok_ok");
    let extra = json!({
        "id": "x", "customerId": "somebody-else", "status": "PAID", "total": usd(0, 0),
        "colour": {"deep": [1, 2, {"a": null}]},
    });
    for (name, value) in extra.as_object().unwrap() {
        body[name] = value.clone();
    }
    body["lines"][0]["unitPrice"] = usd(0, 0);
    body["lines"][0]["amount"] = usd(0, 0);
    let customer = new_user(attempt.shop, "customer");
    let answer = customer.post_with_key("/v1/orders", "k", &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.body["customerId"], customer.subject);
    assert_eq!(answer.body["status"], "PENDING");
    assert_eq!(answer.body["total"], usd(2, 0));
}

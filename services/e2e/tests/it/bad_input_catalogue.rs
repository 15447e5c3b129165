//! Products that nobody may create or change so: texts, money, units, masks, etags.

use http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::bad_input::{
    CONFLICT, INVALID, NOT_FOUND, PRECONDITION, assert_refused, assert_without_effect, new_user,
    send_json,
};
use crate::shop::{Answer, Shop, User, undisturbed, usd};

/// A merchant that is refused, and a product that stays as it is.
struct Attempt {
    shop: &'static Shop,
    merchant: User,
    product: String,
    before: Value,
}

impl Attempt {
    async fn new() -> Self {
        let shop = Shop::running();
        let product = shop.product(5, 100).await;
        let before = shop.anyone().get(&format!("/v1/products/{product}")).await;
        Self {
            shop,
            merchant: new_user(shop, "merchant"),
            product,
            before: before.body,
        }
    }

    async fn create(&self, body: &Value) -> Answer {
        let body = body.to_string().into();
        send_json(&self.merchant, &Method::POST, "/v1/products", body).await
    }

    async fn patch(&self, query: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let path = format!("/v1/products/{}{query}", self.product);
        let body = body.to_string().into();
        self.merchant
            .send(Method::PATCH, &path, headers, body)
            .await
    }

    async fn adjust(&self, body: &Value) -> Answer {
        let path = format!("/v1/products/{}:adjustStock", self.product);
        send_json(
            &self.merchant,
            &Method::POST,
            &path,
            body.to_string().into(),
        )
        .await
    }

    async fn assert_nothing_happened(&self) {
        assert_without_effect(self.shop, &self.merchant).await;
        let path = format!("/v1/products/{}", self.product);
        let now = self.shop.anyone().get(&path).await;
        assert_eq!(now.body, self.before);
    }
}

/// A good product but for `field`.
fn with(field: &str, value: Value) -> Value {
    let sku = format!("B-{}", Uuid::now_v7().simple());
    let mut body = json!({
        "sku": sku, "name": "n", "description": "", "category": "test", "price": usd(1, 0),
        "initialStock": 1,
    });
    body[field] = value;
    body
}

#[tokio::test]
async fn bad_texts_are_named_at_create_and_update() {
    let _up = undisturbed().await;
    let attempt = Attempt::new().await;
    for (field, longest) in [
        ("sku", 64),
        ("name", 200),
        ("description", 5000),
        ("category", 64),
    ] {
        let too_long = "x".repeat(longest + 1);
        let huge = "x".repeat(70_000);
        for value in ["\0", "a\0b", &too_long, &huge] {
            let created = attempt.create(&with(field, json!(value))).await;
            assert_refused(
                &format!("{field} {value:.20?}"),
                &created,
                INVALID,
                &[field],
            );
            let query = format!("?update_mask={field}");
            let patched = attempt.patch(&query, &[], &json!({field: value})).await;
            assert_refused(
                &format!("{field} {value:.20?}"),
                &patched,
                INVALID,
                &[field],
            );
        }
        for value in [json!(1), json!(["x"]), json!({"x": 1}), json!(true)] {
            let answer = attempt.create(&with(field, value.clone())).await;
            assert_refused(&format!("{field} {value}"), &answer, INVALID, &[]);
        }
    }
    for field in ["sku", "name", "category"] {
        for empty in [json!(""), Value::Null] {
            let answer = attempt.create(&with(field, empty)).await;
            assert_refused(field, &answer, INVALID, &[field]);
        }
    }
    for sku in ["\u{e9}", "a\nb", "\u{1b}[31m"] {
        let answer = attempt.create(&with("sku", json!(sku))).await;
        assert_refused(sku, &answer, INVALID, &["sku"]);
    }
    attempt.assert_nothing_happened().await;
}

#[tokio::test]
async fn bad_prices_are_named_by_their_part() {
    let _up = undisturbed().await;
    let attempt = Attempt::new().await;
    let money = |currency: &str, units: i64, nanos: i64| {
        let units = units.to_string();
        json!({"currencyCode": currency, "units": units, "nanos": nanos})
    };
    let cases: Vec<(Value, &[&str])> = vec![
        (Value::Null, &["price"]),
        (json!({}), &["price.currencyCode"]),
        (money("XXQ", 1, 0), &["price.currencyCode"]),
        (money("usd", 1, 0), &["price.currencyCode"]),
        (money("U\0D", 1, 0), &["price.currencyCode"]),
        (money("USD", 1, 1), &["price.nanos"]),
        (money("USD", 1, 5_000_000), &["price.nanos"]),
        (money("JPY", 1, 10_000_000), &["price.nanos"]),
        (money("BHD", 1, 100_000), &["price.nanos"]),
        (money("USD", 1, 1_000_000_000), &["price.nanos"]),
        (money("USD", 1, i64::from(i32::MIN)), &["price.nanos"]),
        (money("USD", 1, -10_000_000), &["price.nanos"]),
        (money("USD", -1, 10_000_000), &["price.nanos"]),
        (money("USD", -1, 0), &["price"]),
        (money("USD", 0, -10_000_000), &["price"]),
        (money("USD", i64::MAX, 0), &["price.units"]),
        (money("USD", i64::MIN, 0), &["price.units"]),
        (
            money("XXQ", 1, -2_000_000_000),
            &["price.currencyCode", "price.nanos"],
        ),
        (
            json!({"currencyCode": "USD", "units": "9223372036854775808"}),
            &[],
        ),
        (json!({"currencyCode": "USD", "units": 1.5}), &[]),
        (
            json!({"currencyCode": "USD", "nanos": 2_147_483_648_i64}),
            &[],
        ),
        (json!("1 USD"), &[]),
        (json!(5), &[]),
        (json!([]), &[]),
    ];
    for (price, fields) in cases {
        let created = attempt.create(&with("price", price.clone())).await;
        assert_refused(&price.to_string(), &created, INVALID, fields);
        let patch = json!({"price": price});
        let patched = attempt.patch("?update_mask=price", &[], &patch).await;
        assert_refused(&price.to_string(), &patched, INVALID, fields);
    }
    attempt.assert_nothing_happened().await;
}

#[tokio::test]
async fn bad_units_are_named() {
    let _up = undisturbed().await;
    let attempt = Attempt::new().await;
    for units in [-1, 1_000_000_001, i32::MAX, i32::MIN] {
        let answer = attempt.create(&with("initialStock", json!(units))).await;
        assert_refused(&units.to_string(), &answer, INVALID, &["initialStock"]);
    }
    for units in [json!(2_147_483_648_i64), json!(0.5), json!("many")] {
        let answer = attempt.create(&with("initialStock", units.clone())).await;
        assert_refused(&units.to_string(), &answer, INVALID, &[]);
    }
    for delta in [0, 1_000_000_001, i32::MAX, i32::MIN] {
        let answer = attempt
            .adjust(&json!({"delta": delta, "reason": "r"}))
            .await;
        assert_refused(&delta.to_string(), &answer, INVALID, &["delta"]);
    }
    for reason in ["", "\0", &"r".repeat(201), &"r".repeat(70_000)] {
        let answer = attempt.adjust(&json!({"delta": 1, "reason": reason})).await;
        assert_refused(&format!("{reason:.20?}"), &answer, INVALID, &["reason"]);
    }
    let both = attempt.adjust(&json!({"requestId": "\n"})).await;
    assert_refused("nothing", &both, INVALID, &["delta", "reason", "requestId"]);
    let most = attempt
        .adjust(&json!({"delta": 1_000_000_000, "reason": "r"}))
        .await;
    assert_refused("above the most", &most, INVALID, &["delta"]);
    let fewer = attempt.adjust(&json!({"delta": -6, "reason": "r"})).await;
    assert_refused("below nothing", &fewer, PRECONDITION, &[]);
    assert_eq!(fewer.reason(), "OUT_OF_STOCK", "{fewer:?}");
    attempt.assert_nothing_happened().await;
}

#[tokio::test]
async fn every_bad_field_of_a_product_and_its_key_are_named_at_once() {
    let _up = undisturbed().await;
    let attempt = Attempt::new().await;
    let body = json!({
        "sku": "\0", "name": "", "description": "\0", "category": "", "initialStock": -1,
        "price": {"currencyCode": "XXQ", "nanos": 1}, "requestId": "k\u{e9}y",
    });
    let headers = [("content-type", "application/json")];
    let answer = attempt
        .merchant
        .send(
            Method::POST,
            "/v1/products",
            &headers,
            body.to_string().into(),
        )
        .await;
    let fields = [
        "category",
        "description",
        "initialStock",
        "name",
        "price.currencyCode",
        "requestId",
        "sku",
    ];
    assert_refused("everything", &answer, INVALID, &fields);
    attempt.assert_nothing_happened().await;
}

#[tokio::test]
async fn masks_name_only_what_a_merchant_may_change() {
    let _up = undisturbed().await;
    let attempt = Attempt::new().await;
    for mask in [
        "id",
        "stock",
        "stock.on_hand",
        "etag",
        "create_time",
        "delete_time",
        "nonsense",
        "product",
        "product.name",
        "name.x",
        "price.units",
        "name,nonsense",
        "name%00",
        "..",
        "%F0%9F%98%80",
        &"a".repeat(4000),
    ] {
        let query = format!("?update_mask={mask}");
        let answer = attempt.patch(&query, &[], &json!({"name": "new"})).await;
        assert_refused(mask, &answer, INVALID, &["updateMask"]);
    }
    let all = attempt
        .patch("?update_mask=*", &[], &json!({"name": "new"}))
        .await;
    assert_refused("*", &all, INVALID, &["sku", "category", "price"]);
    let unset = attempt
        .patch("?update_mask=name,price", &[], &json!({}))
        .await;
    assert_refused("unset", &unset, INVALID, &["name", "price"]);
    attempt.assert_nothing_happened().await;
}

#[tokio::test]
async fn an_etag_is_of_this_version_and_the_same_in_header_and_body() {
    let _up = undisturbed().await;
    let attempt = Attempt::new().await;
    let other = format!("{}x", attempt.before["etag"].as_str().unwrap());
    let long = "e".repeat(70_000);
    for stale in [other.as_str(), "\0", "\u{e9}", "W/x", &long] {
        let body = json!({"name": "new", "etag": stale});
        let answer = attempt.patch("", &[], &body).await;
        assert_refused(&format!("{stale:.20?}"), &answer, CONFLICT, &[]);
        assert_eq!(answer.reason(), "ETAG_MISMATCH", "{answer:?}");
    }
    let name = json!({"name": "new"});
    let stale = attempt.patch("", &[("if-match", "\"other\"")], &name).await;
    assert_refused("If-Match", &stale, CONFLICT, &[]);
    let long = "e".repeat(129);
    let answer = attempt.patch("", &[("if-match", &long)], &name).await;
    assert_refused("a long If-Match", &answer, INVALID, &["If-Match"]);
    let body = json!({"name": "\0", "etag": "one"});
    let answer = attempt.patch("", &[("if-match", "two")], &body).await;
    assert_refused("two etags", &answer, INVALID, &["etag", "name"]);
    let path = format!("/v1/products/{}?etag={other}", attempt.product);
    let answer = attempt
        .merchant
        .send(Method::DELETE, &path, &[], "".into())
        .await;
    assert_refused("a stale delete", &answer, CONFLICT, &[]);
    attempt.assert_nothing_happened().await;
}

#[tokio::test]
async fn a_deleted_product_is_not_changed_again() {
    let _up = undisturbed().await;
    let attempt = Attempt::new().await;
    let path = format!("/v1/products/{}", attempt.product);
    let keeper = new_user(attempt.shop, "merchant");
    let deleted = keeper.send(Method::DELETE, &path, &[], "".into()).await;
    assert_eq!(deleted.status, 200, "{deleted:?}");
    let delete = attempt
        .merchant
        .send(Method::DELETE, &path, &[], "".into())
        .await;
    assert_refused("delete", &delete, NOT_FOUND, &[]);
    let patch = attempt.patch("", &[], &json!({"name": "new"})).await;
    assert_refused("patch", &patch, NOT_FOUND, &[]);
    let adjust = attempt.adjust(&json!({"delta": 1, "reason": "r"})).await;
    assert_refused("adjust", &adjust, NOT_FOUND, &[]);
    assert_without_effect(attempt.shop, &attempt.merchant).await;
}

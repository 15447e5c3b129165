//! Products over REST: create, read, change, delete, stock.

use http::Method;
use serde_json::json;
use uuid::Uuid;

use crate::shop::{Shop, undisturbed, usd};

#[tokio::test]
async fn a_product_is_created_read_changed_and_deleted() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let product = shop.product(7, 4950).await;
    let path = format!("/v1/products/{product}");
    let merchant = shop.merchant();

    let read = shop.anyone().get(&path).await;
    assert_eq!(read.body["price"], usd(49, 500_000_000));
    assert_eq!(
        read.body["stock"],
        json!({"onHand": 7, "reserved": 0, "available": 7})
    );
    let etag = read.body["etag"].as_str().unwrap();

    let patch = json!({"price": usd(45, 0), "etag": etag}).to_string();
    let uri = format!("{path}?update_mask=price");
    let changed = merchant
        .send(Method::PATCH, &uri, &[], patch.clone().into())
        .await;
    assert_eq!(
        (changed.status, &changed.body["price"]),
        (200, &usd(45, 0)),
        "{changed:?}"
    );
    assert_ne!(changed.body["etag"], etag);
    let stale = merchant.send(Method::PATCH, &uri, &[], patch.into()).await;
    assert_eq!(
        (stale.status, stale.reason()),
        (409, "ETAG_MISMATCH"),
        "{stale:?}"
    );

    let deleted = merchant.send(Method::DELETE, &path, &[], "".into()).await;
    assert_eq!(deleted.status, 200, "{deleted:?}");
    assert_eq!(shop.anyone().get(&path).await.status, 404);
}

#[tokio::test]
async fn every_bad_field_of_a_product_is_named() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let body = json!({
        "sku": "", "name": "n\u{0}", "category": "c", "initialStock": -1,
        "price": {"currencyCode": "XXQ", "units": "1", "nanos": 0},
    });
    let answer = shop.merchant().post("/v1/products", &body).await;
    assert_eq!(
        (answer.status, &answer.body["code"]),
        (400, &json!(3)),
        "{answer:?}"
    );
    let mut fields = answer.fields();
    fields.sort();
    assert_eq!(
        fields,
        ["initialStock", "name", "price.currencyCode", "sku"]
    );
}

#[tokio::test]
async fn a_sku_is_taken_once() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let merchant = shop.merchant();
    let body = json!({
        "sku": format!("S-{}", Uuid::now_v7().simple()), "name": "n", "category": "c",
        "price": usd(1, 0), "initialStock": 0,
    });
    assert_eq!(merchant.post("/v1/products", &body).await.status, 200);
    let second = merchant.post("/v1/products", &body).await;
    assert_eq!(
        (second.status, &second.body["code"]),
        (409, &json!(6)),
        "{second:?}"
    );
}

#[tokio::test]
async fn stock_is_adjusted_but_never_below_what_is_there() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let product = shop.product(5, 100).await;
    let path = format!("/v1/products/{product}:adjustStock");
    let merchant = shop.merchant();
    let more = merchant
        .post(&path, &json!({"delta": 3, "reason": "delivery"}))
        .await;
    assert_eq!(
        (more.status, &more.body["stock"]["onHand"]),
        (200, &json!(8)),
        "{more:?}"
    );
    let fewer = merchant
        .post(&path, &json!({"delta": -9, "reason": "count"}))
        .await;
    assert_eq!(
        (fewer.status, fewer.reason()),
        (400, "OUT_OF_STOCK"),
        "{fewer:?}"
    );
    assert_eq!(shop.stock(&product).await, (8, 0, 8));
}

#[tokio::test]
async fn pages_of_a_category_hold_each_product_once() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let merchant = shop.merchant();
    let category = format!("c-{}", Uuid::now_v7().simple());
    for _ in 0..5 {
        let body = json!({
            "sku": Uuid::now_v7().to_string(), "name": "n", "category": category,
            "price": usd(1, 0),
        });
        assert_eq!(merchant.post("/v1/products", &body).await.status, 200);
    }
    let mut seen = Vec::new();
    let mut token = String::new();
    loop {
        let query = format!("/v1/products?category={category}&page_size=2&page_token={token}");
        let page = shop.anyone().get(&query).await;
        assert_eq!(page.status, 200, "{page:?}");
        for product in page.body["products"].as_array().unwrap() {
            seen.push(product["id"].as_str().unwrap().to_owned());
        }
        token = page.body["nextPageToken"].as_str().unwrap().to_owned();
        if token.is_empty() {
            break;
        }
    }
    let listed = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!((listed, seen.len()), (5, 5));
    let foreign = shop.anyone().get("/v1/products?page_token=AAAA").await;
    assert_eq!(foreign.status, 400, "{foreign:?}");
}

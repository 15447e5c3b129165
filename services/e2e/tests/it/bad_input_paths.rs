//! Paths, queries and verbs that lead nowhere, and pages that do not exist.

use http::Method;
use serde_json::json;
use uuid::Uuid;

use crate::bad_input::{INVALID, NOT_FOUND, assert_refused, assert_without_effect, new_user};
use crate::shop::{Answer, Shop, User, undisturbed, usd};

/// Every route that has an id in its path, with a user who may call it.
fn routes(shop: &Shop) -> Vec<(User, Method, &'static str)> {
    let merchant = || new_user(shop, "merchant");
    let support = || new_user(shop, "support");
    vec![
        (merchant(), Method::GET, "/v1/products/{id}"),
        (merchant(), Method::PATCH, "/v1/products/{id}"),
        (merchant(), Method::DELETE, "/v1/products/{id}"),
        (merchant(), Method::POST, "/v1/products/{id}:adjustStock"),
        (support(), Method::GET, "/v1/orders/{id}"),
        (support(), Method::GET, "/v1/orders/{id}/history"),
        (support(), Method::POST, "/v1/orders/{id}:cancel"),
        (support(), Method::GET, "/v1/payments/{id}"),
        (support(), Method::POST, "/v1/payments/{id}:refund"),
    ]
}

async fn ask(user: &User, method: &Method, path: &str) -> Answer {
    let body = match *method {
        Method::POST | Method::PUT | Method::PATCH => {
            json!({"name": "new", "delta": 1, "reason": "r"})
        }
        _ => return user.send(method.clone(), path, &[], "".into()).await,
    };
    let headers = [
        ("idempotency-key", "k"),
        ("content-type", "application/json"),
    ];
    user.send(method.clone(), path, &headers, body.to_string().into())
        .await
}

#[tokio::test]
async fn what_is_no_id_is_not_found() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    for (user, method, route) in routes(shop) {
        for id in [
            Uuid::now_v7().to_string().as_str(),
            "00000000-0000-0000-0000-000000000000",
            "x",
            "%0a",
            "%20",
            "*",
            "%27%3B%20drop%20table%20orders%3B--",
            "%252f",
            "%E2%80%AE",
            "9223372036854775808",
            &"1".repeat(4000),
        ] {
            let path = route.replace("{id}", id);
            let answer = ask(&user, &method, &path).await;
            assert_refused(&format!("{method} {path:.80}"), &answer, NOT_FOUND, &[]);
        }
        assert_without_effect(shop, &user).await;
    }
}

#[tokio::test]
async fn paths_that_are_no_text_are_refused() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    for (user, method, route) in routes(shop) {
        for id in [
            "%00",
            "%ff",
            "%c0%af",
            "%ed%a0%80",
            "a%2fb",
            "..%2f..",
            "a%5Cb",
        ] {
            let path = route.replace("{id}", id);
            let answer = ask(&user, &method, &path).await;
            assert_refused(&format!("{method} {path}"), &answer, INVALID, &[]);
        }
        let path = route.replace("{id}", &"1".repeat(60_000));
        let answer = ask(&user, &method, &path).await;
        assert_refused(&format!("{method} a long path"), &answer, (431, 3), &[]);
        assert_without_effect(shop, &user).await;
    }
}

#[tokio::test]
async fn other_spellings_of_an_id_find_no_product() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let id = shop.product(1, 100).await;
    for other in [
        id.to_uppercase(),
        id.replace('-', ""),
        format!("%7B{id}%7D"),
        format!("urn:uuid:{id}"),
        format!("{id}%20"),
        format!("{id}%0a"),
    ] {
        let answer = shop.anyone().get(&format!("/v1/products/{other}")).await;
        assert_refused(&other, &answer, NOT_FOUND, &[]);
    }
}

#[tokio::test]
async fn a_query_never_overrides_path_or_body() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let (mine, other) = (shop.product(1, 100).await, shop.product(1, 100).await);
    for (user, method, route) in routes(shop) {
        for parameter in [
            "product_id",
            "productId",
            "product%5Fid",
            "order_id",
            "payment_id",
            "name",
            "product.name",
            "reason",
            "colour",
        ] {
            let path = format!("{}?{parameter}={other}", route.replace("{id}", &mine));
            let answer = ask(&user, &method, &path).await;
            assert_refused(&format!("{method} {path}"), &answer, INVALID, &[]);
        }
        assert_without_effect(shop, &user).await;
    }
    let customer = shop.customer();
    let path = "/v1/orders?email=ada@example.com&payment_token=tok_ok";
    let body = json!({"lines": [{"productId": mine, "quantity": 1}]});
    let answer = customer.post_with_key(path, "k", &body).await;
    assert_refused(path, &answer, INVALID, &[]);
    assert_without_effect(shop, &customer).await;
}

#[tokio::test]
async fn the_body_names_nothing_that_the_path_does() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let (mine, other) = (shop.product(1, 100).await, shop.product(1, 100).await);
    let path = format!("/v1/products/{mine}");
    let body = json!({"id": other, "productId": other, "price": usd(2, 0)});
    let body = body.to_string().into();
    let changed = shop.merchant().send(Method::PATCH, &path, &[], body).await;
    assert_eq!(changed.body["id"], json!(mine), "{changed:?}");
    let untouched = shop.anyone().get(&format!("/v1/products/{other}")).await;
    assert_eq!(untouched.body["price"], usd(1, 0));
}

#[tokio::test]
async fn bad_pages_and_filters_are_named_at_once() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let support = shop.support();
    for (list, filter, bad, field) in [
        ("products", "category", "%00", "category"),
        ("orders", "customer_id", "a%0ab", "customerId"),
        ("payments", "order_id", "x", "orderId"),
        ("notifications", "order_id", "%00", "orderId"),
    ] {
        let path = format!("/v1/{list}?{filter}={bad}&page_size=-1&page_token=x");
        let answer = support.get(&path).await;
        assert_refused(&path, &answer, INVALID, &[field, "pageSize", "pageToken"]);
        for size in ["-1", "-2147483648"] {
            let path = format!("/v1/{list}?page_size={size}");
            assert_refused(&path, &support.get(&path).await, INVALID, &["pageSize"]);
        }
        for size in ["2147483648", "1.5", "x", "", "0x1", "%00", "1e1000"] {
            let path = format!("/v1/{list}?page_size={size}");
            assert_refused(&path, &support.get(&path).await, INVALID, &[]);
        }
        for token in [
            "x",
            "AAAA",
            "%00",
            "%F0%9F%98%80",
            "a.b.c",
            &"A".repeat(5000),
        ] {
            let path = format!("/v1/{list}?page_token={token}");
            assert_refused(&path, &support.get(&path).await, INVALID, &["pageToken"]);
        }
        for query in [
            "colour=red",
            "page_size=1&x=1",
            "page_size.x=1",
            "PAGE_SIZE=1",
            ".=1",
        ] {
            let path = format!("/v1/{list}?{query}");
            assert_refused(&path, &support.get(&path).await, INVALID, &[]);
        }
        for query in ["page_token=%ff", "page_token=%ed%a0%80"] {
            let path = format!("/v1/{list}?{query}");
            assert_refused(&path, &support.get(&path).await, INVALID, &[]);
        }
        for size in ["0", "1001", "2147483647"] {
            let path = format!("/v1/{list}?page_size={size}");
            assert_eq!(support.get(&path).await.status, 200, "{path}");
        }
    }
}

#[tokio::test]
async fn a_token_belongs_to_its_listing() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    for _ in 0..2 {
        shop.product(1, 100).await;
    }
    let first = shop.anyone().get("/v1/products?page_size=1").await;
    let token = first.body["nextPageToken"].as_str().unwrap();
    let path = format!("/v1/products?page_size=2&page_token={token}");
    assert_eq!(shop.anyone().get(&path).await.status, 200);
    let cut = &token[..token.len() - 1];
    for path in [
        format!("/v1/products?category=test&page_token={token}"),
        format!("/v1/products?page_token={cut}"),
        format!("/v1/orders?page_token={token}"),
        format!("/v1/payments?page_token={token}"),
        format!("/v1/notifications?page_token={token}"),
    ] {
        let answer = shop.support().get(&path).await;
        assert_refused(&path, &answer, INVALID, &["pageToken"]);
    }
}

#[tokio::test]
async fn verbs_that_a_route_does_not_have_lead_nowhere() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let admin = new_user(shop, "admin");
    let id = Uuid::now_v7();
    for (method, path) in [
        (Method::DELETE, "/v1/products".to_owned()),
        (Method::PATCH, "/v1/products".to_owned()),
        (Method::PUT, format!("/v1/products/{id}")),
        (Method::POST, format!("/v1/products/{id}")),
        (Method::GET, format!("/v1/products/{id}:adjustStock")),
        (Method::POST, format!("/v1/products/{id}:cancel")),
        (Method::POST, format!("/v1/orders/{id}:refund")),
        (Method::DELETE, format!("/v1/orders/{id}")),
        (Method::GET, format!("/v1/orders/{id}:cancel")),
        (Method::POST, format!("/v1/orders/{id}/history")),
        (Method::POST, "/v1/payments".to_owned()),
        (Method::POST, "/v1/notifications".to_owned()),
        (Method::GET, format!("/v1/notifications/{id}")),
        (Method::GET, "/v1/carts".to_owned()),
        (Method::GET, "/v1".to_owned()),
    ] {
        let answer = ask(&admin, &method, &path).await;
        assert_refused(&format!("{method} {path}"), &answer, NOT_FOUND, &[]);
    }
    assert_without_effect(shop, &admin).await;
}

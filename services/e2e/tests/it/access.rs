//! Who may do what: tokens, roles, and other people's things.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::shop::{Shop, User, order_body, undisturbed, usd};

#[tokio::test]
async fn the_catalogue_is_open_and_everything_else_needs_a_token() {
    let _up = undisturbed().await;
    let anyone = Shop::running().anyone();
    assert_eq!(anyone.get("/v1/products").await.status, 200);
    for path in ["/v1/orders", "/v1/payments", "/v1/notifications"] {
        let answer = anyone.get(path).await;
        assert_eq!(
            (answer.status, &answer.body["code"]),
            (401, &json!(16)),
            "{path} {answer:?}"
        );
    }
    let answer = anyone
        .post("/v1/orders", &order_body("x", 1, "tok_ok"))
        .await;
    assert_eq!(answer.status, 401, "{answer:?}");
    let answer = anyone.post("/v1/products", &json!({})).await;
    assert_eq!(answer.status, 401, "{answer:?}");
}

#[tokio::test]
async fn a_bad_token_is_refused_even_where_none_is_needed() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let now = i64::try_from(jsonwebtoken::get_current_timestamp()).unwrap();
    let good = json!({
        "iss": "https://dev.tradewind.local", "aud": ["tradewind"], "sub": "c1",
        "roles": ["customer"], "iat": now, "exp": now + 600,
    });
    let with = |field: &str, value: Value| {
        let mut claims = good.clone();
        claims[field] = value;
        shop.sign(&claims)
    };
    let unsigned = format!("{}.", shop.sign(&good).rsplit_once('.').unwrap().0);
    let bad = [
        with("exp", json!(now - 3600)),
        with("iss", json!("https://elsewhere.example")),
        with("aud", json!(["another"])),
        unsigned,
        "not-a-token".to_owned(),
    ];
    for token in bad {
        let user = shop.user_with("c1".to_owned(), Some(token.clone()));
        assert_eq!(user.get("/v1/products").await.status, 401, "{token}");
        assert_eq!(user.get("/v1/orders").await.status, 401, "{token}");
    }
    let user = shop.user_with("c1".to_owned(), Some(shop.sign(&good)));
    assert_eq!(user.get("/v1/orders").await.status, 200);
}

#[tokio::test]
async fn a_missing_role_is_forbidden() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let product = shop.product(1, 100).await;
    let create = json!({
        "sku": Uuid::now_v7().to_string(), "name": "n", "category": "c", "price": usd(1, 0),
    });
    let order = order_body(&product, 1, "tok_ok");
    let forbidden: [(User, String, Value); 4] = [
        (shop.customer(), "/v1/products".into(), create.clone()),
        (shop.support(), "/v1/products".into(), create),
        (shop.merchant(), "/v1/orders".into(), order),
        (
            shop.customer(),
            format!("/v1/payments/{}:refund", Uuid::now_v7()),
            json!({}),
        ),
    ];
    for (user, path, body) in forbidden {
        let key = Uuid::now_v7().to_string();
        let answer = user.post_with_key(&path, &key, &body).await;
        assert_eq!(
            (answer.status, &answer.body["code"]),
            (403, &json!(7)),
            "{path} {answer:?}"
        );
    }
}

#[tokio::test]
async fn another_customers_things_do_not_exist() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let (owner, stranger) = (shop.customer(), shop.customer());
    let order = owner.order(&shop.product(1, 100).await, 1, "tok_ok").await;
    owner.wait_for(&order, "PAID").await;
    let payment = owner.payment(&order).await["id"]
        .as_str()
        .unwrap()
        .to_owned();

    let absent = stranger
        .get(&format!("/v1/orders/{}", Uuid::now_v7()))
        .await;
    assert_eq!(absent.status, 404);
    for path in [
        format!("/v1/orders/{order}"),
        format!("/v1/orders/{order}/history"),
    ] {
        let foreign = stranger.get(&path).await;
        assert_eq!(
            (foreign.status, foreign.body),
            (404, absent.body.clone()),
            "{path}"
        );
    }
    let cancel = stranger
        .post(&format!("/v1/orders/{order}:cancel"), &json!({}))
        .await;
    assert_eq!((cancel.status, cancel.body), (404, absent.body));
    assert_eq!(
        stranger
            .get(&format!("/v1/payments/{payment}"))
            .await
            .status,
        404
    );
    for list in ["payments", "notifications"] {
        let answer = stranger.get(&format!("/v1/{list}?order_id={order}")).await;
        assert_eq!(answer.body[list], json!([]), "{answer:?}");
    }
    let lists = stranger.get("/v1/orders").await;
    assert_eq!(lists.body["orders"], json!([]), "{lists:?}");
    assert_eq!(
        shop.support()
            .get(&format!("/v1/orders/{order}"))
            .await
            .status,
        200
    );
}

//! Orders from REST to e-mail: the ways one can end.

use serde_json::json;
use uuid::Uuid;

use crate::shop::{Shop, eventually, order_body, undisturbed, usd};

#[tokio::test]
async fn an_order_travels_from_rest_to_a_captured_payment_and_a_mail() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let product = shop.product(10, 1999).await;
    let customer = shop.customer();

    let order = customer.order(&product, 2, "tok_ok").await;
    let paid = customer.wait_for(&order, "PAID").await;

    assert_eq!(paid["total"], usd(39, 980_000_000));
    assert_eq!(paid["lines"][0]["unitPrice"], usd(19, 990_000_000));
    assert_eq!(paid["customerId"], customer.subject.as_str());
    let payment = customer.payment(&order).await;
    assert_eq!(payment["status"], "SUCCEEDED");
    assert_eq!(payment["amount"], paid["total"]);
    assert_eq!(payment["captured"], paid["total"]);
    assert_eq!(shop.charges(&payment).await, [(3998, 0)]);
    eventually("the stock to leave", || async {
        (shop.stock(&product).await == (8, 0, 8)).then_some(())
    })
    .await;
    let mails = shop.mails(&order, &["order_received", "receipt"]).await;
    assert_eq!(mails.len(), 2);
    assert!(
        mails
            .iter()
            .all(|mail| mail.text.contains("ada@example.com")),
        "{mails:?}"
    );
}

#[tokio::test]
async fn the_history_of_an_order_names_each_step_and_who_made_it() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let customer = shop.customer();
    let order = customer
        .order(&shop.product(1, 100).await, 1, "tok_ok")
        .await;
    customer.wait_for(&order, "PAID").await;

    let history = customer.get(&format!("/v1/orders/{order}/history")).await;
    let steps = history.body["transitions"].as_array().unwrap();
    let statuses: Vec<_> = steps
        .iter()
        .map(|step| step["to"].as_str().unwrap())
        .collect();
    assert_eq!(statuses, ["PENDING", "CONFIRMED", "PAID"]);
    assert_eq!(steps[0]["actor"], format!("user:{}", customer.subject));
    for step in steps {
        assert!(
            Uuid::parse_str(step["eventId"].as_str().unwrap()).is_ok(),
            "{step}"
        );
        assert_eq!(step["traceId"].as_str().unwrap().len(), 32, "{step}");
    }
}

#[tokio::test]
async fn a_declined_payment_gives_the_stock_back_and_says_so_by_mail() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let product = shop.product(3, 500).await;
    let customer = shop.customer();

    let order = customer.order(&product, 3, "tok_declined").await;
    let cancelled = customer.wait_for(&order, "CANCELLED").await;

    assert_eq!(cancelled["reason"], "PAYMENT_FAILED");
    assert_eq!(shop.stock(&product).await, (3, 0, 3));
    let payment = customer.payment(&order).await;
    assert_eq!(payment["status"], "FAILED");
    assert_eq!(payment["failureCode"], "card_declined");
    let mails = shop
        .mails(&order, &["order_received", "payment_failed"])
        .await;
    assert_eq!(mails.len(), 2, "no third mail about the same thing");
}

#[tokio::test]
async fn an_order_out_of_stock_is_accepted_and_then_cancelled() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let plenty = shop.product(9, 100).await;
    let scarce = shop.product(1, 100).await;
    let customer = shop.customer();
    let body = json!({
        "email": "ada@example.com", "paymentToken": "tok_ok",
        "lines": [{"productId": plenty, "quantity": 1}, {"productId": scarce, "quantity": 2}],
    });

    let key = Uuid::now_v7().to_string();
    let answer = customer.post_with_key("/v1/orders", &key, &body).await;
    assert_eq!(
        (answer.status, &answer.body["status"]),
        (200, &json!("PENDING"))
    );
    let order = answer.body["id"].as_str().unwrap();
    let cancelled = customer.wait_for(order, "CANCELLED").await;

    assert_eq!(cancelled["reason"], "OUT_OF_STOCK");
    assert_eq!(
        shop.stock(&plenty).await,
        (9, 0, 9),
        "nothing is promised unless all is"
    );
    let payment = customer.payment(order).await;
    assert_eq!(payment["status"], "CANCELED", "{payment}");
    shop.mails(order, &["order_received", "order_cancelled"])
        .await;
}

#[tokio::test]
async fn cancelling_a_paid_order_gives_money_and_stock_back() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let product = shop.product(5, 1250).await;
    let customer = shop.customer();
    let order = customer.order(&product, 4, "tok_ok").await;
    customer.wait_for(&order, "PAID").await;

    let answer = customer
        .post(&format!("/v1/orders/{order}:cancel"), &json!({}))
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let cancelled = customer.wait_for(&order, "CANCELLED").await;

    assert_eq!(cancelled["reason"], "CANCEL_REQUESTED");
    let payment = customer.payment(&order).await;
    assert_eq!(payment["refunded"], usd(50, 0));
    assert_eq!(shop.charges(&payment).await, [(5000, 5000)]);
    eventually("the stock to come back", || async {
        (shop.stock(&product).await == (5, 0, 5)).then_some(())
    })
    .await;
    let again = customer
        .post(&format!("/v1/orders/{order}:cancel"), &json!({}))
        .await;
    assert_eq!(
        (again.status, &again.body["status"]),
        (200, &json!("CANCELLED"))
    );
}

#[tokio::test]
async fn a_provider_that_answers_too_late_charges_once() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let customer = shop.customer();
    let order = customer
        .order(&shop.product(1, 700).await, 1, "tok_timeout")
        .await;
    customer.wait_for(&order, "PAID").await;
    let payment = customer.payment(&order).await;
    assert_eq!(payment["captured"], usd(7, 0));
    assert_eq!(shop.charges(&payment).await, [(700, 0)]);
}

#[tokio::test]
async fn refunds_stop_at_what_was_captured() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let customer = shop.customer();
    let order = customer
        .order(&shop.product(1, 1000).await, 1, "tok_ok")
        .await;
    customer.wait_for(&order, "PAID").await;
    let payment = customer.payment(&order).await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/v1/payments/{payment}:refund");
    let support = shop.support();
    let refund = async |body| {
        support
            .post_with_key(&path, &Uuid::now_v7().to_string(), &body)
            .await
    };

    let part = refund(json!({"amount": usd(4, 0), "reason": "dented"})).await;
    assert_eq!(
        (part.status, &part.body["refunded"]),
        (200, &usd(4, 0)),
        "{part:?}"
    );
    let above = refund(json!({"amount": usd(6, 10_000_000)})).await;
    assert_eq!(
        (above.status, above.reason()),
        (400, "REFUND_EXCEEDS_CAPTURED"),
        "{above:?}"
    );
    for bad in [
        usd(0, 0),
        usd(-1, 0),
        json!({"currencyCode": "EUR", "units": "1"}),
    ] {
        let answer = refund(json!({"amount": bad})).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(
            answer
                .fields()
                .iter()
                .any(|field| field.starts_with("amount")),
            "{answer:?}"
        );
    }
    let rest = refund(json!({})).await;
    assert_eq!(
        (rest.status, &rest.body["refunded"]),
        (200, &usd(10, 0)),
        "{rest:?}"
    );
    let nothing_left = refund(json!({})).await;
    assert_eq!(
        nothing_left.reason(),
        "REFUND_EXCEEDS_CAPTURED",
        "{nothing_left:?}"
    );
    shop.mails(&order, &["order_received", "receipt", "refund", "refund"])
        .await;
}

#[tokio::test]
async fn duplicate_lines_of_a_product_are_added_up() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let product = shop.product(5, 100).await;
    let mut body = order_body(&product, 2, "tok_ok");
    let more = json!({"productId": product, "quantity": 3});
    body["lines"].as_array_mut().unwrap().push(more);
    let key = Uuid::now_v7().to_string();
    let customer = shop.customer();
    let answer = customer.post_with_key("/v1/orders", &key, &body).await;
    assert_eq!(
        answer.body["lines"].as_array().unwrap().len(),
        1,
        "{answer:?}"
    );
    assert_eq!(answer.body["lines"][0]["quantity"], 5);
    customer
        .wait_for(answer.body["id"].as_str().unwrap(), "PAID")
        .await;
}

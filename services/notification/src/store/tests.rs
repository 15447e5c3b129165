//! Against a real PostgreSQL: what is saved is what is loaded, pages, and who sees what.
#![allow(clippy::unwrap_used)]

use shop_chassis::testing::{self, TestDatabase};
use shop_chassis::{Currency, Money};

use super::*;
use crate::domain::{Content, EventId, Reason};

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

fn notification(order: u128, content: Content) -> Notification {
    Notification::queue(
        NotificationId(Uuid::now_v7()),
        EventId(Uuid::now_v7()),
        OrderId(Uuid::from_u128(order)),
        content,
        "subject".to_owned(),
        at(1_000),
    )
}

async fn save_new(db: &Database, notification: &Notification) {
    let new = notification.clone();
    let queued = db
        .transaction(async move |tx: &mut Tx| {
            Store::queue(tx, &testing::background("notification"), &new).await
        })
        .await
        .unwrap();
    assert!(queued);
}

fn everything() -> Filter {
    Filter {
        customer_id: None,
        order_id: None,
    }
}

#[tokio::test]
async fn every_content_comes_back_as_it_was_queued() {
    let test = TestDatabase::create(crate::MIGRATIONS).await;
    let store = Store::new(test.database());
    let euro = |minor| Money::new(minor, Currency::of("EUR").unwrap());
    let yen = Money::new(i64::MAX, Currency::of("JPY").unwrap());
    for content in [
        Content::OrderReceived { total: yen },
        Content::Receipt { amount: euro(0) },
        Content::PaymentFailed,
        Content::OrderCancelled {
            reason: Reason::DeadlinePassed,
        },
        Content::Refund {
            amount: euro(1),
            refunded: euro(2),
        },
    ] {
        let queued = notification(1, content);
        save_new(&test.database(), &queued).await;
        assert_eq!(store.notification(queued.id).await.unwrap(), Some(queued));
    }
}

#[tokio::test]
async fn an_address_is_known_after_it_was_saved_and_the_customer_before() {
    let test = TestDatabase::create(crate::MIGRATIONS).await;
    let db = test.database();
    let order_id = OrderId(Uuid::from_u128(1));
    let address = async || {
        db.read(async move |tx: &mut Tx| Store::address(tx, order_id).await)
            .await
            .unwrap()
    };
    let know = async || {
        db.transaction(async move |tx: &mut Tx| Store::know_customer(tx, order_id, "c1").await)
            .await
            .unwrap();
    };
    assert_eq!(address().await, None);
    know().await;
    assert_eq!(address().await, None);

    let contact = Contact {
        order_id,
        customer_id: "c1".to_owned(),
        email: "ada@example.com".to_owned(),
    };
    db.transaction(async move |tx: &mut Tx| Store::save_contact(tx, &contact).await)
        .await
        .unwrap();
    assert_eq!(address().await.as_deref(), Some("ada@example.com"));
    know().await;
    assert_eq!(address().await.as_deref(), Some("ada@example.com"));
}

#[tokio::test]
async fn pages_run_from_the_newest_to_the_oldest_without_a_gap() {
    let test = TestDatabase::create(crate::MIGRATIONS).await;
    let store = Store::new(test.database());
    let mut ids = Vec::new();
    for _ in 0..5 {
        let queued = notification(1, Content::PaymentFailed);
        save_new(&test.database(), &queued).await;
        ids.push(queued.id);
    }
    ids.reverse();
    let mut seen = Vec::new();
    let mut before = None;
    loop {
        let page = store.list(everything(), before, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.id.0);
        seen.extend(page.iter().map(|notification| notification.id));
    }
    assert_eq!(seen, ids);
}

#[tokio::test]
async fn a_customer_sees_the_own_orders_and_support_all() {
    let test = TestDatabase::create(crate::MIGRATIONS).await;
    let db = test.database();
    let store = Store::new(db.clone());
    for order in [1, 2, 3] {
        save_new(&db, &notification(order, Content::PaymentFailed)).await;
    }
    for (order, customer) in [(1, "c1"), (2, "c2")] {
        let order_id = OrderId(Uuid::from_u128(order));
        db.transaction(async move |tx: &mut Tx| Store::know_customer(tx, order_id, customer).await)
            .await
            .unwrap();
    }
    for (customer, order, expected) in [
        (None, None, 3),
        (None, Some(3), 1),
        (None, Some(9), 0),
        (Some("c1"), None, 1),
        (Some("c1"), Some(1), 1),
        (Some("c1"), Some(2), 0),
        (Some("c1"), Some(3), 0),
        (Some("c9"), None, 0),
    ] {
        let filter = Filter {
            customer_id: customer.map(ToOwned::to_owned),
            order_id: order.map(|order| OrderId(Uuid::from_u128(order))),
        };
        let found = store.list(filter.clone(), None, 10).await.unwrap();
        assert_eq!(found.len(), expected, "{filter:?}");
    }
}

#[tokio::test]
async fn a_row_of_another_version_is_an_error_and_no_panic() {
    let test = TestDatabase::create(crate::MIGRATIONS).await;
    let db = test.database();
    let euro = Money::new(5, Currency::of("EUR").unwrap());
    let queued = notification(1, Content::Receipt { amount: euro });
    save_new(&db, &queued).await;
    db.transaction(async move |tx: &mut Tx| {
        diesel::update(notification::table)
            .set(notification::currency.eq(Some("XXQ")))
            .execute(tx.conn())
            .await?;
        Ok::<_, Error>(())
    })
    .await
    .unwrap();
    let error = Store::new(db).notification(queued.id).await.unwrap_err();
    assert!(
        matches!(error, Error::Chassis(shop_chassis::Error::Stored { .. })),
        "{error:?}"
    );
}

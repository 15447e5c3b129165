//! What comes in becomes a notification at most once; what goes out holds nothing personal.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use shop_chassis::Database;
use shop_chassis::tasks::TaskState;
use shop_chassis::testing::{self, Delivered, TestDatabase};
use shop_proto::order::v1::order::Reason as WireReason;
use shop_proto::payment::v1::Phase as WirePhase;

use super::*;
use crate::domain::{Failure, Status, Template};
use crate::store::Filter;
use crate::tasks::SEND_NOTIFICATION;

const ORDER: &str = "019ab000-0000-7000-8000-0000deadbeef";
const PAYMENT: &str = "019ab000-0000-7000-8000-000000000001";

fn euro(units: i64) -> Option<shop_proto::Money> {
    Some(shop_proto::Money {
        currency_code: "EUR".to_owned(),
        units,
        nanos: 500_000_000,
    })
}

fn created() -> Event {
    let data = order::v1::OrderCreatedEvent {
        order_id: ORDER.to_owned(),
        customer_id: "c1".to_owned(),
        lines: Vec::new(),
        total: euro(19),
    };
    testing::event("OrderCreatedEvent", "order", ORDER, 1, &data)
}

fn cancelled(version: i64, reason: WireReason) -> Event {
    let data = order::v1::OrderCancelledEvent {
        order_id: ORDER.to_owned(),
        customer_id: "c1".to_owned(),
        reason: reason.into(),
    };
    testing::event("OrderCancelledEvent", "order", ORDER, version, &data)
}

fn processed(version: i64, phase: WirePhase) -> Event {
    let data = payment::v1::PaymentProcessedEvent {
        payment_id: PAYMENT.to_owned(),
        order_id: ORDER.to_owned(),
        phase: phase.into(),
        amount: euro(19),
    };
    testing::event("PaymentProcessedEvent", "payment", PAYMENT, version, &data)
}

fn failed(version: i64, retryable: bool) -> Event {
    let data = payment::v1::PaymentFailedEvent {
        payment_id: PAYMENT.to_owned(),
        order_id: ORDER.to_owned(),
        phase: WirePhase::Authorized.into(),
        code: "card_declined".to_owned(),
        retryable,
    };
    testing::event("PaymentFailedEvent", "payment", PAYMENT, version, &data)
}

fn refunded(version: i64) -> Event {
    let data = payment::v1::PaymentRefundedEvent {
        payment_id: PAYMENT.to_owned(),
        order_id: ORDER.to_owned(),
        refund_id: PAYMENT.to_owned(),
        amount: euro(5),
        refunded: euro(10),
    };
    testing::event("PaymentRefundedEvent", "payment", PAYMENT, version, &data)
}

fn handler() -> Arc<NotificationEvents> {
    Arc::new(NotificationEvents)
}

async fn all(database: Database) -> Vec<Notification> {
    let everything = Filter {
        customer_id: None,
        order_id: None,
    };
    let mut all = Store::new(database)
        .list(everything, None, 100)
        .await
        .unwrap();
    all.reverse();
    all
}

#[tokio::test]
async fn each_event_queues_its_template_with_one_task() {
    let test = TestDatabase::create(crate::MIGRATIONS).await;
    let db = test.database();
    let events = [
        created(),
        processed(1, WirePhase::Captured),
        failed(2, false),
        refunded(3),
        cancelled(2, WireReason::OutOfStock),
    ];
    for event in &events {
        let delivered = testing::deliver(&db, &handler(), event).await.unwrap();
        assert_eq!(delivered, Delivered::Applied, "{}", event.event_type);
    }
    let notifications = all(db.clone()).await;
    let templates: Vec<Template> = notifications
        .iter()
        .map(|notification| notification.content.template())
        .collect();
    assert_eq!(
        templates,
        [
            Template::OrderReceived,
            Template::Receipt,
            Template::PaymentFailed,
            Template::Refund,
            Template::OrderCancelled,
        ]
    );
    for (notification, event) in notifications.iter().zip(&events) {
        assert_eq!(notification.event_id, EventId(event.event_id));
        assert_eq!(notification.order_id.0.to_string(), ORDER);
        assert_eq!(notification.status, Status::Queued);
    }
    let mut tasks = testing::tasks(&db).await;
    tasks.sort_by(|a, b| a.1.cmp(&b.1));
    let expected: Vec<_> = notifications
        .iter()
        .map(|n| {
            (
                SEND_NOTIFICATION.to_owned(),
                n.id.0.to_string(),
                TaskState::Ready,
            )
        })
        .collect();
    assert_eq!(tasks, expected);
}

#[tokio::test]
async fn the_same_event_again_queues_nothing() {
    let test = TestDatabase::create(crate::MIGRATIONS).await;
    let db = test.database();
    let event = created();
    testing::deliver(&db, &handler(), &event).await.unwrap();
    let again = testing::deliver(&db, &handler(), &event).await.unwrap();
    assert_eq!(again, Delivered::Duplicate);
    assert_eq!(all(db.clone()).await.len(), 1);
    assert_eq!(testing::tasks(&db).await.len(), 1);
}

#[tokio::test]
async fn an_event_that_slips_past_the_inbox_queues_nothing_either() {
    let test = TestDatabase::create(crate::MIGRATIONS).await;
    let db = test.database();
    let event = created();
    for _ in 0..2 {
        let event = event.clone();
        db.transaction(async move |tx: &mut Tx| {
            NotificationEvents
                .apply(tx, &testing::background("notification"), &event)
                .await?;
            Ok::<_, Refused>(())
        })
        .await
        .unwrap();
    }
    assert_eq!(all(db.clone()).await.len(), 1);
    assert_eq!(testing::tasks(&db).await.len(), 1);
}

/// A failure inside of a test's own transaction.
#[derive(Debug)]
struct Refused(shop_chassis::Failure);

impl From<shop_chassis::Failure> for Refused {
    fn from(failure: shop_chassis::Failure) -> Self {
        Self(failure)
    }
}

impl From<shop_chassis::Error> for Refused {
    fn from(error: shop_chassis::Error) -> Self {
        Self(error.into())
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[tokio::test]
async fn what_is_not_told_queues_nothing() {
    let test = TestDatabase::create(crate::MIGRATIONS).await;
    let db = test.database();
    let updated = order::v1::OrderStatusUpdatedEvent {
        order_id: ORDER.to_owned(),
        customer_id: "c1".to_owned(),
        from: 1,
        to: 2,
        reason: None,
    };
    for event in [
        testing::event("OrderStatusUpdatedEvent", "order", ORDER, 1, &updated),
        cancelled(2, WireReason::PaymentFailed),
        processed(1, WirePhase::Authorized),
        failed(2, true),
        processed(3, WirePhase::Voided),
    ] {
        testing::deliver(&db, &handler(), &event).await.unwrap();
    }
    assert_eq!(all(db.clone()).await, []);
    assert_eq!(testing::tasks(&db).await, []);
}

#[tokio::test]
async fn an_event_that_breaks_its_contract_is_not_tried_again() {
    let test = TestDatabase::create(crate::MIGRATIONS).await;
    let db = test.database();
    let garbled = order::v1::OrderCreatedEvent {
        order_id: "x".to_owned(),
        ..Default::default()
    };
    let mut of_the_future = created();
    of_the_future.version = 2;
    for event in [
        testing::event("OrderCreatedEvent", "order", ORDER, 1, &garbled),
        testing::event(
            "OrderCreatedEvent",
            "order",
            ORDER,
            1,
            &serde_json::json!({"total": 7}),
        ),
        cancelled(1, WireReason::Unspecified),
        processed(1, WirePhase::Unspecified),
        of_the_future,
    ] {
        let failure = testing::deliver(&db, &handler(), &event).await.unwrap_err();
        assert!(!failure.retryable(), "{failure}");
    }
    assert_eq!(all(db).await, []);
}

#[tokio::test]
async fn a_customer_sees_a_notification_from_the_moment_it_is_queued() {
    let test = TestDatabase::create(crate::MIGRATIONS).await;
    let db = test.database();
    testing::deliver(&db, &handler(), &created()).await.unwrap();
    let of = |customer: &str| Filter {
        customer_id: Some(customer.to_owned()),
        order_id: None,
    };
    let store = Store::new(db);
    assert_eq!(store.list(of("c1"), None, 10).await.unwrap().len(), 1);
    assert_eq!(store.list(of("c2"), None, 10).await.unwrap().len(), 0);
}

#[test]
fn what_became_of_a_notification_is_told_without_address_or_words() {
    let id = NotificationId(Uuid::from_u128(1));
    let order_id = OrderId(Uuid::from_u128(2));
    let template = Template::Receipt;
    let now = DateTime::from_timestamp(1, 0).unwrap();

    let event = settled(
        &Settled::Sent {
            id,
            order_id,
            template,
        },
        now,
    )
    .unwrap();
    assert_eq!(
        (event.topic, event.event_type),
        ("notification-events", "NotificationSentEvent")
    );
    assert_eq!(
        (event.aggregate_type, event.aggregate_version),
        ("notification", 1)
    );
    assert_eq!(event.aggregate_id, id.0.to_string());
    assert_eq!(
        event.data,
        serde_json::json!({
            "notificationId": "00000000-0000-0000-0000-000000000001",
            "orderId": "00000000-0000-0000-0000-000000000002",
            "template": "receipt",
            "channel": "email",
        })
    );

    let failure = Failure::code("550");
    let event = settled(
        &Settled::Failed {
            id,
            order_id,
            template,
            failure,
        },
        now,
    )
    .unwrap();
    assert_eq!(event.event_type, "NotificationFailedEvent");
    assert_eq!(event.data["code"], "550");
}

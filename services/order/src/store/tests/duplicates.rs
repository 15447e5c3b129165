use shop_chassis::Kind;
use shop_chassis::bus::Event;
use shop_chassis::testing::{self, Delivered};
use shop_proto::payment::v1::{PaymentProcessedEvent, Phase};
use uuid::Uuid;

use super::desk::{Desk, payment_authorized, payment_failed, stock_rejected, stock_reserved};
use crate::domain::OrderId;
use crate::saga::{Reason, Status};

#[tokio::test]
async fn an_event_delivered_again_changes_nothing() {
    let desk = Desk::open().await;
    for events in [
        stock_reserved,
        stock_rejected,
        payment_authorized,
        payment_failed,
    ] {
        let id = desk.place().await;
        let event = events(id);
        desk.tell(&event).await;
        let (order, tasks) = (desk.order(id).await, desk.tasks(id).await);
        assert_eq!(desk.deliver(&event).await.unwrap(), Delivered::Duplicate);
        assert_eq!(desk.order(id).await, order);
        assert_eq!(desk.tasks(id).await, tasks);
        desk.check(id).await;
    }
}

#[tokio::test]
async fn the_same_fact_under_another_id_changes_nothing() {
    let desk = Desk::open().await;
    let id = desk.place_and_confirm().await;
    let before = desk.order(id).await;
    for version in [2, 3] {
        let mut event = stock_reserved(id);
        event.aggregate_version = version;
        desk.tell(&event).await;
    }
    desk.tell(&payment_authorized(id)).await;
    desk.tell(&payment_failed(id)).await;
    assert_eq!(desk.order(id).await, before);
    desk.check(id).await;
}

#[tokio::test]
async fn facts_that_come_after_the_end_change_nothing() {
    let desk = Desk::open().await;
    let id = desk.place().await;
    desk.cancel(id).await;
    let cancelling = desk.order(id).await;
    desk.tell(&stock_reserved(id)).await;
    desk.tell(&payment_authorized(id)).await;
    assert_eq!(desk.order(id).await, cancelling);

    desk.run("release_reservation", id).await;
    desk.run("reverse_payment", id).await;
    let cancelled = desk.order(id).await;
    assert_eq!(cancelled.state.status(), Status::Cancelled);
    let mut late = stock_rejected(id);
    late.aggregate_version = 2;
    desk.tell(&late).await;
    desk.tell(&payment_failed(id)).await;
    assert_eq!(desk.order(id).await, cancelled);
    desk.check_cancelled(id, Reason::CancelRequested).await;
}

#[tokio::test]
async fn what_orders_do_not_depend_on_is_ignored_and_still_counted() {
    let desk = Desk::open().await;
    let id = desk.place().await;
    let payload = PaymentProcessedEvent {
        order_id: id.to_string(),
        phase: Phase::Captured.into(),
        ..PaymentProcessedEvent::default()
    };
    let payment = Uuid::now_v7();
    let event = |version| {
        testing::event(
            "PaymentProcessedEvent",
            "payment",
            payment,
            version,
            &payload,
        )
    };
    assert_eq!(desk.deliver(&event(1)).await.unwrap(), Delivered::Ignored);
    // Versions have no gap because ignored ones count.
    assert_eq!(desk.deliver(&event(2)).await.unwrap(), Delivered::Ignored);
    assert_eq!(desk.deliver(&event(4)).await.unwrap(), Delivered::Gap);
}

#[tokio::test]
async fn an_event_of_an_order_that_never_was_is_poison() {
    let desk = Desk::open().await;
    let stranger = OrderId(Uuid::now_v7());
    let poison: [fn(OrderId) -> Event; 2] = [stock_reserved, payment_authorized];
    for event in poison {
        let failure = desk.deliver(&event(stranger)).await.unwrap_err();
        assert_eq!(failure.kind(), Kind::NotFound);
        assert!(!failure.retryable());
    }
}

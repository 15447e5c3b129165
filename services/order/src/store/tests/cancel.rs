use std::sync::Arc;

use shop_chassis::tasks::TaskState;
use shop_chassis::{Failure, Kind, Tx, testing};
use tokio::sync::Notify;
use tonic::Code;

use super::super::moves;
use super::desk::{Desk, payment_authorized, stock_reserved};
use crate::domain::{CustomerId, OrderId, Scope};
use crate::error::Error;
use crate::now;
use crate::saga::{Reason, State, Status};

const DONE: TaskState = TaskState::Done;
/// Cancels of one order at once: a customer with a nervous finger, and support on the phone.
const PARALLEL: usize = 20;

async fn undo(desk: &Desk, id: OrderId) {
    assert_eq!(desk.run("release_reservation", id).await, DONE);
    assert_eq!(desk.run("reverse_payment", id).await, DONE);
}

#[tokio::test]
async fn a_pending_order_is_cancelled_with_stock_and_money_back() {
    let desk = Desk::open().await;
    let id = desk.place().await;
    let order = desk.cancel(id).await;
    assert_eq!(order.state.status(), Status::Cancelling);
    assert_eq!(order, desk.order(id).await);
    undo(&desk, id).await;
    let calls = ["Release", "Reverse"].map(|call| format!("{call} {id} CANCEL_REQUESTED"));
    assert_eq!(desk.neighbours.calls(), calls);
    desk.check_cancelled(id, Reason::CancelRequested).await;
}

#[tokio::test]
async fn a_second_cancel_returns_the_order_as_it_is() {
    let desk = Desk::open().await;
    let id = desk.place().await;
    let first = desk.cancel(id).await;
    assert_eq!(desk.cancel(id).await, first);
    undo(&desk, id).await;
    let cancelled = desk.order(id).await;
    assert_eq!(desk.cancel(id).await, cancelled);
    desk.check(id).await;
}

#[tokio::test]
async fn parallel_cancels_are_one_move() {
    let desk = Desk::open().await;
    let id = desk.place().await;
    let cancels = (0..PARALLEL).map(|_| {
        let store = desk.store.clone();
        let caller = testing::customer("c1");
        tokio::spawn(async move { store.cancel(&caller, Scope::Any, id, now()).await })
    });
    for cancel in cancels.collect::<Vec<_>>() {
        let order = cancel.await.unwrap().unwrap();
        assert_eq!(order.state.status(), Status::Cancelling);
    }
    assert_eq!(desk.path(id).await, [Status::Pending, Status::Cancelling]);
    desk.check(id).await;
}

#[tokio::test]
async fn a_capture_that_no_worker_has_leased_is_withdrawn() {
    let desk = Desk::open().await;
    let id = desk.place_and_confirm().await;
    let order = desk.cancel(id).await;
    assert_eq!(order.state.status(), Status::Cancelling);
    let capture = ("capture_payment".to_owned(), DONE);
    assert!(desk.tasks(id).await.contains(&capture));
    undo(&desk, id).await;
    desk.check_cancelled(id, Reason::CancelRequested).await;
    let calls = desk.neighbours.calls();
    assert!(!calls.contains(&format!("Capture {id}")), "{calls:?}");
}

#[tokio::test]
async fn a_cancel_during_the_capture_waits_for_it_and_then_gives_the_money_back() {
    let desk = Desk::open().await;
    let id = desk.place_and_confirm().await;
    desk.neighbours.hold(Some("Capture"));
    let capture = desk.begin("capture_payment", id);
    desk.neighbours.called("Capture").await;

    let order = desk.cancel(id).await;
    assert_eq!(order.state.status(), Status::Confirmed);
    assert!(order.state.cancel_requested());
    assert!(desk.order(id).await.state.cancel_requested());
    assert_eq!(desk.cancel(id).await, order);

    desk.neighbours.hold(None);
    assert_eq!(capture.await.unwrap(), DONE);
    let path = [
        Status::Pending,
        Status::Confirmed,
        Status::Paid,
        Status::Cancelling,
    ];
    assert_eq!(desk.path(id).await, path);
    undo(&desk, id).await;
    desk.check_cancelled(id, Reason::CancelRequested).await;
}

#[tokio::test]
async fn a_cancel_during_a_capture_that_fails_gives_the_stock_back() {
    let desk = Desk::open().await;
    let id = desk.place_and_confirm().await;
    desk.neighbours.hold(Some("Capture"));
    desk.neighbours.refuse("Capture", Code::FailedPrecondition);
    let capture = desk.begin("capture_payment", id);
    desk.neighbours.called("Capture").await;
    assert!(desk.cancel(id).await.state.cancel_requested());
    desk.neighbours.hold(None);
    assert_eq!(capture.await.unwrap(), DONE);
    undo(&desk, id).await;
    desk.check_cancelled(id, Reason::PaymentFailed).await;
}

#[tokio::test]
async fn a_capture_whose_outcome_is_unknown_is_never_withdrawn() {
    let desk = Desk::open().await;
    let id = desk.place_and_confirm().await;
    desk.neighbours.refuse("Capture", Code::Unavailable);
    assert_eq!(desk.run("capture_payment", id).await, TaskState::Ready);
    assert!(desk.cancel(id).await.state.cancel_requested());
    assert_eq!(desk.run("capture_payment", id).await, TaskState::Ready);
    assert_eq!(desk.status(id).await, Status::Confirmed);
    desk.neighbours.refuse("Capture", Code::Ok);
    assert_eq!(desk.run("capture_payment", id).await, DONE);
    undo(&desk, id).await;
    desk.check_cancelled(id, Reason::CancelRequested).await;
}

#[tokio::test]
async fn a_cancel_during_the_confirmation_is_not_held_up_by_it() {
    let desk = Desk::open().await;
    for refused in [Code::Ok, Code::FailedPrecondition] {
        let id = desk.place().await;
        desk.tell(&stock_reserved(id)).await;
        desk.tell(&payment_authorized(id)).await;
        desk.neighbours.hold(Some("Confirm"));
        desk.neighbours.refuse("Confirm", refused);
        let confirm = desk.begin("confirm_reservation", id);
        desk.neighbours.called(&format!("Confirm {id}")).await;
        assert_eq!(desk.cancel(id).await.state.status(), Status::Cancelling);
        desk.neighbours.hold(None);
        assert_eq!(confirm.await.unwrap(), DONE);
        undo(&desk, id).await;
        desk.check_cancelled(id, Reason::CancelRequested).await;
    }
}

#[tokio::test]
async fn a_confirmation_that_nobody_wants_any_more_is_not_asked_for() {
    let desk = Desk::open().await;
    let id = desk.place().await;
    desk.tell(&stock_reserved(id)).await;
    desk.tell(&payment_authorized(id)).await;
    desk.cancel(id).await;
    assert_eq!(desk.run("confirm_reservation", id).await, DONE);
    assert_eq!(desk.neighbours.calls(), [""; 0]);
}

#[tokio::test]
async fn a_paid_order_is_cancelled_with_stock_and_money_back() {
    let desk = Desk::open().await;
    let id = desk.place_and_pay().await;
    assert_eq!(desk.cancel(id).await.state.status(), Status::Cancelling);
    undo(&desk, id).await;
    desk.check_cancelled(id, Reason::CancelRequested).await;
}

#[tokio::test]
async fn another_customer_cancels_nothing() {
    let desk = Desk::open().await;
    let id = desk.place().await;
    let caller = testing::customer("c2");
    let scope = Scope::Own(CustomerId("c2".to_owned()));
    let refused = desk
        .store
        .cancel(&caller, scope, id, now())
        .await
        .unwrap_err();
    assert_eq!(Failure::from(refused).kind(), Kind::NotFound);
    assert_eq!(desk.state(id).await, State::PLACED);
}

#[tokio::test]
async fn another_customer_does_not_wait_for_an_order_that_is_moving() {
    let desk = Desk::open().await;
    let id = desk.place().await;
    let (held, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let moving = tokio::spawn({
        let (database, held, release) = (desk.database.clone(), held.clone(), release.clone());
        async move {
            let hold = async move |tx: &mut Tx| {
                moves::lock(tx, &Scope::Any, id).await?;
                held.notify_one();
                release.notified().await;
                Ok::<_, Error>(())
            };
            database.transaction(hold).await
        }
    });
    held.notified().await;
    let scope = Scope::Own(CustomerId("c2".to_owned()));
    let caller = testing::customer("c2");
    let refused = desk.store.cancel(&caller, scope, id, now()).await;
    // Had it waited, it would have been told that the order is locked.
    assert!(matches!(refused, Err(Error::NotFound)), "{refused:?}");
    release.notify_one();
    moving.await.unwrap().unwrap();
}

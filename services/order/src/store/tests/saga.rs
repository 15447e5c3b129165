use shop_chassis::tasks::TaskState;
use tonic::Code;

use super::desk::{Desk, payment_authorized, payment_failed, stock_rejected, stock_reserved};
use crate::saga::{Reason, Status};

const DONE: TaskState = TaskState::Done;

#[tokio::test]
async fn an_order_is_paid_whatever_comes_first() {
    let desk = Desk::open().await;
    for stock_first in [true, false] {
        let id = desk.place().await;
        let mut events = [stock_reserved(id), payment_authorized(id)];
        if !stock_first {
            events.reverse();
        }
        desk.tell(&events[0]).await;
        assert_eq!(
            desk.tasks(id).await.len(),
            1,
            "nothing to do before both are known"
        );
        desk.tell(&events[1]).await;
        assert_eq!(desk.run("confirm_reservation", id).await, DONE);
        assert_eq!(desk.run("capture_payment", id).await, DONE);
        let path = [Status::Pending, Status::Confirmed, Status::Paid];
        assert_eq!(desk.path(id).await, path);
        let calls = [format!("Confirm {id}"), format!("Capture {id}")];
        assert!(desk.neighbours.calls().ends_with(&calls));
        desk.check(id).await;
    }
}

#[tokio::test]
async fn moves_in_the_background_name_the_service_and_the_customer() {
    let desk = Desk::open().await;
    let id = desk.place_and_pay().await;
    let history = desk.history(id).await;
    assert_eq!(history[2].actor, "spiffe://cluster.local/ns/shop/sa/test");
    let events = desk.events(id).await;
    assert_eq!(events[2].actor.subject.as_deref(), Some("c1"));
    assert_eq!(events[1].correlation_id, events[2].correlation_id);
}

#[tokio::test]
async fn out_of_stock_gives_back_the_money_alone() {
    let desk = Desk::open().await;
    let id = desk.place().await;
    desk.tell(&stock_rejected(id)).await;
    assert_eq!(desk.status(id).await, Status::Cancelling);
    assert_eq!(desk.run("reverse_payment", id).await, DONE);
    assert_eq!(
        desk.neighbours.calls(),
        [format!("Reverse {id} OUT_OF_STOCK")]
    );
    desk.check_cancelled(id, Reason::OutOfStock).await;
}

#[tokio::test]
async fn a_declined_payment_gives_back_the_stock_alone() {
    let desk = Desk::open().await;
    let id = desk.place().await;
    desk.tell(&stock_reserved(id)).await;
    desk.tell(&payment_failed(id)).await;
    assert_eq!(desk.status(id).await, Status::Cancelling);
    assert_eq!(desk.run("release_reservation", id).await, DONE);
    assert_eq!(
        desk.neighbours.calls(),
        [format!("Release {id} PAYMENT_FAILED")]
    );
    desk.check_cancelled(id, Reason::PaymentFailed).await;
}

#[tokio::test]
async fn a_refused_confirmation_gives_back_both() {
    let desk = Desk::open().await;
    let id = desk.place().await;
    desk.tell(&stock_reserved(id)).await;
    desk.tell(&payment_authorized(id)).await;
    desk.neighbours.refuse("Confirm", Code::FailedPrecondition);
    assert_eq!(desk.run("confirm_reservation", id).await, DONE);
    assert_eq!(desk.run("reverse_payment", id).await, DONE);
    assert_eq!(desk.status(id).await, Status::Cancelling);
    assert_eq!(desk.run("release_reservation", id).await, DONE);
    desk.check_cancelled(id, Reason::OutOfStock).await;
}

#[tokio::test]
async fn a_refused_capture_gives_back_the_stock_and_whatever_is_held() {
    let desk = Desk::open().await;
    let id = desk.place_and_confirm().await;
    desk.neighbours.refuse("Capture", Code::FailedPrecondition);
    assert_eq!(desk.run("capture_payment", id).await, DONE);
    assert_eq!(desk.run("release_reservation", id).await, DONE);
    // Refused may mean that the payment stands elsewhere, with the money still held.
    assert_eq!(desk.status(id).await, Status::Cancelling);
    assert_eq!(desk.run("reverse_payment", id).await, DONE);
    desk.check_cancelled(id, Reason::PaymentFailed).await;
}

#[tokio::test]
async fn a_step_without_a_certain_answer_is_tried_again_and_moves_nothing() {
    let desk = Desk::open().await;
    let id = desk.place().await;
    desk.tell(&stock_reserved(id)).await;
    desk.tell(&payment_authorized(id)).await;
    let uncertain = [
        Code::Unavailable,
        Code::DeadlineExceeded,
        Code::Internal,
        Code::Unknown,
        Code::PermissionDenied,
        Code::Unimplemented,
        Code::NotFound,
    ];
    for code in uncertain {
        desk.neighbours.refuse("Confirm", code);
        let state = desk.run("confirm_reservation", id).await;
        assert_eq!(state, TaskState::Ready, "{code:?}");
    }
    assert_eq!(desk.path(id).await, [Status::Pending]);
    desk.neighbours.refuse("Confirm", Code::Ok);
    assert_eq!(desk.run("confirm_reservation", id).await, DONE);
    for code in uncertain {
        desk.neighbours.refuse("Capture", code);
        let state = desk.run("capture_payment", id).await;
        assert_eq!(state, TaskState::Ready, "{code:?}");
    }
    assert_eq!(desk.status(id).await, Status::Confirmed);
    desk.neighbours.refuse("Capture", Code::Ok);
    assert_eq!(desk.run("capture_payment", id).await, DONE);
    assert_eq!(desk.status(id).await, Status::Paid);
    desk.check(id).await;
}

#[tokio::test]
async fn a_compensation_never_gives_up_whatever_it_is_answered() {
    let desk = Desk::open().await;
    let id = desk.place().await;
    desk.cancel(id).await;
    for (method, kind) in [
        ("Release", "release_reservation"),
        ("Reverse", "reverse_payment"),
    ] {
        for code in [Code::Unavailable, Code::FailedPrecondition, Code::Internal] {
            desk.neighbours.refuse(method, code);
            assert_eq!(desk.run(kind, id).await, TaskState::Ready, "{code:?}");
        }
        desk.neighbours.refuse(method, Code::Ok);
        assert_eq!(desk.run(kind, id).await, DONE);
    }
    desk.check_cancelled(id, Reason::CancelRequested).await;
}

#[tokio::test]
async fn the_deadline_undoes_what_nobody_decided() {
    let desk = Desk::open().await;
    for stock_known in [false, true] {
        let id = desk.place().await;
        if stock_known {
            desk.tell(&stock_reserved(id)).await;
        }
        assert_eq!(desk.run("order_deadline", id).await, DONE);
        assert_eq!(desk.status(id).await, Status::Cancelling);
        assert_eq!(desk.run("release_reservation", id).await, DONE);
        assert_eq!(desk.run("reverse_payment", id).await, DONE);
        desk.check_cancelled(id, Reason::DeadlinePassed).await;
    }
}

#[tokio::test]
async fn the_deadline_leaves_what_is_settled() {
    let desk = Desk::open().await;
    let paid = desk.place_and_pay().await;
    assert_eq!(desk.run("order_deadline", paid).await, DONE);
    assert_eq!(desk.status(paid).await, Status::Paid);
    let undone = desk.place().await;
    desk.cancel(undone).await;
    let before = desk.order(undone).await;
    assert_eq!(desk.run("order_deadline", undone).await, DONE);
    assert_eq!(desk.order(undone).await, before);
    desk.check(paid).await;
    desk.check(undone).await;
}

#[tokio::test]
async fn the_deadline_waits_for_a_capture_that_may_have_happened() {
    let desk = Desk::open().await;
    let id = desk.place_and_confirm().await;
    desk.neighbours.refuse("Capture", Code::Unavailable);
    assert_eq!(desk.run("capture_payment", id).await, TaskState::Ready);
    assert_eq!(desk.run("order_deadline", id).await, DONE);
    assert_eq!(desk.status(id).await, Status::Confirmed);
    desk.neighbours.refuse("Capture", Code::Ok);
    assert_eq!(desk.run("capture_payment", id).await, DONE);
    assert_eq!(desk.run("release_reservation", id).await, DONE);
    assert_eq!(desk.run("reverse_payment", id).await, DONE);
    desk.check_cancelled(id, Reason::DeadlinePassed).await;
    assert!(desk.path(id).await.contains(&Status::Paid));
}

//! Tasks as the worker runs them: real PostgreSQL, the real simulator, and an order service over
//! the real data plane.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use shop_chassis::tasks::TaskState;
use shop_chassis::testing;

use super::*;
use crate::domain::Payment;
use crate::domain::Status;
use crate::now;
use crate::provider::tests::Psp;
use crate::store::tests::{Shop, claim, support, wanted};
use crate::tests::stand_in::StandIn;

/// One new order with everything around it.
struct Scene {
    shop: Shop,
    psp: Psp,
    orders: StandIn,
    settlement: Settlement,
    tasks: Arc<PaymentTasks>,
    payment: Payment,
}

// === impl Scene ===

impl Scene {
    async fn set(token: &str) -> Self {
        let (shop, psp) = (Shop::open().await, Psp::start().await);
        let orders = StandIn::start(token).await;
        let settlement = Settlement::new(shop.store.clone(), psp.client());
        let tasks = PaymentTasks::new(
            shop.store.clone(),
            settlement.clone(),
            orders.client.clone(),
        );
        let payment = shop.order_created().await;
        Self {
            shop,
            psp,
            orders,
            settlement,
            tasks: Arc::new(tasks),
            payment,
        }
    }

    async fn run(&self, kind: &str, subject: impl ToString) -> TaskState {
        let database = self.shop.test.database();
        Box::pin(testing::run_task(&database, &self.tasks, kind, subject)).await
    }

    async fn authorize(&self) -> (TaskState, Status) {
        let state = self.run(AUTHORIZE, self.payment.id).await;
        (state, self.payment().await.status)
    }

    async fn payment(&self) -> Payment {
        self.shop.store.find(self.payment.id).await.unwrap()
    }
}

#[tokio::test]
async fn order_is_authorised_with_the_token_that_the_order_service_keeps() {
    let scene = Scene::set("tok_ok").await;
    assert_eq!(
        scene.authorize().await,
        (TaskState::Done, Status::RequiresCapture)
    );
    assert_eq!(
        scene.psp.ledger().await[0]["reference"],
        scene.payment.id.to_string()
    );
}

#[tokio::test]
async fn declined_order_is_done_and_failed() {
    let scene = Scene::set("tok_declined").await;
    assert_eq!(scene.authorize().await, (TaskState::Done, Status::Failed));
}

#[tokio::test]
async fn silent_provider_is_asked_again_and_has_one_authorisation() {
    let scene = Scene::set("tok_timeout").await;
    assert_eq!(
        scene.authorize().await,
        (TaskState::Ready, Status::Processing)
    );
    assert_eq!(
        scene.authorize().await,
        (TaskState::Done, Status::RequiresCapture)
    );
    assert_eq!(scene.psp.ledger().await.len(), 1);
}

#[tokio::test]
async fn nothing_is_given_up_however_often_it_fails() {
    let scene = Scene::set("tok_ok").await;
    for status in [
        tonic::Status::unavailable("away"),
        tonic::Status::permission_denied("no"),
    ] {
        scene.orders.methods.set(Err(status));
        for _ in 0..ALARMING_ATTEMPT {
            let expected = (TaskState::Ready, Status::RequiresConfirmation);
            assert_eq!(scene.authorize().await, expected);
        }
    }
    scene.orders.methods.set(Ok("tok_ok"));
    assert_eq!(
        scene.authorize().await,
        (TaskState::Done, Status::RequiresCapture)
    );
}

#[tokio::test]
async fn order_without_a_usable_means_of_payment_fails() {
    for answer in [
        Err(tonic::Status::not_found("erased")),
        Ok("4111111111111111"),
    ] {
        let scene = Scene::set("tok_ok").await;
        scene.orders.methods.set(answer);
        assert_eq!(scene.authorize().await, (TaskState::Done, Status::Failed));
        let contents = scene.shop.contents().await;
        assert!(
            !contents.iter().any(|row| row.contains("4111")),
            "a card number was stored"
        );
        assert!(scene.psp.ledger().await.is_empty());
    }
}

#[tokio::test]
async fn canceled_order_is_not_authorised() {
    let scene = Scene::set("tok_ok").await;
    let order_id = scene.payment.order_id;
    scene
        .settlement
        .reverse(&scene.shop.order, order_id, "CUSTOMER")
        .await
        .unwrap();
    assert_eq!(scene.authorize().await, (TaskState::Done, Status::Canceled));
    assert!(scene.psp.ledger().await.is_empty());
}

#[tokio::test]
async fn accepted_refund_reaches_the_provider() {
    let scene = Scene::set("tok_ok").await;
    scene.authorize().await;
    scene
        .settlement
        .capture(&scene.shop.order, scene.payment.order_id)
        .await
        .unwrap();
    let (id, command) = (RefundId(Uuid::now_v7()), wanted(scene.payment.id, 300));
    let claim = claim(&command, "k1");
    let store = &scene.shop.store;
    store
        .accept_refund(&support(), claim, command, id, now())
        .await
        .unwrap();

    assert_eq!(scene.run(REFUND, id).await, TaskState::Done);
    assert_eq!(scene.payment().await.returned_minor, 300);
    assert_eq!(scene.psp.ledger().await[0]["refunded_minor"], 300);
}

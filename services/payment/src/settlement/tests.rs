//! The real store against the real simulator: what each answer makes of a payment.

#![allow(clippy::unwrap_used)]

use shop_chassis::testing;

use super::*;
use crate::domain::Status;
use crate::provider::tests::Psp;
use crate::store::tests::{Shop, claim, support, wanted};

const REASON: &str = "CUSTOMER";

struct Desk {
    shop: Shop,
    psp: Psp,
    settlement: Settlement,
}

impl Desk {
    async fn open() -> Self {
        let (shop, psp) = (Shop::open().await, Psp::start().await);
        let settlement = Settlement::new(shop.store.clone(), psp.client());
        Self {
            shop,
            psp,
            settlement,
        }
    }

    async fn authorize(&self, id: PaymentId, token: &str) -> Result<Payment, Error> {
        let token = PaymentToken::parse(token).unwrap();
        self.settlement
            .authorize(&self.shop.order, id, &token, None)
            .await?;
        self.shop.store.find(id).await
    }

    async fn authorized(&self) -> Payment {
        let payment = self.shop.order_created().await;
        self.authorize(payment.id, "tok_ok").await.unwrap()
    }

    async fn captured(&self) -> Payment {
        let payment = self.authorized().await;
        self.settlement
            .capture(&self.shop.order, payment.order_id)
            .await
            .unwrap();
        self.shop.store.find(payment.id).await.unwrap()
    }

    async fn reverse(&self, payment: &Payment) -> Result<Payment, Error> {
        self.settlement
            .reverse(&self.shop.order, payment.order_id, REASON)
            .await?;
        self.shop.store.find(payment.id).await
    }

    async fn refund(&self, payment: &Payment, minor: i64, key: &str) -> RefundId {
        let id = RefundId(Uuid::now_v7());
        let command = wanted(payment.id, minor);
        let claim = claim(&command, key);
        let accepted = self
            .shop
            .store
            .accept_refund(&support(), claim, command, id, now())
            .await;
        accepted.unwrap();
        id
    }
}

#[tokio::test]
async fn silence_leaves_the_payment_open_until_the_same_key_answers() {
    let desk = Desk::open().await;
    let id = desk.shop.order_created().await.id;
    let first = desk.authorize(id, "tok_timeout").await;
    assert!(
        matches!(first, Err(Error::ProviderUnclear { .. })),
        "{first:?}"
    );
    assert_eq!(
        desk.shop.store.find(id).await.unwrap().status,
        Status::Processing
    );

    let payment = desk.authorize(id, "tok_timeout").await.unwrap();
    assert_eq!(payment.status, Status::RequiresCapture);
    assert_eq!(desk.psp.ledger().await.len(), 1);
    assert_eq!(desk.shop.event_types().await.len(), 1);
}

#[tokio::test]
async fn declined_card_fails_the_payment() {
    let desk = Desk::open().await;
    let id = desk.shop.order_created().await.id;
    let payment = desk.authorize(id, "tok_declined").await.unwrap();
    assert_eq!(payment.status, Status::Failed);
    assert_eq!(payment.failure_code.as_deref(), Some("card_declined"));
    let capture = desk
        .settlement
        .capture(&desk.shop.order, payment.order_id)
        .await;
    assert!(matches!(capture, Err(Error::Declined { code }) if code == "card_declined"));
}

#[tokio::test]
async fn payment_without_a_method_fails_unless_the_provider_was_asked() {
    let desk = Desk::open().await;
    let (fresh, asked) = (
        desk.shop.order_created().await,
        desk.shop.order_created().await,
    );
    desk.settlement
        .refuse_without_method(&desk.shop.order, fresh.id)
        .await
        .unwrap();
    assert_eq!(
        desk.shop.store.find(fresh.id).await.unwrap().status,
        Status::Failed
    );

    let begun = desk
        .shop
        .store
        .begin_authorization(&desk.shop.order, asked.id, now())
        .await;
    let asked = begun.unwrap().unwrap();
    let refused = desk
        .settlement
        .refuse_without_method(&desk.shop.order, asked.id)
        .await;
    assert!(matches!(refused, Err(Error::Unresolved(_))));
}

#[tokio::test]
async fn capture_twice_takes_the_money_once() {
    let desk = Desk::open().await;
    let payment = desk.captured().await;
    desk.settlement
        .capture(&desk.shop.order, payment.order_id)
        .await
        .unwrap();
    assert_eq!(desk.psp.ledger().await[0]["captured_minor"], 1000);
    assert_eq!(desk.shop.store.find(payment.id).await.unwrap(), payment);
}

#[tokio::test]
async fn capture_whose_answer_was_lost_is_found_by_its_key() {
    let desk = Desk::open().await;
    let payment = desk.authorized().await;
    // The provider took the money; we died before we could write it down.
    let held = payment.authorization.clone().unwrap();
    assert!(matches!(
        desk.psp.client().capture(payment.id, &held).await,
        Answer::Approved(())
    ));
    desk.settlement
        .capture(&desk.shop.order, payment.order_id)
        .await
        .unwrap();
    assert_eq!(
        desk.shop.store.find(payment.id).await.unwrap().status,
        Status::Succeeded
    );
}

#[tokio::test]
async fn capture_of_an_unknown_order_is_not_found() {
    let desk = Desk::open().await;
    let result = desk
        .settlement
        .capture(&desk.shop.order, OrderId(Uuid::now_v7()))
        .await;
    assert!(matches!(result, Err(Error::OrderNotFound(_))));
}

#[tokio::test]
async fn reverse_before_capture_voids() {
    let desk = Desk::open().await;
    let payment = desk.authorized().await;
    for _ in 0..2 {
        assert_eq!(
            desk.reverse(&payment).await.unwrap().status,
            Status::Canceled
        );
    }
    let ledger = desk.psp.ledger().await;
    assert_eq!(
        (
            ledger[0]["voided"].as_bool(),
            ledger[0]["captured_minor"].as_i64()
        ),
        (Some(true), Some(0))
    );
    let types = desk.shop.event_types().await;
    assert_eq!(types.len(), 2, "authorised, voided: {types:?}");
    let capture = desk
        .settlement
        .capture(&desk.shop.order, payment.order_id)
        .await;
    assert!(matches!(capture, Err(Error::IllegalMove { .. })));
}

#[tokio::test]
async fn reverse_after_capture_refunds() {
    let desk = Desk::open().await;
    let payment = desk.captured().await;
    for _ in 0..2 {
        let reversed = desk.reverse(&payment).await.unwrap();
        assert_eq!(
            (reversed.status, reversed.returned_minor),
            (Status::Succeeded, 1000)
        );
    }
    let ledger = desk.psp.ledger().await;
    assert_eq!(ledger[0]["refunded_minor"], 1000);
    let events = testing::published(&desk.shop.test.database()).await;
    let refunded: Vec<_> = events
        .iter()
        .filter(|event| event.event_type == "PaymentRefundedEvent")
        .collect();
    assert_eq!(refunded.len(), 1);
}

#[tokio::test]
async fn reverse_finds_a_capture_whose_answer_was_lost() {
    let desk = Desk::open().await;
    let payment = desk.authorized().await;
    let held = payment.authorization.clone().unwrap();
    assert!(matches!(
        desk.psp.client().capture(payment.id, &held).await,
        Answer::Approved(())
    ));
    let reversed = desk.reverse(&payment).await.unwrap();
    assert_eq!(
        (reversed.status, reversed.returned_minor),
        (Status::Succeeded, 1000)
    );
    assert_eq!(desk.psp.ledger().await[0]["refunded_minor"], 1000);
}

#[tokio::test]
async fn reverse_waits_for_an_authorisation_that_is_unknown_and_then_voids_it() {
    let desk = Desk::open().await;
    let payment = desk.shop.order_created().await;
    assert!(desk.authorize(payment.id, "tok_timeout").await.is_err());
    let waiting = desk.reverse(&payment).await;
    assert!(matches!(waiting, Err(Error::Unresolved(_))), "{waiting:?}");

    desk.authorize(payment.id, "tok_timeout").await.unwrap();
    let capture = desk
        .settlement
        .capture(&desk.shop.order, payment.order_id)
        .await;
    assert!(
        matches!(capture, Err(Error::IllegalMove { .. })),
        "captured what is to be undone"
    );
    assert_eq!(
        desk.reverse(&payment).await.unwrap().status,
        Status::Canceled
    );
    assert_eq!(desk.psp.ledger().await[0]["voided"], true);
}

#[tokio::test]
async fn reverse_of_an_order_that_is_canceled_or_failed_is_done() {
    let desk = Desk::open().await;
    let canceled = desk.shop.order_created().await;
    assert_eq!(
        desk.reverse(&canceled).await.unwrap().status,
        Status::Canceled
    );
    let failed = desk.shop.order_created().await;
    desk.authorize(failed.id, "tok_declined").await.unwrap();
    assert_eq!(desk.reverse(&failed).await.unwrap().status, Status::Failed);
    assert!(desk.psp.ledger().await.is_empty());
}

#[tokio::test]
async fn reverse_gives_back_what_refunds_have_left() {
    let desk = Desk::open().await;
    let payment = desk.captured().await;
    let refund = desk.refund(&payment, 300, "k1").await;
    assert!(matches!(
        desk.reverse(&payment).await,
        Err(Error::Unresolved(_))
    ));
    desk.settlement
        .refund(&desk.shop.order, refund)
        .await
        .unwrap();
    assert_eq!(desk.reverse(&payment).await.unwrap().returned_minor, 1000);
    assert_eq!(desk.psp.ledger().await[0]["refunded_minor"], 1000);
}

#[tokio::test]
async fn refund_that_is_brought_twice_is_given_once() {
    let desk = Desk::open().await;
    let payment = desk.captured().await;
    let refund = desk.refund(&payment, 300, "k1").await;
    for _ in 0..2 {
        desk.settlement
            .refund(&desk.shop.order, refund)
            .await
            .unwrap();
    }
    assert_eq!(desk.psp.ledger().await[0]["refunded_minor"], 300);
    assert_eq!(
        desk.shop
            .store
            .find(payment.id)
            .await
            .unwrap()
            .returned_minor,
        300
    );
}

#[tokio::test]
async fn refund_that_the_provider_refuses_frees_its_money() {
    let desk = Desk::open().await;
    let payment = desk.captured().await;
    // Somebody gave the money back behind our books.
    let held = payment.authorization.clone().unwrap();
    let elsewhere = RefundId(Uuid::now_v7());
    let amount = payment.amount.unwrap();
    let answer = desk
        .psp
        .client()
        .refund(payment.id, &held, elsewhere, amount)
        .await;
    assert!(matches!(answer, Answer::Approved(())));

    let refund = desk.refund(&payment, 300, "k1").await;
    desk.settlement
        .refund(&desk.shop.order, refund)
        .await
        .unwrap();
    let payment = desk.shop.store.find(payment.id).await.unwrap();
    assert_eq!((payment.refunded_minor, payment.returned_minor), (0, 0));

    let reversed = desk.reverse(&payment).await;
    assert!(
        matches!(reversed, Err(Error::ReversalRefused { .. })),
        "{reversed:?}"
    );
    // It is asked again for ever, so somebody must be able to see it.
    let metrics = mesh_telemetry::metrics::render();
    assert!(metrics.contains("\nshop_payment_reversals_refused_total 1"));
}

#[tokio::test]
async fn capture_that_loses_to_a_void_tells_nobody_of_a_failure() {
    let desk = Desk::open().await;
    let payment = desk.authorized().await;
    let held = payment.authorization.clone().unwrap();
    // The reversal has asked the provider, and is not home yet, when the capture is refused.
    let begun = desk.shop.store.begin_reverse(
        &desk.shop.order,
        payment.order_id,
        REASON,
        PaymentId(Uuid::now_v7()),
        now(),
    );
    assert!(matches!(begun.await.unwrap().1, Reversal::Void(..)));
    let voided = desk.psp.client().void(payment.id, &held).await;
    assert!(matches!(voided, Answer::Approved(())));
    let capture = desk
        .settlement
        .ask_capture(&desk.shop.order, payment.id, &held)
        .await;
    assert!(matches!(capture, Ok(Settled::Declined { .. })));

    assert_eq!(
        desk.reverse(&payment).await.unwrap().status,
        Status::Canceled
    );
    let types = desk.shop.event_types().await;
    assert!(
        !types.iter().any(|(name, _)| name == "PaymentFailedEvent"),
        "{types:?}"
    );
}

#[tokio::test]
async fn authorisation_that_can_neither_be_voided_nor_captured_ends_canceled() {
    let desk = Desk::open().await;
    let payment = desk.authorized().await;
    let held = payment.authorization.clone().unwrap();
    // Given up behind our books, under another key.
    let elsewhere = PaymentId(Uuid::now_v7());
    desk.psp.client().void(elsewhere, &held).await;
    assert_eq!(
        desk.reverse(&payment).await.unwrap().status,
        Status::Canceled
    );
}

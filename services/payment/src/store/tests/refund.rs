//! Accepting, completing and refusing refunds.

use std::sync::Arc;

use shop_chassis::testing;
use shop_chassis::{Failure, Kind};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::{Shop, claim, eur, support, wanted};
use crate::domain::{RefundId, RefundPayment, RefundState};
use crate::error::Error;
use crate::now;

#[tokio::test]
async fn fifty_concurrent_refunds_never_exceed_what_was_captured() {
    let shop = Arc::new(Shop::open().await);
    let id = shop.captured().await.id;
    let mut asking = JoinSet::new();
    for n in 0..50 {
        let shop = Arc::clone(&shop);
        asking.spawn(async move { shop.refund(id, 300, &format!("key-{n}")).await });
    }
    let results = asking.join_all().await;
    let accepted = results.iter().filter(|result| result.is_ok()).count();
    let left = |result: &Result<RefundId, Error>| match result {
        Err(Error::RefundExceedsCaptured { remaining }) => *remaining,
        Ok(_) | Err(_) => None,
    };
    let exceeding = results
        .iter()
        .filter(|result| left(result) == Some(eur(100)))
        .count();
    assert_eq!((accepted, exceeding), (3, 47));
    let payment = shop.store.find(id).await.unwrap();
    assert_eq!(payment.refunded_minor, 900);
    assert_eq!(shop.count("select count(*) from refund").await, 3);
    assert_eq!(
        shop.count("select count(*) from task where kind = 'refund'")
            .await,
        3
    );
}

#[tokio::test]
async fn refund_is_answered_again_under_its_key_and_another_one_is_refused() {
    let shop = Shop::open().await;
    let id = shop.captured().await.id;
    let command = wanted(id, 300);
    let accept = async |command: RefundPayment, key: &str| {
        let (claim, refund_id) = (claim(&command, key), RefundId(Uuid::now_v7()));
        shop.store
            .accept_refund(&support(), claim, command, refund_id, now())
            .await
    };
    let first = accept(command.clone(), "k1").await.unwrap();
    let before = shop.contents().await;
    let second = accept(command.clone(), "k1").await.unwrap();
    assert_eq!(first.message, second.message);
    assert_eq!((first.replayed, second.replayed), (false, true));
    let stored = shop
        .store
        .answered(&claim(&command, "k1"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(stored.message, first.message);

    let reused = accept(wanted(id, 301), "k1").await.unwrap_err();
    let failure = Failure::from(reused);
    assert_eq!(
        (failure.kind(), failure.reason_text()),
        (Kind::Invalid, "IDEMPOTENCY_KEY_REUSED")
    );
    assert_eq!(shop.contents().await, before);
}

#[tokio::test]
async fn refused_request_leaves_its_key_free() {
    let shop = Shop::open().await;
    let id = shop.captured().await.id;
    assert!(shop.refund(id, 1001, "k1").await.is_err());
    assert!(shop.refund(id, 1000, "k1").await.is_ok());
}

#[tokio::test]
async fn completed_refund_is_booked_and_published_once() {
    let shop = Shop::open().await;
    let id = shop.captured().await.id;
    let refund_id = shop.refund(id, 300, "k1").await.unwrap();
    shop.store
        .complete_refund(&shop.order, id, refund_id, now())
        .await
        .unwrap();
    let before = shop.contents().await;
    shop.store
        .complete_refund(&shop.order, id, refund_id, now())
        .await
        .unwrap();
    assert_eq!(shop.contents().await, before);
    let events = testing::published(&shop.test.database()).await;
    let last = events.last().unwrap();
    assert_eq!(
        (last.event_type.as_str(), last.aggregate_version),
        ("PaymentRefundedEvent", 3)
    );
    assert_eq!(last.data["refunded"]["units"], "3");
    assert_eq!(shop.count("select count(*) from ledger_entry").await, 4);
    let sales = "select sum(amount_minor)::bigint as count from ledger_entry \
        where account = 'SALES'";
    assert_eq!(shop.count(sales).await, -700);
}

#[tokio::test]
async fn refused_refund_frees_its_money_for_the_next() {
    let shop = Shop::open().await;
    let id = shop.captured().await.id;
    let refund_id = shop.refund(id, 1000, "k1").await.unwrap();
    assert!(shop.refund(id, 1, "k2").await.is_err());
    let code = "closed".to_owned();
    shop.store
        .refuse_refund(&shop.order, id, refund_id, code, now())
        .await
        .unwrap();
    let (payment, refund) = shop.store.find_refund(refund_id).await.unwrap();
    assert_eq!(
        (payment.refunded_minor, refund.state),
        (0, RefundState::Failed)
    );
    shop.refund(id, 1000, "k3").await.unwrap();
}

//! Taking payments in, asking for them, taking and undoing them.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use shop_chassis::Tx;
use shop_chassis::testing::{self, Delivered};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::{REASON, Shop, created, eur, held};
use crate::domain::{OrderId, PaymentId, RefundId, Reversal, Status};
use crate::error::Error;
use crate::now;
use crate::store::PageQuery;
use crate::store::schema::{ledger_entry, payment, payment_transition, refund};

#[tokio::test]
async fn order_created_makes_a_payment_and_its_task() {
    let shop = Shop::open().await;
    let payment = shop.order_created().await;
    assert_eq!(payment.status, Status::RequiresConfirmation);
    assert_eq!(
        (payment.amount, payment.customer_id.as_deref()),
        (Some(eur(1000)), Some("c1"))
    );
    let tasks = testing::tasks(&shop.test.database()).await;
    assert_eq!(tasks.len(), 1);
    assert_eq!(
        (tasks[0].0.as_str(), &tasks[0].1),
        ("authorize", &payment.id.to_string())
    );
}

#[tokio::test]
async fn event_delivered_again_changes_nothing() {
    let shop = Shop::open().await;
    let order_id = OrderId(Uuid::now_v7());
    let event = created(order_id);
    assert_eq!(shop.deliver(&event).await.unwrap(), Delivered::Applied);
    let before = shop.contents().await;
    assert_eq!(shop.deliver(&event).await.unwrap(), Delivered::Duplicate);
    assert_eq!(shop.contents().await, before);
}

#[tokio::test]
async fn same_order_in_another_event_changes_nothing() {
    let shop = Shop::open().await;
    let payment = shop.order_created().await;
    let before = shop.contents().await;
    let mut event = created(payment.order_id);
    event.aggregate_version = 2;
    assert_eq!(shop.deliver(&event).await.unwrap(), Delivered::Applied);
    assert_eq!(shop.contents().await, before);
}

#[tokio::test]
async fn reversal_before_the_order_leaves_a_tombstone_and_the_order_is_not_charged() {
    let shop = Shop::open().await;
    let order_id = OrderId(Uuid::now_v7());
    let id = PaymentId(Uuid::now_v7());
    let (stone, reversal) = shop
        .store
        .begin_reverse(&shop.order, order_id, REASON, id, now())
        .await
        .unwrap();
    assert_eq!((stone, reversal), (id, Reversal::Done));
    let before = shop.contents().await;

    assert_eq!(
        shop.deliver(&created(order_id)).await.unwrap(),
        Delivered::Applied
    );
    assert_eq!(
        shop.contents().await,
        before,
        "the late order had an effect"
    );
    let payment = shop.store.find(id).await.unwrap();
    assert_eq!((payment.status, payment.amount), (Status::Canceled, None));
    assert!(testing::tasks(&shop.test.database()).await.is_empty());

    let other = PaymentId(Uuid::now_v7());
    let (again, reversal) = shop
        .store
        .begin_reverse(&shop.order, order_id, REASON, other, now())
        .await
        .unwrap();
    assert_eq!(
        (again, reversal),
        (id, Reversal::Done),
        "a second tombstone"
    );
}

#[tokio::test]
async fn authorisation_is_published_once() {
    let shop = Shop::open().await;
    let payment = shop.authorized().await;
    assert_eq!(payment.status, Status::RequiresCapture);
    let before = shop.contents().await;
    shop.store
        .authorize(&shop.order, payment.id, held(), None, now())
        .await
        .unwrap();
    let again = shop
        .store
        .begin_authorization(&shop.order, payment.id, now())
        .await
        .unwrap();
    assert_eq!(again, None);
    assert_eq!(shop.contents().await, before);
    assert_eq!(
        shop.event_types().await,
        [("PaymentProcessedEvent".to_owned(), 1)]
    );
}

#[tokio::test]
async fn refused_authorisation_fails_the_payment_once() {
    let shop = Shop::open().await;
    let id = shop.order_created().await.id;
    for _ in 0..2 {
        let code = "card_declined".to_owned();
        shop.store
            .refuse_authorization(&shop.order, id, code, None, now())
            .await
            .unwrap();
    }
    let events = testing::published(&shop.test.database()).await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].event_type, "PaymentFailedEvent");
    assert_eq!(events[0].data["code"], "card_declined");
    assert_eq!(events[0].data["phase"], "AUTHORIZED");
}

#[tokio::test]
async fn capture_is_booked_and_published_once() {
    let shop = Shop::open().await;
    let payment = shop.captured().await;
    let before = shop.contents().await;
    shop.store
        .capture(&shop.order, payment.id, now())
        .await
        .unwrap();
    assert_eq!(shop.contents().await, before);
    let types = shop.event_types().await;
    let processed = "PaymentProcessedEvent".to_owned();
    assert_eq!(types, [(processed.clone(), 1), (processed, 2)]);
    assert_eq!(shop.count("select count(*) from ledger_entry").await, 2);
    let sum = "select coalesce(sum(amount_minor), 0)::bigint as count from ledger_entry";
    assert_eq!(shop.count(sum).await, 0);
}

#[tokio::test]
async fn fifty_concurrent_captures_take_the_money_once() {
    let shop = Shop::open().await;
    let id = shop.authorized().await.id;
    let mut asking = JoinSet::new();
    for _ in 0..50 {
        let (store, caller) = (shop.store.clone(), shop.order.clone());
        asking.spawn(async move { store.capture(&caller, id, now()).await });
    }
    for result in asking.join_all().await {
        assert_eq!(result.unwrap().status, Status::Succeeded);
    }
    assert_eq!(shop.count("select count(*) from ledger_entry").await, 2);
}

#[tokio::test]
async fn reverse_in_each_state_saves_what_it_needs() {
    let shop = Shop::open().await;
    let reverse = async |order_id| {
        let stone = PaymentId(Uuid::now_v7());
        let (id, reversal) = shop
            .store
            .begin_reverse(&shop.order, order_id, REASON, stone, now())
            .await
            .unwrap();
        (shop.store.find(id).await.unwrap(), reversal)
    };

    let (payment, _) = reverse(shop.order_created().await.order_id).await;
    assert_eq!(payment.status, Status::Canceled);
    let asked = shop
        .store
        .begin_authorization(&shop.order, payment.id, now())
        .await
        .unwrap();
    assert_eq!(asked, None, "a canceled payment is not authorised");

    let processing = shop.order_created().await;
    shop.store
        .begin_authorization(&shop.order, processing.id, now())
        .await
        .unwrap();
    let (payment, reversal) = reverse(processing.order_id).await;
    assert!(matches!(reversal, Reversal::Wait(_)));
    assert_eq!(payment.status, Status::Processing);
    assert_eq!(payment.reverse_reason.as_deref(), Some(REASON));

    let (payment, reversal) = reverse(shop.authorized().await.order_id).await;
    assert_eq!(reversal_kind(&reversal), "void");
    let voided = shop
        .store
        .void(&shop.order, payment.id, now())
        .await
        .unwrap();
    assert_eq!(voided.status, Status::Canceled);
    assert_eq!(reverse(voided.order_id).await.1, Reversal::Done);

    let (payment, reversal) = reverse(shop.captured().await.order_id).await;
    assert_eq!(reversal_kind(&reversal), "accept");
    assert_eq!(payment.refunded_minor, 1000);
    let (_, again) = reverse(payment.order_id).await;
    assert_eq!(reversal_kind(&again), "return");
    let refund = RefundId::reversal_of(payment.id);
    shop.store
        .complete_refund(&shop.order, payment.id, refund, now())
        .await
        .unwrap();
    assert_eq!(reverse(payment.order_id).await.1, Reversal::Done);

    let failed = shop.order_created().await;
    let code = "card_declined".to_owned();
    shop.store
        .refuse_authorization(&shop.order, failed.id, code, None, now())
        .await
        .unwrap();
    assert_eq!(reverse(failed.order_id).await.1, Reversal::Done);
}

fn reversal_kind(reversal: &Reversal) -> &'static str {
    match reversal {
        Reversal::Done => "done",
        Reversal::Cancel(_) => "cancel",
        Reversal::Wait(_) => "wait",
        Reversal::Void(..) => "void",
        Reversal::Accept(..) => "accept",
        Reversal::Return(_) => "return",
    }
}

#[tokio::test]
async fn pages_show_newest_first_and_only_what_is_asked_for() {
    let shop = Shop::open().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(shop.order_created().await.id);
    }
    let query = PageQuery {
        customer_id: None,
        order_id: None,
        after: None,
        limit: 2,
    };
    let page = async |query: PageQuery| -> Vec<PaymentId> {
        shop.store
            .page(query)
            .await
            .unwrap()
            .iter()
            .map(|payment| payment.id)
            .collect()
    };
    assert_eq!(page(query.clone()).await, [ids[2], ids[1]]);
    assert_eq!(
        page(PageQuery {
            after: Some(ids[1]),
            ..query.clone()
        })
        .await,
        [ids[0]]
    );
    let stranger = Some("c2".to_owned());
    assert!(
        page(PageQuery {
            customer_id: stranger,
            ..query.clone()
        })
        .await
        .is_empty()
    );
    let order_id = Some(shop.store.find(ids[0]).await.unwrap().order_id);
    assert_eq!(page(PageQuery { order_id, ..query }).await, [ids[0]]);
}

#[tokio::test]
async fn history_names_who_moved_what() {
    let shop = Shop::open().await;
    let id = shop.captured().await.id;
    shop.refund(id, 300, "k1").await.unwrap();
    let work = async move |tx: &mut Tx| -> Result<Vec<(Option<String>, String, String)>, Error> {
        Ok(payment_transition::table
            .filter(payment_transition::payment_id.eq(id.0))
            .order(payment_transition::id)
            .select((
                payment_transition::from_status,
                payment_transition::to_status,
                payment_transition::actor,
            ))
            .load(tx.conn())
            .await?)
    };
    let rows = shop.test.database().read(work).await.unwrap();
    let statuses: Vec<_> = rows.iter().map(|row| row.1.as_str()).collect();
    let expected = [
        "REQUIRES_CONFIRMATION",
        "PROCESSING",
        "REQUIRES_CAPTURE",
        "SUCCEEDED",
        "SUCCEEDED",
    ];
    assert_eq!(statuses, expected);
    assert_eq!(rows[0].0, None);
    assert!(rows[3].2.ends_with("/sa/order"), "{}", rows[3].2);
    assert_eq!(rows[4].2, "user:s1");
}

#[tokio::test]
async fn schema_names_every_column() {
    let shop = Shop::open().await;
    let work = async move |tx: &mut Tx| -> Result<(), Error> {
        let conn = tx.conn();
        payment::table
            .select(payment::all_columns)
            .execute(conn)
            .await?;
        payment_transition::table
            .select(payment_transition::all_columns)
            .execute(conn)
            .await?;
        refund::table
            .select(refund::all_columns)
            .execute(conn)
            .await?;
        ledger_entry::table
            .select(ledger_entry::all_columns)
            .execute(conn)
            .await?;
        Ok(())
    };
    shop.test.database().read(work).await.unwrap();
    let columns = "select count(*) from information_schema.columns where table_name in \
        ('payment', 'payment_transition', 'refund', 'ledger_entry')";
    assert_eq!(shop.count(columns).await, 15 + 8 + 9 + 9);
}

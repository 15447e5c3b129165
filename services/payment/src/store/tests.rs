//! Against a real PostgreSQL, a database for each test.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use diesel_async::RunQueryDsl;
use shop_chassis::bus::Event;
use shop_chassis::testing::{self, Delivered, TestDatabase};
use shop_chassis::{Currency, Failure, Kind, Money, Role};
use shop_proto::order::v1::OrderCreatedEvent;
use tokio::task::JoinSet;

use super::schema::{ledger_entry, payment, payment_transition, refund};
use super::*;
use crate::domain::{RefundState, Status};
use crate::events::PaymentEvents;
use crate::{MIGRATIONS, now};

const REASON: &str = "CUSTOMER";

/// A payment database of its own, and who writes to it.
pub(crate) struct Shop {
    pub(crate) test: TestDatabase,
    pub(crate) store: Store,
    pub(crate) order: Caller,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        let test = TestDatabase::create(MIGRATIONS).await;
        let store = Store::new(test.database());
        Self {
            test,
            store,
            order: testing::background("order"),
        }
    }

    /// Takes in an order of 10.00 EUR.
    pub(crate) async fn order_created(&self) -> Payment {
        let order_id = OrderId(Uuid::now_v7());
        assert_eq!(
            self.deliver(&created(order_id)).await.unwrap(),
            Delivered::Applied
        );
        self.store.find_of_order(order_id).await.unwrap()
    }

    pub(crate) async fn deliver(&self, event: &Event) -> Result<Delivered, Failure> {
        testing::deliver(&self.test.database(), &Arc::new(PaymentEvents), event).await
    }

    async fn authorized(&self) -> Payment {
        let payment = self.order_created().await;
        self.store
            .begin_authorization(&self.order, payment.id, now())
            .await
            .unwrap()
            .unwrap();
        self.store
            .authorize(&self.order, payment.id, held(), now())
            .await
            .unwrap()
    }

    async fn captured(&self) -> Payment {
        let payment = self.authorized().await;
        self.store
            .capture(&self.order, payment.id, now())
            .await
            .unwrap()
    }

    async fn refund(&self, id: PaymentId, minor: i64, key: &str) -> Result<RefundId, Error> {
        let refund_id = RefundId(Uuid::now_v7());
        let command = wanted(id, minor);
        let claim = claim(&command, key);
        let support = support();
        self.store
            .accept_refund(&support, claim, command, refund_id, now())
            .await?;
        Ok(refund_id)
    }

    pub(crate) async fn event_types(&self) -> Vec<(String, i64)> {
        let events = testing::published(&self.test.database()).await;
        events
            .into_iter()
            .map(|event| (event.event_type, event.aggregate_version))
            .collect()
    }

    async fn count(&self, sql: &'static str) -> i64 {
        let work = async move |tx: &mut Tx| -> Result<i64, Error> {
            Ok(diesel::sql_query(sql)
                .get_result::<Count>(tx.conn())
                .await?
                .count)
        };
        self.test.database().read(work).await.unwrap()
    }

    /// All rows of the service's tables as text: equal before and after what has no effect.
    pub(crate) async fn contents(&self) -> Vec<String> {
        let sql = "select 'payment' || p as line from payment p \
            union all select 'history' || t from payment_transition t \
            union all select 'refund' || r from refund r \
            union all select 'ledger' || l from ledger_entry l \
            union all select 'outbox' || o.event_id from outbox o \
            union all select 'task' || t.id || t.state from task t order by 1";
        let work = async move |tx: &mut Tx| -> Result<Vec<String>, Error> {
            let rows = diesel::sql_query(sql).load::<Line>(tx.conn()).await?;
            Ok(rows.into_iter().map(|row| row.line).collect())
        };
        self.test.database().read(work).await.unwrap()
    }
}

pub(crate) fn created(order_id: OrderId) -> Event {
    let payload = OrderCreatedEvent {
        order_id: order_id.to_string(),
        customer_id: "c1".to_owned(),
        lines: Vec::new(),
        total: Some(crate::events::message(eur(1000))),
    };
    testing::event("OrderCreatedEvent", "order", order_id, 1, &payload)
}

pub(crate) fn eur(minor: i64) -> Money {
    Money::new(minor, Currency::of("EUR").unwrap())
}

fn held() -> AuthorizationId {
    AuthorizationId("auth_1".to_owned())
}

pub(crate) fn support() -> Caller {
    testing::user("s1", &[Role::Support])
}

pub(crate) fn wanted(payment_id: PaymentId, minor: i64) -> RefundPayment {
    RefundPayment {
        payment_id,
        amount: Some(eur(minor)),
        reason: "broken".to_owned(),
    }
}

pub(crate) fn claim(command: &RefundPayment, key: &str) -> Claim {
    Claim::required(&support(), "RefundPayment", key, command).unwrap()
}

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
        .authorize(&shop.order, payment.id, held(), now())
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
            .refuse_authorization(&shop.order, id, code, now())
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
        .refuse_authorization(&shop.order, failed.id, code, now())
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
    let exceeding = results
        .iter()
        .filter(|result| matches!(result, Err(Error::RefundExceedsCaptured { remaining: Some(left) }) if *left == eur(100)))
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

#[tokio::test]
async fn database_refuses_a_refund_above_what_was_captured() {
    let shop = Shop::open().await;
    let id = shop.captured().await.id;
    let error = run(&shop, async move |tx: &mut Tx| {
        let set = payment::refunded_minor.eq(1001);
        Ok(diesel::update(payment::table.find(id.0))
            .set(set)
            .execute(tx.conn())
            .await?)
    })
    .await;
    assert_eq!(error, "payment_refund_within_captured");
}

#[tokio::test]
async fn database_refuses_a_ledger_that_does_not_add_up() {
    let shop = Shop::open().await;
    let id = shop.authorized().await.id;
    for rows in [
        vec![("PROVIDER", 1000)],
        vec![("PROVIDER", 1000), ("SALES", -999)],
    ] {
        let error = run(&shop, async move |tx: &mut Tx| entries(tx, id, &rows).await).await;
        assert_eq!(error, "ledger_entry_balanced");
    }
    assert_eq!(shop.count("select count(*) from ledger_entry").await, 0);
}

#[tokio::test]
async fn database_refuses_a_second_capture_and_a_changed_row() {
    let shop = Shop::open().await;
    let id = shop.captured().await.id;
    let rows = [("PROVIDER", 1000), ("SALES", -1000)];
    let error = run(&shop, async move |tx: &mut Tx| entries(tx, id, &rows).await).await;
    assert_eq!(error, "ledger_entry_capture_once");
    let error = run(&shop, async move |tx: &mut Tx| {
        Ok(diesel::delete(ledger_entry::table)
            .execute(tx.conn())
            .await?)
    })
    .await;
    assert_eq!(error, "ledger_entry is append-only");
}

/// Runs what the database must refuse; returns the constraint, or the message where there is none.
async fn run<F>(shop: &Shop, work: F) -> String
where
    F: for<'t> AsyncFnOnce(&'t mut Tx) -> Result<usize, Error>
        + for<'t> shop_chassis::db::Work<&'t mut Tx, Result<usize, Error>, Fut: Send>
        + Clone
        + Send
        + 'static,
{
    let error = shop.test.database().transaction(work).await.unwrap_err();
    let Error::Chassis(shop_chassis::Error::Statement(error)) = error else {
        panic!("{error:?}");
    };
    match shop_chassis::db::violated_constraint(&error) {
        Some(constraint) => constraint.to_owned(),
        None => error.to_string(),
    }
}

async fn entries(tx: &mut Tx, id: PaymentId, rows: &[(&str, i64)]) -> Result<usize, Error> {
    let transaction_id = Uuid::now_v7();
    let rows: Vec<_> = rows
        .iter()
        .map(|(account, amount_minor)| {
            (
                ledger_entry::transaction_id.eq(transaction_id),
                ledger_entry::kind.eq("CAPTURE"),
                ledger_entry::payment_id.eq(id.0),
                ledger_entry::account.eq(*account),
                ledger_entry::amount_minor.eq(*amount_minor),
                ledger_entry::currency.eq("EUR"),
                ledger_entry::create_time.eq(now()),
            )
        })
        .collect();
    Ok(diesel::insert_into(ledger_entry::table)
        .values(rows)
        .execute(tx.conn())
        .await?)
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

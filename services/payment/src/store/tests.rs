//! Against a real PostgreSQL, a database for each test.

#![allow(clippy::unwrap_used)]

mod ledger;
mod payment;
mod refund;

use std::sync::Arc;

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Text};
use diesel_async::RunQueryDsl;
use shop_chassis::bus::Event;
use shop_chassis::idempotency::Key;
use shop_chassis::testing::{self, Delivered, TestDatabase};
use shop_chassis::{Currency, Failure, Money, Role};
use shop_proto::order::v1::OrderCreatedEvent;

use super::*;
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
            .authorize(&self.order, payment.id, held(), None, now())
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
    Key::required(&support(), key)
        .unwrap()
        .claim("RefundPayment", command)
}

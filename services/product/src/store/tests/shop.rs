//! A shop of its own for each test: a database, the store over it, and what tests ask of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use shop_chassis::bus::Event;
use shop_chassis::tasks::TaskState;
use shop_chassis::testing::{self, Delivered, TestDatabase};
use shop_chassis::{Caller, Currency, Database, Failure, Money, Role, Tx};
use shop_proto::order::v1::{OrderCreatedEvent, OrderLine, OrderStatusUpdatedEvent, order::Status};
use uuid::Uuid;

use crate::domain::{
    Adjustment, Details, NewProduct, OrderId, Patch, Product, ProductId, ReservationState,
};
use crate::error::Error;
use crate::events::ProductEvents;
use crate::store::Store;
use crate::store::schema::{reservation, reservation_line, stock, stock_ledger};
use crate::tasks::ProductTasks;
use crate::{MIGRATIONS, now};

pub(super) struct Shop {
    pub(super) store: Store,
    pub(super) database: Database,
    handler: Arc<ProductEvents>,
    // Dropped last: it takes the database away.
    _server: TestDatabase,
}

pub(super) fn merchant() -> Caller {
    testing::user("m1", &[Role::Merchant])
}

pub(super) fn order_service() -> Caller {
    testing::background("order")
}

pub(super) fn details(sku: &str) -> Details {
    Details {
        sku: sku.into(),
        name: "Teapot".into(),
        description: String::new(),
        category: "kitchen".into(),
        price: Money::new(1_999, Currency::of("EUR").unwrap()),
    }
}

pub(super) fn new_product(sku: &str, initial_stock: i32) -> Product {
    let new = NewProduct {
        details: details(sku),
        initial_stock,
    };
    Product::create(ProductId(Uuid::now_v7()), new, now())
}

pub(super) fn new_order() -> OrderId {
    OrderId(Uuid::now_v7())
}

pub(super) fn order_created(order_id: OrderId, lines: &[(ProductId, i32)]) -> Event {
    let lines = lines.iter().map(|(product_id, quantity)| OrderLine {
        product_id: product_id.to_string(),
        quantity: *quantity,
        ..OrderLine::default()
    });
    let payload = OrderCreatedEvent {
        order_id: order_id.to_string(),
        customer_id: "c1".into(),
        lines: lines.collect(),
        total: None,
    };
    testing::event("OrderCreatedEvent", "order", order_id, 1, &payload)
}

pub(super) fn order_moved(order_id: OrderId, version: i64, from: Status, to: Status) -> Event {
    let payload = OrderStatusUpdatedEvent {
        order_id: order_id.to_string(),
        customer_id: "c1".into(),
        from: from.into(),
        to: to.into(),
        reason: None,
    };
    testing::event(
        "OrderStatusUpdatedEvent",
        "order",
        order_id,
        version,
        &payload,
    )
}

// === impl Shop ===

impl Shop {
    pub(super) async fn open() -> Self {
        let server = TestDatabase::create(MIGRATIONS).await;
        let database = server.database();
        Self {
            store: Store::new(database.clone()),
            database,
            handler: Arc::new(ProductEvents::new(Duration::from_secs(600))),
            _server: server,
        }
    }

    pub(super) async fn product(&self, sku: &str, units: i32) -> Product {
        let product = new_product(sku, units);
        self.store
            .create(&merchant(), None, product.clone())
            .await
            .unwrap();
        product
    }

    pub(super) async fn update(
        &self,
        id: ProductId,
        etag: Option<&str>,
        patch: Patch,
    ) -> Result<Product, Error> {
        self.store.update(&merchant(), id, etag, patch, now()).await
    }

    pub(super) async fn delete(&self, id: ProductId) -> Result<Product, Error> {
        self.store.delete(&merchant(), id, None, now()).await
    }

    pub(super) async fn adjust(&self, product_id: ProductId, delta: i32) -> Result<(), Error> {
        let adjustment = Adjustment {
            product_id,
            delta,
            note: "stocktaking".into(),
        };
        self.store
            .adjust_stock(&merchant(), None, adjustment, now())
            .await?;
        Ok(())
    }

    /// Delivers an event as the consumer does: again when that can help.
    pub(super) async fn deliver(&self, event: &Event) -> Result<Delivered, Failure> {
        loop {
            match testing::deliver(&self.database, &self.handler, event).await {
                Err(failure) if failure.retryable() => tokio::task::yield_now().await,
                settled => return settled,
            }
        }
    }

    pub(super) async fn order(&self, lines: &[(ProductId, i32)]) -> OrderId {
        let order_id = new_order();
        self.deliver(&order_created(order_id, lines)).await.unwrap();
        order_id
    }

    /// The event by which an order of version 1 is paid.
    pub(super) async fn pay(&self, order_id: OrderId) {
        let paid = order_moved(order_id, 2, Status::Confirmed, Status::Paid);
        self.deliver(&paid).await.unwrap();
    }

    pub(super) async fn confirm(&self, order_id: OrderId) -> Result<(), Error> {
        self.store.confirm(&order_service(), order_id, now()).await
    }

    pub(super) async fn release(&self, order_id: OrderId) -> Result<(), Error> {
        let cause = "CANCEL_REQUESTED".to_owned();
        self.store
            .release(&order_service(), order_id, cause, now())
            .await
    }

    pub(super) async fn expire(&self, order_id: OrderId) {
        let tasks = Arc::new(ProductTasks::new(self.store.clone()));
        let run = testing::run_task(&self.database, &tasks, "expire_reservation", order_id);
        assert_eq!(run.await, TaskState::Done);
    }

    /// (on hand, reserved)
    pub(super) async fn stock(&self, product_id: ProductId) -> (i32, i32) {
        let work = async move |tx: &mut Tx| -> Result<(i32, i32), Error> {
            let row = stock::table
                .find(product_id.0)
                .select((stock::on_hand, stock::reserved));
            Ok(row.first(tx.conn()).await?)
        };
        self.database.read(work).await.unwrap()
    }

    pub(super) async fn state(&self, order_id: OrderId) -> Option<ReservationState> {
        let work = async move |tx: &mut Tx| -> Result<Option<String>, Error> {
            let row = reservation::table
                .find(order_id.0)
                .select(reservation::state);
            Ok(row.first(tx.conn()).await.optional()?)
        };
        let state = self.database.read(work).await.unwrap();
        state.map(|name| ReservationState::from_name(&name).unwrap())
    }

    /// Names of the events about an aggregate, in their order.
    pub(super) async fn events(&self, aggregate_type: &str, id: impl ToString) -> Vec<String> {
        let id = id.to_string();
        let events = testing::published(&self.database).await.into_iter();
        events
            .filter(|event| event.aggregate_type == aggregate_type && event.aggregate_id == id)
            .map(|event| event.event_type)
            .collect()
    }

    /// What must hold whatever happened: the ledger adds up to the stock, promises add up to what
    /// is reserved, and each aggregate's events count up without a gap.
    pub(super) async fn check_books(&self) {
        for (product_id, on_hand, reserved, version) in self.stocks().await {
            let (on_hand_sum, reserved_sum, rows) = self.ledger(product_id).await;
            assert_eq!(
                (on_hand_sum, reserved_sum),
                (on_hand, reserved),
                "{product_id}"
            );
            assert_eq!(
                rows, version,
                "a ledger row for each version of {product_id}"
            );
            assert_eq!(self.promised(product_id).await, reserved, "{product_id}");
        }
        let mut versions = BTreeMap::<(String, String), i64>::new();
        for event in testing::published(&self.database).await {
            let key = (event.aggregate_type.clone(), event.aggregate_id.clone());
            let version = versions.entry(key).or_default();
            *version += 1;
            assert_eq!(event.aggregate_version, *version, "{event:?}");
        }
    }

    async fn stocks(&self) -> Vec<(ProductId, i64, i64, i64)> {
        let work = async move |tx: &mut Tx| -> Result<Vec<(Uuid, i32, i32, i64)>, Error> {
            Ok(stock::table.load(tx.conn()).await?)
        };
        let rows = self.database.read(work).await.unwrap().into_iter();
        let stocks = rows.map(|(id, on_hand, reserved, version)| {
            (ProductId(id), on_hand.into(), reserved.into(), version)
        });
        stocks.collect()
    }

    async fn ledger(&self, product_id: ProductId) -> (i64, i64, i64) {
        let work = async move |tx: &mut Tx| -> Result<Vec<(i32, i32)>, Error> {
            let rows = stock_ledger::table
                .filter(stock_ledger::product_id.eq(product_id.0))
                .select((stock_ledger::on_hand_delta, stock_ledger::reserved_delta));
            Ok(rows.load(tx.conn()).await?)
        };
        let rows = self.database.read(work).await.unwrap().into_iter();
        rows.fold((0, 0, 0), |sum, (on_hand, reserved)| {
            (
                sum.0 + i64::from(on_hand),
                sum.1 + i64::from(reserved),
                sum.2 + 1,
            )
        })
    }

    async fn promised(&self, product_id: ProductId) -> i64 {
        let work = async move |tx: &mut Tx| -> Result<Vec<i32>, Error> {
            let rows = reservation_line::table
                .inner_join(reservation::table)
                .filter(reservation_line::product_id.eq(product_id.0))
                .filter(reservation::state.eq_any(["HELD", "CONFIRMED"]))
                .select(reservation_line::quantity);
            Ok(rows.load(tx.conn()).await?)
        };
        let rows = self.database.read(work).await.unwrap().into_iter();
        rows.map(i64::from).sum()
    }
}

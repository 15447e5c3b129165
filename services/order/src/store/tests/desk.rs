//! An order desk of its own for each test: a database, neighbours, and what tests ask of them.

use std::sync::Arc;

use chrono::TimeDelta;
use shop_chassis::bus::Event;
use shop_chassis::idempotency::Key;
use shop_chassis::tasks::TaskState;
use shop_chassis::testing::{self, Delivered, TestDatabase};
use shop_chassis::{Database, Failure};
use shop_proto::payment::v1::{PaymentFailedEvent, PaymentProcessedEvent, Phase};
use shop_proto::product::v1::{StockRejectedEvent, StockReservedEvent};
use uuid::Uuid;

use crate::domain::{CustomerId, Order, OrderId, Scope, Transition};
use crate::events::OrderEvents;
use crate::inventory_client::InventoryClient;
use crate::payment_client::PaymentClient;
use crate::saga::{Reason, State, Status};
use crate::store::{Placement, Store};
use crate::tasks::OrderTasks;
use crate::tests::neighbours::Neighbours;
use crate::tests::shop;
use crate::{MIGRATIONS, now};

pub(super) struct Desk {
    pub(super) store: Store,
    pub(super) neighbours: Neighbours,
    pub(super) database: Database,
    tasks: Arc<OrderTasks>,
    // Dropped last: it takes the database away.
    _server: TestDatabase,
}

impl Desk {
    pub(super) async fn open() -> Self {
        let server = TestDatabase::create(MIGRATIONS).await;
        let database = server.database();
        let neighbours = Neighbours::start(vec![]).await;
        let store = Store::new(database.clone());
        let tasks = OrderTasks::new(
            store.clone(),
            InventoryClient::new(neighbours.channel("product")),
            PaymentClient::new(neighbours.channel("payment")),
        );
        Self {
            store,
            neighbours,
            database,
            tasks: Arc::new(tasks),
            _server: server,
        }
    }

    /// A new order of customer `c1`.
    pub(super) async fn place(&self) -> OrderId {
        let order = shop::order("c1");
        let id = order.id;
        let caller = testing::customer("c1");
        let wish = shop::wish();
        let claim = Key::required(&caller, &id.to_string())
            .unwrap()
            .claim("place", &wish);
        let deadline = order.create_time + TimeDelta::seconds(30);
        let new = Placement {
            order,
            wish,
            deadline,
        };
        self.store.place(&caller, new, claim).await.unwrap();
        id
    }

    /// An order whose confirmation was answered: its capture is due.
    pub(super) async fn place_and_confirm(&self) -> OrderId {
        let id = self.place().await;
        self.tell(&stock_reserved(id)).await;
        self.tell(&payment_authorized(id)).await;
        assert_eq!(self.run("confirm_reservation", id).await, TaskState::Done);
        assert_eq!(self.status(id).await, Status::Confirmed);
        id
    }

    pub(super) async fn place_and_pay(&self) -> OrderId {
        let id = self.place_and_confirm().await;
        assert_eq!(self.run("capture_payment", id).await, TaskState::Done);
        assert_eq!(self.status(id).await, Status::Paid);
        id
    }

    /// Delivers an event that is new and has an effect.
    pub(super) async fn tell(&self, event: &Event) {
        assert_eq!(self.deliver(event).await.unwrap(), Delivered::Applied);
    }

    pub(super) async fn deliver(&self, event: &Event) -> Result<Delivered, Failure> {
        testing::deliver(&self.database, &Arc::new(OrderEvents), event).await
    }

    /// Runs one attempt of an order's task.
    pub(super) async fn run(&self, kind: &str, id: OrderId) -> TaskState {
        testing::run_task(&self.database, &self.tasks, kind, id).await
    }

    /// Begins an attempt that the neighbours do not answer yet.
    pub(super) fn begin(
        &self,
        kind: &'static str,
        id: OrderId,
    ) -> tokio::task::JoinHandle<TaskState> {
        let (database, tasks) = (self.database.clone(), Arc::clone(&self.tasks));
        tokio::spawn(async move { testing::run_task(&database, &tasks, kind, id).await })
    }

    pub(super) async fn cancel(&self, id: OrderId) -> Order {
        let scope = Scope::Own(CustomerId("c1".to_owned()));
        let caller = testing::customer("c1");
        self.store.cancel(&caller, scope, id, now()).await.unwrap()
    }

    pub(super) async fn order(&self, id: OrderId) -> Order {
        self.store.find(Scope::Any, id).await.unwrap()
    }

    pub(super) async fn state(&self, id: OrderId) -> State {
        self.store.state(id).await.unwrap()
    }

    pub(super) async fn status(&self, id: OrderId) -> Status {
        self.state(id).await.status()
    }

    pub(super) async fn history(&self, id: OrderId) -> Vec<Transition> {
        self.store.history(Scope::Any, id).await.unwrap()
    }

    /// The states of an order in the order in which it had them.
    pub(super) async fn path(&self, id: OrderId) -> Vec<Status> {
        self.history(id)
            .await
            .iter()
            .map(|transition| transition.to)
            .collect()
    }

    /// The kinds of an order's tasks, with their states.
    pub(super) async fn tasks(&self, id: OrderId) -> Vec<(String, TaskState)> {
        let id = id.to_string();
        let tasks = testing::tasks(&self.database).await;
        let own = tasks.into_iter().filter(|(_, subject, _)| *subject == id);
        own.map(|(kind, _, state)| (kind, state)).collect()
    }

    /// What was published about an order.
    pub(super) async fn events(&self, id: OrderId) -> Vec<Event> {
        let id = id.to_string();
        let events = testing::published(&self.database).await;
        events
            .into_iter()
            .filter(|event| event.aggregate_id == id)
            .collect()
    }

    /// Asserts that the order is undone for `reason`, and that history and events agree with it.
    pub(super) async fn check_cancelled(&self, id: OrderId, reason: Reason) {
        assert_eq!(self.state(id).await, State::Cancelled { reason });
        self.check(id).await;
    }

    /// History, events and versions of an order tell one story, and it ends where the order is.
    pub(super) async fn check(&self, id: OrderId) {
        let order = self.order(id).await;
        let history = self.history(id).await;
        assert_eq!(shop::fold(&history), Some(order.state.status()));

        let events = self.events(id).await;
        let versions: Vec<i64> = events.iter().map(|event| event.aggregate_version).collect();
        assert_eq!(versions, (1..=order.version).collect::<Vec<i64>>());
        let moves = history
            .iter()
            .map(|transition| (transition.event_id, name(transition.to)));
        let told = events
            .iter()
            .map(|event| (event.event_id, event.event_type.as_str()));
        assert_eq!(moves.collect::<Vec<_>>(), told.collect::<Vec<_>>());
    }
}

/// The event that tells of a move to `status`.
fn name(status: Status) -> &'static str {
    match status {
        Status::Pending => "OrderCreatedEvent",
        Status::Confirmed | Status::Paid | Status::Cancelling => "OrderStatusUpdatedEvent",
        Status::Cancelled => "OrderCancelledEvent",
    }
}

pub(super) fn stock_reserved(id: OrderId) -> Event {
    let payload = StockReservedEvent {
        order_id: id.to_string(),
        ..StockReservedEvent::default()
    };
    testing::event("StockReservedEvent", "reservation", id, 1, &payload)
}

pub(super) fn stock_rejected(id: OrderId) -> Event {
    let payload = StockRejectedEvent {
        order_id: id.to_string(),
        ..StockRejectedEvent::default()
    };
    testing::event("StockRejectedEvent", "reservation", id, 1, &payload)
}

pub(super) fn payment_authorized(id: OrderId) -> Event {
    let payload = PaymentProcessedEvent {
        order_id: id.to_string(),
        phase: Phase::Authorized.into(),
        ..PaymentProcessedEvent::default()
    };
    testing::event(
        "PaymentProcessedEvent",
        "payment",
        Uuid::now_v7(),
        1,
        &payload,
    )
}

pub(super) fn payment_failed(id: OrderId) -> Event {
    let payload = PaymentFailedEvent {
        order_id: id.to_string(),
        phase: Phase::Authorized.into(),
        code: "card_declined".to_owned(),
        ..PaymentFailedEvent::default()
    };
    testing::event("PaymentFailedEvent", "payment", Uuid::now_v7(), 1, &payload)
}

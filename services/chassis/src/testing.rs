//! Support for tests against the real PostgreSQL and Kafka of a running instance: a database of
//! its own per test, callers, events delivered and tasks run as the chassis does it. A missing
//! instance fails; nothing is skipped.

mod database;

use std::sync::Arc;

use chrono::{SubsecRound, Utc};
use mesh_identity::SpiffeId;
use serde::Serialize;
use uuid::Uuid;

use crate::bus::{Event, Handler, Headers};
use crate::caller::{Actor, Caller, EndUser, Role};
use crate::db::{Database, Tx};
use crate::error::Failure;
use crate::inbox::{Inbox, Record};
use crate::outbox;
use crate::tasks::{self, TaskHandler, TaskState, Worker};

pub use crate::inbox::Delivered;
pub use database::TestDatabase;
#[cfg(test)]
pub(crate) use database::kafka_admin;

/// Tests deliver as this group.
const GROUP: &str = "ecommerce-group.test";

/// A customer that calls through the gateway.
pub fn customer(subject: &str) -> Caller {
    user(subject, &[Role::Customer])
}

/// An end user with these roles that calls through the gateway.
pub fn user(subject: &str, roles: &[Role]) -> Caller {
    let user = EndUser {
        subject: subject.to_owned(),
        roles: roles.to_vec(),
        scopes: Vec::new(),
    };
    Caller::of_user(id("gateway"), user)
}

/// A service that works by itself.
pub fn background(service: &str) -> Caller {
    Caller::background(id(service), None)
}

/// An event as `producer` would publish it.
pub fn event(
    event_type: &str,
    aggregate_type: &str,
    aggregate_id: impl ToString,
    aggregate_version: i64,
    payload: &impl Serialize,
) -> Event {
    Event {
        event_id: Uuid::now_v7(),
        // What PostgreSQL stores, so that a test can compare it.
        occurred_on: Utc::now().trunc_subsecs(6),
        event_type: event_type.to_owned(),
        aggregate_id: aggregate_id.to_string(),
        version: 1,
        data: serde_json::to_value(payload).expect("a test's payload is JSON"),
        aggregate_type: aggregate_type.to_owned(),
        aggregate_version,
        correlation_id: Uuid::now_v7(),
        causation_id: None,
        producer: "test".to_owned(),
        actor: Actor {
            principal: id("gateway").to_string(),
            subject: Some("c1".to_owned()),
        },
    }
}

/// Delivers `event` as the consumer does: inbox, versions and handler in one transaction. The
/// topic is that of the aggregate's type.
pub async fn deliver<H: Handler>(
    database: &Database,
    handler: &Arc<H>,
    event: &Event,
) -> Result<Delivered, Failure> {
    let inbox = Inbox::new(database.clone(), GROUP, id("test"));
    let record = Record {
        topic: format!("{}-events", event.aggregate_type),
        key: event.aggregate_id.clone(),
        value: serde_json::to_vec(event).expect("an event is JSON"),
        headers: Headers {
            event_type: event.event_type.clone(),
            ..Headers::default()
        },
    };
    inbox
        .receive(handler, &Arc::new(record), &Arc::new(event.clone()), None)
        .await
}

/// The events of the outbox in order, published or not.
pub async fn published(database: &Database) -> Vec<Event> {
    let rows = database
        .read(async move |tx: &mut Tx| outbox::all(tx).await)
        .await;
    let rows = rows.expect("the outbox can be read");
    rows.iter().map(|row| outbox::event(row, "test")).collect()
}

/// Kind, subject and state of all tasks in the order in which they were written.
pub async fn tasks(database: &Database) -> Vec<(String, String, TaskState)> {
    let rows = database
        .read(async move |tx: &mut Tx| tasks::all(tx).await)
        .await;
    rows.expect("tasks can be read")
}

/// Leases the task of that kind and subject, whatever its time, and runs one attempt as the worker
/// does. Returns the state that it is in then.
pub async fn run_task<H: TaskHandler>(
    database: &Database,
    handler: &Arc<H>,
    kind: &str,
    subject_id: impl ToString,
) -> TaskState {
    let worker = Worker::new(database.clone(), Arc::clone(handler), id("test"));
    worker
        .run_one(kind, &subject_id.to_string())
        .await
        .expect("the task is there and can be leased")
}

/// Gives every span of this process W3C ids, as in a service.
#[cfg(test)]
pub(crate) fn traced() {
    static TELEMETRY: std::sync::LazyLock<mesh_telemetry::Telemetry> =
        std::sync::LazyLock::new(|| {
            let (service, filter) = ("test".to_owned(), "off".to_owned());
            let settings = mesh_telemetry::Settings {
                service,
                filter,
                otlp_endpoint: None,
            };
            mesh_telemetry::init(settings).expect("it is started here alone")
        });
    std::sync::LazyLock::force(&TELEMETRY);
}

fn id(service: &str) -> SpiffeId {
    format!("spiffe://cluster.local/ns/shop/sa/{service}")
        .parse()
        .expect("a test's id is valid")
}

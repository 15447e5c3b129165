//! Events out: written as rows in the transaction that makes them true, published by one relay per
//! service. A row stays after it was published, for fourteen days.

mod plan;
mod relay;

use chrono::{DateTime, Utc};
use diesel::sql_types::{BigInt, Integer, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use mesh_telemetry::propagation::TraceContext;
use uuid::Uuid;

use crate::caller::Caller;
use crate::db::Tx;
use crate::error::Error;

pub(crate) use relay::Relay;
#[cfg(test)]
pub(crate) use relay::Row;
#[cfg(any(test, feature = "testing"))]
pub(crate) use relay::{all, event};

/// A fact that is about to become true.
#[derive(Clone, Debug)]
pub struct OutboxEvent {
    /// Where it goes, for example `order-events`.
    pub topic: &'static str,
    /// The kind of thing it is about, for example `order`.
    pub aggregate_type: &'static str,
    /// What it is about; the ordering key.
    pub aggregate_id: String,
    /// One more than that of the aggregate's event before; the aggregate's row is locked.
    pub aggregate_version: i64,
    /// Its name, for example `OrderCreatedEvent`.
    pub event_type: &'static str,
    /// Schema version of `event_type`.
    pub schema_version: u32,
    /// Canonical proto3 JSON of the payload message.
    pub data: serde_json::Value,
    /// When it happened.
    pub occurred_on: DateTime<Utc>,
}

/// The insert; `seq` orders what one aggregate publishes, because its row is locked before.
const INSERT: &str = "insert into outbox \
    (event_id, topic, aggregate_type, aggregate_id, aggregate_version, event_type, \
     schema_version, data, correlation_id, causation_id, actor_principal, actor_subject, \
     traceparent, tracestate, occurred_on) \
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";

impl Tx {
    /// Publishes `event` if this transaction commits. Returns the event's id.
    pub async fn publish(&mut self, caller: &Caller, event: OutboxEvent) -> Result<Uuid, Error> {
        let id = Uuid::now_v7();
        let actor = caller.actor();
        let trace = TraceContext::of(&tracing::Span::current());
        let (parent, state) = trace
            .map(|trace| (trace.traceparent, trace.tracestate))
            .unzip();
        let version = i32::try_from(event.schema_version).unwrap_or(i32::MAX);
        let origin = self.origin;
        diesel::sql_query(INSERT)
            .bind::<SqlUuid, _>(id)
            .bind::<Text, _>(event.topic)
            .bind::<Text, _>(event.aggregate_type)
            .bind::<Text, _>(event.aggregate_id)
            .bind::<BigInt, _>(event.aggregate_version)
            .bind::<Text, _>(event.event_type)
            .bind::<Integer, _>(version)
            .bind::<Jsonb, _>(event.data)
            .bind::<SqlUuid, _>(origin.correlation_id.unwrap_or(id))
            .bind::<Nullable<SqlUuid>, _>(origin.causation_id)
            .bind::<Text, _>(actor.principal)
            .bind::<Nullable<Text>, _>(actor.subject)
            .bind::<Nullable<Text>, _>(parent)
            .bind::<Nullable<Text>, _>(state)
            .bind::<Timestamptz, _>(event.occurred_on)
            .execute(self.conn())
            .await?;
        // The events after the first of one transaction belong to the same story.
        self.origin.correlation_id.get_or_insert(id);
        self.published = true;
        Ok(id)
    }
}

//! Events out: written as rows in the transaction that makes them true, published by one relay per
//! service. A row stays after it was published, for fourteen days.

mod handoff;
mod plan;
mod relay;

use chrono::{DateTime, SubsecRound, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use mesh_telemetry::propagation::TraceContext;
use uuid::Uuid;

use crate::caller::Caller;
use crate::db::Tx;
use crate::error::Error;
use crate::statement::statement;

pub(crate) use handoff::Handoff;
#[cfg(test)]
pub(crate) use relay::Held;
pub(crate) use relay::{Relay, Row};
#[cfg(any(test, feature = "testing"))]
pub(crate) use relay::{all, event};

/// The most that the payload of an event may take. The broker refuses records above 1 MB, envelope
/// and headers included, and a row that it refuses would block all those behind it.
const DATA_MAX: usize = 900_000;
/// Digits of a second that PostgreSQL keeps.
const TIME_DIGITS: u16 = 6;

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

#[derive(QueryableByName)]
struct Seq {
    #[diesel(sql_type = BigInt)]
    seq: i64,
}

/// The insert; `seq` orders what one aggregate publishes, because its row is locked before.
const INSERT: &str = "insert into outbox \
    (event_id, topic, aggregate_type, aggregate_id, aggregate_version, event_type, \
     schema_version, data, correlation_id, causation_id, actor_principal, actor_subject, \
     traceparent, tracestate, occurred_on) \
    values ($1, $2, $3, $4, $5, $6, $7, $8::jsonb, $9, $10, $11, $12, $13, $14, $15) \
    returning seq";

impl Tx {
    /// Publishes `event` if this transaction commits. Returns the event's id.
    pub async fn publish(&mut self, caller: &Caller, event: OutboxEvent) -> Result<Uuid, Error> {
        let data = serde_json::to_string(&event.data).map_err(Error::Json)?;
        if data.len() > DATA_MAX {
            return Err(Error::EventTooLarge {
                event_type: event.event_type,
                bytes: data.len(),
            });
        }
        let mut row = row_of(self, caller, event);
        let written: Seq = statement(INSERT)
            .bind::<SqlUuid, _>(row.event_id)
            .bind::<Text, _>(&row.topic)
            .bind::<Text, _>(&row.aggregate_type)
            .bind::<Text, _>(&row.aggregate_id)
            .bind::<BigInt, _>(row.aggregate_version)
            .bind::<Text, _>(&row.event_type)
            .bind::<Integer, _>(row.schema_version)
            .bind::<Text, _>(data)
            .bind::<SqlUuid, _>(row.correlation_id)
            .bind::<Nullable<SqlUuid>, _>(row.causation_id)
            .bind::<Text, _>(&row.actor_principal)
            .bind::<Nullable<Text>, _>(&row.actor_subject)
            .bind::<Nullable<Text>, _>(&row.traceparent)
            .bind::<Nullable<Text>, _>(&row.tracestate)
            .bind::<Timestamptz, _>(row.occurred_on)
            .get_result(self.conn())
            .await?;
        // The events after the first of one transaction belong to the same story.
        self.origin.correlation_id.get_or_insert(row.correlation_id);
        let id = row.event_id;
        if self.wake.relay.is_open() {
            row.seq = written.seq;
            self.after.events.push(row);
        }
        Ok(id)
    }
}

/// The row of an event that is not written yet.
fn row_of(tx: &Tx, caller: &Caller, event: OutboxEvent) -> Row {
    let id = Uuid::now_v7();
    let actor = caller.actor();
    let trace = TraceContext::of(&tracing::Span::current());
    let (traceparent, tracestate) = trace
        .map(|trace| (trace.traceparent, trace.tracestate))
        .unzip();
    Row {
        seq: 0,
        event_id: id,
        topic: event.topic.to_owned(),
        aggregate_type: event.aggregate_type.to_owned(),
        aggregate_id: event.aggregate_id,
        aggregate_version: event.aggregate_version,
        event_type: event.event_type.to_owned(),
        schema_version: i32::try_from(event.schema_version).unwrap_or(i32::MAX),
        data: event.data,
        correlation_id: tx.origin.correlation_id.unwrap_or(id),
        causation_id: tx.origin.causation_id,
        actor_principal: actor.principal,
        actor_subject: actor.subject,
        traceparent,
        tracestate,
        // As the column keeps it: sent again from there, the event is the same.
        occurred_on: event.occurred_on.trunc_subsecs(TIME_DIGITS),
    }
}

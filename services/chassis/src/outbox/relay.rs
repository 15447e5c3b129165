//! The relay: the one owner of a service's outbox sends its rows to the broker in order, and marks
//! what has arrived. A crash between the two sends rows again; their consumers drop them.

mod store;

use std::sync::Arc;
use std::time::Duration;

use mesh_telemetry::propagation::TraceContext;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};
use uuid::Uuid;

use super::plan::{self, FRESH, LEASE, Sent};
use crate::bus::kafka::{Client, Producer};
use crate::bus::{Event, Headers};
use crate::caller::Actor;
use crate::db::Database;
use crate::error::{Chain, Error};
use crate::metrics;

pub(crate) use store::Row;
#[cfg(any(test, feature = "testing"))]
pub(crate) use store::all;

/// The poll is the truth, the wake-up after a commit a hint.
const POLL: Duration = Duration::from_millis(100);
/// Rows of one batch: a fraction of the producer's queue.
const BATCH: i64 = 500;
/// The pause after the database or the broker did not answer, and of one who is not the owner.
const PAUSE: Duration = Duration::from_secs(1);
/// How often the backlog is counted.
const GAUGE_EVERY: Duration = Duration::from_secs(5);
/// How often old rows are removed.
const SWEEP_EVERY: Duration = Duration::from_secs(600);
/// What is left in the outbox at the end may take this long; the rest waits for the next start.
const LAST_BATCHES: Duration = Duration::from_secs(3);

/// The relay of one service.
pub(crate) struct Relay {
    database: Database,
    client: Client,
    producer_name: String,
    owner: Uuid,
}

/// What the loop holds on to.
struct State {
    held: Option<Held>,
    producer: Option<Producer>,
    gauged: Option<Instant>,
    swept: Option<Instant>,
}

/// The right to publish.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub(crate) epoch: i64,
    /// Taken before the renewal was asked for: the database's clock starts later.
    since: Instant,
}

// === impl Relay ===

impl Relay {
    pub(crate) fn new(database: Database, client: Client, producer_name: &str) -> Self {
        let producer_name = producer_name.to_owned();
        Self {
            database,
            client,
            producer_name,
            owner: Uuid::now_v7(),
        }
    }

    /// Publishes until `shutdown`, then what is left, and gives the outbox up.
    pub(crate) async fn run(&self, shutdown: CancellationToken) {
        let mut state = State {
            held: None,
            producer: None,
            gauged: None,
            swept: None,
        };
        while !shutdown.is_cancelled() {
            let pause = match self.turn(&mut state).await {
                Ok(true) => continue,
                Ok(false) if state.held.is_some() => POLL,
                Ok(false) => PAUSE,
                Err(error) => {
                    tracing::warn!(error = %Chain(&error), "events wait in the outbox");
                    PAUSE
                }
            };
            tokio::select! {
                () = self.database.wake().relay.notified(), if pause == POLL => {}
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        let rest = async { while matches!(self.turn(&mut state).await, Ok(true)) {} };
        if tokio::time::timeout(LAST_BATCHES, rest).await.is_err() {
            tracing::warn!("events stay in the outbox until the next start");
        }
        if let Some(held) = state.held
            && let Err(error) = self.give_up(held).await
        {
            tracing::debug!(error = %Chain(&error), "the outbox is free when the lease is over");
        }
    }

    /// One batch. False: there is nothing to do, or another process does it.
    async fn turn(&self, state: &mut State) -> Result<bool, Error> {
        let fresh = |held: &Held| held.since.elapsed() < LEASE / 4;
        if !state.held.as_ref().is_some_and(fresh) {
            state.held = self.renew().await?;
        }
        let Some(mut held) = state.held else {
            return Ok(false);
        };
        self.keep_house(state).await?;
        let rows = self.batch().await?;
        if rows.is_empty() {
            return Ok(false);
        }
        if held.since.elapsed() >= FRESH {
            state.held = self.renew().await?;
            let Some(renewed) = state.held else {
                return Ok(false);
            };
            held = renewed;
        }
        let producer = match state.producer.take() {
            Some(producer) => producer,
            None => self.client.producer(plan::MESSAGE_TIMEOUT)?,
        };
        let (delivered, error) = self.send(&producer, &rows).await;
        let sent = sent(&rows, &delivered);
        let published = plan::published(&sent);
        self.mark(held, published).await?;
        match error {
            // What the producer still holds could arrive after its successor's records.
            Some(error) => Err(error),
            None => {
                state.producer = Some(producer);
                Ok(true)
            }
        }
    }

    /// Takes the outbox, or keeps it.
    pub(crate) async fn renew(&self) -> Result<Option<Held>, Error> {
        let since = Instant::now();
        let owner = self.owner;
        let epoch = self
            .database
            .transaction(async move |tx| store::renew(tx, owner, LEASE).await)
            .await?;
        Ok(epoch.map(|epoch| Held { epoch, since }))
    }

    /// The next rows in order.
    pub(crate) async fn batch(&self) -> Result<Vec<Row>, Error> {
        self.database
            .read(async move |tx| store::unpublished(tx, BATCH).await)
            .await
    }

    /// Sends all rows, then waits for the answers: which were delivered, and the first error.
    pub(crate) async fn send(
        &self,
        producer: &Producer,
        rows: &[Row],
    ) -> (Vec<bool>, Option<Error>) {
        let mut answers = Vec::with_capacity(rows.len());
        let mut first_error = None;
        for row in rows {
            if first_error.is_some() {
                break;
            }
            let span = publish_span(row);
            match self.fire(producer, row, &span) {
                Ok(answer) => answers.push(answer.instrument(span)),
                Err(error) => first_error = Some(error),
            }
        }
        let mut delivered = vec![false; rows.len()];
        for ((answer, row), delivered) in answers.into_iter().zip(rows).zip(&mut delivered) {
            match answer.await {
                Ok(()) => {
                    *delivered = true;
                    metrics::published(&row.topic);
                }
                Err(error) => {
                    first_error.get_or_insert(error);
                }
            }
        }
        (delivered, first_error)
    }

    /// Marks rows as published, if this relay still owns the outbox.
    pub(crate) async fn mark(&self, held: Held, published: Vec<i64>) -> Result<(), Error> {
        if published.is_empty() {
            return Ok(());
        }
        let owner = self.owner;
        let published = Arc::new(published);
        self.database
            .transaction(async move |tx| store::mark(tx, &published, owner, held.epoch).await)
            .await
    }

    fn fire(
        &self,
        producer: &Producer,
        row: &Row,
        span: &Span,
    ) -> Result<impl Future<Output = Result<(), Error>> + use<>, Error> {
        let event = event(row, &self.producer_name);
        let value = serde_json::to_vec(&event).map_err(Error::Json)?;
        let trace = TraceContext::of(span).unwrap_or_default();
        let headers = Headers {
            traceparent: trace.traceparent,
            tracestate: trace.tracestate,
            event_type: event.event_type,
        };
        producer.send(&row.topic, &row.aggregate_id, &value, &headers, &[])
    }

    async fn keep_house(&self, state: &mut State) -> Result<(), Error> {
        if state.gauged.is_none_or(|at| at.elapsed() >= GAUGE_EVERY) {
            state.gauged = Some(Instant::now());
            let backlog = self
                .database
                .read(async move |tx| store::backlog(tx).await)
                .await?;
            metrics::outbox_waits(backlog.events, backlog.oldest_seconds);
        }
        if state.swept.is_none_or(|at| at.elapsed() >= SWEEP_EVERY) {
            state.swept = Some(Instant::now());
            self.database
                .transaction(async move |tx| store::sweep(tx).await)
                .await?;
        }
        Ok(())
    }

    async fn give_up(&self, held: Held) -> Result<(), Error> {
        let owner = self.owner;
        self.database
            .transaction(async move |tx| store::give_up(tx, owner, held.epoch).await)
            .await
    }
}

fn sent<'r>(rows: &'r [Row], delivered: &[bool]) -> Vec<Sent<'r>> {
    let of = |(row, delivered): (&'r Row, &bool)| Sent {
        seq: row.seq,
        topic: &row.topic,
        key: &row.aggregate_id,
        delivered: *delivered,
    };
    rows.iter().zip(delivered).map(of).collect()
}

fn publish_span(row: &Row) -> Span {
    let span = tracing::info_span!(
        "kafka.publish", topic = %row.topic, event.kind = %row.event_type, event.id = %row.event_id,
        event.key = %row.aggregate_id
    );
    if let Some(traceparent) = row.traceparent.clone() {
        let tracestate = row.tracestate.clone().unwrap_or_default();
        TraceContext {
            traceparent,
            tracestate,
        }
        .make_parent_of(&span);
    }
    span
}

/// The envelope of a row.
pub(crate) fn event(row: &Row, producer: &str) -> Event {
    Event {
        event_id: row.event_id,
        occurred_on: row.occurred_on,
        event_type: row.event_type.clone(),
        aggregate_id: row.aggregate_id.clone(),
        version: u32::try_from(row.schema_version).unwrap_or_default(),
        data: row.data.clone(),
        aggregate_type: row.aggregate_type.clone(),
        aggregate_version: row.aggregate_version,
        correlation_id: row.correlation_id,
        causation_id: row.causation_id,
        producer: producer.to_owned(),
        actor: Actor {
            principal: row.actor_principal.clone(),
            subject: row.actor_subject.clone(),
        },
    }
}

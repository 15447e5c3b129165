//! The relay: the one owner of a service's outbox sends its rows to the broker in order, and marks
//! what has arrived. A crash between the two sends rows again; their consumers drop them.
//!
//! What this process commits is handed to its relay and leaves at once; marks are written with the
//! next look at the table, many at a time.

mod flight;
mod store;

use std::collections::HashSet;
use std::time::Duration;

use mesh_telemetry::propagation::TraceContext;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};
use uuid::Uuid;

use super::plan::{self, FRESH, LEASE};
use crate::bus::kafka::{Client, Producer};
use crate::bus::{Event, Headers};
use crate::caller::Actor;
use crate::db::{Database, Tx};
use crate::error::{Chain, Error};
use crate::metrics;
use crate::vital::vital;

use flight::{Flights, Handed};
pub(crate) use store::Row;
#[cfg(any(test, feature = "testing"))]
pub(crate) use store::all;

/// Between two looks at the table. Each renews the lease, so this with the time of a look must stay
/// below [`FRESH`], or what is handed over waits for a renewal.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The same while other processes of the service write: only a look finds what they publish.
const LOOK_SOON: Duration = Duration::from_millis(50);
/// For how long others are expected to write more after they did.
const OTHERS_WRITE: Duration = Duration::from_secs(10);
/// Rows of one look: a fraction of the producer's queue.
const BATCH: usize = 500;
/// Rows under way at once; more of them wait in the table.
const UNDER_WAY_MAX: usize = 4 * BATCH;
/// The pause after the database or the broker did not answer, and of one who is not the owner.
const PAUSE: Duration = Duration::from_secs(1);
/// How often the backlog is counted while there is one.
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
    flights: Flights,
    under_way: JoinSet<Landed>,
    /// What the producer or the broker refused; nothing more is sent until it is seen to.
    failed: Option<Error>,
    look_at: Instant,
    /// What the last look has read and nobody in this process has handed over since.
    strange: HashSet<i64>,
    others_wrote: Option<Instant>,
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

/// The broker's answers to rows that were sent together.
struct Landed {
    rows: Vec<(i64, bool)>,
    error: Option<Error>,
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
        let _vital = vital("relay");
        let mut handed = self.database.wake().relay.open();
        let mut state = State::new();
        while !shutdown.is_cancelled() {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                Some(landed) = state.under_way.join_next() => state.land(landed.ok()),
                () = tokio::time::sleep_until(state.look_at) => self.look_or_wait(&mut state).await,
                Some(rows) = handed.recv() => self.take(&mut state, rows, &mut handed),
            }
            if state.failed.is_some() {
                self.start_over(&mut state).await;
            }
        }
        if tokio::time::timeout(LAST_BATCHES, self.finish(&mut state))
            .await
            .is_err()
        {
            tracing::warn!("events stay in the outbox until the next start");
        }
        if let Some(held) = state.held
            && let Err(error) = self.give_up(held).await
        {
            tracing::debug!(error = %Chain(&error), "the outbox is free when the lease is over");
        }
    }

    /// Sends what was committed just now, with all that came meanwhile, unless the table must be
    /// asked first.
    fn take(&self, state: &mut State, mut rows: Vec<Row>, more: &mut mpsc::Receiver<Vec<Row>>) {
        while rows.len() < BATCH
            && let Ok(next) = more.try_recv()
        {
            rows.extend(next);
        }
        for row in &rows {
            state.strange.remove(&row.seq);
        }
        let Some(held) = state.held else {
            // The owner finds them.
            return;
        };
        if held.since.elapsed() >= FRESH || state.flights.len() >= UNDER_WAY_MAX {
            state.look_at = Instant::now();
            return;
        }
        match state.flights.admit(rows) {
            Handed::Send(rows) => self.depart(state, &rows),
            Handed::Look => state.look_at = Instant::now(),
        }
    }

    async fn look_or_wait(&self, state: &mut State) {
        state.look_at = match self.turn(state).await {
            Ok(_) if state.held.is_none() => Instant::now() + PAUSE,
            Ok(_) => Instant::now() + state.pause(),
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "events wait in the outbox");
                Instant::now() + PAUSE
            }
        };
    }

    /// Keeps the lease, marks what has arrived, reads what waits, and sends it. How much it was.
    async fn turn(&self, state: &mut State) -> Result<usize, Error> {
        let published = state.flights.published();
        let room = UNDER_WAY_MAX.saturating_sub(state.flights.len() - published.len());
        let most = room.min(BATCH);
        let seen = self.look(published.clone(), state.flights.seqs(), most);
        let Some((held, rows)) = seen.await? else {
            // Whoever owns the outbox now begins from the table, and so does this one later.
            state.held = None;
            state.flights.clear();
            return Ok(0);
        };
        state.held = Some(held);
        state.flights.marked(&published);
        if !state.strange.is_empty() {
            state.others_wrote = Some(Instant::now());
        }
        state.strange = rows.iter().map(|row| row.seq).collect();
        let waits = rows.len();
        // A look that took too long is repeated: its lease is not worth a batch any more.
        if held.since.elapsed() < FRESH {
            self.depart(state, &rows);
        }
        self.keep_house(state, waits).await?;
        Ok(waits)
    }

    /// One look at the table as its owner: marks `published`, and reads what waits and is not under
    /// way. None: another process owns it, and nothing was marked.
    pub(crate) async fn look(
        &self,
        published: Vec<i64>,
        under_way: Vec<i64>,
        most: usize,
    ) -> Result<Option<(Held, Vec<Row>)>, Error> {
        let since = Instant::now();
        let owner = self.owner;
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        self.database
            .transaction(async move |tx: &mut Tx| {
                let Some(epoch) = store::renew(tx, owner, LEASE).await? else {
                    return Ok(None);
                };
                if !published.is_empty() {
                    store::mark(tx, &published).await?;
                }
                let rows = store::unpublished(tx, &under_way, most).await?;
                Ok(Some((Held { epoch, since }, rows)))
            })
            .await
    }

    /// Hands rows to the producer; the answers come in their own time.
    fn depart(&self, state: &mut State, rows: &[Row]) {
        if rows.is_empty() || state.failed.is_some() {
            return;
        }
        let mut answers = Vec::with_capacity(rows.len());
        for row in rows {
            match self.fire(&mut state.producer, row) {
                Ok(answer) => {
                    state.flights.depart(row);
                    answers.push((row.seq, row.topic.clone(), answer));
                }
                Err(error) => {
                    state.failed = Some(error);
                    break;
                }
            }
        }
        state.under_way.spawn(async move {
            let mut landed = Landed {
                rows: Vec::with_capacity(answers.len()),
                error: None,
            };
            for (seq, topic, answer) in answers {
                let delivered = match answer.await {
                    Ok(()) => {
                        metrics::published(&topic);
                        true
                    }
                    Err(error) => {
                        landed.error.get_or_insert(error);
                        false
                    }
                };
                landed.rows.push((seq, delivered));
            }
            landed
        });
    }

    pub(crate) fn fire(
        &self,
        producer: &mut Option<Producer>,
        row: &Row,
    ) -> Result<impl Future<Output = Result<(), Error>> + Send + use<>, Error> {
        let span = publish_span(row);
        let event = event(row, &self.producer_name);
        let value = serde_json::to_vec(&event).map_err(Error::Json)?;
        let trace = TraceContext::of(&span).unwrap_or_default();
        let headers = Headers {
            traceparent: trace.traceparent,
            tracestate: trace.tracestate,
            event_type: event.event_type,
        };
        let producer = match producer {
            Some(producer) => producer,
            None => producer.insert(self.client.producer(plan::MESSAGE_TIMEOUT)?),
        };
        let sent = producer.send(&row.topic, &row.aggregate_id, &value, &headers, &[])?;
        Ok(sent.instrument(span))
    }

    /// After a failure: what the producer still holds could arrive after its successor's records,
    /// so all its answers are waited for; then everything begins from the table.
    async fn start_over(&self, state: &mut State) {
        while let Some(landed) = state.under_way.join_next().await {
            state.land(landed.ok());
        }
        state.producer = None;
        if let Some(error) = state.failed.take() {
            tracing::warn!(error = %Chain(&error), "events wait in the outbox");
        }
        let published = state.flights.published();
        match self.look(published, Vec::new(), 0).await {
            Ok(seen) => state.held = seen.map(|(held, _)| held),
            // They are sent once more.
            Err(error) => tracing::debug!(error = %Chain(&error), "events stay unmarked"),
        }
        state.flights.clear();
        state.look_at = Instant::now() + PAUSE;
    }

    /// Sends and marks what is left.
    async fn finish(&self, state: &mut State) {
        loop {
            while let Some(landed) = state.under_way.join_next().await {
                state.land(landed.ok());
            }
            if state.failed.is_some() {
                self.start_over(state).await;
                return;
            }
            match self.turn(state).await {
                Ok(0) if state.flights.len() == 0 => return,
                Ok(_) => {}
                Err(error) => {
                    tracing::debug!(error = %Chain(&error), "events stay unmarked");
                    return;
                }
            }
        }
    }

    /// `waits`: how many rows the last look has found.
    async fn keep_house(&self, state: &mut State, waits: usize) -> Result<(), Error> {
        if state.gauged.is_none_or(|at| at.elapsed() >= GAUGE_EVERY) {
            state.gauged = Some(Instant::now());
            if waits == 0 && state.flights.len() == 0 {
                metrics::outbox_waits(0, 0);
            } else {
                let work = async move |tx: &mut Tx| store::backlog(tx).await;
                let backlog = self.database.read(work).await?;
                metrics::outbox_waits(backlog.events, backlog.oldest_seconds);
            }
        }
        if state.swept.is_none_or(|at| at.elapsed() >= SWEEP_EVERY) {
            state.swept = Some(Instant::now());
            self.database
                .transaction(async move |tx: &mut Tx| store::sweep(tx).await)
                .await?;
        }
        Ok(())
    }

    async fn give_up(&self, held: Held) -> Result<(), Error> {
        let owner = self.owner;
        self.database
            .transaction(async move |tx: &mut Tx| store::give_up(tx, owner, held.epoch).await)
            .await
    }
}

// === impl State ===

impl State {
    fn new() -> Self {
        Self {
            held: None,
            producer: None,
            flights: Flights::default(),
            under_way: JoinSet::new(),
            failed: None,
            look_at: Instant::now(),
            strange: HashSet::new(),
            others_wrote: None,
            gauged: None,
            swept: None,
        }
    }

    /// None: the task that waited for the answers is gone, and its rows are sent again.
    fn land(&mut self, landed: Option<Landed>) {
        let Some(landed) = landed else {
            let lost = rdkafka::error::KafkaError::Canceled;
            self.failed.get_or_insert(Error::Broker(lost));
            return;
        };
        for (seq, delivered) in landed.rows {
            self.flights.land(seq, delivered);
        }
        if let Some(error) = landed.error {
            self.failed.get_or_insert(error);
        }
    }

    fn pause(&self) -> Duration {
        match self.others_wrote {
            Some(at) if at.elapsed() < OTHERS_WRITE => LOOK_SOON,
            Some(_) | None => LOOK_EVERY,
        }
    }
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

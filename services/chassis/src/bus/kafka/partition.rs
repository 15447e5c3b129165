//! One partition's records, one after the other: decoded, applied through the inbox, tried again
//! while something is away, parked when they never can be.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

use super::{Client, Producer};
use crate::bus::{Event, Handler};
use crate::error::{Chain, Error, Failure};
use crate::inbox::{Delivered, Inbox, Record};
use crate::metrics;
use crate::tasks::Backoff;

/// While the database is away: often enough to be back at once, rarely enough to be quiet.
const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(50),
    most: Duration::from_secs(2),
};
/// The answer to a dead letter is waited for this long; then it is tried again.
const DEAD_LETTER_TIMEOUT: Duration = Duration::from_secs(10);

/// What a dead letter says of its error: with the record it must fit into one the broker takes.
const DEAD_LETTER_ERROR_MAX: usize = 2000;

/// A record with its place on the topic.
pub(super) struct Incoming {
    pub(super) record: Arc<Record>,
    pub(super) offset: i64,
}

/// The records up to `offset` are done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Done {
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) generation: u64,
    pub(super) offset: i64,
}

/// What all partitions of a consumer share.
pub(super) struct Shared<H> {
    pub(super) inbox: Inbox,
    pub(super) handler: Arc<H>,
    pub(super) dead_letters: DeadLetters,
    /// Whether gaps are timed from when this member, and the database, were last away.
    pub(super) gaps_timed: AtomicBool,
}

/// Copies of what could not be applied, for people.
pub(super) struct DeadLetters {
    client: Client,
    producer: Mutex<Option<Producer>>,
}

/// The worker of one partition.
pub(super) struct Worker<H> {
    pub(super) shared: Arc<Shared<H>>,
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) generation: u64,
    pub(super) done: mpsc::UnboundedSender<Done>,
    /// Set when the partition is lost, or the process ends.
    pub(super) stop: CancellationToken,
}

// === impl Worker ===

impl<H: Handler> Worker<H> {
    pub(super) async fn run(self, mut incoming: mpsc::Receiver<Incoming>) {
        while !self.stop.is_cancelled() {
            let next = tokio::select! {
                () = self.stop.cancelled() => None,
                next = incoming.recv() => next,
            };
            let Some(next) = next else { return };
            let span = consume_span(&next.record);
            if !self.process(&next).instrument(span).await {
                return;
            }
            let done = Done {
                topic: self.topic.clone(),
                partition: self.partition,
                generation: self.generation,
                offset: next.offset,
            };
            // Nobody listens any more only when the consumer is gone.
            let _ = self.done.send(done);
        }
    }

    /// False: it was stopped before the record was done.
    async fn process(&self, next: &Incoming) -> bool {
        let record = &next.record;
        let begun = Instant::now();
        let event: Arc<Event> = match serde_json::from_slice(&record.value) {
            Ok(event) => Arc::new(event),
            Err(error) => {
                let text = format!("record cannot be decoded: {error}");
                return self.park(record, None, next.offset, &text).await;
            }
        };
        let Some(result) = self.apply(record, &event, None).await else {
            return false;
        };
        match result {
            Ok(delivered) => {
                metrics::consumed(&record.topic, delivered, begun.elapsed());
                tracing::debug!(?delivered, event.id = %event.event_id, "event consumed");
                match delivered {
                    // A duplicate too: a crash may have come between its effect and this.
                    Delivered::Applied | Delivered::Ignored | Delivered::Duplicate => {
                        self.close_gap(Arc::clone(record), event).await
                    }
                    Delivered::Older | Delivered::Gap | Delivered::Behind => true,
                }
            }
            Err(failure) => {
                let text = Chain(&failure).to_string();
                self.park(record, Some(&event), next.offset, &text).await
            }
        }
    }

    /// Applies until it is decided; none when it was stopped before.
    async fn apply(
        &self,
        record: &Arc<Record>,
        event: &Arc<Event>,
        parked: Option<i64>,
    ) -> Option<Result<Delivered, Failure>> {
        let mut attempt = 1;
        loop {
            let inbox = &self.shared.inbox;
            match inbox
                .receive(&self.shared.handler, record, event, parked)
                .await
            {
                Err(failure) if failure.retryable() => {
                    metrics::event_retried(&record.topic);
                    let error = Chain(&failure).to_string();
                    tracing::warn!(error, attempt, event.id = %event.event_id, "event waits");
                    if !self.pause(attempt).await {
                        return None;
                    }
                    attempt += 1;
                }
                decided => return Some(decided),
            }
        }
    }

    /// Applies what waited for the version that was just applied, one after the other.
    async fn close_gap(&self, mut record: Arc<Record>, mut event: Arc<Event>) -> bool {
        loop {
            let found = match self.shared.inbox.successor(&record, &event).await {
                Ok(found) => found,
                Err(error) => {
                    tracing::warn!(error = %Chain(&error), "gap is not looked at");
                    if !self.pause(1).await {
                        return false;
                    }
                    continue;
                }
            };
            let Some(parked) = found else { return true };
            (record, event) = (Arc::new(parked.record), Arc::new(parked.event));
            let Some(result) = self.apply(&record, &event, Some(parked.id)).await else {
                return false;
            };
            match result {
                Ok(delivered) => metrics::consumed(&record.topic, delivered, Duration::ZERO),
                Err(failure) => {
                    let text = Chain(&failure).to_string();
                    // Its place on the topic is not known any more.
                    return self.park(&record, Some(&event), -1, &text).await;
                }
            }
        }
    }

    /// Copies the record to the dead letters, then parks it. The copy comes first: it may be there
    /// twice, but never be missing.
    async fn park(
        &self,
        record: &Arc<Record>,
        event: Option<&Arc<Event>>,
        offset: i64,
        error: &str,
    ) -> bool {
        let error = shortened(error);
        tracing::error!(
            error, topic = %record.topic, key = %record.key, offset, "event is parked with its key"
        );
        metrics::event_parked(&record.topic);
        let place = format!("{}/{}", self.partition, offset);
        let mut attempt = 1;
        loop {
            let inbox = &self.shared.inbox;
            let copied = self
                .shared
                .dead_letters
                .copy(record, inbox.group(), &place, error);
            let parked = match copied.await {
                Ok(()) => inbox.park_poison(record, event, error).await,
                Err(error) => Err(error),
            };
            let Err(error) = parked else { return true };
            tracing::warn!(error = %Chain(&error), attempt, "dead letter waits");
            if !self.pause(attempt).await {
                return false;
            }
            attempt += 1;
        }
    }

    async fn pause(&self, attempt: u32) -> bool {
        let pause = BACKOFF.pause(attempt, rand::random());
        tokio::select! {
            () = self.stop.cancelled() => false,
            () = tokio::time::sleep(pause) => true,
        }
    }
}

// === impl Shared ===

impl<H: Handler> Shared<H> {
    /// Makes gaps that nothing has closed dead letters. What closes a gap cannot come while nobody
    /// consumes, or nothing can be stored: that time does not count.
    pub(super) async fn expire_gaps(&self) {
        if !self.gaps_timed.load(Ordering::Relaxed) {
            let restarted = self.inbox.restart_gaps().await.is_ok();
            self.gaps_timed.store(restarted, Ordering::Relaxed);
            return;
        }
        let records = match self.inbox.expire_gaps().await {
            Ok(records) => records,
            Err(error) => {
                self.gaps_timed.store(false, Ordering::Relaxed);
                tracing::debug!(error = %Chain(&error), "gaps are looked at later");
                return;
            }
        };
        for record in records {
            let error = "the versions before it did not come";
            tracing::error!(error, topic = %record.topic, key = %record.key, "gap stays");
            metrics::event_parked(&record.topic);
            let copy = self
                .dead_letters
                .copy(&record, self.inbox.group(), "", error);
            if let Err(error) = copy.await {
                tracing::error!(error = %Chain(&error), "gap has no dead letter");
            }
        }
    }
}

// === impl DeadLetters ===

impl DeadLetters {
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            producer: Mutex::default(),
        }
    }

    /// Copies a record to `<topic>.dlt` and waits until it is there.
    pub(super) async fn copy(
        &self,
        record: &Record,
        group: &str,
        place: &str,
        error: &str,
    ) -> Result<(), Error> {
        let mut slot = self.producer.lock().await;
        let producer = match slot.take() {
            Some(producer) => producer,
            None => self.client.producer(DEAD_LETTER_TIMEOUT)?,
        };
        let topic = format!("{}.dlt", record.topic);
        let more = [
            ("dead-letter-group", group),
            ("dead-letter-topic", record.topic.as_str()),
            ("dead-letter-place", place),
            ("dead-letter-error", error),
        ];
        producer
            .send(&topic, &record.key, &record.value, &record.headers, &more)?
            .await?;
        *slot = Some(producer);
        Ok(())
    }
}

/// An error may quote all of what it complains about.
fn shortened(error: &str) -> &str {
    &error[..error.floor_char_boundary(DEAD_LETTER_ERROR_MAX)]
}

fn consume_span(record: &Record) -> Span {
    let span = tracing::info_span!(
        "kafka.consume", topic = %record.topic, event.kind = %record.headers.event_type,
        event.key = %record.key
    );
    record.headers.trace().make_parent_of(&span);
    span
}

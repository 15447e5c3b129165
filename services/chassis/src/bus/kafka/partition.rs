//! One partition's records in their order: decoded, applied through the inbox, many at a time. When
//! that fails they are applied one after the other, tried again while something is away, and parked
//! when they never can be.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

use super::dead_letters::DeadLetters;
use super::together::{TOGETHER_MAX, Together};
use crate::bus::{Event, Handler};
use crate::error::{Chain, Failure};
use crate::inbox::{Arrival, Delivered, Inbox, Record};
use crate::metrics;
use crate::tasks::Backoff;
use crate::vital::vital;

/// While the database is away: often enough to be back at once, rarely enough to be quiet.
const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(50),
    most: Duration::from_secs(2),
};

/// What a dead letter says of its error: with the record it must fit into one the broker takes.
const DEAD_LETTER_ERROR_MAX: usize = 2000;

/// What concerns nobody here is noted at the next whole multiple of this time, unless something that
/// does comes earlier: at the same moment for all partitions, so that it is one transaction.
const NOTE_EVERY: Duration = Duration::from_millis(500);

/// Where the multiples begin.
static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A record with its place on the topic.
#[derive(Debug)]
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

/// The worker of one partition.
pub(super) struct Worker<H> {
    pub(super) shared: Arc<Shared<H>>,
    pub(super) together: Together,
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
        let _vital = vital("partition");
        let mut waiting = Vec::new();
        let mut decoded = Vec::new();
        let mut note_at = Instant::now();
        loop {
            let room = TOGETHER_MAX - waiting.len();
            let came = tokio::select! {
                () = self.stop.cancelled() => return,
                came = incoming.recv_many(&mut waiting, room) => came,
                () = tokio::time::sleep_until(note_at), if !waiting.is_empty() => 0,
            };
            if came == 0 && waiting.is_empty() {
                return;
            }
            if decoded.is_empty() {
                note_at = next_note();
            }
            for next in &waiting[decoded.len()..] {
                decoded.push(arrival(&next.record));
            }
            let concerns = |arrival: &Option<Arrival>| {
                let handler = &self.shared.handler;
                arrival
                    .as_ref()
                    .is_none_or(|arrival| handler.concerns(&arrival.event))
            };
            let now = came == 0
                || waiting.len() == TOGETHER_MAX
                || decoded[waiting.len() - came..].iter().any(concerns);
            if now {
                let arrivals = std::mem::take(&mut decoded);
                if !self.settle(std::mem::take(&mut waiting), arrivals).await {
                    return;
                }
            }
        }
    }

    /// Applies these records, together or one by one. False: it was stopped before.
    async fn settle(&self, records: Vec<Incoming>, arrivals: Vec<Option<Arrival>>) -> bool {
        let begun = Instant::now();
        let arrivals: Option<Vec<Arrival>> = arrivals.into_iter().collect();
        if let Some(arrivals) = arrivals
            && let Some(delivered) = self.together.apply(arrivals).await
        {
            for (next, delivered) in records.iter().zip(delivered) {
                metrics::consumed(&next.record.topic, delivered, begun.elapsed());
            }
            if let Some(last) = records.last() {
                self.tell(last.offset);
            }
            return true;
        }
        for next in &records {
            if self.stop.is_cancelled() {
                return false;
            }
            let span = consume_span(&next.record);
            if !self.process(next).instrument(span).await {
                return false;
            }
            self.tell(next.offset);
        }
        true
    }

    fn tell(&self, offset: i64) {
        let done = Done {
            topic: self.topic.clone(),
            partition: self.partition,
            generation: self.generation,
            offset,
        };
        // Nobody listens any more only when the consumer is gone.
        let _ = self.done.send(done);
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
        // The place is unknown when the record was parked before; then there is an event.
        let place = format!("{}/{}", self.partition, offset);
        let mut attempt = 1;
        loop {
            let inbox = &self.shared.inbox;
            let copied = self
                .shared
                .dead_letters
                .copy(record, inbox.group(), &place, error);
            let parked = match copied.await {
                Ok(()) => inbox.park_poison(record, event, &place, error).await,
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
        let overdue = match self.inbox.overdue_gaps().await {
            Ok(overdue) => overdue,
            Err(error) => {
                self.gaps_timed.store(false, Ordering::Relaxed);
                tracing::debug!(error = %Chain(&error), "gaps are looked at later");
                return;
            }
        };
        for gap in overdue {
            let error = "the versions before it did not come";
            let (topic, key) = (&gap.record.topic, &gap.record.key);
            tracing::error!(error, topic, key, "gap stays");
            // The copy comes first: it may be there twice, but never be missing.
            let copied = self
                .dead_letters
                .copy(&gap.record, self.inbox.group(), "", error);
            let given_up = match copied.await {
                Ok(()) => self.inbox.give_gap_up(gap.id).await,
                Err(error) => Err(error),
            };
            match given_up {
                Ok(()) => metrics::event_parked(topic),
                Err(error) => {
                    tracing::warn!(error = %Chain(&error), topic, key, "gap is given up later");
                }
            }
        }
    }
}

/// An error may quote all of what it complains about.
fn shortened(error: &str) -> &str {
    &error[..error.floor_char_boundary(DEAD_LETTER_ERROR_MAX)]
}

/// The event of a record; none when it has none.
fn arrival(record: &Arc<Record>) -> Option<Arrival> {
    let event = serde_json::from_slice(&record.value).ok()?;
    Some(Arrival {
        record: Arc::clone(record),
        event: Arc::new(event),
        span: consume_span(record),
    })
}

/// The next multiple of [`NOTE_EVERY`].
fn next_note() -> Instant {
    let passed = BEGAN.elapsed().as_millis() / NOTE_EVERY.as_millis();
    let multiples = u32::try_from(passed + 1).unwrap_or(u32::MAX);
    *BEGAN + NOTE_EVERY * multiples
}

fn consume_span(record: &Record) -> Span {
    let span = tracing::info_span!(
        "kafka.consume", topic = %record.topic, event.kind = %record.headers.event_type,
        event.key = %record.key
    );
    record.headers.trace().make_parent_of(&span);
    span
}

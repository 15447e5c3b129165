//! The consumer of one group: takes part in it, hands each partition's records to that partition's
//! worker, and commits what is done. The committed offset is a hint; the inbox is the truth.

mod offsets;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mesh_dataplane::Condition;
use mesh_telemetry::propagation::{TRACEPARENT, TRACESTATE};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{Consumer as _, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Client;
use super::dead_letters::DeadLetters;
use super::partition::{Done, Incoming, Shared, Worker};
use super::together::{TOGETHER_MAX, Together};
use super::watch::{Report, Watch};
use crate::bus::headers::EVENT_TYPE;
use crate::bus::{Handler, Headers};
use crate::error::{Chain, Error};
use crate::inbox::{Inbox, Record, storable};
use crate::vital::vital;

/// Records that wait for a partition's worker; more of them wait at the broker.
const QUEUE: usize = 2 * TOGETHER_MAX;
/// Offsets are committed this often; a crash delivers again what came since.
const COMMIT_EVERY: Duration = Duration::from_secs(1);
/// How often gaps are looked at that nothing has closed.
const GAPS_EVERY: Duration = Duration::from_secs(5);
/// A member that holds no partition is ready after this time without an error.
const QUIET: Duration = Duration::from_secs(5);
/// The pause before a consumer that failed for good is made anew.
const PAUSE: Duration = Duration::from_secs(1);
/// What is being applied may take this long to its end when the process stops.
const FINISH: Duration = Duration::from_secs(10);
/// Leaving needs the broker; without it the session runs out by itself.
const LEAVE: Duration = Duration::from_secs(5);

/// The consumer of one service.
pub(crate) struct Consumer<H> {
    client: Client,
    topics: &'static [&'static str],
    shared: Arc<Shared<H>>,
    ready: Condition,
}

/// One membership in the group.
struct Member<H> {
    kafka: Arc<StreamConsumer<Watch>>,
    reports: mpsc::UnboundedReceiver<Report>,
    partitions: HashMap<(String, i32), Partition>,
    done: mpsc::UnboundedReceiver<Done>,
    done_sender: mpsc::UnboundedSender<Done>,
    workers: TaskTracker,
    together: Together,
    generation: u64,
    shared: Arc<Shared<H>>,
    ready: Condition,
    /// Since when there was no error; none once the group has answered.
    quiet_since: Option<Instant>,
    /// Whether anything failed since then.
    failed: bool,
    /// The refusal that was told last: it comes again with every answer of the broker.
    refused: Option<RDKafkaErrorCode>,
}

/// A partition that is ours.
struct Partition {
    queue: mpsc::Sender<Incoming>,
    /// Records that found the queue full, in order; the partition is paused until they fit.
    waiting: VecDeque<Incoming>,
    generation: u64,
    stop: CancellationToken,
}

// === impl Consumer ===

impl<H: Handler> Consumer<H> {
    pub(crate) fn new(
        client: Client,
        topics: &'static [&'static str],
        inbox: Inbox,
        handler: Arc<H>,
        ready: Condition,
    ) -> Self {
        let dead_letters = DeadLetters::new(client.clone());
        Self {
            client,
            topics,
            shared: Arc::new(Shared {
                inbox,
                handler,
                dead_letters,
                gaps_timed: AtomicBool::new(false),
            }),
            ready,
        }
    }

    /// Consumes until `shutdown`. Whatever the broker does, it comes back.
    pub(crate) async fn run(&self, shutdown: CancellationToken) {
        let _vital = vital("consumer");
        while !shutdown.is_cancelled() {
            if let Err(error) = self.membership(&shutdown).await {
                tracing::error!(error = %Chain(&error), "consumer is made anew");
                self.ready.unmet(error.to_string());
            }
            // Ends early only at shutdown.
            let _ = tokio::time::timeout(PAUSE, shutdown.cancelled()).await;
        }
    }

    async fn membership(&self, shutdown: &CancellationToken) -> Result<(), Error> {
        let mut config = self.client.config()?;
        config
            .set("group.id", self.shared.inbox.group())
            .set("group.protocol", "consumer")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            .set("fetch.min.bytes", "1")
            // After an empty answer the next question would wait for a second by default.
            .set("fetch.queue.backoff.ms", "10")
            .set("fetch.error.backoff.ms", "100");
        let (watch, reports) = Watch::reporting();
        let kafka: StreamConsumer<Watch> =
            config.create_with_context(watch).map_err(Error::Broker)?;
        kafka.subscribe(self.topics).map_err(Error::Broker)?;
        let (done_sender, done) = mpsc::unbounded_channel();
        let workers = TaskTracker::new();
        let (inbox, handler) = (self.shared.inbox.clone(), Arc::clone(&self.shared.handler));
        let (together, applying) = Together::new(inbox, handler);
        workers.spawn(applying);
        let mut member = Member {
            kafka: Arc::new(kafka),
            reports,
            partitions: HashMap::new(),
            done,
            done_sender,
            workers,
            together,
            generation: 0,
            shared: Arc::clone(&self.shared),
            ready: self.ready.clone(),
            quiet_since: Some(Instant::now()),
            failed: false,
            refused: None,
        };
        self.shared.gaps_timed.store(false, Ordering::Relaxed);
        let result = member.consume(shutdown).await;
        member.leave().await;
        result
    }
}

// === impl Member ===

impl<H: Handler> Member<H> {
    async fn consume(&mut self, shutdown: &CancellationToken) -> Result<(), Error> {
        let mut commit = interval(COMMIT_EVERY);
        let mut gaps = interval(GAPS_EVERY);
        commit.set_missed_tick_behavior(MissedTickBehavior::Delay);
        gaps.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let kafka = Arc::clone(&self.kafka);
        loop {
            tokio::select! {
                // Losses before records: a record must not reach the worker of a lost partition.
                biased;
                () = shutdown.cancelled() => return Ok(()),
                Some(report) = self.reports.recv() => self.heed(report),
                Some(done) = self.done.recv() => self.settle(&done),
                _ = commit.tick() => {
                    self.commit();
                    self.look_whether_quiet().await;
                }
                _ = gaps.tick() => self.expire_gaps(),
                message = kafka.recv() => match message {
                    Ok(message) => {
                        while let Ok(report) = self.reports.try_recv() {
                            self.heed(report);
                        }
                        self.refused = None;
                        self.dispatch(&message);
                    }
                    Err(error) => self.judge(error)?,
                },
            }
        }
    }

    fn heed(&mut self, report: Report) {
        match report {
            Report::Assigned => {
                self.quiet_since = None;
                self.ready.met();
            }
            Report::Revoked(partitions) => {
                for key in partitions {
                    let Some(partition) = self.partitions.remove(&key) else {
                        continue;
                    };
                    partition.stop.cancel();
                    if !partition.waiting.is_empty() {
                        // librdkafka would keep it paused if it came back.
                        self.flow(&key, true);
                    }
                }
            }
            Report::Failed(reason) => self.heed_trouble(&reason),
        }
    }

    /// Before the group has answered, trouble starts the wait for quiet anew.
    fn heed_trouble(&mut self, reason: &str) {
        if let Some(since) = &mut self.quiet_since {
            *since = Instant::now();
            self.failed = true;
            self.ready.unmet(reason);
        }
    }

    /// Only a fatal error ends a membership; everything else librdkafka mends by itself.
    fn judge(&mut self, error: KafkaError) -> Result<(), Error> {
        let code = error.rdkafka_error_code();
        if code == Some(RDKafkaErrorCode::Fatal) || self.kafka.client().fatal_error().is_some() {
            return Err(Error::Broker(error));
        }
        let refused = matches!(
            code,
            Some(
                RDKafkaErrorCode::TopicAuthorizationFailed
                    | RDKafkaErrorCode::GroupAuthorizationFailed
                    | RDKafkaErrorCode::UnknownTopicOrPartition
            )
        );
        if refused {
            // Somebody has to change the broker; until then this consumer is of no use.
            self.quiet_since = Some(Instant::now());
            if self.refused != code {
                tracing::error!(error = %Chain(&error), "broker refuses the consumer");
                self.refused = code;
            }
        } else {
            // The context of the client has told it.
            tracing::debug!(error = %Chain(&error), "consumer waits for the broker");
        }
        self.heed_trouble(&error.to_string());
        Ok(())
    }

    fn dispatch(&mut self, message: &BorrowedMessage<'_>) {
        let key = (message.topic().to_owned(), message.partition());
        let incoming = Incoming {
            record: Arc::new(record(message)),
            offset: message.offset(),
        };
        if !self.partitions.contains_key(&key) {
            let partition = self.start(&key);
            self.partitions.insert(key.clone(), partition);
        }
        let Some(partition) = self.partitions.get_mut(&key) else {
            return;
        };
        if !partition.waiting.is_empty() {
            // It came before the pause had its effect.
            partition.waiting.push_back(incoming);
            return;
        }
        match partition.queue.try_send(incoming) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(incoming)) => {
                partition.waiting.push_back(incoming);
                self.flow(&key, false);
            }
            // Its worker ends only when the partition is lost or this member leaves.
            Err(mpsc::error::TrySendError::Closed(_)) => {}
        }
    }

    fn start(&mut self, key: &(String, i32)) -> Partition {
        self.generation += 1;
        let (queue, incoming) = mpsc::channel(QUEUE);
        let stop = CancellationToken::new();
        let worker = Worker {
            shared: Arc::clone(&self.shared),
            together: self.together.clone(),
            topic: key.0.clone(),
            partition: key.1,
            generation: self.generation,
            done: self.done_sender.clone(),
            stop: stop.clone(),
        };
        self.workers.spawn(worker.run(incoming));
        Partition {
            queue,
            waiting: VecDeque::new(),
            generation: self.generation,
            stop,
        }
    }

    /// Notes the offset, and lets the partition go on if a record waited for room.
    fn settle(&mut self, done: &Done) {
        let key = (done.topic.clone(), done.partition);
        let Some(partition) = self.partitions.get_mut(&key) else {
            return;
        };
        if partition.generation != done.generation {
            return;
        }
        offsets::note(&self.kafka, done);
        if partition.waiting.is_empty() {
            return;
        }
        while let Some(waiting) = partition.waiting.pop_front() {
            match partition.queue.try_send(waiting) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(waiting)) => {
                    partition.waiting.push_front(waiting);
                    return;
                }
                Err(mpsc::error::TrySendError::Closed(_)) => return,
            }
        }
        self.flow(&key, true);
    }

    fn flow(&self, (topic, partition): &(String, i32), on: bool) {
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition(topic, *partition);
        let result = if on {
            self.kafka.resume(&list)
        } else {
            self.kafka.pause(&list)
        };
        if let Err(error) = result {
            tracing::warn!(error = %Chain(&error), topic, partition, on, "partition not switched");
        }
    }

    fn commit(&self) {
        offsets::commit(&self.kafka, rdkafka::consumer::CommitMode::Async);
    }

    /// Readiness of a member without a partition: the group has answered, or nothing has failed
    /// for a while. After a failure silence proves nothing, so the broker is asked.
    async fn look_whether_quiet(&mut self) {
        if self.quiet_since.is_none_or(|since| since.elapsed() < QUIET) {
            return;
        }
        if self.failed {
            let kafka = Arc::clone(&self.kafka);
            let topic = self.shared.inbox.group().to_owned();
            let ask = move || kafka.client().fetch_group_list(Some(&topic), QUIET).is_ok();
            self.failed = !tokio::task::spawn_blocking(ask).await.unwrap_or(false);
            self.quiet_since = Some(Instant::now());
        } else {
            self.quiet_since = None;
            self.ready.met();
        }
    }

    /// Beside the loop: it needs the database, and records and reports must not wait for that.
    fn expire_gaps(&self) {
        let shared = Arc::clone(&self.shared);
        self.workers
            .spawn(async move { shared.expire_gaps().await });
    }

    /// Pause, finish, commit, leave.
    async fn leave(mut self) {
        if let Ok(assignment) = self.kafka.assignment()
            && let Err(error) = self.kafka.pause(&assignment)
        {
            tracing::debug!(error = %Chain(&error), "partitions not paused");
        }
        for partition in self.partitions.values() {
            partition.stop.cancel();
        }
        // The last way in ends with the last worker.
        drop(self.together);
        self.workers.close();
        if tokio::time::timeout(FINISH, self.workers.wait())
            .await
            .is_err()
        {
            tracing::warn!("events are still being applied; they will be delivered again");
        }
        while let Ok(done) = self.done.try_recv() {
            offsets::note(&self.kafka, &done);
        }
        let kafka = self.kafka;
        let leave = tokio::task::spawn_blocking(move || {
            offsets::commit(&kafka, rdkafka::consumer::CommitMode::Sync);
            kafka.unsubscribe();
            drop(kafka);
        });
        if tokio::time::timeout(LEAVE, leave).await.is_err() {
            tracing::warn!("the group was left without its answer");
        }
    }
}

fn record(message: &BorrowedMessage<'_>) -> Record {
    let mut headers = Headers::default();
    for header in message
        .headers()
        .into_iter()
        .flat_map(|headers| headers.iter())
    {
        let value = text(header.value.unwrap_or_default());
        match header.key {
            TRACEPARENT => headers.traceparent = value,
            TRACESTATE => headers.tracestate = value,
            EVENT_TYPE => headers.event_type = value,
            _ => {}
        }
    }
    Record {
        topic: message.topic().to_owned(),
        key: text(message.key().unwrap_or_default()),
        value: message.payload().unwrap_or_default().to_vec(),
        headers,
    }
}

/// Text that a column takes: a record whose key or header is none must still be parked.
fn text(bytes: &[u8]) -> String {
    storable(&String::from_utf8_lossy(bytes))
}

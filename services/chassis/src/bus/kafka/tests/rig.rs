//! One topic, one database, one consumer: what each test of the bus has of its own.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Text};
use diesel_async::RunQueryDsl;
use diesel_migrations::EmbeddedMigrations;
use mesh_dataplane::Readiness;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{Headers as _, Message as _};
use rdkafka::{Offset, TopicPartitionList};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::bus::kafka::Client;
use crate::bus::kafka::consumer::Consumer;
use crate::bus::{Event, Headers};
use crate::config::KafkaSettings;
use crate::db::{Database, Tx};
use crate::error::Error;
use crate::inbox::{Delivered, Inbox, Record};
use crate::outbox::{Held, OutboxEvent, Relay, Row};
use crate::testing::{self, TestDatabase};

use super::recorder::Recorder;

pub(super) const NONE: EmbeddedMigrations = EmbeddedMigrations::new(&[]);
const PARTITIONS: i32 = 2;
/// A broker on a busy machine needs its time to make a topic and to admit a member.
pub(super) const PATIENCE: Duration = Duration::from_secs(40);

pub(super) struct Rig {
    pub(super) test: TestDatabase,
    pub(super) database: Database,
    pub(super) client: Client,
    pub(super) recorder: Arc<Recorder>,
    pub(super) topic: &'static str,
    pub(super) group: String,
    topics: &'static [&'static str],
    consumer: Option<Stoppable>,
}

/// A loop of the test.
pub(super) struct Stoppable {
    stop: CancellationToken,
    running: tokio::task::JoinHandle<()>,
}

pub(super) struct Alone {
    pub(super) readiness: Readiness,
    _running: Stoppable,
}

pub(super) struct Letter {
    pub(super) key: String,
    headers: HashMap<String, String>,
}

#[derive(QueryableByName)]
struct EffectRow {
    #[diesel(sql_type = Text)]
    key: String,
    #[diesel(sql_type = BigInt)]
    version: i64,
}

#[derive(QueryableByName)]
struct ParkedRow {
    #[diesel(sql_type = Text)]
    key: String,
    #[diesel(sql_type = Text)]
    cause: String,
}

// === impl Rig ===

impl Rig {
    pub(super) async fn start(mut recorder: Recorder) -> Self {
        recorder.stores = true;
        let name = format!("test-{}-events", Uuid::now_v7().simple());
        let topic: &'static str = name.leak();
        create_topics(topic).await;
        let test = TestDatabase::create(NONE).await;
        let database = test.database();
        let write = database.transaction(async |tx: &mut Tx| {
            let sql = "create table effect (seq serial, key text, version bigint)";
            Ok::<_, Error>(diesel::sql_query(sql).execute(tx.conn()).await?)
        });
        write.await.unwrap();
        let mut rig = Self {
            database,
            test,
            client: Client::new(testing::kafka_admin()),
            recorder: Arc::new(recorder),
            topic,
            group: format!("ecommerce-group.{topic}"),
            topics: vec![topic].leak(),
            consumer: None,
        };
        rig.start_consumer().await;
        rig
    }

    /// A consumer that the broker may refuse.
    pub(super) fn consumer_alone(test: &TestDatabase, settings: KafkaSettings) -> Alone {
        let readiness = Readiness::default();
        let id = testing::background("test").peer().unwrap().clone();
        let inbox = Inbox::new(test.database(), "ecommerce-group.alone", id);
        let handler = Arc::new(Recorder::default());
        let condition = readiness.condition("consumer");
        let client = Client::new(settings);
        let consumer = Consumer::new(client, &["order-events"], inbox, handler, condition);
        let running = Stoppable::run(async move |stop| consumer.run(stop).await);
        Alone {
            readiness,
            _running: running,
        }
    }

    /// One more member of the group.
    pub(super) fn member(&self, handler: &Arc<Recorder>, ready: &Readiness) -> Stoppable {
        let id = testing::background("test").peer().unwrap().clone();
        let inbox = Inbox::new(self.database.clone(), &self.group, id);
        let (handler, ready) = (Arc::clone(handler), ready.condition("consumer"));
        let consumer = Consumer::new(self.client.clone(), self.topics, inbox, handler, ready);
        Stoppable::run(async move |stop| consumer.run(stop).await)
    }

    pub(super) async fn start_consumer(&mut self) {
        let readiness = Readiness::default();
        self.consumer = Some(self.member(&self.recorder, &readiness));
        tokio::time::timeout(PATIENCE, readiness.ready())
            .await
            .expect("the consumer is ready");
    }

    pub(super) async fn stop_consumer(&mut self) {
        self.consumer.take().unwrap().stop().await;
    }

    pub(super) fn relay(&self) -> Stoppable {
        self.relay_as(Relay::new(
            self.database.clone(),
            self.client.clone(),
            "test",
        ))
    }

    pub(super) fn relay_as(&self, relay: Relay) -> Stoppable {
        Stoppable::run(async move |stop| relay.run(stop).await)
    }

    /// One look at the outbox by `relay`, which marks `published`. None: another one owns it.
    pub(super) async fn look(&self, relay: &Relay, published: &[Row]) -> Option<(Held, Vec<Row>)> {
        let published = published.iter().map(|row| row.seq).collect();
        relay.look(published, Vec::new(), 100).await.unwrap()
    }

    /// Sends rows and waits until they are there.
    pub(super) async fn fire(&self, relay: &Relay, rows: &[Row]) {
        let mut producer = None;
        let answers: Vec<_> = rows
            .iter()
            .map(|row| relay.fire(&mut producer, row).unwrap())
            .collect();
        for answer in answers {
            answer.await.unwrap();
        }
    }

    pub(super) async fn publish(&self, key: &str, version: i64) {
        self.publish_from(&self.database, key, version).await;
    }

    /// Publishes as another process of the service does.
    pub(super) async fn publish_from(&self, database: &Database, key: &str, version: i64) {
        let event = self.note(key, version);
        let caller = testing::customer("c1");
        let write =
            database.transaction(async move |tx: &mut Tx| tx.publish(&caller, event.clone()).await);
        write.await.unwrap();
    }

    fn note(&self, key: &str, version: i64) -> OutboxEvent {
        OutboxEvent {
            topic: self.topic,
            aggregate_type: "note",
            aggregate_id: key.to_owned(),
            aggregate_version: version,
            event_type: "NoteWrittenEvent",
            schema_version: 1,
            data: serde_json::json!({"text": "hello"}),
            occurred_on: Utc::now(),
        }
    }

    /// Publishes in a transaction that fails after that.
    pub(super) async fn publish_and_fail(&self, key: &str, version: i64) {
        let event = self.note(key, version);
        let caller = testing::customer("c1");
        let write = self.database.transaction(async move |tx: &mut Tx| {
            tx.publish(&caller, event.clone()).await?;
            Err::<(), _>(Error::DeadlineOver)
        });
        write.await.unwrap_err();
    }

    /// Produces past the outbox, which would keep the order.
    pub(super) async fn produce_event(&self, key: &str, version: i64) {
        let event = testing::event("NoteWrittenEvent", "note", key, version, &());
        self.produce(key, &serde_json::to_vec(&event).unwrap())
            .await;
    }

    pub(super) async fn produce(&self, key: &str, value: &[u8]) {
        let producer = self.client.producer(Duration::from_secs(10)).unwrap();
        let sent = producer
            .send(self.topic, key, value, &Headers::default(), &[])
            .unwrap();
        sent.await.unwrap();
    }

    /// Applies an event as the consumer's group does, and nothing after it.
    pub(super) async fn receive(&self, event: &Event) {
        let id = testing::background("test").peer().unwrap().clone();
        let inbox = Inbox::new(self.database.clone(), &self.group, id);
        let record = Record {
            topic: self.topic.to_owned(),
            key: event.aggregate_id.clone(),
            value: serde_json::to_vec(event).unwrap(),
            headers: Headers::default(),
        };
        let (record, event) = (Arc::new(record), Arc::new(event.clone()));
        let received = inbox.receive(&self.recorder, &record, &event, None).await;
        assert_eq!(received.unwrap(), Delivered::Applied);
    }

    /// Waits until exactly these were applied, each key in order.
    pub(super) async fn applied(&self, expected: &[(&str, i64)]) {
        let mut wanted: Vec<_> = expected
            .iter()
            .map(|(key, v)| ((*key).to_owned(), *v))
            .collect();
        wanted.sort();
        let end = Instant::now() + PATIENCE;
        loop {
            let mut applied = self.effects().await;
            // Stable: a key that was applied out of order stays out of order.
            applied.sort_by(|a, b| a.0.cmp(&b.0));
            if applied == wanted {
                return;
            }
            assert!(Instant::now() < end, "{applied:?} instead of {wanted:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// What had its effect, in the order of the effects.
    async fn effects(&self) -> Vec<(String, i64)> {
        let read = self.database.read(async |tx: &mut Tx| {
            let sql = "select key, version from effect order by seq";
            Ok::<Vec<EffectRow>, Error>(diesel::sql_query(sql).load(tx.conn()).await?)
        });
        let rows = read.await.unwrap();
        rows.into_iter().map(|row| (row.key, row.version)).collect()
    }

    /// Waits until exactly these are parked, in this order.
    pub(super) async fn parked(&self, expected: &[(&str, &str)]) {
        let end = Instant::now() + PATIENCE;
        loop {
            let read = self.database.read(async |tx: &mut Tx| {
                let sql = "select key, cause from parked_event order by id";
                Ok::<Vec<ParkedRow>, Error>(diesel::sql_query(sql).load(tx.conn()).await?)
            });
            let rows = read.await.unwrap();
            let parked: Vec<_> = rows
                .iter()
                .map(|row| (row.key.as_str(), row.cause.as_str()))
                .collect();
            if parked == expected {
                return;
            }
            assert!(Instant::now() < end, "{parked:?} instead of {expected:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until so many are parked, of whatever keys.
    pub(super) async fn parked_rows(&self, count: usize) {
        let end = Instant::now() + PATIENCE;
        loop {
            let read = self.database.read(async |tx: &mut Tx| {
                let sql = "select id from parked_event where cause = 'POISON'";
                Ok::<_, Error>(diesel::sql_query(sql).execute(tx.conn()).await?)
            });
            let rows = read.await.unwrap();
            if rows == count {
                return;
            }
            assert!(Instant::now() < end, "{rows} instead of {count} are parked");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(super) async fn waiting_in_outbox(&self) -> usize {
        let read = self.database.read(async |tx: &mut Tx| {
            let sql = "select seq from outbox where published_at is null";
            Ok::<_, Error>(diesel::sql_query(sql).execute(tx.conn()).await?)
        });
        read.await.unwrap()
    }

    /// Waits until so many events are noted in the inbox.
    pub(super) async fn noted(&self, count: usize) {
        let end = Instant::now() + PATIENCE;
        loop {
            let read = self.database.read(async |tx: &mut Tx| {
                let sql = "select event_id from inbox";
                Ok::<_, Error>(diesel::sql_query(sql).execute(tx.conn()).await?)
            });
            let rows = read.await.unwrap();
            if rows == count {
                return;
            }
            assert!(Instant::now() < end, "{rows} instead of {count} are noted");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Lets half a minute pass for what is parked.
    pub(super) async fn age_parked(&self) {
        let write = self.database.transaction(async |tx: &mut Tx| {
            let sql = "update parked_event set parked_at = parked_at - interval '31 seconds'";
            Ok::<_, Error>(diesel::sql_query(sql).execute(tx.conn()).await?)
        });
        write.await.unwrap();
    }

    pub(super) async fn expire_lease(&self) {
        let write = self.database.transaction(async |tx: &mut Tx| {
            let sql = "update relay_lease set lease_until = now() - interval '1 second'";
            Ok::<_, Error>(diesel::sql_query(sql).execute(tx.conn()).await?)
        });
        write.await.unwrap();
    }

    /// Reads the dead letters until there are `count`.
    pub(super) async fn dead_letters(&self, count: usize) -> Vec<Letter> {
        let mut config = self.client.config().unwrap();
        // Assigned by hand, so that it takes part in no group.
        config.set("group.id", format!("{}.people", self.group));
        let topic = format!("{}.dlt", self.topic);
        let read = tokio::task::spawn_blocking(move || {
            let consumer: BaseConsumer = config.create().unwrap();
            let mut partitions = TopicPartitionList::new();
            for partition in 0..PARTITIONS {
                partitions
                    .add_partition_offset(&topic, partition, Offset::Beginning)
                    .unwrap();
            }
            consumer.assign(&partitions).unwrap();
            let mut letters = Vec::new();
            while letters.len() < count {
                let message = consumer
                    .poll(PATIENCE)
                    .expect("a dead letter comes")
                    .unwrap();
                let headers = message.headers().unwrap().iter();
                letters.push(Letter {
                    key: String::from_utf8_lossy(message.key().unwrap()).into_owned(),
                    headers: headers
                        .map(|header| {
                            let value = String::from_utf8_lossy(header.value.unwrap());
                            (header.key.to_owned(), value.into_owned())
                        })
                        .collect(),
                });
            }
            letters
        });
        read.await.unwrap()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let topic = self.topic;
        // The test's runtime may be ending with a panic: a thread with its own one still works.
        let deleted = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.unwrap().block_on(async {
                let dlt = format!("{topic}.dlt");
                let topics = [topic, dlt.as_str()];
                admin()
                    .delete_topics(&topics, &AdminOptions::new())
                    .await
                    .unwrap();
            });
        });
        let _ = deleted.join();
    }
}

// === impl Stoppable ===

impl Stoppable {
    fn run<F>(work: impl FnOnce(CancellationToken) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let stop = CancellationToken::new();
        let running = tokio::spawn(work(stop.clone()));
        Self { stop, running }
    }

    pub(super) async fn stop(self) {
        self.stop.cancel();
        self.running.await.unwrap();
    }
}

// === impl Alone ===

impl Alone {
    pub(super) async fn told_by_broker(&self, text: &str) {
        let end = Instant::now() + PATIENCE;
        while !self
            .readiness
            .unmet()
            .iter()
            .any(|(_, reason)| reason.contains(text))
        {
            assert!(Instant::now() < end, "{:?}", self.readiness.unmet());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

// === impl Letter ===

impl Letter {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map(String::as_str)
            .unwrap_or_default()
    }
}

fn admin() -> AdminClient<DefaultClientContext> {
    Client::new(testing::kafka_admin())
        .config()
        .unwrap()
        .create()
        .unwrap()
}

async fn create_topics(topic: &str) {
    let dlt = format!("{topic}.dlt");
    let new = |name| NewTopic::new(name, PARTITIONS, TopicReplication::Fixed(1));
    let results = admin()
        .create_topics(&[new(topic), new(&dlt)], &AdminOptions::new())
        .await;
    for result in results.unwrap() {
        result.unwrap();
    }
}

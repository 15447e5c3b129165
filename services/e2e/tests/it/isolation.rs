//! What one service cannot do to another one's broker and database.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{FutureProducer, FutureRecord};

use crate::shop::{Shop, undisturbed};

/// Longer than a refusal takes, shorter than the client's own patience.
const REFUSED_WITHIN: Duration = Duration::from_secs(20);

fn client(shop: &Shop, account: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", format!("{}:9092", shop.address(3)))
        .set("security.protocol", "SASL_PLAINTEXT")
        .set("sasl.mechanism", "SCRAM-SHA-512")
        .set("sasl.username", account)
        .set("sasl.password", shop.secret(&format!("kafka.{account}")))
        .set("message.timeout.ms", "15000");
    config
}

async fn produce(producer: &FutureProducer, topic: &str) -> Result<(), KafkaError> {
    let record = FutureRecord::to(topic).key("k").payload("{}");
    let sent = producer.send(record, REFUSED_WITHIN).await;
    sent.map(|_| ()).map_err(|(error, _)| error)
}

#[tokio::test]
async fn a_service_cannot_write_another_services_topic() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    for (account, topic) in [
        ("product", "payment-events"),
        ("notification", "order-events"),
        ("order", "product-events"),
    ] {
        let producer: FutureProducer = client(shop, account).create().unwrap();
        let refused = produce(&producer, topic).await.unwrap_err();
        assert_eq!(
            refused.rdkafka_error_code(),
            Some(RDKafkaErrorCode::TopicAuthorizationFailed),
            "{account} on {topic}: {refused}"
        );
    }
}

#[tokio::test]
async fn nobody_writes_without_an_account() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let mut anonymous = ClientConfig::new();
    anonymous
        .set("bootstrap.servers", format!("{}:9092", shop.address(3)))
        .set("message.timeout.ms", "5000");
    let producer: FutureProducer = anonymous.create().unwrap();
    assert!(produce(&producer, "payment-events").await.is_err());

    let mut wrong = client(shop, "payment");
    wrong
        .set("sasl.password", "wrong")
        .set("message.timeout.ms", "5000");
    let producer: FutureProducer = wrong.create().unwrap();
    assert!(produce(&producer, "payment-events").await.is_err());
}

#[tokio::test]
async fn a_service_cannot_join_another_services_group() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let refused = tokio::task::spawn_blocking(|| {
        let mut config = client(shop, "product");
        config.set("group.id", "ecommerce-group.payment");
        let consumer: BaseConsumer = config.create().unwrap();
        consumer.subscribe(&["order-events"]).unwrap();
        consumer
            .poll(REFUSED_WITHIN)
            .map(|polled| polled.map(|_| ()))
    })
    .await
    .unwrap();
    let error = refused.expect("the broker says no").unwrap_err();
    assert_eq!(
        error.rdkafka_error_code(),
        Some(RDKafkaErrorCode::GroupAuthorizationFailed),
        "{error}"
    );
}

#[tokio::test]
async fn a_service_cannot_open_another_services_database() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    shop.connect("order", "order").await.unwrap();
    for database in ["product", "payment", "notification"] {
        let refused = shop.connect("order", database).await.err();
        let error = refused.unwrap_or_else(|| panic!("order opened {database}"));
        let code = error.code().map(|code| code.code().to_owned());
        assert_eq!(code.as_deref(), Some("42501"), "{error}");
    }
}

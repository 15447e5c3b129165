//! Kafka: the settings of its clients, and the producer. The consumer has its own file. Nothing
//! above this module knows of partitions, offsets or librdkafka.

pub(crate) mod consumer;
mod dead_letters;
mod partition;
mod together;
mod watch;

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};

use super::Headers;
use super::headers::EVENT_TYPE;
use crate::config::KafkaSettings;
use crate::error::Error;

use watch::Watch;

/// A broker that comes back is found within a second.
const RECONNECT_MAX_MS: &str = "1000";

/// Makes clients of the broker.
#[derive(Clone)]
pub(crate) struct Client {
    settings: Arc<KafkaSettings>,
}

/// Sends records; idempotent, in order per key, acknowledged by all replicas.
pub(crate) struct Producer {
    inner: FutureProducer<Watch>,
}

// === impl Client ===

impl Client {
    pub(crate) fn new(settings: KafkaSettings) -> Self {
        Self {
            settings: Arc::new(settings),
        }
    }

    /// A producer whose records fail after `timeout`.
    pub(crate) fn producer(&self, timeout: Duration) -> Result<Producer, Error> {
        let mut config = self.config()?;
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("compression.type", "zstd")
            // Nothing waits for company: what is fired together leaves together all the same.
            .set("linger.ms", "0")
            .set("message.timeout.ms", timeout.as_millis().to_string());
        let inner = config
            .create_with_context(Watch::silent())
            .map_err(Error::Broker)?;
        Ok(Producer { inner })
    }

    /// What every client is told. The password is read each time: it may have changed.
    fn config(&self) -> Result<ClientConfig, Error> {
        let path = &self.settings.password_file;
        let password = fs::read_to_string(path).map_err(|source| Error::File {
            path: path.display().to_string(),
            source: source.into(),
        })?;
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.settings.brokers)
            .set("client.id", &self.settings.username)
            .set("security.protocol", "SASL_PLAINTEXT")
            .set("sasl.mechanism", "SCRAM-SHA-512")
            .set("sasl.username", &self.settings.username)
            .set("sasl.password", password.trim())
            .set("socket.keepalive.enable", "true")
            .set("socket.nagle.disable", "true")
            .set("reconnect.backoff.max.ms", RECONNECT_MAX_MS)
            .set("allow.auto.create.topics", "false");
        Ok(config)
    }
}

// === impl Producer ===

impl Producer {
    /// Hands a record over; the future ends with the broker's answer. `more` are headers beside
    /// the event's own.
    pub(crate) fn send(
        &self,
        topic: &str,
        key: &str,
        value: &[u8],
        headers: &Headers,
        more: &[(&str, &str)],
    ) -> Result<impl Future<Output = Result<(), Error>> + use<>, Error> {
        let own = [
            ("traceparent", headers.traceparent.as_str()),
            ("tracestate", headers.tracestate.as_str()),
            (EVENT_TYPE, headers.event_type.as_str()),
        ];
        let mut all = OwnedHeaders::new_with_capacity(own.len() + more.len());
        for (key, value) in own.iter().chain(more) {
            if !value.is_empty() {
                all = all.insert(Header {
                    key,
                    value: Some(*value),
                });
            }
        }
        let record = FutureRecord::to(topic).key(key).payload(value).headers(all);
        let answer = self
            .inner
            .send_result(record)
            .map_err(|(error, _)| Error::Broker(error))?;
        Ok(async move {
            match answer.await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err((error, _))) => Err(Error::Broker(error)),
                // The producer is gone, and its answers with it.
                Err(_) => Err(Error::Broker(rdkafka::error::KafkaError::Canceled)),
            }
        })
    }
}

#[cfg(test)]
mod tests;

//! Dead letters: copies of what could not be applied, for people.

use std::time::Duration;

use tokio::sync::Mutex;

use super::{Client, Producer};
use crate::error::Error;
use crate::inbox::Record;

/// The answer to a dead letter is waited for this long; then it is tried again.
const DEAD_LETTER_TIMEOUT: Duration = Duration::from_secs(10);

/// Copies of what could not be applied, for people.
pub(super) struct DeadLetters {
    client: Client,
    producer: Mutex<Option<Producer>>,
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

//! Events as services see them: the envelope, and the handler that applies one. Topic, ordering
//! key and group are the only notions of a broker here; partitions and offsets stay below.

mod headers;
pub(crate) mod kafka;

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::caller::{Actor, Caller};
use crate::db::Tx;
use crate::error::{Failure, Kind};

pub use headers::Headers;

/// One fact, as it stands on its topic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Its own id: effective once per consumer.
    pub event_id: Uuid,
    /// When it happened.
    pub occurred_on: DateTime<Utc>,
    /// Its name, for example `OrderCreatedEvent`.
    pub event_type: String,
    /// What it is about; also the ordering key.
    pub aggregate_id: String,
    /// Schema version of `event_type`.
    pub version: u32,
    /// Canonical proto3 JSON of the payload message.
    pub data: serde_json::Value,
    /// The kind of thing it is about, for example `order`.
    pub aggregate_type: String,
    /// Counts the events of one aggregate, one by one.
    pub aggregate_version: i64,
    /// Shared by all events of one story.
    pub correlation_id: Uuid,
    /// The event that led to this one.
    #[serde(default)]
    pub causation_id: Option<Uuid>,
    /// The service that published it.
    pub producer: String,
    /// Who did it.
    pub actor: Actor,
}

/// What a handler made of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ack {
    /// It had its effect.
    Applied,
    /// It is none of this consumer's business.
    Ignored,
}

/// Applies the events of one consumer group.
pub trait Handler: Send + Sync + 'static {
    /// Whether `event` can have an effect here at all. One that cannot is only noted, together
    /// with others and a little later; [`Handler::apply`] would have ignored it.
    fn concerns(&self, event: &Event) -> bool {
        let _ = event;
        true
    }

    /// Called before the first of several events that are applied in one transaction, for what
    /// must be done for all of them together: locking rows in one order, for example.
    fn prepare(
        &self,
        tx: &mut Tx,
        events: &[&Event],
    ) -> impl Future<Output = Result<(), Failure>> + Send {
        let _ = (tx, events);
        std::future::ready(Ok(()))
    }

    /// Applies `event` inside `tx`, which already holds its inbox row: state, events, tasks. It
    /// never calls out. `caller` is this service, on behalf of the event's end user.
    ///
    /// A retryable failure is tried again with the partition paused; any other one parks the
    /// event's key and copies the event to the dead letters.
    fn apply(
        &self,
        tx: &mut Tx,
        caller: &Caller,
        event: &Event,
    ) -> impl Future<Output = Result<Ack, Failure>> + Send;
}

// === impl Event ===

impl Event {
    /// The payload message. Data that does not fit is poison: it will not fit later.
    pub fn payload<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        T::deserialize(&self.data).map_err(|error| {
            Failure::new(
                Kind::Invalid,
                format!("data of \"{}\" does not fit", self.event_type),
            )
            .caused_by(error)
        })
    }

    /// A failure for an event whose type or schema version this program should know but does not.
    pub fn unknown(&self) -> Failure {
        let text = format!(
            "event \"{}\" version {} is unknown",
            self.event_type, self.version
        );
        Failure::new(Kind::Invalid, text)
    }
}

#[cfg(test)]
mod tests;

//! Offsets of what is done: noted one by one, committed together.

use rdkafka::consumer::{CommitMode, Consumer as _, StreamConsumer};
use rdkafka::error::RDKafkaErrorCode;

use crate::bus::kafka::partition::Done;
use crate::bus::kafka::watch::Watch;
use crate::error::Chain;

pub(super) fn note(kafka: &StreamConsumer<Watch>, done: &Done) {
    if let Err(error) = kafka.store_offset(&done.topic, done.partition, done.offset) {
        // The partition was lost a moment ago: its new owner is given the record again.
        tracing::debug!(error = %Chain(&error), topic = done.topic, "offset not noted");
    }
}

pub(super) fn commit(kafka: &StreamConsumer<Watch>, mode: CommitMode) {
    match kafka.commit_consumer_state(mode) {
        Ok(()) => {}
        Err(error) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::NoOffset) => {}
        Err(error) => tracing::debug!(error = %Chain(&error), "offsets not committed"),
    }
}

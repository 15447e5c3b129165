//! What librdkafka reports beside records: errors of its connections, assignments and losses. A
//! wrong password, for example, shows here and nowhere else.

use std::sync::{Mutex, PoisonError};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tokio::sync::mpsc;

/// The context of every client.
pub(super) struct Watch {
    reports: Option<mpsc::UnboundedSender<Report>>,
    last: Mutex<String>,
}

/// What a consumer is told beside its records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Report {
    /// The coordinator has answered; these partitions are ours now too.
    Assigned,
    /// These are not ours any more.
    Revoked(Vec<(String, i32)>),
    /// A connection failed; librdkafka goes on trying.
    Failed(String),
}

// === impl Watch ===

impl Watch {
    /// Only logs.
    pub(super) fn silent() -> Self {
        Self {
            reports: None,
            last: Mutex::default(),
        }
    }

    pub(super) fn reporting() -> (Self, mpsc::UnboundedReceiver<Report>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (
            Self {
                reports: Some(sender),
                last: Mutex::default(),
            },
            receiver,
        )
    }

    fn report(&self, report: Report) {
        if let Some(reports) = &self.reports {
            // The receiver is gone when the consumer is.
            let _ = reports.send(report);
        }
    }
}

impl ClientContext for Watch {
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, message: &str) {
        // Its errors arrive below as well; its warnings repeat themselves.
        tracing::debug!(facility, message, "librdkafka");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let kind = error
            .rdkafka_error_code()
            .unwrap_or(RDKafkaErrorCode::Unknown);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let told = format!("{kind:?}: {reason}");
        // "All brokers are down" follows each trouble with one of them, and says less.
        let says_less = kind == RDKafkaErrorCode::AllBrokersDown && !last.is_empty();
        // The same trouble is told once; reasons differ in their durations.
        if !says_less && kind_of(&last) != kind_of(&told) {
            tracing::warn!(error = told, "connection to the broker failed");
        }
        if !says_less {
            *last = told;
        }
        self.report(Report::Failed(last.clone()));
    }
}

fn kind_of(told: &str) -> Option<&str> {
    told.split(':').next()
}

impl ConsumerContext for Watch {
    fn pre_rebalance(&self, _consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(partitions) = rebalance {
            let revoked = partitions
                .elements()
                .iter()
                .map(|element| (element.topic().to_owned(), element.partition()))
                .collect();
            self.report(Report::Revoked(revoked));
        }
    }

    fn post_rebalance(&self, _consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Assign(partitions) = rebalance {
            tracing::info!(partitions = partitions.count(), "partitions assigned");
            self.report(Report::Assigned);
        }
    }
}

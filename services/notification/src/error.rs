//! What can go wrong in this service, and what a caller, an event or a task is told of it.

use shop_chassis::{Failure, Kind};
use uuid::Uuid;

/// Why a step of this service failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Database, broker, mesh or a lease.
    #[error("chassis failed")]
    Chassis(#[from] shop_chassis::Error),

    /// A task speaks of a notification without a row.
    #[error("notification \"{0}\" was not found")]
    NotificationNotFound(Uuid),

    /// An event or an answer breaks its contract.
    #[error("field \"{field}\" of {message} does not fit: {problem}")]
    BrokenContract {
        message: &'static str,
        field: &'static str,
        problem: String,
    },

    /// A payload cannot be written as JSON.
    #[error("event cannot be written as json")]
    Encode(#[source] serde_json::Error),
}

// === impl Error ===

impl Error {
    /// A field of a message that cannot be used.
    pub(crate) fn broken(
        message: &'static str,
        field: &'static str,
        problem: impl Into<String>,
    ) -> Self {
        Self::BrokenContract {
            message,
            field,
            problem: problem.into(),
        }
    }
}

impl From<diesel::result::Error> for Error {
    fn from(error: diesel::result::Error) -> Self {
        Self::Chassis(error.into())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Chassis(error) => error.into(),
            Error::NotificationNotFound(_) => {
                Self::new(Kind::NotFound, "the notification was not found").caused_by(error)
            }
            Error::BrokenContract { .. } | Error::Encode(_) => {
                Self::new(Kind::Internal, error.to_string()).caused_by(error)
            }
        }
    }
}

impl From<Error> for tonic::Status {
    fn from(error: Error) -> Self {
        Failure::from(error).into()
    }
}

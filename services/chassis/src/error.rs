//! Errors: their kinds, the one mapping from a kind to a gRPC status, and what a caller is told.
//!
//! A service has its own `Error` enum and turns it into a [`Failure`]; a failure becomes a status
//! for a caller, and decides between retry and dead letter for events and tasks. The causes of a
//! failure go to the log, never to a caller.

mod chain;
mod violations;

use std::sync::OnceLock;
use std::time::Duration;

use tonic::metadata::MetadataValue;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

pub(crate) use chain::Chain;
use violations::VIOLATIONS_MAX;
pub use violations::Violations;

/// What callers are told of a failure whose cause is ours alone.
const INTERNAL_TEXT: &str = "the service failed; the cause is in its log";

/// The part of `ErrorInfo.domain` that names this process; set once at start.
static SERVICE: OnceLock<String> = OnceLock::new();

/// The kinds of failure: each has one gRPC code, and decides whether trying again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The request is wrong, and will be wrong again.
    Invalid,
    /// Nobody, or nobody known, is calling.
    Unauthenticated,
    /// The caller is known and may not.
    Forbidden,
    /// There is no such thing, or not for this caller.
    NotFound,
    /// It exists already.
    Exists,
    /// The state of the thing forbids it.
    Precondition,
    /// Somebody else was faster: read again and decide again.
    Conflict,
    /// A limit is reached.
    Exhausted,
    /// Something that is needed does not answer.
    Unavailable,
    /// The time of the caller is over.
    Deadline,
    /// A mistake of ours.
    Internal,
}

/// What a caller, an event or a task is answered with when it fails.
#[derive(Debug)]
pub struct Failure {
    kind: Kind,
    reason: Option<&'static str>,
    // Not a `String`: results carry failures by value, and a word less keeps them small.
    text: Box<str>,
    metadata: Vec<(&'static str, String)>,
    violations: Vec<FieldViolation>,
    retry_after: Option<Duration>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Errors of the chassis itself. A service carries them in one variant of its own enum.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A statement failed.
    #[error("statement failed")]
    Statement(#[source] diesel::result::Error),
    /// The database does not answer, or has no free connection in time.
    #[error("database is not available")]
    DatabaseDown(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The transaction met others too often.
    #[error("transaction met others too often")]
    Contended(#[source] diesel::result::Error),
    /// The caller's time was over before the work began, or the database cut the work short.
    #[error("deadline is over")]
    DeadlineOver,
    /// Another transaction held a row for longer than a transaction may wait.
    #[error("a row stayed locked")]
    Locked(#[source] diesel::result::Error),
    /// The work of a transaction panicked.
    #[error("transaction panicked")]
    Panicked(#[source] tokio::task::JoinError),
    /// A task's result comes from a worker that no longer owns the task.
    #[error("lease {epoch} of task \"{task}\" is lost")]
    LeaseLost {
        /// The task.
        task: uuid::Uuid,
        /// The lease that has been overtaken.
        epoch: i64,
    },
    /// Another request with the same idempotency key is at work.
    #[error("idempotency key is in use by another request")]
    IdempotencyInFlight,
    /// The idempotency key was used for another request.
    #[error("idempotency key was used for another request")]
    IdempotencyKeyReused,
    /// A stored value is not what this version writes.
    #[error("stored {what} cannot be read")]
    Stored {
        /// What was read.
        what: &'static str,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An event is larger than the broker takes.
    #[error("event \"{event_type}\" has {bytes} bytes")]
    EventTooLarge {
        /// Its type.
        event_type: &'static str,
        /// What its payload takes.
        bytes: usize,
    },
    /// A value could not be written as JSON.
    #[error("value cannot be written as json")]
    Json(#[source] serde_json::Error),
    /// The broker refused, or did not answer.
    #[error("broker failed")]
    Broker(#[source] rdkafka::error::KafkaError),
    /// Migrations do not apply to this database.
    #[error("migrations failed")]
    Migrations(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The workload could not join the mesh.
    #[error("workload could not start")]
    Workload(#[source] mesh_dataplane::Error),
    /// Reflection could not be built from the descriptor set.
    #[error("descriptor set cannot be served")]
    Reflection(#[source] tonic_reflection::server::Error),
    /// A file with a key or a secret cannot be used.
    #[error("file \"{path}\" cannot be used")]
    File {
        /// The file.
        path: String,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Names this process in the `ErrorInfo.domain` of its answers. The first name stays.
pub(crate) fn set_service(name: &str) {
    // A second start in one process happens in tests alone; the first name is as good.
    let _ = SERVICE.set(name.to_owned());
}

// === impl Kind ===

impl Kind {
    /// Whether the same work may succeed later.
    pub fn retryable(self) -> bool {
        match self {
            Self::Conflict | Self::Exhausted | Self::Unavailable | Self::Deadline => true,
            Self::Invalid
            | Self::Unauthenticated
            | Self::Forbidden
            | Self::NotFound
            | Self::Exists
            | Self::Precondition
            | Self::Internal => false,
        }
    }

    /// The gRPC code of this kind.
    pub fn code(self) -> Code {
        match self {
            Self::Invalid => Code::InvalidArgument,
            Self::Unauthenticated => Code::Unauthenticated,
            Self::Forbidden => Code::PermissionDenied,
            Self::NotFound => Code::NotFound,
            Self::Exists => Code::AlreadyExists,
            Self::Precondition => Code::FailedPrecondition,
            Self::Conflict => Code::Aborted,
            Self::Exhausted => Code::ResourceExhausted,
            Self::Unavailable => Code::Unavailable,
            Self::Deadline => Code::DeadlineExceeded,
            Self::Internal => Code::Internal,
        }
    }

    /// The kind of an answer from another service.
    pub fn of(code: Code) -> Self {
        match code {
            Code::InvalidArgument | Code::OutOfRange => Self::Invalid,
            Code::Unauthenticated => Self::Unauthenticated,
            Code::PermissionDenied => Self::Forbidden,
            Code::NotFound => Self::NotFound,
            Code::AlreadyExists => Self::Exists,
            Code::FailedPrecondition => Self::Precondition,
            Code::Aborted => Self::Conflict,
            Code::ResourceExhausted => Self::Exhausted,
            Code::Unavailable | Code::Cancelled => Self::Unavailable,
            Code::DeadlineExceeded => Self::Deadline,
            Code::Ok | Code::Unknown | Code::Unimplemented | Code::Internal | Code::DataLoss => {
                Self::Internal
            }
        }
    }

    /// The reason of failures that name no other.
    fn reason(self) -> &'static str {
        match self {
            Self::Invalid => "INVALID_ARGUMENT",
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::Forbidden => "PERMISSION_DENIED",
            Self::NotFound => "NOT_FOUND",
            Self::Exists => "ALREADY_EXISTS",
            Self::Precondition => "FAILED_PRECONDITION",
            Self::Conflict => "ABORTED",
            Self::Exhausted => "RESOURCE_EXHAUSTED",
            Self::Unavailable => "UNAVAILABLE",
            Self::Deadline => "DEADLINE_EXCEEDED",
            Self::Internal => "INTERNAL",
        }
    }
}

// === impl Failure ===

impl Failure {
    /// A failure with a text that the caller may read. [`Kind::Internal`] never shows its text.
    pub fn new(kind: Kind, text: impl Into<String>) -> Self {
        Self {
            kind,
            reason: None,
            text: text.into().into_boxed_str(),
            metadata: Vec::new(),
            violations: Vec::new(),
            retry_after: None,
            source: None,
        }
    }

    /// One field is wrong. Several: [`Violations`].
    pub fn invalid(field: impl Into<String>, description: impl Into<String>) -> Self {
        let mut violations = Violations::default();
        violations.add(field, description);
        violations.into()
    }

    /// Both values, or why there are not: every wrong field of the two parts in one failure. Where
    /// one part fails for another reason, the first failure stands.
    pub fn both<A, B>(
        first: Result<A, impl Into<Self>>,
        second: Result<B, impl Into<Self>>,
    ) -> Result<(A, B), Self> {
        match (first, second) {
            (Ok(first), Ok(second)) => Ok((first, second)),
            (Err(first), Ok(_)) => Err(first.into()),
            (Ok(_), Err(second)) => Err(second.into()),
            (Err(first), Err(second)) => {
                let (mut first, second) = (first.into(), second.into());
                if first.kind == Kind::Invalid && second.kind == Kind::Invalid {
                    first.violations.extend(second.violations);
                    first.violations.truncate(VIOLATIONS_MAX);
                }
                Err(first)
            }
        }
    }

    /// Sets the machine-readable reason (`OUT_OF_STOCK`); without it the kind's own is told.
    #[must_use]
    pub fn reason(mut self, reason: &'static str) -> Self {
        self.reason = Some(reason);
        self
    }

    /// Adds one pair to the `ErrorInfo` of the answer.
    #[must_use]
    pub fn metadata(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.metadata.push((key, value.into()));
        self
    }

    /// Tells the caller when to try again, and a task when it does.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    /// Keeps the cause for the log.
    #[must_use]
    pub fn caused_by(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether the same work may succeed later.
    pub fn retryable(&self) -> bool {
        self.kind.retryable()
    }

    /// When to try again, if the failure says so.
    pub fn delay(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The reason that a caller is told.
    pub fn reason_text(&self) -> &'static str {
        self.reason.unwrap_or(self.kind.reason())
    }

    /// The answer that carries every detail a caller may know.
    fn status(&self) -> Status {
        let mut details = ErrorDetails::new();
        let domain = match SERVICE.get() {
            Some(service) => format!("shop.{service}"),
            None => "shop".to_owned(),
        };
        let metadata: std::collections::HashMap<String, String> = self
            .metadata
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.clone()))
            .collect();
        details.set_error_info(self.reason_text(), domain, metadata);
        if !self.violations.is_empty() {
            details.set_bad_request(self.violations.clone());
        }
        if let Some(delay) = self.retry_after {
            details.set_retry_info(Some(delay));
        }
        let text = if self.kind == Kind::Internal {
            INTERNAL_TEXT
        } else {
            &self.text
        };
        let mut status = Status::with_error_details(self.kind.code(), text, details);
        if let Some(delay) = self.retry_after {
            // For clients of the gateway, which hands it on: whole seconds, never none.
            let seconds = delay.as_millis().div_ceil(1000).max(1);
            let seconds = MetadataValue::from(u64::try_from(seconds).unwrap_or(u64::MAX));
            status.metadata_mut().insert("retry-after", seconds);
        }
        status
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.reason_text(), self.text)
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn std::error::Error + 'static))
    }
}

impl From<Failure> for Status {
    fn from(failure: Failure) -> Self {
        let error = Chain(&failure);
        match failure.kind {
            Kind::Internal => tracing::error!(%error, "request failed"),
            Kind::Unavailable | Kind::Deadline => tracing::warn!(%error, "request failed"),
            _ => tracing::debug!(%error, "request refused"),
        }
        failure.status()
    }
}

/// An answer of another service: its kind is kept, its text stays in the log.
impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        let kind = match Kind::of(status.code()) {
            // The caller is another one there: what it may not, ours has no part in.
            Kind::Unauthenticated | Kind::Forbidden => Kind::Internal,
            kind => kind,
        };
        let delay = status
            .get_details_retry_info()
            .and_then(|info| info.retry_delay);
        let mut failure = Self::new(kind, "a service that is needed failed").caused_by(status);
        failure.retry_after = delay;
        failure
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let failure = match error.kind() {
            Kind::Unavailable => {
                Self::new(Kind::Unavailable, "try again").retry_after(Duration::from_secs(1))
            }
            Kind::Deadline => Self::new(Kind::Deadline, "the deadline is over"),
            kind => Self::new(kind, error.to_string()),
        };
        let failure = match &error {
            Error::IdempotencyInFlight => failure
                .reason("IDEMPOTENCY_IN_FLIGHT")
                .retry_after(Duration::from_secs(1)),
            Error::IdempotencyKeyReused => failure.reason("IDEMPOTENCY_KEY_REUSED"),
            _ => failure,
        };
        failure.caused_by(error)
    }
}

// === impl Error ===

impl Error {
    /// The kind of this error.
    pub fn kind(&self) -> Kind {
        match self {
            Self::DatabaseDown(_) | Self::Broker(_) => Kind::Unavailable,
            Self::Contended(_)
            | Self::Locked(_)
            | Self::LeaseLost { .. }
            | Self::IdempotencyInFlight => Kind::Conflict,
            Self::DeadlineOver => Kind::Deadline,
            Self::IdempotencyKeyReused => Kind::Invalid,
            Self::Statement(_)
            | Self::Panicked(_)
            | Self::Stored { .. }
            | Self::EventTooLarge { .. }
            | Self::Json(_)
            | Self::Migrations(_)
            | Self::Workload(_)
            | Self::Reflection(_)
            | Self::File { .. } => Kind::Internal,
        }
    }
}

impl From<diesel::result::Error> for Error {
    fn from(error: diesel::result::Error) -> Self {
        crate::db::classify(error)
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        Failure::from(error).into()
    }
}

#[cfg(test)]
mod tests;

//! Answers that the data plane gives itself, in the form that a gRPC client understands.

use std::time::Duration;

use http::{HeaderMap, Response, StatusCode};
use tonic::{Code, Status, body::Body, metadata::MetadataValue};
use tonic_types::{ErrorDetails, StatusExt};

use crate::metrics::Flag;

/// The message of a call that the end of its connection has ended; part of the interface.
pub(crate) const CONNECTION_DRAINED: &str = "connection_drained";

/// When a caller that was shed may try again: calls end in less, so there will be room.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Why a call does not reach the service, or does not come back from it.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Answered with a gRPC status.
    Grpc(Status, Flag),
    /// Not even gRPC: answered with an HTTP status.
    Http(StatusCode),
}

// === impl Refusal ===

impl Refusal {
    pub(crate) fn denied() -> Self {
        // The reason stands in the log; the caller gets what Envoy would say.
        Self::Grpc(
            Status::permission_denied("RBAC: access denied"),
            Flag::Denied,
        )
    }

    pub(crate) fn malformed(problem: impl ToString) -> Self {
        Self::Grpc(
            Status::invalid_argument(problem.to_string()),
            Flag::Malformed,
        )
    }

    pub(crate) fn overloaded() -> Self {
        let details = ErrorDetails::with_retry_info(Some(RETRY_AFTER));
        let text = "too many calls in work";
        let mut status = Status::with_error_details(Code::ResourceExhausted, text, details);
        // For those who read headers only: a gateway hands it on as it is.
        let seconds = MetadataValue::from(RETRY_AFTER.as_secs());
        status.metadata_mut().insert("retry-after", seconds);
        Self::Grpc(status, Flag::Overload)
    }

    pub(crate) fn deadline() -> Self {
        Self::Grpc(
            Status::deadline_exceeded("the deadline has passed"),
            Flag::Deadline,
        )
    }

    pub(crate) fn drained() -> Self {
        Self::Grpc(Status::unavailable(CONNECTION_DRAINED), Flag::Drained)
    }

    pub(crate) fn panicked() -> Self {
        // The panic's own text is in the log; it may hold anything.
        Self::Grpc(Status::internal("internal error"), Flag::Panicked)
    }

    pub(crate) fn failed(status: Status) -> Self {
        Self::Grpc(status, Flag::None)
    }

    pub(crate) fn flag(&self) -> Flag {
        match self {
            Self::Grpc(_, flag) => *flag,
            Self::Http(_) => Flag::Malformed,
        }
    }

    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Grpc(status, _) => status.code(),
            Self::Http(_) => Code::Unknown,
        }
    }

    /// As a whole answer: for gRPC the status stands in the headers ("trailers-only").
    pub(crate) fn into_response(self) -> Response<Body> {
        match self {
            Self::Grpc(status, _) => status.into_http(),
            Self::Http(status) => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = status;
                response
            }
        }
    }

    /// As the end of an answer that has begun.
    pub(crate) fn into_trailers(self) -> HeaderMap {
        let mut trailers = HeaderMap::new();
        let Self::Grpc(status, _) = self else {
            return trailers;
        };
        if status.add_header(&mut trailers).is_err() {
            // A status that cannot be written is still an error, never an OK.
            trailers.clear();
            trailers.insert(Status::GRPC_STATUS, http::HeaderValue::from_static("13"));
        }
        trailers
    }
}

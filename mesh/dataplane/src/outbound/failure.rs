//! What an error of a connection means for the call that met it: was it provably not processed,
//! and which status does the caller get.

use std::{error::Error as StdError, io};

use h2::Reason;
use tonic::Status;

use crate::{inbound::CONNECTION_DRAINED, metrics::Flag};

/// How an attempt failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It never left this process: another connection may take it.
    Unsent,
    /// The peer says that it did not process it; the word says how.
    Refused(&'static str, Status),
    /// Nobody knows.
    Unknown(Status),
}

// === impl Failure ===

impl Failure {
    /// Judges the error of a request that has had no answer yet.
    pub(crate) fn of(error: &hyper::Error, handed_back: bool, drained: bool) -> Self {
        if handed_back {
            return Self::Unsent;
        }
        let status = status_of(error, drained);
        match find::<h2::Error>(error) {
            // h2 gives a received GOAWAY to those streams only that are beyond its last id.
            Some(cause) if cause.is_remote() && cause.is_go_away() => {
                Self::Refused("goaway", status)
            }
            Some(cause)
                if cause.is_remote()
                    && cause.is_reset()
                    && cause.reason() == Some(Reason::REFUSED_STREAM) =>
            {
                Self::Refused("refused_stream", status)
            }
            _ => Self::Unknown(status),
        }
    }
}

/// The status for a caller whose connection failed.
pub(crate) fn status_of(error: &(dyn StdError + 'static), drained: bool) -> Status {
    if drained {
        return Status::unavailable(CONNECTION_DRAINED);
    }
    match find::<h2::Error>(error) {
        Some(cause) if cause.is_remote() && cause.is_reset() => reset_status(cause.reason()),
        _ => match find::<io::Error>(error).or_else(|| find::<h2::Error>(error)?.get_io()) {
            Some(cause) => Status::unavailable(format!(
                "connection lost: {}",
                mesh_transport::handshake_failure(cause)
            )),
            None => Status::unavailable(format!("connection lost: {}", innermost(error))),
        },
    }
}

/// The flag under which such an end is counted.
pub(crate) fn flag_of(drained: bool) -> Flag {
    if drained {
        Flag::Drained
    } else {
        Flag::ConnectionLost
    }
}

/// gRPC over HTTP/2: what the reset of a stream means.
fn reset_status(reason: Option<Reason>) -> Status {
    match reason {
        Some(Reason::REFUSED_STREAM) => Status::unavailable("the peer refused the stream"),
        Some(Reason::CANCEL) => Status::cancelled("the peer cancelled the stream"),
        Some(Reason::ENHANCE_YOUR_CALM) => Status::resource_exhausted("the peer asks for less"),
        Some(Reason::INADEQUATE_SECURITY) => {
            Status::permission_denied("the peer asks for more security")
        }
        Some(reason) => Status::internal(format!("the peer reset the stream: {reason}")),
        None => Status::internal("the peer reset the stream"),
    }
}

fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

fn innermost<'a>(error: &'a (dyn StdError + 'static)) -> &'a (dyn StdError + 'static) {
    let mut innermost = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    innermost
}

#[cfg(test)]
mod tests;

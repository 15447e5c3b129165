//! One effect per key: the first request has the effect and stores its answer in the same
//! transaction; every later one with the same key and command is given that answer.

mod fingerprint;
mod store;

use std::hash::Hash;

use tonic::Response;

use crate::caller::Caller;
use crate::error::{Failure, Violations};

pub(crate) use fingerprint::digest;

/// Keys are opaque to us, but a column and a log line should hold them.
const KEY_MAX: usize = 255;
/// The metadata by which a client sees that its answer is a stored one.
const REPLAYED: &str = "idempotent-replayed";

/// The key of a request, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    scope: String,
    key: String,
}

/// A request's claim to be the first with its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    scope: String,
    method: &'static str,
    key: String,
    fingerprint: Vec<u8>,
}

/// The answer to a request that may have been answered before.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer<M> {
    /// The answer.
    pub message: M,
    /// Whether it is a stored one.
    pub replayed: bool,
}

// === impl Key ===

impl Key {
    /// The key of a method that demands one, from the header `Idempotency-Key` or the field
    /// `request_id`.
    pub fn required(caller: &Caller, request_id: &str) -> Result<Self, Failure> {
        Self::optional(caller, request_id)?.ok_or_else(|| {
            Failure::invalid("requestId", "or the header Idempotency-Key is required")
        })
    }

    /// The key of a method that allows one; none when the request has none.
    pub fn optional(caller: &Caller, request_id: &str) -> Result<Option<Self>, Failure> {
        let field = Some(request_id).filter(|id| !id.is_empty());
        let key = match (caller.idempotency_key.as_deref(), field) {
            (Some(header), Some(field)) if header != field => {
                let text = "differs from the header Idempotency-Key";
                return Err(Failure::invalid("requestId", text));
            }
            (None, None) => return Ok(None),
            (header, field) => header.or(field).unwrap_or_default(),
        };
        let mut violations = Violations::default();
        violations.check(
            key.len() <= KEY_MAX,
            "requestId",
            "must have 1 to 255 characters",
        );
        let printable = key.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        violations.check(printable, "requestId", "must be printable ASCII");
        violations.finish()?;
        Ok(Some(Self {
            scope: scope(caller),
            key: key.to_owned(),
        }))
    }

    /// The claim of a request to `method`. `command` is the parsed request; its hash tells another
    /// request apart.
    pub fn claim(self, method: &'static str, command: &impl Hash) -> Claim {
        Claim {
            scope: self.scope,
            method,
            key: self.key,
            fingerprint: digest(command),
        }
    }
}

/// The end user, or the peer where there is none; the two cannot be confused.
fn scope(caller: &Caller) -> String {
    match (caller.user(), caller.peer()) {
        (Some(user), _) => format!("user:{}", user.subject),
        (None, Some(peer)) => format!("peer:{peer}"),
        (None, None) => "nobody".to_owned(),
    }
}

// === impl Answer ===

impl<M> Answer<M> {
    /// The answer of the request that had the effect.
    pub fn fresh(message: M) -> Self {
        Self {
            message,
            replayed: false,
        }
    }
}

impl<M> From<Answer<M>> for Response<M> {
    fn from(answer: Answer<M>) -> Self {
        let mut response = Self::new(answer.message);
        if answer.replayed {
            let value = tonic::metadata::MetadataValue::from_static("true");
            response.metadata_mut().insert(REPLAYED, value);
        }
        response
    }
}

#[cfg(test)]
mod tests;

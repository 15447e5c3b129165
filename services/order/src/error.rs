//! Why the order service refuses or fails, and what its callers are told.

use shop_chassis::{Failure, Kind, Violations};
use uuid::Uuid;

use crate::domain::Refusal;

/// Errors of the order service.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The database, the broker or the mesh.
    #[error("chassis failed")]
    Chassis(#[from] shop_chassis::Error),
    /// No such order, or not for this caller.
    #[error("order was not found")]
    NotFound,
    /// The wish cannot become an order.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The catalogue answered with a product that cannot be.
    #[error("product of the catalogue has a malformed {field}")]
    Catalogue {
        /// The field.
        field: &'static str,
    },
    /// A row holds what this version does not write.
    #[error("order \"{order}\" has a malformed {what}")]
    Stored {
        /// The order.
        order: Uuid,
        /// The part of it.
        what: &'static str,
    },
    /// An event of another service cannot be understood.
    #[error("event has a malformed {field}")]
    Event {
        /// The field.
        field: &'static str,
    },
}

// === impl Error ===

impl From<diesel::result::Error> for Error {
    fn from(error: diesel::result::Error) -> Self {
        Self::Chassis(error.into())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            Error::Chassis(error) => error.into(),
            Error::NotFound => Self::new(Kind::NotFound, text),
            Error::Refused(refusal) => refused(&refusal, text),
            Error::Event { .. } => Self::new(Kind::Invalid, text),
            Error::Catalogue { .. } | Error::Stored { .. } => {
                Self::new(Kind::Internal, text).caused_by(error)
            }
        }
    }
}

impl From<Error> for tonic::Status {
    fn from(error: Error) -> Self {
        Failure::from(error).into()
    }
}

fn refused(refusal: &Refusal, text: String) -> Failure {
    let mut violations = Violations::default();
    match refusal {
        Refusal::Unavailable(lines) => {
            let fields: Vec<String> = lines
                .iter()
                .map(|line| format!("lines[{line}].productId"))
                .collect();
            return Failure::new(Kind::Precondition, text)
                .reason("PRODUCT_UNAVAILABLE")
                .metadata("fields", fields.join(","));
        }
        Refusal::MixedCurrencies(lines) => {
            for line in lines {
                let field = format!("lines[{line}].productId");
                violations.add(field, "has another currency than the first line");
            }
        }
        Refusal::TooLarge(line) => {
            violations.add(
                format!("lines[{line}].quantity"),
                "makes the amount too large",
            );
        }
        Refusal::Free => violations.add("lines", "must cost something altogether"),
    }
    violations.into()
}

#[cfg(test)]
mod tests;

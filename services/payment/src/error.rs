//! What can go wrong in this service, and what a caller is told of it.

use std::time::Duration;

use shop_chassis::{Currency, Failure, Kind, Money};

use crate::domain::{OrderId, PaymentId, RefundId, Status};
use crate::provider::{SettingsError, Unclear};

/// Callers ask again after this time; the provider is often back sooner than people think.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Errors of the payment service.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("chassis failed")]
    Chassis(#[from] shop_chassis::Error),
    #[error("settings of the provider are of no use")]
    Provider(#[from] SettingsError),
    #[error("provider refused with \"{code}\"")]
    Declined { code: String },
    #[error("cannot {action} a payment that is {status}")]
    IllegalMove {
        action: &'static str,
        status: Status,
    },
    #[error("{what} of an event is malformed")]
    MalformedEvent { what: &'static str },
    #[error("order \"{0}\" has no payment")]
    OrderNotFound(OrderId),
    #[error("payment \"{0}\" was not found")]
    PaymentNotFound(PaymentId),
    #[error("provider left \"{operation}\" of payment \"{payment}\" unknown")]
    ProviderUnclear {
        operation: &'static str,
        payment: PaymentId,
        #[source]
        source: Unclear,
    },
    #[error("refund in another currency than {expected}")]
    RefundCurrency { expected: Currency },
    #[error("refund exceeds what is left of the captured money")]
    RefundExceedsCaptured { remaining: Option<Money> },
    #[error("refund \"{0}\" was not found")]
    RefundNotFound(RefundId),
    #[error("provider refused to give back payment \"{payment}\": \"{code}\"")]
    ReversalRefused { payment: PaymentId, code: String },
    #[error("column {column} holds \"{value}\"")]
    Stored { column: &'static str, value: String },
    #[error("an earlier call of payment \"{0}\" has no answer yet")]
    Unresolved(PaymentId),
}

// === impl Error ===

impl From<diesel::result::Error> for Error {
    fn from(error: diesel::result::Error) -> Self {
        Self::Chassis(error.into())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Chassis(error) => error.into(),
            Error::Declined { ref code } => {
                Self::new(Kind::Precondition, "the provider refused the payment")
                    .reason("PAYMENT_DECLINED")
                    .metadata("code", code)
            }
            Error::IllegalMove { status, .. } => Self::new(Kind::Precondition, error.to_string())
                .reason("INVALID_STATE_TRANSITION")
                .metadata("status", status.name()),
            Error::OrderNotFound(_) | Error::PaymentNotFound(_) => not_found(),
            Error::RefundCurrency { expected } => Self::invalid(
                "amount.currencyCode",
                format!("must be {}", expected.code()),
            ),
            Error::RefundExceedsCaptured { remaining } => {
                let remaining = remaining.map_or_else(|| "0".to_owned(), |money| money.to_string());
                let text = format!("more than what is left to give back: {remaining}");
                Self::new(Kind::Precondition, text)
                    .reason("REFUND_EXCEEDS_CAPTURED")
                    .metadata("remaining", remaining)
            }
            Error::MalformedEvent { .. } => Self::new(Kind::Invalid, error.to_string()),
            Error::Provider(_) | Error::RefundNotFound(_) | Error::Stored { .. } => {
                Self::new(Kind::Internal, error.to_string()).caused_by(error)
            }
            Error::ProviderUnclear { .. }
            | Error::ReversalRefused { .. }
            | Error::Unresolved(_) => {
                let text = "the payment provider has not answered yet";
                Self::new(Kind::Unavailable, text)
                    .retry_after(ASK_AGAIN_AFTER)
                    .caused_by(error)
            }
        }
    }
}

impl From<Error> for tonic::Status {
    fn from(error: Error) -> Self {
        Failure::from(error).into()
    }
}

/// The one answer for what is not there and for what is somebody else's.
pub(crate) fn not_found() -> Failure {
    Failure::new(Kind::NotFound, "the payment was not found")
}

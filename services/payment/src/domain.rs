//! The money of orders: payments, refunds, the ledger, and the moves between their states.
//!
//! Pure: no database, no wire, no clock and no random numbers. Time and ids are arguments, and what
//! a move decides is returned as a value that `store.rs` saves and `events.rs` publishes. Whether
//! the provider has agreed is an argument too: a move is made when the answer is known.

mod ledger;
mod payment;
mod refund;
mod status;

use std::fmt;

use chrono::{DateTime, Utc};
use shop_chassis::Money;
use uuid::Uuid;

pub(crate) use ledger::Posting;
pub(crate) use payment::{Attempt, Capture, Moved, Payment, Reversal};
pub(crate) use refund::{REASON_CHARS_MAX, Refund, RefundPayment, RefundState};
pub(crate) use status::Status;

/// Names a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PaymentId(pub Uuid);

/// Names an order of the order service, and the one payment that it can have here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderId(pub Uuid);

/// Names a refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RefundId(pub Uuid);

/// The provider's name for money that it holds for us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizationId(pub String);

/// A step of a payment that others hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Authorized,
    Captured,
    Voided,
}

/// What has happened, with all that others may know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    Processed {
        phase: Phase,
        amount: Money,
    },
    Failed {
        phase: Phase,
        code: String,
    },
    Refunded {
        refund_id: RefundId,
        amount: Money,
        returned: Money,
    },
}

/// An instant in UTC, no finer than the database keeps it, so that what a call answers is what the
/// next call reads.
pub(crate) type Time = DateTime<Utc>;

// === impl PaymentId ===

impl fmt::Display for PaymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

// === impl OrderId ===

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

// === impl RefundId ===

impl RefundId {
    /// The refund that reverses a whole payment: named after it, so that there is one at most.
    pub fn reversal_of(payment: PaymentId) -> Self {
        Self(payment.0)
    }
}

impl fmt::Display for RefundId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests;

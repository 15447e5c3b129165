//! Money given back: what was asked for, and where it stands.

use shop_chassis::Money;

use super::{PaymentId, RefundId, Time};

/// A sentence; longer stories belong into the case system.
pub(crate) const REASON_CHARS_MAX: usize = 200;

/// A request of support, parsed. Its hash is the fingerprint under an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RefundPayment {
    pub payment_id: PaymentId,
    /// All that is left when absent.
    pub amount: Option<Money>,
    pub reason: String,
}

/// One refund. From the moment it is accepted its money is spoken for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refund {
    pub id: RefundId,
    pub payment_id: PaymentId,
    pub amount: Money,
    pub state: RefundState,
    pub reason: String,
    pub failure_code: Option<String>,
    pub create_time: Time,
    pub update_time: Time,
}

/// Where a refund stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefundState {
    /// Accepted; the provider's answer is awaited or unknown.
    Pending,
    Succeeded,
    /// Refused by the provider for good; its money is free again.
    Failed,
}

// === impl RefundState ===

impl RefundState {
    pub const ALL: [Self; 3] = [Self::Pending, Self::Succeeded, Self::Failed];

    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
        }
    }

    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

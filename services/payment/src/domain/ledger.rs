//! Double-entry bookkeeping in its simplest form: what is taken in one account is put into the
//! other.

use shop_chassis::Money;

use super::RefundId;

/// Where money is, in the books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Account {
    /// What the provider owes the shop.
    Provider,
    /// What the shop has sold.
    Sales,
}

/// One movement of money, to be booked once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posting {
    Capture { amount: Money },
    Refund { refund_id: RefundId, amount: Money },
}

// === impl Account ===

impl Account {
    pub fn name(self) -> &'static str {
        match self {
            Self::Provider => "PROVIDER",
            Self::Sales => "SALES",
        }
    }
}

// === impl Posting ===

impl Posting {
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Capture { .. } => "CAPTURE",
            Self::Refund { .. } => "REFUND",
        }
    }

    pub fn amount(&self) -> Money {
        match self {
            Self::Capture { amount } | Self::Refund { amount, .. } => *amount,
        }
    }

    pub fn refund_id(&self) -> Option<RefundId> {
        match self {
            Self::Capture { .. } => None,
            Self::Refund { refund_id, .. } => Some(*refund_id),
        }
    }

    /// The two rows, in minor units. They add up to zero.
    pub fn entries(&self) -> [(Account, i64); 2] {
        let owed = match self {
            Self::Capture { amount } => amount.minor(),
            Self::Refund { amount, .. } => -amount.minor(),
        };
        [(Account::Provider, owed), (Account::Sales, -owed)]
    }
}

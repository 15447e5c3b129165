//! Where a payment can stand, and the names that columns and callers read.

use std::fmt;

/// Where a payment stands, in Stripe's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    RequiresConfirmation,
    Processing,
    RequiresCapture,
    Succeeded,
    Canceled,
    Failed,
}

// === impl Status ===

impl Status {
    pub const ALL: [Self; 6] = [
        Self::RequiresConfirmation,
        Self::Processing,
        Self::RequiresCapture,
        Self::Succeeded,
        Self::Canceled,
        Self::Failed,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::RequiresConfirmation => "REQUIRES_CONFIRMATION",
            Self::Processing => "PROCESSING",
            Self::RequiresCapture => "REQUIRES_CAPTURE",
            Self::Succeeded => "SUCCEEDED",
            Self::Canceled => "CANCELED",
            Self::Failed => "FAILED",
        }
    }

    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

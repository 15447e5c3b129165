//! The units of one product: how many are in the warehouse and how many of these are promised.

use super::ProductId;

/// Far above any warehouse, far below what an `int32` on the wire can carry: sums cannot overflow.
pub const UNITS_MAX: i32 = 1_000_000_000;
/// A merchant's reason for an adjustment: one sentence in the ledger.
pub const NOTE_CHARS_MAX: usize = 200;

/// Units of one product. Always `0 <= reserved <= on_hand`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stock {
    pub on_hand: i32,
    pub reserved: i32,
    /// Counts the changes: `aggregateVersion` of the events of this stock.
    pub version: i64,
}

/// Why units change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StockReason {
    Initial,
    Adjusted,
    Reserved,
    Released,
    Committed,
    Returned,
}

/// One change of one product's units, as differences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StockChange {
    pub reason: StockReason,
    pub on_hand: i32,
    pub reserved: i32,
}

/// What a merchant asks of a product's units on hand.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Adjustment {
    pub product_id: ProductId,
    /// Units to add, or to take when negative. Not zero.
    pub delta: i32,
    /// Why, for the ledger.
    pub note: String,
}

/// Why a merchant cannot adjust the stock as asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdjustRefused {
    /// Less than what is promised would remain.
    #[error("only {available} units are available")]
    OutOfStock { available: i32 },
    /// More than [`UNITS_MAX`] would be on hand.
    #[error("{on_hand} units are on hand, and there cannot be more than {UNITS_MAX}")]
    TooMany { on_hand: i32 },
}

// === impl Stock ===

impl Stock {
    /// The units a product starts with.
    pub fn initial(on_hand: i32) -> Self {
        Self {
            on_hand,
            reserved: 0,
            version: 1,
        }
    }

    /// Units that a new order may reserve.
    pub fn available(&self) -> i32 {
        self.on_hand - self.reserved
    }

    /// Adds to or takes from the units on hand; what is promised stays covered.
    pub fn adjust(&self, delta: i32) -> Result<StockChange, AdjustRefused> {
        let on_hand = i64::from(self.on_hand) + i64::from(delta);
        if on_hand < i64::from(self.reserved) {
            return Err(AdjustRefused::OutOfStock {
                available: self.available(),
            });
        }
        if on_hand > i64::from(UNITS_MAX) {
            return Err(AdjustRefused::TooMany {
                on_hand: self.on_hand,
            });
        }
        Ok(StockReason::Adjusted.change(delta))
    }
}

// === impl StockReason ===

impl StockReason {
    /// The change of `units` for this reason. Only an adjustment may be negative.
    pub fn change(self, units: i32) -> StockChange {
        let (on_hand, reserved) = match self {
            Self::Initial | Self::Adjusted | Self::Returned => (units, 0),
            Self::Reserved => (0, units),
            Self::Released => (0, -units),
            Self::Committed => (-units, -units),
        };
        StockChange {
            reason: self,
            on_hand,
            reserved,
        }
    }

    /// The name in the ledger and in events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Initial => "INITIAL",
            Self::Adjusted => "ADJUSTED",
            Self::Reserved => "RESERVED",
            Self::Released => "RELEASED",
            Self::Committed => "COMMITTED",
            Self::Returned => "RETURNED",
        }
    }
}

// === impl StockChange ===

impl StockChange {
    /// The difference that an event shows: of `reserved` for a promise made or given back, else of
    /// `on_hand`.
    pub fn delta(&self) -> i32 {
        match self.reason {
            StockReason::Reserved | StockReason::Released => self.reserved,
            StockReason::Initial
            | StockReason::Adjusted
            | StockReason::Committed
            | StockReason::Returned => self.on_hand,
        }
    }
}

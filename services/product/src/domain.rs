//! The catalogue, its stock and the promises made from it: values and the moves between them.
//!
//! Pure: no database, no wire, no clock and no random numbers. Time and ids are arguments, and what
//! a move decides is returned as a value that `store.rs` saves and `events.rs` publishes.

mod product;
mod reservation;
mod stock;

pub use product::{
    CATEGORY_CHARS_MAX, DESCRIPTION_CHARS_MAX, Details, NAME_CHARS_MAX, NewProduct, Patch, Product,
    SKU_CHARS_MAX,
};
pub use reservation::{
    BadLines, CAUSE_CHARS_MAX, IllegalMove, Lines, Placement, Reservation, ReservationMove,
    ReservationState, Shortage, Step,
};
pub use stock::{
    AdjustRefused, Adjustment, NOTE_CHARS_MAX, Stock, StockChange, StockReason, UNITS_MAX,
};

use std::fmt;

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// Names a product, and its stock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProductId(pub Uuid);

/// Names an order of the order service, and the one reservation that it can have here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderId(pub Uuid);

/// What has happened, with all that others may know of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    ProductCreated(Product),
    ProductUpdated(Product),
    ProductDeleted(Product),
    StockUpdated {
        product_id: ProductId,
        change: StockChange,
        /// The units after the change.
        stock: Stock,
        /// The order that caused it, if one did.
        order_id: Option<OrderId>,
    },
    StockReserved(Reservation),
    StockRejected {
        reservation: Reservation,
        shortages: Vec<Shortage>,
    },
    StockReleased {
        reservation: Reservation,
        cause: String,
    },
}

/// An instant in UTC, no finer than the database keeps it, so that what a call answers is what the
/// next call reads.
pub type Time = DateTime<Utc>;

// === impl ProductId ===

impl ProductId {
    /// The id in its one canonical form; other spellings name nothing.
    pub fn parse(text: &str) -> Option<Self> {
        parse_id(text).map(Self)
    }
}

impl fmt::Display for ProductId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

// === impl OrderId ===

impl OrderId {
    /// The id in its one canonical form; other spellings name nothing.
    pub fn parse(text: &str) -> Option<Self> {
        parse_id(text).map(Self)
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn parse_id(text: &str) -> Option<Uuid> {
    // Braces, `urn:uuid:` and missing hyphens parse too, and would give one thing many names.
    let id = Uuid::try_parse(text).ok()?;
    (id.to_string() == text).then_some(id)
}

#[cfg(test)]
mod tests;

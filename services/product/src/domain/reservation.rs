//! The promise of units to one order: HELD for a while, CONFIRMED before its money is taken,
//! COMMITTED when it is paid, or RELEASED.

use std::collections::BTreeMap;

use super::{OrderId, ProductId, Stock, StockReason, Time, UNITS_MAX};

/// A word or a short sentence in an event.
pub const CAUSE_CHARS_MAX: usize = 200;
/// Cause of a release that nobody asked for.
const CAUSE_EXPIRED: &str = "EXPIRED";

/// What the shop promised to one order, or that it did not.
#[derive(Clone, Debug, PartialEq)]
pub struct Reservation {
    pub order_id: OrderId,
    pub state: ReservationState,
    /// Empty when nothing was ever promised: rejected, or released before it was asked for.
    pub lines: Lines,
    /// When a hold ends unless it is confirmed.
    pub expire_time: Option<Time>,
    /// Counts the events of this reservation: their `aggregateVersion`. Moves that have no event of
    /// their own leave it alone, so that consumers see no gap.
    pub version: i64,
}

/// Where a reservation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReservationState {
    /// Promised until the hold expires.
    Held,
    /// Promised for good: the money may be captured.
    Confirmed,
    /// Paid; the units have left the warehouse.
    Committed,
    /// Given back, expired, or refused in advance (a tombstone: released before it was reserved).
    Released,
    /// There were not enough units.
    Rejected,
}

/// What may be asked of a reservation after it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReservationMove<'c> {
    /// Make the hold firm: the money is about to be taken.
    Confirm,
    /// The money was taken: the units leave.
    Commit,
    /// Give everything back, for this cause.
    Release(&'c str),
    /// The hold's time is over.
    Expire,
}

/// What a move does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing: it was done before, or something else has settled the matter.
    Stay,
    /// To another state, with a change of every line's stock if there is a reason for one.
    To(ReservationState, Option<StockReason>),
}

/// A move that this state does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a reservation that is {} cannot become {}", from.as_str(), to.as_str())]
pub struct IllegalMove {
    pub from: ReservationState,
    pub to: ReservationState,
}

/// Units per product, in the order of the product ids: the order in which stock is locked, so that
/// two orders never wait for each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines(BTreeMap<ProductId, i32>);

/// Lines that no order can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLines {
    #[error("an order without lines")]
    Empty,
    #[error("a quantity out of range for product \"{0}\"")]
    Quantity(ProductId),
}

/// What one product lacks for an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortage {
    pub product_id: ProductId,
    pub requested: i32,
    pub available: i32,
}

/// What became of an order's wish for units.
#[derive(Clone, Debug, PartialEq)]
pub enum Placement {
    Held(Reservation),
    Rejected(Reservation, Vec<Shortage>),
}

// === impl Reservation ===

impl Reservation {
    /// Promises all lines until `expire_time`, or none. A product that is missing in `stock`,
    /// unknown or deleted, has nothing available.
    pub fn place(
        order_id: OrderId,
        lines: Lines,
        stock: &BTreeMap<ProductId, Stock>,
        expire_time: Time,
    ) -> Placement {
        let shortages = lines.shortages(stock);
        if !shortages.is_empty() {
            let rejected = Self {
                order_id,
                state: ReservationState::Rejected,
                lines: Lines::default(),
                expire_time: None,
                version: 1,
            };
            return Placement::Rejected(rejected, shortages);
        }
        Placement::Held(Self {
            order_id,
            state: ReservationState::Held,
            lines,
            expire_time: Some(expire_time),
            version: 1,
        })
    }

    /// Released before it was asked for. Nobody is told, so it has no event and version 0.
    pub fn tombstone(order_id: OrderId) -> Self {
        Self {
            order_id,
            state: ReservationState::Released,
            lines: Lines::default(),
            expire_time: None,
            version: 0,
        }
    }

    /// The reservation in its next state. Only a release is told to others.
    pub fn moved(&self, to: ReservationState) -> Self {
        let told = i64::from(to == ReservationState::Released);
        Self {
            state: to,
            version: self.version + told,
            ..self.clone()
        }
    }
}

// === impl ReservationState ===

impl ReservationState {
    pub const ALL: [Self; 5] = [
        Self::Held,
        Self::Confirmed,
        Self::Committed,
        Self::Released,
        Self::Rejected,
    ];

    /// What `asked` does to a reservation in this state.
    ///
    /// Everything may arrive twice, late and in any order, so that only a confirmation can be
    /// refused: whoever asks for it is about to take money.
    pub fn after(self, asked: ReservationMove<'_>) -> Result<Step, IllegalMove> {
        use ReservationMove::{Commit, Confirm, Expire, Release};
        use ReservationState::{Committed, Confirmed, Held, Rejected, Released};
        match (asked, self) {
            (Confirm, Held) => Ok(Step::To(Confirmed, None)),
            (Confirm, Confirmed | Committed) => Ok(Step::Stay),
            (Confirm, Released | Rejected) => Err(IllegalMove {
                from: self,
                to: Confirmed,
            }),
            (Commit, Held | Confirmed) => Ok(Step::To(Committed, Some(StockReason::Committed))),
            (Commit, Committed | Released | Rejected) => Ok(Step::Stay),
            (Release(_), Held | Confirmed) => Ok(Step::To(Released, Some(StockReason::Released))),
            (Release(_), Committed) => Ok(Step::To(Released, Some(StockReason::Returned))),
            (Release(_), Released | Rejected) => Ok(Step::Stay),
            (Expire, Held) => Ok(Step::To(Released, Some(StockReason::Released))),
            (Expire, Confirmed | Committed | Released | Rejected) => Ok(Step::Stay),
        }
    }

    /// The name in the database and in errors.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "HELD",
            Self::Confirmed => "CONFIRMED",
            Self::Committed => "COMMITTED",
            Self::Released => "RELEASED",
            Self::Rejected => "REJECTED",
        }
    }

    /// The state with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

// === impl ReservationMove ===

impl<'c> ReservationMove<'c> {
    /// Why units are given back; `None` when none are.
    pub fn cause(self) -> Option<&'c str> {
        match self {
            Self::Confirm | Self::Commit => None,
            Self::Release(cause) => Some(cause),
            Self::Expire => Some(CAUSE_EXPIRED),
        }
    }
}

// === impl Lines ===

impl Lines {
    /// Adds up the lines of one product: two lines for it must not each be measured against the
    /// whole stock.
    pub fn merge(lines: impl IntoIterator<Item = (ProductId, i32)>) -> Result<Self, BadLines> {
        let mut merged = BTreeMap::<ProductId, i32>::new();
        for (product_id, quantity) in lines {
            let sum = merged.entry(product_id).or_default();
            *sum = sum
                .checked_add(quantity)
                .filter(|sum| quantity > 0 && *sum <= UNITS_MAX)
                .ok_or(BadLines::Quantity(product_id))?;
        }
        if merged.is_empty() {
            return Err(BadLines::Empty);
        }
        Ok(Self(merged))
    }

    /// The lines as they were stored.
    pub fn stored(lines: impl IntoIterator<Item = (ProductId, i32)>) -> Self {
        Self(lines.into_iter().collect())
    }

    pub fn iter(&self) -> impl Iterator<Item = (ProductId, i32)> + '_ {
        self.0.iter().map(|(id, quantity)| (*id, *quantity))
    }

    /// What `stock` lacks for these lines.
    fn shortages(&self, stock: &BTreeMap<ProductId, Stock>) -> Vec<Shortage> {
        self.iter()
            .map(|(product_id, requested)| Shortage {
                product_id,
                requested,
                available: stock.get(&product_id).map_or(0, Stock::available),
            })
            .filter(|line| line.available < line.requested)
            .collect()
    }

    pub fn product_ids(&self) -> impl Iterator<Item = ProductId> + '_ {
        self.0.keys().copied()
    }
}

//! What an order is: its values, how one is placed and priced. Where it goes from there is `saga`.
//!
//! Pure: ids, times and prices are arguments. Nothing here knows a wire, a table or a clock.

mod email;

use std::collections::HashMap;
use std::fmt;

use chrono::{DateTime, Utc};
use shop_chassis::Money;
use uuid::Uuid;

use crate::saga::{Reason, State, Status};

pub(crate) use email::Email;

/// Lines of one request: what a person orders at once, and what one reservation locks at most.
pub(crate) const LINES_MAX: usize = 100;
/// Units of one product in one order.
pub(crate) const QUANTITY_MAX: i32 = 999;
/// Room for any provider's token, and no more.
pub(crate) const PAYMENT_TOKEN_LENGTH_MAX: usize = 255;
/// Card numbers have 12 to 19 digits (ISO/IEC 7812 and what is left of older schemes).
const CARD_NUMBER_DIGITS: std::ops::RangeInclusive<usize> = 12..=19;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct OrderId(pub(crate) Uuid);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ProductId(pub(crate) Uuid);

/// The `sub` of the token that placed the order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CustomerId(pub(crate) String);

/// The payment provider's token. Never in an event, never in a log, never a card number.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct PaymentToken(String);

/// Units of one product, 1 to [`QUANTITY_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Quantity(i32);

/// An instant in UTC, no finer than the database keeps it, so that what a call answers is what the
/// next call reads.
pub(crate) type Time = DateTime<Utc>;

/// What is wrong with a value of a request, for the one who sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Malformed(&'static str);

/// The wish for an order, with each value parsed and each product once. Its hash is what tells one
/// request from another with the same idempotency key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Wish {
    pub(crate) email: Email,
    pub(crate) payment_token: PaymentToken,
    pub(crate) lines: Vec<WishedLine>,
}

/// One product of a wish.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct WishedLine {
    /// Where the product first stood in the request, to speak of it to the caller.
    pub(crate) index: usize,
    pub(crate) product: ProductId,
    pub(crate) quantity: Quantity,
}

/// A product as the catalogue shows it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Product {
    pub(crate) id: ProductId,
    pub(crate) sku: String,
    pub(crate) name: String,
    pub(crate) price: Money,
}

/// Why a wish cannot become an order. Numbers are indexes of the request's lines.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The catalogue does not have these products.
    #[error("products of {} lines are not available", .0.len())]
    Unavailable(Vec<usize>),
    /// These lines cannot be added to the first one.
    #[error("{} lines have another currency than the first", .0.len())]
    MixedCurrencies(Vec<usize>),
    /// The order would cost more than 64 bits can count.
    #[error("the amount of line {0} is too large to be counted")]
    TooLarge(usize),
    /// There is no payment of nothing, and without one no order is ever settled.
    #[error("the order costs nothing")]
    Free,
}

/// An order. Its lines and prices never change; its state does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) id: OrderId,
    pub(crate) customer: CustomerId,
    pub(crate) state: State,
    pub(crate) lines: Vec<Line>,
    pub(crate) total: Money,
    /// Counts the moves that were published, from 1: the version of the aggregate.
    pub(crate) version: i64,
    pub(crate) create_time: Time,
    pub(crate) update_time: Time,
}

/// One product of an order, as it was when the order was placed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) product: ProductId,
    pub(crate) sku: String,
    pub(crate) name: String,
    pub(crate) quantity: Quantity,
    pub(crate) unit_price: Money,
    pub(crate) amount: Money,
}

/// One move of an order: a row of its history, and an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Transition {
    pub(crate) from: Option<Status>,
    pub(crate) to: Status,
    pub(crate) reason: Option<Reason>,
    pub(crate) actor: String,
    pub(crate) event_id: Uuid,
    pub(crate) trace_id: String,
    pub(crate) time: Time,
}

/// Which orders a caller may see.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Scope {
    /// The customer's own orders.
    Own(CustomerId),
    /// Any order: support and administrators.
    Any,
}

/// Adds up lines of the same product, which stay where the product first stood. Fails with the
/// indexes of the lines that take a product beyond [`QUANTITY_MAX`].
pub(crate) fn merge(lines: Vec<WishedLine>) -> Result<Vec<WishedLine>, Vec<usize>> {
    let mut merged: Vec<WishedLine> = Vec::with_capacity(lines.len());
    let mut beyond = Vec::new();
    for line in lines {
        let earlier = merged
            .iter_mut()
            .find(|earlier| earlier.product == line.product);
        let Some(earlier) = earlier else {
            merged.push(line);
            continue;
        };
        match Quantity::parse(earlier.quantity.0 + line.quantity.0) {
            Ok(sum) => earlier.quantity = sum,
            Err(_) => beyond.push(line.index),
        }
    }
    if beyond.is_empty() {
        Ok(merged)
    } else {
        Err(beyond)
    }
}

// === impl Order ===

impl Order {
    /// Prices a wish with what the catalogue shows now. Prices never come from the caller.
    pub(crate) fn place(
        id: OrderId,
        customer: CustomerId,
        wish: &Wish,
        products: &[Product],
        now: Time,
    ) -> Result<Self, Refusal> {
        let lines = price(&wish.lines, products)?;
        let total = total(&wish.lines, &lines)?;
        Ok(Self {
            id,
            customer,
            state: State::PLACED,
            lines,
            total,
            version: 1,
            create_time: now,
            update_time: now,
        })
    }
}

fn price(wished: &[WishedLine], products: &[Product]) -> Result<Vec<Line>, Refusal> {
    let products: HashMap<ProductId, &Product> = products
        .iter()
        .map(|product| (product.id, product))
        .collect();
    let mut lines = Vec::with_capacity(wished.len());
    let mut missing = Vec::new();
    for wish in wished {
        let Some(product) = products.get(&wish.product) else {
            missing.push(wish.index);
            continue;
        };
        let amount = product
            .price
            .checked_mul(i64::from(wish.quantity.0))
            .map_err(|_| Refusal::TooLarge(wish.index))?;
        lines.push(Line {
            product: product.id,
            sku: product.sku.clone(),
            name: product.name.clone(),
            quantity: wish.quantity,
            unit_price: product.price,
            amount,
        });
    }
    if missing.is_empty() {
        Ok(lines)
    } else {
        Err(Refusal::Unavailable(missing))
    }
}

/// Adds up `lines`, which stand in the order of `wished`.
fn total(wished: &[WishedLine], lines: &[Line]) -> Result<Money, Refusal> {
    let first = lines.first().ok_or(Refusal::Unavailable(Vec::new()))?;
    let mut total = Money::zero(first.amount.currency());
    let mut foreign = Vec::new();
    for (wish, line) in wished.iter().zip(lines) {
        if line.amount.currency() != total.currency() {
            foreign.push(wish.index);
            continue;
        }
        total = total
            .checked_add(line.amount)
            .map_err(|_| Refusal::TooLarge(wish.index))?;
    }
    if !foreign.is_empty() {
        Err(Refusal::MixedCurrencies(foreign))
    } else if total.is_positive() {
        Ok(total)
    } else {
        Err(Refusal::Free)
    }
}

// === impl Wish ===

impl Wish {
    pub(crate) fn products(&self) -> Vec<ProductId> {
        self.lines.iter().map(|line| line.product).collect()
    }
}

// === impl PaymentToken ===

impl PaymentToken {
    pub(crate) fn parse(text: &str) -> Result<Self, Malformed> {
        if text.is_empty() {
            return Err(Malformed("must be set"));
        }
        if text.len() > PAYMENT_TOKEN_LENGTH_MAX {
            return Err(Malformed("must have at most 255 characters"));
        }
        if !text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() || byte == b' ')
        {
            return Err(Malformed("must be printable ASCII"));
        }
        if looks_like_a_card_number(text) {
            return Err(Malformed(
                "must be the provider's token, never a card number",
            ));
        }
        Ok(Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PaymentToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PaymentToken(..)")
    }
}

/// Digits, grouped as people write them or not. A provider's token always has a letter.
fn looks_like_a_card_number(text: &str) -> bool {
    let grouping = |byte: &u8| matches!(byte, b' ' | b'-' | b'.' | b'/' | b'_');
    let bytes: Vec<u8> = text.bytes().filter(|byte| !grouping(byte)).collect();
    CARD_NUMBER_DIGITS.contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_digit)
}

// === impl Quantity ===

impl Quantity {
    pub(crate) fn parse(units: i32) -> Result<Self, Malformed> {
        if (1..=QUANTITY_MAX).contains(&units) {
            Ok(Self(units))
        } else {
            Err(Malformed("must be 1 to 999"))
        }
    }

    pub(crate) fn units(self) -> i32 {
        self.0
    }
}

// === impl OrderId, ProductId, CustomerId ===

impl ProductId {
    pub(crate) fn parse(text: &str) -> Result<Self, Malformed> {
        text.parse()
            .map(Self)
            .map_err(|_| Malformed("must be the id of a product"))
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for ProductId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for CustomerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests;

//! Rows of orders and their lines, to and from the domain. Nothing here decides.

use diesel::prelude::{AsChangeset, Insertable, Queryable, Selectable};
use shop_chassis::{Currency, Money};
use uuid::Uuid;

use super::schema::{order_contact, order_line, order_transition, orders};
use crate::domain::{
    CustomerId, Line, Order, OrderId, ProductId, Quantity, Time, Transition, Wish,
};
use crate::error::Error;
use crate::saga::{Reason, State, Status, Undo};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = orders)]
pub(super) struct OrderRow {
    id: Uuid,
    customer_id: String,
    #[diesel(embed)]
    state: StateRow,
    total_minor: i64,
    currency: String,
    version: i64,
    create_time: Time,
    update_time: Time,
}

/// What the saga remembers, one column for each thing; which are set depends on the status, and a
/// constraint of the table says the same.
#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = orders, treat_none_as_null = true)]
pub(super) struct StateRow {
    status: String,
    stock_held: Option<bool>,
    payment_held: Option<bool>,
    cancel: Option<String>,
    reason: Option<String>,
    stock_release: Option<String>,
    payment_reversal: Option<String>,
}

/// What a move changes in the row of an order.
#[derive(AsChangeset)]
#[diesel(table_name = orders)]
pub(super) struct MovedRow {
    #[diesel(embed)]
    state: StateRow,
    version: i64,
    update_time: Time,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = order_line)]
pub(super) struct LineRow {
    pub(super) order_id: Uuid,
    position: i32,
    product_id: Uuid,
    sku: String,
    name: String,
    quantity: i32,
    unit_price_minor: i64,
    amount_minor: i64,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = order_transition)]
pub(super) struct TransitionRow {
    order_id: Uuid,
    version: i64,
    from_status: Option<String>,
    to_status: String,
    reason: Option<String>,
    actor: String,
    event_id: Uuid,
    trace_id: String,
    transition_time: Time,
}

#[derive(Insertable)]
#[diesel(table_name = order_contact)]
pub(super) struct ContactRow<'w> {
    order_id: Uuid,
    email: &'w str,
    payment_token: &'w str,
}

// === impl OrderRow ===

impl OrderRow {
    pub(super) fn of(order: &Order) -> Self {
        Self {
            id: order.id.0,
            customer_id: order.customer.0.clone(),
            state: StateRow::of(order.state),
            total_minor: order.total.minor(),
            currency: order.total.currency().code().to_owned(),
            version: order.version,
            create_time: order.create_time,
            update_time: order.update_time,
        }
    }

    pub(super) fn id(&self) -> Uuid {
        self.id
    }

    pub(super) fn into_domain(self, lines: Vec<LineRow>) -> Result<Order, Error> {
        let stored = |what| Error::Stored {
            order: self.id,
            what,
        };
        let currency = Currency::of(&self.currency).ok_or(stored("currency"))?;
        let lines: Option<Vec<Line>> = lines
            .into_iter()
            .map(|line| line.into_domain(currency))
            .collect();
        Ok(Order {
            id: OrderId(self.id),
            customer: CustomerId(self.customer_id),
            state: self.state.state().ok_or(stored("state"))?,
            lines: lines.ok_or(stored("line"))?,
            total: Money::new(self.total_minor, currency),
            version: self.version,
            create_time: self.create_time,
            update_time: self.update_time,
        })
    }
}

// === impl StateRow ===

impl StateRow {
    fn of(state: State) -> Self {
        let mut row = Self {
            status: state.status().name().to_owned(),
            stock_held: None,
            payment_held: None,
            cancel: None,
            reason: state.reason().map(|reason| reason.name().to_owned()),
            stock_release: None,
            payment_reversal: None,
        };
        match state {
            State::Pending {
                stock_held,
                payment_held,
            } => {
                row.stock_held = Some(stock_held);
                row.payment_held = Some(payment_held);
            }
            State::Confirmed { cancel } => {
                row.cancel = cancel.map(|reason| reason.name().to_owned());
            }
            State::Cancelling {
                release, reverse, ..
            } => {
                row.stock_release = Some(undo_name(release).to_owned());
                row.payment_reversal = Some(undo_name(reverse).to_owned());
            }
            State::Paid | State::Cancelled { .. } => {}
        }
        row
    }

    fn state(&self) -> Option<State> {
        let reason = match &self.reason {
            Some(name) => Some(reason_of(name)?),
            None => None,
        };
        Some(match status_of(&self.status)? {
            Status::Pending => State::Pending {
                stock_held: self.stock_held?,
                payment_held: self.payment_held?,
            },
            Status::Confirmed => State::Confirmed {
                cancel: match &self.cancel {
                    Some(name) => Some(reason_of(name)?),
                    None => None,
                },
            },
            Status::Paid => State::Paid,
            Status::Cancelling => State::Cancelling {
                reason: reason?,
                release: undo_of(self.stock_release.as_deref()?)?,
                reverse: undo_of(self.payment_reversal.as_deref()?)?,
            },
            Status::Cancelled => State::Cancelled { reason: reason? },
        })
    }
}

// === impl MovedRow ===

impl MovedRow {
    pub(super) fn of(order: &Order) -> Self {
        Self {
            state: StateRow::of(order.state),
            version: order.version,
            update_time: order.update_time,
        }
    }
}

// === impl LineRow ===

impl LineRow {
    pub(super) fn all_of(order: &Order) -> Vec<Self> {
        (0..)
            .zip(&order.lines)
            .map(|(position, line)| Self {
                order_id: order.id.0,
                position,
                product_id: line.product.0,
                sku: line.sku.clone(),
                name: line.name.clone(),
                quantity: line.quantity.units(),
                unit_price_minor: line.unit_price.minor(),
                amount_minor: line.amount.minor(),
            })
            .collect()
    }

    fn into_domain(self, currency: Currency) -> Option<Line> {
        Some(Line {
            product: ProductId(self.product_id),
            sku: self.sku,
            name: self.name,
            quantity: Quantity::parse(self.quantity).ok()?,
            unit_price: Money::new(self.unit_price_minor, currency),
            amount: Money::new(self.amount_minor, currency),
        })
    }
}

// === impl TransitionRow ===

impl TransitionRow {
    pub(super) fn of(order: OrderId, version: i64, transition: &Transition) -> Self {
        Self {
            order_id: order.0,
            version,
            from_status: transition.from.map(|status| status.name().to_owned()),
            to_status: transition.to.name().to_owned(),
            reason: transition.reason.map(|reason| reason.name().to_owned()),
            actor: transition.actor.clone(),
            event_id: transition.event_id,
            trace_id: transition.trace_id.clone(),
            transition_time: transition.time,
        }
    }

    pub(super) fn into_domain(self) -> Result<Transition, Error> {
        let stored = |what| Error::Stored {
            order: self.order_id,
            what,
        };
        let from = match &self.from_status {
            Some(name) => Some(status_of(name).ok_or(stored("from_status"))?),
            None => None,
        };
        let reason = match &self.reason {
            Some(name) => Some(reason_of(name).ok_or(stored("reason"))?),
            None => None,
        };
        Ok(Transition {
            from,
            to: status_of(&self.to_status).ok_or(stored("to_status"))?,
            reason,
            actor: self.actor,
            event_id: self.event_id,
            trace_id: self.trace_id,
            time: self.transition_time,
        })
    }
}

// === impl ContactRow ===

impl<'w> ContactRow<'w> {
    pub(super) fn of(order: OrderId, wish: &'w Wish) -> Self {
        Self {
            order_id: order.0,
            email: wish.email.as_str(),
            payment_token: wish.payment_token.as_str(),
        }
    }
}

// === names in columns ===

fn status_of(name: &str) -> Option<Status> {
    Some(match name {
        "PENDING" => Status::Pending,
        "CONFIRMED" => Status::Confirmed,
        "PAID" => Status::Paid,
        "CANCELLING" => Status::Cancelling,
        "CANCELLED" => Status::Cancelled,
        _ => return None,
    })
}

fn reason_of(name: &str) -> Option<Reason> {
    Some(match name {
        "OUT_OF_STOCK" => Reason::OutOfStock,
        "PAYMENT_FAILED" => Reason::PaymentFailed,
        "CANCEL_REQUESTED" => Reason::CancelRequested,
        "DEADLINE_PASSED" => Reason::DeadlinePassed,
        _ => return None,
    })
}

fn undo_name(undo: Undo) -> &'static str {
    match undo {
        Undo::NotNeeded => "NOT_NEEDED",
        Undo::Asked => "ASKED",
        Undo::Done => "DONE",
    }
}

fn undo_of(name: &str) -> Option<Undo> {
    Some(match name {
        "NOT_NEEDED" => Undo::NotNeeded,
        "ASKED" => Undo::Asked,
        "DONE" => Undo::Done,
        _ => return None,
    })
}

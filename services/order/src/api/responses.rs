//! Orders as customers and events show them. One way only: what comes in is parsed in `requests.rs`.

use pbjson_types::Timestamp;
use shop_chassis::Money;
use shop_proto::order::v1;

use crate::domain::{Line, Order, Transition};
use crate::saga::{Reason, Status};

/// An amount as `google.type.Money`.
pub(crate) fn wire_money(money: Money) -> shop_proto::Money {
    shop_proto::Money {
        currency_code: money.currency().code().to_owned(),
        units: money.units(),
        nanos: money.nanos(),
    }
}

impl From<&Order> for v1::Order {
    fn from(order: &Order) -> Self {
        let reason = order.state.reason();
        Self {
            id: order.id.to_string(),
            customer_id: order.customer.to_string(),
            status: v1::order::Status::from(order.state.status()).into(),
            reason: reason.map(|reason| v1::order::Reason::from(reason).into()),
            lines: order.lines.iter().map(v1::OrderLine::from).collect(),
            total: Some(wire_money(order.total)),
            cancel_requested: order.state.cancel_requested(),
            create_time: Some(Timestamp::from(order.create_time)),
            update_time: Some(Timestamp::from(order.update_time)),
        }
    }
}

impl From<&Line> for v1::OrderLine {
    fn from(line: &Line) -> Self {
        Self {
            product_id: line.product.to_string(),
            sku: line.sku.clone(),
            name: line.name.clone(),
            quantity: line.quantity.units(),
            unit_price: Some(wire_money(line.unit_price)),
            amount: Some(wire_money(line.amount)),
        }
    }
}

impl From<Transition> for v1::Transition {
    fn from(transition: Transition) -> Self {
        let (from, reason) = (transition.from, transition.reason);
        Self {
            from: from.map(|status| v1::order::Status::from(status).into()),
            to: v1::order::Status::from(transition.to).into(),
            reason: reason.map(|reason| v1::order::Reason::from(reason).into()),
            actor: transition.actor,
            event_id: transition.event_id.to_string(),
            trace_id: transition.trace_id,
            transition_time: Some(Timestamp::from(transition.time)),
        }
    }
}

impl From<Status> for v1::order::Status {
    fn from(status: Status) -> Self {
        match status {
            Status::Pending => Self::Pending,
            Status::Confirmed => Self::Confirmed,
            Status::Paid => Self::Paid,
            Status::Cancelling => Self::Cancelling,
            Status::Cancelled => Self::Cancelled,
        }
    }
}

impl From<Reason> for v1::order::Reason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::OutOfStock => Self::OutOfStock,
            Reason::PaymentFailed => Self::PaymentFailed,
            Reason::CancelRequested => Self::CancelRequested,
            Reason::DeadlinePassed => Self::DeadlinePassed,
        }
    }
}

//! Events in both directions: what the product and payment services tell becomes inputs of the
//! saga, and what an order did becomes a fact on `order-events`. Nothing here decides.

use serde::Serialize;
use shop_chassis::bus::{Ack, Event, Handler};
use shop_chassis::outbox::OutboxEvent;
use shop_chassis::{Caller, Failure, Tx};
use shop_proto::order::v1 as wire;
use shop_proto::payment::v1::{PaymentFailedEvent, PaymentProcessedEvent, Phase};
use shop_proto::product::v1::{StockRejectedEvent, StockReservedEvent};

use crate::api::wire_money;
use crate::domain::{Order, OrderId};
use crate::error::Error;
use crate::now;
use crate::saga::{Input, Reason, Status};
use crate::store;

/// What this service listens to.
pub(crate) const TOPICS: &[&str] = &["product-events", "payment-events"];

const TOPIC: &str = "order-events";
const AGGREGATE: &str = "order";
/// Schema version of every event here, in and out.
const VERSION: u32 = 1;

/// Applies what other services have told.
pub(crate) struct OrderEvents;

// === impl OrderEvents ===

impl Handler for OrderEvents {
    fn concerns(&self, event: &Event) -> bool {
        !matches!(decode(event), Ok(None))
    }

    async fn apply(&self, tx: &mut Tx, caller: &Caller, event: &Event) -> Result<Ack, Failure> {
        let Some((order, input)) = decode(event)? else {
            return Ok(Ack::Ignored);
        };
        store::take(tx, caller, order, input, now()).await?;
        Ok(Ack::Applied)
    }
}

/// The order that an event speaks of, and what it means for it; none when it means nothing.
fn decode(event: &Event) -> Result<Option<(OrderId, Input)>, Failure> {
    match (event.event_type.as_str(), event.version) {
        ("StockReservedEvent", VERSION) => {
            let data: StockReservedEvent = event.payload()?;
            Ok(Some((parse(&data.order_id)?, Input::StockReserved)))
        }
        ("StockRejectedEvent", VERSION) => {
            let data: StockRejectedEvent = event.payload()?;
            Ok(Some((parse(&data.order_id)?, Input::StockRejected)))
        }
        ("PaymentProcessedEvent", VERSION) => {
            let data: PaymentProcessedEvent = event.payload()?;
            match Phase::try_from(data.phase) {
                Ok(Phase::Authorized) => {
                    Ok(Some((parse(&data.order_id)?, Input::PaymentAuthorized)))
                }
                // The task that asked for it has the answer.
                Ok(Phase::Captured | Phase::Voided) => Ok(None),
                Ok(Phase::Unspecified) | Err(_) => Err(Error::Event { field: "phase" }.into()),
            }
        }
        ("PaymentFailedEvent", VERSION) => {
            let data: PaymentFailedEvent = event.payload()?;
            match Phase::try_from(data.phase) {
                // Another try may succeed: the payment is still open.
                Ok(Phase::Authorized) if data.retryable => Ok(None),
                Ok(Phase::Authorized) => Ok(Some((parse(&data.order_id)?, Input::PaymentFailed))),
                Ok(Phase::Captured | Phase::Voided) => Ok(None),
                Ok(Phase::Unspecified) | Err(_) => Err(Error::Event { field: "phase" }.into()),
            }
        }
        (
            "StockReservedEvent"
            | "StockRejectedEvent"
            | "PaymentProcessedEvent"
            | "PaymentFailedEvent",
            _,
        ) => Err(event.unknown()),
        // Facts that no order depends on.
        _ => Ok(None),
    }
}

fn parse(order_id: &str) -> Result<OrderId, Error> {
    let id = order_id
        .parse()
        .map_err(|_| Error::Event { field: "orderId" })?;
    Ok(OrderId(id))
}

// === facts of this service ===

/// An order was accepted.
pub(crate) fn created(order: &Order) -> Result<OutboxEvent, Error> {
    let data = wire::OrderCreatedEvent {
        order_id: order.id.to_string(),
        customer_id: order.customer.to_string(),
        lines: order.lines.iter().map(wire::OrderLine::from).collect(),
        total: Some(wire_money(order.total)),
    };
    publish(order, "OrderCreatedEvent", &data)
}

/// An order moved. The last move of one that is undone has an event of its own name.
pub(crate) fn moved(
    order: &Order,
    from: Status,
    to: Status,
    reason: Option<Reason>,
) -> Result<OutboxEvent, Error> {
    let (order_id, customer_id) = (order.id.to_string(), order.customer.to_string());
    if let (Status::Cancelled, Some(reason)) = (to, reason) {
        let data = wire::OrderCancelledEvent {
            order_id,
            customer_id,
            reason: wire::order::Reason::from(reason).into(),
        };
        return publish(order, "OrderCancelledEvent", &data);
    }
    let data = wire::OrderStatusUpdatedEvent {
        order_id,
        customer_id,
        from: wire::order::Status::from(from).into(),
        to: wire::order::Status::from(to).into(),
        reason: reason.map(|reason| wire::order::Reason::from(reason).into()),
    };
    publish(order, "OrderStatusUpdatedEvent", &data)
}

fn publish(
    order: &Order,
    event_type: &'static str,
    data: &impl Serialize,
) -> Result<OutboxEvent, Error> {
    Ok(OutboxEvent {
        topic: TOPIC,
        aggregate_type: AGGREGATE,
        aggregate_id: order.id.to_string(),
        aggregate_version: order.version,
        event_type,
        schema_version: VERSION,
        data: serde_json::to_value(data).map_err(shop_chassis::Error::Json)?,
        occurred_on: order.update_time,
    })
}

#[cfg(test)]
mod tests;

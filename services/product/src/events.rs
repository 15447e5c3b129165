//! Events both ways: what this service does on the facts of orders, and how its own facts look to
//! others.

use std::time::Duration;

use pbjson_types::Timestamp;
use serde::Serialize;
use shop_chassis::bus::{Ack, Event, Handler};
use shop_chassis::outbox::OutboxEvent;
use shop_chassis::{Caller, Failure, Tx};
use shop_proto::order::v1::order::Status;
use shop_proto::order::v1::{OrderCreatedEvent, OrderStatusUpdatedEvent};
use shop_proto::product::v1;
use uuid::Uuid;

use crate::api::wire_money;
use crate::domain::{
    Fact, Lines, OrderId, Product, ProductId, Reservation, ReservationMove, Shortage, StockReason,
    Time,
};
use crate::error::Error;
use crate::now;
use crate::store::{self, Wish};

const TOPIC: &str = "product-events";
/// Of every payload here; a change that old readers would misread makes it 2.
const SCHEMA_VERSION: u32 = 1;

/// Applies the facts of orders.
pub(crate) struct ProductEvents {
    reservation_hold: Duration,
}

/// The parts of an envelope that differ from fact to fact.
struct Envelope {
    event_type: &'static str,
    aggregate_type: &'static str,
    aggregate_id: Uuid,
    aggregate_version: i64,
    data: serde_json::Value,
}

/// Publishes a fact in the transaction that makes it true. The id of its event.
pub(crate) async fn publish(
    tx: &mut Tx,
    caller: &Caller,
    fact: &Fact,
    occurred_on: Time,
) -> Result<Uuid, Error> {
    let envelope = envelope(fact)?;
    let event = OutboxEvent {
        topic: TOPIC,
        aggregate_type: envelope.aggregate_type,
        aggregate_id: envelope.aggregate_id.to_string(),
        aggregate_version: envelope.aggregate_version,
        event_type: envelope.event_type,
        schema_version: SCHEMA_VERSION,
        data: envelope.data,
        occurred_on,
    };
    Ok(tx.publish(caller, event).await?)
}

// === impl ProductEvents ===

impl ProductEvents {
    pub(crate) fn new(reservation_hold: Duration) -> Self {
        Self { reservation_hold }
    }

    async fn order_created(
        &self,
        tx: &mut Tx,
        caller: &Caller,
        event: &OrderCreatedEvent,
    ) -> Result<Ack, Failure> {
        let now = now();
        let order_id = order_id(&event.order_id)?;
        let wish = Wish {
            order_id,
            lines: lines(order_id, event)?,
            expire_time: now + self.reservation_hold,
        };
        store::reserve(tx, caller, wish, now).await?;
        Ok(Ack::Applied)
    }

    async fn order_status_updated(
        &self,
        tx: &mut Tx,
        caller: &Caller,
        event: &OrderStatusUpdatedEvent,
    ) -> Result<Ack, Failure> {
        if event.to() != Status::Paid {
            return Ok(Ack::Ignored);
        }
        let order_id = order_id(&event.order_id)?;
        store::advance(tx, caller, order_id, ReservationMove::Commit, now()).await?;
        Ok(Ack::Applied)
    }
}

impl Handler for ProductEvents {
    fn concerns(&self, event: &Event) -> bool {
        match event.event_type.as_str() {
            "OrderCreatedEvent" => true,
            "OrderStatusUpdatedEvent" => {
                let data: Result<OrderStatusUpdatedEvent, _> = event.payload();
                data.map_or(true, |data| data.to() == Status::Paid)
            }
            _ => false,
        }
    }

    async fn prepare(&self, tx: &mut Tx, events: &[&Event]) -> Result<(), Failure> {
        let (mut wished, mut paid) = (Vec::new(), Vec::new());
        for event in events {
            // What cannot be read here is told when it is applied.
            if event.event_type != "OrderCreatedEvent" {
                paid.extend(OrderId::parse(&event.aggregate_id));
            } else if let Ok(created) = event.payload::<OrderCreatedEvent>() {
                let lines = created.lines.iter();
                wished.extend(lines.filter_map(|line| ProductId::parse(&line.product_id)));
            }
        }
        Ok(store::hold_stock(tx, wished, &paid).await?)
    }

    async fn apply(&self, tx: &mut Tx, caller: &Caller, event: &Event) -> Result<Ack, Failure> {
        match (event.event_type.as_str(), event.version) {
            ("OrderCreatedEvent", 1) => self.order_created(tx, caller, &event.payload()?).await,
            ("OrderStatusUpdatedEvent", 1) => {
                self.order_status_updated(tx, caller, &event.payload()?)
                    .await
            }
            ("OrderCreatedEvent" | "OrderStatusUpdatedEvent", _) => Err(event.unknown()),
            _ => Ok(Ack::Ignored),
        }
    }
}

fn order_id(text: &str) -> Result<OrderId, Error> {
    OrderId::parse(text).ok_or_else(|| Error::NotAnId(text.to_owned()))
}

fn lines(order_id: OrderId, event: &OrderCreatedEvent) -> Result<Lines, Error> {
    let mut lines = Vec::with_capacity(event.lines.len());
    for line in &event.lines {
        let product_id = ProductId::parse(&line.product_id)
            .ok_or_else(|| Error::NotAnId(line.product_id.clone()))?;
        lines.push((product_id, line.quantity));
    }
    Lines::merge(lines).map_err(|source| Error::MalformedOrder { order_id, source })
}

fn envelope(fact: &Fact) -> Result<Envelope, Error> {
    match fact {
        Fact::ProductCreated(product) => {
            let payload = v1::ProductCreatedEvent {
                product: Some(snapshot(product)),
            };
            of_product("ProductCreatedEvent", product, &payload)
        }
        Fact::ProductUpdated(product) => {
            let payload = v1::ProductUpdatedEvent {
                product: Some(snapshot(product)),
            };
            of_product("ProductUpdatedEvent", product, &payload)
        }
        Fact::ProductDeleted(product) => {
            let payload = v1::ProductDeletedEvent {
                product: Some(snapshot(product)),
            };
            of_product("ProductDeletedEvent", product, &payload)
        }
        Fact::StockUpdated {
            product_id,
            change,
            stock,
            order_id,
        } => {
            let payload = v1::ProductStockUpdatedEvent {
                product_id: product_id.to_string(),
                reason: reason(change.reason).into(),
                delta: change.delta(),
                on_hand: stock.on_hand,
                reserved: stock.reserved,
                order_id: order_id.map(|id| id.to_string()),
            };
            Ok(Envelope {
                event_type: "ProductStockUpdatedEvent",
                aggregate_type: "stock",
                aggregate_id: product_id.0,
                aggregate_version: stock.version,
                data: json(&payload)?,
            })
        }
        Fact::StockReserved(reservation) => {
            let payload = v1::StockReservedEvent {
                order_id: reservation.order_id.to_string(),
                lines: wire_lines(reservation),
                expire_time: reservation.expire_time.map(Timestamp::from),
            };
            of_reservation("StockReservedEvent", reservation, &payload)
        }
        Fact::StockRejected {
            reservation,
            shortages,
        } => {
            let payload = v1::StockRejectedEvent {
                order_id: reservation.order_id.to_string(),
                shortages: shortages.iter().map(v1::Shortage::from).collect(),
            };
            of_reservation("StockRejectedEvent", reservation, &payload)
        }
        Fact::StockReleased { reservation, cause } => {
            let payload = v1::StockReleasedEvent {
                order_id: reservation.order_id.to_string(),
                cause: cause.clone(),
                lines: wire_lines(reservation),
            };
            of_reservation("StockReleasedEvent", reservation, &payload)
        }
    }
}

fn of_product(
    event_type: &'static str,
    product: &Product,
    payload: &impl Serialize,
) -> Result<Envelope, Error> {
    Ok(Envelope {
        event_type,
        aggregate_type: "product",
        aggregate_id: product.id.0,
        aggregate_version: product.version,
        data: json(payload)?,
    })
}

fn of_reservation(
    event_type: &'static str,
    reservation: &Reservation,
    payload: &impl Serialize,
) -> Result<Envelope, Error> {
    Ok(Envelope {
        event_type,
        aggregate_type: "reservation",
        aggregate_id: reservation.order_id.0,
        aggregate_version: reservation.version,
        data: json(payload)?,
    })
}

fn snapshot(product: &Product) -> v1::ProductSnapshot {
    let details = product.details.clone();
    v1::ProductSnapshot {
        product_id: product.id.to_string(),
        sku: details.sku,
        name: details.name,
        description: details.description,
        category: details.category,
        price: Some(wire_money(details.price)),
    }
}

fn wire_lines(reservation: &Reservation) -> Vec<v1::ReservationLine> {
    let line = |(product_id, quantity): (ProductId, i32)| v1::ReservationLine {
        product_id: product_id.to_string(),
        quantity,
    };
    reservation.lines.iter().map(line).collect()
}

fn reason(reason: StockReason) -> v1::product_stock_updated_event::Reason {
    use v1::product_stock_updated_event::Reason;
    match reason {
        StockReason::Initial => Reason::Initial,
        StockReason::Adjusted => Reason::Adjusted,
        StockReason::Reserved => Reason::Reserved,
        StockReason::Released => Reason::Released,
        StockReason::Committed => Reason::Committed,
        StockReason::Returned => Reason::Returned,
    }
}

impl From<&Shortage> for v1::Shortage {
    fn from(shortage: &Shortage) -> Self {
        Self {
            product_id: shortage.product_id.to_string(),
            requested: shortage.requested,
            available: shortage.available,
        }
    }
}

fn json(payload: &impl Serialize) -> Result<serde_json::Value, Error> {
    let json = serde_json::to_value(payload).map_err(shop_chassis::Error::Json)?;
    Ok(json)
}

#[cfg(test)]
mod tests;

//! Events, both ways: `order-events` in, `payment-events` out.

use serde::Serialize;
use shop_chassis::bus::{Ack, Event, Handler};
use shop_chassis::outbox::OutboxEvent;
use shop_chassis::{Caller, Failure, Money, Tx};
use shop_proto::order::v1::OrderCreatedEvent;
use shop_proto::payment::v1;
use uuid::Uuid;

use crate::domain::{Fact, OrderId, Payment, PaymentId, Phase};
use crate::error::Error;
use crate::{now, store};

const TOPIC: &str = "payment-events";
const AGGREGATE: &str = "payment";
/// Of every payload below; a breaking change of one makes it 2.
const SCHEMA_VERSION: u32 = 1;

/// Applies the events of orders.
pub(crate) struct PaymentEvents;

// === impl PaymentEvents ===

impl Handler for PaymentEvents {
    fn concerns(&self, event: &Event) -> bool {
        event.event_type == "OrderCreatedEvent"
    }

    async fn apply(&self, tx: &mut Tx, caller: &Caller, event: &Event) -> Result<Ack, Failure> {
        match (event.event_type.as_str(), event.version) {
            ("OrderCreatedEvent", SCHEMA_VERSION) => {
                let payment = requested(&event.payload()?)?;
                if !store::request(tx, caller, &payment).await? {
                    tracing::info!(order_id = %payment.order_id, "the order is not charged");
                }
                Ok(Ack::Applied)
            }
            ("OrderCreatedEvent", _) => Err(event.unknown()),
            _ => Ok(Ack::Ignored),
        }
    }
}

/// The payment that a new order needs.
fn requested(event: &OrderCreatedEvent) -> Result<Payment, Error> {
    let malformed = |what| Error::MalformedEvent { what };
    let order_id = Uuid::parse_str(&event.order_id).map_err(|_| malformed("order id"))?;
    let total = event.total.as_ref().ok_or_else(|| malformed("total"))?;
    let total = Money::parse(&total.currency_code, total.units, total.nanos)
        .map_err(|_| malformed("total"))?;
    if !total.is_positive() {
        return Err(malformed("total"));
    }
    if event.customer_id.is_empty() {
        return Err(malformed("customer id"));
    }
    let id = PaymentId(Uuid::now_v7());
    Ok(Payment::request(
        id,
        OrderId(order_id),
        event.customer_id.clone(),
        total,
        now(),
    ))
}

/// Publishes a fact about a payment whose row is locked.
pub(crate) async fn publish(
    tx: &mut Tx,
    caller: &Caller,
    payment: &Payment,
    fact: &Fact,
) -> Result<Uuid, Error> {
    let (event_type, data) = payload(payment, fact)?;
    let event = OutboxEvent {
        topic: TOPIC,
        aggregate_type: AGGREGATE,
        aggregate_id: payment.id.to_string(),
        aggregate_version: payment.version,
        event_type,
        schema_version: SCHEMA_VERSION,
        data,
        occurred_on: payment.update_time,
    };
    Ok(tx.publish(caller, event).await?)
}

fn payload(payment: &Payment, fact: &Fact) -> Result<(&'static str, serde_json::Value), Error> {
    let payment_id = payment.id.to_string();
    let order_id = payment.order_id.to_string();
    match fact {
        Fact::Processed { phase, amount } => {
            let phase = v1::Phase::from(*phase).into();
            let amount = Some(message(*amount));
            let event = v1::PaymentProcessedEvent {
                payment_id,
                order_id,
                phase,
                amount,
            };
            Ok(("PaymentProcessedEvent", json(&event)?))
        }
        Fact::Failed { phase, code } => {
            let phase = v1::Phase::from(*phase).into();
            let code = code.clone();
            // A payment has one attempt: the customer makes another order.
            let retryable = false;
            let event = v1::PaymentFailedEvent {
                payment_id,
                order_id,
                phase,
                code,
                retryable,
            };
            Ok(("PaymentFailedEvent", json(&event)?))
        }
        Fact::Refunded {
            refund_id,
            amount,
            returned,
        } => {
            let refund_id = refund_id.to_string();
            let (amount, refunded) = (Some(message(*amount)), Some(message(*returned)));
            let event = v1::PaymentRefundedEvent {
                payment_id,
                order_id,
                refund_id,
                amount,
                refunded,
            };
            Ok(("PaymentRefundedEvent", json(&event)?))
        }
    }
}

/// Money on the wire.
pub(crate) fn message(money: Money) -> shop_proto::Money {
    shop_proto::Money {
        currency_code: money.currency().code().to_owned(),
        units: money.units(),
        nanos: money.nanos(),
    }
}

fn json(event: &impl Serialize) -> Result<serde_json::Value, Error> {
    let data = serde_json::to_value(event).map_err(shop_chassis::Error::Json)?;
    Ok(data)
}

// === impl Phase ===

impl From<Phase> for v1::Phase {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Authorized => Self::Authorized,
            Phase::Captured => Self::Captured,
            Phase::Voided => Self::Voided,
        }
    }
}

#[cfg(test)]
mod tests;

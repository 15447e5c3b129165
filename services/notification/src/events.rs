//! Events in both directions: what orders and payments tell becomes notifications, and what
//! became of a notification is told.

use chrono::{DateTime, Utc};
use serde::Serialize;
use shop_chassis::bus::{Ack, Event, Handler};
use shop_chassis::outbox::OutboxEvent;
use shop_chassis::{Caller, Money, Tx};
use shop_proto::{notification, order, payment};
use uuid::Uuid;

use crate::domain::{
    CHANNEL, EventId, News, Notification, NotificationId, OrderId, Phase, Reason, Settled,
};
use crate::error::Error;
use crate::store::Store;
use crate::templates;

/// What this service listens to.
pub(crate) const TOPICS: &[&str] = &["order-events", "payment-events"];
/// Where it publishes.
const TOPIC: &str = "notification-events";
/// A notification is settled once, and that is its only event.
const ONLY_VERSION: i64 = 1;

/// Turns events into notifications.
#[derive(Clone, Debug, Default)]
pub(crate) struct NotificationEvents;

/// What one event says that concerns this service.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Report {
    order_id: OrderId,
    /// Payments do not know it.
    customer_id: Option<String>,
    news: News,
}

// === impl NotificationEvents ===

impl Handler for NotificationEvents {
    fn concerns(&self, event: &Event) -> bool {
        match read(event) {
            Ok(Some(report)) => report.customer_id.is_some() || report.news.content().is_some(),
            Ok(None) => false,
            Err(_) => true,
        }
    }

    async fn apply(
        &self,
        tx: &mut Tx,
        caller: &Caller,
        event: &Event,
    ) -> Result<Ack, shop_chassis::Failure> {
        let Some(report) = read(event)? else {
            return Ok(Ack::Ignored);
        };
        if let Some(customer_id) = &report.customer_id {
            Store::know_customer(tx, report.order_id, customer_id).await?;
        }
        let Some(content) = report.news.content() else {
            return Ok(Ack::Ignored);
        };
        let subject = templates::subject(&content, report.order_id);
        let notification = Notification::queue(
            NotificationId(Uuid::now_v7()),
            EventId(event.event_id),
            report.order_id,
            content,
            subject,
            Utc::now(),
        );
        let queued = Store::queue(tx, caller, &notification).await?;
        Ok(if queued { Ack::Applied } else { Ack::Ignored })
    }
}

fn read(event: &Event) -> Result<Option<Report>, shop_chassis::Failure> {
    let report = match (event.event_type.as_str(), event.version) {
        ("OrderCreatedEvent", 1) => order_created(event.payload()?)?,
        ("OrderCancelledEvent", 1) => order_cancelled(event.payload()?)?,
        ("PaymentProcessedEvent", 1) => payment_processed(event.payload()?)?,
        ("PaymentFailedEvent", 1) => payment_failed(event.payload()?)?,
        ("PaymentRefundedEvent", 1) => payment_refunded(event.payload()?)?,
        (
            "OrderCreatedEvent"
            | "OrderCancelledEvent"
            | "PaymentProcessedEvent"
            | "PaymentFailedEvent"
            | "PaymentRefundedEvent",
            _,
        ) => return Err(event.unknown()),
        _ => return Ok(None),
    };
    Ok(Some(report))
}

fn order_created(data: order::v1::OrderCreatedEvent) -> Result<Report, Error> {
    const MESSAGE: &str = "OrderCreatedEvent";
    Ok(Report {
        order_id: order_id(MESSAGE, &data.order_id)?,
        news: News::OrderCreated {
            total: money(MESSAGE, "total", data.total)?,
        },
        customer_id: Some(data.customer_id),
    })
}

fn order_cancelled(data: order::v1::OrderCancelledEvent) -> Result<Report, Error> {
    use order::v1::order::Reason as Wire;
    const MESSAGE: &str = "OrderCancelledEvent";
    let reason = match data.reason() {
        Wire::OutOfStock => Reason::OutOfStock,
        Wire::PaymentFailed => Reason::PaymentFailed,
        Wire::CancelRequested => Reason::CancelRequested,
        Wire::DeadlinePassed => Reason::DeadlinePassed,
        Wire::Unspecified => return Err(Error::broken(MESSAGE, "reason", "is missing")),
    };
    Ok(Report {
        order_id: order_id(MESSAGE, &data.order_id)?,
        customer_id: Some(data.customer_id),
        news: News::OrderCancelled { reason },
    })
}

fn payment_processed(data: payment::v1::PaymentProcessedEvent) -> Result<Report, Error> {
    use payment::v1::Phase as Wire;
    const MESSAGE: &str = "PaymentProcessedEvent";
    let phase = match data.phase() {
        Wire::Authorized => Phase::Authorized,
        Wire::Captured => Phase::Captured,
        Wire::Voided => Phase::Voided,
        Wire::Unspecified => return Err(Error::broken(MESSAGE, "phase", "is missing")),
    };
    Ok(Report {
        order_id: order_id(MESSAGE, &data.order_id)?,
        customer_id: None,
        news: News::PaymentProcessed {
            phase,
            amount: money(MESSAGE, "amount", data.amount)?,
        },
    })
}

fn payment_failed(data: payment::v1::PaymentFailedEvent) -> Result<Report, Error> {
    Ok(Report {
        order_id: order_id("PaymentFailedEvent", &data.order_id)?,
        customer_id: None,
        news: News::PaymentFailed {
            retryable: data.retryable,
        },
    })
}

fn payment_refunded(data: payment::v1::PaymentRefundedEvent) -> Result<Report, Error> {
    const MESSAGE: &str = "PaymentRefundedEvent";
    Ok(Report {
        order_id: order_id(MESSAGE, &data.order_id)?,
        customer_id: None,
        news: News::PaymentRefunded {
            amount: money(MESSAGE, "amount", data.amount)?,
            refunded: money(MESSAGE, "refunded", data.refunded)?,
        },
    })
}

fn order_id(message: &'static str, text: &str) -> Result<OrderId, Error> {
    let id = Uuid::parse_str(text);
    id.map(OrderId)
        .map_err(|error| Error::broken(message, "order_id", error.to_string()))
}

fn money(
    message: &'static str,
    field: &'static str,
    money: Option<shop_proto::Money>,
) -> Result<Money, Error> {
    let money = money.ok_or_else(|| Error::broken(message, field, "is missing"))?;
    Money::parse(&money.currency_code, money.units, money.nanos)
        .map_err(|_| Error::broken(message, field, "is no amount of money"))
}

/// The event that tells what became of a notification.
pub(crate) fn settled(settled: &Settled, now: DateTime<Utc>) -> Result<OutboxEvent, Error> {
    let channel = CHANNEL.to_owned();
    let (event_type, data) = match settled {
        Settled::Sent {
            id,
            order_id,
            template,
        } => {
            let data = notification::v1::NotificationSentEvent {
                notification_id: id.0.to_string(),
                order_id: order_id.0.to_string(),
                template: template.as_str().to_owned(),
                channel,
            };
            ("NotificationSentEvent", json(&data)?)
        }
        Settled::Failed {
            id,
            order_id,
            template,
            failure,
        } => {
            let data = notification::v1::NotificationFailedEvent {
                notification_id: id.0.to_string(),
                order_id: order_id.0.to_string(),
                template: template.as_str().to_owned(),
                channel,
                code: failure.as_str().to_owned(),
            };
            ("NotificationFailedEvent", json(&data)?)
        }
    };
    Ok(OutboxEvent {
        topic: TOPIC,
        aggregate_type: "notification",
        aggregate_id: settled.id().0.to_string(),
        aggregate_version: ONLY_VERSION,
        event_type,
        schema_version: 1,
        data,
        occurred_on: now,
    })
}

fn json(message: &impl Serialize) -> Result<serde_json::Value, Error> {
    serde_json::to_value(message).map_err(Error::Encode)
}

#[cfg(test)]
mod tests;

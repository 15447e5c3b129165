//! A notification as a row, and back again.

use chrono::{DateTime, Utc};
use diesel::prelude::{AsChangeset, Insertable, Queryable, Selectable};
use mesh_telemetry::propagation::TraceContext;
use shop_chassis::{Caller, Currency, Money};
use uuid::Uuid;

use super::schema::notification;
use crate::domain::{
    Content, EventId, Failure, MessageId, Notification, NotificationId, OrderId, Reason, Status,
    Template,
};

/// A row that does not say what this version writes.
#[derive(Debug, thiserror::Error)]
#[error("column \"{column}\" of notification \"{id}\" cannot be read")]
pub(super) struct Unreadable {
    id: Uuid,
    column: &'static str,
}

#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = notification, check_for_backend(diesel::pg::Pg))]
pub(super) struct Row {
    pub(super) id: Uuid,
    event_id: Uuid,
    order_id: Uuid,
    template: String,
    status: String,
    amount_minor: Option<i64>,
    refunded_minor: Option<i64>,
    currency: Option<String>,
    reason: Option<String>,
    subject: String,
    message_id: Option<String>,
    failure: Option<String>,
    actor: String,
    trace_id: Option<String>,
    create_time: DateTime<Utc>,
    send_time: Option<DateTime<Utc>>,
}

/// What a move changes; the rest of a row stays as it was queued.
#[derive(Clone, Debug, AsChangeset)]
#[diesel(table_name = notification, treat_none_as_null = true)]
pub(super) struct Progress {
    status: &'static str,
    message_id: Option<String>,
    failure: Option<String>,
    send_time: Option<DateTime<Utc>>,
}

// === impl Row ===

impl Row {
    /// A new row, with who caused it.
    pub(super) fn new(notification: &Notification, caller: &Caller) -> Self {
        let (amount, refunded, reason) = parts(&notification.content);
        let trace = TraceContext::of(&tracing::Span::current());
        Self {
            id: notification.id.0,
            event_id: notification.event_id.0,
            order_id: notification.order_id.0,
            template: notification.content.template().as_str().to_owned(),
            status: notification.status.as_str().to_owned(),
            amount_minor: amount.map(|amount| amount.minor()),
            refunded_minor: refunded.map(|refunded| refunded.minor()),
            currency: amount.map(|amount| amount.currency().code().to_owned()),
            reason: reason.map(|reason| reason.as_str().to_owned()),
            subject: notification.subject.clone(),
            message_id: notification.message_id.as_ref().map(ToString::to_string),
            failure: notification
                .failure
                .as_ref()
                .map(|failure| failure.as_str().to_owned()),
            actor: caller.actor().principal,
            trace_id: trace.and_then(|trace| trace_id(&trace.traceparent)),
            create_time: notification.create_time,
            send_time: notification.send_time,
        }
    }

    fn content(&self) -> Result<Content, Unreadable> {
        let template = Template::named(&self.template).ok_or_else(|| self.bad("template"))?;
        Ok(match template {
            Template::OrderReceived => Content::OrderReceived {
                total: self.amount()?,
            },
            Template::Receipt => Content::Receipt {
                amount: self.amount()?,
            },
            Template::PaymentFailed => Content::PaymentFailed,
            Template::OrderCancelled => {
                let reason = self.reason.as_deref().and_then(Reason::named);
                Content::OrderCancelled {
                    reason: reason.ok_or_else(|| self.bad("reason"))?,
                }
            }
            Template::Refund => {
                let refunded = self.money(self.refunded_minor, "refunded_minor")?;
                Content::Refund {
                    amount: self.amount()?,
                    refunded,
                }
            }
        })
    }

    fn amount(&self) -> Result<Money, Unreadable> {
        self.money(self.amount_minor, "amount_minor")
    }

    fn money(&self, minor: Option<i64>, column: &'static str) -> Result<Money, Unreadable> {
        let currency = self.currency.as_deref().and_then(Currency::of);
        let currency = currency.ok_or_else(|| self.bad("currency"))?;
        Ok(Money::new(minor.ok_or_else(|| self.bad(column))?, currency))
    }

    fn bad(&self, column: &'static str) -> Unreadable {
        Unreadable {
            id: self.id,
            column,
        }
    }
}

impl TryFrom<Row> for Notification {
    type Error = Unreadable;

    fn try_from(row: Row) -> Result<Self, Unreadable> {
        Ok(Self {
            id: NotificationId(row.id),
            event_id: EventId(row.event_id),
            order_id: OrderId(row.order_id),
            content: row.content()?,
            status: Status::named(&row.status).ok_or_else(|| row.bad("status"))?,
            subject: row.subject,
            message_id: row.message_id.map(MessageId::stored),
            failure: row.failure.map(Failure::code),
            create_time: row.create_time,
            send_time: row.send_time,
        })
    }
}

// === impl Progress ===

impl From<&Notification> for Progress {
    fn from(notification: &Notification) -> Self {
        Self {
            status: notification.status.as_str(),
            message_id: notification.message_id.as_ref().map(ToString::to_string),
            failure: notification
                .failure
                .as_ref()
                .map(|failure| failure.as_str().to_owned()),
            send_time: notification.send_time,
        }
    }
}

fn parts(content: &Content) -> (Option<Money>, Option<Money>, Option<Reason>) {
    match content {
        Content::OrderReceived { total } => (Some(*total), None, None),
        Content::Receipt { amount } => (Some(*amount), None, None),
        Content::PaymentFailed => (None, None, None),
        Content::OrderCancelled { reason } => (None, None, Some(*reason)),
        Content::Refund { amount, refunded } => (Some(*amount), Some(*refunded), None),
    }
}

/// The second field of `00-<trace id>-<span id>-<flags>`.
fn trace_id(traceparent: &str) -> Option<String> {
    traceparent.split('-').nth(1).map(ToOwned::to_owned)
}

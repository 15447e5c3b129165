//! Rows of `payment` and of its history.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use mesh_telemetry::propagation::TraceContext;
use shop_chassis::{Caller, Currency, Money, Tx};
use uuid::Uuid;

use super::PageQuery;
use super::schema::{payment, payment_transition};
use crate::domain::{AuthorizationId, OrderId, Payment, PaymentId, Status, Time};
use crate::error::Error;

#[derive(Debug, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = payment, treat_none_as_null = true)]
struct Row {
    id: Uuid,
    order_id: Uuid,
    customer_id: Option<String>,
    status: String,
    amount_minor: Option<i64>,
    currency: Option<String>,
    captured_minor: i64,
    refunded_minor: i64,
    returned_minor: i64,
    authorization_id: Option<String>,
    failure_code: Option<String>,
    reverse_reason: Option<String>,
    version: i64,
    create_time: Time,
    update_time: Time,
}

/// The payment.
pub(super) async fn find(tx: &mut Tx, id: PaymentId) -> Result<Payment, Error> {
    let select = payment::table.find(id.0).select(Row::as_select());
    let row = select.first::<Row>(tx.conn()).await.optional()?;
    row.ok_or(Error::PaymentNotFound(id))?.try_into()
}

/// The payment, held against other changes until the transaction ends.
pub(super) async fn lock(tx: &mut Tx, id: PaymentId) -> Result<Payment, Error> {
    let select = payment::table
        .find(id.0)
        .select(Row::as_select())
        .for_no_key_update();
    let row = select.first::<Row>(tx.conn()).await.optional()?;
    row.ok_or(Error::PaymentNotFound(id))?.try_into()
}

/// The payment of an order.
pub(super) async fn find_of_order(
    tx: &mut Tx,
    order_id: OrderId,
) -> Result<Option<Payment>, Error> {
    let select = payment::table
        .filter(payment::order_id.eq(order_id.0))
        .select(Row::as_select());
    let row = select.first::<Row>(tx.conn()).await.optional()?;
    row.map(Payment::try_from).transpose()
}

/// The payment of an order, held against other changes until the transaction ends.
pub(super) async fn lock_of_order(tx: &mut Tx, order_id: OrderId) -> Result<Payment, Error> {
    let select = payment::table
        .filter(payment::order_id.eq(order_id.0))
        .select(Row::as_select())
        .for_no_key_update();
    let row = select.first::<Row>(tx.conn()).await.optional()?;
    row.ok_or(Error::OrderNotFound(order_id))?.try_into()
}

/// One page, newest first: ids grow with time.
pub(super) async fn page(tx: &mut Tx, query: &PageQuery) -> Result<Vec<Payment>, Error> {
    let mut select = payment::table
        .select(Row::as_select())
        .order(payment::id.desc())
        .limit(query.limit)
        .into_boxed();
    if let Some(after) = query.after {
        select = select.filter(payment::id.lt(after.0));
    }
    if let Some(customer_id) = &query.customer_id {
        select = select.filter(payment::customer_id.eq(customer_id));
    }
    if let Some(order_id) = query.order_id {
        select = select.filter(payment::order_id.eq(order_id.0));
    }
    let rows = select.load::<Row>(tx.conn()).await?;
    rows.into_iter().map(Payment::try_from).collect()
}

/// Takes a payment in; false when its order has one.
pub(super) async fn insert(tx: &mut Tx, new: &Payment) -> Result<bool, Error> {
    let inserted = diesel::insert_into(payment::table)
        .values(Row::from(new))
        .on_conflict(payment::order_id)
        .do_nothing()
        .execute(tx.conn())
        .await?;
    Ok(inserted == 1)
}

/// Writes a payment whose row is held.
pub(super) async fn update(tx: &mut Tx, changed: &Payment) -> Result<(), Error> {
    diesel::update(payment::table.find(changed.id.0))
        .set(Row::from(changed))
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Writes one line of a payment's history.
pub(super) async fn record(
    tx: &mut Tx,
    caller: &Caller,
    before: Option<&Payment>,
    after: &Payment,
    note: &str,
) -> Result<(), Error> {
    let actor = caller.actor();
    let actor = actor
        .subject
        .map_or(actor.principal, |subject| format!("user:{subject}"));
    diesel::insert_into(payment_transition::table)
        .values((
            payment_transition::payment_id.eq(after.id.0),
            payment_transition::from_status.eq(before.map(|payment| payment.status.name())),
            payment_transition::to_status.eq(after.status.name()),
            payment_transition::note.eq(note),
            payment_transition::actor.eq(actor),
            payment_transition::trace_id.eq(trace_id()),
            payment_transition::create_time.eq(after.update_time),
        ))
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// The second field of `traceparent`.
fn trace_id() -> Option<String> {
    let context = TraceContext::of(&tracing::Span::current())?;
    context.traceparent.split('-').nth(1).map(str::to_owned)
}

// === impl Row ===

impl From<&Payment> for Row {
    fn from(payment: &Payment) -> Self {
        Self {
            id: payment.id.0,
            order_id: payment.order_id.0,
            customer_id: payment.customer_id.clone(),
            status: payment.status.name().to_owned(),
            amount_minor: payment.amount.map(|amount| amount.minor()),
            currency: payment
                .amount
                .map(|amount| amount.currency().code().to_owned()),
            captured_minor: payment.captured_minor,
            refunded_minor: payment.refunded_minor,
            returned_minor: payment.returned_minor,
            authorization_id: payment.authorization.as_ref().map(|held| held.0.clone()),
            failure_code: payment.failure_code.clone(),
            reverse_reason: payment.reverse_reason.clone(),
            version: payment.version,
            create_time: payment.create_time,
            update_time: payment.update_time,
        }
    }
}

impl TryFrom<Row> for Payment {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        let status = Status::of(&row.status).ok_or_else(|| Error::Stored {
            column: "payment.status",
            value: row.status,
        })?;
        let amount = match (row.amount_minor, &row.currency) {
            (Some(minor), Some(code)) => Some(money(minor, code)?),
            _ => None,
        };
        Ok(Self {
            id: PaymentId(row.id),
            order_id: OrderId(row.order_id),
            customer_id: row.customer_id,
            status,
            amount,
            captured_minor: row.captured_minor,
            refunded_minor: row.refunded_minor,
            returned_minor: row.returned_minor,
            authorization: row.authorization_id.map(AuthorizationId),
            failure_code: row.failure_code,
            reverse_reason: row.reverse_reason,
            version: row.version,
            create_time: row.create_time,
            update_time: row.update_time,
        })
    }
}

/// A column pair as money.
pub(super) fn money(minor: i64, code: &str) -> Result<Money, Error> {
    let currency = Currency::of(code).ok_or_else(|| Error::Stored {
        column: "currency",
        value: code.to_owned(),
    })?;
    Ok(Money::new(minor, currency))
}

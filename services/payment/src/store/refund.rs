//! Rows of `refund`. Whoever changes one holds its payment's row.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use shop_chassis::Tx;
use uuid::Uuid;

use super::payment::money;
use super::schema::refund;
use crate::domain::{PaymentId, Refund, RefundId, RefundState, Time};
use crate::error::Error;

#[derive(Debug, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = refund, treat_none_as_null = true)]
struct Row {
    id: Uuid,
    payment_id: Uuid,
    amount_minor: i64,
    currency: String,
    state: String,
    reason: String,
    failure_code: Option<String>,
    create_time: Time,
    update_time: Time,
}

/// The refund, if there is one.
pub(super) async fn find(tx: &mut Tx, id: RefundId) -> Result<Option<Refund>, Error> {
    let select = refund::table.find(id.0).select(Row::as_select());
    let row = select.first::<Row>(tx.conn()).await.optional()?;
    row.map(Refund::try_from).transpose()
}

pub(super) async fn insert(tx: &mut Tx, new: &Refund) -> Result<(), Error> {
    diesel::insert_into(refund::table)
        .values(Row::from(new))
        .execute(tx.conn())
        .await?;
    Ok(())
}

pub(super) async fn update(tx: &mut Tx, changed: &Refund) -> Result<(), Error> {
    diesel::update(refund::table.find(changed.id.0))
        .set(Row::from(changed))
        .execute(tx.conn())
        .await?;
    Ok(())
}

// === impl Row ===

impl From<&Refund> for Row {
    fn from(refund: &Refund) -> Self {
        Self {
            id: refund.id.0,
            payment_id: refund.payment_id.0,
            amount_minor: refund.amount.minor(),
            currency: refund.amount.currency().code().to_owned(),
            state: refund.state.name().to_owned(),
            reason: refund.reason.clone(),
            failure_code: refund.failure_code.clone(),
            create_time: refund.create_time,
            update_time: refund.update_time,
        }
    }
}

impl TryFrom<Row> for Refund {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        let state = RefundState::of(&row.state).ok_or_else(|| Error::Stored {
            column: "refund.state",
            value: row.state,
        })?;
        Ok(Self {
            id: RefundId(row.id),
            payment_id: PaymentId(row.payment_id),
            amount: money(row.amount_minor, &row.currency)?,
            state,
            reason: row.reason,
            failure_code: row.failure_code,
            create_time: row.create_time,
            update_time: row.update_time,
        })
    }
}

//! Rows of `ledger_entry`: written once, never changed. That they add up to zero, and that nothing
//! is booked twice, is for the database to refuse.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use shop_chassis::Tx;
use uuid::Uuid;

use super::schema::ledger_entry;
use crate::domain::{PaymentId, Posting, Time};
use crate::error::Error;

/// Books a movement of money as one transaction of the ledger.
pub(super) async fn book(
    tx: &mut Tx,
    transaction_id: Uuid,
    payment_id: PaymentId,
    posting: &Posting,
    now: Time,
) -> Result<(), Error> {
    let rows = posting.entries().map(|(account, amount_minor)| {
        (
            ledger_entry::transaction_id.eq(transaction_id),
            ledger_entry::kind.eq(posting.kind()),
            ledger_entry::payment_id.eq(payment_id.0),
            ledger_entry::refund_id.eq(posting.refund_id().map(|id| id.0)),
            ledger_entry::account.eq(account.name()),
            ledger_entry::amount_minor.eq(amount_minor),
            ledger_entry::currency.eq(posting.amount().currency().code()),
            ledger_entry::create_time.eq(now),
        )
    });
    diesel::insert_into(ledger_entry::table)
        .values(rows.to_vec())
        .execute(tx.conn())
        .await?;
    Ok(())
}

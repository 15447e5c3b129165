//! What the database itself refuses, whatever this service thinks.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use shop_chassis::Tx;
use uuid::Uuid;

use super::Shop;
use crate::domain::PaymentId;
use crate::error::Error;
use crate::now;
use crate::store::schema::{ledger_entry, payment};

#[tokio::test]
async fn database_refuses_a_refund_above_what_was_captured() {
    let shop = Shop::open().await;
    let id = shop.captured().await.id;
    let error = run(&shop, async move |tx: &mut Tx| {
        let set = payment::refunded_minor.eq(1001);
        Ok(diesel::update(payment::table.find(id.0))
            .set(set)
            .execute(tx.conn())
            .await?)
    })
    .await;
    assert_eq!(error, "payment_refund_within_captured");
}

#[tokio::test]
async fn database_refuses_a_ledger_that_does_not_add_up() {
    let shop = Shop::open().await;
    let id = shop.authorized().await.id;
    for rows in [
        vec![("PROVIDER", 1000)],
        vec![("PROVIDER", 1000), ("SALES", -999)],
    ] {
        let error = run(&shop, async move |tx: &mut Tx| entries(tx, id, &rows).await).await;
        assert_eq!(error, "ledger_entry_balanced");
    }
    assert_eq!(shop.count("select count(*) from ledger_entry").await, 0);
}

#[tokio::test]
async fn database_refuses_a_second_capture_and_a_changed_row() {
    let shop = Shop::open().await;
    let id = shop.captured().await.id;
    let rows = [("PROVIDER", 1000), ("SALES", -1000)];
    let error = run(&shop, async move |tx: &mut Tx| entries(tx, id, &rows).await).await;
    assert_eq!(error, "ledger_entry_capture_once");
    let error = run(&shop, async move |tx: &mut Tx| {
        Ok(diesel::delete(ledger_entry::table)
            .execute(tx.conn())
            .await?)
    })
    .await;
    assert_eq!(error, "ledger_entry is append-only");
}

/// Runs what the database must refuse; returns the constraint, or the message where there is none.
async fn run<F>(shop: &Shop, work: F) -> String
where
    F: for<'t> AsyncFnOnce(&'t mut Tx) -> Result<usize, Error>
        + for<'t> shop_chassis::db::Work<&'t mut Tx, Result<usize, Error>, Fut: Send>
        + Clone
        + Send
        + 'static,
{
    let error = shop.test.database().transaction(work).await.unwrap_err();
    let Error::Chassis(shop_chassis::Error::Statement(error)) = error else {
        panic!("{error:?}");
    };
    match shop_chassis::db::violated_constraint(&error) {
        Some(constraint) => constraint.to_owned(),
        None => error.to_string(),
    }
}

async fn entries(tx: &mut Tx, id: PaymentId, rows: &[(&str, i64)]) -> Result<usize, Error> {
    let transaction_id = Uuid::now_v7();
    let rows: Vec<_> = rows
        .iter()
        .map(|(account, amount_minor)| {
            (
                ledger_entry::transaction_id.eq(transaction_id),
                ledger_entry::kind.eq("CAPTURE"),
                ledger_entry::payment_id.eq(id.0),
                ledger_entry::account.eq(*account),
                ledger_entry::amount_minor.eq(*amount_minor),
                ledger_entry::currency.eq("EUR"),
                ledger_entry::create_time.eq(now()),
            )
        })
        .collect();
    Ok(diesel::insert_into(ledger_entry::table)
        .values(rows)
        .execute(tx.conn())
        .await?)
}

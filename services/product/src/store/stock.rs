//! Rows of `stock`, and of its ledger: no row of the one changes without a row in the other.

use std::collections::BTreeMap;

use diesel::dsl::exists;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use shop_chassis::{Caller, Tx};
use uuid::Uuid;

use super::Author;
use super::schema::{product, stock, stock_ledger};
use crate::domain::{
    Adjustment, Fact, OrderId, Product, ProductId, Stock, StockChange, StockReason, Time,
};
use crate::error::Error;
use crate::events;

#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = stock)]
pub(super) struct StockRow {
    product_id: Uuid,
    on_hand: i32,
    reserved: i32,
    version: i64,
}

/// A change that is to be made and told.
pub(super) struct Entry<'e> {
    pub(super) product_id: ProductId,
    pub(super) change: StockChange,
    pub(super) order_id: Option<OrderId>,
    pub(super) note: Option<&'e str>,
    pub(super) at: Time,
}

/// Writes the stock that a new product starts with.
pub(super) async fn insert(tx: &mut Tx, caller: &Caller, product: &Product) -> Result<(), Error> {
    let initial = product.stock;
    diesel::insert_into(stock::table)
        .values((
            stock::product_id.eq(product.id.0),
            stock::on_hand.eq(initial.on_hand),
            stock::reserved.eq(initial.reserved),
            stock::version.eq(initial.version),
        ))
        .execute(tx.conn())
        .await?;
    let entry = Entry {
        product_id: product.id,
        change: StockReason::Initial.change(initial.on_hand),
        order_id: None,
        note: None,
        at: product.create_time,
    };
    record(tx, caller, &entry, initial).await
}

/// The stock of those products that are in the catalogue, held until the transaction ends. Rows are
/// held in the order of their ids, so that two transactions never wait for each other.
pub(super) async fn lock(
    tx: &mut Tx,
    ids: impl Iterator<Item = ProductId>,
) -> Result<BTreeMap<ProductId, Stock>, Error> {
    let in_catalogue = product::table
        .filter(product::id.eq(stock::product_id))
        .filter(product::delete_time.is_null());
    let rows = stock::table
        .filter(stock::product_id.eq_any(ids.map(|id| id.0)))
        .filter(exists(in_catalogue))
        .order(stock::product_id)
        .select(StockRow::as_select())
        .for_no_key_update()
        .load::<StockRow>(tx.conn())
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| (ProductId(row.product_id), row.into_domain()))
        .collect())
}

/// Holds the stock of these products, in the catalogue or not, in the order of their ids.
pub(super) async fn hold(tx: &mut Tx, ids: &[ProductId]) -> Result<(), Error> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    stock::table
        .filter(stock::product_id.eq_any(ids))
        .order(stock::product_id)
        .select(stock::product_id)
        .for_no_key_update()
        .load::<Uuid>(tx.conn())
        .await?;
    Ok(())
}

/// Adds to or takes from a product's units on hand.
pub(super) async fn adjust(
    tx: &mut Tx,
    caller: &Caller,
    adjustment: &Adjustment,
    at: Time,
) -> Result<(), Error> {
    let product_id = adjustment.product_id;
    let held = lock(tx, std::iter::once(product_id)).await?;
    let stock = held.get(&product_id).ok_or(Error::ProductNotFound)?;
    let entry = Entry {
        product_id,
        change: stock.adjust(adjustment.delta)?,
        order_id: None,
        note: Some(&adjustment.note),
        at,
    };
    change(tx, caller, &entry).await
}

/// Makes a change in one guarded statement, writes it into the ledger and publishes it.
pub(super) async fn change(tx: &mut Tx, caller: &Caller, entry: &Entry<'_>) -> Result<(), Error> {
    let StockChange {
        on_hand, reserved, ..
    } = entry.change;
    let on_hand = stock::on_hand + on_hand;
    let reserved = stock::reserved + reserved;
    let row = diesel::update(stock::table.find(entry.product_id.0))
        .filter(on_hand.ge(reserved))
        .filter(reserved.ge(0))
        .set((
            stock::on_hand.eq(on_hand),
            stock::reserved.eq(reserved),
            stock::version.eq(stock::version + 1),
        ))
        .returning(StockRow::as_returning())
        .get_result::<StockRow>(tx.conn())
        .await
        .optional()?;
    match row {
        Some(row) => record(tx, caller, entry, row.into_domain()).await,
        // Whoever decided on this change held the row: then the units were counted wrongly.
        None => Err(Error::StockDoesNotAllow {
            product_id: entry.product_id,
            change: entry.change,
        }),
    }
}

async fn record(
    tx: &mut Tx,
    caller: &Caller,
    entry: &Entry<'_>,
    after: Stock,
) -> Result<(), Error> {
    let fact = Fact::StockUpdated {
        product_id: entry.product_id,
        change: entry.change,
        stock: after,
        order_id: entry.order_id,
    };
    let event_id = events::publish(tx, caller, &fact, entry.at).await?;
    let author = Author::of(caller);
    diesel::insert_into(stock_ledger::table)
        .values((
            stock_ledger::product_id.eq(entry.product_id.0),
            stock_ledger::version.eq(after.version),
            stock_ledger::reason.eq(entry.change.reason.as_str()),
            stock_ledger::on_hand_delta.eq(entry.change.on_hand),
            stock_ledger::reserved_delta.eq(entry.change.reserved),
            stock_ledger::on_hand.eq(after.on_hand),
            stock_ledger::reserved.eq(after.reserved),
            stock_ledger::order_id.eq(entry.order_id.map(|id| id.0)),
            stock_ledger::note.eq(entry.note),
            stock_ledger::event_id.eq(event_id),
            stock_ledger::actor.eq(author.actor),
            stock_ledger::trace_id.eq(author.trace_id),
            stock_ledger::create_time.eq(entry.at),
        ))
        .execute(tx.conn())
        .await?;
    Ok(())
}

// === impl StockRow ===

impl StockRow {
    pub(super) fn into_domain(self) -> Stock {
        Stock {
            on_hand: self.on_hand,
            reserved: self.reserved,
            version: self.version,
        }
    }
}

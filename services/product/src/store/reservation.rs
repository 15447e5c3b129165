//! Rows of `reservation` and `reservation_line`, and the moves of a reservation with their effect
//! on the stock. Each function is a part of somebody's transaction: of an event, a call or a task.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use shop_chassis::{Caller, Tx};
use uuid::Uuid;

use super::Author;
use super::schema::{reservation, reservation_line};
use super::stock::{self, Entry};
use crate::domain::{
    Fact, Lines, OrderId, Placement, ProductId, Reservation, ReservationMove, ReservationState,
    Step, StockReason, Time,
};
use crate::error::Error;
use crate::{events, tasks};

#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = reservation)]
struct ReservationRow {
    order_id: Uuid,
    state: String,
    version: i64,
    expire_time: Option<Time>,
}

/// What an order wants to be promised.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) order_id: OrderId,
    pub(crate) lines: Lines,
    pub(crate) expire_time: Time,
}

/// Promises all lines or none, and tells which. Does nothing for an order that was served or given
/// up before.
pub(crate) async fn reserve(
    tx: &mut Tx,
    caller: &Caller,
    wish: Wish,
    now: Time,
) -> Result<(), Error> {
    let stock = stock::lock(tx, wish.lines.product_ids()).await?;
    match Reservation::place(wish.order_id, wish.lines, &stock, wish.expire_time) {
        Placement::Held(held) => {
            if insert(tx, caller, &held, now).await? {
                insert_lines(tx, &held).await?;
                change_stock(tx, caller, &held, StockReason::Reserved, now).await?;
                let expiry = tasks::expire_reservation(held.order_id, wish.expire_time);
                tx.enqueue(caller, expiry).await?;
                events::publish(tx, caller, &Fact::StockReserved(held), now).await?;
            }
        }
        Placement::Rejected(reservation, shortages) => {
            if insert(tx, caller, &reservation, now).await? {
                let rejected = Fact::StockRejected {
                    reservation,
                    shortages,
                };
                events::publish(tx, caller, &rejected, now).await?;
            }
        }
    }
    Ok(())
}

/// Gives the units back. An order without a reservation gets a tombstone, so that a reserve that
/// comes later is refused.
pub(super) async fn release(
    tx: &mut Tx,
    caller: &Caller,
    order_id: OrderId,
    cause: &str,
    now: Time,
) -> Result<(), Error> {
    // The tombstone first: when it cannot be written, there is a reservation to be found.
    if insert(tx, caller, &Reservation::tombstone(order_id), now).await? {
        return Ok(());
    }
    advance(tx, caller, order_id, ReservationMove::Release(cause), now).await
}

/// Makes a move of an existing reservation, with its effect on the stock.
pub(crate) async fn advance(
    tx: &mut Tx,
    caller: &Caller,
    order_id: OrderId,
    asked: ReservationMove<'_>,
    now: Time,
) -> Result<(), Error> {
    let reservation = lock(tx, order_id).await?;
    let Step::To(state, units) = reservation.state.after(asked)? else {
        return Ok(());
    };
    let held = reservation.state == ReservationState::Held;
    let reservation = reservation.moved(state);
    save(tx, caller, &reservation, now).await?;
    if held && !matches!(asked, ReservationMove::Expire) {
        tx.withdraw(tasks::EXPIRE_RESERVATION, order_id).await?;
    }
    if let Some(reason) = units {
        change_stock(tx, caller, &reservation, reason, now).await?;
    }
    if let Some(cause) = asked.cause() {
        let released = Fact::StockReleased {
            reservation,
            cause: cause.to_owned(),
        };
        events::publish(tx, caller, &released, now).await?;
    }
    Ok(())
}

/// The products that orders have reserved.
pub(super) async fn products(tx: &mut Tx, orders: &[OrderId]) -> Result<Vec<ProductId>, Error> {
    let ids: Vec<Uuid> = orders.iter().map(|order| order.0).collect();
    let products = reservation_line::table
        .filter(reservation_line::order_id.eq_any(ids))
        .select(reservation_line::product_id)
        .load::<Uuid>(tx.conn())
        .await?;
    Ok(products.into_iter().map(ProductId).collect())
}

/// Writes a reservation unless the order has one; whether it was written.
async fn insert(
    tx: &mut Tx,
    caller: &Caller,
    reservation: &Reservation,
    now: Time,
) -> Result<bool, Error> {
    let author = Author::of(caller);
    let written = diesel::insert_into(reservation::table)
        .values((
            reservation::order_id.eq(reservation.order_id.0),
            reservation::state.eq(reservation.state.as_str()),
            reservation::version.eq(reservation.version),
            reservation::expire_time.eq(reservation.expire_time),
            reservation::actor.eq(author.actor),
            reservation::trace_id.eq(author.trace_id),
            reservation::create_time.eq(now),
            reservation::update_time.eq(now),
        ))
        .on_conflict_do_nothing()
        .execute(tx.conn())
        .await?;
    Ok(written > 0)
}

async fn insert_lines(tx: &mut Tx, reservation: &Reservation) -> Result<(), Error> {
    let lines = reservation.lines.iter().map(|(product_id, quantity)| {
        (
            reservation_line::order_id.eq(reservation.order_id.0),
            reservation_line::product_id.eq(product_id.0),
            reservation_line::quantity.eq(quantity),
        )
    });
    diesel::insert_into(reservation_line::table)
        .values(lines.collect::<Vec<_>>())
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// The reservation of an order, held until the transaction ends.
async fn lock(tx: &mut Tx, order_id: OrderId) -> Result<Reservation, Error> {
    let row = reservation::table
        .find(order_id.0)
        .select(ReservationRow::as_select())
        .for_no_key_update()
        .first::<ReservationRow>(tx.conn())
        .await
        .optional()?
        .ok_or(Error::NotReserved(order_id))?;
    let lines = reservation_line::table
        .filter(reservation_line::order_id.eq(order_id.0))
        .select((reservation_line::product_id, reservation_line::quantity))
        .load::<(Uuid, i32)>(tx.conn())
        .await?;
    row.into_domain(lines)
}

async fn save(
    tx: &mut Tx,
    caller: &Caller,
    reservation: &Reservation,
    now: Time,
) -> Result<(), Error> {
    let author = Author::of(caller);
    diesel::update(reservation::table.find(reservation.order_id.0))
        .set((
            reservation::state.eq(reservation.state.as_str()),
            reservation::version.eq(reservation.version),
            reservation::actor.eq(author.actor),
            reservation::trace_id.eq(author.trace_id),
            reservation::update_time.eq(now),
        ))
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Changes the stock of each line, in the order of the product ids as [`stock::lock`] does.
async fn change_stock(
    tx: &mut Tx,
    caller: &Caller,
    reservation: &Reservation,
    reason: StockReason,
    at: Time,
) -> Result<(), Error> {
    for (product_id, quantity) in reservation.lines.iter() {
        let entry = Entry {
            product_id,
            change: reason.change(quantity),
            order_id: Some(reservation.order_id),
            note: None,
            at,
        };
        stock::change(tx, caller, &entry).await?;
    }
    Ok(())
}

// === impl ReservationRow ===

impl ReservationRow {
    fn into_domain(self, lines: Vec<(Uuid, i32)>) -> Result<Reservation, Error> {
        let state = ReservationState::from_name(&self.state).ok_or(Error::StoredValue {
            column: "reservation.state",
            value: self.state,
        })?;
        let lines = lines
            .into_iter()
            .map(|(id, quantity)| (ProductId(id), quantity));
        Ok(Reservation {
            order_id: OrderId(self.order_id),
            state,
            lines: Lines::stored(lines),
            expire_time: self.expire_time,
            version: self.version,
        })
    }
}

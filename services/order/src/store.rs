//! Orders in PostgreSQL: each public method is one transaction, and one step of a use case.
//!
//! All SQL of this service stands here and below. Decisions do not: whatever moves an order locks
//! its row, has the saga step, and writes state, history, event and tasks together.

mod moves;
mod rows;
mod schema;

use std::collections::HashMap;

use diesel::prelude::{ExpressionMethods, OptionalExtension, QueryDsl, SelectableHelper};
use diesel_async::RunQueryDsl;
use shop_chassis::idempotency::{Answer, Claim};
use shop_chassis::tasks::Lease;
use shop_chassis::{Caller, Database, Tx};
use shop_proto::order::v1 as wire;

use crate::domain::{CustomerId, Order, OrderId, Scope, Time, Transition, Wish};
use crate::error::Error;
use crate::saga::{Input, State};
use crate::tasks::ORDER_DEADLINE;
use rows::{ContactRow, LineRow, OrderRow, TransitionRow};
use schema::{order_contact, order_line, order_transition, orders};

pub(crate) use moves::take;

/// The order database. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Store {
    database: Database,
}

/// A new order with what only this service may know of its customer.
#[derive(Clone, Debug)]
pub(crate) struct Placement {
    pub(crate) order: Order,
    pub(crate) wish: Wish,
    /// When the order is given up unless it is settled.
    pub(crate) deadline: Time,
}

/// Which orders a page shows, newest first.
#[derive(Clone, Debug)]
pub(crate) struct PageQuery {
    pub(crate) scope: Scope,
    /// The last order of the page before.
    pub(crate) after: Option<OrderId>,
    /// At most so many.
    pub(crate) limit: i64,
}

/// Where the mails about an order go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Contact {
    pub(crate) email: String,
    pub(crate) customer: CustomerId,
}

// === impl Store: what customers ask for ===

impl Store {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// The answer to a request that was answered before.
    pub(crate) async fn answered(
        &self,
        claim: &Claim,
    ) -> Result<Option<Answer<wire::Order>>, Error> {
        Ok(self.database.answered(claim).await?)
    }

    /// Writes a new order, once per idempotency key.
    pub(crate) async fn place(
        &self,
        caller: &Caller,
        new: Placement,
        claim: Claim,
    ) -> Result<Answer<wire::Order>, Error> {
        let caller = caller.clone();
        self.database
            .transaction(async move |tx: &mut Tx| {
                if let Some(answer) = tx.claim(&claim).await? {
                    return Ok(answer);
                }
                let order = &new.order;
                diesel::insert_into(orders::table)
                    .values(OrderRow::of(order))
                    .execute(tx.conn())
                    .await?;
                diesel::insert_into(order_line::table)
                    .values(LineRow::all_of(order))
                    .execute(tx.conn())
                    .await?;
                diesel::insert_into(order_contact::table)
                    .values(ContactRow::of(order.id, &new.wish))
                    .execute(tx.conn())
                    .await?;
                moves::begin(tx, &caller, order, new.deadline).await?;
                let answer = wire::Order::from(order);
                tx.answer(&claim, &answer).await?;
                Ok(Answer::fresh(answer))
            })
            .await
    }

    /// One order, if `scope` holds it. One that is out of scope is looked for no longer than one
    /// that does not exist.
    pub(crate) async fn find(&self, scope: Scope, id: OrderId) -> Result<Order, Error> {
        self.database
            .read(async move |tx: &mut Tx| {
                let query = orders::table
                    .find(id.0)
                    .select(OrderRow::as_select())
                    .into_boxed();
                let query = match &scope {
                    Scope::Own(customer) => query.filter(orders::customer_id.eq(&customer.0)),
                    Scope::Any => query,
                };
                let row = query.first::<OrderRow>(tx.conn()).await.optional()?;
                moves::with_lines(tx, row.ok_or(Error::NotFound)?).await
            })
            .await
    }

    /// One page of orders.
    pub(crate) async fn page(&self, query: PageQuery) -> Result<Vec<Order>, Error> {
        self.database
            .read(async move |tx: &mut Tx| {
                let mut select = orders::table
                    .select(OrderRow::as_select())
                    .order(orders::id.desc())
                    .limit(query.limit)
                    .into_boxed();
                if let Scope::Own(customer) = &query.scope {
                    select = select.filter(orders::customer_id.eq(&customer.0));
                }
                if let Some(after) = query.after {
                    select = select.filter(orders::id.lt(after.0));
                }
                let rows: Vec<OrderRow> = select.load(tx.conn()).await?;
                all_with_lines(tx, rows).await
            })
            .await
    }

    /// The history of one order, oldest first, if `scope` holds the order.
    pub(crate) async fn history(
        &self,
        scope: Scope,
        id: OrderId,
    ) -> Result<Vec<Transition>, Error> {
        self.database
            .read(async move |tx: &mut Tx| {
                let query = order_transition::table
                    .inner_join(orders::table)
                    .filter(order_transition::order_id.eq(id.0))
                    .order(order_transition::version)
                    .select(TransitionRow::as_select())
                    .into_boxed();
                let query = match &scope {
                    Scope::Own(customer) => query.filter(orders::customer_id.eq(&customer.0)),
                    Scope::Any => query,
                };
                let rows: Vec<TransitionRow> = query.load(tx.conn()).await?;
                if rows.is_empty() {
                    // Every order has the move by which it was placed.
                    return Err(Error::NotFound);
                }
                rows.into_iter().map(TransitionRow::into_domain).collect()
            })
            .await
    }

    /// Cancels an order, or notes the wish while its money is being captured.
    pub(crate) async fn cancel(
        &self,
        caller: &Caller,
        scope: Scope,
        id: OrderId,
        now: Time,
    ) -> Result<Order, Error> {
        let caller = caller.clone();
        self.database
            .transaction(async move |tx: &mut Tx| {
                let order = moves::lock(tx, &scope, id).await?;
                let capture = moves::capture_progress(tx, &order).await?;
                let input = Input::CancelRequested { capture };
                moves::advance(tx, &caller, order, input, now).await
            })
            .await
    }
}

// === impl Store: what other services and tasks ask for ===

impl Store {
    /// Where the mails about an order go.
    pub(crate) async fn contact(&self, id: OrderId) -> Result<Contact, Error> {
        self.database
            .read(async move |tx: &mut Tx| {
                let row: Option<(String, String)> = order_contact::table
                    .inner_join(orders::table)
                    .filter(order_contact::order_id.eq(id.0))
                    .select((order_contact::email, orders::customer_id))
                    .first(tx.conn())
                    .await
                    .optional()?;
                let (email, customer) = row.ok_or(Error::NotFound)?;
                let customer = CustomerId(customer);
                Ok(Contact { email, customer })
            })
            .await
    }

    /// The means of payment of an order.
    pub(crate) async fn payment_token(&self, id: OrderId) -> Result<String, Error> {
        self.database
            .read(async move |tx: &mut Tx| {
                let token = order_contact::table
                    .find(id.0)
                    .select(order_contact::payment_token)
                    .first(tx.conn())
                    .await
                    .optional()?;
                token.ok_or(Error::NotFound)
            })
            .await
    }

    /// Where an order stands.
    pub(crate) async fn state(&self, id: OrderId) -> Result<State, Error> {
        Ok(self.find(Scope::Any, id).await?.state)
    }

    /// Takes the answer that a task got for an order, together with the mark on the task.
    pub(crate) async fn answer(
        &self,
        caller: &Caller,
        id: OrderId,
        input: Input,
        lease: &Lease,
        now: Time,
    ) -> Result<Order, Error> {
        let (caller, lease) = (caller.clone(), *lease);
        self.database
            .transaction(async move |tx: &mut Tx| {
                let order = take(tx, &caller, id, input, now).await?;
                tx.finish(&lease).await?;
                if matches!(order.state, State::Paid | State::Cancelled { .. }) {
                    // It would change nothing any more.
                    tx.withdraw(ORDER_DEADLINE, id).await?;
                }
                Ok(order)
            })
            .await
    }

    /// Cancels an order that is not settled in time.
    pub(crate) async fn pass_deadline(
        &self,
        caller: &Caller,
        id: OrderId,
        lease: &Lease,
        now: Time,
    ) -> Result<Order, Error> {
        let (caller, lease) = (caller.clone(), *lease);
        self.database
            .transaction(async move |tx: &mut Tx| {
                let order = moves::lock(tx, &Scope::Any, id).await?;
                let capture = moves::capture_progress(tx, &order).await?;
                let input = Input::DeadlinePassed { capture };
                let order = moves::advance(tx, &caller, order, input, now).await?;
                tx.finish(&lease).await?;
                Ok(order)
            })
            .await
    }
}

/// Orders with their lines, in the order of `rows`, with one statement for all lines.
async fn all_with_lines(tx: &mut Tx, rows: Vec<OrderRow>) -> Result<Vec<Order>, Error> {
    let ids: Vec<_> = rows.iter().map(OrderRow::id).collect();
    let lines: Vec<LineRow> = order_line::table
        .filter(order_line::order_id.eq_any(ids))
        .order((order_line::order_id, order_line::position))
        .select(LineRow::as_select())
        .load(tx.conn())
        .await?;
    let mut by_order: HashMap<_, Vec<LineRow>> = HashMap::with_capacity(rows.len());
    for line in lines {
        by_order.entry(line.order_id).or_default().push(line);
    }
    rows.into_iter()
        .map(|row| {
            let lines = by_order.remove(&row.id()).unwrap_or_default();
            row.into_domain(lines)
        })
        .collect()
}

#[cfg(test)]
mod tests;

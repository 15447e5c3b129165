//! The product database: each public method is one transaction that takes one step of a use case,
//! with its state, its ledger rows and its events.
//!
//! All SQL of this service stands here and below. Decisions do not: rows become domain values, the
//! domain decides, and what it decided is written back.

mod product;
mod reservation;
mod schema;
mod stock;

use mesh_telemetry::propagation::TraceContext;
use shop_chassis::idempotency::{Answer, Claim};
use shop_chassis::tasks::Lease;
use shop_chassis::{Caller, Database, Tx};
use shop_proto::product::v1;

use crate::domain::{Adjustment, Fact, OrderId, Patch, Product, ProductId, ReservationMove, Time};
use crate::error::Error;
use crate::events;

pub(crate) use reservation::{Wish, advance, reserve};

/// The product database. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Store {
    database: Database,
}

/// Where a page of the catalogue starts and what it holds.
#[derive(Clone, Debug)]
pub(crate) struct PageQuery {
    /// Only this category, when set.
    pub(crate) category: Option<String>,
    /// The last product of the page before.
    pub(crate) after: Option<ProductId>,
    /// At most so many.
    pub(crate) limit: i64,
}

/// Who writes a history row, and in which trace.
struct Author {
    actor: String,
    trace_id: Option<String>,
}

// === impl Store ===

impl Store {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// Brings a product with its stock into the catalogue.
    pub(crate) async fn create(
        &self,
        caller: &Caller,
        claim: Option<Claim>,
        product: Product,
    ) -> Result<Answer<v1::Product>, Error> {
        let caller = caller.clone();
        let work = async move |tx: &mut Tx| {
            if let Some(answer) = claimed(tx, claim.as_ref()).await? {
                return Ok(answer);
            }
            product::insert(tx, &product).await?;
            let at = product.create_time;
            events::publish(tx, &caller, &Fact::ProductCreated(product.clone()), at).await?;
            stock::insert(tx, &caller, &product).await?;
            answered(tx, claim.as_ref(), v1::Product::from(&product)).await
        };
        self.database.transaction(work).await
    }

    /// The product, unless it was deleted.
    pub(crate) async fn find(&self, id: ProductId) -> Result<Product, Error> {
        let work = async move |tx: &mut Tx| product::find(tx, id).await;
        self.database.read(work).await
    }

    /// Those of `ids` that are in the catalogue, in no particular order.
    pub(crate) async fn find_all(&self, ids: Vec<ProductId>) -> Result<Vec<Product>, Error> {
        let work = async move |tx: &mut Tx| product::find_all(tx, &ids).await;
        self.database.read(work).await
    }

    /// One page of the catalogue, oldest first.
    pub(crate) async fn page(&self, query: PageQuery) -> Result<Vec<Product>, Error> {
        let work = async move |tx: &mut Tx| product::page(tx, &query).await;
        self.database.read(work).await
    }

    /// Changes a product; without a difference it stays at its version and nobody is told.
    pub(crate) async fn update(
        &self,
        caller: &Caller,
        id: ProductId,
        etag: Option<&str>,
        patch: Patch,
        now: Time,
    ) -> Result<Product, Error> {
        let (caller, etag) = (caller.clone(), etag.map(str::to_owned));
        let work = async move |tx: &mut Tx| {
            let current = lock_version(tx, id, etag.as_deref()).await?;
            let Some(next) = current.update(patch, now) else {
                return Ok(current);
            };
            product::save(tx, &next).await?;
            events::publish(tx, &caller, &Fact::ProductUpdated(next.clone()), now).await?;
            Ok(next)
        };
        self.database.transaction(work).await
    }

    /// Takes a product out of the catalogue.
    pub(crate) async fn delete(
        &self,
        caller: &Caller,
        id: ProductId,
        etag: Option<&str>,
        now: Time,
    ) -> Result<Product, Error> {
        let (caller, etag) = (caller.clone(), etag.map(str::to_owned));
        let work = async move |tx: &mut Tx| {
            let deleted = lock_version(tx, id, etag.as_deref()).await?.delete(now);
            product::save(tx, &deleted).await?;
            events::publish(tx, &caller, &Fact::ProductDeleted(deleted.clone()), now).await?;
            Ok(deleted)
        };
        self.database.transaction(work).await
    }

    /// Adds to or takes from the units on hand.
    pub(crate) async fn adjust_stock(
        &self,
        caller: &Caller,
        claim: Option<Claim>,
        adjustment: Adjustment,
        now: Time,
    ) -> Result<Answer<v1::Product>, Error> {
        let caller = caller.clone();
        let work = async move |tx: &mut Tx| {
            if let Some(answer) = claimed(tx, claim.as_ref()).await? {
                return Ok(answer);
            }
            stock::adjust(tx, &caller, &adjustment, now).await?;
            let product = product::find(tx, adjustment.product_id).await?;
            answered(tx, claim.as_ref(), v1::Product::from(&product)).await
        };
        self.database.transaction(work).await
    }

    /// Makes the hold of an order firm. Refused when nothing is held any more.
    pub(crate) async fn confirm(
        &self,
        caller: &Caller,
        order_id: OrderId,
        now: Time,
    ) -> Result<(), Error> {
        let caller = caller.clone();
        let work = async move |tx: &mut Tx| {
            advance(tx, &caller, order_id, ReservationMove::Confirm, now).await
        };
        self.database.transaction(work).await
    }

    /// Gives back what an order was promised or has bought; if its reserve is still to come, sees
    /// to it that it is refused.
    pub(crate) async fn release(
        &self,
        caller: &Caller,
        order_id: OrderId,
        cause: String,
        now: Time,
    ) -> Result<(), Error> {
        let caller = caller.clone();
        let work =
            async move |tx: &mut Tx| reservation::release(tx, &caller, order_id, &cause, now).await;
        self.database.transaction(work).await
    }

    /// Ends the hold of an order that was not confirmed in time; the result of a task.
    pub(crate) async fn expire(
        &self,
        caller: &Caller,
        order_id: OrderId,
        lease: &Lease,
        now: Time,
    ) -> Result<(), Error> {
        let (caller, lease) = (caller.clone(), *lease);
        let work = async move |tx: &mut Tx| {
            tx.finish(&lease).await?;
            advance(tx, &caller, order_id, ReservationMove::Expire, now).await
        };
        self.database.transaction(work).await
    }
}

/// Holds all stock that a transaction of several orders will change, in the order of the products:
/// two such transactions then wait for each other in one direction only. `wished` is what new
/// orders want; `orders` are those that have their reservation.
pub(crate) async fn hold_stock(
    tx: &mut Tx,
    wished: Vec<ProductId>,
    orders: &[OrderId],
) -> Result<(), Error> {
    let mut products = wished;
    if !orders.is_empty() {
        products.extend(reservation::products(tx, orders).await?);
    }
    stock::hold(tx, &products).await
}

/// Holds the product, if it is the version that the caller means.
async fn lock_version(tx: &mut Tx, id: ProductId, etag: Option<&str>) -> Result<Product, Error> {
    let product = product::lock(tx, id).await?;
    if product.is_version(etag) {
        Ok(product)
    } else {
        Err(Error::EtagMismatch)
    }
}

/// The answer that was given to the same request before, if there was one.
async fn claimed<M: prost::Message + Default>(
    tx: &mut Tx,
    claim: Option<&Claim>,
) -> Result<Option<Answer<M>>, Error> {
    match claim {
        Some(claim) => Ok(tx.claim(claim).await?),
        None => Ok(None),
    }
}

/// Keeps the answer for the same request.
async fn answered<M: prost::Message>(
    tx: &mut Tx,
    claim: Option<&Claim>,
    message: M,
) -> Result<Answer<M>, Error> {
    if let Some(claim) = claim {
        tx.answer(claim, &message).await?;
    }
    Ok(Answer::fresh(message))
}

// === impl Author ===

impl Author {
    fn of(caller: &Caller) -> Self {
        let actor = match caller.user() {
            Some(user) => format!("user:{}", user.subject),
            None => caller.actor().principal,
        };
        let trace = TraceContext::of(&tracing::Span::current());
        // 00-<trace id>-<span id>-<flags>
        let trace_id =
            trace.and_then(|trace| trace.traceparent.split('-').nth(1).map(str::to_owned));
        Self { actor, trace_id }
    }
}

#[cfg(test)]
mod tests;

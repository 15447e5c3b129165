//! The payment database: each public method is one transaction that takes one step of a use case,
//! with its state, its history, its ledger rows and its events.
//!
//! All SQL of this service stands here and below. Decisions do not: rows become domain values, the
//! domain decides, and what it decided is written back. A payment's row is locked before anything
//! is decided about it, and never while the provider is asked.

mod ledger;
mod payment;
mod refund;
mod schema;

use shop_chassis::idempotency::{Answer, Claim};
use shop_chassis::tasks::Lease;
use shop_chassis::{Caller, Database, Tx};
use shop_proto::payment::v1;
use uuid::Uuid;

use crate::domain::{
    Attempt, AuthorizationId, Moved, OrderId, Payment, PaymentId, Refund, RefundId, RefundPayment,
    Reversal, Time,
};
use crate::error::Error;
use crate::{events, tasks};

/// The payment database. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Store {
    database: Database,
}

/// Whose payments a page shows, and where it starts.
#[derive(Clone, Debug)]
pub(crate) struct PageQuery {
    /// Only those of this customer, when set.
    pub(crate) customer_id: Option<String>,
    /// Only that of this order, when set.
    pub(crate) order_id: Option<OrderId>,
    /// The last payment of the page before.
    pub(crate) after: Option<PaymentId>,
    /// At most so many.
    pub(crate) limit: i64,
}

/// Takes a new order's payment in, with the task that authorises it. False when the order has one:
/// it was given up before, or the event came twice.
pub(crate) async fn request(
    tx: &mut Tx,
    caller: &Caller,
    payment: &Payment,
) -> Result<bool, Error> {
    if !payment::insert(tx, payment).await? {
        return Ok(false);
    }
    payment::record(tx, caller, None, payment, "order created").await?;
    tx.enqueue(caller, tasks::authorize(payment)?).await?;
    Ok(true)
}

// === impl Store ===

impl Store {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// The payment.
    pub(crate) async fn find(&self, id: PaymentId) -> Result<Payment, Error> {
        let work = async move |tx: &mut Tx| payment::find(tx, id).await;
        self.database.read(work).await
    }

    /// The payment of an order.
    pub(crate) async fn find_of_order(&self, order_id: OrderId) -> Result<Payment, Error> {
        let work = async move |tx: &mut Tx| {
            let found = payment::find_of_order(tx, order_id).await?;
            found.ok_or(Error::OrderNotFound(order_id))
        };
        self.database.read(work).await
    }

    /// A refund and its payment.
    pub(crate) async fn find_refund(&self, id: RefundId) -> Result<(Payment, Refund), Error> {
        let work = async move |tx: &mut Tx| {
            let refund = refund::find(tx, id)
                .await?
                .ok_or(Error::RefundNotFound(id))?;
            Ok((payment::find(tx, refund.payment_id).await?, refund))
        };
        self.database.read(work).await
    }

    /// One page of payments, newest first.
    pub(crate) async fn page(&self, query: PageQuery) -> Result<Vec<Payment>, Error> {
        let work = async move |tx: &mut Tx| payment::page(tx, &query).await;
        self.database.read(work).await
    }

    /// Marks a payment as asked for, before it is; `None` when nothing is to be asked.
    pub(crate) async fn begin_authorization(
        &self,
        caller: &Caller,
        id: PaymentId,
        now: Time,
    ) -> Result<Option<Payment>, Error> {
        let caller = caller.clone();
        let work = async move |tx: &mut Tx| {
            let current = payment::lock(tx, id).await?;
            match current.begin_authorization(now) {
                Attempt::First(moved) => Ok(Some(save(tx, &caller, &current, *moved, now).await?)),
                Attempt::Again => Ok(Some(current)),
                Attempt::Settled => Ok(None),
            }
        };
        self.database.transaction(work).await
    }

    /// The provider holds the money; with the lease of the task that asked, its end as well.
    pub(crate) async fn authorize(
        &self,
        caller: &Caller,
        id: PaymentId,
        held: AuthorizationId,
        lease: Option<&Lease>,
        now: Time,
    ) -> Result<Payment, Error> {
        self.result(caller, id, lease, now, move |current| {
            current.authorize(held.clone(), now)
        })
        .await
    }

    /// The provider does not hold the money, and will not; with the lease of the task that asked,
    /// its end as well.
    pub(crate) async fn refuse_authorization(
        &self,
        caller: &Caller,
        id: PaymentId,
        code: String,
        lease: Option<&Lease>,
        now: Time,
    ) -> Result<Payment, Error> {
        self.result(caller, id, lease, now, move |current| {
            current.refuse_authorization(&code, now)
        })
        .await
    }

    /// Nobody has a means of payment for it.
    pub(crate) async fn refuse_unasked(
        &self,
        caller: &Caller,
        id: PaymentId,
        code: String,
        now: Time,
    ) -> Result<Payment, Error> {
        self.step(caller, id, now, move |current| {
            current.refuse_unasked(&code, now)
        })
        .await
    }

    /// The provider has taken the money.
    pub(crate) async fn capture(
        &self,
        caller: &Caller,
        id: PaymentId,
        now: Time,
    ) -> Result<Payment, Error> {
        self.step(caller, id, now, move |current| current.capture(now))
            .await
    }

    /// The provider has not taken the money, and will not.
    pub(crate) async fn refuse_capture(
        &self,
        caller: &Caller,
        id: PaymentId,
        code: String,
        now: Time,
    ) -> Result<Payment, Error> {
        self.step(caller, id, now, move |current| {
            current.refuse_capture(&code, now)
        })
        .await
    }

    /// Decides what undoing an order's payment takes, and saves what must be saved before it is
    /// done. An order that is not known gets a tombstone, named `tombstone_id`.
    pub(crate) async fn begin_reverse(
        &self,
        caller: &Caller,
        order_id: OrderId,
        reason: &str,
        tombstone_id: PaymentId,
        now: Time,
    ) -> Result<(PaymentId, Reversal), Error> {
        let (caller, reason) = (caller.clone(), reason.to_owned());
        let work = async move |tx: &mut Tx| {
            let tombstone = Payment::tombstone(tombstone_id, order_id, reason.clone(), now);
            if payment::insert(tx, &tombstone).await? {
                payment::record(tx, &caller, None, &tombstone, "reversed before it came").await?;
                return Ok((tombstone_id, Reversal::Done));
            }
            let current = payment::lock_of_order(tx, order_id).await?;
            let earlier = refund::find(tx, RefundId::reversal_of(current.id)).await?;
            let reversal = current.begin_reverse(&reason, earlier, now)?;
            match &reversal {
                Reversal::Cancel(moved)
                | Reversal::Wait(Some(moved))
                | Reversal::Void(_, Some(moved)) => {
                    save(tx, &caller, &current, moved.clone(), now).await?;
                }
                Reversal::Accept(moved, refund) => {
                    save(tx, &caller, &current, moved.clone(), now).await?;
                    refund::insert(tx, refund).await?;
                }
                Reversal::Done
                | Reversal::Wait(None)
                | Reversal::Void(_, None)
                | Reversal::Return(_) => {}
            }
            Ok((current.id, reversal))
        };
        self.database.transaction(work).await
    }

    /// The provider has given up what it held.
    pub(crate) async fn void(
        &self,
        caller: &Caller,
        id: PaymentId,
        now: Time,
    ) -> Result<Payment, Error> {
        self.step(caller, id, now, move |current| current.void(now))
            .await
    }

    /// The stored answer of a refund that was asked for before.
    pub(crate) async fn answered(
        &self,
        claim: &Claim,
    ) -> Result<Option<Answer<v1::Payment>>, Error> {
        Ok(self.database.answered(claim).await?)
    }

    /// Accepts a refund, with the task that brings it to the provider.
    pub(crate) async fn accept_refund(
        &self,
        caller: &Caller,
        claim: Claim,
        command: RefundPayment,
        id: RefundId,
        now: Time,
    ) -> Result<Answer<v1::Payment>, Error> {
        let caller = caller.clone();
        let work = async move |tx: &mut Tx| {
            if let Some(answer) = tx.claim(&claim).await? {
                return Ok(answer);
            }
            let current = payment::lock(tx, command.payment_id).await?;
            let (moved, refund) =
                current.accept_refund(id, command.amount, &command.reason, now)?;
            let payment = save(tx, &caller, &current, moved, now).await?;
            refund::insert(tx, &refund).await?;
            tx.enqueue(&caller, tasks::refund(id)).await?;
            let message = v1::Payment::from(&payment);
            tx.answer(&claim, &message).await?;
            Ok(Answer::fresh(message))
        };
        self.database.transaction(work).await
    }

    /// The provider has given the money back.
    pub(crate) async fn complete_refund(
        &self,
        caller: &Caller,
        payment_id: PaymentId,
        id: RefundId,
        now: Time,
    ) -> Result<(), Error> {
        let caller = caller.clone();
        let work = async move |tx: &mut Tx| {
            let current = payment::lock(tx, payment_id).await?;
            let refund = refund::find(tx, id)
                .await?
                .ok_or(Error::RefundNotFound(id))?;
            if let Some((moved, refund)) = current.complete_refund(&refund, now)? {
                refund::update(tx, &refund).await?;
                save(tx, &caller, &current, moved, now).await?;
            }
            Ok(())
        };
        self.database.transaction(work).await
    }

    /// The provider has not given the money back, and will not.
    pub(crate) async fn refuse_refund(
        &self,
        caller: &Caller,
        payment_id: PaymentId,
        id: RefundId,
        code: String,
        now: Time,
    ) -> Result<(), Error> {
        let caller = caller.clone();
        let work = async move |tx: &mut Tx| {
            let current = payment::lock(tx, payment_id).await?;
            let refund = refund::find(tx, id)
                .await?
                .ok_or(Error::RefundNotFound(id))?;
            if let Some((moved, refund)) = current.refuse_refund(&refund, &code, now)? {
                refund::update(tx, &refund).await?;
                save(tx, &caller, &current, moved, now).await?;
            }
            Ok(())
        };
        self.database.transaction(work).await
    }

    /// Locks a payment, lets the domain decide, saves what it decided.
    async fn step<F>(
        &self,
        caller: &Caller,
        id: PaymentId,
        now: Time,
        decide: F,
    ) -> Result<Payment, Error>
    where
        F: Fn(&Payment) -> Result<Option<Moved>, Error> + Clone + Send + Sync + 'static,
    {
        self.result(caller, id, None, now, decide).await
    }

    /// A step that is the result of a task, if it has the lease of one: without the lease the step
    /// is not taken, whoever has it now asks again.
    async fn result<F>(
        &self,
        caller: &Caller,
        id: PaymentId,
        lease: Option<&Lease>,
        now: Time,
        decide: F,
    ) -> Result<Payment, Error>
    where
        F: Fn(&Payment) -> Result<Option<Moved>, Error> + Clone + Send + Sync + 'static,
    {
        let (caller, lease) = (caller.clone(), lease.copied());
        let work = async move |tx: &mut Tx| {
            if let Some(lease) = &lease {
                tx.finish(lease).await?;
            }
            let current = payment::lock(tx, id).await?;
            match decide(&current)? {
                Some(moved) => save(tx, &caller, &current, moved, now).await,
                None => Ok(current),
            }
        };
        self.database.transaction(work).await
    }
}

/// Writes what a move brings about. The payment's row is locked.
async fn save(
    tx: &mut Tx,
    caller: &Caller,
    before: &Payment,
    moved: Moved,
    now: Time,
) -> Result<Payment, Error> {
    let after = moved.payment;
    payment::update(tx, &after).await?;
    payment::record(tx, caller, Some(before), &after, &moved.note).await?;
    if let Some(posting) = &moved.posting {
        ledger::book(tx, Uuid::now_v7(), after.id, posting, now).await?;
    }
    if let Some(fact) = &moved.fact {
        events::publish(tx, caller, &after, fact).await?;
    }
    Ok(after)
}

#[cfg(test)]
pub(crate) mod tests;

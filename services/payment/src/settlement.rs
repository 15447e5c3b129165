//! The conversation with the provider: what is saved before it is asked, the question, and what is
//! made of the answer. RPCs and tasks share it.
//!
//! No transaction is open while the provider is asked. Whoever dies in between asks again with the
//! same key and goes on. What stays unknown is an error that callers may retry, never a guess.

use uuid::Uuid;

use shop_chassis::Caller;
use shop_chassis::tasks::Lease;

use crate::domain::{
    AuthorizationId, Capture, OrderId, Payment, PaymentId, Refund, RefundId, RefundState, Reversal,
};
use crate::error::Error;
use crate::metrics;
use crate::now;
use crate::provider::{Answer, PaymentToken, Provider, Unclear};
use crate::store::Store;

/// A reversal is decided anew after each answer: void, else capture, refund, done.
const REVERSAL_ROUNDS_MAX: u32 = 4;
/// The provider's code would be about a token; there was none to send.
const NO_PAYMENT_METHOD: &str = "invalid_token";

/// Brings decisions to the provider and its answers home. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Settlement {
    store: Store,
    provider: Provider,
}

/// Whether the provider had to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// It was, and its answer is stored.
    Answered,
    /// Nothing is to be asked any more.
    Nothing,
}

// === impl Settlement ===

impl Settlement {
    pub(crate) fn new(store: Store, provider: Provider) -> Self {
        Self { store, provider }
    }

    /// Has the provider hold the money of a payment. The answer also ends the task of `lease`.
    pub(crate) async fn authorize(
        &self,
        caller: &Caller,
        id: PaymentId,
        token: &PaymentToken,
        lease: Option<&Lease>,
    ) -> Result<Asked, Error> {
        let Some(payment) = self.store.begin_authorization(caller, id, now()).await? else {
            return Ok(Asked::Nothing);
        };
        let Some(amount) = payment.amount else {
            return Err(Error::IllegalMove {
                action: "authorize",
                status: payment.status,
            });
        };
        match self.provider.authorize(id, amount, token).await {
            Answer::Approved(held) => {
                self.store.authorize(caller, id, held, lease, now()).await?;
            }
            Answer::Declined { code } => {
                self.store
                    .refuse_authorization(caller, id, code, lease, now())
                    .await?;
            }
            Answer::Unknown(source) => return Err(unclear("authorize", id, source)),
        }
        Ok(Asked::Answered)
    }

    /// Ends a payment that has no means of payment, unless the provider was asked already.
    pub(crate) async fn refuse_without_method(
        &self,
        caller: &Caller,
        id: PaymentId,
    ) -> Result<(), Error> {
        let code = NO_PAYMENT_METHOD.to_owned();
        self.store.refuse_unasked(caller, id, code, now()).await?;
        Ok(())
    }

    /// Takes the money of an order. The pivot of the saga: after it there is only a refund.
    pub(crate) async fn capture(&self, caller: &Caller, order_id: OrderId) -> Result<(), Error> {
        let payment = self.store.find_of_order(order_id).await?;
        match payment.begin_capture()? {
            Capture::Done => Ok(()),
            Capture::Ask(held) => {
                let status = self.ask_capture(caller, payment.id, &held).await?;
                match status {
                    Settled::Approved => Ok(()),
                    Settled::Declined { code } => Err(Error::Declined { code }),
                }
            }
        }
    }

    /// Undoes the payment of an order, whatever has become of it.
    pub(crate) async fn reverse(
        &self,
        caller: &Caller,
        order_id: OrderId,
        reason: &str,
    ) -> Result<(), Error> {
        for _ in 0..REVERSAL_ROUNDS_MAX {
            let tombstone = PaymentId(Uuid::now_v7());
            let (id, reversal) = self
                .store
                .begin_reverse(caller, order_id, reason, tombstone, now())
                .await?;
            match reversal {
                Reversal::Done | Reversal::Cancel(_) => return Ok(()),
                Reversal::Wait(_) => return Err(Error::Unresolved(id)),
                Reversal::Void(held, _) => self.give_up(caller, id, &held).await?,
                Reversal::Accept(_, refund) | Reversal::Return(refund) => {
                    self.give_back(caller, &refund).await?;
                }
            }
        }
        let payment = self.store.find_of_order(order_id).await?;
        Err(Error::Unresolved(payment.id))
    }

    /// Brings an accepted refund to the provider.
    pub(crate) async fn refund(&self, caller: &Caller, id: RefundId) -> Result<(), Error> {
        let (payment, refund) = self.store.find_refund(id).await?;
        if refund.state != RefundState::Pending {
            return Ok(());
        }
        match self.ask_refund(&payment, &refund).await? {
            Settled::Approved => {
                self.store
                    .complete_refund(caller, payment.id, id, now())
                    .await
            }
            Settled::Declined { code } => {
                tracing::error!(payment_id = %payment.id, refund_id = %id, code, "refund refused");
                self.store
                    .refuse_refund(caller, payment.id, id, code, now())
                    .await
            }
        }
    }

    /// Voids what is held. A provider that refuses may have captured it, when the answer to an
    /// earlier capture was lost; the capture's own key tells.
    async fn give_up(
        &self,
        caller: &Caller,
        id: PaymentId,
        held: &AuthorizationId,
    ) -> Result<(), Error> {
        match self.provider.void(id, held).await {
            Answer::Approved(()) => {
                self.store.void(caller, id, now()).await?;
            }
            Answer::Declined { code } => {
                tracing::warn!(payment_id = %id, code, "void refused; was it captured?");
                if let Settled::Declined { code } = self.ask_capture(caller, id, held).await? {
                    // Neither to take nor to give up: it holds nothing any more.
                    tracing::warn!(payment_id = %id, code, "not captured either; it is void");
                    self.store.void(caller, id, now()).await?;
                }
            }
            Answer::Unknown(source) => return Err(unclear("void", id, source)),
        }
        Ok(())
    }

    /// Gives back what a reversal has to. It is never given up: an order that is undone and paid
    /// is worse than one that waits for a person.
    async fn give_back(&self, caller: &Caller, refund: &Refund) -> Result<(), Error> {
        let payment = self.store.find(refund.payment_id).await?;
        match self.ask_refund(&payment, refund).await? {
            Settled::Approved => {
                self.store
                    .complete_refund(caller, payment.id, refund.id, now())
                    .await
            }
            Settled::Declined { code } => {
                metrics::reversal_refused();
                tracing::error!(payment_id = %payment.id, code, "a reversal's refund was refused");
                Err(Error::ReversalRefused {
                    payment: payment.id,
                    code,
                })
            }
        }
    }

    async fn ask_capture(
        &self,
        caller: &Caller,
        id: PaymentId,
        held: &AuthorizationId,
    ) -> Result<Settled, Error> {
        match self.provider.capture(id, held).await {
            Answer::Approved(()) => {
                self.store.capture(caller, id, now()).await?;
                Ok(Settled::Approved)
            }
            Answer::Declined { code } => {
                self.store
                    .refuse_capture(caller, id, code.clone(), now())
                    .await?;
                Ok(Settled::Declined { code })
            }
            Answer::Unknown(source) => Err(unclear("capture", id, source)),
        }
    }

    async fn ask_refund(&self, payment: &Payment, refund: &Refund) -> Result<Settled, Error> {
        let Some(held) = &payment.authorization else {
            return Err(Error::IllegalMove {
                action: "refund",
                status: payment.status,
            });
        };
        match self
            .provider
            .refund(payment.id, held, refund.id, refund.amount)
            .await
        {
            Answer::Approved(()) => Ok(Settled::Approved),
            Answer::Declined { code } => Ok(Settled::Declined { code }),
            Answer::Unknown(source) => Err(unclear("refund", payment.id, source)),
        }
    }
}

/// An answer that leaves nothing open.
enum Settled {
    Approved,
    Declined { code: String },
}

fn unclear(operation: &'static str, payment: PaymentId, source: Unclear) -> Error {
    Error::ProviderUnclear {
        operation,
        payment,
        source,
    }
}

#[cfg(test)]
mod tests;

//! A payment and its moves. Each says what is saved, booked and published, or why it is refused;
//! a move that was made before is `None`: nothing to save, and no error.

use shop_chassis::Money;

use super::{
    AuthorizationId, Fact, OrderId, PaymentId, Phase, Posting, Refund, RefundId, RefundState,
    Status, Time,
};
use crate::error::Error;

/// The money of one order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    pub id: PaymentId,
    pub order_id: OrderId,
    /// Absent in a tombstone, whose order nobody has heard of.
    pub customer_id: Option<String>,
    pub status: Status,
    /// Absent in a tombstone.
    pub amount: Option<Money>,
    pub captured_minor: i64,
    /// Accepted refunds, done or on their way.
    pub refunded_minor: i64,
    /// Refunds that the provider has confirmed.
    pub returned_minor: i64,
    pub authorization: Option<AuthorizationId>,
    pub failure_code: Option<String>,
    /// Why it is to be undone; nothing is captured any more.
    pub reverse_reason: Option<String>,
    /// Counts the published facts: `aggregateVersion` of the events.
    pub version: i64,
    pub create_time: Time,
    pub update_time: Time,
}

/// A payment after a move, and what the move brings about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    pub payment: Payment,
    /// For the history.
    pub note: String,
    pub fact: Option<Fact>,
    pub posting: Option<Posting>,
}

/// Whether the provider is to be asked for an authorisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// Yes, and the payment is to be saved as PROCESSING before.
    First(Box<Moved>),
    /// Yes, once more with the same key: the answer is still unknown.
    Again,
    /// No: it is decided.
    Settled,
}

/// Whether the provider is to be asked for a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Capture {
    Ask(AuthorizationId),
    Done,
}

/// What undoing a payment takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reversal {
    /// Nothing, any more.
    Done,
    /// Nothing at the provider; it was never asked.
    Cancel(Moved),
    /// To wait until the provider's earlier answer is known. The wish is to be saved, once.
    Wait(Option<Moved>),
    /// To give up what is held. The wish is to be saved before, once.
    Void(AuthorizationId, Option<Moved>),
    /// To give back all that is left, by this refund, which is to be saved before.
    Accept(Moved, Refund),
    /// To go on with the refund that was accepted for it.
    Return(Refund),
}

// === impl Payment ===

impl Payment {
    /// The payment that a new order needs.
    pub fn request(
        id: PaymentId,
        order_id: OrderId,
        customer_id: String,
        amount: Money,
        now: Time,
    ) -> Self {
        Self {
            id,
            order_id,
            customer_id: Some(customer_id),
            status: Status::RequiresConfirmation,
            amount: Some(amount),
            captured_minor: 0,
            refunded_minor: 0,
            returned_minor: 0,
            authorization: None,
            failure_code: None,
            reverse_reason: None,
            version: 0,
            create_time: now,
            update_time: now,
        }
    }

    /// Stands for an order that was given up before it was heard of: it will not be charged.
    pub fn tombstone(id: PaymentId, order_id: OrderId, reason: String, now: Time) -> Self {
        Self {
            id,
            order_id,
            customer_id: None,
            status: Status::Canceled,
            amount: None,
            captured_minor: 0,
            refunded_minor: 0,
            returned_minor: 0,
            authorization: None,
            failure_code: None,
            reverse_reason: Some(reason),
            version: 0,
            create_time: now,
            update_time: now,
        }
    }

    /// What may still be given back. `None` where there was never an amount.
    pub fn remaining(&self) -> Option<Money> {
        self.part(self.captured_minor - self.refunded_minor)
    }

    /// `minor` units in the payment's currency.
    pub fn part(&self, minor: i64) -> Option<Money> {
        self.amount
            .map(|amount| Money::new(minor, amount.currency()))
    }

    // Authorise.

    /// Decides whether the provider is asked for an authorisation.
    pub fn begin_authorization(&self, now: Time) -> Attempt {
        match self.status {
            Status::RequiresConfirmation => Attempt::First(Box::new(self.moved(
                Status::Processing,
                "asks the provider",
                now,
            ))),
            Status::Processing => Attempt::Again,
            Status::RequiresCapture | Status::Succeeded | Status::Canceled | Status::Failed => {
                Attempt::Settled
            }
        }
    }

    /// The provider holds the money.
    pub fn authorize(
        &self,
        authorization: AuthorizationId,
        now: Time,
    ) -> Result<Option<Moved>, Error> {
        if self.authorization.as_ref() == Some(&authorization) {
            return Ok(None);
        }
        let (Status::Processing, Some(amount)) = (self.status, self.amount) else {
            return Err(self.refuses("authorize"));
        };
        let mut moved = self.moved(Status::RequiresCapture, "authorized", now);
        moved.payment.authorization = Some(authorization);
        Ok(Some(moved.telling(Fact::Processed {
            phase: Phase::Authorized,
            amount,
        })))
    }

    /// The provider does not hold the money, and will not.
    pub fn refuse_authorization(&self, code: &str, now: Time) -> Result<Option<Moved>, Error> {
        match self.status {
            Status::RequiresConfirmation | Status::Processing => {
                Ok(Some(self.failed(Phase::Authorized, code, now)))
            }
            Status::Failed => Ok(None),
            Status::RequiresCapture | Status::Succeeded | Status::Canceled => {
                Err(self.refuses("fail"))
            }
        }
    }

    /// There is nothing to ask the provider with. Once it was asked it is too late: only the
    /// provider knows whether it holds the money.
    pub fn refuse_unasked(&self, code: &str, now: Time) -> Result<Option<Moved>, Error> {
        match self.status {
            Status::RequiresConfirmation => Ok(Some(self.failed(Phase::Authorized, code, now))),
            Status::Processing => Err(Error::Unresolved(self.id)),
            // Decided meanwhile.
            Status::RequiresCapture | Status::Succeeded | Status::Canceled | Status::Failed => {
                Ok(None)
            }
        }
    }

    // Capture.

    /// Decides whether the provider is asked for the money.
    pub fn begin_capture(&self) -> Result<Capture, Error> {
        match (self.status, &self.authorization, &self.failure_code) {
            (Status::Succeeded, _, _) => Ok(Capture::Done),
            (Status::RequiresCapture, Some(held), _) if self.reverse_reason.is_none() => {
                Ok(Capture::Ask(held.clone()))
            }
            (Status::Failed, _, Some(code)) => Err(Error::Declined { code: code.clone() }),
            _ => Err(self.refuses("capture")),
        }
    }

    /// The provider has taken the money.
    pub fn capture(&self, now: Time) -> Result<Option<Moved>, Error> {
        match (self.status, self.amount) {
            (Status::Succeeded, _) => Ok(None),
            (Status::RequiresCapture, Some(amount)) => {
                let mut moved = self.moved(Status::Succeeded, "captured", now);
                moved.payment.captured_minor = amount.minor();
                moved.posting = Some(Posting::Capture { amount });
                Ok(Some(moved.telling(Fact::Processed {
                    phase: Phase::Captured,
                    amount,
                })))
            }
            _ => Err(self.refuses("capture")),
        }
    }

    /// The provider has not taken the money, and will not. One that is being undone has not failed:
    /// its reversal got there first, and tells the end.
    pub fn refuse_capture(&self, code: &str, now: Time) -> Result<Option<Moved>, Error> {
        match self.status {
            Status::RequiresCapture if self.reverse_reason.is_some() => Ok(None),
            Status::RequiresCapture => Ok(Some(self.failed(Phase::Captured, code, now))),
            Status::Failed | Status::Canceled => Ok(None),
            Status::RequiresConfirmation | Status::Processing | Status::Succeeded => {
                Err(self.refuses("fail"))
            }
        }
    }

    // Reverse: the undoing of all of the above.

    /// Decides what undoing takes. `reversal` is the refund that was accepted for it, if any.
    pub fn begin_reverse(
        &self,
        reason: &str,
        reversal: Option<Refund>,
        now: Time,
    ) -> Result<Reversal, Error> {
        match (self.status, &self.authorization) {
            (Status::Canceled | Status::Failed, _) => Ok(Reversal::Done),
            (Status::RequiresConfirmation, _) => {
                let mut moved = self.moved(Status::Canceled, "reversed before it was asked", now);
                moved.payment.reverse_reason = Some(reason.to_owned());
                Ok(Reversal::Cancel(moved))
            }
            (Status::Processing, _) => Ok(Reversal::Wait(self.wished(reason, now))),
            (Status::RequiresCapture, Some(held)) => {
                Ok(Reversal::Void(held.clone(), self.wished(reason, now)))
            }
            (Status::Succeeded, Some(_)) => self.begin_return(reason, reversal, now),
            (Status::RequiresCapture | Status::Succeeded, None) => Err(self.refuses("reverse")),
        }
    }

    /// The provider has given up what it held.
    pub fn void(&self, now: Time) -> Result<Option<Moved>, Error> {
        match (self.status, self.amount) {
            (Status::Canceled, _) => Ok(None),
            (Status::RequiresCapture, Some(amount)) => {
                let moved = self.moved(Status::Canceled, "voided", now);
                Ok(Some(moved.telling(Fact::Processed {
                    phase: Phase::Voided,
                    amount,
                })))
            }
            _ => Err(self.refuses("void")),
        }
    }

    // Refund.

    /// Accepts a refund of `amount`, or of all that is left. Its money is spoken for from now on.
    pub fn accept_refund(
        &self,
        id: RefundId,
        amount: Option<Money>,
        reason: &str,
        now: Time,
    ) -> Result<(Moved, Refund), Error> {
        let remaining = self.remaining();
        let exceeds = Error::RefundExceedsCaptured { remaining };
        let Some(left) = remaining else {
            return Err(exceeds);
        };
        let wanted = amount.unwrap_or(left);
        if wanted.currency() != left.currency() {
            return Err(Error::RefundCurrency {
                expected: left.currency(),
            });
        }
        if !wanted.is_positive() || wanted.minor() > left.minor() {
            return Err(exceeds);
        }
        let mut moved = self.moved(self.status, &format!("refund {id} accepted"), now);
        moved.payment.refunded_minor += wanted.minor();
        let refund = Refund {
            id,
            payment_id: self.id,
            amount: wanted,
            state: RefundState::Pending,
            reason: reason.to_owned(),
            failure_code: None,
            create_time: now,
            update_time: now,
        };
        Ok((moved, refund))
    }

    /// The provider has given the money back.
    pub fn complete_refund(
        &self,
        refund: &Refund,
        now: Time,
    ) -> Result<Option<(Moved, Refund)>, Error> {
        match refund.state {
            RefundState::Succeeded => return Ok(None),
            RefundState::Failed => return Err(self.refuses("refund")),
            RefundState::Pending => {}
        }
        let (id, amount) = (refund.id, refund.amount);
        let mut moved = self.moved(self.status, &format!("refund {id} done"), now);
        moved.payment.returned_minor += amount.minor();
        let returned = Money::new(moved.payment.returned_minor, amount.currency());
        moved.posting = Some(Posting::Refund {
            refund_id: id,
            amount,
        });
        let moved = moved.telling(Fact::Refunded {
            refund_id: id,
            amount,
            returned,
        });
        Ok(Some((
            moved,
            refund.in_state(RefundState::Succeeded, None, now),
        )))
    }

    /// The provider has not given the money back, and will not. Its money is free again.
    pub fn refuse_refund(
        &self,
        refund: &Refund,
        code: &str,
        now: Time,
    ) -> Result<Option<(Moved, Refund)>, Error> {
        match refund.state {
            RefundState::Failed => return Ok(None),
            RefundState::Succeeded => return Err(self.refuses("fail")),
            RefundState::Pending => {}
        }
        let note = format!("refund {} refused: {code}", refund.id);
        let mut moved = self.moved(self.status, &note, now);
        moved.payment.refunded_minor -= refund.amount.minor();
        Ok(Some((
            moved,
            refund.in_state(RefundState::Failed, Some(code), now),
        )))
    }

    /// Refunds that are on their way are waited for: if one fails, its money is to go back too.
    fn begin_return(
        &self,
        reason: &str,
        reversal: Option<Refund>,
        now: Time,
    ) -> Result<Reversal, Error> {
        if let Some(refund) = reversal {
            match refund.state {
                RefundState::Pending => return Ok(Reversal::Return(refund)),
                RefundState::Succeeded => {}
                RefundState::Failed => return Err(self.refuses("reverse")),
            }
        }
        if self.returned_minor < self.refunded_minor {
            return Ok(Reversal::Wait(self.wished(reason, now)));
        }
        if self.refunded_minor == self.captured_minor {
            return Ok(Reversal::Done);
        }
        let id = RefundId::reversal_of(self.id);
        let (mut moved, refund) = self.accept_refund(id, None, reason, now)?;
        moved.payment.reverse_reason = Some(reason.to_owned());
        Ok(Reversal::Accept(moved, refund))
    }

    /// The payment with the wish to undo it, unless it is known already.
    fn wished(&self, reason: &str, now: Time) -> Option<Moved> {
        if self.reverse_reason.is_some() {
            return None;
        }
        let mut moved = self.moved(self.status, "to be reversed", now);
        moved.payment.reverse_reason = Some(reason.to_owned());
        Some(moved)
    }

    fn failed(&self, phase: Phase, code: &str, now: Time) -> Moved {
        let mut moved = self.moved(Status::Failed, &format!("refused: {code}"), now);
        moved.payment.failure_code = Some(code.to_owned());
        moved.telling(Fact::Failed {
            phase,
            code: code.to_owned(),
        })
    }

    fn moved(&self, status: Status, note: &str, now: Time) -> Moved {
        let payment = Self {
            status,
            update_time: now,
            ..self.clone()
        };
        Moved {
            payment,
            note: note.to_owned(),
            fact: None,
            posting: None,
        }
    }

    fn refuses(&self, action: &'static str) -> Error {
        Error::IllegalMove {
            action,
            status: self.status,
        }
    }
}

// === impl Moved ===

impl Moved {
    fn telling(mut self, fact: Fact) -> Self {
        self.payment.version += 1;
        self.fact = Some(fact);
        self
    }
}

// === impl Refund ===

impl Refund {
    fn in_state(&self, state: RefundState, code: Option<&str>, now: Time) -> Self {
        Self {
            state,
            failure_code: code.map(str::to_owned),
            update_time: now,
            ..self.clone()
        }
    }
}

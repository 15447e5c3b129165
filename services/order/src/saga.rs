//! The saga of an order: a pure step from what is known and one input to what is known then, and
//! what is to be done.
//!
//! It reads no clock, no row and no message: `store.rs` loads, steps and saves in one transaction,
//! `tasks.rs` carries the effects out. The pivot is the capture of the money: before it everything
//! is undone by CANCELLING, after it an order is undone by the same road with a refund.

/// Where an order stands, with exactly what must be remembered there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum State {
    /// Stock and payment were asked for; once both are held, the confirmation is under way.
    Pending {
        stock_held: bool,
        payment_held: bool,
    },
    /// The reservation no longer expires; the money is being captured. A cancel that came too late
    /// to stop the capture waits here for its outcome.
    Confirmed {
        cancel: Option<Reason>,
    },
    Paid,
    /// Stock and money go back.
    Cancelling {
        reason: Reason,
        release: Undo,
        reverse: Undo,
    },
    Cancelled {
        reason: Reason,
    },
}

/// A state without what is remembered there: what customers see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Status {
    Pending,
    Confirmed,
    Paid,
    Cancelling,
    Cancelled,
}

/// Why an order is undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Reason {
    OutOfStock,
    PaymentFailed,
    CancelRequested,
    DeadlinePassed,
}

/// One compensation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Undo {
    /// There is nothing to undo, and there never will be.
    NotNeeded,
    Asked,
    Done,
}

/// Something that has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Input {
    StockReserved,
    StockRejected,
    PaymentAuthorized,
    /// The authorisation was refused for good.
    PaymentFailed,
    Confirmed,
    ConfirmRefused,
    Captured,
    /// The capture was refused for good.
    CaptureFailed,
    DeadlinePassed {
        capture: Capture,
    },
    CancelRequested {
        capture: Capture,
    },
    Released,
    Reversed,
}

/// Whether the provider may already have been asked for the money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Capture {
    /// There is no capture task, or no worker ever leased it: it can be withdrawn.
    Untouched,
    /// A worker leased it once: only its outcome can tell.
    Started,
}

/// A call to another service, carried out by a task of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    ConfirmReservation,
    CapturePayment,
    ReleaseReservation,
    ReversePayment,
}

/// What is to be written in the transaction that stores the new state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Effect {
    /// History row and event.
    Moved {
        from: Status,
        to: Status,
        reason: Option<Reason>,
    },
    /// A task.
    Start(Step),
    /// Deletes a task that no worker has leased.
    Withdraw(Step),
}

/// Takes one input. What does not fit the state (a duplicate, an answer that came too late)
/// changes nothing.
pub(crate) fn step(state: State, input: Input) -> (State, Vec<Effect>) {
    match state {
        State::Pending {
            stock_held,
            payment_held,
        } => pending(stock_held, payment_held, input),
        State::Confirmed { cancel } => confirmed(cancel, input),
        State::Paid => paid(input),
        State::Cancelling {
            reason,
            release,
            reverse,
        } => cancelling(reason, release, reverse, input),
        State::Cancelled { .. } => cancelled(state, input),
    }
}

// === impl State ===

impl State {
    /// Every order begins here: nothing is known yet.
    pub(crate) const PLACED: Self = Self::Pending {
        stock_held: false,
        payment_held: false,
    };

    pub(crate) fn status(self) -> Status {
        match self {
            Self::Pending { .. } => Status::Pending,
            Self::Confirmed { .. } => Status::Confirmed,
            Self::Paid => Status::Paid,
            Self::Cancelling { .. } => Status::Cancelling,
            Self::Cancelled { .. } => Status::Cancelled,
        }
    }

    /// Why the order is being undone or was.
    pub(crate) fn reason(self) -> Option<Reason> {
        match self {
            Self::Cancelling { reason, .. } | Self::Cancelled { reason } => Some(reason),
            Self::Pending { .. } | Self::Confirmed { .. } | Self::Paid => None,
        }
    }

    /// Whether a cancel waits for the outcome of the capture.
    pub(crate) fn cancel_requested(self) -> bool {
        match self {
            Self::Confirmed { cancel } => cancel.is_some(),
            Self::Pending { .. }
            | Self::Paid
            | Self::Cancelling { .. }
            | Self::Cancelled { .. } => false,
        }
    }
}

// === impl Status ===

impl Status {
    /// The name that columns, events and customers read.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Confirmed => "CONFIRMED",
            Self::Paid => "PAID",
            Self::Cancelling => "CANCELLING",
            Self::Cancelled => "CANCELLED",
        }
    }
}

// === impl Reason ===

impl Reason {
    /// The name that columns, events and customers read.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OutOfStock => "OUT_OF_STOCK",
            Self::PaymentFailed => "PAYMENT_FAILED",
            Self::CancelRequested => "CANCEL_REQUESTED",
            Self::DeadlinePassed => "DEADLINE_PASSED",
        }
    }
}

// === the steps, state by state ===

fn pending(stock_held: bool, payment_held: bool, input: Input) -> (State, Vec<Effect>) {
    let same = State::Pending {
        stock_held,
        payment_held,
    };
    match input {
        Input::StockReserved if !stock_held => hold(true, payment_held),
        Input::PaymentAuthorized if !payment_held => hold(stock_held, true),
        Input::Confirmed if stock_held && payment_held => move_to(
            Status::Pending,
            State::Confirmed { cancel: None },
            vec![Effect::Start(Step::CapturePayment)],
        ),
        // The hold expired, or somebody gave it back; the release is asked for all the same.
        Input::ConfirmRefused if stock_held && payment_held => undo(
            Status::Pending,
            Reason::OutOfStock,
            Undo::Asked,
            Undo::Asked,
        ),
        Input::StockRejected => undo(
            Status::Pending,
            Reason::OutOfStock,
            Undo::NotNeeded,
            Undo::Asked,
        ),
        Input::PaymentFailed => undo(
            Status::Pending,
            Reason::PaymentFailed,
            Undo::Asked,
            Undo::NotNeeded,
        ),
        // A confirmation in flight is no obstacle: released after it, the reservation is gone, and
        // confirmed after the release it is refused.
        Input::DeadlinePassed { .. } => undo(
            Status::Pending,
            Reason::DeadlinePassed,
            Undo::Asked,
            Undo::Asked,
        ),
        Input::CancelRequested { .. } => undo(
            Status::Pending,
            Reason::CancelRequested,
            Undo::Asked,
            Undo::Asked,
        ),
        Input::StockReserved
        | Input::PaymentAuthorized
        | Input::Confirmed
        | Input::ConfirmRefused
        | Input::Captured
        | Input::CaptureFailed
        | Input::Released
        | Input::Reversed => (same, Vec::new()),
    }
}

fn confirmed(cancel: Option<Reason>, input: Input) -> (State, Vec<Effect>) {
    match input {
        Input::Captured => captured(cancel),
        // Refused can also mean that the payment is in another state than we think, with the money
        // still held; where there is nothing to reverse, the reversal is done at once.
        Input::CaptureFailed => undo(
            Status::Confirmed,
            Reason::PaymentFailed,
            Undo::Asked,
            Undo::Asked,
        ),
        Input::DeadlinePassed { capture } => {
            cancel_before_capture(cancel, capture, Reason::DeadlinePassed)
        }
        Input::CancelRequested { capture } => {
            cancel_before_capture(cancel, capture, Reason::CancelRequested)
        }
        Input::StockReserved
        | Input::StockRejected
        | Input::PaymentAuthorized
        | Input::PaymentFailed
        | Input::Confirmed
        | Input::ConfirmRefused
        | Input::Released
        | Input::Reversed => (State::Confirmed { cancel }, Vec::new()),
    }
}

fn paid(input: Input) -> (State, Vec<Effect>) {
    match input {
        Input::CancelRequested { .. } => undo(
            Status::Paid,
            Reason::CancelRequested,
            Undo::Asked,
            Undo::Asked,
        ),
        // A deadline no longer matters to an order that is settled.
        Input::DeadlinePassed { .. }
        | Input::StockReserved
        | Input::StockRejected
        | Input::PaymentAuthorized
        | Input::PaymentFailed
        | Input::Confirmed
        | Input::ConfirmRefused
        | Input::Captured
        | Input::CaptureFailed
        | Input::Released
        | Input::Reversed => (State::Paid, Vec::new()),
    }
}

fn cancelling(reason: Reason, release: Undo, reverse: Undo, input: Input) -> (State, Vec<Effect>) {
    let (release, reverse) = match input {
        Input::Released => (release.done(), reverse),
        Input::Reversed => (release, reverse.done()),
        // Whatever else arrives now is undone by the compensations that are under way.
        Input::StockReserved
        | Input::StockRejected
        | Input::PaymentAuthorized
        | Input::PaymentFailed
        | Input::Confirmed
        | Input::ConfirmRefused
        | Input::Captured
        | Input::CaptureFailed
        | Input::DeadlinePassed { .. }
        | Input::CancelRequested { .. } => (release, reverse),
    };
    settle(reason, release, reverse)
}

fn cancelled(state: State, input: Input) -> (State, Vec<Effect>) {
    match input {
        Input::StockReserved
        | Input::StockRejected
        | Input::PaymentAuthorized
        | Input::PaymentFailed
        | Input::Confirmed
        | Input::ConfirmRefused
        | Input::Captured
        | Input::CaptureFailed
        | Input::DeadlinePassed { .. }
        | Input::CancelRequested { .. }
        | Input::Released
        | Input::Reversed => (state, Vec::new()),
    }
}

fn hold(stock_held: bool, payment_held: bool) -> (State, Vec<Effect>) {
    let effects = if stock_held && payment_held {
        vec![Effect::Start(Step::ConfirmReservation)]
    } else {
        Vec::new()
    };
    let state = State::Pending {
        stock_held,
        payment_held,
    };
    (state, effects)
}

fn captured(cancel: Option<Reason>) -> (State, Vec<Effect>) {
    let (paid, mut effects) = move_to(Status::Confirmed, State::Paid, Vec::new());
    let Some(reason) = cancel else {
        return (paid, effects);
    };
    let (state, undoing) = undo(Status::Paid, reason, Undo::Asked, Undo::Asked);
    effects.extend(undoing);
    (state, effects)
}

fn cancel_before_capture(
    earlier: Option<Reason>,
    capture: Capture,
    reason: Reason,
) -> (State, Vec<Effect>) {
    match (earlier, capture) {
        (Some(_), Capture::Untouched | Capture::Started) => {
            (State::Confirmed { cancel: earlier }, Vec::new())
        }
        (None, Capture::Started) => {
            let state = State::Confirmed {
                cancel: Some(reason),
            };
            (state, Vec::new())
        }
        (None, Capture::Untouched) => {
            let (state, mut effects) = undo(Status::Confirmed, reason, Undo::Asked, Undo::Asked);
            effects.push(Effect::Withdraw(Step::CapturePayment));
            (state, effects)
        }
    }
}

/// Enters CANCELLING, and leaves it at once when there is nothing to undo.
fn undo(from: Status, reason: Reason, release: Undo, reverse: Undo) -> (State, Vec<Effect>) {
    let mut effects = vec![Effect::Moved {
        from,
        to: Status::Cancelling,
        reason: Some(reason),
    }];
    if release == Undo::Asked {
        effects.push(Effect::Start(Step::ReleaseReservation));
    }
    if reverse == Undo::Asked {
        effects.push(Effect::Start(Step::ReversePayment));
    }
    let (state, settled) = settle(reason, release, reverse);
    effects.extend(settled);
    (state, effects)
}

fn settle(reason: Reason, release: Undo, reverse: Undo) -> (State, Vec<Effect>) {
    if release == Undo::Asked || reverse == Undo::Asked {
        let state = State::Cancelling {
            reason,
            release,
            reverse,
        };
        return (state, Vec::new());
    }
    let moved = Effect::Moved {
        from: Status::Cancelling,
        to: Status::Cancelled,
        reason: Some(reason),
    };
    (State::Cancelled { reason }, vec![moved])
}

fn move_to(from: Status, state: State, then: Vec<Effect>) -> (State, Vec<Effect>) {
    let mut effects = vec![Effect::Moved {
        from,
        to: state.status(),
        reason: state.reason(),
    }];
    effects.extend(then);
    (state, effects)
}

impl Undo {
    fn done(self) -> Self {
        match self {
            Self::NotNeeded => Self::NotNeeded,
            Self::Asked | Self::Done => Self::Done,
        }
    }
}

#[cfg(test)]
mod tests;

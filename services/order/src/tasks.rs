//! What an order asks of others, and its deadline: each a task, run outside any transaction. The
//! answer goes to the saga as an input, in one transaction with the mark on the task.
//!
//! No answer is ever guessed: a call is repeated until it is answered for certain.

use std::error::Error;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shop_chassis::tasks::{Backoff, Lease, NewTask, Outcome, Policy, Task, TaskHandler};
use shop_chassis::{Caller, Failure, Kind};

use crate::domain::{Order, OrderId, Time};
use crate::inventory_client::InventoryClient;
use crate::now;
use crate::payment_client::PaymentClient;
use crate::saga::{Input, Reason, Status, Step};
use crate::store::Store;

const CONFIRM_RESERVATION: &str = "confirm_reservation";
const CAPTURE_PAYMENT: &str = "capture_payment";
const RELEASE_RESERVATION: &str = "release_reservation";
const REVERSE_PAYMENT: &str = "reverse_payment";
/// Withdrawn when the order is settled.
pub(crate) const ORDER_DEADLINE: &str = "order_deadline";

/// Tried for ever: a confirmation ends with the order's deadline, a compensation with nothing but
/// success, and a capture with its answer alone. One attempt outlives its call.
const UNTIL_ANSWERED: Policy = Policy {
    attempts: None,
    deadline: Duration::from_secs(20),
    // A callee that was away for a moment is asked again soon; one that stays away is not
    // hammered, and still an order is settled within seconds of its return.
    backoff: Backoff {
        first: Duration::from_millis(100),
        most: Duration::from_secs(5),
    },
};

const KINDS: &[(&str, Policy)] = &[
    (CONFIRM_RESERVATION, UNTIL_ANSWERED),
    (CAPTURE_PAYMENT, UNTIL_ANSWERED),
    (RELEASE_RESERVATION, UNTIL_ANSWERED),
    (REVERSE_PAYMENT, UNTIL_ANSWERED),
    (ORDER_DEADLINE, UNTIL_ANSWERED),
];

/// Runs the tasks of this service.
pub(crate) struct OrderTasks {
    store: Store,
    inventory: InventoryClient,
    payments: PaymentClient,
}

/// What a compensation tells its callee.
#[derive(Debug, Serialize, Deserialize)]
struct Why {
    reason: String,
}

/// The kind of task that carries out a step of the saga.
pub(crate) fn kind(step: Step) -> &'static str {
    match step {
        Step::ConfirmReservation => CONFIRM_RESERVATION,
        Step::CapturePayment => CAPTURE_PAYMENT,
        Step::ReleaseReservation => RELEASE_RESERVATION,
        Step::ReversePayment => REVERSE_PAYMENT,
    }
}

/// The task that carries out a step of the saga.
pub(crate) fn carry_out(order: &Order, step: Step) -> Result<NewTask, shop_chassis::Error> {
    let task = NewTask::new(kind(step), order.id);
    match order.state.reason().map(Reason::name) {
        Some(reason) => task.payload(&Why {
            reason: reason.to_owned(),
        }),
        None => Ok(task),
    }
}

/// The task that cancels an order which is not settled at `deadline`.
pub(crate) fn end_at(order: &Order, deadline: Time) -> NewTask {
    NewTask::new(ORDER_DEADLINE, order.id).at(deadline)
}

// === impl OrderTasks ===

impl OrderTasks {
    pub(crate) fn new(store: Store, inventory: InventoryClient, payments: PaymentClient) -> Self {
        Self {
            store,
            inventory,
            payments,
        }
    }

    /// Runs one attempt, and stores what it brought together with the mark on the task.
    async fn attempt(
        &self,
        caller: &Caller,
        task: &Task,
        lease: &Lease,
    ) -> Result<Outcome, Failure> {
        let id = task.subject_id.parse().map(OrderId);
        let id = id.map_err(|error| {
            Failure::new(Kind::Internal, "subject of a task is no id").caused_by(error)
        })?;
        if task.kind == ORDER_DEADLINE {
            self.store.pass_deadline(caller, id, lease, now()).await?;
            return Ok(Outcome::Finished);
        }
        let Some(input) = self.ask(task, id).await? else {
            return Ok(Outcome::Done);
        };
        self.store.answer(caller, id, input, lease, now()).await?;
        Ok(Outcome::Finished)
    }

    /// Asks the callee of a step. None: nobody wants the answer any more.
    async fn ask(&self, task: &Task, id: OrderId) -> Result<Option<Input>, Failure> {
        match task.kind.as_str() {
            CONFIRM_RESERVATION => {
                // The order was cancelled meanwhile; its release undoes whatever came before, and what
                // comes after is refused.
                if !task.at_once && self.store.state(id).await?.status() != Status::Pending {
                    return Ok(None);
                }
                let answer = self.inventory.confirm(id).await;
                decided(answer, Input::Confirmed, Input::ConfirmRefused)
            }
            CAPTURE_PAYMENT => {
                let answer = self.payments.capture(id).await;
                decided(answer, Input::Captured, Input::CaptureFailed)
            }
            RELEASE_RESERVATION => {
                let why: Why = task.payload()?;
                self.inventory.release(id, why.reason).await?;
                Ok(Some(Input::Released))
            }
            REVERSE_PAYMENT => {
                let why: Why = task.payload()?;
                self.payments.reverse(id, why.reason).await?;
                Ok(Some(Input::Reversed))
            }
            kind => Err(Failure::new(Kind::Internal, format!("no task \"{kind}\""))),
        }
    }
}

impl TaskHandler for OrderTasks {
    fn kinds(&self) -> &'static [(&'static str, Policy)] {
        KINDS
    }

    async fn run(&self, caller: &Caller, task: &Task, lease: &Lease) -> Result<Outcome, Failure> {
        match self.attempt(caller, task, lease).await {
            Ok(outcome) => Ok(outcome),
            // Also what is no good reason to try again (a policy in the way, a bug that is being
            // fixed) may pass, and giving up would leave money or stock where it does not belong.
            Err(failure) if !failure.retryable() => {
                let cause = failure.source().map(ToString::to_string);
                tracing::error!(kind = task.kind, %failure, cause, "step is refused");
                Ok(Outcome::Retry(failure.to_string()))
            }
            Err(failure) => Err(failure),
        }
    }
}

/// Tells an answer from the lack of one: only FAILED_PRECONDITION says that it will never work.
fn decided(
    answer: Result<(), Failure>,
    done: Input,
    refused: Input,
) -> Result<Option<Input>, Failure> {
    match answer {
        Ok(()) => Ok(Some(done)),
        Err(failure) if failure.kind() == Kind::Precondition => Ok(Some(refused)),
        Err(failure) => Err(failure),
    }
}

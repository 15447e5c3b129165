//! What this service does later, because the provider is asked: authorisations and refunds.

use std::time::Duration;

use shop_chassis::tasks::{Backoff, Lease, NewTask, Outcome, Policy, Task, TaskHandler};
use shop_chassis::{Caller, Failure, Kind};
use uuid::Uuid;

use crate::domain::{PaymentId, RefundId, Status};
use crate::order_client::OrderClient;
use crate::settlement::Settlement;
use crate::store::Store;

const AUTHORIZE: &str = "authorize";
const REFUND: &str = "refund";

/// One attempt: the order service (2 s), the provider (5 s), and our own database.
const ATTEMPT_MAX: Duration = Duration::from_secs(12);
/// Eight attempts fall within the order's deadline of 30 s; a provider that is silent for longer is
/// asked every ten seconds until it answers.
const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(100),
    most: Duration::from_secs(10),
};
/// The attempt at which somebody should look.
const ALARMING_ATTEMPT: u32 = 8;

/// Neither gives up: money that may be held or may have gone back is never left alone.
const KINDS: &[(&str, Policy)] = &[
    (
        AUTHORIZE,
        Policy {
            attempts: None,
            deadline: ATTEMPT_MAX,
            backoff: BACKOFF,
        },
    ),
    (
        REFUND,
        Policy {
            attempts: None,
            deadline: ATTEMPT_MAX,
            backoff: BACKOFF,
        },
    ),
];

/// Runs the tasks of this service.
pub(crate) struct PaymentTasks {
    store: Store,
    settlement: Settlement,
    orders: OrderClient,
}

/// Has the money of a payment held.
pub(crate) fn authorize(id: PaymentId) -> NewTask {
    NewTask::new(AUTHORIZE, id)
}

/// Brings an accepted refund to the provider.
pub(crate) fn refund(id: RefundId) -> NewTask {
    NewTask::new(REFUND, id)
}

// === impl PaymentTasks ===

impl PaymentTasks {
    pub(crate) fn new(store: Store, settlement: Settlement, orders: OrderClient) -> Self {
        Self {
            store,
            settlement,
            orders,
        }
    }

    async fn attempt(&self, caller: &Caller, task: &Task) -> Result<(), Failure> {
        let id = Uuid::parse_str(&task.subject_id).map_err(|error| {
            Failure::new(Kind::Internal, "subject of a task is no id").caused_by(error)
        })?;
        if task.kind == REFUND {
            self.settlement.refund(caller, RefundId(id)).await?;
            return Ok(());
        }
        let payment = self.store.find(PaymentId(id)).await?;
        if !matches!(
            payment.status,
            Status::RequiresConfirmation | Status::Processing
        ) {
            return Ok(());
        }
        match self.orders.payment_method(payment.order_id).await? {
            Some(token) => {
                self.settlement
                    .authorize(caller, payment.id, &token)
                    .await?
            }
            None => {
                self.settlement
                    .refuse_without_method(caller, payment.id)
                    .await?
            }
        }
        Ok(())
    }
}

impl TaskHandler for PaymentTasks {
    fn kinds(&self) -> &'static [(&'static str, Policy)] {
        KINDS
    }

    async fn run(&self, caller: &Caller, task: &Task, _: &Lease) -> Result<Outcome, Failure> {
        match self.attempt(caller, task).await {
            Ok(()) => Ok(Outcome::Done),
            Err(failure) => Ok(again(task, &failure)),
        }
    }
}

/// Nothing here is given up, so a failure that will not mend itself is shouted about instead.
fn again(task: &Task, failure: &Failure) -> Outcome {
    if !failure.retryable() || task.attempt == ALARMING_ATTEMPT {
        let error = failure as &dyn std::error::Error;
        let (kind, subject) = (task.kind.as_str(), task.subject_id.as_str());
        tracing::error!(
            error,
            kind,
            subject,
            attempt = task.attempt,
            "task goes on failing"
        );
    }
    Outcome::Retry(failure.to_string())
}

#[cfg(test)]
mod tests;

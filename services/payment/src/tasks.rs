//! What this service does later, because the provider is asked: authorisations and refunds.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use shop_chassis::tasks::{Backoff, Lease, NewTask, Outcome, Policy, Task, TaskHandler};
use shop_chassis::{Caller, Failure, Kind};
use uuid::Uuid;

use crate::domain::{OrderId, Payment, PaymentId, RefundId};
use crate::order_client::OrderClient;
use crate::settlement::{Asked, Settlement};
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

/// What the task is told with, so that it need not look.
#[derive(Debug, Serialize, Deserialize)]
struct Charge {
    order_id: Uuid,
}

/// Has the money of a payment held.
pub(crate) fn authorize(payment: &Payment) -> Result<NewTask, shop_chassis::Error> {
    NewTask::new(AUTHORIZE, payment.id).payload(&Charge {
        order_id: payment.order_id.0,
    })
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

    async fn attempt(
        &self,
        caller: &Caller,
        task: &Task,
        lease: &Lease,
    ) -> Result<Outcome, Failure> {
        let id = Uuid::parse_str(&task.subject_id).map_err(|error| {
            Failure::new(Kind::Internal, "subject of a task is no id").caused_by(error)
        })?;
        if task.kind == REFUND {
            self.settlement.refund(caller, RefundId(id)).await?;
            return Ok(Outcome::Done);
        }
        let id = PaymentId(id);
        let charge: Option<Charge> = task.payload()?;
        let order_id = match charge {
            Some(charge) => OrderId(charge.order_id),
            None => self.store.find(id).await?.order_id,
        };
        let Some(token) = self.orders.payment_method(order_id).await? else {
            self.settlement.refuse_without_method(caller, id).await?;
            return Ok(Outcome::Done);
        };
        let settlement = &self.settlement;
        match settlement
            .authorize(caller, id, &token, Some(lease))
            .await?
        {
            Asked::Answered => Ok(Outcome::Finished),
            Asked::Nothing => Ok(Outcome::Done),
        }
    }
}

impl TaskHandler for PaymentTasks {
    fn kinds(&self) -> &'static [(&'static str, Policy)] {
        KINDS
    }

    async fn run(&self, caller: &Caller, task: &Task, lease: &Lease) -> Result<Outcome, Failure> {
        match self.attempt(caller, task, lease).await {
            Ok(outcome) => Ok(outcome),
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

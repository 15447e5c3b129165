//! What this service does later: it ends the holds that nobody confirmed.

use std::time::Duration;

use shop_chassis::tasks::{Backoff, Lease, NewTask, Outcome, Policy, Task, TaskHandler};
use shop_chassis::{Caller, Failure};

use crate::domain::{OrderId, Time};
use crate::error::Error;
use crate::now;
use crate::store::Store;

/// Withdrawn when the hold ends otherwise.
pub(crate) const EXPIRE_RESERVATION: &str = "expire_reservation";

/// It never gives up: a hold that does not end keeps stock from others for ever.
const KINDS: &[(&str, Policy)] = &[(
    EXPIRE_RESERVATION,
    Policy {
        attempts: None,
        deadline: Duration::from_secs(5),
        backoff: Backoff {
            first: Duration::from_millis(200),
            most: Duration::from_secs(30),
        },
    },
)];

/// Runs the tasks of this service.
pub(crate) struct ProductTasks {
    store: Store,
}

/// The end of a hold, unless it is confirmed before.
pub(crate) fn expire_reservation(order_id: OrderId, at: Time) -> NewTask {
    NewTask::new(EXPIRE_RESERVATION, order_id).at(at)
}

// === impl ProductTasks ===

impl ProductTasks {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }
}

impl TaskHandler for ProductTasks {
    fn kinds(&self) -> &'static [(&'static str, Policy)] {
        KINDS
    }

    async fn run(&self, caller: &Caller, task: &Task, lease: &Lease) -> Result<Outcome, Failure> {
        let order_id = OrderId::parse(&task.subject_id)
            .ok_or_else(|| Error::NotAnId(task.subject_id.clone()))?;
        self.store.expire(caller, order_id, lease, now()).await?;
        Ok(Outcome::Finished)
    }
}

//! The one task of this service: send a notification.
//!
//! Marked SENDING before the mail server hears of it and SENT after it has accepted, each by the
//! owner of the task's lease only. A crash in between repeats the mail with the same `Message-ID`,
//! and that is counted.

use std::time::Duration;

use chrono::Utc;
use serde::{Deserialize, Serialize};
use shop_chassis::tasks::{Backoff, Lease, NewTask, Outcome, Policy, Task, TaskHandler};
use shop_chassis::{Caller, Failure, Kind};
use uuid::Uuid;

use crate::domain::{self, Attempt, Content, Notification, NotificationId, OrderId, Recipient};
use crate::mailer::{self, Mail, Mailer};
use crate::metrics;
use crate::order_client::OrderClient;
use crate::store::{Begun, Sending, Store};
use crate::templates;

/// The kind of the task; its subject is the notification.
pub(crate) const SEND_NOTIFICATION: &str = "send_notification";

/// Asking for the contact, the mail server's longest answer and four transactions.
const DEADLINE: Duration = Duration::from_secs(60);
/// A mail server that is away for an hour costs nobody a mail; one that is back is used soon.
const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(500),
    most: Duration::from_secs(15),
};
/// With the longest pause between two tries about a day. Older news about an order is none.
const ATTEMPTS_MAX: u32 = 6_000;

const KINDS: &[(&str, Policy)] = &[(
    SEND_NOTIFICATION,
    Policy {
        attempts: Some(ATTEMPTS_MAX),
        deadline: DEADLINE,
        backoff: BACKOFF,
    },
)];

/// What the task is told with: the first mail about an order always has to ask for the address, and
/// is spared the look for it.
#[derive(Debug, Serialize, Deserialize)]
struct Errand {
    order_id: Uuid,
}

/// The task that sends a notification.
pub(crate) fn send(queued: &Notification) -> Result<NewTask, shop_chassis::Error> {
    let task = NewTask::new(SEND_NOTIFICATION, queued.id.0);
    match queued.content {
        Content::OrderReceived { .. } => task.payload(&Errand {
            order_id: queued.order_id.0,
        }),
        _ => Ok(task),
    }
}

/// Sends notifications.
pub(crate) struct NotificationTasks {
    store: Store,
    orders: OrderClient,
    mailer: Mailer,
}

// === impl NotificationTasks ===

impl NotificationTasks {
    /// Sends through this mail server, to addresses that the order service knows.
    pub(crate) fn new(store: Store, orders: OrderClient, mailer: Mailer) -> Self {
        Self {
            store,
            orders,
            mailer,
        }
    }

    /// Marks the notification as handed over; asks for the address when nobody here knows it.
    async fn begin(&self, task: &Task, lease: &Lease) -> Result<Begun, Failure> {
        let id = subject(task)?;
        let errand: Option<Errand> = task.payload()?;
        let order_id = match errand {
            Some(errand) if task.attempt == 1 => OrderId(errand.order_id),
            _ => match self.store.begin_sending(lease, id, None).await? {
                Begun::NoAddress(order_id) => order_id,
                begun => return Ok(begun),
            },
        };
        match self.orders.contact(order_id).await? {
            Some(contact) => Ok(self.store.begin_sending(lease, id, Some(contact)).await?),
            None => Ok(Begun::NoAddress(order_id)),
        }
    }

    /// Hands the mail over and records what is known then.
    async fn hand_over(
        &self,
        caller: &Caller,
        lease: &Lease,
        notification: &Notification,
        mail: &Mail,
    ) -> Result<Outcome, Failure> {
        let id = notification.id;
        let outcome = self.mailer.send(mail).await;
        metrics::count(&outcome);
        match outcome {
            mailer::Outcome::Accepted => {
                self.store.accepted(caller, lease, id, Utc::now()).await?;
                tracing::info!(notification = %id.0, message_id = %mail.message_id, "mail sent");
                Ok(Outcome::Finished)
            }
            mailer::Outcome::Permanent { code } => {
                self.refuse(caller, lease, id, domain::Failure::code(code))
                    .await
            }
            mailer::Outcome::Transient {
                reason,
                maybe_accepted,
            } => {
                if !maybe_accepted {
                    self.store.put_back(lease, id).await?;
                }
                Ok(Outcome::Retry(reason))
            }
        }
    }

    async fn refuse(
        &self,
        caller: &Caller,
        lease: &Lease,
        id: NotificationId,
        failure: domain::Failure,
    ) -> Result<Outcome, Failure> {
        tracing::warn!(notification = %id.0, code = failure.as_str(), "mail given up");
        self.store
            .refused(caller, lease, id, failure, Utc::now())
            .await?;
        Ok(Outcome::Finished)
    }
}

impl TaskHandler for NotificationTasks {
    fn kinds(&self) -> &'static [(&'static str, Policy)] {
        KINDS
    }

    async fn run(&self, caller: &Caller, task: &Task, lease: &Lease) -> Result<Outcome, Failure> {
        let id = subject(task)?;
        let begun = match self.begin(task, lease).await {
            Ok(begun) => begun,
            // Whatever is wrong between the services will be put right; the mail waits for it.
            Err(failure) if !failure.retryable() => return Ok(Outcome::Retry(failure.to_string())),
            Err(failure) => return Err(failure),
        };
        let Sending {
            notification,
            attempt,
            recipient,
        } = match begun {
            Begun::Sending(sending) => *sending,
            Begun::NoAddress(_) => {
                let failure = domain::Failure::no_contact();
                return self.refuse(caller, lease, id, failure).await;
            }
            Begun::BadAddress => {
                let failure = domain::Failure::invalid_address();
                return self.refuse(caller, lease, id, failure).await;
            }
            Begun::Settled => return Ok(Outcome::Done),
            Begun::Gone => return Ok(Outcome::Dead("its notification is gone".to_owned())),
        };
        if attempt.may_repeat {
            metrics::count_repeat();
            tracing::warn!(
                notification = %id.0, message_id = %attempt.message_id,
                "an earlier try got no answer: the same mail goes out again"
            );
        }
        let mail = write(&notification, attempt, recipient);
        self.hand_over(caller, lease, &notification, &mail).await
    }

    async fn give_up(
        &self,
        caller: &Caller,
        task: &Task,
        lease: &Lease,
        error: &str,
    ) -> Result<(), Failure> {
        let id = subject(task)?;
        Ok(self
            .store
            .exhausted(caller, lease, id, error, Utc::now())
            .await?)
    }
}

fn write(notification: &Notification, attempt: Attempt, recipient: Recipient) -> Mail {
    let rendered = templates::render(&notification.content, notification.order_id);
    Mail {
        message_id: attempt.message_id,
        recipient,
        subject: rendered.subject,
        text: rendered.text,
        date: notification.create_time.into(),
    }
}

fn subject(task: &Task) -> Result<NotificationId, Failure> {
    let id = Uuid::parse_str(&task.subject_id).map(NotificationId);
    id.map_err(|error| Failure::new(Kind::Internal, "task without notification").caused_by(error))
}

#[cfg(test)]
mod tests;

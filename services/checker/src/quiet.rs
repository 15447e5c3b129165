//! When the shop is quiet: no order under way, no event on its way, no task at work.

use std::time::Duration;

use tokio::time::Instant;

use crate::Error;
use crate::report::Finding;
use crate::sources::{Databases, Place};

/// Often enough not to add to what is measured, seldom enough not to be a load itself.
const POLL: Duration = Duration::from_millis(500);

/// Tasks that wait for a time of their own (deadlines, expiries) are no work; tries again are.
const TASKS: &str = "select count(*) from task where state = 'LEASED' \
    or (state = 'READY' and (attempt > 0 or run_at <= now()))";
const UNPUBLISHED: &str = "select count(*) from outbox where published_at is null";
const PARKED: &str = "select count(*) from parked_event where cause = 'GAP'";
const UNSETTLED: &str = "select count(*) from orders where status not in ('PAID', 'CANCELLED')";
const MAILS: &str = "select count(*) from notification where status in ('QUEUED', 'SENDING')";

/// Waits until the shop is quiet, for at most `within`; a database that is away counts as not
/// quiet. What still goes on at the end is a violation of I3: nobody may wait for it that long.
pub async fn wait(place: &Place, within: Duration) -> Result<Finding, Error> {
    let deadline = Instant::now() + within;
    loop {
        let busy = busy(place).await;
        let late = Instant::now() >= deadline;
        match busy {
            Ok(busy) if busy.is_empty() || late => {
                let rule = "the shop comes to rest in time";
                return Ok(Finding::new("I3", rule, 1, busy));
            }
            Err(error) if late => return Err(error),
            Ok(_) | Err(_) => tokio::time::sleep(POLL).await,
        }
    }
}

/// What goes on, in words.
async fn busy(place: &Place) -> Result<Vec<String>, Error> {
    let databases = Databases::open(place).await?;
    let mut asked = Vec::new();
    for database in databases.all() {
        asked.push((database, TASKS, "tasks at work"));
        asked.push((database, UNPUBLISHED, "events unpublished"));
        asked.push((database, PARKED, "events waiting for earlier ones"));
    }
    asked.push((&databases.order, UNSETTLED, "orders not settled"));
    asked.push((&databases.notification, MAILS, "mails not sent"));
    let mut busy = Vec::new();
    for (database, sql, what) in asked {
        let count = database.count(sql).await?;
        if count > 0 {
            busy.push(format!("{}: {count} {what}", database.name()));
        }
    }
    Ok(busy)
}

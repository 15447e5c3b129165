//! When the shop is quiet: no order under way, no event on its way, no task at work.

use std::time::Duration;

use tokio::time::Instant;

use crate::Error;
use crate::report::Finding;
use crate::sources::{Database, Databases, Place};

/// Often enough not to add to what is measured, seldom enough not to be a load itself.
const POLL: Duration = Duration::from_millis(500);
/// Consumers note in batches, half a second late, what has no effect on them. A shop is quiet that
/// is found so twice, this far apart.
const NOTED: Duration = Duration::from_secs(2);
/// A mail is leased for longer than any other task, because mail servers are slow; who was killed
/// with it in hand keeps it that long. No order waits for it.
const MAIL_LEASE: Duration = Duration::from_secs(75);

/// Tasks that wait for a time of their own (deadlines, expiries) are no work; tries again are.
const TASKS: &str = "select count(*) from task where state = 'LEASED' \
    or (state = 'READY' and (attempt > 0 or run_at <= now()))";
const UNPUBLISHED: &str = "select count(*) from outbox where published_at is null";
const PARKED: &str = "select count(*) from parked_event where cause = 'GAP'";
const UNSETTLED: &str = "select count(*) from orders where status not in ('PAID', 'CANCELLED')";
const MAILS: &str = "select count(*) from notification where status in ('QUEUED', 'SENDING')";

/// What goes on, in words.
struct Busy {
    orders: Vec<String>,
    mails: Vec<String>,
}

/// Waits until the shop is quiet, for at most `within`, mails a little longer; a database that is
/// away counts as not quiet. What still goes on at the end is a violation of I3: nobody may wait
/// for it that long.
pub async fn wait(place: &Place, within: Duration) -> Result<Finding, Error> {
    let deadline = Instant::now() + within;
    let mut quiet_since = None;
    loop {
        let busy = busy(place).await;
        let late = Instant::now() >= deadline;
        let too_late = Instant::now() >= deadline + MAIL_LEASE;
        match busy {
            Ok(Busy { mut orders, mails }) => {
                let mails_wait = !mails.is_empty() && !too_late;
                let rests = orders.is_empty() && !mails_wait;
                if !rests {
                    quiet_since = None;
                }
                let noted =
                    rests && quiet_since.get_or_insert_with(Instant::now).elapsed() >= NOTED;
                if noted || (late && !orders.is_empty()) {
                    orders.extend(mails);
                    let rule = "the shop comes to rest in time";
                    return Ok(Finding::new("I3", rule, 1, orders));
                }
            }
            Err(error) if late => return Err(error),
            Err(_) => {}
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn busy(place: &Place) -> Result<Busy, Error> {
    let databases = Databases::open(place).await?;
    let (mut orders, mut mails) = (Vec::new(), Vec::new());
    for database in databases.all() {
        // What the notification service does and tells concerns mails; no order waits for it.
        let of_mails = database.name() == databases.notification.name();
        let busy = if of_mails { &mut mails } else { &mut orders };
        count(database, TASKS, "tasks at work", busy).await?;
        count(database, UNPUBLISHED, "events unpublished", busy).await?;
        count(database, PARKED, "events waiting for others", busy).await?;
    }
    count(
        &databases.order,
        UNSETTLED,
        "orders not settled",
        &mut orders,
    )
    .await?;
    count(&databases.notification, MAILS, "mails not sent", &mut mails).await?;
    Ok(Busy { orders, mails })
}

async fn count(
    database: &Database,
    sql: &str,
    what: &str,
    busy: &mut Vec<String>,
) -> Result<(), Error> {
    let count = database.count(sql).await?;
    if count > 0 {
        busy.push(format!("{}: {count} {what}", database.name()));
    }
    Ok(())
}

//! The service's rows: notifications and the contacts of orders. One method is one named step, and
//! what becomes true in it is published in the same transaction.

mod row;
pub(crate) mod schema;

use chrono::{DateTime, Utc};
use diesel::prelude::{ExpressionMethods, OptionalExtension, QueryDsl, SelectableHelper};
use diesel_async::RunQueryDsl;
use shop_chassis::tasks::Lease;
use shop_chassis::{Caller, Database, Tx};
use uuid::Uuid;

use crate::domain::{
    Attempt, Contact, Failure, Notification, NotificationId, OrderId, Recipient, Settled,
};
use crate::error::Error;
use crate::store::row::{Progress, Row};
use crate::store::schema::{contact, notification};
use crate::{events, tasks};

/// All rows of this service.
#[derive(Clone)]
pub(crate) struct Store {
    database: Database,
}

/// Which notifications a list shows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Filter {
    /// Those of one customer only.
    pub(crate) customer_id: Option<String>,
    /// Those about one order only.
    pub(crate) order_id: Option<OrderId>,
}

/// What there is to do when a notification is to be sent.
#[derive(Clone, Debug)]
pub(crate) enum Begun {
    /// It is marked: hand it over.
    Sending(Box<Sending>),
    /// The order service has to be asked where the mails about this order go.
    NoAddress(OrderId),
    /// The address is none that a server takes.
    BadAddress,
    /// It was sent, or given up.
    Settled,
    /// There is no such notification.
    Gone,
}

/// A notification that is marked as handed over.
#[derive(Clone, Debug)]
pub(crate) struct Sending {
    pub(crate) notification: Notification,
    pub(crate) attempt: Attempt,
    pub(crate) recipient: Recipient,
}

// === impl Store ===

impl Store {
    /// The rows in this database.
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// Queues a notification and the task that sends it, unless its event was told about before.
    /// Runs in the consumer's transaction.
    pub(crate) async fn queue(
        tx: &mut Tx,
        caller: &Caller,
        queued: &Notification,
    ) -> Result<bool, Error> {
        let inserted = diesel::insert_into(notification::table)
            .values(Row::new(queued, caller))
            .on_conflict((notification::event_id, notification::template))
            .do_nothing()
            .execute(tx.conn())
            .await?;
        if inserted == 0 {
            return Ok(false);
        }
        tx.enqueue(caller, tasks::send(queued)?).await?;
        Ok(true)
    }

    /// Notes whose an order is, so that its customer sees what is sent from the first moment.
    /// Runs in the consumer's transaction.
    pub(crate) async fn know_customer(
        tx: &mut Tx,
        order_id: OrderId,
        customer_id: &str,
    ) -> Result<(), Error> {
        diesel::insert_into(contact::table)
            .values((
                contact::order_id.eq(order_id.0),
                contact::customer_id.eq(customer_id),
            ))
            .on_conflict(contact::order_id)
            .do_nothing()
            .execute(tx.conn())
            .await?;
        Ok(())
    }

    /// Keeps the contact of an order.
    pub(crate) async fn save_contact(tx: &mut Tx, contact: &Contact) -> Result<(), Error> {
        diesel::insert_into(contact::table)
            .values((
                contact::order_id.eq(contact.order_id.0),
                contact::customer_id.eq(&contact.customer_id),
                contact::email.eq(Some(&contact.email)),
            ))
            .on_conflict(contact::order_id)
            .do_update()
            .set(contact::email.eq(Some(&contact.email)))
            .execute(tx.conn())
            .await?;
        Ok(())
    }

    /// Where the mails about an order go, once it is known.
    pub(crate) async fn address(tx: &mut Tx, order_id: OrderId) -> Result<Option<String>, Error> {
        let found = contact::table
            .find(order_id.0)
            .select(contact::email)
            .first::<Option<String>>(tx.conn())
            .await
            .optional()?;
        Ok(found.flatten())
    }

    /// One notification.
    #[cfg(test)]
    pub(crate) async fn notification(
        &self,
        id: NotificationId,
    ) -> Result<Option<Notification>, Error> {
        self.database
            .read(async move |tx: &mut Tx| {
                let found = notification::table
                    .find(id.0)
                    .select(Row::as_select())
                    .first(tx.conn())
                    .await
                    .optional()?;
                Ok(found.map(Notification::try_from).transpose()?)
            })
            .await
    }

    /// One page of notifications, newest first: those before the id `before`.
    pub(crate) async fn list(
        &self,
        filter: Filter,
        before: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<Notification>, Error> {
        self.database
            .read(async move |tx: &mut Tx| {
                let mut query = notification::table
                    .select(Row::as_select())
                    .order(notification::id.desc())
                    .limit(limit)
                    .into_boxed();
                if let Some(customer_id) = &filter.customer_id {
                    let own = contact::table
                        .filter(contact::customer_id.eq(customer_id.clone()))
                        .select(contact::order_id);
                    query = query.filter(notification::order_id.eq_any(own));
                }
                if let Some(order_id) = filter.order_id {
                    query = query.filter(notification::order_id.eq(order_id.0));
                }
                if let Some(before) = before {
                    query = query.filter(notification::id.lt(before));
                }
                let rows: Vec<Row> = query.load(tx.conn()).await?;
                Ok(rows
                    .into_iter()
                    .map(Notification::try_from)
                    .collect::<Result<_, _>>()?)
            })
            .await
    }

    /// Marks a notification as handed to the mail server, before it is. `contact` is what the
    /// order service has answered just now, if it was asked; it is kept.
    pub(crate) async fn begin_sending(
        &self,
        lease: &Lease,
        id: NotificationId,
        contact: Option<Contact>,
    ) -> Result<Begun, Error> {
        let lease = *lease;
        self.database
            .transaction(async move |tx: &mut Tx| {
                tx.hold(&lease).await?;
                let Some(mut locked) = find_locked(tx, id).await? else {
                    return Ok(Begun::Gone);
                };
                let address = match &contact {
                    Some(contact) => {
                        Self::save_contact(tx, contact).await?;
                        Some(contact.email.clone())
                    }
                    None => Self::address(tx, locked.order_id).await?,
                };
                let Some(address) = address else {
                    return Ok(Begun::NoAddress(locked.order_id));
                };
                let Ok(recipient) = address.parse::<Recipient>() else {
                    return Ok(Begun::BadAddress);
                };
                let Ok(attempt) = locked.begin_sending(&recipient) else {
                    return Ok(Begun::Settled);
                };
                save(tx, &locked).await?;
                Ok(Begun::Sending(Box::new(Sending {
                    notification: locked,
                    attempt,
                    recipient,
                })))
            })
            .await
    }

    /// Takes the mark back: the mail server has certainly not accepted the mail.
    pub(crate) async fn put_back(&self, lease: &Lease, id: NotificationId) -> Result<(), Error> {
        let lease = *lease;
        self.database
            .transaction(async move |tx: &mut Tx| {
                tx.hold(&lease).await?;
                let mut locked = lock(tx, id).await?;
                if locked.put_back().is_ok() {
                    save(tx, &locked).await?;
                }
                Ok(())
            })
            .await
    }

    /// The mail server has accepted the mail: SENT, published, and the task done.
    pub(crate) async fn accepted(
        &self,
        caller: &Caller,
        lease: &Lease,
        id: NotificationId,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let (caller, lease) = (caller.clone(), *lease);
        self.database
            .transaction(async move |tx: &mut Tx| {
                tx.finish(&lease).await?;
                let mut locked = lock(tx, id).await?;
                match locked.accept(now) {
                    Ok(settled) => settle(tx, &caller, &locked, settled, now).await,
                    Err(_) => Ok(()),
                }
            })
            .await
    }

    /// The mail can never be delivered: FAILED, published, and the task done.
    pub(crate) async fn refused(
        &self,
        caller: &Caller,
        lease: &Lease,
        id: NotificationId,
        failure: Failure,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let (caller, lease) = (caller.clone(), *lease);
        self.database
            .transaction(async move |tx: &mut Tx| {
                tx.finish(&lease).await?;
                fail(tx, &caller, id, failure.clone(), now).await
            })
            .await
    }

    /// It was tried for long enough: FAILED, published, and the task dead with this error.
    pub(crate) async fn exhausted(
        &self,
        caller: &Caller,
        lease: &Lease,
        id: NotificationId,
        error: &str,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let (caller, lease, error) = (caller.clone(), *lease, error.to_owned());
        self.database
            .transaction(async move |tx: &mut Tx| {
                tx.bury(&lease, &error).await?;
                fail(tx, &caller, id, Failure::attempts_exhausted(), now).await
            })
            .await
    }
}

async fn fail(
    tx: &mut Tx,
    caller: &Caller,
    id: NotificationId,
    failure: Failure,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let mut locked = lock(tx, id).await?;
    match locked.give_up(failure) {
        Ok(settled) => settle(tx, caller, &locked, settled, now).await,
        Err(_) => Ok(()),
    }
}

async fn settle(
    tx: &mut Tx,
    caller: &Caller,
    notification: &Notification,
    settled: Settled,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    save(tx, notification).await?;
    tx.publish(caller, events::settled(&settled, now)?).await?;
    Ok(())
}

async fn lock(tx: &mut Tx, id: NotificationId) -> Result<Notification, Error> {
    let found = find_locked(tx, id).await?;
    found.ok_or(Error::NotificationNotFound(id.0))
}

async fn find_locked(tx: &mut Tx, id: NotificationId) -> Result<Option<Notification>, Error> {
    let row: Option<Row> = notification::table
        .find(id.0)
        .select(Row::as_select())
        .for_update()
        .first(tx.conn())
        .await
        .optional()?;
    Ok(row.map(Notification::try_from).transpose()?)
}

async fn save(tx: &mut Tx, changed: &Notification) -> Result<(), Error> {
    diesel::update(notification::table.find(changed.id.0))
        .set(Progress::from(changed))
        .execute(tx.conn())
        .await?;
    Ok(())
}

impl From<row::Unreadable> for Error {
    fn from(source: row::Unreadable) -> Self {
        Self::Chassis(shop_chassis::Error::Stored {
            what: "notification",
            source: source.into(),
        })
    }
}

#[cfg(test)]
mod tests;

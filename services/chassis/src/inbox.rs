//! Events in: each is effective once per group and in the order of its aggregate's versions,
//! because its inbox row, the aggregate's last version and the effect are one transaction. What
//! cannot be applied is parked with its key. No broker here: `bus/kafka` brings the records.

mod admit;
mod batch;
mod store;

use std::sync::Arc;
use std::time::Duration;

use mesh_identity::SpiffeId;

use crate::bus::{Ack, Event, Handler, Headers};
use crate::caller::Caller;
use crate::db::{Database, Tx};
use crate::error::{Error, Failure};
use crate::origin::{self, Origin};

use admit::{Admission, admit};
pub(crate) use batch::{Apart, Arrival};
pub(crate) use store::{Cause, storable};

/// How long a later version waits for the ones before it; a relay that stopped and went on again
/// needs its lease, which is shorter.
const GAP_PATIENCE: Duration = Duration::from_secs(30);

/// The inbox of one consumer group.
#[derive(Clone)]
pub(crate) struct Inbox {
    database: Database,
    group: Arc<str>,
    own: SpiffeId,
}

/// A record as it was read from a topic.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) topic: String,
    pub(crate) key: String,
    pub(crate) value: Vec<u8>,
    pub(crate) headers: Headers,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivered {
    /// It had its effect.
    Applied,
    /// The handler has no use for it.
    Ignored,
    /// It had its effect before.
    Duplicate,
    /// A later version of its aggregate was applied before.
    Older,
    /// It waits for the versions before it.
    Gap,
    /// It waits behind the poison of its key.
    Behind,
}

/// A gap that nothing has closed.
pub(crate) struct Overdue {
    pub(crate) id: i64,
    pub(crate) record: Record,
}

/// A parked record whose turn has come.
pub(crate) struct Parked {
    pub(crate) id: i64,
    pub(crate) record: Record,
    pub(crate) event: Event,
}

// === impl Inbox ===

impl Inbox {
    pub(crate) fn new(database: Database, group: &str, own: SpiffeId) -> Self {
        Self {
            database,
            group: group.into(),
            own,
        }
    }

    /// Applies the event of `record`, or parks it. `parked` is its parked row, if it comes from
    /// there. A failure leaves everything as it was.
    pub(crate) async fn receive<H: Handler>(
        &self,
        handler: &Arc<H>,
        record: &Arc<Record>,
        event: &Arc<Event>,
        parked: Option<i64>,
    ) -> Result<Delivered, Failure> {
        let origin = Origin {
            correlation_id: Some(event.correlation_id),
            causation_id: Some(event.event_id),
        };
        let caller = Caller::background(self.own.clone(), event.actor.subject.clone());
        let (group, handler) = (Arc::clone(&self.group), Arc::clone(handler));
        let (record, event) = (Arc::clone(record), Arc::clone(event));
        let work = self.database.transaction(async move |tx: &mut Tx| {
            if let Some(id) = parked {
                store::unpark(tx, id).await?;
            }
            if !store::insert(tx, &group, &event).await? {
                return Ok(Delivered::Duplicate);
            }
            let known = store::known(tx, &group, &record, &event).await?;
            let delivered = match admit(known, event.aggregate_version) {
                Admission::Older => return Ok(Delivered::Older),
                Admission::Apply => {
                    let ack = handler.apply(tx, &caller, &event).await?;
                    store::advance(tx, &group, &event).await?;
                    return Ok(match ack {
                        Ack::Applied => Delivered::Applied,
                        Ack::Ignored => Delivered::Ignored,
                    });
                }
                Admission::Gap => Delivered::Gap,
                Admission::Behind => Delivered::Behind,
            };
            // It has not had its effect: when its turn comes it must not look like a duplicate.
            store::remove(tx, &group, &event).await?;
            let cause = if delivered == Delivered::Gap {
                Cause::Gap
            } else {
                Cause::Behind
            };
            store::park(tx, &group, &record, &event, cause, "waits for its turn").await?;
            Ok(delivered)
        });
        origin::scope(origin, work).await
    }

    /// Parks a record that can never be applied; later ones of its key queue behind it. `place`
    /// is where it stands on its topic: one without an event is known by nothing else.
    pub(crate) async fn park_poison(
        &self,
        record: &Arc<Record>,
        event: Option<&Arc<Event>>,
        place: &str,
        error: &str,
    ) -> Result<(), Error> {
        let (group, record) = (Arc::clone(&self.group), Arc::clone(record));
        let (event, place) = (event.map(Arc::clone), place.to_owned());
        let error = error.to_owned();
        self.database
            .transaction(async move |tx: &mut Tx| match &event {
                Some(event) => store::park(tx, &group, &record, event, Cause::Poison, &error).await,
                None => store::park_unread(tx, &group, &record, &place, &error).await,
            })
            .await
    }

    /// The parked event that follows the version just applied, if one waits.
    pub(crate) async fn successor(
        &self,
        record: &Arc<Record>,
        event: &Arc<Event>,
    ) -> Result<Option<Parked>, Error> {
        let (group, record) = (Arc::clone(&self.group), Arc::clone(record));
        let event = Arc::clone(event);
        self.database
            .read(async move |tx: &mut Tx| store::successor(tx, &group, &record, &event).await)
            .await
    }

    /// Times all gaps from now on.
    pub(crate) async fn restart_gaps(&self) -> Result<(), Error> {
        let group = Arc::clone(&self.group);
        self.database
            .transaction(async move |tx: &mut Tx| store::restart_gaps(tx, &group).await)
            .await
    }

    /// Gaps that were waited for too long.
    pub(crate) async fn overdue_gaps(&self) -> Result<Vec<Overdue>, Error> {
        let group = Arc::clone(&self.group);
        self.database
            .read(async move |tx: &mut Tx| store::overdue_gaps(tx, &group, GAP_PATIENCE).await)
            .await
    }

    /// Turns a gap into poison, unless it was closed meanwhile.
    pub(crate) async fn give_gap_up(&self, id: i64) -> Result<(), Error> {
        self.database
            .transaction(async move |tx: &mut Tx| store::give_gap_up(tx, id).await)
            .await
    }

    pub(crate) fn group(&self) -> &str {
        &self.group
    }
}

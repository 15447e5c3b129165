//! Many events in one transaction: what is the rule is done with a few statements for all of them.
//! What is not (a gap, poison before it, a failure) leaves the whole batch undone, and its events
//! come one by one.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use diesel::QueryableByName;
use diesel::sql_types::{Array, BigInt, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use tracing::{Instrument, Span};
use uuid::Uuid;

use super::admit::{Admission, Known, admit};
use super::{Delivered, Inbox, Record};
use crate::bus::{Ack, Event, Handler};
use crate::caller::Caller;
use crate::db::Tx;
use crate::error::{Error, Failure};
use crate::origin::Origin;
use crate::statement::statement;

/// An event as it came, with the span that it is applied in.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) record: Arc<Record>,
    pub(crate) event: Arc<Event>,
    pub(crate) span: Span,
}

/// Why nothing of a batch has happened.
#[derive(Debug)]
pub(crate) enum Apart {
    /// One of its events is not applied as it comes.
    OutOfLine,
    /// One of its events, or the transaction itself, failed.
    Failed(Failure),
}

/// The last version of each aggregate that the group has applied.
type Versions = HashMap<(String, String), i64>;

#[derive(QueryableByName)]
struct Inserted {
    #[diesel(sql_type = SqlUuid)]
    event_id: Uuid,
}

#[derive(QueryableByName)]
struct VersionRow {
    #[diesel(sql_type = Text)]
    aggregate_type: String,
    #[diesel(sql_type = Text)]
    aggregate_id: String,
    #[diesel(sql_type = BigInt)]
    last_version: i64,
}

/// Whether anything is parked with one of the keys: poison that stops it, or a gap to be closed.
const PARKED: &str = "select id from parked_event \
    join unnest($2::text[], $3::text[]) as keys (topic, key) using (topic, key) \
    where consumer_group = $1 limit 1";

const INSERT: &str = "insert into inbox (consumer_group, event_id, event_type, aggregate_type, \
        aggregate_id, aggregate_version) \
    select $1, * from unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::bigint[]) \
    on conflict on constraint inbox_event do nothing returning event_id";

/// In one order for all, so that two batches wait for each other in one direction only.
const VERSIONS: &str = "select aggregate_type, aggregate_id, last_version from inbox_version \
    where consumer_group = $1 and (aggregate_type, aggregate_id) in ( \
        select * from unnest($2::text[], $3::text[])) \
    order by aggregate_type, aggregate_id for update";

const ADVANCE: &str = "insert into inbox_version (consumer_group, aggregate_type, aggregate_id, \
        last_version) select $1, * from unnest($2::text[], $3::text[], $4::bigint[]) \
    on conflict on constraint inbox_version_aggregate do update \
    set last_version = excluded.last_version, updated_at = excluded.updated_at \
    where inbox_version.last_version < excluded.last_version";

impl Inbox {
    /// Applies all of `arrivals` in their order, or none.
    pub(crate) async fn receive_all<H: Handler>(
        &self,
        handler: &Arc<H>,
        arrivals: Arc<[Arrival]>,
    ) -> Result<Vec<Delivered>, Apart> {
        let (inbox, handler) = (self.clone(), Arc::clone(handler));
        self.database
            .transaction(async move |tx: &mut Tx| inbox.apply_all(tx, &*handler, &arrivals).await)
            .await
    }

    async fn apply_all<H: Handler>(
        &self,
        tx: &mut Tx,
        handler: &H,
        arrivals: &[Arrival],
    ) -> Result<Vec<Delivered>, Apart> {
        if any_parked(tx, &self.group, arrivals).await? {
            return Err(Apart::OutOfLine);
        }
        let mut new = insert(tx, &self.group, arrivals).await?;
        let mut versions = versions(tx, &self.group, arrivals).await?;
        let concerned: Vec<&Event> = arrivals
            .iter()
            .map(|arrival| &*arrival.event)
            .filter(|event| new.contains(&event.event_id) && handler.concerns(event))
            .collect();
        if concerned.len() > 1 {
            handler.prepare(tx, &concerned).await?;
        }
        let mut delivered = Vec::with_capacity(arrivals.len());
        let mut advanced = Versions::new();
        for arrival in arrivals {
            let event = &arrival.event;
            // The second of two deliveries in one batch is a duplicate as well.
            if !new.remove(&event.event_id) {
                delivered.push(Delivered::Duplicate);
                continue;
            }
            let aggregate = (event.aggregate_type.clone(), event.aggregate_id.clone());
            let known = Known {
                last_version: versions.get(&aggregate).copied(),
                poisoned: false,
            };
            delivered.push(match admit(known, event.aggregate_version) {
                Admission::Older => Delivered::Older,
                Admission::Gap | Admission::Behind => return Err(Apart::OutOfLine),
                Admission::Apply => {
                    versions.insert(aggregate.clone(), event.aggregate_version);
                    advanced.insert(aggregate, event.aggregate_version);
                    self.apply(tx, handler, arrival).await?
                }
            });
        }
        advance(tx, &self.group, advanced).await?;
        Ok(delivered)
    }

    async fn apply<H: Handler>(
        &self,
        tx: &mut Tx,
        handler: &H,
        arrival: &Arrival,
    ) -> Result<Delivered, Failure> {
        let event = &*arrival.event;
        if !handler.concerns(event) {
            return Ok(Delivered::Ignored);
        }
        tx.origin = Origin {
            correlation_id: Some(event.correlation_id),
            causation_id: Some(event.event_id),
        };
        let caller = Caller::background(self.own.clone(), event.actor.subject.clone());
        let applied = handler.apply(tx, &caller, event);
        Ok(match applied.instrument(arrival.span.clone()).await? {
            Ack::Applied => Delivered::Applied,
            Ack::Ignored => Delivered::Ignored,
        })
    }
}

async fn any_parked(tx: &mut Tx, group: &str, arrivals: &[Arrival]) -> Result<bool, Error> {
    let topics: Vec<&str> = each(arrivals, |arrival| arrival.record.topic.as_str());
    let keys: Vec<&str> = each(arrivals, |arrival| arrival.record.key.as_str());
    let parked = statement(PARKED)
        .bind::<Text, _>(group)
        .bind::<Array<Text>, _>(topics)
        .bind::<Array<Text>, _>(keys)
        .execute(tx.conn())
        .await?;
    Ok(parked > 0)
}

/// Writes the inbox rows; the ids of those events that have had no effect before.
async fn insert(tx: &mut Tx, group: &str, arrivals: &[Arrival]) -> Result<HashSet<Uuid>, Error> {
    let kinds: Vec<&str> = each(arrivals, |arrival| arrival.event.event_type.as_str());
    let versions: Vec<i64> = each(arrivals, |arrival| arrival.event.aggregate_version);
    let (types, ids) = aggregates(arrivals);
    let rows: Vec<Inserted> = statement(INSERT)
        .bind::<Text, _>(group)
        .bind::<Array<SqlUuid>, _>(each(arrivals, |arrival| arrival.event.event_id))
        .bind::<Array<Text>, _>(kinds)
        .bind::<Array<Text>, _>(types)
        .bind::<Array<Text>, _>(ids)
        .bind::<Array<BigInt>, _>(versions)
        .load(tx.conn())
        .await?;
    Ok(rows.into_iter().map(|row| row.event_id).collect())
}

/// What the group knows of the aggregates; keeps their rows locked.
async fn versions(tx: &mut Tx, group: &str, arrivals: &[Arrival]) -> Result<Versions, Error> {
    let (types, ids) = aggregates(arrivals);
    let rows: Vec<VersionRow> = statement(VERSIONS)
        .bind::<Text, _>(group)
        .bind::<Array<Text>, _>(types)
        .bind::<Array<Text>, _>(ids)
        .load(tx.conn())
        .await?;
    let version = |row: VersionRow| ((row.aggregate_type, row.aggregate_id), row.last_version);
    Ok(rows.into_iter().map(version).collect())
}

async fn advance(tx: &mut Tx, group: &str, advanced: Versions) -> Result<(), Error> {
    if advanced.is_empty() {
        return Ok(());
    }
    let mut types = Vec::with_capacity(advanced.len());
    let mut ids = Vec::with_capacity(advanced.len());
    let mut last = Vec::with_capacity(advanced.len());
    for ((aggregate_type, aggregate_id), version) in advanced {
        types.push(aggregate_type);
        ids.push(aggregate_id);
        last.push(version);
    }
    statement(ADVANCE)
        .bind::<Text, _>(group)
        .bind::<Array<Text>, _>(types)
        .bind::<Array<Text>, _>(ids)
        .bind::<Array<BigInt>, _>(last)
        .execute(tx.conn())
        .await?;
    Ok(())
}

fn aggregates(arrivals: &[Arrival]) -> (Vec<&str>, Vec<&str>) {
    let types = each(arrivals, |arrival| arrival.event.aggregate_type.as_str());
    let ids = each(arrivals, |arrival| arrival.event.aggregate_id.as_str());
    (types, ids)
}

fn each<'a, T>(arrivals: &'a [Arrival], column: impl Fn(&'a Arrival) -> T) -> Vec<T> {
    arrivals.iter().map(column).collect()
}

// === impl Apart ===

impl From<Error> for Apart {
    fn from(error: Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<Failure> for Apart {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

#[cfg(test)]
mod tests;

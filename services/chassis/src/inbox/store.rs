//! The inbox's tables: what a group has applied, and what it has parked.

use std::time::Duration;

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Binary, Bool, Double, Jsonb, Nullable, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;

use super::admit::Known;
use super::{Overdue, Parked, Record};
use crate::bus::{Event, Headers};
use crate::db::Tx;
use crate::error::Error;
use crate::statement::statement;

/// Why a record is parked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    Poison,
    Gap,
    Behind,
}

#[derive(QueryableByName)]
struct KnownRow {
    #[diesel(sql_type = Nullable<BigInt>)]
    last_version: Option<i64>,
    #[diesel(sql_type = Bool)]
    poisoned: bool,
}

#[derive(QueryableByName)]
struct ParkedRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Text)]
    topic: String,
    #[diesel(sql_type = Text)]
    key: String,
    #[diesel(sql_type = Binary)]
    record: Vec<u8>,
    #[diesel(sql_type = Jsonb)]
    headers: serde_json::Value,
}

/// Writes the inbox row; false when the event had its effect before.
pub(super) async fn insert(tx: &mut Tx, group: &str, event: &Event) -> Result<bool, Error> {
    let sql = "insert into inbox (consumer_group, event_id, event_type, aggregate_type, \
        aggregate_id, aggregate_version) values ($1, $2, $3, $4, $5, $6) \
        on conflict on constraint inbox_event do nothing";
    let inserted = statement(sql)
        .bind::<Text, _>(group)
        .bind::<SqlUuid, _>(event.event_id)
        .bind::<Text, _>(&event.event_type)
        .bind::<Text, _>(&event.aggregate_type)
        .bind::<Text, _>(&event.aggregate_id)
        .bind::<BigInt, _>(event.aggregate_version)
        .execute(tx.conn())
        .await?;
    Ok(inserted == 1)
}

pub(super) async fn remove(tx: &mut Tx, group: &str, event: &Event) -> Result<(), Error> {
    statement("delete from inbox where consumer_group = $1 and event_id = $2")
        .bind::<Text, _>(group)
        .bind::<SqlUuid, _>(event.event_id)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// What the group knows of the event's aggregate and key; keeps the aggregate's row locked.
pub(super) async fn known(
    tx: &mut Tx,
    group: &str,
    record: &Record,
    event: &Event,
) -> Result<Known, Error> {
    // The lock keeps a second consumer of the key out, which a rebalance can bring about.
    let sql = "with version as (select last_version from inbox_version where consumer_group = $1 \
            and aggregate_type = $2 and aggregate_id = $3 for update) \
        select (select last_version from version) as last_version, \
            exists (select from parked_event where consumer_group = $1 and topic = $4 \
                and key = $5 and cause = 'POISON') as poisoned";
    let row: KnownRow = statement(sql)
        .bind::<Text, _>(group)
        .bind::<Text, _>(&event.aggregate_type)
        .bind::<Text, _>(&event.aggregate_id)
        .bind::<Text, _>(&record.topic)
        .bind::<Text, _>(&record.key)
        .get_result(tx.conn())
        .await?;
    Ok(Known {
        last_version: row.last_version,
        poisoned: row.poisoned,
    })
}

/// Makes the event's version the last one of its aggregate.
pub(super) async fn advance(tx: &mut Tx, group: &str, event: &Event) -> Result<(), Error> {
    let sql = "insert into inbox_version (consumer_group, aggregate_type, aggregate_id, \
        last_version) values ($1, $2, $3, $4) \
        on conflict on constraint inbox_version_aggregate do update \
        set last_version = excluded.last_version, updated_at = excluded.updated_at \
        where inbox_version.last_version < excluded.last_version";
    statement(sql)
        .bind::<Text, _>(group)
        .bind::<Text, _>(&event.aggregate_type)
        .bind::<Text, _>(&event.aggregate_id)
        .bind::<BigInt, _>(event.aggregate_version)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Parks a record at the end of its key's queue; a record that is parked already stays where it
/// is and counts the attempt. Poison that is delivered again stays poison.
pub(super) async fn park(
    tx: &mut Tx,
    group: &str,
    record: &Record,
    event: &Event,
    cause: Cause,
    error: &str,
) -> Result<(), Error> {
    let sql = "insert into parked_event (consumer_group, topic, key, record, headers, event_id, \
        aggregate_type, aggregate_version, cause, error) \
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
        on conflict on constraint parked_event_once do update set \
            attempts = parked_event.attempts + 1, \
            error = case when excluded.cause = 'POISON' then excluded.error \
                else parked_event.error end, \
            cause = case when excluded.cause = 'POISON' then excluded.cause \
                else parked_event.cause end";
    let headers = serde_json::to_value(&record.headers).map_err(Error::Json)?;
    statement(sql)
        .bind::<Text, _>(group)
        .bind::<Text, _>(&record.topic)
        .bind::<Text, _>(&record.key)
        .bind::<Binary, _>(&record.value)
        .bind::<Jsonb, _>(headers)
        .bind::<SqlUuid, _>(event.event_id)
        .bind::<Text, _>(storable(&event.aggregate_type))
        .bind::<BigInt, _>(event.aggregate_version)
        .bind::<Text, _>(cause.as_str())
        .bind::<Text, _>(storable(error))
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Parks a record in which no event can be read, once for each place on its topic.
pub(super) async fn park_unread(
    tx: &mut Tx,
    group: &str,
    record: &Record,
    place: &str,
    error: &str,
) -> Result<(), Error> {
    let sql = "insert into parked_event (consumer_group, topic, key, record, headers, place, \
        cause, error) values ($1, $2, $3, $4, $5, $6, 'POISON', $7) \
        on conflict on constraint parked_event_place_once do update set \
            attempts = parked_event.attempts + 1";
    let headers = serde_json::to_value(&record.headers).map_err(Error::Json)?;
    statement(sql)
        .bind::<Text, _>(group)
        .bind::<Text, _>(&record.topic)
        .bind::<Text, _>(&record.key)
        .bind::<Binary, _>(&record.value)
        .bind::<Jsonb, _>(headers)
        .bind::<Text, _>(place)
        .bind::<Text, _>(storable(error))
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// PostgreSQL keeps no NUL in a text.
pub(crate) fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

pub(super) async fn unpark(tx: &mut Tx, id: i64) -> Result<(), Error> {
    statement("delete from parked_event where id = $1")
        .bind::<BigInt, _>(id)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// The gap that closes now that `event` is applied.
pub(super) async fn successor(
    tx: &mut Tx,
    group: &str,
    record: &Record,
    event: &Event,
) -> Result<Option<Parked>, Error> {
    let sql = "select id, topic, key, record, headers from parked_event \
        where consumer_group = $1 and topic = $2 and key = $3 and cause = 'GAP' \
            and aggregate_type = $4 and aggregate_version = $5";
    let rows: Vec<ParkedRow> = statement(sql)
        .bind::<Text, _>(group)
        .bind::<Text, _>(&record.topic)
        .bind::<Text, _>(&record.key)
        .bind::<Text, _>(&event.aggregate_type)
        .bind::<BigInt, _>(event.aggregate_version + 1)
        .load(tx.conn())
        .await?;
    let Some(row) = rows.into_iter().next() else {
        return Ok(None);
    };
    let id = row.id;
    let record = Record::try_from(row)?;
    let event = serde_json::from_slice(&record.value).map_err(stored)?;
    Ok(Some(Parked { id, record, event }))
}

pub(super) async fn restart_gaps(tx: &mut Tx, group: &str) -> Result<(), Error> {
    let sql = "update parked_event set parked_at = now() \
        where consumer_group = $1 and cause = 'GAP'";
    statement(sql)
        .bind::<Text, _>(group)
        .execute(tx.conn())
        .await?;
    Ok(())
}

pub(super) async fn overdue_gaps(
    tx: &mut Tx,
    group: &str,
    patience: Duration,
) -> Result<Vec<Overdue>, Error> {
    let sql = "select id, topic, key, record, headers from parked_event \
        where consumer_group = $1 and cause = 'GAP' \
            and parked_at < now() - make_interval(secs => $2) order by id";
    let rows: Vec<ParkedRow> = statement(sql)
        .bind::<Text, _>(group)
        .bind::<Double, _>(patience.as_secs_f64())
        .load(tx.conn())
        .await?;
    let overdue = |row: ParkedRow| {
        let id = row.id;
        Ok(Overdue {
            id,
            record: Record::try_from(row)?,
        })
    };
    rows.into_iter().map(overdue).collect()
}

/// Gaps that were waited for too long become poison.
pub(super) async fn give_gap_up(tx: &mut Tx, id: i64) -> Result<(), Error> {
    let sql = "update parked_event set cause = 'POISON', dead_at = now(), \
            error = 'the versions before it did not come' \
        where id = $1 and cause = 'GAP'";
    statement(sql)
        .bind::<BigInt, _>(id)
        .execute(tx.conn())
        .await?;
    Ok(())
}

// === impl Cause ===

impl Cause {
    fn as_str(self) -> &'static str {
        match self {
            Self::Poison => "POISON",
            Self::Gap => "GAP",
            Self::Behind => "BEHIND",
        }
    }
}

// === impl Record ===

impl TryFrom<ParkedRow> for Record {
    type Error = Error;

    fn try_from(row: ParkedRow) -> Result<Self, Error> {
        let headers: Headers = serde_json::from_value(row.headers).map_err(stored)?;
        Ok(Self {
            topic: row.topic,
            key: row.key,
            value: row.record,
            headers,
        })
    }
}

fn stored(source: serde_json::Error) -> Error {
    Error::Stored {
        what: "parked event",
        source: source.into(),
    }
}

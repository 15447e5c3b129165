//! The relay's statements: its lease, the rows that wait, the rows that are out, the sweep of what
//! nobody needs any more.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{
    Array, BigInt, Double, Integer, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid,
};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::db::Tx;
use crate::error::Error;
use crate::statement::statement;

/// A row that waits.
#[derive(Clone, Debug, QueryableByName)]
pub(crate) struct Row {
    #[diesel(sql_type = BigInt)]
    pub(crate) seq: i64,
    #[diesel(sql_type = SqlUuid)]
    pub(crate) event_id: Uuid,
    #[diesel(sql_type = Text)]
    pub(crate) topic: String,
    #[diesel(sql_type = Text)]
    pub(crate) aggregate_type: String,
    #[diesel(sql_type = Text)]
    pub(crate) aggregate_id: String,
    #[diesel(sql_type = BigInt)]
    pub(crate) aggregate_version: i64,
    #[diesel(sql_type = Text)]
    pub(crate) event_type: String,
    #[diesel(sql_type = Integer)]
    pub(crate) schema_version: i32,
    #[diesel(sql_type = Jsonb)]
    pub(crate) data: serde_json::Value,
    #[diesel(sql_type = SqlUuid)]
    pub(crate) correlation_id: Uuid,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub(crate) causation_id: Option<Uuid>,
    #[diesel(sql_type = Text)]
    pub(crate) actor_principal: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) actor_subject: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) traceparent: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) tracestate: Option<String>,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) occurred_on: DateTime<Utc>,
}

#[derive(QueryableByName)]
struct Epoch {
    #[diesel(sql_type = BigInt)]
    epoch: i64,
}

/// What waits.
#[derive(QueryableByName)]
pub(super) struct Backlog {
    #[diesel(sql_type = BigInt)]
    pub(super) events: i64,
    #[diesel(sql_type = BigInt)]
    pub(super) oldest_seconds: i64,
}

/// Never "after the last sequence": a slower transaction commits a smaller one later.
const UNPUBLISHED: &str = "select seq, event_id, topic, aggregate_type, aggregate_id, \
    aggregate_version, event_type, schema_version, data, correlation_id, causation_id, \
    actor_principal, actor_subject, traceparent, tracestate, occurred_on \
    from outbox where published_at is null and seq <> all($1) order by seq limit $2";

/// A new owner is a new epoch; the one before cannot mark anything from then on.
const RENEW: &str = "insert into relay_lease (name, owner, epoch, lease_until) \
    values ('outbox', $1, 1, now() + make_interval(secs => $2)) \
    on conflict (name) do update set owner = excluded.owner, lease_until = excluded.lease_until, \
        epoch = relay_lease.epoch \
            + case when relay_lease.owner = excluded.owner then 0 else 1 end \
    where relay_lease.owner = excluded.owner or relay_lease.lease_until < now() \
    returning epoch";

/// The lease was renewed in the same transaction: whoever takes the outbox waits for its end.
const MARK: &str = "update outbox set published_at = now() where seq = any($1)";

/// Published rows stay for a replay; settled tasks and inbox rows for as long as a broker keeps
/// what could be delivered again; answers longer than the 24 hours that clients are promised; what
/// people have to look at (dead tasks, parked events) for a quarter, its copies stay elsewhere. An
/// aggregate that was silent for longer than its inbox rows last begins anew with its next event.
const SWEEPS: [&str; 6] = [
    "delete from outbox where published_at < now() - interval '14 days'",
    "delete from inbox where received_at < now() - interval '30 days'",
    "delete from inbox_version where updated_at < now() - interval '30 days'",
    "delete from parked_event where parked_at < now() - interval '90 days'",
    "delete from task where (state = 'DONE' and updated_at < now() - interval '30 days') \
        or (state = 'DEAD' and updated_at < now() - interval '90 days')",
    "delete from idempotency where created_at < now() - interval '48 hours'",
];

pub(super) async fn renew(
    tx: &mut Tx,
    owner: Uuid,
    period: Duration,
) -> Result<Option<i64>, Error> {
    let rows: Vec<Epoch> = statement(RENEW)
        .bind::<SqlUuid, _>(owner)
        .bind::<Double, _>(period.as_secs_f64())
        .load(tx.conn())
        .await?;
    Ok(rows.into_iter().next().map(|row| row.epoch))
}

pub(super) async fn give_up(tx: &mut Tx, owner: Uuid, epoch: i64) -> Result<(), Error> {
    let sql = "update relay_lease set lease_until = now() - interval '1 second' \
        where name = 'outbox' and owner = $1 and epoch = $2";
    diesel::sql_query(sql)
        .bind::<SqlUuid, _>(owner)
        .bind::<BigInt, _>(epoch)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// The rows that wait, in order, without those that are `under_way`.
pub(super) async fn unpublished(
    tx: &mut Tx,
    under_way: &[i64],
    most: i64,
) -> Result<Vec<Row>, Error> {
    let rows = statement(UNPUBLISHED)
        .bind::<Array<BigInt>, _>(under_way)
        .bind::<BigInt, _>(most)
        .load(tx.conn())
        .await?;
    Ok(rows)
}

/// All rows, published or not, in order.
#[cfg(any(test, feature = "testing"))]
pub(crate) async fn all(tx: &mut Tx) -> Result<Vec<Row>, Error> {
    let sql = UNPUBLISHED.replace(
        "where published_at is null and seq <> all($1) order by seq limit $2",
        "order by seq",
    );
    Ok(diesel::sql_query(sql).load(tx.conn()).await?)
}

pub(super) async fn mark(tx: &mut Tx, published: &[i64]) -> Result<(), Error> {
    statement(MARK)
        .bind::<Array<BigInt>, _>(published)
        .execute(tx.conn())
        .await?;
    Ok(())
}

pub(super) async fn backlog(tx: &mut Tx) -> Result<Backlog, Error> {
    let sql = "select count(*) as events, coalesce(extract(epoch from \
        now() - min(created_at)), 0)::bigint as oldest_seconds \
        from outbox where published_at is null";
    Ok(diesel::sql_query(sql).get_result(tx.conn()).await?)
}

pub(super) async fn sweep(tx: &mut Tx) -> Result<(), Error> {
    for sql in SWEEPS {
        diesel::sql_query(sql).execute(tx.conn()).await?;
    }
    Ok(())
}

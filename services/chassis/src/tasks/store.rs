//! The table of tasks: written by transactions, leased and marked by the worker.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{
    Array, BigInt, Bool, Double, Integer, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid,
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use mesh_telemetry::propagation::TraceContext;
use tokio::time::Instant;
use uuid::Uuid;

use super::desk::{Handed, Reserved};
use super::{Lease, NewTask};
use crate::caller::Caller;
use crate::db::Tx;
use crate::error::Error;
use crate::statement::statement;

/// Where a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskState {
    /// Waits for its time, or for a worker.
    Ready,
    /// A worker has it.
    Leased,
    /// It succeeded, or was withdrawn.
    Done,
    /// It failed for good.
    Dead,
}

/// A task as a transaction sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskView {
    /// Where it stands.
    pub state: TaskState,
    /// Which attempt it is at.
    pub attempt: u32,
    /// Whether a worker ever had it: then it may have had an effect.
    pub ever_leased: bool,
}

/// A row that the worker has leased.
#[derive(Clone, Debug, QueryableByName)]
pub(crate) struct Leased {
    #[diesel(sql_type = SqlUuid)]
    pub(crate) id: Uuid,
    #[diesel(sql_type = Text)]
    pub(crate) kind: String,
    #[diesel(sql_type = Text)]
    pub(crate) subject_id: String,
    #[diesel(sql_type = Jsonb)]
    pub(crate) payload: serde_json::Value,
    #[diesel(sql_type = Integer)]
    pub(crate) attempt: i32,
    #[diesel(sql_type = BigInt)]
    pub(crate) lease_epoch: i64,
    #[diesel(sql_type = Bool)]
    pub(crate) giving_up: bool,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) last_error: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) on_behalf_of: Option<String>,
    #[diesel(sql_type = SqlUuid)]
    pub(crate) correlation_id: Uuid,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub(crate) causation_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) traceparent: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) tracestate: Option<String>,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) created_at: DateTime<Utc>,
    /// Whether another lease of it ran out: its owner died, or stood still.
    #[diesel(sql_type = Bool)]
    pub(crate) overtaken: bool,
    /// Whether the transaction that wrote it has only just committed.
    #[diesel(sql_type = Bool)]
    pub(crate) at_once: bool,
}

/// What a worker has room for.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) kind: &'static str,
    pub(crate) most: i64,
    pub(crate) period: Duration,
}

#[derive(QueryableByName)]
struct Written {
    #[diesel(sql_type = Timestamptz)]
    created_at: DateTime<Utc>,
}

#[derive(QueryableByName)]
struct StateRow {
    #[cfg(any(test, feature = "testing"))]
    #[diesel(sql_type = Text)]
    kind: String,
    #[cfg(any(test, feature = "testing"))]
    #[diesel(sql_type = Text)]
    subject_id: String,
    #[diesel(sql_type = Text)]
    state: String,
    #[diesel(sql_type = Integer)]
    attempt: i32,
    #[diesel(sql_type = BigInt)]
    lease_epoch: i64,
}

/// The stored error is for people; a page of it is enough.
const ERROR_MAX: usize = 2000;

/// With an owner ($11) the task is leased by it from the start, as [`LEASE`] would do. The lease
/// begins now, not when the transaction did: it must outlive the deadline of its task.
const INSERT: &str = "insert into task \
    (id, kind, subject_id, payload, run_at, on_behalf_of, correlation_id, causation_id, \
     traceparent, tracestate, lease_owner, state, attempt, lease_epoch, lease_until) \
    select $1::uuid, $2, $3, $4::jsonb, coalesce($5::timestamptz, now()), $6, $7::uuid, \
        $8::uuid, $9, $10, $11::uuid, \
        case when $11::uuid is null then 'READY' else 'LEASED' end, \
        case when $11::uuid is null then 0 else 1 end, \
        case when $11::uuid is null then 0 else 1 end, \
        case when $11::uuid is null then null \
            else clock_timestamp() + make_interval(secs => $12) end \
    on conflict on constraint task_kind_subject do nothing \
    returning created_at";

/// So many of each kind, the oldest first. A task whose lease ran out is as good as ready: its
/// worker is gone or too slow.
const LEASE: &str = "with wanted as ( \
        select * from unnest($1::text[], $2::bigint[], $3::double precision[]) \
            as kinds (kind, most, seconds)), \
    due as ( \
        select one.*, seconds from wanted cross join lateral ( \
            select id, state as was from task \
            where task.kind = wanted.kind and state in ('READY', 'LEASED') and run_at <= now() \
                and (state = 'READY' or lease_until < now()) \
            order by run_at limit wanted.most for update skip locked) as one) \
    update task set state = 'LEASED', attempt = attempt + 1, lease_owner = $4, \
        lease_epoch = lease_epoch + 1, \
        lease_until = clock_timestamp() + make_interval(secs => due.seconds), updated_at = now() \
    from due where task.id = due.id \
    returning task.id, kind, subject_id, payload, attempt, lease_epoch, giving_up, last_error, \
        on_behalf_of, correlation_id, causation_id, traceparent, tracestate, created_at, \
        due.was = 'LEASED' as overtaken, false as at_once";

const SETTLE: &str = "update task set state = $3, last_error = coalesce($4, last_error), \
        updated_at = now() \
    where id = $1 and lease_epoch = $2 and state = 'LEASED'";

const RELEASE: &str = "update task set state = 'READY', \
        run_at = now() + make_interval(secs => $3), \
        attempt = case when $4 then 0 else attempt end, \
        giving_up = $5, last_error = coalesce($6, last_error), updated_at = now() \
    where id = $1 and lease_epoch = $2 and state = 'LEASED'";

// === impl Tx ===

impl Tx {
    /// Writes a task if this transaction commits. False: there is one of that kind and subject,
    /// whatever its state. One that is due at once is leased by the worker of this process, if it
    /// has a slot for it, and runs as soon as the transaction has committed.
    pub async fn enqueue(&mut self, caller: &Caller, task: NewTask) -> Result<bool, Error> {
        let id = Uuid::now_v7();
        let trace = TraceContext::of(&tracing::Span::current());
        let (traceparent, tracestate) = trace
            .map(|trace| (trace.traceparent, trace.tracestate))
            .unzip();
        let origin = self.origin;
        let correlation_id = origin.correlation_id.unwrap_or(id);
        let reserved = match task.run_at {
            None => self.wake.tasks.reserve(task.kind),
            Some(_) => None,
        };
        let since = Instant::now();
        let written: Vec<Written> = statement(INSERT)
            .bind::<SqlUuid, _>(id)
            .bind::<Text, _>(task.kind)
            .bind::<Text, _>(&task.subject_id)
            .bind::<Jsonb, _>(&task.payload)
            .bind::<Nullable<Timestamptz>, _>(task.run_at)
            .bind::<Nullable<Text>, _>(caller.subject())
            .bind::<SqlUuid, _>(correlation_id)
            .bind::<Nullable<SqlUuid>, _>(origin.causation_id)
            .bind::<Nullable<Text>, _>(&traceparent)
            .bind::<Nullable<Text>, _>(&tracestate)
            .bind::<Nullable<SqlUuid>, _>(reserved.as_ref().map(|reserved| reserved.owner))
            .bind::<Nullable<Double>, _>(
                reserved
                    .as_ref()
                    .map(|reserved| reserved.period.as_secs_f64()),
            )
            .load(self.conn())
            .await?;
        let Some(written) = written.into_iter().next() else {
            return Ok(false);
        };
        match reserved {
            Some(Reserved { slot, .. }) => {
                let row = Leased {
                    id,
                    kind: task.kind.to_owned(),
                    subject_id: task.subject_id,
                    payload: task.payload,
                    attempt: 1,
                    lease_epoch: 1,
                    giving_up: false,
                    last_error: None,
                    on_behalf_of: caller.subject().map(str::to_owned),
                    correlation_id,
                    causation_id: origin.causation_id,
                    traceparent,
                    tracestate,
                    created_at: written.created_at,
                    overtaken: false,
                    at_once: true,
                };
                self.after.tasks.push(Handed { row, slot, since });
            }
            None => {
                let due_in = task
                    .run_at
                    .and_then(|at| (at - Utc::now()).to_std().ok())
                    .unwrap_or_default();
                let earliest = self.after.due_in.map_or(due_in, |due| due.min(due_in));
                self.after.due_in = Some(earliest);
            }
        }
        Ok(true)
    }

    /// The task of that kind and subject; its row stays locked until this transaction ends.
    pub async fn task(
        &mut self,
        kind: &str,
        subject_id: impl ToString,
    ) -> Result<Option<TaskView>, Error> {
        let sql = "select kind, subject_id, state, attempt, lease_epoch from task \
            where kind = $1 and subject_id = $2 for update";
        let rows: Vec<StateRow> = statement(sql)
            .bind::<Text, _>(kind)
            .bind::<Text, _>(subject_id.to_string())
            .load(self.conn())
            .await?;
        rows.as_slice().first().map(TaskView::try_from).transpose()
    }

    /// Marks a task done that was never leased. False: there is none, or it may have run.
    pub async fn withdraw(&mut self, kind: &str, subject_id: impl ToString) -> Result<bool, Error> {
        let sql = "update task set state = 'DONE', updated_at = now() \
            where kind = $1 and subject_id = $2 and state = 'READY' and lease_epoch = 0";
        let changed = statement(sql)
            .bind::<Text, _>(kind)
            .bind::<Text, _>(subject_id.to_string())
            .execute(self.conn())
            .await?;
        Ok(changed == 1)
    }

    /// Marks the task done, if `lease` still holds; otherwise fails, and with it what this
    /// transaction wrote.
    pub async fn finish(&mut self, lease: &Lease) -> Result<(), Error> {
        owned(settle(self.conn(), lease, "DONE", None).await?, lease)
    }

    /// Marks the task dead, if `lease` still holds; otherwise fails, and with it what this
    /// transaction wrote.
    pub async fn bury(&mut self, lease: &Lease, error: &str) -> Result<(), Error> {
        owned(
            settle(self.conn(), lease, "DEAD", Some(error)).await?,
            lease,
        )
    }

    /// Fails unless `lease` still holds, and keeps it from being overtaken until this transaction
    /// ends. For results before the last one; the state follows from the outcome.
    pub async fn hold(&mut self, lease: &Lease) -> Result<(), Error> {
        let sql = "select id from task \
            where id = $1 and lease_epoch = $2 and state = 'LEASED' for update";
        let held = statement(sql)
            .bind::<SqlUuid, _>(lease.task)
            .bind::<BigInt, _>(lease.epoch)
            .execute(self.conn())
            .await?;
        owned(held == 1, lease)
    }
}

// === the worker's statements ===

/// Leases due tasks, of each kind so many and for so long.
pub(crate) async fn lease(
    tx: &mut Tx,
    wanted: &[Wanted],
    owner: Uuid,
) -> Result<Vec<Leased>, Error> {
    let kinds: Vec<&str> = wanted.iter().map(|wanted| wanted.kind).collect();
    let most: Vec<i64> = wanted.iter().map(|wanted| wanted.most).collect();
    let seconds = wanted.iter().map(|wanted| wanted.period.as_secs_f64());
    let rows = statement(LEASE)
        .bind::<Array<Text>, _>(kinds)
        .bind::<Array<BigInt>, _>(most)
        .bind::<Array<Double>, _>(seconds.collect::<Vec<_>>())
        .bind::<SqlUuid, _>(owner)
        .load(tx.conn())
        .await?;
    Ok(rows)
}

/// Marks the task; false when the lease is lost or the handler's transaction marked it before.
pub(crate) async fn settle(
    conn: &mut AsyncPgConnection,
    lease: &Lease,
    state: &str,
    error: Option<&str>,
) -> Result<bool, Error> {
    let changed = statement(SETTLE)
        .bind::<SqlUuid, _>(lease.task)
        .bind::<BigInt, _>(lease.epoch)
        .bind::<Text, _>(state)
        .bind::<Nullable<Text>, _>(error.map(shortened))
        .execute(conn)
        .await?;
    Ok(changed == 1)
}

/// Leases one task, whatever its time.
#[cfg(any(test, feature = "testing"))]
pub(crate) async fn lease_one(
    tx: &mut Tx,
    kind: &str,
    subject_id: &str,
    owner: Uuid,
    period: Duration,
) -> Result<Vec<Leased>, Error> {
    let sql = "update task set run_at = now() - interval '1 second', \
            lease_until = now() - interval '1 second' \
        where kind = $1 and subject_id = $2";
    diesel::sql_query(sql)
        .bind::<Text, _>(kind)
        .bind::<Text, _>(subject_id)
        .execute(tx.conn())
        .await?;
    let due = "state in ('READY', 'LEASED')";
    let sql = LEASE.replace(due, "subject_id = $5 and state = 'READY'");
    let rows = diesel::sql_query(sql)
        .bind::<Array<Text>, _>(vec![kind])
        .bind::<Array<BigInt>, _>(vec![1])
        .bind::<Array<Double>, _>(vec![period.as_secs_f64()])
        .bind::<SqlUuid, _>(owner)
        .bind::<Text, _>(subject_id)
        .load(tx.conn())
        .await?;
    Ok(rows)
}

/// Kind, subject and state of all tasks.
#[cfg(any(test, feature = "testing"))]
pub(crate) async fn all(tx: &mut Tx) -> Result<Vec<(String, String, TaskState)>, Error> {
    let sql = "select kind, subject_id, state, attempt, lease_epoch from task \
        order by created_at, id";
    let rows: Vec<StateRow> = diesel::sql_query(sql).load(tx.conn()).await?;
    let one = |row: StateRow| Ok((row.kind, row.subject_id, TaskState::of(&row.state)?));
    rows.into_iter().map(one).collect()
}

/// How a leased task goes back to the ready ones.
pub(crate) struct Release {
    pub(crate) after: Duration,
    pub(crate) anew: bool,
    pub(crate) giving_up: bool,
    pub(crate) error: Option<String>,
}

/// Makes the task ready again; false when the lease is lost.
pub(crate) async fn release(tx: &mut Tx, lease: &Lease, how: &Release) -> Result<bool, Error> {
    let changed = statement(RELEASE)
        .bind::<SqlUuid, _>(lease.task)
        .bind::<BigInt, _>(lease.epoch)
        .bind::<Double, _>(how.after.as_secs_f64())
        .bind::<Bool, _>(how.anew)
        .bind::<Bool, _>(how.giving_up)
        .bind::<Nullable<Text>, _>(how.error.as_deref().map(shortened))
        .execute(tx.conn())
        .await?;
    Ok(changed == 1)
}

fn owned(held: bool, lease: &Lease) -> Result<(), Error> {
    if held {
        return Ok(());
    }
    Err(Error::LeaseLost {
        task: lease.task,
        epoch: lease.epoch,
    })
}

fn shortened(error: &str) -> &str {
    &error[..error.floor_char_boundary(ERROR_MAX)]
}

// === impl TaskState ===

impl TaskState {
    pub(crate) fn of(text: &str) -> Result<Self, Error> {
        match text {
            "READY" => Ok(Self::Ready),
            "LEASED" => Ok(Self::Leased),
            "DONE" => Ok(Self::Done),
            "DEAD" => Ok(Self::Dead),
            other => Err(Error::Stored {
                what: "state of a task",
                source: other.into(),
            }),
        }
    }
}

impl TryFrom<&StateRow> for TaskView {
    type Error = Error;

    fn try_from(row: &StateRow) -> Result<Self, Error> {
        Ok(Self {
            state: TaskState::of(&row.state)?,
            attempt: u32::try_from(row.attempt).unwrap_or_default(),
            ever_leased: row.lease_epoch > 0,
        })
    }
}

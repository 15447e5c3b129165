//! Begin, commit and rollback of one attempt at a transaction, with its time limits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use diesel::connection::{Instrumentation, InstrumentationEvent};
use diesel_async::{
    AnsiTransactionManager, AsyncConnection, AsyncPgConnection, TransactionManager,
};
use tokio::time::Instant;

use super::{AfterCommit, Pools, Share, Tx, Wake, classify};
use crate::error::Error;
use crate::origin::Origin;

/// The longest that one statement may run when its caller has no (or a later) deadline. Nothing
/// here scans tables; what takes longer is stuck.
const STATEMENT_MAX: Duration = Duration::from_secs(10);
/// The longest wait for a row that another transaction holds (also `contracts` 8: the holder of
/// an idempotency key is waited for this long).
pub(crate) const LOCK_WAIT: Duration = Duration::from_secs(2);
/// A server that does not even begin within this time stands still.
const BEGIN_WAIT: Duration = Duration::from_secs(3);
/// Connections that may turn out to have ended before one is given up on: all of the pools.
const STALE_MAX: u32 = 20;

/// Whether a transaction may write.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Access {
    Read,
    Write,
}

/// What a transaction takes from the task that asked for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    pub(crate) access: Access,
    pub(crate) share: Share,
    pub(crate) deadline: Option<Instant>,
    pub(crate) origin: Origin,
}

/// Set when the database says that this transaction met another one: whatever the work makes of
/// the error, the connection has seen it.
#[derive(Clone, Default)]
pub(super) struct Contended(Arc<AtomicBool>);

impl Tx {
    pub(super) async fn begin(
        pools: &Pools,
        start: &Start,
        wake: &Arc<Wake>,
    ) -> Result<Self, Error> {
        let mut stale = 0;
        let (conn, contended) = loop {
            let mut conn = pools.get(start.share, remaining(start.deadline)?).await?;
            let contended = Contended::default();
            conn.set_instrumentation(contended.clone());
            match open(&mut conn, start).await {
                Ok(()) => break (conn, contended),
                // It ended while nobody used it; nothing has happened, the next one will do.
                Err(Error::DatabaseDown(_)) if stale < STALE_MAX => {
                    AnsiTransactionManager::transaction_manager_status_mut(&mut *conn)
                        .set_in_error();
                    stale += 1;
                }
                Err(error) => return Err(error),
            }
        };
        Ok(Self {
            conn,
            contended,
            origin: start.origin,
            after: AfterCommit::default(),
            wake: Arc::clone(wake),
        })
    }

    pub(super) async fn commit(&mut self) -> Result<(), Error> {
        let conn: &mut AsyncPgConnection = &mut self.conn;
        let result = AnsiTransactionManager::commit_transaction(conn).await;
        if let Err(error) = &result {
            self.contended.note(error);
        }
        result.map_err(classify)
    }

    pub(super) async fn rollback(&mut self) {
        let conn: &mut AsyncPgConnection = &mut self.conn;
        if let Err(error) = AnsiTransactionManager::rollback_transaction(conn).await {
            // The connection is broken then and leaves the pool; the server rolls back by itself.
            tracing::debug!(%error, "transaction could not be rolled back");
        }
    }

    pub(super) fn met_another(&self) -> bool {
        self.contended.0.load(Ordering::Relaxed)
    }
}

// === impl Contended ===

impl Contended {
    fn note(&self, error: &diesel::result::Error) {
        if super::classify::met_another(error) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

impl Instrumentation for Contended {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        if let InstrumentationEvent::FinishQuery {
            error: Some(error), ..
        } = event
        {
            self.note(error);
        }
    }
}

/// Opens the transaction. A connection is not tried out before: that would be a transaction of its
/// own for each of ours.
async fn open(conn: &mut AsyncPgConnection, start: &Start) -> Result<(), Error> {
    let statement = remaining(start.deadline)?
        .min(STATEMENT_MAX)
        .as_millis()
        .max(1);
    let begin = match start.access {
        Access::Read => "begin isolation level repeatable read read only",
        Access::Write => "begin",
    };
    let sql = format!(
        "{begin}; set local statement_timeout = {statement}; set local lock_timeout = {}",
        LOCK_WAIT.as_millis()
    );
    let opened = AnsiTransactionManager::begin_transaction_sql(conn, &sql);
    match tokio::time::timeout(BEGIN_WAIT, opened).await {
        Ok(result) => result.map_err(classify),
        Err(elapsed) => Err(Error::DatabaseDown(elapsed.into())),
    }
}

fn remaining(deadline: Option<Instant>) -> Result<Duration, Error> {
    let Some(deadline) = deadline else {
        return Ok(STATEMENT_MAX);
    };
    let remaining = deadline.saturating_duration_since(Instant::now());
    if remaining.is_zero() {
        Err(Error::DeadlineOver)
    } else {
        Ok(remaining)
    }
}

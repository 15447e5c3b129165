//! The service's database: a pool, and transactions that run to their end.
//!
//! [`Database::transaction`] is the only way to write: it runs in its own task, so that a caller
//! who goes away cannot cut it in half; its statements end with the caller's deadline; it is tried
//! again when the database says that it met another one. No SQL of a service stands here.

mod admission;
mod begin;
mod classify;
mod connect;
mod migrate;
mod pools;
mod wake;

use std::sync::Arc;
use std::time::Duration;

use bb8::PooledConnection;
use diesel_async::AsyncPgConnection;
use diesel_async::pooled_connection::AsyncDieselConnectionManager;
use tracing::Instrument;

use crate::config::DatabaseSettings;
use crate::error::Error;
use crate::origin::Origin;

pub(crate) use admission::Admission;
pub(crate) use classify::classify;
pub use classify::violated_constraint;
pub(crate) use connect::connect;
use pools::Pools;
pub(crate) use pools::Share;
pub(crate) use wake::{AfterCommit, Wake};

type Manager = AsyncDieselConnectionManager<AsyncPgConnection>;

/// One attempt, seen from here: a server that is frozen keeps no time of its own. Longer than the
/// few statements of a transaction may take together.
const ATTEMPT_MAX: Duration = Duration::from_secs(30);
/// Attempts at a transaction that meets others: beyond this the rows are too hot to go on.
const ATTEMPTS_MAX: u32 = 6;
/// First pause between two attempts; it doubles, with jitter.
const ATTEMPT_PAUSE: Duration = Duration::from_millis(5);

/// The service's database. Cheap to clone.
#[derive(Clone)]
pub struct Database {
    pools: Pools,
    settings: Arc<DatabaseSettings>,
    wake: Arc<Wake>,
}

/// A running transaction: statements go through [`Tx::conn`]; events, tasks and answers through
/// its other methods (`publish`, `enqueue`, `finish`, `claim`, `answer`).
pub struct Tx {
    conn: PooledConnection<'static, Manager>,
    contended: begin::Contended,
    pub(crate) origin: Origin,
    pub(crate) after: AfterCommit,
    pub(crate) wake: Arc<Wake>,
}

/// The work of a transaction: an async closure over `&mut Tx` whose future can be sent. Every
/// `async move |tx| { .. }` whose captures are `Clone + Send` is one.
pub trait Work<T, R>: AsyncFnOnce(T) -> R + FnOnce(T) -> <Self as Work<T, R>>::Fut {
    /// The future that the closure returns.
    type Fut: Future<Output = R>;
}

impl<F, T, Fut, R> Work<T, R> for F
where
    F: AsyncFnOnce(T) -> R + FnOnce(T) -> Fut,
    Fut: Future<Output = R>,
{
    type Fut = Fut;
}

// === impl Database ===

impl Database {
    /// Pools that connect when they are first used. Must be made inside a tokio runtime.
    pub fn new(settings: DatabaseSettings) -> Self {
        Self {
            pools: Pools::new(&settings),
            settings: Arc::new(settings),
            wake: Arc::default(),
        }
    }

    /// Runs `work` in one transaction and commits it when it succeeds.
    ///
    /// The closure is cloned for each attempt, so what it captures must be `Clone`; it must have
    /// no effect but on `tx`. The caller's deadline ends its statements. Dropping the returned
    /// future leaves the transaction running to its end.
    pub async fn transaction<R, E, F>(&self, work: F) -> Result<R, E>
    where
        F: for<'t> AsyncFnOnce(&'t mut Tx) -> Result<R, E>
            + for<'t> Work<&'t mut Tx, Result<R, E>, Fut: Send>
            + Clone
            + Send
            + 'static,
        R: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.spawn(begin::Access::Write, work).await
    }

    /// Runs `work` in one read-only transaction: everything it reads is of one moment.
    pub async fn read<R, E, F>(&self, work: F) -> Result<R, E>
    where
        F: for<'t> AsyncFnOnce(&'t mut Tx) -> Result<R, E>
            + for<'t> Work<&'t mut Tx, Result<R, E>, Fut: Send>
            + Clone
            + Send
            + 'static,
        R: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.spawn(begin::Access::Read, work).await
    }

    /// Who may work on calls of the edge, by how long these wait for this database.
    pub(crate) fn admission(&self) -> Admission {
        self.pools.admission.clone()
    }

    pub(crate) fn wake(&self) -> &Wake {
        &self.wake
    }

    /// A connection of its own, outside the pool.
    pub(crate) async fn connect(&self) -> Result<AsyncPgConnection, Error> {
        connect(&self.settings)
            .await
            .map_err(|error| Error::DatabaseDown(error.into()))
    }

    async fn spawn<R, E, F>(&self, access: begin::Access, work: F) -> Result<R, E>
    where
        F: for<'t> AsyncFnOnce(&'t mut Tx) -> Result<R, E>
            + for<'t> Work<&'t mut Tx, Result<R, E>, Fut: Send>
            + Clone
            + Send
            + 'static,
        R: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        // Both live in the caller's task and are not seen from the spawned one.
        let start = begin::Start {
            access,
            share: Share::current(),
            deadline: mesh_dataplane::deadline::current(),
            origin: crate::origin::current(),
        };
        let database = self.clone();
        let run = async move { database.attempts(start, work).await };
        match tokio::spawn(run.in_current_span()).await {
            Ok(result) => result,
            Err(error) => Err(Error::Panicked(error).into()),
        }
    }

    async fn attempts<R, E, F>(&self, start: begin::Start, work: F) -> Result<R, E>
    where
        F: for<'t> AsyncFnOnce(&'t mut Tx) -> Result<R, E>
            + for<'t> Work<&'t mut Tx, Result<R, E>, Fut: Send>
            + Clone
            + Send
            + 'static,
        E: From<Error> + Send + 'static,
    {
        let mut attempt = 1;
        loop {
            let one = tokio::time::timeout(ATTEMPT_MAX, self.attempt(&start, work.clone()));
            // What was begun is rolled back with its connection, which leaves the pool.
            let (result, met_another) = one
                .await
                .map_err(|elapsed| E::from(Error::DatabaseDown(elapsed.into())))?;
            match result {
                Err(_) if met_another && attempt < ATTEMPTS_MAX => {
                    tokio::time::sleep(pause(attempt)).await;
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    /// One attempt, and whether it met another transaction.
    async fn attempt<R, E, F>(&self, start: &begin::Start, work: F) -> (Result<R, E>, bool)
    where
        F: for<'t> AsyncFnOnce(&'t mut Tx) -> Result<R, E>
            + for<'t> Work<&'t mut Tx, Result<R, E>, Fut: Send>
            + Send
            + 'static,
        E: From<Error> + Send + 'static,
    {
        let mut tx = match Tx::begin(&self.pools, start, &self.wake).await {
            Ok(tx) => tx,
            Err(error) => return (Err(error.into()), false),
        };
        let result = match work(&mut tx).await {
            Ok(result) => tx.commit().await.map(|()| result).map_err(E::from),
            Err(error) => {
                tx.rollback().await;
                Err(error)
            }
        };
        if result.is_ok() {
            self.wake.after(std::mem::take(&mut tx.after));
        }
        (result, tx.met_another())
    }
}

// === impl Tx ===

impl Tx {
    /// The connection, for the statements of the service's store.
    pub fn conn(&mut self) -> &mut AsyncPgConnection {
        &mut self.conn
    }
}

fn pause(attempt: u32) -> Duration {
    let most = ATTEMPT_PAUSE * 2_u32.saturating_pow(attempt);
    most.mul_f64(rand::random_range(0.5..1.0))
}

#[cfg(test)]
mod tests;

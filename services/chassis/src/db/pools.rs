//! The connections of a service in two shares: one for the calls of the edge, one for everything
//! that carries on what was accepted. However much comes in from the edge, events, tasks and the
//! calls of other services find a connection.

use std::time::Duration;

use bb8::PooledConnection;

use super::{Admission, Manager, connect};
use crate::config::DatabaseSettings;
use crate::error::Error;

/// Connections for calls of the edge. Transactions are short: eight keep two processors busy.
pub(super) const EDGE_CONNECTIONS_MAX: u32 = 8;
/// Connections for all other work: partitions, tasks, calls of other services. With the edge's
/// they are twenty, for which the server has room four times and again during restarts.
const WORK_CONNECTIONS_MAX: u32 = 12;
/// How long a transaction waits for a free connection, and so for a database that is away.
const CONNECTION_WAIT: Duration = Duration::from_secs(3);

tokio::task_local! {
    static SHARE: Share;
}

/// Whose connections a transaction uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    /// Calls of the edge.
    Edge,
    /// Everything else.
    Work,
}

/// Both shares.
#[derive(Clone)]
pub(super) struct Pools {
    edge: bb8::Pool<Manager>,
    work: bb8::Pool<Manager>,
    pub(super) admission: Admission,
}

// === impl Share ===

impl Share {
    /// The share of the work around this call.
    pub(super) fn current() -> Self {
        SHARE.try_with(|share| *share).unwrap_or(Self::Work)
    }

    /// Runs `work` with this share.
    pub(crate) fn scope<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        SHARE.scope(self, work)
    }
}

// === impl Pools ===

impl Pools {
    pub(super) fn new(settings: &DatabaseSettings) -> Self {
        let pool = |size| {
            bb8::Pool::builder()
                .max_size(size)
                .connection_timeout(CONNECTION_WAIT)
                .build_unchecked(connect::manager(settings))
        };
        Self {
            edge: pool(EDGE_CONNECTIONS_MAX),
            work: pool(WORK_CONNECTIONS_MAX),
            admission: Admission::default(),
        }
    }

    /// A connection within `most`.
    pub(super) async fn get(
        &self,
        share: Share,
        most: Duration,
    ) -> Result<PooledConnection<'static, Manager>, Error> {
        match share {
            Share::Work => get(&self.work, most).await,
            Share::Edge => {
                let _waiting = self.admission.wait();
                get(&self.edge, most).await
            }
        }
    }
}

async fn get(
    pool: &bb8::Pool<Manager>,
    most: Duration,
) -> Result<PooledConnection<'static, Manager>, Error> {
    match tokio::time::timeout(most.min(CONNECTION_WAIT), pool.get_owned()).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(Error::DatabaseDown(error.into())),
        Err(elapsed) => Err(Error::DatabaseDown(elapsed.into())),
    }
}

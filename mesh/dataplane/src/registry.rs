//! The registry of connections: whom each one belongs to, when it ends, how many calls it carries.
//! Both directions stand in it. It keeps books; `inbound` and `outbound` act.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use mesh_identity::SpiffeId;
use mesh_transport::PeerIdentity;
use tokio_util::sync::CancellationToken;

use crate::metrics::{self, Direction, Traffic};

const OPEN: u8 = 0;
const DRAINING: u8 = 1;
const ENDING: u8 = 2;

/// All connections of one workload.
#[derive(Debug)]
pub(crate) struct Registry {
    own: SpiffeId,
    next_id: AtomicU64,
    connections: Mutex<BTreeMap<u64, Arc<Connection>>>,
}

/// One connection. It stands in the registry as long as its [`Registered`] lives.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: u64,
    pub(crate) direction: Direction,
    pub(crate) remote: SocketAddr,
    /// Of inbound ones.
    pub(crate) arrival: Option<Arrival>,
    pub(crate) peer: Option<PeerIdentity>,
    /// Serial of the own certificate that the handshake showed.
    pub(crate) own_serial: Option<String>,
    /// Which of the own identities that was, counted from one. Configuration epochs take over
    /// when there is a configuration to number.
    pub(crate) epoch: u64,
    pub(crate) opened_at: SystemTime,
    pub(crate) age: Duration,
    pub(crate) traffic: Arc<Traffic>,
    /// Cancelled at the end of the grace: each open call then ends with `connection_drained`.
    pub(crate) end_streams: CancellationToken,
    phase: AtomicU8,
    streams: AtomicUsize,
    calls: AtomicU64,
}

/// What a new connection is.
pub(crate) struct Opened {
    pub(crate) direction: Direction,
    pub(crate) remote: SocketAddr,
    /// Of inbound ones.
    pub(crate) arrival: Option<Arrival>,
    pub(crate) peer: Option<PeerIdentity>,
    pub(crate) own_serial: Option<String>,
    pub(crate) epoch: u64,
    pub(crate) age: Duration,
    pub(crate) mutual_tls: bool,
}

/// Where a connection came in.
#[derive(Debug)]
pub(crate) struct Arrival {
    /// The address of our end.
    pub(crate) local: SocketAddr,
    /// The server name that the client asked for in its handshake; empty without.
    pub(crate) sni: Box<str>,
}

/// Keeps a connection in the registry.
pub(crate) struct Registered {
    connection: Arc<Connection>,
    registry: Arc<Registry>,
}

/// Counts a call as open on its connection.
#[derive(Debug)]
pub(crate) struct OpenStream(Arc<Connection>);

// === impl Registry ===

impl Registry {
    pub(crate) fn new(own: SpiffeId) -> Self {
        Self {
            own,
            next_id: AtomicU64::new(1),
            connections: Mutex::default(),
        }
    }

    pub(crate) fn open(self: &Arc<Self>, opened: Opened) -> Registered {
        let peer_id = opened.peer.as_ref().map(|peer| peer.id.clone());
        let traffic = Traffic::new(
            opened.direction,
            self.own.clone(),
            peer_id,
            opened.mutual_tls,
        );
        let connection = Arc::new(Connection {
            id: self.next_id.fetch_add(1, Ordering::Relaxed),
            direction: opened.direction,
            remote: opened.remote,
            arrival: opened.arrival,
            peer: opened.peer,
            own_serial: opened.own_serial,
            epoch: opened.epoch,
            opened_at: SystemTime::now(),
            age: opened.age,
            traffic: Arc::new(traffic),
            end_streams: CancellationToken::new(),
            phase: AtomicU8::new(OPEN),
            streams: AtomicUsize::new(0),
            calls: AtomicU64::new(0),
        });
        self.lock().insert(connection.id, Arc::clone(&connection));
        metrics::connection_opened(&self.own, connection.direction);
        Registered {
            connection,
            registry: Arc::clone(self),
        }
    }

    pub(crate) fn list(&self) -> Vec<Arc<Connection>> {
        self.lock().values().cloned().collect()
    }

    pub(crate) fn own(&self) -> &SpiffeId {
        &self.own
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Connection>>> {
        // Nothing panics while the map is held.
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Connection ===

impl Connection {
    /// Notes that the connection takes no new calls. True for the first caller only.
    pub(crate) fn retire(&self, own: &SpiffeId, cause: &str) -> bool {
        let first = self
            .phase
            .compare_exchange(OPEN, DRAINING, Ordering::AcqRel, Ordering::Acquire)
            .is_ok();
        if first {
            metrics::connection_retired(own, self.direction, cause);
        }
        first
    }

    pub(crate) fn is_retired(&self) -> bool {
        self.phase.load(Ordering::Acquire) != OPEN
    }

    /// Ends every open call.
    pub(crate) fn end(&self) {
        self.phase.store(ENDING, Ordering::Release);
        self.end_streams.cancel();
    }

    pub(crate) fn phase(&self) -> &'static str {
        match self.phase.load(Ordering::Acquire) {
            OPEN => "open",
            DRAINING => "draining",
            _ => "ending",
        }
    }

    pub(crate) fn streams(&self) -> usize {
        self.streams.load(Ordering::Acquire)
    }

    pub(crate) fn age_so_far(&self) -> Duration {
        // A clock that was set back makes it young, which only means a short wait.
        self.opened_at.elapsed().unwrap_or_default()
    }

    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    pub(crate) fn open_stream(self: &Arc<Self>) -> OpenStream {
        self.streams.fetch_add(1, Ordering::AcqRel);
        self.calls.fetch_add(1, Ordering::Relaxed);
        OpenStream(Arc::clone(self))
    }

    /// Counts a call unless the connection carries `limit` already.
    pub(crate) fn try_open_stream(self: &Arc<Self>, limit: usize) -> Option<OpenStream> {
        self.streams
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |open| {
                (open < limit).then_some(open + 1)
            })
            .ok()?;
        self.calls.fetch_add(1, Ordering::Relaxed);
        Some(OpenStream(Arc::clone(self)))
    }
}

// === impl Registered ===

impl Registered {
    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.registry.lock().remove(&self.connection.id);
        metrics::connection_closed(&self.registry.own, self.connection.direction);
    }
}

// === impl OpenStream ===

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::AcqRel);
    }
}

//! Making one outbound connection, and its life until it ends: handshake with the expected
//! identity, HTTP/2, age, goodbye.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use hyper::client::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use mesh_transport::PeerIdentity;
use tokio::{net::TcpStream, sync::Notify};
use tokio_rustls::TlsConnector;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{discovery::Endpoint, replay::ReplayBody};
use crate::{
    age::Bounds,
    metrics::{self, Direction},
    own_identity::{OwnIdentity, Shown, Unusable},
    registry::{Connection, Opened, Registered, Registry},
    socket::{Socket, Watched},
};

/// Inside one network a peer accepts in milliseconds; this is for lost packets.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// As long as our own servers give a handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// As ztunnel: more calls at once go on another connection, so that one loss does not hit all.
const STREAMS_MAX: usize = 100;
/// Answers of a stream that may wait here for a slow reader.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
/// All streams of a connection together.
const CONNECTION_WINDOW_BYTES: u32 = 2 * 1024 * 1024;
/// What a request may be ahead of the network before its sender waits.
const SEND_BUFFER_BYTES: usize = 128 * 1024;
/// Calls that we gave up and whose late frames must be recognised. With h2's 50, a burst of
/// deadlines would be taken for a broken peer and cost all calls of the connection.
const RESETS_KEPT_MAX: usize = 1024;
/// The same limit as for requests.
const HEADER_LIST_BYTES_MAX: u32 = 16 * 1024;
/// A server that vanished is noticed within interval and timeout, also when nothing is sent, so
/// that the first call after a pause does not find a dead connection.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(20);
/// See above.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// What dialling needs to know of this workload.
#[derive(Debug)]
pub(crate) struct Dialer {
    pub(crate) registry: Arc<Registry>,
    /// None: plaintext.
    pub(crate) identity: Option<Arc<OwnIdentity>>,
    pub(crate) connection_age: Duration,
    pub(crate) drain_grace: Duration,
    /// Keeps the tasks of the workload running: the identity, the endpoints, the plain listeners.
    pub(crate) background: Arc<DropGuard>,
}

/// A connection that takes calls. Dropped by everybody, it ends when its calls have ended.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) sender: http2::SendRequest<ReplayBody>,
    pub(crate) connection: Arc<Connection>,
    pub(crate) state: Arc<LinkState>,
}

/// What a connection's task and its users tell each other.
#[derive(Debug)]
pub(crate) struct LinkState {
    /// Calls that the peer takes at once, and no more than we want on one connection.
    streams_max: AtomicUsize,
    /// Somebody met the limit: it may have been raised.
    look_again: Notify,
    /// The peer has answered a call: it has accepted our identity.
    proved: AtomicBool,
}

/// How a connection's task ended its part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retired {
    /// It reached its age.
    Age,
    /// The peer said goodbye.
    GoAway,
    /// It broke.
    Lost,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    #[error("no connection within {CONNECT_TIMEOUT:?}")]
    ConnectTimeout,
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    #[error("no handshake within {HANDSHAKE_TIMEOUT:?}")]
    HandshakeTimeout,
    #[error("handshake: {}", mesh_transport::handshake_failure(.0))]
    Handshake(io::Error),
    #[error("handshake: {0}")]
    Peer(#[from] mesh_transport::Error),
    #[error("HTTP/2: {0}")]
    Http2(#[from] hyper::Error),
    #[error(transparent)]
    Own(#[from] Unusable),
}

type Http2 = http2::Connection<TokioIo<Socket>, ReplayBody, Tasks>;

/// Runs hyper's tasks of one connection; all of them end when the connection is cut.
#[derive(Clone)]
struct Tasks {
    cut: CancellationToken,
    alive: Arc<Alive>,
}

/// Lives as long as any task of the connection, that is, as its socket.
struct Alive {
    _registered: Registered,
    _ended: DropGuard,
}

/// A connection and what its task watches.
pub(crate) struct Dialed {
    pub(crate) link: Link,
    http2: Http2,
    ended: CancellationToken,
}

// === impl Dialer ===

impl Dialer {
    pub(crate) async fn dial(&self, endpoint: &Endpoint) -> Result<Dialed, DialError> {
        let dialed = self.shake_hands(endpoint).await;
        if !matches!(
            dialed,
            Ok(_) | Err(DialError::Connect(_) | DialError::ConnectTimeout)
        ) {
            metrics::handshake_failed(self.registry.own(), Direction::Outbound);
        }
        let (socket, opened) = dialed?;
        let registered = self.registry.open(opened);
        let connection = Arc::clone(registered.connection());
        let ended = CancellationToken::new();
        let tasks = Tasks {
            cut: connection.end_streams.clone(),
            alive: Arc::new(Alive {
                _registered: registered,
                _ended: ended.clone().drop_guard(),
            }),
        };
        let (sender, http2) = builder(tasks).handshake(TokioIo::new(socket)).await?;
        let state = Arc::new(LinkState {
            streams_max: AtomicUsize::new(http2.current_max_send_streams().clamp(1, STREAMS_MAX)),
            look_again: Notify::new(),
            proved: AtomicBool::new(false),
        });
        Ok(Dialed {
            link: Link {
                sender,
                connection,
                state,
            },
            http2,
            ended,
        })
    }

    /// For tests of what stands on it.
    #[cfg(test)]
    pub(crate) fn plaintext(registry: &Arc<Registry>) -> Arc<Self> {
        Arc::new(Self {
            registry: Arc::clone(registry),
            identity: None,
            connection_age: Duration::from_secs(60),
            drain_grace: Duration::ZERO,
            background: Arc::new(CancellationToken::new().drop_guard()),
        })
    }

    async fn shake_hands(&self, endpoint: &Endpoint) -> Result<(Socket, Opened), DialError> {
        // Before the dial: without an identity nothing should even be seen on the wire.
        let shown = match &self.identity {
            Some(identity) => Some(identity.client(&endpoint.id)?),
            None => None,
        };
        let tcp = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(endpoint.address))
            .await
            .map_err(|_| DialError::ConnectTimeout)?
            .map_err(DialError::Connect)?;
        tcp.set_nodelay(true).map_err(DialError::Connect)?;
        let tcp = Watched::new(tcp);
        let Some(shown) = shown else {
            return Ok((Socket::Plain(tcp), self.opened(endpoint, None, None)));
        };
        let connector = TlsConnector::from(Arc::clone(&shown.config));
        let tls = connector.connect(mesh_transport::unnamed_server(), tcp);
        let tls = tokio::time::timeout(HANDSHAKE_TIMEOUT, tls)
            .await
            .map_err(|_| DialError::HandshakeTimeout)?
            .map_err(DialError::Handshake)?;
        mesh_transport::require_h2(tls.get_ref().1)?;
        let peer = mesh_transport::peer_identity(tls.get_ref().1)?;
        let opened = self.opened(endpoint, Some(peer), Some(shown));
        Ok((Socket::Tls(Box::new(tls.into())), opened))
    }

    fn opened(
        &self,
        endpoint: &Endpoint,
        peer: Option<PeerIdentity>,
        shown: Option<Shown<rustls::ClientConfig>>,
    ) -> Opened {
        let bounds = Bounds {
            own_not_after: shown.as_ref().map(|shown| shown.not_after),
            peer_not_after: peer.as_ref().map(|peer| peer.not_after),
            configured: self.connection_age,
        };
        Opened {
            direction: Direction::Outbound,
            remote: endpoint.address,
            arrival: None,
            mutual_tls: shown.is_some(),
            peer,
            epoch: shown.as_ref().map_or(0, |shown| shown.epoch),
            own_serial: shown.map(|shown| shown.serial),
            age: bounds.age(SystemTime::now()),
        }
    }
}

// === impl Dialed ===

impl Dialed {
    /// Drives the connection to its end. `retired` is called once, when it takes no new calls.
    pub(crate) async fn keep(
        self,
        own: &mesh_identity::SpiffeId,
        drain_grace: Duration,
        retired: impl FnOnce(&Arc<Connection>, &LinkState, Retired),
    ) {
        let Self {
            link,
            mut http2,
            ended,
        } = self;
        let Link {
            sender,
            connection,
            state,
        } = link;
        // The pool and the calls have their own; this one would keep the connection open.
        drop(sender);
        let cause = drive(&mut http2, &connection, &state).await;
        connection.retire(own, cause.as_str());
        retired(&connection, &state, cause);
        let goodbye = async {
            if cause == Retired::Age {
                // Ends when the last sender is dropped; how it ends concerns its calls alone.
                let _ = http2.await;
            } else {
                drop(http2);
            }
            ended.cancelled().await;
        };
        if tokio::time::timeout(drain_grace, goodbye).await.is_err() {
            connection.end();
        }
    }
}

async fn drive(http2: &mut Http2, connection: &Connection, state: &LinkState) -> Retired {
    let mut age = std::pin::pin!(tokio::time::sleep(connection.age));
    loop {
        let driven = std::future::poll_fn(|cx| {
            let ended = Pin::new(&mut *http2).poll(cx);
            state.set_streams_max(http2.current_max_send_streams());
            ended
        });
        tokio::select! {
            ended = driven => return match ended {
                Ok(()) => Retired::GoAway,
                Err(error) => {
                    tracing::debug!(id = connection.id, %error, "connection lost");
                    Retired::Lost
                }
            },
            () = age.as_mut() => return Retired::Age,
            () = state.look_again.notified() => {}
        }
    }
}

fn builder(tasks: Tasks) -> http2::Builder<Tasks> {
    let mut builder = http2::Builder::new(tasks);
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .initial_max_send_streams(STREAMS_MAX)
        .max_header_list_size(HEADER_LIST_BYTES_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_concurrent_reset_streams(RESETS_KEPT_MAX)
        .max_send_buf_size(SEND_BUFFER_BYTES);
    builder
}

// === impl LinkState ===

impl LinkState {
    pub(crate) fn streams_max(&self) -> usize {
        self.streams_max.load(Ordering::Acquire)
    }

    fn set_streams_max(&self, peer: usize) {
        // A peer that allows none for the moment gets one that waits in its queue.
        self.streams_max
            .store(peer.clamp(1, STREAMS_MAX), Ordering::Release);
    }

    pub(crate) fn look_again(&self) {
        self.look_again.notify_one();
    }

    /// Notes the first answer. True for the first one only.
    pub(crate) fn prove(&self) -> bool {
        !self.proved.load(Ordering::Acquire) && !self.proved.swap(true, Ordering::AcqRel)
    }

    pub(crate) fn is_proved(&self) -> bool {
        self.proved.load(Ordering::Acquire)
    }
}

// === impl Retired ===

impl Retired {
    fn as_str(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::GoAway => "goaway",
            Self::Lost => "lost",
        }
    }
}

// === impl Tasks ===

impl<F> hyper::rt::Executor<F> for Tasks
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, task: F) {
        let Self { cut, alive } = self.clone();
        tokio::spawn(async move {
            let _ = cut.run_until_cancelled(task).await;
            drop(alive);
        });
    }
}

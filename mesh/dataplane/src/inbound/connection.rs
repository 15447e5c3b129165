//! One inbound connection: handshake, HTTP/2, age, goodbye.

use std::{
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use hyper::server::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use mesh_identity::SpiffeId;
use mesh_transport::PeerIdentity;
use rustls::server::Acceptor;
use tokio::{net::TcpStream, sync::Semaphore};
use tokio_rustls::{LazyConfigAcceptor, server::TlsStream};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    guard::Guard,
    places::{Place, Places},
    stack::{Offered, Rules, Stack},
    tasks::StreamTasks,
};
use crate::{
    age::Bounds,
    metrics::{self, Direction},
    own_identity::{OwnIdentity, Shown},
    registry::{Arrival, Connection, Opened, Registered, Registry},
    socket::{Socket, Watched},
};

/// A handshake takes two round trips and a signature; who needs longer is stalling.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// Handshakes are the expensive part of a connection storm; more at once only make all slower.
const HANDSHAKES_MAX: usize = 256;
/// How long a handshake counts among those. A good one takes milliseconds; those that stall give
/// their turn to the next one and go on beside it.
const HANDSHAKE_TURN: Duration = Duration::from_millis(500);
/// Connections from one address that nobody has vouched for yet: half of all places, so that one
/// host cannot take them all without so much as a certificate.
const STRANGERS_PER_ADDRESS_MAX: usize = 1024;
/// Connections of one identity, all its replicas together: a quarter of all places.
const CONNECTIONS_PER_PEER_MAX: usize = 512;
/// A client that has shaken hands has something to say. hyper waits for its first words for ever.
const PREFACE_TIMEOUT: Duration = Duration::from_secs(5);
/// Several times what our own pool puts on a connection, so that it never meets the limit.
const STREAMS_MAX: u32 = 256;
/// Tokens and trace context need two or three; hyper's default of 16 KiB, stated.
const HEADER_LIST_BYTES_MAX: u32 = 16 * 1024;
/// One stream may be this far ahead of its reader: several usual messages.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
/// All streams of a connection together; bounds the memory of one peer.
const CONNECTION_WINDOW_BYTES: u32 = 2 * 1024 * 1024;
/// What one answer may be ahead of the network before its handler waits.
const SEND_BUFFER_BYTES: usize = 128 * 1024;
/// The frame size that every peer must take; larger ones block other streams for longer.
const FRAME_BYTES_MAX: u32 = 16 * 1024;
/// A peer that vanished is noticed within interval and timeout, 30 s together.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(20);
/// See above.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// Rapid reset: streams that were reset before we saw them. With h2's 20, a busy server takes one
/// burst of a good client's deadlines for an attack, and ends all its other calls.
const PENDING_RESETS_MAX: usize = 256;
/// Made-you-reset: streams that we had to reset for the peer's mistakes (hyper's default, stated).
/// It counts over the whole life of a connection, and late frames of refused calls count, too.
const ERROR_RESETS_MAX: usize = 1024;
/// hyper cuts a connection that is told to stop before it has seen the client's preface, and with
/// it a call that is on its way. Clients dial when they have a call, so a new one waits this long.
const SETTLE_TIME: Duration = Duration::from_millis(500);
/// After the last trailers were queued: time to write them before the socket is cut.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// What all connections of a server share.
pub(crate) struct Server {
    pub(crate) rules: Arc<Rules>,
    pub(crate) registry: Arc<Registry>,
    /// None: plaintext.
    pub(crate) identity: Option<Arc<OwnIdentity>>,
    pub(crate) connection_age: Duration,
    pub(crate) drain_grace: Duration,
    pub(crate) shutdown: CancellationToken,
    handshakes: Semaphore,
    strangers: Arc<Places<IpAddr>>,
    peers: Arc<Places<SpiffeId>>,
    /// As long as calls come in, the workload's own tasks go on.
    _background: Arc<DropGuard>,
}

/// A connection whose handshake is done.
struct Shaken {
    socket: Socket,
    opened: Opened,
    /// Counts the connection among those of its peer.
    place: Option<Place<SpiffeId>>,
}

/// Why a handshake led to nothing.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("it took longer than {HANDSHAKE_TIMEOUT:?}")]
    Timeout,
    #[error("{STRANGERS_PER_ADDRESS_MAX} handshakes of this address are under way")]
    Strangers,
    #[error("{0} has {CONNECTIONS_PER_PEER_MAX} connections")]
    Crowd(SpiffeId),
    #[error("the connection is gone: {0}")]
    Gone(std::io::Error),
    #[error("{}", mesh_transport::handshake_failure(.0))]
    Tls(std::io::Error),
    #[error(transparent)]
    Peer(#[from] mesh_transport::Error),
    #[error(transparent)]
    Own(#[from] crate::own_identity::Unusable),
}

// === impl Server ===

impl Server {
    pub(crate) fn new(
        rules: Rules,
        registry: Arc<Registry>,
        identity: Option<Arc<OwnIdentity>>,
        ages: (Duration, Duration),
        shutdown: CancellationToken,
        background: Arc<DropGuard>,
    ) -> Self {
        let (connection_age, drain_grace) = ages;
        let handshakes = Semaphore::new(HANDSHAKES_MAX);
        let rules = Arc::new(rules);
        Self {
            rules,
            registry,
            identity,
            connection_age,
            drain_grace,
            shutdown,
            handshakes,
            strangers: Places::new(STRANGERS_PER_ADDRESS_MAX),
            peers: Places::new(CONNECTIONS_PER_PEER_MAX),
            _background: background,
        }
    }

    /// Serves one connection to its end.
    pub(crate) async fn serve(&self, tcp: TcpStream, remote: SocketAddr, service: Offered) {
        match self.shake_hands(tcp, remote).await {
            Ok(shaken) => {
                let registered = self.registry.open(shaken.opened);
                self.drive(shaken.socket, registered, service).await;
                drop(shaken.place);
            }
            Err(refused) => {
                metrics::handshake_failed(self.registry.own(), Direction::Inbound);
                tracing::info!(%remote, reason = %refused, "handshake refused");
            }
        }
    }

    async fn shake_hands(&self, tcp: TcpStream, remote: SocketAddr) -> Result<Shaken, Refused> {
        let Some(identity) = &self.identity else {
            let arrival = Arrival {
                local: tcp.local_addr().map_err(Refused::Gone)?,
                sni: Box::default(),
            };
            let opened = self.opened(remote, arrival, None, None);
            return Ok(Shaken {
                socket: Socket::Plain(Watched::new(tcp)),
                opened,
                place: None,
            });
        };
        let local = tcp.local_addr().map_err(Refused::Gone)?;
        let stranger = self.strangers.take(remote.ip()).ok_or(Refused::Strangers)?;
        // All waits count: behind others that stall they would have no bound at all.
        let (tls, shown) =
            tokio::time::timeout(HANDSHAKE_TIMEOUT, self.tls(identity, Watched::new(tcp)))
                .await
                .map_err(|_| Refused::Timeout)??;
        drop(stranger);
        mesh_transport::require_h2(tls.get_ref().1)?;
        let peer = mesh_transport::peer_identity(tls.get_ref().1)?;
        let place = self.peers.take(peer.id.clone());
        let place = place.ok_or_else(|| Refused::Crowd(peer.id.clone()))?;
        let sni = tls.get_ref().1.server_name().unwrap_or_default().into();
        let opened = self.opened(remote, Arrival { local, sni }, Some(peer), Some(shown));
        Ok(Shaken {
            socket: Socket::Tls(Box::new(tls.into())),
            opened,
            place: Some(place),
        })
    }

    /// Who says nothing, or half a hello, waits beside the others and not among them.
    async fn tls(
        &self,
        identity: &OwnIdentity,
        tcp: Watched,
    ) -> Result<(TlsStream<Watched>, Shown<rustls::ServerConfig>), Refused> {
        let hello = LazyConfigAcceptor::new(Acceptor::default(), tcp).await;
        let hello = hello.map_err(Refused::Tls)?;
        // Never closed, so there is always a permit in the end.
        let turn = self.handshakes.acquire().await;
        let shown = identity.server()?;
        let mut accept = hello.into_stream(Arc::clone(&shown.config));
        let tls = match tokio::time::timeout(HANDSHAKE_TURN, &mut accept).await {
            Ok(tls) => tls,
            Err(_) => {
                drop(turn);
                accept.await
            }
        };
        Ok((tls.map_err(Refused::Tls)?, shown))
    }

    fn opened(
        &self,
        remote: SocketAddr,
        arrival: Arrival,
        peer: Option<PeerIdentity>,
        shown: Option<Shown<rustls::ServerConfig>>,
    ) -> Opened {
        let bounds = Bounds {
            own_not_after: shown.as_ref().map(|shown| shown.not_after),
            peer_not_after: peer.as_ref().map(|peer| peer.not_after),
            configured: self.connection_age,
        };
        Opened {
            direction: Direction::Inbound,
            remote,
            arrival: Some(arrival),
            mutual_tls: shown.is_some(),
            peer,
            epoch: shown.as_ref().map_or(0, |shown| shown.epoch),
            own_serial: shown.map(|shown| shown.serial),
            age: bounds.age(SystemTime::now()),
        }
    }

    async fn drive(&self, socket: Socket, registered: Registered, service: Offered) {
        let connection = registered.connection();
        let stack = Stack {
            service,
            rules: Arc::clone(&self.rules),
            connection: Arc::clone(connection),
        };
        let begun = Arc::new(AtomicBool::new(false));
        let guard = Guard::new(socket, Arc::clone(&begun));
        let mut http2 = pin!(builder().serve_connection(TokioIo::new(guard), stack));
        let silent = async {
            tokio::time::sleep(PREFACE_TIMEOUT).await;
            if begun.load(Ordering::Relaxed) {
                std::future::pending().await
            }
        };
        let cause = tokio::select! {
            ended = http2.as_mut() => return log_end(connection, ended),
            () = silent => {
                tracing::info!(id = connection.id, remote = %connection.remote, "silent, cut");
                return;
            }
            () = tokio::time::sleep(connection.age) => "age",
            () = self.shutdown.cancelled() => "shutdown",
        };
        let settled = connection.age_so_far() >= SETTLE_TIME || connection.calls() > 0;
        if !settled && let Ok(ended) = tokio::time::timeout(SETTLE_TIME, http2.as_mut()).await {
            return log_end(connection, ended);
        }
        connection.retire(self.registry.own(), cause);
        tracing::debug!(id = connection.id, cause, "saying goodbye");
        http2.as_mut().graceful_shutdown();
        tokio::select! {
            ended = http2.as_mut() => return log_end(connection, ended),
            () = tokio::time::sleep(self.drain_grace) => {}
        }
        connection.end();
        tokio::select! {
            ended = http2.as_mut() => log_end(connection, ended),
            () = tokio::time::sleep(FLUSH_TIMEOUT) => {
                tracing::info!(id = connection.id, remote = %connection.remote, "connection cut");
            }
        }
    }
}

fn builder() -> http2::Builder<StreamTasks> {
    let mut builder = http2::Builder::new(StreamTasks);
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADER_LIST_BYTES_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES_MAX)
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .max_pending_accept_reset_streams(PENDING_RESETS_MAX)
        .max_local_error_reset_streams(ERROR_RESETS_MAX)
        // gRPC has no use for it.
        .auto_date_header(false);
    builder
}

/// Clients close first after a goodbye, so an i/o error here is the usual end.
fn log_end(connection: &Connection, ended: Result<(), hyper::Error>) {
    let (id, remote) = (connection.id, connection.remote);
    match ended {
        Ok(()) => tracing::debug!(id, %remote, "connection ended"),
        Err(error) => tracing::debug!(id, %remote, %error, "connection ended"),
    }
}

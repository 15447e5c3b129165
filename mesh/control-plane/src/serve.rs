//! The TLS listener of the authority.
//!
//! It is not the data plane's: that one needs an SVID to begin with, and takes nobody without one.
//! Clients here connect for one request, so a connection lives shortly and may be cut.

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use mesh_identity::SpiffeId;
use mesh_transport::{handshake_failure, peer_identity, require_h2};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::server::NamedService;
use tonic::service::Routes;
use tower::ServiceExt;

use crate::own_certificate::OwnCertificate;

/// Connections at once; more wait in the kernel's backlog. Anybody may connect, so there are more
/// than callers: one that stalls costs a few kilobytes for as long as its handshake may take.
const CONNECTIONS_MAX: usize = 2048;

/// A handshake takes milliseconds; one that stalls holds a place.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// Clients make one request per connection; what stays longer is sent away.
const CONNECTION_AGE_MAX: Duration = Duration::from_secs(60);

/// Time for requests that were under way when the connection was told to end.
const DRAIN_GRACE: Duration = Duration::from_secs(5);

/// Requests at once on one connection.
const STREAMS_MAX: u32 = 16;

/// Size of all headers of a request in bytes: a token takes 350.
const HEADER_BYTES_MAX: u32 = 16 * 1024;

/// As much as the longest request that is decoded: anybody may connect here, token or not.
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;

/// All requests of a connection together.
const CONNECTION_WINDOW_BYTES: u32 = 128 * 1024;

/// An answer takes 3 KiB.
const SEND_BUFFER_BYTES: usize = 16 * 1024;

/// Requests that were reset before we saw them, or by us: a good client makes one request.
const RESETS_MAX: usize = 20;

/// Idle peers are asked for a sign of life, and cut without one.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long to wait when the system has no room for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Who is at the other end: always an address, an identity only where one was shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Remote {
    address: Option<SocketAddr>,
    id: Option<SpiffeId>,
}

/// Accepts until `shutdown`, each connection in a task of its own.
pub(crate) async fn serve<S>(
    listener: TcpListener,
    service: S,
    certificate: OwnCertificate,
    shutdown: CancellationToken,
    tasks: TaskTracker,
) where
    S: tower::Service<
            Request<tonic::body::Body>,
            Response = http::Response<tonic::body::Body>,
            Error = Infallible,
        > + NamedService
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send,
{
    let routes = Routes::new(service).prepare();
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => return,
            accepted = accept(&listener, &room) => accepted,
        };
        let (socket, address, permit) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections, trying again");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let config = match certificate.server_config(SystemTime::now()) {
            Ok(config) => config,
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(error, "no certificate of our own, connection dropped");
                continue;
            }
        };
        let (routes, shutdown) = (routes.clone(), shutdown.clone());
        tasks.spawn(async move {
            if let Some((stream, remote)) = handshake(socket, address, config).await {
                exchange(stream, remote, routes, shutdown).await;
            }
            drop(permit);
        });
    }
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(room)
        .acquire_owned()
        .await
        .expect("the semaphore is never closed");
    let (socket, address) = listener.accept().await?;
    Ok((socket, address, permit))
}

async fn handshake(
    socket: TcpStream,
    address: SocketAddr,
    config: Arc<rustls::ServerConfig>,
) -> Option<(TlsStream<TcpStream>, Remote)> {
    let accepting = TlsAcceptor::from(config).accept(socket);
    let stream = match tokio::time::timeout(HANDSHAKE_TIMEOUT, accepting).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            let reason = handshake_failure(&error);
            tracing::info!(%address, reason, "handshake refused");
            return None;
        }
        Err(_) => {
            tracing::info!(%address, "handshake took too long");
            return None;
        }
    };
    let connection = stream.get_ref().1;
    if let Err(error) = require_h2(connection) {
        tracing::info!(%address, %error, "connection refused");
        return None;
    }
    let remote = Remote {
        address: Some(address),
        id: peer_identity(connection).ok().map(|peer| peer.id),
    };
    Some((stream, remote))
}

async fn exchange(
    stream: TlsStream<TcpStream>,
    remote: Remote,
    routes: Routes,
    shutdown: CancellationToken,
) {
    let told = remote.to_string();
    let service = routes.map_request(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(remote.clone());
        request
    });
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADER_BYTES_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .max_pending_accept_reset_streams(RESETS_MAX)
        .max_local_error_reset_streams(RESETS_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    tokio::pin!(connection);
    let age = tokio::time::sleep(CONNECTION_AGE_MAX);
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = age => None,
        () = shutdown.cancelled() => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            match tokio::time::timeout(DRAIN_GRACE, connection).await {
                Ok(ended) => ended,
                Err(_) => return,
            }
        }
    };
    if let Err(error) = ended {
        // Usual after a drain: the client was faster in closing.
        tracing::debug!(remote = told, %error, "connection ended with an error");
    }
}

// === impl Remote ===

impl fmt::Display for Remote {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.address, &self.id) {
            (Some(address), Some(id)) => write!(formatter, "{id} at {address}"),
            (Some(address), None) => write!(formatter, "{address}"),
            (None, _) => formatter.write_str("unknown"),
        }
    }
}

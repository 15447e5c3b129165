//! The Unix socket: who may connect, and HTTP/2 on it. What is served is not its business.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tracing::{debug, warn};

/// A private key passes through: nobody but the owner may open the folder or the socket.
const FOLDER_MODE: u32 = 0o700;
const SOCKET_MODE: u32 = 0o600;
/// One proxy holds one connection, two while it restarts; more wait in the kernel's backlog.
const CONNECTIONS_MAX: usize = 64;
/// A proxy opens one stream per secret; a few clusters share them.
const STREAMS_MAX: u32 = 64;
/// A proxy that has gone without closing is noticed within this and the next together.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(20);
/// See above.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// What a proxy says of itself in headers is small; hyper's default, stated.
const HEADER_LIST_BYTES_MAX: u32 = 16 * 1024;
/// A request names two secrets and, at most, an error: a few hundred bytes.
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
/// All streams of a connection together.
const CONNECTION_WINDOW_BYTES: u32 = 256 * 1024;
/// An answer is one chain and one bundle.
const SEND_BUFFER_BYTES: usize = 64 * 1024;
/// A proxy ends its streams one by one; who resets more, before we saw them or by its mistakes,
/// is no proxy.
const RESETS_MAX: usize = 64;
/// After an accept error, which is nearly always a lack of file descriptors, one waits for some.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Listens on `path`, in a folder of its own mode; a socket left by an earlier run is replaced.
pub(super) fn bind(path: &Path) -> io::Result<UnixListener> {
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(FOLDER_MODE)
            .create(folder)?;
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(SOCKET_MODE))?;
    Ok(listener)
}

/// Serves every proxy of our own user until `shutdown`.
pub(super) async fn serve(listener: UnixListener, routes: Routes, shutdown: CancellationToken) {
    let own_user = own_user();
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let accept = async || {
        // Never closed, so there is always a permit in the end.
        let permit = Arc::clone(&room).acquire_owned().await;
        (listener.accept().await, permit)
    };
    loop {
        let (accepted, permit) = tokio::select! {
            () = shutdown.cancelled() => return,
            accepted = accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) if may_connect(&stream, own_user) => {
                let serve = serve_one(stream, routes.clone(), shutdown.clone());
                tokio::spawn(async move {
                    serve.await;
                    drop(permit);
                });
            }
            Ok(_) => {}
            Err(error) => {
                warn!(%error, "cannot accept a proxy");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The kernel vouches for the peer's user. Root may read our memory anyhow.
fn may_connect(stream: &UnixStream, own_user: Option<u32>) -> bool {
    match stream.peer_cred() {
        Ok(peer) if peer.uid() == 0 || Some(peer.uid()) == own_user => true,
        Ok(peer) => {
            warn!(
                uid = peer.uid(),
                "refused: secrets are for our own user only"
            );
            false
        }
        Err(error) => {
            warn!(%error, "refused: the kernel does not name the peer");
            false
        }
    }
}

/// The owner of our own process entry: the effective user, without a call into C.
fn own_user() -> Option<u32> {
    fs::metadata("/proc/self").map(|own| own.uid()).ok()
}

async fn serve_one(stream: UnixStream, routes: Routes, shutdown: CancellationToken) {
    let mut connection = std::pin::pin!(
        http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(KEEP_ALIVE_INTERVAL)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
            .max_concurrent_streams(STREAMS_MAX)
            .max_header_list_size(HEADER_LIST_BYTES_MAX)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_send_buf_size(SEND_BUFFER_BYTES)
            .max_pending_accept_reset_streams(RESETS_MAX)
            .max_local_error_reset_streams(RESETS_MAX)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes))
    );
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "a proxy's connection ended");
    }
}

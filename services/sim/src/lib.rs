//! An outside payment provider, simulated: its own process, its own book, HTTP/1.1 with JSON.
//!
//! It behaves as a card acquirer does towards a careful client: bearer secret, idempotency keys
//! whose first answer is kept for ever, authorise, capture, void, refund. It has no identity in
//! the mesh, and knows nothing of orders. It never sees a card number: what looks like one is an
//! unknown token, and is neither stored nor logged.

mod api;
mod book;
mod config;
mod error;
mod journal;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use config::Config;
pub use error::Error;

use api::Api;
use journal::Journal;

/// Connections at once; the payment service keeps a handful.
const CONNECTIONS_MAX: usize = 256;
/// A client that opens a connection says what it wants within this time.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long requests in work may go on after SIGTERM.
const DRAIN_MAX: Duration = Duration::from_secs(2);
/// Pause after a failed accept (out of file descriptors), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The running simulator.
pub struct Running {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

/// Binds, reads the journal and serves until `shutdown`.
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<Running, Error> {
    let listener = TcpListener::bind(config.bind_address)
        .await
        .map_err(|source| Error::Bind {
            address: config.bind_address,
            source,
        })?;
    let address = listener.local_addr().map_err(|source| Error::Bind {
        address: config.bind_address,
        source,
    })?;
    let journal = Journal::open(&config.state_file)?;
    let api = Arc::new(Api::new(config, journal, shutdown.clone()));
    let accepting = tokio::spawn(accept(listener, api, shutdown));
    Ok(Running { address, accepting })
}

// === impl Running ===

impl Running {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns when the listener is closed and the last request has ended.
    pub async fn ended(self) {
        if let Err(error) = self.accepting.await {
            tracing::error!(%error, "the accept loop ended badly");
        }
    }
}

async fn accept(listener: TcpListener, api: Arc<Api>, shutdown: CancellationToken) {
    let connections = TaskTracker::new();
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let slot = Arc::clone(&slots)
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.cancelled() => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let serving = serve(stream, Arc::clone(&api), shutdown.clone());
                connections.spawn(async move {
                    serving.await;
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(DRAIN_MAX, connections.wait())
        .await
        .is_err()
    {
        tracing::warn!(open = connections.len(), "connections were cut");
    }
}

async fn serve(stream: TcpStream, api: Arc<Api>, shutdown: CancellationToken) {
    let handler = service_fn(move |request| {
        let api = Arc::clone(&api);
        async move { api.answer(request).await }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), handler));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // Clients that hang up while they wait are this simulator's daily bread.
        tracing::debug!(%error, "a connection ended early");
    }
}

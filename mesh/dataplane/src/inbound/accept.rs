//! The accept loop. It outlives every error of `accept(2)`: running out of file descriptors slows
//! it down, and nothing ends it but the end of the server.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
};

use crate::metrics;

/// The first pause when the machine has nothing left to give; something may be closed soon.
const PAUSE_MIN: Duration = Duration::from_millis(10);
/// The longest pause: peers in the backlog wait no longer than that once there is room again.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// One connection that was accepted; it counts against the limit until the permit is dropped.
pub(crate) struct Accepted {
    pub(crate) tcp: TcpStream,
    pub(crate) remote: SocketAddr,
    pub(crate) permit: OwnedSemaphorePermit,
}

/// Accepts for ever, at most as many at once as `room` has permits. What is beyond waits in the
/// kernel's backlog.
pub(crate) async fn accept_all<A, F, T>(room: Arc<Semaphore>, mut accept: A, mut take: T)
where
    A: FnMut() -> F,
    F: Future<Output = io::Result<(TcpStream, SocketAddr)>>,
    T: FnMut(Accepted),
{
    let mut pause = PAUSE_MIN;
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        match accept().await {
            Ok((tcp, remote)) => {
                pause = PAUSE_MIN;
                // Headers and message of a call are two writes; joining them costs 40 ms.
                if let Err(error) = tcp.set_nodelay(true) {
                    tracing::debug!(%error, %remote, "the connection is gone already");
                    continue;
                }
                take(Accepted {
                    tcp,
                    remote,
                    permit,
                });
            }
            Err(error) if is_of_one_connection(&error) => {
                metrics::accept_failed("connection");
                tracing::debug!(%error, "a connection ended before it was accepted");
            }
            Err(error) => {
                metrics::accept_failed("system");
                tracing::warn!(%error, ?pause, "cannot accept connections, trying again");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }
}

/// Errors of the one connection that was next; the following one may be fine.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, Interrupted,
        NetworkDown, NetworkUnreachable, PermissionDenied, TimedOut,
    };
    matches!(
        error.kind(),
        ConnectionAborted
            | ConnectionRefused
            | ConnectionReset
            | HostUnreachable
            | Interrupted
            | NetworkDown
            | NetworkUnreachable
            | PermissionDenied
            | TimedOut
    )
}

#[cfg(test)]
mod tests;

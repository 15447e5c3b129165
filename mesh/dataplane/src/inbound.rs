//! Inbound: serving a tower service on connections that the mesh owns.

use std::net::SocketAddr;

/// A service that is being served.
#[derive(Debug)]
pub struct Serving {
    local_addr: SocketAddr,
}

// === impl Serving ===

impl Serving {
    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Waits until the workload was told to stop and the last connection has ended.
    pub async fn drained(self) {
        std::future::pending().await
    }
}

//! Inbound: serving a tower service on connections that the mesh owns.
//!
//! accept → handshake → HTTP/2 → identify, policies, deadline, load → the service. On the stop
//! of the workload: stop accepting → GOAWAY → grace → `connection_drained` → cut.

mod accept;
mod body;
mod connection;
mod ends;
mod frames;
mod gate;
mod guard;
mod places;
mod stack;
mod status;
mod tasks;
mod xfcc;

use std::{net::SocketAddr, sync::Arc};

use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::task::TaskTracker;

pub(crate) use self::{
    accept::{Accepted, accept_all},
    connection::Server,
    gate::Gate,
    stack::{Offered, Rules, split_path},
    status::CONNECTION_DRAINED,
};

/// Each costs some 50 KiB with its buffers; beyond, peers wait in the backlog.
const CONNECTIONS_MAX: usize = 2048;

/// A service that is being served.
#[derive(Debug)]
pub struct Serving {
    local_addr: SocketAddr,
    tasks: TaskTracker,
}

// === impl Serving ===

impl Serving {
    pub(crate) fn spawn(
        server: Server,
        listener: TcpListener,
        local_addr: SocketAddr,
        service: Offered,
    ) -> Self {
        let tasks = TaskTracker::new();
        let serving = Self {
            local_addr,
            tasks: tasks.clone(),
        };
        tasks
            .clone()
            .spawn(serve(Arc::new(server), listener, service, tasks));
        serving
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Waits until the workload was told to stop and the last connection has ended.
    pub async fn drained(self) {
        self.tasks.wait().await;
    }
}

async fn serve(server: Arc<Server>, listener: TcpListener, service: Offered, tasks: TaskTracker) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let listener = Arc::new(listener);
    let accept = || {
        let listener = Arc::clone(&listener);
        async move { listener.accept().await }
    };
    let shutdown = server.shutdown.clone();
    let connections = tasks.clone();
    let take = move |accepted: Accepted| {
        let (server, service) = (Arc::clone(&server), service.clone());
        connections.spawn(async move {
            let Accepted {
                tcp,
                remote,
                permit,
            } = accepted;
            server.serve(tcp, remote, service).await;
            drop(permit);
        });
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = accept_all(room, accept, take) => {}
    }
    tasks.close();
}

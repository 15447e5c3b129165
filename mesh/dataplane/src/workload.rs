//! A workload of the mesh: its identity, its readiness, its plain listeners, the ways out of it
//! and the service that it offers.

use std::convert::Infallible;

use http::{Request, Response};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;

use crate::{CallerTable, Error, MeshChannel, Readiness, Serving, Settings};

/// One workload of the mesh in this process. Clones are the same workload.
#[derive(Clone, Debug)]
pub struct Workload {
    readiness: Readiness,
}

// === impl Workload ===

impl Workload {
    /// Starts the CA client and the listeners for probes, metrics and admin. It does not wait for
    /// the first SVID; `/readyz` and calls do. `shutdown` begins the drain.
    pub async fn start(_settings: Settings, _shutdown: CancellationToken) -> Result<Self, Error> {
        Ok(Self {
            readiness: Readiness::default(),
        })
    }

    /// The conditions under which this workload may get calls.
    pub fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// The way to `service` of the own namespace (or `service.namespace`). Endpoints and the
    /// expected identity come from the endpoints file, now and whenever it changes.
    pub fn channel(&self, _service: &str) -> MeshChannel {
        MeshChannel {}
    }

    /// Serves `service` (`tonic::service::Routes::prepare()` or any other) to the callers that
    /// the table allows, until the shutdown token of [`Workload::start`] is cancelled.
    pub async fn serve<S>(&self, _service: S, _callers: CallerTable) -> Result<Serving, Error>
    where
        S: tower::Service<Request<Body>, Response = Response<Body>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send,
    {
        std::future::pending().await
    }
}

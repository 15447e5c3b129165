//! The agent: one workload's identity, kept fresh, for the proxy beside it.

mod sds;
mod socket;

pub use sds::{ROOT_CA, SVID, Secrets};

use std::path::Path;

use mesh_dataplane::Workload;
use mesh_transport::IdentitySource;
use mesh_xds::secret::SecretDiscoveryServiceServer;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tracing::info;

use crate::config::Config;
use crate::error::Error;

/// Joins the mesh as the workload of `config` and serves its secrets until `shutdown`.
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<(), Error> {
    let workload = Workload::start(config.mesh, shutdown.clone())
        .await
        .map_err(Error::Workload)?;
    let identity = workload.identity().ok_or(Error::NoIdentity)?;
    serve(identity, &config.sds_socket, shutdown).await
}

/// Serves the secrets of `identity` on a socket at `path`. It does not wait for the first SVID: a
/// proxy that asks earlier is answered as soon as there is one.
pub async fn serve(
    identity: IdentitySource,
    path: &Path,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let listener = socket::bind(path).map_err(|source| Error::Socket {
        path: path.to_owned(),
        source,
    })?;
    info!(socket = %path.display(), "secret discovery listens");
    let secrets = Secrets::new(identity, shutdown.clone());
    let routes = Routes::new(SecretDiscoveryServiceServer::new(secrets)).prepare();
    socket::serve(listener, routes, shutdown).await;
    Ok(())
}

//! What can stop the agent from starting.

use std::io;
use std::path::PathBuf;

/// Why the agent could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The data plane did not start.
    #[error("cannot start as a workload of the mesh")]
    Workload(#[source] mesh_dataplane::Error),
    /// The agent gives identities to others, which only a workload with one of its own can do.
    #[error("the agent needs an identity: MESH_MODE must be \"in-process\"")]
    NoIdentity,
    /// The socket could not be made.
    #[error("cannot listen on socket \"{}\"", path.display())]
    Socket {
        /// The socket's path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

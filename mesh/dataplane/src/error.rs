//! What can go wrong when the data plane starts. What goes wrong in a call is a `tonic::Status`.

use std::{io, net::SocketAddr, path::PathBuf};

/// Why a part of the data plane could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A listener could not be opened.
    #[error("cannot listen on {address} for {purpose}")]
    Listen {
        /// What the listener is for.
        purpose: &'static str,
        /// Where it should have been.
        address: SocketAddr,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// In sidecar mode everything stays on the host.
    #[error("MESH_MODE=sidecar listens on loopback only, not on {0}")]
    SidecarBeyondLoopback(SocketAddr),
    /// The policies do not load, or ask for what this workload cannot enforce.
    #[error("the policies of this workload cannot be enforced")]
    Policies(
        /// Everything that is wrong with them.
        #[source]
        mesh_api::Error,
    ),
    /// A workload that serves must know who may call it.
    #[error("there are no policies (MESH_POLICY_PATHS), so nobody could be let in")]
    NoPolicies,
    /// The endpoints could not be read.
    #[error("cannot read endpoints from \"{}\"", path.display())]
    ReadEndpoints {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A document of the endpoints is no WorkloadEntry that can be used.
    #[error("endpoints document {document} of \"{}\": {problem}", path.display())]
    Endpoints {
        /// The file.
        path: PathBuf,
        /// Counted from one.
        document: usize,
        /// What is wrong, with the field.
        problem: String,
    },
}

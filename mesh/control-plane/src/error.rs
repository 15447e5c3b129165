//! Why the control plane cannot start or go on.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why the control plane cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder cannot be read, written or made.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },

    /// Others on the machine may read what only we may.
    #[error("{} has mode {mode:04o}, it must not be open to others: chmod go= it", path.display())]
    OpenToOthers {
        /// The file or folder.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },

    /// Another control plane works on the same state.
    #[error("{} is in use by another meshd", path.display())]
    InUse {
        /// The folder of the state.
        path: PathBuf,
    },

    /// A stored authority cannot be used.
    #[error("cannot use the authority in {}", path.display())]
    StoredAuthority {
        /// Where it is stored.
        path: PathBuf,
        /// What is wrong with it.
        source: mesh_identity::Error,
    },

    /// A key or certificate cannot be made.
    #[error("cannot make a certificate")]
    Identity(#[from] mesh_identity::Error),

    /// The key for tokens cannot be made or used.
    #[error("cannot use the key for tokens")]
    TokenKey(#[source] Box<dyn std::error::Error + Send + Sync>),

    /// The own certificate cannot be served.
    #[error("cannot serve the own certificate")]
    Transport(#[from] mesh_transport::Error),

    /// An address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },

    /// Probes or metrics cannot be served.
    #[error("cannot serve probes or metrics")]
    Plain(#[from] mesh_dataplane::Error),

    /// The system does not tell where we listen.
    #[error("cannot tell the own address")]
    LocalAddress(#[source] io::Error),
}

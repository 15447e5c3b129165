//! What can keep the simulator from starting or from keeping its word. Not the answers to
//! clients: those are values of `book`.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why the simulator cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Settings that are missing or wrong, all of them.
    #[error("bad settings: {}", .0.join("; "))]
    Config(Vec<String>),
    /// The address is taken or not ours.
    #[error("cannot listen on \"{address}\"")]
    Bind {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    /// The journal cannot be read or written.
    #[error("journal \"{}\" cannot be {action}", path.display())]
    Journal {
        path: PathBuf,
        action: &'static str,
        #[source]
        source: io::Error,
    },
    /// A line of the journal that is not the torn last one cannot be understood.
    #[error("journal \"{}\" is damaged in line {line}", path.display())]
    Damaged {
        path: PathBuf,
        line: usize,
        #[source]
        source: serde_json::Error,
    },
}

//! What can go wrong with a command, and the exit code that tells a script.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The command cannot be meant this way.
    #[error("{0}")]
    Usage(String),

    /// An identity cannot be built from what was given.
    #[error("no identity \"{namespace}/{account}\"")]
    Account {
        namespace: String,
        account: String,
        #[source]
        source: mesh_identity::Error,
    },

    /// A file cannot be read.
    #[error("cannot read \"{}\"", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },

    /// Policies or settings do not load. The text has a line for each thing that is wrong.
    #[error("policies do not load\n{0}")]
    Policies(mesh_api::Error),

    /// Files that were to be analysed cannot be read. The findings have said which.
    #[error("unreadable: {count} of the files or documents")]
    UnreadablePolicies { count: usize },

    /// Policies need mending. The findings have said where.
    #[error("found {errors} errors and {warnings} warnings")]
    Findings { errors: usize, warnings: usize },

    /// A file that a decision needs cannot be read, or is not what it should be.
    #[error("cannot use \"{}\"", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// Lines were no requests. The answers have said which.
    #[error("{count} lines are no requests")]
    BadLines { count: usize },

    /// A candidate decides otherwise. The answers have said where.
    #[error("{count} decisions flip")]
    Flips { count: usize },

    /// A file cannot be written.
    #[error("cannot write \"{}\"", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },

    /// A file holds no certificate.
    #[error("\"{}\" holds no certificate", path.display())]
    NoCertificates {
        path: PathBuf,
        #[source]
        source: mesh_identity::Error,
    },

    /// A certificate cannot be read.
    #[error("unreadable certificate: {reason}")]
    UnreadableCertificate { reason: String },

    /// The authority gave no certificate.
    #[error("meshd at {address} gives no certificate for \"{account}\"")]
    NoAnswer {
        address: String,
        account: String,
        #[source]
        source: Box<mesh_transport::Error>,
    },

    /// The endpoints cannot be used.
    #[error("services cannot be found")]
    Endpoints(#[source] Box<mesh_dataplane::Error>),

    /// Nobody answers at an address.
    #[error("{what} at {address} does not answer")]
    Away {
        what: String,
        address: String,
        #[source]
        source: io::Error,
    },

    /// The server is not who it should be, or refuses us. The text says which.
    #[error("{what} at {address} is refused: {reason}")]
    Refused {
        what: String,
        address: String,
        reason: String,
    },

    /// A local listener cannot be opened.
    #[error("cannot listen on {address}")]
    Listen {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },

    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[source] Box<mesh_transport::Error>),

    /// Some workloads are not ready. The table has said which.
    #[error("{count} of {all} workloads are not ready")]
    NotReady { count: usize, all: usize },
}

// === impl Error ===

impl Error {
    /// 2 for a command that cannot be meant, 1 for one that failed.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_)
            | Self::Account { .. }
            | Self::Policies(_)
            | Self::Unreadable { .. }
            | Self::UnreadablePolicies { .. } => ExitCode::from(2),
            Self::Read { .. }
            | Self::Write { .. }
            | Self::NoCertificates { .. }
            | Self::UnreadableCertificate { .. }
            | Self::NoAnswer { .. }
            | Self::Endpoints(_)
            | Self::Away { .. }
            | Self::Refused { .. }
            | Self::Listen { .. }
            | Self::Tls(_)
            | Self::BadLines { .. }
            | Self::Findings { .. }
            | Self::Flips { .. }
            | Self::NotReady { .. } => ExitCode::from(1),
        }
    }

    /// The error and all its causes in one line.
    pub(crate) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        text
    }
}

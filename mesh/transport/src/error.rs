//! What can go wrong between two identities, and how a failed handshake is told to an operator.

use std::path::PathBuf;
use std::time::Duration;

use rustls::{AlertDescription, CertificateError};

/// Why a configuration could not be made, or a peer was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The library refused chain, key or roots.
    #[error("TLS configuration cannot be made")]
    Configure(#[source] rustls::Error),

    /// There are no roots for the trust domain that should be trusted.
    #[error("no roots for trust domain {trust_domain}")]
    NoRoots {
        /// The trust domain without roots.
        trust_domain: String,
    },

    /// The peer belongs to a trust domain that is not accepted here.
    #[error("trust domain {trust_domain} is not accepted here")]
    ForeignTrustDomain {
        /// The peer's trust domain.
        trust_domain: String,
    },

    /// The peer is somebody else than the one that was dialled.
    #[error("peer is {actual}, expected {expected}")]
    UnexpectedPeer {
        /// Who answered.
        actual: String,
        /// Who was expected.
        expected: String,
    },

    /// The peer's certificate breaks a rule of the mesh.
    #[error("peer's certificate is refused")]
    Certificate(#[from] mesh_identity::Error),

    /// The connection has no peer certificate.
    #[error("peer showed no certificate")]
    NoCertificate,

    /// The peer did not agree on HTTP/2.
    #[error("peer did not negotiate the protocol h2")]
    NoHttp2,

    /// A file that a certificate request needs cannot be read.
    #[error("cannot read {}", path.display())]
    ReadFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },

    /// The root file holds no certificates.
    #[error("cannot use the roots in {}", path.display())]
    RootFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: mesh_identity::Error,
    },

    /// The token file holds nothing that could be sent.
    #[error("no usable token in {}", path.display())]
    TokenFile {
        /// The file.
        path: PathBuf,
    },

    /// The DNS name that the authority should have is not one.
    #[error("{name:?} is not a DNS name")]
    ServerName {
        /// The text given.
        name: String,
    },

    /// The authority cannot be reached.
    #[error("cannot connect to the certificate authority at {address}")]
    Connect {
        /// Where it should be.
        address: String,
        /// Why not.
        source: std::io::Error,
    },

    /// The authority did not prove to be the one expected, or refused the handshake.
    #[error("no handshake with the certificate authority at {address}: {reason}")]
    Handshake {
        /// Where it is.
        address: String,
        /// The rule behind the alert.
        reason: String,
    },

    /// The connection to the authority does not speak HTTP/2 as it should.
    #[error("no HTTP/2 with the certificate authority")]
    Http2(#[source] hyper::Error),

    /// The authority refused the request.
    #[error("certificate authority answered {:?}: {}", .0.code(), .0.message())]
    Refused(Box<tonic::Status>),

    /// The authority did not answer in time.
    #[error("certificate authority did not answer within {} s", after.as_secs())]
    Timeout {
        /// How long it had.
        after: Duration,
    },

    /// The authority's answer is not a certificate for us.
    #[error("answer of the certificate authority cannot be used")]
    Answer(#[source] mesh_identity::Error),

    /// The certificate in the authority's answer does not lead to the roots in it.
    #[error("certificate in the answer does not lead to the roots in the answer")]
    Inconsistent(#[source] rustls::Error),
}

/// An error with all its causes in one line, for the place that handles it.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

/// Tells in one line why a handshake failed, for a log entry: the rule behind the TLS alert.
pub fn handshake_failure(error: &std::io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    match inner {
        Some(rustls::Error::InvalidCertificate(CertificateError::Other(reason))) => {
            with_causes(reason.0.as_ref())
        }
        Some(rustls::Error::AlertReceived(
            AlertDescription::CertificateUnknown
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateExpired
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied,
        )) => format!("peer refused our identity: {error}"),
        _ => error.to_string(),
    }
}

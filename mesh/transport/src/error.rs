//! What can go wrong between two identities, and how a failed handshake is told to an operator.

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
    #[error("peer's certificate is refused: {0}")]
    Certificate(#[from] mesh_identity::Error),

    /// The connection has no peer certificate.
    #[error("peer showed no certificate")]
    NoCertificate,

    /// The peer did not agree on HTTP/2.
    #[error("peer did not negotiate the protocol h2")]
    NoHttp2,
}

/// Tells in one line why a handshake failed, for a log entry: the rule behind the TLS alert.
pub fn handshake_failure(error: &std::io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    match inner {
        Some(rustls::Error::InvalidCertificate(CertificateError::Other(reason))) => {
            reason.0.to_string()
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

//! What can be wrong with an identity, a certificate or a request for one.

use std::time::SystemTime;

/// Why an identity, a certificate or a request was refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is not a trust domain as SPIFFE defines it.
    #[error("invalid trust domain {text:?}: {reason}")]
    InvalidTrustDomain {
        /// The text, cut to a length that is safe to log.
        text: String,
        /// The rule it breaks.
        reason: &'static str,
    },

    /// The text is not `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`.
    #[error("invalid SPIFFE id {text:?}: {reason}")]
    InvalidSpiffeId {
        /// The text, cut to a length that is safe to log.
        text: String,
        /// The rule it breaks.
        reason: &'static str,
    },

    /// The certificate cannot be read.
    #[error("unreadable certificate: {reason}")]
    UnreadableCertificate {
        /// What the parser could not take.
        reason: String,
    },

    /// The certificate breaks a rule for leaves of the mesh.
    #[error("certificate is no leaf of the mesh: {reason}")]
    NotALeaf {
        /// The rule it breaks.
        reason: &'static str,
    },

    /// The leaf names no SPIFFE id, or more than one.
    #[error("certificate has {count} URI names, expected exactly one")]
    UriNames {
        /// How many URI names it has.
        count: usize,
    },

    /// The certificate is for another identity than the one asked for.
    #[error("certificate is for {actual}, expected {expected}")]
    WrongIdentity {
        /// The identity in the certificate.
        actual: String,
        /// The identity that was asked for.
        expected: String,
    },

    /// The certificate does not hold the public half of the private key.
    #[error("certificate and private key do not belong together")]
    KeyMismatch,

    /// The answer of the authority holds too few elements.
    #[error("certificate chain has {length} elements, expected at least {expected}")]
    ShortChain {
        /// How many it has.
        length: usize,
        /// How many it must have.
        expected: usize,
    },

    /// The text holds no PEM section of the kind expected.
    #[error("unreadable PEM for {what}: {reason}")]
    UnreadablePem {
        /// What was expected.
        what: &'static str,
        /// What the parser could not take.
        reason: String,
    },

    /// The certificate request breaks a rule.
    #[error("invalid certificate request: {reason}")]
    InvalidRequest {
        /// The rule it breaks.
        reason: &'static str,
    },

    /// The authority signs for one trust domain only.
    #[error("authority of {authority} does not sign for {requested}")]
    ForeignTrustDomain {
        /// The trust domain of the authority.
        authority: String,
        /// The trust domain asked for.
        requested: String,
    },

    /// The authority's own certificate is not valid at this time.
    #[error("signing certificate is valid from {not_before:?} to {not_after:?} only")]
    SignerNotValid {
        /// Begin of its validity.
        not_before: SystemTime,
        /// End of its validity.
        not_after: SystemTime,
    },

    /// A stored authority cannot be used.
    #[error("unusable authority: {reason}")]
    UnusableAuthority {
        /// The rule it breaks.
        reason: &'static str,
    },

    /// A time is outside of what a certificate can express.
    #[error("time is out of range")]
    TimeOutOfRange,

    /// The library that builds certificates refused.
    #[error("certificate cannot be built")]
    Build(#[source] rcgen::Error),

    /// The random number generator failed.
    #[error("no random numbers")]
    NoRandom,
}

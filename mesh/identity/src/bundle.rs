//! The roots that speak for each trust domain, and certificates as PEM.

use std::collections::BTreeMap;

use base64::prelude::{BASE64_STANDARD, Engine};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::error::Error;
use crate::spiffe::TrustDomain;

/// The most root certificates of one bundle: each costs a look at every handshake, and a bundle
/// comes over the network. Two stand side by side while a root rotates.
const BUNDLE_CERTIFICATES_MAX: usize = 32;

/// Roots per trust domain. A root speaks for its own trust domain only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustBundles(BTreeMap<TrustDomain, Vec<CertificateDer<'static>>>);

// === impl TrustBundles ===

impl TrustBundles {
    /// Bundles with one trust domain.
    pub fn of(trust_domain: TrustDomain, roots: Vec<CertificateDer<'static>>) -> Self {
        Self(BTreeMap::from([(trust_domain, roots)]))
    }

    /// Sets the roots of a trust domain in place of those that it had.
    pub fn insert(&mut self, trust_domain: TrustDomain, roots: Vec<CertificateDer<'static>>) {
        self.0.insert(trust_domain, roots);
    }

    /// The roots of a trust domain, if it is known.
    pub fn roots(&self, trust_domain: &TrustDomain) -> Option<&[CertificateDer<'static>]> {
        self.0.get(trust_domain).map(Vec::as_slice)
    }

    /// All trust domains with their roots, in order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&TrustDomain, &[CertificateDer<'static>])> {
        self.0
            .iter()
            .map(|(domain, roots)| (domain, roots.as_slice()))
    }
}

/// All certificates of a PEM text, at least one.
pub fn certificates_from_pem(pem: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let unreadable = |reason: String| Error::UnreadablePem {
        what: "certificate",
        reason,
    };
    let mut certificates = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        if certificates.len() == BUNDLE_CERTIFICATES_MAX {
            return Err(unreadable("more than 32 certificates".to_owned()));
        }
        certificates.push(certificate.map_err(|error| unreadable(error.to_string()))?);
    }
    if certificates.is_empty() {
        return Err(unreadable("there is none".to_owned()));
    }
    Ok(certificates)
}

/// Certificates as one PEM text, in the order given.
pub fn certificates_to_pem<'a>(
    certificates: impl IntoIterator<Item = &'a CertificateDer<'static>>,
) -> String {
    certificates
        .into_iter()
        .map(|certificate| pem_section("CERTIFICATE", certificate))
        .collect()
}

/// One PEM section in the form of RFC 7468.
pub(crate) fn pem_section(label: &str, der: &[u8]) -> String {
    const LINE_BYTES: usize = 48; // 64 characters of base64, as RFC 7468 wants the lines
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in der.chunks(LINE_BYTES) {
        text.push_str(&BASE64_STANDARD.encode(line));
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

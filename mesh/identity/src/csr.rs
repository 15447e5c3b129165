//! Certificate requests: made with a fresh key, and read for nothing but their public key.

use rcgen::{CertificateParams, DistinguishedName, KeyPair, PublicKeyData, SignatureAlgorithm};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateSigningRequestDer, PrivatePkcs8KeyDer};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::oid_registry::{
    OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_SIG_ECDSA_WITH_SHA256,
};
use x509_parser::prelude::FromDer;
use zeroize::Zeroize;

use crate::error::Error;

/// The longest request in bytes that is looked at: one with a P-256 key takes about 500.
const REQUEST_PEM_BYTES_MAX: usize = 16 * 1024;

/// An uncompressed P-256 point: a tag and two coordinates.
const P256_POINT_BYTES: usize = 65;

/// The tag of an uncompressed point.
const UNCOMPRESSED_POINT: u8 = 4;

/// A certificate request and the private key that it is for. The key is wiped when this is dropped.
pub struct Csr {
    /// The request, to be sent to the authority.
    pub pem: String,
    /// The key, which stays in this process.
    pub key: PrivatePkcs8KeyDer<'static>,
}

/// A P-256 public key whose owner has shown that he holds the private one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    point: Vec<u8>,
}

// === impl Csr ===

impl Csr {
    /// A request for a fresh P-256 key. It names nobody: the authority knows who asks.
    pub fn generate() -> Result<Self, Error> {
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(Error::Build)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let request = params.serialize_request(&key).map_err(Error::Build)?;
        Ok(Self {
            pem: request.pem().map_err(Error::Build)?,
            key: PrivatePkcs8KeyDer::from(key.serialize_der()),
        })
    }
}

impl Drop for Csr {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

impl std::fmt::Debug for Csr {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Csr").finish_non_exhaustive()
    }
}

// === impl PublicKey ===

impl PublicKey {
    /// Takes the key out of a request, after checking that the request is signed by that key.
    ///
    /// Subject, names, usages and extensions of the request are not looked at.
    pub fn from_csr_pem(pem: &str) -> Result<Self, Error> {
        let refuse = |reason| Error::InvalidRequest { reason };
        if pem.len() > REQUEST_PEM_BYTES_MAX {
            return Err(refuse("it is longer than 16 KiB"));
        }
        let der = CertificateSigningRequestDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| refuse("it is not PEM of a certificate request"))?;
        let (rest, request) = X509CertificationRequest::from_der(&der)
            .map_err(|_| refuse("it is not a certificate request"))?;
        if !rest.is_empty() {
            return Err(refuse("bytes follow the request"));
        }
        let key_info = &request.certification_request_info.subject_pki;
        let curve = key_info.algorithm.parameters.as_ref();
        let is_p256 = key_info.algorithm.algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY
            && curve.and_then(|curve| curve.as_oid().ok()) == Some(OID_EC_P256);
        if !is_p256 {
            return Err(refuse("the key is not on the curve P-256"));
        }
        if request.signature_algorithm.algorithm != OID_SIG_ECDSA_WITH_SHA256 {
            return Err(refuse("it is not signed with ECDSA and SHA-256"));
        }
        let point = key_info.subject_public_key.data.to_vec();
        if point.len() != P256_POINT_BYTES || point.first() != Some(&UNCOMPRESSED_POINT) {
            return Err(refuse("the key is not an uncompressed point"));
        }
        request
            .verify_signature()
            .map_err(|_| refuse("it is not signed by its own key"))?;
        Ok(Self { point })
    }
}

impl PublicKeyData for PublicKey {
    fn der_bytes(&self) -> &[u8] {
        &self.point
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

#[cfg(test)]
mod tests;

//! Verifiers that know peers by SPIFFE id.
//!
//! The order matters: the leaf's one URI name gives the trust domain, the trust domain must be the
//! one accepted here, and only then is the chain verified, to the roots of that trust domain alone.
//! Path validation does not enforce URI name constraints, so a foreign authority must not even be
//! a candidate.

use std::sync::Arc;

use mesh_identity::{SpiffeId, TrustDomain, spiffe_id_of};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, OtherError, PeerIncompatible,
    RootCertStore, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::error::Error;
use crate::tls::ClientCertificate;

/// The longest chain below the root that is looked at: leaf and intermediates. Ours has two; the
/// bound keeps a hostile chain from costing signatures.
const CHAIN_CERTIFICATES_MAX: usize = 4;

/// One trust domain, its roots, and the signatures that are taken.
#[derive(Debug)]
pub(super) struct Trust {
    trust_domain: TrustDomain,
    roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
}

/// Verifies clients of one trust domain.
#[derive(Debug)]
pub(super) struct ClientVerifier {
    trust: Trust,
    chain: Arc<dyn ClientCertVerifier>,
    client_certificate: ClientCertificate,
}

/// Verifies that a server is exactly the one expected.
#[derive(Debug)]
pub(super) struct ServerVerifier {
    trust: Trust,
    expected: SpiffeId,
    dns_name: Option<ServerName<'static>>,
}

// === impl Trust ===

impl Trust {
    pub(super) fn new(
        trust_domain: TrustDomain,
        roots: RootCertStore,
        provider: &Arc<CryptoProvider>,
    ) -> Self {
        Self {
            trust_domain,
            roots: Arc::new(roots),
            provider: Arc::clone(provider),
        }
    }

    /// The id of a leaf that may be verified with these roots.
    fn admit(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
    ) -> Result<SpiffeId, rustls::Error> {
        if intermediates.len() >= CHAIN_CERTIFICATES_MAX {
            return Err(CertificateError::UnknownIssuer.into());
        }
        let id = spiffe_id_of(leaf).map_err(|error| refuse(Error::Certificate(error)))?;
        if *id.trust_domain() != self.trust_domain {
            return Err(refuse(Error::ForeignTrustDomain {
                trust_domain: id.trust_domain().to_string(),
            }));
        }
        Ok(id)
    }

    fn algorithms(&self) -> &WebPkiSupportedAlgorithms {
        &self.provider.signature_verification_algorithms
    }
}

// === impl ClientVerifier ===

impl ClientVerifier {
    /// Fails when there is no root at all.
    pub(super) fn new(trust: Trust, client_certificate: ClientCertificate) -> Result<Self, Error> {
        let chain = WebPkiClientVerifier::builder_with_provider(
            Arc::clone(&trust.roots),
            Arc::clone(&trust.provider),
        )
        .build()
        .map_err(|_| Error::NoRoots {
            trust_domain: trust.trust_domain.to_string(),
        })?;
        Ok(Self {
            trust,
            chain,
            client_certificate,
        })
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.client_certificate == ClientCertificate::Required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.trust.admit(end_entity, intermediates)?;
        self.chain
            .verify_client_cert(end_entity, intermediates, now)
            .map_err(name_impostor)
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, self.trust.algorithms())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trust.algorithms().supported_schemes()
    }
}

// === impl ServerVerifier ===

impl ServerVerifier {
    pub(super) fn new(
        trust: Trust,
        expected: SpiffeId,
        dns_name: Option<ServerName<'static>>,
    ) -> Self {
        Self {
            trust,
            expected,
            dns_name,
        }
    }
}

impl ServerCertVerifier for ServerVerifier {
    /// The name passed in is not looked at: a server is known by its SPIFFE id.
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let id = self.trust.admit(end_entity, intermediates)?;
        let certificate = ParsedCertificate::try_from(end_entity)?;
        verify_server_cert_signed_by_trust_anchor(
            &certificate,
            &self.trust.roots,
            intermediates,
            now,
            self.trust.algorithms().all,
        )
        .map_err(name_impostor)?;
        if id != self.expected {
            return Err(refuse(Error::UnexpectedPeer {
                actual: id.to_string(),
                expected: self.expected.to_string(),
            }));
        }
        if let Some(dns_name) = &self.dns_name {
            verify_server_name(&certificate, dns_name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, self.trust.algorithms())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trust.algorithms().supported_schemes()
    }
}

/// An authority with the name of ours and another key is an unknown one, not a broken signature.
fn name_impostor(error: rustls::Error) -> rustls::Error {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::BadSignature) => {
            CertificateError::UnknownIssuer.into()
        }
        other => other,
    }
}

/// Carries our reason through the handshake to whoever logs its failure.
fn refuse(error: Error) -> rustls::Error {
    CertificateError::Other(OtherError(Arc::new(error))).into()
}

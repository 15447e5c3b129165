//! TLS configurations: 1.3 and HTTP/2 only, hybrid post-quantum key exchange first, no resumption.
//!
//! A configuration is a picture of one identity. Whoever holds connections makes a new one when the
//! identity changes; what is open keeps the old one.

mod verifier;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, LazyLock};
use std::time::SystemTime;

use mesh_identity::{SpiffeId, Svid, TrustDomain};
use rustls::client::Resumption;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{self, kx_group};
use rustls::server::NoServerSessionStorage;
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

use crate::error::Error;
use crate::identity_source::Identity;
use crate::tls::verifier::{ClientVerifier, ServerVerifier, Trust};

/// The only protocol that the mesh speaks inside TLS.
pub(crate) const ALPN_H2: &[u8] = b"h2";

/// The cryptography of every handshake, chosen here and not by whoever installs a default first.
static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
    Arc::new(CryptoProvider {
        kx_groups: vec![
            kx_group::X25519MLKEM768,
            kx_group::X25519,
            kx_group::SECP256R1,
        ],
        ..aws_lc_rs::default_provider()
    })
});

/// Whether a server insists on a client's certificate. One that is shown is always verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCertificate {
    /// A client without one is refused in the handshake.
    Required,
    /// A client may prove itself in another way: new workloads fetch their first certificate so.
    Optional,
}

/// Who the certificate authority must prove to be.
#[derive(Clone, Debug)]
pub struct AuthorityExpectation {
    /// The SPIFFE id of the control plane.
    pub id: SpiffeId,
    /// The DNS name that its certificate must hold as well.
    pub dns_name: ServerName<'static>,
}

/// A server configuration for peers of the own trust domain, all of whom must show a certificate.
pub fn server_config(identity: &Identity) -> Result<Arc<ServerConfig>, Error> {
    server_config_with(identity, ClientCertificate::Required)
}

/// A server configuration for peers of the own trust domain.
pub fn server_config_with(
    identity: &Identity,
    client_certificate: ClientCertificate,
) -> Result<Arc<ServerConfig>, Error> {
    let trust_domain = identity.svid.id.trust_domain();
    let trust = trust(trust_domain, identity.bundles.roots(trust_domain))?;
    let verifier = ClientVerifier::new(trust, client_certificate)?;
    let mut config = ServerConfig::builder_with_provider(Arc::clone(&PROVIDER))
        .with_protocol_versions(&[&TLS13])
        .map_err(Error::Configure)?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_single_cert(identity.svid.chain.clone(), own_key(identity))
        .map_err(Error::Configure)?;
    config.alpn_protocols = vec![ALPN_H2.to_vec()];
    // A resumed session would skip the verifier: an expired or revoked peer would come back in.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// A client configuration for a connection to exactly one identity.
pub fn client_config(identity: &Identity, expected: &SpiffeId) -> Result<Arc<ClientConfig>, Error> {
    let trust_domain = expected.trust_domain();
    let trust = trust(trust_domain, identity.bundles.roots(trust_domain))?;
    let config = client_builder(ServerVerifier::new(trust, expected.clone(), None))?
        .with_client_auth_cert(identity.svid.chain.clone(), own_key(identity))
        .map_err(Error::Configure)?;
    Ok(finish_client(config))
}

/// A client configuration for a certificate authority, by a workload that has no certificate yet.
pub fn authority_client_config(
    roots: &[CertificateDer<'static>],
    expected: &AuthorityExpectation,
) -> Result<Arc<ClientConfig>, Error> {
    let trust = trust(expected.id.trust_domain(), Some(roots))?;
    let dns_name = Some(expected.dns_name.clone());
    let config = client_builder(ServerVerifier::new(trust, expected.id.clone(), dns_name))?
        .with_no_client_auth();
    Ok(finish_client(config))
}

/// Checks that a certificate that we were given leads to the roots that came with it.
pub(crate) fn check_consistent(
    svid: &Svid,
    roots: &[CertificateDer<'static>],
    now: SystemTime,
) -> Result<(), Error> {
    let since_epoch = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let verifier = ServerVerifier::new(
        trust(svid.id.trust_domain(), Some(roots))?,
        svid.id.clone(),
        None,
    );
    let (leaf, intermediates) = svid
        .chain
        .split_first()
        .expect("an SVID is made from its leaf");
    verifier
        .verify_server_cert(
            leaf,
            intermediates,
            &unnamed_server(),
            &[],
            UnixTime::since_unix_epoch(since_epoch),
        )
        .map(|_| ())
        .map_err(Error::Inconsistent)
}

/// The server name to pass to a TLS connector: peers are known by SPIFFE id, and no name is sent.
pub fn unnamed_server() -> ServerName<'static> {
    ServerName::IpAddress(IpAddr::V4(Ipv4Addr::UNSPECIFIED).into())
}

fn client_builder(
    verifier: ServerVerifier,
) -> Result<rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>, Error> {
    Ok(ClientConfig::builder_with_provider(Arc::clone(&PROVIDER))
        .with_protocol_versions(&[&TLS13])
        .map_err(Error::Configure)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier)))
}

fn finish_client(mut config: ClientConfig) -> Arc<ClientConfig> {
    config.alpn_protocols = vec![ALPN_H2.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    Arc::new(config)
}

fn own_key(identity: &Identity) -> PrivateKeyDer<'static> {
    PrivateKeyDer::Pkcs8(identity.svid.key.clone_key())
}

/// What is trusted for a trust domain: its own roots, and at least one of them.
fn trust(
    trust_domain: &TrustDomain,
    roots: Option<&[CertificateDer<'static>]>,
) -> Result<Trust, Error> {
    let roots = roots.unwrap_or_default();
    if roots.is_empty() {
        return Err(Error::NoRoots {
            trust_domain: trust_domain.to_string(),
        });
    }
    let mut store = RootCertStore::empty();
    for root in roots {
        store.add(root.clone()).map_err(Error::Configure)?;
    }
    Ok(Trust::new(trust_domain.clone(), store, &PROVIDER))
}

#[cfg(test)]
mod tests;

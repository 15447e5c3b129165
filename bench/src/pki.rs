//! The certificates of a run: an authority of its own and one identity per end, as files, so that
//! every process and both Envoys show the same ones.

use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result};
use mesh_identity::{
    Authority, Csr, RootAuthority, SpiffeId, Svid, TrustBundles, certificates_from_pem,
};
use mesh_transport::Identity;
use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{NoServerSessionStorage, WebPkiClientVerifier},
};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject};

const TRUST_DOMAIN: &str = "cluster.local";
const NAMESPACE: &str = "demo";
/// The end that serves. The echo's policy names both accounts.
pub(crate) const SERVER: &str = "echo";
/// The end that calls.
pub(crate) const CLIENT: &str = "debug";
/// Longer than any run.
const TTL: Duration = Duration::from_secs(6 * 3600);
const ROOT: &str = "root.pem";

/// A folder with certificates.
pub(crate) struct Pki<'a> {
    folder: &'a Path,
}

// === impl Pki ===

impl<'a> Pki<'a> {
    pub(crate) fn at(folder: &'a Path) -> Self {
        Self { folder }
    }

    pub(crate) fn make(folder: &Path) -> Result<()> {
        fs::create_dir_all(folder)?;
        let now = SystemTime::now();
        let root = RootAuthority::create(&TRUST_DOMAIN.parse()?, now)?;
        let authority = root.issue_intermediate(now)?;
        fs::write(folder.join(ROOT), root.certificate_pem())?;
        for account in [SERVER, CLIENT] {
            let svid = issue(&authority, account, now)?;
            fs::write(folder.join(format!("{account}.pem")), svid.chain_pem())?;
            fs::write(folder.join(format!("{account}.key")), svid.key_pem())?;
        }
        Ok(())
    }

    pub(crate) fn identity(&self, account: &str) -> Result<Identity> {
        let chain = certificates_from_pem(&self.read(&format!("{account}.pem"))?)?;
        let key =
            PrivatePkcs8KeyDer::from_pem_slice(self.read(&format!("{account}.key"))?.as_bytes())
                .context("the key is not PEM")?;
        let roots = certificates_from_pem(&self.read(ROOT)?)?;
        Ok(Identity {
            svid: Svid::from_chain(chain, key)?,
            bundles: TrustBundles::of(TRUST_DOMAIN.parse()?, roots),
            received_at: SystemTime::now(),
        })
    }

    pub(crate) fn client_tls(&self) -> Result<Arc<rustls::ClientConfig>> {
        let identity = self.identity(CLIENT)?;
        Ok(mesh_transport::client_config(&identity, &id(SERVER)?)?)
    }

    pub(crate) fn server_tls(&self) -> Result<Arc<ServerConfig>> {
        Ok(mesh_transport::server_config(&self.identity(SERVER)?)?)
    }

    /// rustls as its manual has it: its own verifier, the mesh's certificates and key exchange.
    pub(crate) fn bare_tls(&self) -> Result<Arc<ServerConfig>> {
        use aws_lc_rs::kx_group::{SECP256R1, X25519, X25519MLKEM768};
        let identity = self.identity(SERVER)?;
        let provider = Arc::new(CryptoProvider {
            kx_groups: vec![X25519MLKEM768, X25519, SECP256R1],
            ..aws_lc_rs::default_provider()
        });
        let mut roots = RootCertStore::empty();
        for root in certificates_from_pem(&self.read(ROOT)?)? {
            roots.add(root)?;
        }
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build()?;
        let key = PrivateKeyDer::Pkcs8(identity.svid.key.clone_key());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(verifier)
            .with_single_cert(identity.svid.chain.clone(), key)?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        // As in the mesh: every handshake is a full one.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }

    fn read(&self, name: &str) -> Result<String> {
        let path = self.folder.join(name);
        fs::read_to_string(&path).with_context(|| format!("cannot read {path:?}"))
    }
}

pub(crate) fn id(account: &str) -> Result<SpiffeId> {
    Ok(SpiffeId::new(TRUST_DOMAIN.parse()?, NAMESPACE, account)?)
}

fn issue(authority: &Authority, account: &str, now: SystemTime) -> Result<Svid> {
    let (id, csr) = (id(account)?, Csr::generate()?);
    let issued = authority.sign(&csr.pem, &id, &[], TTL, now)?;
    let (svid, _) = Svid::from_answer(&issued.chain_pem, csr.key.clone_key(), &id)?;
    Ok(svid)
}

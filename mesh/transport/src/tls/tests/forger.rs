//! Certificates that the mesh never issues, for the tests of what it refuses.

use std::sync::Arc;
use std::time::SystemTime;

use mesh_identity::{Authority, certificates_from_pem};
use rcgen::{
    CertificateParams, DistinguishedName, ExtendedKeyUsagePurpose, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls::ClientConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::{HOUR, authority, client_config, order, payment, valid};

/// What the mesh never issues, signed with the mesh's own key: only the verifier stands in between.
pub(super) struct Forger {
    pub(super) issuer: Issuer<'static, KeyPair>,
    pub(super) authority: Authority,
}

impl Forger {
    pub(super) fn new() -> Self {
        let authority = authority("cluster.local");
        let key = KeyPair::from_pem(&authority.key_pem()).unwrap();
        let issuer = Issuer::from_ca_cert_pem(authority.certificate_pem(), key).unwrap();
        Self { issuer, authority }
    }

    /// A chain for a leaf like ours, changed as the case wants.
    pub(super) fn forge(
        &self,
        names: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> Forged {
        let now = SystemTime::now();
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.not_before = (now - HOUR).into();
        params.not_after = (now + HOUR).into();
        params.subject_alt_names = names.iter().map(|name| uri(name)).collect();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &self.issuer).unwrap();
        let mut chain = vec![leaf.der().clone()];
        chain.extend(certificates_from_pem(self.authority.certificate_pem()).unwrap());
        Forged { chain, key }
    }
}

pub(super) struct Forged {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: KeyPair,
}

impl Forged {
    pub(super) fn key_der(&self) -> PrivatePkcs8KeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.serialize_der())
    }

    /// A client that shows this chain and trusts the mesh.
    pub(super) fn client(&self, authority: &Authority) -> Arc<ClientConfig> {
        let trusting = client_config(&valid(authority, &order()), &payment()).unwrap();
        let mut config = ClientConfig::clone(&trusting);
        let key = PrivateKeyDer::Pkcs8(self.key_der());
        let signer = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).unwrap();
        let shown = rustls::sign::CertifiedKey::new(self.chain.clone(), signer);
        config.client_auth_cert_resolver =
            Arc::new(rustls::sign::SingleCertAndKey::from(Arc::new(shown)));
        Arc::new(config)
    }
}

fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

//! Certificates and tokens that the live test makes for itself: an authority, a server, one client
//! per identity, and a key that signs tokens.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Map, Value, json};

/// The secret of the tokens; it never leaves the test.
const TOKEN_SECRET: &[u8] = b"a secret of thirty-two bytes, eh";

/// An authority and what it has issued.
pub(super) struct Identities {
    authority: Issuer<'static, KeyPair>,
    authority_pem: String,
    authority_der: CertificateDer<'static>,
    /// One key for all clients: only the names differ.
    client_key: KeyPair,
    clients: HashMap<(Option<String>, String), Arc<ClientConfig>>,
}

/// What a TLS server needs, in PEM.
pub(super) struct ServerTls {
    pub(super) certificate: String,
    pub(super) key: String,
    pub(super) roots: String,
}

// === impl Identities ===

impl Identities {
    pub(super) fn new() -> Self {
        let key = KeyPair::generate().expect("a key can be made");
        let mut params = nameless();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "policy test authority");
        let certificate = params
            .self_signed(&key)
            .expect("an authority can sign itself");
        Identities {
            authority_pem: certificate.pem(),
            authority_der: certificate.der().clone(),
            authority: Issuer::new(params, key),
            client_key: KeyPair::generate().expect("a key can be made"),
            clients: HashMap::new(),
        }
    }

    pub(super) fn server(&self, names: &[&str], addresses: &[IpAddr]) -> ServerTls {
        let key = KeyPair::generate().expect("a key can be made");
        let mut params = nameless();
        let names = names.iter().map(|name| {
            SanType::DnsName((*name).try_into().expect("the alphabet has ASCII names"))
        });
        params.subject_alt_names = names.collect();
        params
            .subject_alt_names
            .extend(addresses.iter().map(|ip| SanType::IpAddress(*ip)));
        let certificate = params
            .signed_by(&key, &self.authority)
            .expect("a leaf can be signed");
        ServerTls {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            roots: self.authority_pem.clone(),
        }
    }

    /// How a client with this identity, or with none, connects; `alpn` picks the filter chain.
    pub(super) fn client(&mut self, principal: Option<&str>, alpn: &str) -> Arc<ClientConfig> {
        let known = (principal.map(str::to_owned), alpn.to_owned());
        if let Some(config) = self.clients.get(&known) {
            return config.clone();
        }
        let mut roots = RootCertStore::empty();
        roots
            .add(self.authority_der.clone())
            .expect("our own root is valid");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has TLS 1.3")
            .with_root_certificates(roots);
        let mut config = match principal {
            None => builder.with_no_client_auth(),
            Some(principal) => {
                let mut params = nameless();
                let uri = format!("spiffe://{principal}");
                let uri = uri
                    .as_str()
                    .try_into()
                    .expect("the alphabet has ASCII identities");
                params.subject_alt_names = vec![SanType::URI(uri)];
                let leaf = params
                    .signed_by(&self.client_key, &self.authority)
                    .expect("a leaf can be signed");
                let key = PrivatePkcs8KeyDer::from(self.client_key.serialize_der());
                builder
                    .with_client_auth_cert(vec![leaf.der().clone()], PrivateKeyDer::Pkcs8(key))
                    .expect("the key fits the leaf")
            }
        };
        config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
        let config = Arc::new(config);
        self.clients.insert(known, config.clone());
        config
    }
}

fn nameless() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
}

/// A token with this payload.
pub(super) fn token(payload: &Map<String, Value>) -> String {
    let key = EncodingKey::from_secret(TOKEN_SECRET);
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), payload, &key).expect("a token signs")
}

/// The keys by which Envoy verifies the tokens.
pub(super) fn key_set() -> String {
    let key = URL_SAFE_NO_PAD.encode(TOKEN_SECRET);
    json!({"keys": [{"kty": "oct", "alg": "HS256", "k": key}]}).to_string()
}

//! Looks at what a TLS server shows, without trusting any of it and without an identity of our own.

use std::fmt::{self, Display};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error as TlsError, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::error::Error;

/// Connection and handshake: a server that takes longer is down for our purposes.
const HANDSHAKE_MAX: Duration = Duration::from_secs(5);

/// What a server showed.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    address: String,
    protocol: String,
    group: String,
    alpn: String,
}

/// Accepts every certificate, but insists that the server holds its key.
#[derive(Debug)]
struct AnyServer(Arc<CryptoProvider>);

/// Shakes hands with a server, as a client without a certificate.
pub(crate) async fn server(address: &str) -> Result<Seen, Error> {
    let away = |source| Error::Away {
        what: "a server".to_owned(),
        address: address.to_owned(),
        source,
    };
    let handshake = async {
        let socket = TcpStream::connect(address).await?;
        let connector = TlsConnector::from(config());
        connector
            .connect(mesh_transport::unnamed_server(), socket)
            .await
    };
    let stream = match tokio::time::timeout(HANDSHAKE_MAX, handshake).await {
        Ok(stream) => stream.map_err(away)?,
        Err(elapsed) => return Err(away(io::Error::new(io::ErrorKind::TimedOut, elapsed))),
    };
    let (_, connection) = stream.get_ref();
    let alpn = connection.alpn_protocol().map(String::from_utf8_lossy);
    Ok(Seen {
        chain: connection.peer_certificates().unwrap_or_default().to_vec(),
        address: address.to_owned(),
        protocol: connection
            .protocol_version()
            .map(|p| format!("{p:?}"))
            .unwrap_or_default(),
        group: connection
            .negotiated_key_exchange_group()
            .map(|group| format!("{:?}", group.name()))
            .unwrap_or_default(),
        alpn: alpn.map_or_else(|| "no application protocol".to_owned(), Into::into),
    })
}

impl Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            address,
            protocol,
            group,
            alpn,
            ..
        } = self;
        write!(
            f,
            "{address} shows, over {protocol} with {group} and {alpn}:"
        )
    }
}

fn config() -> Arc<ClientConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider knows TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyServer(provider)))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.enable_sni = false;
    Arc::new(config)
}

// === impl AnyServer ===

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _leaf: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _leaf: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        Err(TlsError::General("TLS 1.2 is not offered".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, leaf, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

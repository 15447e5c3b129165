//! One request to the authority, over a connection of its own.
//!
//! The pool of the data plane cannot be used here: it needs the identity that is being fetched.

use std::convert::Infallible;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use mesh_identity::{Csr, Svid, TrustBundles, certificates_from_pem};
use mesh_xds::ca::{IstioCertificateRequest, IstioCertificateServiceClient};
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::body::Body;
use tonic::metadata::{Ascii, MetadataValue};

use super::CaSettings;
use crate::error::{Error, handshake_failure};
use crate::identity_source::Identity;
use crate::peer::require_h2;
use crate::tls::{AuthorityExpectation, authority_client_config, check_consistent, unnamed_server};

/// How long a request may take from dialling to the answer. Half a second is long; what takes more
/// than this is better begun anew.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest answer in bytes: three certificates take 3 KiB.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// The authority may be ahead of us by no more than the longest answer.
const WINDOW_BYTES: u32 = 256 * 1024;

/// An answer has a handful of headers; the limit of all our connections.
const HEADER_LIST_BYTES_MAX: u32 = 16 * 1024;

/// There is one request on a connection.
const STREAMS_MAX: usize = 1;

/// The longest root or token file in bytes that is read.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// An identity, and the roots to trust the authority by from now on.
pub(super) struct Answer {
    pub(super) identity: Identity,
    pub(super) roots: Vec<CertificateDer<'static>>,
}

/// The one connection of a request, as the generated client wants it.
struct Connection(SendRequest<Body>);

/// Asks once. `roots` are those of the last answer; without one the root file counts.
pub(super) async fn identity(
    settings: &CaSettings,
    roots: Option<&[CertificateDer<'static>]>,
) -> Result<Answer, Error> {
    let request = ask(settings, roots);
    let timeout = |_| Error::Timeout {
        after: REQUEST_TIMEOUT,
    };
    tokio::time::timeout(REQUEST_TIMEOUT, request)
        .await
        .map_err(timeout)?
}

async fn ask(
    settings: &CaSettings,
    roots: Option<&[CertificateDer<'static>]>,
) -> Result<Answer, Error> {
    let roots = match roots {
        Some(roots) => roots.to_vec(),
        None => roots_from(&settings.root_file).await?,
    };
    let token = token_from(&settings.token_file).await?;
    let stream = connect(settings, &roots).await?;
    let csr = Csr::generate().map_err(Error::Answer)?;
    let chain = call(settings, stream, &csr, token).await?;
    let now = SystemTime::now();
    let (svid, roots) =
        Svid::from_answer(&chain, csr.key.clone_key(), &settings.id).map_err(Error::Answer)?;
    check_consistent(&svid, &roots, now)?;
    let identity = Identity {
        svid,
        bundles: TrustBundles::of(settings.id.trust_domain().clone(), roots.clone()),
        received_at: now,
    };
    Ok(Answer { identity, roots })
}

async fn connect(
    settings: &CaSettings,
    roots: &[CertificateDer<'static>],
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, Error> {
    let dns_name = ServerName::try_from(settings.server_name.clone());
    let expected = AuthorityExpectation {
        id: settings.meshd_id.clone(),
        dns_name: dns_name.map_err(|_| Error::ServerName {
            name: settings.server_name.clone(),
        })?,
    };
    let config = authority_client_config(roots, &expected)?;
    let socket = TcpStream::connect(&settings.address)
        .await
        .map_err(|source| Error::Connect {
            address: settings.address.clone(),
            source,
        })?;
    let stream = TlsConnector::from(config)
        .connect(unnamed_server(), socket)
        .await
        .map_err(|error| Error::Handshake {
            address: settings.address.clone(),
            reason: handshake_failure(&error),
        })?;
    require_h2(stream.get_ref().1)?;
    Ok(stream)
}

async fn call(
    settings: &CaSettings,
    stream: tokio_rustls::client::TlsStream<TcpStream>,
    csr: &Csr,
    token: MetadataValue<Ascii>,
) -> Result<Vec<String>, Error> {
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_header_list_size(HEADER_LIST_BYTES_MAX)
        .initial_max_send_streams(STREAMS_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(Error::Http2)?;
    let origin = format!("https://{}", settings.server_name)
        .parse()
        .map_err(|_| Error::ServerName {
            name: settings.server_name.clone(),
        })?;
    let mut client = IstioCertificateServiceClient::with_origin(Connection(sender), origin)
        .max_decoding_message_size(ANSWER_BYTES_MAX);
    let mut request = tonic::Request::new(IstioCertificateRequest {
        csr: csr.pem.clone(),
        validity_duration: i64::try_from(settings.ttl.as_secs()).unwrap_or(i64::MAX),
        metadata: None,
    });
    request.metadata_mut().insert("authorization", token);
    request.set_timeout(REQUEST_TIMEOUT);
    // The connection moves only while it is polled. When it ends first, the call tells why.
    let drive = async move {
        let _ = connection.await;
        std::future::pending::<Infallible>().await
    };
    let answer = tokio::select! {
        answer = client.create_certificate(request) => answer,
        never = drive => match never {},
    };
    match answer {
        Ok(answer) => Ok(answer.into_inner().cert_chain),
        Err(status) => Err(Error::Refused(Box::new(status))),
    }
}

async fn roots_from(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let pem = read(path).await?;
    certificates_from_pem(&pem).map_err(|source| Error::RootFile {
        path: path.to_owned(),
        source,
    })
}

async fn token_from(path: &Path) -> Result<MetadataValue<Ascii>, Error> {
    let text = read(path).await?;
    let unusable = || Error::TokenFile {
        path: path.to_owned(),
    };
    let token = text.trim();
    if token.is_empty() {
        return Err(unusable());
    }
    let mut value: MetadataValue<Ascii> =
        format!("Bearer {token}").parse().map_err(|_| unusable())?;
    value.set_sensitive(true);
    Ok(value)
}

async fn read(path: &Path) -> Result<String, Error> {
    use tokio::io::AsyncReadExt;
    let whole = async {
        let mut text = String::new();
        let file = tokio::fs::File::open(path).await?;
        file.take(FILE_BYTES_MAX).read_to_string(&mut text).await?;
        Ok(text)
    };
    whole.await.map_err(|source| Error::ReadFile {
        path: path.to_owned(),
        source,
    })
}

// === impl Connection ===

impl tower::Service<http::Request<Body>> for Connection {
    type Response = http::Response<hyper::body::Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}

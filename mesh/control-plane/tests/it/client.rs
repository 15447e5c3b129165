//! A client that can ask for anything, with any token.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use mesh_identity::certificates_from_pem;
use mesh_transport::istio_ca::MESHD_DNS_NAME;
use mesh_transport::{AuthorityExpectation, authority_client_config, unnamed_server};
use mesh_xds::ca::{IstioCertificateRequest, IstioCertificateServiceClient};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::body::Body;
use tonic::{Request, Status};

use crate::Plane;

/// One connection to an authority.
pub(crate) struct Client(IstioCertificateServiceClient<Connection>);

#[derive(Clone)]
struct Connection(SendRequest<Body>);

impl Client {
    pub(crate) async fn connect(plane: &Plane) -> Self {
        let expected = AuthorityExpectation {
            id: plane.config.own_id(),
            dns_name: MESHD_DNS_NAME.try_into().unwrap(),
        };
        let roots = certificates_from_pem(&plane.root_pem()).unwrap();
        let config = authority_client_config(&roots, &expected).unwrap();
        Self::connect_with(plane, config).await
    }

    pub(crate) async fn connect_with(plane: &Plane, config: Arc<rustls::ClientConfig>) -> Self {
        let socket = TcpStream::connect(plane.running.ca_address).await.unwrap();
        let stream = TlsConnector::from(config)
            .connect(unnamed_server(), socket)
            .await
            .unwrap();
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        let origin = "https://meshd.mesh-system.svc".parse().unwrap();
        Self(IstioCertificateServiceClient::with_origin(
            Connection(sender),
            origin,
        ))
    }

    /// Asks with the headers given for a certificate of so many seconds.
    pub(crate) async fn ask(
        &mut self,
        authorization: &[&str],
        csr: &str,
        seconds: i64,
    ) -> Result<Vec<String>, Status> {
        let mut request = Request::new(IstioCertificateRequest {
            csr: csr.to_owned(),
            validity_duration: seconds,
            metadata: None,
        });
        for value in authorization {
            let value = value.parse().unwrap();
            request.metadata_mut().append("authorization", value);
        }
        let answer = self.0.create_certificate(request).await?;
        Ok(answer.into_inner().cert_chain)
    }
}

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

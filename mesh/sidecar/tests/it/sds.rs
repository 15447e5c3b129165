//! The agent over its socket, asked as Envoy asks.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo};
use mesh_sidecar::agent::{ROOT_CA, SVID};
use mesh_transport::{Identity, IdentitySource};
use mesh_xds::discovery::{DiscoveryRequest, DiscoveryResponse};
use mesh_xds::secret::{Secret, SecretDiscoveryServiceClient, data_source, secret};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::DropGuard;
use tonic::{Code, Streaming};

use crate::support::{Mesh, PATIENCE};

struct Agent {
    mesh: Mesh,
    identity: watch::Sender<Option<Arc<Identity>>>,
    _stop: DropGuard,
}

/// One stream of a proxy.
struct Proxy {
    requests: mpsc::Sender<DiscoveryRequest>,
    answers: Streaming<DiscoveryResponse>,
}

impl Agent {
    fn start(name: &str) -> Self {
        let mesh = Mesh::new(name);
        let (identity, changes) = watch::channel(None);
        let stop = mesh.agent(IdentitySource::from_watch(changes));
        Self {
            mesh,
            identity,
            _stop: stop,
        }
    }

    /// Gives the agent a new SVID and answers its serial.
    fn rotate(&self) -> String {
        let identity = self.mesh.issue("gateway", Duration::from_secs(60));
        let serial = identity.svid.serial.clone();
        self.identity.send_replace(Some(Arc::new(identity)));
        serial
    }

    async fn stream(&self) -> Proxy {
        let (requests, outgoing) = mpsc::channel(4);
        let stream = async {
            loop {
                if let Ok(stream) = UnixStream::connect(self.mesh.socket()).await {
                    return stream;
                }
                tokio::task::yield_now().await;
            }
        };
        let io = TokioIo::new(timeout(PATIENCE, stream).await.unwrap());
        let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io)
            .await
            .unwrap();
        tokio::spawn(connection);
        let service = tower::service_fn(move |request: http::Request<tonic::body::Body>| {
            let mut sender = sender.clone();
            async move { sender.send_request(request).await }
        });
        let mut client = SecretDiscoveryServiceClient::with_origin(
            service,
            http::Uri::from_static("http://agent"),
        );
        let answers = timeout(
            PATIENCE,
            client.stream_secrets(ReceiverStream::new(outgoing)),
        );
        Proxy {
            requests,
            answers: answers.await.unwrap().unwrap().into_inner(),
        }
    }
}

impl Proxy {
    async fn ask(&self, names: &[&str], nonce: &str) {
        let request = DiscoveryRequest {
            resource_names: names.iter().map(|name| (*name).to_owned()).collect(),
            response_nonce: nonce.to_owned(),
            ..DiscoveryRequest::default()
        };
        self.requests.send(request).await.unwrap();
    }

    async fn answer(&mut self) -> DiscoveryResponse {
        timeout(PATIENCE, self.answers.message())
            .await
            .unwrap()
            .unwrap()
            .unwrap()
    }
}

fn secret_of(answer: &DiscoveryResponse) -> Secret {
    assert_eq!(answer.resources.len(), 1);
    prost::Message::decode(answer.resources[0].value.as_slice()).unwrap()
}

#[tokio::test]
async fn a_proxy_gets_the_svid_with_its_key_and_the_roots() {
    let agent = Agent::start("both");
    agent.rotate();

    let mut svid = agent.stream().await;
    svid.ask(&[SVID], "").await;
    let Some(secret::Type::TlsCertificate(pair)) = secret_of(&svid.answer().await).r#type else {
        panic!("not a certificate");
    };
    let text = |source: Option<mesh_xds::secret::DataSource>| match source.unwrap().specifier {
        Some(data_source::Specifier::InlineString(text)) => text,
        other => panic!("{other:?}"),
    };
    let chain = text(pair.certificate_chain);
    assert_eq!(
        chain.matches("BEGIN CERTIFICATE").count(),
        2,
        "leaf and intermediate"
    );
    assert!(text(pair.private_key).contains("BEGIN PRIVATE KEY"));

    let mut roots = agent.stream().await;
    roots.ask(&[ROOT_CA], "").await;
    let Some(secret::Type::ValidationContext(context)) = secret_of(&roots.answer().await).r#type
    else {
        panic!("not a validation context");
    };
    assert_eq!(text(context.trusted_ca), agent.mesh.root_pem());
}

#[tokio::test]
async fn a_new_svid_is_pushed_and_an_acknowledgement_gets_no_answer() {
    let agent = Agent::start("push");
    let first = agent.rotate();
    let mut proxy = agent.stream().await;
    proxy.ask(&[SVID], "").await;
    let answer = proxy.answer().await;
    assert_eq!(answer.version_info, first);

    proxy.ask(&[SVID], &answer.nonce).await;
    let second = agent.rotate();
    let answer = proxy.answer().await;
    assert_eq!(
        answer.version_info, second,
        "the next answer is the rotation, not an echo"
    );
    assert_eq!(answer.nonce, "2", "nothing was sent in between");
}

#[tokio::test]
async fn a_proxy_that_asks_before_there_is_an_identity_is_answered_when_there_is() {
    let agent = Agent::start("early");
    let mut proxy = agent.stream().await;
    proxy.ask(&[SVID], "").await;
    let serial = agent.rotate();
    assert_eq!(proxy.answer().await.version_info, serial);
}

#[tokio::test]
async fn other_names_are_answered_anew_and_unknown_ones_are_named() {
    let agent = Agent::start("names");
    agent.rotate();
    let mut proxy = agent.stream().await;
    proxy.ask(&[SVID], "").await;
    let nonce = proxy.answer().await.nonce;
    proxy.ask(&[SVID, ROOT_CA], &nonce).await;
    assert_eq!(proxy.answer().await.resources.len(), 2);
    proxy.ask(&["other"], "2").await;
    let refused = timeout(PATIENCE, proxy.answers.message())
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("\"other\""), "{refused}");
}

#[tokio::test]
async fn nobody_else_can_open_the_socket() {
    let agent = Agent::start("modes");
    agent.stream().await;
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&agent.mesh.socket()), 0o600);
    assert_eq!(mode(agent.mesh.folder()), 0o700);
}

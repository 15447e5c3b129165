//! Envoy's secret discovery service, state of the world: `default` is the SVID, `ROOTCA` the roots.
//!
//! Each stream gets an answer when it first asks, when it asks for other names, and whenever the
//! identity has changed. An acknowledgement gets none, or both sides would talk for ever.

use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use mesh_identity::certificates_to_pem;
use mesh_transport::{Identity, IdentitySource};
use mesh_xds::discovery::{
    Any, DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
    pack_any,
};
use mesh_xds::secret::{
    CertificateValidationContext, DataSource, Secret, SecretDiscoveryService, TlsCertificate,
    data_source, secret,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};
use tracing::{info, warn};

/// Name of the secret that holds the workload's SVID, as Istio names it.
pub const SVID: &str = "default";
/// Name of the secret that holds the roots to trust, as Istio names it.
pub const ROOT_CA: &str = "ROOTCA";

/// The type of every resource served here.
const SECRET_TYPE: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";
/// One answer waits while the next is made; a proxy that does not read stops its own stream only.
const ANSWERS_QUEUED: usize = 1;

/// Serves the secrets of one identity.
#[derive(Clone, Debug)]
pub struct Secrets {
    identity: IdentitySource,
    shutdown: CancellationToken,
}

/// What one stream has asked for and been told.
#[derive(Debug, Default)]
struct Subscription {
    names: Vec<String>,
    /// Counts answers: the nonce of the last one.
    answers: u64,
}

/// What a request on a stream asks us to do.
#[derive(Debug, PartialEq, Eq)]
enum Reaction {
    /// Send the secrets.
    Answer,
    /// Nothing: the proxy has taken the last answer.
    Acknowledged,
    /// Nothing but a warning: the proxy keeps what it had.
    Refused(String),
}

// === impl Secrets ===

impl Secrets {
    /// Serves `identity` until `shutdown`, which ends every stream.
    pub fn new(identity: IdentitySource, shutdown: CancellationToken) -> Self {
        Self { identity, shutdown }
    }

    async fn run_stream<S>(
        self,
        mut requests: S,
        answers: mpsc::Sender<Result<DiscoveryResponse, Status>>,
    ) where
        S: Stream<Item = Result<DiscoveryRequest, Status>> + Unpin,
    {
        let mut subscription = Subscription::default();
        let mut changes = self.identity.subscribe();
        changes.mark_changed();
        loop {
            let due = tokio::select! {
                () = self.shutdown.cancelled() => return,
                request = requests.next() => match request {
                    Some(Ok(request)) => subscription.react(&request),
                    Some(Err(_)) | None => return,
                },
                changed = changes.changed() => match changed {
                    Ok(()) if subscription.names.is_empty() => continue,
                    Ok(()) => Reaction::Answer,
                    Err(_) => return,
                },
            };
            match due {
                Reaction::Acknowledged => {}
                Reaction::Refused(reason) => {
                    warn!(names = ?subscription.names, reason, "a proxy refused its secrets");
                }
                Reaction::Answer => {
                    // Without an identity yet, the change that brings it will answer.
                    let Some(identity) = changes.borrow_and_update().clone() else {
                        continue;
                    };
                    let answer = subscription.answer(&identity);
                    let failed = answer.is_err();
                    if answers.send(answer).await.is_err() || failed {
                        return;
                    }
                    let serial = &identity.svid.serial;
                    info!(names = ?subscription.names, serial, "secrets sent to a proxy");
                }
            }
        }
    }
}

#[tonic::async_trait]
impl SecretDiscoveryService for Secrets {
    type DeltaSecretsStream = BoxStream<'static, Result<DeltaDiscoveryResponse, Status>>;
    type StreamSecretsStream = ReceiverStream<Result<DiscoveryResponse, Status>>;

    async fn stream_secrets(
        &self,
        request: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamSecretsStream>, Status> {
        let (sender, receiver) = mpsc::channel(ANSWERS_QUEUED);
        tokio::spawn(self.clone().run_stream(request.into_inner(), sender));
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn fetch_secrets(
        &self,
        request: Request<DiscoveryRequest>,
    ) -> Result<Response<DiscoveryResponse>, Status> {
        let mut subscription = Subscription::default();
        subscription.react(request.get_ref());
        subscription
            .answer(&*self.identity.ready().await)
            .map(Response::new)
    }

    async fn delta_secrets(
        &self,
        _: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaSecretsStream>, Status> {
        Err(Status::unimplemented(
            "ask for the state of the world: StreamSecrets",
        ))
    }
}

// === impl Subscription ===

impl Subscription {
    fn react(&mut self, request: &DiscoveryRequest) -> Reaction {
        let renamed = self.names != request.resource_names;
        self.names.clone_from(&request.resource_names);
        if request.response_nonce.is_empty() || renamed {
            return Reaction::Answer;
        }
        match &request.error_detail {
            Some(error) => Reaction::Refused(error.message.clone()),
            None => Reaction::Acknowledged,
        }
    }

    fn answer(&mut self, identity: &Identity) -> Result<DiscoveryResponse, Status> {
        let resources = self.names.iter().map(|name| resource(name, identity));
        let resources = resources.collect::<Result<Vec<_>, Status>>()?;
        self.answers += 1;
        Ok(DiscoveryResponse {
            version_info: identity.svid.serial.clone(),
            resources,
            type_url: SECRET_TYPE.to_owned(),
            nonce: self.answers.to_string(),
            ..DiscoveryResponse::default()
        })
    }
}

fn resource(name: &str, identity: &Identity) -> Result<Any, Status> {
    let content = match name {
        SVID => secret::Type::TlsCertificate(TlsCertificate {
            certificate_chain: Some(inline(identity.svid.chain_pem())),
            private_key: Some(inline(identity.svid.key_pem().to_string())),
            ..TlsCertificate::default()
        }),
        ROOT_CA => secret::Type::ValidationContext(CertificateValidationContext {
            trusted_ca: Some(inline(own_roots(identity)?)),
            ..CertificateValidationContext::default()
        }),
        other => {
            return Err(Status::invalid_argument(format!(
                "unknown secret \"{other}\": there are \"{SVID}\" and \"{ROOT_CA}\""
            )));
        }
    };
    Ok(pack_any(Secret {
        name: name.to_owned(),
        r#type: Some(content),
    }))
}

fn own_roots(identity: &Identity) -> Result<String, Status> {
    let domain = identity.svid.id.trust_domain();
    let roots = identity.bundles.roots(domain);
    let roots = roots.ok_or_else(|| Status::internal(format!("no roots of \"{domain}\"")))?;
    Ok(certificates_to_pem(roots))
}

fn inline(text: String) -> DataSource {
    DataSource {
        specifier: Some(data_source::Specifier::InlineString(text)),
        ..DataSource::default()
    }
}

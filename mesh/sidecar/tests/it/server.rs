//! An echo on the real data plane that remembers how often each call reached it, and with which
//! certificates its callers came.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use echo::pb::echo_service_server::EchoService;
use echo::pb::{
    ChatRequest, ChatResponse, EchoRequest, EchoResponse, RepeatRequest, RepeatResponse,
};
use echo::{Answers, Echo};
use mesh_dataplane::{Ports, Serving, Settings, Workload};
use mesh_transport::{IdentitySource, PeerIdentity};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Request, Response, Status, Streaming};

use crate::support::Mesh;

/// The header by which calls are counted.
pub(crate) const CALL_ID: &str = "x-call-id";
/// The gateway alone may call.
const POLICIES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/policies.yaml");

/// A workload that serves the echo.
pub(crate) struct Server {
    pub(crate) echo: Counting,
    serving: Serving,
    _workload: Workload,
    _stop: DropGuard,
}

/// The echo of these tests.
#[derive(Clone, Default)]
pub(crate) struct Counting {
    seen: Arc<Mutex<Seen>>,
}

#[derive(Clone, Default)]
pub(crate) struct Seen {
    /// Entries into any handler.
    pub(crate) entered: u64,
    /// How often each call that has an id came in.
    pub(crate) calls: HashMap<String, u32>,
    /// Serial numbers of the callers' certificates.
    pub(crate) serials: BTreeSet<String>,
}

// === impl Server ===

impl Server {
    pub(crate) async fn start(mesh: &Mesh, account: &str, identity: IdentitySource) -> Self {
        let mut settings = Settings::of(mesh.id(account), [127, 0, 0, 1].into());
        settings.ports = Ports {
            grpc: 0,
            admin: 0,
            metrics: 0,
            probes: 0,
        };
        settings.policy_paths = vec![POLICIES.into()];
        let stop = CancellationToken::new();
        let workload = Workload::start_with(settings, Some(identity), stop.clone())
            .await
            .unwrap();
        let echo = Counting::default();
        let routes = echo::routes(echo.clone());
        Self {
            serving: workload.serve(routes).await.unwrap(),
            echo,
            _workload: workload,
            _stop: stop.drop_guard(),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.serving.local_addr()
    }
}

// === impl Counting ===

impl Counting {
    pub(crate) fn seen(&self) -> Seen {
        self.seen.lock().unwrap().clone()
    }

    fn note<T>(&self, request: &Request<T>) {
        let mut seen = self.seen.lock().unwrap();
        seen.entered += 1;
        if let Some(id) = request.metadata().get(CALL_ID) {
            let id = id.to_str().unwrap().to_owned();
            *seen.calls.entry(id).or_default() += 1;
        }
        let peer = request.extensions().get::<PeerIdentity>().unwrap();
        seen.serials.insert(peer.serial.to_string());
    }
}

#[tonic::async_trait]
impl EchoService for Counting {
    type RepeatStream = Answers<RepeatResponse>;
    type ChatStream = Answers<ChatResponse>;

    async fn echo(&self, request: Request<EchoRequest>) -> Result<Response<EchoResponse>, Status> {
        self.note(&request);
        Echo.echo(request).await
    }

    async fn repeat(
        &self,
        request: Request<RepeatRequest>,
    ) -> Result<Response<Self::RepeatStream>, Status> {
        self.note(&request);
        Echo.repeat(request).await
    }

    async fn chat(
        &self,
        request: Request<Streaming<ChatRequest>>,
    ) -> Result<Response<Self::ChatStream>, Status> {
        self.note(&request);
        Echo.chat(request).await
    }
}

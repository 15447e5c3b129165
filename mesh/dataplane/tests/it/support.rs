//! What the tests share: a trust domain with its authority, workloads in it, and an echo that
//! remembers who called.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime},
};

use echo::{
    Answers, Echo,
    pb::{
        ChatRequest, ChatResponse, EchoRequest, EchoResponse, RepeatRequest, RepeatResponse,
        echo_service_client::EchoServiceClient, echo_service_server::EchoService,
    },
};
use mesh_dataplane::{MeshChannel, Mode, Ports, Serving, Settings, Workload};
use mesh_identity::{Authority, Csr, RootAuthority, SpiffeId, Svid, TrustBundles};
use mesh_transport::{Identity, IdentitySource};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming, metadata::MetadataMap};

pub(crate) const HOUR: Duration = Duration::from_secs(3600);
/// The header by which the echo of these tests counts calls.
pub(crate) const CALL_ID: &str = "x-call-id";
/// The callers that the tests use unless they are about callers.
const ANYBODY: &str = "
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: istio-system}
spec: {mtls: {mode: STRICT}}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: anybody, namespace: shop}
spec:
  rules:
    - from:
        - source:
            principals:
              - cluster.local/ns/shop/sa/order
              - cluster.local/ns/shop/sa/alpha
              - cluster.local/ns/shop/sa/beta
              - cluster.local/ns/shop/sa/gamma
      to: [{operation: {paths: [/echo.v1.EchoService/*]}}]
";

static WORLDS: AtomicU32 = AtomicU32::new(0);

/// One trust domain, its authority and its endpoints file.
pub(crate) struct World {
    pub(crate) authority: Authority,
    folder: PathBuf,
    endpoints: Mutex<String>,
}

/// A workload that serves.
pub(crate) struct Served {
    pub(crate) workload: Workload,
    pub(crate) serving: Serving,
    pub(crate) echo: Counting,
    pub(crate) shutdown: CancellationToken,
}

/// An echo that counts how often each call reached it, and keeps the headers of the last one.
#[derive(Clone, Default)]
pub(crate) struct Counting {
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    calls: BTreeMap<String, u32>,
    entered: u32,
    headers: MetadataMap,
}

// === impl World ===

impl World {
    pub(crate) fn new() -> Self {
        Self::of("cluster.local")
    }

    pub(crate) fn of(trust_domain: &str) -> Self {
        let number = WORLDS.fetch_add(1, Ordering::Relaxed);
        let name = format!("mesh-dataplane-it-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("endpoints.yaml"), "").unwrap();
        std::fs::write(folder.join("policies.yaml"), ANYBODY).unwrap();
        // Old enough to have issued what has expired since.
        let made_at = SystemTime::now() - HOUR * 24;
        let root = RootAuthority::create(&trust_domain.parse().unwrap(), made_at).unwrap();
        let authority = root.issue_intermediate(made_at).unwrap();
        Self {
            authority,
            folder,
            endpoints: Mutex::default(),
        }
    }

    pub(crate) fn id(&self, account: &str) -> SpiffeId {
        SpiffeId::new(self.authority.trust_domain().clone(), "shop", account).unwrap()
    }

    pub(crate) fn issue(&self, id: &SpiffeId, ttl: Duration, now: SystemTime) -> Identity {
        let csr = Csr::generate().unwrap();
        let issued = self
            .authority
            .sign(&csr.pem, id, &["named.test"], ttl, now)
            .unwrap();
        let (svid, roots) = Svid::from_answer(&issued.chain_pem, csr.key.clone_key(), id).unwrap();
        let bundles = TrustBundles::of(id.trust_domain().clone(), roots);
        Identity {
            svid,
            bundles,
            received_at: now,
        }
    }

    pub(crate) fn identity(&self, account: &str) -> IdentitySource {
        IdentitySource::fixed(self.issue(&self.id(account), HOUR, SystemTime::now()))
    }

    /// An identity that is replaced at about half of its life, for as long as anybody looks.
    pub(crate) fn rotating(self: &Arc<Self>, account: &str, ttl: Duration) -> IdentitySource {
        let (world, id) = (Arc::clone(self), self.id(account));
        let issue = move || Some(Arc::new(world.issue(&id, ttl, SystemTime::now())));
        let (sender, receiver) = watch::channel(issue());
        tokio::spawn(async move {
            while !sender.is_closed() {
                tokio::time::sleep(ttl.mul_f64(rand::random_range(0.45..0.55))).await;
                sender.send_replace(issue());
            }
        });
        IdentitySource::from_watch(receiver)
    }

    pub(crate) fn settings(&self, account: &str) -> Settings {
        let mut settings = Settings::of(self.id(account), [127, 0, 0, 1].into());
        settings.ports = Ports {
            grpc: 0,
            admin: 0,
            metrics: 0,
            probes: 0,
        };
        settings.endpoints_file = self.folder.join("endpoints.yaml");
        settings.policy_paths = vec![self.folder.join("policies.yaml")];
        settings
    }

    /// The same with policies of its own.
    pub(crate) fn settings_with(&self, account: &str, policies: &str) -> Settings {
        let file = self.folder.join(format!("policies-{account}.yaml"));
        std::fs::write(&file, policies).unwrap();
        Settings {
            policy_paths: vec![file],
            ..self.settings(account)
        }
    }

    /// Writes where `service` is and who must answer there.
    pub(crate) fn announce(&self, service: &str, account: &str, address: SocketAddr) {
        let mut endpoints = self.endpoints.lock().unwrap();
        endpoints.push_str(&format!(
            "---\napiVersion: networking.istio.io/v1\nkind: WorkloadEntry\n\
             metadata: {{name: {service}-{port}, namespace: shop}}\n\
             spec:\n  address: {ip}\n  ports: {{grpc: {port}}}\n  serviceAccount: {account}\n  \
             labels: {{app: {service}}}\n",
            ip = address.ip(),
            port = address.port(),
        ));
        let path = self.folder.join("endpoints.yaml");
        let next = self.folder.join("endpoints.next");
        std::fs::write(&next, endpoints.as_str()).unwrap();
        std::fs::rename(next, path).unwrap();
    }

    /// A workload with mutual TLS.
    pub(crate) async fn workload(&self, account: &str) -> Workload {
        self.start(self.settings(account), Some(self.identity(account)))
            .await
    }

    /// A workload that speaks plaintext.
    pub(crate) async fn plaintext(&self, account: &str) -> Workload {
        let settings = Settings {
            mode: Mode::Off,
            ..self.settings(account)
        };
        self.start(settings, None).await
    }

    pub(crate) async fn start(
        &self,
        settings: Settings,
        identity: Option<IdentitySource>,
    ) -> Workload {
        Workload::start_with(settings, identity, CancellationToken::new())
            .await
            .unwrap()
    }

    /// An echo service that everybody of these tests may call, announced under its account.
    pub(crate) async fn serve(
        &self,
        settings: Settings,
        identity: Option<IdentitySource>,
    ) -> Served {
        let account = settings.service().to_owned();
        let workload = self.start(settings, identity).await;
        let shutdown = workload.shutdown().clone();
        let echo = Counting::default();
        let serving = workload.serve(echo::routes(echo.clone())).await.unwrap();
        self.announce(&account, &account, serving.local_addr());
        Served {
            workload,
            serving,
            echo,
            shutdown,
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

// === impl Counting ===

impl Counting {
    pub(crate) fn entered(&self) -> u32 {
        self.seen.lock().unwrap().entered
    }

    pub(crate) fn calls(&self) -> BTreeMap<String, u32> {
        self.seen.lock().unwrap().calls.clone()
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let seen = self.seen.lock().unwrap();
        seen.headers
            .get(name)
            .map(|value| value.to_str().unwrap().to_owned())
    }

    fn note<T>(&self, request: &Request<T>) {
        let mut seen = self.seen.lock().unwrap();
        seen.entered += 1;
        if let Some(id) = request.metadata().get(CALL_ID) {
            *seen
                .calls
                .entry(id.to_str().unwrap().to_owned())
                .or_default() += 1;
        }
        seen.headers = request.metadata().clone();
    }
}

#[tonic::async_trait]
impl EchoService for Counting {
    type RepeatStream = Answers<RepeatResponse>;
    type ChatStream = Answers<ChatResponse>;

    async fn echo(&self, request: Request<EchoRequest>) -> Result<Response<EchoResponse>, Status> {
        self.note(&request);
        assert_ne!(request.get_ref().message, "panic", "asked to panic");
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

// === helpers ===

pub(crate) fn client(workload: &Workload, service: &str) -> EchoServiceClient<MeshChannel> {
    EchoServiceClient::new(workload.channel(service))
}

pub(crate) fn say(message: &str, delay_ms: u32) -> EchoRequest {
    EchoRequest {
        call_id: String::new(),
        message: message.to_owned(),
        delay_ms,
    }
}

pub(crate) fn repeat(count: u32, delay_ms: u32) -> RepeatRequest {
    RepeatRequest {
        call_id: String::new(),
        message: "again".to_owned(),
        count,
        delay_ms,
    }
}

/// Polls until `probe` holds; fails the test after ten seconds.
pub(crate) async fn eventually(what: &str, mut probe: impl AsyncFnMut() -> bool) {
    let until = tokio::time::Instant::now() + Duration::from_secs(10);
    while !probe().await {
        assert!(tokio::time::Instant::now() < until, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until `client` may call: endpoints are read and the identity is there.
pub(crate) async fn ready(workload: &Workload) {
    let ready = tokio::time::timeout(Duration::from_secs(10), workload.readiness().ready());
    assert!(
        ready.await.is_ok(),
        "not ready: {:?}",
        workload.readiness().unmet()
    );
}

/// The sum of a metric's samples whose labels contain all of `labels`.
pub(crate) fn metric(name: &str, labels: &[&str]) -> f64 {
    mesh_telemetry::metrics::render()
        .lines()
        .filter(|line| line.starts_with(name) && labels.iter().all(|label| line.contains(label)))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

//! A workload of the mesh: its identity, its readiness, its plain listeners, the ways out of it
//! and the service that it offers.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use http::{Request, Response};
use mesh_identity::SpiffeId;
use mesh_transport::{IdentitySource, istio_ca};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tower::util::BoxCloneService;

use crate::{
    Condition, Error, MeshChannel, Mode, Readiness, Serving, Settings,
    inbound::{Gate, Rules, Server},
    outbound::{Dialer, Discovery},
    own_identity::OwnIdentity,
    plain::{Admin, Page, listen},
    policies::Policies,
    registry::Registry,
};

/// Where the control plane lives, in every trust domain.
const MESHD_NAMESPACE: &str = "mesh-system";
/// See above.
const MESHD_ACCOUNT: &str = "meshd";

/// One workload of the mesh in this process. Clones are the same workload.
#[derive(Clone, Debug)]
pub struct Workload {
    inner: Arc<Inner>,
}

/// Where the plain listeners are; of interest when their ports were chosen by the system.
#[derive(Clone, Copy, Debug)]
pub struct PlainAddresses {
    /// `/livez`, `/readyz`, `/startupz`.
    pub probes: SocketAddr,
    /// `/metrics`.
    pub metrics: SocketAddr,
    /// `/certs`, `/connections`, `/config`.
    pub admin: SocketAddr,
}

#[derive(Debug)]
struct Inner {
    settings: Arc<Settings>,
    /// None without a mesh, and where nobody is served.
    policies: Option<Arc<Policies>>,
    shutdown: CancellationToken,
    readiness: Readiness,
    identity: Option<Arc<OwnIdentity>>,
    registry: Arc<Registry>,
    discovery: Arc<Discovery>,
    dialer: Arc<Dialer>,
    plain: PlainAddresses,
    /// One per service, so that everybody who calls it shares its connections.
    channels: Mutex<HashMap<String, MeshChannel>>,
}

// === impl Workload ===

impl Workload {
    /// Starts the CA client and the listeners for probes, metrics and admin. It does not wait for
    /// the first SVID; `/readyz` and calls do. `shutdown` begins the drain.
    pub async fn start(settings: Settings, shutdown: CancellationToken) -> Result<Self, Error> {
        let background = CancellationToken::new();
        let identity = match settings.mode {
            Mode::InProcess => Some(fetch_identity(&settings, background.clone())),
            Mode::Sidecar | Mode::Off => None,
        };
        Self::assemble(settings, identity, shutdown, background).await
    }

    /// As [`Workload::start`], with an identity from elsewhere; without one, everything is
    /// plaintext.
    pub async fn start_with(
        settings: Settings,
        identity: Option<IdentitySource>,
        shutdown: CancellationToken,
    ) -> Result<Self, Error> {
        Self::assemble(settings, identity, shutdown, CancellationToken::new()).await
    }

    async fn assemble(
        settings: Settings,
        identity: Option<IdentitySource>,
        shutdown: CancellationToken,
        background: CancellationToken,
    ) -> Result<Self, Error> {
        let settings = Arc::new(settings);
        if settings.mode == Mode::Off {
            tracing::warn!("MESH_MODE=off: no encryption, no identities, no policies");
        }
        let policies = match settings.mode {
            Mode::Off => None,
            _ if settings.policy_paths.is_empty() => None,
            _ => Some(Arc::new(Policies::load(&settings)?)),
        };
        let readiness = Readiness::default();
        let registry = Arc::new(Registry::new(settings.id.clone()));
        let identity = identity.map(|source| Arc::new(OwnIdentity::new(source)));
        if let Some(identity) = &identity {
            let held = readiness.condition("identity");
            let watch = watch_identity(identity.source().clone(), held);
            tokio::spawn(background.clone().run_until_cancelled_owned(watch));
        }
        let discovery = Discovery::watch(
            settings.endpoints_file.clone(),
            settings.id.trust_domain().clone(),
            readiness.condition("endpoints"),
            background.clone(),
        );
        let admin = Admin {
            settings: Arc::clone(&settings),
            identity: identity.clone(),
            registry: Arc::clone(&registry),
        };
        let plain = serve_plain(&settings, &readiness, admin, &background).await?;
        stop_with(&readiness, shutdown.clone());
        let dialer = Arc::new(Dialer {
            registry: Arc::clone(&registry),
            identity: identity.clone(),
            connection_age: settings.connection_age,
            drain_grace: settings.drain_grace,
            background: Arc::new(background.drop_guard()),
        });
        let channels = Mutex::default();
        let inner = Inner {
            settings,
            policies,
            shutdown,
            readiness,
            identity,
            registry,
            discovery,
            dialer,
            plain,
            channels,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// What this workload was told.
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// The own identity; none when this process does not do mutual TLS itself.
    pub fn identity(&self) -> Option<IdentitySource> {
        self.inner
            .identity
            .as_ref()
            .map(|identity| identity.source().clone())
    }

    /// The conditions under which this workload may get calls.
    pub fn readiness(&self) -> &Readiness {
        &self.inner.readiness
    }

    /// Where probes, metrics and admin are answered.
    pub fn plain_addresses(&self) -> PlainAddresses {
        self.inner.plain
    }

    /// The token whose cancellation begins the drain.
    pub fn shutdown(&self) -> &CancellationToken {
        &self.inner.shutdown
    }

    /// The way to `service` of the own namespace (or `service.namespace`). Endpoints and the
    /// expected identity come from the endpoints file, now and whenever it changes.
    pub fn channel(&self, service: &str) -> MeshChannel {
        // A map of handles: a panic cannot leave it half changed.
        let mut channels = self
            .inner
            .channels
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let Inner {
            settings,
            discovery,
            dialer,
            ..
        } = &*self.inner;
        let make = || {
            MeshChannel::new(
                service,
                &settings.id,
                Arc::clone(discovery),
                Arc::clone(dialer),
            )
        };
        channels
            .entry(service.to_owned())
            .or_insert_with(make)
            .clone()
    }

    /// Serves `service` (`tonic::service::Routes::prepare()` or any other) to the callers that
    /// the policies allow, until the shutdown token of [`Workload::start`] is cancelled.
    pub async fn serve<S>(&self, service: S) -> Result<Serving, Error>
    where
        S: tower::Service<Request<Body>, Response = Response<Body>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send,
    {
        let Inner {
            settings,
            readiness,
            ..
        } = &*self.inner;
        let listening = readiness.condition("grpc");
        let address = SocketAddr::new(settings.bind_address, settings.ports.grpc);
        if settings.mode == Mode::Sidecar && !address.ip().to_canonical().is_loopback() {
            return Err(Error::SidecarBeyondLoopback(address));
        }
        if settings.mode != Mode::Off && self.inner.policies.is_none() {
            return Err(Error::NoPolicies);
        }
        let (listener, local_addr) = listen("gRPC", address).await?;
        let server = Server::new(
            Rules::new(settings, self.gate(local_addr.port())),
            Arc::clone(&self.inner.registry),
            self.inner.identity.clone(),
            (settings.connection_age, settings.drain_grace),
            self.inner.shutdown.clone(),
            Arc::clone(&self.inner.dialer.background),
        );
        let service = BoxCloneService::new(service);
        let serving = Serving::spawn(server, listener, local_addr, service);
        listening.met();
        tracing::info!(%local_addr, id = %settings.id, mode = %settings.mode, "serving gRPC");
        Ok(serving)
    }

    fn gate(&self, port: u16) -> Option<Gate> {
        let policies = Arc::clone(self.inner.policies.as_ref()?);
        let in_process = self.inner.settings.mode == Mode::InProcess;
        let is_strict = in_process || policies.is_strict(port);
        Some(Gate::new(policies, is_strict))
    }
}

// === helpers ===

async fn serve_plain(
    settings: &Settings,
    readiness: &Readiness,
    admin: Admin,
    background: &CancellationToken,
) -> Result<PlainAddresses, Error> {
    let bind = settings.bind_address;
    // Whoever reaches it sees who talks to whom, so it never leaves the host or the pod.
    let admin_ip = match bind {
        ip if ip.to_canonical().is_loopback() => ip,
        _ => IpAddr::V4(Ipv4Addr::LOCALHOST),
    };
    let ports = settings.ports;
    let serve = async |page: Page, ip: IpAddr, port: u16| {
        page.serve(SocketAddr::new(ip, port), background.clone())
            .await
    };
    Ok(PlainAddresses {
        probes: serve(Page::Probes(readiness.clone()), bind, ports.probes).await?,
        metrics: serve(Page::Metrics, bind, ports.metrics).await?,
        admin: serve(Page::Admin(admin), admin_ip, ports.admin).await?,
    })
}

/// Keeps the condition in step with the identity: met while there is one.
async fn watch_identity(source: IdentitySource, held: Condition) {
    let mut changes = source.subscribe();
    loop {
        let current = changes.borrow_and_update().clone();
        match current {
            Some(identity) => {
                tracing::debug!(
                    id = %identity.svid.id,
                    serial = identity.svid.serial,
                    "identity in force"
                );
                held.met();
            }
            None => held.unmet("there is no identity in force"),
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// A workload that is told to stop is not ready, whatever its conditions say.
fn stop_with(readiness: &Readiness, shutdown: CancellationToken) {
    let running = readiness.condition("running");
    running.met();
    tokio::spawn(async move {
        shutdown.cancelled().await;
        running.unmet("the workload has been told to stop");
    });
}

/// Until nobody can make a call any more, also while the workload drains: its last calls need an
/// identity that has not expired.
fn fetch_identity(settings: &Settings, background: CancellationToken) -> IdentitySource {
    let domain = settings.id.trust_domain().clone();
    let ca = istio_ca::CaSettings {
        address: settings.ca_address.to_string(),
        root_file: settings.ca_root_file.clone(),
        token_file: settings.token_file.clone(),
        id: settings.id.clone(),
        ttl: settings.svid_ttl,
        meshd_id: SpiffeId::new(domain, MESHD_NAMESPACE, MESHD_ACCOUNT).expect("plain names"),
        server_name: istio_ca::MESHD_DNS_NAME.to_owned(),
    };
    istio_ca::spawn(ca, background)
}

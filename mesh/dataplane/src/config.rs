//! Settings from environment variables: what a workload of the mesh is told, and the reader that
//! collects every mistake. Not here: settings of one service (its own `config.rs` reads
//! them with the same [`Env`]).

mod env;

use std::{
    fmt::{self, Display},
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use mesh_identity::{SpiffeId, TrustDomain};

pub use self::env::{ConfigError, Env, Mistake};

/// gRPC over mesh mTLS.
pub const GRPC_PORT: u16 = 50051;
/// Admin: certificates, connections, settings. Loopback only.
pub const ADMIN_PORT: u16 = 15000;
/// Prometheus metrics.
pub const METRICS_PORT: u16 = 15020;
/// `/livez`, `/readyz`, `/startupz`.
pub const PROBES_PORT: u16 = 15021;

/// An SVID below ten seconds would be renewed about every four: the CA sees nothing else.
const SVID_TTL_SECONDS: RangeInclusive<u64> = 10..=86_400;
/// A connection that ages faster than it can serve a call is of no use.
const CONNECTION_AGE_SECONDS: RangeInclusive<u64> = 1..=86_400;
/// Platforms kill a process soon after they asked it to go; ten minutes is past all of them.
const DRAIN_GRACE_SECONDS: RangeInclusive<u64> = 0..=600;
/// Identity default, as the agents of other meshes use for in-process rotation.
const SVID_TTL_DEFAULT: Duration = Duration::from_secs(3600);
/// Long enough to make handshakes rare, short enough to spread calls over new endpoints.
const CONNECTION_AGE_DEFAULT: Duration = Duration::from_secs(3600);
/// As long as platforms wait between the request to stop and the kill.
const DRAIN_GRACE_DEFAULT: Duration = Duration::from_secs(30);
/// What a caller may ask for at most; also what it gets when it asks for nothing.
const DEADLINE_MAX_DEFAULT: Duration = Duration::from_secs(300);
/// Calls in work at once. Each may hold a decoded message of 4 MiB, tonic's limit.
const REQUESTS_MAX_DEFAULT: usize = 2048;
/// The namespace that never runs without mTLS in a cluster.
const PROTECTED_NAMESPACE: &str = "shop";

/// How a workload takes part in the mesh (`MESH_MODE`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// This process ends mutual TLS itself.
    InProcess,
    /// A proxy on the same host ends it; plaintext h2c on loopback, the peer from its header.
    Sidecar,
    /// Plaintext without any identity: benchmarks and debugging.
    Off,
}

/// The ports of a workload's listeners. Constants everywhere but in tests of this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// gRPC.
    pub grpc: u16,
    /// Admin.
    pub admin: u16,
    /// Metrics.
    pub metrics: u16,
    /// Probes.
    pub probes: u16,
}

/// What a workload of the mesh is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How mutual TLS is done.
    pub mode: Mode,
    /// The address of all listeners.
    pub bind_address: IpAddr,
    /// Their ports.
    pub ports: Ports,
    /// Who this workload is.
    pub id: SpiffeId,
    /// The CA (`meshd`); used in-process only.
    pub ca_address: SocketAddr,
    /// The mesh's public root at start.
    pub ca_root_file: PathBuf,
    /// The bootstrap token, read anew for each renewal.
    pub token_file: PathBuf,
    /// Where the other workloads are.
    pub endpoints_file: PathBuf,
    /// Files and folders of Istio's security policies; who serves needs them.
    pub policy_paths: Vec<PathBuf>,
    /// The lifetime asked of the CA.
    pub svid_ttl: Duration,
    /// The longest life of a connection, before jitter.
    pub connection_age: Duration,
    /// How long streams may go on after GOAWAY.
    pub drain_grace: Duration,
    /// The longest deadline a caller gets.
    pub deadline_max: Duration,
    /// Calls in work at once before new ones are shed.
    pub requests_max: usize,
    /// The tracing filter (`LOG`).
    pub log_filter: String,
    /// Where traces go; off when absent.
    pub otlp_endpoint: Option<String>,
}

// === impl Mode ===

impl FromStr for Mode {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "in-process" => Ok(Self::InProcess),
            "sidecar" => Ok(Self::Sidecar),
            "off" => Ok(Self::Off),
            _ => Err("is none of in-process, sidecar, off"),
        }
    }
}

impl Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InProcess => "in-process",
            Self::Sidecar => "sidecar",
            Self::Off => "off",
        })
    }
}

// === impl Ports ===

impl Default for Ports {
    fn default() -> Self {
        Self {
            grpc: GRPC_PORT,
            admin: ADMIN_PORT,
            metrics: METRICS_PORT,
            probes: PROBES_PORT,
        }
    }
}

// === impl Settings ===

impl Settings {
    /// Settings of `id` at `bind_address` with every limit at its default, in-process.
    /// The files and the CA stay empty: for tests, and for callers that bring an identity.
    pub fn of(id: SpiffeId, bind_address: IpAddr) -> Self {
        Self {
            mode: Mode::InProcess,
            bind_address,
            ports: Ports::default(),
            id,
            ca_address: SocketAddr::new(bind_address, 0),
            ca_root_file: PathBuf::new(),
            token_file: PathBuf::new(),
            endpoints_file: PathBuf::new(),
            policy_paths: Vec::new(),
            svid_ttl: SVID_TTL_DEFAULT,
            connection_age: CONNECTION_AGE_DEFAULT,
            drain_grace: DRAIN_GRACE_DEFAULT,
            deadline_max: DEADLINE_MAX_DEFAULT,
            requests_max: REQUESTS_MAX_DEFAULT,
            log_filter: "info".to_owned(),
            otlp_endpoint: None,
        }
    }

    /// Reads the `MESH_*` variables, `LOG` and `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub fn from_env(env: &mut Env) -> Self {
        let unspecified = IpAddr::from([127, 0, 0, 1]);
        let mode = env.parsed("MESH_MODE", Mode::InProcess);
        let bind_address = env.required_parsed("MESH_BIND_ADDRESS", unspecified);
        let mut settings = Self::of(read_id(env), bind_address);
        settings.mode = mode;
        if mode == Mode::InProcess {
            settings.ca_address = env.required_parsed("MESH_CA_ADDRESS", settings.ca_address);
            settings.ca_root_file = env.required("MESH_CA_ROOT_FILE").into();
            settings.token_file = env.required("MESH_TOKEN_FILE").into();
        }
        settings.endpoints_file = env.required("MESH_ENDPOINTS_FILE").into();
        if let Some(paths) = env.optional("MESH_POLICY_PATHS") {
            settings.policy_paths = std::env::split_paths(&paths).collect();
        }
        settings.svid_ttl =
            env.seconds("MESH_SVID_TTL_SECONDS", SVID_TTL_DEFAULT, SVID_TTL_SECONDS);
        settings.connection_age = env.seconds(
            "MESH_CONNECTION_AGE_SECONDS",
            CONNECTION_AGE_DEFAULT,
            CONNECTION_AGE_SECONDS,
        );
        settings.drain_grace = env.seconds(
            "MESH_DRAIN_GRACE_SECONDS",
            DRAIN_GRACE_DEFAULT,
            DRAIN_GRACE_SECONDS,
        );
        settings.log_filter = env.parsed("LOG", settings.log_filter);
        settings.otlp_endpoint = env.optional("OTEL_EXPORTER_OTLP_ENDPOINT");
        settings.refuse_plaintext_in_cluster(env);
        settings
    }

    /// The service that this workload is, as others name it: its service account.
    pub fn service(&self) -> &str {
        self.id.service_account()
    }

    /// Notes a mistake if there are no policies: for whoever will serve. Without a mesh there are
    /// no callers to tell apart, and so nothing that policies could decide.
    pub fn require_policies(&self, env: &mut Env) {
        if self.mode != Mode::Off && self.policy_paths.is_empty() {
            env.mistake("MESH_POLICY_PATHS", "is required");
        }
    }

    fn refuse_plaintext_in_cluster(&self, env: &mut Env) {
        let in_cluster = env.lookup("KUBERNETES_SERVICE_HOST").is_some();
        if self.mode == Mode::Off && in_cluster && self.id.namespace() == PROTECTED_NAMESPACE {
            env.mistake(
                "MESH_MODE",
                "off is refused in namespace \"shop\" of a cluster",
            );
        }
    }
}

// === helpers ===

fn read_id(env: &mut Env) -> SpiffeId {
    let domain: TrustDomain = env.parsed("MESH_TRUST_DOMAIN", default_trust_domain());
    let namespace = env.required("MESH_NAMESPACE");
    let account = env.required("MESH_SERVICE_ACCOUNT");
    let complete = !namespace.is_empty() && !account.is_empty();
    match SpiffeId::new(domain, &namespace, &account) {
        Ok(id) => id,
        Err(error) => {
            if complete {
                env.mistake("MESH_SERVICE_ACCOUNT", format!("no SPIFFE id: {error}"));
            }
            SpiffeId::new(default_trust_domain(), "none", "none").expect("three plain segments")
        }
    }
}

fn default_trust_domain() -> TrustDomain {
    "cluster.local".parse().expect("a valid trust domain")
}

#[cfg(test)]
mod tests;

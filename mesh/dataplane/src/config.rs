//! Settings from environment variables: the reader that collects every mistake, and what a
//! workload of the mesh is told. Not here: settings of one service (its own `config.rs` reads
//! them with the same [`Env`]).

use std::{
    collections::BTreeMap,
    fmt::{self, Display},
    fs,
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use mesh_identity::{SpiffeId, TrustDomain};

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

/// Reads environment variables and remembers each mistake, so that one run reports all of them.
///
/// A reader that finds a mistake returns a placeholder; [`Env::finish`] then refuses to go on,
/// so no placeholder is ever used.
#[derive(Debug, Default)]
pub struct Env {
    values: BTreeMap<String, String>,
    resolved: BTreeMap<String, String>,
    mistakes: Vec<Mistake>,
}

/// Every variable that is missing or wrong.
#[derive(Debug, thiserror::Error)]
pub struct ConfigError {
    mistakes: Vec<Mistake>,
}

/// One variable and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The variable.
    pub name: String,
    /// What is wrong, in words for an operator.
    pub problem: String,
}

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

// === impl Env ===

impl Env {
    /// The variables of this process. Values that are not UTF-8 are mistakes when read.
    pub fn from_process() -> Self {
        // The one place of the crate that touches the process environment.
        Self::from_pairs(std::env::vars_os().map(|(k, v)| {
            (
                k.to_string_lossy().into_owned(),
                v.to_string_lossy().into_owned(),
            )
        }))
    }

    /// Given variables, for tests and for programs that start others.
    pub fn from_pairs<K: Into<String>, V: Into<String>>(
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let values = pairs
            .into_iter()
            .map(|(k, v)| (k.into(), v.into()))
            .collect();
        Self {
            values,
            ..Self::default()
        }
    }

    /// A value that must be there and not empty.
    pub fn required(&mut self, name: &str) -> String {
        match self.lookup(name) {
            Some(value) => self.keep(name, value),
            None => {
                self.mistake(name, "is required");
                String::new()
            }
        }
    }

    /// A value that may be absent; empty counts as absent.
    pub fn optional(&mut self, name: &str) -> Option<String> {
        let value = self.lookup(name)?;
        Some(self.keep(name, value))
    }

    /// A value with a default.
    pub fn parsed<T>(&mut self, name: &str, default: T) -> T
    where
        T: FromStr + Display,
        T::Err: Display,
    {
        match self.lookup(name) {
            Some(text) => self.parse(name, text, default),
            None => {
                self.resolved
                    .insert(name.to_owned(), format!("{default} (default)"));
                default
            }
        }
    }

    /// A value that must be there and parse; `placeholder` stands in after a mistake.
    pub fn required_parsed<T>(&mut self, name: &str, placeholder: T) -> T
    where
        T: FromStr,
        T::Err: Display,
    {
        match self.lookup(name) {
            Some(text) => self.parse(name, text, placeholder),
            None => {
                self.mistake(name, "is required");
                placeholder
            }
        }
    }

    /// A value that may be absent, but parses when it is there.
    pub fn optional_parsed<T>(&mut self, name: &str) -> Option<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        let text = self.lookup(name)?;
        match text.parse() {
            Ok(value) => {
                self.keep(name, text);
                Some(value)
            }
            Err(error) => {
                self.mistake(name, format!("\"{text}\": {error}"));
                None
            }
        }
    }

    /// Whole seconds within bounds.
    pub fn seconds(
        &mut self,
        name: &str,
        default: Duration,
        bounds: RangeInclusive<u64>,
    ) -> Duration {
        let seconds = self.parsed(name, default.as_secs());
        if !bounds.contains(&seconds) {
            let problem = format!(
                "{seconds} is not within {}..={}",
                bounds.start(),
                bounds.end()
            );
            self.mistake(name, problem);
            return default;
        }
        Duration::from_secs(seconds)
    }

    /// The contents of the file that `name` points to, without white space at its ends.
    /// The report shows the path, never the contents.
    pub fn secret_file(&mut self, name: &str) -> String {
        let path = self.required(name);
        if path.is_empty() {
            return path;
        }
        match fs::read_to_string(&path) {
            Ok(text) if !text.trim().is_empty() => text.trim().to_owned(),
            Ok(_) => {
                self.mistake(name, format!("the file \"{path}\" is empty"));
                String::new()
            }
            Err(error) => {
                self.mistake(name, format!("cannot read \"{path}\": {error}"));
                String::new()
            }
        }
    }

    /// Notes a mistake that only the reader of several values can see.
    pub fn mistake(&mut self, name: &str, problem: impl Into<String>) {
        self.mistakes.push(Mistake {
            name: name.to_owned(),
            problem: problem.into(),
        });
    }

    /// What was read, for one line at start. Secrets are files, so only paths are in it.
    pub fn resolved(&self) -> impl Iterator<Item = (&str, &str)> {
        self.resolved
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Fails with every mistake when there is one.
    pub fn finish(self) -> Result<(), ConfigError> {
        if self.mistakes.is_empty() {
            return Ok(());
        }
        Err(ConfigError {
            mistakes: self.mistakes,
        })
    }

    fn lookup(&self, name: &str) -> Option<String> {
        self.values
            .get(name)
            .filter(|value| !value.is_empty())
            .cloned()
    }

    fn keep(&mut self, name: &str, value: String) -> String {
        self.resolved.insert(name.to_owned(), hide_password(&value));
        value
    }

    fn parse<T>(&mut self, name: &str, text: String, placeholder: T) -> T
    where
        T: FromStr,
        T::Err: Display,
    {
        match text.parse() {
            Ok(value) => {
                self.keep(name, text);
                value
            }
            Err(error) => {
                self.mistake(name, format!("\"{text}\": {error}"));
                placeholder
            }
        }
    }
}

// === impl ConfigError ===

impl ConfigError {
    /// The mistakes in the order in which they were found.
    pub fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }
}

impl Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} mistake(s) in the environment", self.mistakes.len())?;
        for Mistake { name, problem } in &self.mistakes {
            write!(f, "\n  {name}: {problem}")?;
        }
        Ok(())
    }
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

/// A password inside a URL never reaches the start-up report.
fn hide_password(value: &str) -> String {
    let Some((scheme, rest)) = value.split_once("://") else {
        return value.to_owned();
    };
    let authority = rest.split('/').next().unwrap_or_default();
    match authority
        .rsplit_once('@')
        .and_then(|(user, _)| user.split_once(':'))
    {
        Some((user, password)) => value.replacen(
            &format!("{scheme}://{user}:{password}@"),
            &format!("{scheme}://{user}:…@"),
            1,
        ),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests;

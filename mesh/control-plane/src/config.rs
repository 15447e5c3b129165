//! Settings of the control plane, from environment variables; every mistake is reported at once.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use mesh_dataplane::Env;
use mesh_dataplane::config::{METRICS_PORT, PROBES_PORT};
use mesh_identity::{SpiffeId, TrustDomain};

/// Certificate requests over TLS, as in Istio.
const CA_PORT: u16 = 15012;

/// The trust domain unless told otherwise, as in Istio.
const TRUST_DOMAIN_DEFAULT: &str = "cluster.local";

/// Tokens are replaced at half of this, so a stolen one is of use for minutes.
const TOKEN_TTL_DEFAULT: Duration = Duration::from_secs(600);

/// Below ten seconds a token may end while its reader starts; beyond an hour a theft lasts.
const TOKEN_TTL_SECONDS: std::ops::RangeInclusive<u64> = 10..=3600;

/// Namespace and account of the control plane itself.
const OWN_NAMESPACE: &str = "mesh-system";
const OWN_ACCOUNT: &str = "meshd";

/// What the control plane is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Address of all listeners.
    pub bind_address: IpAddr,
    /// Their ports.
    pub ports: Ports,
    /// Where root, intermediate and token key are kept; nobody else may read it.
    pub state_dir: PathBuf,
    /// Where the public root is written for workloads that start.
    pub root_file: PathBuf,
    /// Where the bootstrap tokens are written, `<namespace>.<account>` each.
    pub token_dir: PathBuf,
    /// Whose tokens are kept fresh, and who may ask for certificates.
    pub accounts: Vec<Account>,
    /// The trust domain that certificates are issued for.
    pub trust_domain: TrustDomain,
    /// Life of a token.
    pub token_ttl: Duration,
    /// The tracing filter.
    pub log_filter: String,
}

/// Ports of the listeners; zero takes any free one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// Certificate requests.
    pub ca: u16,
    /// Prometheus.
    pub metrics: u16,
    /// Probes.
    pub probes: u16,
}

/// A service account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Account {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

// === impl Config ===

impl Config {
    /// Reads all variables. Mistakes are collected in `env`, whose `finish` reports them.
    pub fn from_env(env: &mut Env) -> Self {
        let trust_domain = TRUST_DOMAIN_DEFAULT
            .parse()
            .expect("the default trust domain is one");
        let unspecified = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let mut config = Self {
            bind_address: env.required_parsed("MESHD_BIND_ADDRESS", unspecified),
            ports: Ports::default(),
            state_dir: env.required("MESHD_STATE_DIR").into(),
            root_file: env.required("MESHD_ROOT_FILE").into(),
            token_dir: env.required("MESHD_TOKEN_DIR").into(),
            accounts: Vec::new(),
            trust_domain: env.parsed("MESH_TRUST_DOMAIN", trust_domain),
            token_ttl: env.seconds(
                "MESHD_TOKEN_TTL_SECONDS",
                TOKEN_TTL_DEFAULT,
                TOKEN_TTL_SECONDS,
            ),
            log_filter: env.parsed("LOG", "info".to_owned()),
        };
        for text in env.required("MESHD_ACCOUNTS").split(',') {
            match Account::parse(text.trim(), &config.trust_domain) {
                Some(account) => config.accounts.push(account),
                None if text.is_empty() => {}
                None => env.mistake(
                    "MESHD_ACCOUNTS",
                    format!("\"{text}\" is not <namespace>/<service account>"),
                ),
            }
        }
        config
    }

    /// The identity of the control plane itself.
    pub fn own_id(&self) -> SpiffeId {
        SpiffeId::new(self.trust_domain.clone(), OWN_NAMESPACE, OWN_ACCOUNT)
            .expect("the control plane's own names are valid")
    }
}

// === impl Ports ===

impl Default for Ports {
    fn default() -> Self {
        Self {
            ca: CA_PORT,
            metrics: METRICS_PORT,
            probes: PROBES_PORT,
        }
    }
}

// === impl Account ===

impl Account {
    /// Reads `<namespace>/<service account>`, if an identity can be made of it.
    fn parse(text: &str, trust_domain: &TrustDomain) -> Option<Self> {
        let (namespace, name) = text.split_once('/')?;
        SpiffeId::new(trust_domain.clone(), namespace, name).ok()?;
        Some(Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        })
    }
}

impl fmt::Display for Account {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests;

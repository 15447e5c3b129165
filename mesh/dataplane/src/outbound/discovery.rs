//! Where the other workloads are: a file of WorkloadEntry documents, read again when it changes.
//! A file that cannot be understood changes nothing. ADS will take its place.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use mesh_identity::{SpiffeId, TrustDomain};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use crate::{Condition, Error};

/// How often the file is looked at. Endpoints change when processes start; a second is soon.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// The name of the port that a mesh workload serves gRPC on.
const PORT_NAME: &str = "grpc";
/// The label that names the service.
const SERVICE_LABEL: &str = "app";

/// One place where a service answers, and who must answer there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// Where.
    pub address: SocketAddr,
    /// Who; another identity there is refused.
    pub id: SpiffeId,
}

/// Tells one version of the file from another; none when there is no file.
type Stamp = Option<(SystemTime, u64)>;

/// All endpoints at one time.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Endpoints {
    services: BTreeMap<(String, String), Vec<Endpoint>>,
}

/// The newest endpoints.
#[derive(Debug, Default)]
pub(crate) struct Discovery {
    endpoints: ArcSwap<Endpoints>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    api_version: String,
    kind: String,
    metadata: Metadata,
    spec: Spec,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    namespace: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    address: String,
    ports: BTreeMap<String, u16>,
    service_account: String,
    labels: BTreeMap<String, String>,
}

// === impl Discovery ===

impl Discovery {
    /// Reads `path` now and whenever it changes; `read` is met once that worked.
    pub(crate) fn watch(
        path: PathBuf,
        trust_domain: TrustDomain,
        read: Condition,
        shutdown: CancellationToken,
    ) -> Arc<Self> {
        let discovery = Arc::new(Self::default());
        let watcher = Arc::clone(&discovery);
        tokio::spawn(async move {
            let work = watcher.follow(&path, &trust_domain, &read);
            let _ = shutdown.run_until_cancelled(work).await;
        });
        discovery
    }

    pub(crate) fn current(&self) -> Arc<Endpoints> {
        self.endpoints.load_full()
    }

    async fn follow(&self, path: &Path, trust_domain: &TrustDomain, read: &Condition) {
        let mut seen = None;
        let mut ticks = tokio::time::interval(LOOK_INTERVAL);
        loop {
            ticks.tick().await;
            seen = Some(self.look(path, trust_domain, read, seen).await);
        }
    }

    /// Takes the file if it is another one than the one seen last; says what it saw.
    async fn look(
        &self,
        path: &Path,
        trust_domain: &TrustDomain,
        read: &Condition,
        seen: Option<Stamp>,
    ) -> Stamp {
        let stamp = stamp_of(path).await;
        if seen == Some(stamp) {
            return stamp;
        }
        match Endpoints::load(path, trust_domain).await {
            Ok(endpoints) => {
                if **self.endpoints.load() != endpoints {
                    tracing::info!(services = endpoints.services.len(), "endpoints changed");
                    self.endpoints.store(Arc::new(endpoints));
                }
                read.met();
            }
            // The last good endpoints stay; without any, the workload is not ready.
            Err(error) => tracing::warn!(error = chain(&error), "endpoints unchanged"),
        }
        stamp
    }
}

// === impl Endpoints ===

impl Endpoints {
    /// Reads a file of WorkloadEntry documents.
    pub async fn load(path: &Path, trust_domain: &TrustDomain) -> Result<Self, Error> {
        let text =
            tokio::fs::read_to_string(path)
                .await
                .map_err(|source| Error::ReadEndpoints {
                    path: path.to_owned(),
                    source,
                })?;
        Self::parse(&text, path, trust_domain)
    }

    /// All services in order: namespace, name, endpoints.
    pub fn services(&self) -> impl Iterator<Item = (&str, &str, &[Endpoint])> {
        self.services
            .iter()
            .map(|((namespace, service), endpoints)| {
                (namespace.as_str(), service.as_str(), endpoints.as_slice())
            })
    }

    /// Where one service is; nothing when it is not known.
    pub fn of(&self, namespace: &str, service: &str) -> &[Endpoint] {
        let key = (namespace.to_owned(), service.to_owned());
        self.services
            .get(&key)
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    /// Reads WorkloadEntry documents; `path` is for messages only.
    fn parse(text: &str, path: &Path, trust_domain: &TrustDomain) -> Result<Self, Error> {
        let refuse = |document: usize, problem: String| Error::Endpoints {
            path: path.to_owned(),
            document,
            problem,
        };
        let entries: Vec<Entry> =
            serde_saphyr::from_multiple(text).map_err(|error| refuse(0, error.to_string()))?;
        let mut services = BTreeMap::<_, Vec<Endpoint>>::new();
        for (index, entry) in entries.into_iter().enumerate() {
            let (key, endpoint) = entry
                .endpoint(trust_domain)
                .map_err(|problem| refuse(index + 1, problem))?;
            services.entry(key).or_default().push(endpoint);
        }
        for endpoints in services.values_mut() {
            endpoints.sort();
            endpoints.dedup();
        }
        Ok(Self { services })
    }
}

// === impl Entry ===

impl Entry {
    fn endpoint(self, trust_domain: &TrustDomain) -> Result<((String, String), Endpoint), String> {
        if self.api_version != "networking.istio.io/v1" || self.kind != "WorkloadEntry" {
            return Err(format!(
                "is a \"{}\" \"{}\", not a WorkloadEntry of networking.istio.io/v1",
                self.api_version, self.kind
            ));
        }
        let name = self.metadata.name;
        let address: IpAddr = self
            .spec
            .address
            .parse()
            .map_err(|error| format!("spec.address of \"{name}\": {error}"))?;
        let port = *self
            .spec
            .ports
            .get(PORT_NAME)
            .ok_or_else(|| format!("spec.ports of \"{name}\" has no \"{PORT_NAME}\""))?;
        let service = self
            .spec
            .labels
            .get(SERVICE_LABEL)
            .ok_or_else(|| format!("spec.labels of \"{name}\" has no \"{SERVICE_LABEL}\""))?;
        let namespace = self.metadata.namespace;
        let id = SpiffeId::new(trust_domain.clone(), &namespace, &self.spec.service_account)
            .map_err(|error| format!("identity of \"{name}\": {error}"))?;
        let endpoint = Endpoint {
            address: SocketAddr::new(address, port),
            id,
        };
        Ok(((namespace, service.clone()), endpoint))
    }
}

// === helpers ===

async fn stamp_of(path: &Path) -> Stamp {
    let metadata = tokio::fs::metadata(path).await.ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// An error with its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests;

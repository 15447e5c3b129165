//! A mesh for one test: a real control plane and real workloads, on loopback addresses of their
//! own with the ports of a cluster.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::{Request, Response};
use mesh_control_plane::{Account, Config, Running};
use mesh_dataplane::config::{GRPC_PORT, METRICS_PORT, PROBES_PORT};
use mesh_dataplane::{Serving, Settings, Workload};
use mesh_transport::PeerIdentity;
use tempfile::TempDir;
use tokio::process::Command;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::body::Body;
use tower::service_fn;

const CA_PORT: u16 = 15012;
const MESHD_HOST: u8 = 2;
/// The call that every workload answers with the name of its caller.
pub(crate) const WHO: &str = "/test.Who/Am";
const POLICIES: &str = "
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: who, namespace: shop}
spec:
  rules:
    - from: [{source: {principals: [cluster.local/ns/shop/sa/gateway]}}]
      to: [{operation: {paths: [/test.Who/*]}}]
";

/// A control plane, its folder, and where everything is. It ends with this value.
pub(crate) struct Mesh {
    pub(crate) run: TempDir,
    network: [u8; 2],
    stop: CancellationToken,
    _meshd: Running,
    _stop: DropGuard,
}

/// A workload that answers [`WHO`].
pub(crate) struct Member {
    _workload: Workload,
    _serving: Serving,
}

/// What a finished command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

// === impl Mesh ===

impl Mesh {
    pub(crate) async fn start() -> Self {
        let run = TempDir::new().unwrap();
        let random = uuid::Uuid::now_v7().into_bytes();
        // Beside the instances of the address plan, which own 127.77.
        let network = [100 + random[14] % 100, random[15]];
        let stop = CancellationToken::new();
        let account = |name: &str| Account {
            namespace: "shop".to_owned(),
            name: name.to_owned(),
        };
        let config = Config {
            bind_address: host(network, MESHD_HOST),
            ports: mesh_control_plane::Ports {
                ca: CA_PORT,
                metrics: METRICS_PORT,
                probes: PROBES_PORT,
            },
            state_dir: run.path().join("state"),
            root_file: run.path().join("mesh/root-cert.pem"),
            token_dir: run.path().join("tokens"),
            accounts: ["order", "payment", "gateway", "debug"]
                .map(account)
                .to_vec(),
            trust_domain: "cluster.local".parse().unwrap(),
            token_ttl: Duration::from_secs(600),
            log_filter: "info".to_owned(),
        };
        let meshd = mesh_control_plane::run(config, stop.clone()).await.unwrap();
        let mesh = Self {
            run,
            network,
            stop: stop.clone(),
            _meshd: meshd,
            _stop: stop.drop_guard(),
        };
        mesh.announce(&[]);
        std::fs::write(mesh.path("policies.yaml"), POLICIES).unwrap();
        mesh
    }

    /// Starts a workload and waits until it serves.
    pub(crate) async fn member(&self, account: &str, host: u8) -> Member {
        let id = format!("spiffe://cluster.local/ns/shop/sa/{account}")
            .parse()
            .unwrap();
        let mut settings = Settings::of(id, self.host(host));
        settings.ca_address = self.ca_address();
        settings.ca_root_file = self.path("mesh/root-cert.pem");
        settings.token_file = self.path(&format!("tokens/shop.{account}"));
        settings.endpoints_file = self.path("endpoints.yaml");
        settings.policy_paths = vec![self.path("policies.yaml")];
        let workload = Workload::start(settings, self.stop.clone()).await.unwrap();
        let serving = workload.serve(service_fn(who)).await.unwrap();
        workload.readiness().ready().await;
        Member {
            _workload: workload,
            _serving: serving,
        }
    }

    /// Writes the endpoints: service, expected account, host.
    pub(crate) fn announce(&self, entries: &[(&str, &str, u8)]) {
        let mut text = String::new();
        for (service, account, host) in entries {
            writeln!(
                text,
                "---\napiVersion: networking.istio.io/v1\nkind: WorkloadEntry\n\
                 metadata: {{name: {service}, namespace: shop}}\n\
                 spec: {{address: {}, ports: {{grpc: {GRPC_PORT}}}, \
                 serviceAccount: {account}, labels: {{app: {service}}}}}",
                self.host(*host)
            )
            .unwrap();
        }
        std::fs::write(self.path("endpoints.yaml"), text).unwrap();
    }

    pub(crate) fn host(&self, host_number: u8) -> IpAddr {
        host(self.network, host_number)
    }

    pub(crate) fn grpc(&self, host: u8) -> SocketAddr {
        SocketAddr::new(self.host(host), GRPC_PORT)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.run.path().join(name)
    }

    /// The command with the place of this mesh in its environment, and nothing else.
    pub(crate) fn meshctl(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_meshctl"));
        command
            .args(arguments)
            .env_clear()
            .env("TRADEWIND_RUN", self.run.path())
            .env("MESH_CA_ADDRESS", self.ca_address().to_string())
            .kill_on_drop(true);
        command
    }

    pub(crate) async fn say(&self, arguments: &[&str]) -> Said {
        said(self.meshctl(arguments)).await
    }

    fn ca_address(&self) -> SocketAddr {
        SocketAddr::new(self.host(MESHD_HOST), CA_PORT)
    }
}

// === impl Said ===

impl Said {
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "out:\n{}\nerr:\n{}", self.out, self.err);
        self
    }
}

/// Runs a command to its end.
pub(crate) async fn said(mut command: Command) -> Said {
    let output = tokio::time::timeout(Duration::from_secs(60), command.output());
    let output = output.await.expect("the command ends").unwrap();
    Said {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

pub(crate) fn mode_of(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn host([second, third]: [u8; 2], host: u8) -> IpAddr {
    Ipv4Addr::new(127, second, third, host).into()
}

/// Answers with the caller's identity.
async fn who(request: Request<Body>) -> Result<Response<Body>, Infallible> {
    let peer = request
        .extensions()
        .get::<PeerIdentity>()
        .unwrap()
        .id
        .to_string();
    let answer = Response::builder()
        .header("content-type", "application/grpc")
        .header("grpc-status", "0")
        .header("x-caller", peer)
        .body(Body::empty())
        .unwrap();
    Ok(answer)
}

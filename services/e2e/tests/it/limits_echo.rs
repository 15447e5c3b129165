//! A program on the mesh as a process of its own: the echo example beside the running instance. The
//! tests of limits attack it, and look at its memory and its descriptors from outside.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use echo::pb::EchoRequest;
use echo::pb::echo_service_client::EchoServiceClient;
use mesh_dataplane::{MeshChannel, Workload};
use mesh_transport::Identity;
use tokio::net::{TcpSocket, TcpStream};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Request, Status};

use crate::mesh::workload_at;
use crate::shop::{Shop, eventually};

pub(crate) const ECHO: &str = "/echo.v1.EchoService/Echo";
const GRPC_PORT: u16 = 50051;
/// Both ends are the identity that people debug with: this lets it call.
const POLICY: &str = "
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: echo, namespace: shop}
spec:
  rules: [{from: [{source: {principals: [cluster.local/ns/shop/sa/debug]}}]}]
";
const ACCOUNT: &str = "debug";
/// A bystander of an attack on a busy machine.
const CALL_WITHIN: Duration = Duration::from_secs(5);
const CALL_EVERY: Duration = Duration::from_millis(10);

/// The process, and somebody who may call it.
pub(crate) struct EchoProcess {
    process: Child,
    pub(crate) address: Ipv4Addr,
    caller: Workload,
    _leave: DropGuard,
    _folder: tempfile::TempDir,
}

/// Calls that go on beside an attack.
pub(crate) struct Bystander {
    stop: CancellationToken,
    answered: Arc<AtomicU32>,
    running: JoinHandle<Vec<Status>>,
}

// === impl EchoProcess ===

impl EchoProcess {
    /// Starts it on `host`, with the caller on the next one. `descriptors` limits what it may open.
    pub(crate) async fn start(shop: &Shop, host: u8, descriptors: Option<u32>) -> Self {
        let address = shop.address(host);
        let folder = tempfile::tempdir().unwrap();
        let endpoints = folder.path().join("endpoints.yaml");
        let entry = format!(
            "apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\n\
             metadata: {{name: echo, namespace: shop}}\nspec:\n  address: {address}\n  \
             ports: {{grpc: {GRPC_PORT}}}\n  serviceAccount: {ACCOUNT}\n  labels: {{app: echo}}\n"
        );
        std::fs::write(&endpoints, entry).unwrap();
        let policies = folder.path().join("policies.yaml");
        std::fs::write(&policies, POLICY).unwrap();
        let program = shop.root.join("target/debug/echo");
        let mut command = match descriptors {
            Some(most) => {
                let mut command = Command::new("prlimit");
                command.arg(format!("--nofile={most}")).arg(program);
                command
            }
            None => Command::new(program),
        };
        let process = command
            .arg("serve")
            .env_clear()
            .env("MESH_BIND_ADDRESS", address.to_string())
            .env("MESH_NAMESPACE", "shop")
            .env("MESH_SERVICE_ACCOUNT", ACCOUNT)
            .env("MESH_CA_ADDRESS", format!("{}:15012", shop.address(2)))
            .env("MESH_CA_ROOT_FILE", shop.run.join("mesh/root-cert.pem"))
            .env("MESH_TOKEN_FILE", shop.run.join("tokens/shop.debug"))
            .env("MESH_ENDPOINTS_FILE", &endpoints)
            .env("MESH_POLICY_PATHS", &policies)
            .env("LOG", "warn")
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let probes = shop.plain(&format!("http://{address}:15021"));
        eventually("echo to be ready", || async {
            let nothing = bytes::Bytes::new();
            let answer = probes.try_send(http::Method::GET, "/readyz", &[], nothing);
            (answer.await.ok()?.status == 200).then_some(())
        })
        .await;
        let (caller, leave) = workload_at(shop, ACCOUNT, host + 1, &endpoints).await;
        Self {
            process,
            address,
            caller,
            _leave: leave,
            _folder: folder,
        }
    }

    /// A client with a connection of its own.
    pub(crate) fn client(&self) -> EchoServiceClient<MeshChannel> {
        EchoServiceClient::new(self.caller.channel("echo"))
    }

    /// Fails unless the process that was started is still running.
    pub(crate) fn assert_alive(&mut self) {
        let ended = self.process.try_wait().unwrap();
        assert!(ended.is_none(), "echo has ended: {ended:?}");
    }

    /// Resident memory in bytes.
    pub(crate) fn memory(&self) -> u64 {
        resident(self.process.id().unwrap())
    }

    /// How many descriptors it has open.
    pub(crate) fn descriptors(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.process.id().unwrap());
        std::fs::read_dir(folder).unwrap().count()
    }

    /// A TCP connection from an address that is nobody's.
    pub(crate) async fn tcp(&self, from: Ipv4Addr) -> std::io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((from, 0)))?;
        socket.connect((self.address, GRPC_PORT).into()).await
    }

    /// A TLS connection, as the caller, that says nothing yet.
    pub(crate) async fn tls(&self) -> TlsStream<TcpStream> {
        let identity: Arc<Identity> = self.caller.identity().unwrap().ready().await;
        let expected = identity.svid.id.clone();
        let config = mesh_transport::client_config(&identity, &expected).unwrap();
        let tcp = TcpStream::connect((self.address, GRPC_PORT)).await.unwrap();
        let name = mesh_transport::unnamed_server();
        TlsConnector::from(config).connect(name, tcp).await.unwrap()
    }

    /// Calls all the while, until it is asked for the result.
    pub(crate) fn bystander(&self) -> Bystander {
        let (stop, answered) = (CancellationToken::new(), Arc::default());
        let (mut client, until) = (self.client(), stop.clone());
        let count: Arc<AtomicU32> = Arc::clone(&answered);
        let running = tokio::spawn(async move {
            let mut failures = Vec::new();
            while !until.is_cancelled() {
                match client.echo(say("?")).await {
                    Ok(_) => {
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(status) => failures.push(status),
                }
                tokio::time::sleep(CALL_EVERY).await;
            }
            failures
        });
        Bystander {
            stop,
            answered,
            running,
        }
    }
}

// === impl Bystander ===

impl Bystander {
    pub(crate) fn answered(&self) -> u32 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Fails with any call that failed, or when there were hardly any.
    pub(crate) async fn assert_served(self) {
        self.stop.cancel();
        let failures = self.running.await.unwrap();
        let answered = self.answered.load(Ordering::Relaxed);
        assert!(
            failures.is_empty(),
            "{} failed: {:?}",
            failures.len(),
            failures[0]
        );
        assert!(answered > 20, "{answered} calls only");
    }
}

pub(crate) fn say(message: &str) -> Request<EchoRequest> {
    let mut request = Request::new(EchoRequest {
        message: message.to_owned(),
        ..EchoRequest::default()
    });
    request.set_timeout(CALL_WITHIN);
    request
}

/// Resident memory of a process in bytes.
pub(crate) fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kilobytes = line.unwrap().split_whitespace().nth(1).unwrap();
    kilobytes.parse::<u64>().unwrap() * 1024
}

//! A real Envoy in front of one server, with the cluster of the real gateway, and the way to call
//! through it.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use echo::pb::echo_service_client::EchoServiceClient;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tonic::body::Body;
use tower::util::BoxCloneService;

use crate::support::{Mesh, eventually};

/// What Envoy calls its cluster, and the account that must answer there.
pub(crate) const SERVICE: &str = "order";
const BOOTSTRAP: &str = include_str!("envoy.yaml.tmpl");
/// Lines of Envoy's log that a failed test shows.
const LOG_LINES_SHOWN: usize = 40;

pub(crate) type Client =
    EchoServiceClient<BoxCloneService<Request<Body>, Response<Incoming>, hyper::Error>>;

/// A running Envoy.
pub(crate) struct Proxy {
    process: Process,
    admin: SocketAddr,
    listener: SocketAddr,
}

/// Envoy's process; it ends with its owner, also in a panic.
struct Process {
    child: Child,
    log: PathBuf,
}

// === impl Proxy ===

impl Proxy {
    /// Starts Envoy with the agent of `mesh` and waits until it listens. It takes `server` for
    /// [`SERVICE`] only when that proves it.
    pub(crate) async fn start(mesh: &Mesh, server: SocketAddr) -> Self {
        let root = PathBuf::from(std::env::var_os("TRADEWIND_ROOT").expect(
            "TRADEWIND_ROOT must name a checkout that has fetched Envoy; make test sets it",
        ));
        // The agent makes the folder, for nobody else.
        eventually("a socket", async || mesh.socket().exists().then_some(())).await;
        let address_file = mesh.folder().join("admin-address");
        let mut process = Process::start(&root, mesh, server, &address_file);
        let admin = eventually("an admin address", async || {
            process.assert_running();
            fs::read_to_string(&address_file).ok()?.trim().parse().ok()
        })
        .await;
        // With `initial_fetch_timeout: 0s` it does not listen before it has its secrets.
        eventually("readiness", async || {
            process.assert_running();
            get(admin, "/ready")
                .await
                .filter(|text| text.trim() == "LIVE")
        })
        .await;
        let listeners = get(admin, "/listeners").await.unwrap();
        let listener = listeners.trim().strip_prefix("test::").unwrap();
        Self {
            process,
            admin,
            listener: listener.parse().unwrap(),
        }
    }

    /// A client with a connection of its own.
    pub(crate) async fn client(&self) -> Client {
        let tcp = TcpStream::connect(self.listener).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let (sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(tcp))
                .await
                .unwrap();
        tokio::spawn(connection);
        let service = tower::service_fn(move |request: Request<Body>| {
            let mut sender = sender.clone();
            async move { sender.send_request(request).await }
        });
        let origin = Uri::from_static("http://gateway");
        EchoServiceClient::with_origin(BoxCloneService::new(service), origin)
    }

    /// A counter or gauge; one that Envoy does not know fails the test.
    pub(crate) async fn stat(&self, name: &str) -> u64 {
        let stats = get(self.admin, "/stats").await.unwrap();
        let value = stats
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        value
            .unwrap_or_else(|| panic!("no statistic {name}"))
            .parse()
            .unwrap()
    }

    /// Nobody starts Envoy again, so one that runs is the one that was started.
    pub(crate) fn assert_running(&mut self) {
        self.process.assert_running();
    }
}

// === impl Process ===

impl Process {
    fn start(root: &Path, mesh: &Mesh, server: SocketAddr, address_file: &Path) -> Self {
        let binary = root.join(".local/envoy/envoy/_bin/envoy");
        assert!(
            binary.exists(),
            "{} is missing; make up fetches it",
            binary.display()
        );
        let cluster = fs::read_to_string(root.join("gateway-envoy/cluster.yaml.tmpl")).unwrap();
        let config = mesh.folder().join("envoy.yaml");
        let text = BOOTSTRAP
            .replace("${CLUSTER}", &indented(&cluster))
            .replace("${SERVICE}", SERVICE)
            .replace("${SDS_SOCKET}", mesh.socket().to_str().unwrap())
            .replace("${ADDRESS}", &server.ip().to_string())
            .replace("${GRPC_PORT}", &server.port().to_string())
            .replace("${TRUST_DOMAIN}", "cluster.local");
        fs::write(&config, text).unwrap();
        let log = mesh.folder().join("envoy.log");
        let child = Command::new(binary)
            .arg("--config-path")
            .arg(config)
            .arg("--admin-address-path")
            .arg(address_file)
            .args([
                "--disable-hot-restart",
                "--concurrency",
                "2",
                "--log-level",
                "warning",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Self { child, log }
    }

    fn assert_running(&mut self) {
        let ended = self.child.try_wait().unwrap();
        assert!(ended.is_none(), "Envoy has ended: {ended:?}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let text = fs::read_to_string(&self.log).unwrap_or_default();
            let lines: Vec<_> = text.lines().collect();
            let shown = &lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..];
            eprintln!("the end of Envoy's log:\n{}", shown.join("\n"));
        }
    }
}

// === helpers ===

/// The answer of Envoy's admin page, when it is a good one.
async fn get(admin: SocketAddr, path: &str) -> Option<String> {
    let tcp = TcpStream::connect(admin).await.ok()?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(tcp))
        .await
        .ok()?;
    tokio::spawn(connection);
    let request = Request::get(path)
        .header("host", "admin")
        .body(Empty::<Bytes>::new())
        .unwrap();
    let answer = sender.send_request(request).await.ok()?;
    if answer.status() != StatusCode::OK {
        return None;
    }
    let body = answer.into_body().collect().await.ok()?.to_bytes();
    Some(String::from_utf8(body.to_vec()).unwrap())
}

fn indented(yaml: &str) -> String {
    yaml.lines().map(|line| format!("    {line}\n")).collect()
}

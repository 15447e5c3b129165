//! A gateway of a test's own: the running instance's configuration at another address, with what
//! the test wants to be shorter or smaller. Nobody else calls it, so it may be filled and stalled.

use std::net::Ipv4Addr;
use std::process::Stdio;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::shop::{Shop, User, eventually};

const REST_PORT: u16 = 8080;

/// An Envoy that ends with it.
pub(crate) struct OwnEdge {
    pub(crate) address: Ipv4Addr,
    _process: Child,
    _folder: tempfile::TempDir,
}

// === impl OwnEdge ===

impl OwnEdge {
    /// Starts it on `host`; each change must find what it replaces.
    pub(crate) async fn start(shop: &Shop, host: u8, changes: &[(&str, &str)]) -> Self {
        let address = shop.address(host);
        let mut text = std::fs::read_to_string(shop.run.join("envoy.yaml")).unwrap();
        let gateway = format!("address: {},", shop.address(10));
        let own = format!("address: {address},");
        for (from, to) in [(gateway.as_str(), own.as_str())].iter().chain(changes) {
            assert!(text.contains(from), "the configuration has no {from:?}");
            text = text.replace(from, to);
        }
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("envoy.yaml");
        std::fs::write(&config, text).unwrap();
        let process = Command::new(shop.root.join(".local/envoy/envoy/_bin/envoy"))
            .arg("--config-path")
            .arg(&config)
            .args([
                "--disable-hot-restart",
                "--log-level",
                "error",
                "--concurrency",
                "1",
            ])
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let edge = Self {
            address,
            _process: process,
            _folder: folder,
        };
        let admin = shop.plain(&format!("http://{address}:9901"));
        eventually("the test's own gateway", || async {
            let nothing = bytes::Bytes::new();
            let ready = admin.try_send(http::Method::GET, "/ready", &[], nothing);
            (ready.await.ok()?.status == 200).then_some(())
        })
        .await;
        edge
    }

    /// The same user at this gateway.
    pub(crate) fn for_user(&self, shop: &Shop, user: &User) -> User {
        let here = shop.plain(&format!("http://{}:{REST_PORT}", self.address));
        here.with_token_of(user)
    }

    pub(crate) async fn connect(&self) -> std::io::Result<TcpStream> {
        TcpStream::connect((self.address, REST_PORT)).await
    }

    /// Sends `bytes` on a connection of its own and answers all that comes back until it is closed.
    pub(crate) async fn say(&self, bytes: &str) -> String {
        let mut connection = self.connect().await.unwrap();
        connection.write_all(bytes.as_bytes()).await.unwrap();
        let mut heard = Vec::new();
        // A reset after the answer is an end, too.
        let _ = connection.read_to_end(&mut heard).await;
        String::from_utf8_lossy(&heard).into_owned()
    }
}

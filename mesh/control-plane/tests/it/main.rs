//! The control plane over real sockets: who gets a certificate, and how it is kept fresh.
#![allow(clippy::unwrap_used)]

mod authority;
mod client;
mod lifecycle;
mod renewal;

use std::path::PathBuf;
use std::time::Duration;

use mesh_control_plane::{Account, Config, Ports, Running, run};
use mesh_identity::SpiffeId;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// Longer than anything here may take; shorter than patience.
const DEADLINE: Duration = Duration::from_secs(15);

/// A control plane in this process with a folder of its own.
struct Plane {
    folder: TempDir,
    config: Config,
    running: Running,
    shutdown: CancellationToken,
}

impl Plane {
    async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config_in(&folder);
        change(&mut config);
        let shutdown = CancellationToken::new();
        let running = run(config.clone(), shutdown.clone()).await.unwrap();
        Self {
            folder,
            config,
            running,
            shutdown,
        }
    }

    fn token(&self, account: &str) -> String {
        std::fs::read_to_string(self.config.token_dir.join(account)).unwrap()
    }

    fn root_pem(&self) -> String {
        std::fs::read_to_string(&self.config.root_file).unwrap()
    }

    /// Ends it and leaves the folder.
    async fn stop(self) -> (TempDir, Config) {
        self.shutdown.cancel();
        let ended = tokio::time::timeout(DEADLINE, self.running.ended());
        ended.await.expect("the control plane did not end");
        (self.folder, self.config)
    }
}

fn config_in(folder: &TempDir) -> Config {
    let path = |name: &str| -> PathBuf { folder.path().join(name) };
    let account = |name: &str| Account {
        namespace: "shop".to_owned(),
        name: name.to_owned(),
    };
    Config {
        bind_address: "127.0.0.1".parse().unwrap(),
        ports: Ports {
            ca: 0,
            metrics: 0,
            probes: 0,
        },
        state_dir: path("state"),
        root_file: path("mesh/root-cert.pem"),
        token_dir: path("tokens"),
        accounts: vec![account("order"), account("debug")],
        trust_domain: "cluster.local".parse().unwrap(),
        token_ttl: Duration::from_secs(600),
        log_filter: "info".to_owned(),
    }
}

fn id(account: &str) -> SpiffeId {
    format!("spiffe://cluster.local/ns/shop/sa/{account}")
        .parse()
        .unwrap()
}

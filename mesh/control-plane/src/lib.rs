//! `meshd`, the control plane of the mesh: the certificate authority that its workloads ask for
//! their identities, and the bootstrap tokens that they ask with.
//!
//! It knows nobody's private key but its own. Policies and discovery are not here yet.

mod ca;
pub mod config;
mod error;
mod files;
mod metrics;
mod own_certificate;
mod plain;
mod serve;
mod state;
mod tokens;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use mesh_dataplane::Readiness;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use config::{Account, Config, Ports};
pub use error::Error;

use crate::own_certificate::OwnCertificate;
use crate::state::State;
use crate::tokens::{TokenFiles, TokenKey};

/// A control plane that listens.
#[derive(Debug)]
pub struct Running {
    /// Where certificates are asked for.
    pub ca_address: SocketAddr,
    /// Where Prometheus scrapes.
    pub metrics_address: SocketAddr,
    /// Where the platform probes.
    pub probes_address: SocketAddr,
    tasks: TaskTracker,
}

/// Makes or loads the state, publishes root and tokens, and listens until `shutdown`.
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<Running, Error> {
    let now = SystemTime::now();
    let state = Arc::new(State::open(&config.state_dir, &config.trust_domain, now)?);
    files::publish(&config.root_file, state.root_certificate_pem())?;
    let token_key = Arc::new(TokenKey::from_pem(&state.token_key_pem()?, &config)?);
    let mut token_files = TokenFiles::new(Arc::clone(&token_key), &config);
    token_files.write_all(now)?;

    let ca_listener = listen(SocketAddr::new(config.bind_address, config.ports.ca)).await?;
    let probes = listen(SocketAddr::new(config.bind_address, config.ports.probes)).await?;
    let metrics = listen(SocketAddr::new(config.bind_address, config.ports.metrics)).await?;
    let tasks = TaskTracker::new();
    let running = Running {
        ca_address: local_address(&ca_listener)?,
        metrics_address: local_address(&metrics)?,
        probes_address: local_address(&probes)?,
        tasks: tasks.clone(),
    };

    let readiness = Readiness::default();
    let tokens_fresh = readiness.condition("tokens");
    tokens_fresh.met();
    let certificate = OwnCertificate::new(Arc::clone(&state), &config)?;
    let authority = ca::service(state, token_key, config.trust_domain.clone());
    tasks.spawn(serve::serve(
        ca_listener,
        authority,
        certificate,
        shutdown.clone(),
        tasks.clone(),
    ));
    tasks.spawn(
        shutdown
            .clone()
            .run_until_cancelled_owned(token_files.keep_fresh(tokens_fresh)),
    );
    tasks.spawn(plain::serve_probes(probes, readiness, shutdown.clone()));
    tasks.spawn(plain::serve_metrics(metrics, shutdown));
    tasks.close();
    Ok(running)
}

// === impl Running ===

impl Running {
    /// Waits until the shutdown has been asked for and every connection has ended.
    pub async fn ended(self) {
        self.tasks.wait().await;
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address)
        .await
        .map_err(|source| Error::Listen { address, source })
}

fn local_address(listener: &TcpListener) -> Result<SocketAddr, Error> {
    listener.local_addr().map_err(Error::LocalAddress)
}

//! `meshd`, the control plane of the mesh: the certificate authority that its workloads ask for
//! their identities, and the bootstrap tokens that they ask with.
//!
//! It knows nobody's private key but its own. Policies and discovery are not here yet.

#![warn(missing_docs)]

mod ca;
pub mod config;
mod error;
mod files;
mod metrics;
mod own_certificate;
mod serve;
mod state;
mod tokens;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use mesh_dataplane::{Readiness, serve_metrics, serve_probes};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
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
    /// Probes are answered until the end, so that the platform sees it coming.
    _background: DropGuard,
}

/// Makes or loads the state, publishes root and tokens, and listens until `shutdown`.
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<Running, Error> {
    let now = SystemTime::now();
    let state = Arc::new(State::open(&config.state_dir, &config.trust_domain, now)?);
    // Addresses first: whoever does not get them must not replace the root of the one who has them.
    let at = |port| SocketAddr::new(config.bind_address, port);
    let ca_listener = listen(at(config.ports.ca)).await?;
    let tasks = TaskTracker::new();
    let readiness = Readiness::default();
    let tokens_fresh = readiness.condition("tokens");
    let serving = readiness.condition("serving");
    let background = CancellationToken::new();
    let running = Running {
        ca_address: ca_listener.local_addr().map_err(Error::LocalAddress)?,
        metrics_address: serve_metrics(at(config.ports.metrics), background.clone()).await?,
        probes_address: serve_probes(at(config.ports.probes), readiness, background.clone())
            .await?,
        tasks: tasks.clone(),
        _background: background.drop_guard(),
    };

    files::publish(&config.root_file, state.root_certificate_pem())?;
    let token_key = Arc::new(TokenKey::from_pem(&state.token_key_pem()?, &config)?);
    let mut token_files = TokenFiles::new(Arc::clone(&token_key), &config);
    token_files.write_all(now)?;
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
    serving.met();
    tasks.spawn(async move {
        shutdown.cancelled().await;
        serving.unmet("shutting down");
    });
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

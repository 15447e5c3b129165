//! `meshd`: settings, logs, run, until a signal.

use anyhow::Context;
use clap::Parser;
use mesh_control_plane::Config;
use mesh_dataplane::Env;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Control plane of the mesh: certificate authority (15012), metrics (15020), probes (15021).
///
/// Settings are environment variables: MESHD_BIND_ADDRESS, MESHD_STATE_DIR (keys, private),
/// MESHD_ROOT_FILE and MESHD_TOKEN_DIR (written), MESHD_ACCOUNTS (<namespace>/<account>,...),
/// MESH_TRUST_DOMAIN, MESHD_TOKEN_TTL_SECONDS and LOG.
#[derive(Parser)]
#[command(name = "meshd", version)]
struct Arguments {}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments {} = Arguments::parse();
    let mut env = Env::from_process();
    let config = Config::from_env(&mut env);
    let resolved: Vec<String> = env
        .resolved()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    env.finish()?;
    let telemetry = mesh_telemetry::init(mesh_telemetry::Settings {
        service: "meshd".to_owned(),
        filter: config.log_filter.clone(),
        otlp_endpoint: None,
    })?;
    tracing::info!(settings = resolved.join(" "), "starting");

    let shutdown = CancellationToken::new();
    let on_signal = shutdown.clone();
    let mut terminate = signal(SignalKind::terminate()).context("cannot watch for SIGTERM")?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        on_signal.cancel();
    });
    let running = mesh_control_plane::run(config, shutdown).await?;
    tracing::info!(
        ca = %running.ca_address,
        metrics = %running.metrics_address,
        probes = %running.probes_address,
        "listening"
    );
    running.ended().await;
    telemetry.shutdown();
    Ok(())
}

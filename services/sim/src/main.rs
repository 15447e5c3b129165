//! The program `psp-sim`: settings, telemetry, the simulator until SIGTERM or SIGINT.

use anyhow::Context;
use shop_sim::Config;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = Config::from_process()?;
    let telemetry = mesh_telemetry::init(mesh_telemetry::Settings {
        service: "psp-sim".to_owned(),
        filter: config.log_filter.clone(),
        otlp_endpoint: None,
    })
    .context("telemetry could not start")?;

    let shutdown = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let stop = shutdown.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stop.cancel();
    });

    let running = shop_sim::run(config, shutdown).await?;
    tracing::info!(address = %running.address(), "payment provider simulator listens");
    running.ended().await;
    telemetry.shutdown();
    Ok(())
}

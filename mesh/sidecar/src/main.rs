//! `mesh-sidecar`: settings, logs, run, until a signal.

use anyhow::Context;
use clap::{Parser, Subcommand};
use mesh_dataplane::Env;
use mesh_sidecar::agent;
use mesh_sidecar::config::Config;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Mesh identity for programs that do not link the data plane.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve a workload's SVID and the trust bundle over SDS on a Unix socket.
    ///
    /// Settings are environment variables: the MESH_* ones of the workload, and MESH_SDS_SOCKET.
    Agent,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Command::Agent = Arguments::parse().command;
    let mut env = Env::from_process();
    let config = Config::from_env(&mut env);
    env.finish()?;
    let telemetry = mesh_telemetry::init(mesh_telemetry::Settings {
        service: "mesh-sidecar".to_owned(),
        filter: config.mesh.log_filter.clone(),
        otlp_endpoint: None,
    })?;
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
    agent::run(config, shutdown).await?;
    telemetry.shutdown();
    Ok(())
}

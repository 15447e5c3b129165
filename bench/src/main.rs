//! One end of a comparison: an echo server or its client, in one of the ways below, in a process of
//! its own, so that each end's CPU can be told apart. `tradewind_bench/` (Python) starts the ends,
//! orders the rounds and makes the tables.

mod call;
mod handshake;
mod hold;
mod pki;
mod plain;
mod process;
mod serve;
mod way;

use std::{fs, net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};

use crate::{pki::Pki, way::Way};

#[derive(Parser)]
struct Command {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Make a root, an intermediate and two identities in a folder.
    Pki {
        #[arg(long)]
        folder: PathBuf,
    },
    /// Serve the echo until killed.
    Serve(End),
    /// Accept TLS connections with rustls and nothing else until killed.
    ServeBareTls(End),
    /// Call for a while with a fixed number of calls in flight.
    Call(Load),
    /// Hold connections that have carried one call each, until stdin ends.
    Hold {
        #[command(flatten)]
        end: End,
        #[arg(long)]
        connections: usize,
    },
    /// Make full mutual handshakes for a while.
    Shake(Load),
}

/// One end of a conversation.
#[derive(Args, Clone)]
struct End {
    #[arg(long, default_value = "mtls")]
    way: Way,
    /// Where the server listens.
    #[arg(long)]
    address: SocketAddr,
    /// The folder that `pki` made.
    #[arg(long)]
    folder: PathBuf,
    /// Logs and spans as a service has them; without it the mesh runs unobserved.
    #[arg(long)]
    telemetry: bool,
}

/// What is measured, and for how long.
#[derive(Args, Clone)]
struct Load {
    #[command(flatten)]
    end: End,
    #[arg(long, default_value_t = 1)]
    connections: usize,
    #[arg(long, default_value_t = 1)]
    in_flight: usize,
    #[arg(long, default_value_t = 500)]
    warm_ms: u64,
    #[arg(long, default_value_t = 2000)]
    run_ms: u64,
    /// Processes whose CPU counts beside our own, as `name=pid`.
    #[arg(long = "watch", value_parser = process::Watched::parse)]
    watched: Vec<process::Watched>,
    /// Where the figures go, as JSON.
    #[arg(long)]
    out: PathBuf,
}

#[tokio::main]
async fn main() -> Result<()> {
    let command = Command::parse();
    let telemetry = command.telemetry()?;
    match command.what {
        What::Pki { folder } => Pki::make(&folder)?,
        What::Serve(end) => serve::run(&end).await?,
        What::ServeBareTls(end) => handshake::serve_bare(&end).await?,
        What::Call(load) => load.write(&call::run(&load).await?)?,
        What::Hold { end, connections } => hold::run(&end, connections).await?,
        What::Shake(load) => load.write(&handshake::run(&load).await?)?,
    }
    if let Some(telemetry) = telemetry {
        telemetry.shutdown();
    }
    Ok(())
}

// === impl Command ===

impl Command {
    /// Telemetry as every service starts it, without an exporter.
    fn telemetry(&self) -> Result<Option<mesh_telemetry::Telemetry>> {
        let end = match &self.what {
            What::Pki { .. } => return Ok(None),
            What::Serve(end) | What::ServeBareTls(end) | What::Hold { end, .. } => end,
            What::Call(load) | What::Shake(load) => &load.end,
        };
        if !end.telemetry {
            return Ok(None);
        }
        let settings = mesh_telemetry::Settings {
            service: "bench".to_owned(),
            filter: "info".to_owned(),
            otlp_endpoint: None,
        };
        Ok(Some(mesh_telemetry::init(settings)?))
    }
}

// === impl Load ===

impl Load {
    fn warm(&self) -> Duration {
        Duration::from_millis(self.warm_ms)
    }

    fn run(&self) -> Duration {
        Duration::from_millis(self.run_ms)
    }

    fn write(&self, figures: &serde_json::Value) -> Result<()> {
        let path = &self.out;
        fs::write(path, figures.to_string()).with_context(|| format!("cannot write {path:?}"))
    }
}

//! Settings of the agent, from environment variables.

use std::path::PathBuf;

use mesh_dataplane::{Env, Settings};

/// What the agent is told.
#[derive(Debug)]
pub struct Config {
    /// The workload whose identity it serves.
    pub mesh: Settings,
    /// Where the proxy asks for secrets (`MESH_SDS_SOCKET`).
    pub sds_socket: PathBuf,
}

// === impl Config ===

impl Config {
    /// Reads every variable; mistakes are left in `env` for its `finish`.
    pub fn from_env(env: &mut Env) -> Self {
        Self {
            mesh: Settings::from_env(env),
            sds_socket: env.required("MESH_SDS_SOCKET").into(),
        }
    }
}

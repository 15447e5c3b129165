//! `meshctl authz`: asks the policy engine, from files alone. No mesh needs to run.

mod answer;
mod ask;
mod decide;
mod explain;
mod replay;
mod request;
mod table;
pub(crate) mod target;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use mesh_api::{Labels, Loaded, MeshSettings, PolicySet, Workload};
use serde::Deserialize;

use self::explain::{EXPLAIN_EXAMPLES, Explain};
use self::replay::{REPLAY_EXAMPLES, Replay};
use self::table::{TABLE_EXAMPLES, Table};
use crate::error::Error;

const AUTHZ_EXAMPLES: &str = "\
Examples:
  meshctl authz explain --policies policies/ --to order --from gateway \\
      --rpc shop.order.v1.OrderService/ListOrders
  meshctl authz table --policies policies/ --descriptors gateway-envoy/shop.binpb
  meshctl authz replay --policies policies/ --candidate candidate/ --to order \\
      --requests requests.jsonl

Exit codes: 0 answered, 1 some decision flips or some line is no request, 2 files that do not load
or wrong usage.";

const DECIDE_EXAMPLES: &str = "\
Examples:
  meshctl authz decide --policies policies/ --workload workload.json --requests requests.jsonl
  meshctl authz decide --policies a.yaml b.yaml --mesh-config mesh.yaml --workload workload.json \\
      --requests - -o json < requests.jsonl

A workload: {\"namespace\":\"foo\",\"serviceAccount\":\"httpbin\",\"labels\":{\"app\":\"httpbin\"}}
A request, one per line:
  {\"protocol\":\"http\",\"source\":{\"principal\":\"cluster.local/ns/foo/sa/sleep\",\"ip\":\"10.0.0.1\"},
   \"destination\":{\"ip\":\"10.0.0.2\",\"port\":8080},
   \"http\":{\"method\":\"GET\",\"host\":\"httpbin.foo\",\"path\":\"/a?b\",\"headers\":[[\"x-a\",\"1\"]]}}

PeerAuthentication is not evaluated here, and tokens are taken for valid. A line that is no request
is answered by {\"line\":N,\"error\":\"...\"}, and the others are decided all the same.

Exit codes: 0 every line was decided, 1 some line was no request, 2 files that do not load or wrong
usage.";

#[derive(Debug, Args)]
#[command(after_help = AUTHZ_EXAMPLES)]
pub(crate) struct Authz {
    #[command(subcommand)]
    pub(crate) command: AuthzCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuthzCommand {
    /// Decides recorded requests, line by line.
    #[command(after_help = DECIDE_EXAMPLES)]
    Decide(Decide),

    /// Proves what one request meets, and what would have to differ.
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain(Box<Explain>),

    /// Decides recorded requests by two sets of policies, and tells which decisions flip and why.
    #[command(after_help = REPLAY_EXAMPLES)]
    Replay(Replay),

    /// Shows who may call what: every identity and every RPC.
    #[command(after_help = TABLE_EXAMPLES)]
    Table(Table),
}

#[derive(Debug, Args)]
pub(crate) struct Decide {
    #[command(flatten)]
    pub(crate) policies: Policies,

    /// The workload that is called, as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) workload: PathBuf,

    /// Requests as lines of JSON; - is standard input.
    #[arg(long, value_name = "FILE|-")]
    pub(crate) requests: PathBuf,

    /// How decisions are written.
    #[arg(short, long, default_value = "text")]
    pub(crate) output: Output,
}

/// What decides.
#[derive(Debug, Args)]
pub(crate) struct Policies {
    /// Files and folders of policies.
    #[arg(long, value_name = "FILE|DIR", num_args = 1.., required = true)]
    pub(crate) policies: Vec<PathBuf>,

    /// Istio's MeshConfig [default: Istio's defaults].
    #[arg(long, value_name = "FILE")]
    pub(crate) mesh_config: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Text,
    /// For programs: one object per line.
    Json,
}

/// A workload's file.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WorkloadFile {
    namespace: String,
    #[serde(default)]
    service_account: String,
    #[serde(default)]
    labels: Labels,
    #[serde(default)]
    trust_domain: String,
}

pub(crate) fn run(authz: &Authz) -> Result<(), Error> {
    match &authz.command {
        AuthzCommand::Decide(decide) => decide::run(decide),
        AuthzCommand::Explain(explain) => explain::run(explain),
        AuthzCommand::Replay(replay) => replay::run(replay),
        AuthzCommand::Table(table) => table::run(table),
    }
}

// === impl Policies ===

impl Policies {
    /// Reads everything, or tells everything that is wrong.
    pub(crate) fn load(&self) -> Result<(PolicySet, MeshSettings), Error> {
        let loaded = Loaded::from_paths(&self.policies).valid();
        let settings = match &self.mesh_config {
            None => Ok(MeshSettings::default()),
            Some(file) => mesh_api::mesh_settings_from_path(file),
        };
        match (loaded, settings) {
            (Ok(loaded), Ok(settings)) => Ok((loaded.policies, settings)),
            (loaded, settings) => {
                let errors = [loaded.err(), settings.err()].into_iter().flatten();
                let problems = errors.flat_map(|error| error.problems).collect();
                Err(Error::Policies(mesh_api::Error { problems }))
            }
        }
    }
}

pub(crate) fn read_workload(path: &Path) -> Result<Workload, Error> {
    let text = std::fs::read(path).map_err(|source| Error::Unreadable {
        path: path.to_owned(),
        source: source.into(),
    })?;
    let file: WorkloadFile = serde_json::from_slice(&text).map_err(|source| Error::Unreadable {
        path: path.to_owned(),
        source: source.into(),
    })?;
    Ok(Workload {
        namespace: file.namespace,
        service_account: file.service_account,
        labels: file.labels,
        trust_domain: file.trust_domain,
    })
}

/// A file of the examples.
#[cfg(test)]
pub(crate) fn example(name: &str) -> String {
    format!("{}/examples/{name}", env!("CARGO_MANIFEST_DIR"))
}

//! `meshctl analyze` and `meshctl explain`: what in policies hardly does what was meant, and why. Reads
//! files alone; what is found is `mesh-analysis`' affair.

mod report;

use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::Args;
use mesh_analysis::{Code, Descriptors, Finding, Level, World, analyze};
use mesh_api::{Loaded, Locator, WorkloadEntry};

use self::report::Report;
use crate::authz::Output;
use crate::error::Error;

pub(crate) const ANALYZE_EXAMPLES: &str = "\
Examples:
  meshctl analyze policies/
  meshctl analyze policies/ --workloads .local/run/0/endpoints.yaml --mesh-config mesh.yaml
  meshctl analyze policies/ --descriptors gateway-envoy/shop.binpb --strict
  meshctl analyze a.yaml b.yaml -o json

The more is known, the more is found: --workloads tells which labels, accounts and ports there are
(WorkloadEntry objects among the policies do so too), --mesh-config which trust domains and
providers, --descriptors which methods. meshctl explain CODE says more about a finding.

Exit codes: 0 nothing to mend, 1 errors (with --strict also warnings), 2 files that cannot be read or
wrong usage.";

pub(crate) const EXPLAIN_EXAMPLES: &str = "\
Examples:
  meshctl explain                   every code with its level and title
  meshctl explain TW0201            what it means, an example, and how to mend it
  meshctl explain tw0403 -o json

Exit codes: 0 explained, 2 no such code.";

/// What is analysed, and what is known beside it.
#[derive(Debug, Args)]
pub(crate) struct Analyze {
    /// Files and folders of policies.
    #[arg(value_name = "FILE|DIR", required = true)]
    pub(crate) paths: Vec<PathBuf>,

    /// Files and folders of WorkloadEntry objects.
    #[arg(long, value_name = "FILE|DIR")]
    pub(crate) workloads: Vec<PathBuf>,

    /// Istio's MeshConfig.
    #[arg(long, value_name = "FILE")]
    pub(crate) mesh_config: Option<PathBuf>,

    /// Protobuf FileDescriptorSets of all services.
    #[arg(long, value_name = "FILE")]
    pub(crate) descriptors: Vec<PathBuf>,

    /// Ends with 1 for warnings too.
    #[arg(long)]
    pub(crate) strict: bool,

    /// How findings are written.
    #[arg(short, long, default_value = "text")]
    pub(crate) output: Output,
}

/// Which code is explained.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The number of a finding [default: all of them, in short].
    pub(crate) code: Option<String>,

    /// How the page is written.
    #[arg(short, long, default_value = "text")]
    pub(crate) output: Output,
}

/// Prints what is found and ends with an error when something must be mended.
pub(crate) fn run(command: &Analyze) -> Result<(), Error> {
    let world = world(command)?;
    let loaded = Loaded::from_paths(&command.paths);
    let mut locator = Locator::default();
    let findings: Vec<Finding> = analyze(&loaded, &world)
        .into_iter()
        .map(|finding| located(finding, &mut locator))
        .collect();
    let report = Report::new(&loaded, findings);
    match command.output {
        Output::Text => emit(&report.text()),
        Output::Json => emit(&format!("{}\n", report.json())),
    }
    let unreadable = report.count_of(Code::Unreadable);
    if unreadable > 0 {
        return Err(Error::UnreadablePolicies { count: unreadable });
    }
    let errors = report.count(Level::Error);
    let warnings = report.count(Level::Warning);
    if errors > 0 || (command.strict && warnings > 0) {
        return Err(Error::Findings { errors, warnings });
    }
    Ok(())
}

/// Prints the page of a code, or a list of all.
pub(crate) fn explain(command: &Explain) -> Result<(), Error> {
    let Some(wanted) = &command.code else {
        match command.output {
            Output::Text => emit(&report::codes_text()),
            Output::Json => emit(&format!("{}\n", report::codes_json())),
        }
        return Ok(());
    };
    let code: Code = wanted.parse().map_err(Error::Usage)?;
    match command.output {
        Output::Text => emit(code.explanation()),
        Output::Json => emit(&format!("{}\n", report::code_json(code))),
    }
    Ok(())
}

// === helpers ===

/// Writes the answer. Whoever closes the pipe early, as `head` does, has read what he wanted; the
/// exit code stays what was found.
fn emit(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}

fn world(command: &Analyze) -> Result<World, Error> {
    let mut world = World::default();
    let mut problems = Vec::new();
    if !command.workloads.is_empty() {
        match Loaded::from_paths(&command.workloads).valid() {
            Ok(loaded) => world.workloads = workloads(loaded),
            Err(error) => problems.extend(error.problems),
        }
    }
    if let Some(file) = &command.mesh_config {
        match mesh_api::mesh_settings_from_path(file) {
            Ok(settings) => world.settings = Some(settings),
            Err(error) => problems.extend(error.problems),
        }
    }
    if !problems.is_empty() {
        return Err(Error::Policies(mesh_api::Error { problems }));
    }
    for file in &command.descriptors {
        let descriptors = Descriptors::from_path(file).map_err(|source| Error::Unreadable {
            path: file.clone(),
            source: Box::new(source),
        })?;
        world
            .descriptors
            .get_or_insert_default()
            .extend(descriptors);
    }
    Ok(world)
}

fn workloads(loaded: Loaded) -> Vec<WorkloadEntry> {
    loaded.policies.workload_entries
}

/// The finding with the line of its field instead of that of its object. The loader's problems have
/// theirs already.
fn located(mut finding: Finding, locator: &mut Locator) -> Finding {
    if finding.code >= Code::SelectsNothing {
        finding.origin.line = locator.line(&finding.origin, &finding.path);
    }
    finding
}

#[cfg(test)]
mod tests;

//! `meshctl mtls`: which ports take mutual TLS, and which policy says so. Reads files alone.

use clap::{Args, Subcommand};
use mesh_api::{MtlsMode, Origin};
use mesh_policy::{ModeReason, PeerModes, PortMode};
use serde_json::{Value, json};

use crate::authz::target::{Callee, Places, Target, World};
use crate::authz::{Output, Policies};
use crate::error::Error;

const MTLS_EXAMPLES: &str = "\
Examples:
  meshctl mtls explain --policies policies/

Exit codes: 0 explained, 2 files that do not load or wrong usage.";

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  meshctl mtls explain --policies policies/
  meshctl mtls explain --policies policies/ --to order --port 9000
  meshctl mtls explain --policies policies/ --workload workload.json -o json

STRICT takes mutual TLS alone, PERMISSIVE plain text too, DISABLE plain text alone. The last step of
each way is the one that counts: default, mesh, namespace, workload, port.

Exit codes: 0 explained, 2 files that do not load or wrong usage.";

#[derive(Debug, Args)]
#[command(after_help = MTLS_EXAMPLES)]
pub(crate) struct Mtls {
    #[command(subcommand)]
    command: MtlsCommand,
}

#[derive(Debug, Subcommand)]
enum MtlsCommand {
    /// Tells the effective mode of each port, and which policy set it.
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain(Explain),
}

#[derive(Debug, Args)]
struct Explain {
    #[command(flatten)]
    policies: Policies,

    #[command(flatten)]
    target: Target,

    /// This port alone.
    #[arg(long)]
    port: Option<u16>,

    /// How modes are written.
    #[arg(short, long, default_value = "text")]
    output: Output,
}

/// The modes of a workload, port by port.
struct Modes<'w> {
    callee: &'w Callee,
    /// None is every port that is not listed.
    ports: Vec<(Option<u16>, PortMode)>,
    ignored: Vec<String>,
}

pub(crate) fn run(mtls: &Mtls) -> Result<(), Error> {
    let MtlsCommand::Explain(explain) = &mtls.command;
    let world = World::read(&explain.policies, &explain.target)?;
    let mut places = Places::default();
    for callee in world.callees() {
        let modes = Modes::new(&world, callee, explain.port);
        match explain.output {
            Output::Text => print!("{}", modes.text(&world, &mut places)),
            Output::Json => println!("{}", modes.json(&world, &mut places)),
        }
    }
    Ok(())
}

// === impl Modes ===

impl<'w> Modes<'w> {
    fn new(world: &World, callee: &'w Callee, port: Option<u16>) -> Self {
        let policies = &world.policies.peer_authentications;
        let merged = PeerModes::merge(policies, &callee.workload, &world.settings);
        let ports = match port {
            Some(port) => vec![(Some(port), merged.of_port(port).clone())],
            None => {
                let mut own: Vec<u16> = callee.ports.values().copied().collect();
                own.extend(merged.ports().map(|(port, _)| port));
                own.sort_unstable();
                own.dedup();
                let of_port = |port: u16| (Some(port), merged.of_port(port).clone());
                let others = (None, merged.of_workload().clone());
                own.into_iter().map(of_port).chain([others]).collect()
            }
        };
        let ignored = merged.ignored().iter().map(ToString::to_string).collect();
        Self {
            callee,
            ports,
            ignored,
        }
    }

    fn text(&self, world: &World, places: &mut Places) -> String {
        let mut lines = vec![self.callee.name.clone()];
        for (port, mode) in &self.ports {
            let name = port.map_or("other ports".to_owned(), |port| port.to_string());
            let steps: Vec<String> = mode.reasons.iter().map(step).collect();
            let set_by = set_by(mode);
            let origin = place(set_by, *port, world, places);
            let place = origin.map_or_else(String::new, |place| format!("  {place}"));
            let by = set_by.map_or_else(|| "nobody: Istio's default".to_owned(), step_name);
            let word = mode.mode.as_str();
            lines.push(format!("  {name:<11}  {word:<10}  set by {by}{place}"));
            lines.push(format!("               {}", steps.join(" → ")));
        }
        for ignored in &self.ignored {
            let text = format!("  {ignored} is ignored: an older policy of its scope goes first");
            lines.push(text);
        }
        lines.push(String::new());
        lines.join("\n")
    }

    fn json(&self, world: &World, places: &mut Places) -> Value {
        let ports: Vec<Value> = self
            .ports
            .iter()
            .map(|(port, mode)| {
                let set_by = set_by(mode);
                let place = place(set_by, *port, world, places);
                json!({
                    "port": port,
                    "mode": mode.mode.as_str(),
                    "policy": policy(set_by),
                    "scope": set_by.map_or("default", |reason| reason.scope),
                    "file": place.as_ref().map(|place| place.file.display().to_string()),
                    "line": place.as_ref().map(|place| place.line),
                    "steps": mode.reasons.iter().map(step_json).collect::<Vec<Value>>(),
                })
            })
            .collect();
        json!({"workload": self.callee.name, "ports": ports, "ignored": self.ignored})
    }
}

// === helpers ===

/// The step that set the mode; none for Istio's default.
fn set_by(mode: &PortMode) -> Option<&ModeReason> {
    let mut steps = mode.reasons.iter().rev();
    steps
        .find(|step| step.mode != MtlsMode::Unset)
        .filter(|step| step.policy.is_some())
}

fn place(
    step: Option<&ModeReason>,
    port: Option<u16>,
    world: &World,
    places: &mut Places,
) -> Option<Origin> {
    let step = step?;
    let field = match port {
        Some(port) if step.scope == "port" => format!("spec.portLevelMtls.{port}"),
        _ => "spec.mtls".to_owned(),
    };
    places.of_peer(&world.policies, step.policy.as_ref()?, &field)
}

fn policy(step: Option<&ModeReason>) -> Option<String> {
    step?.policy.as_ref().map(ToString::to_string)
}

fn step_name(step: &ModeReason) -> String {
    match &step.policy {
        Some(policy) => format!("{policy} ({})", step.scope),
        None => step.scope.to_owned(),
    }
}

fn step(step: &ModeReason) -> String {
    format!("{} {}", step_name(step), step.mode.as_str())
}

fn step_json(step: &ModeReason) -> Value {
    json!({
        "scope": step.scope,
        "policy": policy(Some(step)),
        "mode": step.mode.as_str(),
    })
}

#[cfg(test)]
mod tests;

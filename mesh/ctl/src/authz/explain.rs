//! `authz explain`: the engine's proof of one decision, as a tree for people or as JSON.

mod proof;
mod tree;

use clap::Args;
use mesh_api::MtlsMode;
use mesh_policy::PeerModes;
use serde_json::{Value, json};

use self::proof::Explained;
use super::ask::{Ask, Home};
use super::request::Recorded;
use super::target::{Places, Target, World};
use super::{Output, Policies};
use crate::error::Error;

pub(super) const EXPLAIN_EXAMPLES: &str = "\
Examples:
  meshctl authz explain --policies policies/ --to order --from gateway \\
      --rpc shop.order.v1.OrderService/ListOrders
  meshctl authz explain --policies policies/ --to order --from web/frontend --path /v1/orders \\
      --header 'x-tenant: acme' --issuer https://id.example.com --subject ada --claim role=admin
  meshctl authz explain --policies policies/ --workload workload.json --requests requests.jsonl \\
      --line 2 -o json

The tree shows the rule that decided, or the ALLOW rules that came nearest: what each condition
wants (✓ holds, ✗ does not) and what the request has. It is the engine's own proof: what it explains
is what authz decide answers. Tokens are taken for valid.

Exit codes: 0 explained, whatever the decision, 2 files that do not load or wrong usage.";

#[derive(Debug, Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    policies: Policies,

    #[command(flatten)]
    target: Target,

    #[command(flatten)]
    ask: Ask,

    /// How many ALLOW rules that miss are shown.
    #[arg(long, value_name = "NUMBER", default_value_t = 3)]
    nearest: usize,

    /// How the proof is written.
    #[arg(short, long, default_value = "text")]
    output: Output,
}

pub(super) fn run(explain: &Explain) -> Result<(), Error> {
    match explain.output {
        Output::Text => print!("{}", answer(explain, tree::text)?),
        Output::Json => println!("{}", answer(explain, proof::json)?),
    }
    Ok(())
}

fn answer<T>(
    explain: &Explain,
    show: impl Fn(&Explained<'_>, &mut Places) -> T,
) -> Result<T, Error> {
    let world = World::read(&explain.policies, &explain.target)?;
    let callee = world.only_callee()?;
    let home = Home {
        trust_domain: callee.trust_domain(&world.settings),
        namespace: &callee.workload.namespace,
        port: callee.rpc_port(),
    };
    let line = explain.ask.line(&home)?;
    let recorded = Recorded::read(line.as_bytes())
        .map_err(|reason| Error::Usage(format!("no request: {reason}")))?;
    let request = recorded.request();
    let engine = mesh_policy::compile(&world.policies, &callee.workload, &world.settings);
    let modes = PeerModes::merge(
        &world.policies.peer_authentications,
        &callee.workload,
        &world.settings,
    );
    let explained = Explained {
        world: &world,
        callee,
        home,
        selected: engine.policies(),
        mode: modes.of_port(request.destination.port).clone(),
        proof: engine.explain(&request, explain.nearest),
        request,
        line: serde_json::from_str(&line).unwrap_or(Value::Null),
    };
    Ok(show(&explained, &mut Places::default()))
}

// === impl Explained ===

impl Explained<'_> {
    /// What mutual TLS does to the request before any AuthorizationPolicy is asked.
    fn tls_note(&self) -> Option<&'static str> {
        match (self.mode.mode, self.request.source.principal) {
            (MtlsMode::Strict, None) => {
                Some("without a certificate no request gets so far: the handshake refuses it")
            }
            (MtlsMode::Disable, Some(_)) => {
                Some("plain text alone is taken: no request comes with an identity")
            }
            _ => None,
        }
    }

    /// Which policy set the mode of the port; none where it is Istio's default.
    fn tls_policy(&self) -> Option<&mesh_policy::PolicyName> {
        let mut reasons = self.mode.reasons.iter().rev();
        let said = reasons.find(|reason| reason.mode != MtlsMode::Unset);
        said.and_then(|reason| reason.policy.as_ref())
    }

    fn tls_json(&self) -> Value {
        json!({
            "mode": self.mode.mode.as_str(),
            "policy": self.tls_policy().map(ToString::to_string),
            "note": self.tls_note(),
        })
    }
}

#[cfg(test)]
mod tests;

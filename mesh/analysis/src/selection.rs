//! Policies that select no workload, or none that a sidecar would enforce them for.

use mesh_api::{Labels, Meta, PolicySet, WorkloadEntry, nearest};

use crate::code::Code;
use crate::finding::Findings;
use crate::world::World;

pub(crate) fn check(policies: &PolicySet, world: &World, findings: &mut Findings) {
    let knows_workloads = world.has_workloads(policies);
    let authorizations = policies.authorization_policies.iter();
    let authorizations = authorizations.map(|policy| {
        let targeted = !policy.target_refs.is_empty();
        (
            "AuthorizationPolicy",
            &policy.meta,
            &policy.selector,
            targeted,
        )
    });
    let requests = policies.request_authentications.iter();
    let requests = requests.map(|policy| {
        let targeted = !policy.target_refs.is_empty();
        (
            "RequestAuthentication",
            &policy.meta,
            &policy.selector,
            targeted,
        )
    });
    for (kind, meta, selector, targeted) in authorizations.chain(requests) {
        if targeted {
            not_for_sidecars(kind, meta, findings);
        } else if knows_workloads {
            selects(kind, meta, selector, policies, world, findings);
        }
    }
    for policy in policies
        .peer_authentications
        .iter()
        .filter(|_| knows_workloads)
    {
        let kind = "PeerAuthentication";
        selects(
            kind,
            &policy.meta,
            &policy.selector,
            policies,
            world,
            findings,
        );
        let selected = world.selected(policies, &policy.meta, &policy.selector);
        for port in policy.port_level.keys() {
            let is_there = |workload: &&WorkloadEntry| {
                workload.ports.is_empty() || workload.ports.values().any(|own| own == port)
            };
            if !selected.is_empty() && !selected.iter().any(is_there) {
                let path = format!("spec.portLevelMtls.{port}");
                let message = format!("no workload that it selects has port {port}");
                findings.add(Code::UnknownPort, kind, &policy.meta, path, message);
            }
        }
    }
}

// === helpers ===

fn not_for_sidecars(kind: &str, meta: &Meta, findings: &mut Findings) {
    let message = "it is attached to a gateway or waypoint, and no sidecar enforces it".to_owned();
    let path = "spec.targetRefs".to_owned();
    findings.add(Code::NotForSidecars, kind, meta, path, message);
}

fn selects(
    kind: &str,
    meta: &Meta,
    selector: &Labels,
    policies: &PolicySet,
    world: &World,
    findings: &mut Findings,
) {
    if !world.selected(policies, meta, selector).is_empty() {
        return;
    }
    let namespaces = world.namespaces(policies);
    let is_root = meta.namespace == world.settings().root_namespace;
    if !is_root && !namespaces.contains(&meta.namespace) {
        let message = format!("no workload lives in namespace \"{}\"", meta.namespace);
        let root = world.settings().root_namespace;
        let known = namespaces.iter().chain([&root]).map(String::as_str);
        let suggestion = did_you_mean(&meta.namespace, known);
        let path = "metadata.namespace".to_owned();
        // Workloads of other namespaces may be listed elsewhere; a name that is nearly one is not.
        let code = match suggestion.is_empty() {
            true => Code::EmptyNamespace,
            false => Code::SelectsNothing,
        };
        findings.suggest(code, kind, meta, path, message, suggestion);
        return;
    }
    let all: Vec<&WorkloadEntry> = world
        .workloads(policies)
        .filter(|workload| is_root || workload.meta.namespace == meta.namespace)
        .collect();
    let wrong = selector.iter().find(|(key, value)| {
        !all.iter()
            .any(|workload| workload.labels.get(*key) == Some(value))
    });
    let path = "spec.selector.matchLabels".to_owned();
    let (path, message, suggestion) = match wrong {
        Some((key, value)) => {
            let values = all.iter().filter_map(|workload| workload.labels.get(key));
            let values: Vec<&str> = values.map(String::as_str).collect();
            let keys: Vec<&str> = all
                .iter()
                .flat_map(|workload| workload.labels.keys())
                .map(String::as_str)
                .collect();
            let suggestion = match values.is_empty() {
                true => did_you_mean(key, keys),
                false => did_you_mean(value, values),
            };
            let message = format!("no workload has the label {key}={value}");
            (format!("{path}.{key}"), message, suggestion)
        }
        None => {
            let message = "no workload has all of these labels".to_owned();
            (path, message, String::new())
        }
    };
    findings.suggest(Code::SelectsNothing, kind, meta, path, message, suggestion);
}

/// A question with the known name that is nearest to the one that was written.
pub(crate) fn did_you_mean<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> String {
    match nearest(name, known) {
        Some(meant) => format!("did you mean \"{meant}\"?"),
        None => String::new(),
    }
}

//! What policies need of the rest of the mesh: authorizers that exist, one per workload, mutual TLS
//! where identities are compared, and one PeerAuthentication per scope.

use std::collections::BTreeMap;

use mesh_api::{Action, MtlsMode, PeerAuthentication, PolicySet};

use crate::attribute::lists;
use crate::code::Code;
use crate::finding::Findings;
use crate::world::World;

const KIND: &str = "AuthorizationPolicy";

pub(crate) fn check(policies: &PolicySet, world: &World, findings: &mut Findings) {
    providers(policies, world, findings);
    several_providers(policies, world, findings);
    peer_policies(policies, world, findings);
    identities(policies, world, findings);
}

// === helpers ===

fn providers(policies: &PolicySet, world: &World, findings: &mut Findings) {
    let Some(settings) = &world.settings else {
        return;
    };
    for policy in &policies.authorization_policies {
        if let Action::Custom { provider } = &policy.action
            && let Err(fault) = settings.ext_authz(provider)
        {
            let message = format!("{fault}; what matches is denied");
            let path = "spec.provider.name".to_owned();
            let known = settings.extension_providers.iter();
            let names = known.map(|provider| provider.name.as_str());
            let suggestion = crate::selection::did_you_mean(provider, names);
            let meta = &policy.meta;
            findings.suggest(Code::BadProvider, KIND, meta, path, message, suggestion);
        }
    }
}

/// Istio asks one authorizer per workload; with several it denies.
fn several_providers(policies: &PolicySet, world: &World, findings: &mut Findings) {
    for workload in world.workloads(policies) {
        let root = world.settings().root_namespace;
        let mut first: BTreeMap<bool, (&str, String)> = BTreeMap::new();
        for policy in &policies.authorization_policies {
            let Action::Custom { provider } = &policy.action else {
                continue;
            };
            let namespace = &workload.meta.namespace;
            let selects = policy
                .meta
                .selects(&policy.selector, &root, namespace, &workload.labels);
            if !selects || !policy.target_refs.is_empty() {
                continue;
            }
            let (other, id) = first
                .entry(policy.dry_run)
                .or_insert_with(|| (provider, policy.meta.id()));
            let path = "spec.provider.name";
            if *other != provider && !findings.has(Code::ManyProviders, &policy.meta, path) {
                let message = format!(
                    "{} also has the provider \"{other}\" of {id}; with two of them what matches \
                     is denied",
                    workload.meta.id()
                );
                let path = path.to_owned();
                findings.add(Code::ManyProviders, KIND, &policy.meta, path, message);
            }
        }
    }
}

/// Of two policies of one scope the older one holds, and the other is ignored as a whole.
fn peer_policies(policies: &PolicySet, world: &World, findings: &mut Findings) {
    let root = world.settings().root_namespace;
    let all = &policies.peer_authentications;
    for policy in all {
        let rival = all.iter().find(|rival| {
            let same_scope =
                rival.meta.namespace == policy.meta.namespace && rival.selector == policy.selector;
            same_scope && is_older(rival, policy)
        });
        if let Some(rival) = rival {
            let scope = match (policy.selector.is_empty(), policy.meta.namespace == root) {
                (true, true) => "the mesh",
                (true, false) => "the namespace",
                (false, _) => "these workloads",
            };
            let message = format!("{} is older and decides for {scope} alone", rival.meta.id());
            let kind = "PeerAuthentication";
            let path = "metadata.name".to_owned();
            findings.add(Code::IgnoredPeerPolicy, kind, &policy.meta, path, message);
        }
    }
}

/// Older, or of the same age and first by name, as Istio sorts them.
fn is_older(rival: &PeerAuthentication, policy: &PeerAuthentication) -> bool {
    let key =
        |policy: &PeerAuthentication| (policy.meta.creation_timestamp, policy.meta.name.clone());
    key(rival) < key(policy)
}

/// Without mutual TLS nobody has an identity.
fn identities(policies: &PolicySet, world: &World, findings: &mut Findings) {
    for policy in &policies.authorization_policies {
        let selected = world.selected(policies, &policy.meta, &policy.selector);
        let is_off = |workload: &&mesh_api::WorkloadEntry| {
            let namespace = &workload.meta.namespace;
            let root = world.settings().root_namespace;
            mode(policies, &root, namespace, &workload.labels) == MtlsMode::Disable
        };
        if selected.is_empty() || !selected.iter().all(is_off) {
            continue;
        }
        for (attribute, _, is_negative, path) in lists(policy) {
            if attribute.is_identity() && !is_negative {
                let message = "mutual TLS is off for these workloads, so nobody has an identity";
                let message = message.to_owned();
                findings.add(Code::NoIdentity, KIND, &policy.meta, path, message);
            }
        }
    }
}

/// The mode of a workload, its ports aside; PERMISSIVE where a port has another one.
fn mode(policies: &PolicySet, root: &str, namespace: &str, labels: &mesh_api::Labels) -> MtlsMode {
    let mut all: Vec<&PeerAuthentication> = policies.peer_authentications.iter().collect();
    all.sort_by_key(|policy| (policy.meta.creation_timestamp, policy.meta.name.clone()));
    let of_mesh =
        |policy: &&&PeerAuthentication| policy.meta.namespace == root && policy.selector.is_empty();
    let of_namespace = |policy: &&&PeerAuthentication| {
        policy.meta.namespace == namespace && policy.selector.is_empty()
    };
    let of_workload = |policy: &&&PeerAuthentication| {
        let mut selector = policy.selector.iter();
        policy.meta.namespace == namespace
            && namespace != root
            && !policy.selector.is_empty()
            && selector.all(|(key, value)| labels.get(key) == Some(value))
    };
    let workload = all.iter().find(of_workload);
    let ports = workload
        .into_iter()
        .flat_map(|policy| policy.port_level.values());
    if ports.clone().any(|mode| *mode != MtlsMode::Disable) {
        return MtlsMode::Permissive;
    }
    let scopes = [
        workload,
        all.iter().find(of_namespace),
        all.iter().find(of_mesh),
    ];
    let set = scopes
        .into_iter()
        .flatten()
        .map(|policy| policy.mode)
        .find(|mode| *mode != MtlsMode::Unset);
    set.unwrap_or(MtlsMode::Permissive)
}

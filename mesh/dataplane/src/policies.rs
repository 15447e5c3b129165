//! The policies of a workload: read from files, compiled for it alone, and held where a newer set
//! can take their place between two calls. Not here: what a call is (`inbound/gate.rs`).

mod gaps;

use std::{fmt, sync::Arc};

use arc_swap::{ArcSwap, Guard};
use mesh_api::{Action, Error as PolicyError, Loaded, MeshSettings, MtlsMode, PolicySet, Problem};
use mesh_policy::{Engine, PeerModes, PortMode};

use crate::{Error, Mode, Settings};

/// The label by which selectors find a workload.
const APP_LABEL: &str = "app";

/// What decides who may call a workload.
pub(crate) struct Policies {
    /// Each call loads it; whoever brings newer policies stores them here.
    engine: ArcSwap<Engine>,
    modes: PeerModes,
}

// === impl Policies ===

impl Policies {
    /// Reads and compiles the policies of a workload.
    ///
    /// # Errors
    /// Everything that is wrong with them, and everything that they ask for in vain.
    pub(crate) fn load(settings: &Settings) -> Result<Self, Error> {
        let loaded = Loaded::from_paths(&settings.policy_paths);
        for warning in &loaded.warnings {
            tracing::warn!(%warning, "a policy is taken with a warning");
        }
        for (kind, count) in &loaded.ignored {
            tracing::warn!(kind, count, "objects that are no policies are left out");
        }
        Self::compile(loaded.policies, loaded.problems, settings)
    }

    fn compile(
        set: PolicySet,
        mut problems: Vec<Problem>,
        settings: &Settings,
    ) -> Result<Self, Error> {
        let workload = workload_of(settings);
        let mesh = MeshSettings {
            trust_domain: workload.trust_domain.clone(),
            ..MeshSettings::default()
        };
        let set = selected(set, &workload, &mesh);
        let modes = PeerModes::merge(&set.peer_authentications, &workload, &mesh);
        problems.extend(gaps::of(&set, settings.mode));
        problems.extend(plaintext_only(&set, &modes, settings));
        let engine = mesh_policy::compile(&set, &workload, &mesh);
        problems.extend(engine.dropped().map(|dropped| {
            let object = format!("AuthorizationPolicy {}", dropped.policy);
            let path = format!("spec.rules[{}]", dropped.rule);
            gaps::problem(
                mesh_api::Origin::default(),
                object,
                path,
                dropped.message.clone(),
            )
        }));
        if !problems.is_empty() {
            return Err(Error::Policies(PolicyError { problems }));
        }
        let policies = Self {
            engine: ArcSwap::from_pointee(engine),
            modes,
        };
        policies.report(&set, settings);
        Ok(policies)
    }

    /// The engine in force.
    pub(crate) fn engine(&self) -> Guard<Arc<Engine>> {
        self.engine.load()
    }

    /// Whether nobody without an identity may call at a port of the workload.
    pub(crate) fn is_strict(&self, port: u16) -> bool {
        self.modes.of_port(port).mode == MtlsMode::Strict
    }

    /// What an operator may not have meant, and that nothing is wrong.
    fn report(&self, set: &PolicySet, settings: &Settings) {
        let mode = self.modes.of_port(settings.ports.grpc);
        let by = setter(mode).unwrap_or_else(|| "no PeerAuthentication".to_owned());
        if settings.mode == Mode::InProcess && mode.mode != MtlsMode::Strict {
            tracing::warn!(
                mode = mode.mode.as_str(),
                by,
                "plaintext is refused all the same: MESH_MODE=in-process takes mutual TLS only"
            );
        }
        let mut policies = set.authorization_policies.iter();
        if !policies.any(|policy| policy.action == Action::Allow && !policy.dry_run) {
            tracing::warn!("no ALLOW policy selects this workload: whoever is not denied may call");
        }
        for policy in &set.request_authentications {
            let policy = policy.meta.id();
            tracing::warn!(policy, "the mesh does not examine tokens, the service does");
        }
        let count = self.engine.load().policies();
        tracing::info!(
            count,
            mtls = mode.mode.as_str(),
            by,
            paths = ?settings.policy_paths,
            "policies in force"
        );
    }
}

impl fmt::Debug for Policies {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Policies")
            .field("modes", &self.modes)
            .finish_non_exhaustive()
    }
}

// === helpers ===

fn workload_of(settings: &Settings) -> mesh_api::Workload {
    let id = &settings.id;
    mesh_api::Workload {
        namespace: id.namespace().to_owned(),
        service_account: id.service_account().to_owned(),
        labels: [(APP_LABEL.to_owned(), id.service_account().to_owned())].into(),
        trust_domain: id.trust_domain().to_string(),
    }
}

/// What selects the workload; problems with other workloads' policies are theirs.
fn selected(mut set: PolicySet, workload: &mesh_api::Workload, mesh: &MeshSettings) -> PolicySet {
    let (root, own) = (mesh.root_namespace.as_str(), workload.namespace.as_str());
    set.authorization_policies.retain(|policy| {
        let meta = &policy.meta;
        policy.target_refs.is_empty() && meta.selects(&policy.selector, root, own, &workload.labels)
    });
    set.request_authentications.retain(|policy| {
        let meta = &policy.meta;
        policy.target_refs.is_empty() && meta.selects(&policy.selector, root, own, &workload.labels)
    });
    set
}

/// A mode that forbids what in-process mode does. PERMISSIVE is not one: less is taken than it
/// allows, which is safe and worth a warning.
fn plaintext_only(set: &PolicySet, modes: &PeerModes, settings: &Settings) -> Option<Problem> {
    let mode = modes.of_port(settings.ports.grpc);
    if settings.mode != Mode::InProcess || mode.mode != MtlsMode::Disable {
        return None;
    }
    let by = setter(mode)?;
    let mut policies = set.peer_authentications.iter();
    let origin = policies
        .find(|policy| policy.meta.id() == by)?
        .meta
        .origin
        .clone();
    let message = format!(
        "mode DISABLE for port {}, and MESH_MODE=in-process takes mutual TLS only",
        settings.ports.grpc
    );
    let object = format!("PeerAuthentication {by}");
    Some(gaps::problem(origin, object, "spec".to_owned(), message))
}

/// The policy that set the mode, unless it is the default.
fn setter(mode: &PortMode) -> Option<String> {
    let mut reasons = mode.reasons.iter().rev();
    let reason = reasons.find(|reason| reason.mode != MtlsMode::Unset)?;
    reason.policy.as_ref().map(ToString::to_string)
}

#[cfg(test)]
mod tests;

//! PeerAuthentication: the mode of mutual TLS of each port of a workload, and which policy set it.

use std::collections::BTreeMap;

use mesh_api::{MeshSettings, MtlsMode, PeerAuthentication, Workload};

use crate::policy::PolicyName;

/// Istio's mode where nothing says anything.
const DEFAULT_MODE: MtlsMode = MtlsMode::Permissive;

/// The modes of a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerModes {
    workload: PortMode,
    ports: BTreeMap<u16, PortMode>,
    ignored: Vec<PolicyName>,
}

/// A mode and why. The mode is never [`MtlsMode::Unset`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortMode {
    /// What the port takes.
    pub mode: MtlsMode,
    /// What said so, or passed it on, from the widest scope to the narrowest.
    pub reasons: Vec<ModeReason>,
}

/// A step on the way to a mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModeReason {
    /// Whose policy it is; none for Istio's default.
    pub policy: Option<PolicyName>,
    /// `default`, `mesh`, `namespace`, `workload` or `port`.
    pub scope: &'static str,
    /// What it says; UNSET passes on what was said before.
    pub mode: MtlsMode,
}

// === impl PeerModes ===

impl PeerModes {
    /// Merges mesh, namespace and workload. Of two policies of one scope the older wins; the
    /// other is ignored.
    #[must_use]
    pub fn merge(
        policies: &[PeerAuthentication],
        workload: &Workload,
        settings: &MeshSettings,
    ) -> Self {
        let root = settings.root_namespace.as_str();
        let own = workload.namespace.as_str();
        let mut scopes: [Vec<&PeerAuthentication>; 3] = Default::default();
        for policy in policies {
            let in_root = policy.meta.namespace == root;
            let selects = policy
                .meta
                .selects(&policy.selector, root, own, &workload.labels);
            match (policy.selector.is_empty(), in_root) {
                _ if !selects => {}
                (true, true) => scopes[0].push(policy),
                (true, false) => scopes[1].push(policy),
                (false, false) => scopes[2].push(policy),
                // A selector of the root namespace reaches nobody else's workloads.
                (false, true) => {}
            }
        }
        let mut ignored = Vec::new();
        let [mesh, namespace, of_workload] = scopes.map(|scope| oldest(scope, &mut ignored));
        let mut merged = PortMode::default();
        for (policy, scope) in [
            (mesh, "mesh"),
            (namespace, "namespace"),
            (of_workload, "workload"),
        ] {
            if let Some(policy) = policy {
                merged.say(policy, scope, policy.mode);
            }
        }
        let mut ports = BTreeMap::new();
        if let Some(policy) = of_workload {
            for (&port, &mode) in &policy.port_level {
                let mut of_port = merged.clone();
                of_port.say(policy, "port", mode);
                ports.insert(port, of_port);
            }
        }
        Self {
            workload: merged,
            ports,
            ignored,
        }
    }

    /// The mode of a port of the workload.
    #[must_use]
    pub fn of_port(&self, port: u16) -> &PortMode {
        self.ports.get(&port).unwrap_or(&self.workload)
    }

    /// The mode of every port that has none of its own.
    #[must_use]
    pub fn of_workload(&self) -> &PortMode {
        &self.workload
    }

    /// The ports that have a mode of their own.
    pub fn ports(&self) -> impl Iterator<Item = (u16, &PortMode)> {
        self.ports.iter().map(|(port, mode)| (*port, mode))
    }

    /// Policies that lost to an older one of their scope.
    #[must_use]
    pub fn ignored(&self) -> &[PolicyName] {
        &self.ignored
    }
}

// === impl PortMode ===

impl Default for PortMode {
    fn default() -> Self {
        Self {
            mode: DEFAULT_MODE,
            reasons: vec![ModeReason {
                policy: None,
                scope: "default",
                mode: DEFAULT_MODE,
            }],
        }
    }
}

impl PortMode {
    fn say(&mut self, policy: &PeerAuthentication, scope: &'static str, mode: MtlsMode) {
        if mode != MtlsMode::Unset {
            self.mode = mode;
        }
        self.reasons.push(ModeReason {
            policy: Some(name_of(policy)),
            scope,
            mode,
        });
    }
}

/// The oldest, by name among those of one age.
fn oldest<'p>(
    mut scope: Vec<&'p PeerAuthentication>,
    ignored: &mut Vec<PolicyName>,
) -> Option<&'p PeerAuthentication> {
    scope.sort_by_key(|policy| (policy.meta.creation_timestamp, &policy.meta.name));
    ignored.extend(scope.iter().skip(1).map(|policy| name_of(policy)));
    scope.first().copied()
}

fn name_of(policy: &PeerAuthentication) -> PolicyName {
    PolicyName {
        namespace: policy.meta.namespace.as_str().into(),
        name: policy.meta.name.as_str().into(),
    }
}

#[cfg(test)]
mod tests;

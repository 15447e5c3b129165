//! What is known beside the policies. What is not known is not judged.

use std::collections::BTreeSet;

use mesh_api::{Labels, MeshSettings, Meta, PolicySet, PortProtocol, WorkloadEntry};

use crate::descriptor::Descriptors;

/// The mesh that the policies are for, as far as it is known.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// Workloads besides those that stand among the policies.
    pub workloads: Vec<WorkloadEntry>,
    /// The settings of the mesh; Istio's defaults where they are not known.
    pub settings: Option<MeshSettings>,
    /// The services that workloads offer.
    pub descriptors: Option<Descriptors>,
}

// === impl World ===

impl World {
    /// All workloads that are known.
    pub(crate) fn workloads<'w>(
        &'w self,
        policies: &'w PolicySet,
    ) -> impl Iterator<Item = &'w WorkloadEntry> {
        policies.workload_entries.iter().chain(&self.workloads)
    }

    pub(crate) fn has_workloads(&self, policies: &PolicySet) -> bool {
        self.workloads(policies).next().is_some()
    }

    /// The workloads that an object selects.
    pub(crate) fn selected<'w>(
        &'w self,
        policies: &'w PolicySet,
        meta: &Meta,
        selector: &Labels,
    ) -> Vec<&'w WorkloadEntry> {
        let root = self.settings().root_namespace;
        self.workloads(policies)
            .filter(|workload| {
                let namespace = &workload.meta.namespace;
                meta.selects(selector, &root, namespace, &workload.labels)
            })
            .collect()
    }

    /// The settings of the mesh, or Istio's.
    pub(crate) fn settings(&self) -> MeshSettings {
        self.settings.clone().unwrap_or_default()
    }

    /// `namespace/account` of every workload.
    pub(crate) fn accounts(&self, policies: &PolicySet) -> BTreeSet<String> {
        self.workloads(policies)
            .map(|workload| {
                let namespace = &workload.meta.namespace;
                format!("{namespace}/{}", workload.service_account)
            })
            .collect()
    }

    pub(crate) fn namespaces(&self, policies: &PolicySet) -> BTreeSet<String> {
        self.workloads(policies)
            .map(|workload| workload.meta.namespace.clone())
            .collect()
    }
}

/// The ports of a workload that carry no HTTP, by number and name.
pub(crate) fn tcp_ports(workload: &WorkloadEntry) -> Vec<(u16, &str)> {
    let ports = workload.ports.iter();
    ports
        .filter(|(name, _)| PortProtocol::of_port_name(name) == PortProtocol::Tcp)
        .map(|(name, port)| (*port, name.as_str()))
        .collect()
}

//! The workload that is asked about: from a file of its own, or a WorkloadEntry among the policies
//! or beside them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use mesh_api::{
    Loaded, Locator, MeshSettings, Meta, Origin, PolicySet, PortProtocol, Workload, WorkloadEntry,
};
use mesh_policy::PolicyName;

use super::{Policies, read_workload};
use crate::error::Error;

const NOBODY: &str = "no workload is known: name a file of WorkloadEntry objects with --workloads, \
                      or a workload's own with --workload";

/// Which workload.
#[derive(Debug, Args)]
pub(crate) struct Target {
    /// The workload, as JSON like that of authz decide.
    #[arg(long, value_name = "FILE", conflicts_with = "to")]
    pub(crate) workload: Option<PathBuf>,

    /// The workload, by the name of its WorkloadEntry, alone or with its namespace.
    #[arg(long, value_name = "NAME[.NAMESPACE]")]
    pub(crate) to: Option<String>,

    /// Files and folders of WorkloadEntry objects besides those among the policies.
    #[arg(long, value_name = "FILE|DIR", num_args = 1..)]
    pub(crate) workloads: Vec<PathBuf>,
}

/// A workload by the name that people call it.
#[derive(Debug)]
pub(crate) struct Callee {
    pub(crate) name: String,
    pub(crate) workload: Workload,
    /// By port name; none where a file said nothing of ports.
    pub(crate) ports: BTreeMap<String, u16>,
}

/// Everything that was asked to be read.
pub(crate) struct World {
    pub(crate) policies: PolicySet,
    pub(crate) settings: MeshSettings,
    /// Every workload that was read.
    known: Vec<Callee>,
    /// Which of them are asked about.
    wanted: Vec<usize>,
}

/// Where policies stand.
#[derive(Default)]
pub(crate) struct Places {
    locator: Locator,
}

// === impl World ===

impl World {
    /// Reads policies, settings and workloads, and keeps the workloads that are asked for.
    pub(crate) fn read(policies: &Policies, target: &Target) -> Result<Self, Error> {
        let (policies, settings) = policies.load()?;
        let mut entries = policies.workload_entries.clone();
        if !target.workloads.is_empty() {
            let loaded = Loaded::from_paths(&target.workloads).valid();
            entries.extend(loaded.map_err(Error::Policies)?.policies.workload_entries);
        }
        let mut known: Vec<Callee> = entries.into_iter().map(Callee::of_entry).collect();
        let wanted = match (&target.workload, &target.to) {
            (Some(file), _) => {
                known.push(Callee::of_file(read_workload(file)?));
                vec![known.len() - 1]
            }
            (None, Some(name)) => called(&known, name)?,
            (None, None) => (0..known.len()).collect(),
        };
        if wanted.is_empty() {
            return Err(Error::Usage(NOBODY.to_owned()));
        }
        Ok(Self {
            policies,
            settings,
            known,
            wanted,
        })
    }

    /// The workloads that are asked about; at least one.
    pub(crate) fn callees(&self) -> impl Iterator<Item = &Callee> {
        self.wanted.iter().map(|place| &self.known[*place])
    }

    /// Every workload that was read.
    pub(crate) fn known(&self) -> &[Callee] {
        &self.known
    }

    /// The workload, where only one can be meant.
    pub(crate) fn only_callee(&self) -> Result<&Callee, Error> {
        match self.wanted.as_slice() {
            [place] => Ok(&self.known[*place]),
            _ => Err(Error::Usage(format!(
                "say which workload with --to: {}",
                names(self.callees())
            ))),
        }
    }
}

fn called(known: &[Callee], name: &str) -> Result<Vec<usize>, Error> {
    let is_it = |place: &usize| known[*place].is_called(name);
    let called: Vec<usize> = (0..known.len()).filter(is_it).collect();
    if called.is_empty() && !known.is_empty() {
        let names = names(known.iter());
        let text = format!("no WorkloadEntry is named \"{name}\"; there are {names}");
        return Err(Error::Usage(text));
    }
    Ok(called)
}

fn names<'c>(callees: impl Iterator<Item = &'c Callee>) -> String {
    let names: Vec<&str> = callees.map(|callee| callee.name.as_str()).collect();
    names.join(", ")
}

// === impl Callee ===

impl Callee {
    fn of_file(workload: Workload) -> Self {
        Self {
            name: format!("{}.{}", workload.service_account, workload.namespace),
            workload,
            ports: BTreeMap::new(),
        }
    }

    fn of_entry(entry: WorkloadEntry) -> Self {
        Self {
            name: format!("{}.{}", entry.meta.name, entry.meta.namespace),
            workload: Workload {
                namespace: entry.meta.namespace,
                service_account: entry.service_account,
                labels: entry.labels,
                trust_domain: String::new(),
            },
            ports: entry.ports,
        }
    }

    fn is_called(&self, name: &str) -> bool {
        let short = self.name.strip_suffix(&self.workload.namespace);
        let short = short.and_then(|short| short.strip_suffix('.'));
        self.name == name || short == Some(name)
    }

    /// The port of RPCs: one whose name says gRPC, else HTTP, else any.
    pub(crate) fn rpc_port(&self) -> Option<u16> {
        let worse = |name: &str| {
            let is_http = PortProtocol::of_port_name(name) == PortProtocol::Http;
            (!name.starts_with("grpc"), !is_http)
        };
        let best = self.ports.iter().min_by_key(|(name, _)| worse(name));
        best.map(|(_, port)| *port)
    }

    pub(crate) fn trust_domain<'c>(&'c self, settings: &'c MeshSettings) -> &'c str {
        match self.workload.trust_domain.as_str() {
            "" => &settings.trust_domain,
            own => own,
        }
    }
}

// === impl Places ===

impl Places {
    /// Where a rule of an AuthorizationPolicy stands, as `file:line`.
    pub(crate) fn of_rule(
        &mut self,
        policies: &PolicySet,
        name: &PolicyName,
        rule: usize,
    ) -> Option<Origin> {
        let metas = policies.authorization_policies.iter().map(|p| &p.meta);
        self.of_field(metas, name, &format!("spec.rules[{rule}]"))
    }

    /// Where a field of a PeerAuthentication stands.
    pub(crate) fn of_peer(
        &mut self,
        policies: &PolicySet,
        name: &PolicyName,
        field: &str,
    ) -> Option<Origin> {
        let metas = policies.peer_authentications.iter().map(|p| &p.meta);
        self.of_field(metas, name, field)
    }

    fn of_field<'m>(
        &mut self,
        mut metas: impl Iterator<Item = &'m Meta>,
        name: &PolicyName,
        path: &str,
    ) -> Option<Origin> {
        let meta =
            metas.find(|meta| meta.namespace == *name.namespace && meta.name == *name.name)?;
        let mut origin = meta.origin.clone();
        origin.line = self.locator.line(&meta.origin, path);
        Some(origin)
    }
}

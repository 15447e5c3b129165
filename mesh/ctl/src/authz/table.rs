//! `authz table`: who may call what, of every identity that is known and every RPC of a descriptor.

mod bounds;
mod matrix;
mod show;

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use mesh_analysis::Descriptors;
use mesh_api::{AuthorizationPolicy, Workload};

use self::matrix::Matrix;
use super::ask::Home;
use super::target::{Callee, Target, World};
use super::{Output, Policies};
use crate::error::Error;

pub(super) const TABLE_EXAMPLES: &str = "\
Examples:
  meshctl authz table --policies policies/ --descriptors gateway-envoy/shop.binpb
  meshctl authz table --policies policies/ --to order --rpc shop.order.v1.OrderService/ListOrders \\
      --identity web/frontend
  meshctl authz table --policies policies/ --workload workload.json \\
      --descriptors gateway-envoy/shop.binpb --all -o json

Each cell is the decision of a call without a token and without headers. A star tells that a token,
a header, a host or an address can change it. Identities are the accounts of all workloads, the ones
that its policies name in full, those of --identity, and none at all, which STRICT mutual TLS
refuses.

Exit codes: 0 shown, 2 files that do not load or wrong usage.";

#[derive(Debug, Args)]
pub(crate) struct Table {
    #[command(flatten)]
    policies: Policies,

    #[command(flatten)]
    target: Target,

    /// A protobuf FileDescriptorSet of the services.
    #[arg(long, value_name = "FILE", required_unless_present = "rpc")]
    descriptors: Option<PathBuf>,

    /// An RPC besides those of the descriptors: package.Service/Method; more by saying it again.
    #[arg(long)]
    rpc: Vec<String>,

    /// An identity besides those that are known; more by saying it again.
    #[arg(long, value_name = "IDENTITY")]
    identity: Vec<String>,

    /// The port that is called [default: that of the WorkloadEntry, or 50051].
    #[arg(long)]
    port: Option<u16>,

    /// Shows the services that nobody may call row by row, too.
    #[arg(long)]
    all: bool,

    /// How the table is written.
    #[arg(short, long, default_value = "text")]
    output: Output,
}

pub(super) fn run(table: &Table) -> Result<(), Error> {
    print!("{}", tables(table)?);
    Ok(())
}

/// One after the other, for people with a blank line between them.
fn tables(table: &Table) -> Result<String, Error> {
    let world = World::read(&table.policies, &table.target)?;
    let rpcs = rpcs(table)?;
    let written = world.callees().map(|callee| {
        let home = Home {
            trust_domain: callee.trust_domain(&world.settings),
            namespace: &callee.workload.namespace,
            port: table.port.or(callee.rpc_port()),
        };
        let identities = identities(&world, callee, table, &home);
        let matrix = Matrix::new(&world, callee, &home, &rpcs, identities);
        match table.output {
            Output::Json => format!("{}\n", show::json(&matrix)),
            Output::Text => show::text(&matrix, &home, table.all),
        }
    });
    let between = match table.output {
        Output::Json => "",
        Output::Text => "\n",
    };
    Ok(written.collect::<Vec<String>>().join(between))
}

/// Paths, in the order of the descriptors.
fn rpcs(table: &Table) -> Result<Vec<String>, Error> {
    let mut rpcs = Vec::new();
    if let Some(file) = &table.descriptors {
        let descriptors = Descriptors::from_path(file);
        let descriptors = descriptors.map_err(|source| Error::Unreadable {
            path: file.clone(),
            source: Box::new(source),
        })?;
        rpcs.extend_from_slice(descriptors.rpcs());
    }
    let asked = table.rpc.iter();
    rpcs.extend(asked.map(|rpc| format!("/{}", rpc.trim_start_matches('/'))));
    Ok(rpcs)
}

/// Principals, in the order of the alphabet.
fn identities(world: &World, callee: &Callee, table: &Table, home: &Home<'_>) -> Vec<String> {
    let mut found = BTreeSet::new();
    found.extend(table.identity.iter().map(|own| home.principal(own)));
    let domain = world.settings.trust_domain.as_str();
    for account in world.accounts() {
        found.insert(home.principal(&account));
    }
    let root = world.settings.root_namespace.as_str();
    let Workload {
        namespace, labels, ..
    } = &callee.workload;
    let policies = world.policies.authorization_policies.iter();
    let selecting = policies.filter(|policy| {
        let meta = &policy.meta;
        meta.selects(&policy.selector, root, namespace, labels)
    });
    for policy in selecting {
        named(policy, domain, &mut found);
    }
    found.into_iter().collect()
}

/// The identities that a policy names in full.
fn named(policy: &AuthorizationPolicy, domain: &str, found: &mut BTreeSet<String>) {
    let namespace = policy.meta.namespace.as_str();
    let home = Home {
        trust_domain: domain,
        namespace,
        port: None,
    };
    for rule in &policy.rules {
        for source in &rule.from {
            for lists in [&source.principals, &source.not_principals] {
                let whole = lists.iter().filter(|value| !value.contains('*'));
                found.extend(whole.cloned());
            }
            for lists in [&source.service_accounts, &source.not_service_accounts] {
                let whole = lists.iter().filter(|value| !value.contains('*'));
                found.extend(whole.map(|account| home.principal(account)));
            }
        }
        for condition in &rule.when {
            let values = condition.values.iter().chain(&condition.not_values);
            let whole = values.filter(|value| !value.contains('*'));
            match condition.key.as_str() {
                "source.principal" => found.extend(whole.cloned()),
                "source.serviceAccount" => {
                    found.extend(whole.map(|account| home.principal(account)));
                }
                _ => {}
            }
        }
    }
}

// === impl World ===

impl World {
    /// `namespace/account` of every workload that was read.
    fn accounts(&self) -> BTreeSet<String> {
        let name = |callee: &Callee| {
            let workload = &callee.workload;
            (!workload.service_account.is_empty())
                .then(|| format!("{}/{}", workload.namespace, workload.service_account))
        };
        self.known().iter().filter_map(name).collect()
    }
}

#[cfg(test)]
mod tests;

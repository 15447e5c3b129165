//! A compiled policy: its name, what it is for, and its rules.

use std::cmp::Ordering;
use std::fmt;

use mesh_api::{Action, AuthorizationPolicy, MeshSettings};

use crate::compile::{self, Scope};
use crate::domains::Domains;
use crate::index::Class;
use crate::rule::Rule;

/// The name of a policy.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PolicyName {
    /// Its namespace.
    pub namespace: Box<str>,
    /// Its own name.
    pub name: Box<str>,
}

/// A rule of a policy that has no effect, and why. Validation rejects what would lead here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// The policy.
    pub policy: PolicyName,
    /// The rule, counted from 0.
    pub rule: usize,
    /// What is wrong with it.
    pub message: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Policy {
    pub(crate) name: PolicyName,
    pub(crate) action: Action,
    pub(crate) is_dry_run: bool,
    pub(crate) class: Class,
    /// With none for a rule that was dropped.
    pub(crate) rules: Box<[Option<Rule>]>,
    pub(crate) dropped: Box<[Dropped]>,
}

// === impl Policy ===

impl Policy {
    pub(crate) fn new(
        policy: &AuthorizationPolicy,
        settings: &MeshSettings,
        domains: &Domains<'_>,
    ) -> Self {
        let name = PolicyName {
            namespace: policy.meta.namespace.as_str().into(),
            name: policy.meta.name.as_str().into(),
        };
        let scope = Scope {
            namespace: &policy.meta.namespace,
            domains,
            restricts: policy.action != Action::Allow,
        };
        let mut dropped = Vec::new();
        let mut rules = Vec::new();
        for (number, rule) in policy.rules.iter().enumerate() {
            let compiled = compile::rule(rule, &scope);
            rules.push(
                compiled
                    .map_err(|message| {
                        dropped.push(Dropped {
                            policy: name.clone(),
                            rule: number,
                            message,
                        });
                    })
                    .ok(),
            );
        }
        let is_root = policy.meta.namespace == settings.root_namespace;
        let class = match &policy.action {
            _ if policy.dry_run => Class::Collected,
            Action::Audit => Class::Collected,
            Action::Custom { .. } => Class::Custom,
            Action::Deny if is_root => Class::RootDeny,
            Action::Deny => Class::Deny,
            Action::Allow => Class::Allow,
        };
        Self {
            name,
            action: policy.action.clone(),
            is_dry_run: policy.dry_run,
            class,
            rules: rules.into(),
            dropped: dropped.into(),
        }
    }

    /// Whether matching takes something away.
    pub(crate) fn restricts(&self) -> bool {
        self.action != Action::Allow
    }
}

// === impl PolicyName ===

impl PolicyName {
    /// Envoy keeps policies by their id, `ns[namespace]-policy[name]-…`, and takes the first that
    /// matches: this is the order of the ids.
    pub(crate) fn cmp_ids(&self, other: &Self) -> Ordering {
        let compare =
            |left: &str, right: &str| left.bytes().chain([b']']).cmp(right.bytes().chain([b']']));
        compare(&self.namespace, &other.namespace).then_with(|| compare(&self.name, &other.name))
    }
}

impl fmt::Display for PolicyName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.namespace, self.name)
    }
}

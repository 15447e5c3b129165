//! Demands on a token: somebody must verify tokens for the workload, and the issuer must be one that
//! is verified. Otherwise a demand never holds, and a refusal always does.

use mesh_api::{AuthorizationPolicy, PolicySet, RequestAuthentication};

use crate::attribute::{Attribute, lists};
use crate::code::Code;
use crate::finding::Findings;
use crate::selection::did_you_mean;
use crate::world::World;

const KIND: &str = "AuthorizationPolicy";

pub(crate) fn check(policies: &PolicySet, world: &World, findings: &mut Findings) {
    // Without any of both, tokens may be verified by policies that are not among the files.
    let is_known = world.has_workloads(policies) || !policies.request_authentications.is_empty();
    if !is_known {
        return;
    }
    let root = world.settings().root_namespace;
    for policy in &policies.authorization_policies {
        let verifiers: Vec<&RequestAuthentication> = policies
            .request_authentications
            .iter()
            .filter(|verifier| overlaps(policy, verifier, &root))
            .collect();
        for (attribute, list, is_negative, path) in lists(policy) {
            let needs_token = match attribute {
                Attribute::RequestPrincipal => true,
                Attribute::Key(key) => key.starts_with("request.auth."),
                _ => false,
            };
            if !needs_token || is_negative {
                continue;
            }
            if verifiers
                .iter()
                .all(|verifier| verifier.jwt_rules.is_empty())
            {
                let message = "no RequestAuthentication verifies tokens for these workloads, so \
                               the demand never holds";
                let message = message.to_owned();
                findings.add(Code::NoToken, KIND, &policy.meta, path, message);
            } else if attribute == Attribute::RequestPrincipal {
                for (index, value) in list.values.iter().enumerate() {
                    let path = format!("{path}[{index}]");
                    issuer(policy, value, &verifiers, path, findings);
                }
            }
        }
    }
}

// === helpers ===

/// Tells of `issuer/subject` whose issuer nobody verifies.
fn issuer(
    policy: &AuthorizationPolicy,
    value: &str,
    verifiers: &[&RequestAuthentication],
    path: String,
    findings: &mut Findings,
) {
    let issuers: Vec<&str> = verifiers
        .iter()
        .flat_map(|verifier| &verifier.jwt_rules)
        .map(|rule| rule.issuer.as_str())
        .collect();
    // A rule without an issuer takes tokens of any.
    if value.starts_with('*') || issuers.contains(&"") {
        return;
    }
    let issuer = value.rsplit_once('/').map_or(value, |(issuer, _)| issuer);
    let prefix = value.strip_suffix('*');
    let fits = |known: &&str| match prefix {
        Some(prefix) => known.starts_with(prefix) || prefix.starts_with(&format!("{known}/")),
        None => *known == issuer && value.contains('/'),
    };
    if !issuers.iter().any(fits) {
        let message = format!("no RequestAuthentication takes tokens of \"{issuer}\"");
        let suggestion = did_you_mean(issuer, issuers);
        findings.suggest(Code::NoToken, KIND, &policy.meta, path, message, suggestion);
    }
}

/// Whether some workload can be selected by both.
fn overlaps(policy: &AuthorizationPolicy, verifier: &RequestAuthentication, root: &str) -> bool {
    let (own, other) = (&policy.meta.namespace, &verifier.meta.namespace);
    let in_scope = own == other || own == root || other == root;
    let agrees = |key: &String, value: &String| {
        verifier
            .selector
            .get(key)
            .is_none_or(|other| other == value)
    };
    in_scope
        && policy
            .selector
            .iter()
            .all(|(key, value)| agrees(key, value))
}

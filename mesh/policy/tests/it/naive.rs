//! The policies' meaning, decided slowly and plainly: the second opinion beside the engine. It
//! walks every policy for every request and shares no code with what it checks.

mod field;
mod path;
#[cfg(test)]
mod tests;
mod text;
mod trust_domain;

use std::collections::BTreeSet;

use mesh_api::{Action, AuthorizationPolicy, ExtAuthz, MeshSettings, PolicySet, Workload};

use crate::case::{Case, Request};
use field::Field;
pub(crate) use path::normalize;

/// What a request meets.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Verdict {
    /// ALLOW, DENY or CUSTOM.
    pub(crate) decision: &'static str,
    /// Every rule that could be named as the one that decided, in the order in which Envoy goes.
    pub(crate) by: Vec<Matched>,
    /// Whom CUSTOM asks.
    pub(crate) provider: Option<String>,
    /// What follows when the provider allows.
    pub(crate) then: Option<(&'static str, Vec<Matched>)>,
    pub(crate) audit: Vec<Matched>,
    pub(crate) dry_run: Vec<(Matched, &'static str)>,
}

/// A rule that matches: the policy as `namespace/name`, and the place of the rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Matched {
    pub(crate) policy: String,
    pub(crate) rule: usize,
}

/// A request with what does not depend on any rule worked out.
pub(crate) struct Facts<'a> {
    pub(crate) request: &'a Request,
    /// The path with its query, after normalisation.
    pub(crate) path: String,
    pub(crate) opaque: Opaque,
    /// The token's payload with the space-delimited claims as lists.
    pub(crate) payload: Option<serde_json::Map<String, serde_json::Value>>,
}

/// What `notValues` say of a header that has a value that is not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opaque {
    /// Envoy's way: bytes are bytes.
    IsCompared,
    /// Our way: nobody knows what such a value means to whom it is for, so that no rule may allow
    /// for not seeing its value there, and every rule that refuses may refuse.
    FailsClosed,
}

/// Decides one request as the engine should.
pub(crate) fn decide(case: &Case, request: &Request) -> Verdict {
    decide_with(case, request, Opaque::FailsClosed)
}

/// Decides one request as Envoy should.
pub(crate) fn decide_with(case: &Case, request: &Request, opaque: Opaque) -> Verdict {
    let Case {
        set,
        workload,
        settings,
        ..
    } = case;
    let facts = Facts::of(set, workload, settings, request, opaque);
    let mut policies: Vec<&AuthorizationPolicy> = set
        .authorization_policies
        .iter()
        .filter(|policy| selects(policy, workload, settings))
        .collect();
    // Envoy goes through them by the ids that Istio gives them.
    policies.sort_by_key(|policy| {
        format!("ns[{}]-policy[{}]", policy.meta.namespace, policy.meta.name)
    });
    let matches = |kind: &str, dry_run: bool| -> Vec<Matched> {
        policies
            .iter()
            .filter(|policy| policy.action.as_str() == kind && policy.dry_run == dry_run)
            .flat_map(|policy| matching_rules(policy, settings, &facts))
            .collect()
    };

    let mut dry_run = Vec::new();
    for kind in ["CUSTOM", "AUDIT", "DENY", "ALLOW"] {
        dry_run.extend(
            matches(kind, true)
                .into_iter()
                .map(|matched| (matched, kind_of(kind))),
        );
    }
    let mut verdict = Verdict {
        decision: "ALLOW",
        by: Vec::new(),
        provider: None,
        then: None,
        audit: matches("AUDIT", false),
        dry_run,
    };

    let mut denied = matches("DENY", false);
    // Istio's newest control plane puts the root namespace's denials into a filter of their own.
    denied.sort_by_key(|matched| !matched.is_of(&settings.root_namespace));
    let allows_exist = policies
        .iter()
        .any(|policy| policy.action == Action::Allow && !policy.dry_run);
    let allowed = matches("ALLOW", false);
    let then = if !denied.is_empty() {
        ("DENY", denied)
    } else if allows_exist && allowed.is_empty() {
        ("DENY", Vec::new())
    } else {
        ("ALLOW", allowed)
    };

    match ask(&policies, settings, &facts) {
        Asked::Nobody => (verdict.decision, verdict.by) = then,
        Asked::Provider(provider, by) => {
            verdict.decision = "CUSTOM";
            verdict.by = by;
            verdict.provider = Some(provider);
            verdict.then = Some(then);
        }
        Asked::Fault(by) => {
            verdict.decision = "DENY";
            verdict.by = by;
        }
    }
    verdict
}

/// What the CUSTOM policies make of a request.
enum Asked {
    Nobody,
    Provider(String, Vec<Matched>),
    /// A CUSTOM policy matches, but its provider cannot be asked.
    Fault(Vec<Matched>),
}

fn ask(policies: &[&AuthorizationPolicy], settings: &MeshSettings, facts: &Facts<'_>) -> Asked {
    let mut providers = BTreeSet::new();
    let mut by = Vec::new();
    for policy in policies {
        if let Action::Custom { provider } = &policy.action {
            providers.insert(provider.as_str());
            if !policy.dry_run {
                by.extend(matching_rules(policy, settings, facts));
            }
        }
    }
    if by.is_empty() {
        return Asked::Nobody;
    }
    if providers.len() > 1 {
        return Asked::Fault(by);
    }
    let provider = providers.first().expect("a policy matched").to_string();
    match settings.ext_authz(&provider) {
        Err(_) => Asked::Fault(by),
        // An authorizer that speaks HTTP has no filter for connections: Istio leaves it out there.
        Ok(ExtAuthz { .. }) if facts.is_tcp() && speaks_http(settings, &provider) => Asked::Nobody,
        Ok(_) => Asked::Provider(provider, by),
    }
}

fn speaks_http(settings: &MeshSettings, provider: &str) -> bool {
    settings.extension_providers.iter().any(|candidate| {
        candidate.name == provider
            && matches!(candidate.kind, mesh_api::ProviderKind::ExtAuthzHttp(_))
    })
}

fn kind_of(kind: &str) -> &'static str {
    match kind {
        "CUSTOM" => "CUSTOM",
        "AUDIT" => "AUDIT",
        "DENY" => "DENY",
        _ => "ALLOW",
    }
}

/// Whether a policy applies to the workload at all.
fn selects(policy: &AuthorizationPolicy, workload: &Workload, settings: &MeshSettings) -> bool {
    let in_scope = policy.meta.namespace == settings.root_namespace
        || policy.meta.namespace == workload.namespace;
    policy.target_refs.is_empty()
        && in_scope
        && policy
            .selector
            .iter()
            .all(|(name, value)| workload.labels.get(name) == Some(value))
}

fn matching_rules(
    policy: &AuthorizationPolicy,
    settings: &MeshSettings,
    facts: &Facts<'_>,
) -> Vec<Matched> {
    (0..policy.rules.len())
        .filter(|&index| rule_matches(policy, index, settings, facts))
        .map(|rule| Matched {
            policy: policy.meta.id(),
            rule,
        })
        .collect()
}

/// (any of `from`) and (any of `to`) and (all of `when`), with Istio's treatment of what cannot be
/// known.
fn rule_matches(
    policy: &AuthorizationPolicy,
    index: usize,
    settings: &MeshSettings,
    facts: &Facts<'_>,
) -> bool {
    let rule = &policy.rules[index];
    let Some(when) = field::of_conditions(&rule.when) else {
        return false; // an attribute that Istio does not know: the rule is left out
    };
    let from: Vec<Vec<Field<'_>>> = rule.from.iter().map(field::of_source).collect();
    let to: Vec<Vec<Field<'_>>> = rule.to.iter().map(field::of_operation).collect();

    if facts.is_tcp() && policy.action == Action::Allow {
        let everything = when
            .iter()
            .chain(from.iter().flatten())
            .chain(to.iter().flatten());
        if everything
            .filter(|field| field.is_set())
            .any(Field::is_http_only)
        {
            return false; // narrower: the whole rule goes
        }
    }
    let holds = |field: &Field<'_>| {
        // Wider: what HTTP alone can tell is left out of every other action.
        (facts.is_tcp() && field.is_http_only()) || field.holds(policy, settings, facts)
    };
    (from.is_empty() || from.iter().any(|source| source.iter().all(holds)))
        && (to.is_empty() || to.iter().any(|operation| operation.iter().all(holds)))
        && when.iter().all(holds)
}

// === impl Matched ===

impl Matched {
    fn is_of(&self, namespace: &str) -> bool {
        self.policy
            .split_once('/')
            .is_some_and(|(own, _)| own == namespace)
    }
}

// === impl Facts ===

impl<'a> Facts<'a> {
    fn of(
        set: &PolicySet,
        workload: &Workload,
        settings: &MeshSettings,
        request: &'a Request,
        opaque: Opaque,
    ) -> Self {
        let path = request
            .http
            .as_ref()
            .map(|http| normalize(settings.path_normalization, &http.path))
            .unwrap_or_default();
        let mut payload = request.payload();
        if let Some(payload) = &mut payload {
            for name in space_delimited(set, workload, settings, payload) {
                let Some(serde_json::Value::String(text)) = payload.get(&name) else {
                    continue;
                };
                let words = text.split(' ').filter(|word| !word.is_empty());
                let words = words
                    .map(|word| serde_json::Value::String(word.to_owned()))
                    .collect();
                payload.insert(name, serde_json::Value::Array(words));
            }
        }
        Facts {
            request,
            path,
            opaque,
            payload,
        }
    }

    pub(crate) fn is_tcp(&self) -> bool {
        self.request.http.is_none()
    }
}

/// The claims of this token that are lists with blanks between.
fn space_delimited(
    set: &PolicySet,
    workload: &Workload,
    settings: &MeshSettings,
    payload: &serde_json::Map<String, serde_json::Value>,
) -> Vec<String> {
    let mut names = vec!["scope".to_owned(), "permission".to_owned()];
    for policy in &set.request_authentications {
        let meta = &policy.meta;
        let in_scope =
            meta.namespace == settings.root_namespace || meta.namespace == workload.namespace;
        let selected = policy
            .selector
            .iter()
            .all(|(k, v)| workload.labels.get(k) == Some(v));
        if !in_scope || !selected || !policy.target_refs.is_empty() {
            continue;
        }
        for rule in &policy.jwt_rules {
            if payload.get("iss").and_then(|iss| iss.as_str()) == Some(rule.issuer.as_str()) {
                names.extend(rule.space_delimited_claims.iter().cloned());
            }
        }
    }
    names
}

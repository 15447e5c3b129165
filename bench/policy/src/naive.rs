//! The obvious evaluator: every policy, every rule, in turn. It knows what the mix uses and nothing
//! else; the whole of Istio's meaning, as slowly, is in the tests of the engine.

use mesh_api::{Action, AuthorizationPolicy, Condition, Operation, PolicySet, Rule, Source};
use serde_json::Value;

use crate::mix::Asked;

const PORT: &str = "50051";

pub fn is_allowed(set: &PolicySet, asked: &Asked) -> bool {
    let policies = &set.authorization_policies;
    let matches =
        |policy: &&AuthorizationPolicy| policy.rules.iter().any(|rule| rule_matches(rule, asked));
    let denies = |policy: &&AuthorizationPolicy| policy.action == Action::Deny;
    let allows = |policy: &&AuthorizationPolicy| policy.action == Action::Allow;
    !policies
        .iter()
        .filter(denies)
        .any(|policy| matches(&policy))
        && policies
            .iter()
            .filter(allows)
            .any(|policy| matches(&policy))
}

fn rule_matches(rule: &Rule, asked: &Asked) -> bool {
    let from = &rule.from;
    let to = &rule.to;
    (from.is_empty() || from.iter().any(|source| source_matches(source, asked)))
        && (to.is_empty()
            || to
                .iter()
                .any(|operation| operation_matches(operation, asked)))
        && rule
            .when
            .iter()
            .all(|condition| condition_holds(condition, asked))
}

fn source_matches(source: &Source, asked: &Asked) -> bool {
    let namespace = asked.principal.split('/').nth(2).unwrap_or_default();
    pass(&source.principals, &source.not_principals, &asked.principal)
        && pass(&source.namespaces, &source.not_namespaces, namespace)
}

fn operation_matches(operation: &Operation, asked: &Asked) -> bool {
    pass(&operation.methods, &operation.not_methods, asked.method)
        && pass(&operation.paths, &operation.not_paths, &asked.path)
        && pass(&operation.ports, &operation.not_ports, PORT)
}

fn condition_holds(condition: &Condition, asked: &Asked) -> bool {
    if condition.key == "request.headers[x-tenant]" {
        let mut headers = asked.headers.iter().filter(|(name, _)| *name == "x-tenant");
        return headers.any(|(_, value)| any(&condition.values, value));
    }
    match asked.claims.get("groups") {
        Some(Value::Array(groups)) => {
            let mut groups = groups.iter().filter_map(Value::as_str);
            groups.any(|group| any(&condition.values, group))
        }
        _ => false,
    }
}

fn pass(values: &[String], not_values: &[String], text: &str) -> bool {
    (values.is_empty() || any(values, text)) && !any(not_values, text)
}

fn any(values: &[String], text: &str) -> bool {
    values.iter().any(|value| {
        if let Some(suffix) = value.strip_prefix('*') {
            text.ends_with(suffix)
        } else if let Some(prefix) = value.strip_suffix('*') {
            text.starts_with(prefix)
        } else {
            value == text
        }
    })
}

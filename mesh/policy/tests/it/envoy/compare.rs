//! Whether what Envoy did is what was expected of it.

use serde_json::Value;

use super::client::Answer;
use super::translate::{BAD_CUSTOM_SUFFIX, CUSTOM_PREFIX, Custom};
use crate::case::{Case, Request};
use crate::naive::{self, Matched, Verdict};

/// Compares an answer with the verdict; tells whether a provider would have been asked.
pub(super) fn http(case: &Case, request: &Request, answer: &Answer) -> Result<bool, String> {
    let verdict = naive::decide(&case.set, &case.workload, &case.settings, request);
    compare(&verdict, answer).map_err(|what| format!("{what}\n  {verdict:?}\n  {answer:?}"))
}

/// Compares what became of a connection.
pub(super) fn tcp(
    case: &Case,
    request: &Request,
    custom: Custom,
    passes: bool,
) -> Result<(), String> {
    let verdict = naive::decide(&case.set, &case.workload, &case.settings, request);
    let decision = match (&verdict.then, custom) {
        (Some((then, _)), Custom::Marks) => then,
        _ => verdict.decision,
    };
    if passes == (decision == "ALLOW") {
        return Ok(());
    }
    Err(format!("passes: {passes}, with {custom:?}\n  {verdict:?}"))
}

fn compare(verdict: &Verdict, answer: &Answer) -> Result<bool, String> {
    let left = |key: &str| answer.metadata.get(key).and_then(Value::as_str);

    let asked = left("istio_ext_authz_shadow_effective_policy_id");
    match (asked, verdict.decision) {
        (Some(id), "CUSTOM") => is_one_of(id, &verdict.by, "CUSTOM")?,
        (None, "ALLOW" | "DENY") => {}
        _ => return Err(format!("CUSTOM: Envoy has {asked:?}")),
    }

    let (decision, by) = match &verdict.then {
        Some((then, by)) => (*then, by),
        None => (verdict.decision, &verdict.by),
    };
    let status = if decision == "ALLOW" { 200 } else { 403 };
    if answer.status != status {
        return Err(format!(
            "status {} where {status} was expected",
            answer.status
        ));
    }
    let of_fault = answer.details.contains(CUSTOM_PREFIX);
    let named = match status {
        200 => left("allow_enforced_effective_policy_id"),
        _ => answer
            .details
            .strip_prefix("rbac_access_denied_matched_policy[")
            .and_then(|rest| rest.strip_suffix(']'))
            .filter(|id| *id != "none"),
    };
    match (named, by.is_empty()) {
        (Some(id), false) => is_one_of(id, by, decision)?,
        (None, true) => {}
        _ => return Err(format!("{decision}: Envoy names {named:?}")),
    }

    // A filter that denies ends the chain, before its own dry run is told.
    if of_fault {
        return Ok(false);
    }
    if answer.audited == verdict.audit.is_empty() {
        return Err(format!("audited: {}", answer.audited));
    }
    let denied_by_rule = decision == "DENY" && !by.is_empty();
    let dry_runs = [
        ("audit_shadow_effective_policy_id", "AUDIT", true),
        (
            "istio_dry_run_deny_shadow_effective_policy_id",
            "DENY",
            !denied_by_rule,
        ),
        (
            "istio_dry_run_allow_shadow_effective_policy_id",
            "ALLOW",
            decision == "ALLOW",
        ),
    ];
    for (key, action, reached) in dry_runs {
        if !reached {
            continue;
        }
        let expected: Vec<Matched> = verdict
            .dry_run
            .iter()
            .filter(|(_, candidate)| *candidate == action)
            .map(|(matched, _)| matched.clone())
            .collect();
        match (left(key), expected.is_empty()) {
            (Some(id), false) => is_one_of(id, &expected, action)?,
            (None, true) => {}
            (found, _) => return Err(format!("dry run of {action}: Envoy has {found:?}")),
        }
    }
    Ok(asked.is_some())
}

/// Envoy's `...ns[foo]-policy[p1]-rule[0]` as one of the rules that match.
fn is_one_of(id: &str, by: &[Matched], what: &str) -> Result<(), String> {
    let id = id.strip_suffix(BAD_CUSTOM_SUFFIX).unwrap_or(id);
    let named = |matched: &Matched| {
        let (namespace, name) = matched.policy.split_once('/').expect("namespace/name");
        id.ends_with(&format!(
            "ns[{namespace}]-policy[{name}]-rule[{}]",
            matched.rule
        ))
    };
    if by.iter().any(named) {
        Ok(())
    } else {
        Err(format!("{what}: Envoy names {id}"))
    }
}

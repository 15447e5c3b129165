//! Whether what Envoy did is what was expected of it.

use serde_json::Value;

use super::client::Answer;
use super::translate::{BAD_CUSTOM_SUFFIX, CUSTOM_PREFIX, Custom};
use crate::case::{Case, Request};
use crate::differential;
use crate::engine::Compiled;
use crate::naive::{self, Matched, Opaque, Verdict};

/// A case with the engine that is asked about it.
pub(super) struct Asked {
    pub(super) case: Case,
    pub(super) engine: Compiled,
}

/// Compares an answer with the verdict; tells whether a provider would have been asked.
pub(super) fn http(asked: &Asked, request: &Request, answer: &Answer) -> Result<bool, String> {
    let verdict = naive::decide_with(&asked.case, request, Opaque::IsCompared);
    compare(&verdict, answer).map_err(|what| format!("{what}\n  {verdict:?}\n  {answer:?}"))?;
    engine(asked, request, &verdict)?;
    Ok(verdict.provider.is_some())
}

/// Compares what became of a connection.
pub(super) fn tcp(
    asked: &Asked,
    request: &Request,
    custom: Custom,
    passes: bool,
) -> Result<(), String> {
    let verdict = naive::decide_with(&asked.case, request, Opaque::IsCompared);
    let decision = match (&verdict.then, custom) {
        (Some((then, _)), Custom::Marks) => then,
        _ => verdict.decision,
    };
    if passes != (decision == "ALLOW") {
        return Err(format!("passes: {passes}, with {custom:?}\n  {verdict:?}"));
    }
    engine(asked, request, &verdict)
}

/// What Envoy did is what the verdict says: now the engine must say the same. Where a header is not
/// UTF-8 it differs on purpose, as the naive evaluator can tell.
fn engine(asked: &Asked, request: &Request, verdict: &Verdict) -> Result<(), String> {
    let ours = naive::decide(&asked.case, request);
    let said = asked.engine.decide(request);
    let same = differential::compare(&ours, &said);
    same.map_err(|what| format!("engine: {what}\n  Envoy {verdict:?}\n  {said:?}"))
}

fn compare(verdict: &Verdict, answer: &Answer) -> Result<(), String> {
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
        return Ok(());
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
    Ok(())
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

//! A proof with where its rules stand, and as JSON.

use mesh_api::Origin;
use mesh_policy::{ClauseProof, ConditionProof, Holds, PortMode, Proof, Request, RuleProof};
use serde_json::{Value, json};

use crate::authz::answer::json_of;
use crate::authz::ask::Home;
use crate::authz::target::{Callee, Places, World};

/// A request, and why it meets what it meets.
pub(super) struct Explained<'e> {
    pub(super) world: &'e World,
    pub(super) callee: &'e Callee,
    pub(super) home: Home<'e>,
    pub(super) request: Request<'e>,
    /// The request as it can be recorded.
    pub(super) line: Value,
    /// How many AuthorizationPolicies select the workload.
    pub(super) selected: usize,
    pub(super) mode: PortMode,
    pub(super) proof: Proof<'e>,
}

pub(super) fn json(explained: &Explained<'_>, places: &mut Places) -> Value {
    let proof = &explained.proof;
    let mut rules = |rules: &[RuleProof<'_>]| -> Vec<Value> {
        let rules = rules.iter();
        rules
            .map(|rule| {
                let name = rule.rule.policy;
                let place = places.of_rule(&explained.world.policies, name, rule.rule.rule);
                rule_json(rule, place)
            })
            .collect()
    };
    json!({
        "workload": explained.callee.name,
        "request": explained.line,
        "policies": explained.selected,
        "mutualTls": explained.tls_json(),
        "decision": json_of(&proof.decision),
        "decided": rules(&proof.decided),
        "nearest": rules(&proof.nearest),
    })
}

fn rule_json(rule: &RuleProof<'_>, place: Option<Origin>) -> Value {
    let clauses: Vec<Value> = rule.clauses.iter().map(clause_json).collect();
    json!({
        "policy": rule.rule.policy.to_string(),
        "rule": rule.rule.rule,
        "action": rule.action,
        "matches": rule.matches,
        "void": rule.is_void,
        "file": place.as_ref().map(|place| place.file.display().to_string()),
        "line": place.as_ref().map(|place| place.line),
        "clauses": clauses,
    })
}

fn clause_json(clause: &ClauseProof) -> Value {
    let conditions: Vec<Value> = clause.conditions.iter().map(condition_json).collect();
    json!({
        "place": clause.place.to_string(),
        "holds": clause.failures().next().is_none(),
        "conditions": conditions,
    })
}

fn condition_json(condition: &ConditionProof) -> Value {
    let holds = match condition.holds {
        Holds::Yes => "yes",
        Holds::No => "no",
        Holds::Skipped => "skipped",
    };
    json!({
        "field": condition.field,
        "values": condition.values,
        "actual": condition.actual,
        "holds": holds,
    })
}

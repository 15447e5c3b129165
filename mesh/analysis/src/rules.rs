//! Rules that match nothing, rules that another one makes superfluous, and ALLOW rules that a DENY
//! rule takes away. Everything is told of the rule that could go.

use std::collections::HashMap;

use mesh_api::{Action, AuthorizationPolicy, MeshSettings, Meta, PolicySet};

use crate::attribute::{Attribute, lists};
use crate::clause::{Clause, Reading};
use crate::code::Code;
use crate::finding::Findings;
use crate::world::World;

/// Comparisons of two rules. Most rules are looked up by what they spell out and compared with few; of
/// rules that spell nothing out this many take some seconds, and beyond them nothing more is told.
const COMPARISONS_MAX: usize = 10_000_000;

const KIND: &str = "AuthorizationPolicy";

/// A rule with where it stands.
struct Candidate<'p> {
    policy: &'p AuthorizationPolicy,
    number: usize,
    clauses: Vec<Clause<'p>>,
    is_http: bool,
}

pub(crate) fn check(policies: &PolicySet, world: &World, findings: &mut Findings) {
    let settings = world.settings();
    let mut candidates = Vec::new();
    for policy in &policies.authorization_policies {
        covered_values(policy, &settings, findings);
        let reading = Reading::of(policy, &settings);
        for (number, rule) in policy.rules.iter().enumerate() {
            let Some(clauses) = reading.clauses(rule) else {
                continue;
            };
            if contradiction(policy, number, &clauses, findings) || policy.dry_run {
                continue;
            }
            candidates.push(Candidate {
                policy,
                number,
                is_http: clauses.iter().any(Clause::is_http),
                clauses,
            });
        }
    }
    let index = Index::of(&candidates);
    let mut comparisons = 0;
    for own in 0..candidates.len() {
        let others = index.of_those_around(&candidates[own]);
        comparisons += others.len();
        if comparisons > COMPARISONS_MAX {
            return;
        }
        compare(own, &others, &candidates, &settings, findings);
    }
}

/// Rules by what one of their clauses spells out.
#[derive(Default)]
struct Index<'c> {
    by_text: HashMap<(Attribute<'c>, &'c str), Vec<usize>>,
    /// Rules with a clause that spells nothing out.
    others: Vec<usize>,
}

// === impl Index ===

impl<'c> Index<'c> {
    fn of(candidates: &'c [Candidate<'_>]) -> Self {
        let mut index = Self::default();
        for (number, candidate) in candidates.iter().enumerate() {
            for clause in &candidate.clauses {
                match clause.exact_demand() {
                    None => index.others.push(number),
                    Some(texts) => {
                        for text in texts {
                            index.by_text.entry(text).or_default().push(number);
                        }
                    }
                }
            }
        }
        index
    }

    /// The rules that a rule can be within, in their order: one of their clauses has to be around its
    /// first one.
    fn of_those_around(&self, candidate: &Candidate<'_>) -> Vec<usize> {
        let mut around = self.others.clone();
        for (attribute, text) in candidate
            .clauses
            .first()
            .into_iter()
            .flat_map(Clause::samples)
        {
            around.extend(self.by_text.get(&(attribute, text)).into_iter().flatten());
        }
        around.sort_unstable();
        around.dedup();
        around
    }
}

// === helpers ===

/// Tells of a rule of which every clause contradicts itself, and of each such clause of another.
fn contradiction(
    policy: &AuthorizationPolicy,
    number: usize,
    clauses: &[Clause<'_>],
    findings: &mut Findings,
) -> bool {
    let reasons: Vec<Option<Attribute<'_>>> = clauses.iter().map(Clause::contradiction).collect();
    let Some(Some(attribute)) = reasons.first().copied() else {
        return false;
    };
    if !reasons.iter().all(Option::is_some) {
        return false;
    }
    let code = match policy.action {
        Action::Deny => Code::DenyOfNothing,
        _ => Code::Contradiction,
    };
    let path = format!("spec.rules[{number}]");
    // On TCP a DENY rule is what is left of it without the fields of HTTP.
    let is_left_on_tcp = code == Code::DenyOfNothing
        && reasons
            .iter()
            .flatten()
            .any(|attribute| attribute.is_http());
    let requests = if is_left_on_tcp {
        "HTTP request"
    } else {
        "request"
    };
    let message = format!(
        "no {requests} can match: its demands on the {} exclude each other",
        noun(attribute)
    );
    findings.add(code, KIND, &policy.meta, path, message);
    true
}

fn compare(
    index: usize,
    others: &[usize],
    all: &[Candidate<'_>],
    settings: &MeshSettings,
    findings: &mut Findings,
) {
    let candidate = &all[index];
    let root = &settings.root_namespace;
    for other_index in others.iter().copied() {
        let other = &all[other_index];
        if index == other_index || !applies_wherever(other.policy, candidate.policy, root) {
            continue;
        }
        let relation = match (&candidate.policy.action, &other.policy.action) {
            (own, others) if own == others => Code::Shadowed,
            (Action::Allow, Action::Deny) => Code::AllowDenied,
            _ => continue,
        };
        if !is_within(candidate, other, relation) {
            continue;
        }
        // Of two rules that match the same, the later one is told of.
        let is_twin = relation == Code::Shadowed
            && applies_wherever(candidate.policy, other.policy, root)
            && is_within(other, candidate, relation);
        if is_twin && index < other_index {
            continue;
        }
        let path = format!("spec.rules[{}]", candidate.number);
        let place = format!("rule {} of {}", other.number, other.policy.meta.id());
        let message = match relation {
            Code::AllowDenied => format!("every request that it allows is denied by {place}"),
            _ if is_twin => format!("it says the same as {place}"),
            _ => format!("every request that it matches is matched by {place}"),
        };
        let suggestion = format!("that one stands at {}", other.policy.meta.origin);
        findings.suggest(
            relation,
            KIND,
            &candidate.policy.meta,
            path,
            message,
            suggestion,
        );
        return;
    }
}

/// Whether all that one rule matches is matched by the other, on HTTP and on TCP.
fn is_within(candidate: &Candidate<'_>, other: &Candidate<'_>, relation: Code) -> bool {
    // On TCP an ALLOW rule with a field of HTTP is left out as a whole, so it hides no other.
    let allows = matches!(
        candidate.policy.action,
        Action::Allow | Action::Custom { .. }
    );
    if relation == Code::Shadowed && allows && other.is_http && !candidate.is_http {
        return false;
    }
    candidate
        .clauses
        .iter()
        .all(|clause| other.clauses.iter().any(|other| clause.is_within(other)))
}

/// Whether `wide` applies to every workload that `narrow` applies to.
fn applies_wherever(wide: &AuthorizationPolicy, narrow: &AuthorizationPolicy, root: &str) -> bool {
    if !wide.target_refs.is_empty() || !narrow.target_refs.is_empty() {
        return wide.target_refs == narrow.target_refs && same_namespace(&wide.meta, &narrow.meta);
    }
    let in_scope = wide.meta.namespace == root || same_namespace(&wide.meta, &narrow.meta);
    let mut labels = wide.selector.iter();
    in_scope && labels.all(|(key, value)| narrow.selector.get(key) == Some(value))
}

fn same_namespace(left: &Meta, right: &Meta) -> bool {
    left.namespace == right.namespace
}

/// Hints at values that another one of the same list makes superfluous.
fn covered_values(policy: &AuthorizationPolicy, settings: &MeshSettings, findings: &mut Findings) {
    let reading = Reading::of(policy, settings);
    for (attribute, list, _, path) in lists(policy) {
        let patterns: Vec<_> = list
            .values
            .iter()
            .map(|value| reading.pattern(attribute, value))
            .collect();
        let covered: Vec<String> = patterns
            .iter()
            .enumerate()
            .filter_map(|(index, pattern)| {
                let covering = patterns
                    .iter()
                    .enumerate()
                    .position(|(other_index, other)| {
                        let is_twin = pattern.covers(other);
                        let is_first = other_index < index;
                        other_index != index && other.covers(pattern) && (!is_twin || is_first)
                    })?;
                let (value, other) = (&list.values[index], &list.values[covering]);
                Some(format!("\"{value}\" by \"{other}\""))
            })
            .collect();
        if !covered.is_empty() {
            let message = format!("values are covered by others: {}", covered.join(", "));
            findings.add(Code::CoveredValue, KIND, &policy.meta, path, message);
        }
    }
}

fn noun(attribute: Attribute<'_>) -> String {
    let noun = match attribute {
        Attribute::Principal => "caller's identity",
        Attribute::RequestPrincipal => "token's principal",
        Attribute::Namespace => "caller's namespace",
        Attribute::ServiceAccount => "caller's service account",
        Attribute::TrustDomain => "caller's trust domain",
        Attribute::Ip => "peer's address",
        Attribute::RemoteIp => "client's address",
        Attribute::DestinationIp => "workload's address",
        Attribute::Port => "port",
        Attribute::Host => "host",
        Attribute::Method => "method",
        Attribute::Path => "path",
        Attribute::Key(key) => return format!("attribute {key}"),
    };
    noun.to_owned()
}

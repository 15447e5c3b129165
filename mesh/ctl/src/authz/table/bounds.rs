//! What no table can know of a call, taken for the best and for the worst: if both decide alike, no
//! token, header, host or address changes the decision.

use mesh_api::{Action, AuthorizationPolicy, Condition, Operation, PolicySet, Rule, Source};

/// Attributes of `when` that a cell of the table fixes.
const KNOWN_KEYS: [&str; 5] = [
    "destination.port",
    "source.namespace",
    "source.principal",
    "source.serviceAccount",
    "source.trustDomain",
];

/// The policies as if everything unknown spoke for the call.
pub(super) fn loosest(policies: &PolicySet) -> PolicySet {
    bound(policies, |action| *action == Action::Allow)
}

/// The policies as if everything unknown spoke against it.
pub(super) fn strictest(policies: &PolicySet) -> PolicySet {
    bound(policies, |action| *action != Action::Allow)
}

/// With the unknown taken as held for the policies of some actions, as missed for the others.
fn bound(policies: &PolicySet, holds: impl Fn(&Action) -> bool) -> PolicySet {
    let mut bound = policies.clone();
    for policy in &mut bound.authorization_policies {
        let AuthorizationPolicy { rules, action, .. } = policy;
        let changed = rules.drain(..).filter_map(|rule| match holds(action) {
            true => Some(held(rule)),
            false => missed(rule),
        });
        *rules = changed.collect();
    }
    bound
}

/// The rule without its unknown conditions.
fn held(rule: Rule) -> Rule {
    Rule {
        from: rule.from.into_iter().map(known_source).collect(),
        to: rule.to.into_iter().map(known_operation).collect(),
        when: rule.when.into_iter().filter(is_known).collect(),
    }
}

/// The rule without whatever needs an unknown condition; none if nothing is left of it.
fn missed(rule: Rule) -> Option<Rule> {
    if !rule.when.iter().all(is_known) {
        return None;
    }
    let from = certain(&rule.from, |own| known_source(own.clone()) == *own)?;
    let to = certain(&rule.to, |own| known_operation(own.clone()) == *own)?;
    Some(Rule { from, to, ..rule })
}

/// Those that are certain. A list that loses all of them is met by nothing, not by everything.
fn certain<T: Clone>(all: &[T], is_certain: impl Fn(&T) -> bool) -> Option<Vec<T>> {
    let left: Vec<T> = all.iter().filter(|own| is_certain(own)).cloned().collect();
    (all.is_empty() || !left.is_empty()).then_some(left)
}

fn known_source(source: Source) -> Source {
    Source {
        request_principals: Vec::new(),
        not_request_principals: Vec::new(),
        ip_blocks: Vec::new(),
        not_ip_blocks: Vec::new(),
        remote_ip_blocks: Vec::new(),
        not_remote_ip_blocks: Vec::new(),
        ..source
    }
}

fn known_operation(operation: Operation) -> Operation {
    Operation {
        hosts: Vec::new(),
        not_hosts: Vec::new(),
        ..operation
    }
}

fn is_known(condition: &Condition) -> bool {
    KNOWN_KEYS.contains(&condition.key.as_str())
}

//! Rules with fields of HTTP on ports that carry none: an ALLOW rule then never holds, and of a DENY
//! rule only the rest is left, which denies more than it says.

use mesh_api::{Action, PolicySet, Rule};

use crate::attribute::lists;
use crate::code::Code;
use crate::finding::Findings;
use crate::world::{World, tcp_ports};

const KIND: &str = "AuthorizationPolicy";

pub(crate) fn check(policies: &PolicySet, world: &World, findings: &mut Findings) {
    for policy in &policies.authorization_policies {
        if !policy.target_refs.is_empty() {
            continue;
        }
        let selected = world.selected(policies, &policy.meta, &policy.selector);
        for (number, rule) in policy.rules.iter().enumerate() {
            let prefix = format!("spec.rules[{number}].");
            let all = lists(policy);
            let in_rule = all
                .iter()
                .filter(|(_, _, _, path)| path.starts_with(&prefix));
            let Some((_, _, _, http)) = in_rule.clone().find(|(attribute, ..)| attribute.is_http())
            else {
                continue;
            };
            for workload in &selected {
                let tcp: Vec<(u16, &str)> = tcp_ports(workload)
                    .into_iter()
                    .filter(|(port, _)| may_be_for(rule, *port))
                    .collect();
                let Some((port, name)) = tcp.first() else {
                    continue;
                };
                let field = http.trim_start_matches(&prefix);
                let place = format!("port {port} ({name}) of {}", workload.meta.id());
                let (code, message) = match policy.action {
                    Action::Allow => {
                        // A rule that also holds for HTTP ports is right as it is.
                        let mut ports = workload.ports.values();
                        let all_tcp = ports.all(|own| {
                            !may_be_for(rule, *own) || tcp.iter().any(|(port, _)| port == own)
                        });
                        if !all_tcp && !names(rule, *port) {
                            continue;
                        }
                        let message = format!("{place} carries no HTTP, so {field} never holds");
                        (Code::AllowOnTcp, message)
                    }
                    Action::Deny => {
                        let message = format!(
                            "{place} carries no HTTP, so {field} is left out and the rest denies \
                             more than it says"
                        );
                        (Code::DenyOnTcp, message)
                    }
                    _ => continue,
                };
                let path = format!("spec.rules[{number}]");
                findings.add(code, KIND, &policy.meta, path, message);
                break;
            }
        }
    }
}

// === helpers ===

/// Whether a connection to that port can match the rule as far as its ports go.
fn may_be_for(rule: &Rule, port: u16) -> bool {
    let is_it = |value: &String| value.parse() == Ok(port);
    let by_operation = rule.to.is_empty()
        || rule.to.iter().any(|operation| {
            let named = operation.ports.is_empty() || operation.ports.iter().any(is_it);
            named && !operation.not_ports.iter().any(is_it)
        });
    let by_condition = rule.when.iter().all(|condition| {
        let values = &condition.values;
        condition.key != "destination.port"
            || ((values.is_empty() || values.iter().any(is_it))
                && !condition.not_values.iter().any(is_it))
    });
    by_operation && by_condition
}

/// Whether the rule names that port.
fn names(rule: &Rule, port: u16) -> bool {
    let is_it = |value: &String| value.parse() == Ok(port);
    let operations = rule.to.iter().flat_map(|operation| &operation.ports);
    let conditions = rule
        .when
        .iter()
        .filter(|condition| condition.key == "destination.port")
        .flat_map(|condition| &condition.values);
    operations.chain(conditions).any(is_it)
}

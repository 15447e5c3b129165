//! What policies ask of a call that nobody here can tell yet: the claims of a token, the metadata
//! of Envoy's filters, and behind a proxy the connection that the proxy has.
//!
//! What is not known matches as absent. Where that keeps a caller out it is safe; where it would
//! let one in (a DENY that does not match, an ALLOW of all but some), the workload does not start.

use mesh_api::{Action, AuthorizationPolicy, Condition, Origin, PolicySet, Problem, ProblemKind};

use crate::Mode;

const TOKENS: &str = "the mesh does not examine tokens yet";
const METADATA: &str = "there are no Envoy filters here";
const BEHIND_PROXY: &str = "MESH_MODE=sidecar: only the proxy knows the connection";

/// A condition that cannot be answered.
struct Gap<'p> {
    path: String,
    positive: &'p [String],
    negative: &'p [String],
    why: &'static str,
}

/// Every condition of an enforced policy that would let somebody in because its answer is unknown.
pub(super) fn of(set: &PolicySet, mode: Mode) -> Vec<Problem> {
    let enforced = set.authorization_policies.iter().filter(|policy| {
        // These only tell.
        !policy.dry_run && policy.action != Action::Audit
    });
    enforced
        .flat_map(|policy| {
            let gaps = gaps(policy, mode);
            gaps.into_iter()
                .filter_map(|gap| opens(policy, &gap).then(|| gap.problem(policy)))
                .collect::<Vec<_>>()
        })
        .collect()
}

pub(super) fn problem(origin: Origin, object: String, path: String, message: String) -> Problem {
    Problem {
        kind: ProblemKind::Invalid,
        origin,
        object,
        path,
        value: None,
        message,
        expected: String::new(),
    }
}

fn opens(policy: &AuthorizationPolicy, gap: &Gap<'_>) -> bool {
    match policy.action {
        // Not absent but another one's: wrong in either direction.
        _ if gap.why == BEHIND_PROXY => !gap.positive.is_empty() || !gap.negative.is_empty(),
        Action::Allow => !gap.negative.is_empty(),
        _ => !gap.positive.is_empty(),
    }
}

fn gaps(policy: &AuthorizationPolicy, mode: Mode) -> Vec<Gap<'_>> {
    let mut found = Vec::new();
    for (number, rule) in policy.rules.iter().enumerate() {
        for (place, source) in rule.from.iter().enumerate() {
            let mut note = |field: &str, positive, negative, why| {
                found.push(Gap {
                    path: format!("spec.rules[{number}].from[{place}].source.{field}"),
                    positive,
                    negative,
                    why,
                });
            };
            let tokens = (&source.request_principals, &source.not_request_principals);
            note("requestPrincipals", &**tokens.0, &**tokens.1, TOKENS);
            if mode == Mode::Sidecar {
                let (own, not) = (&source.ip_blocks, &source.not_ip_blocks);
                note("ipBlocks", &**own, &**not, BEHIND_PROXY);
                let (own, not) = (&source.remote_ip_blocks, &source.not_remote_ip_blocks);
                note("remoteIpBlocks", &**own, &**not, BEHIND_PROXY);
            }
        }
        for (place, condition) in rule.when.iter().enumerate() {
            if let Some(why) = unknown(condition, mode) {
                found.push(Gap {
                    path: format!("spec.rules[{number}].when[{place}] {}", condition.key),
                    positive: &condition.values,
                    negative: &condition.not_values,
                    why,
                });
            }
        }
    }
    found
}

fn unknown(condition: &Condition, mode: Mode) -> Option<&'static str> {
    let key = condition.key.as_str();
    let of_connection = ["source.ip", "remote.ip", "destination.ip", "connection.sni"];
    if key.starts_with("request.auth.") {
        Some(TOKENS)
    } else if key.starts_with("experimental.") {
        Some(METADATA)
    } else if mode == Mode::Sidecar && of_connection.contains(&key) {
        Some(BEHIND_PROXY)
    } else {
        None
    }
}

// === impl Gap ===

impl Gap<'_> {
    fn problem(self, policy: &AuthorizationPolicy) -> Problem {
        let action = policy.action.as_str();
        let object = format!("AuthorizationPolicy {}", policy.meta.id());
        let message = format!(
            "{}, and this {action} would let in whom it should not",
            self.why
        );
        problem(policy.meta.origin.clone(), object, self.path, message)
    }
}

//! Random AuthorizationPolicies that Istio's validation takes.

use std::collections::BTreeMap;

use mesh_api::{Action, AuthorizationPolicy, Condition, Meta, Operation, Rule, Source, TargetRef};

use super::{Random, words};

/// Providers that CUSTOM policies name: two that work, one of another kind, one that cannot be
/// used, and one that nobody defines.
const PROVIDERS: &[&str] = &[
    "http-authz",
    "http-authz",
    "http-authz",
    "grpc-authz",
    "tracer",
    "broken",
    "nobody",
];

/// Up to seven policies, most of which apply.
pub(super) fn policies(random: &mut Random) -> Vec<AuthorizationPolicy> {
    // One provider for a case in most cases, since several of them deny whatever they match.
    let provider = random.pick(PROVIDERS).to_string();
    let mut policies: Vec<AuthorizationPolicy> = (0..random.below(8))
        .map(|index| policy(random, index, &provider))
        .collect();
    // Names in an order of their own: it must not matter for the decision.
    let turn = random.below(policies.len().max(1));
    policies.rotate_left(turn);
    policies
}

fn policy(random: &mut Random, index: usize, provider: &str) -> AuthorizationPolicy {
    let action = match random.below(20) {
        0..9 => Action::Allow,
        9..14 => Action::Deny,
        14..16 => Action::Audit,
        _ if random.chance(10) => Action::Custom {
            provider: random.pick(PROVIDERS).to_string(),
        },
        _ => Action::Custom {
            provider: provider.to_owned(),
        },
    };
    // Istio refuses DENY and CUSTOM without a rule.
    let may_be_empty = matches!(action, Action::Allow | Action::Audit);
    let rules = if may_be_empty && random.chance(8) {
        0
    } else {
        1 + random.below(3)
    };
    let custom = matches!(action, Action::Custom { .. });
    let name = format!("p{index}");
    let namespace = random.pick(words::NAMESPACES).to_string();
    let target_refs = target_refs(random);
    let selector = selector(random);
    AuthorizationPolicy {
        meta: Meta {
            name,
            namespace,
            ..Meta::default()
        },
        // Istio refuses both together.
        selector: if target_refs.is_empty() {
            selector
        } else {
            BTreeMap::new()
        },
        target_refs,
        rules: (0..rules).map(|_| rule(random, custom)).collect(),
        action,
        dry_run: random.chance(12),
    }
}

fn selector(random: &mut Random) -> BTreeMap<String, String> {
    let mut selector = BTreeMap::new();
    if random.chance(30) {
        let app = if random.chance(80) {
            "httpbin"
        } else {
            "other"
        };
        selector.insert("app".to_owned(), app.to_owned());
    }
    if random.chance(10) {
        selector.insert("version".to_owned(), "v1".to_owned());
    }
    selector
}

fn target_refs(random: &mut Random) -> Vec<TargetRef> {
    if !random.chance(3) {
        return Vec::new();
    }
    vec![TargetRef {
        group: "gateway.networking.k8s.io".to_owned(),
        kind: "Gateway".to_owned(),
        name: "gateway".to_owned(),
        namespace: String::new(),
    }]
}

fn rule(random: &mut Random, custom: bool) -> Rule {
    let mut parts = |percent: usize| -> usize {
        if random.chance(percent) {
            1 + random.below(2)
        } else {
            0
        }
    };
    let (from, to, when) = (parts(50), parts(50), parts(45));
    Rule {
        from: (0..from).map(|_| source(random, custom)).collect(),
        to: (0..to).map(|_| operation(random)).collect(),
        when: (0..when).map(|_| condition(random, custom)).collect(),
    }
}

/// A source with at least one field; a CUSTOM policy may only speak of addresses.
fn source(random: &mut Random, custom: bool) -> Source {
    let mut source = Source::default();
    for _ in 0..=random.below(2) {
        let not = random.chance(30);
        let kind = if custom {
            4 + random.below(2)
        } else {
            random.below(7)
        };
        let (field, not_field, from) = match kind {
            0 => (
                &mut source.principals,
                &mut source.not_principals,
                words::PRINCIPAL_PATTERNS,
            ),
            1 => (
                &mut source.namespaces,
                &mut source.not_namespaces,
                words::NAMESPACE_PATTERNS,
            ),
            2 => (
                &mut source.request_principals,
                &mut source.not_request_principals,
                words::REQUEST_PRINCIPALS,
            ),
            3 => (
                &mut source.trust_domains,
                &mut source.not_trust_domains,
                words::TRUST_DOMAINS,
            ),
            4 => (
                &mut source.ip_blocks,
                &mut source.not_ip_blocks,
                words::BLOCKS,
            ),
            5 => (
                &mut source.remote_ip_blocks,
                &mut source.not_remote_ip_blocks,
                words::BLOCKS,
            ),
            _ => (
                &mut source.service_accounts,
                &mut source.not_service_accounts,
                words::ACCOUNTS,
            ),
        };
        *(if not { not_field } else { field }) = random.some(3, from);
    }
    // Istio refuses accounts beside principals or namespaces.
    if !source.service_accounts.is_empty() || !source.not_service_accounts.is_empty() {
        source.principals.clear();
        source.not_principals.clear();
        source.namespaces.clear();
        source.not_namespaces.clear();
    }
    source
}

fn operation(random: &mut Random) -> Operation {
    let mut operation = Operation::default();
    for _ in 0..=random.below(2) {
        let not = random.chance(30);
        let (field, not_field, from) = match random.below(6) {
            0 => (
                &mut operation.hosts,
                &mut operation.not_hosts,
                words::HOST_PATTERNS,
            ),
            1 => (
                &mut operation.methods,
                &mut operation.not_methods,
                words::METHOD_PATTERNS,
            ),
            2 => (&mut operation.ports, &mut operation.not_ports, words::PORTS),
            3 => (
                &mut operation.paths,
                &mut operation.not_paths,
                words::TEMPLATES,
            ),
            _ => (
                &mut operation.paths,
                &mut operation.not_paths,
                words::PATH_PATTERNS,
            ),
        };
        *(if not { not_field } else { field }) = random.some(3, from);
    }
    operation
}

fn condition(random: &mut Random, custom: bool) -> Condition {
    let kind = if custom {
        random.below(7)
    } else {
        random.below(14)
    };
    let (key, from): (&str, &[&str]) = match kind {
        0 => ("source.ip", words::BLOCKS),
        1 => ("remote.ip", words::BLOCKS),
        2 => (
            "destination.ip",
            &["127.77.22.100", "127.77.22.0/24", "10.0.0.0/8"],
        ),
        3 => ("destination.port", words::PORTS),
        4 => ("connection.sni", words::SNI_PATTERNS),
        5 => (*random.pick(words::METADATA_KEYS), words::METADATA_PATTERNS),
        6 => (*random.pick(words::HEADER_KEYS), words::HEADER_PATTERNS),
        7 => ("source.principal", words::PRINCIPAL_PATTERNS),
        8 => ("source.namespace", words::NAMESPACE_PATTERNS),
        9 => ("source.serviceAccount", words::ACCOUNTS),
        10 => ("source.trustDomain", words::TRUST_DOMAINS),
        11 => ("request.auth.principal", words::REQUEST_PRINCIPALS),
        12 => (
            *random.pick(&["request.auth.audiences", "request.auth.presenter"]),
            words::TEXT_PATTERNS,
        ),
        _ => (*random.pick(words::CLAIM_KEYS), words::TEXT_PATTERNS),
    };
    let mut condition = Condition {
        key: key.to_owned(),
        ..Condition::default()
    };
    let which = random.below(10);
    if which < 7 {
        condition.values = random.some(3, from);
    }
    if which >= 6 {
        condition.not_values = random.some(2, from);
    }
    condition
}

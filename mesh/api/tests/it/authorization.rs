//! AuthorizationPolicy: every field arrives.

mod refused;

use mesh_api::{Action, AuthorizationPolicy, Condition, Operation, Rule, Source, TargetRef};

use crate::{clean, load, object};

const KIND: &str = "AuthorizationPolicy";

fn policy(spec: &str) -> AuthorizationPolicy {
    let mut loaded = clean(&object(KIND, spec));
    loaded.policies.authorization_policies.remove(0)
}

fn values(name: &str) -> Vec<String> {
    vec![name.to_owned()]
}

#[test]
fn every_field_of_a_source_arrives() {
    let source = |field: &str, value: &str| {
        let spec = format!("rules: [{{from: [{{source: {{{field}: ['{value}']}}}}]}}]");
        policy(&spec).rules[0].from[0].clone()
    };
    let name = "n/a";
    let default = Source::default;
    let cases = [
        (
            "principals",
            name,
            Source {
                principals: values(name),
                ..default()
            },
        ),
        (
            "notPrincipals",
            name,
            Source {
                not_principals: values(name),
                ..default()
            },
        ),
        (
            "requestPrincipals",
            name,
            Source {
                request_principals: values(name),
                ..default()
            },
        ),
        (
            "notRequestPrincipals",
            name,
            Source {
                not_request_principals: values(name),
                ..default()
            },
        ),
        (
            "namespaces",
            name,
            Source {
                namespaces: values(name),
                ..default()
            },
        ),
        (
            "notNamespaces",
            name,
            Source {
                not_namespaces: values(name),
                ..default()
            },
        ),
        (
            "serviceAccounts",
            name,
            Source {
                service_accounts: values(name),
                ..default()
            },
        ),
        (
            "notServiceAccounts",
            name,
            Source {
                not_service_accounts: values(name),
                ..default()
            },
        ),
        (
            "ipBlocks",
            "::1",
            Source {
                ip_blocks: values("::1"),
                ..default()
            },
        ),
        (
            "notIpBlocks",
            "::1",
            Source {
                not_ip_blocks: values("::1"),
                ..default()
            },
        ),
        (
            "remoteIpBlocks",
            "::1",
            Source {
                remote_ip_blocks: values("::1"),
                ..default()
            },
        ),
        (
            "notRemoteIpBlocks",
            "::1",
            Source {
                not_remote_ip_blocks: values("::1"),
                ..default()
            },
        ),
        (
            "trustDomains",
            "*a",
            Source {
                trust_domains: values("*a"),
                ..default()
            },
        ),
        (
            "notTrustDomains",
            "*a",
            Source {
                not_trust_domains: values("*a"),
                ..default()
            },
        ),
    ];
    for (field, value, expected) in cases {
        assert_eq!(source(field, value), expected, "{field}");
    }
}

#[test]
fn every_field_of_an_operation_arrives() {
    let operation = |field: &str, value: &str| {
        let spec = format!("rules: [{{to: [{{operation: {{{field}: ['{value}']}}}}]}}]");
        policy(&spec).rules[0].to[0].clone()
    };
    let default = Operation::default;
    let cases = [
        (
            "hosts",
            "a",
            Operation {
                hosts: values("a"),
                ..default()
            },
        ),
        (
            "notHosts",
            "a",
            Operation {
                not_hosts: values("a"),
                ..default()
            },
        ),
        (
            "ports",
            "80",
            Operation {
                ports: values("80"),
                ..default()
            },
        ),
        (
            "notPorts",
            "80",
            Operation {
                not_ports: values("80"),
                ..default()
            },
        ),
        (
            "methods",
            "GET",
            Operation {
                methods: values("GET"),
                ..default()
            },
        ),
        (
            "notMethods",
            "GET",
            Operation {
                not_methods: values("GET"),
                ..default()
            },
        ),
        (
            "paths",
            "/{*}",
            Operation {
                paths: values("/{*}"),
                ..default()
            },
        ),
        (
            "notPaths",
            "/a*",
            Operation {
                not_paths: values("/a*"),
                ..default()
            },
        ),
    ];
    for (field, value, expected) in cases {
        assert_eq!(operation(field, value), expected, "{field}");
    }
}

#[test]
fn conditions_selectors_references_and_actions_arrive() {
    let read = policy(
        "selector: {matchLabels: {app: a}}\n\
         action: DENY\n\
         rules:\n\
         - when:\n\
         \x20 - key: request.auth.claims[a][b]\n\
         \x20   values: [x, y*]\n\
         \x20   notValues: ['*']\n\
         - {}\n",
    );
    assert_eq!(read.meta.id(), "foo/p");
    assert_eq!(read.selector["app"], "a");
    assert_eq!(read.action, Action::Deny);
    let condition = Condition {
        key: "request.auth.claims[a][b]".to_owned(),
        values: vec!["x".to_owned(), "y*".to_owned()],
        not_values: values("*"),
    };
    assert_eq!(read.rules[0].when, [condition]);
    assert_eq!(read.rules[1], Rule::default());

    let custom = policy("{action: CUSTOM, provider: {name: ext}, rules: [{}]}");
    let provider = "ext".to_owned();
    assert_eq!(custom.action, Action::Custom { provider });

    let reference = |spec: &str| policy(spec).target_refs;
    let gateway = "{group: gateway.networking.k8s.io, kind: Gateway, name: g}";
    let expected = TargetRef {
        group: "gateway.networking.k8s.io".to_owned(),
        kind: "Gateway".to_owned(),
        name: "g".to_owned(),
        namespace: String::new(),
    };
    assert_eq!(
        reference(&format!("targetRef: {gateway}")),
        std::slice::from_ref(&expected)
    );
    assert_eq!(
        reference(&format!("targetRefs: [{gateway}, {gateway}]")),
        [expected.clone(), expected]
    );
}

#[test]
fn a_policy_without_rules_is_one_that_never_matches() {
    for spec in ["{}", "rules: []", "action: AUDIT", "action: ALLOW"] {
        assert!(policy(spec).rules.is_empty(), "{spec}");
    }
    let text = object(KIND, "").replace("spec:\n", "");
    assert_eq!(clean(&text).policies.authorization_policies.len(), 1);
}

#[test]
fn dry_run_is_a_boolean_of_go() {
    let with = |value: &str| {
        let annotations = format!("annotations: {{istio.io/dry-run: '{value}'}}, name: p");
        load(&object(KIND, "{}").replace("name: p", &annotations))
    };
    for (value, dry_run) in [("true", true), ("1", true), ("T", true), ("false", false)] {
        let loaded = with(value);
        assert!(loaded.warnings.is_empty(), "{value}");
        assert_eq!(
            loaded.policies.authorization_policies[0].dry_run, dry_run,
            "{value}"
        );
    }
    let loaded = with("yes");
    assert!(!loaded.policies.authorization_policies[0].dry_run);
    assert_eq!(
        loaded.warnings[0].to_string(),
        "p.yaml:1: warning: AuthorizationPolicy foo/p: metadata.annotations[\"istio.io/dry-run\"]: \
         \"yes\" is no boolean, so the policy is enforced; expected \"true\" or \"false\""
    );
}

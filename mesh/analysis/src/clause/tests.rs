#![allow(clippy::unwrap_used)]

use std::path::Path;

use mesh_api::{Loaded, MeshSettings};

use super::Reading;

/// Two rules of one policy: whether the first is within the second, and whether it contradicts
/// itself.
fn relation(first: &str, second: &str, settings: &MeshSettings) -> (bool, bool) {
    let text = format!(
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n\
         metadata: {{name: p, namespace: foo}}\nspec: {{rules: [{first}, {second}]}}\n"
    );
    let loaded = Loaded::from_text(Path::new("p.yaml"), &text)
        .valid()
        .unwrap();
    let policy = &loaded.policies.authorization_policies[0];
    let reading = Reading::of(policy, settings);
    let first = reading.clauses(&policy.rules[0]).unwrap();
    let second = reading.clauses(&policy.rules[1]).unwrap();
    let is_within = first
        .iter()
        .all(|clause| second.iter().any(|other| clause.is_within(other)));
    let contradicts = first.iter().all(|clause| clause.contradiction().is_some());
    (is_within, contradicts)
}

fn source(fields: &str) -> String {
    format!("{{from: [{{source: {{{fields}}}}}]}}")
}

fn operation(fields: &str) -> String {
    format!("{{to: [{{operation: {{{fields}}}}}]}}")
}

fn check_within(cases: &[(String, String, bool)]) {
    let settings = MeshSettings::default();
    for (first, second, expected) in cases {
        let (is_within, _) = relation(first, second, &settings);
        assert_eq!(is_within, *expected, "{first} within {second}");
    }
}

#[test]
fn identities_are_within_their_namespace_and_account() {
    let principal = source("principals: [cluster.local/ns/a/sa/b]");
    check_within(&[
        (principal.clone(), source("namespaces: [a]"), true),
        (principal.clone(), source("namespaces: [b]"), false),
        (principal.clone(), source("serviceAccounts: [a/b]"), true),
        (principal.clone(), source("principals: ['*']"), true),
        (principal.clone(), source("notNamespaces: [b]"), true),
        (principal.clone(), source("notNamespaces: [a]"), false),
        (
            source("serviceAccounts: [b]"),
            source("namespaces: [foo]"),
            true,
        ),
        (
            source("serviceAccounts: [a/b]"),
            source("namespaces: [foo]"),
            false,
        ),
        (source("serviceAccounts: [a/b]"), principal.clone(), false),
        (source("namespaces: [a]"), source("principals: ['*']"), true),
        (
            source("trustDomains: [a]"),
            source("principals: ['*']"),
            true,
        ),
        (
            source("namespaces: ['a*']"),
            source("namespaces: ['*']"),
            true,
        ),
        (principal, "{}".to_owned(), true),
        ("{}".to_owned(), source("principals: ['*']"), false),
    ]);
}

#[test]
fn a_field_and_its_condition_are_the_same_demand() {
    let when = |key: &str, value: &str| format!("{{when: [{{key: {key}, values: ['{value}']}}]}}");
    check_within(&[
        (
            operation("ports: ['80']"),
            when("destination.port", "080"),
            true,
        ),
        (
            when("source.namespace", "a"),
            source("namespaces: [a]"),
            true,
        ),
        (
            source("ipBlocks: [10.1.0.0/16]"),
            when("source.ip", "10.0.0.0/8"),
            true,
        ),
        (
            source("remoteIpBlocks: [10.1.0.0/16]"),
            when("source.ip", "10.0.0.0/8"),
            false,
        ),
        (
            when("request.auth.principal", "i/s"),
            source("requestPrincipals: [i/s]"),
            true,
        ),
        (
            operation("hosts: [A.example]"),
            operation("hosts: ['*.EXAMPLE']"),
            true,
        ),
        (
            operation("methods: [GET]"),
            operation("methods: [get]"),
            false,
        ),
    ]);
}

#[test]
fn every_clause_must_be_within_one() {
    let both = "{to: [{operation: {ports: ['1']}}, {operation: {ports: ['2']}}]}".to_owned();
    check_within(&[
        (both.clone(), operation("ports: ['1', '2']"), true),
        (both.clone(), operation("ports: ['1']"), false),
        (operation("ports: ['2']"), both, true),
        // Certain, and not seen: the values of one clause are not spread over several.
        (
            operation("ports: ['1', '2']"),
            "{to: [{operation: {ports: ['1']}}, {operation: {ports: ['2']}}]}".to_owned(),
            false,
        ),
    ]);
}

#[test]
fn demands_that_exclude_each_other_contradict() {
    let settings = MeshSettings::default();
    for (rule, expected) in [
        (operation("methods: [GET], notMethods: ['G*']"), true),
        (operation("methods: [GET, POST], notMethods: ['G*']"), false),
        (source("principals: ['*'], notPrincipals: ['*']"), true),
        (source("namespaces: [a], notPrincipals: ['*']"), true),
        (source("principals: [cluster.local/ns/a/sa/b], namespaces: [c]"), true),
        (source("principals: [cluster.local/ns/a/sa/b], namespaces: ['a*']"), false),
        (source("ipBlocks: [10.0.0.0/8], notIpBlocks: [0.0.0.0/0]"), true),
        (source("ipBlocks: [10.0.0.0/8], notIpBlocks: [10.1.0.0/16]"), false),
        ("{when: [{key: source.ip, values: [10.0.0.1]}, {key: source.ip, values: [10.0.0.2]}]}".to_owned(), true),
        // A token may have both groups.
        ("{when: [{key: 'request.auth.claims[g]', values: [a]}, {key: 'request.auth.claims[g]', values: [b]}]}".to_owned(), false),
        ("{when: [{key: 'request.auth.claims[g]', values: [a], notValues: [a]}]}".to_owned(), true),
        ("{}".to_owned(), false),
    ] {
        assert_eq!(relation(&rule, "{}", &settings).1, expected, "{rule}");
    }
}

#[test]
fn trust_domains_of_one_mesh_are_one() {
    let settings = MeshSettings {
        trust_domain: "new".to_owned(),
        trust_domain_aliases: vec!["old".to_owned()],
        ..MeshSettings::default()
    };
    let of = |domain: &str| source(&format!("principals: [{domain}/ns/a/sa/b]"));
    for (first, second, expected) in [
        (of("old"), of("new"), true),
        (of("cluster.local"), of("old"), true),
        (of("other"), of("new"), false),
        // A pattern may stand for one name of the domain and not for another.
        (of("old"), source("principals: ['new/*']"), false),
        (of("old"), source("principals: ['*']"), true),
    ] {
        assert_eq!(
            relation(&first, &second, &settings).0,
            expected,
            "{first} {second}"
        );
    }
}

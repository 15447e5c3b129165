//! Everything that Istio rejects in an AuthorizationPolicy, and what it warns of.

use super::{KIND, policy};
use crate::{check_problems, check_warnings};

fn problems(spec: &str, expected: &[&str]) {
    check_problems(KIND, spec, expected);
}

#[test]
fn values_of_a_source_are_checked() {
    problems(
        "rules:\n\
         - from:\n\
         \x20 - source:\n\
         \x20     principals: ['']\n\
         \x20     ipBlocks: [1.2.3.4, 1.2.3]\n\
         \x20     notRemoteIpBlocks: [1.2.3.0/33]\n\
         \x20     trustDomains: ['a*b', 'a/b']\n",
        &[
            "p.yaml:9: spec.rules[0].from[0].source.principals[0]: an empty value is not allowed, \
             found \"\"; expected text, or `*` for any",
            "p.yaml:10: spec.rules[0].from[0].source.ipBlocks[1]: bad IP address, found \
             \"1.2.3\"; expected an address such as 10.1.2.3, or a range such as 10.1.0.0/16",
            "p.yaml:11: spec.rules[0].from[0].source.notRemoteIpBlocks[0]: bad CIDR range, found \
             \"1.2.3.0/33\"; expected a range such as 10.1.0.0/16 or fd00::/8",
            "p.yaml:12: spec.rules[0].from[0].source.trustDomains[0]: a wildcard stands at the \
             start or the end, found \"a*b\"; expected a name, `*`, `prefix*` or `*suffix`",
            "p.yaml:12: spec.rules[0].from[0].source.trustDomains[1]: a trust domain has no `/`, \
             found \"a/b\"; expected a trust domain such as \"cluster.local\"",
        ],
    );
    for (field, line) in [
        ("principals", 9),
        ("notRequestPrincipals", 9),
        ("notNamespaces", 9),
    ] {
        let spec = format!("rules:\n- from:\n  - source:\n      {field}: ['']\n");
        let expected = format!(
            "p.yaml:{line}: spec.rules[0].from[0].source.{field}[0]: an empty value is not \
             allowed, found \"\"; expected text, or `*` for any"
        );
        problems(&spec, &[&expected]);
    }
}

#[test]
fn service_accounts_are_few_and_alone() {
    let exclusive = "p.yaml:8: spec.rules[0].from[0].source: service accounts exclude principals \
                     and namespaces; expected one of them, or a source for each";
    for other in [
        "principals: [a]",
        "notPrincipals: [a]",
        "namespaces: []",
        "notNamespaces: [a]",
    ] {
        for own in ["serviceAccounts: [a]", "notServiceAccounts: [a]"] {
            let spec = format!("rules:\n- from:\n  - source: {{{own}, {other}}}\n");
            problems(&spec, &[exclusive]);
        }
    }
    let many = vec!["a"; 17].join(", ");
    problems(
        &format!("rules:\n- from:\n  - source:\n      notServiceAccounts: [{many}]\n"),
        &[
            "p.yaml:9: spec.rules[0].from[0].source.notServiceAccounts: 17 items; expected at most 16",
        ],
    );
    problems(
        "rules:\n- from:\n  - source:\n      serviceAccounts: ['ns/*', a/b/c]\n",
        &[
            "p.yaml:9: spec.rules[0].from[0].source.serviceAccounts[0]: a service account takes no \
             wildcard, found \"ns/*\"; expected \"serviceAccount\" or \"namespace/serviceAccount\"",
            "p.yaml:9: spec.rules[0].from[0].source.serviceAccounts[1]: too many `/`, found \
             \"a/b/c\"; expected \"serviceAccount\" or \"namespace/serviceAccount\"",
        ],
    );
}

#[test]
fn empty_objects_are_refused() {
    let sources = "; expected at least one of principals, notPrincipals, requestPrincipals, \
                   notRequestPrincipals, namespaces, notNamespaces, serviceAccounts, \
                   notServiceAccounts, ipBlocks, notIpBlocks, remoteIpBlocks, notRemoteIpBlocks, \
                   trustDomains, notTrustDomains";
    for source in ["{}", "{principals: []}"] {
        let spec = format!("rules:\n- from:\n  - source: {source}\n");
        let expected =
            format!("p.yaml:8: spec.rules[0].from[0].source: must not be empty{sources}");
        problems(&spec, &[&expected]);
    }
    problems(
        "rules:\n- to:\n  - operation: {}\n",
        &[
            "p.yaml:8: spec.rules[0].to[0].operation: must not be empty; expected at least one of \
           hosts, notHosts, ports, notPorts, methods, notMethods, paths, notPaths",
        ],
    );
    problems(
        "rules:\n- from:\n  - {}\n  to:\n  - {}\n",
        &[
            "p.yaml:8: spec.rules[0].from[0].source: missing; expected an object with at least \
             one field",
            "p.yaml:10: spec.rules[0].to[0].operation: missing; expected an object with at least \
             one field",
        ],
    );
    problems(
        "rules:\n-\n",
        &["p.yaml:7: spec.rules[0]: null where an object belongs, found \"null\""],
    );
}

#[test]
fn values_of_an_operation_are_checked() {
    problems(
        "rules:\n- to:\n  - operation:\n      ports: [80, '65536']\n      paths: ['/{a}']\n      \
         notMethods: [on]\n",
        &[
            "p.yaml:9: spec.rules[0].to[0].operation.ports[0]: an integer where a string belongs, \
             found \"80\"; expected the value in quotes",
            "p.yaml:9: spec.rules[0].to[0].operation.ports[1]: bad port, found \"65536\"; expected \
             a port of the workload, 0 to 65535",
            "p.yaml:10: spec.rules[0].to[0].operation.paths[0]: `{` or `}` beyond a path template, \
             found \"/{a}\"; expected a segment that is `{*}` or `{**}` as a whole",
            "p.yaml:11: spec.rules[0].to[0].operation.notMethods[0]: a boolean where a string \
             belongs, found \"true\"; expected the value in quotes",
        ],
    );
}

#[test]
fn conditions_need_a_known_key_and_a_value() {
    problems(
        "rules:\n- when:\n  - key: source.ip\n    values: [a]\n  - key: source.ipp\n    values: [a]\n  \
         - key: source.ip\n  - values: [a]\n  - key: destination.port\n    notValues: [http]\n  \
         - key: request.headers\n    values: [a]\n",
        &[
            "p.yaml:9: spec.rules[0].when[0].values[0]: bad IP address, found \"a\"; expected an \
             address such as 10.1.2.3, or a range such as 10.1.0.0/16",
            "p.yaml:10: spec.rules[0].when[1].key: unknown attribute, found \"source.ipp\"; \
             expected perhaps source.ip",
            "p.yaml:12: spec.rules[0].when[2]: a condition without values; expected at least one \
             of values, notValues",
            "p.yaml:13: spec.rules[0].when[3].key: missing; expected an attribute such as \
             source.namespace",
            "p.yaml:15: spec.rules[0].when[4].notValues[0]: bad port, found \"http\"; expected a \
             port of the workload, 0 to 65535",
            "p.yaml:16: spec.rules[0].when[5].key: bad key, found \"request.headers\"; expected a \
             name in brackets, as in request.headers[x-tenant]",
        ],
    );
}

#[test]
fn unknown_fields_are_errors_with_a_suggestion() {
    problems(
        "rulez: []\nrules:\n- from:\n  - source:\n      principal: [a]\n- too: []\n",
        &[
            "p.yaml:6: spec.rulez: unknown field; expected perhaps rules",
            "p.yaml:10: spec.rules[0].from[0].source.principal: unknown field; expected perhaps \
             principals",
            "p.yaml:11: spec.rules[1].too: unknown field; expected perhaps to",
        ],
    );
}

#[test]
fn actions_have_their_own_demands() {
    problems(
        "action: Allow\n",
        &[
            "p.yaml:6: spec.action: unknown value, found \"Allow\"; expected one of ALLOW, DENY, \
           AUDIT, CUSTOM",
        ],
    );
    for action in ["DENY", "CUSTOM\nprovider: {name: e}"] {
        let name = &action[..action.len().min(6)];
        let name = name.trim_end();
        let expected = format!(
            "p.yaml:6: spec.rules: {name} without rules never matches; expected rules; `- {{}}` \
             matches every request"
        );
        problems(&format!("action: {action}\n"), &[&expected]);
        problems(&format!("action: {action}\nrules: []\n"), &[&expected]);
    }
    let missing = ": missing; expected the name of an extension provider of MeshConfig";
    for (provider, line) in [
        ("", 6),
        ("provider: {}\n", 8),
        ("provider: {name: ''}\n", 8),
    ] {
        let spec = format!("action: CUSTOM\nrules: [{{}}]\n{provider}");
        problems(
            &spec,
            &[&format!("p.yaml:{line}: spec.provider.name{missing}")],
        );
    }
    problems(
        "provider: {name: e}\n",
        &["p.yaml:6: spec.provider: a provider without action CUSTOM; expected no provider"],
    );
}

#[test]
fn custom_refuses_what_needs_an_identity_or_a_token() {
    let expected = "not supported with action CUSTOM; expected addresses, ports, hosts, methods, \
                    paths or headers";
    for field in [
        "namespaces",
        "notNamespaces",
        "serviceAccounts",
        "notServiceAccounts",
        "trustDomains",
        "notTrustDomains",
        "principals",
        "notPrincipals",
        "requestPrincipals",
        "notRequestPrincipals",
    ] {
        let spec = format!(
            "{{action: CUSTOM, provider: {{name: e}}, rules: [{{from: [{{source: {{{field}: \
             [a]}}}}]}}]}}"
        );
        problems(
            &spec,
            &[&format!(
                "p.yaml:6: spec.rules[0].from[0].source.{field}: {expected}"
            )],
        );
    }
    for key in [
        "source.namespace",
        "source.serviceAccount",
        "source.trustDomain",
        "source.principal",
        "request.auth.principal",
        "request.auth.audiences",
        "request.auth.claims[a]",
    ] {
        let spec = format!(
            "{{action: CUSTOM, provider: {{name: e}}, rules: [{{when: [{{key: '{key}', values: \
             [a]}}]}}]}}"
        );
        problems(
            &spec,
            &[&format!("p.yaml:6: spec.rules[0].when[0].key: {expected}")],
        );
    }
    let fine = "{action: CUSTOM, provider: {name: e}, rules: [{from: [{source: {ipBlocks: [::1], \
                notRemoteIpBlocks: [::1]}}], to: [{operation: {paths: [/a]}}], when: [{key: \
                'request.headers[a]', values: [b]}]}]}";
    policy(fine);
}

#[test]
fn selectors_and_references_are_checked() {
    let long = "a".repeat(64);
    problems(
        &format!(
            "selector:\n  matchLabels:\n    a*: b\n    c: d*\n    e: {long}\n    '': f\n    g:\n"
        ),
        &[
            "p.yaml:8: spec.selector.matchLabels.a*: a selector takes no wildcard, found \"a*\"; \
             expected the label as it is",
            "p.yaml:9: spec.selector.matchLabels.c: a selector takes no wildcard, found \"d*\"; \
             expected the label as it is",
            &format!(
                "p.yaml:10: spec.selector.matchLabels.e: a label value too long, found \
                 \"{long}\"; expected at most 63 characters"
            ),
            "p.yaml:11: spec.selector.matchLabels[\"\"]: an empty label key, found \"\"; expected the \
             name of a label",
            "p.yaml:12: spec.selector.matchLabels.g: null where a string belongs, found \"null\"",
        ],
    );
    problems(
        "selector: {matchLabels: {a: b}}\ntargetRefs: []\n",
        &["p.yaml:6: spec: selector and targetRefs exclude each other; expected one of them"],
    );
    problems(
        "targetRef: {kind: Service, name: a, namespace: b}\n",
        &[
            "p.yaml:6: spec.targetRef.namespace: a reference to another namespace is not supported, \
           found \"b\"; expected no namespace",
        ],
    );
    problems(
        "targetRefs:\n- {kind: Pod, name: a}\n- {group: apps}\n",
        &[
            "p.yaml:7: spec.targetRefs[0]: a policy has no effect on \"\" Pod; expected one of \
             \"\" Service, \"networking.istio.io\" ServiceEntry, \"gateway.networking.k8s.io\" \
             Gateway, \"gateway.networking.k8s.io\" GatewayClass",
            "p.yaml:8: spec.targetRefs[1].kind: missing; expected what the policy is attached to",
            "p.yaml:8: spec.targetRefs[1].name: missing; expected what the policy is attached to",
        ],
    );
    let many = vec!["{kind: Service, name: a}"; 17].join(", ");
    problems(
        &format!("targetRefs: [{many}]\n"),
        &["p.yaml:6: spec.targetRefs: 17 items; expected at most 16"],
    );
}

#[test]
fn lists_have_the_limits_of_the_api_server() {
    let rules = vec!["{}"; 513].join(", ");
    problems(
        &format!("rules: [{rules}]\n"),
        &["p.yaml:6: spec.rules: 513 items; expected at most 512"],
    );
    let from = vec!["{source: {namespaces: [a]}}"; 513].join(", ");
    problems(
        &format!("rules: [{{from: [{from}]}}]\n"),
        &["p.yaml:6: spec.rules[0].from: 513 items; expected at most 512"],
    );
}

#[test]
fn deny_of_http_fields_alone_is_warned_of_as_in_istio() {
    let warning = "p.yaml:7: warning: spec.rules[0]: a DENY rule of HTTP fields alone denies all \
                   traffic to TCP ports; expected the ports that it is meant for";
    for (rule, warned) in [
        ("to: [{operation: {paths: [/a]}}]", true),
        ("from: [{source: {requestPrincipals: [a]}}]", true),
        ("from: [{source: {trustDomains: [a]}}]", true),
        ("to: [{operation: {paths: [/a], ports: ['80']}}]", false),
        ("from: [{source: {principals: [a]}}]", false),
        (
            "from: [{source: {principals: [a]}}]\n  to: [{operation: {paths: [/a]}}]",
            true,
        ),
        (
            "from: [{source: {requestPrincipals: [a]}}]\n  to: [{operation: {ports: ['80']}}]",
            false,
        ),
        ("when: [{key: 'request.headers[a]', values: [b]}]", false),
        ("{}", false),
    ] {
        let expected: &[&str] = if warned { &[warning] } else { &[] };
        let spec = format!("action: DENY\nrules:\n- {rule}\n").replacen("action: DENY\n", "", 1);
        check_warnings(KIND, &format!("{spec}action: DENY\n"), expected);
        check_warnings(KIND, &spec, &[]);
    }
}

#[test]
fn what_counts_as_absent_is_warned_of() {
    let null = "null counts as absent; expected a value, or no key";
    let empty =
        "an empty list counts as absent and matches everything; expected an item, or no key";
    check_warnings(
        KIND,
        "rules:\n- from:\n  to: []\n",
        &[
            &format!("p.yaml:7: warning: spec.rules[0].from: {null}"),
            &format!("p.yaml:8: warning: spec.rules[0].to: {empty}"),
        ],
    );
    check_warnings(
        KIND,
        "selector: {}\n",
        &[
            "p.yaml:6: warning: spec.selector.matchLabels: a selector without labels selects every \
           workload; expected labels, or no selector",
        ],
    );
}

#![allow(clippy::unwrap_used)]

mod random;

use std::path::Path;

use mesh_api::{Loaded, MeshSettings, Workload, mesh_settings_from_text};
use serde_json::{Map, json};

use super::{Engine, compile};
use crate::decision::{Decision, Reason, Verdict};
use crate::request::{Destination, Http, Jwt, Request, Source};

const NO_HEADERS: [(&str, &str); 0] = [];

/// Policies in short: `name action rules`, one per line, in namespace `foo` unless the name says
/// another; the rules are YAML, `-` for none.
fn engine(policies: &str) -> Engine {
    engine_with("rootNamespace: istio-system", policies)
}

fn engine_with(mesh: &str, policies: &str) -> Engine {
    let mut text = String::new();
    for line in policies
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        let [name, action, rules] = line.splitn(3, ' ').collect::<Vec<_>>()[..] else {
            panic!("name, action and rules: {line}");
        };
        let (namespace, name) = name.split_once('/').unwrap_or(("foo", name));
        let (action, trial) = action
            .split_once('?')
            .map_or((action, "false"), |(a, _)| (a, "true"));
        let (action, provider) = action.split_once(':').unwrap_or((action, ""));
        let provider = match provider {
            "" => String::new(),
            provider => format!("provider: {{name: {provider}}}, "),
        };
        let rules = if rules == "-" {
            String::new()
        } else {
            format!("rules: {rules}")
        };
        text.push_str(&format!(
            "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: \
             {name}, namespace: {namespace}, annotations: {{istio.io/dry-run: \"{trial}\"}}}}\n\
             spec: {{action: {action}, {provider}{rules}}}\n"
        ));
    }
    let policies = Loaded::from_text(Path::new("p.yaml"), &text)
        .valid()
        .unwrap()
        .policies;
    let settings = mesh_settings_from_text(Path::new("m.yaml"), mesh).unwrap();
    let workload = Workload {
        namespace: "foo".to_owned(),
        ..Workload::default()
    };
    compile(&policies, &workload, &settings)
}

fn http<'r>(method: &'r str, path: &'r str) -> Request<'r> {
    Request {
        http: Some(Http {
            method,
            host: Some("web.foo"),
            path,
            headers: &NO_HEADERS,
        }),
        ..tcp()
    }
}

fn tcp() -> Request<'static> {
    Request {
        source: Source {
            principal: Some("cluster.local/ns/foo/sa/sleep"),
            ip: "10.0.0.1".parse().unwrap(),
            remote_ip: None,
        },
        destination: Destination {
            ip: "10.0.0.2".parse().unwrap(),
            port: 8080,
        },
        sni: "",
        http: None,
        jwt: None,
        metadata: None,
    }
}

/// The verdict, the policy and the rule in a word each.
fn said(decision: &Decision<'_>) -> String {
    let verdict = match &decision.verdict {
        Verdict::Allow => "ALLOW",
        Verdict::Deny => "DENY",
        Verdict::Custom { .. } => "CUSTOM",
    };
    match decision.by {
        Some(matched) => format!("{verdict} {} {}", matched.policy, matched.rule),
        None => verdict.to_owned(),
    }
}

fn decided(policies: &str, request: &Request<'_>) -> String {
    said(&engine(policies).decide(request))
}

const GET: &str = "[{to: [{operation: {methods: [GET]}}]}]";
const POST: &str = "[{to: [{operation: {methods: [POST]}}]}]";

#[test]
fn without_an_allow_policy_everything_that_is_not_denied_passes() {
    let get = http("GET", "/");
    assert_eq!(decided("", &get), "ALLOW");
    assert_eq!(decided(&format!("d DENY {POST}"), &get), "ALLOW");
    assert_eq!(decided(&format!("a ALLOW? {POST}"), &get), "ALLOW");
    let engine = engine("");
    assert_eq!(engine.decide(&get).reason, Reason::NoAllowPolicy);
}

#[test]
fn an_allow_policy_turns_the_default_round() {
    assert_eq!(
        decided(&format!("a ALLOW {POST}"), &http("GET", "/")),
        "DENY"
    );
    assert_eq!(
        decided(&format!("a ALLOW {GET}"), &http("GET", "/")),
        "ALLOW foo/a 0"
    );
    assert_eq!(decided("a ALLOW -", &http("GET", "/")), "DENY");
    assert_eq!(decided("a ALLOW [{}]", &http("GET", "/")), "ALLOW foo/a 0");
}

#[test]
fn deny_goes_before_allow_and_audit_decides_nothing() {
    let policies = format!("a ALLOW [{{}}]\nb DENY {GET}\nc AUDIT [{{}}]");
    let engine = engine(&policies);
    let get = http("GET", "/");
    let denied = engine.decide(&get);
    assert_eq!(said(&denied), "DENY foo/b 0");
    assert_eq!(denied.audit.len(), 1);
    let post = http("POST", "/");
    assert_eq!(said(&engine.decide(&post)), "ALLOW foo/a 0");
}

#[test]
fn the_first_policy_in_the_order_of_ids_is_named() {
    let policies = format!(
        "b ALLOW {GET}\na-b ALLOW {GET}\n\
         a ALLOW [{{to: [{{operation: {{methods: [PUT]}}}}]}}, {{}}]"
    );
    assert_eq!(decided(&policies, &http("GET", "/")), "ALLOW foo/a-b 0");
    let policies = "z DENY [{}]\nistio-system/w DENY [{}]\nzoo/x DENY [{}]";
    assert_eq!(
        decided(policies, &http("GET", "/")),
        "DENY istio-system/w 0"
    );
}

#[test]
fn policies_of_another_namespace_select_nothing() {
    assert_eq!(decided("bar/a DENY [{}]", &http("GET", "/")), "ALLOW");
    assert_eq!(
        decided("istio-system/a DENY [{}]", &http("GET", "/")),
        "DENY istio-system/a 0"
    );
}

#[test]
fn dry_run_is_told_and_decides_nothing() {
    let policies = format!(
        "a ALLOW {GET}\nb DENY? [{{to: [{{operation: {{methods: [PUT]}}}}]}}, {{}}]\n\
         c ALLOW? [{{}}]"
    );
    let engine = engine(&policies);
    let get = http("GET", "/");
    let decision = engine.decide(&get);
    assert_eq!(said(&decision), "ALLOW foo/a 0");
    let told: Vec<String> = decision
        .dry_run
        .iter()
        .map(|dry_run| {
            format!(
                "{} {} {}",
                dry_run.action, dry_run.matched.policy, dry_run.matched.rule
            )
        })
        .collect();
    assert_eq!(told, ["DENY foo/b 1", "ALLOW foo/c 0"]);
}

const PROVIDERS: &str = "extensionProviders: [{name: opa, envoyExtAuthzGrpc: {service: \
                         opa.foo.svc.cluster.local, port: 9000}}, {name: web, envoyExtAuthzHttp: \
                         {service: web.foo.svc.cluster.local, port: 80}}, {name: bad, \
                         envoyExtAuthzGrpc: {service: opa.foo.svc.cluster.local, port: 0}}]";

#[test]
fn custom_asks_first_and_tells_what_follows() {
    let policies = format!("c CUSTOM:opa {GET}\na ALLOW {POST}");
    let engine = engine_with(PROVIDERS, &policies);
    let get = http("GET", "/");
    let decision = engine.decide(&get);
    assert_eq!(said(&decision), "CUSTOM foo/c 0");
    let Verdict::Custom {
        provider,
        then_allowed,
        then,
    } = decision.verdict
    else {
        panic!("asked");
    };
    assert_eq!((provider, then_allowed, then), ("opa", false, None));
    assert_eq!(said(&engine.decide(&http("POST", "/"))), "ALLOW foo/a 0");
}

#[test]
fn a_provider_that_cannot_be_asked_denies_what_custom_matches() {
    for provider in ["missing", "bad"] {
        let engine = engine_with(PROVIDERS, &format!("c CUSTOM:{provider} {GET}"));
        let get = http("GET", "/");
        let decision = engine.decide(&get);
        assert_eq!(said(&decision), "DENY foo/c 0", "{provider}");
        let id = "istio-ext-authz-ns[foo]-policy[c]-rule[0]-deny-due-to-bad-CUSTOM-action";
        assert_eq!(decision.policy_id().as_deref(), Some(id));
        assert_eq!(
            said(&engine.decide(&http("POST", "/"))),
            "ALLOW",
            "{provider}"
        );
    }
}

#[test]
fn several_providers_on_one_workload_deny_what_custom_matches() {
    let engine = engine_with(
        PROVIDERS,
        &format!("c CUSTOM:opa {GET}\nd CUSTOM:web {POST}"),
    );
    assert_eq!(said(&engine.decide(&http("GET", "/"))), "DENY foo/c 0");
    assert_eq!(said(&engine.decide(&http("POST", "/"))), "DENY foo/d 0");
    assert_eq!(said(&engine.decide(&http("PUT", "/"))), "ALLOW");
}

#[test]
fn an_http_provider_is_not_asked_about_tcp() {
    let rules = "[{to: [{operation: {ports: [\"8080\"]}}]}]";
    let over_grpc = engine_with(PROVIDERS, &format!("c CUSTOM:opa {rules}"));
    assert_eq!(said(&over_grpc.decide(&tcp())), "CUSTOM foo/c 0");
    let over_http = engine_with(PROVIDERS, &format!("c CUSTOM:web {rules}"));
    assert_eq!(said(&over_http.decide(&tcp())), "ALLOW");
}

#[test]
fn on_tcp_what_is_http_narrows_allow_and_widens_deny() {
    assert_eq!(decided(&format!("a ALLOW {GET}"), &tcp()), "DENY");
    assert_eq!(decided(&format!("a DENY {GET}"), &tcp()), "DENY foo/a 0");
    let with_port = |port: u16, action: &str| {
        format!("a {action} [{{to: [{{operation: {{methods: [GET], ports: [\"{port}\"]}}}}]}}]")
    };
    assert_eq!(decided(&with_port(8080, "DENY"), &tcp()), "DENY foo/a 0");
    assert_eq!(decided(&with_port(8081, "DENY"), &tcp()), "ALLOW");
    assert_eq!(decided(&with_port(8080, "ALLOW"), &tcp()), "DENY");
    let either =
        "a ALLOW [{to: [{operation: {methods: [GET]}}, {operation: {ports: [\"8080\"]}}]}]";
    assert_eq!(
        decided(either, &tcp()),
        "DENY",
        "one operation of HTTP makes the rule void"
    );
    let negative = "a DENY [{from: [{source: {notRequestPrincipals: [\"*\"]}}]}]";
    assert_eq!(decided(negative, &tcp()), "DENY foo/a 0");
}

#[test]
fn without_mutual_tls_no_identity_matches_and_every_negative_one_does() {
    let plain = Request {
        source: Source {
            principal: None,
            ..tcp().source
        },
        ..http("GET", "/")
    };
    for field in ["principals", "namespaces", "trustDomains"] {
        let policies = format!("a ALLOW [{{from: [{{source: {{{field}: [\"*\"]}}}}]}}]");
        assert_eq!(decided(&policies, &plain), "DENY", "{field}");
        assert_eq!(
            decided(&policies, &http("GET", "/")),
            "ALLOW foo/a 0",
            "{field}"
        );
        let (first, rest) = field.split_at(1);
        let field = format!("not{}{rest}", first.to_uppercase());
        let policies = format!("a ALLOW [{{from: [{{source: {{{field}: [\"*\"]}}}}]}}]");
        assert_eq!(decided(&policies, &plain), "ALLOW foo/a 0", "{field}");
        assert_eq!(decided(&policies, &http("GET", "/")), "DENY", "{field}");
    }
}

fn with_headers(action: &str, condition: &str, headers: &[(&str, &[u8])]) -> String {
    let policies =
        format!("a {action} [{{when: [{{key: \"request.headers[X-A]\", {condition}}}]}}]");
    let headers = headers.to_vec();
    let request = http("GET", "/");
    let request = Request {
        http: Some(Http {
            headers: &headers,
            ..request.http.unwrap()
        }),
        ..request
    };
    decided(&policies, &request)
}

#[test]
fn a_header_that_is_absent_meets_no_value() {
    let others: &[(&str, &[u8])] = &[("x-b", b"1")];
    assert_eq!(with_headers("ALLOW", "values: [\"*\"]", others), "DENY");
    assert_eq!(
        with_headers("ALLOW", "notValues: [\"1\"]", others),
        "ALLOW foo/a 0"
    );
    assert_eq!(
        with_headers("ALLOW", "notValues: [\"*\"]", others),
        "ALLOW foo/a 0"
    );
    assert_eq!(
        with_headers("ALLOW", "values: [\"*\"]", &[("x-a", b"")]),
        "ALLOW foo/a 0"
    );
}

#[test]
fn each_value_of_a_repeated_header_counts_by_itself() {
    let twice: &[(&str, &[u8])] = &[("x-a", b"1"), ("X-a", b"2")];
    for value in ["1", "2"] {
        let values = format!("values: [\"{value}\"]");
        assert_eq!(with_headers("DENY", &values, twice), "DENY foo/a 0");
        let not_values = format!("notValues: [\"{value}\"]");
        assert_eq!(with_headers("ALLOW", &not_values, twice), "DENY");
    }
    assert_eq!(with_headers("DENY", "values: [\"1,2\"]", twice), "ALLOW");
    assert_eq!(
        with_headers("DENY", "values: [\"1,2\"]", &[("x-a", b"1,2")]),
        "DENY foo/a 0"
    );
}

#[test]
fn a_negative_match_of_bytes_that_are_no_text_fails_closed() {
    let opaque: &[(&str, &[u8])] = &[("x-a", b"b\xff")];
    assert_eq!(with_headers("ALLOW", "notValues: [\"c\"]", opaque), "DENY");
    assert_eq!(
        with_headers("DENY", "notValues: [\"c\"]", opaque),
        "DENY foo/a 0"
    );
    assert_eq!(
        with_headers("DENY", "notValues: [\"b*\"]", opaque),
        "DENY foo/a 0"
    );
    assert_eq!(
        with_headers("ALLOW", "values: [\"b*\"]", opaque),
        "ALLOW foo/a 0"
    );
}

#[test]
fn claims_are_compared_as_lists_or_alone() {
    let claims = json!({
        "groups": ["a", "b", 1], "team": "red blue", "scope": "read  write", "age": 3,
        "nested": {"deep": ["x"], "scope": "u v"},
    });
    let claims: Map<_, _> = claims.as_object().unwrap().clone();
    let jwt = Jwt {
        iss: Some("i"),
        sub: Some("s"),
        claims: Some(&claims),
        ..Jwt::default()
    };
    let request = Request {
        jwt: Some(jwt),
        ..http("GET", "/")
    };
    for (key, value, expected) in [
        ("claims[groups]", "a", true),
        ("claims[groups]", "c", false),
        ("claims[groups]", "1", false),
        ("claims[team]", "red", false),
        ("claims[team]", "red blue", true),
        ("claims[scope]", "write", true),
        ("claims[scope]", "read  write", false),
        ("claims[age]", "3", false),
        ("claims[nested][deep]", "x", true),
        ("claims[nested][scope]", "u", false),
        ("claims[nested][scope]", "u v", true),
        ("claims[nested]", "*", false),
        ("claims[missing]", "*", false),
        ("claims[iss]", "i", true),
        ("principal", "i/s", true),
        ("audiences", "*", false),
    ] {
        let policies =
            format!("a ALLOW [{{when: [{{key: \"request.auth.{key}\", values: [\"{value}\"]}}]}}]");
        let expected = if expected { "ALLOW foo/a 0" } else { "DENY" };
        assert_eq!(decided(&policies, &request), expected, "{key} {value}");
    }
}

#[test]
fn metadata_is_text_or_a_list() {
    let metadata = json!({"envoy.filters.a.b": {"c": "v", "l": ["v"]}});
    let request = Request {
        metadata: metadata.as_object(),
        ..tcp()
    };
    for (key, value, expected) in [
        ("a.b[c]", "v", true),
        ("a.b[c]", "[v]", false),
        ("a.b[l]", "[v]", true),
        ("a.b[l]", "v", false),
        ("a.b[x]", "*", false),
    ] {
        let policies = format!(
            "a ALLOW [{{when: [{{key: \"experimental.envoy.filters.{key}\", \
             values: [\"{value}\"]}}]}}]"
        );
        let expected = if expected { "ALLOW foo/a 0" } else { "DENY" };
        assert_eq!(decided(&policies, &request), expected, "{key} {value}");
    }
}

#[test]
fn the_path_is_normalised_as_the_mesh_says() {
    let policies = "a ALLOW [{to: [{operation: {paths: [/b]}}]}]";
    let request = http("GET", "/a/../b?c");
    assert_eq!(decided(policies, &request), "ALLOW foo/a 0");
    let none = engine_with("pathNormalization: {normalization: NONE}", policies);
    assert_eq!(said(&none.decide(&request)), "DENY");
}

#[test]
fn settings_default_to_istios() {
    let settings = MeshSettings::default();
    assert_eq!(settings.root_namespace, "istio-system");
}

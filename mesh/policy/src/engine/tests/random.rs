//! Any policies, any requests: the index, changes and the explanation must not change an answer.

use mesh_api::{
    Action, AuthorizationPolicy, Condition, MeshSettings, Meta, Operation, PolicySet, Rule, Source,
    Workload,
};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value, json};

use super::{Destination, Engine, Http, Jwt, Request, compile};
use crate::request;

fn values(all: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    let some = subsequence(all, 0..=2.min(all.len()));
    let owned = |some: Vec<&str>| some.into_iter().map(str::to_owned).collect::<Vec<String>>();
    prop_oneof![3 => Just(Vec::new()), 1 => some.prop_map(owned)]
}

const PRINCIPALS: &[&str] = &[
    "*",
    "td/ns/a/sa/x",
    "td/ns/b/sa/y",
    "td/*",
    "*/sa/x",
    "td/ns/a*",
    "*.y",
];
const NAMESPACES: &[&str] = &["*", "a", "b", "a*", "*b", "n.", "ns"];
const ACCOUNTS: &[&str] = &["a/x", "b/y", "x", "a/x.z"];
const DOMAINS: &[&str] = &["*", "td", "t*", "*d"];
const PATHS: &[&str] = &["*", "/a", "/a/*", "*/b", "/a/{*}", "/{**}/b"];
const HOSTS: &[&str] = &["*", "H", "h.*", "*.H"];
const RANGES: &[&str] = &["10.0.0.1", "10.0.0.0/8", "0.0.0.0/0", "::/0"];
const TOKENS: &[&str] = &["*", "i/s", "i/*", "*/s", "i*"];
const TEXTS: &[&str] = &["*", "1", "1*", "*2"];

fn source() -> impl Strategy<Value = Source> {
    let identity = (
        values(PRINCIPALS),
        values(PRINCIPALS),
        values(NAMESPACES),
        values(NAMESPACES),
    );
    let others = (
        values(ACCOUNTS),
        values(DOMAINS),
        values(RANGES),
        values(RANGES),
        values(TOKENS),
    );
    (identity, others).prop_map(
        |((principals, not_principals, namespaces, not_namespaces), others)| {
            let (
                service_accounts,
                trust_domains,
                ip_blocks,
                not_remote_ip_blocks,
                request_principals,
            ) = others;
            Source {
                principals,
                not_principals,
                namespaces,
                not_namespaces,
                service_accounts,
                trust_domains,
                ip_blocks,
                not_remote_ip_blocks,
                request_principals,
                ..Source::default()
            }
        },
    )
}

fn operation() -> impl Strategy<Value = Operation> {
    let methods: &[&str] = &["*", "GET", "PO*"];
    let ports: &[&str] = &["80", "81"];
    (
        values(HOSTS),
        values(methods),
        values(PATHS),
        values(PATHS),
        values(ports),
    )
        .prop_map(|(hosts, not_methods, paths, not_paths, ports)| Operation {
            hosts,
            not_methods,
            paths,
            not_paths,
            ports,
            ..Operation::default()
        })
}

fn condition() -> impl Strategy<Value = Condition> {
    let keys = [
        "request.headers[x-a]",
        "request.auth.claims[k]",
        "request.auth.claims[scope]",
        "connection.sni",
        "experimental.envoy.filters.f[k]",
    ];
    (select(keys.to_vec()), values(TEXTS), values(TEXTS)).prop_map(|(key, values, not_values)| {
        Condition {
            key: key.to_owned(),
            values,
            not_values,
        }
    })
}

fn policy() -> impl Strategy<Value = AuthorizationPolicy> {
    let rule = (
        prop::collection::vec(source(), 0..3),
        prop::collection::vec(operation(), 0..3),
        prop::collection::vec(condition(), 0..2),
    )
        .prop_map(|(from, to, when)| Rule { from, to, when });
    let action = prop_oneof![
        3 => Just(Action::Allow),
        2 => Just(Action::Deny),
        1 => Just(Action::Audit),
        1 => Just(Action::Custom { provider: "opa".to_owned() }),
    ];
    let name = ("[ab]", prop_oneof![Just("foo"), Just("istio-system")]);
    (
        name,
        action,
        any::<bool>(),
        prop::collection::vec(rule, 0..4),
    )
        .prop_map(
            |((name, namespace), action, is_trial, rules)| AuthorizationPolicy {
                meta: Meta {
                    name,
                    namespace: namespace.to_owned(),
                    ..Meta::default()
                },
                action,
                dry_run: is_trial,
                rules,
                ..AuthorizationPolicy::default()
            },
        )
}

#[derive(Clone, Debug)]
struct Asked {
    principal: Option<&'static str>,
    ip: &'static str,
    port: u16,
    path: Option<&'static str>,
    host: Option<&'static str>,
    method: &'static str,
    headers: Vec<(&'static str, &'static [u8])>,
    claims: Option<Map<String, Value>>,
    metadata: Value,
    sni: &'static str,
}

fn asked() -> impl Strategy<Value = Asked> {
    let principals = [
        None,
        Some("td/ns/a/sa/x"),
        Some("td/ns/b/sa/y"),
        Some("ns/ns/a/sa/x"),
        Some("td/ns/a/q/sa/x/r"),
        Some("odd"),
    ];
    let headers: [(&str, &[u8]); 4] =
        [("x-a", b"1"), ("X-A", b"12"), ("x-a", b"\xff"), ("y", b"1")];
    let claims = [
        None,
        Some(json!({})),
        Some(json!({"iss": "i", "sub": "s", "k": ["1", "2"]})),
        Some(json!({"iss": "i", "sub": "t", "scope": "1 22", "k": "1"})),
    ];
    let paths = [
        None,
        Some("/a"),
        Some("/a/b"),
        Some("/a/c/../b?x"),
        Some(""),
    ];
    let peer = (
        select(principals.to_vec()),
        select(&["10.0.0.1", "11.0.0.1", "::1"][..]),
    );
    let call = (
        select(paths.to_vec()),
        select(&[None, Some("h"), Some("h.H")][..]),
    );
    let rest = (
        subsequence(headers.to_vec(), 0..=2),
        select(claims.to_vec()),
        select(&["GET", "POST", ""][..]),
        select(vec![json!({}), json!({"envoy.filters.f": {"k": "1"}})]),
        select(&["", "1", "12"][..]),
        80..82_u16,
    );
    (peer, call, rest).prop_map(|((principal, ip), (path, host), rest)| {
        let (headers, claims, method, metadata, sni, port) = rest;
        let claims = claims.and_then(|claims| claims.as_object().cloned());
        Asked {
            principal,
            ip,
            port,
            path,
            host,
            method,
            headers,
            claims,
            metadata,
            sni,
        }
    })
}

impl Asked {
    fn with<T>(&self, use_request: impl FnOnce(&Request<'_>) -> T) -> T {
        use_request(&Request {
            source: request::Source {
                principal: self.principal,
                ip: self.ip.parse().unwrap(),
                remote_ip: None,
            },
            destination: Destination {
                ip: "10.0.0.2".parse().unwrap(),
                port: self.port,
            },
            sni: self.sni,
            http: self.path.map(|path| Http {
                method: self.method,
                host: self.host,
                path,
                headers: &self.headers,
            }),
            jwt: self.path.and(self.claims.as_ref()).map(|claims| Jwt {
                claims: Some(claims),
                ..Jwt::default()
            }),
            metadata: self.metadata.as_object(),
        })
    }
}

fn agrees(engine: &Engine, other: &Engine, asked: &Asked) {
    asked.with(|request| {
        let decision = engine.decide(request);
        assert_eq!(
            decision,
            engine.decide_by_walking(&engine.context(request)),
            "index"
        );
        assert_eq!(decision, other.decide(request), "change");
        let proof = engine.explain(request, 3);
        assert_eq!(decision, proof.decision, "explanation");
        assert!(
            proof
                .decided
                .iter()
                .all(|rule| rule.matches && rule.first_failure().is_none())
        );
        for rule in &proof.nearest {
            assert!(!rule.matches && (rule.is_void || rule.first_failure().is_some()));
        }
    });
}

fn set(policies: &[AuthorizationPolicy]) -> PolicySet {
    PolicySet {
        authorization_policies: policies.to_vec(),
        ..PolicySet::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn neither_index_nor_changes_nor_explanation_change_an_answer(
        first in prop::collection::vec(policy(), 0..4),
        changes in prop::collection::vec((policy(), any::<bool>()), 0..4),
        asked in prop::collection::vec(asked(), 1..12),
    ) {
        let settings = MeshSettings::default();
        let workload = Workload { namespace: "foo".to_owned(), ..Workload::default() };
        let mut policies: Vec<AuthorizationPolicy> = Vec::new();
        let replace = |policies: &mut Vec<AuthorizationPolicy>, policy: &AuthorizationPolicy| {
            policies.retain(|own| own.meta.id() != policy.meta.id());
        };
        for policy in first {
            replace(&mut policies, &policy);
            policies.push(policy);
        }
        let mut changed = compile(&set(&policies), &workload, &settings);
        for (policy, is_removed) in changes {
            // The index for TCP exists before some of the changes.
            asked[0].with(|request| drop(changed.decide(request)));
            replace(&mut policies, &policy);
            changed = if is_removed {
                changed.without(&policy.meta.namespace, &policy.meta.name)
            } else {
                policies.push(policy.clone());
                changed.with(&policy)
            };
        }
        let fresh = compile(&set(&policies), &workload, &settings);
        for asked in &asked {
            agrees(&changed, &fresh, asked);
        }
    }
}

#![allow(clippy::unwrap_used)]

use std::path::Path;

use mesh_api::{Loaded, MeshSettings, Workload};

use crate::request::{Destination, Http, Request, Source};
use crate::{Engine, compile};

const POLICIES: &str = "
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: far, namespace: foo}
spec:
  rules:
  - from: [{source: {principals: [td/ns/x/sa/y], ipBlocks: [11.0.0.0/8]}}]
    to: [{operation: {methods: [PUT], ports: [\"81\"]}}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: near, namespace: foo}
spec:
  rules:
  - from:
    - source: {namespaces: [bar], principals: [td/ns/x/sa/y]}
    - source: {namespaces: [foo], notPrincipals: [\"*/sa/sleep\"]}
    to: [{operation: {methods: [GET]}}]
    when: [{key: \"request.headers[x-tenant]\", values: [blue, red]}]
";

fn engine() -> Engine {
    let policies = Loaded::from_text(Path::new("p.yaml"), POLICIES)
        .valid()
        .unwrap()
        .policies;
    let workload = Workload {
        namespace: "foo".to_owned(),
        ..Workload::default()
    };
    compile(&policies, &workload, &MeshSettings::default())
}

fn request<'r>(principal: &'r str, headers: &'r Vec<(&'r str, &'r str)>) -> Request<'r> {
    Request {
        source: Source {
            principal: Some(principal),
            ip: "10.0.0.1".parse().unwrap(),
            remote_ip: None,
        },
        destination: Destination {
            ip: "10.0.0.2".parse().unwrap(),
            port: 80,
        },
        sni: "",
        http: Some(Http {
            method: "GET",
            host: None,
            path: "/",
            headers,
        }),
        jwt: None,
        metadata: None,
    }
}

#[test]
fn a_miss_names_the_nearest_rule_and_its_first_condition_that_fails() {
    let engine = engine();
    let headers = vec![("x-tenant", "red")];
    let proof_request = request("td/ns/foo/sa/sleep", &headers);
    let proof = engine.explain(&proof_request, 1);
    assert!(!proof.decision.is_allowed() && proof.decided.is_empty());
    let [nearest] = &proof.nearest[..] else {
        panic!("one was asked for");
    };
    assert_eq!(nearest.rule.policy.to_string(), "foo/near");
    let (place, failure) = nearest.first_failure().unwrap();
    assert_eq!(place.to_string(), "from[1].source");
    assert_eq!(
        failure.to_string(),
        "MISS notPrincipals [*/sa/sleep], the request has \"td/ns/foo/sa/sleep\""
    );
    assert_eq!(engine.explain(&proof_request, 9).nearest.len(), 2);
}

#[test]
fn a_match_is_shown_condition_by_condition() {
    let engine = engine();
    let headers = vec![("x-tenant", "green"), ("X-Tenant", "blue")];
    let asked = request("td/ns/foo/sa/web", &headers);
    let proof = engine.explain(&asked, 1);
    assert_eq!(
        proof.to_string(),
        "policy foo/near rule 0 matches: allowed\n  \
           ALLOW policy foo/near rule 0 matches\n    \
             from[0].source\n      \
               MISS principals [td/ns/x/sa/y], the request has \"td/ns/foo/sa/web\"\n      \
               MISS namespaces [bar], the request has \"td/ns/foo/sa/web\"\n    \
             from[1].source\n      \
               ok   notPrincipals [*/sa/sleep], the request has \"td/ns/foo/sa/web\"\n      \
               ok   namespaces [foo], the request has \"td/ns/foo/sa/web\"\n    \
             to[0].operation\n      \
               ok   methods [GET], the request has \"GET\"\n    \
             when\n      \
               ok   request.headers[x-tenant] values [blue, red], the request has \"green, blue\"\n"
    );
}

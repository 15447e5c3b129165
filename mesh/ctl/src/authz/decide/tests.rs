#![allow(clippy::unwrap_used)]

use std::path::Path;

use mesh_api::{Loaded, MeshSettings, Workload};
use serde_json::{Value, json};

use super::{Engine, Output, answer};

const POLICIES: &str = "
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: ask, namespace: foo}
spec:
  action: CUSTOM
  provider: {name: opa}
  rules: [{to: [{operation: {paths: [/asked]}}]}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: look, namespace: foo}
spec:
  action: AUDIT
  rules: [{to: [{operation: {methods: [GET]}}]}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: trial, namespace: foo, annotations: {istio.io/dry-run: \"true\"}}
spec:
  action: DENY
  rules:
  - to: [{operation: {paths: [/nowhere]}}]
  - to: [{operation: {methods: [GET]}}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: readers, namespace: foo}
spec:
  rules: [{to: [{operation: {methods: [GET]}}]}]
";

const MESH: &str = "
extensionProviders:
- name: opa
  envoyExtAuthzGrpc: {service: opa.foo.svc.cluster.local, port: 9000}
";

fn engine(mesh: &str) -> Engine {
    let policies = Loaded::from_text(Path::new("p.yaml"), POLICIES)
        .valid()
        .unwrap()
        .policies;
    let settings = if mesh.is_empty() {
        MeshSettings::default()
    } else {
        mesh_api::mesh_settings_from_text(Path::new("m.yaml"), mesh).unwrap()
    };
    let workload = Workload {
        namespace: "foo".to_owned(),
        ..Workload::default()
    };
    mesh_policy::compile(&policies, &workload, &settings)
}

fn line(method: &str, path: &str) -> String {
    let request = json!({
        "protocol": "http",
        "source": {"ip": "10.0.0.1"},
        "destination": {"ip": "10.0.0.2", "port": 8080},
        "http": {"method": method, "path": path, "headers": []},
    });
    format!("{request}\n")
}

fn answers(mesh: &str, lines: &str) -> (Vec<Value>, usize) {
    let mut out = Vec::new();
    let answered = answer(&engine(mesh), lines.as_bytes(), &mut out, Output::Json);
    let bad_lines = answered.unwrap_or_else(|_| panic!("memory is written and read"));
    let text = String::from_utf8(out).unwrap();
    (
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect(),
        bad_lines,
    )
}

#[test]
fn a_decision_has_exactly_its_members() {
    let (answers, bad_lines) = answers(MESH, &format!("{}{}", line("GET", "/"), line("POST", "/")));
    let dry_run = json!([{"policy": "foo/trial", "rule": 1, "action": "DENY"}]);
    assert_eq!(
        answers,
        [
            json!({
                "decision": "ALLOW", "policy": "foo/readers", "rule": 0,
                "reason": "policy foo/readers rule 0 matches: allowed",
                "audit": ["foo/look"], "dryRun": dry_run,
            }),
            json!({
                "decision": "DENY", "policy": null, "rule": null,
                "reason": "ALLOW policies select the workload and none matches",
                "audit": [], "dryRun": [],
            }),
        ]
    );
    assert_eq!(bad_lines, 0);
}

#[test]
fn custom_tells_what_follows() {
    let lines = format!("{}{}", line("GET", "/asked"), line("PUT", "/asked"));
    let (answers, _) = answers(MESH, &lines);
    assert_eq!(answers[0]["decision"], "CUSTOM");
    assert_eq!(answers[0]["policy"], "foo/ask");
    assert_eq!(answers[0]["provider"], "opa");
    assert_eq!(answers[0]["then"], "ALLOW");
    assert_eq!(answers[0]["thenPolicy"], "foo/readers");
    assert_eq!(answers[1]["then"], "DENY");
    assert_eq!(answers[1]["thenPolicy"], Value::Null);
    assert!(answers[1].as_object().unwrap().contains_key("thenPolicy"));
}

#[test]
fn a_provider_that_is_missing_denies_what_custom_matches() {
    let lines = format!("{}{}", line("GET", "/asked"), line("GET", "/"));
    let (answers, _) = answers("", &lines);
    assert_eq!(answers[0]["decision"], "DENY");
    assert_eq!(answers[0]["policy"], "foo/ask");
    assert_eq!(answers[0]["rule"], 0);
    assert!(!answers[0].as_object().unwrap().contains_key("provider"));
    assert_eq!(answers[1]["decision"], "ALLOW");
}

#[test]
fn a_line_that_is_no_request_is_told_and_the_others_are_decided() {
    let lines = format!(
        "\n{}nonsense\n\n{}",
        line("GET", "/"),
        line("GET", "/").trim_end()
    );
    let (answers, bad_lines) = answers(MESH, &lines);
    assert_eq!(bad_lines, 1);
    assert_eq!(answers.len(), 3);
    assert_eq!(answers[1]["line"], 3);
    assert!(answers[1]["error"].as_str().unwrap().contains("expected"));
    assert_eq!(answers[2]["decision"], "ALLOW");
}

#[test]
fn people_get_a_sentence() {
    let mut out = Vec::new();
    let lines = format!("{}x\n", line("GET", "/asked"));
    let answered = answer(&engine(MESH), lines.as_bytes(), &mut out, Output::Text);
    assert!(answered.is_ok_and(|bad_lines| bad_lines == 1));
    let text = String::from_utf8(out).unwrap();
    assert!(
        text.starts_with(
            "1: CUSTOM policy foo/ask rule 0 matches: the provider decides; asks opa, then \
             ALLOW by policy foo/readers rule 0; audited by foo/look; dry run of policy foo/trial \
             rule 1 would DENY\n2: no request: "
        ),
        "{text}"
    );
}

#[test]
fn many_lines_are_answered_in_their_order_with_their_numbers() {
    let mut lines = String::new();
    for number in 0..2_000 {
        lines += &match number % 3 {
            0 => line("GET", "/"),
            1 => line("POST", "/"),
            _ => "{}\n".to_owned(),
        };
    }
    let (answers, bad_lines) = answers(MESH, &lines);
    assert_eq!((answers.len(), bad_lines), (2_000, 666));
    for (number, answer) in answers.iter().enumerate() {
        match number % 3 {
            0 => assert_eq!(answer["decision"], "ALLOW"),
            1 => assert_eq!(answer["decision"], "DENY"),
            _ => assert_eq!(answer["line"], number + 1),
        }
    }
}

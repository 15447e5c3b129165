//! `meshctl authz` as a process: files in, lines out, and the exit code that a script sees.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const POLICY: &str = "
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: readers, namespace: foo}
spec:
  selector: {matchLabels: {app: httpbin}}
  rules:
  - from: [{source: {principals: [cluster.local/ns/foo/sa/sleep]}}]
    to: [{operation: {methods: [GET]}}]
";

const WORKLOAD: &str = r#"{"namespace":"foo","serviceAccount":"httpbin",
"labels":{"app":"httpbin"},"trustDomain":"cluster.local"}"#;

/// Over several lines; a request is one.
const REQUEST: &str = r#"{"protocol":"http",
"source":{"principal":"old.local/ns/foo/sa/sleep","ip":"10.0.0.1","remoteIp":"1.2.3.4"},
"destination":{"ip":"10.0.0.2","port":8080},"sni":"",
"http":{"method":"GET","host":"httpbin.foo","path":"/a?b","headers":[["x-a","1"],["x-a","2"]]},
"jwt":{"iss":"i","sub":"s","aud":["a"],"azp":"p","claims":{"k":["v"]}},
"metadata":{"envoy.filters.a.b":{"c":"v"}}}"#;

fn request() -> String {
    REQUEST.replace('\n', "")
}

/// A folder with a workload and policies in folders below it.
fn files(policies: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("workload.json"), WORKLOAD).unwrap();
    for (name, text) in policies {
        let file = folder.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    folder
}

fn decide(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_meshctl"))
        .current_dir(folder)
        .args(["authz", "decide", "--workload", "workload.json"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that has refused its arguments reads nothing.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    let text = std::str::from_utf8(&output.stdout).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn requests_from_standard_input_are_decided_by_every_folder_and_the_mesh_config() {
    let deny = POLICY
        .replace("name: readers", "name: tenants")
        .replace("  rules:", "  action: DENY\n  rules:")
        .replace("methods: [GET]", "methods: [DELETE]");
    let folder = files(&[
        ("a/readers.yaml", POLICY),
        ("b/deep/tenants.yml", &deny),
        ("mesh.yaml", "trustDomainAliases: [old.local]\n"),
    ]);
    let arguments = [
        "--policies",
        "a",
        "b",
        "--mesh-config",
        "mesh.yaml",
        "--requests",
        "-",
        "-o",
        "json",
    ];
    let request = request();
    let input = format!("{request}\n{}\n", request.replace("GET", "DELETE"));
    let output = decide(folder.path(), &arguments, &input);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let answers = lines(&output);
    assert_eq!(
        (&answers[0]["decision"], &answers[0]["policy"]),
        (&"ALLOW".into(), &"foo/readers".into())
    );
    assert_eq!(
        (&answers[1]["decision"], &answers[1]["policy"]),
        (&"DENY".into(), &"foo/tenants".into())
    );
}

#[test]
fn policies_that_do_not_load_end_with_status_2_and_every_error() {
    let folder = files(&[
        ("p/a.yaml", &POLICY.replace("principals", "principles")),
        (
            "p/b.yaml",
            &POLICY.replace("methods: [GET]", "ports: [many]"),
        ),
    ]);
    let output = decide(
        folder.path(),
        &["--policies", "p", "--requests", "-"],
        &request(),
    );
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    let errors = String::from_utf8_lossy(&output.stderr);
    for expected in ["a.yaml", "principles", "b.yaml", "many"] {
        assert!(errors.contains(expected), "{errors}");
    }
}

#[test]
fn files_that_are_not_there_end_with_status_2() {
    let folder = files(&[("p.yaml", POLICY)]);
    for arguments in [
        ["--policies", "nowhere", "--requests", "-"],
        ["--policies", "p.yaml", "--requests", "nowhere"],
    ] {
        let output = decide(folder.path(), &arguments, &request());
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("nowhere"));
    }
}

#[test]
fn a_line_that_is_no_request_ends_with_status_1_after_all_others_are_decided() {
    let folder = files(&[("p.yaml", POLICY)]);
    let arguments = ["--policies", "p.yaml", "--requests", "-", "-o", "json"];
    let request = request();
    let input = format!("{request}\n{{\"protocol\":\"udp\"}}\n{request}");
    let output = decide(folder.path(), &arguments, &input);
    assert_eq!(output.status.code(), Some(1));
    let answers = lines(&output);
    assert_eq!(answers.len(), 3);
    assert_eq!(answers[1]["line"], 2);
    assert_eq!(
        answers[2]["decision"], "DENY",
        "the trust domain is not an alias here"
    );
    assert!(String::from_utf8_lossy(&output.stderr).contains("no requests"));
}

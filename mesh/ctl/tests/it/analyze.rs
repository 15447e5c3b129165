//! `meshctl analyze` and `meshctl explain` as processes: their exit codes, and the examples of their
//! help, run as they stand there.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

const GOOD: &str = "\
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: p, namespace: foo}
spec:
  selector: {matchLabels: {app: a}}
  rules:
  - from:
    - source: {principals: [cluster.local/ns/foo/sa/a]}
";

const WORKLOAD: &str = "\
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: a, namespace: foo}
spec: {address: 127.0.0.1, serviceAccount: a, labels: {app: a}, ports: {grpc: 50051}}
";

fn meshctl(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_meshctl"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

/// A folder with every file that the examples name.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |file: &str, text: &[u8]| {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("policies/p.yaml", GOOD.as_bytes());
    write("a.yaml", GOOD.as_bytes());
    write("b.yaml", GOOD.replace("name: p", "name: q").as_bytes());
    write(".local/run/0/endpoints.yaml", WORKLOAD.as_bytes());
    write("mesh.yaml", b"trustDomain: cluster.local\n");
    // An empty FileDescriptorSet is no bytes.
    write("gateway-envoy/shop.binpb", b"");
    folder
}

/// The commands that a help text shows, without what stands behind them.
fn examples(folder: &Path, command: &str) -> Vec<Vec<String>> {
    let help = meshctl(folder, &[command, "--help"]);
    let help = String::from_utf8(help.stdout).unwrap();
    let (_, examples) = help.split_once("Examples:\n").unwrap();
    examples
        .lines()
        .map_while(|line| line.strip_prefix("  meshctl "))
        .map(|line| {
            let line = line.split("   ").next().unwrap_or(line);
            line.split_whitespace().map(str::to_owned).collect()
        })
        .collect()
}

#[test]
fn the_examples_of_the_help_run() {
    let folder = folder();
    for (command, count) in [("analyze", 4), ("explain", 3)] {
        let examples = examples(folder.path(), command);
        assert_eq!(examples.len(), count, "{command}");
        for example in examples {
            let arguments: Vec<&str> = example.iter().map(String::as_str).collect();
            let output = meshctl(folder.path(), &arguments);
            // b.yaml says the same as a.yaml, which is a warning.
            assert_eq!(output.status.code(), Some(0), "{example:?}: {output:?}");
            assert!(!output.stdout.is_empty(), "{example:?}");
        }
    }
}

#[test]
fn the_exit_code_says_what_was_found() {
    let folder = folder();
    let code = |arguments: &[&str]| meshctl(folder.path(), arguments).status.code();
    assert_eq!(code(&["analyze", "a.yaml", "b.yaml"]), Some(0));
    assert_eq!(code(&["analyze", "--strict", "a.yaml", "b.yaml"]), Some(1));
    assert_eq!(
        code(&["analyze", "a.yaml", "a.yaml"]),
        Some(1),
        "one policy twice"
    );
    assert_eq!(code(&["analyze", "missing.yaml"]), Some(2));
    assert_eq!(
        code(&["analyze", "a.yaml", "--workloads", "missing.yaml"]),
        Some(2)
    );
    assert_eq!(code(&["analyze"]), Some(2));
    assert_eq!(code(&["explain", "TW9999"]), Some(2));
}

#[test]
fn what_is_found_stands_in_json_with_its_line() {
    let folder = folder();
    let text = GOOD.replace("cluster.local/", "spiffe://cluster.local/");
    fs::write(folder.path().join("bad.yaml"), text).unwrap();
    let output = meshctl(folder.path(), &["analyze", "bad.yaml", "-o", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["findings"][0]["code"], "TW0201");
    assert_eq!(report["findings"][0]["file"], "bad.yaml");
    assert_eq!(report["findings"][0]["line"], 8);
    assert_eq!(report["errors"], 1);
}

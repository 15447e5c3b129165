#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;

use mesh_analysis::{World, analyze};
use mesh_api::{Loaded, Locator};
use tempfile::TempDir;

use super::report::{Report, code_json, codes_text};
use super::{Analyze, Explain, explain, located, run};
use crate::authz::Output;
use crate::error::Error;

const GOOD: &str = "\
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: p, namespace: foo}
spec:
  rules:
  - from:
    - source: {principals: [cluster.local/ns/foo/sa/a]}
";

fn command(folder: &TempDir, text: &str) -> Analyze {
    let path = folder.path().join("p.yaml");
    fs::write(&path, text).unwrap();
    Analyze {
        paths: vec![path],
        workloads: Vec::new(),
        mesh_config: None,
        descriptors: Vec::new(),
        strict: false,
        output: Output::Text,
    }
}

fn report(text: &str) -> (String, serde_json::Value) {
    let folder = tempfile::tempdir().unwrap();
    let command = command(&folder, text);
    let loaded = Loaded::from_paths(&command.paths);
    let mut locator = Locator::default();
    let findings = analyze(&loaded, &World::default())
        .into_iter()
        .map(|finding| located(finding, &mut locator))
        .collect();
    let report = Report::new(&loaded, findings);
    let prefix = format!("{}/", folder.path().display());
    (report.text().replace(&prefix, ""), report.json())
}

#[test]
fn nothing_found_ends_well_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    run(&command(&folder, GOOD)).unwrap();
    assert_eq!(report(GOOD).0, "nothing found in 1 policy\n");
}

#[test]
fn a_finding_has_the_line_of_its_field() {
    let text = GOOD.replace("cluster.local/", "spiffe://cluster.local/");
    let (shown, json) = report(&text);
    assert_eq!(
        shown,
        "p.yaml:7: error TW0201: AuthorizationPolicy foo/p: \
         spec.rules[0].from[0].source.principals[0]: \"spiffe://cluster.local/ns/foo/sa/a\" matches \
         nobody: it is compared behind spiffe://; write \"cluster.local/ns/foo/sa/a\"\n\
         1 error in 1 policy\n\
         meshctl explain TW0201 says more\n"
    );
    let finding = &json["findings"][0];
    assert_eq!(finding["code"], "TW0201");
    assert_eq!(finding["level"], "error");
    assert_eq!(finding["line"], 7);
    assert_eq!(json["errors"], 1);
}

#[test]
fn errors_end_with_1_and_warnings_only_if_they_shall() {
    let folder = tempfile::tempdir().unwrap();
    let text = GOOD.replace("cluster.local/", "spiffe://cluster.local/");
    let error = run(&command(&folder, &text)).unwrap_err();
    assert!(matches!(
        error,
        Error::Findings {
            errors: 1,
            warnings: 0
        }
    ));
    let text =
        format!("{GOOD}  - from:\n    - source: {{principals: [cluster.local/ns/foo/sa/a]}}\n");
    let mut lenient = command(&folder, &text);
    run(&lenient).unwrap();
    lenient.strict = true;
    let error = run(&lenient).unwrap_err();
    assert!(matches!(
        error,
        Error::Findings {
            errors: 0,
            warnings: 1
        }
    ));
}

#[test]
fn files_that_cannot_be_read_end_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let error = run(&command(&folder, "a: [")).unwrap_err();
    assert!(matches!(error, Error::UnreadablePolicies { count: 1 }));
    let missing = PathBuf::from("missing");
    let mut bad = command(&folder, GOOD);
    bad.workloads = vec![missing.clone()];
    assert!(matches!(run(&bad).unwrap_err(), Error::Policies(_)));
    let mut bad = command(&folder, GOOD);
    bad.mesh_config = Some(missing.clone());
    assert!(matches!(run(&bad).unwrap_err(), Error::Policies(_)));
    let mut bad = command(&folder, GOOD);
    bad.descriptors = vec![missing];
    assert!(matches!(run(&bad).unwrap_err(), Error::Unreadable { .. }));
}

#[test]
fn other_objects_are_counted() {
    let text = format!("{GOOD}---\napiVersion: v1\nkind: Service\n");
    let (shown, json) = report(&text);
    assert!(
        shown.ends_with("1 other object left alone: v1 Service\n"),
        "{shown}"
    );
    assert_eq!(json["ignored"]["v1 Service"], 1);
}

#[test]
fn codes_are_listed_and_explained() {
    assert!(codes_text().starts_with("TW0001  error    a file that cannot be read\n"));
    let page = code_json("TW0201".parse().unwrap());
    assert_eq!(page["level"], "error");
    assert!(page["page"].as_str().unwrap().contains("```yaml found"));
    let unknown = Explain {
        code: Some("TW9999".to_owned()),
        output: Output::Text,
    };
    assert!(matches!(explain(&unknown).unwrap_err(), Error::Usage(_)));
}

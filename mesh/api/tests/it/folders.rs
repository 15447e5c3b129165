//! Which files of a folder are read, and what becomes of those that cannot be.

use std::fs;
use std::path::Path;

use mesh_api::{Loaded, ProblemKind};

fn policy(name: &str) -> String {
    format!(
        "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {{name: {name}}}\n"
    )
}

fn names(loaded: &Loaded) -> Vec<&str> {
    let policies = &loaded.policies.peer_authentications;
    policies
        .iter()
        .map(|policy| policy.meta.name.as_str())
        .collect()
}

fn write(folder: &Path, file: &str, text: &str) {
    let path = folder.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn a_folder_is_read_with_all_below_it_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let json = r#"{"apiVersion":"security.istio.io/v1","kind":"PeerAuthentication","metadata":{"name":"c"}}"#;
    write(folder.path(), "b.yml", &policy("b"));
    write(folder.path(), "a.yaml", &policy("a"));
    write(folder.path(), "c/d/e.json", json);
    write(folder.path(), "readme.md", "[");
    write(folder.path(), "..data/a.yaml", &policy("a"));
    write(folder.path(), ".hidden.yaml", "[");
    let loaded = Loaded::from_paths(&[folder.path()]).valid().unwrap();
    assert_eq!(names(&loaded), ["a", "b", "c"]);
    let origin = &loaded.policies.peer_authentications[2].meta.origin;
    assert_eq!(origin.file, folder.path().join("c/d/e.json"));
}

#[test]
fn a_named_file_is_read_whatever_its_ending() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "policy.txt", &policy("a"));
    let loaded = Loaded::from_paths(&[folder.path().join("policy.txt")]);
    assert_eq!(names(&loaded), ["a"]);
}

#[test]
fn everything_that_cannot_be_read_is_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.yaml", "[");
    fs::write(folder.path().join("b.yaml"), [0xff, 0xfe]).unwrap();
    write(folder.path(), "c.yaml", &policy("A"));
    fs::create_dir(folder.path().join("empty")).unwrap();
    let paths = [
        folder.path().to_owned(),
        folder.path().join("missing.yaml"),
        folder.path().join("empty"),
    ];
    let loaded = Loaded::from_paths(&paths);
    let kinds: Vec<ProblemKind> = loaded.problems.iter().map(|problem| problem.kind).collect();
    let unreadable = ProblemKind::Unreadable;
    assert_eq!(
        kinds,
        [
            unreadable,
            unreadable,
            ProblemKind::Invalid,
            unreadable,
            unreadable
        ]
    );
    let text = loaded.valid().unwrap_err().to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 5);
    assert!(lines[1].ends_with("b.yaml: not UTF-8"), "{text}");
    assert!(lines[3].contains("missing.yaml: no such file"), "{text}");
    assert!(
        lines[4].ends_with("empty: no file that ends in .yaml, .yml or .json"),
        "{text}"
    );
}

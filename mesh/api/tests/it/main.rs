//! The whole loader from outside: files in, policies or problems out.

#![allow(clippy::unwrap_used)]

mod authorization;
mod documents;
mod folders;
mod jwt;
mod mesh_config;
mod peer;
mod schema;

use std::path::Path;

use mesh_api::{Loaded, Problem};

/// The name of every file in these tests.
const FILE: &str = "p.yaml";

/// A policy of that kind with this spec; the spec begins on line 6.
fn object(kind: &str, spec: &str) -> String {
    let header = format!("apiVersion: security.istio.io/v1\nkind: {kind}\n");
    let indented: String = spec.lines().map(|line| format!("  {line}\n")).collect();
    format!("{header}metadata: {{name: p,\n  namespace: foo}}\nspec:\n{indented}")
}

fn load(text: &str) -> Loaded {
    Loaded::from_text(Path::new(FILE), text)
}

/// Policies without a problem or a warning.
fn clean(text: &str) -> Loaded {
    let loaded = load(text);
    assert_eq!(shown(&loaded.problems), "", "{text}");
    assert_eq!(shown(&loaded.warnings), "", "{text}");
    loaded
}

/// Problems as they are printed, without the object that all of them name.
fn shown(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems
        .iter()
        .map(|problem| {
            let plain = Problem {
                object: String::new(),
                ..problem.clone()
            };
            plain.to_string()
        })
        .collect();
    lines.join("\n")
}

/// Loads a spec and compares everything that is wrong with it.
fn check_problems(kind: &str, spec: &str, expected: &[&str]) {
    let loaded = load(&object(kind, spec));
    assert_eq!(shown(&loaded.problems), expected.join("\n"), "{spec}");
}

/// Loads a spec that is right and compares all warnings.
fn check_warnings(kind: &str, spec: &str, expected: &[&str]) {
    let loaded = load(&object(kind, spec));
    assert_eq!(shown(&loaded.problems), "", "{spec}");
    assert_eq!(shown(&loaded.warnings), expected.join("\n"), "{spec}");
}

//! Policies in, findings out.

// The shares that are found are worth reading where they are not asserted.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod engine;
mod mutants;
mod pages;
mod shop;

use std::path::Path;

use mesh_analysis::{Code, Finding, World, analyze};
use mesh_api::Loaded;

fn findings(text: &str, world: &World) -> Vec<Finding> {
    analyze(&Loaded::from_text(Path::new("p.yaml"), text), world)
}

fn codes(text: &str, world: &World) -> Vec<Code> {
    findings(text, world)
        .iter()
        .map(|finding| finding.code)
        .collect()
}

fn shown(findings: &[Finding]) -> String {
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

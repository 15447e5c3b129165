//! The targets of the tests as a library for libFuzzer (`mesh/policy/fuzz`); no part of the test
//! binary.

#![allow(dead_code)]

mod case;
mod differential;
mod engine;
mod generate;
mod keep;
mod naive;
mod shrink;
#[path = "fuzz/targets.rs"]
mod targets;

/// Any text as policies and as MeshConfig.
pub fn policies(data: &[u8]) {
    targets::policies(data);
}

/// Any identity.
pub fn identities(data: &[u8]) {
    targets::identities(data);
}

/// Any path.
pub fn paths(data: &[u8]) {
    targets::paths(data);
}

/// Any template.
pub fn templates(data: &[u8]) {
    targets::templates(data);
}

/// Any request.
pub fn requests(data: &[u8]) {
    targets::requests(data);
}

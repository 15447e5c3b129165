//! `meshctl` as a process against a real control plane and real workloads.
#![allow(clippy::unwrap_used)]

mod analyze;
mod authz;
mod cert;
mod completions;
mod examples;
mod forward;
mod mesh;
mod status;

//! `meshctl` as a process against a real control plane and real workloads.
#![allow(clippy::unwrap_used)]

mod cert;
mod forward;
mod mesh;
mod status;

//! Mesh identity for programs that do not link the data plane.
//!
//! The agent fetches the SVID of one workload and serves it, with the trust bundle, to that
//! workload's proxy over Envoy's secret discovery service on a Unix socket. It proxies nothing.

#![warn(missing_docs)]

pub mod agent;
pub mod config;
mod error;

pub use error::Error;

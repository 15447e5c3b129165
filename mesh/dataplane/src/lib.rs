//! The data plane: the engine that a service links to be part of the mesh.
//!
//! Inbound: accept → handshake → HTTP/2 → policies, limits, deadline → the service.
//! Outbound: endpoints → pool → handshake with the expected identity → replay of what was
//! provably not processed. Both directions own their connections: each one ages, says goodbye
//! with GOAWAY, and is cut after a grace.
//!
//! Not here: certificates and their rotation (`mesh-transport`), logs and trace export
//! (`mesh-telemetry`), and anything about the service that is served.

#![warn(missing_docs)]

mod age;
pub mod config;
pub mod deadline;
mod error;
mod exchange;
mod inbound;
mod metrics;
mod outbound;
mod own_identity;
mod plain;
mod policies;
mod readiness;
mod registry;
mod socket;
mod workload;

pub use config::{ConfigError, Env, Mode, Ports, Settings};
pub use deadline::Deadline;
pub use error::Error;
pub use inbound::Serving;
pub use outbound::{Endpoint, Endpoints, MeshChannel, ResponseBody};
pub use plain::{serve_metrics, serve_probes};
pub use readiness::{Condition, Readiness};
pub use workload::{PlainAddresses, Workload};

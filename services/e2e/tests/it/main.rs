//! The shop end to end: real Envoy, mutual TLS, PostgreSQL, Kafka, mail. See `shop.rs` first.

#![allow(clippy::unwrap_used)]

mod shop;

// What hostile clients send, from the tests of the mesh.
#[path = "../../../../mesh/dataplane/tests/it/attacks.rs"]
#[allow(dead_code, reason = "the mesh's own tests use all of it")]
mod attacks;
#[path = "../../../../mesh/dataplane/tests/it/wire.rs"]
#[allow(dead_code, reason = "the mesh's own tests use all of it")]
mod wire;

mod access;
mod authority_down;
mod bad_grpc;
mod bad_input;
mod bad_input_catalogue;
mod bad_input_orders;
mod bad_input_paths;
mod bad_input_payments;
mod callers;
mod catalogue;
mod certificates;
mod edge;
mod edge_own;
mod idempotency;
mod isolation;
mod limits_echo;
mod limits_edge;
mod limits_mesh;
mod load;
mod mesh;
mod orders;
mod outage;
mod overload;
mod overload_gun;
mod random_requests;
mod rolling_restart;
mod trace;

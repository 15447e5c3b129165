//! The shop end to end: real Envoy, mutual TLS, PostgreSQL, Kafka, mail. See `shop.rs` first.

#![allow(clippy::unwrap_used)]

mod shop;

mod access;
mod authority_down;
mod bad_grpc;
mod bad_input;
mod bad_input_catalogue;
mod bad_input_orders;
mod bad_input_paths;
mod bad_input_payments;
mod catalogue;
mod certificates;
mod edge;
mod idempotency;
mod isolation;
mod load;
mod mesh;
mod orders;
mod outage;
mod random_requests;
mod rolling_restart;
mod trace;

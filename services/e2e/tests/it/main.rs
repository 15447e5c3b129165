//! The shop end to end: real Envoy, mutual TLS, PostgreSQL, Kafka, mail. See `shop.rs` first.

#![allow(clippy::unwrap_used)]

mod shop;

mod access;
mod catalogue;
mod edge;
mod idempotency;
mod isolation;
mod mesh;
mod orders;
mod outage;
mod trace;

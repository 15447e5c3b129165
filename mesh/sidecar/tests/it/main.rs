//! The agent over its real socket: asked as Envoy asks, and by a real Envoy.
//! `TRADEWIND_ROOT` names the checkout that has fetched Envoy; `TRADEWIND_SOAK_SECONDS` makes the
//! rotation run longer than it does in CI.

#![allow(clippy::unwrap_used)]

mod envoy;
mod limits;
mod proxy;
mod sds;
mod server;
mod support;

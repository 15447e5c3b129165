//! The proof of the engine: a naive evaluator, random cases, and a live Envoy.

#![allow(clippy::unwrap_used)]

mod case;
mod envoy;
mod generate;
mod keep;
mod naive;
mod shrink;

//! The proof of the engine: a naive evaluator, random cases, and a live Envoy.

#![allow(clippy::unwrap_used)]
#![allow(clippy::print_stdout)] // the figures of a run, for who asks with --nocapture

mod answers;
mod case;
mod differential;
mod engine;
mod envoy;
mod fuzz;
mod generate;
mod keep;
mod kept;
mod naive;
mod shrink;

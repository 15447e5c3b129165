//! The reconciler against a small shop in databases of its own: nothing wrong is found in it, and
//! each planted violation is found, and nothing else. Needs the PostgreSQL of a running instance
//! (`make test`); it leaves nothing there.

#![allow(clippy::unwrap_used)]

mod planted;
mod shop;

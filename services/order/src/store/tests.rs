//! The store against a real PostgreSQL, moved as in production: by the API's calls, by delivered
//! events and by the worker's tasks, with the neighbours as real servers in this process.

#![allow(clippy::unwrap_used)]

mod cancel;
mod desk;
mod duplicates;
mod placing;
mod saga;

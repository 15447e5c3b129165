//! The store against a real PostgreSQL, reached as in production: through the store's own methods,
//! the handler of events and the worker of tasks.

#![allow(clippy::unwrap_used)]

mod catalogue;
mod guards;
mod pages;
mod reservations;
mod shop;
mod stock;

//! The API: requests, roles, and whole calls.

#![allow(clippy::unwrap_used)]

mod calls;
mod requests;
mod roles;

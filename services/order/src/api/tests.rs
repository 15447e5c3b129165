#![allow(clippy::unwrap_used)]

mod orders;
mod requests;
mod roles;

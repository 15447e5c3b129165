#![allow(clippy::unwrap_used)]

mod calls;
mod requests;
mod roles;

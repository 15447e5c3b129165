//! The data plane over real sockets: identities from a real authority, real HTTP/2, real time.
//! `TRADEWIND_SOAK_SECONDS` makes the rotation run longer than it does in CI.
#![allow(clippy::unwrap_used)]

mod attacks;
mod balance;
mod deadlines;
mod drain;
mod floods;
mod limits;
mod plain;
mod policies;
mod refused;
mod replay;
mod restart;
mod rotation;
mod scripted;
mod slow;
mod support;
mod wire;

//! What is the same in every service of the shop: settings, database with transactions, outbox,
//! inbox, tasks, idempotency, bus, caller, errors, money, pages, and the start of the server.
//!
//! A service reaches the mesh and the broker through this crate. It holds no rule of the shop:
//! those live in the `domain.rs` of the services.

#![warn(missing_docs)]

pub mod bus;
pub mod caller;
pub mod config;
pub mod db;
pub mod error;
pub mod idempotency;
pub mod inbox;
mod jwt;
mod metrics;
pub mod money;
mod origin;
pub mod outbox;
pub mod page;
pub mod server;
mod statement;
pub mod tasks;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod unreadable;
mod vital;

pub use caller::{Caller, EndUser, Role};
pub use config::ShopSettings;
pub use db::{Database, Tx};
pub use error::{Error, Failure, Kind, Violations};
pub use money::{Currency, Money};
pub use server::{Chassis, Running};

//! The reconciler: reads the four databases and the payment provider's ledger side by side and
//! says, order by order, where the invariants of the shop do not hold.
//!
//! It only reads, and it knows nothing of the services but their tables. The databases are not
//! read at one instant, so its word counts once the shop is quiet: [`quiet::wait`] waits for that.

#![warn(missing_docs)]

pub mod acknowledged;
mod checks;
mod error;
pub mod quiet;
pub mod report;
pub mod sources;

pub use checks::reconcile;
pub use error::Error;

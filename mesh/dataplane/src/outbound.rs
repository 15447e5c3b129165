//! Outbound: calls to other workloads over connections that the mesh owns.
//!
//! endpoints → the less busy of two → a connection of its pool (dialled and verified when there is
//! none) → the call, replayed once when the peer provably did not process it.

mod backoff;
mod body;
mod channel;
mod dial;
mod discovery;
mod failure;
mod pool;
mod replay;

#[cfg(test)]
pub(crate) use self::pool::Pool;
pub use self::{
    body::ResponseBody,
    channel::MeshChannel,
    discovery::{Endpoint, Endpoints},
};
pub(crate) use self::{dial::Dialer, discovery::Discovery, pool::Call};

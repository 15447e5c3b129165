//! TLS by SPIFFE id: configurations from a rotating identity, the peer of a connection, and the
//! client that fetches identities from an Istio certificate authority.
//!
//! This crate makes and checks handshakes. It does not own listeners or pools: those belong to the
//! data plane, which asks here for a configuration whenever the identity has changed.

#![warn(missing_docs)]

mod error;
mod identity_source;
pub mod istio_ca;
mod peer;
mod tls;

pub use error::{Error, handshake_failure};
pub use identity_source::{Identity, IdentitySource};
pub use peer::{PeerIdentity, peer_identity, require_h2};
pub use tls::{
    AuthorityExpectation, ClientCertificate, authority_client_config, client_config, server_config,
    server_config_with, unnamed_server,
};

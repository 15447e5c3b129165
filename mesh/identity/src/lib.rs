//! Identities of the mesh: SPIFFE ids, certificate requests, the signing authority, trust bundles.
//!
//! Everything here is a pure function over bytes and a time that is passed in. There are no
//! sockets, no files and no clock: who stores a key or asks for a certificate is somebody else's
//! business.

#![warn(missing_docs)]

mod authority;
mod bundle;
mod csr;
mod error;
mod spiffe;
mod svid;

pub use authority::{Authority, Issued, RootAuthority};
pub use bundle::{TrustBundles, certificates_from_pem, certificates_to_pem};
pub use csr::{Csr, PublicKey};
pub use error::Error;
pub use spiffe::{SpiffeId, TrustDomain};
pub use svid::{Leaf, Svid, spiffe_id_of};

//! Who is at the other end of a connection whose handshake is done.

use std::{sync::Arc, time::SystemTime};

use mesh_identity::{Leaf, SpiffeId};
use rustls::CommonState;

use crate::error::Error;
use crate::tls::ALPN_H2;

/// The peer of a connection, as its verified certificate says. Headers never change it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerIdentity {
    /// The peer's SPIFFE id.
    pub id: SpiffeId,
    /// When the peer's certificate ends; the connection should end before.
    pub not_after: SystemTime,
    /// Serial number of the peer's certificate in lower-case hexadecimal.
    pub serial: Arc<str>,
}

/// The peer of a connection that was made with a configuration of this crate.
///
/// The handshake has verified the chain. Only its leaf is read here.
pub fn peer_identity(connection: &CommonState) -> Result<PeerIdentity, Error> {
    let leaf = connection
        .peer_certificates()
        .and_then(<[_]>::first)
        .ok_or(Error::NoCertificate)?;
    let leaf = Leaf::parse(leaf)?;
    Ok(PeerIdentity {
        id: leaf.id,
        not_after: leaf.not_after,
        serial: leaf.serial.into(),
    })
}

/// Fails unless both sides agreed on HTTP/2. TLS alone lets a peer pass that offers no protocol.
pub fn require_h2(connection: &CommonState) -> Result<(), Error> {
    if connection.alpn_protocol() == Some(ALPN_H2) {
        return Ok(());
    }
    Err(Error::NoHttp2)
}

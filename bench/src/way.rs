//! The ways in which the same call is made.

use clap::ValueEnum;

/// How client and server talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Way {
    /// tonic's own server and channel in plaintext: the yardstick.
    Tonic,
    /// The same inside TLS with the mesh's configurations: what TLS alone costs.
    TonicTls,
    /// The mesh with `MESH_MODE=off`: what the mesh costs without TLS.
    Off,
    /// The mesh as services run it.
    Mtls,
}

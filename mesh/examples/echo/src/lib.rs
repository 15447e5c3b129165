//! Echo: a service on the mesh without the shop. One unary call and streams in both directions,
//! with delays that the caller chooses, so that drains and rotations can be watched.

#![warn(missing_docs)]

/// The package `echo.v1`, written by `make proto`.
pub mod pb {
    #![allow(
        clippy::all,
        clippy::pedantic,
        clippy::wildcard_imports,
        missing_docs,
        unreachable_pub
    )]
    include!("gen/echo.v1.rs");
}

mod service;

use tonic::service::Routes;

use self::pb::echo_service_server::{EchoService, EchoServiceServer};
pub use self::service::{Answers, Echo};

/// What one message may have; tonic's own default, stated.
const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// `service` as the mesh serves it.
pub fn routes<E: EchoService>(service: E) -> Routes {
    let server = EchoServiceServer::new(service)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    Routes::new(server).prepare()
}

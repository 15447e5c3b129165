//! The shop's protobuf contract as Rust: messages, clients and servers, written by `make proto`.
//!
//! The sources are the `.proto` files beside this crate. Domain types live in the services and
//! never here: these types are the wire, and end at `api.rs` and `events.rs` of each service.

/// Google's common types.
pub mod google {
    /// `google.type`.
    pub mod r#type {
        #![allow(
            clippy::all,
            clippy::pedantic,
            missing_docs,
            unreachable_pub,
            unused_qualifications
        )]
        include!("gen/google.r#type.rs");
        include!("gen/google.r#type.serde.rs");
    }
}

/// The packages `shop.<service>.v1`.
pub mod shop {
    macro_rules! package {
        ($service:ident, $code:literal, $json:literal) => {
            #[doc = concat!("Package `shop.", stringify!($service), "`.")]
            pub mod $service {
                /// Version 1.
                pub mod v1 {
                    #![allow(
                        clippy::all,
                        clippy::pedantic,
                        clippy::wildcard_imports,
                        missing_docs,
                        unreachable_pub
                    )]
                    include!($code);
                    include!($json);
                }
            }
        };
    }

    package!(
        notification,
        "gen/shop.notification.v1.rs",
        "gen/shop.notification.v1.serde.rs"
    );
    package!(order, "gen/shop.order.v1.rs", "gen/shop.order.v1.serde.rs");
    package!(
        payment,
        "gen/shop.payment.v1.rs",
        "gen/shop.payment.v1.serde.rs"
    );
    package!(
        product,
        "gen/shop.product.v1.rs",
        "gen/shop.product.v1.serde.rs"
    );
}

pub use google::r#type::Money;
pub use shop::{notification, order, payment, product};

/// `FileDescriptorSet` of everything in this crate, encoded: what reflection and Envoy's transcoder read.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("../../gateway-envoy/shop.binpb");

#[cfg(test)]
mod tests;

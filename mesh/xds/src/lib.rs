//! Generated messages, clients and servers of the standard protocols that the mesh speaks.
//!
//! Envoy's come from `envoy-types`, which no other crate names; Istio's are generated from `proto/`
//! by `scripts/proto.sh`. There is no behaviour here.

#![warn(missing_docs)]

/// Istio's certificate authority protocol.
pub mod ca {
    pub use crate::istio::v1::auth::istio_certificate_service_client::IstioCertificateServiceClient;
    pub use crate::istio::v1::auth::istio_certificate_service_server::{
        IstioCertificateService, IstioCertificateServiceServer,
    };
    pub use crate::istio::v1::auth::{IstioCertificateRequest, IstioCertificateResponse};
}

/// Envoy's discovery messages, the same for every type of resource.
pub mod discovery {
    pub use envoy_types::pb::envoy::config::core::v3::Node;
    pub use envoy_types::pb::envoy::service::discovery::v3::{
        DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
    };
    pub use envoy_types::pb::google::protobuf::Any;
    pub use envoy_types::util::pack_any;
}

/// Envoy's secret discovery service, and what a secret is made of.
pub mod secret {
    pub use envoy_types::pb::envoy::config::core::v3::{DataSource, data_source};
    pub use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{
        CertificateValidationContext, Secret, TlsCertificate, secret,
    };
    pub use envoy_types::pb::envoy::service::secret::v3::secret_discovery_service_client::SecretDiscoveryServiceClient;
    pub use envoy_types::pb::envoy::service::secret::v3::secret_discovery_service_server::{
        SecretDiscoveryService, SecretDiscoveryServiceServer,
    };
}

mod istio {
    pub(crate) mod v1 {
        #[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
        pub(crate) mod auth {
            include!("gen/istio.v1.auth.rs");
        }
    }
}

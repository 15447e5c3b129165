//! A workload: what policies select, and the WorkloadEntry that tells of one.

use std::collections::BTreeMap;

use crate::meta::{Labels, Meta};

/// The server for which policies are compiled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Workload {
    /// Its Kubernetes namespace.
    pub namespace: String,
    /// Its service account.
    pub service_account: String,
    /// Its labels, which selectors compare.
    pub labels: Labels,
    /// Its trust domain; empty is the mesh's.
    pub trust_domain: String,
}

/// `networking.istio.io` WorkloadEntry, as far as policies can tell workloads apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkloadEntry {
    /// Names and place.
    pub meta: Meta,
    /// `spec.serviceAccount`.
    pub service_account: String,
    /// `spec.labels`.
    pub labels: Labels,
    /// `spec.ports`: port numbers by name.
    pub ports: BTreeMap<String, u16>,
}

/// What Istio takes a port to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PortProtocol {
    /// HTTP of any version, gRPC among it.
    Http,
    /// Opaque bytes: nothing of HTTP can be matched.
    Tcp,
    /// Not said; Istio finds out by the first bytes.
    Unknown,
}

// === impl PortProtocol ===

impl PortProtocol {
    /// The protocol that a port's name says: the part before the first `-`, in any case.
    #[must_use]
    pub fn of_port_name(name: &str) -> Self {
        let lower = name.to_ascii_lowercase();
        // `grpc-web` is the one protocol whose own name has a dash; it is HTTP like `grpc`.
        match lower.split('-').next().unwrap_or_default() {
            "http" | "http2" | "grpc" => PortProtocol::Http,
            "tcp" | "tls" | "https" | "mongo" | "mysql" | "redis" | "udp" => PortProtocol::Tcp,
            _ => PortProtocol::Unknown,
        }
    }
}

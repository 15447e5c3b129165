//! The metrics of the control plane.

use std::sync::LazyLock;

use prometheus::IntCounterVec;
use tonic::Code;

static REQUESTS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    mesh_telemetry::metrics::counter(
        "meshd_certificate_requests_total",
        "Certificate requests by their gRPC status.",
        &["status"],
    )
});

/// Counts one request by how it ended.
pub(crate) fn certificate_request(refusal: Option<Code>) {
    let status = match refusal {
        None => "OK",
        Some(Code::Unauthenticated) => "UNAUTHENTICATED",
        Some(Code::InvalidArgument) => "INVALID_ARGUMENT",
        Some(_) => "INTERNAL",
    };
    REQUESTS.with_label_values(&[status]).inc();
}

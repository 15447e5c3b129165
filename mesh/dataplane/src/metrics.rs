//! The metrics of the data plane: Istio's names for calls, names of our own for connections.
//! Every label is bounded: identities that the CA vouched for, status codes, and the words below;
//! never a path or anything else that a caller may invent.

use std::{
    sync::{LazyLock, OnceLock},
    time::Duration,
};

use mesh_identity::SpiffeId;
use mesh_telemetry::metrics::{counter, gauge, histogram};
use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec};
use tonic::Code;

/// Istio's label names. What is not known is `unknown`, as there.
const REQUEST_LABELS: [&str; 13] = [
    "reporter",
    "source_workload",
    "source_workload_namespace",
    "source_principal",
    "destination_workload",
    "destination_workload_namespace",
    "destination_principal",
    "destination_service",
    "request_protocol",
    "response_code",
    "grpc_response_status",
    "response_flags",
    "connection_security_policy",
];
/// From a call inside one machine to the longest deadline that a caller gets.
const DURATION_BUCKETS_MS: [f64; 14] = [
    0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 5_000.0, 30_000.0,
    300_000.0,
];
/// gRPC has the codes 0 to 16.
const CODES: usize = 17;
const UNKNOWN: &str = "unknown";

static REQUESTS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter(
        "istio_requests_total",
        "Calls that have ended.",
        &REQUEST_LABELS,
    )
});
static DURATION: LazyLock<HistogramVec> = LazyLock::new(|| {
    histogram(
        "istio_request_duration_milliseconds",
        "Time from the first byte of a call to its end, streams included.",
        &REQUEST_LABELS,
        &DURATION_BUCKETS_MS,
    )
});
static CONNECTIONS_OPEN: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    gauge(
        "mesh_connections_open",
        "HTTP/2 connections that stand.",
        &["workload", "direction"],
    )
});
static CONNECTIONS_RETIRED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter(
        "mesh_connections_retired_total",
        "Connections that take no new calls any more, by what retired them.",
        &["workload", "direction", "cause"],
    )
});
static HANDSHAKES_REFUSED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter(
        "mesh_handshakes_failed_total",
        "Handshakes that failed or ran out of time.",
        &["workload", "direction"],
    )
});
static REPLAYS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter(
        "mesh_replays_total",
        "Calls sent again because the peer provably did not process them.",
        &["workload", "cause"],
    )
});
static ACCEPT_ERRORS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter(
        "mesh_accept_errors_total",
        "Failures to accept a connection.",
        &["kind"],
    )
});

/// The direction of a connection as seen from this workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Inbound,
    Outbound,
}

/// Why a call ended as it did, beyond its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flag {
    None,
    Denied,
    Malformed,
    Overload,
    Deadline,
    Drained,
    Panicked,
    Cancelled,
    Unreachable,
    ConnectionLost,
}

/// The calls between one peer and this workload, in one direction.
#[derive(Debug)]
pub(crate) struct Traffic {
    direction: Direction,
    own: SpiffeId,
    peer: Option<SpiffeId>,
    mutual_tls: bool,
    /// The usual endings, looked up once: a lookup hashes thirteen strings.
    usual: [OnceLock<(IntCounter, Histogram)>; CODES],
}

// === impl Direction ===

impl Direction {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        }
    }
}

// === impl Flag ===

impl Flag {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::None => "-",
            Self::Denied => "DENY",
            Self::Malformed => "MALFORMED",
            Self::Overload => "OVERLOAD",
            Self::Deadline => "DEADLINE",
            Self::Drained => "DRAINED",
            Self::Panicked => "PANIC",
            Self::Cancelled => "CANCELLED",
            Self::Unreachable => "CONNECT",
            Self::ConnectionLost => "CONNECTION_LOST",
        }
    }
}

// === impl Traffic ===

impl Traffic {
    pub(crate) fn new(
        direction: Direction,
        own: SpiffeId,
        peer: Option<SpiffeId>,
        mutual_tls: bool,
    ) -> Self {
        Self {
            direction,
            own,
            peer,
            mutual_tls,
            usual: [const { OnceLock::new() }; CODES],
        }
    }

    pub(crate) fn record(&self, http: http::StatusCode, code: Code, flag: Flag, took: Duration) {
        let milliseconds = took.as_secs_f64() * 1_000.0;
        if flag == Flag::None && http == http::StatusCode::OK {
            let index = usize::try_from(i32::from(code))
                .unwrap_or(CODES - 1)
                .min(CODES - 1);
            let (requests, duration) =
                self.usual[index].get_or_init(|| self.find(http, code, flag));
            requests.inc();
            duration.observe(milliseconds);
        } else {
            let (requests, duration) = self.find(http, code, flag);
            requests.inc();
            duration.observe(milliseconds);
        }
    }

    fn find(&self, http: http::StatusCode, code: Code, flag: Flag) -> (IntCounter, Histogram) {
        let own = Names::of(Some(&self.own));
        let peer = Names::of(self.peer.as_ref());
        let (reporter, source, destination) = match self.direction {
            Direction::Inbound => ("destination", peer, own),
            Direction::Outbound => ("source", own, peer),
        };
        let service = format!("{}.{}.svc", destination.workload, destination.namespace);
        let grpc = i32::from(code).to_string();
        let labels = [
            reporter,
            source.workload,
            source.namespace,
            &source.principal,
            destination.workload,
            destination.namespace,
            &destination.principal,
            &service,
            "grpc",
            http.as_str(),
            &grpc,
            flag.as_str(),
            if self.mutual_tls {
                "mutual_tls"
            } else {
                "none"
            },
        ];
        (
            REQUESTS.with_label_values(&labels),
            DURATION.with_label_values(&labels),
        )
    }
}

/// How Istio names a workload in labels.
struct Names<'a> {
    workload: &'a str,
    namespace: &'a str,
    principal: String,
}

impl<'a> Names<'a> {
    fn of(id: Option<&'a SpiffeId>) -> Self {
        match id {
            Some(id) => Self {
                workload: id.service_account(),
                namespace: id.namespace(),
                principal: id.to_string(),
            },
            None => Self {
                workload: UNKNOWN,
                namespace: UNKNOWN,
                principal: UNKNOWN.to_owned(),
            },
        }
    }
}

// === connections ===

pub(crate) fn connection_opened(own: &SpiffeId, direction: Direction) {
    CONNECTIONS_OPEN
        .with_label_values(&[&own.to_string(), direction.as_str()])
        .inc();
}

pub(crate) fn connection_closed(own: &SpiffeId, direction: Direction) {
    CONNECTIONS_OPEN
        .with_label_values(&[&own.to_string(), direction.as_str()])
        .dec();
}

pub(crate) fn connection_retired(own: &SpiffeId, direction: Direction, cause: &str) {
    CONNECTIONS_RETIRED
        .with_label_values(&[&own.to_string(), direction.as_str(), cause])
        .inc();
}

pub(crate) fn handshake_failed(own: &SpiffeId, direction: Direction) {
    HANDSHAKES_REFUSED
        .with_label_values(&[&own.to_string(), direction.as_str()])
        .inc();
}

pub(crate) fn replayed(own: &SpiffeId, cause: &str) {
    REPLAYS.with_label_values(&[&own.to_string(), cause]).inc();
}

pub(crate) fn accept_failed(kind: &str) {
    ACCEPT_ERRORS.with_label_values(&[kind]).inc();
}

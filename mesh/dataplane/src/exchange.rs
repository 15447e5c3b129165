//! One call from its begin to its end, in either direction: the span, the metrics, its place on
//! the connection. Whatever happens to a call, it is counted once.

use std::{sync::Arc, time::Instant};

use http::{HeaderMap, StatusCode};
use tokio::sync::OwnedSemaphorePermit;
use tonic::{Code, Status};
use tracing::Span;

use crate::{
    metrics::{Flag, Traffic},
    outbound::Call,
    registry::OpenStream,
};

/// One call. Dropped before it was finished, it counts as cancelled by whoever dropped it.
#[derive(Debug)]
pub(crate) struct Exchange {
    started: Instant,
    traffic: Arc<Traffic>,
    span: Span,
    http: StatusCode,
    finished: bool,
    /// All three are given back when the call ends, not when its answer begins.
    stream: Option<OpenStream>,
    /// Outbound only. After the stream: whoever it wakes must find the place free.
    call: Option<Call>,
    /// Inbound only.
    permit: Option<OwnedSemaphorePermit>,
}

// === impl Exchange ===

impl Exchange {
    pub(crate) fn begin(traffic: Arc<Traffic>, span: Span) -> Self {
        Self {
            started: Instant::now(),
            traffic,
            span,
            http: StatusCode::OK,
            finished: false,
            stream: None,
            call: None,
            permit: None,
        }
    }

    pub(crate) fn span(&self) -> &Span {
        &self.span
    }

    /// The connection that the call is on from now on.
    pub(crate) fn on(&mut self, stream: OpenStream, traffic: Arc<Traffic>) {
        self.stream = Some(stream);
        self.traffic = traffic;
    }

    /// The place of an outbound call on its connection.
    pub(crate) fn on_lease(&mut self, stream: OpenStream, call: Call, traffic: Arc<Traffic>) {
        self.on(stream, traffic);
        self.call = Some(call);
    }

    /// Gives the place back: the call goes on elsewhere.
    pub(crate) fn leave(&mut self) {
        self.stream = None;
        self.call = None;
    }

    pub(crate) fn hold(&mut self, permit: OwnedSemaphorePermit) {
        self.permit = Some(permit);
    }

    /// Ends the call with an HTTP status and no gRPC status.
    pub(crate) fn finish_http(&mut self, http: StatusCode, flag: Flag) {
        self.http = http;
        self.finish(Code::Unknown, flag);
    }

    /// Ends the call. Only the first end counts.
    pub(crate) fn finish(&mut self, code: Code, flag: Flag) {
        if std::mem::replace(&mut self.finished, true) {
            return;
        }
        self.span.record("rpc.grpc.status_code", i32::from(code));
        self.traffic
            .record(self.http, code, flag, self.started.elapsed());
        self.leave();
        self.permit = None;
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.finish(Code::Cancelled, Flag::Cancelled);
    }
}

/// The status in headers or trailers, when there is one.
pub(crate) fn code_in(headers: &HeaderMap) -> Option<Code> {
    let value = headers.get(Status::GRPC_STATUS)?;
    Some(Code::from_bytes(value.as_bytes()))
}

#[cfg(test)]
mod tests;

//! Calls that come from the edge: they may be refused when there is too much to do, and before
//! their token is looked at. Calls of other services carry on what was accepted; they, tasks and
//! events have database connections of their own, which no call of the edge can take.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use mesh_transport::PeerIdentity;
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};
use tower::Service;

use crate::db::{Admission, Share};

/// Who brings the calls of outsiders.
const EDGE_ACCOUNT: &str = "gateway";
/// When a caller may try again: overload passes within seconds, and all come back at once anyway.
const RETRY_AFTER: Duration = Duration::from_secs(1);
const REASON: &str = "OVERLOADED";

/// A service that refuses calls of the edge beyond what `admission` lets in.
#[derive(Clone, Debug)]
pub(super) struct Shedding<S> {
    inner: S,
    admission: Admission,
    refusal: Status,
}

// === impl Shedding ===

impl<S> Shedding<S> {
    pub(super) fn new(inner: S, admission: Admission, service: &str) -> Self {
        Self {
            inner,
            admission,
            refusal: refusal(service),
        }
    }
}

impl<S, B> Service<http::Request<B>> for Shedding<S>
where
    S: Service<http::Request<B>, Response = http::Response<tonic::body::Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future =
        Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send + 'static>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let peer = request.extensions().get::<PeerIdentity>();
        if peer.is_some_and(|peer| peer.id.service_account() != EDGE_ACCOUNT) {
            return Box::pin(self.inner.call(request));
        }
        let Some(admitted) = self.admission.enter() else {
            crate::metrics::call_shed();
            let response = self.refusal.clone().into_http();
            return Box::pin(std::future::ready(Ok(response)));
        };
        // Work is done when it is first polled, so the call belongs to its scope from the start.
        let answer = Share::Edge.scope(self.inner.call(request));
        Box::pin(async move {
            let answer = answer.await;
            drop(admitted);
            answer
        })
    }
}

fn refusal(service: &str) -> Status {
    let mut details = ErrorDetails::with_retry_info(Some(RETRY_AFTER));
    let nothing = std::collections::HashMap::new();
    details.set_error_info(REASON, format!("shop.{service}"), nothing);
    let text = "too much to do; try again";
    let mut status = Status::with_error_details(Code::Unavailable, text, details);
    // For clients of the gateway, which hands it on.
    let seconds = MetadataValue::from(RETRY_AFTER.as_secs());
    status.metadata_mut().insert("retry-after", seconds);
    status
}

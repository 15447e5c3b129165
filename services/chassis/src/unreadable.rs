//! Requests that are no message of their method: not Protocol Buffers, not UTF-8, cut off, too
//! large. tonic answers them before any handler, as if this service had failed; the layer here
//! tells the caller that it is the caller's mistake.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::Service;

use crate::error::{Failure, Kind};

/// The routes of a service behind the layer.
#[derive(Clone)]
pub(crate) struct Readable<S>(pub(crate) S);

// === impl Readable ===

impl<S, B> Service<Request<B>> for Readable<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let answering = self.0.call(request);
        Box::pin(async move {
            let response = answering.await?;
            Ok(match misread(&response) {
                Some(failure) => Status::from(failure).into_http(),
                None => response,
            })
        })
    }
}

/// What the caller should be told instead, if the answer is tonic's own about the request. Such a
/// status stands alone: one of a handler carries the details of a [`Failure`], and one that ends an
/// answer stands in its trailers.
fn misread(response: &Response<Body>) -> Option<Failure> {
    let status = Status::from_header_map(response.headers())?;
    if !status.details().is_empty() {
        return None;
    }
    let failure = match status.code() {
        Code::Internal => Failure::new(Kind::Invalid, "the request cannot be read"),
        Code::OutOfRange | Code::ResourceExhausted => {
            Failure::new(Kind::Exhausted, "the request is too large")
        }
        _ => return None,
    };
    Some(failure.caused_by(status))
}

#[cfg(test)]
mod tests;

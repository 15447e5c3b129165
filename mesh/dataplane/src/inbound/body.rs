//! The body of an answer on its way out. It turns errors, panics, the deadline and the end of the
//! connection into trailers, and ends the [`Exchange`] with what the trailers say.
//!
//! The size of one message is not limited here: tonic's codec does it (4 MiB unless a service asks
//! for another limit), because only it knows where a message ends.

use std::{
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body::{Body as _, Frame, SizeHint};
use tonic::{Code, body::Body};

use super::{ends::Ends, status::Refusal};
use crate::{
    deadline,
    exchange::{Exchange, code_in},
    metrics::Flag,
};

/// The body of one answer.
pub(crate) struct ServerBody {
    /// None once the end was sent.
    inner: Option<Body>,
    exchange: Exchange,
    /// None for answers that are complete from the start.
    ends: Option<Pin<Box<Ends>>>,
}

// === impl ServerBody ===

impl ServerBody {
    /// The service's answer, to be ended by `ends` if it does not end before.
    pub(crate) fn stream(
        response: Response<Body>,
        mut exchange: Exchange,
        ends: Pin<Box<Ends>>,
    ) -> Response<Self> {
        let (head, inner) = response.into_parts();
        if inner.is_end_stream() {
            exchange.finish(code_in(&head.headers).unwrap_or(Code::Unknown), Flag::None);
        }
        let body = Self {
            inner: Some(inner),
            exchange,
            ends: Some(ends),
        };
        Response::from_parts(head, body)
    }

    /// An answer of the data plane's own.
    pub(crate) fn refusal(refusal: Refusal, mut exchange: Exchange) -> Response<Self> {
        match &refusal {
            Refusal::Http(status) => exchange.finish_http(*status, refusal.flag()),
            Refusal::Grpc(status, flag) => exchange.finish(status.code(), *flag),
        }
        refusal.into_response().map(|inner| Self {
            inner: Some(inner),
            exchange,
            ends: None,
        })
    }

    /// Counts the end of a call that nothing could be said to any more.
    fn end_unheard(&mut self) {
        if let Some(refusal) = self.ends.as_ref().and_then(|ends| ends.passed()) {
            self.exchange.finish(refusal.code(), refusal.flag());
        }
    }

    fn end(&mut self, refusal: Refusal) -> Option<Result<Frame<Bytes>, Infallible>> {
        self.exchange.finish(refusal.code(), refusal.flag());
        self.end_with(refusal.into_trailers())
    }

    fn end_with(&mut self, trailers: HeaderMap) -> Option<Result<Frame<Bytes>, Infallible>> {
        self.inner = None;
        self.ends = None;
        Some(Ok(Frame::trailers(trailers)))
    }

    fn poll_inner(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(inner) = self.inner.as_mut() else {
            return Poll::Ready(None);
        };
        let poll = AssertUnwindSafe(|| Pin::new(inner).poll_frame(cx));
        // Streams work while they are polled: their calls get what is left of the deadline, too.
        let polled = match &self.ends {
            Some(ends) => deadline::sync_scope(ends.deadline(), || catch_unwind(poll)),
            None => catch_unwind(poll),
        };
        let frame = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(frame)) => frame,
            Err(_) => return Poll::Ready(self.end(Refusal::panicked())),
        };
        Poll::Ready(match frame {
            Some(Ok(frame)) => match frame.into_trailers() {
                Ok(trailers) => {
                    let code = code_in(&trailers).unwrap_or(Code::Unknown);
                    self.exchange.finish(code, Flag::None);
                    self.end_with(trailers)
                }
                Err(data) => match self.ends.as_ref().and_then(|ends| ends.passed()) {
                    Some(refusal) => self.end(refusal),
                    None => Some(Ok(data)),
                },
            },
            Some(Err(status)) => self.end(Refusal::failed(status)),
            None => {
                self.exchange.finish(Code::Unknown, Flag::None);
                self.inner = None;
                None
            }
        })
    }
}

impl http_body::Body for ServerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        let span = this.exchange.span().clone();
        let _entered = span.enter();
        if let Poll::Ready(frame) = this.poll_inner(cx) {
            return Poll::Ready(frame);
        }
        match this.ends.as_mut().map(|ends| ends.as_mut().poll(cx)) {
            Some(Poll::Ready(refusal)) => Poll::Ready(this.end(refusal)),
            _ => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner
            .as_ref()
            .is_none_or(|inner| inner.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Some(inner) if self.ends.is_none() => inner.size_hint(),
            // The end from outside may come before the end that the service has in mind.
            Some(_) => SizeHint::default(),
            None => SizeHint::with_exact(0),
        }
    }
}

impl Drop for ServerBody {
    fn drop(&mut self) {
        self.end_unheard();
    }
}

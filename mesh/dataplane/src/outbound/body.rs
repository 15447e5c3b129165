//! The body of an answer on its way in. It ends with a status when the deadline passes or the
//! connection breaks, and holds the call's place on the connection until then.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};
use tonic::{Code, Status};

use super::failure::{flag_of, status_of};
use crate::{
    exchange::{Exchange, code_in},
    metrics::Flag,
};

const DETAILS: &str = "grpc-status-details-bin";
/// What tonic reads: padded or not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The body of an answer; its error is the status that ends the call.
pub struct ResponseBody {
    /// None once the end was seen.
    inner: Option<Incoming>,
    deadline: Option<(Instant, Pin<Box<Sleep>>)>,
    /// An end without a status is the end of the call and not its success.
    status_due: bool,
    exchange: Exchange,
    drained: tokio_util::sync::CancellationToken,
}

// === impl ResponseBody ===

impl ResponseBody {
    pub(crate) fn of(
        response: Response<Incoming>,
        mut exchange: Exchange,
        drained: tokio_util::sync::CancellationToken,
        deadline: Option<Instant>,
    ) -> Response<Self> {
        let (mut head, inner) = response.into_parts();
        drop_bad_details(&mut head.headers);
        let early = code_in(&head.headers);
        if inner.is_end_stream() {
            exchange.finish(early.unwrap_or(Code::Unknown), Flag::None);
        }
        let deadline = deadline.map(|at| (at, Box::pin(tokio::time::sleep_until(at))));
        let body = Self {
            inner: Some(inner),
            deadline,
            status_due: head.status == StatusCode::OK && early.is_none(),
            exchange,
            drained,
        };
        Response::from_parts(head, body)
    }

    fn fail(&mut self, status: Status, flag: Flag) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.exchange.finish(status.code(), flag);
        // Dropping it resets the stream: the peer need not go on.
        self.inner = None;
        Poll::Ready(Some(Err(status)))
    }

    fn end(&mut self, code: Code) {
        self.exchange.finish(code, Flag::None);
        self.inner = None;
    }
}

impl http_body::Body for ResponseBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        let Some(inner) = this.inner.as_mut() else {
            return Poll::Ready(None);
        };
        match Pin::new(inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(mut frame))) => {
                if let Some(trailers) = frame.trailers_mut() {
                    drop_bad_details(trailers);
                    this.end(code_in(trailers).unwrap_or(Code::Unknown));
                } else if this
                    .deadline
                    .as_ref()
                    .is_some_and(|(at, _)| Instant::now() >= *at)
                {
                    return this.fail(deadline_exceeded(), Flag::Deadline);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                let drained = this.drained.is_cancelled();
                this.fail(status_of(&error, drained), flag_of(drained))
            }
            // hyper takes a reset with NO_ERROR for an end, and tonic takes that for an OK.
            Poll::Ready(None) if this.status_due => this.fail(
                Status::internal("the answer ended without a status"),
                Flag::None,
            ),
            Poll::Ready(None) => {
                this.end(Code::Unknown);
                Poll::Ready(None)
            }
            Poll::Pending => match this
                .deadline
                .as_mut()
                .map(|(_, sleep)| sleep.as_mut().poll(cx))
            {
                Some(Poll::Ready(())) => this.fail(deadline_exceeded(), Flag::Deadline),
                _ => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner
            .as_ref()
            .is_none_or(|inner| inner.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.inner
            .as_ref()
            .map_or(SizeHint::with_exact(0), |inner| inner.size_hint())
    }
}

impl std::fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResponseBody")
            .field("ended", &self.inner.is_none())
            .finish_non_exhaustive()
    }
}

/// tonic panics on details that are no base64; a peer must not be able to do that to us.
fn drop_bad_details(headers: &mut HeaderMap) {
    let Some(details) = headers.get(DETAILS) else {
        return;
    };
    if BASE64.decode(details.as_bytes()).is_err() {
        headers.remove(DETAILS);
    }
}

/// The status of a call whose own deadline has passed.
pub(crate) fn deadline_exceeded() -> Status {
    Status::deadline_exceeded("the deadline has passed")
}

//! The body of a request, kept so that it can be sent once more. What has been sent beyond the
//! limit is not kept, and then there is no second attempt.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as _, Frame, SizeHint};
use tonic::{Status, body::Body};

/// As much as a linkerd proxy keeps. Most messages are far smaller; a stream soon is not.
const KEPT_BYTES_MAX: usize = 64 * 1024;
/// A stream of empty frames must not fill the memory either.
const KEPT_FRAMES_MAX: usize = 64;

/// The request's body with a copy of what was sent of it.
#[derive(Debug, Clone)]
pub(crate) struct Replay {
    shared: Arc<Mutex<Shared>>,
}

/// The body of one attempt. It falls silent when a later attempt is made.
#[derive(Debug)]
pub(crate) struct ReplayBody {
    shared: Arc<Mutex<Shared>>,
    attempt: u32,
    /// How many of the kept frames this attempt has sent.
    position: usize,
    ended: bool,
}

#[derive(Debug)]
struct Shared {
    body: Body,
    attempt: u32,
    kept: Vec<Kept>,
    bytes: usize,
    /// More was sent than is kept.
    overflowed: bool,
    /// The body has given all it had.
    finished: bool,
    failed: bool,
}

#[derive(Clone, Debug)]
enum Kept {
    Data(Bytes),
    Trailers(HeaderMap),
}

// === impl Replay ===

impl Replay {
    pub(crate) fn new(body: Body) -> Self {
        let shared = Shared {
            finished: body.is_end_stream(),
            body,
            attempt: 0,
            kept: Vec::new(),
            bytes: 0,
            overflowed: false,
            failed: false,
        };
        Self {
            shared: Arc::new(Mutex::new(shared)),
        }
    }

    /// Silences the attempts so far and tells whether another one would send what they have sent.
    ///
    /// Both in one step: the connection of a refused attempt may still be taking frames from the
    /// body, and what it takes after the answer was given would be missing from the next attempt.
    pub(crate) fn take_back(&self) -> bool {
        let mut shared = lock(&self.shared);
        shared.attempt += 1;
        !shared.overflowed && !shared.failed
    }

    /// The body for the next attempt; the ones before it send nothing more.
    pub(crate) fn attempt(&self) -> ReplayBody {
        let mut shared = lock(&self.shared);
        shared.attempt += 1;
        ReplayBody {
            shared: Arc::clone(&self.shared),
            attempt: shared.attempt,
            position: 0,
            ended: false,
        }
    }
}

// === impl Shared ===

impl Shared {
    fn poll_new(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Kept, Status>>> {
        if self.finished {
            return Poll::Ready(None);
        }
        let frame = match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(frame) => frame,
        };
        Poll::Ready(match frame {
            Some(Ok(frame)) => Some(Ok(self.keep(frame))),
            Some(Err(status)) => {
                self.failed = true;
                Some(Err(status))
            }
            None => {
                self.finished = true;
                None
            }
        })
    }

    fn keep(&mut self, frame: Frame<Bytes>) -> Kept {
        let (kept, bytes) = match frame.into_data() {
            Ok(data) => (Kept::Data(data.clone()), data.len()),
            Err(frame) => {
                self.finished = true;
                (Kept::Trailers(frame.into_trailers().unwrap_or_default()), 0)
            }
        };
        self.finished |= self.body.is_end_stream();
        self.bytes = self.bytes.saturating_add(bytes);
        if self.overflowed || self.bytes > KEPT_BYTES_MAX || self.kept.len() >= KEPT_FRAMES_MAX {
            self.overflowed = true;
            self.kept = Vec::new();
        } else {
            self.kept.push(kept.clone());
        }
        kept
    }
}

// === impl ReplayBody ===

impl http_body::Body for ReplayBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let shared = Arc::clone(&self.shared);
        let mut shared = lock(&shared);
        if shared.attempt != self.attempt {
            return Poll::Ready(Some(Err(Status::cancelled("another attempt was made"))));
        }
        let next = match shared.kept.get(self.position) {
            Some(kept) => Some(Ok(kept.clone())),
            None => match shared.poll_new(cx) {
                Poll::Ready(next) => next,
                Poll::Pending => return Poll::Pending,
            },
        };
        self.position += 1;
        self.ended = shared.finished && self.position >= shared.kept.len();
        Poll::Ready(match next {
            Some(Ok(Kept::Data(data))) => Some(Ok(Frame::data(data))),
            Some(Ok(Kept::Trailers(trailers))) => Some(Ok(Frame::trailers(trailers))),
            Some(Err(status)) => Some(Err(status)),
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        if self.ended {
            return true;
        }
        let shared = lock(&self.shared);
        shared.finished && self.position >= shared.kept.len()
    }

    fn size_hint(&self) -> SizeHint {
        // gRPC needs no length, and a second attempt would have to know the first one's.
        SizeHint::default()
    }
}

/// Each call has its own, and only the connection's task takes it while the call is under way.
fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    // A panic of the service's own stream is that call's failure and shows as such.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;

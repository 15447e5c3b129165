//! The tasks of calls. hyper runs each stream in one, and asks the answer's body for more only
//! when the peer takes it: a peer that grants no window would hold its call for ever, whatever the
//! body wants to say. So the task itself ends when the deadline has passed.

use std::{
    cell::Cell,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep};

/// After the deadline: time for the call to end as it should, with trailers.
const TRAILERS_TIME: Duration = Duration::from_millis(500);

tokio::task_local! {
    /// Where the call that is being polled leaves its deadline.
    static DEADLINE: Cell<Option<Instant>>;
}

/// Runs the streams of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct StreamTasks;

pin_project! {
    struct Bounded<F> {
        #[pin]
        stream: F,
        deadline: Option<Instant>,
        #[pin]
        cut: Option<Sleep>,
    }
}

/// The call that is being polled must have ended by `deadline`.
pub(super) fn end_by(deadline: Instant) {
    // Outside of a stream's task, which is in tests, nothing needs to be cut.
    let _ = DEADLINE.try_with(|cell| cell.set(Some(deadline)));
}

// === impl StreamTasks ===

impl<F> hyper::rt::Executor<F> for StreamTasks
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        tokio::spawn(Bounded {
            stream,
            deadline: None,
            cut: None,
        });
    }
}

// === impl Bounded ===

impl<F: Future<Output = ()>> Future for Bounded<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let stream = this.stream;
        let (polled, deadline) = DEADLINE.sync_scope(Cell::new(None), || {
            let polled = stream.poll(cx);
            (polled, DEADLINE.with(Cell::take))
        });
        if polled.is_ready() {
            return Poll::Ready(());
        }
        if deadline.is_some() {
            *this.deadline = deadline;
        }
        let Some(deadline) = *this.deadline else {
            return Poll::Pending;
        };
        if this.cut.is_none() {
            let cut = tokio::time::sleep_until(deadline + TRAILERS_TIME);
            this.cut.set(Some(cut));
        }
        match this.cut.as_mut().as_pin_mut() {
            Some(cut) => cut.poll(cx),
            None => Poll::Pending,
        }
    }
}

//! What ends a call from outside: its deadline, or the end of its connection's grace.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::status::Refusal;

pin_project! {
    /// A future that is ready when the call must end.
    pub(crate) struct Ends {
        at: Instant,
        token: CancellationToken,
        #[pin]
        deadline: Sleep,
        #[pin]
        drained: WaitForCancellationFutureOwned,
    }
}

// === impl Ends ===

impl Ends {
    pub(crate) fn new(at: Instant, token: &CancellationToken) -> Self {
        Self {
            at,
            token: token.clone(),
            deadline: tokio::time::sleep_until(at),
            drained: token.clone().cancelled_owned(),
        }
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.at
    }

    /// Whether the call must end, without waiting: for bodies that never pause.
    pub(crate) fn passed(&self) -> Option<Refusal> {
        if self.token.is_cancelled() {
            return Some(Refusal::drained());
        }
        (Instant::now() >= self.at).then(Refusal::deadline)
    }
}

impl Future for Ends {
    type Output = Refusal;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Refusal> {
        let this = self.project();
        if this.drained.poll(cx).is_ready() {
            return Poll::Ready(Refusal::drained());
        }
        this.deadline.poll(cx).map(|()| Refusal::deadline())
    }
}

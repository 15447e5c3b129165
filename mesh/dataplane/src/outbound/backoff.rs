//! When an endpoint that failed may be dialled again. Pure: the time is an argument.

use std::time::Duration;

use tokio::time::Instant;

/// The first pause after a failure: a process that restarts is back within a few of these.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// The longest pause: how late a service that came back may be noticed.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// Callers that lost the same endpoint must not come back together.
const JITTER: std::ops::Range<f64> = 0.8..1.2;
/// 100 ms doubled five times is past the longest pause.
const DOUBLINGS_MAX: u32 = 5;
/// A process that is replaced is back within this. So long, calls with time left wait for an
/// endpoint that has answered before; one that stays away longer fails them at once.
const RESTART_MAX: Duration = Duration::from_secs(8);

/// The failures of one endpoint since it last answered.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    answered: bool,
    failures: u32,
    failing_since: Option<Instant>,
    until: Option<Instant>,
    last: String,
}

// === impl Backoff ===

impl Backoff {
    /// Why nobody should dial now; calls fail at once with it instead of waiting.
    pub(crate) fn blocked(&self, now: Instant) -> Option<&str> {
        self.until
            .filter(|until| now < *until)
            .map(|_| self.last.as_str())
    }

    /// Until when a call should wait before it tries an endpoint that may be restarting. None:
    /// it need not wait, or waiting is in vain.
    pub(crate) fn restarting(&self, now: Instant) -> Option<Instant> {
        let young = |since| now < since + RESTART_MAX;
        let hopeful = self.answered && self.failing_since.is_some_and(young);
        self.until.filter(|_| hopeful)
    }

    pub(crate) fn fail(&mut self, now: Instant, reason: String) {
        let pause = PAUSE_MIN * 2_u32.pow(self.failures.min(DOUBLINGS_MAX));
        let pause = pause.min(PAUSE_MAX).mul_f64(rand::random_range(JITTER));
        self.failures = self.failures.saturating_add(1);
        self.failing_since.get_or_insert(now);
        self.until = Some(now + pause);
        self.last = reason;
    }

    pub(crate) fn succeed(&mut self) {
        *self = Self {
            answered: true,
            ..Self::default()
        };
    }
}

#[cfg(test)]
mod tests;

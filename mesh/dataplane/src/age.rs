//! How long a connection may take new calls. Pure: the time and the chance are arguments.

use std::time::{Duration, SystemTime};

/// Connections that were opened together must not all end together.
const JITTER: std::ops::Range<f64> = 0.80..0.95;

/// What bounds the life of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// When the own certificate ends; none without mutual TLS.
    pub(crate) own_not_after: Option<SystemTime>,
    /// When the peer's certificate ends.
    pub(crate) peer_not_after: Option<SystemTime>,
    /// What the operator allows.
    pub(crate) configured: Duration,
}

// === impl Bounds ===

impl Bounds {
    /// The age at which the connection says goodbye, with chance taken from the thread's generator.
    pub(crate) fn age(&self, now: SystemTime) -> Duration {
        self.age_with(now, rand::random_range(JITTER))
    }

    fn age_with(&self, now: SystemTime, share: f64) -> Duration {
        let left = |end: SystemTime| end.duration_since(now).unwrap_or_default();
        [self.own_not_after.map(left), self.peer_not_after.map(left)]
            .into_iter()
            .flatten()
            .fold(self.configured, Duration::min)
            .mul_f64(share)
    }
}

#[cfg(test)]
mod tests;

//! What the relay may do: pure functions of its rows, its lease and the time.

use std::collections::HashSet;
use std::time::Duration;

/// How long the relay owns the outbox after each renewal. An owner that stops is followed after
/// this time; one that is frozen publishes nothing after half of it.
pub(crate) const LEASE: Duration = Duration::from_secs(10);
/// The broker's answer to one record is waited for this long: less than half the lease, so that
/// nothing of an owner is still under way when the next one begins.
pub(crate) const MESSAGE_TIMEOUT: Duration = Duration::from_secs(3);
/// Rows are sent only by an owner whose renewal is younger than this: with the time-out of its
/// records they are answered within half the lease.
pub(crate) const FRESH: Duration = Duration::from_millis(1900);

const _: () = assert!(MESSAGE_TIMEOUT.as_millis() + FRESH.as_millis() < LEASE.as_millis() / 2);

/// One row that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sent<'r> {
    pub(crate) seq: i64,
    pub(crate) topic: &'r str,
    pub(crate) key: &'r str,
    pub(crate) delivered: bool,
}

/// The rows that count as published: of each key those before its first failure. A later row of
/// the key may be on the topic as well; it is sent again in its order, and its consumers drop it.
pub(crate) fn published(sent: &[Sent<'_>]) -> Vec<i64> {
    let mut broken = HashSet::new();
    let mut published = Vec::with_capacity(sent.len());
    for row in sent {
        if !row.delivered {
            broken.insert((row.topic, row.key));
        } else if !broken.contains(&(row.topic, row.key)) {
            published.push(row.seq);
        }
    }
    published
}

#[cfg(test)]
mod tests;

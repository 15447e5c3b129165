//! Deadlines: `grpc-timeout` on the wire, and the time that is left for the call in work.
//! Who enforces them: `inbound` for the handler, `MeshChannel` for calls that go out.

use std::{future::Future, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;

/// The header of gRPC that carries how long the caller will wait.
pub(crate) const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// gRPC allows eight digits, so that no unit can overflow.
const DIGITS_MAX: usize = 8;
/// The first value with nine digits.
const VALUE_LIMIT: u128 = 100_000_000;

/// When the call in work must be answered; inbound puts it into the request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(pub Instant);

/// Why a `grpc-timeout` was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    /// Two values can only be a mistake or an attempt to confuse.
    #[error("grpc-timeout stands more than once")]
    Repeated,
    /// Not one to eight digits and a unit.
    #[error("grpc-timeout is not one to eight digits and one of H, M, S, m, u, n")]
    Form,
}

tokio::task_local! {
    static CURRENT: Instant;
}

/// The deadline of the call that the current task works on, if there is one.
pub fn current() -> Option<Instant> {
    CURRENT.try_with(|deadline| *deadline).ok()
}

/// Runs `work` as part of a call that must be answered by `deadline`: what it calls through the
/// mesh gets no more time than is left. Tasks that it spawns do not inherit the deadline.
pub async fn scope<F: Future>(deadline: Instant, work: F) -> F::Output {
    CURRENT.scope(deadline, work).await
}

/// The same for work that is polled by hand.
pub(crate) fn sync_scope<R>(deadline: Instant, work: impl FnOnce() -> R) -> R {
    CURRENT.sync_scope(deadline, work)
}

// === impl Deadline ===

impl Deadline {
    /// What is left, zero when it has passed.
    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }
}

// === helpers ===

/// The timeout that `headers` ask for.
pub(crate) fn parse(headers: &HeaderMap) -> Result<Option<Duration>, Malformed> {
    let mut values = headers.get_all(&GRPC_TIMEOUT).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Malformed::Repeated);
    }
    parse_value(value.as_bytes())
        .ok_or(Malformed::Form)
        .map(Some)
}

/// `timeout` as `grpc-timeout`, rounded down: a caller never promises more than it has.
pub(crate) fn format(timeout: Duration) -> HeaderValue {
    let nanos = timeout.as_nanos();
    let (value, unit) = [
        (1, 'n'),
        (1_000, 'u'),
        (1_000_000, 'm'),
        (1_000_000_000, 'S'),
    ]
    .into_iter()
    .map(|(scale, unit)| (nanos / scale, unit))
    .find(|(value, _)| *value < VALUE_LIMIT)
    .unwrap_or((VALUE_LIMIT - 1, 'S'));
    HeaderValue::try_from(format!("{value}{unit}")).expect("digits and a letter")
}

fn parse_value(text: &[u8]) -> Option<Duration> {
    let (unit, digits) = text.split_last()?;
    if digits.is_empty() || digits.len() > DIGITS_MAX || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits
        .iter()
        .fold(0_u64, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    Some(match unit {
        b'H' => Duration::from_secs(value * 3600),
        b'M' => Duration::from_secs(value * 60),
        b'S' => Duration::from_secs(value),
        b'm' => Duration::from_millis(value),
        b'u' => Duration::from_micros(value),
        b'n' => Duration::from_nanos(value),
        _ => return None,
    })
}

#[cfg(test)]
mod tests;

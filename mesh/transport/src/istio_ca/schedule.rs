//! When to ask the authority again. Pure: times and chance are arguments.

use std::time::{Duration, SystemTime};

/// The shortest time between two requests of one identity, whatever lifetime and errors say: a
/// fleet that cannot be served must not make it worse.
pub(super) const REQUEST_INTERVAL_MIN: Duration = Duration::from_secs(1);

/// Renewal begins around half of the life that is left, spread so that workloads that started
/// together do not stay together.
const RENEWAL_FRACTION: std::ops::RangeInclusive<f64> = 0.45..=0.55;

/// The first pause after a failure; it doubles with each further one.
const RETRY_PAUSE_FIRST: Duration = Duration::from_secs(1);

/// The longest pause: an authority that is back is found within ten seconds.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(8);

/// How much of a pause is taken, at random.
const RETRY_FRACTION: std::ops::RangeInclusive<f64> = 0.5..=1.0;

pub(super) fn random_renewal_fraction() -> f64 {
    rand::random_range(RENEWAL_FRACTION)
}

pub(super) fn random_retry_fraction() -> f64 {
    rand::random_range(RETRY_FRACTION)
}

/// When to replace a certificate that was received then and ends then.
pub(super) fn renewal_at(
    received_at: SystemTime,
    not_after: SystemTime,
    fraction: f64,
) -> SystemTime {
    let life = not_after.duration_since(received_at).unwrap_or_default();
    received_at + life.mul_f64(fraction).max(REQUEST_INTERVAL_MIN)
}

/// How long to wait after so many failures in a row.
pub(super) fn retry_after(failures: u32, fraction: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let pause = RETRY_PAUSE_FIRST.saturating_mul(1 << doublings);
    pause
        .min(RETRY_PAUSE_MAX)
        .mul_f64(fraction)
        .max(REQUEST_INTERVAL_MIN)
}

#[cfg(test)]
mod tests;

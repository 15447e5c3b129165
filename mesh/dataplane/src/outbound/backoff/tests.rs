//! Backoff: pauses grow to a bound and end with the first success.
#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn pauses_grow_to_a_bound_and_success_ends_them() {
    let mut backoff = Backoff::default();
    let now = Instant::now();
    assert_eq!(backoff.blocked(now), None);
    let mut pauses = Vec::new();
    for _ in 0..50 {
        backoff.fail(now, "refused".to_owned());
        assert_eq!(backoff.blocked(now), Some("refused"));
        pauses.push(backoff.until.unwrap() - now);
    }
    assert!(pauses[0] >= PAUSE_MIN.mul_f64(0.8) && pauses[0] < PAUSE_MIN.mul_f64(1.2));
    assert!(pauses[4] > pauses[1]);
    assert!(pauses.iter().all(|pause| *pause < PAUSE_MAX.mul_f64(1.2)));
    assert_eq!(backoff.blocked(now + PAUSE_MAX * 2), None);
    backoff.succeed();
    assert_eq!(backoff.blocked(now), None);
}

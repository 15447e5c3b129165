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

#[test]
fn only_an_endpoint_that_has_answered_and_failed_lately_is_waited_for() {
    let mut backoff = Backoff::default();
    let now = Instant::now();
    backoff.fail(now, "refused".to_owned());
    assert_eq!(backoff.restarting(now), None, "it has never answered");
    backoff.succeed();
    assert_eq!(backoff.restarting(now), None, "it has not failed since");
    backoff.fail(now, "refused".to_owned());
    let until = backoff.restarting(now).unwrap();
    assert!(until > now && until < now + PAUSE_MIN * 2);

    let late = now + RESTART_MAX - Duration::from_millis(1);
    backoff.fail(late, "refused".to_owned());
    assert!(backoff.restarting(late).is_some());
    assert_eq!(backoff.restarting(now + RESTART_MAX), None, "it stays away");
    backoff.succeed();
    backoff.fail(now + RESTART_MAX, "refused".to_owned());
    assert!(backoff.restarting(now + RESTART_MAX).is_some());
}

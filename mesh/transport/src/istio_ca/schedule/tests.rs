//! The renewal rule and the back-off.

use std::time::{Duration, SystemTime};

use super::{REQUEST_INTERVAL_MIN, RETRY_PAUSE_MAX, renewal_at, retry_after};

fn received() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

#[test]
fn renewal_is_due_around_half_of_the_remaining_life() {
    for (life, fraction, expected) in [(3600, 0.45, 1620), (3600, 0.55, 1980), (10, 0.5, 5)] {
        let due = renewal_at(received(), received() + Duration::from_secs(life), fraction);
        assert_eq!(due, received() + Duration::from_secs(expected));
    }
}

#[test]
fn a_certificate_that_is_all_but_over_is_not_asked_for_at_once() {
    for not_after in [
        received(),
        received() - Duration::from_secs(60),
        received() + Duration::from_millis(100),
    ] {
        let due = renewal_at(received(), not_after, 0.5);
        assert_eq!(due, received() + REQUEST_INTERVAL_MIN);
    }
}

#[test]
fn pauses_double_up_to_a_bound() {
    let pauses: Vec<u64> = (1..=6)
        .map(|failures| retry_after(failures, 1.0).as_secs())
        .collect();
    assert_eq!(pauses, [1, 2, 4, 8, 8, 8]);
    assert_eq!(retry_after(u32::MAX, 1.0), RETRY_PAUSE_MAX);
}

#[test]
fn no_chance_makes_a_pause_shorter_than_the_shortest() {
    assert_eq!(retry_after(1, 0.5), REQUEST_INTERVAL_MIN);
    assert_eq!(retry_after(4, 0.5), Duration::from_secs(4));
}

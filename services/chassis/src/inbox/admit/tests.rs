//! Every way in which an event is met.

use super::{Admission, Known, admit};

fn check(last_version: Option<i64>, poisoned: bool, version: i64, expected: Admission) {
    let known = Known {
        last_version,
        poisoned,
    };
    assert_eq!(admit(known, version), expected, "{known:?} {version}");
}

#[test]
fn the_first_version_that_is_seen_is_the_base() {
    check(None, false, 1, Admission::Apply);
    check(None, false, 7, Admission::Apply);
}

#[test]
fn the_next_version_is_applied() {
    check(Some(7), false, 8, Admission::Apply);
}

#[test]
fn older_versions_are_dropped_even_behind_poison() {
    check(Some(7), false, 7, Admission::Older);
    check(Some(7), false, 1, Admission::Older);
    check(Some(7), true, 7, Admission::Older);
}

#[test]
fn a_later_version_waits_for_the_ones_before() {
    check(Some(7), false, 9, Admission::Gap);
}

#[test]
fn everything_new_of_a_poisoned_key_waits_behind_it() {
    check(Some(7), true, 8, Admission::Behind);
    check(Some(7), true, 9, Admission::Behind);
    check(None, true, 1, Admission::Behind);
}

#[test]
fn versions_at_the_edge_do_not_overflow() {
    check(Some(i64::MAX), false, i64::MAX, Admission::Older);
    check(Some(i64::MAX - 1), false, i64::MAX, Admission::Apply);
}

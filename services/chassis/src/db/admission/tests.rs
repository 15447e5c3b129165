//! Who is let in.
#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn calls_in_work_have_a_limit_and_an_end_makes_room() {
    let admission = Admission::default();
    let mut held: Vec<_> = std::iter::from_fn(|| admission.enter()).collect();
    assert_eq!(held.len(), IN_WORK_MAX);
    held.pop();
    assert!(admission.enter().is_some());
}

#[test]
fn nobody_is_let_in_while_many_wait_for_a_connection() {
    let admission = Admission::default();
    let mut waiting: Vec<_> = (0..WAITING_MAX).map(|_| admission.wait()).collect();
    assert!(admission.enter().is_none());
    waiting.pop();
    assert!(admission.enter().is_some());
}

#[test]
fn calls_that_wait_for_something_else_keep_nobody_out() {
    let admission = Admission::default();
    let held: Vec<_> = (0..2 * WAITING_MAX)
        .map(|_| admission.enter().unwrap())
        .collect();
    assert!(admission.enter().is_some());
    drop(held);
}

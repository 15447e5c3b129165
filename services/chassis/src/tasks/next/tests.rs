//! Every way in which a task goes on.

use std::time::Duration;

use super::{Backoff, Next, Policy, Start, next, start};
use crate::tasks::Outcome;

const SECOND: Duration = Duration::from_secs(1);
const POLICY: Policy = Policy {
    attempts: Some(3),
    deadline: SECOND,
    backoff: Backoff {
        first: SECOND,
        most: Duration::from_secs(10),
    },
};
const FOR_EVER: Policy = Policy {
    attempts: None,
    ..POLICY
};

fn retry() -> Outcome {
    Outcome::Retry("away".to_owned())
}

#[test]
fn attempts_are_counted_and_the_last_one_is_known() {
    assert_eq!(start(&POLICY, 1, false), Start::Run { last: false });
    assert_eq!(start(&POLICY, 3, false), Start::Run { last: true });
    assert_eq!(
        start(&POLICY, 4, false),
        Start::GiveUp,
        "the third ended with its process"
    );
    assert_eq!(
        start(&POLICY, 1, true),
        Start::GiveUp,
        "giving up is not undone"
    );
    assert_eq!(
        start(&FOR_EVER, 1_000_000, false),
        Start::Run { last: false }
    );
}

#[test]
fn a_retry_becomes_the_end_at_the_last_attempt() {
    assert!(matches!(
        next(&POLICY, 2, retry(), None, 0.5),
        Next::Retry { .. }
    ));
    assert_eq!(
        next(&POLICY, 3, retry(), None, 0.5),
        Next::GiveUp("away".to_owned())
    );
    assert!(matches!(
        next(&FOR_EVER, 1_000_000, retry(), None, 0.5),
        Next::Retry { .. }
    ));
}

#[test]
fn a_final_failure_ends_at_once() {
    let dead = Outcome::Dead("declined".to_owned());
    assert_eq!(
        next(&POLICY, 1, dead.clone(), None, 0.0),
        Next::GiveUp("declined".to_owned())
    );
    assert_eq!(
        next(&FOR_EVER, 1, dead, None, 0.0),
        Next::GiveUp("declined".to_owned())
    );
}

#[test]
fn done_and_again_do_not_depend_on_attempts() {
    assert_eq!(next(&POLICY, 3, Outcome::Done, None, 0.0), Next::Done);
    assert_eq!(
        next(&POLICY, 3, Outcome::Again(SECOND), None, 0.0),
        Next::Again(SECOND)
    );
}

#[test]
fn pauses_double_to_the_most_and_jitter_only_shortens() {
    let backoff = POLICY.backoff;
    let pauses: Vec<u64> = (1..=6)
        .map(|attempt| backoff.pause(attempt, 0.0).as_secs())
        .collect();
    assert_eq!(pauses, [1, 2, 4, 8, 10, 10]);
    assert_eq!(backoff.pause(1, 1.0), SECOND / 2);
    assert_eq!(backoff.pause(u32::MAX, 0.0), Duration::from_secs(10));
}

#[test]
fn a_callee_may_ask_for_patience_within_the_policy() {
    let after = |asked| match next(&POLICY, 1, retry(), Some(asked), 0.0) {
        Next::Retry { after, .. } => after,
        other => panic!("{other:?}"),
    };
    assert_eq!(after(Duration::from_secs(5)), Duration::from_secs(5));
    assert_eq!(
        after(Duration::from_millis(1)),
        SECOND,
        "never sooner than the policy says"
    );
    assert_eq!(after(Duration::from_secs(3600)), Duration::from_secs(10));
}

//! What happens to a task next: a pure function of its policy, its attempts and how it ended.

use std::time::Duration;

use super::Outcome;

/// The limits of one kind of task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How often it is tried before it is given up; none means for ever (compensations).
    pub attempts: Option<u32>,
    /// How long one attempt may take. Calls and statements inside it end with it.
    pub deadline: Duration,
    /// The pauses between attempts.
    pub backoff: Backoff,
}

/// Pauses that double from `first` to `most`, each shortened by jitter of up to a half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The pause after the first attempt.
    pub first: Duration,
    /// The longest pause.
    pub most: Duration,
}

/// What to do with a task that was just leased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// Run this attempt.
    Run {
        /// Whether none may follow.
        last: bool,
    },
    /// Its attempts are used up (the last one ended with its process): give it up.
    GiveUp,
}

/// What to write when an attempt ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Next {
    /// It is done.
    Done,
    /// It is done and marked.
    Finished,
    /// Run it again after this time, with attempts counted anew.
    Again(Duration),
    /// Try it again after this time.
    Retry {
        /// The pause.
        after: Duration,
        /// Why.
        error: String,
    },
    /// No further attempt.
    GiveUp(String),
}

/// Decides whether the attempt numbered `attempt` (from 1) may run.
pub(crate) fn start(policy: &Policy, attempt: u32, giving_up: bool) -> Start {
    match policy.attempts {
        _ if giving_up => Start::GiveUp,
        Some(most) if attempt > most => Start::GiveUp,
        Some(most) => Start::Run {
            last: attempt == most,
        },
        None => Start::Run { last: false },
    }
}

/// Decides what follows the attempt numbered `attempt`. `asked` is the pause that the callee asked
/// for; `jitter` is uniform in 0..1.
pub(crate) fn next(
    policy: &Policy,
    attempt: u32,
    outcome: Outcome,
    asked: Option<Duration>,
    jitter: f64,
) -> Next {
    match outcome {
        Outcome::Done => Next::Done,
        Outcome::Finished => Next::Finished,
        Outcome::Again(after) => Next::Again(after),
        Outcome::Dead(error) => Next::GiveUp(error),
        Outcome::Retry(error) if policy.attempts.is_some_and(|most| attempt >= most) => {
            Next::GiveUp(error)
        }
        Outcome::Retry(error) => {
            let pause = policy.backoff.pause(attempt, jitter);
            // A callee may ask for more patience, but not for more than the policy has.
            let after = asked.map_or(pause, |asked| asked.min(policy.backoff.most).max(pause));
            Next::Retry { after, error }
        }
    }
}

// === impl Backoff ===

impl Backoff {
    /// The pause after the attempt numbered `attempt`, from 1.
    pub(crate) fn pause(&self, attempt: u32, jitter: f64) -> Duration {
        let doubled = self
            .first
            .saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1)));
        doubled
            .min(self.most)
            .mul_f64(1.0 - jitter.clamp(0.0, 1.0) / 2.0)
    }
}

#[cfg(test)]
mod tests;

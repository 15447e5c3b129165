//! What is told of a denial: to the operator everything but what callers keep to themselves.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use mesh_policy::{ConditionProof, Decision, Matched, Place, Proof, Verdict};
use tracing::Span;

use crate::registry::Connection;

/// A proof looks at every rule. Whoever is denied more often than this has been explained enough,
/// and must not make the server look at thousands of rules for each of its calls.
const PROOFS_PER_SECOND: u32 = 100;
/// More of a condition than this tells a reader nothing.
const MISS_CHARS_MAX: usize = 400;

/// How many proofs may still be made in this second.
#[derive(Debug, Default)]
pub(super) struct Proofs(Mutex<Option<Window>>);

#[derive(Clone, Copy, Debug)]
struct Window {
    begun: Instant,
    used: u32,
}

/// Why a call was denied.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Denial {
    pub(super) reason: String,
    /// The policy that denies and its rule.
    pub(super) policy: Option<String>,
    pub(super) rule: Option<usize>,
    /// The ALLOW rule that misses least, and the first condition of it that does not hold.
    pub(super) nearest: Option<String>,
    pub(super) miss: Option<String>,
}

// === impl Proofs ===

impl Proofs {
    pub(super) fn take(&self) -> bool {
        self.take_at(Instant::now())
    }

    fn take_at(&self, now: Instant) -> bool {
        // A number and a time: a panic cannot leave them half changed.
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = Window {
            begun: now,
            used: 0,
        };
        let second = Duration::from_secs(1);
        let current = window
            .filter(|window| now.saturating_duration_since(window.begun) < second)
            .unwrap_or(fresh);
        let used = current.used.saturating_add(1);
        *window = Some(Window { used, ..current });
        used <= PROOFS_PER_SECOND
    }
}

// === impl Denial ===

impl Denial {
    pub(super) fn new(decision: &Decision<'_>, proof: Option<&Proof<'_>>, is_nobody: bool) -> Self {
        if is_nobody {
            return Self {
                reason: "the peer has no identity, and mutual TLS is STRICT".to_owned(),
                policy: None,
                rule: None,
                nearest: None,
                miss: None,
            };
        }
        let reason = match &decision.verdict {
            Verdict::Custom { provider, .. } => {
                format!("provider \"{provider}\" would decide, and nobody can ask it here")
            }
            Verdict::Allow | Verdict::Deny => decision.reason.to_string(),
        };
        let nearest = proof.and_then(|proof| proof.nearest.first());
        let matched = |matched: Matched<'_>| format!("{} rule {}", matched.policy, matched.rule);
        Self {
            reason,
            policy: decision.by.map(|by| by.policy.to_string()),
            rule: decision.by.map(|by| by.rule),
            nearest: nearest.map(|nearest| matched(nearest.rule)),
            miss: nearest
                .and_then(|nearest| nearest.first_failure())
                .map(|(place, condition)| miss(place, condition)),
        }
    }

    pub(super) fn log(
        &self,
        call: &mesh_policy::Request<'_>,
        connection: &Connection,
        span: &Span,
    ) {
        let peer = call.source.principal.unwrap_or_default();
        let path = call.http.map_or("", |http| super::bare(http.path));
        let (epoch, remote) = (connection.epoch, connection.remote);
        tracing::warn!(
            parent: span,
            peer,
            path,
            reason = self.reason,
            policy = self.policy,
            rule = self.rule,
            nearest = self.nearest,
            miss = self.miss,
            epoch,
            %remote,
            "call denied"
        );
    }
}

/// What does not hold. Headers and claims may be secrets, so of these only the names are told.
fn miss(place: Place, condition: &ConditionProof) -> String {
    let is_secret = condition.field.starts_with("request.");
    let actual = match &condition.actual {
        None => "none".to_owned(),
        Some(_) if is_secret => "another value".to_owned(),
        Some(actual) => format!("{actual:?}"),
    };
    let values = condition.values.join(", ");
    let text = format!(
        "{place} {} [{values}], the call has {actual}",
        condition.field
    );
    if text.chars().count() <= MISS_CHARS_MAX {
        return text;
    }
    let most = MISS_CHARS_MAX - actual.chars().count().min(MISS_CHARS_MAX / 2);
    let head: String = text.chars().take(most).collect();
    format!("{head}…, the call has {actual}")
}

#[cfg(test)]
mod tests;

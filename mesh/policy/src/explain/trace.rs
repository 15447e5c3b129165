//! What is written down while a rule is evaluated.

use super::{ClauseProof, ConditionProof};
use crate::condition::Condition;
use crate::context::Context;
use crate::rule::{Holds, Place, Recorder};

/// Everything, in words.
pub(super) struct Trace<'t> {
    context: &'t Context<'t>,
    clauses: Vec<ClauseProof>,
}

/// How many conditions keep a rule from matching.
#[derive(Default)]
pub(super) struct Nearness {
    place: Option<Place>,
    failures: usize,
    from: Option<usize>,
    to: Option<usize>,
    when: Option<usize>,
}

// === impl Trace ===

impl<'t> Trace<'t> {
    pub(super) fn new(context: &'t Context<'t>) -> Self {
        Self {
            context,
            clauses: Vec::new(),
        }
    }

    /// A rule without `when` has no such clause.
    pub(super) fn clauses(mut self) -> Vec<ClauseProof> {
        self.clauses
            .retain(|clause| clause.place != Place::When || !clause.conditions.is_empty());
        self.clauses
    }
}

impl Recorder for Trace<'_> {
    const SEES_ALL: bool = true;

    fn clause(&mut self, place: Place) {
        self.clauses.push(ClauseProof {
            place,
            conditions: Vec::new(),
        });
    }

    fn condition(&mut self, _: Place, condition: &Condition, holds: Holds) {
        let proof = ConditionProof {
            field: condition.label(),
            values: condition.values(),
            actual: condition.actual(self.context),
            holds,
        };
        if let Some(clause) = self.clauses.last_mut() {
            clause.conditions.push(proof);
        }
    }
}

// === impl Nearness ===

impl Nearness {
    /// Of the sources and of the operations the one that misses least counts.
    pub(super) fn distance(mut self) -> usize {
        self.close();
        [self.from, self.to, self.when].into_iter().flatten().sum()
    }

    fn close(&mut self) {
        let best = match self.place {
            Some(Place::From(_)) => &mut self.from,
            Some(Place::To(_)) => &mut self.to,
            Some(Place::When) => &mut self.when,
            None => return,
        };
        *best = Some(best.map_or(self.failures, |best| best.min(self.failures)));
        self.failures = 0;
    }
}

impl Recorder for Nearness {
    const SEES_ALL: bool = true;

    fn clause(&mut self, place: Place) {
        self.close();
        self.place = Some(place);
    }

    fn condition(&mut self, _: Place, _: &Condition, holds: Holds) {
        self.failures += usize::from(holds == Holds::No);
    }
}

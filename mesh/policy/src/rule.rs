//! A compiled rule and the one evaluator of it, which tells a recorder what it sees.

use crate::condition::Condition;
use crate::context::Context;

/// Any of `from`, and any of `to`, and all of `when`; an empty list holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Rule {
    pub(crate) from: Box<[Clause]>,
    pub(crate) to: Box<[Clause]>,
    pub(crate) when: Clause,
    /// Some condition is about what only HTTP has.
    pub(crate) is_http_only: bool,
}

/// Conditions that must all hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Clause(pub(crate) Box<[Condition]>);

/// Where in a rule conditions stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A source, counted from 0.
    From(usize),
    /// An operation, counted from 0.
    To(usize),
    /// The conditions of `when`.
    When,
}

/// What an evaluation is told to, step by step.
pub(crate) trait Recorder {
    /// Whether to go on after the answer is clear, so that the rest is seen, too.
    const SEES_ALL: bool;
    /// Conditions of a place follow; a source or operation may have none.
    fn clause(&mut self, place: Place);
    fn condition(&mut self, place: Place, condition: &Condition, holds: Holds);
}

/// What came of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// It holds.
    Yes,
    /// It does not.
    No,
    /// Of HTTP alone, and this is TCP.
    Skipped,
}

/// Records nothing.
pub(crate) struct Silent;

// === impl Silent ===

impl Recorder for Silent {
    const SEES_ALL: bool = false;
    fn clause(&mut self, _: Place) {}
    fn condition(&mut self, _: Place, _: &Condition, _: Holds) {}
}

// === impl Rule ===

impl Rule {
    /// Whether the rule matches. On TCP a rule that allows is void if it asks for anything of HTTP,
    /// and any other rule is without those conditions.
    pub(crate) fn matches<R: Recorder>(
        &self,
        context: &Context<'_>,
        restricts: bool,
        recorder: &mut R,
    ) -> bool {
        let is_void = self.is_void(context, restricts);
        if is_void && !R::SEES_ALL {
            return false;
        }
        let from = any(&self.from, Place::From, context, restricts, recorder);
        if !from && !R::SEES_ALL {
            return false;
        }
        let to = any(&self.to, Place::To, context, restricts, recorder);
        if !to && !R::SEES_ALL {
            return false;
        }
        let when = self.when.holds(Place::When, context, restricts, recorder);
        !is_void && from && to && when
    }

    pub(crate) fn is_void(&self, context: &Context<'_>, restricts: bool) -> bool {
        self.is_http_only && context.is_tcp() && !restricts
    }
}

fn any<R: Recorder>(
    clauses: &[Clause],
    place: fn(usize) -> Place,
    context: &Context<'_>,
    restricts: bool,
    recorder: &mut R,
) -> bool {
    if clauses.is_empty() {
        return true;
    }
    let mut holds = false;
    for (number, clause) in clauses.iter().enumerate() {
        holds |= clause.holds(place(number), context, restricts, recorder);
        if holds && !R::SEES_ALL {
            break;
        }
    }
    holds
}

// === impl Clause ===

impl Clause {
    pub(crate) fn holds<R: Recorder>(
        &self,
        place: Place,
        context: &Context<'_>,
        restricts: bool,
        recorder: &mut R,
    ) -> bool {
        let mut all = true;
        recorder.clause(place);
        for condition in &self.0 {
            let holds = if context.is_tcp() && condition.is_http_only() {
                Holds::Skipped
            } else if condition.holds(context, restricts) {
                Holds::Yes
            } else {
                Holds::No
            };
            recorder.condition(place, condition, holds);
            all &= holds != Holds::No;
            if !all && !R::SEES_ALL {
                return false;
            }
        }
        all
    }
}

//! The proof of a decision: the rule that decided condition by condition, or the rules that came
//! nearest. It is the evaluator of decisions with a recorder, over every rule instead of those that
//! the index finds, and so cannot say anything else.

mod trace;

use std::fmt;

use self::trace::{Nearness, Trace};
use crate::context::Context;
use crate::decision::{Decision, Matched, Reason, Verdict};
use crate::engine::Engine;
use crate::policy::Policy;
use crate::request::Request;
use crate::rule::{Holds, Place, Rule};

/// Why a request meets what it meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof<'e> {
    /// What it meets.
    pub decision: Decision<'e>,
    /// The rule that decided; for CUSTOM, then the one that decides if the provider allows.
    pub decided: Vec<RuleProof<'e>>,
    /// Where no ALLOW rule matched, those that miss least, the nearest first.
    pub nearest: Vec<RuleProof<'e>>,
}

/// What a rule made of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleProof<'e> {
    /// Which rule.
    pub rule: Matched<'e>,
    /// `ALLOW`, `DENY`, `AUDIT` or `CUSTOM`.
    pub action: &'static str,
    /// Whether it matches.
    pub matches: bool,
    /// It allows, asks for something of HTTP, and this is TCP: it cannot match.
    pub is_void: bool,
    /// Its sources, operations and the conditions of `when`, as far as there are any.
    pub clauses: Vec<ClauseProof>,
}

/// What a source, an operation or `when` made of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClauseProof {
    /// Where it stands.
    pub place: Place,
    /// Its conditions; all must hold.
    pub conditions: Vec<ConditionProof>,
}

/// What a condition made of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConditionProof {
    /// The field or attribute, such as `notPrincipals` or `source.ip values`.
    pub field: String,
    /// What the policy says, trust domain aliases added.
    pub values: Vec<String>,
    /// What the request has there; none if nothing.
    pub actual: Option<String>,
    /// What came of it.
    pub holds: Holds,
}

impl Engine {
    /// The proof of what [`Engine::decide`] decides, with up to `nearest_max` rules that miss. It
    /// looks at every rule, so it is for people who ask and for denials that are logged.
    #[must_use]
    pub fn explain(&self, request: &Request<'_>, nearest_max: usize) -> Proof<'_> {
        let context = self.context(request);
        let decision = self.decide_by_walking(&context);
        let then = match &decision.verdict {
            Verdict::Custom { then, .. } => *then,
            Verdict::Allow | Verdict::Deny => None,
        };
        let is_miss = match &decision.verdict {
            Verdict::Custom {
                then_allowed, then, ..
            } => !then_allowed && then.is_none(),
            Verdict::Allow | Verdict::Deny => decision.reason == Reason::NoAllowMatched,
        };
        let decided = decision.by.into_iter().chain(then);
        let decided = decided
            .filter_map(|matched| self.prove(matched, &context))
            .collect();
        let nearest = if is_miss {
            self.nearest(&context, nearest_max)
        } else {
            Vec::new()
        };
        Proof {
            decision,
            decided,
            nearest,
        }
    }

    fn nearest(&self, context: &Context<'_>, nearest_max: usize) -> Vec<RuleProof<'_>> {
        let mut misses: Vec<(usize, &Policy, usize, &Rule)> = Vec::new();
        for (policy, number, rule) in self.allow_rules() {
            let mut nearness = Nearness::default();
            rule.matches(context, policy.restricts(), &mut nearness);
            let distance = nearness.distance();
            let place = misses.partition_point(|(own, ..)| *own <= distance);
            if place < nearest_max {
                misses.insert(place, (distance, policy, number, rule));
                misses.truncate(nearest_max);
            }
        }
        let prove = |(_, policy, number, rule)| prove_rule(policy, number, rule, context);
        misses.into_iter().map(prove).collect()
    }

    fn prove<'e>(&'e self, matched: Matched<'e>, context: &Context<'_>) -> Option<RuleProof<'e>> {
        let policy = self
            .in_order()
            .find(|policy| policy.name == *matched.policy)?;
        let rule = policy.rules.get(matched.rule)?.as_ref()?;
        Some(prove_rule(policy, matched.rule, rule, context))
    }
}

fn prove_rule<'e>(
    policy: &'e Policy,
    number: usize,
    rule: &Rule,
    context: &Context<'_>,
) -> RuleProof<'e> {
    let mut trace = Trace::new(context);
    let matches = rule.matches(context, policy.restricts(), &mut trace);
    RuleProof {
        rule: Matched {
            policy: &policy.name,
            rule: number,
        },
        action: policy.action.as_str(),
        matches,
        is_void: rule.is_void(context, policy.restricts()),
        clauses: trace.clauses(),
    }
}

// === impl Proof ===

impl fmt::Display for Proof<'_> {
    /// A tree for people.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}", self.decision)?;
        for proof in self.decided.iter().chain(&self.nearest) {
            write!(formatter, "{proof}")?;
        }
        Ok(())
    }
}

// === impl RuleProof ===

impl RuleProof<'_> {
    /// The first condition that keeps the rule from matching: of several sources or operations, in
    /// the one that misses least.
    #[must_use]
    pub fn first_failure(&self) -> Option<(Place, &ConditionProof)> {
        let is_from = |place: &Place| matches!(place, Place::From(_));
        let is_to = |place: &Place| matches!(place, Place::To(_));
        let is_when = |place: &Place| matches!(place, Place::When);
        let parts: [&dyn Fn(&Place) -> bool; 3] = [&is_from, &is_to, &is_when];
        parts.into_iter().find_map(|is_part| {
            let clauses = self.clauses.iter().filter(|clause| is_part(&clause.place));
            let nearest = clauses.min_by_key(|clause| clause.failures().count())?;
            let failure = nearest.failures().next()?;
            Some((nearest.place, failure))
        })
    }
}

impl fmt::Display for RuleProof<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let matches = if self.matches {
            "matches"
        } else {
            "does not match"
        };
        writeln!(formatter, "  {} {} {matches}", self.action, self.rule)?;
        if self.is_void {
            writeln!(
                formatter,
                "    void: it asks for HTTP, and this is a TCP connection"
            )?;
        }
        for clause in &self.clauses {
            writeln!(formatter, "    {}", clause.place)?;
            for condition in &clause.conditions {
                writeln!(formatter, "      {condition}")?;
            }
        }
        Ok(())
    }
}

// === impl ClauseProof ===

impl ClauseProof {
    /// The conditions that do not hold.
    pub fn failures(&self) -> impl Iterator<Item = &ConditionProof> {
        self.conditions
            .iter()
            .filter(|condition| condition.holds == Holds::No)
    }
}

// === impl ConditionProof ===

impl fmt::Display for ConditionProof {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.holds {
            Holds::Yes => "ok  ",
            Holds::No => "MISS",
            Holds::Skipped => "skip",
        };
        let values = self.values.join(", ");
        match &self.actual {
            Some(actual) => {
                write!(
                    formatter,
                    "{mark} {} [{values}], the request has {actual:?}",
                    self.field
                )
            }
            None => write!(
                formatter,
                "{mark} {} [{values}], the request has none",
                self.field
            ),
        }
    }
}

// === impl Place ===

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::From(number) => write!(formatter, "from[{number}].source"),
            Place::To(number) => write!(formatter, "to[{number}].operation"),
            Place::When => write!(formatter, "when"),
        }
    }
}

#[cfg(test)]
mod tests;

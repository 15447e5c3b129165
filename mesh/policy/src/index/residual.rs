//! The rules that ask for nothing that can be looked up: negative ones, and mere presence. Those
//! with a clause in common are asked about that clause once.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use super::{Index, RuleRef};
use crate::context::Context;
use crate::rule::{Clause, Place, Rule, Silent};

#[derive(Clone, Default)]
pub(crate) struct Residual {
    /// Ascending by the hash of what they have in common.
    groups: Vec<Group>,
}

#[derive(Clone)]
struct Group {
    hash: u64,
    /// What every member needs.
    guard: Clause,
    members: Vec<RuleRef>,
}

// === impl Residual ===

impl Residual {
    pub(crate) fn insert(&mut self, rule_ref: RuleRef, rule: &Rule, for_tcp: bool) {
        let (guard, hash) = guard(rule, for_tcp);
        match self.find(hash, &guard) {
            Ok(at) => self.groups[at].members.push(rule_ref),
            Err(at) => self.groups.insert(
                at,
                Group {
                    hash,
                    guard,
                    members: vec![rule_ref],
                },
            ),
        }
    }

    pub(crate) fn remove(&mut self, rule_ref: RuleRef, rule: &Rule, for_tcp: bool) {
        let (guard, hash) = guard(rule, for_tcp);
        if let Ok(at) = self.find(hash, &guard) {
            self.groups[at].members.retain(|member| *member != rule_ref);
            if self.groups[at].members.is_empty() {
                self.groups.remove(at);
            }
        }
    }

    fn find(&self, hash: u64, guard: &Clause) -> Result<usize, usize> {
        let start = self.groups.partition_point(|group| group.hash < hash);
        let same = self.groups[start..]
            .iter()
            .take_while(|group| group.hash == hash);
        let found = same.enumerate().find(|(_, group)| group.guard == *guard);
        found.map(|(offset, _)| start + offset).ok_or(start)
    }
}

impl Index {
    /// The rules that nothing of a request leads to.
    pub(crate) fn residual(&self, context: &Context<'_>, found: &mut dyn FnMut(RuleRef)) {
        for group in &self.residual.groups {
            // With a single member its own evaluation is the cheaper question. A guard that holds
            // for rules that deny only (by what cannot be judged) must not keep them out.
            let is_worth_it = group.members.len() > 1;
            if is_worth_it && !group.guard.holds(Place::When, context, true, &mut Silent) {
                continue;
            }
            for member in &group.members {
                found(*member);
            }
        }
    }
}

/// The first clause that the rule cannot do without.
fn guard(rule: &Rule, for_tcp: bool) -> (Clause, u64) {
    let mandatory = match (&*rule.from, &*rule.to) {
        ([only], _) | (_, [only]) => only.clone(),
        _ => rule.when.clone(),
    };
    // What plays no part on TCP is no guard there.
    let conditions = mandatory.0.into_iter();
    let kept = conditions.filter(|condition| !(for_tcp && condition.is_http_only()));
    let guard = Clause(kept.collect());
    let mut hasher = DefaultHasher::new();
    guard.hash(&mut hasher);
    (guard, hasher.finish())
}

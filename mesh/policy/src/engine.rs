//! The policies of one workload, compiled, and the decision of a request by them.

mod custom;

use std::sync::{Arc, OnceLock};

use mesh_api::{AuthorizationPolicy, MeshSettings, PolicySet, Workload};

use self::custom::Custom;
use crate::context::Context;
use crate::decision::{Decision, DryRun, Matched, Reason, Verdict};
use crate::domains::Domains;
use crate::index::{Class, Index, RuleRef};
use crate::policy::{Dropped, Policy, PolicyName};
use crate::request::Request;
use crate::rule::{Rule, Silent};
use crate::tokens::Tokens;

/// The policies that select a workload, ready to decide. A clone shares all it can, and so does an
/// engine that is made from another by one change.
#[derive(Clone)]
pub struct Engine {
    scope: Arc<EngineScope>,
    /// By slot, which a policy keeps for life.
    slots: Vec<Option<Arc<Policy>>>,
    free: Vec<u32>,
    /// Slots in the order in which policies are named as the one that decided.
    order: Vec<u32>,
    /// Of each slot, its place in `order`.
    ranks: Vec<u32>,
    custom: Custom,
    enforced_allows: usize,
    http: Index,
    /// Made by the first connection that is not HTTP: most workloads have none.
    tcp: OnceLock<Index>,
}

/// What decides besides the policies.
struct EngineScope {
    settings: MeshSettings,
    workload: Workload,
    tokens: Tokens,
}

/// The best of each class so far, by rank and rule.
#[derive(Default)]
struct Found {
    custom: Option<Hit>,
    root_deny: Option<Hit>,
    deny: Option<Hit>,
    allow: Option<Hit>,
    collected: Vec<Hit>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Hit {
    rank: u32,
    rule: usize,
}

/// Compiles everything that selects the workload.
#[must_use]
pub fn compile(policies: &PolicySet, workload: &Workload, settings: &MeshSettings) -> Engine {
    let tokens = Tokens::merge(&policies.request_authentications, workload, settings);
    let mut engine = Engine {
        scope: Arc::new(EngineScope {
            settings: settings.clone(),
            workload: workload.clone(),
            tokens,
        }),
        slots: Vec::new(),
        free: Vec::new(),
        order: Vec::new(),
        ranks: Vec::new(),
        custom: Custom::default(),
        enforced_allows: 0,
        http: Index::default(),
        tcp: OnceLock::new(),
    };
    let selected = policies
        .authorization_policies
        .iter()
        .filter(|policy| engine.scope.selects(policy));
    let selected: Vec<&AuthorizationPolicy> = selected.collect();
    for policy in selected {
        engine.add(policy);
    }
    engine.sort();
    engine.refresh();
    engine
}

// === impl Engine ===

impl Engine {
    /// The engine with a policy added, or in place of the one of its name. Costs what the policy
    /// costs, not what there is.
    #[must_use]
    pub fn with(&self, policy: &AuthorizationPolicy) -> Self {
        let mut engine = self.clone();
        let (namespace, name) = (&policy.meta.namespace, &policy.meta.name);
        let old = engine.slot_of(namespace, name);
        let selects = engine.scope.selects(policy);
        match (old, selects) {
            // The name keeps its place in the order.
            (Some(slot), true) => {
                engine.unindex(slot);
                engine.put(slot, policy);
            }
            (Some(slot), false) => engine.take_out(slot),
            (None, true) => {
                let slot = engine.add(policy);
                engine.place(slot);
            }
            (None, false) => {}
        }
        engine.refresh();
        engine
    }

    /// The engine without a policy.
    #[must_use]
    pub fn without(&self, namespace: &str, name: &str) -> Self {
        let mut engine = self.clone();
        if let Some(slot) = engine.slot_of(namespace, name) {
            engine.take_out(slot);
            engine.refresh();
        }
        engine
    }

    /// Decides a request: CUSTOM, then DENY, then ALLOW; AUDIT and dry-run are only told of.
    #[must_use]
    pub fn decide(&self, request: &Request<'_>) -> Decision<'_> {
        let context = self.context(request);
        let index = if context.is_tcp() {
            self.tcp_index()
        } else {
            &self.http
        };
        let mut found = Found::default();
        let mut consider = |rule_ref| self.consider(rule_ref, &context, &mut found);
        index.candidates(&context, &mut consider);
        index.residual(&context, &mut consider);
        self.conclude(found, &context)
    }

    /// The same by asking every rule: what the index must not change.
    pub(crate) fn decide_by_walking(&self, context: &Context<'_>) -> Decision<'_> {
        let mut found = Found::default();
        for (slot, policy) in (0..).zip(&self.slots) {
            for (rule_ref, _) in policy.iter().flat_map(|policy| refs(slot, policy)) {
                self.consider(rule_ref, context, &mut found);
            }
        }
        self.conclude(found, context)
    }

    /// The enforced rules that can allow.
    pub(crate) fn allow_rules(&self) -> impl Iterator<Item = (&Policy, usize, &Rule)> {
        let allow = self
            .in_order()
            .filter(|policy| policy.class == Class::Allow);
        allow.flat_map(|policy| {
            let rules = policy.rules.iter().enumerate();
            rules.filter_map(move |(number, rule)| Some((policy, number, rule.as_ref()?)))
        })
    }

    /// How many policies select the workload.
    #[must_use]
    pub fn policies(&self) -> usize {
        self.order.len()
    }

    /// The rules that have no effect.
    pub fn dropped(&self) -> impl Iterator<Item = &Dropped> {
        self.in_order().flat_map(|policy| policy.dropped.iter())
    }

    /// The token providers of the workload.
    #[must_use]
    pub fn tokens(&self) -> &Tokens {
        &self.scope.tokens
    }

    pub(crate) fn context<'r>(&'r self, request: &'r Request<'r>) -> Context<'r> {
        Context::new(
            request,
            self.scope.settings.path_normalization,
            &self.scope.tokens,
        )
    }

    pub(crate) fn in_order(&self) -> impl Iterator<Item = &Policy> {
        self.order.iter().filter_map(|slot| self.policy(*slot))
    }

    fn policy(&self, slot: u32) -> Option<&Policy> {
        self.slots.get(at(slot))?.as_deref()
    }

    fn consider(&self, rule_ref: RuleRef, context: &Context<'_>, found: &mut Found) {
        let hit = Hit {
            rank: self.ranks[at(rule_ref.slot)],
            rule: rule_ref.rule(),
        };
        let class = rule_ref.class();
        if found.is_settled(class, hit) {
            return;
        }
        let Some(policy) = self.policy(rule_ref.slot) else {
            return;
        };
        let rule = policy.rules[hit.rule].as_ref();
        let restricts = policy.restricts();
        if rule.is_some_and(|rule| rule.matches(context, restricts, &mut Silent)) {
            found.note(class, hit);
        }
    }

    fn conclude(&self, found: Found, context: &Context<'_>) -> Decision<'_> {
        let (audit, dry_run) = self.told(found.collected);
        let matched = |hit: Hit| self.matched(hit);
        let (is_allowed, by, reason) = match (found.root_deny.or(found.deny), found.allow) {
            (Some(deny), _) => (false, matched(deny), Reason::Denied),
            (None, _) if self.enforced_allows == 0 => (true, None, Reason::NoAllowPolicy),
            (None, Some(allow)) => (true, matched(allow), Reason::Allowed),
            (None, None) => (false, None, Reason::NoAllowMatched),
        };
        let then = if is_allowed {
            Verdict::Allow
        } else {
            Verdict::Deny
        };
        let asked = found.custom.and_then(matched);
        let (verdict, by, reason) = match (asked, &self.custom) {
            (Some(custom), Custom::Fault(why)) => {
                (Verdict::Deny, Some(custom), Reason::BadProvider(why))
            }
            (
                Some(_),
                Custom::Ask {
                    is_http_only: true, ..
                },
            ) if context.is_tcp() => (then, by, reason),
            (Some(custom), Custom::Ask { provider, .. }) => {
                let verdict = Verdict::Custom {
                    provider,
                    then_allowed: is_allowed,
                    then: by,
                };
                (verdict, Some(custom), Reason::AskProvider)
            }
            (None, _) | (_, Custom::Nobody) => (then, by, reason),
        };
        Decision {
            verdict,
            by,
            reason,
            audit,
            dry_run,
        }
    }

    /// AUDIT and dry-run policies, each once, in order.
    fn told(&self, mut hits: Vec<Hit>) -> (Vec<&PolicyName>, Vec<DryRun<'_>>) {
        hits.sort_unstable();
        hits.dedup_by_key(|hit| hit.rank);
        let (mut audit, mut dry_run) = (Vec::new(), Vec::new());
        for hit in hits {
            let Some(policy) = self.policy(self.order[at(hit.rank)]) else {
                continue;
            };
            if policy.is_dry_run {
                dry_run.push(DryRun {
                    matched: Matched {
                        policy: &policy.name,
                        rule: hit.rule,
                    },
                    action: policy.action.as_str(),
                });
            } else {
                audit.push(&policy.name);
            }
        }
        (audit, dry_run)
    }

    fn matched(&self, hit: Hit) -> Option<Matched<'_>> {
        let policy = self.policy(self.order[at(hit.rank)])?;
        Some(Matched {
            policy: &policy.name,
            rule: hit.rule,
        })
    }

    fn tcp_index(&self) -> &Index {
        self.tcp.get_or_init(|| {
            let mut index = Index::default();
            for (slot, policy) in (0..).zip(&self.slots) {
                for (rule_ref, rule) in policy.iter().flat_map(|policy| refs(slot, policy)) {
                    if is_for_tcp(policy.as_deref(), rule) {
                        index.insert(rule_ref, rule, true);
                    }
                }
            }
            index
        })
    }

    // === changes ===

    /// Puts a policy into a slot of its own; its place in the order is still to be found.
    fn add(&mut self, policy: &AuthorizationPolicy) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.ranks.push(0);
            u32::try_from(self.slots.len() - 1).expect("fewer policies than fit in memory")
        });
        self.put(slot, policy);
        slot
    }

    fn put(&mut self, slot: u32, policy: &AuthorizationPolicy) {
        let settings = &self.scope.settings;
        let compiled = Policy::new(policy, settings, &Domains::new(settings));
        for (rule_ref, rule) in refs(slot, &compiled) {
            self.http.insert(rule_ref, rule, false);
            if let Some(tcp) = self.tcp.get_mut()
                && is_for_tcp(Some(&compiled), rule)
            {
                tcp.insert(rule_ref, rule, true);
            }
        }
        self.slots[at(slot)] = Some(Arc::new(compiled));
    }

    /// Takes a policy's rules out of the indexes.
    fn unindex(&mut self, slot: u32) {
        let Some(policy) = self.slots[at(slot)].take() else {
            return;
        };
        for (rule_ref, rule) in refs(slot, &policy) {
            self.http.remove(rule_ref, rule, false);
            if let Some(tcp) = self.tcp.get_mut() {
                tcp.remove(rule_ref, rule, true);
            }
        }
    }

    fn take_out(&mut self, slot: u32) {
        self.unindex(slot);
        self.order.retain(|own| *own != slot);
        self.free.push(slot);
        self.rank();
    }

    /// Finds the place of a new policy in the order.
    fn place(&mut self, slot: u32) {
        let Some(name) = self.policy(slot).map(|policy| &policy.name) else {
            return;
        };
        let is_before = |own: &u32| {
            self.policy(*own)
                .is_some_and(|policy| policy.name.cmp_ids(name).is_lt())
        };
        let place = self.order.partition_point(is_before);
        self.order.insert(place, slot);
        self.rank();
    }

    fn sort(&mut self) {
        let slots = &self.slots;
        let mut named: Vec<(&PolicyName, u32)> = (0..)
            .zip(slots)
            .filter_map(|(slot, policy)| Some((&policy.as_ref()?.name, slot)))
            .collect();
        named.sort_by(|(left, _), (right, _)| left.cmp_ids(right));
        self.order = named.into_iter().map(|(_, slot)| slot).collect();
        self.rank();
    }

    fn rank(&mut self) {
        for (rank, slot) in (0..).zip(&self.order) {
            self.ranks[at(*slot)] = rank;
        }
    }

    /// What depends on all policies together.
    fn refresh(&mut self) {
        let is_enforced_allow = |policy: &&Policy| policy.class == Class::Allow;
        let enforced_allows = self.in_order().filter(is_enforced_allow).count();
        let actions = self.in_order().map(|policy| &policy.action);
        let custom = Custom::of(actions, &self.scope.settings);
        (self.enforced_allows, self.custom) = (enforced_allows, custom);
    }

    fn slot_of(&self, namespace: &str, name: &str) -> Option<u32> {
        let is_it = |slot: &&u32| {
            self.policy(**slot).is_some_and(|policy| {
                *policy.name.name == *name && *policy.name.namespace == *namespace
            })
        };
        self.order.iter().find(is_it).copied()
    }
}

fn refs(slot: u32, policy: &Policy) -> impl Iterator<Item = (RuleRef, &Rule)> {
    let rules = policy.rules.iter().enumerate();
    rules.filter_map(move |(number, rule)| {
        Some((RuleRef::new(slot, number, policy.class)?, rule.as_ref()?))
    })
}

/// A rule that allows is void on TCP if it asks for anything of HTTP.
fn is_for_tcp(policy: Option<&Policy>, rule: &Rule) -> bool {
    policy.is_some_and(Policy::restricts) || !rule.is_http_only
}

fn at(index: u32) -> usize {
    // Widening on every platform that this runs on.
    index as usize
}

// === impl EngineScope ===

impl EngineScope {
    fn selects(&self, policy: &AuthorizationPolicy) -> bool {
        let Workload {
            namespace, labels, ..
        } = &self.workload;
        let root = &self.settings.root_namespace;
        policy.target_refs.is_empty()
            && policy
                .meta
                .selects(&policy.selector, root, namespace, labels)
    }
}

// === impl Found ===

impl Found {
    /// Whether a hit could not change anything.
    fn is_settled(&self, class: Class, hit: Hit) -> bool {
        let best = match class {
            Class::Custom => self.custom,
            Class::RootDeny => self.root_deny,
            Class::Deny if self.root_deny.is_some() => return true,
            Class::Deny => self.deny,
            Class::Allow if self.deny.is_some() || self.root_deny.is_some() => return true,
            Class::Allow => self.allow,
            Class::Collected => return false,
        };
        best.is_some_and(|best| best <= hit)
    }

    fn note(&mut self, class: Class, hit: Hit) {
        match class {
            Class::Custom => self.custom = Some(hit),
            Class::RootDeny => self.root_deny = Some(hit),
            Class::Deny => self.deny = Some(hit),
            Class::Allow => self.allow = Some(hit),
            Class::Collected => self.collected.push(hit),
        }
    }
}

#[cfg(test)]
mod tests;

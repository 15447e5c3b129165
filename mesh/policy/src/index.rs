//! Which rules a request can match at all: each rule is kept under what it asks for most narrowly,
//! and a request looks under what it has. Whether a rule does match is not known here.

mod cover;
mod key;
mod probe;
mod residual;

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use self::cover::cover;
use self::key::Key;
use self::probe::Uses;
use self::residual::Residual;
use crate::rule::Rule;

/// Parts of the index, so that a change copies the parts it touches and shares the others: some
/// hundred rules each where there are a hundred thousand.
const SHARDS: usize = 1024;

/// A rule by the slot of its policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RuleRef {
    pub(crate) slot: u32,
    /// The class in the upper bits, so that a reference is one word.
    rule_and_class: u32,
}

/// What a policy's rules compete for: of one class only the first that matches counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    Custom,
    /// DENY of the root namespace, which goes before others.
    RootDeny,
    Deny,
    Allow,
    /// AUDIT and dry-run: every policy that matches counts.
    Collected,
}

const CLASSES: [Class; 5] = [
    Class::Custom,
    Class::RootDeny,
    Class::Deny,
    Class::Allow,
    Class::Collected,
];

const RULE_BITS: u32 = 28;

#[derive(Clone)]
pub(crate) struct Index {
    shards: Box<[Arc<Shard>]>,
    residual: Arc<Residual>,
    uses: Arc<Uses>,
}

type Shard = HashMap<u64, Bucket, BuildHasherDefault<KeyHasher>>;

/// Nearly every key has one rule.
#[derive(Clone, Debug)]
enum Bucket {
    One(RuleRef),
    Many(Box<[RuleRef]>),
}

/// Keys are hashes already.
#[derive(Default)]
struct KeyHasher(u64);

// === impl RuleRef ===

impl RuleRef {
    /// None for a rule number beyond what a policy of any sensible size can have.
    pub(crate) fn new(slot: u32, rule: usize, class: Class) -> Option<Self> {
        let rule = u32::try_from(rule)
            .ok()
            .filter(|rule| rule >> RULE_BITS == 0)?;
        Some(Self {
            slot,
            rule_and_class: rule | (class as u32) << RULE_BITS,
        })
    }

    pub(crate) fn rule(self) -> usize {
        // Widening on every platform that this runs on.
        (self.rule_and_class & ((1 << RULE_BITS) - 1)) as usize
    }

    pub(crate) fn class(self) -> Class {
        CLASSES[(self.rule_and_class >> RULE_BITS) as usize]
    }
}

// === impl Index ===

impl Default for Index {
    fn default() -> Self {
        let empty = Arc::new(Shard::default());
        Self {
            shards: vec![empty; SHARDS].into(),
            residual: Arc::default(),
            uses: Arc::default(),
        }
    }
}

impl Index {
    /// `for_tcp` is an index in which nothing of HTTP may be looked for.
    pub(crate) fn insert(&mut self, rule_ref: RuleRef, rule: &Rule, for_tcp: bool) {
        let Some(keys) = cover(rule, for_tcp, |key| self.count(key)) else {
            Arc::make_mut(&mut self.residual).insert(rule_ref, rule, for_tcp);
            return;
        };
        let uses = Arc::make_mut(&mut self.uses);
        for key in keys {
            let shard = Arc::make_mut(&mut self.shards[shard_of(key.hash)]);
            let is_new = match shard.get_mut(&key.hash) {
                None => shard.insert(key.hash, Bucket::One(rule_ref)).is_none(),
                Some(bucket) => bucket.insert(rule_ref),
            };
            if is_new {
                uses.add(&key);
            }
        }
    }

    pub(crate) fn remove(&mut self, rule_ref: RuleRef, rule: &Rule, for_tcp: bool) {
        let mut is_indexed = false;
        for key in cover::all_keys(rule, for_tcp) {
            let number = shard_of(key.hash);
            let has = |bucket: &Bucket| bucket.refs().contains(&rule_ref);
            if !self.shards[number].get(&key.hash).is_some_and(has) {
                continue;
            }
            is_indexed = true;
            let shard = Arc::make_mut(&mut self.shards[number]);
            let rest = shard
                .get(&key.hash)
                .and_then(|bucket| bucket.without(rule_ref));
            match rest {
                Some(rest) => shard.insert(key.hash, rest),
                None => shard.remove(&key.hash),
            };
            Arc::make_mut(&mut self.uses).remove(&key);
        }
        if !is_indexed {
            Arc::make_mut(&mut self.residual).remove(rule_ref, rule, for_tcp);
        }
    }

    fn rules(&self, hash: u64) -> &[RuleRef] {
        self.shards[shard_of(hash)]
            .get(&hash)
            .map_or(&[], Bucket::refs)
    }

    fn count(&self, key: &Key) -> usize {
        self.rules(key.hash).len()
    }
}

/// From bits that the maps themselves do not use to find a place.
fn shard_of(hash: u64) -> usize {
    usize::try_from((hash >> 40) % SHARDS as u64).unwrap_or_default()
}

// === impl Bucket ===

impl Bucket {
    fn refs(&self) -> &[RuleRef] {
        match self {
            Bucket::One(one) => std::slice::from_ref(one),
            Bucket::Many(many) => many,
        }
    }

    /// False if it was there already.
    fn insert(&mut self, rule_ref: RuleRef) -> bool {
        if self.refs().contains(&rule_ref) {
            return false;
        }
        let mut refs = self.refs().to_vec();
        refs.push(rule_ref);
        *self = Bucket::Many(refs.into());
        true
    }

    fn without(&self, rule_ref: RuleRef) -> Option<Self> {
        let rest: Vec<RuleRef> = self
            .refs()
            .iter()
            .copied()
            .filter(|own| *own != rule_ref)
            .collect();
        match rest[..] {
            [] => None,
            [one] => Some(Bucket::One(one)),
            _ => Some(Bucket::Many(rest.into())),
        }
    }
}

// === impl KeyHasher ===

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests;

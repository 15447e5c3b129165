use std::collections::HashMap;

use super::key::{Dimension, Fnv, Key};
use super::{CLASSES, Class, Index, RuleRef};

#[test]
fn a_reference_is_one_word_and_loses_nothing() {
    for class in CLASSES {
        let rule_ref = RuleRef::new(7, 12_345, class);
        assert!(rule_ref.is_some_and(|own| own.slot == 7 && own.rule() == 12_345));
        assert_eq!(rule_ref.map(RuleRef::class), Some(class));
    }
    assert_eq!(RuleRef::new(0, 1 << 28, Class::Allow), None);
    assert_eq!(size_of::<RuleRef>(), 8);
}

#[test]
fn one_text_has_a_key_of_its_own_in_each_dimension() {
    let keys = [
        Key::exact(Dimension::Principal, "a"),
        Key::exact(Dimension::Path, "a"),
        Key::exact(Dimension::Namespace, "a"),
    ];
    let hashes: HashMap<u64, ()> = keys.iter().map(|key| (key.hash, ())).collect();
    assert_eq!(hashes.len(), keys.len());
    assert_eq!(Key::start(Dimension::PathStart, ""), None);
    let of_parts = |left: &str, right: &str| {
        Fnv::of(left.bytes())
            .and(right.bytes())
            .finish(Dimension::Account)
    };
    assert_ne!(of_parts("ab", "c"), of_parts("a", "bc"));
}

#[test]
fn an_empty_index_shares_one_shard() {
    let index = Index::default();
    assert!(index.rules(42).is_empty());
    assert!(std::sync::Arc::ptr_eq(&index.shards[0], &index.shards[1]));
}

//! Places by key.
#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn one_key_cannot_take_more_than_its_share_and_others_do_not_notice() {
    let places = Places::new(2);
    let first = places.take("a").unwrap();
    let _second = places.take("a").unwrap();
    assert!(places.take("a").is_none());
    assert!(places.take("b").is_some());
    drop(first);
    assert!(places.take("a").is_some());
}

#[test]
fn a_key_without_places_is_forgotten() {
    let places = Places::new(2);
    drop((places.take("a"), places.take("a")));
    assert!(lock(&places.taken).is_empty());
}

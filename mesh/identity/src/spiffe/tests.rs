//! Which texts are identities: few, and each in one spelling.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::{SpiffeId, TrustDomain};

fn parse(text: &str) -> Result<SpiffeId, crate::Error> {
    text.parse()
}

#[test]
fn an_id_is_read_into_its_parts_and_written_back() {
    let id = parse("spiffe://cluster.local/ns/shop/sa/order").unwrap();
    assert_eq!(id.trust_domain().as_str(), "cluster.local");
    assert_eq!(id.namespace(), "shop");
    assert_eq!(id.service_account(), "order");
    assert_eq!(id.to_string(), "spiffe://cluster.local/ns/shop/sa/order");
}

#[test]
fn names_as_kubernetes_takes_them_are_ids() {
    for text in [
        "spiffe://a/ns/b/sa/c",
        "spiffe://td_1-x.example/ns/mesh-system/sa/meshd",
        "spiffe://cluster.local/ns/0/sa/build.bot-7",
    ] {
        assert_eq!(parse(text).unwrap().to_string(), text);
    }
}

#[test]
fn other_texts_are_refused() {
    let long_account = format!("spiffe://cluster.local/ns/shop/sa/{}", "a".repeat(2048));
    let long_domain = format!("spiffe://{}/ns/shop/sa/order", "a".repeat(256));
    let long_namespace = format!("spiffe://cluster.local/ns/{}/sa/order", "a".repeat(64));
    for text in [
        "",
        "order",
        "spiffe://",
        "spiffe://cluster.local",
        "spiffe:///ns/shop/sa/order",
        "SPIFFE://cluster.local/ns/shop/sa/order",
        "spiffe:/cluster.local/ns/shop/sa/order",
        "https://cluster.local/ns/shop/sa/order",
        "spiffe://Cluster.local/ns/shop/sa/order",
        "spiffe://cluster.local:443/ns/shop/sa/order",
        "spiffe://user@cluster.local/ns/shop/sa/order",
        "spiffe://cluster.local/ns/shop/sa/order?x=1",
        "spiffe://cluster.local/ns/shop/sa/order#x",
        "spiffe://cluster.local/ns/shop/sa/order/",
        "spiffe://cluster.local/ns/shop/sa/",
        "spiffe://cluster.local/ns//sa/order",
        "spiffe://cluster.local//ns/shop/sa/order",
        "spiffe://cluster.local/ns/shop/sa/..",
        "spiffe://cluster.local/ns/./sa/order",
        "spiffe://cluster.local/ns/../sa/order",
        "spiffe://cluster.local/ns/shop/sa/%2e%2e",
        "spiffe://cluster.local/ns/shop/sa/o%72der",
        "spiffe://cluster.local/NS/shop/sa/order",
        "spiffe://cluster.local/ns/shop/SA/order",
        "spiffe://cluster.local/ns/Shop/sa/order",
        "spiffe://cluster.local/ns/shop/sa/Order",
        "spiffe://cluster.local/ns/sh.op/sa/order",
        "spiffe://cluster.local/ns/shop/sa/-order",
        "spiffe://cluster.local/ns/shop/sa/order-",
        "spiffe://cluster.local/ns/shop/sa/or..der",
        "spiffe://cluster.local/ns/shop/sa/or der",
        "spiffe://cluster.local/ns/shop/sa/order\0",
        "spiffe://cluster.local/ns/shop/sa/order\n",
        " spiffe://cluster.local/ns/shop/sa/order",
        "spiffe://cluster.local/sa/order/ns/shop",
        "spiffe://cluster.local/ns/shop/sa/order/ns/shop/sa/order",
        "spiffe://clüster.local/ns/shop/sa/order",
        "spiffe://cluster.local/ns/shop/sa/ordеr", // a Cyrillic letter
        &long_account,
        &long_domain,
        &long_namespace,
    ] {
        assert!(parse(text).is_err(), "{text:?} was taken as an id");
    }
}

#[test]
fn a_refused_text_is_not_repeated_at_length() {
    let error = parse(&"ä".repeat(4000)).unwrap_err();
    assert!(error.to_string().chars().count() < 200);
}

#[test]
fn a_trust_domain_is_lower_case() {
    assert!("cluster.local".parse::<TrustDomain>().is_ok());
    for text in ["", "Cluster.local", "cluster local", "a/b", "a:b", "*"] {
        assert!(text.parse::<TrustDomain>().is_err(), "{text:?} was taken");
    }
}

proptest! {
    #[test]
    fn whatever_parses_is_written_back_unchanged(text in ".{0,80}") {
        if let Ok(id) = parse(&text) {
            prop_assert_eq!(id.to_string(), text);
        }
    }

    #[test]
    fn near_misses_are_written_back_unchanged(
        text in "spiffe://[a-zA-Z0-9.:/@_-]{1,12}/ns/[a-zA-Z0-9./%-]{0,8}/sa/[a-zA-Z0-9./%?#-]{0,8}"
    ) {
        if let Ok(id) = parse(&text) {
            prop_assert_eq!(id.to_string(), text);
        }
    }
}

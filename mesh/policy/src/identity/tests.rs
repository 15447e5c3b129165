#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use regex::Regex;

use super::{Account, Domain, Identity, Namespace, Peer, Principal};

fn regex_takes(source: &str, id: &str) -> bool {
    let regex = Regex::new(&format!("\\A(?:{source})\\z")).unwrap();
    regex.is_match(&format!("spiffe://{id}"))
}

fn principal(value: &str, id: &str) -> bool {
    Identity::Principal(Principal::new(value)).matches(&Peer::new(id))
}

fn namespace(value: &str, id: &str) -> bool {
    Identity::Namespace(Namespace::new(value)).matches(&Peer::new(id))
}

fn account(value: &str, id: &str) -> bool {
    Identity::Account(Account::new(value, "own")).matches(&Peer::new(id))
}

fn domain(value: &str, id: &str) -> bool {
    Identity::Domain(Domain::new(value)).matches(&Peer::new(id))
}

/// Ids of the usual form, and ids made of the same pieces in any order.
fn ids() -> impl Strategy<Value = String> {
    let piece = prop_oneof!["ns", "sa", "a", "b", "a.b", "", "nsa", "a\n"];
    let usual = ("[a-b.]{1,3}|ns|sa", "[a-b]{1,3}|ns|sa", "[a-b.]{1,3}|ns|sa")
        .prop_map(|(domain, namespace, account)| format!("{domain}/ns/{namespace}/sa/{account}"));
    let pieces = prop::collection::vec(piece, 0..9).prop_map(|pieces| pieces.join("/"));
    prop_oneof![usual, pieces]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn segments_say_what_istios_expressions_say(
        id in ids(),
        value in "[a-b.]{1,3}|ns|sa",
        other in "[a-b.]{1,3}|ns|sa",
    ) {
        let (quoted, quoted_other) = (regex::escape(&value), regex::escape(&other));
        prop_assert_eq!(namespace(&value, &id), regex_takes(&format!(".*/ns/{quoted}/.*"), &id));
        for wild in [format!("{value}*"), format!("*{value}"), format!("{value}*{other}")] {
            let source = format!(".*/ns/{}/.*", regex::escape(&wild).replace("\\*", ".*"));
            prop_assert_eq!(namespace(&wild, &id), regex_takes(&source, &id), "{}", wild);
        }
        let source = format!("spiffe://.+/ns/{quoted}/(.+/|)sa/{quoted_other}(/.+)?");
        prop_assert_eq!(account(&format!("{value}/{other}"), &id), regex_takes(&source, &id));
        let source = format!("spiffe://.+/ns/own/(.+/|)sa/{quoted_other}(/.+)?");
        prop_assert_eq!(account(&other, &id), regex_takes(&source, &id));
        let source = format!("spiffe://.*{quoted}/sa/{quoted_other}");
        prop_assert_eq!(principal(&format!("*{value}/sa/{other}"), &id), regex_takes(&source, &id));
        prop_assert_eq!(principal("*", &id), regex_takes(".+", &id));
        let source = format!("spiffe://{quoted}[^/]*{quoted_other}/.*");
        prop_assert_eq!(domain(&format!("{value}*{other}"), &id), regex_takes(&source, &id));
    }
}

#[test]
fn a_principal_is_compared_as_it_stands() {
    let id = "cluster.local/ns/foo/sa/sleep";
    for (value, expected) in [
        ("cluster.local/ns/foo/sa/sleep", true),
        ("spiffe://cluster.local/ns/foo/sa/sleep", false),
        ("Cluster.local/ns/foo/sa/sleep", false),
        ("*", true),
        ("*/sa/sleep", true),
        ("*sleep", true),
        ("cluster.local/*", true),
        ("cluster.local/ns/fo*", true),
        ("cluster.local/ns/fop*", false),
        ("*/ns/foo/*", false),
    ] {
        assert_eq!(principal(value, id), expected, "{value}");
    }
    assert!(principal("*", ""));
    assert!(!principal("*", "a\nb"));
}

#[test]
fn the_usual_id_has_one_namespace() {
    let id = "cluster.local/ns/foo/sa/sleep";
    for (value, expected) in [
        ("foo", true),
        ("f", false),
        ("f*", true),
        ("*oo", true),
        ("*", true),
        ("f*o", true),
        ("sleep", false),
        ("foo/sa", true),
        // Istio's expression also finds `foo/sa` to end with an `a`.
        ("*a", true),
    ] {
        assert_eq!(namespace(value, id), expected, "{value}");
    }
}

#[test]
fn a_domain_or_namespace_called_ns_is_what_istios_expression_makes_of_it() {
    assert!(namespace("ns", "ns/ns/foo/sa/x"));
    assert!(namespace("foo", "ns/ns/foo/sa/x"));
    assert!(namespace("ns", "td/ns/ns/sa/x"));
    assert!(namespace("sa", "td/ns/ns/sa/x"));
    assert!(!namespace("sa", "td/ns/foo/sa/x"));
}

#[test]
fn an_account_without_namespace_is_of_the_own_policy() {
    assert!(account("sleep", "td/ns/own/sa/sleep"));
    assert!(!account("sleep", "td/ns/foo/sa/sleep"));
    assert!(account("foo/sleep", "td/ns/foo/sa/sleep"));
    assert!(!account("foo/sleep", "td/ns/foo/sa/sleepy"));
    assert!(account("foo/sleep", "td/ns/foo/x/y/sa/sleep/z"));
    assert!(!account("foo/sleep", "td/ns/foo/sa/sleep/"));
}

#[test]
fn a_trust_domain_ends_at_the_first_slash() {
    let id = "cluster.local/ns/foo/sa/sleep";
    for (value, expected) in [
        ("cluster.local", true),
        ("cluster", false),
        ("cluster*", true),
        ("*local", true),
        ("*", true),
        ("*foo", false),
        ("cluster.l*.local", false),
    ] {
        assert_eq!(domain(value, id), expected, "{value}");
    }
    assert!(!domain("cluster.local", "cluster.local"));
    assert!(domain("*", ""));
}

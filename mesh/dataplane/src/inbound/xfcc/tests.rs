//! `x-forwarded-client-cert`: what names a peer, and what is taken for nothing.
#![allow(clippy::unwrap_used)]

use super::*;

const ORDER: &str = "spiffe://cluster.local/ns/shop/sa/order";

fn peer_of(values: &[&str]) -> Option<String> {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(XFCC, value.parse().unwrap());
    }
    peer(&headers).map(|id| id.to_string())
}

#[test]
fn the_last_element_names_the_peer() {
    let forms = [
        format!(
            "By=spiffe://a/ns/b/sa/c;Hash=00ff;Subject=\"CN=x, O=\\\"y;URI=z\\\"\";URI={ORDER}"
        ),
        format!("URI=\"{ORDER}\""),
        format!("uri={ORDER}"),
        format!("URI=spiffe://cluster.local/ns/shop/sa/debug,Hash=1;URI={ORDER}"),
    ];
    for form in forms {
        assert_eq!(peer_of(&[&form]).as_deref(), Some(ORDER), "{form}");
    }
    let two_headers = peer_of(&[
        "URI=spiffe://cluster.local/ns/shop/sa/debug",
        &format!("URI={ORDER}"),
    ]);
    assert_eq!(two_headers.as_deref(), Some(ORDER));
}

#[test]
fn anything_unclear_names_nobody() {
    for form in [
        String::new(),
        "Hash=00ff".to_owned(),
        "URI=".to_owned(),
        "URI=https://cluster.local".to_owned(),
        format!("URI={ORDER};URI={ORDER}"),
        format!("URI={ORDER};Subject=\"open"),
        format!("URI={ORDER},Hash=1"),
        format!("Subject=\"URI={ORDER}\""),
        format!("URI=\"{ORDER}"),
    ] {
        assert_eq!(peer_of(&[&form]), None, "{form}");
    }
    assert_eq!(peer_of(&[]), None);
}

#[test]
fn stripping_leaves_nothing_that_looks_like_an_identity() {
    let mut headers = HeaderMap::new();
    headers.append(XFCC, "URI=a".parse().unwrap());
    headers.append(XFCC, "URI=b".parse().unwrap());
    headers.append("x-spiffe-id", ORDER.parse().unwrap());
    headers.append("x-other", "kept".parse().unwrap());
    strip(&mut headers);
    assert_eq!(headers.len(), 1);
}

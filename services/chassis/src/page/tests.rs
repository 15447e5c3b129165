//! Page tokens: what they carry, and whose they are.

#![allow(clippy::unwrap_used)]

use tonic::{Code, Status};

use super::{Page, PageTokens};

const BOUND: (&str, &str) = ("c1", "orders");

fn tokens() -> PageTokens {
    PageTokens::new(b"the database's password")
}

fn first(size: i32) -> Page<(i64, String)> {
    tokens().parse(size, "", &BOUND).unwrap()
}

fn next_token() -> String {
    let rows = vec![1_i64, 2, 3];
    tokens()
        .cut(&first(2), rows, |row| (*row, format!("id-{row}")))
        .1
}

fn refused(size: i32, token: &str, bound: (&str, &str)) -> bool {
    let page = tokens().parse::<(i64, String)>(size, token, &bound);
    Status::from(page.unwrap_err()).code() == Code::InvalidArgument
}

#[test]
fn sizes_have_a_default_and_a_most() {
    assert_eq!(first(0).size, 50);
    assert_eq!(first(7).size, 7);
    assert_eq!(first(1_000_000).size, 1000);
    assert_eq!(first(7).limit(), 8);
    assert!(refused(-1, "", BOUND));
}

#[test]
fn a_token_leads_to_the_place_after_the_last_row() {
    let page: Page<(i64, String)> = tokens().parse(2, &next_token(), &BOUND).unwrap();
    assert_eq!(page.after, Some((2, "id-2".to_owned())));
}

#[test]
fn the_last_page_has_no_token() {
    let (rows, token) = tokens().cut(&first(3), vec![1_i64, 2, 3], |row| *row);
    assert_eq!((rows.len(), token.as_str()), (3, ""));
    let (rows, token) = tokens().cut(&first(3), Vec::<i64>::new(), |row| *row);
    assert_eq!((rows.len(), token.as_str()), (0, ""));
}

#[test]
fn a_token_of_another_listing_or_user_is_refused() {
    assert!(refused(2, &next_token(), ("c2", "orders")));
    assert!(refused(2, &next_token(), ("c1", "payments")));
}

#[test]
fn a_token_of_another_service_is_refused() {
    let foreign =
        PageTokens::new(b"another password").cut(&first(2), vec![1_i64, 2, 3], |row| *row);
    assert!(refused(2, &foreign.1, BOUND));
}

#[test]
fn a_token_that_was_changed_or_made_up_is_refused() {
    let token = next_token();
    for index in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        // The last character may carry bits that the encoding ignores.
        assert!(changed == token || refused(2, &changed, BOUND), "{index}");
    }
    for made_up in ["x", "AAAA", "id-2", "\0", "%00", &"A".repeat(5000)] {
        assert!(refused(2, made_up, BOUND), "{made_up}");
    }
}

#[test]
fn a_token_does_not_show_what_it_carries() {
    use base64::Engine;
    let bytes = base64::prelude::BASE64_URL_SAFE_NO_PAD
        .decode(next_token())
        .unwrap();
    assert!(!String::from_utf8_lossy(&bytes).contains("id-2"));
    assert_ne!(
        next_token(),
        next_token(),
        "two tokens of one place look different"
    );
}

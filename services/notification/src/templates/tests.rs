//! What the mails say, and what can never be in one.
#![allow(clippy::unwrap_used)]

use shop_chassis::{Currency, Money};
use uuid::Uuid;

use super::*;

fn order() -> OrderId {
    OrderId(Uuid::parse_str("019ab000-0000-7000-8000-0000deadbeef").unwrap())
}

fn euro(minor: i64) -> Money {
    Money::new(minor, Currency::of("EUR").unwrap())
}

fn all() -> Vec<Content> {
    let mut all = vec![
        Content::OrderReceived { total: euro(1999) },
        Content::Receipt { amount: euro(1999) },
        Content::PaymentFailed,
        Content::Refund {
            amount: euro(500),
            refunded: euro(500),
        },
        Content::Refund {
            amount: euro(500),
            refunded: euro(1500),
        },
    ];
    let reasons = [
        Reason::OutOfStock,
        Reason::PaymentFailed,
        Reason::CancelRequested,
        Reason::DeadlinePassed,
    ];
    all.extend(reasons.map(|reason| Content::OrderCancelled { reason }));
    all
}

fn text(content: Content) -> String {
    render(&content, order()).text
}

#[test]
fn every_subject_names_the_order_in_one_short_line() {
    for content in all() {
        let subject = render(&content, order()).subject;
        assert!(subject.contains("deadbeef"), "{subject}");
        assert!(
            subject.len() <= 60 && !subject.contains(char::is_control),
            "{subject:?}"
        );
    }
}

#[test]
fn every_text_names_the_whole_order_and_stays_plain() {
    for content in all() {
        let text = text(content);
        assert!(
            text.contains("Order: 019ab000-0000-7000-8000-0000deadbeef\n"),
            "{text}"
        );
        assert!(
            text.is_ascii() && !text.contains(['\r', '\t', '\0']),
            "{text:?}"
        );
        assert!(text.lines().all(|line| line.len() <= 78), "{text}");
    }
}

#[test]
fn amounts_are_told() {
    assert!(text(Content::OrderReceived { total: euro(1999) }).contains("19.99 EUR"));
    assert!(text(Content::Receipt { amount: euro(5) }).contains("0.05 EUR"));
}

#[test]
fn a_partial_refund_tells_the_sum_as_well() {
    let whole = text(Content::Refund {
        amount: euro(500),
        refunded: euro(500),
    });
    assert!(
        whole.contains("5.00 EUR") && !whole.contains("in all"),
        "{whole}"
    );
    let part = text(Content::Refund {
        amount: euro(500),
        refunded: euro(1500),
    });
    assert!(
        part.contains("5.00 EUR") && part.contains("15.00 EUR in all"),
        "{part}"
    );
}

#[test]
fn a_cancelled_order_is_told_why() {
    let told = text(Content::OrderCancelled {
        reason: Reason::OutOfStock,
    });
    assert!(told.contains("enough of what you ordered"), "{told}");
}

#[test]
fn the_same_content_is_the_same_words() {
    for content in all() {
        assert_eq!(render(&content, order()), render(&content.clone(), order()));
    }
}

//! Which rows count as published.

use super::{Sent, published};

fn check(rows: &[(&str, bool)], expected: &[i64]) {
    let sent: Vec<Sent<'_>> = rows
        .iter()
        .zip(1..)
        .map(|((key, delivered), seq)| Sent {
            seq,
            topic: "order-events",
            key,
            delivered: *delivered,
        })
        .collect();
    assert_eq!(published(&sent), expected, "{rows:?}");
}

#[test]
fn everything_that_arrived_in_order_is_published() {
    check(&[("a", true), ("b", true), ("a", true)], &[1, 2, 3]);
    check(&[], &[]);
}

#[test]
fn a_failure_holds_back_what_follows_of_its_key_only() {
    check(
        &[("a", true), ("a", false), ("b", true), ("a", true)],
        &[1, 3],
    );
}

#[test]
fn nothing_of_a_key_whose_first_row_failed_is_published() {
    check(&[("a", false), ("a", true), ("a", true)], &[]);
}

#[test]
fn one_key_on_two_topics_is_two_orders() {
    let row = |seq, topic, delivered| Sent {
        seq,
        topic,
        key: "a",
        delivered,
    };
    let sent = [
        row(1, "order-events", false),
        row(2, "product-events", true),
    ];
    assert_eq!(published(&sent), [2]);
}

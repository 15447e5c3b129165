#![allow(clippy::unwrap_used)]

use chrono::DateTime;
use shop_chassis::{Currency, Money};
use uuid::Uuid;

use super::{
    CustomerId, Email, Order, OrderId, PaymentToken, Product, ProductId, Quantity, Refusal, Time,
    Wish, WishedLine, merge,
};
use crate::saga::State;

fn product_id(number: u128) -> ProductId {
    ProductId(Uuid::from_u128(number))
}

fn money(minor: i64, currency: &str) -> Money {
    Money::new(minor, Currency::of(currency).unwrap())
}

fn product(number: u128, price: Money) -> Product {
    Product {
        id: product_id(number),
        sku: format!("sku-{number}"),
        name: format!("product {number}"),
        price,
    }
}

fn units(count: i32) -> Quantity {
    Quantity::parse(count).unwrap()
}

fn wish(lines: &[(u128, i32)]) -> Wish {
    Wish {
        email: Email::parse("c1@example.org").unwrap(),
        payment_token: PaymentToken::parse("tok_ok").unwrap(),
        lines: merge(wished(lines)).unwrap(),
    }
}

fn wished(lines: &[(u128, i32)]) -> Vec<WishedLine> {
    lines
        .iter()
        .enumerate()
        .map(|(index, (number, count))| WishedLine {
            index,
            product: product_id(*number),
            quantity: units(*count),
        })
        .collect()
}

fn now() -> Time {
    DateTime::from_timestamp(1_790_000_000, 0).unwrap()
}

fn place(wish: &Wish, products: &[Product]) -> Result<Order, Refusal> {
    let id = OrderId(Uuid::from_u128(77));
    Order::place(id, CustomerId("c1".to_owned()), wish, products, now())
}

#[test]
fn an_order_takes_names_and_prices_from_the_catalogue() {
    let catalogue = [
        product(2, money(1_999, "EUR")),
        product(1, money(250, "EUR")),
    ];
    let order = place(&wish(&[(1, 3), (2, 1)]), &catalogue).unwrap();

    assert_eq!(order.state, State::PLACED);
    assert_eq!(order.version, 1);
    assert_eq!(order.total, money(2_749, "EUR"));
    let lines: Vec<_> = order
        .lines
        .iter()
        .map(|line| (line.sku.as_str(), line.quantity.units(), line.amount))
        .collect();
    assert_eq!(
        lines,
        [
            ("sku-1", 3, money(750, "EUR")),
            ("sku-2", 1, money(1_999, "EUR")),
        ]
    );
    assert_eq!((order.create_time, order.update_time), (now(), now()));
}

#[test]
fn every_line_without_a_product_is_named_by_its_place_in_the_request() {
    let catalogue = [product(1, money(100, "EUR"))];
    // The second line of product 1 is merged away, so places in wish and request differ.
    let wish = wish(&[(1, 1), (1, 1), (5, 1), (6, 1)]);
    assert_eq!(
        place(&wish, &catalogue),
        Err(Refusal::Unavailable(vec![2, 3]))
    );
}

#[test]
fn lines_in_another_currency_than_the_first_are_refused_and_named() {
    let catalogue = [
        product(1, money(100, "EUR")),
        product(2, money(100, "USD")),
        product(3, money(100, "EUR")),
        product(4, money(100, "JPY")),
    ];
    assert_eq!(
        place(&wish(&[(1, 1), (2, 1), (3, 1), (4, 1)]), &catalogue),
        Err(Refusal::MixedCurrencies(vec![1, 3]))
    );
}

#[test]
fn amounts_beyond_what_can_be_counted_are_refused() {
    let half = i64::MAX / 2;
    let dear = [
        product(1, money(half, "EUR")),
        product(2, money(half, "EUR")),
    ];
    assert_eq!(place(&wish(&[(1, 3)]), &dear), Err(Refusal::TooLarge(0)));
    assert_eq!(
        place(&wish(&[(1, 1), (2, 2)]), &dear),
        Err(Refusal::TooLarge(1))
    );
}

#[test]
fn an_order_must_cost_something_but_not_each_of_its_lines() {
    let products = [product(1, money(0, "EUR")), product(2, money(1, "EUR"))];
    let free = place(&wish(&[(1, 999)]), &products);
    assert_eq!(free, Err(Refusal::Free));
    let gift = place(&wish(&[(1, 1), (2, 1)]), &products).unwrap();
    assert_eq!(gift.total, money(1, "EUR"));
}

#[test]
fn lines_of_one_product_are_added_up_where_it_first_stood() {
    let lines = wished(&[(1, 2), (2, 5), (1, 3), (2, 1)]);
    let line = |index, number, count| WishedLine {
        index,
        product: product_id(number),
        quantity: units(count),
    };
    assert_eq!(merge(lines).unwrap(), [line(0, 1, 5), line(1, 2, 6)]);
}

#[test]
fn lines_of_one_product_may_add_up_to_999_and_no_further() {
    let lines = wished(&[(1, 500), (1, 499), (2, 1)]);
    assert_eq!(merge(lines).unwrap()[0].quantity, units(999));

    let lines = wished(&[(2, 1), (1, 999), (1, 1), (2, 998), (2, 1)]);
    assert_eq!(merge(lines).unwrap_err(), [2, 4]);
}

#[test]
fn quantities_are_1_to_999() {
    for (count, valid) in [
        (i32::MIN, false),
        (-1, false),
        (0, false),
        (1, true),
        (999, true),
        (1_000, false),
        (i32::MAX, false),
    ] {
        assert_eq!(Quantity::parse(count).is_ok(), valid, "{count}");
    }
}

#[test]
fn mail_addresses_cannot_leave_their_header() {
    let labels = ["b".repeat(63), "c".repeat(63), "d".repeat(61)].join(".");
    let local = "a".repeat(64);
    let long = format!("{local}@{labels}");
    let too_long = format!("{local}@{labels}d");
    let long_local = format!("a{local}@example.org");
    let long_label = format!("c1@{}.org", "e".repeat(64));
    for (text, valid) in [
        ("c1@example.org", true),
        ("o'brien+shop@sub.example.org", true),
        ("ü@exämple.org", true),
        (&long, true),
        (&too_long, false),
        ("", false),
        ("example.org", false),
        ("@example.org", false),
        ("c1@", false),
        ("c1@a@b", false),
        ("c1@example.org\r\nBcc: all@example.org", false),
        ("c1@example.org\n", false),
        ("c1@exa\u{2028}mple.org", false),
        ("c1@example.org\0", false),
        ("c1@exam ple.org", false),
        (" c1@example.org", false),
        ("c1@example.org\t", false),
        ("c1@example.org\u{85}", false),
        ("c1@example.org\u{202e}", false),
        ("c1@exa\u{200b}mple.org", false),
        ("<c1@example.org>", false),
        ("c1@example.org>", false),
        ("c1,c2@example.org", false),
        ("c1;c2@example.org", false),
        ("\"c 1\"@example.org", false),
        ("c1(x)@example.org", false),
        (".c1@example.org", false),
        ("c..1@example.org", false),
        ("c1@example..org", false),
        ("c1@-example.org", false),
        ("c1@[127.0.0.1]", false),
        ("c1@localhost", true),
        (&long_local, false),
        (&long_label, false),
    ] {
        assert_eq!(Email::parse(text).is_ok(), valid, "{text:?}");
    }
}

#[test]
fn card_numbers_are_not_payment_tokens() {
    let longest = "t".repeat(255);
    let too_long = "t".repeat(256);
    for (text, valid) in [
        ("tok_ok", true),
        ("tok_4242424242424242", true),
        ("pm 1", true),
        ("12345678901", true),
        ("12345678901234567890", true),
        (&longest, true),
        (&too_long, false),
        ("", false),
        ("4242424242424242", false),
        ("4242 4242 4242 4242", false),
        ("4242-4242-4242-4242", false),
        ("3782 822463 10005", false),
        ("123456789012", false),
        ("1234567890123456789", false),
        ("tok\nok", false),
        ("tok\0", false),
        ("tök", false),
    ] {
        assert_eq!(PaymentToken::parse(text).is_ok(), valid, "{text:?}");
    }
}

#[test]
fn addresses_and_tokens_never_show_in_debug_output() {
    let shown = format!("{:?}", wish(&[(1, 1)]));
    assert!(!shown.contains("example.org"), "{shown}");
    assert!(!shown.contains("tok_ok"), "{shown}");
}

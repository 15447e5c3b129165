//! Money, at its edges.

#![allow(clippy::unwrap_used)]

use proptest::prelude::{any, proptest};

use super::{Currency, Money, MoneyError};
use crate::error::Failure;

fn of(code: &str) -> Currency {
    Currency::of(code).unwrap()
}

fn refused(code: &str, units: i64, nanos: i32) -> String {
    let failure = Failure::from(Money::parse(code, units, nanos).unwrap_err());
    format!("{failure:?}")
}

#[test]
fn parts_become_minor_units() {
    for (code, units, nanos, minor) in [
        ("EUR", 12, 340_000_000, 1234),
        ("EUR", 0, 10_000_000, 1),
        ("EUR", -1, -500_000_000, -150),
        ("JPY", 500, 0, 500),
        ("KWD", 1, 1_000_000, 1001),
    ] {
        let money = Money::parse(code, units, nanos).unwrap();
        assert_eq!(money.minor(), minor, "{code} {units} {nanos}");
        assert_eq!((money.units(), money.nanos()), (units, nanos));
    }
}

#[test]
fn what_a_currency_cannot_hold_is_refused_by_part() {
    assert!(
        refused("EUR", 1, 1_000_000).contains("nanos"),
        "finer than a cent"
    );
    assert!(
        refused("JPY", 1, 10_000_000).contains("nanos"),
        "yen have no parts"
    );
    assert!(
        refused("EUR", 1, -10_000_000).contains("nanos"),
        "two signs"
    );
    assert!(
        refused("EUR", 1, 1_000_000_000).contains("nanos"),
        "a whole unit"
    );
    assert!(refused("EUR", i64::MAX, 0).contains("units"), "too large");
    for unknown in ["", "eur", "EURO", "XTS", "DEM", "EU\0"] {
        assert!(refused(unknown, 1, 0).contains("currencyCode"), "{unknown}");
    }
}

#[test]
fn several_wrong_parts_are_named_together() {
    let text = refused("XTS", 1, -1_000_000_000);
    assert!(
        text.contains("currencyCode") && text.contains("nanos"),
        "{text}"
    );
}

#[test]
fn two_currencies_are_never_combined() {
    let (euro, dollar) = (Money::new(1, of("EUR")), Money::new(1, of("USD")));
    let mismatch = MoneyError::CurrencyMismatch(of("EUR"), of("USD"));
    assert_eq!(euro.checked_add(dollar), Err(mismatch));
    assert_eq!(euro.checked_sub(dollar), Err(mismatch));
}

#[test]
fn overflow_is_an_error() {
    let most = Money::new(i64::MAX, of("EUR"));
    assert_eq!(
        most.checked_add(Money::new(1, of("EUR"))),
        Err(MoneyError::Overflow)
    );
    assert_eq!(most.checked_mul(2), Err(MoneyError::Overflow));
    let least = Money::new(i64::MIN, of("EUR"));
    assert_eq!(
        least.checked_sub(Money::new(1, of("EUR"))),
        Err(MoneyError::Overflow)
    );
}

#[test]
fn amounts_are_shown_with_the_digits_of_their_currency() {
    for (minor, code, shown) in [
        (1234, "EUR", "12.34 EUR"),
        (-5, "EUR", "-0.05 EUR"),
        (500, "JPY", "500 JPY"),
        (1001, "KWD", "1.001 KWD"),
        (i64::MIN, "USD", "-92233720368547758.08 USD"),
    ] {
        assert_eq!(Money::new(minor, of(code)).to_string(), shown);
    }
}

#[test]
fn every_currency_of_the_table_is_found() {
    let mut codes = super::currency::codes().collect::<Vec<_>>();
    assert!(codes.iter().all(|code| of(code).code() == *code));
    assert!(
        codes
            .iter()
            .all(|code| matches!(of(code).exponent(), 0 | 2 | 3))
    );
    let count = codes.len();
    codes.dedup();
    assert_eq!(codes.len(), count);
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(minor in any::<i64>(), index in 0_usize..66) {
        let code = super::currency::codes().nth(index).unwrap();
        let money = Money::new(minor, of(code));
        assert_eq!(Money::parse(code, money.units(), money.nanos()).unwrap(), money);
    }

    #[test]
    fn parsing_never_panics(code in ".{0,4}", units in any::<i64>(), nanos in any::<i32>()) {
        let _ = Money::parse(&code, units, nanos);
    }

    #[test]
    fn a_sum_less_one_part_is_the_other(a in any::<i64>(), b in any::<i64>()) {
        let (a, b) = (Money::new(a, of("EUR")), Money::new(b, of("EUR")));
        if let Ok(sum) = a.checked_add(b) {
            assert_eq!(sum.checked_sub(b), Ok(a));
        }
    }
}

//! Changes of units and their limits.

use crate::domain::{AdjustRefused, Stock, StockReason, UNITS_MAX};

fn stock(on_hand: i32, reserved: i32) -> Stock {
    Stock {
        on_hand,
        reserved,
        version: 7,
    }
}

#[test]
fn adjusting_keeps_promises_covered_and_has_a_ceiling() {
    let check = |on_hand, reserved, delta, expected: Result<i32, AdjustRefused>| {
        let change = stock(on_hand, reserved).adjust(delta);
        assert_eq!(
            change.map(|change| change.on_hand),
            expected,
            "{on_hand} {reserved} {delta}"
        );
        if let Ok(change) = change {
            assert_eq!((change.reason, change.reserved), (StockReason::Adjusted, 0));
        }
    };
    check(10, 0, 5, Ok(5));
    check(10, 0, -10, Ok(-10));
    check(10, 4, -6, Ok(-6));
    check(10, 4, -7, Err(AdjustRefused::OutOfStock { available: 6 }));
    check(0, 0, -1, Err(AdjustRefused::OutOfStock { available: 0 }));
    check(
        0,
        0,
        i32::MIN,
        Err(AdjustRefused::OutOfStock { available: 0 }),
    );
    check(0, 0, UNITS_MAX, Ok(UNITS_MAX));
    check(1, 0, UNITS_MAX, Err(AdjustRefused::TooMany { on_hand: 1 }));
    check(
        UNITS_MAX,
        0,
        i32::MAX,
        Err(AdjustRefused::TooMany { on_hand: UNITS_MAX }),
    );
}

#[test]
fn each_reason_moves_the_units_it_names() {
    let check = |reason: StockReason, on_hand, reserved, delta| {
        let change = reason.change(3);
        assert_eq!(
            (change.on_hand, change.reserved),
            (on_hand, reserved),
            "{reason:?}"
        );
        assert_eq!(change.delta(), delta, "{reason:?}");
    };
    check(StockReason::Initial, 3, 0, 3);
    check(StockReason::Adjusted, 3, 0, 3);
    check(StockReason::Reserved, 0, 3, 3);
    check(StockReason::Released, 0, -3, -3);
    check(StockReason::Committed, -3, -3, -3);
    check(StockReason::Returned, 3, 0, 3);
}

#[test]
fn promise_and_its_end_leave_the_stock_as_it_was() {
    let ends = [
        [StockReason::Reserved, StockReason::Released].as_slice(),
        &[
            StockReason::Reserved,
            StockReason::Committed,
            StockReason::Returned,
        ],
    ];
    for reasons in ends {
        let changes = reasons.iter().map(|reason| reason.change(3));
        let sum = changes.fold((0, 0), |sum, change| {
            (sum.0 + change.on_hand, sum.1 + change.reserved)
        });
        assert_eq!(sum, (0, 0), "{reasons:?}");
    }
}

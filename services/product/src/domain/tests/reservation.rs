//! Placing, moving and merging.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{at, product_id};
use crate::domain::{
    BadLines, IllegalMove, Lines, OrderId, Placement, ProductId, Reservation, ReservationMove,
    ReservationState, Shortage, Step, Stock, StockReason, UNITS_MAX,
};

const ORDER: OrderId = OrderId(Uuid::from_u128(99));

fn lines<const N: usize>(lines: [(u128, i32); N]) -> Lines {
    Lines::merge(lines.map(|(id, quantity)| (product_id(id), quantity))).unwrap()
}

fn stock<const N: usize>(rows: [(u128, i32, i32); N]) -> BTreeMap<ProductId, Stock> {
    let rows = rows.map(|(id, on_hand, reserved)| {
        let stock = Stock {
            on_hand,
            reserved,
            version: 1,
        };
        (product_id(id), stock)
    });
    rows.into_iter().collect()
}

#[test]
fn every_move_from_every_state_is_decided() {
    use ReservationMove::{Commit, Confirm, Expire, Release};
    use ReservationState::{Committed, Confirmed, Held, Rejected, Released};
    let to = |state, reason| Ok(Step::To(state, Some(reason)));
    let illegal = |from| {
        Err(IllegalMove {
            from,
            to: Confirmed,
        })
    };
    let table = [
        (Held, Confirm, Ok(Step::To(Confirmed, None))),
        (Held, Commit, to(Committed, StockReason::Committed)),
        (
            Held,
            Release("CUSTOMER"),
            to(Released, StockReason::Released),
        ),
        (Held, Expire, to(Released, StockReason::Released)),
        (Confirmed, Confirm, Ok(Step::Stay)),
        (Confirmed, Commit, to(Committed, StockReason::Committed)),
        (
            Confirmed,
            Release("CUSTOMER"),
            to(Released, StockReason::Released),
        ),
        (Confirmed, Expire, Ok(Step::Stay)),
        (Committed, Confirm, Ok(Step::Stay)),
        (Committed, Commit, Ok(Step::Stay)),
        (
            Committed,
            Release("CUSTOMER"),
            to(Released, StockReason::Returned),
        ),
        (Committed, Expire, Ok(Step::Stay)),
        (Released, Confirm, illegal(Released)),
        (Released, Commit, Ok(Step::Stay)),
        (Released, Release("CUSTOMER"), Ok(Step::Stay)),
        (Released, Expire, Ok(Step::Stay)),
        (Rejected, Confirm, illegal(Rejected)),
        (Rejected, Commit, Ok(Step::Stay)),
        (Rejected, Release("CUSTOMER"), Ok(Step::Stay)),
        (Rejected, Expire, Ok(Step::Stay)),
    ];
    for (state, asked, expected) in table {
        assert_eq!(state.after(asked), expected, "{state:?} {asked:?}");
    }
}

#[test]
fn names_of_states_read_back() {
    for state in ReservationState::ALL {
        assert_eq!(ReservationState::from_name(state.as_str()), Some(state));
    }
    assert_eq!(ReservationState::from_name("held"), None);
    assert_eq!(ReservationState::from_name(""), None);
}

#[test]
fn lines_of_one_product_add_up() {
    let merged = lines([(2, 1), (1, 5), (2, 3)]);
    let expected = [(product_id(1), 5), (product_id(2), 4)];
    assert_eq!(merged.iter().collect::<Vec<_>>(), expected);
}

#[test]
fn lines_that_no_order_can_have_are_refused() {
    let check = |lines: &[(u128, i32)], expected| {
        let lines = lines
            .iter()
            .map(|(id, quantity)| (product_id(*id), *quantity));
        assert_eq!(Lines::merge(lines), Err(expected));
    };
    check(&[], BadLines::Empty);
    check(&[(1, 0)], BadLines::Quantity(product_id(1)));
    check(&[(1, 3), (2, -1)], BadLines::Quantity(product_id(2)));
    check(&[(1, 3), (1, -1)], BadLines::Quantity(product_id(1)));
    check(&[(1, UNITS_MAX), (1, 1)], BadLines::Quantity(product_id(1)));
    check(
        &[(1, i32::MAX), (1, i32::MAX)],
        BadLines::Quantity(product_id(1)),
    );
}

fn place(lines: Lines, stock: &BTreeMap<ProductId, Stock>) -> Placement {
    Reservation::place(ORDER, lines, stock, at(600))
}

#[test]
fn order_that_fits_is_held_until_it_expires() {
    let check = |wanted: Lines, stock: BTreeMap<ProductId, Stock>| {
        let expected = Reservation {
            order_id: ORDER,
            state: ReservationState::Held,
            lines: wanted.clone(),
            expire_time: Some(at(600)),
            version: 1,
        };
        assert_eq!(place(wanted, &stock), Placement::Held(expected));
    };
    check(lines([(1, 3)]), stock([(1, 10, 7)]));
    check(lines([(1, 1), (2, 2)]), stock([(1, 1, 0), (2, 2, 0)]));
}

#[test]
fn order_that_lacks_units_is_promised_nothing_and_told_every_shortage() {
    let wanted = lines([(1, 4), (2, 1), (3, 2), (4, 1)]);
    let short = |id, requested, available| Shortage {
        product_id: product_id(id),
        requested,
        available,
    };
    let placement = place(wanted, &stock([(1, 10, 7), (2, 5, 0), (3, 0, 0)]));
    let Placement::Rejected(rejected, shortages) = placement else {
        panic!("{placement:?}")
    };
    assert_eq!(shortages, [short(1, 4, 3), short(3, 2, 0), short(4, 1, 0)]);
    assert_eq!(rejected.state, ReservationState::Rejected);
    assert_eq!(rejected.lines, Lines::default());
}

#[test]
fn only_a_release_counts_as_an_event_of_the_reservation() {
    let tombstone = Reservation::tombstone(ORDER);
    assert_eq!(
        (tombstone.version, tombstone.state),
        (0, ReservationState::Released)
    );
    let Placement::Held(held) = place(lines([(1, 1)]), &stock([(1, 1, 0)])) else {
        panic!("not held")
    };
    let confirmed = held.moved(ReservationState::Confirmed);
    let committed = confirmed.moved(ReservationState::Committed);
    let released = committed.moved(ReservationState::Released);
    assert_eq!(
        [confirmed.version, committed.version, released.version],
        [1, 1, 2]
    );
    assert_eq!(released.lines, held.lines);
}

//! Refunds: never above what is left, and each of them once.

use shop_chassis::{Currency, Money};
use uuid::Uuid;

use super::{REASON, eur, in_status, later, refund_id, start};
use crate::domain::{Fact, OrderId, Payment, PaymentId, RefundId, RefundState, Reversal, Status};
use crate::error::Error;

fn usd(minor: i64) -> Money {
    Money::new(minor, Currency::of("USD").unwrap())
}

#[test]
fn reverse_of_a_partly_refunded_payment_gives_back_the_rest() {
    let paid = in_status(Status::Succeeded);
    let (accepted, refund) = paid
        .accept_refund(refund_id(3), Some(eur(300)), "", later())
        .unwrap();
    let waiting = accepted
        .payment
        .begin_reverse(REASON, None, later())
        .unwrap();
    assert!(matches!(waiting, Reversal::Wait(_)), "its fate is open");

    let (done, _) = accepted
        .payment
        .complete_refund(&refund, later())
        .unwrap()
        .unwrap();
    let Reversal::Accept(moved, rest) = done.payment.begin_reverse(REASON, None, later()).unwrap()
    else {
        panic!("nothing to give back");
    };
    assert_eq!(rest.amount, eur(700));
    assert_eq!(rest.id, RefundId::reversal_of(paid.id));

    let again = moved
        .payment
        .begin_reverse(REASON, Some(rest.clone()), later())
        .unwrap();
    assert_eq!(again, Reversal::Return(rest.clone()));
    let (returned, rest) = moved
        .payment
        .complete_refund(&rest, later())
        .unwrap()
        .unwrap();
    let last = returned
        .payment
        .begin_reverse(REASON, Some(rest), later())
        .unwrap();
    assert_eq!(last, Reversal::Done);
}

#[test]
fn reverse_of_a_wholly_refunded_payment_is_done() {
    let paid = in_status(Status::Succeeded);
    let (accepted, refund) = paid.accept_refund(refund_id(3), None, "", later()).unwrap();
    assert_eq!(refund.amount, eur(1000));
    let (done, _) = accepted
        .payment
        .complete_refund(&refund, later())
        .unwrap()
        .unwrap();
    assert_eq!(
        done.payment.begin_reverse(REASON, None, later()).unwrap(),
        Reversal::Done
    );
}

#[test]
fn refund_is_never_above_what_is_left() {
    let paid = in_status(Status::Succeeded);
    for (amount, accepted) in [
        (None, true),
        (Some(1), true),
        (Some(1000), true),
        (Some(1001), false),
        (Some(0), false),
    ] {
        let result = paid.accept_refund(refund_id(3), amount.map(eur), "", later());
        assert_eq!(result.is_ok(), accepted, "{amount:?}");
    }
    let (accepted, _) = paid
        .accept_refund(refund_id(3), Some(eur(999)), "", later())
        .unwrap();
    let result = accepted
        .payment
        .accept_refund(refund_id(4), Some(eur(2)), "", later());
    assert!(matches!(
        result,
        Err(Error::RefundExceedsCaptured { remaining: Some(left) }) if left == eur(1)
    ));
}

#[test]
fn refund_of_what_was_never_captured_exceeds_it() {
    for status in Status::ALL {
        let result = in_status(status).accept_refund(refund_id(3), None, "", later());
        assert_eq!(result.is_ok(), status == Status::Succeeded, "{status}");
    }
    let stone = Payment::tombstone(
        PaymentId(Uuid::from_u128(1)),
        OrderId(Uuid::from_u128(2)),
        REASON.to_owned(),
        start(),
    );
    let result = stone.accept_refund(refund_id(3), None, "", later());
    assert!(matches!(
        result,
        Err(Error::RefundExceedsCaptured { remaining: None })
    ));
}

#[test]
fn refund_in_another_currency_is_refused() {
    let result =
        in_status(Status::Succeeded).accept_refund(refund_id(3), Some(usd(1)), "", later());
    assert!(matches!(result, Err(Error::RefundCurrency { .. })));
}

#[test]
fn refused_refund_frees_its_money() {
    let paid = in_status(Status::Succeeded);
    let (accepted, refund) = paid
        .accept_refund(refund_id(3), Some(eur(300)), "", later())
        .unwrap();
    assert_eq!(accepted.payment.remaining(), Some(eur(700)));
    let (refused, refund) = accepted
        .payment
        .refuse_refund(&refund, "closed", later())
        .unwrap()
        .unwrap();
    assert_eq!(refused.payment.remaining(), Some(eur(1000)));
    assert_eq!((refund.state, refused.fact), (RefundState::Failed, None));
    assert!(
        refused
            .payment
            .refuse_refund(&refund, "closed", later())
            .unwrap()
            .is_none()
    );
    assert!(refused.payment.complete_refund(&refund, later()).is_err());
}

#[test]
fn refund_is_completed_once() {
    let paid = in_status(Status::Succeeded);
    let (accepted, refund) = paid
        .accept_refund(refund_id(3), Some(eur(300)), "", later())
        .unwrap();
    let (done, refund) = accepted
        .payment
        .complete_refund(&refund, later())
        .unwrap()
        .unwrap();
    assert_eq!(
        done.fact,
        Some(Fact::Refunded {
            refund_id: refund.id,
            amount: eur(300),
            returned: eur(300)
        })
    );
    assert!(
        done.payment
            .complete_refund(&refund, later())
            .unwrap()
            .is_none()
    );
    assert!(
        done.payment
            .refuse_refund(&refund, "closed", later())
            .is_err()
    );
}

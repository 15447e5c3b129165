#![allow(clippy::unwrap_used)]

mod refund;

use chrono::{DateTime, TimeDelta};
use shop_chassis::Currency;

use super::ledger::Account;
use super::*;
use crate::error::Error;

const REASON: &str = "CUSTOMER";

fn start() -> Time {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn later() -> Time {
    start() + TimeDelta::seconds(1)
}

fn eur(minor: i64) -> Money {
    Money::new(minor, Currency::of("EUR").unwrap())
}

fn held() -> AuthorizationId {
    AuthorizationId("auth_1".to_owned())
}

fn refund_id(n: u128) -> RefundId {
    RefundId(Uuid::from_u128(n))
}

fn requested() -> Payment {
    let (id, order_id) = (PaymentId(Uuid::from_u128(1)), OrderId(Uuid::from_u128(2)));
    Payment::request(id, order_id, "c1".to_owned(), eur(1000), start())
}

/// A payment of 10.00 EUR that came to `status` by the usual moves.
fn in_status(status: Status) -> Payment {
    let processing = || match requested().begin_authorization(start()) {
        Attempt::First(moved) => moved.payment,
        other => panic!("{other:?}"),
    };
    let authorized = || {
        processing()
            .authorize(held(), start())
            .unwrap()
            .unwrap()
            .payment
    };
    match status {
        Status::RequiresConfirmation => requested(),
        Status::Processing => processing(),
        Status::RequiresCapture => authorized(),
        Status::Succeeded => authorized().capture(start()).unwrap().unwrap().payment,
        Status::Canceled => authorized().void(start()).unwrap().unwrap().payment,
        Status::Failed => {
            processing()
                .refuse_authorization("card_declined", start())
                .unwrap()
                .unwrap()
                .payment
        }
    }
}

/// What a move makes of a payment: its next status, nothing, or a refusal.
#[derive(Debug, PartialEq, Eq)]
enum Made {
    Moved(Status),
    Nothing,
    Refused,
}

fn made(result: Result<Option<Moved>, Error>) -> Made {
    match result {
        Ok(Some(moved)) => Made::Moved(moved.payment.status),
        Ok(None) => Made::Nothing,
        Err(Error::IllegalMove { .. }) => Made::Refused,
        Err(other) => panic!("{other}"),
    }
}

/// Checks a move from every status, in the order of [`Status::ALL`].
fn check(apply: impl Fn(&Payment) -> Result<Option<Moved>, Error>, expected: [Made; 6]) {
    for (status, expected) in Status::ALL.into_iter().zip(expected) {
        assert_eq!(made(apply(&in_status(status))), expected, "from {status}");
    }
}

#[test]
fn authorisation_holds_only_what_is_processing() {
    let other = AuthorizationId("auth_2".to_owned());
    use Made::{Moved, Refused};
    check(
        |payment| payment.authorize(other.clone(), later()),
        [
            Refused,
            Moved(Status::RequiresCapture),
            Refused,
            Refused,
            Refused,
            Refused,
        ],
    );
}

#[test]
fn same_authorisation_twice_is_nothing() {
    for status in [Status::RequiresCapture, Status::Succeeded, Status::Canceled] {
        assert_eq!(
            made(in_status(status).authorize(held(), later())),
            Made::Nothing
        );
    }
}

#[test]
fn refused_authorisation_fails_only_what_is_undecided() {
    use Made::{Moved, Nothing, Refused};
    check(
        |payment| payment.refuse_authorization("card_declined", later()),
        [
            Moved(Status::Failed),
            Moved(Status::Failed),
            Refused,
            Refused,
            Refused,
            Nothing,
        ],
    );
}

#[test]
fn capture_takes_only_what_is_held() {
    use Made::{Moved, Nothing, Refused};
    check(
        |payment| payment.capture(later()),
        [
            Refused,
            Refused,
            Moved(Status::Succeeded),
            Nothing,
            Refused,
            Refused,
        ],
    );
}

#[test]
fn refused_capture_fails_only_what_is_held() {
    use Made::{Moved, Nothing, Refused};
    check(
        |payment| payment.refuse_capture("expired", later()),
        [
            Refused,
            Refused,
            Moved(Status::Failed),
            Refused,
            Nothing,
            Nothing,
        ],
    );
}

#[test]
fn capture_that_loses_to_a_reversal_fails_nothing() {
    let payment = in_status(Status::RequiresCapture);
    let Ok(Reversal::Void(_, Some(wished))) = payment.begin_reverse("CUSTOMER", None, later())
    else {
        panic!("{payment:?}");
    };
    let refused = wished.payment.refuse_capture("voided", later());
    assert_eq!(made(refused), Made::Nothing);
    let voided = wished.payment.void(later());
    assert_eq!(made(voided), Made::Moved(Status::Canceled));
}

#[test]
fn payment_without_a_means_fails_only_before_the_provider_was_asked() {
    let refuse = |status| in_status(status).refuse_unasked("invalid_token", later());
    let made_of = |status| made(refuse(status));
    assert_eq!(
        made_of(Status::RequiresConfirmation),
        Made::Moved(Status::Failed)
    );
    for decided in [
        Status::RequiresCapture,
        Status::Succeeded,
        Status::Canceled,
        Status::Failed,
    ] {
        assert_eq!(made_of(decided), Made::Nothing);
    }
    let asked = refuse(Status::Processing);
    assert!(matches!(asked, Err(Error::Unresolved(_))), "{asked:?}");
}

#[test]
fn void_gives_up_only_what_is_held() {
    use Made::{Moved, Nothing, Refused};
    check(
        |payment| payment.void(later()),
        [
            Refused,
            Refused,
            Moved(Status::Canceled),
            Refused,
            Nothing,
            Refused,
        ],
    );
}

#[test]
fn provider_is_asked_for_an_authorisation_until_it_is_decided() {
    let attempt = |status| in_status(status).begin_authorization(later());
    assert!(matches!(
        attempt(Status::RequiresConfirmation),
        Attempt::First(_)
    ));
    assert_eq!(attempt(Status::Processing), Attempt::Again);
    for status in [
        Status::RequiresCapture,
        Status::Succeeded,
        Status::Canceled,
        Status::Failed,
    ] {
        assert_eq!(attempt(status), Attempt::Settled, "{status}");
    }
}

#[test]
fn provider_is_asked_for_a_capture_only_while_it_holds() {
    let capture = |status| in_status(status).begin_capture();
    assert_eq!(
        capture(Status::RequiresCapture).unwrap(),
        Capture::Ask(held())
    );
    assert_eq!(capture(Status::Succeeded).unwrap(), Capture::Done);
    assert!(
        matches!(capture(Status::Failed), Err(Error::Declined { code }) if code == "card_declined")
    );
    for status in [
        Status::RequiresConfirmation,
        Status::Processing,
        Status::Canceled,
    ] {
        assert!(
            matches!(capture(status), Err(Error::IllegalMove { .. })),
            "{status}"
        );
    }
}

#[test]
fn nothing_is_captured_once_it_is_to_be_reversed() {
    let Reversal::Void(_, Some(moved)) = in_status(Status::RequiresCapture)
        .begin_reverse(REASON, None, later())
        .unwrap()
    else {
        panic!("not to be voided");
    };
    assert!(matches!(
        moved.payment.begin_capture(),
        Err(Error::IllegalMove { .. })
    ));
}

#[test]
fn each_published_fact_has_the_next_version() {
    let authorized = in_status(Status::RequiresCapture);
    assert_eq!(authorized.version, 1);
    let moved = authorized.capture(later()).unwrap().unwrap();
    assert_eq!(moved.payment.version, 2);
    let fact = Fact::Processed {
        phase: Phase::Captured,
        amount: eur(1000),
    };
    assert_eq!(moved.fact, Some(fact));
    let (accepted, refund) = moved
        .payment
        .accept_refund(refund_id(3), Some(eur(100)), "", later())
        .unwrap();
    assert_eq!((accepted.payment.version, accepted.fact), (2, None));
    let (done, _) = accepted
        .payment
        .complete_refund(&refund, later())
        .unwrap()
        .unwrap();
    assert_eq!(done.payment.version, 3);
}

#[test]
fn postings_add_up_to_zero() {
    let captured = in_status(Status::RequiresCapture)
        .capture(later())
        .unwrap()
        .unwrap();
    let refund = Posting::Refund {
        refund_id: refund_id(3),
        amount: eur(250),
    };
    for posting in [captured.posting.unwrap(), refund] {
        let sum: i64 = posting.entries().iter().map(|(_, minor)| minor).sum();
        assert_eq!(sum, 0, "{posting:?}");
    }
    assert_eq!(refund.entries()[0], (Account::Provider, -250));
}

#[test]
fn reverse_undoes_what_there_is() {
    let reverse = |status| {
        in_status(status)
            .begin_reverse(REASON, None, later())
            .unwrap()
    };
    assert!(matches!(
        reverse(Status::RequiresConfirmation),
        Reversal::Cancel(moved) if moved.payment.status == Status::Canceled && moved.fact.is_none()
    ));
    assert!(matches!(
        reverse(Status::Processing),
        Reversal::Wait(Some(_))
    ));
    assert!(
        matches!(reverse(Status::RequiresCapture), Reversal::Void(id, Some(_)) if id == held())
    );
    assert!(matches!(
        reverse(Status::Succeeded),
        Reversal::Accept(_, refund) if refund.amount == eur(1000)
    ));
    assert_eq!(reverse(Status::Canceled), Reversal::Done);
    assert_eq!(reverse(Status::Failed), Reversal::Done);
}

#[test]
fn wish_to_reverse_is_saved_once() {
    for status in [Status::Processing, Status::RequiresCapture] {
        let first = in_status(status)
            .begin_reverse(REASON, None, later())
            .unwrap();
        let (Reversal::Wait(Some(moved)) | Reversal::Void(_, Some(moved))) = first else {
            panic!("{first:?}");
        };
        assert_eq!(moved.payment.reverse_reason.as_deref(), Some(REASON));
        let second = moved
            .payment
            .begin_reverse("DEADLINE", None, later())
            .unwrap();
        assert!(
            matches!(second, Reversal::Wait(None) | Reversal::Void(_, None)),
            "{second:?}"
        );
    }
}

#[test]
fn names_of_states_are_read_back() {
    for status in Status::ALL {
        assert_eq!(Status::of(status.name()), Some(status));
    }
    for state in RefundState::ALL {
        assert_eq!(RefundState::of(state.name()), Some(state));
    }
    assert_eq!(Status::of("PAID"), None);
}

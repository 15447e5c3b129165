#![allow(clippy::unwrap_used)]

use shop_chassis::{Failure, Kind};
use tonic::Status;
use tonic_types::StatusExt;
use uuid::Uuid;

use super::Error;
use crate::domain::Refusal;

fn check(error: Error, kind: Kind, reason: &str) {
    let failure = Failure::from(error);
    assert_eq!(failure.kind(), kind, "{failure}");
    assert_eq!(failure.reason_text(), reason, "{failure}");
}

/// The fields that an error names to its caller.
fn fields(error: Error) -> Vec<String> {
    let details = Status::from(error).get_error_details();
    let request = details.bad_request().unwrap().clone();
    request
        .field_violations
        .into_iter()
        .map(|violation| violation.field)
        .collect()
}

#[test]
fn every_refusal_has_its_kind_and_reason() {
    check(Error::NotFound, Kind::NotFound, "NOT_FOUND");
    let unavailable = Refusal::Unavailable(vec![0]);
    check(
        unavailable.into(),
        Kind::Precondition,
        "PRODUCT_UNAVAILABLE",
    );
    let mixed = Refusal::MixedCurrencies(vec![1]);
    check(mixed.into(), Kind::Invalid, "INVALID_ARGUMENT");
    check(
        Refusal::TooLarge(0).into(),
        Kind::Invalid,
        "INVALID_ARGUMENT",
    );
    check(
        Error::Event { field: "phase" },
        Kind::Invalid,
        "INVALID_ARGUMENT",
    );
}

#[test]
fn mistakes_of_ours_are_internal_and_show_nothing() {
    let order = Uuid::from_u128(1);
    check(
        Error::Stored {
            order,
            what: "state",
        },
        Kind::Internal,
        "INTERNAL",
    );
    check(
        Error::Catalogue { field: "price" },
        Kind::Internal,
        "INTERNAL",
    );
    let status = Status::from(Error::Stored {
        order,
        what: "state",
    });
    assert!(!status.message().contains("state"), "{}", status.message());
}

#[test]
fn refused_lines_are_named_as_the_caller_wrote_them() {
    let status = Status::from(Error::from(Refusal::Unavailable(vec![0, 3])));
    let info = status.get_error_details();
    let info = info.error_info().unwrap();
    assert_eq!(
        info.metadata["fields"],
        "lines[0].productId,lines[3].productId"
    );

    let mixed = Error::from(Refusal::MixedCurrencies(vec![1, 2]));
    assert_eq!(fields(mixed), ["lines[1].productId", "lines[2].productId"]);
    assert_eq!(fields(Refusal::Free.into()), ["lines"]);
    let large = Error::from(Refusal::TooLarge(4));
    assert_eq!(fields(large), ["lines[4].quantity"]);
}

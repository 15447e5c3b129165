//! What callers are told, and what they are not.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::{Error, Failure, Kind, Violations};

#[test]
fn a_failure_tells_reason_domain_metadata_and_retry() {
    let failure = Failure::new(Kind::Precondition, "the order is SHIPPED")
        .reason("INVALID_STATE_TRANSITION")
        .metadata("state", "SHIPPED")
        .retry_after(Duration::from_secs(2));
    let status = Status::from(failure);
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert_eq!(status.message(), "the order is SHIPPED");
    let details = status.get_error_details();
    let info = details.error_info().unwrap();
    assert_eq!(info.reason, "INVALID_STATE_TRANSITION");
    assert!(info.domain.starts_with("shop"));
    assert_eq!(info.metadata["state"], "SHIPPED");
    assert_eq!(
        details.retry_info().unwrap().retry_delay,
        Some(Duration::from_secs(2))
    );
}

#[test]
fn an_internal_failure_never_shows_its_text_or_cause() {
    let failure = Failure::new(Kind::Internal, "column \"secret\" does not exist")
        .caused_by(std::io::Error::other("password is hunter2"));
    let status = Status::from(failure);
    assert_eq!(status.code(), Code::Internal);
    let all = format!("{status:?}");
    assert!(!all.contains("secret") && !all.contains("hunter2"), "{all}");
}

#[test]
fn every_wrong_field_is_named() {
    let mut line = Violations::default();
    line.add("quantity", "must be between 1 and 1000");
    let mut violations = Violations::default();
    violations.check(false, "email", "is required");
    violations.check(true, "currency", "is unknown");
    assert_eq!(violations.take("total", "7".parse::<i64>()), Some(7));
    assert_eq!(violations.take("count", "x".parse::<i64>()), None);
    violations.extend("lines[1]", line);

    let status = Status::from(Failure::from(violations));
    assert_eq!(status.code(), Code::InvalidArgument);
    let details = status.get_error_details();
    let fields: Vec<_> = details
        .bad_request()
        .unwrap()
        .field_violations
        .iter()
        .map(|violation| violation.field.as_str())
        .collect();
    assert_eq!(fields, ["email", "count", "lines[1].quantity"]);
}

#[test]
fn violations_are_bounded_so_that_the_answer_fits() {
    let mut violations = Violations::default();
    for index in 0..10_000 {
        violations.add(format!("lines[{index}].quantity"), "is wrong");
    }
    let status = Status::from(Failure::from(violations));
    assert_eq!(
        status
            .get_error_details()
            .bad_request()
            .unwrap()
            .field_violations
            .len(),
        50
    );
}

#[test]
fn no_violation_is_no_failure() {
    assert!(Violations::default().finish().is_ok());
}

#[test]
fn a_callee_that_is_away_is_retryable_and_keeps_its_delay() {
    let answer =
        Status::from(Failure::new(Kind::Unavailable, "x").retry_after(Duration::from_secs(3)));
    let failure = Failure::from(answer);
    assert!(failure.retryable());
    assert_eq!(failure.delay(), Some(Duration::from_secs(3)));
}

#[test]
fn the_wrong_fields_of_two_parts_are_told_together() {
    let wrong = |field: &str| Err::<(), _>(Failure::invalid(field, "is wrong"));
    let fields = |failure: Failure| -> Vec<String> {
        let violations = failure.violations.into_iter();
        violations.map(|violation| violation.field).collect()
    };
    let both = Failure::both(wrong("a"), wrong("b")).unwrap_err();
    assert_eq!(fields(both), ["a", "b"]);
    let good = Ok::<_, Failure>(1);
    assert_eq!(fields(Failure::both(good, wrong("b")).unwrap_err()), ["b"]);
    let absent = || Err::<(), _>(Failure::new(Kind::NotFound, "not found"));
    let first = Failure::both(absent(), wrong("b")).unwrap_err();
    assert_eq!((first.kind(), fields(first)), (Kind::NotFound, vec![]));
    let first = Failure::both(wrong("a"), absent()).unwrap_err();
    assert_eq!(
        (first.kind(), fields(first)),
        (Kind::Invalid, vec!["a".to_owned()])
    );
}

#[test]
fn a_refusal_by_a_callee_is_our_mistake_and_not_the_callers() {
    let failure = Failure::from(Status::permission_denied("RBAC: access denied"));
    assert_eq!(failure.kind(), Kind::Internal);
    let failure = Failure::from(Status::unauthenticated("no"));
    assert_eq!(failure.kind(), Kind::Internal);
}

#[test]
fn a_database_that_is_away_is_unavailable_and_says_when_to_come_back() {
    let error = Error::DatabaseDown("connection refused to 10.0.0.7".into());
    let status = Status::from(error);
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.get_error_details().retry_info().is_some());
    assert!(!format!("{status:?}").contains("10.0.0.7"));
}

#[test]
fn a_kind_survives_its_code() {
    for kind in [
        Kind::Invalid,
        Kind::Unauthenticated,
        Kind::Forbidden,
        Kind::NotFound,
        Kind::Exists,
        Kind::Precondition,
        Kind::Conflict,
        Kind::Exhausted,
        Kind::Unavailable,
        Kind::Deadline,
        Kind::Internal,
    ] {
        assert_eq!(Kind::of(kind.code()), kind);
    }
}

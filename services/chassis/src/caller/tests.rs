//! The two identities of a call.

#![allow(clippy::unwrap_used)]

use std::time::SystemTime;

use mesh_transport::PeerIdentity;
use tonic::{Code, Request, Status};

use super::{Caller, EndUser, Role};
use crate::testing;

fn request() -> Request<&'static str> {
    Request::new("message")
}

#[test]
fn both_identities_come_from_what_was_verified() {
    let mut request = request();
    request.extensions_mut().insert(PeerIdentity {
        id: "spiffe://cluster.local/ns/shop/sa/gateway".parse().unwrap(),
        not_after: SystemTime::now(),
        serial: "01".into(),
    });
    request.extensions_mut().insert(EndUser {
        subject: "c1".to_owned(),
        roles: vec![Role::Customer],
        scopes: Vec::new(),
    });
    let (caller, message) = Caller::split(request).unwrap();
    assert_eq!(message, "message");
    assert_eq!(caller.peer().unwrap().service_account(), "gateway");
    assert_eq!(caller.subject(), Some("c1"));
    let actor = caller.actor();
    assert_eq!(actor.principal, "spiffe://cluster.local/ns/shop/sa/gateway");
    assert_eq!(actor.subject.as_deref(), Some("c1"));
}

#[test]
fn headers_that_name_a_user_mean_nothing() {
    let mut request = request();
    for name in ["x-user", "x-forwarded-client-cert", "x-jwt-payload", "sub"] {
        request
            .metadata_mut()
            .insert(name, "admin".parse().unwrap());
    }
    let (caller, _) = Caller::split(request).unwrap();
    assert!(caller.user().is_none() && caller.peer().is_none());
    let status = Status::from(caller.require(&[Role::Customer]).unwrap_err());
    assert_eq!(status.code(), Code::Unauthenticated);
}

#[test]
fn a_missing_role_is_forbidden() {
    let caller = testing::customer("c1");
    let status = Status::from(caller.require(&[Role::Merchant, Role::Admin]).unwrap_err());
    assert_eq!(status.code(), Code::PermissionDenied);
    assert_eq!(
        caller
            .require(&[Role::Merchant, Role::Customer])
            .unwrap()
            .subject,
        "c1"
    );
}

#[test]
fn a_customer_sees_its_own_and_support_sees_all() {
    let sees = |caller: &Caller, owner: &str| caller.require_user().unwrap().may_see(owner);
    let customer = testing::customer("c1");
    assert!(sees(&customer, "c1") && !sees(&customer, "c2"));
    assert!(sees(&testing::user("s1", &[Role::Support]), "c2"));
    assert!(sees(&testing::user("a1", &[Role::Admin]), "c2"));
    assert!(!sees(&testing::user("m1", &[Role::Merchant]), "c2"));
}

#[test]
fn background_work_names_the_service_and_on_whose_behalf() {
    let own = "spiffe://cluster.local/ns/shop/sa/order".parse().unwrap();
    let caller = Caller::background(own, Some("c1".to_owned()));
    assert_eq!(caller.subject(), Some("c1"));
    assert!(
        caller.user().is_none(),
        "no one may act with the rights of a user that is not there"
    );
    assert!(caller.require(&[Role::Customer]).is_err());
}

fn with_if_match(value: &'static str) -> Caller {
    let mut request = request();
    request
        .metadata_mut()
        .insert("if-match", value.parse().unwrap());
    Caller::split(request).unwrap().0
}

#[test]
fn an_etag_comes_from_header_or_body() {
    assert_eq!(testing::customer("c1").if_match("").unwrap(), None);
    assert_eq!(testing::customer("c1").if_match("7").unwrap(), Some("7"));
    assert_eq!(with_if_match("\"7\"").if_match("").unwrap(), Some("7"));
    assert_eq!(with_if_match("\"7\"").if_match("\"7\"").unwrap(), Some("7"));
    assert_eq!(with_if_match("*").if_match("").unwrap(), None);
    let status = Status::from(with_if_match("\"7\"").if_match("8").unwrap_err());
    assert_eq!(status.code(), Code::InvalidArgument);
}

#[test]
fn a_repeated_or_overlong_header_is_refused() {
    let mut twice = request();
    twice
        .metadata_mut()
        .append("idempotency-key", "a".parse().unwrap());
    twice
        .metadata_mut()
        .append("idempotency-key", "b".parse().unwrap());
    assert_eq!(
        Caller::split(twice).unwrap_err().code(),
        Code::InvalidArgument
    );
    let mut long = request();
    long.metadata_mut()
        .insert("if-match", "x".repeat(129).parse().unwrap());
    assert_eq!(
        Caller::split(long).unwrap_err().code(),
        Code::InvalidArgument
    );
}

#[test]
fn roles_have_one_name() {
    for role in [Role::Customer, Role::Support, Role::Merchant, Role::Admin] {
        assert_eq!(Role::of(&role.to_string()), Some(role));
    }
    assert_eq!(Role::of("Admin"), None);
    assert_eq!(Role::of("root"), None);
}

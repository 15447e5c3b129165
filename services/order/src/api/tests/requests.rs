//! What is refused before anything else happens, and how it is named.

use shop_chassis::{EndUser, Failure, Role};
use shop_proto::order::v1::{CreateOrderRequest, RequestedLine};
use tonic::Status;
use tonic_types::StatusExt;

use crate::api::requests::order_id;
use crate::domain::{CustomerId, Quantity, Scope, Wish};
use crate::tests::shop::{EMAIL, TOKEN, product_id};

fn line(number: u128, quantity: i32) -> RequestedLine {
    RequestedLine {
        product_id: product_id(number).to_string(),
        quantity,
    }
}

fn request(lines: Vec<RequestedLine>) -> CreateOrderRequest {
    CreateOrderRequest {
        email: EMAIL.to_owned(),
        lines,
        payment_token: TOKEN.to_owned(),
        request_id: String::new(),
    }
}

/// The paths of all wrong fields.
fn paths<T: std::fmt::Debug>(result: Result<T, Failure>) -> Vec<String> {
    let status = Status::from(result.unwrap_err());
    let request = status.get_details_bad_request().unwrap();
    let violations = request.field_violations.into_iter();
    violations.map(|violation| violation.field).collect()
}

fn wrong(request: &CreateOrderRequest) -> Vec<String> {
    paths(Wish::try_from(request))
}

#[test]
fn a_wish_is_read_with_its_lines_in_order() {
    let wish = Wish::try_from(&request(vec![line(2, 1), line(1, 999)])).unwrap();
    assert_eq!(wish.email.as_str(), EMAIL);
    assert_eq!(wish.payment_token.as_str(), TOKEN);
    assert_eq!(wish.products(), [product_id(2), product_id(1)]);
}

#[test]
fn lines_are_1_to_100() {
    assert_eq!(wrong(&request(vec![])), ["lines"]);
    let lines = |count: u128| (1..=count).map(|number| line(number, 1)).collect();
    assert_eq!(
        Wish::try_from(&request(lines(100))).unwrap().lines.len(),
        100
    );
    assert_eq!(wrong(&request(lines(101))), ["lines"]);
    assert_eq!(wrong(&request(lines(10_000))), ["lines"]);
}

#[test]
fn quantities_out_of_range_are_named_by_their_line() {
    let request = request(vec![
        line(1, 0),
        line(2, 1),
        line(3, -1),
        line(4, 1_000),
        line(5, i32::MIN),
        line(6, 999),
    ]);
    let expected = [0, 2, 3, 4].map(|index| format!("lines[{index}].quantity"));
    assert_eq!(wrong(&request), expected);
}

#[test]
fn duplicates_are_merged_and_beyond_999_named() {
    let wish = Wish::try_from(&request(vec![line(1, 3), line(2, 1), line(1, 4)])).unwrap();
    let merged: Vec<_> = wish
        .lines
        .iter()
        .map(|line| (line.index, line.product, line.quantity))
        .collect();
    let units = |count| Quantity::parse(count).unwrap();
    assert_eq!(
        merged,
        [(0, product_id(1), units(7)), (1, product_id(2), units(1))]
    );
    let beyond = request(vec![line(1, 500), line(1, 500)]);
    assert_eq!(wrong(&beyond), ["lines[1].quantity"]);
}

#[test]
fn malformed_product_ids_are_named_by_their_line() {
    let malformed = |text: &str| RequestedLine {
        product_id: text.to_owned(),
        quantity: 1,
    };
    let mut lines = vec![line(1, 1)];
    lines.extend(["", "1", "teapot", "\0", "../1"].map(malformed));
    let expected: Vec<_> = (1..=5)
        .map(|index| format!("lines[{index}].productId"))
        .collect();
    assert_eq!(wrong(&request(lines)), expected);
}

#[test]
fn addresses_that_could_leave_their_header_are_refused() {
    for email in [
        "",
        "nobody",
        "a@b@c",
        "a@b.example\r\nBcc: x@y.example",
        "a@b.example\n",
        "a b@c.example",
        "a@b\0",
    ] {
        let mut request = request(vec![line(1, 1)]);
        request.email = email.to_owned();
        assert_eq!(wrong(&request), ["email"], "{email:?}");
    }
}

#[test]
fn card_numbers_are_refused_as_payment_tokens() {
    for token in ["", "4242424242424242", "4242 4242 4242 4242", "tok\u{e9}"] {
        let mut request = request(vec![line(1, 1)]);
        request.payment_token = token.to_owned();
        assert_eq!(wrong(&request), ["paymentToken"], "{token:?}");
    }
}

#[test]
fn a_refused_payment_token_is_not_repeated_to_anybody() {
    let mut request = request(vec![line(1, 1)]);
    request.payment_token = "4242424242424242".to_owned();
    let failure = Wish::try_from(&request).unwrap_err();
    assert!(!format!("{failure:?}").contains("4242"), "{failure:?}");
}

#[test]
fn every_bad_field_is_named_together() {
    let mut request = request(vec![line(1, 1), line(2, 0)]);
    request.email = String::new();
    request.payment_token = String::new();
    request.lines.push(RequestedLine::default());
    assert_eq!(
        wrong(&request),
        [
            "email",
            "paymentToken",
            "lines[1].quantity",
            "lines[2].productId",
            "lines[2].quantity",
        ]
    );
    let nothing = CreateOrderRequest::default();
    assert_eq!(wrong(&nothing), ["email", "paymentToken", "lines"]);
}

#[test]
fn what_is_no_id_names_no_order() {
    let known = product_id(1).to_string();
    assert!(order_id(&known).is_ok());
    for text in ["", "1", "../etc", "\0", &"9".repeat(10_000)] {
        let status = Status::from(order_id(text).unwrap_err());
        assert_eq!(status.code(), tonic::Code::NotFound, "{text:?}");
        assert!(status.get_details_bad_request().is_none());
    }
}

fn scope(roles: &[Role], customer_id: &str) -> Result<Scope, Failure> {
    let user = EndUser {
        subject: "c1".to_owned(),
        roles: roles.to_vec(),
        scopes: Vec::new(),
    };
    Scope::of(&user).narrowed(customer_id)
}

#[test]
fn customers_see_their_own_whatever_they_ask_for() {
    let own = Scope::Own(CustomerId("c1".to_owned()));
    assert_eq!(scope(&[Role::Customer], "").unwrap(), own);
    assert_eq!(scope(&[Role::Customer], "c2").unwrap(), own);
    assert_eq!(scope(&[Role::Merchant, Role::Customer], "c2").unwrap(), own);
}

#[test]
fn support_and_admin_see_everything_or_one_customer() {
    let other = Scope::Own(CustomerId("c2".to_owned()));
    for roles in [
        &[Role::Support][..],
        &[Role::Admin],
        &[Role::Customer, Role::Support],
    ] {
        assert_eq!(scope(roles, "").unwrap(), Scope::Any);
        assert_eq!(scope(roles, "c2").unwrap(), other);
        assert_eq!(paths(scope(roles, "c\0")), ["customerId"]);
        assert_eq!(paths(scope(roles, &"c".repeat(256))), ["customerId"]);
    }
}

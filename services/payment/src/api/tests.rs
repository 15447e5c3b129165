//! Handlers over a real store: roles, whose payment it is, and every bad field.

#![allow(clippy::unwrap_used)]

mod control;

use shop_proto::payment::v1::payment::Status as WireStatus;
use tonic::Code;

use super::*;
use crate::store::tests::{Shop, eur, wanted};

const MERCHANT: &[Role] = &[Role::Merchant];
const CUSTOMER: &[Role] = &[Role::Customer];
const SUPPORT: &[Role] = &[Role::Support];
const ADMIN: &[Role] = &[Role::Admin];

/// A request as the chassis hands it to a handler, its token verified.
fn from<T>(subject: &str, roles: &[Role], message: T) -> Request<T> {
    let mut request = Request::new(message);
    let user = EndUser {
        subject: subject.to_owned(),
        roles: roles.to_vec(),
        scopes: Vec::new(),
    };
    request.extensions_mut().insert(user);
    request
}

fn with_key<T>(mut request: Request<T>, key: &str) -> Request<T> {
    request
        .metadata_mut()
        .insert("idempotency-key", key.parse().unwrap());
    request
}

fn api(shop: &Shop) -> PaymentApi {
    PaymentApi::new(
        shop.store.clone(),
        PageTokens::new(b"a secret of the tests"),
    )
}

fn get(id: impl ToString) -> v1::GetPaymentRequest {
    v1::GetPaymentRequest {
        payment_id: id.to_string(),
    }
}

fn refund(id: impl ToString) -> v1::RefundPaymentRequest {
    v1::RefundPaymentRequest {
        payment_id: id.to_string(),
        ..Default::default()
    }
}

fn code<T>(result: Result<T, Status>) -> Code {
    match result {
        Ok(_) => Code::Ok,
        Err(status) => status.code(),
    }
}

#[tokio::test]
async fn each_role_may_do_what_it_may() {
    let shop = Shop::open().await;
    let (api, payment) = (api(&shop), shop.order_created().await);
    let list = v1::ListPaymentsRequest::default();
    for (roles, reads, refunds) in [
        (CUSTOMER, Code::Ok, Code::PermissionDenied),
        (SUPPORT, Code::Ok, Code::FailedPrecondition),
        (ADMIN, Code::Ok, Code::FailedPrecondition),
        (MERCHANT, Code::PermissionDenied, Code::PermissionDenied),
        (&[], Code::PermissionDenied, Code::PermissionDenied),
    ] {
        let result = api.get_payment(from("c1", roles, get(payment.id))).await;
        assert_eq!(code(result), reads, "get as {roles:?}");
        let result = api.list_payments(from("c1", roles, list.clone())).await;
        assert_eq!(code(result), reads, "list as {roles:?}");
        let request = with_key(from("c1", roles, refund(payment.id)), "k1");
        assert_eq!(
            code(api.refund_payment(request).await),
            refunds,
            "refund as {roles:?}"
        );
    }
}

#[tokio::test]
async fn without_a_token_nothing_is_answered() {
    let shop = Shop::open().await;
    let (api, payment) = (api(&shop), shop.order_created().await);
    let result = api.get_payment(Request::new(get(payment.id))).await;
    assert_eq!(code(result), Code::Unauthenticated);
    let result = api
        .list_payments(Request::new(v1::ListPaymentsRequest::default()))
        .await;
    assert_eq!(code(result), Code::Unauthenticated);
    let result = api.refund_payment(Request::new(refund(payment.id))).await;
    assert_eq!(code(result), Code::Unauthenticated);
}

#[tokio::test]
async fn foreign_absent_and_garbled_payments_have_the_same_answer() {
    let shop = Shop::open().await;
    let (api, payment) = (api(&shop), shop.order_created().await);
    let mut answers = Vec::new();
    for (subject, id) in [
        ("c2", payment.id.to_string()),
        ("c1", Uuid::now_v7().to_string()),
        ("c1", "nonsense".to_owned()),
        ("c1", "\0".to_owned()),
        ("c1", String::new()),
    ] {
        let status = api
            .get_payment(from(subject, CUSTOMER, get(id)))
            .await
            .unwrap_err();
        answers.push((
            status.code(),
            status.message().to_owned(),
            status.details().to_vec(),
        ));
    }
    assert_eq!(answers[0].0, Code::NotFound);
    assert!(
        answers.iter().all(|answer| *answer == answers[0]),
        "{answers:?}"
    );
}

#[tokio::test]
async fn customer_sees_own_payments_and_support_all() {
    let shop = Shop::open().await;
    let (api, payment) = (api(&shop), shop.order_created().await);
    let by_order = v1::ListPaymentsRequest {
        order_id: payment.order_id.to_string(),
        ..Default::default()
    };
    for (subject, roles, seen) in [("c1", CUSTOMER, 1), ("c2", CUSTOMER, 0), ("s1", SUPPORT, 1)] {
        let result = api
            .list_payments(from(subject, roles, by_order.clone()))
            .await;
        assert_eq!(
            result.unwrap().into_inner().payments.len(),
            seen,
            "{subject}"
        );
    }
    let shown = api
        .get_payment(from("c1", CUSTOMER, get(payment.id)))
        .await
        .unwrap();
    let shown = shown.into_inner();
    assert_eq!(shown.status(), WireStatus::RequiresConfirmation);
    assert_eq!(shown.amount, Some(message(eur(1000))));
    assert_eq!(shown.refunded, Some(message(eur(0))));
    assert_eq!(shown.create_time, Some(payment.create_time.into()));
}

#[tokio::test]
async fn tombstone_is_seen_by_support_only() {
    let shop = Shop::open().await;
    let (api, id) = (api(&shop), PaymentId(Uuid::now_v7()));
    let order_id = OrderId(Uuid::now_v7());
    shop.store
        .begin_reverse(&shop.order, order_id, "DEADLINE", id, now())
        .await
        .unwrap();
    assert_eq!(
        code(api.get_payment(from("c1", CUSTOMER, get(id))).await),
        Code::NotFound
    );
    assert_eq!(
        code(api.get_payment(from("", CUSTOMER, get(id))).await),
        Code::NotFound
    );
    let shown = api
        .get_payment(from("s1", SUPPORT, get(id)))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(shown.amount, None);
}

#[tokio::test]
async fn pages_go_on_where_they_ended() {
    let shop = Shop::open().await;
    let api = api(&shop);
    for _ in 0..3 {
        shop.order_created().await;
    }
    let mut request = v1::ListPaymentsRequest {
        page_size: 2,
        ..Default::default()
    };
    let first = api
        .list_payments(from("s1", SUPPORT, request.clone()))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(first.payments.len(), 2);
    request.page_token = first.next_page_token;
    let last = api
        .list_payments(from("s1", SUPPORT, request.clone()))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (last.payments.len(), last.next_page_token.as_str()),
        (1, "")
    );
    assert!(
        first
            .payments
            .iter()
            .all(|payment| payment.id != last.payments[0].id)
    );

    let elsewhere = api
        .list_payments(from("c1", CUSTOMER, request.clone()))
        .await;
    assert_eq!(
        code(elsewhere),
        Code::InvalidArgument,
        "a token of another listing"
    );
    request.page_size = -1;
    assert_eq!(
        code(api.list_payments(from("s1", SUPPORT, request)).await),
        Code::InvalidArgument
    );
}

#[tokio::test]
async fn list_by_a_garbled_order_is_refused() {
    let shop = Shop::open().await;
    let request = v1::ListPaymentsRequest {
        order_id: "o1".to_owned(),
        ..Default::default()
    };
    let result = api(&shop).list_payments(from("s1", SUPPORT, request)).await;
    assert_eq!(code(result), Code::InvalidArgument);
}

#[tokio::test]
async fn refund_needs_a_key_and_good_fields() {
    let shop = Shop::open().await;
    let (api, payment) = (api(&shop), shop.order_created().await);
    let good = refund(payment.id);
    let result = api.refund_payment(from("s1", SUPPORT, good.clone())).await;
    assert_eq!(code(result), Code::InvalidArgument, "no key");

    let money = |currency: &str, units, nanos| {
        Some(shop_proto::Money {
            currency_code: currency.to_owned(),
            units,
            nanos,
        })
    };
    let bad = [
        v1::RefundPaymentRequest {
            amount: money("EUR", 0, 0),
            ..good.clone()
        },
        v1::RefundPaymentRequest {
            amount: money("EUR", -1, 0),
            ..good.clone()
        },
        v1::RefundPaymentRequest {
            amount: money("EUR", 1, 1),
            ..good.clone()
        },
        v1::RefundPaymentRequest {
            amount: money("EURO", 1, 0),
            ..good.clone()
        },
        v1::RefundPaymentRequest {
            reason: "x".repeat(201),
            ..good.clone()
        },
        v1::RefundPaymentRequest {
            reason: "a\nb".to_owned(),
            ..good.clone()
        },
        v1::RefundPaymentRequest {
            amount: money("USD", 1, 0),
            ..good.clone()
        },
    ];
    for request in bad {
        let result = api
            .refund_payment(with_key(from("s1", SUPPORT, request.clone()), "k"))
            .await;
        assert_eq!(code(result), Code::InvalidArgument, "{request:?}");
    }
    let absent = with_key(from("s1", SUPPORT, refund("nonsense")), "k");
    assert_eq!(code(api.refund_payment(absent).await), Code::NotFound);
}

#[tokio::test]
async fn every_bad_field_of_a_refund_is_named() {
    let request = v1::RefundPaymentRequest {
        payment_id: Uuid::now_v7().to_string(),
        amount: Some(shop_proto::Money {
            currency_code: "?".to_owned(),
            units: 1,
            nanos: 0,
        }),
        reason: "x".repeat(201),
        request_id: String::new(),
    };
    let status = Status::from(RefundPayment::try_from(&request).unwrap_err());
    let details = String::from_utf8_lossy(status.details()).into_owned();
    assert!(
        details.contains("amount.currencyCode") && details.contains("reason"),
        "{details}"
    );
}

#[test]
fn command_of_a_refund_is_what_was_asked_for() {
    let id = PaymentId(Uuid::now_v7());
    let request = v1::RefundPaymentRequest {
        payment_id: id.to_string(),
        amount: Some(message(eur(300))),
        reason: "broken".to_owned(),
        request_id: String::new(),
    };
    assert_eq!(RefundPayment::try_from(&request).unwrap(), wanted(id, 300));
    let all = v1::RefundPaymentRequest {
        amount: None,
        ..request
    };
    assert_eq!(RefundPayment::try_from(&all).unwrap().amount, None);
}

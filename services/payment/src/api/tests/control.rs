//! What the saga is told: it decides by code and reason.

use shop_chassis::Caller;
use shop_proto::payment::v1;
use shop_proto::payment::v1::payment_control_service_server::PaymentControlService;
use tonic::{Code, Request, Status};
use uuid::Uuid;

use crate::api::ControlApi;
use crate::domain::{OrderId, PaymentId};
use crate::provider::PaymentToken;
use crate::provider::tests::Psp;
use crate::settlement::Settlement;
use crate::store::tests::Shop;

/// The control of payments over a real database and the real simulator.
struct Control {
    shop: Shop,
    settlement: Settlement,
    api: ControlApi,
    _psp: Psp,
}

impl Control {
    async fn open() -> Self {
        let (shop, psp) = (Shop::open().await, Psp::start().await);
        let settlement = Settlement::new(shop.store.clone(), psp.client());
        let api = ControlApi::new(settlement.clone());
        Self {
            shop,
            settlement,
            api,
            _psp: psp,
        }
    }

    async fn order(&self, token: &str) -> OrderId {
        let payment = self.shop.order_created().await;
        let token = PaymentToken::parse(token).unwrap();
        self.authorize(&self.shop.order, payment.id, &token).await;
        payment.order_id
    }

    /// An unknown answer is no error here: the tests look at what comes of it.
    async fn authorize(&self, caller: &Caller, id: PaymentId, token: &PaymentToken) {
        let _ = self.settlement.authorize(caller, id, token, None).await;
    }

    async fn capture(&self, order_id: impl ToString) -> Result<(), Status> {
        let request = v1::CapturePaymentRequest {
            order_id: order_id.to_string(),
        };
        self.api
            .capture_payment(Request::new(request))
            .await
            .map(|_| ())
    }

    async fn reverse(&self, order_id: impl ToString) -> Result<(), Status> {
        let (order_id, reason) = (order_id.to_string(), "CUSTOMER".to_owned());
        let request = v1::ReversePaymentRequest { order_id, reason };
        self.api
            .reverse_payment(Request::new(request))
            .await
            .map(|_| ())
    }
}

fn refused(result: Result<(), Status>, code: Code, reason: &str) {
    let status = result.unwrap_err();
    let details = String::from_utf8_lossy(status.details()).into_owned();
    assert_eq!(status.code(), code, "{status:?}");
    assert!(details.contains(reason), "{details}");
}

#[tokio::test]
async fn capture_and_reverse_are_answered_the_same_however_often_they_are_asked() {
    let control = Control::open().await;
    let order_id = control.order("tok_ok").await;
    for _ in 0..3 {
        control.capture(order_id).await.unwrap();
    }
    for _ in 0..3 {
        control.reverse(order_id).await.unwrap();
    }
    control.reverse(Uuid::now_v7()).await.unwrap();
}

#[tokio::test]
async fn capture_of_a_declined_order_says_so() {
    let control = Control::open().await;
    let order_id = control.order("tok_declined").await;
    for _ in 0..2 {
        let result = control.capture(order_id).await;
        refused(result, Code::FailedPrecondition, "PAYMENT_DECLINED");
    }
}

#[tokio::test]
async fn capture_of_what_was_reversed_is_an_invalid_transition() {
    let control = Control::open().await;
    let order_id = control.order("tok_ok").await;
    control.reverse(order_id).await.unwrap();
    refused(
        control.capture(order_id).await,
        Code::FailedPrecondition,
        "INVALID_STATE_TRANSITION",
    );
}

#[tokio::test]
async fn reverse_of_what_is_unknown_is_to_be_asked_again() {
    let control = Control::open().await;
    let order_id = control.order("tok_timeout").await;
    refused(
        control.reverse(order_id).await,
        Code::Unavailable,
        "RetryInfo",
    );
}

#[tokio::test]
async fn orders_that_are_none_are_refused() {
    let control = Control::open().await;
    for garbage in ["", "o1", "\0"] {
        refused(
            control.capture(garbage).await,
            Code::InvalidArgument,
            "orderId",
        );
        refused(
            control.reverse(garbage).await,
            Code::InvalidArgument,
            "orderId",
        );
    }
    refused(
        control.capture(Uuid::now_v7()).await,
        Code::NotFound,
        "NOT_FOUND",
    );
}

//! The gRPC faces of this service: payments for customers and support, control for the saga.

use shop_chassis::idempotency::Key;
use shop_chassis::page::PageTokens;
use shop_chassis::{Caller, EndUser, Failure, Money, Role, Violations};
use shop_proto::payment::v1;
use shop_proto::payment::v1::payment_control_service_server::PaymentControlService;
use shop_proto::payment::v1::payment_service_server::PaymentService;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::domain::{self, OrderId, Payment, PaymentId, REASON_CHARS_MAX, RefundId, RefundPayment};
use crate::error::not_found;
use crate::events::message;
use crate::now;
use crate::settlement::Settlement;
use crate::store::{PageQuery, Store};

/// Who may look at payments; customers at their own.
const READERS: &[Role] = &[Role::Customer, Role::Support, Role::Admin];
/// Who may give money back.
const REFUNDERS: &[Role] = &[Role::Support, Role::Admin];
/// Names the method in idempotency keys; never changed.
const REFUND: &str = "shop.payment.v1.PaymentService/RefundPayment";

/// Payments, for customers and support.
pub(crate) struct PaymentApi {
    store: Store,
    tokens: PageTokens,
}

/// Moves that the order service asks for.
pub(crate) struct ControlApi {
    settlement: Settlement,
}

// === impl PaymentApi ===

impl PaymentApi {
    pub(crate) fn new(store: Store, tokens: PageTokens) -> Self {
        Self { store, tokens }
    }
}

#[tonic::async_trait]
impl PaymentService for PaymentApi {
    async fn get_payment(
        &self,
        request: Request<v1::GetPaymentRequest>,
    ) -> Result<Response<v1::Payment>, Status> {
        let (caller, request) = Caller::split(request)?;
        let user = caller.require(READERS)?;
        let id = payment_id(&request.payment_id)?;
        let payment = self.store.find(id).await?;
        if !may_see(user, &payment) {
            return Err(not_found().into());
        }
        Ok(Response::new(v1::Payment::from(&payment)))
    }

    async fn list_payments(
        &self,
        request: Request<v1::ListPaymentsRequest>,
    ) -> Result<Response<v1::ListPaymentsResponse>, Status> {
        let (caller, request) = Caller::split(request)?;
        let user = caller.require(READERS)?;
        let customer_id = (!sees_all(user)).then(|| user.subject.clone());
        let bound_to = ("payments", &user.subject, &customer_id, &request.order_id);
        let page = self
            .tokens
            .parse::<Uuid>(request.page_size, &request.page_token, &bound_to);
        let (page, order_id) = Failure::both(page, order_filter(&request.order_id))?;
        let (after, limit) = (page.after.map(PaymentId), page.limit());
        let query = PageQuery {
            customer_id,
            order_id,
            after,
            limit,
        };
        let payments = self.store.page(query).await?;
        let (payments, next_page_token) = self.tokens.cut(&page, payments, |payment| payment.id.0);
        let payments = payments.iter().map(v1::Payment::from).collect();
        Ok(Response::new(v1::ListPaymentsResponse {
            payments,
            next_page_token,
        }))
    }

    async fn refund_payment(
        &self,
        request: Request<v1::RefundPaymentRequest>,
    ) -> Result<Response<v1::Payment>, Status> {
        let (caller, request) = Caller::split(request)?;
        caller.require(REFUNDERS)?;
        let key = Key::required(&caller, &request.request_id);
        let (command, key) = Failure::both(RefundPayment::try_from(&request), key)?;
        let claim = key.claim(REFUND, &command);
        if let Some(answer) = self.store.answered(&claim).await? {
            return Ok(answer.into());
        }
        let id = RefundId(Uuid::now_v7());
        let answer = self
            .store
            .accept_refund(&caller, claim, command, id, now())
            .await?;
        Ok(answer.into())
    }
}

// === impl ControlApi ===

impl ControlApi {
    pub(crate) fn new(settlement: Settlement) -> Self {
        Self { settlement }
    }
}

#[tonic::async_trait]
impl PaymentControlService for ControlApi {
    async fn capture_payment(
        &self,
        request: Request<v1::CapturePaymentRequest>,
    ) -> Result<Response<v1::CapturePaymentResponse>, Status> {
        let (caller, request) = Caller::split(request)?;
        let order_id = order_id(&request.order_id)?;
        self.settlement.capture(&caller, order_id).await?;
        Ok(Response::new(v1::CapturePaymentResponse {}))
    }

    async fn reverse_payment(
        &self,
        request: Request<v1::ReversePaymentRequest>,
    ) -> Result<Response<v1::ReversePaymentResponse>, Status> {
        let (caller, request) = Caller::split(request)?;
        let (order_id, reason) =
            Failure::both(order_id(&request.order_id), reason(&request.reason))?;
        self.settlement.reverse(&caller, order_id, reason).await?;
        Ok(Response::new(v1::ReversePaymentResponse {}))
    }
}

// === impl RefundPayment ===

impl TryFrom<&v1::RefundPaymentRequest> for RefundPayment {
    type Error = Failure;

    fn try_from(request: &v1::RefundPaymentRequest) -> Result<Self, Failure> {
        let payment_id = payment_id(&request.payment_id)?;
        let mut violations = Violations::default();
        let mut amount = None;
        if let Some(wire) = &request.amount {
            match Money::parse(&wire.currency_code, wire.units, wire.nanos) {
                Ok(money) => {
                    violations.check(money.is_positive(), "amount", "must be more than zero");
                    amount = Some(money);
                }
                Err(parts) => violations.extend("amount", parts),
            }
        }
        check_reason(&request.reason, &mut violations);
        violations.finish()?;
        Ok(Self {
            payment_id,
            amount,
            reason: request.reason.clone(),
        })
    }
}

// === impl v1::Payment ===

impl From<&Payment> for v1::Payment {
    fn from(payment: &Payment) -> Self {
        Self {
            id: payment.id.to_string(),
            order_id: payment.order_id.to_string(),
            customer_id: payment.customer_id.clone().unwrap_or_default(),
            status: v1::payment::Status::from(payment.status).into(),
            amount: payment.amount.map(message),
            captured: payment.part(payment.captured_minor).map(message),
            refunded: payment.part(payment.refunded_minor).map(message),
            failure_code: payment.failure_code.clone().unwrap_or_default(),
            create_time: Some(payment.create_time.into()),
            update_time: Some(payment.update_time.into()),
        }
    }
}

impl From<domain::Status> for v1::payment::Status {
    fn from(status: domain::Status) -> Self {
        match status {
            domain::Status::RequiresConfirmation => Self::RequiresConfirmation,
            domain::Status::Processing => Self::Processing,
            domain::Status::RequiresCapture => Self::RequiresCapture,
            domain::Status::Succeeded => Self::Succeeded,
            domain::Status::Canceled => Self::Canceled,
            domain::Status::Failed => Self::Failed,
        }
    }
}

fn sees_all(user: &EndUser) -> bool {
    user.has(Role::Support) || user.has(Role::Admin)
}

/// A tombstone is nobody's; only those who see everything see it.
fn may_see(user: &EndUser, payment: &Payment) -> bool {
    match &payment.customer_id {
        Some(owner) => user.may_see(owner),
        None => sees_all(user),
    }
}

/// What is no id names nothing.
fn payment_id(text: &str) -> Result<PaymentId, Failure> {
    Uuid::parse_str(text)
        .map(PaymentId)
        .map_err(|_| not_found())
}

fn order_id(text: &str) -> Result<OrderId, Failure> {
    Uuid::parse_str(text)
        .map(OrderId)
        .map_err(|_| Failure::invalid("orderId", "is not an id"))
}

fn order_filter(text: &str) -> Result<Option<OrderId>, Failure> {
    if text.is_empty() {
        Ok(None)
    } else {
        order_id(text).map(Some)
    }
}

fn reason(text: &str) -> Result<&str, Failure> {
    let mut violations = Violations::default();
    check_reason(text, &mut violations);
    violations.finish()?;
    Ok(text)
}

fn check_reason(text: &str, violations: &mut Violations) {
    let short = text.chars().count() <= REASON_CHARS_MAX;
    violations.check(short, "reason", "must have at most 200 characters");
    let clean = !text.chars().any(char::is_control);
    violations.check(clean, "reason", "must not have control characters");
}

#[cfg(test)]
mod tests;

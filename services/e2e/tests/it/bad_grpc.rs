//! What a peer in the mesh can send and the gateway would not: bytes that are no message, values
//! that JSON cannot carry, and calls of the internal services.

use bytes::{Buf, BufMut, Bytes};
use http::uri::PathAndQuery;
use mesh_dataplane::MeshChannel;
use shop_proto::Money;
use shop_proto::order::v1::order_internal_service_client::OrderInternalServiceClient;
use shop_proto::order::v1::order_service_client::OrderServiceClient;
use shop_proto::order::v1::{
    CreateOrderRequest, GetContactRequest, GetPaymentMethodRequest, ListOrdersRequest,
    RequestedLine,
};
use shop_proto::payment::v1::payment_control_service_client::PaymentControlServiceClient;
use shop_proto::payment::v1::{CapturePaymentRequest, ReversePaymentRequest};
use shop_proto::product::v1::inventory_service_client::InventoryServiceClient;
use shop_proto::product::v1::product_service_client::ProductServiceClient;
use shop_proto::product::v1::{
    BatchGetProductsRequest, ConfirmReservationRequest, CreateProductRequest,
    ReleaseReservationRequest,
};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;
use uuid::Uuid;

use crate::bad_input::assert_without_effect;
use crate::mesh::workload_as;
use crate::shop::{Shop, User, undisturbed};

/// Garbage where an id belongs.
const NO_IDS: [&str; 5] = ["", "x", "\0", "'; drop table orders; --", "\u{202e}"];

/// Sends bytes as they are, and reads them so.
#[derive(Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}

async fn send_raw(channel: &MeshChannel, user: &User, path: &str, message: Bytes) -> Status {
    let mut grpc = tonic::client::Grpc::new(channel.clone());
    grpc.ready().await.unwrap();
    let path: PathAndQuery = path.parse().unwrap();
    let request = with_token(user, message);
    grpc.unary(request, path, Raw).await.unwrap_err()
}

fn with_token<T>(user: &User, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let token = format!("Bearer {}", user.token().unwrap());
    request
        .metadata_mut()
        .insert("authorization", token.parse().unwrap());
    request
}

fn fields(status: &Status) -> Vec<String> {
    let violations = status
        .get_details_bad_request()
        .map(|bad| bad.field_violations)
        .unwrap_or_default();
    let mut fields: Vec<_> = violations.into_iter().map(|one| one.field).collect();
    fields.sort();
    fields.dedup();
    fields
}

#[track_caller]
fn assert_invalid<T: std::fmt::Debug>(answer: Result<T, Status>, wanted: &[&str]) {
    let status = answer.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    assert_eq!(fields(&status), wanted, "{status}");
}

#[tokio::test]
async fn bytes_that_are_no_message_are_the_callers_mistake() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let (gateway, _stop) = workload_as(shop, "gateway", 101).await;
    let admin = shop.user(&format!("admin-{}", Uuid::now_v7()), "admin");
    let nested = [0x0a_u8, 0x02].repeat(5_000);
    let cases: [(&str, &[u8]); 7] = [
        ("no UTF-8", &[0x0a, 2, 0xc0, 0xaf]),
        ("half a surrogate pair", &[0x0a, 3, 0xed, 0xa0, 0x80]),
        ("a number for a text", &[0x08, 1]),
        ("cut off", &[0x0a, 200, b'x']),
        ("an endless number", &[0xff; 12]),
        ("field number zero", &[0x02, 0]),
        ("an unknown wire type", &[0x0f]),
    ];
    for (service, method) in [
        ("product", "ProductService/GetProduct"),
        ("product", "ProductService/CreateProduct"),
        ("order", "OrderService/GetOrder"),
        ("order", "OrderService/CreateOrder"),
        ("payment", "PaymentService/GetPayment"),
        ("payment", "PaymentService/RefundPayment"),
    ] {
        let channel = gateway.channel(service);
        let path = format!("/shop.{service}.v1.{method}");
        for (what, bytes) in cases {
            let message = Bytes::copy_from_slice(bytes);
            let status = send_raw(&channel, &admin, &path, message).await;
            assert_eq!(
                status.code(),
                Code::InvalidArgument,
                "{what} to {path}: {status}"
            );
            assert_eq!(status.message(), "the request cannot be read", "{what}");
        }
        let status = send_raw(&channel, &admin, &path, nested.clone().into()).await;
        assert_ne!(status.code(), Code::Internal, "nested to {path}: {status}");
        let large = Bytes::from(vec![0; 5 << 20]);
        let status = send_raw(&channel, &admin, &path, large).await;
        assert_eq!(status.code(), Code::ResourceExhausted, "{path}: {status}");
        let unknown = format!("/shop.{service}.v1.ProductService/Nothing");
        let status = send_raw(&channel, &admin, &unknown, Bytes::new()).await;
        // Policies name each method: one that nobody has is nobody's, and not even told apart.
        let expected = Code::PermissionDenied;
        assert_eq!(status.code(), expected, "{unknown}: {status}");
    }
    assert_without_effect(shop, &admin).await;
}

#[tokio::test]
async fn extreme_values_are_named() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let (gateway, _stop) = workload_as(shop, "gateway", 102).await;
    let merchant = shop.user(&format!("merchant-{}", Uuid::now_v7()), "merchant");
    let mut products = ProductServiceClient::new(gateway.channel("product"));
    let create = |units, nanos| CreateProductRequest {
        sku: Uuid::now_v7().to_string(),
        name: "n".to_owned(),
        category: "test".to_owned(),
        price: Some(Money {
            currency_code: "USD".to_owned(),
            units,
            nanos,
        }),
        initial_stock: i32::MIN,
        ..CreateProductRequest::default()
    };
    for (units, nanos, field) in [
        (i64::MIN, i32::MIN, "price.nanos"),
        (i64::MAX, i32::MAX, "price.nanos"),
        (i64::MIN, 0, "price.units"),
        (i64::MAX, 0, "price.units"),
        (-1, 0, "price"),
    ] {
        let answer = products
            .create_product(with_token(&merchant, create(units, nanos)))
            .await;
        let named = fields(answer.as_ref().unwrap_err());
        assert!(named.contains(&field.to_owned()), "{named:?}");
        assert!(named.contains(&"initialStock".to_owned()), "{named:?}");
    }
    let mut batch = async |product_ids: Vec<String>, field: &str| {
        let request = BatchGetProductsRequest { product_ids };
        let answer = products.batch_get_products(request).await;
        assert_invalid(answer, &[field]);
    };
    batch(vec![], "productIds").await;
    batch(vec![Uuid::nil().to_string(); 101], "productIds").await;
    for id in NO_IDS {
        batch(
            vec![Uuid::nil().to_string(), id.to_owned()],
            "productIds[1]",
        )
        .await;
    }
    assert_without_effect(shop, &merchant).await;
}

#[tokio::test]
async fn orders_are_checked_without_the_gateway_too() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let (gateway, _stop) = workload_as(shop, "gateway", 103).await;
    let customer = shop.customer();
    let mut orders = OrderServiceClient::new(gateway.channel("order"));
    let line = |quantity| RequestedLine {
        product_id: Uuid::now_v7().to_string(),
        quantity,
    };
    let request = CreateOrderRequest {
        email: "ada@example.com\r\nBcc: eve@example.com".to_owned(),
        lines: vec![line(i32::MIN), line(i32::MAX), line(0)],
        payment_token: "\0".to_owned(),
        request_id: "\n".to_owned(),
    };
    let answer = orders.create_order(with_token(&customer, request)).await;
    assert_invalid(
        answer,
        &[
            "email",
            "lines[0].quantity",
            "lines[1].quantity",
            "lines[2].quantity",
            "paymentToken",
            "requestId",
        ],
    );
    let request = ListOrdersRequest {
        page_size: i32::MIN,
        page_token: "\0".to_owned(),
        customer_id: "\0".to_owned(),
    };
    let answer = orders.list_orders(with_token(&customer, request)).await;
    assert_invalid(answer, &["customerId", "pageSize", "pageToken"]);

    let mut twice = with_token(&customer, CreateOrderRequest::default());
    for key in ["one", "two"] {
        let key = key.parse().unwrap();
        twice.metadata_mut().append("idempotency-key", key);
    }
    assert_invalid(orders.create_order(twice).await, &["idempotency-key"]);
    assert_without_effect(shop, &customer).await;
}

#[tokio::test]
async fn internal_calls_with_garbage_have_no_effect() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let (order, _stop) = workload_as(shop, "order", 104).await;
    let mut stock = InventoryServiceClient::new(order.channel("product"));
    let mut payments = PaymentControlServiceClient::new(order.channel("payment"));
    for id in NO_IDS.map(str::to_owned) {
        let order_id = id.clone();
        let confirm = ConfirmReservationRequest { order_id };
        assert_invalid(stock.confirm_reservation(confirm).await, &["orderId"]);
        let release = ReleaseReservationRequest {
            order_id: id.clone(),
            cause: "\0".to_owned(),
        };
        let released = stock.release_reservation(release).await;
        assert_invalid(released, &["cause", "orderId"]);
        let order_id = id.clone();
        let capture = CapturePaymentRequest { order_id };
        assert_invalid(payments.capture_payment(capture).await, &["orderId"]);
        let reverse = ReversePaymentRequest {
            order_id: id,
            reason: "r".repeat(201),
        };
        let reversed = payments.reverse_payment(reverse).await;
        assert_invalid(reversed, &["orderId", "reason"]);
    }
    let unknown = || Uuid::now_v7().to_string();
    let order_id = unknown();
    let confirm = ConfirmReservationRequest { order_id };
    let refused = stock.confirm_reservation(confirm).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    let order_id = unknown();
    let capture = CapturePaymentRequest { order_id };
    let refused = payments.capture_payment(capture).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound, "{refused}");
}

#[tokio::test]
async fn steps_of_a_saga_that_is_over_are_refused() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let customer = shop.customer();
    let product = shop.product(3, 100).await;
    let id = customer.order(&product, 1, "tok_declined").await;
    customer.wait_for(&id, "CANCELLED").await;
    let payment = customer.payment(&id).await;
    let (order, _stop) = workload_as(shop, "order", 105).await;
    let mut stock = InventoryServiceClient::new(order.channel("product"));
    let mut payments = PaymentControlServiceClient::new(order.channel("payment"));

    let order_id = id.clone();
    let confirm = ConfirmReservationRequest { order_id };
    let refused = stock.confirm_reservation(confirm).await.unwrap_err();
    let info = refused.get_details_error_info().unwrap();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    assert_eq!(info.reason, "INVALID_STATE_TRANSITION", "{refused}");
    let order_id = id.clone();
    let capture = CapturePaymentRequest { order_id };
    let refused = payments.capture_payment(capture).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    assert_eq!(shop.stock(&product).await, (3, 0, 3));
    assert_eq!(customer.payment(&id).await, payment);
}

#[tokio::test]
async fn contacts_of_no_order_are_not_found() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let (notification, _stop) = workload_as(shop, "notification", 106).await;
    let (payment, _stop_too) = workload_as(shop, "payment", 107).await;
    let mut contacts = OrderInternalServiceClient::new(notification.channel("order"));
    let mut methods = OrderInternalServiceClient::new(payment.channel("order"));
    let unknown = Uuid::now_v7().to_string();
    for id in NO_IDS.into_iter().chain([unknown.as_str()]) {
        let order_id = id.to_owned();
        let contact = contacts.get_contact(GetContactRequest { order_id }).await;
        assert_eq!(contact.unwrap_err().code(), Code::NotFound, "{id:?}");
        let order_id = id.to_owned();
        let request = GetPaymentMethodRequest { order_id };
        let method = methods.get_payment_method(request).await;
        assert_eq!(method.unwrap_err().code(), Code::NotFound, "{id:?}");
    }
}

//! Who may call what: every identity, and none, against every RPC that the descriptors know, on the
//! running services. The table below is the intention; `k8s/base/policies` must say the same.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::Full;
use hyper_util::rt::{TokioExecutor, TokioIo};
use mesh_dataplane::{Settings, Workload};
use prost::Message;
use prost_types::FileDescriptorSet;
use rustls::pki_types::ServerName;
use shop_proto::product::v1::product_service_client::ProductServiceClient;
use shop_proto::product::v1::{AdjustStockRequest, DeleteProductRequest};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::ServiceExt;
use uuid::Uuid;

use crate::mesh::NoCertificate;
use crate::shop::{Shop, eventually, undisturbed};

/// The services and their hosts.
const SERVICES: [(&str, u8); 4] = [
    ("product", 11),
    ("order", 12),
    ("payment", 13),
    ("notification", 14),
];
/// Every account that the authority knows, one of another namespace among them, with a host.
const CALLERS: [(&str, &str, u8); 7] = [
    ("shop", "gateway", 101),
    ("shop", "product", 102),
    ("shop", "order", 103),
    ("shop", "payment", 104),
    ("shop", "notification", 105),
    ("shop", "debug", 106),
    ("demo", "debug", 107),
];
/// What all services serve besides their own.
const OPERATIONS: [&str; 3] = [
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
];
/// Service, method (or all), and the accounts of the shop that may call it; nobody else may.
const ALLOWED: [(&str, &str, &[&str]); 9] = [
    ("shop.product.v1.ProductService", "*", &["gateway"]),
    ("shop.product.v1.ProductService", "GetProduct", &["order"]),
    (
        "shop.product.v1.ProductService",
        "BatchGetProducts",
        &["order"],
    ),
    ("shop.product.v1.InventoryService", "*", &["order"]),
    ("shop.order.v1.OrderService", "*", &["gateway"]),
    (
        "shop.order.v1.OrderInternalService",
        "GetContact",
        &["notification"],
    ),
    (
        "shop.order.v1.OrderInternalService",
        "GetPaymentMethod",
        &["payment"],
    ),
    ("shop.payment.v1.PaymentService", "*", &["gateway"]),
    ("shop.payment.v1.PaymentControlService", "*", &["order"]),
];
const NOTIFICATIONS: &str = "shop.notification.v1.NotificationService";

/// An empty message in gRPC's frame.
const EMPTY: [u8; 5] = [0; 5];
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

fn is_allowed(namespace: &str, account: &str, path: &str) -> bool {
    let (service, method) = path[1..].split_once('/').unwrap();
    let listed = ALLOWED.iter().any(|(of, name, accounts)| {
        *of == service && (*name == "*" || *name == method) && accounts.contains(&account)
    });
    let reads_mail = service == NOTIFICATIONS && account == "gateway";
    let operates = OPERATIONS.contains(&path) && account == "debug";
    namespace == "shop" && (listed || reads_mail || operates)
}

/// The paths that a service serves, by the contract.
fn paths(service: &str) -> Vec<String> {
    let set = FileDescriptorSet::decode(shop_proto::FILE_DESCRIPTOR_SET).unwrap();
    let package = format!("shop.{service}.v1");
    let files = set.file.iter().filter(|file| file.package() == package);
    let own = files.flat_map(|file| &file.service).flat_map(|service| {
        let methods = service.method.iter();
        methods.map(|method| format!("/{package}.{}/{}", service.name(), method.name()))
    });
    let mut paths: Vec<String> = own.collect();
    assert!(!paths.is_empty(), "{package} has no RPC");
    paths.extend(OPERATIONS.map(str::to_owned));
    // And what no descriptor knows.
    paths.push(format!("/{package}.Nothing/Nothing"));
    paths
}

async fn join(shop: &Shop, namespace: &str, account: &str, host: u8) -> (Workload, DropGuard) {
    let id = format!("spiffe://cluster.local/ns/{namespace}/sa/{account}");
    let mut settings = Settings::of(id.parse().unwrap(), shop.address(host).into());
    settings.ca_address = (shop.address(2), 15012).into();
    settings.ca_root_file = shop.run.join("mesh/root-cert.pem");
    settings.token_file = shop.run.join(format!("tokens/{namespace}.{account}"));
    settings.endpoints_file = shop.run.join("endpoints.yaml");
    let shutdown = CancellationToken::new();
    let workload = Workload::start(settings, shutdown.clone()).await.unwrap();
    workload.identity().unwrap().ready().await;
    (workload, shutdown.drop_guard())
}

fn call(path: &str) -> http::request::Builder {
    Request::post(format!("http://shop{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
}

/// Whether the mesh refused a call; what the service itself answers is its own affair.
fn is_denied(headers: &HeaderMap) -> bool {
    Status::from_header_map(headers).is_some_and(|status| {
        status.code() == Code::PermissionDenied && status.message() == "RBAC: access denied"
    })
}

#[tokio::test]
async fn every_identity_may_call_exactly_what_the_table_says() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let (mut wrong, mut asked) = (Vec::new(), 0);
    for (namespace, account, host) in CALLERS {
        let (workload, _stop) = join(shop, namespace, account, host).await;
        for (service, _) in SERVICES {
            for path in paths(service) {
                let request = call(&path).body(Body::new(Full::new(Bytes::from_static(&EMPTY))));
                let channel = workload.channel(&format!("{service}.shop"));
                let answer = timeout(ANSWER_WITHIN, channel.oneshot(request.unwrap()));
                let answer = answer.await.expect(&path).unwrap();
                let denied = is_denied(answer.headers());
                asked += 1;
                if denied == is_allowed(namespace, account, &path) {
                    let told = answer.headers().get("grpc-status");
                    wrong.push(format!(
                        "{namespace}/{account} {path}: denied {denied}, {told:?}"
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(asked > 7 * 30, "{asked} calls");
}

#[tokio::test]
async fn nobody_without_an_identity_may_call_anything() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let (debug, _stop) = join(shop, "shop", "debug", 108).await;
    let identity = debug.identity().unwrap().current().unwrap();
    for (service, host) in SERVICES {
        let id = format!("spiffe://cluster.local/ns/shop/sa/{service}");
        let named = mesh_transport::client_config(&identity, &id.parse().unwrap()).unwrap();
        let mut nameless = (*named).clone();
        nameless.client_auth_cert_resolver = Arc::new(NoCertificate);
        let nameless = TlsConnector::from(Arc::new(nameless));
        for path in paths(service) {
            let address = (shop.address(host), 50051);
            let plain = TcpStream::connect(address).await.unwrap();
            assert!(!is_answered(plain, &path).await, "{path}");
            let tcp = TcpStream::connect(address).await.unwrap();
            let name = ServerName::from(IpAddr::from(address.0));
            if let Ok(tls) = nameless.connect(name, tcp).await {
                assert!(!is_answered(tls, &path).await, "{path}");
            }
        }
    }
}

/// The tokens are those of a merchant, so that nothing but the policies is in the way.
#[tokio::test]
async fn a_call_that_is_denied_changes_nothing() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let product_id = shop.product(7, 100).await;
    let token = format!("Bearer {}", shop.merchant().token().unwrap());
    for (namespace, account, host) in CALLERS {
        let (workload, _stop) = join(shop, namespace, account, host + 20).await;
        let mut products = ProductServiceClient::new(workload.channel("product.shop"));
        let adjust = as_merchant(
            &token,
            AdjustStockRequest {
                product_id: product_id.clone(),
                delta: 1,
                reason: "a test".to_owned(),
                request_id: Uuid::now_v7().to_string(),
            },
        );
        let adjusted = products.adjust_stock(adjust).await.map(|_| ());
        if account == "gateway" {
            adjusted.unwrap();
            continue;
        }
        assert_eq!(
            adjusted.unwrap_err().code(),
            Code::PermissionDenied,
            "{account}"
        );
        let delete = as_merchant(
            &token,
            DeleteProductRequest {
                product_id: product_id.clone(),
                etag: String::new(),
            },
        );
        let deleted = products.delete_product(delete).await.unwrap_err();
        assert_eq!(deleted.code(), Code::PermissionDenied, "{account}");
    }
    assert_eq!(
        shop.stock(&product_id).await,
        (8, 0, 8),
        "the gateway alone has changed it"
    );
}

#[tokio::test]
async fn a_denial_is_told_to_the_operator_with_the_nearest_rule() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let (workload, _stop) = join(shop, "shop", "payment", 109).await;
    let path = "/shop.order.v1.OrderInternalService/GetContact";
    let request = call(path).body(Body::new(Full::new(Bytes::from_static(&EMPTY))));
    let answer = workload
        .channel("order")
        .oneshot(request.unwrap())
        .await
        .unwrap();
    assert!(is_denied(answer.headers()));
    let log = shop.run.join("logs/order.log");
    let line = eventually("the denial in the log", || async {
        let text = std::fs::read_to_string(&log).unwrap();
        let denials = text
            .lines()
            .rev()
            .filter(|line| line.contains("call denied"));
        let mut of_path = denials.filter(|line| line.contains(path));
        of_path
            .find(|line| line.contains("sa/payment"))
            .map(str::to_owned)
    })
    .await;
    // Payments may ask for another method, and another account for this one: both miss by one.
    assert!(line.contains("-to-order rule 0"), "{line}");
    assert!(line.contains("none matches"), "{line}");
}

fn as_merchant<T>(token: &str, message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    let headers = request.metadata_mut();
    headers.insert("authorization", token.parse().unwrap());
    request
}

async fn is_answered<S>(stream: S, path: &str) -> bool
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let talk = async {
        let io = TokioIo::new(stream);
        let executor = TokioExecutor::new();
        let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io)
            .await
            .ok()?;
        tokio::spawn(connection);
        let request = call(path)
            .body(Full::new(Bytes::from_static(&EMPTY)))
            .unwrap();
        sender.send_request(request).await.ok()
    };
    matches!(timeout(ANSWER_WITHIN, talk).await, Ok(Some(_)))
}

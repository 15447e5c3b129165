//! The running services as a peer in the mesh, or an intruder, finds them.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mesh_dataplane::{Settings, Workload};
use mesh_identity::{Csr, RootAuthority, SpiffeId, Svid, TrustBundles, certificates_from_pem};
use mesh_transport::Identity;
use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::pki_types::ServerName;
use rustls::sign::CertifiedKey;
use shop_proto::order::v1::GetOrderRequest;
use shop_proto::order::v1::order_service_client::OrderServiceClient;
use shop_proto::payment::v1::CapturePaymentRequest;
use shop_proto::payment::v1::payment_control_service_client::PaymentControlServiceClient;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Code, Request};
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use uuid::Uuid;

use crate::shop::{Answer, Shop, eventually, undisturbed};

const ORDER: u8 = 12;
/// What an HTTP/2 client says first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// A refusal comes at once; handshakes that say nothing are cut after some seconds.
const REFUSED_WITHIN: Duration = Duration::from_secs(15);

/// A client that has no certificate to show.
#[derive(Debug)]
pub(crate) struct NoCertificate;

impl ResolvesClientCert for NoCertificate {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

/// Joins the mesh as `account`, with the account's own bootstrap token, on an address of its own.
pub(crate) async fn workload_as(shop: &Shop, account: &str, host: u8) -> (Workload, DropGuard) {
    workload_at(shop, account, host, &shop.run.join("endpoints.yaml")).await
}

/// The same, with endpoints of its own.
pub(crate) async fn workload_at(
    shop: &Shop,
    account: &str,
    host: u8,
    endpoints: &Path,
) -> (Workload, DropGuard) {
    let id: SpiffeId = format!("spiffe://cluster.local/ns/shop/sa/{account}")
        .parse()
        .unwrap();
    let mut settings = Settings::of(id, shop.address(host).into());
    settings.ca_address = (shop.address(2), 15012).into();
    settings.ca_root_file = shop.run.join("mesh/root-cert.pem");
    settings.token_file = shop.run.join("tokens").join(format!("shop.{account}"));
    settings.endpoints_file = endpoints.to_owned();
    settings.policy_paths = vec![shop.root.join("k8s/base/policies")];
    let shutdown = CancellationToken::new();
    let workload = Workload::start(settings, shutdown.clone()).await.unwrap();
    workload.identity().unwrap().ready().await;
    (workload, shutdown.drop_guard())
}

/// Sends the HTTP/2 preface and answers whether the server talked back in HTTP/2.
async fn is_served<S: AsyncReadExt + AsyncWriteExt + Unpin>(mut stream: S) -> bool {
    let mut answer = [0; 9];
    let talk = async {
        stream.write_all(PREFACE).await?;
        stream.flush().await?;
        stream.read_exact(&mut answer).await
    };
    matches!(timeout(REFUSED_WITHIN, talk).await, Ok(Ok(_)))
}

#[tokio::test]
async fn plaintext_is_not_served() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let stream = TcpStream::connect((shop.address(ORDER), 50051))
        .await
        .unwrap();
    assert!(!is_served(stream).await);
}

#[tokio::test]
async fn a_caller_without_a_certificate_of_our_authority_is_not_served() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let now = SystemTime::now();
    let gateway: SpiffeId = "spiffe://cluster.local/ns/shop/sa/gateway".parse().unwrap();
    let order: SpiffeId = "spiffe://cluster.local/ns/shop/sa/order".parse().unwrap();
    let foreign = RootAuthority::create(gateway.trust_domain(), now).unwrap();
    let csr = Csr::generate().unwrap();
    let minute = Duration::from_secs(60);
    let issued = foreign.issue_intermediate(now).unwrap();
    let issued = issued.sign(&csr.pem, &gateway, &[], minute, now).unwrap();
    let (svid, _) = Svid::from_answer(&issued.chain_pem, csr.key.clone_key(), &gateway).unwrap();
    let root = std::fs::read_to_string(shop.run.join("mesh/root-cert.pem")).unwrap();
    let bundles = TrustBundles::of(
        gateway.trust_domain().clone(),
        certificates_from_pem(&root).unwrap(),
    );

    let with_foreign = mesh_transport::client_config(
        &Identity {
            svid,
            bundles,
            received_at: now,
        },
        &order,
    )
    .unwrap();
    let mut without = (*with_foreign).clone();
    without.client_auth_cert_resolver = Arc::new(NoCertificate);
    for config in [with_foreign, Arc::new(without)] {
        let stream = TcpStream::connect((shop.address(ORDER), 50051))
            .await
            .unwrap();
        let name = ServerName::from(std::net::IpAddr::from(shop.address(ORDER)));
        let served = match TlsConnector::from(config).connect(name, stream).await {
            Ok(stream) => is_served(stream).await,
            Err(_) => false,
        };
        assert!(!served);
    }
}

#[tokio::test]
async fn a_caller_whom_no_policy_allows_is_refused() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    for (account, host) in [("product", 91), ("debug", 92), ("gateway", 93)] {
        let (workload, _stop) = workload_as(shop, account, host).await;
        let mut payments = PaymentControlServiceClient::new(workload.channel("payment"));
        let order_id = Uuid::now_v7().to_string();
        let refused = payments
            .capture_payment(CapturePaymentRequest { order_id })
            .await
            .unwrap_err();
        assert_eq!(
            refused.code(),
            Code::PermissionDenied,
            "{account}: {refused}"
        );
    }
}

#[tokio::test]
async fn the_service_asks_for_the_token_too() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let (workload, _stop) = workload_as(shop, "gateway", 94).await;
    let mut orders = OrderServiceClient::new(workload.channel("order"));
    let ask = || GetOrderRequest {
        order_id: Uuid::now_v7().to_string(),
    };

    let without = orders.get_order(ask()).await.unwrap_err();
    assert_eq!(without.code(), Code::Unauthenticated, "{without}");
    let mut forged = Request::new(ask());
    forged
        .metadata_mut()
        .insert("authorization", "Bearer a.b.c".parse().unwrap());
    assert_eq!(
        orders.get_order(forged).await.unwrap_err().code(),
        Code::Unauthenticated
    );
}

#[tokio::test]
async fn reflection_is_for_the_debug_identity_alone() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let list = || {
        let request = ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::ListServices(String::new())),
        };
        futures::stream::iter([request])
    };
    let (debug, _stop) = workload_as(shop, "debug", 95).await;
    let mut reflection = ServerReflectionClient::new(debug.channel("order"));
    let mut answers = reflection
        .server_reflection_info(list())
        .await
        .unwrap()
        .into_inner();
    let answer = answers.message().await.unwrap().unwrap();
    let Some(MessageResponse::ListServicesResponse(services)) = answer.message_response else {
        panic!("{answer:?}");
    };
    let mut names: Vec<_> = services
        .service
        .iter()
        .map(|service| service.name.as_str())
        .collect();
    names.sort_unstable();
    let served = [
        "shop.order.v1.OrderInternalService",
        "shop.order.v1.OrderService",
    ];
    assert_eq!(names, served);

    let (product, _stop) = workload_as(shop, "product", 96).await;
    let mut reflection = ServerReflectionClient::new(product.channel("order"));
    let refused = reflection.server_reflection_info(list()).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
}

async fn envoy_admin(shop: &Shop, path: &str) -> Answer {
    shop.plain(&format!("http://{}:9901", shop.address(10)))
        .get(path)
        .await
}

#[tokio::test]
async fn the_leg_to_order_uses_the_hybrid_group() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    shop.customer().get("/v1/orders").await;
    let stats = envoy_admin(shop, "/stats?filter=cluster.order.ssl.curves").await;
    let stats = stats.body.as_str().unwrap();
    assert!(stats.contains("curves.X25519MLKEM768: "), "{stats}");
    assert_eq!(
        stats.lines().count(),
        1,
        "no other group was agreed on: {stats}"
    );
}

#[tokio::test]
async fn envoy_takes_new_certificates_without_a_restart() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let serials = || async {
        let certificates = envoy_admin(shop, "/certs").await.body;
        let chains = certificates["certificates"].as_array().unwrap().iter();
        let mut serials: Vec<_> = chains
            .filter_map(|one| {
                one["cert_chain"][0]["serial_number"]
                    .as_str()
                    .map(str::to_owned)
            })
            .collect();
        serials.sort();
        serials.dedup();
        serials
    };
    let age_of_envoy = async || {
        let info = envoy_admin(shop, "/server_info").await.body;
        let age = info["uptime_current_epoch"].as_str().unwrap();
        age.trim_end_matches('s').parse::<u64>().unwrap()
    };
    let age = age_of_envoy().await;
    let before = serials().await;
    assert_eq!(before.len(), 1, "one identity on all legs: {before:?}");
    eventually("Envoy to hold another certificate", || async {
        let now = serials().await;
        (now.len() == 1 && now != before).then_some(())
    })
    .await;
    assert!(age_of_envoy().await >= age, "it is still the same process");
    let customer = shop.customer();
    let order = customer
        .order(&shop.product(1, 100).await, 1, "tok_ok")
        .await;
    customer.wait_for(&order, "PAID").await;
}

#[tokio::test]
async fn the_authority_logs_whom_it_gave_which_certificate() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let (workload, _stop) = workload_as(shop, "debug", 97).await;
    let serial = workload
        .identity()
        .unwrap()
        .ready()
        .await
        .svid
        .serial
        .clone();
    let log = || std::fs::read_to_string(shop.run.join("logs/meshd.log")).unwrap();
    let line = eventually("the authority's line about the certificate", || async {
        let log = log();
        log.lines()
            .find(|line| line.contains(&serial))
            .map(str::to_owned)
    })
    .await;
    assert!(line.contains("debug"), "the account: {line}");
    assert!(line.contains("127."), "the peer: {line}");
    let token = std::fs::read_to_string(shop.run.join("tokens/shop.debug")).unwrap();
    assert!(!log().contains(token.trim()), "a token is in the log");
    assert!(!log().contains("PRIVATE KEY"), "a key is in the log");
}

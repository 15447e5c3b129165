//! Who does not get in: by the handshake, by the policies, by not being gRPC at all. In every
//! case the handler is not entered, and the server goes on.

use std::time::SystemTime;

use mesh_dataplane::{Mode, Settings, Workload};
use mesh_identity::Svid;
use mesh_transport::{AuthorityExpectation, Identity, IdentitySource, authority_client_config};
use rcgen::{CertificateParams, Issuer, KeyPair, SanType};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;
use tonic::{Code, Request, Status};

use crate::support::{HOUR, Served, World, client, ready, say};

const ONE_METHOD: &str = "
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: one-method, namespace: shop}
spec:
  rules:
    - from: [{source: {principals: [cluster.local/ns/shop/sa/alpha]}}]
      to: [{operation: {paths: [/echo.v1.EchoService/Echo]}}]
    - from: [{source: {principals: [cluster.local/ns/shop/sa/beta]}}]
";

async fn order(world: &World) -> Served {
    world
        .serve(world.settings("order"), Some(world.identity("order")))
        .await
}

/// Calls `order` of `world` with an identity of the test's choice.
async fn call_as(world: &World, identity: Identity) -> Result<(), Status> {
    let settings = Settings {
        id: identity.svid.id.clone(),
        ..world.settings("alpha")
    };
    let caller = world
        .start(settings, Some(IdentitySource::fixed(identity)))
        .await;
    ready(&caller).await;
    call(&caller).await
}

async fn call(caller: &Workload) -> Result<(), Status> {
    client(caller, "order.shop")
        .echo(say("?", 0))
        .await
        .map(|_| ())
}

async fn assert_refused(world: &World, served: &Served, identity: Identity) {
    let status = call_as(world, identity).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    assert_eq!(served.echo.entered(), 0, "the handler was entered");
    let good = world.workload("alpha").await;
    ready(&good).await;
    call(&good).await.unwrap();
}

#[tokio::test]
async fn another_authority_s_identity_is_refused() {
    let (world, stranger) = (World::new(), World::new());
    let served = order(&world).await;
    let mut forged = stranger.issue(&stranger.id("alpha"), HOUR, SystemTime::now());
    // It trusts our server, so that only the server can refuse.
    forged.bundles = world.identity("alpha").current().unwrap().bundles.clone();
    assert_refused(&world, &served, forged).await;
}

#[tokio::test]
async fn another_trust_domain_is_refused() {
    let (world, other) = (World::new(), World::of("other.test"));
    let served = order(&world).await;
    let mut foreign = other.issue(&other.id("alpha"), HOUR, SystemTime::now());
    foreign.bundles = world.identity("alpha").current().unwrap().bundles.clone();
    foreign
        .bundles
        .insert("other.test".parse().unwrap(), Vec::new());
    // As a raw client: a workload of another domain does not even look for this server.
    let expected = world.id("order");
    let config = mesh_transport::client_config(&foreign, &expected).unwrap();
    assert_cut(&served, config).await;
}

#[tokio::test]
async fn an_expired_identity_is_refused() {
    let world = World::new();
    let served = order(&world).await;
    let past = SystemTime::now() - HOUR;
    let expired = world.issue(&world.id("alpha"), HOUR / 2, past);
    let config = mesh_transport::client_config(&expired, &world.id("order")).unwrap();
    assert_cut(&served, config).await;
    // Our own channel does not even try.
    let status = call_as(&world, expired).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("expired"), "{status}");
}

#[tokio::test]
async fn a_certificate_with_two_uri_names_is_refused() {
    let world = World::new();
    let served = order(&world).await;
    let uris = [
        "spiffe://cluster.local/ns/shop/sa/alpha",
        "spiffe://cluster.local/ns/shop/sa/beta",
    ];
    assert_refused(&world, &served, with_uris(&world, &uris)).await;
}

/// An identity whose leaf our authority has signed with any names.
fn with_uris(world: &World, uris: &[&str]) -> Identity {
    let key_pem = world.authority.key_pem();
    let authority_key = KeyPair::from_pem(&key_pem).unwrap();
    let issuer =
        Issuer::from_ca_cert_pem(world.authority.certificate_pem(), authority_key).unwrap();
    let mut params = CertificateParams::default();
    params.subject_alt_names = uris
        .iter()
        .map(|uri| SanType::URI((*uri).try_into().unwrap()))
        .collect();
    let now = SystemTime::now();
    params.not_before = (now - HOUR).into();
    params.not_after = (now + HOUR).into();
    let key = KeyPair::generate().unwrap();
    let leaf = params.signed_by(&key, &issuer).unwrap();
    let good = world.issue(&world.id("alpha"), HOUR, now);
    Identity {
        svid: Svid {
            id: world.id("alpha"),
            chain: vec![leaf.der().clone(), good.svid.chain[1].clone()],
            key: key.serialize_der().into(),
            not_before: now - HOUR,
            not_after: now + HOUR,
            serial: "00".to_owned(),
        },
        bundles: good.bundles,
        received_at: now,
    }
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused() {
    let world = World::new();
    let served = order(&world).await;
    let good = world.issue(&world.id("order"), HOUR, SystemTime::now());
    let roots = good.bundles.roots(world.authority.trust_domain()).unwrap();
    let expected = AuthorityExpectation {
        id: world.id("order"),
        dns_name: "named.test".try_into().unwrap(),
    };
    assert_cut(&served, authority_client_config(roots, &expected).unwrap()).await;
}

/// A raw TLS client: whatever it believes after its own half of the handshake, it gets no answer.
async fn assert_cut(served: &Served, config: std::sync::Arc<rustls::ClientConfig>) {
    let tcp = TcpStream::connect(served.serving.local_addr())
        .await
        .unwrap();
    let connected = TlsConnector::from(config)
        .connect(mesh_transport::unnamed_server(), tcp)
        .await;
    if let Ok(mut tls) = connected {
        let _ = tls.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        let mut answer = Vec::new();
        let error = tls.read_to_end(&mut answer).await.unwrap_err();
        assert!(answer.is_empty(), "{error}");
    }
    assert_eq!(served.echo.entered(), 0, "the handler was entered");
}

#[tokio::test]
async fn plaintext_is_refused() {
    let world = World::new();
    let served = order(&world).await;
    let caller = world.plaintext("alpha").await;
    ready(&caller).await;
    assert_eq!(call(&caller).await.unwrap_err().code(), Code::Unavailable);
    let mut tcp = TcpStream::connect(served.serving.local_addr())
        .await
        .unwrap();
    tcp.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    let _ = tcp.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    assert_eq!(served.echo.entered(), 0);
}

#[tokio::test]
async fn a_server_that_is_somebody_else_gets_no_call() {
    let world = World::new();
    let settings = world.settings("payment");
    let impostor = world.serve(settings, Some(world.identity("payment"))).await;
    world.announce("order", "order", impostor.serving.local_addr());
    let caller = world.workload("alpha").await;
    ready(&caller).await;
    let status = call(&caller).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(
        status
            .message()
            .contains("expected spiffe://cluster.local/ns/shop/sa/order"),
        "{status}"
    );
    assert_eq!(impostor.echo.entered(), 0);
}

#[tokio::test]
async fn a_caller_whom_no_policy_allows_is_refused_before_the_handler() {
    let world = World::new();
    let settings = world.settings_with("order", ONE_METHOD);
    let served = world.serve(settings, Some(world.identity("order"))).await;
    let (alpha, gamma) = (world.workload("alpha").await, world.workload("gamma").await);
    ready(&alpha).await;
    ready(&gamma).await;
    let denied = call(&gamma).await.unwrap_err();
    assert_eq!(
        (denied.code(), denied.message()),
        (Code::PermissionDenied, "RBAC: access denied")
    );
    let denied = client(&alpha, "order")
        .repeat(crate::support::repeat(1, 0))
        .await
        .unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    assert_eq!(served.echo.entered(), 0);
    call(&alpha).await.unwrap();
}

#[tokio::test]
async fn a_header_that_claims_an_identity_never_reaches_the_service() {
    let world = World::new();
    let served = order(&world).await;
    let caller = world.workload("alpha").await;
    ready(&caller).await;
    let answer = client(&caller, "order")
        .echo(claiming("beta"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(answer.peer, "spiffe://cluster.local/ns/shop/sa/alpha");
    for name in ["x-forwarded-client-cert", "x-spiffe-id"] {
        assert_eq!(served.echo.header(name), None);
    }
}

#[tokio::test]
async fn beside_a_proxy_its_header_is_the_peer_and_without_it_nobody_gets_in() {
    let world = World::new();
    let settings = Settings {
        mode: Mode::Sidecar,
        ..world.settings("order")
    };
    let served = world.serve(settings, None).await;
    let caller = world.plaintext("alpha").await;
    ready(&caller).await;
    let mut client = client(&caller, "order");
    let answer = client.echo(claiming("beta")).await.unwrap().into_inner();
    assert_eq!(answer.peer, "spiffe://cluster.local/ns/shop/sa/beta");
    assert_eq!(served.echo.header("x-forwarded-client-cert"), None);
    assert_eq!(
        client.echo(claiming("debug")).await.unwrap_err().code(),
        Code::PermissionDenied
    );
    assert_eq!(
        client.echo(say("?", 0)).await.unwrap_err().code(),
        Code::PermissionDenied
    );
    assert_eq!(served.echo.entered(), 1);
}

#[tokio::test]
async fn without_a_mesh_a_claimed_identity_is_nobody() {
    let world = World::new();
    let settings = Settings {
        mode: Mode::Off,
        ..world.settings("order")
    };
    let served = world.serve(settings, None).await;
    let caller = world.plaintext("alpha").await;
    ready(&caller).await;
    let answer = client(&caller, "order")
        .echo(claiming("beta"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(answer.peer, "");
    assert_eq!(served.echo.header("x-forwarded-client-cert"), None);
}

fn claiming(account: &str) -> Request<echo::pb::EchoRequest> {
    let id = format!("spiffe://cluster.local/ns/shop/sa/{account}");
    let mut request = Request::new(say("?", 0));
    let headers = request.metadata_mut();
    headers.insert(
        "x-forwarded-client-cert",
        format!("Hash=00;URI={id}").parse().unwrap(),
    );
    headers.insert("x-spiffe-id", id.parse().unwrap());
    request
}

#[tokio::test]
async fn what_is_not_grpc_is_answered_as_http() {
    let world = World::new();
    let settings = Settings {
        mode: Mode::Off,
        ..world.settings("order")
    };
    let served = world.serve(settings, None).await;
    let tcp = TcpStream::connect(served.serving.local_addr())
        .await
        .unwrap();
    let io = hyper_util::rt::TokioIo::new(tcp);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io)
        .await
        .unwrap();
    tokio::spawn(connection);
    let path = "http://order/echo.v1.EchoService/Echo";
    for (method, kind, status) in [
        ("GET", Some("application/grpc"), 405),
        ("PUT", Some("application/grpc"), 405),
        ("POST", None, 415),
        ("POST", Some("application/json"), 415),
        ("POST", Some("application/grpc-web"), 415),
    ] {
        let mut request = http::Request::builder().method(method).uri(path);
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        let request = request
            .body(http_body_util::Empty::<bytes::Bytes>::new())
            .unwrap();
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!(answer.status(), status, "{method} {kind:?}");
    }
    assert_eq!(served.echo.entered(), 0);
}

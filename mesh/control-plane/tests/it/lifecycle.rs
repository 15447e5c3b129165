//! Start, restart and the plain listeners.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;

use mesh_control_plane::{Error, run};
use mesh_identity::Csr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::client::Client;
use crate::{Plane, id};

/// What a plain HTTP/1.1 request gets back, until the other side closes.
async fn answer_to(address: SocketAddr, request: &str) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A reset is an answer too: an empty one.
    let _ = socket.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

async fn get(address: SocketAddr, path: &str) -> String {
    answer_to(
        address,
        &format!("GET {path} HTTP/1.1\r\nhost: m\r\nconnection: close\r\n\r\n"),
    )
    .await
}

#[tokio::test]
async fn a_restart_keeps_root_and_tokens() {
    let plane = Plane::start().await;
    let (root, token) = (plane.root_pem(), plane.token("shop.order"));
    let (folder, config) = plane.stop().await;
    fs::remove_file(&config.root_file).unwrap();

    let shutdown = CancellationToken::new();
    let running = run(config.clone(), shutdown.clone()).await.unwrap();
    let plane = Plane {
        folder,
        config,
        running,
        shutdown,
    };
    assert_eq!(plane.root_pem(), root, "the root file is written again");
    let csr = Csr::generate().unwrap();
    let mut client = Client::connect(&plane).await;
    let chain = client
        .ask(&[&format!("Bearer {token}")], &csr.pem, 60)
        .await;
    let (svid, _) =
        mesh_identity::Svid::from_answer(&chain.unwrap(), csr.key.clone_key(), &id("order"))
            .unwrap();
    assert_eq!(svid.id, id("order"), "a token from before is still good");
}

#[tokio::test]
async fn a_second_one_on_the_same_state_does_not_start() {
    let plane = Plane::start().await;
    let second = run(plane.config.clone(), CancellationToken::new()).await;
    assert!(matches!(second, Err(Error::InUse { .. })));
}

#[tokio::test]
async fn one_without_its_address_leaves_the_root_of_the_other_alone() {
    let plane = Plane::start().await;
    let (root, token) = (plane.root_pem(), plane.token("shop.order"));
    let mut other = plane.config.clone();
    other.state_dir = plane.folder.path().join("other-state");
    other.ports.ca = plane.running.ca_address.port();
    let refused = run(other, CancellationToken::new()).await;
    assert!(matches!(refused, Err(Error::Listen { .. })));
    assert_eq!(plane.root_pem(), root);
    assert_eq!(plane.token("shop.order"), token);
}

#[tokio::test]
async fn a_state_that_others_may_read_stops_the_start() {
    let plane = Plane::start().await;
    let (_folder, config) = plane.stop().await;
    let root = config.state_dir.join("root.pem");
    fs::set_permissions(&root, fs::Permissions::from_mode(0o644)).unwrap();
    let refused = run(config, CancellationToken::new()).await;
    assert!(matches!(refused, Err(Error::OpenToOthers { .. })));
}

#[tokio::test]
async fn what_is_private_is_private_and_what_is_public_is_public() {
    let plane = Plane::start().await;
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(plane.config.state_dir.clone()), 0o700);
    assert_eq!(mode(plane.config.token_dir.clone()), 0o700);
    assert_eq!(mode(plane.config.token_dir.join("shop.order")), 0o600);
    assert_eq!(mode(plane.config.root_file.clone()), 0o644);
    assert!(!plane.root_pem().contains("PRIVATE KEY"));
    assert_eq!(plane.root_pem().matches("BEGIN CERTIFICATE").count(), 1);
}

#[tokio::test]
async fn the_platform_can_probe_and_scrape_it() {
    let plane = Plane::start().await;
    let probes = plane.running.probes_address;
    for path in ["/livez", "/readyz", "/startupz"] {
        assert!(
            get(probes, path).await.starts_with("HTTP/1.1 200"),
            "{path}"
        );
    }
    assert!(get(probes, "/metrics").await.starts_with("HTTP/1.1 404"));
    let posted = answer_to(
        probes,
        "POST /livez HTTP/1.1\r\nhost: m\r\nconnection: close\r\n\r\n",
    )
    .await;
    assert!(posted.starts_with("HTTP/1.1 405"));

    let csr = Csr::generate().unwrap();
    let mut client = Client::connect(&plane).await;
    client.ask(&[], &csr.pem, 60).await.unwrap_err();
    let metrics = get(plane.running.metrics_address, "/metrics").await;
    assert!(metrics.contains("meshd_certificate_requests_total{status=\"UNAUTHENTICATED\"}"));
}

#[tokio::test]
async fn plaintext_gets_no_http_from_the_authority() {
    let plane = Plane::start().await;
    for request in [
        "GET / HTTP/1.1\r\nhost: m\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let answer = answer_to(plane.running.ca_address, request).await;
        assert!(!answer.contains("HTTP"), "{answer}");
    }
}

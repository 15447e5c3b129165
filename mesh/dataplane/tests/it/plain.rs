//! Probes, metrics and admin: plain, small, and with the truth in them.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{World, client, ready, say};

/// The whole answer to a GET, headers and all.
pub(crate) async fn get(address: SocketAddr, path: &str) -> String {
    ask(
        address,
        &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
    )
    .await
}

async fn ask(address: SocketAddr, request: &str) -> String {
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn ready_is_when_identity_endpoints_and_listener_are_there() {
    let world = World::new();
    let (sender, receiver) = tokio::sync::watch::channel(None);
    let source = mesh_transport::IdentitySource::from_watch(receiver);
    let served = world.serve(world.settings("order"), Some(source)).await;
    let probes = served.workload.plain_addresses().probes;
    let unready = get(probes, "/readyz").await;
    assert!(
        unready.starts_with("HTTP/1.1 503") && unready.contains("identity: "),
        "{unready}"
    );
    assert!(get(probes, "/livez").await.starts_with("HTTP/1.1 200"));
    assert!(get(probes, "/startupz").await.starts_with("HTTP/1.1 503"));

    let identity = world.issue(
        &world.id("order"),
        crate::support::HOUR,
        std::time::SystemTime::now(),
    );
    sender.send_replace(Some(std::sync::Arc::new(identity)));
    ready(&served.workload).await;
    assert!(get(probes, "/readyz").await.starts_with("HTTP/1.1 200"));
    assert!(get(probes, "/startupz").await.starts_with("HTTP/1.1 200"));

    sender.send_replace(None);
    crate::support::eventually("an identity that is lost", async || {
        get(probes, "/readyz").await.starts_with("HTTP/1.1 503")
    })
    .await;
    assert!(
        get(probes, "/startupz").await.starts_with("HTTP/1.1 200"),
        "it had started"
    );
}

#[tokio::test]
async fn each_plain_listener_answers_its_own_pages_only() {
    let world = World::new();
    let served = world
        .serve(world.settings("order"), Some(world.identity("order")))
        .await;
    let caller = world.workload("alpha").await;
    ready(&caller).await;
    client(&caller, "order").echo(say("?", 0)).await.unwrap();
    let addresses = served.workload.plain_addresses();

    let metrics = get(addresses.metrics, "/metrics").await;
    assert!(metrics.contains("istio_requests_total{"), "{metrics}");
    assert!(metrics.contains("text/plain; version=0.0.4"));
    let certificates = get(addresses.admin, "/certs").await;
    let serial = &served
        .workload
        .identity()
        .unwrap()
        .current()
        .unwrap()
        .svid
        .serial;
    assert!(certificates.contains(serial.as_str()), "{certificates}");
    assert!(certificates.contains("spiffe://cluster.local/ns/shop/sa/order"));
    let connections = get(addresses.admin, "/connections").await;
    assert!(
        connections.contains("spiffe://cluster.local/ns/shop/sa/alpha"),
        "{connections}"
    );
    assert!(
        get(addresses.admin, "/config")
            .await
            .contains("\"mode\": \"in-process\"")
    );

    for (address, path) in [
        (addresses.probes, "/metrics"),
        (addresses.probes, "/certs"),
        (addresses.metrics, "/readyz"),
        (addresses.admin, "/metrics"),
        (addresses.probes, "/readyz/../livez"),
    ] {
        assert!(
            get(address, path).await.starts_with("HTTP/1.1 404"),
            "{path}"
        );
    }
    let post = "POST /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    assert!(
        ask(addresses.probes, post)
            .await
            .starts_with("HTTP/1.1 405")
    );
    let many = format!(
        "GET /livez HTTP/1.1\r\nHost: x\r\n{}\r\n",
        "X-Y: z\r\n".repeat(100)
    );
    assert!(
        !ask(addresses.probes, &many)
            .await
            .starts_with("HTTP/1.1 200")
    );
}

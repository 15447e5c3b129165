//! `meshctl forward`: who is spoken to, as whom, and what is refused.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use http::{Request, Response};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout};

use crate::mesh::{Mesh, WHO, said};

const ORDER_HOST: u8 = 12;
const PATIENCE: Duration = Duration::from_secs(30);

/// A running forward; it is killed with this value.
struct Forward {
    local: SocketAddr,
    line: String,
    _rest: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

async fn forward(mesh: &Mesh, service: &str, account: &str) -> Forward {
    let mut command = mesh.meshctl(&["forward", service, "--as", account]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = tokio::time::timeout(PATIENCE, lines.next_line());
    let line = line
        .await
        .unwrap()
        .unwrap()
        .expect("it says where it listens");
    let local = line.split(' ').nth(2).unwrap().parse().unwrap();
    Forward {
        local,
        line,
        _rest: lines,
        _child: child,
    }
}

/// One call in plaintext HTTP/2, as grpcurl makes it with -plaintext.
async fn call(local: SocketAddr) -> hyper::Result<Response<Incoming>> {
    let socket = TcpStream::connect(local).await.unwrap();
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(socket)).await?;
    tokio::spawn(connection);
    let request = Request::post(format!("http://{local}{WHO}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Empty::<Bytes>::new())
        .unwrap();
    tokio::time::timeout(PATIENCE, sender.send_request(request))
        .await
        .unwrap()
}

fn status(answer: &Response<Incoming>) -> &str {
    answer.headers()["grpc-status"].to_str().unwrap()
}

#[tokio::test]
async fn calls_reach_the_verified_service_as_the_account() {
    let mesh = Mesh::start().await;
    let _order = mesh.member("order", ORDER_HOST).await;
    mesh.announce(&[("order", "order", ORDER_HOST)]);
    let forward = forward(&mesh, "order", "gateway").await;
    assert!(forward.local.ip().is_loopback());
    assert_eq!(
        forward.line,
        format!(
            "listening on {} → order.shop (spiffe://cluster.local/ns/shop/sa/order)",
            forward.local
        )
    );
    for _ in 0..3 {
        let answer = call(forward.local).await.unwrap();
        assert_eq!(status(&answer), "0");
        assert_eq!(
            answer.headers()["x-caller"],
            "spiffe://cluster.local/ns/shop/sa/gateway"
        );
    }
}

#[tokio::test]
async fn an_account_that_may_not_call_is_refused_by_the_service() {
    let mesh = Mesh::start().await;
    let _order = mesh.member("order", ORDER_HOST).await;
    mesh.announce(&[("order", "order", ORDER_HOST)]);
    let forward = forward(&mesh, "order", "debug").await;
    let answer = call(forward.local).await.unwrap();
    assert_eq!(status(&answer), "7");
    assert!(!answer.headers().contains_key("x-caller"));
}

#[tokio::test]
async fn a_server_that_is_somebody_else_is_named_and_refused() {
    let mesh = Mesh::start().await;
    let _order = mesh.member("order", ORDER_HOST).await;
    mesh.announce(&[("payment", "payment", ORDER_HOST)]);
    let said = mesh
        .say(&["forward", "payment", "--as", "gateway"])
        .await
        .expect(1);
    assert_eq!(said.out, "");
    assert!(said.err.contains("payment.shop"), "{}", said.err);
    assert!(
        said.err.contains(
            "peer is spiffe://cluster.local/ns/shop/sa/order, \
             expected spiffe://cluster.local/ns/shop/sa/payment"
        ),
        "{}",
        said.err
    );
}

#[tokio::test]
async fn a_server_that_turns_into_somebody_else_gets_no_byte() {
    let mesh = Mesh::start().await;
    let _order = mesh.member("order", ORDER_HOST).await;
    let _payment = mesh.member("payment", 13).await;
    mesh.announce(&[("order", "order", ORDER_HOST)]);
    let forward = forward(&mesh, "order", "gateway").await;
    assert_eq!(status(&call(forward.local).await.unwrap()), "0");
    mesh.announce(&[("order", "order", 13)]);
    assert!(call(forward.local).await.is_err());
}

#[tokio::test]
async fn a_service_of_a_foreign_mesh_is_refused() {
    let mesh = Mesh::start().await;
    let foreign = Mesh::start().await;
    let _order = foreign.member("order", ORDER_HOST).await;
    foreign.announce(&[("order", "order", ORDER_HOST)]);
    let endpoints = foreign.path("endpoints.yaml");
    let mut command = mesh.meshctl(&["forward", "order", "--as", "gateway"]);
    command.env("MESH_ENDPOINTS_FILE", endpoints);
    let said = said(command).await.expect(1);
    assert!(said.err.contains("is refused"), "{}", said.err);
}

#[tokio::test]
async fn a_service_that_is_away_or_unknown_is_told() {
    let mesh = Mesh::start().await;
    mesh.announce(&[("order", "order", ORDER_HOST)]);
    let said = mesh
        .say(&["forward", "order", "--as", "gateway"])
        .await
        .expect(1);
    assert!(said.err.contains("order.shop at"), "{}", said.err);
    assert!(said.err.contains("does not answer"), "{}", said.err);

    let said = mesh
        .say(&["forward", "odrer", "--as", "gateway"])
        .await
        .expect(2);
    assert!(said.err.contains("there are order.shop"), "{}", said.err);
}

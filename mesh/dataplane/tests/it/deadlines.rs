//! Deadlines: the server ends what its caller no longer waits for, the channel ends what takes too
//! long, and a call made inside a call gets no more time than is left.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use mesh_dataplane::{Mode, Settings, Workload, deadline};
use prost::Message;
use tokio::{net::TcpStream, time::Instant};
use tonic::{Code, Request};

use crate::{
    scripted::{Act, peer},
    support::{World, client, ready, repeat, say},
};

const SOON: Duration = Duration::from_millis(200);
const LATE: Duration = Duration::from_secs(5);

/// A client that enforces nothing itself: status in the headers, number of frames, status in the
/// trailers.
async fn raw(
    address: std::net::SocketAddr,
    path: &str,
    timeouts: &[&str],
    message: impl Message,
) -> (Option<String>, usize, Option<String>) {
    let tcp = TcpStream::connect(address).await.unwrap();
    let io = hyper_util::rt::TokioIo::new(tcp);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io)
        .await
        .unwrap();
    tokio::spawn(connection);
    let encoded = message.encode_to_vec();
    let mut body = vec![0, 0, 0, 0, u8::try_from(encoded.len()).unwrap()];
    body.extend_from_slice(&encoded);
    let mut request = http::Request::post(format!("http://echo{path}"))
        .header("content-type", "application/grpc")
        .body(Full::new(Bytes::from(body)))
        .unwrap();
    for timeout in timeouts {
        request
            .headers_mut()
            .append("grpc-timeout", timeout.parse().unwrap());
    }
    let response = sender.send_request(request).await.unwrap();
    let text = |value: &http::HeaderValue| value.to_str().unwrap().to_owned();
    let early = response.headers().get("grpc-status").map(text);
    let mut body = response.into_body();
    let (mut frames, mut late) = (0, None);
    while let Some(frame) = body.frame().await {
        let frame = frame.unwrap();
        match frame.trailers_ref() {
            Some(trailers) => late = trailers.get("grpc-status").map(text),
            None => frames += 1,
        }
    }
    (early, frames, late)
}

async fn plaintext_server(world: &World, deadline_max: Duration) -> crate::support::Served {
    let settings = Settings {
        mode: Mode::Off,
        deadline_max,
        ..world.settings("order")
    };
    world.serve(settings, None).await
}

#[tokio::test]
async fn the_server_ends_a_call_whose_deadline_has_passed() {
    let world = World::new();
    let served = plaintext_server(&world, LATE).await;
    let address = served.serving.local_addr();
    let begin = Instant::now();
    let answer = raw(
        address,
        "/echo.v1.EchoService/Echo",
        &["200m"],
        say("?", 5_000),
    )
    .await;
    assert_eq!(answer, (Some("4".to_owned()), 0, None), "trailers-only");
    assert!(begin.elapsed() >= SOON && begin.elapsed() < LATE / 2);

    let (early, frames, late) = raw(
        address,
        "/echo.v1.EchoService/Repeat",
        &["500m"],
        repeat(1_000, 20),
    )
    .await;
    assert_eq!((early, late.as_deref()), (None, Some("4")));
    assert!(frames > 1, "the stream had begun");
    assert_eq!(served.echo.entered(), 2);
}

#[tokio::test]
async fn the_server_bounds_what_callers_ask_for_and_what_they_do_not() {
    let world = World::new();
    let served = plaintext_server(&world, SOON).await;
    for timeouts in [&[][..], &["99999999H"][..]] {
        let path = "/echo.v1.EchoService/Echo";
        let begin = Instant::now();
        let answer = raw(served.serving.local_addr(), path, timeouts, say("?", 5_000)).await;
        assert_eq!(answer.0.as_deref(), Some("4"), "{timeouts:?}");
        assert!(begin.elapsed() < LATE / 2);
    }
}

#[tokio::test]
async fn a_malformed_timeout_is_refused_before_the_handler() {
    let world = World::new();
    let served = plaintext_server(&world, LATE).await;
    let path = "/echo.v1.EchoService/Echo";
    for timeouts in [
        &["-1S"][..],
        &["123456789S"],
        &["NaN"],
        &["1S", "2S"],
        &["5"],
    ] {
        let answer = raw(served.serving.local_addr(), path, timeouts, say("?", 0)).await;
        assert_eq!(answer, (Some("3".to_owned()), 0, None), "{timeouts:?}");
    }
    let expired = raw(served.serving.local_addr(), path, &["0n"], say("?", 0)).await;
    assert_eq!(expired.0.as_deref(), Some("4"));
    assert_eq!(served.echo.entered(), 0);
}

async fn caller_of_a_silent_peer(world: &World) -> (Workload, crate::scripted::Peer) {
    let peer = peer(&[Act::Ignore]).await;
    world.announce("order", "order", peer.address);
    let workload = world.plaintext("order").await;
    ready(&workload).await;
    (workload, peer)
}

fn milliseconds(headers: &http::HeaderMap) -> u64 {
    let text = headers["grpc-timeout"].to_str().unwrap();
    let micros: u64 = text.strip_suffix('u').unwrap().parse().unwrap();
    micros / 1_000
}

#[tokio::test]
async fn the_channel_ends_a_call_whose_own_deadline_has_passed() {
    let world = World::new();
    let (workload, mut peer) = caller_of_a_silent_peer(&world).await;
    let mut request = Request::new(say("?", 0));
    request.set_timeout(SOON);
    let begin = Instant::now();
    let status = client(&workload, "order").echo(request).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!(begin.elapsed() >= SOON && begin.elapsed() < LATE / 2);
    assert!(milliseconds(&peer.arrived.recv().await.unwrap().0) <= 200);
}

#[tokio::test]
async fn a_call_inside_a_call_gets_the_time_that_is_left() {
    let world = World::new();
    let (workload, mut peer) = caller_of_a_silent_peer(&world).await;
    let mut longer = Request::new(say("?", 0));
    longer.set_timeout(LATE);
    let mut client = client(&workload, "order");
    let outer = deadline::scope(Instant::now() + SOON, client.echo(longer));
    assert_eq!(outer.await.unwrap_err().code(), Code::DeadlineExceeded);
    assert!(milliseconds(&peer.arrived.recv().await.unwrap().0) <= 200);

    let passed = deadline::scope(Instant::now(), client.echo(say("?", 0)));
    assert_eq!(passed.await.unwrap_err().code(), Code::DeadlineExceeded);
    assert!(
        peer.arrived.try_recv().is_err(),
        "a call without time is not sent"
    );
}

#[tokio::test]
async fn the_handler_sees_its_deadline_and_a_stream_ends_with_it() {
    let world = World::new();
    let served = plaintext_server(&world, LATE).await;
    let caller = world.plaintext("order").await;
    ready(&caller).await;
    let mut client = client(&caller, served.workload.settings().service());
    let mut request = Request::new(say("?", 0));
    request.set_timeout(Duration::from_secs(3));
    let left = client
        .echo(request)
        .await
        .unwrap()
        .into_inner()
        .remaining_ms;
    assert!((1_000..=3_000).contains(&left), "{left}");

    let mut request = Request::new(repeat(1_000, 20));
    request.set_timeout(SOON);
    let mut answers = client.repeat(request).await.unwrap().into_inner();
    let end = loop {
        match answers.message().await {
            Ok(answer) => assert!(answer.is_some(), "the stream cannot be complete"),
            Err(status) => break status,
        }
    };
    assert_eq!(end.code(), Code::DeadlineExceeded);
}

//! Replay: exactly once, and only what the peer provably did not process.

use std::{sync::atomic::Ordering, time::Duration};

use bytes::Bytes;
use futures::StreamExt;
use h2::Reason;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use mesh_dataplane::{ResponseBody, Workload};
use tonic::{Code, Status, body::Body};
use tower::ServiceExt;

use crate::{
    scripted::{Act, Peer, peer, peer_that_goes_away},
    support::{World, eventually, metric, ready},
};

const BODY: &[u8] = b"\0\0\0\0\x05hello";

async fn calling(world: &World, account: &str, peer: &Peer) -> Workload {
    world.announce("peer", "peer", peer.address);
    let workload = world.plaintext(account).await;
    ready(&workload).await;
    workload
}

async fn call(workload: &Workload, body: Body) -> Result<Response<ResponseBody>, Status> {
    send(workload, request(body)).await
}

fn request(body: Body) -> Request<Body> {
    let mut request = Request::new(body);
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = "/peer.v1.Peer/Call".parse().unwrap();
    request
        .headers_mut()
        .insert("content-type", "application/grpc".parse().unwrap());
    request
        .headers_mut()
        .insert("x-mark", "kept".parse().unwrap());
    request
}

async fn send(
    workload: &Workload,
    request: Request<Body>,
) -> Result<Response<ResponseBody>, Status> {
    let answered = workload.channel("peer").oneshot(request);
    tokio::time::timeout(Duration::from_secs(10), answered)
        .await
        .unwrap()
}

fn message() -> Body {
    Body::new(Full::new(Bytes::from_static(BODY)))
}

/// Plays `acts` for one call with `body`: the outcome, and the bodies that arrived.
async fn outcome(
    acts: &[Act],
    body: Body,
) -> (Result<Response<ResponseBody>, Status>, Vec<Vec<u8>>) {
    let world = World::new();
    let mut peer = peer(acts).await;
    let workload = calling(&world, "order", &peer).await;
    let outcome = call(&workload, body).await;
    // What has not arrived by the time of the outcome must not arrive later either.
    tokio::time::timeout(Duration::from_millis(100), std::future::pending::<()>())
        .await
        .ok();
    let mut bodies = Vec::new();
    while let Ok((headers, body)) = peer.arrived.try_recv() {
        assert_eq!(headers["x-mark"], "kept");
        bodies.push(body);
    }
    (outcome, bodies)
}

#[tokio::test]
async fn a_refused_call_is_sent_once_more_with_the_same_head_and_body() {
    let (outcome, bodies) = outcome(&[Act::RefuseAfterReading, Act::Answer], message()).await;
    assert_eq!(outcome.unwrap().headers()["grpc-status"], "0");
    assert_eq!(bodies, [BODY, BODY]);
}

#[tokio::test]
async fn the_second_attempt_is_given_the_time_that_is_left() {
    let world = World::new();
    let mut peer = peer(&[Act::RefuseAfterReading, Act::Answer]).await;
    let workload = calling(&world, "order", &peer).await;
    let mut request = request(message());
    request
        .headers_mut()
        .insert("grpc-timeout", "9S".parse().unwrap());
    send(&workload, request).await.unwrap();
    let mut microseconds = async || {
        let (headers, _) = peer.arrived.recv().await.unwrap();
        let text = headers["grpc-timeout"].to_str().unwrap();
        let digits = text.strip_suffix('u').unwrap();
        digits.parse::<u64>().unwrap()
    };
    let (first, second) = (microseconds().await, microseconds().await);
    assert!(first < 9_000_000 && second < first, "{first} then {second}");
}

#[tokio::test]
async fn a_call_that_is_refused_twice_fails_after_two_attempts() {
    let (outcome, bodies) = outcome(&[Act::Refuse], message()).await;
    assert_eq!(outcome.unwrap_err().code(), Code::Unavailable);
    assert_eq!(bodies.len(), 2);
}

#[tokio::test]
async fn a_call_that_a_goodbye_left_unprocessed_goes_to_a_new_connection() {
    let world = World::of("goaway.test");
    let mut peer = peer_that_goes_away().await;
    let workload = calling(&world, "order", &peer).await;
    let answer = call(&workload, message()).await.unwrap();
    assert_eq!(answer.headers()["grpc-status"], "0");
    assert_eq!(peer.arrived.recv().await.unwrap().1, BODY);
    assert!(
        peer.arrived.try_recv().is_err(),
        "sent once on the new connection"
    );
    assert_eq!(peer.connections.load(Ordering::SeqCst), 2);
    let labels = ["spiffe://goaway.test/", "cause=\"goaway\""];
    assert!(metric("mesh_replays_total", &labels) >= 1.0);
}

#[tokio::test]
async fn after_response_headers_nothing_is_sent_again() {
    let refuse = Act::ResetAfterHeaders(Reason::REFUSED_STREAM);
    let (outcome, bodies) = outcome(&[refuse, Act::Answer], message()).await;
    assert_eq!(end_of(outcome.unwrap()).await.code(), Code::Unavailable);
    assert_eq!(bodies.len(), 1);
}

#[tokio::test]
async fn an_answer_that_stops_half_way_is_not_taken_for_a_success() {
    let cases = [
        (Reason::CANCEL, Code::Cancelled),
        (Reason::NO_ERROR, Code::Internal),
    ];
    for (reason, code) in cases {
        let acts = [Act::ResetAfterHeaders(reason), Act::Answer];
        let (outcome, bodies) = outcome(&acts, message()).await;
        assert_eq!(end_of(outcome.unwrap()).await.code(), code, "{reason:?}");
        assert_eq!(bodies.len(), 1);
    }
}

async fn end_of(response: Response<ResponseBody>) -> Status {
    response.into_body().frame().await.unwrap().unwrap_err()
}

#[tokio::test]
async fn details_that_cannot_be_read_do_not_hide_the_status() {
    let world = World::new();
    let peer = peer(&[Act::FailWithBadDetails]).await;
    let workload = calling(&world, "order", &peer).await;
    let mut client = crate::support::client(&workload, "peer");
    let status = client.echo(crate::support::say("?", 0)).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn a_connection_that_breaks_leaves_the_call_unknown_and_unrepeated() {
    let (outcome, bodies) = outcome(&[Act::Cut, Act::Answer], message()).await;
    let status = outcome.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("connection lost"), "{status}");
    assert_eq!(bodies.len(), 1);
}

#[tokio::test]
async fn a_body_that_is_larger_than_its_copy_is_sent_once() {
    let large = Body::new(Full::new(Bytes::from(vec![7; 65 * 1024])));
    let (outcome, bodies) = outcome(&[Act::RefuseAfterReading, Act::Answer], large).await;
    assert_eq!(outcome.unwrap_err().code(), Code::Unavailable);
    assert_eq!(bodies.len(), 1);
    assert_eq!(bodies[0].len(), 65 * 1024);
}

#[tokio::test]
async fn a_stream_that_has_sent_little_is_replayed_and_goes_on() {
    let frames = futures::stream::iter([&b"one"[..], b"two", b"three"]).then(async |data| {
        tokio::task::yield_now().await;
        Ok::<_, Status>(Frame::data(Bytes::from_static(data)))
    });
    let body = Body::new(StreamBody::new(Box::pin(frames)));
    let (outcome, bodies) = outcome(&[Act::RefuseAfterReading, Act::Answer], body).await;
    assert_eq!(outcome.unwrap().headers()["grpc-status"], "0");
    assert_eq!(bodies, [b"onetwothree", b"onetwothree"]);
}

#[tokio::test]
async fn an_endpoint_that_is_gone_fails_at_once_and_is_found_again_when_it_is_back() {
    let world = World::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    world.announce("order", "order", address);
    let workload = world.plaintext("order").await;
    ready(&workload).await;
    for _ in 0..20 {
        let mut client = crate::support::client(&workload, "order");
        let failed = client.echo(crate::support::say("?", 0)).await.unwrap_err();
        assert_eq!(failed.code(), Code::Unavailable, "{failed}");
    }
    let mut settings = world.settings("order");
    settings.mode = mesh_dataplane::Mode::Off;
    settings.ports.grpc = address.port();
    let _served = world.serve(settings, None).await;
    eventually("the endpoint is used again", async || {
        let mut client = crate::support::client(&workload, "order");
        client.echo(crate::support::say("?", 0)).await.is_ok()
    })
    .await;
}

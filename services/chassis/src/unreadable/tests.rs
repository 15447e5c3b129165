//! Bytes that are no message, sent to a real service.

#![allow(clippy::unwrap_used)]

use http::{Method, Request, Response};
use tonic::body::Body;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use tower::{Service, ServiceExt};

use super::Readable;
use crate::error::{Failure, Kind};

/// A frame of gRPC: not compressed, its length, its bytes.
fn frame(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap();
    [&[0], length.to_be_bytes().as_slice(), message].concat()
}

async fn check(body: Vec<u8>) -> Status {
    let (_reporter, health) = tonic_health::server::health_reporter();
    let request = Request::builder()
        .method(Method::POST)
        .uri("http://test/grpc.health.v1.Health/Check")
        .header("content-type", "application/grpc")
        .body(Body::new(http_body_util::Full::from(body)))
        .unwrap();
    let response = Readable(health).oneshot(request).await.unwrap();
    Status::from_header_map(response.headers()).unwrap_or_else(|| Status::ok(""))
}

#[tokio::test]
async fn what_is_no_message_is_the_callers_mistake() {
    let no_utf8 = frame(&[0x0a, 1, 0xff]);
    let wrong_type = frame(&[0x08, 1]);
    let cut_off = frame(&[0x0a, 9, b'x']);
    let half_a_frame = frame(b"")[..3].to_vec();
    let unknown_flag = vec![7, 0, 0, 0, 0];
    let no_codec_for_it = vec![1, 0, 0, 0, 0];
    for body in [
        no_utf8,
        wrong_type,
        cut_off,
        half_a_frame,
        unknown_flag,
        no_codec_for_it,
        vec![],
    ] {
        let status = check(body.clone()).await;
        assert_eq!(status.code(), Code::InvalidArgument, "{body:?} {status}");
        assert_eq!(status.message(), "the request cannot be read");
        let info = status.get_details_error_info().unwrap();
        assert_eq!(info.reason, "INVALID_ARGUMENT");
    }
}

#[tokio::test]
async fn a_message_that_is_too_large_is_refused_by_its_length() {
    let status = check(vec![0, 0xff, 0xff, 0xff, 0xff]).await;
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
}

#[tokio::test]
async fn other_answers_pass() {
    assert_eq!(check(frame(b"")).await.code(), Code::Ok);
    let unknown = check(frame(&[0x0a, 1, b'x'])).await;
    assert_eq!(unknown.code(), Code::NotFound, "{unknown}");

    let ours = Failure::new(Kind::Internal, "a mistake of ours");
    let ours = Status::from(ours).into_http::<Body>();
    let mut service = Readable(tower::service_fn(move |_: Request<Body>| {
        let mut answer = Response::new(Body::empty());
        *answer.headers_mut() = ours.headers().clone();
        std::future::ready(Ok(answer))
    }));
    let answer = service.call(Request::new(Body::empty())).await.unwrap();
    let status = Status::from_header_map(answer.headers()).unwrap();
    assert_eq!(status.code(), Code::Internal, "{status}");
}

//! Replay: the second attempt sends what the first one sent, or there is none.
#![allow(clippy::unwrap_used)]

use http_body_util::{BodyExt, StreamBody};
use tokio::sync::mpsc;

use super::*;

type Sender = mpsc::UnboundedSender<Bytes>;

fn streaming() -> (Sender, Replay) {
    let (sender, mut receiver) = mpsc::unbounded_channel::<Bytes>();
    let frames = futures::stream::poll_fn(move |cx| receiver.poll_recv(cx))
        .map(|data| Ok::<_, Status>(Frame::data(data)));
    (sender, Replay::new(Body::new(StreamBody::new(frames))))
}

use futures::StreamExt;

async fn next(body: &mut ReplayBody) -> Option<Bytes> {
    body.frame()
        .await
        .map(|frame| frame.unwrap().into_data().unwrap())
}

#[tokio::test]
async fn the_second_attempt_begins_anew_and_goes_on_where_the_first_stopped() {
    let (sender, replay) = streaming();
    sender.send(Bytes::from_static(b"one")).unwrap();
    sender.send(Bytes::from_static(b"two")).unwrap();
    let mut first = replay.attempt();
    assert_eq!(next(&mut first).await.unwrap(), "one");
    assert_eq!(next(&mut first).await.unwrap(), "two");
    assert!(replay.take_back());

    let mut second = replay.attempt();
    sender.send(Bytes::from_static(b"three")).unwrap();
    drop(sender);
    assert!(
        first.frame().await.unwrap().is_err(),
        "the first attempt is over"
    );
    for expected in ["one", "two", "three"] {
        assert_eq!(next(&mut second).await.unwrap(), expected);
    }
    assert_eq!(next(&mut second).await, None);
    assert!(second.is_end_stream());
}

#[tokio::test]
async fn what_is_taken_back_is_taken_from_the_first_attempt_at_once() {
    let (sender, replay) = streaming();
    sender.send(Bytes::from(vec![1; KEPT_BYTES_MAX])).unwrap();
    let mut first = replay.attempt();
    next(&mut first).await.unwrap();
    assert!(replay.take_back());

    // The connection of the first attempt is polled once more before the second one begins. What
    // it could take now would not fit into the copy, and the second attempt would lack it all.
    sender.send(Bytes::from_static(b"x")).unwrap();
    drop(sender);
    assert!(first.frame().await.unwrap().is_err());
    let mut second = replay.attempt();
    assert_eq!(next(&mut second).await.unwrap().len(), KEPT_BYTES_MAX);
    assert_eq!(next(&mut second).await.unwrap(), "x");
    assert_eq!(next(&mut second).await, None);
}

#[tokio::test]
async fn what_has_sent_more_than_is_kept_is_sent_once() {
    let (sender, replay) = streaming();
    sender.send(Bytes::from(vec![0; KEPT_BYTES_MAX])).unwrap();
    sender.send(Bytes::from_static(b"x")).unwrap();
    let mut first = replay.attempt();
    next(&mut first).await.unwrap();
    assert_eq!(next(&mut first).await.unwrap(), "x");
    assert!(
        lock(&replay.shared).kept.is_empty(),
        "the copy is given back"
    );
    sender.send(Bytes::from_static(b"y")).unwrap();
    assert_eq!(next(&mut first).await.unwrap(), "y");
    assert!(!replay.take_back());
}

#[tokio::test]
async fn a_flood_of_small_frames_is_not_kept() {
    let (sender, replay) = streaming();
    let mut first = replay.attempt();
    for _ in 0..=KEPT_FRAMES_MAX {
        sender.send(Bytes::from_static(b".")).unwrap();
        next(&mut first).await.unwrap();
    }
    assert!(!replay.take_back());
}

#[tokio::test]
async fn an_empty_body_is_at_its_end_at_once() {
    let replay = Replay::new(Body::empty());
    assert!(replay.attempt().is_end_stream());
}

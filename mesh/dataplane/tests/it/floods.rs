//! Floods: the connection of the attacker ends early, and nobody else notices.

use std::time::Duration;

use mesh_dataplane::Workload;
use tokio::{net::TcpStream, task::JoinHandle};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::sync::CancellationToken;

use crate::{
    attacks::{ATTACKS, header_bomb},
    support::{Served, World, client, eventually, ready, say},
    wire::{self, DATA, END_HEADERS, END_STREAM, HEADERS, Wire, frame},
};

const ECHO: &str = "/echo.v1.EchoService/Echo";
const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;
const FRAME_BYTES_MAX: usize = 16 * 1024;
/// The whole request in one frame.
const ALL: u8 = END_STREAM | END_HEADERS;
/// Ends are quick; this is for a busy machine.
const ENDED_WITHIN: Duration = Duration::from_secs(15);

async fn connect(world: &World, served: &Served) -> TlsStream<TcpStream> {
    let identity = world.identity("beta").current().unwrap();
    let config = mesh_transport::client_config(&identity, &world.id("order")).unwrap();
    let tcp = TcpStream::connect(served.serving.local_addr())
        .await
        .unwrap();
    let name = mesh_transport::unnamed_server();
    TlsConnector::from(config).connect(name, tcp).await.unwrap()
}

/// Somebody who calls all the while. Answers how many calls were answered; fails with any of them.
fn bystander(caller: &Workload, stop: &CancellationToken) -> JoinHandle<usize> {
    let (mut client, stop) = (client(caller, "order"), stop.clone());
    tokio::spawn(async move {
        let mut answered = 0;
        while !stop.is_cancelled() {
            client.echo(say("?", 0)).await.unwrap();
            answered += 1;
        }
        answered
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_end_the_attackers_connection_and_nobody_elses() {
    let world = World::new();
    let served = world
        .serve(world.settings("order"), Some(world.identity("order")))
        .await;
    let caller = world.workload("alpha").await;
    ready(&caller).await;
    let stop = CancellationToken::new();
    let calls = bystander(&caller, &stop);
    for attack in ATTACKS {
        let mut wire = Wire::begin(connect(&world, &served).await, &[])
            .await
            .unwrap();
        let taken = attack.run(&mut wire, ECHO).await;
        let heard = wire.ended(ENDED_WITHIN).await;
        let name = attack.name;
        assert!(
            heard.is_some(),
            "{name}: the connection goes on after {taken}"
        );
        assert!(taken < 100_000, "{name}: {taken} were taken");
    }
    stop.cancel();
    let answered = calls.await.unwrap();
    // Floods end within milliseconds each, so it cannot be many.
    assert!(
        answered >= ATTACKS.len(),
        "the others were hardly served: {answered}"
    );
}

#[tokio::test]
async fn streams_beyond_the_limit_are_refused_and_those_within_are_answered() {
    let world = World::new();
    let served = world
        .serve(world.settings("order"), Some(world.identity("order")))
        .await;
    let mut wire = Wire::begin(connect(&world, &served).await, &[])
        .await
        .unwrap();
    // All of them open, none of them complete.
    let streams: Vec<u32> = (0..300).map(|number| 2 * number + 1).collect();
    for stream in &streams {
        wire.send(&wire::call(*stream, 0, ECHO, &[])).await.unwrap();
    }
    let body = wire::message(b"");
    for stream in &streams[..256] {
        wire.send(&frame(DATA, END_STREAM, *stream, &body))
            .await
            .unwrap();
    }
    eventually("256 calls in work", async || served.echo.entered() >= 256).await;
    assert!(wire.is_open());
    let goodbye = frame(wire::GOAWAY, 0, 0, &[0; 8]);
    wire.send(&goodbye).await.unwrap();
    let heard = wire.ended(ENDED_WITHIN).await.unwrap();
    let refused: Vec<u32> = wire::resets(&heard)
        .into_iter()
        .filter(|(_, code)| *code == REFUSED_STREAM)
        .map(|(stream, _)| stream)
        .collect();
    assert_eq!(refused, streams[256..]);
}

#[tokio::test]
async fn headers_beyond_the_limit_are_refused_before_anybody_reads_them() {
    let world = World::new();
    let served = world
        .serve(world.settings("order"), Some(world.identity("order")))
        .await;
    // A little too much is one refused call; far too much, in clear or compressed, is an attack.
    let cases = [
        (vec![split(&long_headers(17_000))], true),
        (vec![split(&long_headers(60_000))], false),
        (vec![frame(HEADERS, ALL, 1, &header_bomb(ECHO))], false),
    ];
    for (number, (frames, goes_on)) in cases.into_iter().enumerate() {
        let mut wire = Wire::begin(connect(&world, &served).await, &[])
            .await
            .unwrap();
        wire.send(&frames.concat()).await.unwrap();
        let good = [
            wire::call(3, 0, ECHO, &[]),
            frame(DATA, END_STREAM, 3, &wire::message(b"")),
            frame(wire::GOAWAY, 0, 0, &[0; 8]),
        ];
        // It may have hung up already.
        let _ = wire.send(&good.concat()).await;
        let heard = wire.ended(ENDED_WITHIN).await.unwrap();
        let answered = |stream: u32| {
            let of = |frame: &wire::Frame| frame.kind == HEADERS && frame.stream == stream;
            heard.iter().any(of)
        };
        if goes_on {
            assert!(answered(1) && answered(3), "{heard:?}");
            assert_eq!(served.echo.entered(), 1, "the good call alone was read");
        } else {
            let calm = wire::goodbye(&heard) == Some(ENHANCE_YOUR_CALM);
            assert!(calm || answered(1), "case {number}: {heard:?}");
        }
    }
    let caller = world.workload("alpha").await;
    ready(&caller).await;
    client(&caller, "order").echo(say("?", 0)).await.unwrap();
}

fn long_headers(bytes: usize) -> Vec<u8> {
    wire::headers(ECHO, &[("x-long", "a".repeat(bytes).as_str())])
}

/// A block in frames of the size that every peer takes.
fn split(block: &[u8]) -> Vec<u8> {
    let mut parts = block.chunks(FRAME_BYTES_MAX).enumerate().peekable();
    let mut frames = Vec::new();
    while let Some((number, part)) = parts.next() {
        let kind = if number == 0 {
            HEADERS
        } else {
            wire::CONTINUATION
        };
        let end = if parts.peek().is_none() {
            END_HEADERS
        } else {
            0
        };
        let first = if number == 0 { END_STREAM } else { 0 };
        frames.extend(frame(kind, first | end, 1, part));
    }
    frames
}

//! Clients that are slow on purpose: each holds what it holds until its limit, and no longer.

use std::time::Duration;

use mesh_dataplane::Settings;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::Code;

use crate::{
    support::{Served, World, client, eventually, metric, ready, repeat, say},
    wire::{
        self, DATA, END_STREAM, HEADERS, INITIAL_WINDOW_SIZE, RST_STREAM, WINDOW_UPDATE, Wire,
        frame,
    },
};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The largest window there is.
const WINDOW_MAX: u32 = (1 << 31) - 1;
const ECHO: &str = "/echo.v1.EchoService/Echo";
const REPEAT: &str = "/echo.v1.EchoService/Repeat";
/// What a busy machine may be late by.
const LATE: Duration = Duration::from_secs(5);

async fn serve(world: &World, settings: Settings) -> Served {
    let identity = world.identity(settings.service());
    world.serve(settings, Some(identity)).await
}

/// A TLS connection as `alpha`, that says nothing yet.
async fn connect(world: &World, served: &Served) -> TlsStream<TcpStream> {
    let identity = world.identity("alpha").current().unwrap();
    let config = mesh_transport::client_config(&identity, &served.workload.settings().id).unwrap();
    let tcp = TcpStream::connect(served.serving.local_addr())
        .await
        .unwrap();
    let name = mesh_transport::unnamed_server();
    TlsConnector::from(config).connect(name, tcp).await.unwrap()
}

/// `Repeat` with 1,000 answers of so many bytes and no pause.
fn many_answers(bytes: usize) -> Vec<u8> {
    use prost::Message;
    let request = echo::pb::RepeatRequest {
        message: "a".repeat(bytes),
        ..repeat(1000, 0)
    };
    wire::message(&request.encode_to_vec())
}

/// Calls of this service that have ended by their deadline.
fn over_deadline(service: &str) -> f64 {
    let flag = "response_flags=\"DEADLINE\"";
    let service = format!("destination_workload=\"{service}\"");
    metric(
        "istio_requests_total",
        &[flag, &service, "reporter=\"destination\""],
    )
}

#[tokio::test]
async fn a_reader_that_grants_no_window_does_not_outlive_its_deadline() {
    let world = World::new();
    // Room for one call: whoever holds it is seen by everybody.
    let settings = Settings {
        requests_max: 1,
        ..world.settings("zero")
    };
    let served = serve(&world, settings).await;
    let before = over_deadline("zero");
    let io = connect(&world, &served).await;
    let mut slow = Wire::begin(io, &[(INITIAL_WINDOW_SIZE, 0)]).await.unwrap();
    let deadline = [("grpc-timeout", "700m")];
    slow.send(&wire::call(1, 0, REPEAT, &deadline))
        .await
        .unwrap();
    slow.send(&frame(DATA, END_STREAM, 1, &many_answers(100)))
        .await
        .unwrap();

    let caller = world.workload("alpha").await;
    ready(&caller).await;
    let mut client = client(&caller, "zero");
    eventually("the call holds the one place", async || {
        let answer = client.echo(say("?", 0)).await;
        answer.is_err_and(|status| status.code() == Code::ResourceExhausted)
    })
    .await;
    eventually("the place is free again", async || {
        client.echo(say("?", 0)).await.is_ok()
    })
    .await;
    assert!(slow.is_open(), "the peer's other calls go on");
    assert!(
        over_deadline("zero") > before,
        "it counts as over its deadline"
    );
    // The same peer, on the same connection, is told that this call has ended.
    drop(served);
    drop(slow);
}

#[tokio::test]
async fn the_stream_of_a_reader_that_grants_no_window_is_reset() {
    let world = World::new();
    let served = serve(&world, world.settings("order")).await;
    let mut io = connect(&world, &served).await;
    let settings = [
        &INITIAL_WINDOW_SIZE.to_be_bytes()[..],
        &0_u32.to_be_bytes()[..],
    ]
    .concat();
    let begin = [
        PREFACE.to_vec(),
        frame(wire::SETTINGS, 0, 0, &settings),
        wire::call(1, 0, REPEAT, &[("grpc-timeout", "300m")]),
        frame(DATA, END_STREAM, 1, &many_answers(100)),
    ];
    io.write_all(&begin.concat()).await.unwrap();
    io.flush().await.unwrap();
    let reset = async {
        loop {
            let frame = wire::next(&mut io).await.unwrap();
            assert!(frame.kind != DATA || frame.payload.is_empty(), "no window");
            if (frame.kind, frame.stream) == (RST_STREAM, 1) {
                return;
            }
        }
    };
    tokio::time::timeout(LATE, reset).await.unwrap();
    // The connection serves the next call.
    let next = [
        wire::call(3, 0, ECHO, &[]),
        frame(DATA, END_STREAM, 3, &wire::message(b"")),
    ];
    io.write_all(&next.concat()).await.unwrap();
    io.flush().await.unwrap();
    let answered = async { while wire::next(&mut io).await.unwrap().kind != HEADERS {} };
    tokio::time::timeout(LATE, answered).await.unwrap();
}

#[tokio::test]
async fn a_body_that_trickles_is_ended_by_the_deadline() {
    let world = World::new();
    let served = serve(&world, world.settings("trickle")).await;
    let before = over_deadline("trickle");
    let io = connect(&world, &served).await;
    let mut slow = Wire::begin(io, &[]).await.unwrap();
    slow.send(&wire::call(1, 0, ECHO, &[("grpc-timeout", "500m")]))
        .await
        .unwrap();
    // A message of 1,000 bytes, one byte at a time.
    let body = wire::message(&[0; 1000]);
    let until = Instant::now() + LATE;
    let mut bytes = body.iter();
    while over_deadline("trickle") == before {
        assert!(Instant::now() < until, "it still waits for the body");
        let byte = bytes.next().copied().unwrap_or_default();
        slow.send(&frame(DATA, 0, 1, &[byte])).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(served.echo.entered(), 0);
    assert!(slow.is_open());
}

#[tokio::test]
async fn a_client_that_shakes_hands_and_says_nothing_is_cut() {
    let world = World::new();
    let served = serve(&world, world.settings("order")).await;
    let half_a_preface = &b"PRI * HTTP/2.0\r\n"[..];
    for said in [&b""[..], half_a_preface] {
        let mut io = connect(&world, &served).await;
        io.write_all(said).await.unwrap();
        io.flush().await.unwrap();
        let begin = Instant::now();
        // Its own settings and then nothing: the server does not wait for ever.
        let mut heard = Vec::new();
        let cut = tokio::time::timeout(LATE * 2, io.read_to_end(&mut heard)).await;
        assert!(cut.is_ok(), "still open after {:?}", begin.elapsed());
    }
}

#[tokio::test]
async fn a_hello_that_stops_half_way_takes_no_turn_of_others() {
    let world = World::new();
    let served = serve(&world, world.settings("order")).await;
    let mut stalled = Vec::new();
    // More than handshakes may go on at once; each has sent the head of a record and no more.
    for _ in 0..600 {
        let mut tcp = TcpStream::connect(served.serving.local_addr())
            .await
            .unwrap();
        tcp.write_all(&[22, 3, 1, 2, 0, 1, 0]).await.unwrap();
        stalled.push(tcp);
    }
    let caller = world.workload("alpha").await;
    ready(&caller).await;
    let begin = Instant::now();
    client(&caller, "order").echo(say("?", 0)).await.unwrap();
    assert!(
        begin.elapsed() < Duration::from_secs(3),
        "it waited behind them"
    );
    drop(stalled);
}

#[tokio::test]
async fn one_address_cannot_take_every_place_without_a_certificate() {
    let world = World::new();
    let settings = Settings {
        bind_address: [0, 0, 0, 0].into(),
        ..world.settings("order")
    };
    let served = serve(&world, settings).await;
    let port = served.serving.local_addr().port();
    let target = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    world.announce("order", "order", target);
    let mut silent = Vec::new();
    // More than there are places for everybody; half of them for one address.
    for _ in 0..2100 {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, 77], 0).into()).unwrap();
        silent.push(socket.connect(target).await.unwrap());
    }
    let caller = world.workload("alpha").await;
    ready(&caller).await;
    let begin = Instant::now();
    client(&caller, "order").echo(say("?", 0)).await.unwrap();
    assert!(
        begin.elapsed() < Duration::from_secs(4),
        "it waited for them"
    );
    // Those beyond the share were hung up on at once, the others in time.
    let until = Instant::now() + LATE + Duration::from_secs(5);
    for mut connection in silent {
        let mut rest = Vec::new();
        let cut = connection.read_to_end(&mut rest);
        assert!(
            tokio::time::timeout_at(until, cut).await.is_ok(),
            "still open"
        );
    }
}

/// Takes half a minute, nearly all of it waiting: that long a peer may be away for a moment.
#[tokio::test]
async fn peers_that_vanish_or_take_nothing_are_cut_within_the_keep_alive() {
    let world = World::new();
    let served = serve(&world, world.settings("order")).await;
    // One is still there, but never answers a ping: as if its machine had gone.
    let mut vanished = connect(&world, &served).await;
    let begin = [PREFACE, &frame(wire::SETTINGS, 0, 0, &[])].concat();
    vanished.write_all(&begin).await.unwrap();
    // The other grants all windows and then reads no byte: the kernel's buffers fill.
    let mut deaf = connect(&world, &served).await;
    let settings = [
        &INITIAL_WINDOW_SIZE.to_be_bytes()[..],
        &WINDOW_MAX.to_be_bytes(),
    ];
    let begin = [
        PREFACE,
        &frame(wire::SETTINGS, 0, 0, &settings.concat()),
        &frame(WINDOW_UPDATE, 0, 0, &(WINDOW_MAX - 65_535).to_be_bytes()),
    ];
    deaf.write_all(&begin.concat()).await.unwrap();
    for stream in [1, 3, 5] {
        let ask = [
            wire::call(stream, 0, REPEAT, &[]),
            frame(DATA, END_STREAM, stream, &many_answers(10_000)),
        ];
        deaf.write_all(&ask.concat()).await.unwrap();
    }
    vanished.flush().await.unwrap();
    deaf.flush().await.unwrap();
    eventually("both are connections", async || inbound(&served).await == 2).await;
    let until = Instant::now() + Duration::from_secs(30) + LATE * 2;
    while inbound(&served).await > 0 {
        let open = inbound(&served).await;
        assert!(Instant::now() < until, "{open} still open");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn inbound(served: &Served) -> usize {
    let admin = served.workload.plain_addresses().admin;
    let page = crate::plain::get(admin, "/connections").await;
    page.matches("\"direction\": \"inbound\"").count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_identity_cannot_take_every_connection() {
    let world = World::new();
    let served = serve(&world, world.settings("order")).await;
    let mut held = Vec::new();
    for _ in 0..512 {
        let mut io = connect(&world, &served).await;
        let begin = [PREFACE, &frame(wire::SETTINGS, 0, 0, &[])].concat();
        io.write_all(&begin).await.unwrap();
        io.flush().await.unwrap();
        held.push(io);
    }
    eventually("all stand", async || inbound(&served).await == 512).await;
    let mut beyond = connect(&world, &served).await;
    let mut rest = Vec::new();
    let cut = beyond.read_to_end(&mut rest);
    assert!(tokio::time::timeout(LATE, cut).await.is_ok(), "it stays");
    // Another identity has places of its own.
    let caller = world.workload("beta").await;
    ready(&caller).await;
    client(&caller, "order").echo(say("?", 0)).await.unwrap();
    assert_eq!(inbound(&served).await, 513);
}

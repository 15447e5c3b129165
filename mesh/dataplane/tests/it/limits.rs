//! Limits: stalled handshakes, too many calls, panics. The others do not notice.

use std::time::Duration;

use mesh_dataplane::Settings;
use tokio::{io::AsyncReadExt, net::TcpStream, time::Instant};
use tonic::Code;

use crate::support::{Served, World, client, eventually, ready, repeat, say};

#[tokio::test]
async fn stalled_handshakes_are_cut_and_others_are_served_meanwhile() {
    let world = World::new();
    let served = world
        .serve(world.settings("order"), Some(world.identity("order")))
        .await;
    let stalled = stall(&served, 100).await;
    let caller = world.workload("alpha").await;
    ready(&caller).await;
    let begin = Instant::now();
    client(&caller, "order").echo(say("?", 0)).await.unwrap();
    assert!(begin.elapsed() < Duration::from_secs(2));
    assert_cut_in_time(stalled).await;
}

#[tokio::test]
async fn handshakes_that_wait_behind_stalled_ones_are_cut_in_time_too() {
    let world = World::new();
    let served = world
        .serve(world.settings("order"), Some(world.identity("order")))
        .await;
    // More than handshakes may go on at once.
    assert_cut_in_time(stall(&served, 300).await).await;
    let caller = world.workload("alpha").await;
    ready(&caller).await;
    client(&caller, "order").echo(say("?", 0)).await.unwrap();
}

async fn stall(served: &Served, count: usize) -> Vec<TcpStream> {
    let mut stalled = Vec::new();
    for _ in 0..count {
        let address = served.serving.local_addr();
        stalled.push(TcpStream::connect(address).await.unwrap());
    }
    stalled
}

/// Five seconds for a handshake, and three for a busy machine.
async fn assert_cut_in_time(stalled: Vec<TcpStream>) {
    let until = Instant::now() + Duration::from_secs(8);
    for mut connection in stalled {
        let mut rest = Vec::new();
        let cut = connection.read_to_end(&mut rest);
        let cut = tokio::time::timeout_at(until, cut).await;
        // A reset is as good an end as an orderly one.
        assert!(cut.is_ok(), "still open");
        assert!(rest.is_empty(), "nothing was served");
    }
}

#[tokio::test]
async fn calls_beyond_the_limit_are_shed_and_those_within_go_on() {
    let world = World::new();
    let settings = Settings {
        requests_max: 2,
        ..world.settings("order")
    };
    let served = world.serve(settings, Some(world.identity("order"))).await;
    let caller = world.workload("alpha").await;
    ready(&caller).await;
    let mut client = client(&caller, "order");
    let mut streams = Vec::new();
    for _ in 0..2 {
        streams.push(client.repeat(repeat(3, 100)).await.unwrap().into_inner());
    }
    let shed = client.echo(say("?", 0)).await.unwrap_err();
    assert_eq!(shed.code(), Code::ResourceExhausted);
    assert_eq!(served.echo.entered(), 2);
    for mut stream in streams {
        let mut heard = 0;
        while stream.message().await.unwrap().is_some() {
            heard += 1;
        }
        assert_eq!(heard, 3);
    }
    eventually("there is room again", async || {
        client.echo(say("?", 0)).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_panic_is_an_internal_error_and_the_connection_stays() {
    let world = World::new();
    let served = world
        .serve(world.settings("order"), Some(world.identity("order")))
        .await;
    let caller = world.workload("alpha").await;
    ready(&caller).await;
    let mut client = client(&caller, "order");
    let status = client.echo(say("panic", 0)).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    assert_eq!(
        status.message(),
        "internal error",
        "the panic's text stays in the log"
    );
    client.echo(say("?", 0)).await.unwrap();
    assert_eq!(served.echo.entered(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_calls_than_fit_on_one_connection_use_several() {
    let world = World::new();
    let served = world
        .serve(world.settings("order"), Some(world.identity("order")))
        .await;
    let caller = world.workload("alpha").await;
    ready(&caller).await;
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..350 {
        let mut client = client(&caller, "order");
        calls.spawn(async move { client.echo(say("?", 300)).await });
    }
    for answered in calls.join_all().await {
        answered.unwrap();
    }
    assert_eq!(served.echo.entered(), 350);
    let page = crate::plain::get(served.workload.plain_addresses().admin, "/connections").await;
    let connections = page.matches("\"direction\": \"inbound\"").count();
    assert!(
        (4..=8).contains(&connections),
        "{connections} connections:\n{page}"
    );
}

#[tokio::test]
async fn many_calls_that_are_given_up_cost_the_others_nothing() {
    let world = World::new();
    let served = world
        .serve(world.settings("order"), Some(world.identity("order")))
        .await;
    let caller = world.workload("alpha").await;
    ready(&caller).await;
    let mut steady = client(&caller, "order")
        .repeat(repeat(20, 100))
        .await
        .unwrap()
        .into_inner();
    for _ in 0..20 {
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..80 {
            let mut client = client(&caller, "order");
            let mut request = tonic::Request::new(say("?", 20));
            request.set_timeout(Duration::from_millis(15));
            calls.spawn(async move { client.echo(request).await });
        }
        calls.join_all().await;
    }
    let mut heard = 0;
    while steady.message().await.unwrap().is_some() {
        heard += 1;
    }
    assert_eq!(heard, 20);
    assert!(
        served.echo.entered() > 100,
        "the calls were under way when they were given up"
    );
    client(&caller, "order").echo(say("?", 0)).await.unwrap();
}

//! The end of connections: by age and by the stop of a workload. Calls get their grace, then a
//! status that says what happened.

use std::time::Duration;

use mesh_dataplane::Settings;
use tokio::{net::TcpStream, time::Instant};
use tonic::{Code, Status};

use crate::support::{Served, World, client, eventually, ready, repeat, say};

const GRACE: Duration = Duration::from_millis(500);

async fn served(world: &World, age: Duration, drain_grace: Duration) -> Served {
    let settings = Settings {
        connection_age: age,
        drain_grace,
        ..world.settings("order")
    };
    world.serve(settings, Some(world.identity("order"))).await
}

/// Listens to a stream that would go on for a minute, and tells how it ended.
async fn listen(workload: &mesh_dataplane::Workload) -> (u32, Status) {
    let mut answers = client(workload, "order")
        .repeat(repeat(600, 100))
        .await
        .unwrap()
        .into_inner();
    let mut heard = 0;
    loop {
        match answers.message().await {
            Ok(Some(_)) => heard += 1,
            Ok(None) => panic!("the stream cannot be complete"),
            Err(status) => return (heard, status),
        }
    }
}

#[tokio::test]
async fn a_workload_that_stops_ends_streams_with_connection_drained() {
    let world = World::new();
    let served = served(&world, crate::support::HOUR, GRACE).await;
    let address = served.serving.local_addr();
    let caller = world.workload("alpha").await;
    ready(&caller).await;
    let listening = tokio::spawn({
        let caller = caller.clone();
        async move { listen(&caller).await }
    });
    eventually("the stream is open", async || served.echo.entered() == 1).await;

    let begin = Instant::now();
    served.shutdown.cancel();
    let (_, status) = listening.await.unwrap();
    assert_eq!(
        (status.code(), status.message()),
        (Code::Unavailable, "connection_drained")
    );
    assert!(begin.elapsed() >= GRACE, "the stream had its grace");
    tokio::time::timeout(Duration::from_secs(5), served.serving.drained())
        .await
        .unwrap();
    assert!(!served.workload.readiness().is_ready());
    assert!(
        TcpStream::connect(address).await.is_err(),
        "nobody listens any more"
    );
}

#[tokio::test]
async fn calls_that_end_within_the_grace_are_not_disturbed() {
    let world = World::new();
    let served = served(&world, crate::support::HOUR, Duration::from_secs(20)).await;
    let caller = world.workload("alpha").await;
    ready(&caller).await;
    let calling = tokio::spawn({
        let mut client = client(&caller, "order");
        async move { client.echo(say("late", 700)).await }
    });
    eventually("the call is there", async || served.echo.entered() == 1).await;
    let begin = Instant::now();
    served.shutdown.cancel();
    assert_eq!(calling.await.unwrap().unwrap().into_inner().message, "late");
    served.serving.drained().await;
    assert!(
        begin.elapsed() < Duration::from_secs(10),
        "a drain ends with its last call"
    );
}

#[tokio::test]
async fn an_old_connection_is_replaced_while_its_streams_go_on_for_the_grace() {
    let world = World::new();
    let _served = served(&world, Duration::from_secs(1), GRACE).await;
    let caller = world.workload("alpha").await;
    ready(&caller).await;
    let listening = tokio::spawn({
        let caller = caller.clone();
        async move { listen(&caller).await }
    });
    let mut client = client(&caller, "order");
    let mut calls = 0;
    while !listening.is_finished() {
        client.echo(say("?", 10)).await.unwrap();
        calls += 1;
    }
    let (heard, status) = listening.await.unwrap();
    assert_eq!(
        (status.code(), status.message()),
        (Code::Unavailable, "connection_drained")
    );
    // The age is 0.8 to 0.95 s; the grace comes on top, and a stream of ten a second was heard.
    assert!((10..=20).contains(&heard), "{heard}");
    assert!(calls > 10, "{calls}");
    let connections = crate::support::metric(
        "mesh_connections_retired_total",
        &[
            "spiffe://cluster.local/ns/shop/sa/alpha",
            "cause=\"goaway\"",
        ],
    );
    assert!(connections >= 1.0);
}

#[tokio::test]
async fn the_caller_s_own_old_connection_is_drained_too() {
    let world = World::new();
    let served = served(&world, crate::support::HOUR, crate::support::HOUR).await;
    let settings = Settings {
        connection_age: Duration::from_secs(1),
        drain_grace: GRACE,
        ..world.settings("beta")
    };
    let caller = world.start(settings, Some(world.identity("beta"))).await;
    ready(&caller).await;
    let (heard, status) = listen(&caller).await;
    assert_eq!(
        (status.code(), status.message()),
        (Code::Unavailable, "connection_drained")
    );
    assert!((10..=20).contains(&heard), "{heard}");
    assert_eq!(served.echo.entered(), 1);
}

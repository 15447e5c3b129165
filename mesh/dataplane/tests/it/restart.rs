//! One process of a service ends, the next one takes its place: calls in between wait and succeed.

use std::time::Duration;

use mesh_dataplane::{Serving, Workload};
use tokio::net::TcpListener;
use tonic::Code;

use crate::support::{Counting, World, client, eventually, ready, say};

/// Longer than the pauses between the attempts to reach an endpoint that restarts.
const REFUSED_WITHIN: Duration = Duration::from_secs(10);

/// A process of `order` on that port, 0 for any.
async fn order(world: &World, port: u16) -> (Workload, Serving) {
    let mut settings = world.settings("order");
    settings.ports.grpc = port;
    let identity = Some(world.identity("order"));
    let workload = world.start(settings, identity).await;
    let routes = echo::routes(Counting::default());
    let serving = workload.serve(routes).await.unwrap();
    (workload, serving)
}

#[tokio::test]
async fn calls_wait_for_the_next_process_of_an_endpoint() {
    let world = World::new();
    let (first, serving) = order(&world, 0).await;
    let address = serving.local_addr();
    world.announce("order", "order", address);
    let caller = world.workload("alpha").await;
    ready(&caller).await;
    client(&caller, "order").echo(say("1", 0)).await.unwrap();
    first.shutdown().cancel();
    serving.drained().await;

    let calls: Vec<_> = (0..50)
        .map(|_| {
            let mut client = client(&caller, "order");
            tokio::spawn(async move { client.echo(say("2", 0)).await })
        })
        .collect();
    // Somebody has the port and hangs up: the calls meet that several times, and go on waiting.
    let nobody = TcpListener::bind(address).await.unwrap();
    for _ in 0..3 {
        let met = tokio::time::timeout(REFUSED_WITHIN, nobody.accept()).await;
        drop(met.expect("the calls have given up").unwrap());
    }
    drop(nobody);
    assert!(calls.iter().all(|call| !call.is_finished()));
    let _next = order(&world, address.port()).await;
    for call in calls {
        call.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_call_waits_no_longer_than_its_deadline() {
    let world = World::new();
    let (first, serving) = order(&world, 0).await;
    world.announce("order", "order", serving.local_addr());
    let caller = world.workload("alpha").await;
    ready(&caller).await;
    client(&caller, "order").echo(say("1", 0)).await.unwrap();
    first.shutdown().cancel();
    serving.drained().await;

    let mut request = tonic::Request::new(say("2", 0));
    request.set_timeout(Duration::from_millis(300));
    let late = client(&caller, "order").echo(request).await.unwrap_err();
    assert_eq!(late.code(), Code::DeadlineExceeded, "{late}");
    // Without a deadline it is told so, once the endpoint stays away for longer than a restart.
    let gone = client(&caller, "order")
        .echo(say("3", 0))
        .await
        .unwrap_err();
    assert_eq!(gone.code(), Code::Unavailable, "{gone}");
    eventually("calls to fail at once", async || {
        let call = client(&caller, "order").echo(say("4", 0)).await;
        call.is_err_and(|gone| gone.code() == Code::Unavailable)
    })
    .await;
}

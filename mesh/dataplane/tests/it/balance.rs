//! Several endpoints of one service: all of them work, and one that goes away costs no call.

use mesh_dataplane::{Settings, Workload};

use crate::support::{Served, World, client, eventually, ready, say};

async fn two_orders(world: &World) -> (Served, Served) {
    let serve = async || {
        world
            .serve(world.settings("order"), Some(world.identity("order")))
            .await
    };
    (serve().await, serve().await)
}

async fn call(caller: &Workload) {
    client(caller, "order").echo(say("?", 1)).await.unwrap();
}

#[tokio::test]
async fn all_endpoints_of_a_service_get_calls() {
    let world = World::new();
    let (one, other) = two_orders(&world).await;
    let caller = world.workload("alpha").await;
    ready(&caller).await;
    for _ in 0..200 {
        call(&caller).await;
    }
    let (one, other) = (one.echo.entered(), other.echo.entered());
    assert_eq!(one + other, 200);
    assert!(one > 50 && other > 50, "{one} and {other}");
}

#[tokio::test]
async fn an_endpoint_that_stops_is_left_without_a_failed_call() {
    let world = World::new();
    let (one, other) = two_orders(&world).await;
    let caller = world.workload("alpha").await;
    ready(&caller).await;
    for _ in 0..50 {
        call(&caller).await;
    }
    one.shutdown.cancel();
    // It stays in the endpoints file: only the connections can tell.
    for _ in 0..500 {
        call(&caller).await;
    }
    one.serving.drained().await;
    assert_eq!(one.echo.entered() + other.echo.entered(), 550);
    assert!(other.echo.entered() > 500);
}

#[tokio::test]
async fn an_endpoint_that_is_announced_later_is_found() {
    let world = World::new();
    let settings = Settings {
        drain_grace: std::time::Duration::ZERO,
        ..world.settings("alpha")
    };
    let caller = world.start(settings, Some(world.identity("alpha"))).await;
    ready(&caller).await;
    let status = client(&caller, "order")
        .echo(say("?", 0))
        .await
        .unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unavailable);
    assert!(
        status
            .message()
            .contains("no endpoint of order.shop.svc.cluster.local"),
        "{status}"
    );
    let served = world
        .serve(world.settings("order"), Some(world.identity("order")))
        .await;
    eventually("the endpoint is used", async || {
        client(&caller, "order").echo(say("?", 0)).await.is_ok()
    })
    .await;
    assert_eq!(served.echo.entered(), 1);
}

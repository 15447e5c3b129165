//! Attacks on processes, over real sockets: the process stays, others are served meanwhile, and
//! memory and descriptors come back. What each attack is answered with in detail is tested in
//! `mesh/dataplane`, whose attacks these are.

use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::attacks::ATTACKS;
use crate::limits_echo::{ECHO, EchoProcess, resident, say};
use crate::mesh::workload_as;
use crate::shop::{Shop, eventually, undisturbed};
use crate::wire::Wire;

/// What a process may keep of an attack: allocators give pages back late, and in part.
const KEPT_BYTES_MAX: u64 = 48 << 20;
/// Handshakes that stall are cut after five seconds; a busy machine is late.
const CUT_WITHIN: Duration = Duration::from_secs(15);
const ENDED_WITHIN: Duration = Duration::from_secs(15);

async fn assert_memory_comes_back(echo: &EchoProcess, before: u64) {
    eventually("memory to come back", || async {
        (echo.memory() < before + KEPT_BYTES_MAX).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_leave_a_process_as_it_was() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let mut echo = EchoProcess::start(shop, 60, None).await;
    echo.client().echo(say("?")).await.unwrap();
    let before = echo.memory();
    let bystander = echo.bystander();
    for attack in ATTACKS {
        // Several at once, as attackers come.
        let mut wires = Vec::new();
        for _ in 0..4 {
            wires.push(Wire::begin(echo.tls().await, &[]).await.unwrap());
        }
        for mut wire in wires {
            attack.run(&mut wire, ECHO).await;
            assert!(wire.ended(ENDED_WITHIN).await.is_some(), "{}", attack.name);
        }
    }
    bystander.assert_served().await;
    echo.assert_alive();
    assert_memory_comes_back(&echo, before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_of_the_shop_stands_the_same_floods() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let (attacker, _stop) = workload_as(shop, "gateway", 62).await;
    let identity = attacker.identity().unwrap().ready().await;
    let product = "spiffe://cluster.local/ns/shop/sa/product".parse().unwrap();
    let config = mesh_transport::client_config(&identity, &product).unwrap();
    let process = shop.process("product");
    let before = resident(process);
    let anyone = shop.anyone();
    for attack in ATTACKS {
        let tcp = TcpStream::connect((shop.address(11), 50051)).await.unwrap();
        let name = mesh_transport::unnamed_server();
        let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::clone(&config));
        let io = connector.connect(name, tcp).await.unwrap();
        let mut wire = Wire::begin(io, &[]).await.unwrap();
        attack
            .run(&mut wire, "/shop.product.v1.ProductService/GetProduct")
            .await;
        assert!(wire.ended(ENDED_WITHIN).await.is_some(), "{}", attack.name);
        let answer = anyone.get("/v1/products?page_size=1").await;
        assert_eq!(answer.status, 200, "after {}: {answer:?}", attack.name);
    }
    assert_eq!(shop.process("product"), process, "it was restarted");
    eventually("memory to come back", || async {
        (resident(process) < before + KEPT_BYTES_MAX).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_sockets_that_say_nothing_cost_nobody_anything() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let mut echo = EchoProcess::start(shop, 64, Some(4096)).await;
    echo.client().echo(say("?")).await.unwrap();
    let (memory, descriptors) = (echo.memory(), echo.descriptors());
    let bystander = echo.bystander();
    let from = shop.address(66);
    let mut silent = Vec::new();
    for _ in 0..2000 {
        silent.push(echo.tcp(from).await.unwrap());
    }
    assert!(echo.descriptors() > descriptors + 500, "they are held");
    // A newcomer is let in meanwhile.
    drop(echo.tls().await);
    let until = Instant::now() + CUT_WITHIN;
    for mut socket in silent {
        let mut rest = Vec::new();
        let cut = socket.read_to_end(&mut rest);
        assert!(
            tokio::time::timeout_at(until, cut).await.is_ok(),
            "still open"
        );
    }
    bystander.assert_served().await;
    echo.assert_alive();
    eventually("descriptors to come back", || async {
        (echo.descriptors() <= descriptors + 16).then_some(())
    })
    .await;
    assert_memory_comes_back(&echo, memory).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_without_descriptors_goes_on_with_those_it_has() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let mut echo = EchoProcess::start(shop, 68, Some(64)).await;
    echo.client().echo(say("?")).await.unwrap();
    let descriptors = echo.descriptors();
    let bystander = echo.bystander();
    let from = shop.address(70);
    let mut silent = Vec::new();
    // Twice what it may open: the rest waits in the kernel.
    for _ in 0..128 {
        silent.push(echo.tcp(from).await.unwrap());
    }
    eventually("it to have none left", || async {
        (echo.descriptors() >= 64).then_some(())
    })
    .await;
    let answered = bystander.answered();
    eventually("its connections to be served", || async {
        (bystander.answered() > answered + 20).then_some(())
    })
    .await;
    drop(silent);
    // There is room again: somebody new gets in.
    let newcomer = tokio::time::timeout(CUT_WITHIN, echo.tls()).await;
    assert!(newcomer.is_ok(), "nobody is let in any more");
    drop(newcomer);
    eventually("descriptors to come back", || async {
        (echo.descriptors() <= descriptors + 4).then_some(())
    })
    .await;
    bystander.assert_served().await;
    echo.assert_alive();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_authority_issues_while_others_stall_at_its_door() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let mut silent = Vec::new();
    for _ in 0..600 {
        let tcp = TcpStream::connect((shop.address(2), 15012)).await.unwrap();
        silent.push(tcp);
    }
    let (workload, _stop) = workload_as(shop, "debug", 78).await;
    assert!(workload.identity().unwrap().current().is_some());
    let until = Instant::now() + CUT_WITHIN;
    for mut socket in silent {
        let mut rest = Vec::new();
        let cut = socket.read_to_end(&mut rest);
        assert!(
            tokio::time::timeout_at(until, cut).await.is_ok(),
            "still open"
        );
    }
}

//! The mesh's authority is away: what runs goes on with the certificates that it has, what starts
//! waits, and nobody lends a hand when it is back.

use std::time::Duration;

use tokio::time::Instant;

use crate::load::{Load, Reach};
use crate::shop::{Shop, alone, eventually};

/// Shorter than what is left of a certificate that was about to be renewed: half of the minute
/// that certificates live here.
const AWAY: Duration = Duration::from_secs(12);
const POLL: Duration = Duration::from_millis(200);
const RATE: f64 = 10.0;
const PRODUCT: u8 = 11;
const NOTIFICATION: u8 = 14;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_authority_services_go_on_and_a_new_process_waits() {
    let _alone = alone().await;
    let shop = Shop::running();
    let load = Load::begin(shop, RATE, 99, Reach::NoMails).await;
    let mut before = Vec::new();
    for service in PRODUCT..NOTIFICATION {
        before.push(serial(shop, service).await.unwrap());
    }

    control(shop, &["stop", "meshd"]).await;
    let until = Instant::now() + AWAY;
    control(shop, &["restart", "--no-wait", "notification"]).await;
    let waits = eventually("the new process to answer its probes", || async {
        let (status, missing) = readiness(shop, NOTIFICATION).await?;
        (status != 200).then_some(missing)
    })
    .await;
    assert!(waits.contains("identity"), "{waits}");
    while Instant::now() < until {
        let ready = readiness(shop, NOTIFICATION).await.unwrap();
        assert_ne!(ready.0, 200, "ready without a certificate");
        assert_eq!(serial(shop, NOTIFICATION).await, None);
        tokio::time::sleep(POLL).await;
    }
    load.end(shop).await.assert_none_failed();
    control(shop, &["start", "meshd"]).await;

    eventually("the new process to become ready by itself", || async {
        let ready = readiness(shop, NOTIFICATION).await?;
        (ready.0 == 200).then_some(())
    })
    .await;
    for (service, old) in (PRODUCT..NOTIFICATION).zip(before) {
        eventually("a running service to hold a new certificate", || async {
            let now = serial(shop, service).await?;
            (now != old).then_some(())
        })
        .await;
    }
    let customer = shop.customer();
    let product = shop.product(5, 100).await;
    let order = customer.order(&product, 1, "tok_ok").await;
    customer.wait_for(&order, "PAID").await;
    shop.mails(&order, &["order_received", "receipt"]).await;
}

async fn control(shop: &Shop, arguments: &[&str]) {
    let done = shop.control(arguments).await;
    assert!(done.status.success(), "{done:?}");
}

/// Status and text of the probe; none while nobody listens.
async fn readiness(shop: &Shop, service: u8) -> Option<(u16, String)> {
    let base = format!("http://{}:15021", shop.address(service));
    let answer = shop
        .plain(&base)
        .try_send(http::Method::GET, "/readyz", &[], Vec::new().into())
        .await
        .ok()?;
    Some((answer.status, answer.body.to_string()))
}

/// The serial number of the certificate that a service holds, if any.
async fn serial(shop: &Shop, service: u8) -> Option<String> {
    let base = format!("http://{}:15000", shop.address(service));
    let certificates = shop.plain(&base).get("/certs").await.body;
    let serial = certificates["certificates"][0]["serial"].as_str()?;
    Some(serial.to_owned())
}

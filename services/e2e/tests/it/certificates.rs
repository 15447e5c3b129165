//! Certificates that live ten seconds, under load: every connection is replaced again and again,
//! and no call notices.

#![expect(clippy::print_stdout, reason = "the figures of the run")]

use std::time::Duration;

use serde_json::Value;

use crate::load::{Load, Reach};
use crate::shop::{Shop, alone};

/// The shortest life that the mesh permits.
const TTL: &str = "10";
/// `make soak` sets it; its value is of no interest here.
const SOAK: &str = "TRADEWIND_SOAK_SECONDS";
/// Three lives of a certificate in CI, sixty in a soak.
const SHORT: Duration = Duration::from_secs(30);
const LONG: Duration = Duration::from_secs(600);
/// Calls per second.
const RATE: f64 = 20.0;
/// The mesh's own default, for an instance that was started without the option.
const DEFAULT_TTL: u64 = 3600;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_while_certificates_live_ten_seconds() {
    let _alone = alone().await;
    let shop = Shop::running();
    let soak = std::env::var_os(SOAK).is_some();
    let length = if soak { LONG } else { SHORT };
    let usual = usual_ttl(shop);
    live_for(shop, TTL).await;
    let load = Load::begin(shop, RATE, 100, Reach::Everybody).await;
    tokio::time::sleep(length).await;
    let report = load.end(shop).await;
    live_for(shop, &usual).await;
    println!("{length:?} at {TTL} s: {}", report.figures());
    report.assert_none_failed();
}

/// Replaces everything that holds a certificate, to get others of that many seconds.
async fn live_for(shop: &Shop, seconds: &str) {
    let started = shop
        .control(&["start", "--svid-ttl-seconds", seconds])
        .await;
    assert!(started.status.success(), "{started:?}");
}

/// What the instance was started with.
fn usual_ttl(shop: &Shop) -> String {
    let options = std::fs::read_to_string(shop.run.join("options.json")).unwrap();
    let options: Value = serde_json::from_str(&options).unwrap();
    let seconds = options["svid_ttl_seconds"].as_u64();
    seconds.unwrap_or(DEFAULT_TTL).to_string()
}

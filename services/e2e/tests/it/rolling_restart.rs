//! Every service is replaced while customers and peers call it, and nobody notices.
//!
//! There is one process of each, so there is a gap. The gateway and the mesh bridge it: they wait
//! for a connection and send only what no process has seen.

#![expect(clippy::print_stdout, reason = "the figures of the run")]

use crate::load::{Load, Reach};
use crate::shop::{Shop, alone};

/// `make soak` sets it; its value is of no interest here.
const SOAK: &str = "TRADEWIND_SOAK_SECONDS";
const SERVICES: [&str; 4] = ["product", "order", "payment", "notification"];
/// Calls per second and rounds over all services: in CI, where two slow cores carry everything in
/// a debug build, and in a soak.
const SHORT: (f64, u32) = (25.0, 1);
const LONG: (f64, u32) = (100.0, 5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_while_every_service_is_replaced() {
    let _alone = alone().await;
    let shop = Shop::running();
    let soak = std::env::var_os(SOAK).is_some();
    let (rate, rounds) = if soak { LONG } else { SHORT };
    let load = Load::begin(shop, rate, 98, Reach::Everybody).await;
    for _ in 0..rounds {
        for service in SERVICES {
            let restarted = shop.control(&["restart", service]).await;
            assert!(restarted.status.success(), "{restarted:?}");
        }
    }
    let report = load.end(shop).await;
    let restarts = rounds as usize * SERVICES.len();
    println!(
        "{restarts} restarts at {rate} calls/s: {}",
        report.figures()
    );
    report.assert_none_failed();
}

//! Three times what the shop can do: it refuses early what is too much and goes on with the rest,
//! keeps what it accepted, and is itself again when the load has gone.

#![expect(clippy::print_stdout, reason = "the figures of the run")]

use std::time::Duration;

use tokio::time::Instant;

use crate::overload_gun::{Gun, Shot};
use crate::shop::{Shop, alone, eventually};

/// `make soak` sets it; its value is of no interest here.
const SOAK: &str = "TRADEWIND_SOAK_SECONDS";
/// Callers at once that find the peak.
const CALLERS: usize = 24;
const OVERLOAD: f64 = 3.0;
/// Rounds, how long peak and overload last in each, and the part of the peak that must remain in
/// the median round. Short rounds on cores that do other things, too, can only show that nothing
/// collapses: without shedding nothing is answered in time.
const SHORT: (usize, u64, u64, f64) = (3, 2, 4, 0.3);
const LONG: (usize, u64, u64, f64) = (1, 20, 60, 0.9);
const RECOVERED_WITHIN: Duration = Duration::from_secs(10);
/// One look at whether all is as before.
const LOOK: Duration = Duration::from_secs(1);
/// What a quiet answer may take more after the overload than before it.
const AS_BEFORE: f64 = 3.0;

#[tokio::test]
async fn overload_is_shed_early_and_what_was_accepted_is_kept() {
    let _alone = alone().await;
    let shop = Shop::running();
    let soak = std::env::var_os(SOAK).is_some();
    let (rounds, peak_seconds, overload_seconds, remains) = if soak { LONG } else { SHORT };
    let mut products = Vec::new();
    for _ in 0..20 {
        products.push(shop.product(1_000_000, 100).await);
    }
    let customer = shop.customer();
    let order = customer.order(&products[0], 1, "tok_ok").await;
    customer.wait_for(&order, "PAID").await;
    let gun = Gun::new(shop, &customer, &products, &order);

    gun.closed(CALLERS, LOOK * 2).await;
    let quiet = median(&gun.closed(1, LOOK * 2).await);
    let mut parts = Vec::new();
    let mut shots = Vec::new();
    for _ in 0..rounds {
        let lasts = Duration::from_secs(peak_seconds);
        let peak = per_second(&gun.closed(CALLERS, lasts).await, lasts);
        let lasts = Duration::from_secs(overload_seconds);
        let fired = gun.open(OVERLOAD * peak, lasts).await;
        let goodput = per_second(&fired, lasts);
        println!(
            "peak {peak:.0}/s; offered {:.0}/s for {lasts:?}: {}, goodput {goodput:.0}/s; answers \
             take {:?}, refusals {:?}",
            OVERLOAD * peak,
            summary(&fired),
            median_of(&fired, 200),
            median_of(&fired, 503),
        );
        parts.push(goodput / peak);
        shots.extend(fired);
    }
    let ended = Instant::now();
    let recovered = recovery(&gun, quiet).await.map(|at| at - ended);
    parts.sort_by(f64::total_cmp);
    let part = parts[parts.len() / 2];
    println!(
        "{:.0} % of the peak; a quiet answer takes {quiet:?}, again after {recovered:?}",
        100.0 * part
    );
    assert_refusals_say_when_to_return(&shots);
    assert!(
        recovered.is_some(),
        "not as before after {RECOVERED_WITHIN:?}"
    );
    assert!(part >= remains, "{parts:?} of the peak");
    assert_orders_settle(shop, &customer.subject).await;
}

/// When the shop was as before, if it was in time.
async fn recovery(gun: &std::rc::Rc<Gun>, quiet: Duration) -> Option<Instant> {
    let until = Instant::now() + RECOVERED_WITHIN;
    while Instant::now() < until {
        let begun = Instant::now();
        let look = gun.closed(1, LOOK).await;
        let all_good = look.iter().all(|shot| shot.status == Some(200));
        if all_good && median(&look) <= quiet.mul_f64(AS_BEFORE) {
            return Some(begun);
        }
    }
    None
}

fn assert_refusals_say_when_to_return(shots: &[Shot]) {
    let refused: Vec<_> = shots
        .iter()
        .filter(|shot| matches!(shot.status, Some(429 | 503)))
        .collect();
    assert!(!refused.is_empty(), "nothing was too much: no overload");
    for shot in &refused {
        assert!(shot.text.contains("retry-after: 1"), "{}", shot.text);
        assert!(shot.text.contains("\"code\":"), "{}", shot.text);
    }
    // Some come from the gateway, which has no details; the others say it in theirs as well.
    let by_service: Vec<_> = refused
        .iter()
        .filter(|shot| shot.text.contains("OVERLOADED"))
        .collect();
    assert!(!by_service.is_empty(), "{}", refused[0].text);
    for shot in by_service {
        assert!(shot.text.contains("google.rpc.RetryInfo"), "{}", shot.text);
    }
    let other = shots
        .iter()
        .find(|shot| !matches!(shot.status, Some(200 | 429 | 503)));
    if let Some(other) = other {
        println!("an answer that is neither: {other:?}");
    }
}

/// Every order that was accepted is settled, and none was given up for lack of time.
async fn assert_orders_settle(shop: &Shop, customer: &str) {
    let database = shop.connect("order", "order").await.unwrap();
    let count = async |with: &str| -> i64 {
        let sql = format!("select count(*) from orders where customer_id = $1 and {with}");
        database.query_one(&sql, &[&customer]).await.unwrap().get(0)
    };
    eventually("all orders to be settled", || async {
        (count("status not in ('PAID', 'CANCELLED')").await == 0).then_some(())
    })
    .await;
    let (all, cancelled) = (count("true").await, count("status = 'CANCELLED'").await);
    println!("{all} orders accepted, {cancelled} of them cancelled");
    assert_eq!(cancelled, 0, "of {all} orders");
}

fn per_second(shots: &[Shot], lasts: Duration) -> f64 {
    let good = shots.iter().filter(|shot| shot.status == Some(200)).count();
    f64::from(u32::try_from(good).unwrap()) / lasts.as_secs_f64()
}

fn median(shots: &[Shot]) -> Duration {
    let mut took: Vec<_> = shots.iter().map(|shot| shot.took).collect();
    took.sort();
    took.get(took.len() / 2).copied().unwrap_or_default()
}

fn median_of(shots: &[Shot], status: u16) -> Duration {
    let of = |shot: &&Shot| shot.status == Some(status);
    median(&shots.iter().filter(of).cloned().collect::<Vec<_>>())
}

fn summary(shots: &[Shot]) -> String {
    let mut counts = std::collections::BTreeMap::<String, u32>::new();
    for shot in shots {
        let name = shot
            .status
            .map_or("none".to_owned(), |status| status.to_string());
        *counts.entry(name).or_default() += 1;
    }
    format!("{counts:?}")
}

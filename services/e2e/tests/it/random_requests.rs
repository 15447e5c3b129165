//! Random requests to every route, for half a minute or, in a soak, ten: nothing answers with a
//! 5xx, no process ends, and no memory is kept.
//!
//! `SEED` repeats a run's requests. The answers may differ: the shop works at the same time.

#![expect(clippy::print_stdout, reason = "the seed and the figures of the run")]

mod generator;

use std::collections::BTreeMap;
use std::time::Duration;

use http::Method;
use serde_json::Value;
use tokio::time::{Instant, MissedTickBehavior};
use uuid::Uuid;

use crate::shop::{Shop, User, undisturbed};

use generator::{Generator, Known, Sent, Users};

/// How long it takes in CI.
const SHORT: Duration = Duration::from_secs(30);
/// How long it takes when one of [`SOAK`] is set.
const LONG: Duration = Duration::from_secs(600);
/// `make soak` sets the second one for every long test.
const SOAK: [&str; 2] = ["TRADEWIND_SOAK", "TRADEWIND_SOAK_SECONDS"];
/// Clients at once.
const CLIENTS: u64 = 4;
/// Between two requests of a client: a moderate rate, at which nothing may be shed.
const PAUSE: Duration = Duration::from_millis(40);
/// The part of the time after which caches, pools and buffers have their size.
const WARM_AFTER: f64 = 0.4;
/// What a process may have grown by since then. Pages that the allocator has not given back and a
/// pool that filled later are within it; a leak of a few KiB per request is not.
const GROWTH_MAX: f64 = 1.4;
/// A run with fewer requests has shown nothing.
const REQUESTS_MIN: usize = 300;
/// Whose memory is ours to answer for; the database and the broker have caches of their own size.
const OURS: [&str; 7] = [
    "product",
    "order",
    "payment",
    "notification",
    "meshd",
    "gateway-agent",
    "envoy",
];

/// Statuses and how often each came.
type Tally = BTreeMap<u16, usize>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_requests_do_no_harm() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let seed = seed();
    let soak = SOAK.iter().any(|name| std::env::var_os(name).is_some());
    let length = if soak { LONG } else { SHORT };
    println!("SEED={seed}, for {length:?}");

    let before = processes(shop).await;
    let known = known(shop).await;
    let begun = Instant::now();
    let clients = (0..CLIENTS).map(|client| {
        let generator = Generator::new(seed.wrapping_add(client), known.clone(), users(shop));
        tokio::spawn(run(generator, begun + length))
    });
    let clients: Vec<_> = clients.collect();
    tokio::time::sleep_until(begun + length.mul_f64(WARM_AFTER)).await;
    let warm = memory(&before);

    let mut tally = Tally::new();
    for client in clients {
        for (status, count) in client.await.unwrap() {
            *tally.entry(status).or_default() += count;
        }
    }
    println!("answers by status: {tally:?}");
    let requests: usize = tally.values().sum();
    assert!(requests >= REQUESTS_MIN, "only {requests} requests");
    for status in [200, 400, 401, 403, 404] {
        assert!(tally.contains_key(&status), "no request got {status}");
    }
    assert_eq!(processes(shop).await, before, "a process has ended");
    assert_no_growth(&warm, &memory(&before));
}

fn seed() -> u64 {
    match std::env::var("SEED") {
        Ok(text) => text.parse().expect("SEED is a number"),
        Err(_) => rand::random(),
    }
}

/// Sends requests until `end`; fails at the first answer that no request may get.
async fn run(mut generator: Generator, end: Instant) -> Tally {
    let mut tally = Tally::new();
    let mut ticks = tokio::time::interval(PAUSE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while Instant::now() < end {
        ticks.tick().await;
        let Sent { user, request } = generator.request();
        let headers: Vec<_> = request
            .headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let body = request.body.clone().into();
        let answer = user
            .try_send(request.method.clone(), &request.path, &headers, body)
            .await
            .unwrap_or_else(|error| panic!("{error}: {request}"));
        assert!(answer.status < 500, "{answer:?} to {request}");
        // An answer to HEAD has no body.
        if answer.status >= 400 && request.method != Method::HEAD {
            assert!(answer.body["code"].is_u64(), "{answer:?} to {request}");
            assert!(
                answer.body["message"].is_string(),
                "{answer:?} to {request}"
            );
        }
        *tally.entry(answer.status).or_default() += 1;
        generator.learn(&answer);
    }
    tally
}

fn users(shop: &Shop) -> Users {
    let with = |role: &str| shop.user(&format!("random-{}", Uuid::now_v7()), role);
    let forged = format!("{}x", shop.sign(&Value::Null));
    Users {
        customer: with("customer"),
        merchant: with("merchant"),
        support: with("support"),
        others: vec![
            with("admin"),
            with("stranger"),
            shop.anyone(),
            shop.user_with(String::new(), Some(forged)),
        ],
    }
}

/// Something real to ask about.
async fn known(shop: &Shop) -> Known {
    let customer: User = shop.customer();
    let product = shop.product(1_000_000, 100).await;
    let order = customer.order(&product, 1, "tok_ok").await;
    customer.wait_for(&order, "PAID").await;
    let payment = customer.payment(&order).await["id"].clone();
    Known {
        products: vec![product],
        orders: vec![order],
        payments: vec![payment.as_str().unwrap().to_owned()],
        ..Known::default()
    }
}

/// The process ids by program, as the supervisor tells them.
async fn processes(shop: &Shop) -> BTreeMap<String, u32> {
    let status = shop.control(&["status"]).await;
    let text = String::from_utf8(status.stdout).unwrap();
    let programs: BTreeMap<_, _> = text.lines().filter_map(process).collect();
    for name in OURS {
        assert!(programs.contains_key(name), "{name} does not run: {text}");
    }
    programs
}

/// `order   RUNNING   pid 9093, uptime 0:00:46   ready`
fn process(line: &str) -> Option<(String, u32)> {
    let (name, state) = line.trim_start().split_once(' ')?;
    let (_, pid) = state.split_once("pid ")?;
    let pid = pid.split(',').next()?.parse().ok()?;
    Some((name.to_owned(), pid))
}

/// Resident memory in KiB of those programs that are ours.
fn memory(processes: &BTreeMap<String, u32>) -> BTreeMap<&'static str, u64> {
    let resident = |name: &'static str| {
        let pid = processes[name];
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.unwrap().trim().trim_end_matches(" kB");
        (name, kib.parse().unwrap())
    };
    OURS.into_iter().map(resident).collect()
}

#[expect(clippy::cast_precision_loss, reason = "a ratio of memory sizes")]
fn assert_no_growth(warm: &BTreeMap<&str, u64>, end: &BTreeMap<&str, u64>) {
    let ratio = |name: &str| end[name] as f64 / warm[name] as f64;
    for name in warm.keys() {
        println!("{name}: {} KiB, {:.2} of when warm", end[name], ratio(name));
    }
    for name in warm.keys() {
        assert!(ratio(name) <= GROWTH_MAX, "{name} has grown");
    }
}

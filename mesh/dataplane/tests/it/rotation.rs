//! Rotation under load: certificates that live ten seconds, calls and streams in both directions
//! between three services. Connections come and go; no call fails and none is handled twice.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use echo::pb::{ChatRequest, echo_service_client::EchoServiceClient};
use futures::{StreamExt, stream};
use mesh_dataplane::MeshChannel;
use tokio::{task::JoinSet, time::Instant};
use tonic::{Request, Status};

use crate::support::{CALL_ID, Served, World, client, metric, ready, repeat, say};

const TTL: Duration = Duration::from_secs(10);
const SECONDS_DEFAULT: u64 = 45;
const SERVICES: [&str; 3] = ["alpha", "beta", "gamma"];
/// Callers of each kind for each ordered pair of services.
const UNARY: usize = 2;
const STREAMS: usize = 3;
/// A stream lives between these.
const STREAM_SECONDS: std::ops::Range<f64> = 1.0..20.0;
const STREAM_PAUSE_MS: u32 = 100;
/// Six pairs whose connections live less than ten seconds: fewer means that nothing was tested.
const GOODBYES_PER_MINUTE_MIN: f64 = 12.0;

/// What the load has done and what went wrong.
#[derive(Default)]
struct Tally {
    next_id: AtomicU64,
    unary: AtomicU64,
    streams: AtomicU64,
    failures: Mutex<Vec<String>>,
}

type Client = EchoServiceClient<MeshChannel>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rotating_certificates_fail_no_call_and_double_none() {
    let seconds = std::env::var("TRADEWIND_SOAK_SECONDS")
        .map_or(SECONDS_DEFAULT, |text| text.parse().unwrap());
    // A name of its own, so that no other test counts into its metrics.
    let world = Arc::new(World::of("rotation.test"));
    let mut services = Vec::new();
    for account in SERVICES {
        let identity = world.rotating(account, TTL);
        services.push(world.serve(world.settings(account), Some(identity)).await);
    }
    for served in &services {
        ready(&served.workload).await;
        for callee in SERVICES {
            answered(&served.workload, callee).await;
        }
    }

    let tally = Arc::new(Tally::default());
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut load = JoinSet::new();
    for (caller, callee) in pairs(&services) {
        for _ in 0..UNARY {
            load.spawn(unary(
                client(&caller.workload, callee),
                Arc::clone(&tally),
                until,
            ));
        }
        for index in 0..STREAMS {
            let client = client(&caller.workload, callee);
            load.spawn(streams(client, Arc::clone(&tally), until, index % 2 == 0));
        }
    }
    load.join_all().await;

    let failures = tally.failures.lock().unwrap();
    assert!(
        failures.is_empty(),
        "{} failed, first: {:?}",
        failures.len(),
        &failures[..1]
    );
    let doubled: Vec<_> = services
        .iter()
        .flat_map(|served| served.echo.calls())
        .filter(|(_, times)| *times != 1)
        .collect();
    assert!(doubled.is_empty(), "handled more than once: {doubled:?}");
    let goodbyes = metric(
        "mesh_connections_retired_total",
        &[
            "direction=\"inbound\"",
            "cause=\"age\"",
            "spiffe://rotation.test/",
        ],
    );
    let (unary, streams) = (
        tally.unary.load(Ordering::Relaxed),
        tally.streams.load(Ordering::Relaxed),
    );
    let handled: usize = services
        .iter()
        .map(|served| served.echo.calls().len())
        .sum();
    eprintln!("{unary} calls, {streams} streams, {handled} handled, {goodbyes} GOAWAYs");
    assert_eq!(u64::try_from(handled).unwrap(), unary + streams);
    let expected = GOODBYES_PER_MINUTE_MIN * f64::from(u32::try_from(seconds).unwrap()) / 60.0;
    assert!(
        goodbyes >= expected,
        "only {goodbyes} GOAWAYs: this run has tested nothing"
    );
    assert!(
        unary > 1_000 && streams > 30,
        "too little load: {unary} calls, {streams} streams"
    );
}

async fn answered(workload: &mesh_dataplane::Workload, callee: &str) {
    // Endpoints are read once a second; until then there is nobody to call.
    crate::support::eventually("an answer", async || {
        client(workload, callee).echo(say("?", 0)).await.is_ok()
    })
    .await;
}

fn pairs(services: &[Served]) -> impl Iterator<Item = (&Served, &'static str)> {
    services.iter().zip(SERVICES).flat_map(|(caller, own)| {
        SERVICES
            .into_iter()
            .filter(move |callee| *callee != own)
            .map(move |callee| (caller, callee))
    })
}

async fn unary(mut client: Client, tally: Arc<Tally>, until: Instant) {
    while Instant::now() < until {
        match client.echo(tally.identified(say("hello", 1))).await {
            Ok(_) => _ = tally.unary.fetch_add(1, Ordering::Relaxed),
            Err(status) => tally.fail("unary", &status),
        }
    }
}

async fn streams(mut client: Client, tally: Arc<Tally>, until: Instant, both_ways: bool) {
    while Instant::now() < until {
        let left = until
            .saturating_duration_since(Instant::now())
            .as_secs_f64();
        let seconds = rand::random_range(STREAM_SECONDS).min(left.max(1.0));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "below 200"
        )]
        let count = (seconds * 1_000.0 / f64::from(STREAM_PAUSE_MS)) as u32;
        let outcome = match both_ways {
            true => chat(&mut client, &tally, count).await,
            false => listen(&mut client, &tally, count).await,
        };
        match outcome {
            Ok(answers) if answers == count => _ = tally.streams.fetch_add(1, Ordering::Relaxed),
            Ok(answers) => tally.fail("stream", &Status::data_loss(format!("{answers}/{count}"))),
            Err(status) => tally.fail("stream", &status),
        }
    }
}

async fn listen(client: &mut Client, tally: &Tally, count: u32) -> Result<u32, Status> {
    let request = tally.identified(repeat(count, STREAM_PAUSE_MS));
    let mut answers = client.repeat(request).await?.into_inner();
    let mut heard = 0;
    while let Some(answer) = answers.message().await? {
        assert_eq!(answer.index, heard);
        heard += 1;
    }
    Ok(heard)
}

async fn chat(client: &mut Client, tally: &Tally, count: u32) -> Result<u32, Status> {
    let said = stream::iter(0..count).then(async |index| {
        tokio::time::sleep(Duration::from_millis(STREAM_PAUSE_MS.into())).await;
        ChatRequest {
            call_id: String::new(),
            message: index.to_string(),
            delay_ms: 0,
        }
    });
    let request = tally.identified(said);
    let mut answers = client.chat(request).await?.into_inner();
    let mut heard = 0;
    while let Some(answer) = answers.message().await? {
        assert_eq!(answer.message, heard.to_string());
        heard += 1;
    }
    Ok(heard)
}

// === impl Tally ===

impl Tally {
    fn identified<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        request
            .metadata_mut()
            .insert(CALL_ID, id.to_string().parse().unwrap());
        request
    }

    fn fail(&self, kind: &str, status: &Status) {
        self.failures
            .lock()
            .unwrap()
            .push(format!("{kind}: {status}"));
    }
}

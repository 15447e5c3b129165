//! A real Envoy with secrets from the agent. Certificates that live ten seconds rotate on both
//! sides under load: connections come and go, no call fails and none is handled twice.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use echo::pb::{ChatRequest, EchoRequest, RepeatRequest};
use futures::{StreamExt, stream};
use mesh_transport::IdentitySource;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tonic::{Code, Request, Status};

use crate::proxy::{Client, Proxy, SERVICE};
use crate::server::{CALL_ID, Server};
use crate::support::{Mesh, PATIENCE};

const TTL: Duration = Duration::from_secs(10);
const HOUR: Duration = Duration::from_secs(3600);
const SECONDS_DEFAULT: u64 = 45;
/// Callers of each kind.
const UNARY: usize = 4;
const STREAMS: usize = 12;
/// A stream lives between these.
const STREAM_SECONDS: std::ops::Range<f64> = 1.0..20.0;
const STREAM_PAUSE_MS: u32 = 100;
/// No certificate and no connection lives longer than this, so each minute has six or more of
/// both; fewer means that nothing was tested.
const LIFE_SECONDS_MAX: u64 = 10;

/// What the load has done and what went wrong.
#[derive(Default)]
struct Tally {
    next_id: AtomicU64,
    unary: AtomicU64,
    streams: AtomicU64,
    failures: Mutex<Vec<String>>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn envoy_fails_no_call_while_certificates_rotate_on_both_sides() {
    let seconds = std::env::var("TRADEWIND_SOAK_SECONDS")
        .map_or(SECONDS_DEFAULT, |text| text.parse().unwrap());
    let mesh = Arc::new(Mesh::new("envoy-rotates"));
    let _agent = mesh.agent(mesh.rotating("gateway", TTL));
    let server = Server::start(&mesh, SERVICE, mesh.rotating(SERVICE, TTL)).await;
    let mut proxy = Proxy::start(&mesh, server.address()).await;

    let answer = proxy.client().await.echo(say("who am I?")).await.unwrap();
    assert_eq!(answer.into_inner().peer, mesh.id("gateway").to_string());
    let tally = Arc::new(Tally::default());
    load(
        &proxy,
        &tally,
        Instant::now() + Duration::from_secs(seconds),
    )
    .await;

    proxy.assert_running();
    let failures = tally.failures.lock().unwrap().clone();
    assert!(
        failures.is_empty(),
        "{} failed, first: {:?}",
        failures.len(),
        &failures[..1]
    );
    let seen = server.echo.seen();
    let doubled: Vec<_> = seen
        .calls
        .iter()
        .filter(|(_, times)| **times != 1)
        .collect();
    assert!(doubled.is_empty(), "handled more than once: {doubled:?}");
    let (unary, streams) = (
        tally.unary.load(Ordering::Relaxed),
        tally.streams.load(Ordering::Relaxed),
    );
    assert_eq!(u64::try_from(seen.calls.len()).unwrap(), unary + streams);

    let shown = u64::try_from(seen.serials.len()).unwrap();
    let cluster = async |name: &str| proxy.stat(&format!("cluster.{SERVICE}.{name}")).await;
    let pushed = cluster("client_ssl_socket_factory.ssl_context_update_by_sds").await;
    let goodbyes = cluster("upstream_cx_close_notify").await;
    let connections = cluster("upstream_cx_total").await;
    let retries = cluster("upstream_rq_retry").await;
    eprintln!(
        "{unary} calls, {streams} streams; {pushed} pushes, {shown} certificates shown; \
         {connections} connections, {goodbyes} GOAWAYs, {retries} retries"
    );
    let expected = seconds / LIFE_SECONDS_MAX;
    assert!(
        pushed >= expected && shown >= expected,
        "only {pushed} pushes and {shown} certificates: this run has tested nothing"
    );
    assert!(
        goodbyes >= expected && connections > expected,
        "only {goodbyes} GOAWAYs and {connections} connections: this run has tested nothing"
    );
    assert!(
        unary > 1_000 && streams > 20,
        "too little load: {unary} calls, {streams} streams"
    );
}

#[tokio::test]
async fn envoy_refuses_a_server_that_is_somebody_else() {
    let mesh = Mesh::new("envoy-refuses");
    let fixed = |account| IdentitySource::fixed(mesh.issue(account, HOUR));
    let _agent = mesh.agent(fixed("gateway"));
    let server = Server::start(&mesh, "product", fixed("product")).await;
    let proxy = Proxy::start(&mesh, server.address()).await;

    let refused = proxy.client().await.echo(say("hello")).await.unwrap_err();

    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    let mismatches = format!("cluster.{SERVICE}.ssl.fail_verify_san");
    assert!(proxy.stat(&mismatches).await > 0, "{refused}");
    assert_eq!(server.echo.seen().entered, 0);
}

// === helpers ===

/// Calls of every kind until `until`, each caller on a connection of its own.
async fn load(proxy: &Proxy, tally: &Arc<Tally>, until: Instant) {
    let mut load = JoinSet::new();
    for _ in 0..UNARY {
        load.spawn(unary(proxy.client().await, Arc::clone(tally), until));
    }
    for index in 0..STREAMS {
        let client = proxy.client().await;
        load.spawn(streams(client, Arc::clone(tally), until, index % 2 == 0));
    }
    load.join_all().await;
}

async fn unary(mut client: Client, tally: Arc<Tally>, until: Instant) {
    while Instant::now() < until {
        let call = client.echo(tally.identified(say("hello")));
        match timeout(PATIENCE, call).await {
            Ok(Ok(_)) => _ = tally.unary.fetch_add(1, Ordering::Relaxed),
            Ok(Err(status)) => tally.fail("unary", &status),
            Err(_) => tally.fail("unary", &Status::deadline_exceeded("no answer")),
        }
    }
}

async fn streams(mut client: Client, tally: Arc<Tally>, until: Instant, both_ways: bool) {
    while Instant::now() < until {
        let left = until.saturating_duration_since(Instant::now());
        let seconds = rand::random_range(STREAM_SECONDS).min(left.as_secs_f64().max(1.0));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at most 200"
        )]
        let count = (seconds * 1_000.0 / f64::from(STREAM_PAUSE_MS)) as u32;
        let stream = async {
            match both_ways {
                true => chat(&mut client, &tally, count).await,
                false => listen(&mut client, &tally, count).await,
            }
        };
        let patience = Duration::from_secs_f64(seconds) + PATIENCE;
        match timeout(patience, stream).await {
            Ok(Ok(answers)) if answers == count => {
                tally.streams.fetch_add(1, Ordering::Relaxed);
            }
            Ok(Ok(answers)) => {
                tally.fail("stream", &Status::data_loss(format!("{answers}/{count}")));
            }
            Ok(Err(status)) => tally.fail("stream", &status),
            Err(_) => tally.fail("stream", &Status::deadline_exceeded("not to its end")),
        }
    }
}

async fn listen(client: &mut Client, tally: &Tally, count: u32) -> Result<u32, Status> {
    let request = tally.identified(RepeatRequest {
        call_id: String::new(),
        message: "again".to_owned(),
        count,
        delay_ms: STREAM_PAUSE_MS,
    });
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
    let mut answers = client.chat(tally.identified(said)).await?.into_inner();
    let mut heard = 0;
    while let Some(answer) = answers.message().await? {
        assert_eq!(answer.message, heard.to_string());
        heard += 1;
    }
    Ok(heard)
}

fn say(message: &str) -> EchoRequest {
    EchoRequest {
        call_id: String::new(),
        message: message.to_owned(),
        delay_ms: 1,
    }
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
        let failure = format!("{kind}: {status}");
        self.failures.lock().unwrap().push(failure);
    }
}

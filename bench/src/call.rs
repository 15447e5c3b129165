//! The client's end: a fixed number of calls in flight, each followed by the next.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use echo::pb::{EchoRequest, echo_service_client::EchoServiceClient};
use futures::future::try_join_all;
use mesh_dataplane::{Settings, Workload};
use mesh_transport::IdentitySource;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tonic::{
    body::Body,
    client::GrpcService,
    codegen::{Body as HttpBody, Bytes, StdError},
};

use crate::{
    Load,
    pki::{self, Pki},
    plain,
    process::Watched,
    serve,
    way::Way,
};

const MESSAGE_BYTES: usize = 1024;
/// The endpoints are read and the identity is there within milliseconds.
const READY_TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) async fn run(load: &Load) -> Result<Value> {
    match load.end.way {
        Way::Tonic | Way::TonicTls => {
            let connect = (0..load.connections).map(|_| plain::connect(&load.end));
            measure(load, try_join_all(connect).await?).await
        }
        Way::Off | Way::Mtls => {
            // Written once: each workload reads the file as soon as it starts.
            let settings = serve::settings(&load.end, pki::CLIENT, load.end.address)?;
            let start = (0..load.connections).map(|_| workload(load, settings.clone()));
            let workloads = try_join_all(start).await?;
            let channels = workloads.iter().map(|each| each.channel("echo")).collect();
            measure(load, channels).await
        }
    }
}

/// A workload has one connection to an endpoint until that is full, so each one here stands for
/// one connection.
async fn workload(load: &Load, settings: Settings) -> Result<Workload> {
    let identity = match load.end.way {
        Way::Mtls => Some(IdentitySource::fixed(
            Pki::at(&load.end.folder).identity(pki::CLIENT)?,
        )),
        _ => None,
    };
    let workload = Workload::start_with(settings, identity, CancellationToken::new()).await?;
    let ready = tokio::time::timeout(READY_TIMEOUT, workload.readiness().ready()).await;
    if ready.is_err() {
        bail!("not ready: {:?}", workload.readiness().unmet());
    }
    Ok(workload)
}

async fn measure<C>(load: &Load, channels: Vec<C>) -> Result<Value>
where
    C: GrpcService<Body> + Clone + Send + 'static,
    C::Error: Into<StdError>,
    C::Future: Send,
    C::ResponseBody: HttpBody<Data = Bytes> + Send + 'static,
    <C::ResponseBody as HttpBody>::Error: Into<StdError> + Send,
{
    let start = Instant::now() + load.warm();
    let end = start + load.run();
    let callers: Vec<_> = (0..load.in_flight)
        .map(|number| channels[number % channels.len()].clone())
        .map(|channel| tokio::spawn(call_until(EchoServiceClient::new(channel), start, end)))
        .collect();
    tokio::time::sleep_until(start.into()).await;
    let (began, before) = (Instant::now(), cpu(load)?);
    tokio::time::sleep_until(end.into()).await;
    let (took, after) = (began.elapsed(), cpu(load)?);
    let mut latencies = Vec::new();
    for caller in callers {
        latencies.extend(caller.await??);
    }
    ensure!(!latencies.is_empty(), "no call was answered in time");
    latencies.sort_unstable_by(f64::total_cmp);
    let calls = latencies.len();
    let spent = before
        .into_iter()
        .zip(after)
        .map(|((name, from), (_, to))| {
            let micros = to.saturating_sub(from).as_secs_f64() * 1e6 / calls as f64;
            (name, json!(micros))
        });
    Ok(json!({
        "calls": calls,
        "calls_per_second": calls as f64 / took.as_secs_f64(),
        "p50_us": at(&latencies, 0.50),
        "p99_us": at(&latencies, 0.99),
        "cpu_us_per_call": spent.collect::<serde_json::Map<_, _>>(),
    }))
}

/// Calls again and again; returns the microseconds of the calls that ended inside the window.
async fn call_until<C>(
    mut client: EchoServiceClient<C>,
    start: Instant,
    end: Instant,
) -> Result<Vec<f64>>
where
    C: GrpcService<Body>,
    C::Error: Into<StdError>,
    C::ResponseBody: HttpBody<Data = Bytes> + Send + 'static,
    <C::ResponseBody as HttpBody>::Error: Into<StdError> + Send,
{
    let said = EchoRequest {
        call_id: String::new(),
        message: "x".repeat(MESSAGE_BYTES),
        delay_ms: 0,
    };
    let mut latencies = Vec::new();
    loop {
        let began = Instant::now();
        let answer = client.echo(said.clone()).await.context("a call failed")?;
        let ended = Instant::now();
        ensure!(
            answer.into_inner().message.len() == MESSAGE_BYTES,
            "another answer"
        );
        if ended > end {
            return Ok(latencies);
        }
        if ended >= start {
            latencies.push((ended - began).as_secs_f64() * 1e6);
        }
    }
}

fn cpu(load: &Load) -> Result<Vec<(String, Duration)>> {
    std::iter::once(&Watched::own())
        .chain(&load.watched)
        .map(|watched| Ok((watched.name.clone(), watched.cpu()?)))
        .collect()
}

/// A quantile of sorted values.
fn at(sorted: &[f64], quantile: f64) -> f64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index below the length"
    )]
    let index = (sorted.len() as f64 * quantile) as usize;
    sorted[index.min(sorted.len() - 1)]
}

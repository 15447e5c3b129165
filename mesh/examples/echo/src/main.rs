//! `echo serve | call | stream`: one end of a conversation on the mesh, told who it is by the
//! `MESH_*` variables.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand};
use echo::{
    Echo,
    pb::{ChatRequest, EchoRequest, echo_service_client::EchoServiceClient},
    routes,
};
use futures::{StreamExt, stream};
use mesh_dataplane::{Env, MeshChannel, Settings, Workload};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tonic::Request;

/// A person waits at the other end; the CA answers in milliseconds when it is there.
const READY_TIMEOUT: Duration = Duration::from_secs(30);

/// A service on the mesh, and calls to it.
///
/// Every command takes part in the mesh as the identity in MESH_NAMESPACE and
/// MESH_SERVICE_ACCOUNT, and opens its probes on MESH_BIND_ADDRESS: two commands that run at the
/// same time need two addresses. A mistake in one of its variables is reported with all others.
#[derive(Parser)]
#[command(version)]
struct Command {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Serve until SIGTERM or SIGINT; calls that are open may end within the drain grace.
    Serve,
    /// Call once and print the answer.
    Call(Call),
    /// Hold a conversation over one stream and print each answer.
    Stream(Call),
}

#[derive(Args)]
struct Call {
    /// The service to call, as MESH_ENDPOINTS_FILE names it.
    #[arg(long, default_value = "echo")]
    service: String,
    /// What to say.
    #[arg(long, default_value = "hello")]
    message: String,
    /// How long the server waits before each answer, in milliseconds.
    #[arg(long, default_value_t = 0)]
    delay_ms: u32,
    /// How often to say it.
    #[arg(long, default_value_t = 1)]
    count: u32,
    /// How long to wait for the whole answer, in milliseconds.
    #[arg(long, default_value_t = 30_000)]
    timeout_ms: u64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let command = Command::parse();
    let mut env = Env::from_process();
    let settings = Settings::from_env(&mut env);
    if matches!(command.what, What::Serve) {
        settings.require_policies(&mut env);
    }
    env.finish()?;
    let telemetry = mesh_telemetry::init(mesh_telemetry::Settings {
        service: "echo".to_owned(),
        filter: settings.log_filter.clone(),
        otlp_endpoint: settings.otlp_endpoint.clone(),
    })?;
    let shutdown = CancellationToken::new();
    let workload = Workload::start(settings, shutdown.clone()).await?;
    let done = match command.what {
        What::Serve => serve(&workload, shutdown).await,
        What::Call(call) => call.once(ready(&workload, &call).await?).await,
        What::Stream(call) => call.stream(ready(&workload, &call).await?).await,
    };
    telemetry.shutdown();
    done
}

async fn serve(workload: &Workload, shutdown: CancellationToken) -> Result<()> {
    let serving = workload.serve(routes(Echo)).await?;
    let (mut term, mut int) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    shutdown.cancel();
    serving.drained().await;
    Ok(())
}

/// The channel, once there is an identity to call with.
async fn ready(workload: &Workload, call: &Call) -> Result<MeshChannel> {
    let readiness = workload.readiness();
    if tokio::time::timeout(READY_TIMEOUT, readiness.ready())
        .await
        .is_err()
    {
        bail!("not ready after {READY_TIMEOUT:?}: {:?}", readiness.unmet());
    }
    Ok(workload.channel(&call.service))
}

// === impl Call ===

impl Call {
    #[expect(
        clippy::print_stdout,
        reason = "the answer is the output of this command"
    )]
    async fn once(&self, channel: MeshChannel) -> Result<()> {
        let mut client = EchoServiceClient::new(channel);
        for _ in 0..self.count {
            let request = self.request(EchoRequest {
                call_id: uuid::Uuid::now_v7().to_string(),
                message: self.message.clone(),
                delay_ms: self.delay_ms,
            });
            let answer = client
                .echo(request)
                .await
                .context("the call failed")?
                .into_inner();
            println!(
                "{} (called as {}, {} ms left)",
                answer.message, answer.peer, answer.remaining_ms
            );
        }
        Ok(())
    }

    #[expect(
        clippy::print_stdout,
        reason = "the answers are the output of this command"
    )]
    async fn stream(&self, channel: MeshChannel) -> Result<()> {
        let said = ChatRequest {
            call_id: uuid::Uuid::now_v7().to_string(),
            message: self.message.clone(),
            delay_ms: self.delay_ms,
        };
        let count = usize::try_from(self.count)?;
        let request = self.request(stream::repeat(said).take(count));
        let mut answers = EchoServiceClient::new(channel)
            .chat(request)
            .await
            .context("the call failed")?
            .into_inner();
        while let Some(answer) = answers.next().await {
            let answer = answer.context("the stream ended early")?;
            println!("{}: {}", answer.index, answer.message);
        }
        Ok(())
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(Duration::from_millis(self.timeout_ms));
        request
    }
}

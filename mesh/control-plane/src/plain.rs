//! The plain listeners: probes for the platform, metrics for Prometheus, nothing else.

use std::convert::Infallible;
use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use mesh_dataplane::Readiness;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// A probe is one small request: who is slower than this is not a platform.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);

/// How long to wait when the system has no room for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Serves `/livez`, `/readyz` and `/startupz`.
pub(crate) async fn serve_probes(
    listener: TcpListener,
    readiness: Readiness,
    shutdown: CancellationToken,
) {
    let draining = shutdown.clone();
    let answer = move |path: &str| match path {
        "/livez" => Some((StatusCode::OK, "ok\n".to_owned())),
        "/readyz" if draining.is_cancelled() => {
            Some((StatusCode::SERVICE_UNAVAILABLE, "draining\n".to_owned()))
        }
        "/readyz" | "/startupz" => Some(match readiness.unmet() {
            unmet if unmet.is_empty() => (StatusCode::OK, "ok\n".to_owned()),
            unmet => (StatusCode::SERVICE_UNAVAILABLE, list(&unmet)),
        }),
        _ => None,
    };
    serve(listener, answer, shutdown).await;
}

/// Serves `/metrics`.
pub(crate) async fn serve_metrics(listener: TcpListener, shutdown: CancellationToken) {
    let answer = |path: &str| {
        (path == "/metrics").then(|| (StatusCode::OK, mesh_telemetry::metrics::render()))
    };
    serve(listener, answer, shutdown).await;
}

async fn serve(
    listener: TcpListener,
    answer: impl Fn(&str) -> Option<(StatusCode, String)> + Clone + Send + 'static,
    shutdown: CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let socket = match accepted {
            Ok((socket, _)) => socket,
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections, trying again");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let answer = answer.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let (status, text) = match *request.method() {
                Method::GET => answer(request.uri().path())
                    .unwrap_or((StatusCode::NOT_FOUND, "not found\n".to_owned())),
                _ => (StatusCode::METHOD_NOT_ALLOWED, "GET only\n".to_owned()),
            };
            let mut response = Response::new(text);
            *response.status_mut() = status;
            async { Ok::<_, Infallible>(response) }
        });
        tokio::spawn(async move {
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .keep_alive(false)
                .serve_connection(TokioIo::new(socket), service);
            if let Ok(Err(error)) = tokio::time::timeout(CONNECTION_TIMEOUT, connection).await {
                tracing::debug!(%error, "plain connection ended with an error");
            }
        });
    }
}

fn list(unmet: &[(String, String)]) -> String {
    unmet
        .iter()
        .map(|(name, reason)| format!("{name}: {reason}\n"))
        .collect()
}

//! The plain HTTP/1 listeners: probes, metrics, admin. Small answers to GET, and nothing else;
//! each with its own port, so that each can be given to those who may see it.

mod admin;

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::CancellationToken;

pub(crate) use self::admin::Admin;
use crate::{
    Error, Readiness,
    inbound::{Accepted, accept_all},
};

/// A platform's probes and a scraper need two or three; more is somebody who should not be there.
const CONNECTIONS_MAX: usize = 32;
/// Headers of a probe are a few hundred bytes.
const BUFFER_BYTES_MAX: usize = 8 * 1024;
/// See above.
const HEADERS_MAX: usize = 32;
/// Also the longest pause between two requests of one connection.
const HEADER_TIMEOUT: Duration = Duration::from_secs(15);
/// Nobody needs longer, and who does not read must not hold a place.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(120);

/// What a listener answers.
#[derive(Debug)]
pub(crate) enum Page {
    /// `/livez`, `/readyz`, `/startupz`.
    Probes(Readiness),
    /// `/metrics`.
    Metrics,
    /// `/certs`, `/connections`, `/config`.
    Admin(Admin),
}

type Answer = Response<Full<Bytes>>;

// === impl Page ===

impl Page {
    /// Opens the listener and answers for as long as the workload is held by anybody: probes must
    /// still be told "not ready" while connections drain.
    pub(crate) async fn serve(
        self,
        address: SocketAddr,
        background: CancellationToken,
    ) -> Result<SocketAddr, Error> {
        let (listener, local) = listen(self.purpose(), address).await?;
        tokio::spawn(background.run_until_cancelled_owned(run(Arc::new(self), listener)));
        Ok(local)
    }

    fn purpose(&self) -> &'static str {
        match self {
            Self::Probes(_) => "probes",
            Self::Metrics => "metrics",
            Self::Admin(_) => "admin",
        }
    }

    fn answer<B>(&self, request: &Request<B>) -> Answer {
        let path = request.uri().path();
        if request.method() != Method::GET && request.method() != Method::HEAD {
            return text(StatusCode::METHOD_NOT_ALLOWED, "GET only\n");
        }
        match (self, path) {
            (Self::Probes(_), "/livez") => text(StatusCode::OK, "ok\n"),
            (Self::Probes(readiness), "/readyz") => state(readiness, readiness.is_ready()),
            (Self::Probes(readiness), "/startupz") => state(readiness, readiness.has_started()),
            (Self::Metrics, "/metrics") => {
                let mut answer = text(StatusCode::OK, mesh_telemetry::metrics::render());
                let kind = header::HeaderValue::from_static("text/plain; version=0.0.4");
                answer.headers_mut().insert(header::CONTENT_TYPE, kind);
                answer
            }
            (Self::Admin(admin), path) => match admin.page(path) {
                Some(value) => json(&value),
                None => text(StatusCode::NOT_FOUND, "not found\n"),
            },
            _ => text(StatusCode::NOT_FOUND, "not found\n"),
        }
    }
}

/// Serves `/livez`, `/readyz` and `/startupz` for a program that is no workload of the mesh, until
/// `background` is cancelled.
pub async fn serve_probes(
    address: SocketAddr,
    readiness: Readiness,
    background: CancellationToken,
) -> Result<SocketAddr, Error> {
    Page::Probes(readiness).serve(address, background).await
}

/// Serves `/metrics` for a program that is no workload of the mesh, until `background` is
/// cancelled.
pub async fn serve_metrics(
    address: SocketAddr,
    background: CancellationToken,
) -> Result<SocketAddr, Error> {
    Page::Metrics.serve(address, background).await
}

/// Opens a TCP listener.
pub(crate) async fn listen(
    purpose: &'static str,
    address: SocketAddr,
) -> Result<(TcpListener, SocketAddr), Error> {
    let refuse = |source| Error::Listen {
        purpose,
        address,
        source,
    };
    let listener = TcpListener::bind(address).await.map_err(refuse)?;
    let local = listener.local_addr().map_err(refuse)?;
    Ok((listener, local))
}

async fn run(page: Arc<Page>, listener: TcpListener) {
    let listener = Arc::new(listener);
    let accept = || {
        let listener = Arc::clone(&listener);
        async move { listener.accept().await }
    };
    let take = move |accepted: Accepted| {
        let page = Arc::clone(&page);
        tokio::spawn(async move {
            let Accepted { tcp, permit, .. } = accepted;
            let service = service_fn(move |request: Request<Incoming>| {
                let answer = page.answer(&request);
                async move { Ok::<_, Infallible>(answer) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT)
                .max_buf_size(BUFFER_BYTES_MAX)
                .max_headers(HEADERS_MAX)
                .serve_connection(TokioIo::new(tcp), service);
            // How a probe's connection ends concerns nobody.
            let _ = tokio::time::timeout(CONNECTION_TIMEOUT, connection).await;
            drop(permit);
        });
    };
    accept_all(Arc::new(Semaphore::new(CONNECTIONS_MAX)), accept, take).await;
}

fn state(readiness: &Readiness, good: bool) -> Answer {
    if good {
        return text(StatusCode::OK, "ok\n");
    }
    let unmet = readiness.unmet();
    let lines: String = unmet
        .iter()
        .map(|(name, reason)| format!("{name}: {reason}\n"))
        .collect();
    text(StatusCode::SERVICE_UNAVAILABLE, lines)
}

fn json(value: &serde_json::Value) -> Answer {
    let mut answer = text(StatusCode::OK, format!("{value:#}\n"));
    let kind = header::HeaderValue::from_static("application/json");
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    answer
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer
}

//! What happens to each call between the connection and the service: identify → admit (gRPC at
//! all, policies, deadline, load) → run until it answers, panics or must end.

use std::{convert::Infallible, net::SocketAddr, panic::AssertUnwindSafe, pin::Pin, sync::Arc};

use futures::FutureExt;
use http::{HeaderMap, Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use hyper::body::Incoming;
use mesh_identity::SpiffeId;
use mesh_telemetry::propagation;
use mesh_transport::PeerIdentity;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use tonic::body::Body;
use tower::{ServiceExt, util::BoxCloneService};
use tracing::{Instrument, Span, field::Empty};

use super::{body::ServerBody, ends::Ends, gate::Gate, status::Refusal, tasks, xfcc};
use crate::{
    Deadline, Mode, Settings, deadline,
    exchange::Exchange,
    metrics::{Direction, Traffic},
    registry::Connection,
};

/// What is served. Boxed, so that this crate is compiled once and not once per service.
pub(crate) type Offered = BoxCloneService<Request<Body>, Response<Body>, Infallible>;

/// The rules for every call of one server.
#[derive(Debug)]
pub(crate) struct Rules {
    own: SpiffeId,
    mode: Mode,
    /// None without a mesh: there is nobody to tell apart.
    gate: Option<Gate>,
    deadline_max: std::time::Duration,
    connection_age: std::time::Duration,
    in_work: Arc<Semaphore>,
}

/// The way of the calls of one connection.
pub(crate) struct Stack {
    pub(crate) service: Offered,
    pub(crate) rules: Arc<Rules>,
    pub(crate) connection: Arc<Connection>,
}

/// A call that may go to the service.
struct Admitted {
    deadline: Instant,
    permit: OwnedSemaphorePermit,
}

// === impl Stack ===

impl hyper::service::Service<Request<Incoming>> for Stack {
    type Response = Response<ServerBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let service = self.service.clone();
        let rules = Arc::clone(&self.rules);
        let connection = Arc::clone(&self.connection);
        Box::pin(async move { Ok(answer(service, &rules, &connection, request).await) })
    }
}

async fn answer(
    service: Offered,
    rules: &Rules,
    connection: &Arc<Connection>,
    mut request: Request<Incoming>,
) -> Response<ServerBody> {
    let (peer, traffic) = rules.identify(connection, request.headers_mut());
    let span = span_of(&request, peer.as_ref());
    let mut exchange = Exchange::begin(Arc::clone(&traffic), span);
    exchange.on(connection.open_stream(), traffic);
    match rules.admit(&request, peer.as_ref(), connection, exchange.span()) {
        Err(refusal) => ServerBody::refusal(refusal, exchange),
        Ok(admitted) => {
            exchange.hold(admitted.permit);
            if let Some(peer) = peer {
                request.extensions_mut().insert(peer);
            }
            run(service, request, admitted.deadline, connection, exchange).await
        }
    }
}

async fn run(
    service: Offered,
    mut request: Request<Incoming>,
    at: Instant,
    connection: &Connection,
    exchange: Exchange,
) -> Response<ServerBody> {
    request.extensions_mut().insert(Deadline(at));
    tasks::end_by(at);
    let mut ends = Box::pin(Ends::new(at, &connection.end_streams));
    let work = service.oneshot(request.map(Body::new));
    let work = deadline::scope(at, AssertUnwindSafe(work).catch_unwind());
    let work = work.instrument(exchange.span().clone());
    let outcome = tokio::select! {
        // An answer that is there is not thrown away for a deadline that has just passed.
        biased;
        answered = work => answered.map_err(|_| Refusal::panicked()),
        refusal = ends.as_mut() => Err(refusal),
    };
    match outcome {
        Ok(Ok(response)) => ServerBody::stream(response, exchange, ends),
        Ok(Err(never)) => match never {},
        Err(refusal) => ServerBody::refusal(refusal, exchange),
    }
}

// === impl Rules ===

impl Rules {
    pub(crate) fn new(settings: &Settings, gate: Option<Gate>) -> Self {
        Self {
            own: settings.id.clone(),
            mode: settings.mode,
            gate,
            deadline_max: settings.deadline_max,
            connection_age: settings.connection_age,
            in_work: Arc::new(Semaphore::new(settings.requests_max)),
        }
    }

    /// Who calls: by the handshake, or in sidecar mode by the proxy's header. Any other header
    /// that claims an identity is removed before anybody can read it.
    fn identify(
        &self,
        connection: &Connection,
        headers: &mut HeaderMap,
    ) -> (Option<PeerIdentity>, Arc<Traffic>) {
        let named = (self.mode == Mode::Sidecar && is_local(connection.remote))
            .then(|| xfcc::peer(headers))
            .flatten();
        xfcc::strip(headers);
        let Some(id) = named else {
            return (connection.peer.clone(), Arc::clone(&connection.traffic));
        };
        let traffic = Traffic::new(Direction::Inbound, self.own.clone(), Some(id.clone()), true);
        // The proxy has the certificate, we have its name: end and serial stay with the proxy.
        let not_after = connection.opened_at + self.connection_age;
        (
            Some(PeerIdentity {
                id,
                not_after,
                serial: Arc::default(),
            }),
            Arc::new(traffic),
        )
    }

    fn admit<B>(
        &self,
        request: &Request<B>,
        peer: Option<&PeerIdentity>,
        connection: &Connection,
        span: &Span,
    ) -> Result<Admitted, Refusal> {
        if request.method() != Method::POST {
            return Err(Refusal::Http(StatusCode::METHOD_NOT_ALLOWED));
        }
        if !is_grpc(request.headers()) {
            return Err(Refusal::Http(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        if let Some(gate) = &self.gate {
            gate.admit(request, peer, connection, span)?;
        }
        let asked = deadline::parse(request.headers()).map_err(Refusal::malformed)?;
        let timeout = asked.unwrap_or(self.deadline_max).min(self.deadline_max);
        if timeout.is_zero() {
            return Err(Refusal::deadline());
        }
        let permit = Arc::clone(&self.in_work)
            .try_acquire_owned()
            .map_err(|_| Refusal::overloaded())?;
        Ok(Admitted {
            deadline: Instant::now() + timeout,
            permit,
        })
    }
}

// === helpers ===

fn is_local(remote: SocketAddr) -> bool {
    remote.ip().to_canonical().is_loopback()
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .map(|value| value.as_bytes())
        .unwrap_or_default();
    match kind.strip_prefix(b"application/grpc") {
        // `application/grpc-web` is another protocol.
        Some(rest) => matches!(rest.first(), None | Some(b'+' | b';')),
        None => false,
    }
}

fn span_of<B>(request: &Request<B>, peer: Option<&PeerIdentity>) -> Span {
    let (service, method) = split_path(request.uri().path());
    let span = tracing::info_span!(
        "grpc.server",
        otel.kind = "server",
        rpc.system = "grpc",
        rpc.service = service,
        rpc.method = method,
        rpc.grpc.status_code = Empty,
        peer = peer.map(|peer| peer.id.as_str()),
    );
    propagation::set_parent(&span, request.headers());
    span
}

/// `/package.Service/Method` as its two names.
pub(crate) fn split_path(path: &str) -> (&str, &str) {
    path.strip_prefix('/')
        .and_then(|path| path.split_once('/'))
        .unwrap_or((path, ""))
}

impl std::fmt::Debug for Stack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stack")
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

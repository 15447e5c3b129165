//! A call on its way out: endpoint, deadline, trace context, one replay of what was provably not
//! processed. Its error is the status that the caller of a generated client sees.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use arc_swap::ArcSwap;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, Uri, Version,
    uri::{self, Authority, Scheme},
};
use hyper::body::Incoming;
use mesh_identity::SpiffeId;
use mesh_telemetry::propagation;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::{Status, body::Body};
use tracing::{Instrument, Span, field::Empty};

use super::{
    body::{ResponseBody, deadline_exceeded},
    dial::Dialer,
    discovery::{Discovery, Endpoints},
    failure::Failure,
    pool::{Lease, Pool},
    replay::Replay,
};
use crate::{
    deadline,
    exchange::Exchange,
    inbound::split_path,
    metrics::{self, Direction, Flag, Traffic},
};

/// gRPC's transparent retries: what never left the process may be tried again, but not for ever.
const UNSENT_MAX: u32 = 4;

/// The way to one service, below a generated client. Clones share connections.
#[derive(Clone, Debug)]
pub struct MeshChannel {
    target: Arc<Target>,
}

/// One service and the pools of its endpoints.
#[derive(Debug)]
struct Target {
    own: SpiffeId,
    namespace: String,
    service: String,
    host: String,
    /// The host as it goes into each call; none when it cannot be one.
    authority: Option<Authority>,
    discovery: Arc<Discovery>,
    dialer: Arc<Dialer>,
    pools: ArcSwap<Pools>,
    /// Held while pools follow a change of endpoints, so that each gets one pool.
    following: Mutex<()>,
    /// Calls that reach no connection have no peer.
    unreached: Arc<Traffic>,
}

#[derive(Debug, Default)]
struct Pools {
    of: Arc<Endpoints>,
    all: Vec<Arc<Pool>>,
}

/// What every attempt of one call sends.
struct Outgoing {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Replay,
    deadline: Option<Instant>,
}

// === impl MeshChannel ===

impl MeshChannel {
    pub(crate) fn new(
        service: &str,
        own: &SpiffeId,
        discovery: Arc<Discovery>,
        dialer: Arc<Dialer>,
    ) -> Self {
        let (service, namespace) = service
            .split_once('.')
            .unwrap_or((service, own.namespace()));
        let mutual_tls = dialer.identity.is_some();
        let unreached = Traffic::new(Direction::Outbound, own.clone(), None, mutual_tls);
        let host = format!("{service}.{namespace}.svc.{}", own.trust_domain());
        let target = Target {
            own: own.clone(),
            namespace: namespace.to_owned(),
            service: service.to_owned(),
            authority: host.parse().ok(),
            host,
            discovery,
            dialer,
            pools: ArcSwap::default(),
            following: Mutex::default(),
            unreached: Arc::new(unreached),
        };
        Self {
            target: Arc::new(target),
        }
    }
}

impl tower::Service<Request<Body>> for MeshChannel {
    type Response = Response<ResponseBody>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Status>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let target = Arc::clone(&self.target);
        // Read here: the future may be polled by a task that is not part of the caller's call.
        let inherited = deadline::current();
        let span = target.span(&request);
        Box::pin(async move {
            target
                .call(request, inherited, span.clone())
                .instrument(span)
                .await
        })
    }
}

// === impl Target ===

impl Target {
    async fn call(
        &self,
        request: Request<Body>,
        inherited: Option<Instant>,
        span: Span,
    ) -> Result<Response<ResponseBody>, Status> {
        let mut exchange = Exchange::begin(Arc::clone(&self.unreached), span);
        let outcome = match self.prepare(request, inherited, exchange.span()) {
            Ok((outgoing, Some(at))) => {
                match tokio::time::timeout_at(at, self.send(outgoing, &mut exchange)).await {
                    Ok(Ok((response, drained))) => Ok((response, drained, Some(at))),
                    Ok(Err(failed)) => Err(failed),
                    Err(_) => Err((deadline_exceeded(), Flag::Deadline)),
                }
            }
            Ok((outgoing, None)) => self
                .send(outgoing, &mut exchange)
                .await
                .map(|(response, drained)| (response, drained, None)),
            Err(failed) => Err(failed),
        };
        match outcome {
            Ok((response, drained, at)) => Ok(ResponseBody::of(response, exchange, drained, at)),
            Err((status, flag)) => {
                exchange.finish(status.code(), flag);
                Err(status)
            }
        }
    }

    /// Writes what the peer must know, where it is and which trace this is, and says until when we
    /// wait.
    fn prepare(
        &self,
        request: Request<Body>,
        inherited: Option<Instant>,
        span: &Span,
    ) -> Result<(Outgoing, Option<Instant>), (Status, Flag)> {
        let (head, body) = request.into_parts();
        let mut headers = head.headers;
        let asked = deadline::parse(&headers)
            .map_err(|error| (Status::invalid_argument(error.to_string()), Flag::Malformed))?;
        let now = Instant::now();
        let asked = asked.and_then(|timeout| now.checked_add(timeout));
        let at = [asked, inherited].into_iter().flatten().min();
        if at.is_some_and(|at| at <= now) {
            return Err((deadline_exceeded(), Flag::Deadline));
        }
        propagation::inject(span, &mut headers);
        headers
            .entry(http::header::TE)
            .or_insert(HeaderValue::from_static("trailers"));
        // Put together from parts that were checked before, not read anew for each call.
        let mut parts = uri::Parts::default();
        parts.scheme = Some(Scheme::HTTPS);
        parts.authority = self.authority.clone();
        parts.path_and_query = head.uri.into_parts().path_and_query;
        let uri = Uri::from_parts(parts)
            .map_err(|error| (Status::internal(error.to_string()), Flag::Malformed))?;
        let body = Replay::new(body);
        Ok((
            Outgoing {
                method: head.method,
                uri,
                headers,
                body,
                deadline: at,
            },
            at,
        ))
    }

    /// The answer's head, and the token that tells that its connection's grace has ended.
    async fn send(
        &self,
        outgoing: Outgoing,
        exchange: &mut Exchange,
    ) -> Result<(Response<Incoming>, CancellationToken), (Status, Flag)> {
        let (mut unsent, mut replayed) = (0, false);
        loop {
            let pool = self.pick().map_err(|status| (status, Flag::Unreachable))?;
            let Lease { link, stream, call } = match pool.acquire().await {
                Ok(lease) => lease,
                // Nothing was sent, and the next pick leaves this endpoint out.
                Err(_) if unsent < UNSENT_MAX && self.has_other_than(&pool) => {
                    unsent += 1;
                    metrics::replayed(&self.own, "unsent");
                    continue;
                }
                // Nothing was sent, and there is nobody else: the deadline bounds the wait.
                Err(status) => match pool.restarting() {
                    Some(until) => {
                        tokio::time::sleep_until(until).await;
                        continue;
                    }
                    None => return Err((status, Flag::Unreachable)),
                },
            };
            exchange.on_lease(stream, call, Arc::clone(&link.connection.traffic));
            if let Some(peer) = &link.connection.peer {
                exchange.span().record("peer", peer.id.as_str());
            }
            let drained = link.connection.end_streams.clone();
            let mut error = match link
                .sender
                .clone()
                .try_send_request(outgoing.request())
                .await
            {
                Ok(response) => {
                    pool.prove(&link);
                    return Ok((response, drained));
                }
                Err(error) => error,
            };
            exchange.leave();
            let handed_back = error.take_message().is_some();
            let drained = drained.is_cancelled();
            match Failure::of(error.error(), handed_back, drained) {
                Failure::Unsent if unsent < UNSENT_MAX => {
                    unsent += 1;
                    pool.retire(link.connection.id);
                    metrics::replayed(&self.own, "unsent");
                }
                Failure::Refused(cause, _) if !replayed && outgoing.body.take_back() => {
                    replayed = true;
                    if cause == "goaway" {
                        pool.retire(link.connection.id);
                    }
                    metrics::replayed(&self.own, cause);
                }
                Failure::Unsent => {
                    let status = Status::unavailable("no connection took the call");
                    return Err((status, Flag::ConnectionLost));
                }
                Failure::Refused(_, status) | Failure::Unknown(status) => {
                    return Err((status, super::failure::flag_of(drained)));
                }
            }
        }
    }

    /// The less busy of two endpoints taken by chance, leaving out those that fail at once.
    fn pick(&self) -> Result<Arc<Pool>, Status> {
        let pools = self.pools();
        let usable: Vec<&Arc<Pool>> = match pools.all.as_slice() {
            [] => {
                let text = format!("no endpoint of {}", self.host);
                return Err(Status::unavailable(text));
            }
            [only] => return Ok(Arc::clone(only)),
            all => all.iter().filter(|pool| !pool.is_failing()).collect(),
        };
        let chosen = match usable.as_slice() {
            [] => &pools.all[rand::random_range(0..pools.all.len())],
            usable => {
                let one = usable[rand::random_range(0..usable.len())];
                let other = usable[rand::random_range(0..usable.len())];
                if other.calls() < one.calls() {
                    other
                } else {
                    one
                }
            }
        };
        Ok(Arc::clone(chosen))
    }

    /// Whether another endpoint could be tried at once.
    fn has_other_than(&self, pool: &Arc<Pool>) -> bool {
        let other = |one: &Arc<Pool>| !Arc::ptr_eq(one, pool) && !one.is_failing();
        self.pools.load().all.iter().any(other)
    }

    /// The pools of the newest endpoints. Pools of endpoints that stay, stay.
    fn pools(&self) -> Arc<Pools> {
        let newest = self.discovery.current();
        let pools = self.pools.load_full();
        if Arc::ptr_eq(&pools.of, &newest) {
            return pools;
        }
        // Guards nothing but the order of updates, so a panic leaves nothing half done.
        let _following = self
            .following
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let pools = self.pools.load_full();
        let all: Vec<_> = newest
            .of(&self.namespace, &self.service)
            .iter()
            .map(|endpoint| {
                let known = pools.all.iter().find(|pool| pool.endpoint == *endpoint);
                known
                    .cloned()
                    .unwrap_or_else(|| Pool::new(endpoint.clone(), Arc::clone(&self.dialer)))
            })
            .collect();
        let new = Arc::new(Pools { of: newest, all });
        for pool in &pools.all {
            if !new.all.iter().any(|kept| Arc::ptr_eq(kept, pool)) {
                pool.close();
            }
        }
        let pools = new;
        self.pools.store(Arc::clone(&pools));
        pools
    }

    fn span<B>(&self, request: &Request<B>) -> Span {
        let (service, method) = split_path(request.uri().path());
        tracing::info_span!(
            "grpc.client",
            otel.kind = "client",
            rpc.system = "grpc",
            rpc.service = service,
            rpc.method = method,
            rpc.grpc.status_code = Empty,
            server.address = self.host,
            peer = Empty,
        )
    }
}

// === impl Outgoing ===

impl Outgoing {
    fn request(&self) -> Request<super::replay::ReplayBody> {
        let mut request = Request::new(self.body.attempt());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        if let Some(at) = self.deadline {
            // Anew for each attempt: a dial and a first attempt have taken their part.
            let left = deadline::format(at.saturating_duration_since(Instant::now()));
            request.headers_mut().insert(deadline::GRPC_TIMEOUT, left);
        }
        *request.version_mut() = Version::HTTP_2;
        request
    }
}

//! The gate: every call is put before the policies of the workload. What they refuse is answered
//! with a text that tells the caller nothing, and logged with all that the engine can prove.

mod denial;

use std::sync::Arc;

use http::{HeaderMap, Request, Uri, header::HOST, uri::PathAndQuery};
use mesh_identity::SpiffeId;
use mesh_policy::{Decision, Destination, Headers, Http, Source};
use mesh_transport::PeerIdentity;
use tracing::Span;

use self::denial::{Denial, Proofs};
use super::status::Refusal;
use crate::{policies::Policies, registry::Connection};

/// What every SPIFFE id begins with and no principal of a policy.
const SCHEME: &str = "spiffe://";

/// Decides each call of one server.
#[derive(Debug)]
pub(crate) struct Gate {
    policies: Arc<Policies>,
    /// Nobody without an identity gets in, whatever the policies say.
    is_strict: bool,
    proofs: Proofs,
}

/// Headers as the engine sees them.
struct Fields<'r>(&'r HeaderMap);

// === impl Gate ===

impl Gate {
    pub(crate) fn new(policies: Arc<Policies>, is_strict: bool) -> Self {
        Self {
            policies,
            is_strict,
            proofs: Proofs::default(),
        }
    }

    /// Lets a call pass or not. The way of a call that passes neither allocates nor compares by
    /// regular expressions.
    pub(super) fn admit<B>(
        &self,
        request: &Request<B>,
        peer: Option<&PeerIdentity>,
        connection: &Connection,
        span: &Span,
    ) -> Result<(), Refusal> {
        // Only a connection of the other direction has none.
        let Some(arrival) = &connection.arrival else {
            return Err(Refusal::denied());
        };
        let fields = Fields(request.headers());
        let call = mesh_policy::Request {
            source: Source {
                principal: peer.map(|peer| principal(&peer.id)),
                ip: connection.remote.ip(),
                remote_ip: None,
            },
            destination: Destination {
                ip: arrival.local.ip(),
                port: arrival.local.port(),
            },
            sni: &arrival.sni,
            http: Some(Http {
                method: request.method().as_str(),
                host: host(request.uri(), request.headers()),
                path: path(request.uri()),
                headers: &fields,
            }),
            jwt: None,
            metadata: None,
        };
        let engine = self.policies.engine();
        let decision = engine.decide(&call);
        tell(&decision, &call, span);
        let is_nobody = peer.is_none() && self.is_strict;
        if decision.is_allowed() && !is_nobody {
            return Ok(());
        }
        let proof = (!is_nobody && self.proofs.take()).then(|| engine.explain(&call, 1));
        let denial = Denial::new(&decision, proof.as_ref(), is_nobody);
        denial.log(&call, connection, span);
        Err(Refusal::denied())
    }
}

/// What policies say of a call without deciding it.
fn tell(decision: &Decision<'_>, call: &mesh_policy::Request<'_>, span: &Span) {
    if decision.audit.is_empty() && decision.dry_run.is_empty() {
        return;
    }
    let peer = call.source.principal.unwrap_or_default();
    let path = call.http.map_or("", |http| bare(http.path));
    for policy in &decision.audit {
        tracing::info!(parent: span, peer, path, %policy, "audit");
    }
    for one in &decision.dry_run {
        let (policy, rule, action) = (one.matched.policy, one.matched.rule, one.action);
        tracing::info!(parent: span, peer, path, %policy, rule, action, "dry run matches");
    }
}

// === helpers ===

fn principal(id: &SpiffeId) -> &str {
    let id = id.as_str();
    id.strip_prefix(SCHEME).unwrap_or(id)
}

fn host<'r>(uri: &'r Uri, headers: &'r HeaderMap) -> Option<&'r str> {
    match uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => headers.get(HOST)?.to_str().ok(),
    }
}

fn path(uri: &Uri) -> &str {
    uri.path_and_query().map_or("", PathAndQuery::as_str)
}

/// Without the query: gRPC has none, and nobody knows what stands there.
fn bare(path: &str) -> &str {
    path.split(['?', '#']).next().unwrap_or_default()
}

// === impl Fields ===

impl Headers for Fields<'_> {
    fn visit(&self, visitor: &mut dyn FnMut(&str, &[u8])) {
        for (name, value) in self.0 {
            visitor(name.as_str(), value.as_bytes());
        }
    }
}

//! What is asked: a request or a connection, all of it borrowed from whoever serves it.

use std::net::IpAddr;

use serde_json::{Map, Value};

/// One request over HTTP, or one TCP connection.
#[derive(Clone, Copy)]
pub struct Request<'r> {
    /// Who calls.
    pub source: Source<'r>,
    /// What is called.
    pub destination: Destination,
    /// The server name that the client asked for in its TLS handshake; empty without.
    pub sni: &'r str,
    /// The HTTP part; none for TCP, where rules mean what Istio's sidecar makes of them.
    pub http: Option<Http<'r>>,
    /// A token that was found valid. Nothing of it is checked here.
    pub jwt: Option<Jwt<'r>>,
    /// Dynamic metadata by filter and key, for `experimental.envoy.filters.*`.
    pub metadata: Option<&'r Map<String, Value>>,
}

/// Who calls.
#[derive(Clone, Copy, Debug)]
pub struct Source<'r> {
    /// The SPIFFE id of the client certificate without `spiffe://`; none without mutual TLS.
    pub principal: Option<&'r str>,
    /// The peer of the connection.
    pub ip: IpAddr,
    /// The first caller as trusted proxies tell it; none where the peer is the first.
    pub remote_ip: Option<IpAddr>,
}

/// What is called.
#[derive(Clone, Copy, Debug)]
pub struct Destination {
    /// The address of the workload.
    pub ip: IpAddr,
    /// The port of the workload, not that of a service in front of it.
    pub port: u16,
}

/// The HTTP part of a request; for gRPC the method is `POST`, the path `/package.Service/Method`.
#[derive(Clone, Copy)]
pub struct Http<'r> {
    /// `:method`
    pub method: &'r str,
    /// `:authority`, with its port if it was sent with one.
    pub host: Option<&'r str>,
    /// `:path` as it came, with query.
    pub path: &'r str,
    /// All other headers.
    pub headers: &'r dyn Headers,
}

/// A view of headers. Values are bytes, a header that came twice is visited twice.
pub trait Headers {
    /// Visits every header in the order in which they came.
    fn visit(&self, visitor: &mut dyn FnMut(&str, &[u8]));
}

/// The payload of a valid token. `iss`, `sub`, `aud` and `azp` go before claims of the same name.
#[derive(Clone, Copy, Debug, Default)]
pub struct Jwt<'r> {
    /// The issuer.
    pub iss: Option<&'r str>,
    /// The subject.
    pub sub: Option<&'r str>,
    /// The audience: text, or a list of them.
    pub aud: Option<&'r Value>,
    /// The party that the token was issued to.
    pub azp: Option<&'r str>,
    /// Every other claim.
    pub claims: Option<&'r Map<String, Value>>,
}

/// A claim where it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Claim<'r> {
    Text(&'r str),
    Json(&'r Value),
}

// === impl Headers ===

impl<N: AsRef<str>, V: AsRef<[u8]>> Headers for [(N, V)] {
    fn visit(&self, visitor: &mut dyn FnMut(&str, &[u8])) {
        for (name, value) in self {
            visitor(name.as_ref(), value.as_ref());
        }
    }
}

impl<N: AsRef<str>, V: AsRef<[u8]>, const LENGTH: usize> Headers for [(N, V); LENGTH] {
    fn visit(&self, visitor: &mut dyn FnMut(&str, &[u8])) {
        self.as_slice().visit(visitor);
    }
}

impl<N: AsRef<str>, V: AsRef<[u8]>> Headers for Vec<(N, V)> {
    fn visit(&self, visitor: &mut dyn FnMut(&str, &[u8])) {
        self.as_slice().visit(visitor);
    }
}

// === impl Jwt ===

impl<'r> Jwt<'r> {
    pub(crate) fn claim(&self, name: &str) -> Option<Claim<'r>> {
        let own = match name {
            "iss" => self.iss.map(Claim::Text),
            "sub" => self.sub.map(Claim::Text),
            "azp" => self.azp.map(Claim::Text),
            "aud" => self.aud.map(Claim::Json),
            _ => None,
        };
        own.or_else(|| self.claims?.get(name).map(Claim::Json))
    }

    pub(crate) fn text_claim(&self, name: &str) -> Option<&'r str> {
        self.claim(name)?.text()
    }

    /// A claim within claims; lists are not looked into on the way.
    pub(crate) fn nested_claim(&self, path: &[Box<str>]) -> Option<Claim<'r>> {
        let (first, rest) = path.split_first()?;
        let found = self.claim(first)?;
        if rest.is_empty() {
            return Some(found);
        }
        let Claim::Json(mut value) = found else {
            return None;
        };
        for name in rest {
            value = value.as_object()?.get(&**name)?;
        }
        Some(Claim::Json(value))
    }
}

// === impl Claim ===

impl<'r> Claim<'r> {
    pub(crate) fn text(self) -> Option<&'r str> {
        match self {
            Claim::Text(text) => Some(text),
            Claim::Json(value) => value.as_str(),
        }
    }

    /// The texts in it that policies compare: itself, or those of a list.
    pub(crate) fn texts(self) -> impl Iterator<Item = &'r str> + use<'r> {
        let list = match self {
            Claim::Json(Value::Array(list)) => list.as_slice(),
            Claim::Json(_) | Claim::Text(_) => &[],
        };
        self.text()
            .into_iter()
            .chain(list.iter().filter_map(Value::as_str))
    }
}

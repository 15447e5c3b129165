//! A request with what every rule would work out again: the peer's id in segments, the path as it
//! is matched, the claims that are lists in disguise.

use std::borrow::Cow;
use std::net::IpAddr;

use mesh_api::PathNormalization;

use crate::identity::Peer;
use crate::path::normalize;
use crate::request::Request;
use crate::tokens::Tokens;

pub(crate) struct Context<'r> {
    pub(crate) request: &'r Request<'r>,
    pub(crate) peer: Option<Peer<'r>>,
    /// Normalised, without query; empty for TCP.
    pub(crate) path: Cow<'r, str>,
    pub(crate) source_ip: IpAddr,
    pub(crate) remote_ip: IpAddr,
    pub(crate) destination_ip: IpAddr,
    space_delimited: &'r [Box<str>],
}

/// Claims that Istio always takes apart at blanks.
const SPACE_DELIMITED: [&str; 2] = ["scope", "permission"];

// === impl Context ===

impl<'r> Context<'r> {
    pub(crate) fn new(
        request: &'r Request<'r>,
        normalization: PathNormalization,
        tokens: &'r Tokens,
    ) -> Self {
        let source = &request.source;
        let http = request.http.as_ref();
        let issuer = request.jwt.as_ref().and_then(|jwt| jwt.text_claim("iss"));
        Self {
            request,
            peer: source.principal.map(Peer::new),
            path: http.map_or(Cow::Borrowed(""), |http| {
                normalize(http.path, normalization)
            }),
            source_ip: source.ip.to_canonical(),
            remote_ip: source.remote_ip.unwrap_or(source.ip).to_canonical(),
            destination_ip: request.destination.ip.to_canonical(),
            space_delimited: issuer.map_or(&[], |issuer| tokens.space_delimited(issuer)),
        }
    }

    pub(crate) fn is_tcp(&self) -> bool {
        self.request.http.is_none()
    }

    pub(crate) fn is_space_delimited(&self, claim: &str) -> bool {
        SPACE_DELIMITED.contains(&claim) || self.space_delimited.iter().any(|name| **name == *claim)
    }

    /// Whether any value of a header passes. As Envoy 1.40 has it, values are looked at one by one:
    /// joined with commas, a second value would hide the first from a rule that denies it.
    pub(crate) fn any_header(&self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        let Some(http) = self.request.http.as_ref() else {
            return false;
        };
        let pseudo = match name {
            ":method" => Some(http.method),
            ":authority" => http.host,
            "host" if http.host.is_some() => http.host,
            ":path" => return self.path_header(http.path, test),
            _ => None,
        };
        if let Some(value) = pseudo {
            return test(value.as_bytes());
        }
        let mut found = false;
        http.headers.visit(&mut |own, value| {
            if !found && own.eq_ignore_ascii_case(name) {
                found = test(value);
            }
        });
        found
    }

    /// `:path` is normalised, too, and keeps its query.
    fn path_header(&self, path: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        match &self.path {
            Cow::Borrowed(_) => test(path.as_bytes()),
            Cow::Owned(normal) => {
                let query = path.find(['?', '#']).map_or("", |at| &path[at..]);
                test(format!("{normal}{query}").as_bytes())
            }
        }
    }

    pub(crate) fn has_opaque_header(&self, name: &str) -> bool {
        self.any_header(name, &mut |value| std::str::from_utf8(value).is_err())
    }
}

//! What a request has, looked up. Only dimensions that some rule uses are looked at, and of starts
//! and ends only the lengths that some rule has.

use super::cover::{
    account_hash, address_hash, claim_name, claim_value_hash, header_name, header_value_hash,
    metadata_hash, port_hash, token_hash,
};
use super::key::{DIMENSIONS, Dimension, Fnv, Key, Name};
use super::{Index, RuleRef};
use crate::address::Range;
use crate::context::Context;
use crate::identity::Peer;
use crate::request::{Http, Jwt};

/// How many keys use what.
#[derive(Clone, Default)]
pub(crate) struct Uses {
    keys: [u32; DIMENSIONS],
    /// Lengths of starts, ends and address ranges with their keys, ascending.
    lengths: [Vec<(u16, u32)>; DIMENSIONS],
    header_names: Vec<(u64, u32)>,
    claims: Vec<(Box<[Box<str>]>, u32)>,
}

// === impl Uses ===

impl Uses {
    pub(crate) fn add(&mut self, key: &Key) {
        self.keys[key.dimension as usize] += 1;
        let lengths = &mut self.lengths[key.dimension as usize];
        match lengths.binary_search_by_key(&key.length, |(length, _)| *length) {
            Ok(at) => lengths[at].1 += 1,
            Err(at) => lengths.insert(at, (key.length, 1)),
        }
        match &key.name {
            None => {}
            Some(Name::Header(name)) => match self.header_names.binary_search_by_key(name, first) {
                Ok(at) => self.header_names[at].1 += 1,
                Err(at) => self.header_names.insert(at, (*name, 1)),
            },
            Some(Name::Claim(path)) => {
                match self.claims.binary_search_by(|(own, _)| own.cmp(path)) {
                    Ok(at) => self.claims[at].1 += 1,
                    Err(at) => self.claims.insert(at, (path.clone(), 1)),
                }
            }
        }
    }

    pub(crate) fn remove(&mut self, key: &Key) {
        self.keys[key.dimension as usize] -= 1;
        release(&mut self.lengths[key.dimension as usize], |length| {
            *length == key.length
        });
        match &key.name {
            None => {}
            Some(Name::Header(name)) => release(&mut self.header_names, |own| own == name),
            Some(Name::Claim(path)) => release(&mut self.claims, |own| own == path),
        }
    }

    fn has(&self, dimension: Dimension) -> bool {
        self.keys[dimension as usize] > 0
    }

    fn lengths(&self, dimension: Dimension) -> &[(u16, u32)] {
        &self.lengths[dimension as usize]
    }
}

fn first(entry: &(u64, u32)) -> u64 {
    entry.0
}

fn release<T>(entries: &mut Vec<(T, u32)>, is: impl Fn(&T) -> bool) {
    if let Some(at) = entries.iter().position(|(own, _)| is(own)) {
        entries[at].1 -= 1;
        if entries[at].1 == 0 {
            entries.remove(at);
        }
    }
}

/// A request on its way through the index.
struct Probe<'i, 'f> {
    index: &'i Index,
    found: &'f mut dyn FnMut(RuleRef),
}

impl Index {
    /// Every rule that the request could match, and some that it cannot; one may come twice.
    pub(crate) fn candidates(&self, context: &Context<'_>, found: &mut dyn FnMut(RuleRef)) {
        let mut probe = Probe { index: self, found };
        if let Some(peer) = &context.peer {
            probe.peer(peer);
        }
        probe.connection(context);
        if let Some(http) = &context.request.http {
            probe.http(http, &context.path);
            if let Some(jwt) = &context.request.jwt {
                probe.token(jwt);
                probe.claims(context, jwt);
            }
        }
    }
}

// === impl Probe ===

impl Probe<'_, '_> {
    fn look(&mut self, hash: u64) {
        for rule in self.index.rules(hash) {
            (self.found)(*rule);
        }
    }

    fn has(&self, dimension: Dimension) -> bool {
        self.index.uses.has(dimension)
    }

    fn exact(&mut self, dimension: Dimension, bytes: impl Iterator<Item = u8>) {
        if self.has(dimension) {
            self.look(Fnv::of(bytes).finish(dimension));
        }
    }

    /// Looks for the first bytes, in all lengths that any rule has.
    fn starts(&mut self, dimension: Dimension, bytes: impl Iterator<Item = u8>) {
        let index = self.index;
        let mut lengths = index
            .uses
            .lengths(dimension)
            .iter()
            .map(|(length, _)| *length);
        let mut next = lengths.next();
        let mut fnv = Fnv::new();
        for (done, byte) in (1u16..).zip(bytes) {
            let Some(length) = next else {
                return;
            };
            fnv.push(byte);
            if done == length {
                self.look(fnv.finish(dimension));
                next = lengths.next();
            }
        }
    }

    fn text(&mut self, text: &str, [exact, start, end]: [Dimension; 3], fold: fn(u8) -> u8) {
        self.exact(exact, text.bytes().map(fold));
        self.starts(start, text.bytes().map(fold));
        self.starts(end, text.bytes().rev().map(fold));
    }

    fn peer(&mut self, peer: &Peer<'_>) {
        let principal = [
            Dimension::Principal,
            Dimension::PrincipalStart,
            Dimension::PrincipalEnd,
        ];
        self.text(peer.id, principal, std::convert::identity);
        if let Some(usual) = peer.usual() {
            self.exact(Dimension::Namespace, usual.namespace.bytes());
            if self.has(Dimension::Account) {
                self.look(account_hash(usual.namespace, usual.account));
            }
        } else {
            for namespace in peer.namespaces() {
                self.exact(Dimension::Namespace, namespace.bytes());
            }
            self.unusual_accounts(peer);
        }
        if self.has(Dimension::NamespaceStart) {
            for rest in peer.behind_ns() {
                self.starts(Dimension::NamespaceStart, rest.bytes());
            }
        }
    }

    /// Any segment behind `sa/`, behind any namespace.
    fn unusual_accounts(&mut self, peer: &Peer<'_>) {
        if !self.has(Dimension::Account) {
            return;
        }
        for rest in peer.behind_ns() {
            let Some((namespace, rest)) = rest.split_once('/') else {
                continue;
            };
            let mut segments = rest.split('/');
            while let Some(segment) = segments.next() {
                if segment == "sa"
                    && let Some(account) = segments.clone().next()
                {
                    self.look(account_hash(namespace, account));
                }
            }
        }
    }

    fn connection(&mut self, context: &Context<'_>) {
        for (dimension, address) in [
            (Dimension::SourceIp, context.source_ip),
            (Dimension::RemoteIp, context.remote_ip),
            (Dimension::DestinationIp, context.destination_ip),
        ] {
            let index = self.index;
            for (length, _) in index.uses.lengths(dimension) {
                let range = u8::try_from(*length).ok();
                if let Some(range) = range.and_then(|length| Range::around(address, length)) {
                    self.look(address_hash(dimension, range.address(), range.length()));
                }
            }
        }
        if self.has(Dimension::Port) {
            self.look(port_hash(context.request.destination.port));
        }
        self.exact(Dimension::Sni, context.request.sni.bytes());
        if self.has(Dimension::Metadata)
            && let Some(metadata) = context.request.metadata
        {
            for (group, keys) in metadata {
                for name in keys.as_object().into_iter().flat_map(serde_json::Map::keys) {
                    self.look(metadata_hash(group, name));
                }
            }
        }
    }

    fn http(&mut self, http: &Http<'_>, path: &str) {
        let paths = [Dimension::Path, Dimension::PathStart, Dimension::PathEnd];
        self.text(path, paths, std::convert::identity);
        self.exact(Dimension::Method, http.method.bytes());
        if let Some(host) = http.host {
            let hosts = [Dimension::Host, Dimension::HostStart, Dimension::HostEnd];
            self.text(host, hosts, |byte| byte.to_ascii_lowercase());
        }
        if !self.index.uses.header_names.is_empty() {
            http.headers
                .visit(&mut |name, value| self.header(name, value));
        }
    }

    fn header(&mut self, name: &str, value: &[u8]) {
        let fnv = header_name(name);
        let hash = fnv.finish(Dimension::HeaderName);
        let names = &self.index.uses.header_names;
        if names.binary_search_by_key(&hash, first).is_ok() {
            self.look(hash);
            self.look(header_value_hash(fnv, value));
        }
    }

    fn token(&mut self, jwt: &Jwt<'_>) {
        let dimensions = [
            Dimension::Token,
            Dimension::TokenIssuer,
            Dimension::TokenSubject,
        ];
        if !dimensions.into_iter().any(|dimension| self.has(dimension)) {
            return;
        }
        let (Some(issuer), Some(subject)) = (jwt.text_claim("iss"), jwt.text_claim("sub")) else {
            return;
        };
        self.look(token_hash(issuer, subject));
        self.exact(Dimension::TokenIssuer, issuer.bytes());
        self.exact(Dimension::TokenSubject, subject.bytes());
    }

    fn claims(&mut self, context: &Context<'_>, jwt: &Jwt<'_>) {
        let index = self.index;
        for (path, _) in &index.uses.claims {
            let Some(claim) = jwt.nested_claim(path) else {
                continue;
            };
            self.look(claim_name(path).finish(Dimension::ClaimName));
            for text in claim.texts() {
                match &**path {
                    [name] if context.is_space_delimited(name) => {
                        for word in text.split(' ') {
                            self.look(claim_value_hash(path, word));
                        }
                    }
                    _ => {}
                }
                self.look(claim_value_hash(path, text));
            }
        }
    }
}

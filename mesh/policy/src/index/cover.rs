//! The keys of a rule: a set of which a request that the rule matches has at least one.

use std::net::IpAddr;

use super::key::{Dimension, Fnv, Key, Name};
use crate::address::Range;
use crate::condition::{Condition, Test};
use crate::identity::{Account, Domain, Identity, Namespace, Principal};
use crate::path::{PathMatch, Template};
use crate::rule::{Clause, Rule};
use crate::text::Text;
use crate::token::TokenMatch;

/// What a regular expression could read otherwise than as itself.
const SPECIAL: [char; 5] = ['.', '*', '+', '?', '\n'];

/// The narrowest cover, given how many rules each key has already; none if nothing in the rule can
/// be looked up.
pub(crate) fn cover(rule: &Rule, for_tcp: bool, count: impl Fn(&Key) -> usize) -> Option<Vec<Key>> {
    let cost = |keys: &Vec<Key>| -> usize {
        keys.iter()
            .map(|key| key.dimension.weight() + count(key))
            .sum()
    };
    covers(rule, for_tcp).into_iter().min_by_key(cost)
}

/// Every key under which the rule could have been put.
pub(crate) fn all_keys(rule: &Rule, for_tcp: bool) -> impl Iterator<Item = Key> {
    covers(rule, for_tcp).into_iter().flatten()
}

fn covers(rule: &Rule, for_tcp: bool) -> Vec<Vec<Key>> {
    let mut covers = Vec::new();
    for clauses in [&rule.from, &rule.to] {
        if !clauses.is_empty() {
            let of_clauses = clauses.iter().map(|clause| of_clause(clause, for_tcp));
            covers.extend(
                of_clauses
                    .collect::<Option<Vec<_>>>()
                    .map(|keys| keys.concat()),
            );
        }
    }
    let when = rule.when.0.iter();
    covers.extend(when.filter_map(|condition| of_condition(condition, for_tcp)));
    covers
}

/// The keys of the condition that says most.
fn of_clause(clause: &Clause, for_tcp: bool) -> Option<Vec<Key>> {
    let weight =
        |keys: &Vec<Key>| -> usize { keys.iter().map(|key| key.dimension.weight() + 1).sum() };
    let conditions = clause.0.iter();
    conditions
        .filter_map(|condition| of_condition(condition, for_tcp))
        .min_by_key(weight)
}

/// None if some value of the condition can be met by what has no key.
fn of_condition(condition: &Condition, for_tcp: bool) -> Option<Vec<Key>> {
    if condition.is_negative || (for_tcp && condition.is_http_only()) {
        return None;
    }
    match &condition.test {
        Test::Identity(values) => values.iter().map(of_identity).collect(),
        Test::SourceIp(ranges) => Some(of_ranges(ranges, Dimension::SourceIp)),
        Test::RemoteIp(ranges) => Some(of_ranges(ranges, Dimension::RemoteIp)),
        Test::DestinationIp(ranges) => Some(of_ranges(ranges, Dimension::DestinationIp)),
        Test::Port(ports) => Some(ports.iter().map(|port| of_port(*port)).collect()),
        Test::Sni(values) => values
            .iter()
            .map(|value| of_exact(value, Dimension::Sni))
            .collect(),
        Test::Method(values) => values
            .iter()
            .map(|value| of_exact(value, Dimension::Method))
            .collect(),
        Test::Host(values) => {
            let host = [Dimension::Host, Dimension::HostStart, Dimension::HostEnd];
            values.iter().map(|value| of_text(value, host)).collect()
        }
        Test::Path(values) => values.iter().map(of_path).collect(),
        Test::Token(values) => values.iter().map(of_token).collect(),
        Test::Header(header) => {
            // What is no header on the wire is not among the headers that are looked through.
            let is_pseudo = header.name.starts_with(':') || &*header.name == "host";
            let keys = header
                .values
                .iter()
                .map(|value| of_header(&header.name, value));
            (!is_pseudo).then(|| keys.collect())
        }
        Test::Claim(claim) => {
            let keys = claim
                .values
                .iter()
                .map(|value| of_claim(&claim.path, value));
            Some(keys.collect())
        }
        Test::Metadata(metadata) => {
            let hash = metadata_hash(&metadata.group, &metadata.name);
            Some(vec![Key::of_hash(Dimension::Metadata, 0, hash)])
        }
    }
}

fn of_identity(value: &Identity) -> Option<Key> {
    match value {
        Identity::Principal(principal) => of_principal(principal),
        Identity::Namespace(namespace) => of_namespace(namespace),
        Identity::Account(account) => of_account(account),
        Identity::Domain(Domain::Any) => None,
        Identity::Domain(Domain::Exact(domain)) => {
            Key::start(Dimension::PrincipalStart, &format!("{domain}/"))
        }
        Identity::Domain(Domain::Affix(start, _)) => Key::start(Dimension::PrincipalStart, start),
    }
}

fn of_principal(principal: &Principal) -> Option<Key> {
    match principal {
        Principal::Any => None,
        Principal::Exact(value) => Some(Key::exact(Dimension::Principal, value)),
        Principal::Prefix(value) => Key::start(Dimension::PrincipalStart, value),
        Principal::Suffix(value, None) => Key::end(Dimension::PrincipalEnd, value),
        Principal::Suffix(value, Some(_)) => {
            let end = value.rsplit(SPECIAL).next()?;
            Key::end(Dimension::PrincipalEnd, end)
        }
    }
}

fn of_namespace(namespace: &Namespace) -> Option<Key> {
    if namespace.is_plain() {
        return Some(Key::exact(Dimension::Namespace, &namespace.value));
    }
    let value = &*namespace.value;
    let end = value.find(SPECIAL).unwrap_or(value.len());
    let mut start = &value[..end];
    if value[end..].starts_with(['+', '?']) {
        // The character before is repeated, or may not be there.
        let last = start.chars().next_back()?;
        start = start.strip_suffix(last)?;
    }
    Key::start(Dimension::NamespaceStart, start)
}

fn of_account(account: &Account) -> Option<Key> {
    if account.is_plain() {
        let hash = account_hash(&account.namespace, &account.account);
        return Some(Key::of_hash(Dimension::Account, 0, hash));
    }
    of_namespace(&Namespace::new(&account.namespace))
}

fn of_ranges(ranges: &[Range], dimension: Dimension) -> Vec<Key> {
    let key = |range: &Range| {
        let length = u16::from(range.length());
        Key::of_hash(
            dimension,
            length,
            address_hash(dimension, range.address(), range.length()),
        )
    };
    ranges.iter().map(key).collect()
}

fn of_port(port: u16) -> Key {
    Key::of_hash(Dimension::Port, 0, port_hash(port))
}

fn of_exact(value: &Text, dimension: Dimension) -> Option<Key> {
    match value {
        Text::Exact(value) => Some(Key::exact(dimension, value)),
        Text::Any | Text::Prefix(_) | Text::Suffix(_) => None,
    }
}

fn of_text(value: &Text, [exact, start, end]: [Dimension; 3]) -> Option<Key> {
    match value {
        Text::Any => None,
        Text::Exact(value) => Some(Key::exact(exact, value)),
        Text::Prefix(value) => Key::start(start, value),
        Text::Suffix(value) => Key::end(end, value),
    }
}

fn of_path(value: &PathMatch) -> Option<Key> {
    match value {
        PathMatch::Text(text) => of_text(
            text,
            [Dimension::Path, Dimension::PathStart, Dimension::PathEnd],
        ),
        PathMatch::Template(template) => of_template(template),
    }
}

fn of_template(template: &Template) -> Option<Key> {
    if template.end().len() > template.start().len() {
        Key::end(Dimension::PathEnd, template.end())
    } else {
        Key::start(Dimension::PathStart, template.start())
    }
}

fn of_token(value: &TokenMatch) -> Option<Key> {
    match (&value.issuer, &value.subject) {
        (Text::Exact(issuer), Text::Exact(subject)) => {
            let hash = token_hash(issuer, subject);
            Some(Key::of_hash(Dimension::Token, 0, hash))
        }
        (Text::Exact(issuer), _) => Some(Key::exact(Dimension::TokenIssuer, issuer)),
        (_, Text::Exact(subject)) => Some(Key::exact(Dimension::TokenSubject, subject)),
        _ => None,
    }
}

fn of_header(header: &str, value: &Text) -> Key {
    let name = header_name(header);
    let searched = Name::Header(name.finish(Dimension::HeaderName));
    match value {
        Text::Exact(value) => {
            let hash = header_value_hash(name, value.as_bytes());
            Key::named(Dimension::HeaderValue, hash, searched)
        }
        Text::Any | Text::Prefix(_) | Text::Suffix(_) => Key::named(
            Dimension::HeaderName,
            name.finish(Dimension::HeaderName),
            searched,
        ),
    }
}

fn of_claim(path: &[Box<str>], value: &Text) -> Key {
    let searched = Name::Claim(path.into());
    match value {
        Text::Exact(value) => Key::named(
            Dimension::ClaimValue,
            claim_value_hash(path, value),
            searched,
        ),
        Text::Any | Text::Prefix(_) | Text::Suffix(_) => {
            let hash = claim_name(path).finish(Dimension::ClaimName);
            Key::named(Dimension::ClaimName, hash, searched)
        }
    }
}

// === hashes that rules and requests must take in the same way ===

pub(crate) fn account_hash(namespace: &str, account: &str) -> u64 {
    Fnv::of(namespace.bytes())
        .and(account.bytes())
        .finish(Dimension::Account)
}

pub(crate) fn token_hash(issuer: &str, subject: &str) -> u64 {
    Fnv::of(issuer.bytes())
        .and(subject.bytes())
        .finish(Dimension::Token)
}

pub(crate) fn port_hash(port: u16) -> u64 {
    Fnv::of(port.to_be_bytes()).finish(Dimension::Port)
}

pub(crate) fn address_hash(dimension: Dimension, address: IpAddr, length: u8) -> u64 {
    let fnv = match address {
        IpAddr::V4(v4) => Fnv::of(v4.octets()),
        IpAddr::V6(v6) => Fnv::of(v6.octets()),
    };
    fnv.and([length]).finish(dimension)
}

pub(crate) fn header_name(name: &str) -> Fnv {
    Fnv::of(name.bytes().map(|byte| byte.to_ascii_lowercase()))
}

pub(crate) fn header_value_hash(name: Fnv, value: &[u8]) -> u64 {
    name.and(value.iter().copied())
        .finish(Dimension::HeaderValue)
}

pub(crate) fn claim_name(path: &[Box<str>]) -> Fnv {
    path.iter()
        .fold(Fnv::new(), |fnv, name| fnv.and(name.bytes()))
}

pub(crate) fn claim_value_hash(path: &[Box<str>], value: &str) -> u64 {
    claim_name(path)
        .and(value.bytes())
        .finish(Dimension::ClaimValue)
}

pub(crate) fn metadata_hash(group: &str, name: &str) -> u64 {
    Fnv::of(group.bytes())
        .and(name.bytes())
        .finish(Dimension::Metadata)
}

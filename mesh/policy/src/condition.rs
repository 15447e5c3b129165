//! One condition of a rule: an attribute, and values of which one must, or none may, match it.

mod show;

use serde_json::Value;

use crate::address::Range;
use crate::context::Context;
use crate::identity::Identity;
use crate::path::PathMatch;
use crate::text::Text;
use crate::token::TokenMatch;

/// An attribute with the values that are looked for in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Condition {
    pub(crate) test: Test,
    /// None of the values may match.
    pub(crate) is_negative: bool,
    /// Written under `when`, by the attribute's long name.
    pub(crate) is_when: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Test {
    Identity(Box<[Identity]>),
    SourceIp(Box<[Range]>),
    RemoteIp(Box<[Range]>),
    DestinationIp(Box<[Range]>),
    Port(Box<[u16]>),
    Sni(Box<[Text]>),
    Host(Box<[Text]>),
    Method(Box<[Text]>),
    Path(Box<[PathMatch]>),
    Token(Box<[TokenMatch]>),
    Header(Box<Named<Text>>),
    Claim(Box<ClaimTest>),
    Metadata(Box<Named<MetadataValue>>),
}

/// Values of an attribute that has a name of its own; `group` is the filter of metadata.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Named<T> {
    pub(crate) group: Box<str>,
    pub(crate) name: Box<str>,
    pub(crate) values: Box<[T]>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ClaimTest {
    /// Names from the outermost claim to the innermost.
    pub(crate) path: Box<[Box<str>]>,
    pub(crate) values: Box<[Text]>,
}

/// `value`, or `[value]` for one of a list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MetadataValue {
    pub(crate) text: Text,
    pub(crate) in_list: bool,
}

// === impl Condition ===

impl Condition {
    /// Whether the condition holds. `restricts` tells that the rule takes something away (DENY)
    /// rather than gives it (ALLOW), so that what cannot be judged goes against the request.
    pub(crate) fn holds(&self, context: &Context<'_>, restricts: bool) -> bool {
        if self.is_negative
            && let Test::Header(header) = &self.test
            && context.has_opaque_header(&header.name)
        {
            // Bytes that are no text are neither a value nor none: a negative match fails closed.
            return restricts;
        }
        self.test.matches(context) != self.is_negative
    }

    /// Whether the attribute exists in HTTP alone.
    pub(crate) fn is_http_only(&self) -> bool {
        match self.test {
            Test::Host(_)
            | Test::Method(_)
            | Test::Path(_)
            | Test::Token(_)
            | Test::Header(_)
            | Test::Claim(_) => true,
            Test::Identity(_)
            | Test::SourceIp(_)
            | Test::RemoteIp(_)
            | Test::DestinationIp(_)
            | Test::Port(_)
            | Test::Sni(_)
            | Test::Metadata(_) => false,
        }
    }
}

// === impl Test ===

impl Test {
    fn matches(&self, context: &Context<'_>) -> bool {
        let request = context.request;
        match self {
            Test::Identity(values) => context
                .peer
                .is_some_and(|peer| values.iter().any(|value| value.matches(&peer))),
            Test::SourceIp(ranges) => contains(ranges, context.source_ip),
            Test::RemoteIp(ranges) => contains(ranges, context.remote_ip),
            Test::DestinationIp(ranges) => contains(ranges, context.destination_ip),
            Test::Port(ports) => ports.contains(&request.destination.port),
            Test::Sni(values) => values.iter().any(|value| value.matches(request.sni)),
            Test::Host(values) => {
                let host = request.http.and_then(|http| http.host);
                host.is_some_and(|host| values.iter().any(|value| value.matches_caseless(host)))
            }
            Test::Method(values) => request.http.is_some_and(|http| {
                let method = http.method.as_bytes();
                values.iter().any(|value| value.matches_header(method))
            }),
            Test::Path(values) => {
                request.http.is_some() && values.iter().any(|value| value.matches(&context.path))
            }
            Test::Token(values) => {
                let jwt = request.jwt.as_ref();
                jwt.is_some_and(|jwt| values.iter().any(|value| value.matches(jwt)))
            }
            Test::Header(header) => context.any_header(&header.name, &mut |value| {
                header.values.iter().any(|test| test.matches_header(value))
            }),
            Test::Claim(claim) => claim.matches(context),
            Test::Metadata(metadata) => metadata.matches(request.metadata),
        }
    }
}

fn contains(ranges: &[Range], address: std::net::IpAddr) -> bool {
    ranges.iter().any(|range| range.contains(address))
}

// === impl ClaimTest ===

impl ClaimTest {
    fn matches(&self, context: &Context<'_>) -> bool {
        let jwt = context.request.jwt.as_ref();
        let Some(claim) = jwt.and_then(|jwt| jwt.nested_claim(&self.path)) else {
            return false;
        };
        let any = |text: &str| self.values.iter().any(|value| value.matches(text));
        match (&*self.path, claim.text()) {
            ([name], Some(text)) if context.is_space_delimited(name) => {
                text.split(' ').any(|word| !word.is_empty() && any(word))
            }
            _ => claim.texts().any(any),
        }
    }
}

// === impl MetadataValue ===

impl MetadataValue {
    pub(crate) fn new(value: &str) -> Self {
        let in_list = value.starts_with('[') && value.ends_with(']');
        let text = if in_list {
            value.trim_matches(['[', ']'])
        } else {
            value
        };
        Self {
            text: Text::new(text),
            in_list,
        }
    }

    fn matches(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => !self.in_list && self.text.matches(text),
            Value::Array(list) => {
                self.in_list
                    && list
                        .iter()
                        .filter_map(Value::as_str)
                        .any(|text| self.text.matches(text))
            }
            _ => false,
        }
    }
}

impl Named<MetadataValue> {
    fn matches(&self, metadata: Option<&serde_json::Map<String, Value>>) -> bool {
        let found = metadata
            .and_then(|metadata| metadata.get(&*self.group))
            .and_then(|filter| filter.get(&*self.name));
        found.is_some_and(|value| self.values.iter().any(|test| test.matches(value)))
    }
}

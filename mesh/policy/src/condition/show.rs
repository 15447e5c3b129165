//! A condition in words: how it is written in a policy, and what a request has instead.

use std::borrow::Cow;
use std::fmt::{self, Display, Write as _};

use super::{Condition, MetadataValue, Test};
use crate::context::Context;
use crate::identity::Identity;
use crate::request::Claim;

/// More of a value than this says nothing to a reader, and a request chooses its length.
const SHOWN_CHARS_MAX: usize = 120;

impl Condition {
    /// The field or attribute as a policy names it, such as `notPrincipals` or `source.ip`.
    pub(crate) fn label(&self) -> String {
        let (field, attribute) = self.names();
        if self.is_when {
            let side = if self.is_negative {
                "notValues"
            } else {
                "values"
            };
            return format!("{attribute} {side}");
        }
        if !self.is_negative {
            return field.to_owned();
        }
        let (first, rest) = field.split_at(1);
        format!("not{}{rest}", first.to_ascii_uppercase())
    }

    fn names(&self) -> (&'static str, Cow<'static, str>) {
        let (field, attribute) = match &self.test {
            Test::Identity(values) => match values.first() {
                Some(Identity::Namespace(_)) => ("namespaces", "source.namespace"),
                Some(Identity::Account(_)) => ("serviceAccounts", "source.serviceAccount"),
                Some(Identity::Domain(_)) => ("trustDomains", "source.trustDomain"),
                Some(Identity::Principal(_)) | None => ("principals", "source.principal"),
            },
            Test::SourceIp(_) => ("ipBlocks", "source.ip"),
            Test::RemoteIp(_) => ("remoteIpBlocks", "remote.ip"),
            Test::DestinationIp(_) => ("destination.ip", "destination.ip"),
            Test::Port(_) => ("ports", "destination.port"),
            Test::Sni(_) => ("connection.sni", "connection.sni"),
            Test::Host(_) => ("hosts", "hosts"),
            Test::Method(_) => ("methods", "methods"),
            Test::Path(_) => ("paths", "paths"),
            Test::Token(_) => ("requestPrincipals", "request.auth.principal"),
            Test::Header(header) => {
                return (
                    "headers",
                    format!("request.headers[{}]", header.name).into(),
                );
            }
            Test::Claim(claim) => {
                let path: Vec<String> = claim.path.iter().map(|name| format!("[{name}]")).collect();
                return (
                    "claims",
                    format!("request.auth.claims{}", path.concat()).into(),
                );
            }
            Test::Metadata(metadata) => {
                let key = format!("experimental.{}[{}]", metadata.group, metadata.name);
                return ("metadata", key.into());
            }
        };
        (field, Cow::Borrowed(attribute))
    }

    /// The values as they stand in the policy, trust domain aliases added.
    pub(crate) fn values(&self) -> Vec<String> {
        match &self.test {
            Test::Identity(values) => strings(values),
            Test::SourceIp(values) | Test::RemoteIp(values) | Test::DestinationIp(values) => {
                strings(values)
            }
            Test::Port(values) => strings(values),
            Test::Sni(values) | Test::Host(values) | Test::Method(values) => strings(values),
            Test::Path(values) => strings(values),
            Test::Token(values) => strings(values),
            Test::Header(header) => strings(&header.values),
            Test::Claim(claim) => strings(&claim.values),
            Test::Metadata(metadata) => strings(&metadata.values),
        }
    }

    /// What the request has where the condition looks; none where it has nothing.
    pub(crate) fn actual(&self, context: &Context<'_>) -> Option<String> {
        let request = context.request;
        let shown = match &self.test {
            Test::Identity(_) => request.source.principal?.to_owned(),
            Test::SourceIp(_) => context.source_ip.to_string(),
            Test::RemoteIp(_) => context.remote_ip.to_string(),
            Test::DestinationIp(_) => context.destination_ip.to_string(),
            Test::Port(_) => request.destination.port.to_string(),
            Test::Sni(_) => (!request.sni.is_empty()).then(|| request.sni.to_owned())?,
            Test::Host(_) => request.http?.host?.to_owned(),
            Test::Method(_) => request.http?.method.to_owned(),
            Test::Path(_) => {
                request.http?;
                context.path.to_string()
            }
            Test::Token(_) => {
                let jwt = request.jwt?;
                format!("{}/{}", jwt.text_claim("iss")?, jwt.text_claim("sub")?)
            }
            Test::Header(header) => {
                let mut all = String::new();
                context.any_header(&header.name, &mut |value| {
                    let comma = if all.is_empty() { "" } else { ", " };
                    // Writing to a string does not fail.
                    let _ = write!(all, "{comma}{}", String::from_utf8_lossy(value));
                    false
                });
                let is_present = context.any_header(&header.name, &mut |_| true);
                is_present.then_some(all)?
            }
            Test::Claim(claim) => match request.jwt?.nested_claim(&claim.path)? {
                Claim::Text(text) => text.to_owned(),
                Claim::Json(value) => value.to_string(),
            },
            Test::Metadata(metadata) => {
                let filter = request.metadata?.get(&*metadata.group)?;
                filter.get(&*metadata.name)?.to_string()
            }
        };
        Some(shortened(shown))
    }
}

impl Display for MetadataValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.in_list {
            write!(formatter, "[{}]", self.text)
        } else {
            self.text.fmt(formatter)
        }
    }
}

fn strings<T: Display>(values: &[T]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

fn shortened(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(SHOWN_CHARS_MAX) {
        text.truncate(end);
        text.push('\u{2026}');
    }
    text
}

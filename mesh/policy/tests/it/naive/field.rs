//! One field of a rule: its values, and whether one of them fits a request.

use std::net::IpAddr;

use mesh_api::{Action, AuthorizationPolicy, Condition, MeshSettings, Operation, Source};
use serde_json::Value;

use super::{Facts, Opaque, path, text, trust_domain};

/// A field with what it wants and what it refuses.
pub(super) struct Field<'a> {
    about: About<'a>,
    values: &'a [String],
    not_values: &'a [String],
}

/// What a field looks at.
enum About<'a> {
    Principal,
    Namespace,
    ServiceAccount,
    TrustDomain,
    RequestPrincipal,
    Ip,
    RemoteIp,
    Host,
    Method,
    Path,
    Port,
    DestinationIp,
    Sni,
    Header(&'a str),
    Claim(Vec<&'a str>),
    Metadata(&'a str, &'a str),
}

pub(super) fn of_source(source: &Source) -> Vec<Field<'_>> {
    vec![
        field(About::Principal, &source.principals, &source.not_principals),
        field(
            About::RequestPrincipal,
            &source.request_principals,
            &source.not_request_principals,
        ),
        field(About::Namespace, &source.namespaces, &source.not_namespaces),
        field(
            About::ServiceAccount,
            &source.service_accounts,
            &source.not_service_accounts,
        ),
        field(
            About::TrustDomain,
            &source.trust_domains,
            &source.not_trust_domains,
        ),
        field(About::Ip, &source.ip_blocks, &source.not_ip_blocks),
        field(
            About::RemoteIp,
            &source.remote_ip_blocks,
            &source.not_remote_ip_blocks,
        ),
    ]
}

pub(super) fn of_operation(operation: &Operation) -> Vec<Field<'_>> {
    vec![
        field(About::Host, &operation.hosts, &operation.not_hosts),
        field(About::Port, &operation.ports, &operation.not_ports),
        field(About::Method, &operation.methods, &operation.not_methods),
        field(About::Path, &operation.paths, &operation.not_paths),
    ]
}

/// None when a key is unknown.
pub(super) fn of_conditions(conditions: &[Condition]) -> Option<Vec<Field<'_>>> {
    conditions
        .iter()
        .map(|condition| {
            Some(field(
                about(&condition.key)?,
                &condition.values,
                &condition.not_values,
            ))
        })
        .collect()
}

fn field<'a>(about: About<'a>, values: &'a [String], not_values: &'a [String]) -> Field<'a> {
    Field {
        about,
        values,
        not_values,
    }
}

fn about(key: &str) -> Option<About<'_>> {
    Some(match key {
        "source.ip" => About::Ip,
        "remote.ip" => About::RemoteIp,
        "source.namespace" => About::Namespace,
        "source.serviceAccount" => About::ServiceAccount,
        "source.principal" => About::Principal,
        "source.trustDomain" => About::TrustDomain,
        "request.auth.principal" => About::RequestPrincipal,
        "request.auth.audiences" => About::Claim(vec!["aud"]),
        "request.auth.presenter" => About::Claim(vec!["azp"]),
        "destination.ip" => About::DestinationIp,
        "destination.port" => About::Port,
        "connection.sni" => About::Sni,
        _ => {
            if let Some(name) = key.strip_prefix("request.headers") {
                About::Header(name.strip_prefix('[')?.strip_suffix(']')?)
            } else if let Some(names) = key.strip_prefix("request.auth.claims") {
                About::Claim(nested(names)?)
            } else {
                let name = key.strip_prefix("experimental.")?;
                name.strip_prefix("envoy.filters.")?;
                let (filter, name) = name.strip_suffix(']').unwrap_or(name).split_once('[')?;
                About::Metadata(filter, name)
            }
        }
    })
}

/// `[a][b]` as `a`, `b`; brackets that do not nest so are one name.
fn nested(text: &str) -> Option<Vec<&str>> {
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    let names: Vec<&str> = inner.split("][").collect();
    if names.iter().any(|name| name.contains(['[', ']'])) {
        return Some(vec![inner]);
    }
    Some(names)
}

// === impl Field ===

impl Field<'_> {
    pub(super) fn is_set(&self) -> bool {
        !self.values.is_empty() || !self.not_values.is_empty()
    }

    pub(super) fn is_http_only(&self) -> bool {
        matches!(
            self.about,
            About::RequestPrincipal
                | About::Host
                | About::Method
                | About::Path
                | About::Header(_)
                | About::Claim(_)
        )
    }

    /// One of the values, and none of the refused ones.
    pub(super) fn holds(
        &self,
        policy: &AuthorizationPolicy,
        settings: &MeshSettings,
        facts: &Facts<'_>,
    ) -> bool {
        let fits = |value: &String| self.about.fits(value, policy, settings, facts);
        let wanted = self.values.is_empty() || self.values.iter().any(fits);
        let unwanted = if !self.not_values.is_empty() && self.is_unreadable(facts) {
            policy.action == Action::Allow
        } else {
            self.not_values.iter().any(fits)
        };
        wanted && !unwanted
    }

    fn is_unreadable(&self, facts: &Facts<'_>) -> bool {
        let About::Header(name) = &self.about else {
            return false;
        };
        facts.opaque == Opaque::FailsClosed
            && header(name, facts)
                .iter()
                .any(|value| std::str::from_utf8(value).is_err())
    }
}

// === impl About ===

impl About<'_> {
    fn fits(
        &self,
        value: &str,
        policy: &AuthorizationPolicy,
        settings: &MeshSettings,
        facts: &Facts<'_>,
    ) -> bool {
        let request = facts.request;
        let identity = request
            .principal
            .as_ref()
            .map(|principal| format!("spiffe://{principal}"));
        let identity = identity.as_deref();
        let http = request.http.as_ref();
        match self {
            About::Principal => trust_domain::principals(settings, value)
                .iter()
                .any(|pattern| identity.is_some_and(|id| principal(pattern, id))),
            About::Namespace => identity.is_some_and(|id| namespace(value, id)),
            About::ServiceAccount => {
                identity.is_some_and(|id| service_account(&policy.meta.namespace, value, id))
            }
            About::TrustDomain => trust_domain::trust_domains(settings, value)
                .iter()
                .any(|pattern| identity.is_some_and(|id| trust_domain(pattern, id))),
            About::RequestPrincipal => request_principal(value, facts),
            About::Ip => in_block(value, request.ip),
            About::RemoteIp => in_block(value, request.remote_ip.unwrap_or(request.ip)),
            About::DestinationIp => in_block(value, request.destination_ip),
            About::Port => value.parse() == Ok(request.port),
            About::Sni => text::matches(value, &request.sni),
            About::Host => http
                .and_then(|http| http.host.as_ref())
                .is_some_and(|host| text::host_matches(value, host)),
            About::Method => {
                http.is_some_and(|http| text::header_matches(value, http.method.as_bytes()))
            }
            About::Path => path::matches(value, &facts.path),
            About::Header(name) => header(name, facts)
                .iter()
                .any(|found| text::header_matches(value, found)),
            About::Claim(names) => {
                claim(names, facts).is_some_and(|found| value_or_element(value, found))
            }
            About::Metadata(filter, name) => {
                let found = request
                    .metadata
                    .get(*filter)
                    .and_then(|filter| filter.get(*name));
                found.is_some_and(|found| metadata(value, found))
            }
        }
    }
}

fn principal(pattern: &str, id: &str) -> bool {
    if pattern == "*" {
        text::full_match(".+", id.as_bytes())
    } else if let Some(suffix) = pattern.strip_prefix('*') {
        text::full_match(
            &format!("spiffe://.*{}", regex::escape(suffix)),
            id.as_bytes(),
        )
    } else {
        text::matches(&format!("spiffe://{pattern}"), id)
    }
}

fn namespace(pattern: &str, id: &str) -> bool {
    let parts: Vec<String> = pattern.split('*').map(regex::escape).collect();
    text::full_match(&format!(".*/ns/{}/.*", parts.join(".*")), id.as_bytes())
}

fn service_account(default_namespace: &str, value: &str, id: &str) -> bool {
    let (namespace, account) = value.split_once('/').unwrap_or((default_namespace, value));
    let (namespace, account) = (regex::escape(namespace), regex::escape(account));
    let expression = format!("spiffe://.+/ns/{namespace}/(.+/|)sa/{account}(/.+)?");
    text::full_match(&expression, id.as_bytes())
}

fn trust_domain(pattern: &str, id: &str) -> bool {
    match pattern.split_once('*') {
        None => id.starts_with(&format!("spiffe://{pattern}/")),
        Some(("", "")) => id.starts_with("spiffe://"),
        Some((before, after)) => {
            let (before, after) = (regex::escape(before), regex::escape(after));
            text::full_match(&format!("spiffe://{before}[^/]*{after}/.*"), id.as_bytes())
        }
    }
}

/// `issuer/subject`, each half with its own pattern, split at the last slash.
fn request_principal(value: &str, facts: &Facts<'_>) -> bool {
    let claim = |name: &str| facts.payload.as_ref()?.get(name)?.as_str();
    let (Some(issuer), Some(subject)) = (claim("iss"), claim("sub")) else {
        return false;
    };
    let any = |text: &str| text::full_match(".+", text.as_bytes());
    if value == "*" {
        return any(issuer) && any(subject);
    }
    let halves = value.rsplit_once('/');
    if let Some(suffix) = value.strip_prefix('*') {
        return match halves {
            Some(("*", wanted)) => any(issuer) && subject == wanted,
            Some((wanted, rest)) => issuer.ends_with(&wanted[1..]) && subject == rest,
            None => any(issuer) && subject.ends_with(suffix),
        };
    }
    if let Some(prefix) = value.strip_suffix('*') {
        return match halves {
            Some((wanted, "*")) => issuer == wanted && any(subject),
            Some((wanted, rest)) => {
                issuer == wanted && subject.starts_with(&rest[..rest.len() - 1])
            }
            None => issuer.starts_with(prefix) && any(subject),
        };
    }
    let (wanted_issuer, wanted_subject) = halves.unwrap_or((value, ""));
    issuer == wanted_issuer && subject == wanted_subject
}

fn in_block(block: &str, ip: IpAddr) -> bool {
    let (address, length) = match block.split_once('/') {
        Some((address, length)) => (address, length.parse::<u32>().ok()),
        None => (block, None),
    };
    let bits = |ip: IpAddr| -> Vec<bool> {
        let bytes = match ip {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        bytes
            .iter()
            .flat_map(|byte| (0..8).map(move |bit| byte >> (7 - bit) & 1 == 1))
            .collect()
    };
    let Ok(address) = address.parse::<IpAddr>() else {
        return false;
    };
    let (wanted, found) = (bits(address), bits(ip));
    let length = length.map_or(wanted.len(), |length| length as usize);
    wanted.len() == found.len() && wanted[..length] == found[..length]
}

/// The values of a header, each by itself; what HTTP/2 calls a pseudo header has one.
fn header(name: &str, facts: &Facts<'_>) -> Vec<Vec<u8>> {
    let Some(http) = facts.request.http.as_ref() else {
        return Vec::new();
    };
    match name.to_ascii_lowercase().as_str() {
        ":authority" | "host" => {
            return http
                .host
                .iter()
                .map(|host| host.clone().into_bytes())
                .collect();
        }
        ":method" => return vec![http.method.clone().into_bytes()],
        ":path" => return vec![facts.path.clone().into_bytes()],
        _ => {}
    }
    let found = http
        .headers
        .iter()
        .filter(|(found, _)| found.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.clone()).collect()
}

fn claim<'f>(names: &[&str], facts: &'f Facts<'_>) -> Option<&'f Value> {
    let (first, rest) = names.split_first()?;
    let mut found = facts.payload.as_ref()?.get(*first)?;
    for name in rest {
        found = found.as_object()?.get(*name)?;
    }
    Some(found)
}

fn value_or_element(pattern: &str, found: &Value) -> bool {
    match found {
        Value::String(found) => text::matches(pattern, found),
        Value::Array(elements) => elements.iter().any(|element| is_text(pattern, element)),
        _ => false,
    }
}

fn is_text(pattern: &str, found: &Value) -> bool {
    found
        .as_str()
        .is_some_and(|found| text::matches(pattern, found))
}

/// `[v]` wants a list with a `v` in it, anything else a string.
fn metadata(value: &str, found: &Value) -> bool {
    if value.starts_with('[') && value.ends_with(']') {
        let inner = value.trim_matches(['[', ']']);
        let elements = found.as_array().map(Vec::as_slice).unwrap_or_default();
        elements.iter().any(|element| is_text(inner, element))
    } else {
        is_text(value, found)
    }
}

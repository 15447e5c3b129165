//! Names and labels as Kubernetes has them, and the looser host names of Istio's own settings.

use super::Check;
use crate::report::Fault;

/// Kubernetes' limits on names, in bytes.
const LABEL_BYTES_MAX: usize = 63;
const NAME_BYTES_MAX: usize = 253;

/// `metadata.name`: a DNS subdomain in lower case.
pub(crate) fn object_name(value: &str) -> Check {
    if value.len() <= NAME_BYTES_MAX && value.split('.').all(is_lower_dns_label_of_any_length) {
        return Ok(());
    }
    Err(Fault::new(
        "no name that Kubernetes takes",
        "at most 253 lower-case letters, digits, `-` and `.`, with a letter or digit at the ends",
    ))
}

/// `metadata.namespace`: one DNS label in lower case.
pub(crate) fn namespace(value: &str) -> Check {
    if value.len() <= LABEL_BYTES_MAX && is_lower_dns_label_of_any_length(value) {
        return Ok(());
    }
    Err(Fault::new(
        "no namespace that Kubernetes takes",
        "at most 63 lower-case letters, digits and `-`, with a letter or digit at the ends",
    ))
}

/// `name` or `prefix/name`.
pub(crate) fn label_key(value: &str) -> Check {
    let (prefix, name) = value
        .split_once('/')
        .map_or((None, value), |(prefix, name)| (Some(prefix), name));
    let prefix_holds = prefix.is_none_or(|prefix| object_name(prefix).is_ok());
    if prefix_holds && is_qualified(name) {
        return Ok(());
    }
    Err(Fault::new(
        "no key that Kubernetes takes",
        "at most 63 letters, digits, `-`, `_` and `.`, after a domain and `/` if need be",
    ))
}

pub(crate) fn annotation_key(value: &str) -> Check {
    label_key(&value.to_lowercase())
}

pub(crate) fn label_value(value: &str) -> Check {
    if value.is_empty() || is_qualified(value) {
        return Ok(());
    }
    Err(Fault::new(
        "no label value that Kubernetes takes",
        "at most 63 letters, digits, `-`, `_` and `.`, with a letter or digit at the ends",
    ))
}

/// The API group of a reference; empty is the core group.
pub(crate) fn group(value: &str) -> Check {
    if value.is_empty() || object_name(value).is_ok() {
        return Ok(());
    }
    Err(Fault::new(
        "no API group",
        "a domain such as gateway.networking.k8s.io, or \"\"",
    ))
}

/// A trust domain of MeshConfig; a final dot is fine.
pub(crate) fn trust_domain(value: &str) -> Check {
    let labels = value.strip_suffix('.').unwrap_or(value);
    if !labels.is_empty() && labels.split('.').all(is_dns_label) {
        return Ok(());
    }
    Err(Fault::new(
        "no trust domain",
        "a domain such as cluster.local",
    ))
}

/// A host name of MeshConfig; a final dot is fine.
pub(crate) fn fqdn(value: &str) -> bool {
    let labels = value.strip_suffix('.').unwrap_or(value);
    !value.is_empty() && value.len() <= 255 && labels.split('.').all(is_dns_label)
}

// === helpers ===

/// Kubernetes limits the length of a subdomain, not of each of its labels.
fn is_lower_dns_label_of_any_length(label: &str) -> bool {
    let is_alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    has_firm_ends(label, is_alphanumeric)
        && label
            .bytes()
            .all(|byte| is_alphanumeric(byte) || byte == b'-')
}

/// Istio's DNS label, which takes capitals.
pub(crate) fn is_dns_label(label: &str) -> bool {
    let is_alphanumeric = |byte: u8| byte.is_ascii_alphanumeric();
    label.len() <= LABEL_BYTES_MAX
        && has_firm_ends(label, is_alphanumeric)
        && label
            .bytes()
            .all(|byte| is_alphanumeric(byte) || byte == b'-')
}

fn is_qualified(name: &str) -> bool {
    let is_alphanumeric = |byte: u8| byte.is_ascii_alphanumeric();
    name.len() <= LABEL_BYTES_MAX
        && has_firm_ends(name, is_alphanumeric)
        && name
            .bytes()
            .all(|byte| is_alphanumeric(byte) || b"-_.".contains(&byte))
}

/// Whether the first and the last byte are as `is_firm` says; never for nothing.
fn has_firm_ends(name: &str, is_firm: impl Fn(u8) -> bool) -> bool {
    match (name.as_bytes().first(), name.as_bytes().last()) {
        (Some(first), Some(last)) => is_firm(*first) && is_firm(*last),
        _ => false,
    }
}

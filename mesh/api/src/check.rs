//! What Istio demands of a single value: addresses, ports, accounts, paths, attributes. Each check
//! takes the text alone and knows nothing of where it stands.

mod names;
mod tokens;

use std::net::{IpAddr, Ipv6Addr};

pub(crate) use self::names::{
    annotation_key, fqdn, group, is_dns_label, label_key, label_value, namespace, object_name,
    trust_domain,
};
pub(crate) use self::tokens::{duration, jwks, url};
use crate::report::Fault;
use crate::suggest::nearest;

/// Istio's limit on one list of service accounts.
pub(crate) const SERVICE_ACCOUNTS_MAX: usize = 16;

/// Istio's limit on one service account with its namespace.
const SERVICE_ACCOUNT_BYTES_MAX: usize = 320;

/// Path templates: one segment, and any number of them.
const ONE_SEGMENT: &str = "{*}";
const ANY_SEGMENTS: &str = "{**}";

/// The attributes of `when` that have no name in brackets.
const PLAIN_ATTRIBUTES: [&str; 12] = [
    "source.ip",
    "remote.ip",
    "source.namespace",
    "source.serviceAccount",
    "source.principal",
    "source.trustDomain",
    "request.auth.principal",
    "request.auth.audiences",
    "request.auth.presenter",
    "destination.ip",
    "destination.port",
    "connection.sni",
];

/// The attributes that do, and an example of each.
const NAMED_ATTRIBUTES: [(&str, &str); 3] = [
    ("request.headers", "request.headers[x-tenant]"),
    ("request.auth.claims", "request.auth.claims[groups]"),
    (
        "experimental.envoy.filters.",
        "experimental.envoy.filters.network.mysql_proxy[db.table]",
    ),
];

type Check = Result<(), Fault>;

/// Any text.
pub(crate) fn filled(value: &str) -> Check {
    if value.is_empty() {
        return Err(Fault::new("an empty value is not allowed", ""));
    }
    Ok(())
}

/// Any text, of which one may be a wildcard.
pub(crate) fn pattern(value: &str) -> Check {
    filled(value).map_err(|fault| Fault::new(fault.message, "text, or `*` for any"))
}

/// At most one `*`, at the start or the end.
pub(crate) fn wildcard(value: &str) -> Check {
    pattern(value)?;
    let expected = "a name, `*`, `prefix*` or `*suffix`";
    match value.matches('*').count() {
        0 => Ok(()),
        1 if value.starts_with('*') || value.ends_with('*') => Ok(()),
        1 => Err(Fault::new(
            "a wildcard stands at the start or the end",
            expected,
        )),
        _ => Err(Fault::new("at most one wildcard is allowed", expected)),
    }
}

pub(crate) fn trust_domain_pattern(value: &str) -> Check {
    wildcard(value)?;
    if value.contains('/') {
        let expected = "a trust domain such as \"cluster.local\"";
        return Err(Fault::new("a trust domain has no `/`", expected));
    }
    Ok(())
}

/// An address, or a range where there is a `/`.
pub(crate) fn ip_block(value: &str) -> Check {
    let Some((address, length)) = value.rsplit_once('/') else {
        // Of an address Istio also takes a zone, as in `fe80::1%eth0`.
        let (unzoned, zone) = value.split_once('%').map_or((value, "-"), |parts| parts);
        let valid = match unzoned.parse::<IpAddr>() {
            Ok(IpAddr::V4(_)) => unzoned.len() == value.len(),
            Ok(IpAddr::V6(_)) => !zone.is_empty(),
            Err(_) => false,
        };
        let expected = "an address such as 10.1.2.3, or a range such as 10.1.0.0/16";
        return if valid {
            Ok(())
        } else {
            Err(Fault::new("bad IP address", expected))
        };
    };
    let bits_max = match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => Ipv6Addr::BITS,
        Err(_) => 0,
    };
    let decimal = length.bytes().all(|byte| byte.is_ascii_digit());
    let canonical = length == "0" || !length.starts_with('0');
    let bits = length.parse::<u32>().ok().filter(|_| decimal && canonical);
    if bits_max == 0 || bits.is_none_or(|bits| bits > bits_max) {
        return Err(Fault::new(
            "bad CIDR range",
            "a range such as 10.1.0.0/16 or fd00::/8",
        ));
    }
    Ok(())
}

pub(crate) fn port(value: &str) -> Check {
    let decimal = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    if !decimal || value.parse::<u32>().ok().is_none_or(|port| port > 65_535) {
        return Err(Fault::new("bad port", "a port of the workload, 0 to 65535"));
    }
    Ok(())
}

/// `account` or `namespace/account`.
pub(crate) fn service_account(value: &str) -> Check {
    let expected = "\"serviceAccount\" or \"namespace/serviceAccount\"";
    let fault = |message: &str| Err(Fault::new(message, expected));
    pattern(value)?;
    if value.contains('*') {
        return fault("a service account takes no wildcard");
    }
    if value.len() > SERVICE_ACCOUNT_BYTES_MAX {
        return fault("longer than 320 characters");
    }
    match value.split('/').collect::<Vec<_>>()[..] {
        [_] => Ok(()),
        ["", _] => fault("the namespace is empty"),
        [_, ""] => fault("the service account is empty"),
        [_, _] => Ok(()),
        _ => fault("too many `/`"),
    }
}

/// Text, `prefix*`, `*suffix`, or a template of `{*}` and `{**}`.
pub(crate) fn path(value: &str) -> Check {
    pattern(value)?;
    let is_template = value.contains(ONE_SEGMENT) || value.contains(ANY_SEGMENTS);
    let mut any_segments_seen = false;
    for segment in value.trim_matches('/').split('/') {
        if segment == ONE_SEGMENT || segment == ANY_SEGMENTS {
            if any_segments_seen {
                let expected = "no `{*}` and no `{**}` behind `{**}`";
                return Err(Fault::new("`{**}` is not the last operator", expected));
            }
            any_segments_seen = segment == ANY_SEGMENTS;
        } else if segment.contains(['{', '}']) {
            return Err(Fault::new(
                "`{` or `}` beyond a path template",
                "a segment that is `{*}` or `{**}` as a whole",
            ));
        } else if is_template && !is_path_literal(segment) {
            return Err(Fault::new(
                format!("segment \"{segment}\" of a path template is no literal"),
                "letters, digits and -._~%!$&'()+,;:@=, and no empty segment",
            ));
        }
    }
    Ok(())
}

/// An attribute name of `when`.
pub(crate) fn attribute(key: &str) -> Check {
    if PLAIN_ATTRIBUTES.contains(&key) {
        return Ok(());
    }
    for (prefix, example) in NAMED_ATTRIBUTES {
        if key.starts_with(prefix) {
            return map_key(key, example);
        }
    }
    let fault = |message: &str, expected: &str| Err(Fault::new(message, expected));
    match key {
        "" => fault(
            "the key must not be empty",
            "an attribute such as source.namespace",
        ),
        "destination.namespace" => fault("replaced by the namespace of the policy", ""),
        "destination.name" | "destination.user" => {
            fault("an attribute of v1alpha1 alone", "a workload selector")
        }
        _ if key.starts_with("destination.labels") => fault("replaced by the selector", ""),
        _ => {
            let names = NAMED_ATTRIBUTES.iter().map(|(_, example)| *example);
            let all = PLAIN_ATTRIBUTES.into_iter().chain(names);
            let meant = nearest(key, all.clone());
            let expected = match meant {
                Some(meant) => format!("perhaps {meant}"),
                None => format!("one of {}", all.collect::<Vec<_>>().join(", ")),
            };
            Err(Fault::new("unknown attribute", expected))
        }
    }
}

/// A value of an attribute that is known.
pub(crate) fn attribute_value(key: &str, value: &str) -> Check {
    match key {
        "source.ip" | "remote.ip" | "destination.ip" => {
            pattern(value)?;
            ip_block(value)
        }
        "source.serviceAccount" => service_account(value),
        "source.trustDomain" => wildcard(value),
        "destination.port" => {
            pattern(value)?;
            port(value)
        }
        _ => pattern(value),
    }
}

// === helpers ===

/// `a[b]`, with anything as `b`, even brackets.
fn map_key(key: &str, example: &str) -> Check {
    let open = key.find('[').unwrap_or(0);
    if key.ends_with(']') && open > 0 && open + 2 < key.len() {
        return Ok(());
    }
    Err(Fault::new(
        "bad key",
        format!("a name in brackets, as in {example}"),
    ))
}

fn is_path_literal(segment: &str) -> bool {
    let is_allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()+,;:@=".contains(&byte);
    !segment.is_empty() && segment.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests;

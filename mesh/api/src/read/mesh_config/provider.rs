//! Extension providers. One that Istio cannot use is no error of the settings: the CUSTOM policies
//! that name it deny, so what is wrong with it is kept beside it.

use std::net::IpAddr;

use crate::check;
use crate::settings::{ExtAuthz, ExtensionProvider, ProviderKind};
use crate::yaml::{Entry, Node, Value};

/// The kinds of provider besides external authorizers, by their names in JSON.
const OTHER_KINDS: [&str; 13] = [
    "zipkin",
    "lightstep",
    "datadog",
    "stackdriver",
    "opencensus",
    "skywalking",
    "opentelemetry",
    "prometheus",
    "envoyFileAccessLog",
    "envoyHttpAls",
    "envoyTcpAls",
    "envoyOtelAls",
    "sds",
];

/// The lists of header patterns of an HTTP authorizer, in which `*` alone is no pattern.
const HEADER_LISTS: [&str; 5] = [
    "includeRequestHeadersInCheck",
    "includeHeadersInCheck",
    "headersToUpstreamOnAllow",
    "headersToDownstreamOnDeny",
    "headersToDownstreamOnAllow",
];

/// The statuses that Envoy has a name for, as ranges.
const STATUSES: [(u16, u16); 13] = [
    (0, 0),
    (100, 100),
    (200, 208),
    (226, 226),
    (300, 305),
    (307, 308),
    (400, 417),
    (421, 424),
    (426, 426),
    (428, 429),
    (431, 431),
    (500, 508),
    (510, 511),
];

/// Longest name that Istio puts into metadata keys.
const NAME_BYTES_MAX: usize = 63;

pub(super) fn providers(items: &[Node]) -> Vec<ExtensionProvider> {
    let mut providers: Vec<ExtensionProvider> = items.iter().map(provider).collect();
    for index in 0..providers.len() {
        let (before, rest) = providers.split_at_mut(index);
        let Some(current) = rest.first_mut().filter(|current| current.is_ext_authz()) else {
            continue;
        };
        let twin = before
            .iter_mut()
            .find(|other| other.is_ext_authz() && other.name == current.name);
        if let Some(twin) = twin {
            for provider in [twin, current] {
                provider.fault = Some("the name stands twice".to_owned());
            }
        }
    }
    providers
}

fn provider(node: &Node) -> ExtensionProvider {
    let mut faults = Vec::new();
    let name = match node.entry("name").map(|entry| &entry.node.value) {
        Some(Value::String(name)) => name.clone(),
        _ => String::new(),
    };
    faults.extend(name_fault(&name));
    let http = ["envoyExtAuthzHttp", "envoy_ext_authz_http"];
    let grpc = ["envoyExtAuthzGrpc", "envoy_ext_authz_grpc"];
    let of = |names: [&str; 2]| names.into_iter().find_map(|name| node.entry(name));
    let kind = match (of(http), of(grpc)) {
        (Some(_), Some(_)) => {
            faults.push("two kinds at once".to_owned());
            ProviderKind::Other("two kinds".to_owned())
        }
        (Some(entry), None) => {
            header_faults(entry, &mut faults);
            path_prefix_fault(entry, &mut faults);
            ProviderKind::ExtAuthzHttp(ext_authz(entry, &mut faults))
        }
        (None, Some(entry)) => ProviderKind::ExtAuthzGrpc(ext_authz(entry, &mut faults)),
        (None, None) => {
            let other = OTHER_KINDS
                .into_iter()
                .find(|kind| node.entry(kind).is_some());
            ProviderKind::Other(other.unwrap_or("of no kind").to_owned())
        }
    };
    ExtensionProvider {
        name,
        kind,
        fault: (!faults.is_empty()).then(|| faults.join(", ")),
    }
}

/// Lower-case letters, digits and inner hyphens: the name becomes part of metadata keys.
fn name_fault(name: &str) -> Option<String> {
    let is_alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    if name.is_empty() {
        return Some("no name".to_owned());
    }
    let holds = name.len() <= NAME_BYTES_MAX
        && name
            .bytes()
            .all(|byte| is_alphanumeric(byte) || byte == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-');
    (!holds)
        .then(|| "a name takes at most 63 lower-case letters, digits and inner hyphens".to_owned())
}

fn ext_authz(entry: &Entry, faults: &mut Vec<String>) -> ExtAuthz {
    let value = |key: &str| entry.node.entry(key).map(|entry| &entry.node.value);
    let either = |camel: &str, snake: &str| value(camel).or_else(|| value(snake));
    let service = match value("service") {
        Some(Value::String(service)) => service.clone(),
        _ => String::new(),
    };
    if !is_service(&service) {
        faults.push(format!("\"{service}\" is no service"));
    }
    // Protobuf's JSON takes a number as text too.
    let port = match value("port") {
        Some(Value::Integer(port)) => u32::try_from(*port).unwrap_or_default(),
        Some(Value::String(port)) => port.parse().unwrap_or_default(),
        _ => 0,
    };
    if !(1..=65_535).contains(&port) {
        faults.push("the port is not in 1 to 65535".to_owned());
    }
    let fail_open = match either("failOpen", "fail_open") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(fail_open)) => *fail_open,
        Some(_) => {
            faults.push("failOpen is neither true nor false".to_owned());
            false
        }
    };
    let status_on_error = match either("statusOnError", "status_on_error") {
        None | Some(Value::Null) => 0,
        Some(Value::String(status)) if status.is_empty() => 0,
        Some(Value::String(status)) => status.parse().unwrap_or(u16::MAX),
        Some(_) => u16::MAX,
    };
    let is_status = |(first, last): &(u16, u16)| (*first..=*last).contains(&status_on_error);
    if !STATUSES.iter().any(is_status) {
        faults.push("statusOnError is no status that Envoy knows".to_owned());
    }
    ExtAuthz {
        service,
        port,
        fail_open,
        status_on_error,
    }
}

/// A host name, an address, or `namespace/host` with a host of several labels.
fn is_service(service: &str) -> bool {
    let Some((namespace, host)) = service.split_once('/') else {
        return check::fqdn(service) || service.parse::<IpAddr>().is_ok();
    };
    let namespace = namespace.strip_prefix('~').unwrap_or(namespace);
    let namespace_holds = matches!(namespace, "*" | ".") || check::is_dns_label(namespace);
    let host_holds = match host.strip_prefix("*.") {
        Some(rest) => check::fqdn(rest),
        None => host == "*" || (host.contains('.') && check::fqdn(host)),
    };
    namespace_holds && host_holds
}

fn path_prefix_fault(entry: &Entry, faults: &mut Vec<String>) {
    let prefix = entry
        .node
        .entry("pathPrefix")
        .or_else(|| entry.node.entry("path_prefix"));
    let text = prefix
        .and_then(|entry| entry.node.text())
        .unwrap_or_default();
    if !text.is_empty() && !text.starts_with('/') {
        faults.push("pathPrefix does not begin with `/`".to_owned());
    }
}

fn header_faults(entry: &Entry, faults: &mut Vec<String>) {
    for list in HEADER_LISTS {
        let Some(Value::List(items)) = entry.node.entry(list).map(|entry| &entry.node.value) else {
            continue;
        };
        let is_lone_wildcard = |item: &Node| item.value == Value::String("*".to_owned());
        if items.iter().any(is_lone_wildcard) {
            faults.push(format!("{list} has a lone `*`"));
        }
    }
}

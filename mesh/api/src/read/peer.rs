//! PeerAuthentication.

use std::collections::BTreeMap;

use super::selection::selector;
use super::{At, Fields, Reader};
use crate::authentication::{MtlsMode, PeerAuthentication};
use crate::meta::Meta;
use crate::yaml::Node;

const MODES: [(&str, MtlsMode); 4] = [
    ("UNSET", MtlsMode::Unset),
    ("DISABLE", MtlsMode::Disable),
    ("PERMISSIVE", MtlsMode::Permissive),
    ("STRICT", MtlsMode::Strict),
];

/// Reads a policy whose metadata is read.
pub(crate) fn peer_authentication(
    reader: &mut Reader<'_>,
    document: Fields<'_>,
    meta: Meta,
) -> PeerAuthentication {
    let root = At::ROOT;
    let at = root.key("spec");
    let spec = match document.get("spec") {
        Some(node) => reader.fields(node, &at, &["selector", "mtls", "portLevelMtls"]),
        None => Fields::empty(document.line),
    };
    let selector = selector(reader, spec, &at);
    let mode = spec
        .get("mtls")
        .map_or(MtlsMode::Unset, |node| mode(reader, node, &at.key("mtls")));
    let port_level = port_level(reader, spec, &at);
    if selector.is_empty() && !port_level.is_empty() {
        let message = "modes of ports without a selector";
        let expected = "a selector, because ports are those of a workload";
        reader.reject(spec.line, &at.key("portLevelMtls"), message, expected);
    }
    PeerAuthentication {
        meta,
        selector,
        mode,
        port_level,
    }
}

fn mode(reader: &mut Reader<'_>, node: &Node, at: &At<'_>) -> MtlsMode {
    let fields = reader.fields(node, at, &["mode"]);
    fields
        .get("mode")
        .and_then(|node| reader.word(node, &at.key("mode"), &MODES))
        .unwrap_or_default()
}

fn port_level(reader: &mut Reader<'_>, spec: Fields<'_>, at: &At<'_>) -> BTreeMap<u16, MtlsMode> {
    let at = at.key("portLevelMtls");
    let mut ports = BTreeMap::new();
    let Some(node) = spec.get("portLevelMtls") else {
        return ports;
    };
    let entries = reader.entries(node, &at).unwrap_or_default();
    if node.is_empty_object() {
        reader.reject(
            node.line,
            &at,
            "must not be empty",
            "at least one port, or no key",
        );
    }
    for entry in entries {
        let at = at.key(&entry.key);
        let mode = mode(reader, &entry.node, &at);
        // A number of JSON begins with no zero and has no sign.
        let digits = entry.key.bytes().all(|byte| byte.is_ascii_digit());
        let canonical = digits && !entry.key.starts_with('0');
        match entry.key.parse().ok().filter(|_| canonical) {
            Some(port) => {
                ports.insert(port, mode);
            }
            None => reader.reject(
                entry.line,
                &at,
                "bad port",
                "a port of the workload, 1 to 65535",
            ),
        }
    }
    ports
}

//! WorkloadEntry, of which we need what policies select by. Where it runs is the data plane's affair.

use std::collections::BTreeMap;

use super::{At, Fields, Reader};
use crate::meta::Meta;
use crate::workload::WorkloadEntry;
use crate::yaml::Value;

const SPEC_FIELDS: [&str; 7] = [
    "address",
    "ports",
    "labels",
    "network",
    "locality",
    "weight",
    "serviceAccount",
];

/// Reads an entry whose metadata is read.
pub(crate) fn workload_entry(
    reader: &mut Reader<'_>,
    document: Fields<'_>,
    meta: Meta,
) -> WorkloadEntry {
    let root = At::ROOT;
    let at = root.key("spec");
    let Some(node) = document.get("spec") else {
        reader.reject(document.line, &at, "missing", "an object with an address");
        return WorkloadEntry {
            meta,
            ..WorkloadEntry::default()
        };
    };
    let spec = reader.fields(node, &at, &SPEC_FIELDS);
    WorkloadEntry {
        meta,
        service_account: reader.text(spec, &at, "serviceAccount"),
        labels: reader.text_map(
            spec.get("labels"),
            &at.key("labels"),
            |_| Ok(()),
            |_| Ok(()),
        ),
        ports: ports(reader, spec, &at),
    }
}

fn ports(reader: &mut Reader<'_>, spec: Fields<'_>, at: &At<'_>) -> BTreeMap<String, u16> {
    let at = at.key("ports");
    let mut ports = BTreeMap::new();
    let Some(node) = spec.get("ports") else {
        return ports;
    };
    for entry in reader.entries(node, &at).unwrap_or_default() {
        let port = match entry.node.value {
            Value::Integer(port) => u16::try_from(port).ok().filter(|port| *port != 0),
            _ => None,
        };
        match port {
            Some(port) => {
                ports.insert(entry.key.clone(), port);
            }
            None => reader.wrong_type(&entry.node, &at.key(&entry.key), "a port, 1 to 65535"),
        }
    }
    ports
}

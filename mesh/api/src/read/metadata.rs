//! `apiVersion`, `kind` and `metadata`, which every object has.

use chrono::DateTime;

use super::{At, Fields, Reader};
use crate::check;
use crate::meta::{Meta, Origin};
use crate::report::Fault;

/// Kubernetes' ObjectMeta. Anything else is a field that someone meant to stand elsewhere.
const METADATA_FIELDS: [&str; 15] = [
    "name",
    "namespace",
    "labels",
    "annotations",
    "creationTimestamp",
    "generateName",
    "generation",
    "resourceVersion",
    "uid",
    "selfLink",
    "ownerReferences",
    "finalizers",
    "managedFields",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
];

/// Where an object lives that names no namespace, as for `kubectl` with no other default.
const DEFAULT_NAMESPACE: &str = "default";

/// Reads `metadata` of a document of that kind, whose top-level fields are `fields`.
pub(crate) fn metadata(reader: &mut Reader<'_>, fields: Fields<'_>, kind: &str) -> Meta {
    let at = At::ROOT;
    let at = at.key("metadata");
    let origin = Origin {
        file: reader.file.to_owned(),
        line: fields.line,
        document: reader.document,
    };
    kind.clone_into(&mut reader.object);
    let Some(node) = fields.get("metadata") else {
        reader.reject(fields.line, &at, "missing", "an object with a name");
        return Meta {
            origin,
            ..Meta::default()
        };
    };
    // The name comes first, so that every other message can tell whose field it speaks of.
    let name = node.entry("name").and_then(|entry| entry.node.text());
    let namespace = node.entry("namespace").and_then(|entry| entry.node.text());
    reader.object = format!(
        "{kind} {}/{}",
        namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE),
        name.as_deref().unwrap_or("?"),
    );
    let fields = reader.fields(node, &at, &METADATA_FIELDS);
    if fields.get("name").is_none() {
        reader.reject(
            node.line,
            &at.key("name"),
            "missing",
            "the name of the object",
        );
    }
    let name = fields
        .get("name")
        .and_then(|node| reader.checked(node, &at.key("name"), check::object_name));
    let namespace = fields
        .get("namespace")
        .and_then(|node| reader.checked(node, &at.key("namespace"), check::namespace));
    let labels = reader.text_map(
        fields.get("labels"),
        &at.key("labels"),
        check::label_key,
        check::label_value,
    );
    let annotations = reader.text_map(
        fields.get("annotations"),
        &at.key("annotations"),
        check::annotation_key,
        |_| Ok(()),
    );
    Meta {
        name: name.unwrap_or_default(),
        namespace: namespace.unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned()),
        labels,
        annotations,
        creation_timestamp: creation_timestamp(reader, fields, &at),
        origin,
    }
}

fn creation_timestamp(reader: &mut Reader<'_>, fields: Fields<'_>, at: &At<'_>) -> Option<i64> {
    let at = at.key("creationTimestamp");
    let node = fields.get("creationTimestamp")?;
    let text = reader.string(node, &at)?;
    match DateTime::parse_from_rfc3339(&text) {
        Ok(time) => Some(time.timestamp()),
        Err(_) => {
            let fault = Fault::new("no time", "a time such as 2026-01-31T12:00:00Z");
            reader.invalid(node, &at, fault);
            None
        }
    }
}

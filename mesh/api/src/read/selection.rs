//! Which workloads a policy is for: `selector`, or `targetRef` and `targetRefs`.

use super::{At, Fields, Reader};
use crate::authorization::TargetRef;
use crate::check;
use crate::meta::Labels;
use crate::report::Fault;
use crate::yaml::Node;

/// The API server's limits on a selector and on the references.
const LABEL_VALUE_CHARS_MAX: usize = 63;
const LABELS_MAX: usize = 4096;
const TARGET_REFS_MAX: usize = 16;
const TARGET_NAME_CHARS_MAX: usize = 253;

/// What a policy can be attached to, by group and kind.
const TARGETS: [(&str, &str); 4] = [
    ("", "Service"),
    ("networking.istio.io", "ServiceEntry"),
    ("gateway.networking.k8s.io", "Gateway"),
    ("gateway.networking.k8s.io", "GatewayClass"),
];

/// `selector.matchLabels` of a spec.
pub(super) fn selector(reader: &mut Reader<'_>, spec: Fields<'_>, at: &At<'_>) -> Labels {
    let at = at.key("selector");
    let Some(node) = spec.get("selector") else {
        return Labels::new();
    };
    let fields = reader.fields(node, &at, &["matchLabels"]);
    let at = at.key("matchLabels");
    let labels = reader.text_map(
        fields.get("matchLabels"),
        &at,
        |key| {
            if key.is_empty() {
                return Err(Fault::new("an empty label key", "the name of a label"));
            }
            no_wildcard(key)
        },
        |value| {
            if value.chars().count() > LABEL_VALUE_CHARS_MAX {
                return Err(Fault::new(
                    "a label value too long",
                    "at most 63 characters",
                ));
            }
            no_wildcard(value)
        },
    );
    if labels.len() > LABELS_MAX {
        reader.reject(
            node.line,
            &at,
            "too many labels",
            &format!("at most {LABELS_MAX}"),
        );
    }
    let declares_none = fields
        .get("matchLabels")
        .is_none_or(|node| node.is_empty_object());
    if declares_none {
        let message = "a selector without labels selects every workload";
        reader.warn(node.line, &at, message, "labels, or no selector");
    }
    labels
}

/// `targetRef` and `targetRefs` of a spec, of which and `selector` at most one may be there.
pub(super) fn target_refs(
    reader: &mut Reader<'_>,
    spec: Fields<'_>,
    at: &At<'_>,
) -> Vec<TargetRef> {
    let present: Vec<&str> = ["selector", "targetRef", "targetRefs"]
        .into_iter()
        .filter(|key| spec.get(key).is_some())
        .collect();
    if present.len() > 1 {
        let message = format!("{} exclude each other", present.join(" and "));
        reader.reject(spec.line, at, &message, "one of them");
    }
    let mut targets = Vec::new();
    if let Some(node) = spec.get("targetRef") {
        targets.push(target_ref(reader, node, &at.key("targetRef")));
    }
    let at = at.key("targetRefs");
    let items = reader.items_up_to(spec.get("targetRefs"), &at, TARGET_REFS_MAX);
    for (index, item) in items.iter().enumerate() {
        targets.push(target_ref(reader, item, &at.index(index)));
    }
    targets
}

// === helpers ===

fn no_wildcard(text: &str) -> Result<(), Fault> {
    if text.contains('*') {
        return Err(Fault::new(
            "a selector takes no wildcard",
            "the label as it is",
        ));
    }
    Ok(())
}

fn target_ref(reader: &mut Reader<'_>, node: &Node, at: &At<'_>) -> TargetRef {
    let fields = reader.fields(node, at, &["group", "kind", "name", "namespace"]);
    if !node.is_object() {
        return TargetRef::default();
    }
    let mut read = |key: &str, check: fn(&str) -> Result<(), Fault>| {
        let node = fields.get(key);
        node.and_then(|node| reader.checked(node, &at.key(key), check))
            .unwrap_or_default()
    };
    let target = TargetRef {
        group: read("group", check::group),
        kind: read("kind", |_| Ok(())),
        name: read("name", |name| {
            if name.chars().count() > TARGET_NAME_CHARS_MAX {
                return Err(Fault::new("a name too long", "at most 253 characters"));
            }
            check::filled(name)
        }),
        namespace: read("namespace", |namespace| {
            if namespace.is_empty() {
                return Ok(());
            }
            let message = "a reference to another namespace is not supported";
            Err(Fault::new(message, "no namespace"))
        }),
    };
    for key in ["kind", "name"] {
        if fields.get(key).is_none() {
            reader.reject(
                node.line,
                &at.key(key),
                "missing",
                "what the policy is attached to",
            );
        }
    }
    if fields.get("kind").is_some() && !TARGETS.contains(&(&target.group, &target.kind)) {
        let all: Vec<String> = TARGETS
            .iter()
            .map(|(group, kind)| format!("\"{group}\" {kind}"))
            .collect();
        let message = format!(
            "a policy has no effect on \"{}\" {}",
            target.group, target.kind
        );
        reader.reject(
            node.line,
            at,
            &message,
            &format!("one of {}", all.join(", ")),
        );
    }
    target
}

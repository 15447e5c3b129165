//! MeshConfig, of which we read what changes the meaning of policies. Its other fields are Istio's
//! affair and may hold anything.

mod provider;

use super::{At, Fields, Reader};
use crate::check;
use crate::settings::{MeshSettings, PathNormalization};
use crate::yaml::{Node, Value};

/// The words of `pathNormalization.normalization`, in the order of their numbers.
const NORMALIZATIONS: [(&str, PathNormalization); 5] = [
    ("DEFAULT", PathNormalization::Base),
    ("NONE", PathNormalization::None),
    ("BASE", PathNormalization::Base),
    ("MERGE_SLASHES", PathNormalization::MergeSlashes),
    (
        "DECODE_AND_MERGE_SLASHES",
        PathNormalization::DecodeAndMergeSlashes,
    ),
];

/// Reads the settings out of a whole document.
pub(crate) fn mesh_settings(reader: &mut Reader<'_>, root: &Node) -> MeshSettings {
    let mut settings = MeshSettings::default();
    "MeshConfig".clone_into(&mut reader.object);
    let at = At::ROOT;
    if root.value == Value::Null {
        return settings;
    }
    let Some(entries) = reader.entries(root, &at) else {
        return settings;
    };
    let fields = Fields {
        entries,
        line: root.line,
    };
    if let Some(node) = either(fields, "rootNamespace", "root_namespace") {
        let namespace = reader.string(node, &at.key("rootNamespace"));
        // Istio takes an empty one for the absence of one.
        if let Some(namespace) = namespace.filter(|namespace| !namespace.is_empty()) {
            settings.root_namespace = namespace;
        }
    }
    if let Some(node) = either(fields, "trustDomain", "trust_domain") {
        let domain = reader.checked(node, &at.key("trustDomain"), check::trust_domain);
        settings.trust_domain = domain.unwrap_or_default();
    }
    let at_aliases = at.key("trustDomainAliases");
    let aliases = either(fields, "trustDomainAliases", "trust_domain_aliases");
    for (index, item) in reader.items(aliases, &at_aliases).iter().enumerate() {
        let alias = reader.checked(item, &at_aliases.index(index), check::trust_domain);
        settings.trust_domain_aliases.extend(alias);
    }
    if let Some(node) = either(fields, "pathNormalization", "path_normalization") {
        let at = at.key("pathNormalization");
        settings.path_normalization = path_normalization(reader, node, &at);
    }
    if let Some(node) = either(fields, "extensionProviders", "extension_providers") {
        let at = at.key("extensionProviders");
        let items = reader.items(Some(node), &at);
        settings.extension_providers = provider::providers(items);
    }
    settings
}

fn path_normalization(reader: &mut Reader<'_>, node: &Node, at: &At<'_>) -> PathNormalization {
    let Some(entries) = reader.entries(node, at) else {
        return PathNormalization::default();
    };
    let Some(entry) = entries.iter().find(|entry| entry.key == "normalization") else {
        return PathNormalization::default();
    };
    // MeshConfig is read as protobuf's JSON, where an enumeration may be its number.
    let by_number = match entry.node.value {
        Value::Null => Some(PathNormalization::default()),
        Value::Integer(number) => usize::try_from(number)
            .ok()
            .and_then(|number| NORMALIZATIONS.get(number))
            .map(|(_, normalization)| *normalization),
        _ => None,
    };
    by_number
        .or_else(|| reader.word(&entry.node, &at.key("normalization"), &NORMALIZATIONS))
        .unwrap_or_default()
}

/// A field by its name in JSON or in the protobuf definition: Istio takes both.
fn either<'n>(fields: Fields<'n>, camel_case: &str, snake_case: &str) -> Option<&'n Node> {
    fields.get(camel_case).or_else(|| fields.get(snake_case))
}

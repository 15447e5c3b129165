//! Trust domain aliases: a principal of one of the mesh's trust domains is one of all of them.

use mesh_api::MeshSettings;

/// The patterns that stand for this principal pattern.
pub(crate) fn principals(settings: &MeshSettings, pattern: &str) -> Vec<String> {
    let parts: Vec<&str> = pattern.split('/').collect();
    if parts.len() != 5 || parts[0] == "*" {
        return vec![pattern.to_owned()];
    }
    let own = domains(settings);
    if !own.iter().any(|domain| alike(parts[0], domain)) && parts[0] != "cluster.local" {
        return vec![pattern.to_owned()];
    }
    own.iter()
        .map(|domain| {
            if parts[0]
                .strip_prefix('*')
                .is_some_and(|suffix| domain.ends_with(suffix))
            {
                pattern.to_owned()
            } else {
                format!("{domain}/{}", parts[1..].join("/"))
            }
        })
        .collect()
}

/// The trust domains that stand for this one.
pub(crate) fn trust_domains(settings: &MeshSettings, pattern: &str) -> Vec<String> {
    let own = domains(settings);
    if own.iter().any(|domain| domain == pattern) {
        own
    } else {
        vec![pattern.to_owned()]
    }
}

fn domains(settings: &MeshSettings) -> Vec<String> {
    let mut own = vec![settings.trust_domain.clone()];
    own.extend(settings.trust_domain_aliases.iter().cloned());
    own
}

fn alike(left: &str, right: &str) -> bool {
    left == right || right == "*" || covers(left, right) || covers(right, left)
}

/// Whether `pattern` has a `*` at an end and the rest is an affix of `text`.
fn covers(pattern: &str, text: &str) -> bool {
    pattern
        .strip_suffix('*')
        .is_some_and(|prefix| text.starts_with(prefix))
        || pattern
            .strip_prefix('*')
            .is_some_and(|suffix| text.ends_with(suffix))
}

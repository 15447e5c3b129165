//! Trust domain aliases: a principal of one of the mesh's domains is a principal of all.

use mesh_api::MeshSettings;

/// The pointer to the mesh's own domain, whatever that is called.
const LOCAL: &str = "cluster.local";

/// The mesh's trust domain and its aliases.
pub(crate) struct Domains<'s> {
    all: Vec<&'s str>,
}

// === impl Domains ===

impl<'s> Domains<'s> {
    pub(crate) fn new(settings: &'s MeshSettings) -> Self {
        let aliases = settings.trust_domain_aliases.iter().map(String::as_str);
        Self {
            all: std::iter::once(settings.trust_domain.as_str())
                .chain(aliases)
                .collect(),
        }
    }

    /// The value of `principals`, or one for every domain if it names one of them.
    pub(crate) fn principals(&self, value: &str) -> Vec<String> {
        let as_it_is = || vec![value.to_owned()];
        let Some((domain, rest)) = value.split_once('/') else {
            return as_it_is();
        };
        let is_id = rest.matches('/').count() == 3;
        let is_known = domain == LOCAL || self.all.iter().any(|own| is_match(domain, own));
        if !is_id || domain == "*" || !is_known {
            return as_it_is();
        }
        let mut expanded = Vec::new();
        for own in &self.all {
            // A domain with a wildcard in front stays as it is where it takes the domain.
            let takes = domain
                .strip_prefix('*')
                .is_some_and(|suffix| own.ends_with(suffix));
            let value = if takes {
                value.to_owned()
            } else {
                format!("{own}/{rest}")
            };
            if !expanded.contains(&value) {
                expanded.push(value);
            }
        }
        expanded
    }

    /// The value of `trustDomains`, or all domains if it is one of them.
    pub(crate) fn domains(&self, value: &str) -> Vec<String> {
        if self.all.contains(&value) {
            self.all.iter().map(|&own| own.to_owned()).collect()
        } else {
            vec![value.to_owned()]
        }
    }
}

/// Equal, or one takes the other by a wildcard at its start or end.
fn is_match(domain: &str, own: &str) -> bool {
    domain == own || own == "*" || takes(own, domain) || takes(domain, own)
}

fn takes(pattern: &str, text: &str) -> bool {
    pattern
        .strip_suffix('*')
        .is_some_and(|start| text.starts_with(start))
        || pattern
            .strip_prefix('*')
            .is_some_and(|end| text.ends_with(end))
}

#[cfg(test)]
mod tests;

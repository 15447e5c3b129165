//! RequestAuthentication: every policy that selects the workload, merged into the providers that a
//! layer which checks tokens needs. No token is checked here.

use mesh_api::{JwtRule, MeshSettings, RequestAuthentication, Workload};

/// The token providers of a workload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    rules: Vec<JwtRule>,
    space_delimited: Vec<(String, Box<[Box<str>]>)>,
}

// === impl Tokens ===

impl Tokens {
    /// Merges the rules of every policy that selects the workload, sorted by issuer. A request
    /// without token passes; one with a token must satisfy a provider.
    #[must_use]
    pub fn merge(
        policies: &[RequestAuthentication],
        workload: &Workload,
        settings: &MeshSettings,
    ) -> Self {
        let mut rules: Vec<JwtRule> = policies
            .iter()
            .filter(|policy| policy.target_refs.is_empty())
            .filter(|policy| {
                policy.meta.selects(
                    &policy.selector,
                    &settings.root_namespace,
                    &workload.namespace,
                    &workload.labels,
                )
            })
            .flat_map(|policy| policy.jwt_rules.iter().cloned())
            .collect();
        rules.sort_by(|left, right| left.issuer.cmp(&right.issuer));
        let space_delimited = rules
            .iter()
            .filter(|rule| !rule.space_delimited_claims.is_empty())
            .map(|rule| {
                let claims = rule.space_delimited_claims.iter();
                (
                    rule.issuer.clone(),
                    claims.map(|claim| claim.as_str().into()).collect(),
                )
            })
            .collect();
        Self {
            rules,
            space_delimited,
        }
    }

    /// The providers, by issuer: where each finds its tokens, and what it passes on.
    #[must_use]
    pub fn rules(&self) -> &[JwtRule] {
        &self.rules
    }

    /// The claims of an issuer's tokens that are lists with blanks between, beyond the usual.
    pub(crate) fn space_delimited(&self, issuer: &str) -> &[Box<str>] {
        let of_issuer = |(own, _): &&(String, Box<[Box<str>]>)| own == issuer;
        let found = self.space_delimited.iter().find(of_issuer);
        found.map_or(&[], |(_, claims)| claims)
    }
}

#[cfg(test)]
mod tests;

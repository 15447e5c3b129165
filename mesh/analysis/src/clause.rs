//! A rule as clauses: one source with one operation and all conditions. A request matches the rule
//! when it matches one of them. From here it can be told whether a clause matches nothing, and
//! whether all that one matches is matched by another.

use mesh_api::{AuthorizationPolicy, MeshSettings, Rule};

use crate::attribute::{Attribute, Field, of_condition, of_operation, of_source};
use crate::pattern::Pattern;

/// Clauses of one rule that are looked at. A rule of 512 sources with as many operations would be
/// a quarter of a million; beyond this a rule is left unjudged.
const CLAUSES_MAX: usize = 1_024;

/// What a request must be, all of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clause<'p> {
    /// One of each list.
    any_of: Vec<(Attribute<'p>, Vec<Pattern>)>,
    /// None of these.
    none_of: Vec<(Attribute<'p>, Vec<Pattern>)>,
    is_http: bool,
}

/// How values of a policy are read.
pub(crate) struct Reading<'p> {
    namespace: &'p str,
    settings: &'p MeshSettings,
}

/// The parts of an identity that is written out: `domain/ns/namespace/sa/account`.
pub(crate) struct Identity<'v> {
    pub(crate) trust_domain: &'v str,
    pub(crate) namespace: &'v str,
    pub(crate) account: &'v str,
}

// === impl Clause ===

impl Clause<'_> {
    /// Whether it compares anything that exists in HTTP alone.
    pub(crate) fn is_http(&self) -> bool {
        self.is_http
    }

    /// The texts of a demand that spells all of them out, under which the clause can be looked up:
    /// what is within it has one of them. None for a clause that has no such demand.
    pub(crate) fn exact_demand(&self) -> Option<Vec<(Attribute<'_>, &str)>> {
        self.any_of.iter().find_map(|(attribute, values)| {
            let texts = values.iter().map(|value| match value {
                Pattern::Exact(text) => Some((*attribute, text.as_str())),
                _ => None,
            });
            texts.collect()
        })
    }

    /// One text of each demand: what this clause is within has one of them, or spells none out.
    pub(crate) fn samples(&self) -> impl Iterator<Item = (Attribute<'_>, &str)> {
        self.any_of
            .iter()
            .filter_map(|(attribute, values)| match values.first() {
                Some(Pattern::Exact(text)) => Some((*attribute, text.as_str())),
                _ => None,
            })
    }

    /// The attribute whose demands exclude each other, so that no request matches.
    pub(crate) fn contradiction(&self) -> Option<Attribute<'_>> {
        for (attribute, values) in &self.any_of {
            let refused: Vec<&Pattern> = self.refused(*attribute).collect();
            let covered = |value: &Pattern| refused.iter().any(|refused| refused.covers(value));
            if values.iter().all(covered) {
                return Some(*attribute);
            }
        }
        for (index, (attribute, left)) in self.any_of.iter().enumerate() {
            let others = self.any_of[index + 1..].iter();
            let same = others.filter(|(other, _)| other == attribute && !attribute.is_multiple());
            for (_, right) in same {
                let apart = |left: &Pattern| right.iter().all(|right| right.excludes(left));
                if left.iter().all(apart) {
                    return Some(*attribute);
                }
            }
        }
        None
    }

    /// Whether every request that matches this one certainly matches `other`.
    pub(crate) fn is_within(&self, other: &Clause<'_>) -> bool {
        let demanded = other.any_of.iter();
        let demands_hold = demanded.clone().all(|(attribute, wanted)| {
            self.demands(*attribute).any(|own| {
                let is_wanted = |value: &Pattern| wanted.iter().any(|wanted| wanted.covers(value));
                own.iter().all(is_wanted)
            })
        });
        let refusals_hold = other.none_of.iter().all(|(attribute, refused)| {
            refused
                .iter()
                .all(|refused| self.rules_out(*attribute, refused))
        });
        demands_hold && refusals_hold
    }

    fn demands<'c>(&'c self, attribute: Attribute<'c>) -> impl Iterator<Item = &'c [Pattern]> {
        let all = self.any_of.iter();
        all.filter(move |(own, _)| *own == attribute)
            .map(|(_, values)| values.as_slice())
    }

    fn refused<'c>(&'c self, attribute: Attribute<'c>) -> impl Iterator<Item = &'c Pattern> {
        let all = self.none_of.iter();
        all.filter(move |(own, _)| *own == attribute)
            .flat_map(|(_, values)| values)
    }

    /// Whether no request that matches has a value that `pattern` matches.
    fn rules_out(&self, attribute: Attribute<'_>, pattern: &Pattern) -> bool {
        if self
            .refused(attribute)
            .any(|refused| refused.covers(pattern))
        {
            return true;
        }
        let excludes = |values: &[Pattern]| values.iter().all(|value| value.excludes(pattern));
        !attribute.is_multiple() && self.demands(attribute).any(excludes)
    }
}

// === impl Reading ===

impl<'p> Reading<'p> {
    pub(crate) fn of(policy: &'p AuthorizationPolicy, settings: &'p MeshSettings) -> Self {
        Self {
            namespace: &policy.meta.namespace,
            settings,
        }
    }

    /// The clauses of a rule; nothing when there are too many to look at.
    pub(crate) fn clauses(&self, rule: &'p Rule) -> Option<Vec<Clause<'p>>> {
        let sources: Vec<Vec<Field<'p>>> = match rule.from.as_slice() {
            [] => vec![Vec::new()],
            all => all
                .iter()
                .map(|source| of_source(source).to_vec())
                .collect(),
        };
        let operations: Vec<Vec<Field<'p>>> = match rule.to.as_slice() {
            [] => vec![Vec::new()],
            all => all
                .iter()
                .map(|operation| of_operation(operation).to_vec())
                .collect(),
        };
        if sources.len() * operations.len() > CLAUSES_MAX {
            return None;
        }
        let conditions: Vec<Field<'p>> = rule.when.iter().map(of_condition).collect();
        let mut clauses = Vec::with_capacity(sources.len() * operations.len());
        for source in &sources {
            for operation in &operations {
                let fields = source.iter().chain(operation).chain(&conditions);
                clauses.push(self.clause(fields));
            }
        }
        Some(clauses)
    }

    fn clause<'f>(&self, fields: impl Iterator<Item = &'f Field<'p>>) -> Clause<'p>
    where
        'p: 'f,
    {
        let mut clause = Clause::default();
        for field in fields {
            let (positive, negative) = (field.positive.values, field.negative.values);
            if !positive.is_empty() || !negative.is_empty() {
                clause.is_http |= field.attribute.is_http();
            }
            if !positive.is_empty() {
                clause
                    .any_of
                    .extend(self.implied(field.attribute, positive));
                let patterns = self.patterns(field.attribute, positive);
                clause.any_of.push((field.attribute, patterns));
            }
            if !negative.is_empty() {
                let patterns = self.patterns(field.attribute, negative);
                clause.none_of.push((field.attribute, patterns));
            }
        }
        clause
    }

    fn patterns(&self, attribute: Attribute<'_>, values: &[String]) -> Vec<Pattern> {
        values
            .iter()
            .map(|value| self.pattern(attribute, value))
            .collect()
    }

    /// The set of texts that a value matches.
    pub(crate) fn pattern(&self, attribute: Attribute<'_>, value: &str) -> Pattern {
        match attribute {
            Attribute::Principal => self.principal(value),
            Attribute::TrustDomain => match Pattern::text(value) {
                pattern if !self.has_aliases() || pattern == Pattern::Any => pattern,
                Pattern::Exact(domain) => Pattern::Exact(self.one_name(&domain).to_owned()),
                _ => Pattern::Opaque(value.to_owned()),
            },
            Attribute::ServiceAccount => match value.contains('/') {
                true => Pattern::Exact(value.to_owned()),
                false => Pattern::Exact(format!("{}/{value}", self.namespace)),
            },
            // Its stars stand anywhere, and its parts are compared one by one.
            Attribute::Namespace | Attribute::RequestPrincipal
                if value != "*" && value.contains('*') =>
            {
                Pattern::Opaque(value.to_owned())
            }
            Attribute::Ip | Attribute::RemoteIp | Attribute::DestinationIp => Pattern::range(value),
            Attribute::Port => {
                let digits = value.trim_start_matches('0');
                Pattern::Exact(digits.to_owned())
            }
            Attribute::Host => Pattern::text(&value.to_lowercase()),
            Attribute::Path => Pattern::path(value),
            _ => Pattern::text(value),
        }
    }

    /// An alias of the trust domain stands for all of its names, so one name is compared. Of a
    /// pattern that may stand for several names nothing is known but that `*` is all.
    fn principal(&self, value: &str) -> Pattern {
        let pattern = Pattern::text(value);
        if !self.has_aliases() || pattern == Pattern::Any {
            return pattern;
        }
        match Identity::parse(value) {
            Some(identity) if !value.contains('*') => {
                let domain = self.one_name(identity.trust_domain);
                let (namespace, account) = (identity.namespace, identity.account);
                Pattern::Exact(format!("{domain}/ns/{namespace}/sa/{account}"))
            }
            _ => Pattern::Opaque(value.to_owned()),
        }
    }

    fn has_aliases(&self) -> bool {
        let settings = self.settings;
        !settings.trust_domain_aliases.is_empty() || settings.trust_domain != "cluster.local"
    }

    /// The mesh's own name for its trust domain, by whatever name it is called.
    fn one_name<'d>(&'d self, domain: &'d str) -> &'d str {
        let own = self.settings.trust_domain.as_str();
        let mut aliases = self.settings.trust_domain_aliases.iter();
        let is_own = domain == "cluster.local" || aliases.any(|alias| alias == domain);
        if is_own { own } else { domain }
    }

    /// What a demand on one part of the identity says of the others.
    fn implied(
        &self,
        attribute: Attribute<'p>,
        values: &[String],
    ) -> Vec<(Attribute<'p>, Vec<Pattern>)> {
        let mut implied = Vec::new();
        let of_principals = |part: fn(&Identity<'_>) -> String| -> Option<Vec<Pattern>> {
            values
                .iter()
                .map(|value| {
                    let identity = Identity::parse(value).filter(|_| !value.contains('*'))?;
                    Some(Pattern::Exact(part(&identity)))
                })
                .collect()
        };
        match attribute {
            Attribute::Principal => {
                let namespaces = of_principals(|identity| identity.namespace.to_owned());
                implied.extend(namespaces.map(|list| (Attribute::Namespace, list)));
                let accounts = of_principals(|identity| {
                    format!("{}/{}", identity.namespace, identity.account)
                });
                implied.extend(accounts.map(|list| (Attribute::ServiceAccount, list)));
            }
            Attribute::ServiceAccount => {
                let namespace_of = |value: &String| match value.split_once('/') {
                    Some((namespace, _)) => Pattern::Exact(namespace.to_owned()),
                    None => Pattern::Exact(self.namespace.to_owned()),
                };
                let namespaces = values.iter().map(namespace_of).collect();
                implied.push((Attribute::Namespace, namespaces));
                implied.push((Attribute::Principal, vec![Pattern::Any]));
            }
            Attribute::Namespace | Attribute::TrustDomain => {
                implied.push((Attribute::Principal, vec![Pattern::Any]));
            }
            _ => {}
        }
        implied
    }
}

// === impl Identity ===

impl<'v> Identity<'v> {
    /// The parts of a value that has all five of them.
    pub(crate) fn parse(value: &'v str) -> Option<Self> {
        match value.split('/').collect::<Vec<_>>()[..] {
            [trust_domain, "ns", namespace, "sa", account] => Some(Self {
                trust_domain,
                namespace,
                account,
            }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;

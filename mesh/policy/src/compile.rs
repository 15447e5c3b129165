//! A rule of the API to conditions, as Istio's control plane generates its configuration: what it
//! drops is dropped, what it widens is wide.

use mesh_api as api;

use crate::address::Range;
use crate::condition::{ClaimTest, Condition, MetadataValue, Named, Test};
use crate::domains::Domains;
use crate::identity::{Account, Domain, Identity, Namespace, Principal};
use crate::path::PathMatch;
use crate::rule::{Clause, Rule};
use crate::text::Text;
use crate::token::TokenMatch;

/// What the values of a rule depend on besides themselves.
pub(crate) struct Scope<'s> {
    /// Of the policy.
    pub(crate) namespace: &'s str,
    pub(crate) domains: &'s Domains<'s>,
    /// The policy denies, audits or asks: a value that cannot be read is left out, which makes the
    /// rule wider. The rule of a policy that allows is left out as a whole.
    pub(crate) restricts: bool,
}

/// Conditions while they are collected.
struct Builder<'s> {
    scope: &'s Scope<'s>,
    conditions: Vec<Condition>,
    is_when: bool,
}

/// Why a rule has no effect. Validation keeps such rules out before.
pub(crate) type Fault = String;

pub(crate) fn rule(rule: &api::Rule, scope: &Scope<'_>) -> Result<Rule, Fault> {
    let mut when = Builder::new(scope, true);
    for condition in &rule.when {
        when.condition(condition)?;
    }
    let from = rule.from.iter().map(|source| {
        let mut builder = Builder::new(scope, false);
        builder.source(source)?;
        Ok(builder.clause())
    });
    let to = rule.to.iter().map(|operation| {
        let mut builder = Builder::new(scope, false);
        builder.operation(operation)?;
        Ok(builder.clause())
    });
    let mut compiled = Rule {
        from: from.collect::<Result<_, Fault>>()?,
        to: to.collect::<Result<_, Fault>>()?,
        when: when.clause(),
        is_http_only: false,
    };
    let clauses = compiled
        .from
        .iter()
        .chain(&compiled.to)
        .chain([&compiled.when]);
    compiled.is_http_only = clauses
        .flat_map(|clause| &clause.0)
        .any(Condition::is_http_only);
    Ok(compiled)
}

// === impl Builder ===

impl<'s> Builder<'s> {
    fn new(scope: &'s Scope<'s>, is_when: bool) -> Self {
        Self {
            scope,
            conditions: Vec::new(),
            is_when,
        }
    }

    fn clause(self) -> Clause {
        Clause(self.conditions.into())
    }

    fn source(&mut self, source: &api::Source) -> Result<(), Fault> {
        self.principals(&source.principals, &source.not_principals);
        self.tokens(&source.request_principals, &source.not_request_principals);
        self.namespaces(&source.namespaces, &source.not_namespaces);
        self.accounts(&source.service_accounts, &source.not_service_accounts);
        self.trust_domains(&source.trust_domains, &source.not_trust_domains);
        self.ranges(&source.ip_blocks, &source.not_ip_blocks, Test::SourceIp)?;
        self.ranges(
            &source.remote_ip_blocks,
            &source.not_remote_ip_blocks,
            Test::RemoteIp,
        )
    }

    fn operation(&mut self, operation: &api::Operation) -> Result<(), Fault> {
        let caseless = |values: &[String]| {
            Test::Host(
                values
                    .iter()
                    .map(|value| Text::new_caseless(value))
                    .collect(),
            )
        };
        self.pair(&operation.hosts, &operation.not_hosts, caseless);
        self.pair(&operation.methods, &operation.not_methods, |values| {
            Test::Method(texts(values))
        });
        self.pair(&operation.paths, &operation.not_paths, |values| {
            Test::Path(values.iter().map(|value| PathMatch::new(value)).collect())
        });
        self.ports(&operation.ports, &operation.not_ports)
    }

    fn condition(&mut self, condition: &api::Condition) -> Result<(), Fault> {
        let (values, not) = (&condition.values[..], &condition.not_values[..]);
        match condition.key.as_str() {
            "destination.ip" => self.ranges(values, not, Test::DestinationIp)?,
            "destination.port" => self.ports(values, not)?,
            "connection.sni" => self.pair(values, not, |values| Test::Sni(texts(values))),
            "source.ip" => self.ranges(values, not, Test::SourceIp)?,
            "remote.ip" => self.ranges(values, not, Test::RemoteIp)?,
            "source.namespace" => self.namespaces(values, not),
            "source.serviceAccount" => self.accounts(values, not),
            "source.trustDomain" => self.trust_domains(values, not),
            "source.principal" => self.principals(values, not),
            "request.auth.principal" => self.tokens(values, not),
            "request.auth.audiences" => self.claims(&["aud"], values, not),
            "request.auth.presenter" => self.claims(&["azp"], values, not),
            key => self.named_condition(key, values, not)?,
        }
        Ok(())
    }

    fn named_condition(
        &mut self,
        key: &str,
        values: &[String],
        not: &[String],
    ) -> Result<(), Fault> {
        if let Some(filter_key) = key.strip_prefix("experimental.")
            && filter_key.starts_with("envoy.filters.")
        {
            let inner = filter_key.strip_suffix(']').unwrap_or(filter_key);
            let Some((group, name)) = inner.split_once('[') else {
                return self.fault(format!("attribute {key} has no key in brackets"));
            };
            self.pair(values, not, |values| {
                Test::Metadata(Box::new(Named {
                    group: group.into(),
                    name: name.into(),
                    values: values
                        .iter()
                        .map(|value| MetadataValue::new(value))
                        .collect(),
                }))
            });
        } else if let Some(bracketed) = key.strip_prefix("request.headers") {
            let name = bracketed
                .strip_prefix('[')
                .and_then(|rest| rest.strip_suffix(']'));
            let Some(name) = name else {
                return self.fault(format!("attribute {key} has no name in brackets"));
            };
            let name = name.to_ascii_lowercase();
            self.pair(values, not, |values| {
                Test::Header(Box::new(Named {
                    group: Box::default(),
                    name: name.as_str().into(),
                    values: texts(values),
                }))
            });
        } else if let Some(bracketed) = key.strip_prefix("request.auth.claims") {
            let Some(path) = claim_path(bracketed) else {
                return self.fault(format!("attribute {key} has no names in brackets"));
            };
            self.claims(&path, values, not);
        } else {
            // Whatever the action, a rule with an unknown attribute is no rule.
            return Err(format!("unknown attribute {key}"));
        }
        Ok(())
    }

    fn principals(&mut self, values: &[String], not: &[String]) {
        let domains = self.scope.domains;
        self.pair(values, not, |values| {
            let expanded = values.iter().flat_map(|value| domains.principals(value));
            let principals = expanded.map(|value| Identity::Principal(Principal::new(&value)));
            Test::Identity(principals.collect())
        });
    }

    fn trust_domains(&mut self, values: &[String], not: &[String]) {
        let domains = self.scope.domains;
        self.pair(values, not, |values| {
            let expanded = values.iter().flat_map(|value| domains.domains(value));
            let trusted = expanded.map(|value| Identity::Domain(Domain::new(&value)));
            Test::Identity(trusted.collect())
        });
    }

    fn namespaces(&mut self, values: &[String], not: &[String]) {
        self.pair(values, not, |values| {
            let namespaces = values
                .iter()
                .map(|value| Identity::Namespace(Namespace::new(value)));
            Test::Identity(namespaces.collect())
        });
    }

    fn accounts(&mut self, values: &[String], not: &[String]) {
        let own = self.scope.namespace;
        self.pair(values, not, |values| {
            let accounts = values
                .iter()
                .map(|value| Identity::Account(Account::new(value, own)));
            Test::Identity(accounts.collect())
        });
    }

    fn tokens(&mut self, values: &[String], not: &[String]) {
        self.pair(values, not, |values| {
            Test::Token(values.iter().map(|value| TokenMatch::new(value)).collect())
        });
    }

    fn claims(&mut self, path: &[&str], values: &[String], not: &[String]) {
        self.pair(values, not, |values| {
            Test::Claim(Box::new(ClaimTest {
                path: path.iter().map(|&name| name.into()).collect(),
                values: texts(values),
            }))
        });
    }

    fn ranges(
        &mut self,
        values: &[String],
        not: &[String],
        test: fn(Box<[Range]>) -> Test,
    ) -> Result<(), Fault> {
        let read = |value: &String| Range::new(value).ok_or_else(|| format!("bad range {value}"));
        let (positive, negative) = (self.read(values, read)?, self.read(not, read)?);
        self.push(test(positive.clone()), false, positive.is_empty());
        self.push(test(negative.clone()), true, negative.is_empty());
        Ok(())
    }

    fn ports(&mut self, values: &[String], not: &[String]) -> Result<(), Fault> {
        let read = |value: &String| value.parse().map_err(|_| format!("bad port {value}"));
        let (positive, negative) = (self.read(values, read)?, self.read(not, read)?);
        self.push(Test::Port(positive.clone()), false, positive.is_empty());
        self.push(Test::Port(negative.clone()), true, negative.is_empty());
        Ok(())
    }

    fn read<T>(
        &self,
        values: &[String],
        read: impl Fn(&String) -> Result<T, Fault>,
    ) -> Result<Box<[T]>, Fault> {
        let mut all = Vec::new();
        for value in values {
            match read(value) {
                Ok(value) => all.push(value),
                Err(fault) => self.fault(fault)?,
            }
        }
        Ok(all.into())
    }

    fn pair(&mut self, values: &[String], not: &[String], test: impl Fn(&[String]) -> Test) {
        self.push(test(values), false, values.is_empty());
        self.push(test(not), true, not.is_empty());
    }

    fn push(&mut self, test: Test, is_negative: bool, is_empty: bool) {
        if !is_empty {
            self.conditions.push(Condition {
                test,
                is_negative,
                is_when: self.is_when,
            });
        }
    }

    /// Of a policy that allows the rule goes, of any other what cannot be read.
    fn fault(&self, fault: Fault) -> Result<(), Fault> {
        if self.scope.restricts {
            Ok(())
        } else {
            Err(fault)
        }
    }
}

fn texts(values: &[String]) -> Box<[Text]> {
    values.iter().map(|value| Text::new(value)).collect()
}

/// `[a][b]` to its names; what is not well nested is one name.
fn claim_path(bracketed: &str) -> Option<Vec<&str>> {
    let inner = bracketed.strip_prefix('[')?.strip_suffix(']')?;
    let names: Vec<&str> = inner.split("][").collect();
    let is_nested = names.iter().all(|name| !name.contains(['[', ']']));
    Some(if is_nested { names } else { vec![inner] })
}

#[cfg(test)]
mod tests;

//! Policies as the RBAC filters that Istio's control plane would send: the same matchers, written
//! from the description of its builder and not from the engine. It decides nothing; Envoy does.

use mesh_api::{
    Action, AuthorizationPolicy, Condition, MeshSettings, Operation, ProviderKind, Rule, Source,
};
use serde_json::{Map, Value, json};

use super::matchers::{self, HttpOnly, Side};
use crate::case::Case;

/// What the CUSTOM shadow filter leaves in the metadata begins with this when a rule matched.
pub(super) const CUSTOM_PREFIX: &str = "istio-ext-authz";

/// What a CUSTOM rule is called that denies because no provider can be asked.
pub(super) const BAD_CUSTOM_SUFFIX: &str = "-deny-due-to-bad-CUSTOM-action";

/// Prefix of the shadow result of CUSTOM.
const CUSTOM_STAT: &str = "istio_ext_authz_";

/// The four RBAC filters of a workload, in their order; an absent one has nothing to say.
#[derive(Debug, Default)]
pub(super) struct Filters {
    pub(super) custom: Option<Value>,
    pub(super) audit: Option<Value>,
    pub(super) deny: Option<Value>,
    pub(super) allow: Option<Value>,
}

/// What CUSTOM policies become.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Custom {
    /// As Istio has it: a shadow filter that leaves a mark, after which a provider would be asked.
    Marks,
    /// For connections, whose marks nobody sees: what would ask the provider is refused.
    Denies,
}

struct Policies {
    enforced: Option<Map<String, Value>>,
    shadow: Option<Map<String, Value>>,
}

/// The filters of a case, for connections (`tcp`) or for requests.
pub(super) fn filters(case: &Case, tcp: bool, custom: Custom) -> Filters {
    let selected: Vec<&AuthorizationPolicy> = case
        .set
        .authorization_policies
        .iter()
        .filter(|policy| {
            let meta = &policy.meta;
            let workload = &case.workload;
            policy.target_refs.is_empty()
                && (meta.namespace == case.settings.root_namespace
                    || meta.namespace == workload.namespace)
                && policy
                    .selector
                    .iter()
                    .all(|(k, v)| workload.labels.get(k) == Some(v))
        })
        .collect();
    Filters {
        custom: custom_filter(&selected, &case.settings, tcp, custom),
        audit: plain_filter(&selected, &case.settings, tcp, "AUDIT", "LOG", "audit_"),
        deny: plain_filter(
            &selected,
            &case.settings,
            tcp,
            "DENY",
            "DENY",
            "istio_dry_run_deny_",
        ),
        allow: plain_filter(
            &selected,
            &case.settings,
            tcp,
            "ALLOW",
            "ALLOW",
            "istio_dry_run_allow_",
        ),
    }
}

fn plain_filter(
    selected: &[&AuthorizationPolicy],
    settings: &MeshSettings,
    tcp: bool,
    kind: &str,
    action: &str,
    shadow_prefix: &str,
) -> Option<Value> {
    let of_kind = selected
        .iter()
        .filter(|policy| policy.action.as_str() == kind);
    let policies = build(of_kind.copied(), settings, tcp, "");
    if policies.enforced.is_none() && policies.shadow.is_none() {
        return None;
    }
    let mut filter = json!({"shadow_rules_stat_prefix": shadow_prefix});
    if let Some(rules) = policies.enforced {
        filter["rules"] = json!({"action": action, "policies": rules});
    }
    if let Some(rules) = policies.shadow {
        filter["shadow_rules"] = json!({"action": action, "policies": rules});
    }
    Some(filter)
}

/// One provider that works: a shadow filter. Anything else: the rules deny.
fn custom_filter(
    selected: &[&AuthorizationPolicy],
    settings: &MeshSettings,
    tcp: bool,
    custom: Custom,
) -> Option<Value> {
    let mut providers: Vec<&str> = Vec::new();
    let mut policies: Vec<&AuthorizationPolicy> = Vec::new();
    for policy in selected {
        if let Action::Custom { provider } = &policy.action {
            providers.push(provider);
            policies.push(policy);
        }
    }
    providers.sort_unstable();
    providers.dedup();
    let first = *providers.first()?;
    let usable = providers.len() == 1 && settings.ext_authz(first).is_ok();
    let speaks_http = settings.extension_providers.iter().any(|provider| {
        provider.name == first && matches!(provider.kind, ProviderKind::ExtAuthzHttp(_))
    });
    if usable && tcp && speaks_http {
        return None; // an authorizer that speaks HTTP has no filter for connections
    }
    let prefix = format!("{CUSTOM_PREFIX}-{first}-");
    let rules = build(policies.into_iter(), settings, tcp, &prefix).enforced?;
    let rules: Map<String, Value> = rules
        .into_iter()
        .map(|(name, rule)| {
            (
                if usable {
                    name
                } else {
                    name + BAD_CUSTOM_SUFFIX
                },
                rule,
            )
        })
        .collect();
    let rules = json!({"action": "DENY", "policies": rules});
    Some(if usable && custom == Custom::Marks {
        json!({"shadow_rules": rules, "shadow_rules_stat_prefix": CUSTOM_STAT})
    } else {
        json!({"rules": rules})
    })
}

fn build<'a>(
    policies: impl Iterator<Item = &'a AuthorizationPolicy>,
    settings: &MeshSettings,
    tcp: bool,
    prefix: &str,
) -> Policies {
    let mut built = Policies {
        enforced: None,
        shadow: None,
    };
    for policy in policies {
        let place = if policy.dry_run {
            &mut built.shadow
        } else {
            &mut built.enforced
        };
        let place = place.get_or_insert_with(Map::new);
        for (index, rule) in policy.rules.iter().enumerate() {
            if let Some(translated) = translate(policy, rule, settings, tcp) {
                place.insert(name(prefix, policy, index), translated);
            }
        }
        if policy.rules.is_empty() {
            let never = json!({
                "permissions": [{"not_rule": {"any": true}}],
                "principals": [{"not_id": {"any": true}}],
            });
            place.insert(name(prefix, policy, 0), never);
        }
    }
    built
}

fn name(prefix: &str, policy: &AuthorizationPolicy, rule: usize) -> String {
    let (namespace, name) = (&policy.meta.namespace, &policy.meta.name);
    format!("{prefix}ns[{namespace}]-policy[{name}]-rule[{rule}]")
}

/// None: the rule is left out.
fn translate(
    policy: &AuthorizationPolicy,
    rule: &Rule,
    settings: &MeshSettings,
    tcp: bool,
) -> Option<Value> {
    let make = Maker {
        policy,
        settings,
        tcp,
    };
    let mut base_permissions = Vec::new();
    let mut base_principals = Vec::new();
    for condition in &rule.when {
        let Condition {
            key,
            values,
            not_values,
        } = condition;
        match matchers::side_of(key)? {
            Side::Permission => make.add(&mut base_permissions, key, values, not_values)?,
            Side::Principal => make.add(&mut base_principals, key, values, not_values)?,
        }
    }

    let mut principals = Vec::new();
    for source in &rule.from {
        principals.push(and(
            "and_ids",
            "ids",
            make.source(source, &base_principals)?,
        ));
    }
    if rule.from.is_empty() {
        principals.push(and("and_ids", "ids", base_principals));
    }
    let mut permissions = Vec::new();
    for operation in &rule.to {
        permissions.push(and(
            "and_rules",
            "rules",
            make.operation(operation, &base_permissions)?,
        ));
    }
    if rule.to.is_empty() {
        permissions.push(and("and_rules", "rules", base_permissions));
    }
    Some(json!({"permissions": permissions, "principals": principals}))
}

fn and(kind: &str, member: &str, mut all: Vec<Value>) -> Value {
    if all.is_empty() {
        all.push(json!({"any": true}));
    }
    json!({kind: {member: all}})
}

struct Maker<'a> {
    policy: &'a AuthorizationPolicy,
    settings: &'a MeshSettings,
    tcp: bool,
}

// === impl Maker ===

impl Maker<'_> {
    fn source(&self, source: &Source, base: &[Value]) -> Option<Vec<Value>> {
        let mut all = Vec::new();
        let fields: [(&str, &[String], &[String]); 7] = [
            (
                "source.principal",
                &source.principals,
                &source.not_principals,
            ),
            (
                "request.auth.principal",
                &source.request_principals,
                &source.not_request_principals,
            ),
            (
                "source.serviceAccount",
                &source.service_accounts,
                &source.not_service_accounts,
            ),
            (
                "source.trustDomain",
                &source.trust_domains,
                &source.not_trust_domains,
            ),
            (
                "source.namespace",
                &source.namespaces,
                &source.not_namespaces,
            ),
            (
                "remote.ip",
                &source.remote_ip_blocks,
                &source.not_remote_ip_blocks,
            ),
            ("source.ip", &source.ip_blocks, &source.not_ip_blocks),
        ];
        for (key, values, not_values) in fields {
            self.add(&mut all, key, values, not_values)?;
        }
        all.extend_from_slice(base);
        Some(all)
    }

    fn operation(&self, operation: &Operation, base: &[Value]) -> Option<Vec<Value>> {
        let mut all = Vec::new();
        let fields: [(&str, &[String], &[String]); 4] = [
            ("host", &operation.hosts, &operation.not_hosts),
            ("method", &operation.methods, &operation.not_methods),
            ("path", &operation.paths, &operation.not_paths),
            ("destination.port", &operation.ports, &operation.not_ports),
        ];
        for (key, values, not_values) in fields {
            self.add(&mut all, key, values, not_values)?;
        }
        all.extend_from_slice(base);
        Some(all)
    }

    /// Adds the matchers of a field; None when the rule must be left out for it.
    fn add(
        &self,
        all: &mut Vec<Value>,
        key: &str,
        values: &[String],
        not_values: &[String],
    ) -> Option<()> {
        let permission = matches!(matchers::side_of(key)?, Side::Permission);
        for (values, negative) in [(values, false), (not_values, true)] {
            if values.is_empty() {
                continue;
            }
            let namespace = &self.policy.meta.namespace;
            let matcher = matchers::any_of(key, values, namespace, self.settings, self.tcp);
            let matcher = match matcher {
                Ok(matcher) => matcher,
                Err(HttpOnly) if self.policy.action == Action::Allow => return None,
                Err(HttpOnly) => continue,
            };
            all.push(match (negative, permission) {
                (false, _) => matcher,
                (true, true) => json!({"not_rule": matcher}),
                (true, false) => json!({"not_id": matcher}),
            });
        }
        Some(())
    }
}

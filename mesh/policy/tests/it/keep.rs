//! Cases as files: policies as Istio's objects (JSON is YAML), so that a kept counter-example is
//! read by the same loader as a user's file, and can be given to `meshctl authz decide` as it is.

use mesh_api::{
    Action, AuthorizationPolicy, MeshSettings, ProviderKind, RequestAuthentication, Rule,
};
use serde_json::{Map, Value, json};

use crate::case::Case;

/// The whole case as one JSON object with what each of the command line's files has.
pub(crate) fn to_json(case: &Case) -> Value {
    let mut policies: Vec<Value> = case
        .set
        .authorization_policies
        .iter()
        .map(policy_to_json)
        .collect();
    policies.extend(
        case.set
            .request_authentications
            .iter()
            .map(authentication_to_json),
    );
    json!({
        "meshConfig": settings_to_json(&case.settings),
        "workload": {
            "namespace": case.workload.namespace,
            "serviceAccount": case.workload.service_account,
            "labels": case.workload.labels,
            "trustDomain": case.workload.trust_domain,
        },
        "policies": policies,
        "requests": case.requests.iter().map(|request| request.to_json()).collect::<Vec<_>>(),
    })
}

/// An AuthorizationPolicy as it would stand in a file.
pub(crate) fn policy_to_json(policy: &AuthorizationPolicy) -> Value {
    let mut metadata = json!({"name": policy.meta.name, "namespace": policy.meta.namespace});
    if policy.dry_run {
        metadata["annotations"] = json!({"istio.io/dry-run": "true"});
    }
    let mut spec = Map::new();
    if !policy.selector.is_empty() {
        spec.insert(
            "selector".to_owned(),
            json!({"matchLabels": policy.selector}),
        );
    }
    if !policy.target_refs.is_empty() {
        let refs = policy
            .target_refs
            .iter()
            .map(|target| json!({"group": target.group, "kind": target.kind, "name": target.name}));
        spec.insert("targetRefs".to_owned(), refs.collect());
    }
    spec.insert("action".to_owned(), json!(policy.action.as_str()));
    if let Action::Custom { provider } = &policy.action {
        spec.insert("provider".to_owned(), json!({"name": provider}));
    }
    if !policy.rules.is_empty() {
        spec.insert(
            "rules".to_owned(),
            policy.rules.iter().map(rule_to_json).collect(),
        );
    }
    json!({
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": metadata,
        "spec": spec,
    })
}

fn rule_to_json(rule: &Rule) -> Value {
    let mut whole = Map::new();
    if !rule.from.is_empty() {
        let sources = rule.from.iter().map(|source| {
            json!({"source": fields(&[
                ("principals", &source.principals),
                ("notPrincipals", &source.not_principals),
                ("requestPrincipals", &source.request_principals),
                ("notRequestPrincipals", &source.not_request_principals),
                ("namespaces", &source.namespaces),
                ("notNamespaces", &source.not_namespaces),
                ("serviceAccounts", &source.service_accounts),
                ("notServiceAccounts", &source.not_service_accounts),
                ("ipBlocks", &source.ip_blocks),
                ("notIpBlocks", &source.not_ip_blocks),
                ("remoteIpBlocks", &source.remote_ip_blocks),
                ("notRemoteIpBlocks", &source.not_remote_ip_blocks),
                ("trustDomains", &source.trust_domains),
                ("notTrustDomains", &source.not_trust_domains),
            ])})
        });
        whole.insert("from".to_owned(), sources.collect());
    }
    if !rule.to.is_empty() {
        let operations = rule.to.iter().map(|operation| {
            json!({"operation": fields(&[
                ("hosts", &operation.hosts),
                ("notHosts", &operation.not_hosts),
                ("ports", &operation.ports),
                ("notPorts", &operation.not_ports),
                ("methods", &operation.methods),
                ("notMethods", &operation.not_methods),
                ("paths", &operation.paths),
                ("notPaths", &operation.not_paths),
            ])})
        });
        whole.insert("to".to_owned(), operations.collect());
    }
    if !rule.when.is_empty() {
        let conditions = rule.when.iter().map(|condition| {
            let mut whole = fields(&[
                ("values", &condition.values),
                ("notValues", &condition.not_values),
            ]);
            whole["key"] = json!(condition.key);
            whole
        });
        whole.insert("when".to_owned(), conditions.collect());
    }
    Value::Object(whole)
}

fn fields(all: &[(&str, &Vec<String>)]) -> Value {
    all.iter()
        .filter(|(_, values)| !values.is_empty())
        .map(|(name, values)| ((*name).to_owned(), json!(values)))
        .collect()
}

fn authentication_to_json(policy: &RequestAuthentication) -> Value {
    let rules: Vec<Value> = policy
        .jwt_rules
        .iter()
        .map(|rule| {
            json!({
                "issuer": rule.issuer,
                "jwks": rule.jwks,
                "spaceDelimitedClaims": rule.space_delimited_claims,
            })
        })
        .collect();
    json!({
        "apiVersion": "security.istio.io/v1",
        "kind": "RequestAuthentication",
        "metadata": {"name": policy.meta.name, "namespace": policy.meta.namespace},
        "spec": {"jwtRules": rules},
    })
}

/// MeshConfig as Istio has it.
fn settings_to_json(settings: &MeshSettings) -> Value {
    let normalization = match settings.path_normalization {
        mesh_api::PathNormalization::None => "NONE",
        mesh_api::PathNormalization::Base => "BASE",
        mesh_api::PathNormalization::MergeSlashes => "MERGE_SLASHES",
        mesh_api::PathNormalization::DecodeAndMergeSlashes => "DECODE_AND_MERGE_SLASHES",
    };
    let providers: Vec<Value> = settings
        .extension_providers
        .iter()
        .map(|provider| {
            let (kind, authorizer) = match &provider.kind {
                ProviderKind::ExtAuthzHttp(authorizer) => ("envoyExtAuthzHttp", authorizer),
                ProviderKind::ExtAuthzGrpc(authorizer) => ("envoyExtAuthzGrpc", authorizer),
                ProviderKind::Other(kind) => {
                    return json!({
                        "name": provider.name,
                        kind: {"service": "zipkin.foo.svc.cluster.local", "port": 9411},
                    });
                }
            };
            // A provider at fault has the fault of port 0.
            let port = if provider.fault.is_some() {
                0
            } else {
                authorizer.port
            };
            json!({"name": provider.name, kind: {"service": authorizer.service, "port": port}})
        })
        .collect();
    json!({
        "rootNamespace": settings.root_namespace,
        "trustDomain": settings.trust_domain,
        "trustDomainAliases": settings.trust_domain_aliases,
        "pathNormalization": {"normalization": normalization},
        "extensionProviders": providers,
    })
}

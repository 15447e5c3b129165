//! AuthorizationPolicy: who may do what to a workload, field by field as Istio has it.

use crate::meta::{Labels, Meta};

/// `security.istio.io` AuthorizationPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthorizationPolicy {
    /// Names and place.
    pub meta: Meta,
    /// `spec.selector.matchLabels`; empty selects every workload of the scope.
    pub selector: Labels,
    /// `spec.targetRefs`, and `spec.targetRef` as one. A policy that has any is for a waypoint or
    /// gateway and selects no sidecar workload.
    pub target_refs: Vec<TargetRef>,
    /// `spec.rules`. None: the policy never matches. One without fields: it always matches.
    pub rules: Vec<Rule>,
    /// `spec.action`, with the provider of a CUSTOM one.
    pub action: Action,
    /// The annotation `istio.io/dry-run`: the policy is evaluated and reported, never enforced.
    pub dry_run: bool,
}

/// What a matching policy does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Action {
    /// The request may pass.
    #[default]
    Allow,
    /// The request is refused.
    Deny,
    /// The request is marked for the audit log; never decides.
    Audit,
    /// An external authorizer decides first.
    Custom {
        /// `spec.provider.name`: a name in [`crate::MeshSettings::extension_providers`].
        provider: String,
    },
}

/// A resource that a policy is attached to instead of a selector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetRef {
    /// API group; empty is Kubernetes' core.
    pub group: String,
    /// Kind, such as `Gateway` or `Service`.
    pub kind: String,
    /// Name, in the policy's namespace.
    pub name: String,
    /// Namespace: empty or the policy's own.
    pub namespace: String,
}

/// One rule: any of `from`, and any of `to`, and all of `when`; an empty list holds always.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// `from[].source`.
    pub from: Vec<Source>,
    /// `to[].operation`.
    pub to: Vec<Operation>,
    /// `when[]`.
    pub when: Vec<Condition>,
}

/// Who calls: all fields must hold, one value of a field suffices, an empty field holds always.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// Identities from mutual TLS, without `spiffe://`.
    pub principals: Vec<String>,
    /// None of these identities.
    pub not_principals: Vec<String>,
    /// `issuer/subject` of a valid token.
    pub request_principals: Vec<String>,
    /// None of these.
    pub not_request_principals: Vec<String>,
    /// Namespaces, from the caller's identity.
    pub namespaces: Vec<String>,
    /// None of these.
    pub not_namespaces: Vec<String>,
    /// `namespace/account`, or an account of the policy's namespace.
    pub service_accounts: Vec<String>,
    /// None of these.
    pub not_service_accounts: Vec<String>,
    /// Addresses or CIDR ranges of the connection's peer.
    pub ip_blocks: Vec<String>,
    /// None of these.
    pub not_ip_blocks: Vec<String>,
    /// Addresses or CIDR ranges of the first caller, as told by trusted proxies.
    pub remote_ip_blocks: Vec<String>,
    /// None of these.
    pub not_remote_ip_blocks: Vec<String>,
    /// Trust domains, from the caller's identity.
    pub trust_domains: Vec<String>,
    /// None of these.
    pub not_trust_domains: Vec<String>,
}

/// What is called: all fields must hold, one value of a field suffices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Operation {
    /// `:authority`, compared without case.
    pub hosts: Vec<String>,
    /// None of these.
    pub not_hosts: Vec<String>,
    /// Ports of the workload, as decimal text.
    pub ports: Vec<String>,
    /// None of these.
    pub not_ports: Vec<String>,
    /// HTTP methods; every gRPC call is a `POST`.
    pub methods: Vec<String>,
    /// None of these.
    pub not_methods: Vec<String>,
    /// Paths or path templates; for gRPC `/package.Service/Method`.
    pub paths: Vec<String>,
    /// None of these.
    pub not_paths: Vec<String>,
}

/// An attribute that must have one of `values` and none of `not_values`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// The attribute's name, such as `request.headers[x-tenant]`.
    pub key: String,
    /// One of these.
    pub values: Vec<String>,
    /// None of these.
    pub not_values: Vec<String>,
}

// === impl Action ===

impl Action {
    /// The action as it stands in YAML.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Action::Allow => "ALLOW",
            Action::Deny => "DENY",
            Action::Audit => "AUDIT",
            Action::Custom { .. } => "CUSTOM",
        }
    }
}

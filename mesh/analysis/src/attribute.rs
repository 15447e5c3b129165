//! What a field of a rule compares: `principals` and `when: source.principal` are the same thing
//! said in two places.

use mesh_api::{AuthorizationPolicy, Condition, Operation, Source};

/// Something of a request that a rule can compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Attribute<'p> {
    Principal,
    RequestPrincipal,
    Namespace,
    ServiceAccount,
    TrustDomain,
    Ip,
    RemoteIp,
    DestinationIp,
    Port,
    Host,
    Method,
    Path,
    /// Another key of `when`, such as a header or a claim.
    Key(&'p str),
}

/// The two lists that a rule has for one attribute in one place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'p> {
    pub(crate) attribute: Attribute<'p>,
    pub(crate) positive: List<'p>,
    pub(crate) negative: List<'p>,
}

/// A list of values and its name in YAML.
#[derive(Clone, Copy, Debug)]
pub(crate) struct List<'p> {
    pub(crate) name: &'static str,
    pub(crate) values: &'p [String],
}

/// A list of a policy: its attribute, whether it is a negative one, and its place.
pub(crate) type Placed<'p> = (Attribute<'p>, List<'p>, bool, String);

// === impl Attribute ===

impl Attribute<'_> {
    /// Whether it exists in HTTP alone.
    pub(crate) fn is_http(self) -> bool {
        match self {
            Attribute::RequestPrincipal | Attribute::Host | Attribute::Method | Attribute::Path => {
                true
            }
            Attribute::Key(key) => key.starts_with("request."),
            _ => false,
        }
    }

    /// Whether a request can have several values of it, so that two demands that exclude each other
    /// can both hold.
    pub(crate) fn is_multiple(self) -> bool {
        matches!(self, Attribute::Key(key) if key != "connection.sni")
    }

    /// Whether it is taken from the caller's certificate.
    pub(crate) fn is_identity(self) -> bool {
        matches!(
            self,
            Attribute::Principal
                | Attribute::Namespace
                | Attribute::ServiceAccount
                | Attribute::TrustDomain
        )
    }
}

// === functions ===

/// The fields of a source, empty ones among them.
pub(crate) fn of_source(source: &Source) -> [Field<'_>; 7] {
    [
        field(
            Attribute::Principal,
            list("principals", &source.principals),
            list("notPrincipals", &source.not_principals),
        ),
        field(
            Attribute::RequestPrincipal,
            list("requestPrincipals", &source.request_principals),
            list("notRequestPrincipals", &source.not_request_principals),
        ),
        field(
            Attribute::Namespace,
            list("namespaces", &source.namespaces),
            list("notNamespaces", &source.not_namespaces),
        ),
        field(
            Attribute::ServiceAccount,
            list("serviceAccounts", &source.service_accounts),
            list("notServiceAccounts", &source.not_service_accounts),
        ),
        field(
            Attribute::Ip,
            list("ipBlocks", &source.ip_blocks),
            list("notIpBlocks", &source.not_ip_blocks),
        ),
        field(
            Attribute::RemoteIp,
            list("remoteIpBlocks", &source.remote_ip_blocks),
            list("notRemoteIpBlocks", &source.not_remote_ip_blocks),
        ),
        field(
            Attribute::TrustDomain,
            list("trustDomains", &source.trust_domains),
            list("notTrustDomains", &source.not_trust_domains),
        ),
    ]
}

/// The fields of an operation, empty ones among them.
pub(crate) fn of_operation(operation: &Operation) -> [Field<'_>; 4] {
    [
        field(
            Attribute::Host,
            list("hosts", &operation.hosts),
            list("notHosts", &operation.not_hosts),
        ),
        field(
            Attribute::Port,
            list("ports", &operation.ports),
            list("notPorts", &operation.not_ports),
        ),
        field(
            Attribute::Method,
            list("methods", &operation.methods),
            list("notMethods", &operation.not_methods),
        ),
        field(
            Attribute::Path,
            list("paths", &operation.paths),
            list("notPaths", &operation.not_paths),
        ),
    ]
}

/// The field that a condition is.
pub(crate) fn of_condition(condition: &Condition) -> Field<'_> {
    let attribute = match condition.key.as_str() {
        "source.principal" => Attribute::Principal,
        "source.namespace" => Attribute::Namespace,
        "source.serviceAccount" => Attribute::ServiceAccount,
        "source.trustDomain" => Attribute::TrustDomain,
        "source.ip" => Attribute::Ip,
        "remote.ip" => Attribute::RemoteIp,
        "destination.ip" => Attribute::DestinationIp,
        "destination.port" => Attribute::Port,
        "request.auth.principal" => Attribute::RequestPrincipal,
        key => Attribute::Key(key),
    };
    Field {
        attribute,
        positive: list("values", &condition.values),
        negative: list("notValues", &condition.not_values),
    }
}

/// Every list of values of a policy, with its place.
pub(crate) fn lists(policy: &AuthorizationPolicy) -> Vec<Placed<'_>> {
    let mut lists = Vec::new();
    for (number, rule) in policy.rules.iter().enumerate() {
        let rule_at = format!("spec.rules[{number}]");
        for (index, source) in rule.from.iter().enumerate() {
            for field in of_source(source) {
                push(
                    &mut lists,
                    field,
                    &format!("{rule_at}.from[{index}].source"),
                );
            }
        }
        for (index, operation) in rule.to.iter().enumerate() {
            for field in of_operation(operation) {
                push(
                    &mut lists,
                    field,
                    &format!("{rule_at}.to[{index}].operation"),
                );
            }
        }
        for (index, condition) in rule.when.iter().enumerate() {
            push(
                &mut lists,
                of_condition(condition),
                &format!("{rule_at}.when[{index}]"),
            );
        }
    }
    lists
}

// === helpers ===

fn push<'p>(lists: &mut Vec<Placed<'p>>, field: Field<'p>, place: &str) {
    for (list, is_negative) in [(field.positive, false), (field.negative, true)] {
        if !list.values.is_empty() {
            let path = format!("{place}.{}", list.name);
            lists.push((field.attribute, list, is_negative, path));
        }
    }
}

fn field<'p>(attribute: Attribute<'p>, positive: List<'p>, negative: List<'p>) -> Field<'p> {
    Field {
        attribute,
        positive,
        negative,
    }
}

fn list<'p>(name: &'static str, values: &'p [String]) -> List<'p> {
    List { name, values }
}

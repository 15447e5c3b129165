//! The values of one field as an Envoy matcher, as Istio's generators make them.

use mesh_api::MeshSettings;
use serde_json::{Value, json};

/// The field cannot be known of a bare connection.
#[derive(Debug)]
pub(super) struct HttpOnly;

/// Where Envoy's RBAC has the attribute.
pub(super) enum Side {
    Permission,
    Principal,
}

/// None for a key that Istio does not know. The three HTTP fields of an operation have no key in
/// Istio's language; here they have one.
pub(super) fn side_of(key: &str) -> Option<Side> {
    match key {
        "destination.ip" | "destination.port" | "connection.sni" | "host" | "method" | "path" => {
            Some(Side::Permission)
        }
        "source.ip"
        | "remote.ip"
        | "source.namespace"
        | "source.trustDomain"
        | "source.serviceAccount"
        | "source.principal"
        | "request.auth.principal"
        | "request.auth.audiences"
        | "request.auth.presenter" => Some(Side::Principal),
        _ if key.starts_with("experimental.envoy.filters.") => Some(Side::Permission),
        _ if key.starts_with("request.headers") => Some(Side::Principal),
        _ if key.starts_with("request.auth.claims") => Some(Side::Principal),
        _ => None,
    }
}

/// One matcher for "any of these values".
pub(super) fn any_of(
    key: &str,
    values: &[String],
    policy_namespace: &str,
    settings: &MeshSettings,
    tcp: bool,
) -> Result<Value, HttpOnly> {
    let http_only = matches!(key, "host" | "method" | "path") || key.starts_with("request.");
    if tcp && http_only {
        return Err(HttpOnly);
    }
    if key.starts_with("experimental.") {
        return Ok(envoy_filter(key, values));
    }
    match key {
        "request.auth.audiences" => return Ok(claim(&["aud"], values)),
        "request.auth.presenter" => return Ok(claim(&["azp"], values)),
        _ => {}
    }
    if let Some(names) = key.strip_prefix("request.auth.claims") {
        let inner = names
            .strip_prefix('[')
            .and_then(|names| names.strip_suffix(']'));
        let names: Vec<&str> = inner
            .expect("generated keys have brackets")
            .split("][")
            .collect();
        return Ok(claim(&names, values));
    }
    let values: Vec<String> = match key {
        "source.principal" => values.iter().flat_map(|v| aliases(v, settings)).collect(),
        "source.trustDomain" => values
            .iter()
            .flat_map(|v| known_domains(v, settings))
            .collect(),
        _ => values.to_vec(),
    };
    let each: Vec<Value> = values
        .iter()
        .map(|value| one(key, value, policy_namespace))
        .collect();
    Ok(match side_of(key) {
        Some(Side::Permission) => json!({"or_rules": {"rules": each}}),
        _ => json!({"or_ids": {"ids": each}}),
    })
}

fn one(key: &str, value: &str, policy_namespace: &str) -> Value {
    match key {
        "source.principal" => authenticated(prefixed(value, "spiffe://")),
        "source.namespace" => {
            let parts: Vec<String> = value.split('*').map(regex::escape).collect();
            authenticated(regex(&format!(".*/ns/{}/.*", parts.join(".*"))))
        }
        "source.serviceAccount" => {
            let (namespace, account) = value.split_once('/').unwrap_or((policy_namespace, value));
            let (namespace, account) = (regex::escape(namespace), regex::escape(account));
            authenticated(regex(&format!(
                "spiffe://.+/ns/{namespace}/(.+/|)sa/{account}(/.+)?"
            )))
        }
        "source.trustDomain" => authenticated(match value.split_once('*') {
            None => json!({"prefix": format!("spiffe://{value}/")}),
            Some(_) if value == "*" => json!({"prefix": "spiffe://"}),
            Some((before, after)) => {
                let (before, after) = (regex::escape(before), regex::escape(after));
                regex(&format!("spiffe://{before}[^/]*{after}/.*"))
            }
        }),
        "request.auth.principal" => request_principal(value),
        "source.ip" => json!({"direct_remote_ip": range(value)}),
        "remote.ip" => json!({"remote_ip": range(value)}),
        "destination.ip" => json!({"destination_ip": range(value)}),
        "destination.port" => json!({"destination_port": value.parse::<u16>().expect("a port")}),
        "connection.sni" => json!({"requested_server_name": prefixed(value, "")}),
        "host" => header(":authority", value, true),
        "method" => header(":method", value, false),
        "path" if value.contains("{*}") || value.contains("{**}") => json!({"uri_template": {
            "name": "uri-template",
            "typed_config": {
                "@type": "type.googleapis.com/\
                          envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig",
                "path_template": value.replace("{**}", "**").replace("{*}", "*"),
            },
        }}),
        "path" => json!({"url_path": {"path": prefixed(value, "")}}),
        _ => {
            let name = key
                .strip_prefix("request.headers[")
                .and_then(|name| name.strip_suffix(']'));
            header(name.expect("the last kind of key"), value, false)
        }
    }
}

fn authenticated(name: Value) -> Value {
    json!({"authenticated": {"principal_name": name}})
}

fn regex(expression: &str) -> Value {
    json!({"safe_regex": {"regex": expression}})
}

/// Istio's StringMatcherWithPrefix.
fn prefixed(value: &str, prefix: &str) -> Value {
    if value == "*" {
        regex(".+")
    } else if let Some(suffix) = value.strip_prefix('*') {
        if prefix.is_empty() {
            json!({"suffix": suffix})
        } else {
            regex(&format!("{prefix}.*{}", regex::escape(suffix)))
        }
    } else if let Some(start) = value.strip_suffix('*') {
        json!({"prefix": format!("{prefix}{start}")})
    } else {
        json!({"exact": format!("{prefix}{value}")})
    }
}

/// Istio's HeaderMatcher and HostMatcher.
fn header(name: &str, value: &str, ignore_case: bool) -> Value {
    if value == "*" {
        return json!({"header": {"name": name, "present_match": true}});
    }
    let mut matcher = prefixed(value, "");
    matcher["ignore_case"] = json!(ignore_case);
    json!({"header": {"name": name, "string_match": matcher}})
}

fn range(block: &str) -> Value {
    let (address, length) = match block.split_once('/') {
        Some((address, length)) => (address, length.parse().expect("a length")),
        None => (block, if block.contains(':') { 128 } else { 32 }),
    };
    json!({"address_prefix": address, "prefix_len": length})
}

/// Both halves of `issuer/subject`.
fn request_principal(value: &str) -> Value {
    let exact = |text: &str| json!({"exact": text});
    let (issuer, subject) = match value.rsplit_once('/') {
        _ if value == "*" => (regex(".+"), regex(".+")),
        None if value.starts_with('*') => (regex(".+"), json!({"suffix": &value[1..]})),
        None if value.ends_with('*') => (json!({"prefix": value.strip_suffix('*')}), regex(".+")),
        None => (exact(value), exact("")),
        Some(("*", subject)) => (regex(".+"), exact(subject)),
        Some((issuer, subject)) if value.starts_with('*') => {
            (json!({"suffix": &issuer[1..]}), exact(subject))
        }
        Some((issuer, "*")) => (exact(issuer), regex(".+")),
        Some((issuer, subject)) => match subject.strip_suffix('*') {
            Some(start) => (exact(issuer), json!({"prefix": start})),
            None => (exact(issuer), exact(subject)),
        },
    };
    let half = |name: &str, matcher: Value| {
        json!({"metadata": {
            "filter": "envoy.filters.http.jwt_authn",
            "path": [{"key": "payload"}, {"key": name}],
            "value": {"string_match": matcher},
        }})
    };
    json!({"and_ids": {"ids": [half("iss", issuer), half("sub", subject)]}})
}

/// A claim that is one of the values, or a list that has one.
fn claim(names: &[&str], values: &[String]) -> Value {
    let wanted = or(values
        .iter()
        .map(|v| json!({"string_match": prefixed(v, "")}))
        .collect());
    let mut path = vec![json!({"key": "payload"})];
    path.extend(names.iter().map(|name| json!({"key": name})));
    let list = json!({"list_match": {"one_of": wanted}});
    json!({"metadata": {
        "filter": "envoy.filters.http.jwt_authn",
        "path": path,
        "value": {"or_match": {"value_matchers": [list, wanted]}},
    }})
}

fn envoy_filter(key: &str, values: &[String]) -> Value {
    let key = key.strip_prefix("experimental.").unwrap_or(key);
    let (filter, name) = key
        .strip_suffix(']')
        .unwrap_or(key)
        .split_once('[')
        .expect("generated keys have brackets");
    let wanted = values
        .iter()
        .map(|value| {
            if value.starts_with('[') && value.ends_with(']') {
                let inner = value.trim_matches(['[', ']']);
                json!({"list_match": {"one_of": {"string_match": prefixed(inner, "")}}})
            } else {
                json!({"string_match": prefixed(value, "")})
            }
        })
        .collect();
    json!({"metadata": {"filter": filter, "path": [{"key": name}], "value": or(wanted)}})
}

fn or(mut matchers: Vec<Value>) -> Value {
    if matchers.len() == 1 {
        return matchers.remove(0);
    }
    json!({"or_match": {"value_matchers": matchers}})
}

/// Istio's ReplaceTrustDomainAliases for one value.
fn aliases(principal: &str, settings: &MeshSettings) -> Vec<String> {
    let own = domains(settings);
    let mut parts: Vec<&str> = principal.split('/').collect();
    let domain = parts[0];
    if parts.len() != 5 || domain == "*" {
        return vec![principal.to_owned()];
    }
    let similar = |own: &String| {
        own == domain
            || domain
                .strip_suffix('*')
                .is_some_and(|start| own.starts_with(start))
            || domain
                .strip_prefix('*')
                .is_some_and(|end| own.ends_with(end))
    };
    if !own.iter().any(similar) && domain != "cluster.local" {
        return vec![principal.to_owned()];
    }
    let mut expanded: Vec<String> = Vec::new();
    for own in &own {
        let kept = domain
            .strip_prefix('*')
            .is_some_and(|end| own.ends_with(end));
        parts[0] = if kept { domain } else { own };
        let principal = parts.join("/");
        if !expanded.contains(&principal) {
            expanded.push(principal);
        }
    }
    expanded
}

/// Istio's ExpandTrustDomainAliases for one value.
fn known_domains(value: &str, settings: &MeshSettings) -> Vec<String> {
    let own = domains(settings);
    if own.iter().any(|own| own == value) {
        own
    } else {
        vec![value.to_owned()]
    }
}

fn domains(settings: &MeshSettings) -> Vec<String> {
    std::iter::once(&settings.trust_domain)
        .chain(&settings.trust_domain_aliases)
        .cloned()
        .collect()
}

//! Makes a case that goes wrong small: takes away one thing after another while it still goes
//! wrong.

use mesh_api::{PathNormalization, Rule};
use serde_json::Value;

use crate::case::{Case, Request};

/// The smallest case found for which `wrong` still holds. `case` itself must be wrong.
pub(crate) fn shrink(case: &Case, wrong: impl Fn(&Case) -> bool) -> Case {
    let mut smallest = case.clone();
    while let Some(smaller) = reductions(&smallest)
        .into_iter()
        .find(|smaller| wrong(smaller))
    {
        smallest = smaller;
    }
    smallest
}

/// The case with one thing less, in every way.
fn reductions(case: &Case) -> Vec<Case> {
    let mut all = Vec::new();
    let mut with = |change: &dyn Fn(&mut Case)| {
        let mut smaller = case.clone();
        change(&mut smaller);
        all.push(smaller);
    };
    if case.requests.len() > 1 {
        for index in 0..case.requests.len() {
            with(&|case| case.requests = vec![case.requests[index].clone()]);
        }
        return all;
    }
    for index in 0..case.set.authorization_policies.len() {
        with(&|case| drop(case.set.authorization_policies.remove(index)));
    }
    if !case.set.request_authentications.is_empty() {
        with(&|case| case.set.request_authentications.clear());
    }
    for index in 0..case.set.authorization_policies.len() {
        let policy = &case.set.authorization_policies[index];
        if !policy.selector.is_empty() {
            with(&|case| case.set.authorization_policies[index].selector.clear());
        }
        if policy.dry_run {
            with(&|case| case.set.authorization_policies[index].dry_run = false);
        }
        for place in 0..policy.rules.len() {
            if policy.rules.len() > 1 {
                with(&|case| drop(case.set.authorization_policies[index].rules.remove(place)));
            }
            for smaller in smaller_rules(&policy.rules[place]) {
                with(&|case| {
                    case.set.authorization_policies[index].rules[place].clone_from(&smaller);
                });
            }
        }
    }
    if !case.settings.trust_domain_aliases.is_empty() {
        with(&|case| case.settings.trust_domain_aliases.clear());
    }
    if case.settings.path_normalization != PathNormalization::None {
        with(&|case| case.settings.path_normalization = PathNormalization::None);
    }
    for request in case.requests.iter().flat_map(smaller_requests) {
        with(&|case| case.requests = vec![request.clone()]);
    }
    all
}

fn smaller_rules(rule: &Rule) -> Vec<Rule> {
    let mut all = Vec::new();
    let mut with = |change: &dyn Fn(&mut Rule)| {
        let mut smaller = rule.clone();
        change(&mut smaller);
        all.push(smaller);
    };
    for index in 0..rule.from.len() {
        with(&|rule| drop(rule.from.remove(index)));
    }
    for index in 0..rule.to.len() {
        with(&|rule| drop(rule.to.remove(index)));
    }
    for index in 0..rule.when.len() {
        with(&|rule| drop(rule.when.remove(index)));
    }
    let mut probe = rule.clone();
    for list in 0..lists(&mut probe).len() {
        let length = lists(&mut probe)[list].len();
        for value in 0..length {
            with(&|rule| drop(lists(rule)[list].remove(value)));
        }
    }
    all
}

/// Every list of values in a rule.
fn lists(rule: &mut Rule) -> Vec<&mut Vec<String>> {
    let mut all = Vec::new();
    for source in &mut rule.from {
        all.extend([
            &mut source.principals,
            &mut source.not_principals,
            &mut source.request_principals,
            &mut source.not_request_principals,
            &mut source.namespaces,
            &mut source.not_namespaces,
            &mut source.service_accounts,
            &mut source.not_service_accounts,
            &mut source.ip_blocks,
            &mut source.not_ip_blocks,
            &mut source.remote_ip_blocks,
            &mut source.not_remote_ip_blocks,
            &mut source.trust_domains,
            &mut source.not_trust_domains,
        ]);
    }
    for operation in &mut rule.to {
        all.extend([
            &mut operation.hosts,
            &mut operation.not_hosts,
            &mut operation.ports,
            &mut operation.not_ports,
            &mut operation.methods,
            &mut operation.not_methods,
            &mut operation.paths,
            &mut operation.not_paths,
        ]);
    }
    for condition in &mut rule.when {
        all.extend([&mut condition.values, &mut condition.not_values]);
    }
    all
}

fn smaller_requests(request: &Request) -> Vec<Request> {
    let mut all = Vec::new();
    let mut with = |change: &dyn Fn(&mut Request)| {
        let mut smaller = request.clone();
        change(&mut smaller);
        if smaller != *request {
            all.push(smaller);
        }
    };
    with(&|request| request.principal = None);
    with(&|request| request.remote_ip = None);
    with(&|request| request.sni.clear());
    with(&|request| request.jwt = None);
    with(&|request| request.metadata.clear());
    for name in ["iss", "sub", "aud", "azp", "claims"] {
        with(&|request| {
            if let Some(jwt) = &mut request.jwt {
                jwt.remove(name);
            }
        });
    }
    let claims = request
        .jwt
        .as_ref()
        .and_then(|jwt| jwt.get("claims"))
        .and_then(Value::as_object);
    for name in claims.into_iter().flat_map(|claims| claims.keys()) {
        with(&|request| {
            let claims = request.jwt.as_mut().and_then(|jwt| jwt.get_mut("claims"));
            if let Some(claims) = claims.and_then(Value::as_object_mut) {
                claims.remove(name);
            }
        });
    }
    if let Some(http) = &request.http {
        for index in 0..http.headers.len() {
            with(&|request| {
                if let Some(http) = &mut request.http {
                    http.headers.remove(index);
                }
            });
        }
        with(&|request| {
            if let Some(http) = &mut request.http {
                http.path = "/".to_owned();
            }
        });
        for (at, _) in http.path.char_indices().skip(1) {
            with(&|request| {
                if let Some(http) = &mut request.http {
                    http.path.remove(at);
                }
            });
        }
    }
    all
}

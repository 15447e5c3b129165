//! AuthorizationPolicy, with the demands that its action makes on its rules.

use super::rule::{RULES_MAX, rule};
use super::selection::{selector, target_refs};
use super::{At, Fields, Reader};
use crate::authorization::{Action, AuthorizationPolicy, Rule, Source};
use crate::meta::Meta;
use crate::report::Fault;
use crate::yaml::Node;

/// The annotation that makes a policy one that is only watched.
const DRY_RUN_ANNOTATION: &str = "istio.io/dry-run";

const SPEC_FIELDS: [&str; 6] = [
    "selector",
    "targetRef",
    "targetRefs",
    "rules",
    "action",
    "provider",
];

/// The attributes of `when` that a CUSTOM policy cannot use: it runs before tokens are checked.
const NOT_FOR_CUSTOM: [&str; 4] = [
    "source.namespace",
    "source.serviceAccount",
    "source.trustDomain",
    "source.principal",
];

/// Reads a policy whose metadata is read.
pub(crate) fn authorization_policy(
    reader: &mut Reader<'_>,
    document: Fields<'_>,
    meta: Meta,
) -> AuthorizationPolicy {
    let root = At::ROOT;
    let at = root.key("spec");
    let spec = match document.get("spec") {
        Some(node) => reader.fields(node, &at, &SPEC_FIELDS),
        None => Fields::empty(document.line),
    };
    let action = action(reader, spec, &at);
    let at_rules = at.key("rules");
    let items = reader.items_up_to(spec.get("rules"), &at_rules, RULES_MAX);
    let mut rules = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let at = at_rules.index(index);
        let rule = rule(reader, item, &at);
        match action {
            Some(Action::Custom { .. }) => custom_rule(reader, item, &at, &rule),
            Some(Action::Deny) => deny_rule(reader, item, &at, &rule),
            Some(Action::Allow | Action::Audit) | None => {}
        }
        rules.push(rule);
    }
    if let Some(action @ (Action::Deny | Action::Custom { .. })) = &action
        && items.is_empty()
    {
        let message = format!("{} without rules never matches", action.as_str());
        reader.reject(
            spec.line,
            &at_rules,
            &message,
            "rules; `- {}` matches every request",
        );
    }
    AuthorizationPolicy {
        selector: selector(reader, spec, &at),
        target_refs: target_refs(reader, spec, &at),
        rules,
        // A policy that is wrong is not used; one that is shown nevertheless had better deny.
        action: action.unwrap_or(Action::Deny),
        dry_run: dry_run(reader, &meta),
        meta,
    }
}

// === helpers ===

/// The action; nothing when it is none, after which no demand of an action is worth a message.
fn action(reader: &mut Reader<'_>, spec: Fields<'_>, at: &At<'_>) -> Option<Action> {
    let at_provider = at.key("provider");
    let provider_node = spec.get("provider");
    let provider = provider_node.map_or(String::new(), |node| {
        let fields = reader.fields(node, &at_provider, &["name"]);
        reader.text(fields, &at_provider, "name")
    });
    let words = [
        ("ALLOW", Word::Allow),
        ("DENY", Word::Deny),
        ("AUDIT", Word::Audit),
        ("CUSTOM", Word::Custom),
    ];
    let node = spec.get("action");
    let word = match node {
        None => Word::Allow,
        Some(node) => reader.word(node, &at.key("action"), &words)?,
    };
    if word == Word::Custom && provider.is_empty() {
        let line = provider_node.map_or(spec.line, |node| node.line);
        let expected = "the name of an extension provider of MeshConfig";
        reader.reject(line, &at_provider.key("name"), "missing", expected);
    }
    if let Some(node) = provider_node.filter(|_| word != Word::Custom) {
        reader.reject(
            node.line,
            &at_provider,
            "a provider without action CUSTOM",
            "no provider",
        );
    }
    Some(match word {
        Word::Allow => Action::Allow,
        Word::Deny => Action::Deny,
        Word::Audit => Action::Audit,
        Word::Custom => Action::Custom { provider },
    })
}

#[derive(Clone, Copy, PartialEq)]
enum Word {
    Allow,
    Deny,
    Audit,
    Custom,
}

/// Rejects what needs an identity or a token: CUSTOM is decided before tokens are checked.
fn custom_rule(reader: &mut Reader<'_>, node: &Node, at: &At<'_>, rule: &Rule) {
    let reject = |reader: &mut Reader<'_>, at: &At<'_>| {
        let expected = "addresses, ports, hosts, methods, paths or headers";
        reader.reject(node.line, at, "not supported with action CUSTOM", expected);
    };
    let at_from = at.key("from");
    for (index, source) in rule.from.iter().enumerate() {
        let at = at_from.index(index);
        let at = at.key("source");
        for (field, values) in identity_fields(source) {
            if !values.is_empty() {
                reject(reader, &at.key(field));
            }
        }
    }
    let at_when = at.key("when");
    for (index, condition) in rule.when.iter().enumerate() {
        let key = condition.key.as_str();
        if NOT_FOR_CUSTOM.contains(&key) || key.starts_with("request.auth.") {
            let at = at_when.index(index);
            reject(reader, &at.key("key"));
        }
    }
}

fn identity_fields(source: &Source) -> [(&'static str, &[String]); 10] {
    [
        ("namespaces", &source.namespaces),
        ("notNamespaces", &source.not_namespaces),
        ("serviceAccounts", &source.service_accounts),
        ("notServiceAccounts", &source.not_service_accounts),
        ("trustDomains", &source.trust_domains),
        ("notTrustDomains", &source.not_trust_domains),
        ("principals", &source.principals),
        ("notPrincipals", &source.not_principals),
        ("requestPrincipals", &source.request_principals),
        ("notRequestPrincipals", &source.not_request_principals),
    ]
}

/// Warns, as Istio does, of a DENY rule that on a TCP port is left with nothing to compare.
fn deny_rule(reader: &mut Reader<'_>, node: &Node, at: &At<'_>, rule: &Rule) {
    let tcp_in_from = rule.from.iter().any(|source| {
        let fields: [&[String]; 10] = [
            &source.principals,
            &source.not_principals,
            &source.namespaces,
            &source.not_namespaces,
            &source.service_accounts,
            &source.not_service_accounts,
            &source.ip_blocks,
            &source.not_ip_blocks,
            &source.remote_ip_blocks,
            &source.not_remote_ip_blocks,
        ];
        fields.iter().any(|values| !values.is_empty())
    });
    let tcp_in_to = rule
        .to
        .iter()
        .any(|operation| !operation.ports.is_empty() || !operation.not_ports.is_empty());
    let only_from = !rule.from.is_empty() && rule.to.is_empty();
    if (only_from && !tcp_in_from) || (!rule.to.is_empty() && !tcp_in_to) {
        let message = "a DENY rule of HTTP fields alone denies all traffic to TCP ports";
        reader.warn(node.line, at, message, "the ports that it is meant for");
    }
}

/// Go's `strconv.ParseBool`; what it does not take, Istio reports and enforces.
fn dry_run(reader: &mut Reader<'_>, meta: &Meta) -> bool {
    let Some(value) = meta.annotations.get(DRY_RUN_ANNOTATION) else {
        return false;
    };
    match value.as_str() {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => true,
        "0" | "f" | "F" | "false" | "FALSE" | "False" => false,
        _ => {
            let root = At::ROOT;
            let at = root.key("metadata");
            let at = at.key("annotations");
            let fault = Fault::new(
                format!("\"{value}\" is no boolean, so the policy is enforced"),
                "\"true\" or \"false\"",
            );
            let line = meta.origin.line;
            reader.warn(
                line,
                &at.key(DRY_RUN_ANNOTATION),
                &fault.message,
                &fault.expected,
            );
            false
        }
    }
}

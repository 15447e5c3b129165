//! One rule of an AuthorizationPolicy: `from`, `to` and `when`.

use super::{At, Fields, Reader};
use crate::authorization::{Condition, Operation, Rule, Source};
use crate::check;
use crate::report::Fault;
use crate::yaml::Node;

/// The API server's limits on `rules` and on `from` of one rule.
pub(super) const RULES_MAX: usize = 512;
const FROM_MAX: usize = 512;

const SOURCE_FIELDS: [&str; 14] = [
    "principals",
    "notPrincipals",
    "requestPrincipals",
    "notRequestPrincipals",
    "namespaces",
    "notNamespaces",
    "serviceAccounts",
    "notServiceAccounts",
    "ipBlocks",
    "notIpBlocks",
    "remoteIpBlocks",
    "notRemoteIpBlocks",
    "trustDomains",
    "notTrustDomains",
];

const OPERATION_FIELDS: [&str; 8] = [
    "hosts",
    "notHosts",
    "ports",
    "notPorts",
    "methods",
    "notMethods",
    "paths",
    "notPaths",
];

pub(super) fn rule(reader: &mut Reader<'_>, node: &Node, at: &At<'_>) -> Rule {
    let fields = reader.fields(node, at, &["from", "to", "when"]);
    let at_from = at.key("from");
    let from = reader.items_up_to(fields.get("from"), &at_from, FROM_MAX);
    warn_of_empty_list(reader, fields, &at_from, "from");
    let at_to = at.key("to");
    let to = reader.items(fields.get("to"), &at_to);
    warn_of_empty_list(reader, fields, &at_to, "to");
    let at_when = at.key("when");
    let when = reader.items(fields.get("when"), &at_when);
    Rule {
        from: from
            .iter()
            .enumerate()
            .map(|(index, item)| source(reader, item, &at_from.index(index)))
            .collect(),
        to: to
            .iter()
            .enumerate()
            .map(|(index, item)| operation(reader, item, &at_to.index(index)))
            .collect(),
        when: when
            .iter()
            .enumerate()
            .map(|(index, item)| condition(reader, item, &at_when.index(index)))
            .collect(),
    }
}

// === helpers ===

/// The API server takes an empty list and Istio reads it as an absent one, which matches anything:
/// hardly what was meant.
fn warn_of_empty_list(reader: &mut Reader<'_>, fields: Fields<'_>, at: &At<'_>, key: &str) {
    if let Some(node) = fields.get(key).filter(|node| node.is_empty_list()) {
        let message = "an empty list counts as absent and matches everything";
        reader.warn(node.line, at, message, "an item, or no key");
    }
}

/// The one object that an item of `from` or `to` wraps, with at least one field.
fn wrapped<'n>(
    reader: &mut Reader<'_>,
    item: &'n Node,
    at: &At<'_>,
    key: &str,
    known: &[&str],
) -> Fields<'n> {
    let wrapper = reader.fields(item, at, &[key]);
    let at = at.key(key);
    let Some(node) = wrapper.get(key) else {
        reader.reject(
            item.line,
            &at,
            "missing",
            "an object with at least one field",
        );
        return Fields::empty(item.line);
    };
    let fields = reader.fields(node, &at, known);
    if !node.is_object() {
        return fields;
    }
    let says_something = known.iter().any(|key| {
        fields
            .get(key)
            .is_some_and(|values| !values.is_empty_list())
    });
    // Nobody wants to hear that an object is empty whose only field has a wrong name.
    let is_misspelt = !fields.is_empty() && known.iter().all(|key| !fields.has(key));
    if !says_something && !is_misspelt {
        let expected = format!("at least one of {}", known.join(", "));
        reader.reject(node.line, &at, "must not be empty", &expected);
    }
    fields
}

fn source(reader: &mut Reader<'_>, item: &Node, at: &At<'_>) -> Source {
    let fields = wrapped(reader, item, at, "source", &SOURCE_FIELDS);
    let at = at.key("source");
    let accounts = ["serviceAccounts", "notServiceAccounts"];
    let others = ["principals", "notPrincipals", "namespaces", "notNamespaces"];
    let has = |keys: &[&str]| keys.iter().any(|key| fields.get(key).is_some());
    if has(&accounts) && has(&others) {
        let message = "service accounts exclude principals and namespaces";
        reader.reject(
            fields.line,
            &at,
            message,
            "one of them, or a source for each",
        );
    }
    for key in accounts {
        let at = at.key(key);
        reader.limit(fields.get(key), &at, check::SERVICE_ACCOUNTS_MAX);
    }
    let mut texts =
        |key: &str, check: fn(&str) -> Result<(), Fault>| reader.texts(fields, &at, key, check);
    Source {
        principals: texts("principals", check::pattern),
        not_principals: texts("notPrincipals", check::pattern),
        request_principals: texts("requestPrincipals", check::pattern),
        not_request_principals: texts("notRequestPrincipals", check::pattern),
        namespaces: texts("namespaces", check::pattern),
        not_namespaces: texts("notNamespaces", check::pattern),
        service_accounts: texts("serviceAccounts", check::service_account),
        not_service_accounts: texts("notServiceAccounts", check::service_account),
        ip_blocks: texts("ipBlocks", check::ip_block),
        not_ip_blocks: texts("notIpBlocks", check::ip_block),
        remote_ip_blocks: texts("remoteIpBlocks", check::ip_block),
        not_remote_ip_blocks: texts("notRemoteIpBlocks", check::ip_block),
        trust_domains: texts("trustDomains", check::trust_domain_pattern),
        not_trust_domains: texts("notTrustDomains", check::trust_domain_pattern),
    }
}

fn operation(reader: &mut Reader<'_>, item: &Node, at: &At<'_>) -> Operation {
    let fields = wrapped(reader, item, at, "operation", &OPERATION_FIELDS);
    let at = at.key("operation");
    let mut texts =
        |key: &str, check: fn(&str) -> Result<(), Fault>| reader.texts(fields, &at, key, check);
    Operation {
        hosts: texts("hosts", check::pattern),
        not_hosts: texts("notHosts", check::pattern),
        ports: texts("ports", check::port),
        not_ports: texts("notPorts", check::port),
        methods: texts("methods", check::pattern),
        not_methods: texts("notMethods", check::pattern),
        paths: texts("paths", check::path),
        not_paths: texts("notPaths", check::path),
    }
}

fn condition(reader: &mut Reader<'_>, item: &Node, at: &At<'_>) -> Condition {
    let fields = reader.fields(item, at, &["key", "values", "notValues"]);
    let at_key = at.key("key");
    let mut key_is_known = false;
    let key = match fields.get("key") {
        None => {
            reader.reject(
                item.line,
                &at_key,
                "missing",
                "an attribute such as source.namespace",
            );
            None
        }
        Some(node) => reader
            .string(node, &at_key)
            .inspect(|key| match check::attribute(key) {
                Ok(()) => key_is_known = true,
                Err(fault) => reader.invalid(node, &at_key, fault),
            }),
    };
    let key = key.unwrap_or_default();
    let check_value = |value: &str| match key_is_known {
        true => check::attribute_value(&key, value),
        // What its values must be is unknown as long as the key is.
        false => Ok(()),
    };
    for list in ["values", "notValues"]
        .iter()
        .filter(|_| key == "source.serviceAccount")
    {
        reader.limit(fields.get(list), &at.key(list), check::SERVICE_ACCOUNTS_MAX);
    }
    let values = reader.texts(fields, at, "values", check_value);
    let not_values = reader.texts(fields, at, "notValues", check_value);
    let is_set = |list: &str| fields.get(list).is_some_and(|node| !node.is_empty_list());
    if !is_set("values") && !is_set("notValues") {
        let expected = "at least one of values, notValues";
        reader.reject(item.line, at, "a condition without values", expected);
    }
    Condition {
        key,
        values,
        not_values,
    }
}

//! Single values: what no request can have, what looks like a wildcard and is none, and names of
//! accounts, namespaces, paths, methods and ports that nothing in the known world has.

mod known;

use mesh_api::{AuthorizationPolicy, PathNormalization, PolicySet, nearest};

use self::known::Known;
use crate::attribute::{Attribute, lists};
use crate::clause::Identity;
use crate::code::Code;
use crate::finding::Findings;
use crate::world::World;

const KIND: &str = "AuthorizationPolicy";

/// The methods of HTTP; others exist, and are rarer than typing errors of these.
pub(crate) const METHODS: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
];

pub(crate) fn check(policies: &PolicySet, world: &World, findings: &mut Findings) {
    let known = Known::of(policies, world);
    for policy in &policies.authorization_policies {
        for (attribute, list, _, path) in lists(policy) {
            for (index, value) in list.values.iter().enumerate() {
                let path = format!("{path}[{index}]");
                let mut found = Found {
                    policy,
                    path,
                    findings,
                };
                by_itself(attribute, value, &known, &mut found);
                known.check(attribute, value, &mut found);
            }
        }
        known.check_operations(policy, findings);
    }
}

/// A value of which something is told.
pub(crate) struct Found<'f> {
    pub(crate) policy: &'f AuthorizationPolicy,
    pub(crate) path: String,
    pub(crate) findings: &'f mut Findings,
}

// === impl Found ===

impl Found<'_> {
    pub(crate) fn add(&mut self, code: Code, message: String, suggestion: String) {
        let path = self.path.clone();
        self.findings
            .suggest(code, KIND, &self.policy.meta, path, message, suggestion);
    }
}

// === helpers ===

/// What can be said of a value without knowing any workload.
fn by_itself(attribute: Attribute<'_>, value: &str, known: &Known, found: &mut Found<'_>) {
    let impossible = match attribute {
        Attribute::Principal => {
            if let Some(rest) = value.strip_prefix("spiffe://") {
                let message =
                    format!("\"{value}\" matches nobody: it is compared behind spiffe://");
                found.add(Code::SpiffeScheme, message, format!("write \"{rest}\""));
                return;
            }
            impossible_principal(value)
        }
        Attribute::Path => impossible_path(value, known.normalization()),
        Attribute::Host => impossible_host(value),
        Attribute::Port if value.chars().all(|digit| digit == '0') => {
            Some("no connection has port 0".to_owned())
        }
        Attribute::Method => {
            misspelt_method(value, found);
            None
        }
        _ => None,
    };
    if let Some(message) = impossible {
        found.add(Code::ImpossibleValue, message, String::new());
        return;
    }
    let takes_wildcards = matches!(
        attribute,
        Attribute::Principal
            | Attribute::RequestPrincipal
            | Attribute::Host
            | Attribute::Method
            | Attribute::Path
    );
    // A key such as a claim may really hold a star.
    if takes_wildcards && has_literal_star(value) {
        let message = format!("the `*` within \"{value}\" is no wildcard");
        let suggestion = match attribute {
            Attribute::Path => "a template such as /a/{*}/b is one",
            _ => "only one at the start or the end is",
        };
        found.add(Code::LiteralStar, message, suggestion.to_owned());
    }
}

fn has_literal_star(value: &str) -> bool {
    if value.contains("{*}") || value.contains("{**}") || value == "*" {
        return false;
    }
    let inner = match value.strip_prefix('*') {
        Some(rest) => rest,
        None => value.strip_suffix('*').unwrap_or(value),
    };
    inner.contains('*')
}

/// Whether an identity can have the segments that a value spells out.
fn impossible_principal(value: &str) -> Option<String> {
    let example = "an identity is domain/ns/namespace/sa/account";
    if !value.contains('*') {
        return match Identity::parse(value) {
            Some(_) => None,
            // A single word is an identity of some other making, as other meshes have.
            None if !value.contains('/') => None,
            None => Some(format!("no identity of the mesh is \"{value}\": {example}")),
        };
    }
    let markers = [("ns", 1), ("sa", 3)];
    let segments: Vec<&str> = value.split('/').collect();
    // From the front or from the back, by the end that the wildcard leaves alone.
    let wrong = if value.starts_with('*') {
        let offset = 5_usize.checked_sub(segments.len());
        let Some(offset) = offset else {
            return Some(format!(
                "no identity has as many segments as \"{value}\": {example}"
            ));
        };
        let whole = segments.iter().enumerate().skip(1);
        whole.filter(|_| value != "*").any(|(index, segment)| {
            markers
                .iter()
                .any(|(word, at)| index + offset == *at && segment != word)
        })
    } else if value.ends_with('*') {
        let whole = &segments[..segments.len() - 1];
        segments.len() > 5
            || whole.iter().enumerate().any(|(index, segment)| {
                markers
                    .iter()
                    .any(|(word, at)| index == *at && segment != word)
            })
    } else {
        false
    };
    wrong.then(|| format!("no identity of the mesh fits \"{value}\": {example}"))
}

fn impossible_path(value: &str, normalization: PathNormalization) -> Option<String> {
    if !value.starts_with(['/', '*']) {
        return Some(format!(
            "no path is \"{value}\": every path begins with `/`"
        ));
    }
    if value.contains(['?', '#']) {
        return Some(format!(
            "no path is \"{value}\": query and fragment are cut off before it is compared"
        ));
    }
    let is_normalized = normalization != PathNormalization::None;
    let has_dots = value
        .split('/')
        .any(|segment| segment == "." || segment == "..");
    let has_backslash = value.contains('\\');
    if is_normalized && (has_dots || has_backslash) {
        return Some(format!("no path is \"{value}\" once it is normalised"));
    }
    let merges = matches!(
        normalization,
        PathNormalization::MergeSlashes | PathNormalization::DecodeAndMergeSlashes
    );
    if merges && value.contains("//") {
        return Some(format!(
            "no path is \"{value}\" once its slashes are merged"
        ));
    }
    None
}

fn impossible_host(value: &str) -> Option<String> {
    let has_path = value.contains('/');
    has_path.then(|| format!("no host is \"{value}\": it has neither a scheme nor a path"))
}

fn misspelt_method(value: &str, found: &mut Found<'_>) {
    if METHODS.contains(&value) || value.contains('*') {
        return;
    }
    let upper = value.to_uppercase();
    let meant = match METHODS.contains(&upper.as_str()) {
        true => Some(upper.as_str()),
        false => nearest(value, METHODS),
    };
    if let Some(meant) = meant {
        let message = format!("HTTP has no method \"{value}\"");
        found.add(
            Code::MisspeltMethod,
            message,
            format!("did you mean \"{meant}\"?"),
        );
    }
}

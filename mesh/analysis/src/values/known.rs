//! Values against the known world: who runs, where, and what can be called.

use std::collections::BTreeSet;

use mesh_api::{
    AuthorizationPolicy, MeshSettings, Operation, PathNormalization, PolicySet, WorkloadEntry,
};

use super::{Found, KIND, METHODS};
use crate::attribute::Attribute;
use crate::clause::Identity;
use crate::code::Code;
use crate::descriptor::Route;
use crate::finding::Findings;
use crate::selection::did_you_mean;
use crate::world::World;

/// What is known, gathered once.
pub(super) struct Known<'w> {
    policies: &'w PolicySet,
    world: &'w World,
    settings: MeshSettings,
    accounts: BTreeSet<String>,
    namespaces: BTreeSet<String>,
    routes: &'w [Route],
}

// === impl Known ===

impl<'w> Known<'w> {
    pub(super) fn of(policies: &'w PolicySet, world: &'w World) -> Self {
        Self {
            policies,
            world,
            settings: world.settings(),
            accounts: world.accounts(policies),
            namespaces: world.namespaces(policies),
            routes: match &world.descriptors {
                Some(descriptors) => descriptors.routes(),
                None => &[],
            },
        }
    }

    pub(super) fn normalization(&self) -> PathNormalization {
        self.settings.path_normalization
    }

    pub(super) fn check(&self, attribute: Attribute<'_>, value: &str, found: &mut Found<'_>) {
        match attribute {
            Attribute::Principal => self.principal(value, found),
            Attribute::TrustDomain => self.trust_domain(value, found),
            Attribute::Namespace => self.namespace(value, found),
            Attribute::ServiceAccount => {
                let own = &found.policy.meta.namespace;
                match value.contains('/') {
                    true => self.account(value, found),
                    false => self.account(&format!("{own}/{value}"), found),
                }
            }
            Attribute::Path => self.path(value, found),
            Attribute::Port => self.port(value, found),
            _ => {}
        }
    }

    /// Tells of operations whose methods none of their paths is called with.
    pub(super) fn check_operations(&self, policy: &AuthorizationPolicy, findings: &mut Findings) {
        if self.routes.is_empty() {
            return;
        }
        for (number, rule) in policy.rules.iter().enumerate() {
            for (index, operation) in rule.to.iter().enumerate() {
                let path = format!("spec.rules[{number}].to[{index}].operation.methods");
                if !self.is_callable(operation) {
                    let methods = operation.methods.join(", ");
                    let message = match operation.paths.is_empty() {
                        true => format!("no RPC is called with {methods}"),
                        false => format!("none of these paths is called with {methods}"),
                    };
                    let suggestion = "every gRPC call is a POST".to_owned();
                    let meta = &policy.meta;
                    findings.suggest(Code::UnknownMethod, KIND, meta, path, message, suggestion);
                }
            }
        }
    }

    /// Whether some route fits both the methods and the paths; yes where either is not compared.
    fn is_callable(&self, operation: &Operation) -> bool {
        let fits_path = |route: &&Route| {
            operation.paths.is_empty() || operation.paths.iter().any(|path| route.can_match(path))
        };
        let mut routes = self.routes.iter().filter(fits_path).peekable();
        // Of paths that are not there something else is said already.
        let nothing_to_say = operation.methods.is_empty() || routes.peek().is_none();
        nothing_to_say || routes.any(|route| may_be(&operation.methods, &route.method))
    }

    fn principal(&self, value: &str, found: &mut Found<'_>) {
        if value.contains('*') {
            self.principal_pattern(value, found);
            return;
        }
        let Some(identity) = Identity::parse(value) else {
            return;
        };
        self.trust_domain(identity.trust_domain, found);
        // Who runs in another mesh is not known here.
        if self.is_own_domain(identity.trust_domain) {
            self.account(
                &format!("{}/{}", identity.namespace, identity.account),
                found,
            );
        }
    }

    /// Whether any account fits a pattern.
    fn principal_pattern(&self, value: &str, found: &mut Found<'_>) {
        if self.accounts.is_empty() || value == "*" {
            return;
        }
        let domains = self.domains();
        let fits = |identity: &str| match value.strip_prefix('*') {
            Some(suffix) => identity.ends_with(suffix),
            None => value
                .strip_suffix('*')
                .is_some_and(|prefix| identity.starts_with(prefix)),
        };
        let identities: Vec<String> = domains
            .iter()
            .flat_map(|domain| self.accounts.iter().map(move |account| (domain, account)))
            .filter_map(|(domain, account)| {
                let (namespace, account) = account.split_once('/')?;
                Some(format!("{domain}/ns/{namespace}/sa/{account}"))
            })
            .collect();
        let domain = value.split('/').next().unwrap_or_default();
        let is_foreign = !domain.contains('*') && !self.is_own_domain(domain);
        if is_foreign && value.contains('/') {
            self.trust_domain(domain, found);
        } else if !identities.iter().any(|identity| fits(identity)) {
            let message = format!("no known workload has an identity that \"{value}\" matches");
            let bare = value.trim_matches('*');
            let meant = identities.iter().find(|identity| {
                let distance = mesh_api::nearest(bare, [cut(identity, value)]);
                distance.is_some()
            });
            let suggestion = match meant {
                Some(meant) => format!("did you mean \"{}\"?", like(value, cut(meant, value))),
                None => String::new(),
            };
            let code = match suggestion.is_empty() {
                true => Code::UnlistedCaller,
                false => Code::UnknownAccount,
            };
            found.add(code, message, suggestion);
        }
    }

    /// Callers need no entry among the workloads, so an account that is not there is an error only
    /// where it is nearly one that is.
    fn account(&self, account: &str, found: &mut Found<'_>) {
        if self.accounts.is_empty() || self.accounts.contains(account) {
            return;
        }
        let message = format!("no known workload runs as \"{account}\"");
        match self.accounts.iter().find(|known| is_nearly(account, known)) {
            Some(meant) => {
                found.add(
                    Code::UnknownAccount,
                    message,
                    format!("did you mean \"{meant}\"?"),
                );
            }
            None => found.add(Code::UnlistedCaller, message, String::new()),
        }
    }

    fn namespace(&self, value: &str, found: &mut Found<'_>) {
        let root = &self.settings.root_namespace;
        let fits = |name: &String| glob_matches(value, name);
        if self.namespaces.is_empty() || fits(root) || self.namespaces.iter().any(fits) {
            return;
        }
        let message = format!("no known workload lives in namespace \"{value}\"");
        let suggestion = did_you_mean(value, self.namespaces.iter().map(String::as_str));
        let code = match suggestion.is_empty() {
            true => Code::UnlistedCaller,
            false => Code::UnknownNamespace,
        };
        found.add(code, message, suggestion);
    }

    fn trust_domain(&self, value: &str, found: &mut Found<'_>) {
        // Without the settings of the mesh nobody knows which trust domains there are.
        if self.world.settings.is_none() {
            return;
        }
        let domains = self.domains();
        if domains.iter().any(|domain| glob_matches(value, domain)) {
            return;
        }
        let message = format!("the mesh knows no trust domain \"{value}\"");
        let suggestion = did_you_mean(value, domains.iter().map(String::as_str));
        found.add(Code::UnknownTrustDomain, message, suggestion);
    }

    fn path(&self, value: &str, found: &mut Found<'_>) {
        if self.routes.is_empty() || self.routes.iter().any(|route| route.can_match(value)) {
            return;
        }
        // Of a policy that selects nothing that is said, and its services may be described elsewhere.
        let policy = found.policy;
        let selected = self
            .world
            .selected(self.policies, &policy.meta, &policy.selector);
        if self.world.has_workloads(self.policies) && selected.is_empty() {
            return;
        }
        let message = format!("no descriptor has a method that \"{value}\" matches");
        let paths = self.routes.iter().map(|route| route.path.as_str());
        let suggestion = match value.split_once('*') {
            None => did_you_mean(value, paths),
            Some(_) => {
                let bare = value.trim_matches('*');
                let parts = paths.map(|path| cut(path, value));
                match mesh_api::nearest(bare, parts) {
                    Some(meant) => format!("did you mean \"{}\"?", like(value, meant)),
                    None => String::new(),
                }
            }
        };
        found.add(Code::UnknownPath, message, suggestion);
    }

    fn port(&self, value: &str, found: &mut Found<'_>) {
        let policy = found.policy;
        let selected = self
            .world
            .selected(self.policies, &policy.meta, &policy.selector);
        let has_port = |workload: &&WorkloadEntry| {
            workload.ports.is_empty()
                || workload
                    .ports
                    .values()
                    .any(|port| value.parse() == Ok(*port))
        };
        if selected.is_empty() || !policy.target_refs.is_empty() || selected.iter().any(has_port) {
            return;
        }
        let ports: BTreeSet<String> = selected
            .iter()
            .flat_map(|workload| workload.ports.values())
            .map(u16::to_string)
            .collect();
        let ports: Vec<String> = ports.into_iter().collect();
        let message = format!("no workload that the policy selects has port {value}");
        let suggestion = format!("their ports are {}", ports.join(", "));
        found.add(Code::UnknownPort, message, suggestion);
    }

    fn domains(&self) -> Vec<String> {
        let mut domains = self.settings.trust_domain_aliases.clone();
        domains.push(self.settings.trust_domain.clone());
        // Policies may call the mesh's own domain so, whatever it is called.
        domains.push("cluster.local".to_owned());
        domains
    }

    fn is_own_domain(&self, domain: &str) -> bool {
        self.domains().iter().any(|own| own == domain)
    }
}

// === helpers ===

/// Whether one of two accounts is the other with a typing error in its name or in its namespace.
fn is_nearly(account: &str, known: &str) -> bool {
    let (Some((namespace, name)), Some((known_namespace, known_name))) =
        (account.split_once('/'), known.split_once('/'))
    else {
        return false;
    };
    let same_namespace = namespace == known_namespace;
    let near = |word: &str, known: &str| mesh_api::nearest(word, [known]).is_some();
    (same_namespace && near(name, known_name))
        || (name == known_name && near(namespace, known_namespace))
}

fn may_be(methods: &[String], method: &str) -> bool {
    methods.iter().any(|value| {
        // A method that HTTP does not have is told of elsewhere.
        let is_known = METHODS.contains(&value.as_str()) || value.contains('*');
        !is_known || glob_matches(value, method)
    })
}

/// Whether a name is matched, with a star standing for anything.
fn glob_matches(glob: &str, name: &str) -> bool {
    let parts: Vec<&str> = glob.split('*').collect();
    let [first, middle @ .., last] = parts.as_slice() else {
        return glob == name;
    };
    let Some(mut rest) = name.strip_prefix(first) else {
        return false;
    };
    for part in middle {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// The part of a known text that a pattern spells out, of the same length.
fn cut<'t>(text: &'t str, pattern: &str) -> &'t str {
    let length = pattern.trim_matches('*').len().min(text.len());
    let cut = match pattern.starts_with('*') {
        true => text.get(text.len() - length..),
        false => text.get(..length),
    };
    cut.unwrap_or(text)
}

/// The same pattern with other letters.
fn like(pattern: &str, letters: &str) -> String {
    match pattern.starts_with('*') {
        true => format!("*{letters}"),
        false => format!("{letters}*"),
    }
}

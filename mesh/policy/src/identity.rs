//! Who the peer is, by its SPIFFE id without `spiffe://`: principals, namespaces, service accounts
//! and trust domains of a policy. Istio writes them as regular expressions over the whole id; of an
//! id of the usual form the segments are compared instead, which is proved to be the same.

mod peer;

use std::fmt;

pub(crate) use self::peer::Peer;
use crate::pattern::Pattern;

/// One value of `principals`, `namespaces`, `serviceAccounts` or `trustDomains`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Identity {
    Principal(Principal),
    Namespace(Namespace),
    Account(Account),
    Domain(Domain),
}

/// `source.principal`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Principal {
    /// `.+`
    Any,
    Exact(Box<str>),
    Prefix(Box<str>),
    /// `spiffe://.*value`; the pattern is for a value that no id can end with but by a line feed.
    Suffix(Box<str>, Option<Box<Pattern>>),
}

/// `source.namespace`: `.*/ns/value/.*`, with `.*` for `*`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Namespace {
    pub(crate) value: Box<str>,
    /// None for a plain name.
    pattern: Option<Box<Pattern>>,
}

/// `source.serviceAccount`: `spiffe://.+/ns/namespace/(.+/|)sa/account(/.+)?`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Account {
    pub(crate) namespace: Box<str>,
    pub(crate) account: Box<str>,
    /// With and without what may stand between and behind; empty for plain names.
    patterns: Box<[Pattern]>,
}

/// `source.trustDomain`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Domain {
    /// Any id at all.
    Any,
    /// `spiffe://value/`, then anything.
    Exact(Box<str>),
    /// `spiffe://start[^/]*end/.*`
    Affix(Box<str>, Box<str>),
}

// === impl Identity ===

impl Identity {
    pub(crate) fn matches(&self, peer: &Peer<'_>) -> bool {
        match self {
            Identity::Principal(principal) => principal.matches(peer),
            Identity::Namespace(namespace) => namespace.matches(peer),
            Identity::Account(account) => account.matches(peer),
            Identity::Domain(domain) => domain.matches(peer),
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Identity::Principal(Principal::Any) | Identity::Domain(Domain::Any) => {
                write!(formatter, "*")
            }
            Identity::Principal(Principal::Exact(value))
            | Identity::Domain(Domain::Exact(value)) => {
                write!(formatter, "{value}")
            }
            Identity::Principal(Principal::Prefix(value)) => write!(formatter, "{value}*"),
            Identity::Principal(Principal::Suffix(value, _)) => write!(formatter, "*{value}"),
            Identity::Namespace(namespace) => write!(formatter, "{}", namespace.value),
            Identity::Account(account) => {
                write!(formatter, "{}/{}", account.namespace, account.account)
            }
            Identity::Domain(Domain::Affix(start, end)) => write!(formatter, "{start}*{end}"),
        }
    }
}

// === impl Principal ===

impl Principal {
    pub(crate) fn new(value: &str) -> Self {
        if value == "*" {
            Principal::Any
        } else if let Some(suffix) = value.strip_prefix('*') {
            let pattern = || Box::new(Pattern::default().anything(true).literal(suffix));
            Principal::Suffix(suffix.into(), suffix.contains('\n').then(pattern))
        } else if let Some(prefix) = value.strip_suffix('*') {
            Principal::Prefix(prefix.into())
        } else {
            Principal::Exact(value.into())
        }
    }

    fn matches(&self, peer: &Peer<'_>) -> bool {
        match self {
            Principal::Any => !peer.has_line_feed(),
            Principal::Exact(value) => **value == *peer.id,
            Principal::Prefix(value) => peer.id.starts_with(&**value),
            Principal::Suffix(value, None) => peer.id.ends_with(&**value) && !peer.has_line_feed(),
            Principal::Suffix(_, Some(pattern)) => pattern.matches(peer.id),
        }
    }
}

// === impl Namespace ===

impl Namespace {
    pub(crate) fn new(value: &str) -> Self {
        let is_plain = !value.contains(['*', '/', '\n']);
        let pattern = || {
            let pattern = Pattern::default().anything(true).literal("/ns/");
            let pattern = pattern.with_wildcards(value);
            Box::new(pattern.literal("/").anything(true))
        };
        Self {
            value: value.into(),
            pattern: (!is_plain).then(pattern),
        }
    }

    /// A name without meaning beyond itself.
    pub(crate) fn is_plain(&self) -> bool {
        self.pattern.is_none()
    }

    fn matches(&self, peer: &Peer<'_>) -> bool {
        match (&self.pattern, peer.usual()) {
            (None, Some(usual)) => usual.namespace == &*self.value,
            (None, None) => {
                !peer.has_line_feed() && peer.namespaces().any(|name| name == &*self.value)
            }
            // The last slash of `spiffe://` may be the first of `/ns/`.
            (Some(pattern), _) => pattern.matches_behind_slash(peer.id),
        }
    }
}

// === impl Account ===

impl Account {
    /// `namespace/account`, or an account of the policy's namespace.
    pub(crate) fn new(value: &str, policy_namespace: &str) -> Self {
        let (namespace, account) = value.split_once('/').unwrap_or((policy_namespace, value));
        let is_plain = [namespace, account]
            .iter()
            .all(|name| !name.contains(['/', '\n']));
        let mut this = Self {
            namespace: namespace.into(),
            account: account.into(),
            patterns: Box::default(),
        };
        if !is_plain {
            this.patterns = this.patterns().collect();
        }
        this
    }

    /// Names without meaning beyond themselves.
    pub(crate) fn is_plain(&self) -> bool {
        self.patterns.is_empty()
    }

    fn matches(&self, peer: &Peer<'_>) -> bool {
        match peer.usual() {
            Some(usual) if self.is_plain() => {
                usual.namespace == &*self.namespace && usual.account == &*self.account
            }
            None if self.is_plain() => self.patterns().any(|pattern| pattern.matches(peer.id)),
            _ => self.patterns.iter().any(|pattern| pattern.matches(peer.id)),
        }
    }

    fn patterns(&self) -> impl Iterator<Item = Pattern> {
        [(false, false), (false, true), (true, false), (true, true)]
            .into_iter()
            .map(|(between, behind)| self.pattern(between, behind))
    }

    fn pattern(&self, between: bool, behind: bool) -> Pattern {
        let mut pattern = Pattern::default().anything(false).literal("/ns/");
        pattern = pattern.literal(&self.namespace).literal("/");
        if between {
            pattern = pattern.anything(false).literal("/");
        }
        pattern = pattern.literal("sa/").literal(&self.account);
        if behind {
            pattern = pattern.literal("/").anything(false);
        }
        pattern
    }
}

// === impl Domain ===

impl Domain {
    pub(crate) fn new(value: &str) -> Self {
        match value.split_once('*') {
            None => Domain::Exact(value.into()),
            Some(("", "")) => Domain::Any,
            Some((start, end)) => Domain::Affix(start.into(), end.into()),
        }
    }

    fn matches(&self, peer: &Peer<'_>) -> bool {
        match self {
            Domain::Any => true,
            Domain::Exact(value) => peer
                .id
                .strip_prefix(&**value)
                .is_some_and(|rest| rest.starts_with('/')),
            Domain::Affix(start, end) => {
                let Some((domain, rest)) = peer.id.split_once('/') else {
                    return false;
                };
                domain.len() >= start.len() + end.len()
                    && domain.starts_with(&**start)
                    && domain.ends_with(&**end)
                    && !rest.contains('\n')
            }
        }
    }
}

#[cfg(test)]
mod tests;

//! SPIFFE ids in the one form that the mesh knows, parsed strictly.
//!
//! Nothing is normalised: a text that is not exactly an id is refused, so that two texts never mean
//! the same identity, and a policy that compares texts cannot be led around.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::error::Error;

/// The longest id in bytes that any part of SPIFFE must understand; longer ones are refused.
const SPIFFE_ID_BYTES_MAX: usize = 2048;

/// The longest trust domain in bytes, as the SPIFFE standard limits it.
const TRUST_DOMAIN_BYTES_MAX: usize = 255;

/// The longest namespace in bytes: Kubernetes takes a DNS label.
const NAMESPACE_BYTES_MAX: usize = 63;

/// The longest service account name in bytes: Kubernetes takes a DNS subdomain.
const SERVICE_ACCOUNT_BYTES_MAX: usize = 253;

/// How much of a refused text is shown: it comes from a peer, and logs are no place to fill up.
const SHOWN_BYTES_MAX: usize = 80;

/// A trust domain: the part of the world that one set of roots speaks for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrustDomain(String);

/// `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`.
///
/// Clones share one text: every call carries the id of its caller.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpiffeId(Arc<Parts>);

#[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Parts {
    trust_domain: TrustDomain,
    namespace: String,
    service_account: String,
    uri: String,
}

// === impl TrustDomain ===

impl TrustDomain {
    /// The trust domain as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TrustDomain {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let refuse = |reason| Error::InvalidTrustDomain {
            text: shown(text),
            reason,
        };
        if text.is_empty() {
            return Err(refuse("it is empty"));
        }
        if text.len() > TRUST_DOMAIN_BYTES_MAX {
            return Err(refuse("it is longer than 255 bytes"));
        }
        let allowed = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'_')
        };
        if !text.bytes().all(allowed) {
            return Err(refuse("only a-z, 0-9, '.', '-' and '_' are allowed"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for TrustDomain {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

// === impl SpiffeId ===

impl SpiffeId {
    /// The id of a service account, or an error when a name is not one that Kubernetes would take.
    pub fn new(
        trust_domain: TrustDomain,
        namespace: &str,
        service_account: &str,
    ) -> Result<Self, Error> {
        let refuse = |reason| Error::InvalidSpiffeId {
            text: shown(&format!("ns/{namespace}/sa/{service_account}")),
            reason,
        };
        // A label has no dot: `<namespace>.<service account>` splits at its first one.
        if namespace.len() > NAMESPACE_BYTES_MAX || !is_label(namespace) {
            return Err(refuse("the namespace is not a lower-case DNS label"));
        }
        if service_account.len() > SERVICE_ACCOUNT_BYTES_MAX
            || !service_account.split('.').all(is_label)
        {
            return Err(refuse(
                "the service account is not a lower-case DNS subdomain",
            ));
        }
        let uri = format!("spiffe://{trust_domain}/ns/{namespace}/sa/{service_account}");
        Ok(Self(Arc::new(Parts {
            trust_domain,
            namespace: namespace.to_owned(),
            service_account: service_account.to_owned(),
            uri,
        })))
    }

    /// The whole id: `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`.
    pub fn as_str(&self) -> &str {
        &self.0.uri
    }

    /// The trust domain whose roots vouch for this id.
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.0.trust_domain
    }

    /// The namespace of the service account.
    pub fn namespace(&self) -> &str {
        &self.0.namespace
    }

    /// The service account.
    pub fn service_account(&self) -> &str {
        &self.0.service_account
    }
}

impl FromStr for SpiffeId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let refuse = |reason| Error::InvalidSpiffeId {
            text: shown(text),
            reason,
        };
        if text.len() > SPIFFE_ID_BYTES_MAX {
            return Err(refuse("it is longer than 2048 bytes"));
        }
        let rest = text
            .strip_prefix("spiffe://")
            .ok_or_else(|| refuse("it does not begin with 'spiffe://'"))?;
        let segments: Vec<&str> = rest.split('/').collect();
        let [trust_domain, "ns", namespace, "sa", service_account] = segments[..] else {
            return Err(refuse(
                "it is not spiffe://<trust domain>/ns/<namespace>/sa/<service account>",
            ));
        };
        Self::new(trust_domain.parse()?, namespace, service_account)
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Debug for SpiffeId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

fn is_label(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty()
        && text.len() <= NAMESPACE_BYTES_MAX
        && text.bytes().all(allowed)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// The beginning of a text from outside, short enough to log.
fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_BYTES_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;

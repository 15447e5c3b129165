//! `requestPrincipals`: issuer and subject of a token.

use std::fmt;

use crate::request::Jwt;
use crate::text::Text;

/// One value: both parts must be claims of text that match.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TokenMatch {
    value: Box<str>,
    pub(crate) issuer: Text,
    pub(crate) subject: Text,
}

// === impl TokenMatch ===

impl TokenMatch {
    /// Split at the last slash, because issuers are URLs.
    pub(crate) fn new(value: &str) -> Self {
        let parts = value.rsplit_once('/');
        let exact = |part: &str| Text::Exact(part.into());
        let (issuer, subject) = match parts {
            _ if value == "*" => (Text::Any, Text::Any),
            Some((issuer, subject)) if value.starts_with('*') => {
                (Text::new(issuer), exact(subject))
            }
            None if value.starts_with('*') => (Text::Any, Text::Suffix(value[1..].into())),
            Some((issuer, subject)) if value.ends_with('*') => (exact(issuer), Text::new(subject)),
            None if value.ends_with('*') => {
                (Text::Prefix(value[..value.len() - 1].into()), Text::Any)
            }
            Some((issuer, subject)) => (exact(issuer), exact(subject)),
            None => (exact(value), exact("")),
        };
        Self {
            value: value.into(),
            issuer,
            subject,
        }
    }

    pub(crate) fn matches(&self, jwt: &Jwt<'_>) -> bool {
        let matches = |name: &str, text: &Text| {
            jwt.text_claim(name)
                .is_some_and(|claim| text.matches(claim))
        };
        matches("iss", &self.issuer) && matches("sub", &self.subject)
    }
}

impl fmt::Display for TokenMatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.value)
    }
}

#[cfg(test)]
mod tests;

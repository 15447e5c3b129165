//! Istio's string match: a value, `prefix*`, `*suffix`, or `*` for anything that is there. Knows
//! nothing of what the text is.

use std::fmt;

/// A value of a policy, compared with bytes: header values need not be UTF-8.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Text {
    /// `*`: not empty. Envoy is told `.+`, whose dot takes no line feed and no broken UTF-8.
    Any,
    Exact(Box<str>),
    Prefix(Box<str>),
    Suffix(Box<str>),
}

// === impl Text ===

impl Text {
    /// A wildcard counts at the start, else at the end; anywhere else it is a literal `*`.
    pub(crate) fn new(value: &str) -> Self {
        if value == "*" {
            Text::Any
        } else if let Some(suffix) = value.strip_prefix('*') {
            Text::Suffix(suffix.into())
        } else if let Some(prefix) = value.strip_suffix('*') {
            Text::Prefix(prefix.into())
        } else {
            Text::Exact(value.into())
        }
    }

    /// For a text that is compared without case, lower-case it before it is kept.
    pub(crate) fn new_caseless(value: &str) -> Self {
        Self::new(&value.to_ascii_lowercase())
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        match self {
            Text::Any => is_any(text),
            Text::Exact(value) => **value == *text,
            Text::Prefix(value) => text.starts_with(&**value),
            Text::Suffix(value) => text.ends_with(&**value),
        }
    }

    /// As [`Self::matches`], of a header's value; `*` is a question of presence there, which is
    /// answered by there being a value at all.
    pub(crate) fn matches_header(&self, bytes: &[u8]) -> bool {
        match self {
            Text::Any => true,
            Text::Exact(value) => value.as_bytes() == bytes,
            Text::Prefix(value) => bytes.starts_with(value.as_bytes()),
            Text::Suffix(value) => bytes.ends_with(value.as_bytes()),
        }
    }

    /// As [`Self::matches_header`], for a match that was made by [`Self::new_caseless`]; only the
    /// letters of ASCII have case.
    pub(crate) fn matches_caseless(&self, text: &str) -> bool {
        let bytes = text.as_bytes();
        match self {
            Text::Any => true,
            Text::Exact(value) => bytes.eq_ignore_ascii_case(value.as_bytes()),
            Text::Prefix(value) => bytes
                .get(..value.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(value.as_bytes())),
            Text::Suffix(value) => bytes
                .len()
                .checked_sub(value.len())
                .is_some_and(|at| bytes[at..].eq_ignore_ascii_case(value.as_bytes())),
        }
    }
}

impl fmt::Display for Text {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Text::Any => write!(formatter, "*"),
            Text::Exact(value) => write!(formatter, "{value}"),
            Text::Prefix(value) => write!(formatter, "{value}*"),
            Text::Suffix(value) => write!(formatter, "*{value}"),
        }
    }
}

/// What the regular expression `.+` takes as a whole.
pub(crate) fn is_any(text: &str) -> bool {
    !text.is_empty() && !text.contains('\n')
}

#[cfg(test)]
mod tests;

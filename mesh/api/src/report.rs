//! What is wrong with a file, said so that a person finds the place and knows what to write there.

use std::fmt;

use crate::meta::Origin;

/// One thing that is wrong, or that Istio warns of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub kind: ProblemKind,
    /// Where.
    pub origin: Origin,
    /// Kind and name of the object, such as `AuthorizationPolicy shop/order`; empty before they are
    /// known.
    pub object: String,
    /// The field, such as `spec.rules[0].from[1].source.ipBlocks[0]`; empty for the whole object.
    pub path: String,
    /// The value that stands there, unless it is a list or an object.
    pub value: Option<String>,
    /// What is wrong with it.
    pub message: String,
    /// What would be valid; empty where the message says it.
    pub expected: String,
}

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProblemKind {
    /// A file that is not there, or text that is no YAML.
    Unreadable,
    /// A field or a kind that Istio does not have.
    Unknown,
    /// A value that Istio rejects.
    Invalid,
    /// A second object of the same kind and name.
    Duplicate,
    /// What Istio accepts with a warning, or takes otherwise than it reads.
    Warning,
}

/// Everything that is wrong with a set of files, at once.
#[derive(Debug, thiserror::Error)]
#[error("{}", list(.problems))]
pub struct Error {
    /// At least one; no warnings.
    pub problems: Vec<Problem>,
}

/// What a check of one value says when it fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) message: String,
    pub(crate) expected: String,
}

// === impl Problem ===

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.origin.line {
            0 => write!(formatter, "{}: ", self.origin.file.display())?,
            _ => write!(formatter, "{}: ", self.origin)?,
        }
        // The first document is where everyone looks first; its number would be noise.
        if self.origin.document > 1 {
            write!(formatter, "document {}: ", self.origin.document)?;
        }
        if self.kind == ProblemKind::Warning {
            write!(formatter, "warning: ")?;
        }
        for part in [&self.object, &self.path] {
            if !part.is_empty() {
                write!(formatter, "{part}: ")?;
            }
        }
        write!(formatter, "{}", self.message)?;
        if let Some(value) = &self.value {
            write!(formatter, ", found {value:?}")?;
        }
        if !self.expected.is_empty() {
            write!(formatter, "; expected {}", self.expected)?;
        }
        Ok(())
    }
}

// === impl Fault ===

impl Fault {
    pub(crate) fn new(message: impl Into<String>, expected: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            expected: expected.into(),
        }
    }
}

// === helpers ===

fn list(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

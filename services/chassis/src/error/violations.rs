//! Every field of a request that is wrong, told in one answer. Paths are as REST users write them
//! (`lines[0].quantity`, `price.currencyCode`).

use std::fmt::Display;

use tonic_types::FieldViolation;

use super::{Failure, Kind};

/// A request names at most this many of its mistakes: the answer has to fit into trailers.
pub(super) const VIOLATIONS_MAX: usize = 50;

/// The wrong fields of one request.
#[derive(Debug, Default)]
pub struct Violations(Vec<FieldViolation>);

// === impl Violations ===

impl Violations {
    /// Notes a wrong field.
    pub fn add(&mut self, path: impl Into<String>, description: impl Into<String>) {
        if self.0.len() < VIOLATIONS_MAX {
            self.0.push(FieldViolation::new(path, description));
        }
    }

    /// Notes the field unless `holds`.
    pub fn check(&mut self, holds: bool, path: impl Into<String>, description: impl Into<String>) {
        if !holds {
            self.add(path, description);
        }
    }

    /// The parsed value, or a note of why there is none.
    pub fn take<T, E: Display>(
        &mut self,
        path: impl Into<String>,
        parsed: Result<T, E>,
    ) -> Option<T> {
        match parsed {
            Ok(value) => Some(value),
            Err(error) => {
                self.add(path, error.to_string());
                None
            }
        }
    }

    /// Adds the violations of a part that was parsed elsewhere, below `prefix` (`lines[0]`).
    pub fn extend(&mut self, prefix: &str, part: Violations) {
        for violation in part.0 {
            self.add(
                format!("{prefix}.{}", violation.field),
                violation.description,
            );
        }
    }

    /// Whether every field is right so far.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Fails when any field is wrong.
    pub fn finish(self) -> Result<(), Failure> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(self.into())
        }
    }
}

impl From<Violations> for Failure {
    fn from(violations: Violations) -> Self {
        let mut failure = Failure::new(Kind::Invalid, "the request has wrong fields");
        failure.violations = violations.0;
        failure
    }
}

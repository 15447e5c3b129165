//! The verdict: what was looked at, what does not hold, for people and for programs.

use std::fmt;

use serde::Serialize;

/// A person reads this many; programs take all (`-o json`).
const SHOWN: usize = 10;

/// What one check found.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// The invariant, for example `I1`.
    pub invariant: &'static str,
    /// The invariant in a few words.
    pub rule: &'static str,
    /// How many things were looked at; a verdict over nothing is none.
    pub checked: usize,
    /// What does not hold, each naming its ids.
    pub violations: Vec<String>,
}

/// What all checks found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// One per check, in the order of the invariants.
    pub findings: Vec<Finding>,
}

// === impl Finding ===

impl Finding {
    pub(crate) fn new(
        invariant: &'static str,
        rule: &'static str,
        checked: usize,
        violations: Vec<String>,
    ) -> Self {
        Self {
            invariant,
            rule,
            checked,
            violations,
        }
    }
}

// === impl Report ===

impl Report {
    /// Whether every invariant holds.
    pub fn holds(&self) -> bool {
        self.findings
            .iter()
            .all(|finding| finding.violations.is_empty())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            let verdict = match finding.violations.len() {
                0 => "ok".to_owned(),
                1 => "1 violation".to_owned(),
                more => format!("{more} violations"),
            };
            writeln!(
                out,
                "{:<4} {:<58} {:>7} checked   {verdict}",
                finding.invariant, finding.rule, finding.checked
            )?;
            for violation in finding.violations.iter().take(SHOWN) {
                writeln!(out, "       {violation}")?;
            }
            if finding.violations.len() > SHOWN {
                writeln!(out, "       and {} more", finding.violations.len() - SHOWN)?;
            }
        }
        Ok(())
    }
}

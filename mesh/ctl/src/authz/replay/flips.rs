//! The decisions that flip, gathered by what flips into what.

use std::collections::HashMap;
use std::io::{self, Write};

use mesh_policy::{Decision, Engine, Matched, Reason, Request, Verdict};
use serde_json::json;

use crate::authz::answer::{json_of, word, write_fault};
use crate::error::Error;

/// Both decisions of a request.
pub(super) struct Pair<'e> {
    pub(super) was: Decision<'e>,
    pub(super) becomes: Decision<'e>,
}

/// What was found so far.
pub(super) struct Flips {
    is_json: bool,
    requests: usize,
    flips: usize,
    /// The verdict stays, another policy or rule gives it.
    moved: usize,
    faults: usize,
    kinds: HashMap<Kind, Seen>,
}

/// What flips into what.
#[derive(PartialEq, Eq, Hash)]
struct Kind {
    was: String,
    becomes: String,
}

struct Seen {
    /// What keeps the nearest rule from matching, of the first of them.
    why: Option<String>,
    first_line: usize,
    count: usize,
}

// === impl Pair ===

impl Pair<'_> {
    /// Whether somebody would notice: the verdict, whom it asks, or what comes after.
    fn is_flip(&self) -> bool {
        match (&self.was.verdict, &self.becomes.verdict) {
            (Verdict::Allow, Verdict::Allow) | (Verdict::Deny, Verdict::Deny) => false,
            (
                Verdict::Custom {
                    provider,
                    then_allowed,
                    ..
                },
                Verdict::Custom {
                    provider: other,
                    then_allowed: then,
                    ..
                },
            ) => (provider, then_allowed) != (other, then),
            _ => true,
        }
    }
}

// === impl Flips ===

impl Flips {
    pub(super) fn new(is_json: bool) -> Self {
        Self {
            is_json,
            requests: 0,
            flips: 0,
            moved: 0,
            faults: 0,
            kinds: HashMap::new(),
        }
    }

    /// Counts a request; a flip is written at once for programs, and kept by its kind for people.
    pub(super) fn note(
        &mut self,
        line: usize,
        pair: &Pair<'_>,
        candidate: &Engine,
        request: &Request<'_>,
        out: &mut impl Write,
    ) -> io::Result<()> {
        self.requests += 1;
        if !pair.is_flip() {
            self.moved += usize::from(pair.was.by != pair.becomes.by);
            return Ok(());
        }
        self.flips += 1;
        if self.is_json {
            let flip = json!({
                "line": line,
                "was": json_of(&pair.was),
                "becomes": json_of(&pair.becomes),
                "why": why(&pair.becomes, candidate, request),
            });
            return writeln!(out, "{flip}");
        }
        let kind = Kind {
            was: sentence(&pair.was),
            becomes: sentence(&pair.becomes),
        };
        let seen = self.kinds.entry(kind).or_insert_with(|| Seen {
            why: why(&pair.becomes, candidate, request),
            first_line: line,
            count: 0,
        });
        seen.count += 1;
        Ok(())
    }

    pub(super) fn note_fault(
        &mut self,
        line: usize,
        error: &str,
        out: &mut impl Write,
    ) -> io::Result<()> {
        self.faults += 1;
        write_fault(out, line, error, self.is_json)
    }

    /// Writes what comes after the last line.
    pub(super) fn conclude(&self, out: &mut impl Write) -> io::Result<()> {
        let (requests, flips, moved) = (self.requests, self.flips, self.moved);
        if self.is_json {
            let faults = self.faults;
            let summary = json!({
                "requests": requests, "flips": flips, "moved": moved, "faults": faults,
            });
            return writeln!(out, "{}", json!({"summary": summary}));
        }
        let mut kinds: Vec<(&Kind, &Seen)> = self.kinds.iter().collect();
        kinds.sort_by_key(|(_, seen)| seen.first_line);
        for (kind, seen) in kinds {
            let Seen {
                why,
                first_line,
                count,
            } = seen;
            let times = match count {
                1 => format!("line {first_line}"),
                _ => format!("{count} requests, the first in line {first_line}"),
            };
            writeln!(out, "{times}")?;
            writeln!(out, "  was     {}", kind.was)?;
            writeln!(out, "  becomes {}", kind.becomes)?;
            if let Some(why) = why {
                writeln!(out, "  nearest {why}")?;
            }
        }
        write!(out, "{flips} of {requests} decisions flip")?;
        if moved > 0 {
            write!(out, "; {moved} more are given by another rule")?;
        }
        writeln!(out)
    }

    /// How the command ends.
    pub(super) fn outcome(&self) -> Result<(), Error> {
        match (self.faults, self.flips) {
            (0, 0) => Ok(()),
            (0, count) => Err(Error::Flips { count }),
            (count, _) => Err(Error::BadLines { count }),
        }
    }
}

/// The decision without what only this request has.
fn sentence(decision: &Decision<'_>) -> String {
    let mut text = format!("{}  {decision}", word(decision));
    if let Verdict::Custom {
        provider,
        then_allowed,
        ..
    } = &decision.verdict
    {
        let then = if *then_allowed { "ALLOW" } else { "DENY" };
        text.push_str(&format!(" ({provider}), then {then}"));
    }
    text
}

/// Where nothing allows any more: the rule that comes nearest and what it misses.
fn why(becomes: &Decision<'_>, candidate: &Engine, request: &Request<'_>) -> Option<String> {
    if becomes.reason != Reason::NoAllowMatched {
        return None;
    }
    let proof = candidate.explain(request, 1);
    let nearest = proof.nearest.first()?;
    let Matched { policy, rule } = nearest.rule;
    let (place, failure) = nearest.first_failure()?;
    let values = failure.values.join(", ");
    let actual = failure.actual.as_deref().unwrap_or("none");
    let field = &failure.field;
    Some(format!(
        "{policy} rule {rule}: {place} {field} [{values}], the request has {actual}"
    ))
}

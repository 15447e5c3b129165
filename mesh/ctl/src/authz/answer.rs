//! A decision as one line, for programs or for people.

use std::fmt::Display;
use std::io::{self, Write};

use mesh_policy::{Decision, DryRun, Matched, Verdict};
use serde::{Serialize, Serializer};

/// The object that stands for a decision.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'d> {
    decision: &'static str,
    policy: Option<Shown<'d>>,
    rule: Option<usize>,
    reason: Shown<'d>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<&'d str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    then: Option<&'static str>,
    /// Comes with CUSTOM, and is null where nothing matched.
    #[serde(skip_serializing_if = "Option::is_none")]
    then_policy: Option<Option<Shown<'d>>>,
    audit: Vec<Shown<'d>>,
    dry_run: Vec<DryRunAnswer<'d>>,
}

#[derive(Serialize)]
struct DryRunAnswer<'d> {
    policy: Shown<'d>,
    rule: usize,
    action: &'static str,
}

#[derive(Serialize)]
struct Fault<'d> {
    line: usize,
    error: &'d str,
}

/// Serialised as the text that it displays.
struct Shown<'d>(&'d dyn Display);

pub(super) fn write_json(out: &mut impl Write, decision: &Decision<'_>) -> io::Result<()> {
    serde_json::to_writer(&mut *out, &json_of(decision))?;
    out.write_all(b"\n")
}

/// What a program gets of a decision.
pub(super) fn json_of<'d>(decision: &'d Decision<'d>) -> impl Serialize + 'd {
    let mut answer = Answer {
        decision: word(decision),
        policy: decision.by.map(policy),
        rule: decision.by.map(|matched| matched.rule),
        reason: Shown(decision),
        provider: None,
        then: None,
        then_policy: None,
        audit: decision.audit.iter().map(|name| Shown(*name)).collect(),
        dry_run: decision.dry_run.iter().map(dry_run_answer).collect(),
    };
    if let Verdict::Custom {
        provider,
        then_allowed,
        then,
    } = &decision.verdict
    {
        answer.provider = Some(provider);
        answer.then = Some(then_word(*then_allowed));
        answer.then_policy = Some(then.map(policy));
    }
    answer
}

pub(super) fn write_text(
    out: &mut impl Write,
    line: usize,
    decision: &Decision<'_>,
) -> io::Result<()> {
    write!(out, "{line}: {} {decision}", word(decision))?;
    if let Verdict::Custom {
        provider,
        then_allowed,
        then,
    } = &decision.verdict
    {
        write!(out, "; asks {provider}, then {}", then_word(*then_allowed))?;
        if let Some(then) = then {
            write!(out, " by {then}")?;
        }
    }
    for policy in &decision.audit {
        write!(out, "; audited by {policy}")?;
    }
    for DryRun { matched, action } in &decision.dry_run {
        write!(out, "; dry run of {matched} would {action}")?;
    }
    writeln!(out)
}

pub(super) fn write_fault(
    out: &mut impl Write,
    line: usize,
    error: &str,
    is_json: bool,
) -> io::Result<()> {
    if is_json {
        serde_json::to_writer(&mut *out, &Fault { line, error })?;
        out.write_all(b"\n")
    } else {
        writeln!(out, "{line}: no request: {error}")
    }
}

pub(super) fn word(decision: &Decision<'_>) -> &'static str {
    match decision.verdict {
        Verdict::Allow => "ALLOW",
        Verdict::Deny => "DENY",
        Verdict::Custom { .. } => "CUSTOM",
    }
}

fn then_word(is_allowed: bool) -> &'static str {
    if is_allowed { "ALLOW" } else { "DENY" }
}

fn dry_run_answer<'d>(dry_run: &DryRun<'d>) -> DryRunAnswer<'d> {
    DryRunAnswer {
        policy: Shown(dry_run.matched.policy),
        rule: dry_run.matched.rule,
        action: dry_run.action,
    }
}

fn policy(matched: Matched<'_>) -> Shown<'_> {
    Shown(matched.policy)
}

// === impl Shown ===

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.0)
    }
}

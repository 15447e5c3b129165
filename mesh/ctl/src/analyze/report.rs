//! Findings as text and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use mesh_analysis::{Code, Finding, Level};
use mesh_api::Loaded;
use serde_json::{Value, json};

/// What was found in which files.
pub(super) struct Report<'l> {
    findings: Vec<Finding>,
    objects: usize,
    ignored: &'l BTreeMap<String, usize>,
}

// === impl Report ===

impl<'l> Report<'l> {
    pub(super) fn new(loaded: &'l Loaded, findings: Vec<Finding>) -> Self {
        let policies = &loaded.policies;
        Self {
            findings,
            objects: policies.authorization_policies.len()
                + policies.peer_authentications.len()
                + policies.request_authentications.len(),
            ignored: &loaded.ignored,
        }
    }

    pub(super) fn count(&self, level: Level) -> usize {
        let of_level = |finding: &&Finding| finding.level() == level;
        self.findings.iter().filter(of_level).count()
    }

    pub(super) fn count_of(&self, code: Code) -> usize {
        let of_code = |finding: &&Finding| finding.code == code;
        self.findings.iter().filter(of_code).count()
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for finding in &self.findings {
            let _ = writeln!(text, "{finding}");
        }
        let counts: Vec<String> = [
            (self.count(Level::Error), "error"),
            (self.count(Level::Warning), "warning"),
            (self.count(Level::Hint), "hint"),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| counted(count, what))
        .collect();
        let found = match counts.is_empty() {
            true => "nothing found".to_owned(),
            false => counts.join(", "),
        };
        let policies = match self.objects {
            1 => "1 policy".to_owned(),
            count => format!("{count} policies"),
        };
        let _ = writeln!(text, "{found} in {policies}");
        let others: usize = self.ignored.values().sum();
        if others > 0 {
            let kinds: Vec<&str> = self.ignored.keys().map(String::as_str).collect();
            let others = counted(others, "other object");
            let _ = writeln!(text, "{others} left alone: {}", kinds.join(", "));
        }
        // The first of the worst.
        let worst = self
            .findings
            .iter()
            .rev()
            .max_by_key(|finding| finding.level());
        if let Some(worst) = worst {
            let _ = writeln!(text, "meshctl explain {} says more", worst.code);
        }
        text
    }

    pub(super) fn json(&self) -> Value {
        let findings: Vec<Value> = self.findings.iter().map(finding_json).collect();
        json!({
            "findings": findings,
            "errors": self.count(Level::Error),
            "warnings": self.count(Level::Warning),
            "hints": self.count(Level::Hint),
            "policies": self.objects,
            "ignored": self.ignored,
        })
    }
}

// === functions ===

/// Every code with its level and title.
pub(super) fn codes_text() -> String {
    let mut text = String::new();
    for code in Code::ALL {
        let title = title_of(*code);
        let _ = writeln!(text, "{code}  {:<7}  {title}", code.level().as_str());
    }
    text
}

/// The same for programs.
pub(super) fn codes_json() -> Value {
    Value::Array(Code::ALL.iter().map(|code| code_json(*code)).collect())
}

/// The page of one code for programs.
pub(super) fn code_json(code: Code) -> Value {
    json!({
        "code": code.as_str(),
        "level": code.level().as_str(),
        "title": title_of(code),
        "page": code.explanation(),
    })
}

// === helpers ===

fn finding_json(finding: &Finding) -> Value {
    json!({
        "code": finding.code.as_str(),
        "level": finding.level().as_str(),
        "file": finding.origin.file.display().to_string(),
        "line": finding.origin.line,
        "document": finding.origin.document,
        "object": finding.object,
        "path": finding.path,
        "message": finding.message,
        "suggestion": finding.suggestion,
    })
}

/// The title without the number before it.
fn title_of(code: Code) -> &'static str {
    let title = code.title();
    title.split_once(": ").map_or(title, |(_, title)| title)
}

fn counted(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

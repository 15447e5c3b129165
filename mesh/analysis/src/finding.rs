//! One thing that was found, and the list of them.

use std::fmt;

use mesh_api::{Loaded, Meta, Origin, Problem, ProblemKind};

use crate::code::{Code, Level};

/// What was found, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which kind of finding.
    pub code: Code,
    /// Where; of a field it is the object's line until a [`mesh_api::Locator`] tells a better one.
    pub origin: Origin,
    /// Kind and name of the object.
    pub object: String,
    /// The field; empty for the whole object.
    pub path: String,
    /// What is strange, in a sentence.
    pub message: String,
    /// What was probably meant; empty where nobody can know.
    pub suggestion: String,
}

/// Findings as they come.
#[derive(Default)]
pub(crate) struct Findings {
    list: Vec<Finding>,
}

// === impl Finding ===

impl Finding {
    /// How bad it is.
    #[must_use]
    pub fn level(&self) -> Level {
        self.code.level()
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = self.level().as_str();
        match self.origin.line {
            0 => write!(formatter, "{}", self.origin.file.display())?,
            _ => write!(formatter, "{}", self.origin)?,
        }
        write!(formatter, ": {level} {}: ", self.code)?;
        for part in [&self.object, &self.path] {
            if !part.is_empty() {
                write!(formatter, "{part}: ")?;
            }
        }
        write!(formatter, "{}", self.message)?;
        if !self.suggestion.is_empty() {
            write!(formatter, "; {}", self.suggestion)?;
        }
        Ok(())
    }
}

// === impl Findings ===

impl Findings {
    pub(crate) fn add(
        &mut self,
        code: Code,
        kind: &str,
        meta: &Meta,
        path: String,
        message: String,
    ) {
        self.suggest(code, kind, meta, path, message, String::new());
    }

    pub(crate) fn suggest(
        &mut self,
        code: Code,
        kind: &str,
        meta: &Meta,
        path: String,
        message: String,
        suggestion: String,
    ) {
        self.list.push(Finding {
            code,
            origin: meta.origin.clone(),
            object: format!("{kind} {}", meta.id()),
            path,
            message,
            suggestion,
        });
    }

    pub(crate) fn add_problems(&mut self, loaded: &Loaded) {
        let problems = loaded.problems.iter().chain(&loaded.warnings);
        self.list.extend(problems.map(from_problem));
    }

    /// Whether something of that kind was said of that field already.
    pub(crate) fn has(&self, code: Code, meta: &Meta, path: &str) -> bool {
        self.list.iter().any(|finding| {
            finding.code == code && finding.origin == meta.origin && finding.path == path
        })
    }

    pub(crate) fn sorted(mut self) -> Vec<Finding> {
        self.list.sort_by(|left, right| {
            let key = |finding: &Finding| (finding.origin.clone(), finding.code);
            key(left).cmp(&key(right)).then(left.path.cmp(&right.path))
        });
        self.list.dedup();
        self.list
    }
}

// === helpers ===

fn from_problem(problem: &Problem) -> Finding {
    let code = match problem.kind {
        ProblemKind::Unreadable => Code::Unreadable,
        ProblemKind::Unknown => Code::UnknownField,
        ProblemKind::Invalid => Code::Rejected,
        ProblemKind::Duplicate => Code::Duplicate,
        ProblemKind::Warning => Code::IstioWarning,
    };
    let value = match &problem.value {
        Some(value) => format!(", found {value:?}"),
        None => String::new(),
    };
    let suggestion = match problem.expected.as_str() {
        "" => String::new(),
        expected => format!("expected {expected}"),
    };
    Finding {
        code,
        origin: problem.origin.clone(),
        object: problem.object.clone(),
        path: problem.path.clone(),
        message: format!("{}{value}", problem.message),
        suggestion,
    }
}

//! Reads typed fields out of a document and notes everything that is wrong on the way. One module
//! per kind of object; this file has what they share: the place, the problems, the primitive types.

mod authorization;
mod jwt;
mod mesh_config;
mod metadata;
mod peer;
mod rule;
mod selection;
mod workload_entry;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

pub(crate) use self::authorization::authorization_policy;
pub(crate) use self::jwt::request_authentication;
pub(crate) use self::mesh_config::mesh_settings;
pub(crate) use self::metadata::metadata;
pub(crate) use self::peer::peer_authentication;
pub(crate) use self::workload_entry::workload_entry;
use crate::meta::Origin;
use crate::report::{Fault, Problem, ProblemKind};
use crate::suggest::nearest;
use crate::yaml::{Entry, Node, Value};

/// A field's place, as a chain to the document's root; it becomes text when something is wrong.
#[derive(Clone, Copy)]
pub(crate) struct At<'p> {
    parent: Option<&'p At<'p>>,
    step: Step<'p>,
}

#[derive(Clone, Copy)]
enum Step<'p> {
    Root,
    Key(&'p str),
    Index(usize),
}

/// Where problems of one document go.
pub(crate) struct Reader<'r> {
    pub(crate) file: &'r Path,
    pub(crate) document: usize,
    /// Kind and name, once they are known.
    pub(crate) object: String,
    pub(crate) problems: &'r mut Vec<Problem>,
}

/// An object whose keys are all known.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'n> {
    entries: &'n [Entry],
    pub(crate) line: usize,
}

// === impl At ===

impl<'p> At<'p> {
    pub(crate) const ROOT: At<'static> = At {
        parent: None,
        step: Step::Root,
    };

    pub(crate) fn key(&'p self, key: &'p str) -> At<'p> {
        At {
            parent: Some(self),
            step: Step::Key(key),
        }
    }

    pub(crate) fn index(&'p self, index: usize) -> At<'p> {
        At {
            parent: Some(self),
            step: Step::Index(index),
        }
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            write!(formatter, "{parent}")?;
        }
        match self.step {
            Step::Root => Ok(()),
            Step::Index(index) => write!(formatter, "[{index}]"),
            // A key that is no plain word, as labels have, is shown in brackets.
            Step::Key(key) if key.is_empty() || key.contains(['.', '/', '[', ']']) => {
                write!(formatter, "[{key:?}]")
            }
            Step::Key(key) if self.parent.is_some_and(|parent| parent.parent.is_some()) => {
                write!(formatter, ".{key}")
            }
            Step::Key(key) if self.parent.is_some_and(At::is_index) => {
                write!(formatter, ".{key}")
            }
            Step::Key(key) => write!(formatter, "{key}"),
        }
    }
}

impl At<'_> {
    fn is_index(&self) -> bool {
        matches!(self.step, Step::Index(_))
    }
}

// === impl Fields ===

impl<'n> Fields<'n> {
    pub(crate) const fn empty(line: usize) -> Self {
        Self { entries: &[], line }
    }

    /// The value of a key. A null counts as absent: the API server drops it before anything else.
    pub(crate) fn get(&self, key: &str) -> Option<&'n Node> {
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        (entry.node.value != Value::Null).then_some(&entry.node)
    }

    /// Whether the key stands there, even if it is null.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key)
    }

    /// Whether the object has no key at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

// === impl Reader ===

impl Reader<'_> {
    fn note(
        &mut self,
        kind: ProblemKind,
        line: usize,
        at: &At<'_>,
        value: Option<String>,
        fault: Fault,
    ) {
        self.problems.push(Problem {
            kind,
            origin: Origin {
                file: self.file.to_owned(),
                line,
                document: self.document,
            },
            object: self.object.clone(),
            path: at.to_string(),
            value,
            message: fault.message,
            expected: fault.expected,
        });
    }

    /// Notes a value that is rejected, and shows it.
    pub(crate) fn invalid(&mut self, node: &Node, at: &At<'_>, fault: Fault) {
        self.note(ProblemKind::Invalid, node.line, at, node.text(), fault);
    }

    /// Notes that something is missing, or wrong as a whole.
    pub(crate) fn reject(&mut self, line: usize, at: &At<'_>, message: &str, expected: &str) {
        let fault = Fault::new(message, expected);
        self.note(ProblemKind::Invalid, line, at, None, fault);
    }

    /// Notes a version or a kind that Istio does not have.
    pub(crate) fn unknown(&mut self, node: &Node, at: &At<'_>, message: &str, expected: &str) {
        let fault = Fault::new(message, expected);
        self.note(ProblemKind::Unknown, node.line, at, node.text(), fault);
    }

    /// Notes a second object of the same kind and name.
    pub(crate) fn duplicate(&mut self, line: usize, message: &str) {
        let fault = Fault::new(message, "another name, or one of them");
        self.note(ProblemKind::Duplicate, line, &At::ROOT, None, fault);
    }

    pub(crate) fn warn(&mut self, line: usize, at: &At<'_>, message: &str, expected: &str) {
        let fault = Fault::new(message, expected);
        self.note(ProblemKind::Warning, line, at, None, fault);
    }

    /// An object with no keys but `known`. Anything else reads as an empty one, after it is noted.
    pub(crate) fn fields<'n>(&mut self, node: &'n Node, at: &At<'_>, known: &[&str]) -> Fields<'n> {
        let Some(entries) = self.entries(node, at) else {
            return Fields::empty(node.line);
        };
        for entry in entries {
            if known.contains(&entry.key.as_str()) {
                if entry.node.value == Value::Null && is_of_weight(&entry.key) {
                    let message = "null counts as absent";
                    self.warn(
                        entry.line,
                        &at.key(&entry.key),
                        message,
                        "a value, or no key",
                    );
                }
                continue;
            }
            let expected = match nearest(&entry.key, known.iter().copied()) {
                Some(meant) => format!("perhaps {meant}"),
                None => format!("one of {}", known.join(", ")),
            };
            let fault = Fault::new("unknown field", expected);
            let at = at.key(&entry.key);
            self.note(ProblemKind::Unknown, entry.line, &at, None, fault);
        }
        Fields {
            entries,
            line: node.line,
        }
    }

    /// The entries of an object, whatever their keys.
    pub(crate) fn entries<'n>(&mut self, node: &'n Node, at: &At<'_>) -> Option<&'n [Entry]> {
        match &node.value {
            Value::Map(entries) => Some(entries),
            _ => {
                self.wrong_type(node, at, "an object");
                None
            }
        }
    }

    /// The items of a list. Anything else reads as an empty one, after it is noted.
    pub(crate) fn items<'n>(&mut self, node: Option<&'n Node>, at: &At<'_>) -> &'n [Node] {
        match node.map(|node| &node.value) {
            None => &[],
            Some(Value::List(items)) => items,
            Some(_) => {
                if let Some(node) = node {
                    self.wrong_type(node, at, "a list");
                }
                &[]
            }
        }
    }

    /// The items of a list that may not be longer than the API server lets it be.
    pub(crate) fn items_up_to<'n>(
        &mut self,
        node: Option<&'n Node>,
        at: &At<'_>,
        limit: usize,
    ) -> &'n [Node] {
        self.limit(node, at, limit);
        self.items(node, at)
    }

    /// Notes a list that is longer than it may be.
    pub(crate) fn limit(&mut self, node: Option<&Node>, at: &At<'_>, limit: usize) {
        let Some(Node {
            line,
            value: Value::List(items),
        }) = node
        else {
            return;
        };
        if items.len() > limit {
            let message = format!("{} items", items.len());
            self.reject(*line, at, &message, &format!("at most {limit}"));
        }
    }

    pub(crate) fn string(&mut self, node: &Node, at: &At<'_>) -> Option<String> {
        match &node.value {
            Value::String(text) => Some(text.clone()),
            Value::Bool(_) | Value::Integer(_) | Value::Float(_) => {
                let message = format!("{} where a string belongs", node.kind());
                self.invalid(node, at, Fault::new(message, "the value in quotes"));
                None
            }
            _ => {
                self.wrong_type(node, at, "a string");
                None
            }
        }
    }

    pub(crate) fn checked(
        &mut self,
        node: &Node,
        at: &At<'_>,
        check: impl Fn(&str) -> Result<(), Fault>,
    ) -> Option<String> {
        let text = self.string(node, at)?;
        if let Err(fault) = check(&text) {
            self.invalid(node, at, fault);
        }
        Some(text)
    }

    /// A field that is text; empty where it is absent.
    pub(crate) fn text(&mut self, fields: Fields<'_>, at: &At<'_>, key: &str) -> String {
        let node = fields.get(key);
        node.and_then(|node| self.string(node, &at.key(key)))
            .unwrap_or_default()
    }

    /// A list of texts, each of which passes `check`.
    pub(crate) fn texts(
        &mut self,
        fields: Fields<'_>,
        at: &At<'_>,
        key: &str,
        check: impl Fn(&str) -> Result<(), Fault>,
    ) -> Vec<String> {
        let at = at.key(key);
        let items = self.items(fields.get(key), &at);
        items
            .iter()
            .enumerate()
            .filter_map(|(index, item)| self.checked(item, &at.index(index), &check))
            .collect()
    }

    pub(crate) fn boolean(&mut self, fields: Fields<'_>, at: &At<'_>, key: &str) -> bool {
        match fields.get(key) {
            None => false,
            Some(Node {
                value: Value::Bool(value),
                ..
            }) => *value,
            Some(node) => {
                self.wrong_type(node, &at.key(key), "true or false");
                false
            }
        }
    }

    /// An object of texts, each key and value of which passes its check.
    pub(crate) fn text_map(
        &mut self,
        node: Option<&Node>,
        at: &At<'_>,
        check_key: impl Fn(&str) -> Result<(), Fault>,
        check_value: impl Fn(&str) -> Result<(), Fault>,
    ) -> BTreeMap<String, String> {
        let entries = node
            .and_then(|node| self.entries(node, at))
            .unwrap_or_default();
        let mut map = BTreeMap::new();
        for entry in entries {
            let at = at.key(&entry.key);
            if let Err(fault) = check_key(&entry.key) {
                let value = Some(entry.key.clone());
                self.note(ProblemKind::Invalid, entry.line, &at, value, fault);
            }
            if let Some(value) = self.checked(&entry.node, &at, &check_value) {
                map.insert(entry.key.clone(), value);
            }
        }
        map
    }

    /// One of a few words.
    pub(crate) fn word<T: Copy>(
        &mut self,
        node: &Node,
        at: &At<'_>,
        words: &[(&str, T)],
    ) -> Option<T> {
        let text = self.string(node, at)?;
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let all: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let fault = Fault::new("unknown value", format!("one of {}", all.join(", ")));
            self.invalid(node, at, fault);
        }
        found.map(|(_, value)| *value)
    }

    pub(crate) fn wrong_type(&mut self, node: &Node, at: &At<'_>, expected: &str) {
        let message = format!("{} where {expected} belongs", node.kind());
        self.invalid(node, at, Fault::new(message, ""));
    }
}

// === helpers ===

/// Whether a null there changes what a policy says. Tools write `creationTimestamp: null` and
/// `status: null` of their own, and nobody means anything by them.
fn is_of_weight(key: &str) -> bool {
    !matches!(
        key,
        "creationTimestamp"
            | "status"
            | "annotations"
            | "labels"
            | "ownerReferences"
            | "finalizers"
            | "managedFields"
    )
}

//! The line of a field, found again in its file: policies keep the line of their object alone, since
//! few fields of few objects are ever asked for.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::load::files::{self, Source};
use crate::meta::Origin;
use crate::yaml::{self, Document, Node, Value};

/// Finds lines; each file is read once.
#[derive(Default)]
pub struct Locator {
    files: HashMap<PathBuf, Vec<Document>>,
}

// === impl Locator ===

impl Locator {
    /// Takes text for the content of a file, as [`crate::Loaded::from_text`] does.
    pub fn add_text(&mut self, file: &Path, text: &str) {
        let (documents, _) = yaml::parse(text);
        self.files.insert(file.to_owned(), documents);
    }

    /// The line of a field of the object at `origin`; that of its nearest parent where the field is
    /// not there, and that of the object where its file is not what it was.
    pub fn line(&mut self, origin: &Origin, path: &str) -> usize {
        if !self.files.contains_key(&origin.file) {
            match files::read(&origin.file) {
                Source::Text(file, text) => self.add_text(&file, &text),
                Source::Unreadable(file, _) => {
                    self.files.insert(file, Vec::new());
                }
            }
        }
        let documents = &self.files[&origin.file];
        let document = documents
            .iter()
            .find(|document| document.number == origin.document);
        let object = document.and_then(|document| object_at(&document.root, origin.line));
        object.map_or(origin.line, |object| line_in(object, path))
    }
}

// === helpers ===

/// The object that begins on that line: the document, or an item of a list of objects.
fn object_at(root: &Node, line: usize) -> Option<&Node> {
    if root.line == line {
        return Some(root);
    }
    let Value::List(items) = &root.entry("items")?.node.value else {
        return None;
    };
    items.iter().find(|item| item.line == line)
}

/// The keys and indices of a path. A key with a dot in it stands in brackets and quotes.
fn steps(path: &str) -> Vec<&str> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        let (step, tail) = match rest.strip_prefix("[\"") {
            Some(quoted) => quoted.split_once("\"]").unwrap_or((quoted, "")),
            None => {
                let rest = rest.trim_start_matches(['.', '[']);
                rest.split_at(rest.find(['.', '[', ']']).unwrap_or(rest.len()))
            }
        };
        steps.push(step);
        rest = tail.strip_prefix(']').unwrap_or(tail);
    }
    steps.retain(|step| !step.is_empty());
    steps
}

/// Follows a path such as `spec.rules[0].when[1].key` as far as it leads.
fn line_in(object: &Node, path: &str) -> usize {
    let mut node = object;
    let mut line = object.line;
    for step in steps(path) {
        match &node.value {
            Value::Map(_) => {
                let Some(entry) = node.entry(step) else {
                    return line;
                };
                node = &entry.node;
                line = entry.line;
            }
            Value::List(items) => {
                let item = step.parse().ok().and_then(|index: usize| items.get(index));
                let Some(item) = item else {
                    return line;
                };
                node = item;
                line = item.line;
            }
            _ => return line,
        }
    }
    line
}

#[cfg(test)]
mod tests;

//! YAML as a tree that knows its lines, read as `kubectl` reads it: the scalars of YAML 1.1, no key
//! twice. What the tree means is not known here.

mod scalar;
mod tree;

use granit_parser::{Event, Parser, ScanError, Span, options};

use self::tree::Builder;

/// One document of a file.
#[derive(Debug)]
pub(crate) struct Document {
    /// From 1, counting empty documents.
    pub(crate) number: usize,
    /// What it says; null when it is empty.
    pub(crate) root: Node,
}

/// A value and the line on which it begins.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) line: usize,
    pub(crate) value: Value,
}

/// The values of JSON. Numbers stay text, because nothing here calculates.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Integer(i128),
    Float(String),
    String(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) line: usize,
    pub(crate) node: Node,
}

/// Text that is no YAML, or more of it than we read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) document: usize,
    pub(crate) line: usize,
    pub(crate) message: String,
}

/// The documents of `text`, and what could not be read. A document with a fault is left out; those
/// after it are read, so that one run shows every fault.
pub(crate) fn parse(text: &str) -> (Vec<Document>, Vec<Fault>) {
    let options = options! { emit_comments: false };
    let mut parser = Parser::new_from_str_with_options(text, options);
    let mut documents = Vec::new();
    let mut faults = Vec::new();
    let mut number = 0;
    let mut builder = Builder::default();
    while let Some(next) = parser.next_event() {
        let step = match next {
            Ok((Event::DocumentStart(..), _)) => {
                number += 1;
                builder = builder.next_document();
                continue;
            }
            Ok((Event::DocumentEnd, span)) => {
                let line = span.start.line();
                let root = builder.take_root().unwrap_or(Node::null(line));
                documents.push(Document { number, root });
                continue;
            }
            Ok((Event::StreamEnd, _)) => break,
            Ok((event, span)) => builder.push(event, line_of(&span)),
            Err(error) => Err(syntax_fault(&error)),
        };
        let Err((line, message)) = step else {
            continue;
        };
        faults.push(Fault {
            document: number.max(1),
            line,
            message,
        });
        if builder.is_exhausted() || !matches!(parser.proceed_next_document(), Ok(true)) {
            break;
        }
    }
    (documents, faults)
}

// === impl Node ===

impl Node {
    pub(crate) fn null(line: usize) -> Self {
        Self {
            line,
            value: Value::Null,
        }
    }

    /// The kind of the value, as messages name it.
    pub(crate) fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Integer(_) => "an integer",
            Value::Float(_) => "a number",
            Value::String(_) => "a string",
            Value::List(_) => "a list",
            Value::Map(_) => "an object",
        }
    }

    /// The value as messages show it; nothing for lists and objects.
    pub(crate) fn text(&self) -> Option<String> {
        match &self.value {
            Value::Null => Some("null".to_owned()),
            Value::Bool(value) => Some(value.to_string()),
            Value::Integer(value) => Some(value.to_string()),
            Value::Float(value) | Value::String(value) => Some(value.clone()),
            Value::List(_) | Value::Map(_) => None,
        }
    }

    pub(crate) fn is_empty_list(&self) -> bool {
        matches!(&self.value, Value::List(items) if items.is_empty())
    }

    pub(crate) fn is_object(&self) -> bool {
        matches!(self.value, Value::Map(_))
    }

    pub(crate) fn is_empty_object(&self) -> bool {
        matches!(&self.value, Value::Map(entries) if entries.is_empty())
    }

    /// The value of a key, if this is an object that has it.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        let Value::Map(entries) = &self.value else {
            return None;
        };
        entries.iter().find(|entry| entry.key == key)
    }
}

// === helpers ===

fn line_of(span: &Span) -> usize {
    span.start.line()
}

fn syntax_fault(error: &ScanError) -> (usize, String) {
    (error.marker().line(), error.info())
}

#[cfg(test)]
mod tests;

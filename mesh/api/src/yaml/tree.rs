//! Builds the tree of one document out of the parser's events, within limits.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use granit_parser::{Event, ScalarStyle, Tag};

use super::scalar::resolve;
use super::{Entry, Node, Value};

/// Deeper than any object of Kubernetes; what is nested deeper exhausts a stack, not a reader.
const DEPTH_MAX: usize = 64;

/// Values that aliases of one file may repeat. People repeat a list of labels, not a million values;
/// a bomb of aliases makes billions out of a few lines.
const ALIASED_MAX: usize = 1_000_000;

/// Where an object's key is merged from another one.
const MERGE_KEY: &str = "<<";

type Step = Result<(), (usize, String)>;

#[derive(Default)]
pub(super) struct Builder {
    root: Option<Node>,
    open: Vec<Frame>,
    /// Anchored nodes of this document and how many nodes each is.
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
    aliased: usize,
}

struct Frame {
    line: usize,
    anchor: usize,
    /// Nodes before this one, so that the size of an anchored node is known at its end.
    nodes_before: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map {
        entries: Vec<Entry>,
        keys: HashSet<String>,
        merged: Vec<Entry>,
        pending: Option<(String, usize)>,
    },
}

// === impl Builder ===

impl Builder {
    /// An empty builder that goes on counting what aliases repeat.
    pub(super) fn next_document(self) -> Self {
        Self {
            aliased: self.aliased,
            ..Self::default()
        }
    }

    pub(super) fn take_root(&mut self) -> Option<Node> {
        self.root.take()
    }

    /// Whether aliases repeat more than they may, so that nothing of the file's rest is read.
    pub(super) fn is_exhausted(&self) -> bool {
        self.aliased > ALIASED_MAX
    }

    pub(super) fn push(&mut self, event: Event<'_>, line: usize) -> Step {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let value = scalar(&text, style, tag.as_deref());
                let value = value.map_err(|message| (line, message))?;
                self.nodes += 1;
                self.place(Node { line, value }, anchor, 1)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.open(line, anchor, tag, "seq", Content::List(Vec::new()))
            }
            Event::MappingStart(_, anchor, tag) => {
                let content = Content::Map {
                    entries: Vec::new(),
                    keys: HashSet::new(),
                    merged: Vec::new(),
                    pending: None,
                };
                self.open(line, anchor, tag, "map", content)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(id) => {
                let Some((node, size)) = self.anchors.get(&id) else {
                    return Err((line, "an alias inside of what it repeats".to_owned()));
                };
                self.nodes += size;
                self.aliased += size;
                if self.aliased > ALIASED_MAX {
                    let message = format!("aliases that repeat more than {ALIASED_MAX} values");
                    return Err((line, message));
                }
                // Messages point at the alias: that is where the object has the value.
                let value = node.value.clone();
                let size = *size;
                self.place(Node { line, value }, 0, size)
            }
            _ => Ok(()),
        }
    }

    fn open(
        &mut self,
        line: usize,
        anchor: usize,
        tag: Option<Cow<'_, Tag>>,
        own_tag: &str,
        content: Content,
    ) -> Step {
        if let Some(tag) = tag.filter(|tag| !tag.is_yaml_core_schema_tag(own_tag)) {
            return Err((line, format!("tag {} has no meaning here", tag.original())));
        }
        if self.open.len() == DEPTH_MAX {
            return Err((line, format!("nested deeper than {DEPTH_MAX} levels")));
        }
        let nodes_before = self.nodes;
        self.nodes += 1;
        self.open.push(Frame {
            line,
            anchor,
            nodes_before,
            content,
        });
        Ok(())
    }

    fn close(&mut self) -> Step {
        let Some(frame) = self.open.pop() else {
            return Ok(());
        };
        let value = match frame.content {
            Content::List(items) => Value::List(items),
            Content::Map {
                mut entries,
                keys,
                merged,
                ..
            } => {
                // A key of the object itself is stronger than a merged one.
                entries.extend(
                    merged
                        .into_iter()
                        .filter(|entry| !keys.contains(&entry.key)),
                );
                Value::Map(entries)
            }
        };
        let node = Node {
            line: frame.line,
            value,
        };
        let size = self.nodes - frame.nodes_before;
        self.place(node, frame.anchor, size)
    }

    /// Puts a finished node where it belongs: as a key, a value, an item or the root.
    fn place(&mut self, node: Node, anchor: usize, size: usize) -> Step {
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), size));
        }
        let Some(frame) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut frame.content {
            Content::List(items) => items.push(node),
            Content::Map {
                entries,
                keys,
                merged,
                pending,
            } => match pending.take() {
                None => *pending = Some(key_of(&node)?),
                Some((key, line)) => {
                    if !keys.insert(key.clone()) {
                        return Err((line, format!("key \"{key}\" stands twice in its object")));
                    }
                    if key == MERGE_KEY {
                        *merged = merge(node)?;
                    } else {
                        entries.push(Entry { key, line, node });
                    }
                }
            },
        }
        Ok(())
    }
}

// === helpers ===

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, String> {
    match tag {
        None if style == ScalarStyle::Plain => Ok(resolve(text)),
        None => Ok(Value::String(text.to_owned())),
        Some(tag) if tag.is_yaml_core_schema_tag("str") => Ok(Value::String(text.to_owned())),
        Some(tag) => Err(format!("tag {} has no meaning here", tag.original())),
    }
}

/// JSON has strings as keys alone, so numbers and booleans become the strings that JSON would have.
fn key_of(node: &Node) -> Result<(String, usize), (usize, String)> {
    match &node.value {
        Value::Null | Value::List(_) | Value::Map(_) => {
            Err((node.line, format!("{} as a key", node.kind())))
        }
        _ => Ok((node.text().unwrap_or_default(), node.line)),
    }
}

/// What `<<` names; of several objects the first that has a key is the stronger one.
fn merge(node: Node) -> Result<Vec<Entry>, (usize, String)> {
    let sources = match node.value {
        Value::Map(_) => vec![node],
        Value::List(items) => items,
        _ => return Err((node.line, "\"<<\" merges objects alone".to_owned())),
    };
    let mut keys = HashSet::new();
    let mut merged = Vec::new();
    for source in sources {
        let Value::Map(entries) = source.value else {
            return Err((source.line, "\"<<\" merges objects alone".to_owned()));
        };
        for entry in entries {
            if keys.insert(entry.key.clone()) {
                merged.push(entry);
            }
        }
    }
    Ok(merged)
}

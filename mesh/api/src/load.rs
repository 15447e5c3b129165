//! Files and folders to policies: which files, which documents, which objects; all that is wrong
//! with them at once.

pub(crate) mod files;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use self::files::Source;
use crate::PolicySet;
use crate::meta::{Meta, Origin};
use crate::read::{self, At, Reader};
use crate::report::{Error, Problem, ProblemKind};
use crate::settings::MeshSettings;
use crate::suggest::nearest;
use crate::yaml::{self, Node};

const SECURITY_GROUP: &str = "security.istio.io";
const SECURITY_VERSIONS: [&str; 2] = ["v1", "v1beta1"];
const SECURITY_KINDS: [&str; 3] = [
    "AuthorizationPolicy",
    "PeerAuthentication",
    "RequestAuthentication",
];

const WORKLOAD_ENTRY_VERSIONS: [&str; 3] = [
    "networking.istio.io/v1",
    "networking.istio.io/v1beta1",
    "networking.istio.io/v1alpha3",
];

const OBJECT_FIELDS: [&str; 5] = ["apiVersion", "kind", "metadata", "spec", "status"];

/// What a set of files says, and what is wrong with it.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The objects, those with problems among them.
    pub policies: PolicySet,
    /// What is wrong, in the order of the files; warnings stand apart.
    pub problems: Vec<Problem>,
    /// What Istio takes with a warning.
    pub warnings: Vec<Problem>,
    /// Objects that are no policies, and how many of each `apiVersion` and kind.
    pub ignored: BTreeMap<String, usize>,
    /// Where each object was first seen, so that a second one is told.
    seen: BTreeMap<(String, String), Origin>,
}

// === impl Loaded ===

impl Loaded {
    /// Reads files, and folders with all below them, of which the files that end in `.yaml`,
    /// `.yml` and `.json`.
    #[must_use]
    pub fn from_paths<P: AsRef<Path>>(paths: &[P]) -> Self {
        let mut loaded = Self::default();
        for path in paths {
            for source in files::of(path.as_ref()) {
                match source {
                    Source::Text(file, text) => loaded.add(&file, &text),
                    Source::Unreadable(file, message) => {
                        loaded.problems.push(unreadable(file, message));
                    }
                }
            }
        }
        loaded
    }

    /// Reads text; `file` is what its problems call it.
    #[must_use]
    pub fn from_text(file: &Path, text: &str) -> Self {
        let mut loaded = Self::default();
        loaded.add(file, text);
        loaded
    }

    /// The same, unless anything is wrong.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn valid(self) -> Result<Self, Error> {
        if self.problems.is_empty() {
            Ok(self)
        } else {
            Err(Error {
                problems: self.problems,
            })
        }
    }

    fn add(&mut self, file: &Path, text: &str) {
        let (documents, faults) = yaml::parse(text);
        let mut noted: Vec<Problem> = faults
            .into_iter()
            .map(|fault| syntax_problem(file, fault))
            .collect();
        for document in &documents {
            if document.root.value == yaml::Value::Null {
                continue;
            }
            let mut reader = Reader {
                file,
                document: document.number,
                object: String::new(),
                problems: &mut noted,
            };
            self.object(&mut reader, &document.root);
        }
        noted.sort_by_key(|problem| problem.origin.line);
        let is_warning = |problem: &Problem| problem.kind == ProblemKind::Warning;
        let (warnings, problems): (Vec<_>, Vec<_>) = noted.into_iter().partition(is_warning);
        self.warnings.extend(warnings);
        self.problems.extend(problems);
    }

    fn object(&mut self, reader: &mut Reader<'_>, node: &Node) {
        let at = At::ROOT;
        if reader.entries(node, &at).is_none() {
            return;
        }
        let text = |key: &str| node.entry(key).and_then(|entry| entry.node.text());
        let (Some(api_version), Some(kind)) = (text("apiVersion"), text("kind")) else {
            let expected = "an object of Kubernetes, with apiVersion and kind";
            reader.reject(node.line, &at, "no apiVersion or no kind", expected);
            return;
        };
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", &api_version));
        let is_workload_entry =
            kind == "WorkloadEntry" && WORKLOAD_ENTRY_VERSIONS.contains(&api_version.as_str());
        if is_list(group, &kind) {
            self.list(reader, node);
        } else if group == SECURITY_GROUP {
            self.security_object(reader, node, version, &kind);
        } else if is_workload_entry {
            let fields = reader.fields(node, &at, &OBJECT_FIELDS);
            let meta = read::metadata(reader, fields, &kind);
            let entry = read::workload_entry(reader, fields, meta);
            self.policies.workload_entries.push(entry);
        } else if let Some(meant) = meant_version(&api_version, &kind) {
            let node = node.entry("apiVersion").map_or(node, |entry| &entry.node);
            let expected = format!("perhaps {meant}");
            reader.unknown(node, &at.key("apiVersion"), "unknown version", &expected);
        } else {
            *self
                .ignored
                .entry(format!("{api_version} {kind}"))
                .or_default() += 1;
        }
    }

    /// What `kubectl get -o yaml` writes of several objects.
    fn list(&mut self, reader: &mut Reader<'_>, node: &Node) {
        let at = At::ROOT;
        let items = node.entry("items").map(|entry| &entry.node);
        for item in reader.items(items, &at.key("items")) {
            reader.object.clear();
            self.object(reader, item);
        }
    }

    fn security_object(&mut self, reader: &mut Reader<'_>, node: &Node, version: &str, kind: &str) {
        let at = At::ROOT;
        let api_version = node.entry("apiVersion").map(|entry| &entry.node);
        if let Some(node) = api_version.filter(|_| !SECURITY_VERSIONS.contains(&version)) {
            let expected = format!("{SECURITY_GROUP}/v1 or {SECURITY_GROUP}/v1beta1");
            reader.unknown(node, &at.key("apiVersion"), "unknown version", &expected);
            return;
        }
        if !SECURITY_KINDS.contains(&kind) {
            let expected = match nearest(kind, SECURITY_KINDS) {
                Some(meant) => format!("perhaps {meant}"),
                None => format!("one of {}", SECURITY_KINDS.join(", ")),
            };
            let node = node.entry("kind").map_or(node, |entry| &entry.node);
            reader.unknown(node, &at.key("kind"), "unknown kind", &expected);
            return;
        }
        let fields = reader.fields(node, &at, &OBJECT_FIELDS);
        let meta = read::metadata(reader, fields, kind);
        self.note_twin(reader, kind, &meta);
        let policies = &mut self.policies;
        match kind {
            "AuthorizationPolicy" => policies
                .authorization_policies
                .push(read::authorization_policy(reader, fields, meta)),
            "PeerAuthentication" => policies
                .peer_authentications
                .push(read::peer_authentication(reader, fields, meta)),
            _ => policies
                .request_authentications
                .push(read::request_authentication(reader, fields, meta)),
        }
    }

    /// In a cluster the second object would replace the first. In files nobody can tell which of
    /// them was meant.
    fn note_twin(&mut self, reader: &mut Reader<'_>, kind: &str, meta: &Meta) {
        if meta.name.is_empty() {
            return;
        }
        let key = (kind.to_owned(), meta.id());
        if let Some(first) = self.seen.get(&key) {
            let message = format!("this {kind} already stands in {first}");
            reader.duplicate(meta.origin.line, &message);
        } else {
            self.seen.insert(key, meta.origin.clone());
        }
    }
}

/// Reads the settings of a MeshConfig file.
///
/// # Errors
/// Everything that is wrong with it.
pub fn mesh_settings_from_path(file: &Path) -> Result<MeshSettings, Error> {
    match files::read(file) {
        Source::Text(file, text) => mesh_settings_from_text(&file, &text),
        Source::Unreadable(file, message) => Err(Error {
            problems: vec![unreadable(file, message)],
        }),
    }
}

/// Reads the settings out of MeshConfig text; `file` is what its problems call it.
///
/// # Errors
/// Everything that is wrong with it.
pub fn mesh_settings_from_text(file: &Path, text: &str) -> Result<MeshSettings, Error> {
    let (documents, faults) = yaml::parse(text);
    let mut problems: Vec<Problem> = faults
        .into_iter()
        .map(|fault| syntax_problem(file, fault))
        .collect();
    let mut settings = MeshSettings::default();
    let mut is_read = false;
    for document in &documents {
        if document.root.value == yaml::Value::Null {
            continue;
        }
        let mut reader = Reader {
            file,
            document: document.number,
            object: String::new(),
            problems: &mut problems,
        };
        if is_read {
            let message = "a second document in the settings of the mesh";
            reader.reject(document.root.line, &At::ROOT, message, "one document");
            continue;
        }
        settings = read::mesh_settings(&mut reader, &document.root);
        is_read = true;
    }
    problems.retain(|problem| problem.kind != ProblemKind::Warning);
    if problems.is_empty() {
        Ok(settings)
    } else {
        Err(Error { problems })
    }
}

// === helpers ===

/// The version that was meant, where it is nearly one of Istio's and the kind is one of its kinds: an
/// object that is left out for a typing error protects nothing. Others have kinds of these names too.
fn meant_version(api_version: &str, kind: &str) -> Option<&'static str> {
    let known = ["security.istio.io/v1", "security.istio.io/v1beta1"];
    SECURITY_KINDS
        .contains(&kind)
        .then(|| nearest(api_version, known))
        .flatten()
}

fn is_list(group: &str, kind: &str) -> bool {
    let listed = kind.strip_suffix("List");
    match group {
        "" => kind == "List",
        SECURITY_GROUP => listed.is_some_and(|kind| SECURITY_KINDS.contains(&kind)),
        _ => kind == "WorkloadEntryList",
    }
}

fn syntax_problem(file: &Path, fault: yaml::Fault) -> Problem {
    Problem {
        origin: Origin {
            file: file.to_owned(),
            line: fault.line,
            document: fault.document,
        },
        ..unreadable(PathBuf::new(), fault.message)
    }
}

fn unreadable(file: PathBuf, message: String) -> Problem {
    Problem {
        kind: ProblemKind::Unreadable,
        origin: Origin {
            file,
            ..Origin::default()
        },
        object: String::new(),
        path: String::new(),
        value: None,
        message,
        expected: String::new(),
    }
}

#[cfg(test)]
mod tests;

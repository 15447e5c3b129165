//! What every object has: its names, its labels, and where it stands in which file.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// Kubernetes labels, and a selector of them: an empty selector selects everything.
pub type Labels = BTreeMap<String, String>;

/// An object's `metadata`, and where it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.namespace`, or the namespace that the loader was told to assume.
    pub namespace: String,
    /// `metadata.labels`.
    pub labels: Labels,
    /// `metadata.annotations`.
    pub annotations: BTreeMap<String, String>,
    /// `metadata.creationTimestamp` in seconds since 1970. Of two PeerAuthentications of one scope
    /// the older wins; an object without it counts as the oldest, as Kubernetes' zero time does.
    pub creation_timestamp: Option<i64>,
    /// Where the object stands.
    pub origin: Origin,
}

/// A place in a file. The default is an object that was made by a program.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The file as it was named to the loader.
    pub file: PathBuf,
    /// The line, from 1; 0 when the object comes from no file.
    pub line: usize,
    /// The document in the file, from 1, counting empty ones.
    pub document: usize,
}

// === impl Meta ===

impl Meta {
    /// The name by which decisions and logs speak of the object: `namespace/name`.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// Whether the object, selecting by `selector`, applies to a workload with these labels.
    ///
    /// An object of the root namespace applies in every namespace, any other in its own.
    #[must_use]
    pub fn selects(
        &self,
        selector: &Labels,
        root_namespace: &str,
        namespace: &str,
        labels: &Labels,
    ) -> bool {
        let in_scope = self.namespace == root_namespace || self.namespace == namespace;
        in_scope
            && selector
                .iter()
                .all(|(key, value)| labels.get(key) == Some(value))
    }
}

// === impl Origin ===

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.file.display(), self.line)
    }
}

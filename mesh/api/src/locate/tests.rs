use std::path::{Path, PathBuf};

use super::Locator;
use crate::meta::Origin;

const TEXT: &str = "\
kind: First
---
kind: List
items:
- kind: A
  spec:
    rules:
    - when:
      - key: x
- kind: B
  labels:
    a.b/c: d
    e:
    - f
";

fn origin(line: usize, document: usize) -> Origin {
    Origin {
        file: PathBuf::from("p.yaml"),
        line,
        document,
    }
}

#[test]
fn a_field_is_found_in_its_object() {
    let mut locator = Locator::default();
    locator.add_text(Path::new("p.yaml"), TEXT);
    for (line, document, path, expected) in [
        (1, 1, "kind", 1),
        (5, 2, "", 5),
        (5, 2, "spec.rules[0].when[0].key", 9),
        (5, 2, "spec.rules[0].when[0].values[3]", 9),
        (5, 2, "spec.rules[7]", 7),
        (10, 2, "labels[\"a.b/c\"]", 12),
        (10, 2, "labels.e[0]", 14),
        (10, 2, "spec", 10),
        (77, 2, "spec", 77),
        (1, 9, "kind", 1),
    ] {
        let found = locator.line(&origin(line, document), path);
        assert_eq!(found, expected, "{line} {document} {path}");
    }
}

#[test]
fn a_file_that_is_gone_leaves_the_line_of_the_object() {
    let mut gone = origin(3, 1);
    gone.file = PathBuf::from("gone.yaml");
    assert_eq!(Locator::default().line(&gone, "spec"), 3);
}

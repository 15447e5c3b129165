//! Istio's CRD schemas against the loader: what a schema rejects we reject, so what we accept it
//! accepts. The schemas are fetched (`scripts/tradewind.sh fetch istio-api`), not part of the tree.
//! Their CEL rules are not evaluated here: the tables of the other modules cover them.

mod mutate;
mod openapi;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use self::openapi::Schema;
use crate::{load, shown};

/// Policies that use every field, one of each kind in each version.
const CORPUS: &str = include_str!("schema/corpus.yaml");

/// Schemas by kind and version.
fn schemas() -> BTreeMap<(String, String), Schema> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let file: PathBuf = root.join(".local/istio-api/customresourcedefinitions.gen.yaml");
    let text = fs::read_to_string(&file).unwrap_or_else(|error| {
        panic!(
            "{}: {error}; run scripts/tradewind.sh fetch istio-api",
            file.display()
        )
    });
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
    let mut schemas = BTreeMap::new();
    for document in documents {
        let spec = &document["spec"];
        let kind = spec["names"]["kind"].as_str().unwrap().to_owned();
        if spec["group"] != "security.istio.io" {
            continue;
        }
        for version in spec["versions"].as_array().unwrap() {
            let name = version["name"].as_str().unwrap().to_owned();
            let schema = Schema::new(version["schema"]["openAPIV3Schema"].clone());
            schemas.insert((kind.clone(), name), schema);
        }
    }
    assert_eq!(schemas.len(), 6, "three kinds in two versions");
    schemas
}

fn corpus() -> Vec<Value> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(CORPUS).unwrap();
    documents
}

fn verdict_of_schema<'s>(
    schemas: &'s BTreeMap<(String, String), Schema>,
    object: &Value,
) -> Result<(), String> {
    let kind = object["kind"].as_str().unwrap().to_owned();
    let version = object["apiVersion"].as_str().unwrap();
    let version = version.rsplit('/').next().unwrap().to_owned();
    let schema: &'s Schema = &schemas[&(kind, version)];
    schema.check(object)
}

#[test]
fn the_corpus_is_right_for_both() {
    let schemas = schemas();
    for object in corpus() {
        verdict_of_schema(&schemas, &object).unwrap();
        let loaded = load(&object.to_string());
        assert_eq!(shown(&loaded.problems), "", "{object}");
    }
}

#[test]
fn no_mutation_that_a_schema_rejects_is_accepted() {
    let schemas = schemas();
    let mut rejected = 0;
    let mut accepted = 0;
    for object in corpus() {
        for mutant in mutate::mutants(&object) {
            let schema = verdict_of_schema(&schemas, &mutant);
            let ours = load(&mutant.to_string());
            if let Err(reason) = &schema {
                rejected += 1;
                assert!(
                    !ours.problems.is_empty(),
                    "accepted although {reason}: {mutant}"
                );
            }
            if ours.problems.is_empty() {
                accepted += 1;
            }
        }
    }
    // Numbers that say that the comparison compared something.
    assert!(
        rejected > 1_500,
        "{rejected} mutants were rejected by a schema"
    );
    assert!(accepted > 300, "{accepted} mutants were accepted by us");
}

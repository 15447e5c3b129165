//! The naive evaluator's paths against what a live Envoy 1.40 told of itself (`%REQ(:path)%`).

use mesh_api::PathNormalization::{Base, DecodeAndMergeSlashes, MergeSlashes, None};

use super::normalize;

#[test]
fn paths_become_what_envoy_made_of_them() {
    let told: Vec<[String; 4]> = serde_json::from_str(include_str!("../envoy-paths.json")).unwrap();
    let mut wrong = Vec::new();
    for paths in &told {
        for (mode, expected) in [None, Base, MergeSlashes, DecodeAndMergeSlashes]
            .iter()
            .zip(paths)
        {
            let found = normalize(*mode, &paths[0]);
            if found != *expected {
                wrong.push(format!(
                    "{mode:?} {:?}: {found:?}, Envoy {expected:?}",
                    paths[0]
                ));
            }
        }
    }
    assert!(told.len() > 500, "the list is whole");
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        told.len() * 4,
        wrong.join("\n")
    );
}

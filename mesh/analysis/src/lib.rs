//! Finds in policies what Istio accepts and nobody means: rules that match nothing, that another
//! rule hides, or that speak of workloads, identities and methods that are not there.
//!
//! Nothing is decided here and no request is seen. What is told is certain as far as the given
//! world is complete: without workloads, nothing is said about what only workloads can tell.

#![warn(missing_docs)]

mod code;
mod finding;
mod world;

mod attribute;
mod clause;
mod descriptor;
mod pattern;

mod rules;
mod selection;
mod setup;
mod tcp;
mod tokens;
mod values;

use mesh_api::Loaded;

pub use code::{Code, Level};
pub use descriptor::{Descriptors, Error};
pub use finding::Finding;
pub use world::World;

use crate::finding::Findings;

/// Everything that is wrong or strange, in the order of the files.
///
/// The problems of the loader are among it. Objects with problems are analysed like the others.
#[must_use]
pub fn analyze(loaded: &Loaded, world: &World) -> Vec<Finding> {
    let mut findings = Findings::default();
    findings.add_problems(loaded);
    let policies = &loaded.policies;
    selection::check(policies, world, &mut findings);
    values::check(policies, world, &mut findings);
    tokens::check(policies, world, &mut findings);
    rules::check(policies, world, &mut findings);
    tcp::check(policies, world, &mut findings);
    setup::check(policies, world, &mut findings);
    findings.sorted()
}

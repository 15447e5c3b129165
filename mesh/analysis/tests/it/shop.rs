//! A small shop whose policies are good: nothing may be found in them, with or without its world.

use std::path::Path;

use mesh_analysis::{Descriptors, World};
use mesh_api::{Loaded, mesh_settings_from_text};

use crate::{findings, shown};

pub(crate) const GOOD: &str = include_str!("shop/good.yaml");
const WORLD: &str = include_str!("shop/world.yaml");

const MESH_CONFIG: &str = "\
trustDomain: cluster.local
extensionProviders:
- name: oauth
  envoyExtAuthzGrpc: {service: oauth.ops.svc.cluster.local, port: 9191}
";

const METHODS: [&str; 11] = [
    "/books.v1.Catalog/List",
    "/books.v1.Catalog/Get",
    "/books.v1.Stock/Reserve",
    "/books.v1.Stock/Release",
    "/books.v1.Cart/Add",
    "/books.v1.Cart/Remove",
    "/books.v1.Cart/Buy",
    "/books.v1.Cart/Paid",
    "/books.v1.Ledger/Charge",
    "/books.v1.Ledger/Correct",
    "/books.v1.Mail/Send",
];

/// Everything that can be known of the shop.
pub(crate) fn world() -> World {
    let loaded = Loaded::from_text(Path::new("world.yaml"), WORLD);
    World {
        workloads: loaded.valid().unwrap().policies.workload_entries,
        settings: Some(mesh_settings_from_text(Path::new("mesh.yaml"), MESH_CONFIG).unwrap()),
        descriptors: Some(Descriptors::of_methods(METHODS.map(str::to_owned))),
    }
}

#[test]
fn nothing_is_found_in_good_policies() {
    assert_eq!(shown(&findings(GOOD, &world())), "");
    assert_eq!(shown(&findings(GOOD, &World::default())), "");
}

#![allow(clippy::unwrap_used)]

use clap::Parser;
use serde_json::json;

use super::{Explain, Modes, Places, World};
use crate::authz::example;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    explain: Explain,
}

fn world(flags: &[&str]) -> (World, Option<u16>) {
    let policies = example("policies");
    let fixed = ["explain", "--policies", &policies];
    let line = Line::try_parse_from(fixed.iter().chain(flags)).unwrap();
    let Explain {
        policies,
        target,
        port,
        ..
    } = line.explain;
    (World::read(&policies, &target).unwrap(), port)
}

#[test]
fn each_port_has_its_mode_and_who_set_it() {
    let (world, port) = world(&["--to", "order"]);
    let modes = Modes::new(&world, world.only_callee().unwrap(), port);
    let text = modes.text(&world, &mut Places::default());
    let text = text.replace(&example(""), "");
    let expected = "\
order.shop
  15021        PERMISSIVE  set by shop/order (port)  policies/order.yaml:42
               default PERMISSIVE → istio-system/default (mesh) STRICT → \
shop/order (workload) UNSET → shop/order (port) PERMISSIVE
  50051        STRICT      set by istio-system/default (mesh)  policies/mesh.yaml:8
               default PERMISSIVE → istio-system/default (mesh) STRICT → \
shop/order (workload) UNSET
  other ports  STRICT      set by istio-system/default (mesh)  policies/mesh.yaml:8
               default PERMISSIVE → istio-system/default (mesh) STRICT → \
shop/order (workload) UNSET
";
    assert_eq!(text, expected, "{text}");
}

#[test]
fn one_port_is_told_alone() {
    let (world, port) = world(&["--to", "gateway", "--port", "9000"]);
    let modes = Modes::new(&world, world.only_callee().unwrap(), port);
    let mut json = modes.json(&world, &mut Places::default());
    json["ports"][0]["file"].take();
    assert_eq!(
        json,
        json!({
            "workload": "gateway.shop",
            "ports": [{
                "port": 9000, "mode": "STRICT", "policy": "istio-system/default", "scope": "mesh",
                "file": null, "line": 8,
                "steps": [
                    {"scope": "default", "policy": null, "mode": "PERMISSIVE"},
                    {"scope": "mesh", "policy": "istio-system/default", "mode": "STRICT"},
                ],
            }],
            "ignored": [],
        })
    );
}

#[test]
fn without_policies_it_is_istios_default() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("w.yaml"),
        "apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\n\
         metadata: {name: a, namespace: b}\nspec: {address: 127.0.0.1}\n",
    )
    .unwrap();
    let path = folder.path().to_str().unwrap();
    let line = Line::try_parse_from(["explain", "--policies", path]).unwrap();
    let world = World::read(&line.explain.policies, &line.explain.target).unwrap();
    let modes = Modes::new(&world, world.only_callee().unwrap(), None);
    let text = modes.text(&world, &mut Places::default());
    assert_eq!(
        text,
        "a.b\n  other ports  PERMISSIVE  set by nobody: Istio's default\n\
         \x20              default PERMISSIVE\n"
    );
}
